//! Bytes of tails and sealed blocks: how consecutive events lie in one value, and how damage is noticed. Pure; no file.

use super::columns::{Columns, Numbers};
use super::row::RowText;
use crate::event::TermId;
use bincode::config::{Configuration, Fixint, LittleEndian, standard};
use std::borrow::Cow;
use std::ops::Range;

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

pub(super) fn seal_checksum(bytes: &mut Vec<u8>) {
    let sum = crc32fast::hash(bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
}

pub(super) fn check_checksum<'a>(bytes: &'a [u8], what: &'static str, first: u64) -> Result<&'a [u8], Damage> {
    let damage = |why: &str| Damage { what, first, why: why.to_owned() };
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or_else(|| damage("too short"))?;
    let (body, sum) = bytes.split_at(at);
    match sum.try_into().map(u32::from_le_bytes) {
        Ok(stored) if stored == crc32fast::hash(body) => Ok(body),
        _ => Err(damage("the checksum does not match")),
    }
}

/// Compresses text. Keeps its tables, which cost more to set up than a small text to compress.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub fn new(level: i32) -> std::io::Result<Packer> {
        Ok(Packer(zstd::bulk::Compressor::new(level)?))
    }

    /// One frame of a text, left plain if compressing does not make it smaller.
    pub fn pack(&mut self, text: &[u8]) -> std::io::Result<Frame> {
        let mut packed = self.0.compress(text)?;
        // It comes with room for a text that does not shrink, and frames wait in queues that count their bytes.
        packed.shrink_to_fit();
        Ok(Frame { text_bytes: text.len(), bytes: if packed.len() < text.len() { packed } else { text.to_vec() } })
    }
}

/// The text of consecutive rows as it is stored: as one zstd frame, or plain where both lengths are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    pub text_bytes: usize,
    pub bytes: Vec<u8>,
}

impl Frame {
    pub fn is_packed(&self) -> bool {
        self.bytes.len() != self.text_bytes
    }

    pub fn text(&self, first: u64) -> Result<Cow<'_, [u8]>, Damage> {
        if !self.is_packed() {
            return Ok(Cow::Borrowed(&self.bytes));
        }
        inflate(&self.bytes, self.text_bytes, "text", first).map(Cow::Owned)
    }
}

/// What one commit appended, or a part of it: numbers and text of consecutive events.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tail {
    pub columns: Columns,
    /// Bytes of each row's text.
    pub lengths: Vec<u32>,
    /// Only tails hold them; a sealed block's are in its run.
    pub fingerprints: Vec<u128>,
    pub frames: Vec<Frame>,
}

impl Tail {
    /// Length of the rows' text before compression.
    pub fn text_bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.text_bytes).sum()
    }
}

const TAIL_HEAD_BYTES: usize = 8;
/// Set in a tail's number of rows where a number of frames follows; tails of format 1 hold one frame and do not tell.
const SEVERAL_FRAMES: u32 = 1 << 31;

/// A tail in the making.
#[derive(Debug, Default)]
pub(super) struct TailBuilder {
    /// Frames that came compressed, and before them what had come plain.
    frames: Vec<Frame>,
    closed_bytes: usize,
    /// The text of rows behind them.
    text: Vec<u8>,
    columns: Columns,
    lengths: Vec<u32>,
    fingerprints: Vec<u128>,
}

impl TailBuilder {
    pub fn rows(&self) -> usize {
        self.columns.len()
    }

    /// Length of the rows' text before compression.
    pub fn text_bytes(&self) -> usize {
        self.closed_bytes + self.text.len()
    }

    /// The columns so far.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// What the tail would take with so many more rows, as far as it can be told before compressing: without their text.
    pub fn stored_bytes(&self, more_rows: usize) -> usize {
        let frames: usize = self.frames.iter().map(|frame| frame.bytes.len()).sum();
        frames + self.text.len() + (self.rows() + more_rows) * self.columns.row_bytes()
    }

    pub fn push(
        &mut self,
        row: Numbers,
        units: impl IntoIterator<Item = (TermId, u64)>,
        fingerprint: u128,
        text: &[u8],
    ) {
        self.push_numbers(row, units, fingerprint, text.len());
        self.text.extend_from_slice(text);
    }

