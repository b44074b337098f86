//! Bytes of tails and sealed blocks: how consecutive events lie in one value, and how damage is noticed. Pure; no file.

use super::columns::{Columns, Numbers};
use super::row::RowText;
use crate::event::TermId;
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
    /// Bytes of each row's text.
    pub lengths: Vec<u32>,
    /// Only tails hold them; a sealed block's are in its run.
    pub fingerprints: Vec<u128>,
    pub text: Vec<u8>,
}

const TAIL_HEAD_BYTES: usize = 8;

/// A tail in the making, its text already where it will be stored.
#[derive(Debug)]
pub(super) struct TailBuilder {
    bytes: Vec<u8>,
    columns: Columns,
    lengths: Vec<u32>,
    fingerprints: Vec<u128>,
}

impl TailBuilder {
    /// `buffer` is one that an earlier tail gave back, or a new one.
    pub fn new(mut buffer: Vec<u8>) -> TailBuilder {
        buffer.clear();
        buffer.resize(TAIL_HEAD_BYTES, 0);
        TailBuilder { bytes: buffer, columns: Columns::default(), lengths: Vec::new(), fingerprints: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.columns.len()
    }

    pub fn text_bytes(&self) -> usize {
        self.bytes.len() - TAIL_HEAD_BYTES
    }

    /// The stored size with one more row of this much text, or a little more than that.
    pub fn size_with(&self, text: usize) -> usize {
        /// Numbers of a row, its length and its fingerprint.
        const ROW: usize = 38 + 4 + 16;
        /// Lengths of the columns and the checksum.
        const REST: usize = 160;
        let units: usize = (self.columns.units.len() + 1) * 8;
        self.bytes.len() + text + (self.rows() + 1) * (ROW + units) + REST + units * 3
    }

    pub fn push(
        &mut self,
        row: Numbers,
        units: impl IntoIterator<Item = (TermId, u64)>,
        fingerprint: u128,
        text: &[u8],
    ) {
        self.columns.push(row, units);
        self.lengths.push(text.len() as u32);
        self.fingerprints.push(fingerprint);
        self.bytes.extend_from_slice(text);
    }

    /// Layout: rows (u32), length of the text (u32), text, columns with lengths and fingerprints, checksum.
    pub fn finish(mut self) -> Vec<u8> {
        self.columns.finish();
        let text = self.text_bytes() as u32;
        self.bytes[..4].copy_from_slice(&(self.columns.len() as u32).to_le_bytes());
        self.bytes[4..TAIL_HEAD_BYTES].copy_from_slice(&text.to_le_bytes());
        let numbers = (&self.columns, &self.lengths, &self.fingerprints);
        bincode::encode_into_std_write(numbers, &mut self.bytes, fixed()).expect("writing to memory cannot fail");
        seal_checksum(self.bytes)
    }
}

impl Tail {
    /// The rows of an encoded tail, without reading the rest.
    pub fn rows(bytes: &[u8], first: u64) -> Result<u64, Damage> {
        let head = bytes.first_chunk::<4>().ok_or_else(|| Damage { what: "tail", first, why: "too short".into() })?;
        Ok(u64::from(u32::from_le_bytes(*head)))
    }

    pub fn decode(bytes: &[u8], first: u64) -> Result<Tail, Damage> {
        let damage = |why: &str| Damage { what: "tail", first, why: why.to_owned() };
        let body = check_checksum(bytes, "tail", first)?;
        let (head, rest) = body.split_first_chunk::<TAIL_HEAD_BYTES>().ok_or_else(|| damage("too short"))?;
        let [r0, r1, r2, r3, t0, t1, t2, t3] = *head;
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        let text_len = u32::from_le_bytes([t0, t1, t2, t3]) as usize;
        let (text, numbers) = rest.split_at_checked(text_len).ok_or_else(|| damage("the text is cut short"))?;
        let ((columns, lengths, fingerprints), used): ((Columns, Vec<u32>, Vec<u128>), usize) =
            bincode::decode_from_slice(numbers, fixed()).map_err(|error| damage(&error.to_string()))?;
        if used != numbers.len() || columns.len() != rows || fingerprints.len() != rows {
            return Err(damage("the columns have another number of rows"));
        }
        check_lengths(&columns, &lengths, text.len()).map_err(damage)?;
        Ok(Tail { columns, lengths, fingerprints, text: text.to_vec() })
    }

    /// Without its first rows.
    pub fn without(self, rows: usize) -> Tail {
        if rows == 0 {
            return self;
        }
        let skipped: usize = self.lengths[..rows].iter().map(|&length| length as usize).sum();
        Tail {
            columns: self.columns.tail_from(rows),
            lengths: self.lengths[rows..].to_vec(),
            fingerprints: self.fingerprints[rows..].to_vec(),
            text: self.text[skipped..].to_vec(),
        }
    }
}

/// Whether all columns speak of the same rows, and the lengths of the text that is there.
fn check_lengths(columns: &Columns, lengths: &[u32], text: usize) -> Result<(), &'static str> {
    let rows = columns.len();
    let columns_len = [
        columns.received.len(),
        columns.kind.len(),
        columns.source.len(),
        columns.name.len(),
        columns.environment.len(),
        columns.subject.len(),
        columns.value.len(),
        lengths.len(),
    ];
    if columns_len.iter().any(|&len| len != rows) || columns.units.iter().any(|unit| unit.hash.len() != rows) {
        return Err("columns of different lengths");
    }
    if lengths.iter().map(|&length| length as usize).sum::<usize>() != text {
        return Err("the rows add up to another length than the text");
    }
    Ok(())
}

