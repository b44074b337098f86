//! The rows of a tail or block that a reader picks: only their frames are inflated, and only their text is decoded. Pure; no
//! file.

use super::block::{Damage, Frame, frame_rows};
use super::row::RowText;
use std::borrow::Cow;
use std::ops::Range;

/// The text of one row after the other, as far as it is asked for.
pub(super) struct RowTexts<'f, I> {
    /// Frames that were not come to yet.
    frames: I,
    lengths: &'f [u32],
    first: u64,
    /// The rows of the frame that was come to last, and its text if a row of it was asked for.
    rows: Range<usize>,
    text: Cow<'f, [u8]>,
    /// The row that was come to last, and where in the text it begins.
    row: usize,
    start: usize,
}

impl<'f> RowTexts<'f, ()> {
    pub fn new(
        frames: &'f [Frame],
        lengths: &'f [u32],
        first: u64,
    ) -> RowTexts<'f, impl Iterator<Item = Result<(&'f Frame, Range<usize>), Damage>>> {
        let frames = frame_rows(frames, lengths, first);
        RowTexts { frames, lengths, first, rows: 0..0, text: Cow::Borrowed(&[]), row: 0, start: 0 }
    }
}

impl<'f, I: Iterator<Item = Result<(&'f Frame, Range<usize>), Damage>>> RowTexts<'f, I> {
    /// The text of a row that lies behind all that were asked for before.
    pub fn get(&mut self, row: usize) -> Result<RowText<'_>, Damage> {
        let damage = |why: &str| Damage { what: "row", first: self.first + row as u64, why: why.to_owned() };
        while row >= self.rows.end {
            let (frame, rows) = self.frames.next().ok_or_else(|| damage("it is in no frame"))??;
            if rows.contains(&row) {
                self.text = frame.text(self.first)?;
            }
            (self.row, self.start) = (rows.start, 0);
            self.rows = rows;
        }
        self.start += self.lengths[self.row..row].iter().map(|&length| length as usize).sum::<usize>();
        self.row = row;
        let end = self.start + self.lengths[row] as usize;
        let bytes = self.text.get(self.start..end).ok_or_else(|| damage("cut short"))?;
        RowText::decode(bytes).map_err(|error| damage(&error.to_string()))
    }
}

/// Hands out the text of the rows that `wanted` picks, in order, each with its place among the rows.
pub(super) fn picked_rows(
    frames: &[Frame],
    lengths: &[u32],
    first: u64,
    wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(usize, RowText<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    let mut texts = RowTexts::new(frames, lengths, first);
    for row in (0..lengths.len()).filter(|&row| wanted(row)) {
        each(row, texts.get(row)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::block::Packer;

    fn row(message_id: &str) -> Vec<u8> {
        let row = RowText { message_id, units: vec![(1, "u")], shared: None, raw: "{}" };
        bincode::encode_to_vec(&row, bincode::config::standard()).unwrap()
    }

    #[test]
    fn what_nobody_wants_is_neither_inflated_nor_decoded() {
        let mut packer = Packer::new(1).unwrap();
        let texts: Vec<Vec<u8>> = (0..9).map(|at| row(&format!("{at} {}", "again".repeat(20)))).collect();
        let lengths: Vec<u32> = texts.iter().map(|text| text.len() as u32).collect();
        let mut frames: Vec<Frame> = texts.chunks(3).map(|rows| packer.pack(&rows.concat()).unwrap()).collect();
        assert!(frames.iter().all(Frame::is_packed));
        // The second frame cannot be read.
        frames[1].bytes.fill(7);
        let pick = |rows: &[usize]| {
            let mut seen = Vec::new();
            picked_rows(
                &frames,
                &lengths,
                100,
                |row| rows.contains(&row),
                |row, text| {
                    assert!(text.message_id.starts_with(&format!("{row} ")));
                    seen.push(row);
                    Ok(())
                },
            )
            .map(|()| seen)
        };
        for rows in [&[][..], &[0], &[0, 1, 2, 6, 7, 8], &[2, 8], &[7]] {
            assert_eq!(pick(rows).unwrap(), rows);
        }
        assert_eq!(pick(&[0, 4]).unwrap_err().what, "text");
        let mut short = lengths.clone();
        short[8] += 1;
        assert!(picked_rows(&frames, &short, 100, |row| row == 8, |_, _| Ok(())).is_err());
    }
}