    /// A row whose text stands in the frame that is pushed after it.
    pub fn push_numbers(
        &mut self,
        row: Numbers,
        units: impl IntoIterator<Item = (TermId, u64)>,
        fingerprint: u128,
        text_bytes: usize,
    ) {
        self.columns.push(row, units);
        self.lengths.push(text_bytes as u32);
        self.fingerprints.push(fingerprint);
    }

    /// The text of rows whose numbers were pushed just before; `behind` is the plain text before it.
    pub fn push_frame(&mut self, frame: Frame) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.closed_bytes += text.len();
            self.frames.push(Frame { text_bytes: text.len(), bytes: text });
        }
        self.closed_bytes += frame.text_bytes;
        self.frames.push(frame);
    }

    /// Writes the tail into `bytes`, what is still plain compressed if it is at least `pack_from` bytes, and empties the
    /// builder. Layout: rows (u32) and frames (u32), bytes of text (u32) and stored bytes (u32) of each frame, the frames,
    /// columns with lengths and fingerprints, checksum.
    pub fn finish(&mut self, packer: &mut Packer, pack_from: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        self.columns.finish();
        let text_bytes = self.text.len();
        let packed = if text_bytes >= pack_from { packer.0.compress(&self.text)? } else { Vec::new() };
        let open: &[u8] = if packed.is_empty() || packed.len() >= text_bytes { &self.text } else { &packed };
        let open = (text_bytes > 0).then_some((text_bytes, open));
        let frames = || self.frames.iter().map(|frame| (frame.text_bytes, &*frame.bytes)).chain(open);
        bytes.clear();
        let mut head = |number: u32| bytes.extend_from_slice(&number.to_le_bytes());
        head(self.columns.len() as u32 | SEVERAL_FRAMES);
        head(frames().count() as u32);
        for (text_bytes, frame) in frames() {
            head(text_bytes as u32);
            head(frame.len() as u32);
        }
        frames().for_each(|(_, frame)| bytes.extend_from_slice(frame));
        let numbers = (&self.columns, &self.lengths, &self.fingerprints);
        bincode::encode_into_std_write(numbers, bytes, fixed()).expect("writing to memory cannot fail");
        seal_checksum(bytes);
        self.frames.clear();
        self.closed_bytes = 0;
        self.text.clear();
        self.columns = Columns::default();
        self.lengths.clear();
        self.fingerprints.clear();
        Ok(())
    }
}

impl Tail {
    /// The rows of an encoded tail, without reading the rest.
    pub fn rows(bytes: &[u8], first: u64) -> Result<u64, Damage> {
        let head = bytes.first_chunk::<4>().ok_or_else(|| Damage { what: "tail", first, why: "too short".into() })?;
        Ok(u64::from(u32::from_le_bytes(*head) & !SEVERAL_FRAMES))
    }

    pub fn decode(bytes: &[u8], first: u64) -> Result<Tail, Damage> {
        let damage = |why: &str| Damage { what: "tail", first, why: why.to_owned() };
        let body = check_checksum(bytes, "tail", first)?;
        let (head, _) = body.split_first_chunk::<TAIL_HEAD_BYTES>().ok_or_else(|| damage("too short"))?;
        let (head, _) = head.as_chunks::<4>();
        let [rows, count] = [0, 1].map(|at| u32::from_le_bytes(head[at]));
        let sizes = if rows & SEVERAL_FRAMES == 0 { 4..12 } else { 8..8 + 8 * count as usize };
        let (frames, numbers) = split_frames(body, sizes).ok_or_else(|| damage("the text is cut short"))?;
        let ((columns, lengths, fingerprints), used): ((Columns, Vec<u32>, Vec<u128>), usize) =
            bincode::decode_from_slice(numbers, fixed()).map_err(|error| damage(&error.to_string()))?;
        let rows = (rows & !SEVERAL_FRAMES) as usize;
        if used != numbers.len() || columns.len() != rows || fingerprints.len() != rows {
            return Err(damage("the columns have another number of rows"));
        }
        let tail = Tail { columns, lengths, fingerprints, frames };
        check_lengths(&tail.columns, &tail.lengths, tail.text_bytes()).map_err(damage)?;
        Ok(tail)
    }
}