/// Columns of a sealed block with the length of each row's text: compressed, with a checksum.
pub(super) fn encode_columns(columns: &Columns, lengths: &[u32], level: i32) -> std::io::Result<Vec<u8>> {
    let plain = bincode::encode_to_vec((columns, lengths), fixed()).expect("writing to memory cannot fail");
    let mut bytes = (plain.len() as u32).to_le_bytes().to_vec();
    bytes.extend(zstd::bulk::compress(&plain, level)?);
    Ok(seal_checksum(bytes))
}

pub(super) fn decode_columns(bytes: &[u8], first: u64) -> Result<(Columns, Vec<u32>), Damage> {
    let damage = |why: String| Damage { what: "columns", first, why };
    let plain = inflate(bytes, "columns", first)?;
    let ((columns, lengths), used): ((Columns, Vec<u32>), usize) =
        bincode::decode_from_slice(&plain, fixed()).map_err(|error| damage(error.to_string()))?;
    if used != plain.len() {
        return Err(damage("bytes left over".into()));
    }
    let text = lengths.iter().map(|&length| length as usize).sum();
    check_lengths(&columns, &lengths, text).map_err(|why| damage(why.to_owned()))?;
    Ok((columns, lengths))
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

/// The text of each row of a tail or block.
pub(super) fn rows<'a>(
    text: &'a [u8],
    lengths: &'a [u32],
    first: u64,
) -> impl Iterator<Item = Result<RowText<'a>, Damage>> {
    let mut at = 0;
    lengths.iter().zip(first..).map(move |(&length, sequence)| {
        let damage = |why: String| Damage { what: "row", first: sequence, why };
        let end = at + length as usize;
        let row = text.get(at..end).ok_or_else(|| damage("cut short".into()))?;
        at = end;
        RowText::decode(row).map_err(|error| damage(error.to_string()))
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
    use crate::event::{Event, Kind, Source, Timestamp, Unit};

    fn tail(rows: u32) -> TailBuilder {
        let mut tail = TailBuilder::new(b"left over".to_vec());
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
            let mut text = Vec::new();
            RowText::encode(&event, &mut text);
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
            let unit = (TermId(if row == 2 { 7 } else { 1 }), u64::from(row) + 1);
            let announced = tail.size_with(text.len());
            tail.push(numbers, [unit], u128::from(row), &text);
            assert!(tail.rows() == row as usize + 1 && announced >= tail.text_bytes());
        }
        tail
    }

    /// NaN stands for "no value" and is not equal to itself, so columns are compared by their bytes.
    fn same(left: &Columns, right: &Columns) -> bool {
        bincode::encode_to_vec(left, fixed()).unwrap() == bincode::encode_to_vec(right, fixed()).unwrap()
    }

    #[test]
    fn a_tail_and_a_block_come_back_as_they_were() {
        for rows_in in [0, 1, 2, 3, 1000] {
            let bytes = tail(rows_in).finish();
            assert_eq!(Tail::rows(&bytes, 0), Ok(u64::from(rows_in)));
            let back = Tail::decode(&bytes, 0).unwrap();
            assert_eq!(back.fingerprints, (0..u128::from(rows_in)).collect::<Vec<_>>());
            let texts: Vec<_> =
                rows(&back.text, &back.lengths, 0).map(|row| row.unwrap().message_id.to_owned()).collect();
            assert_eq!(texts, (0..rows_in).map(|row| format!("m{row}")).collect::<Vec<_>>());

            assert_eq!(decode_text(&encode_text(&back.text, 1).unwrap(), 0).unwrap(), back.text);
            let sealed = encode_columns(&back.columns, &back.lengths, 1).unwrap();
            let (columns, lengths) = decode_columns(&sealed, 0).unwrap();
            assert!(same(&columns, &back.columns));
            assert_eq!(lengths, back.lengths);
            let digest = Digest::of(&columns, back.text.len());
            assert_eq!(Digest::decode(&digest.encode(), 0).unwrap(), digest);
            if rows_in > 2 {
                let rest = back.clone().without(2);
                assert_eq!(rest.columns.len() as u32, rows_in - 2);
                assert_eq!(rows(&rest.text, &rest.lengths, 2).next().unwrap().unwrap().message_id, "m2");
            }
        }
    }

    #[test]
    fn the_announced_size_of_a_tail_is_enough_and_close() {
        for rows in [1, 10, 1000] {
            let (before, announced) = (tail(rows - 1), tail(rows - 1).size_with(tail(rows).text_bytes()));
            let (announced, real) = (announced - before.text_bytes(), tail(rows).finish().len());
            assert!(announced >= real && announced < real + 300 + rows as usize * 8, "{announced} for {real}");
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = tail(3).finish();
        let back = Tail::decode(&bytes, 0).unwrap();
        let sealed = encode_columns(&back.columns, &back.lengths, 1).unwrap();
        for good in [bytes, encode_text(&back.text, 1).unwrap(), sealed] {
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                assert!(check_checksum(&bad, "test", 0).is_err(), "byte {at}");
            }
            assert!(check_checksum(&good[..3], "test", 0).is_err());
        }
    }
}
