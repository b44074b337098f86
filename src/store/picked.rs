//! The rows of a tail or block that a reader picks: only their frames are inflated, and only their text is decoded. Pure; no
//! file.

use super::block::{Damage, Frame, frame_rows};
use super::row::RowText;

/// Hands out the text of the rows that `wanted` picks, in order, each with its place among the rows. `wanted` is asked for
/// each row once or twice.
pub(super) fn picked_rows(
    frames: &[Frame],
    lengths: &[u32],
    first: u64,
    wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(usize, RowText<'_>) -> Result<(), Damage>,
) -> Result<(), Damage> {
    for found in frame_rows(frames, lengths, first) {
        let (frame, range) = found?;
        let Some(start) = range.clone().find(|&row| wanted(row)) else { continue };
        let text = frame.text(first)?;
        let mut end = lengths[range.start..start].iter().map(|&length| length as usize).sum();
        for (row, &length) in (start..range.end).zip(&lengths[start..]) {
            let at = end;
            end += length as usize;
            if wanted(row) {
                let damage = |why: String| Damage { what: "row", first: first + row as u64, why };
                let bytes = text.get(at..end).ok_or_else(|| damage("cut short".into()))?;
                each(row, RowText::decode(bytes).map_err(|error| damage(error.to_string()))?)?;
            }
        }
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