/// The frames whose sizes stand at a place and which follow it, and what comes behind them.
fn split_frames(body: &[u8], sizes: Range<usize>) -> Option<(Vec<Frame>, &[u8])> {
    let mut rest = body.get(sizes.end..)?;
    let (sizes, _) = body.get(sizes)?.as_chunks::<8>();
    let mut frames = Vec::with_capacity(sizes.len());
    for [t0, t1, t2, t3, s0, s1, s2, s3] in sizes {
        let text_bytes = u32::from_le_bytes([*t0, *t1, *t2, *t3]) as usize;
        let stored = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let (frame, left) = rest.split_at_checked(stored)?;
        frames.push(Frame { text_bytes, bytes: frame.to_vec() });
        rest = left;
    }
    Some((frames, rest))
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

/// A value that stands by itself: length when inflated (u32), zstd frame, checksum.
pub(super) fn pack_value(plain: &[u8], packer: &mut Packer) -> std::io::Result<Vec<u8>> {
    let mut bytes = (plain.len() as u32).to_le_bytes().to_vec();
    bytes.extend(packer.0.compress(plain)?);
    seal_checksum(&mut bytes);
    Ok(bytes)
}

pub(super) fn unpack_value(bytes: &[u8], what: &'static str, first: u64) -> Result<Vec<u8>, Damage> {
    let body = check_checksum(bytes, what, first)?;
    let (head, frame) = body.split_first_chunk::<4>().ok_or_else(|| Damage { what, first, why: "too short".into() })?;
    inflate(frame, u32::from_le_bytes(*head) as usize, what, first)
}

/// Columns of a sealed block with the length of each row's text.
pub(super) fn encode_columns(columns: &Columns, lengths: &[u32], packer: &mut Packer) -> std::io::Result<Vec<u8>> {
    let plain = bincode::encode_to_vec((columns, lengths), fixed()).expect("writing to memory cannot fail");
    pack_value(&plain, packer)
}

pub(super) fn decode_columns(bytes: &[u8], first: u64) -> Result<(Columns, Vec<u32>), Damage> {
    let damage = |why: String| Damage { what: "columns", first, why };
    let plain = unpack_value(bytes, "columns", first)?;
    let ((columns, lengths), used): ((Columns, Vec<u32>), usize) =
        bincode::decode_from_slice(&plain, fixed()).map_err(|error| damage(error.to_string()))?;
    if used != plain.len() {
        return Err(damage("bytes left over".into()));
    }
    let text = lengths.iter().map(|&length| length as usize).sum();
    check_lengths(&columns, &lengths, text).map_err(|why| damage(why.to_owned()))?;
    Ok((columns, lengths))
}

/// Text of a sealed block: frames (u32), bytes of text and stored bytes of each (u32), the frames, checksum.
pub(super) fn encode_block(frames: &[Frame]) -> Vec<u8> {
    let stored: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
    let mut bytes = Vec::with_capacity(block_head_bytes(frames.len()) + stored + CHECKSUM_BYTES);
    bytes.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    for frame in frames {
        bytes.extend_from_slice(&(frame.text_bytes as u32).to_le_bytes());
        bytes.extend_from_slice(&(frame.bytes.len() as u32).to_le_bytes());
    }
    frames.iter().for_each(|frame| bytes.extend_from_slice(&frame.bytes));
    seal_checksum(&mut bytes);
    bytes
}

/// Bytes that stand before so many frames.
pub(super) fn block_head_bytes(frames: usize) -> usize {
    4 + frames * 8
}

pub(super) fn decode_block(bytes: &[u8], first: u64) -> Result<Vec<Frame>, Damage> {
    let damage = || Damage { what: "block", first, why: "cut short".into() };
    let body = check_checksum(bytes, "block", first)?;
    let (count, _) = body.split_first_chunk::<4>().ok_or_else(damage)?;
    let count = u32::from_le_bytes(*count) as usize;
    let (frames, rest) = split_frames(body, 4..block_head_bytes(count)).ok_or_else(damage)?;
    if rest.is_empty() { Ok(frames) } else { Err(damage()) }
}

fn inflate(frame: &[u8], len: usize, what: &'static str, first: u64) -> Result<Vec<u8>, Damage> {
    let damage = |why: String| Damage { what, first, why };
    let plain = zstd::bulk::decompress(frame, len).map_err(|error| damage(error.to_string()))?;
    if plain.len() == len { Ok(plain) } else { Err(damage("inflates to another length".into())) }
}

/// Which rows lie in which frame.
pub(super) fn frame_rows<'a>(
    frames: &'a [Frame],
    lengths: &'a [u32],
    first: u64,
) -> impl Iterator<Item = Result<(&'a Frame, Range<usize>), Damage>> {
    let mut at = 0;
    frames.iter().map(move |frame| {
        let start = at;
        let mut left = frame.text_bytes;
        while left > 0 {
            let length = lengths.get(at).map_or(usize::MAX, |&length| length as usize);
            left = left.checked_sub(length).ok_or_else(|| {
                let why = "a frame does not end where a row ends".to_owned();
                Damage { what: "block", first, why }
            })?;
            at += 1;
        }
        Ok((frame, start..at))
    })
}

