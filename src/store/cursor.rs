//! How far each destination has got, and what it could not take: cursors and dead letters, and how a cursor lies in its row.
//! Knows no destination and no file.

use super::block::{Damage, check_checksum, fixed, seal_checksum};
use crate::event::{Sequence, Timestamp};

/// How far a destination has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Everything before it is confirmed, a dead letter, or was not to be sent.
    pub position: Sequence,
    /// Raised by each move by hand, so that an advance that was under way does not undo it. A cursor that begins again after its
    /// end has a higher one than it ever had.
    pub generation: u64,
    /// Events that the destination confirmed since it was enabled; one that was sent again after a move counts again.
    pub forwarded: u64,
    /// Events that became dead letters since it was enabled.
    pub dead: u64,
    /// Dead letters dropped because there were more than are kept (`Options::dead_letters`).
    pub dropped: u64,
    pub pause: Option<Pause>,
}

/// Why nothing is sent, until somebody resumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// A stable code such as `by_hand` or `unauthorized`.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    pub since: Timestamp,
}

/// An event that a destination will not take. The document is JSON; whoever exports knows what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub sequence: Sequence,
    pub document: Vec<u8>,
}

/// A destination's row in `CURSORS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CursorRow {
    pub cursor: Cursor,
    /// Dead letters that there are now.
    pub letters: u64,
    /// The cursor is over. The row stays, so that one that begins later has a higher generation.
    pub ended: bool,
}

#[derive(bincode::Encode, bincode::Decode)]
struct Stored {
    position: u64,
    generation: u64,
    forwarded: u64,
    dead: u64,
    dropped: u64,
    pause: Option<(String, String, i64)>,
    letters: u64,
    ended: bool,
}

impl CursorRow {
    /// A cursor that begins at a place.
    pub fn new(position: u64, generation: u64) -> CursorRow {
        let position = Sequence(position);
        let cursor = Cursor { position, generation, forwarded: 0, dead: 0, dropped: 0, pause: None };
        CursorRow { cursor, letters: 0, ended: false }
    }

    /// The row in bincode's form, and a checksum: a position that was read wrongly would skip events for good.
    pub fn encode(&self) -> Vec<u8> {
        let Cursor { position, generation, forwarded, dead, dropped, pause } = &self.cursor;
        let stored = Stored {
            position: position.0,
            generation: *generation,
            forwarded: *forwarded,
            dead: *dead,
            dropped: *dropped,
            pause: pause.as_ref().map(|pause| (pause.code.clone(), pause.message.clone(), pause.since.0)),
            letters: self.letters,
            ended: self.ended,
        };
        let mut bytes = bincode::encode_to_vec(stored, fixed()).expect("writing to memory cannot fail");
        seal_checksum(&mut bytes);
        bytes
    }

    pub fn decode(bytes: &[u8], destination: &str) -> Result<CursorRow, Damage> {
        let damage = |why: &str| Damage { what: "cursor", first: 0, why: format!("{why} (of {destination})") };
        let body = check_checksum(bytes, "cursor", 0).map_err(|error| damage(&error.why))?;
        let (stored, used): (Stored, usize) =
            bincode::decode_from_slice(body, fixed()).map_err(|error| damage(&error.to_string()))?;
        if used != body.len() {
            return Err(damage("bytes left over"));
        }
        let Stored { position, generation, forwarded, dead, dropped, pause, letters, ended } = stored;
        let pause = pause.map(|(code, message, since)| Pause { code, message, since: Timestamp(since) });
        let cursor = Cursor { position: Sequence(position), generation, forwarded, dead, dropped, pause };
        Ok(CursorRow { cursor, letters, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_no_damage_passes() {
        let pause = Pause { code: "by_hand".into(), message: "é".into(), since: Timestamp(-1) };
        let paused = CursorRow {
            cursor: Cursor {
                position: Sequence(u64::MAX),
                generation: 1,
                forwarded: 2,
                dead: 3,
                dropped: 4,
                pause: Some(pause),
            },
            letters: 5,
            ended: true,
        };
        for row in [CursorRow::new(7, 0), paused] {
            let bytes = row.encode();
            assert_eq!(CursorRow::decode(&bytes, "segment"), Ok(row));
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << (at % 8);
                let damage = CursorRow::decode(&bad, "segment").unwrap_err();
                assert!(damage.what == "cursor" && damage.why.contains("segment"), "{damage}");
                assert!(CursorRow::decode(&bytes[..at], "segment").is_err());
            }
        }
    }
}
