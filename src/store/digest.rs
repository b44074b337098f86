//! What is known of a sealed block without opening it: how far it reaches in time, and which names and subjects occur. Pure.

use super::block::Damage;
use super::columns::Columns;
use bincode::config::standard;

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