/// The text of all rows of a tail or block, whose frames must end where rows end.
pub(super) fn text_of(frames: &[Frame], lengths: &[u32], first: u64) -> Result<Vec<u8>, Damage> {
    let mut text = Vec::new();
    for found in frame_rows(frames, lengths, first) {
        text.extend_from_slice(&found?.0.text(first)?);
    }
    Ok(text)
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

#[cfg(test)]
mod tests {
    use super::super::digest::Digest;
    use super::*;
    use crate::event::{Event, Kind, Source, Timestamp, Unit};

    fn tail(rows: u32) -> TailBuilder {
        let mut tail = TailBuilder::default();
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
            tail.push(numbers, [unit], u128::from(row), &text);
        }
        tail
    }

    /// NaN stands for "no value" and is not equal to itself, so columns are compared by their bytes.
    fn same(left: &Columns, right: &Columns) -> bool {
        bincode::encode_to_vec(left, fixed()).unwrap() == bincode::encode_to_vec(right, fixed()).unwrap()
    }

    fn stored(rows: u32, pack_from: usize) -> Vec<u8> {
        let mut bytes = b"left over".to_vec();
        tail(rows).finish(&mut Packer::new(1).unwrap(), pack_from, &mut bytes).unwrap();
        bytes
    }

    fn message_ids(text: &[u8], lengths: &[u32], first: u64) -> Vec<String> {
        rows(text, lengths, first).map(|row| row.unwrap().message_id.to_owned()).collect()
    }

    #[test]
    fn a_tail_and_a_block_come_back_as_they_were() {
        let mut packer = Packer::new(1).unwrap();
        for rows_in in [0, 1, 2, 3, 1000] {
            let all: Vec<String> = (0..rows_in).map(|row| format!("m{row}")).collect();
            let plain = Tail::decode(&stored(rows_in, usize::MAX), 0).unwrap();
            let packed = Tail::decode(&stored(rows_in, 1000), 0).unwrap();
            let is_packed = |tail: &Tail| tail.frames.iter().any(Frame::is_packed);
            assert!(!is_packed(&plain) && is_packed(&packed) == (rows_in == 1000));
            for back in [&plain, &packed] {
                assert_eq!(back.fingerprints, (0..u128::from(rows_in)).collect::<Vec<_>>());
                assert_eq!(message_ids(&text_of(&back.frames, &back.lengths, 0).unwrap(), &back.lengths, 0), all);
            }
            assert_eq!(Tail::rows(&stored(rows_in, 0), 0), Ok(u64::from(rows_in)));

            let sealed = encode_columns(&plain.columns, &plain.lengths, &mut packer).unwrap();
            let (columns, lengths) = decode_columns(&sealed, 0).unwrap();
            assert!(same(&columns, &plain.columns));
            assert_eq!(lengths, plain.lengths);
            let digest = Digest::of(&columns, plain.text_bytes());
            assert_eq!(Digest::decode(&digest.encode(), 0).unwrap(), digest);

            let frames = [packed.frames, plain.frames].concat();
            let frames = decode_block(&encode_block(&frames), 0).unwrap();
            let twice = [lengths.clone(), lengths].concat();
            let mut seen = Vec::new();
            for found in frame_rows(&frames, &twice, 0) {
                let (frame, range) = found.unwrap();
                seen.extend(message_ids(&frame.text(0).unwrap(), &twice[range.clone()], range.start as u64));
            }
            assert_eq!(seen, [all.clone(), all].concat());
        }
    }

    #[test]
    fn frames_that_come_packed_keep_their_place_among_plain_rows() {
        let mut packer = Packer::new(1).unwrap();
        let (plain, mut packed) = (tail(3), tail(1000));
        let frame = packer.pack(&packed.text).unwrap();
        assert!(frame.is_packed());
        packed.text.clear();
        let mut mixed = tail(2);
        mixed.columns.extend(&packed.columns);
        mixed.lengths.extend(&packed.lengths);
        mixed.fingerprints.extend(&packed.fingerprints);
        mixed.push_frame(frame);
        mixed.columns.extend(&plain.columns);
        mixed.lengths.extend(&plain.lengths);
        mixed.fingerprints.extend(&plain.fingerprints);
        mixed.text.extend_from_slice(&plain.text);
        let mut bytes = Vec::new();
        mixed.finish(&mut packer, usize::MAX, &mut bytes).unwrap();
        let back = Tail::decode(&bytes, 0).unwrap();
        assert_eq!((back.frames.len(), Tail::rows(&bytes, 0)), (3, Ok(1005)));
        let all: Vec<String> = [0..2, 0..1000, 0..3].into_iter().flatten().map(|row| format!("m{row}")).collect();
        assert_eq!(message_ids(&text_of(&back.frames, &back.lengths, 0).unwrap(), &back.lengths, 0), all);
        assert!(mixed.rows() == 0 && mixed.text_bytes() == 0, "a builder begins anew");
    }

    #[test]
    fn a_frame_takes_no_more_memory_than_its_bytes() {
        let frame = Packer::new(1).unwrap().pack(&tail(1000).text).unwrap();
        assert!(frame.is_packed() && frame.bytes.capacity() < frame.text_bytes / 2, "{}", frame.bytes.capacity());
    }

    #[test]
    fn a_tail_of_format_1_is_read() {
        let mut old = tail(3);
        old.columns.finish();
        let mut bytes = Vec::new();
        for head in [3, old.text.len(), old.text.len()] {
            bytes.extend_from_slice(&(head as u32).to_le_bytes());
        }
        bytes.extend_from_slice(&old.text);
        let numbers = (&old.columns, &old.lengths, &old.fingerprints);
        bincode::encode_into_std_write(numbers, &mut bytes, fixed()).unwrap();
        seal_checksum(&mut bytes);
        let back = Tail::decode(&bytes, 0).unwrap();
        assert_eq!(Tail::rows(&bytes, 0), Ok(3));
        assert!(same(&back.columns, &old.columns));
        assert_eq!(
            message_ids(&text_of(&back.frames, &back.lengths, 0).unwrap(), &back.lengths, 0),
            ["m0", "m1", "m2"]
        );
    }

    #[test]
    fn a_frame_that_ends_within_a_row_is_damage() {
        let frame = Frame { text_bytes: 3, bytes: vec![0; 3] };
        assert!(frame_rows(&[frame], &[2, 2], 0).next().unwrap().is_err());
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = stored(3, 1);
        let back = Tail::decode(&bytes, 0).unwrap();
        let sealed = encode_columns(&back.columns, &back.lengths, &mut Packer::new(1).unwrap()).unwrap();
        for good in [bytes, encode_block(&back.frames), sealed] {
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                assert!(check_checksum(&bad, "test", 0).is_err(), "byte {at}");
            }
            assert!(check_checksum(&good[..3], "test", 0).is_err());
        }
    }
}
