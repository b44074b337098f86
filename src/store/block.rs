//! Bytes of tails and sealed blocks: how consecutive events lie in one value, and how damage is noticed. Pure; no file.

use super::columns::Columns;
use super::row::RowText;
use bincode::config::{Configuration, Fixint, LittleEndian, standard};

type Fixed = Configuration<LittleEndian, Fixint>;

/// Numbers are stored with a fixed width: they decode fast, and what repeats compresses away.
pub(super) fn fixed() -> Fixed {
    standard().with_fixed_int_encoding()
}

/// What is wrong with stored bytes. Never expected; a reader stops rather than serve a damaged event as good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged {what} at sequence {first}: {why}")]
pub struct Damage {
    pub what: &'static str,
    pub first: u64,
    pub why: String,
}

const CHECKSUM_BYTES: usize = 4;

fn seal_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn check_checksum<'a>(bytes: &'a [u8], what: &'static str, first: u64) -> Result<&'a [u8], Damage> {
    let damage = |why: &str| Damage { what, first, why: why.to_owned() };
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or_else(|| damage("too short"))?;
    let (body, sum) = bytes.split_at(at);
    match sum.try_into().map(u32::from_le_bytes) {
        Ok(stored) if stored == crc32fast::hash(body) => Ok(body),
        _ => Err(damage("the checksum does not match")),
    }
}

/// What one commit appended: numbers and text of consecutive events, uncompressed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tail {
    pub columns: Columns,
    pub text: Vec<u8>,
}

impl Tail {
    /// Layout: rows (u32), length of the columns (u32), columns, text, checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.text.len() + self.columns.len() * 64 + 64);
        bytes.extend_from_slice(&(self.columns.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bincode::encode_into_std_write(&self.columns, &mut bytes, fixed()).expect("writing to memory cannot fail");
        let columns = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&columns.to_le_bytes());
        bytes.extend_from_slice(&self.text);
        seal_checksum(bytes)
    }

    /// The rows of an encoded tail, without reading the rest.
    pub fn rows(bytes: &[u8], first: u64) -> Result<u64, Damage> {
        let head = bytes.first_chunk::<4>().ok_or_else(|| Damage { what: "tail", first, why: "too short".into() })?;
        Ok(u64::from(u32::from_le_bytes(*head)))
    }

    pub fn decode(bytes: &[u8], first: u64) -> Result<Tail, Damage> {
        let damage = |why: &str| Damage { what: "tail", first, why: why.to_owned() };
        let body = check_checksum(bytes, "tail", first)?;
        let (head, rest) = body.split_first_chunk::<8>().ok_or_else(|| damage("too short"))?;
        let [r0, r1, r2, r3, c0, c1, c2, c3] = *head;
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        let columns_len = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let (columns, text) = rest.split_at_checked(columns_len).ok_or_else(|| damage("columns cut short"))?;
        let columns = decode_columns(columns, "tail", first)?;
        if columns.len() != rows {
            return Err(damage("the columns have another number of rows"));
        }
        Ok(Tail { columns, text: text.to_vec() })
    }
}

fn decode_columns(bytes: &[u8], what: &'static str, first: u64) -> Result<Columns, Damage> {
    let damage = |why: String| Damage { what, first, why };
    let (columns, used): (Columns, usize) =
        bincode::decode_from_slice(bytes, fixed()).map_err(|error| damage(error.to_string()))?;
    if used != bytes.len() {
        return Err(damage("bytes left over".into()));
    }
    let rows = columns.len();
    let lengths = [
        columns.received.len(),
        columns.kind.len(),
        columns.source.len(),
        columns.name.len(),
        columns.environment.len(),
        columns.subject.len(),
        columns.value.len(),
    ];
    if lengths.iter().any(|&len| len != rows) || columns.units.iter().any(|unit| unit.hash.len() != rows) {
        return Err(damage("columns of different lengths".into()));
    }
    Ok(columns)
}

/// Columns of a sealed block: compressed, with a checksum.
pub(super) fn encode_columns(columns: &Columns, level: i32) -> std::io::Result<Vec<u8>> {
    let plain = bincode::encode_to_vec(columns, fixed()).expect("writing to memory cannot fail");
    let mut bytes = (plain.len() as u32).to_le_bytes().to_vec();
    bytes.extend(zstd::bulk::compress(&plain, level)?);
    Ok(seal_checksum(bytes))
}

pub(super) fn decode_sealed_columns(bytes: &[u8], first: u64) -> Result<Columns, Damage> {
    decode_columns(&inflate(bytes, "columns", first)?, "columns", first)
}

/// Text of a sealed block: length when inflated (u32), zstd frame, checksum.
pub(super) fn encode_text(text: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 3);
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend(zstd::bulk::compress(text, level)?);
    Ok(seal_checksum(bytes))
}

pub(super) fn decode_text(bytes: &[u8], first: u64) -> Result<Vec<u8>, Damage> {
    inflate(bytes, "block", first)
}

fn inflate(bytes: &[u8], what: &'static str, first: u64) -> Result<Vec<u8>, Damage> {
    let damage = |why: String| Damage { what, first, why };
    let body = check_checksum(bytes, what, first)?;
    let (head, frame) = body.split_first_chunk::<4>().ok_or_else(|| damage("too short".into()))?;
    let len = u32::from_le_bytes(*head) as usize;
    let plain = zstd::bulk::decompress(frame, len).map_err(|error| damage(error.to_string()))?;
    if plain.len() != len {
        return Err(damage("inflates to another length".into()));
    }
    Ok(plain)
}

/// Steps through the rows of a tail's or block's text.
pub(super) fn rows(text: &[u8], first: u64) -> impl Iterator<Item = Result<(RowText<'_>, &[u8]), Damage>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match RowText::decode(rest) {
            Ok((row, used)) => {
                let (bytes, left) = rest.split_at(used);
                rest = left;
                Some(Ok((row, bytes)))
            }
            Err(error) => {
                rest = &[];
                Some(Err(Damage { what: "row", first, why: error.to_string() }))
            }
        }
    })
}

/// What a scan needs to know of a sealed block to skip it.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Digest {
    pub rows: u64,
    /// Length of the rows' text before compression: how far the block is from a full one.
    pub text_bytes: u64,
    pub time: (i64, i64),
    pub received: (i64, i64),
    /// Sorted.
    pub names: Vec<u32>,
    /// Sorted; without 0.
    pub subjects: Vec<u32>,
}

impl Digest {
    pub(super) fn of(columns: &Columns, text_bytes: usize) -> Digest {
        let range = |values: &[i64]| {
            let low = values.iter().copied().min().unwrap_or(0);
            (low, values.iter().copied().max().unwrap_or(0))
        };
        let distinct = |values: &[u32]| {
            let mut seen: Vec<u32> = values.to_vec();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        let mut subjects = distinct(&columns.subject);
        subjects.retain(|&subject| subject != 0);
        Digest {
            rows: columns.len() as u64,
            text_bytes: text_bytes as u64,
            time: range(&columns.time),
            received: range(&columns.received),
            names: distinct(&columns.name),
            subjects,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, standard()).expect("writing to memory cannot fail")
    }

    pub(super) fn decode(bytes: &[u8], first: u64) -> Result<Digest, Damage> {
        let (digest, _) = bincode::decode_from_slice(bytes, standard()).map_err(|error| Damage {
            what: "digest",
            first,
            why: error.to_string(),
        })?;
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, Source, TermId, Timestamp, Unit};
    use crate::store::columns::Numbers;

    fn tail(rows: u32) -> Tail {
        let mut tail = Tail::default();
        for row in 0..rows {
            let event = Event {
                source: Source::Segment,
                kind: Kind::Track,
                name: "segment::A".into(),
                message_id: format!("m{row}").into(),
                time: Timestamp(i64::from(row) - 1),
                received: Timestamp(i64::from(row)),
                environment: "production".into(),
                units: vec![Unit { id_type: TermId(1), id: format!("u{row}").into() }],
                value: (row % 2 == 0).then_some(1.5),
                subject: None,
                raw: r#"{"event":"naïve \ud83e\udd8a"}"#.into(),
                shared: (row == 1).then(|| r#"{"context":{}}"#.into()),
            };
            RowText::encode(&event, &mut tail.text);
            let numbers = Numbers {
                time: event.time,
                received: event.received,
                kind: event.kind,
                source: event.source,
                name: TermId(row % 3 + 1),
                environment: TermId(1),
                subject: TermId(row % 2),
                value: event.value,
            };
            tail.columns.push(numbers, [(TermId(if row == 2 { 7 } else { 1 }), u64::from(row) + 1)]);
        }
        tail.columns.finish();
        tail
    }

    /// NaN stands for "no value" and is not equal to itself, so columns are compared by their bytes.
    fn same(left: &Columns, right: &Columns) -> bool {
        bincode::encode_to_vec(left, fixed()).unwrap() == bincode::encode_to_vec(right, fixed()).unwrap()
    }

    #[test]
    fn a_tail_and_a_block_come_back_as_they_were() {
        for rows_in in [0, 1, 2, 3, 1000] {
            let tail = tail(rows_in);
            let bytes = tail.encode();
            assert_eq!(Tail::rows(&bytes, 0), Ok(u64::from(rows_in)));
            let back = Tail::decode(&bytes, 0).unwrap();
            assert!(same(&back.columns, &tail.columns));
            assert_eq!(back.text, tail.text);
            assert_eq!(rows(&back.text, 0).filter(Result::is_ok).count(), rows_in as usize);

            assert_eq!(decode_text(&encode_text(&tail.text, 1).unwrap(), 0).unwrap(), tail.text);
            let columns = decode_sealed_columns(&encode_columns(&tail.columns, 1).unwrap(), 0).unwrap();
            assert!(same(&columns, &tail.columns));
            let digest = Digest::of(&tail.columns, tail.text.len());
            assert_eq!(Digest::decode(&digest.encode(), 0).unwrap(), digest);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let tail = tail(3);
        for good in [tail.encode(), encode_text(&tail.text, 1).unwrap(), encode_columns(&tail.columns, 1).unwrap()] {
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                assert!(check_checksum(&bad, "test", 0).is_err(), "byte {at}");
            }
            assert!(check_checksum(&good[..3], "test", 0).is_err());
        }
    }
}
