//! The history of catalog items: each version that there was, removals among them. Reads only.

use super::{ReadError, Snapshot};
use crate::store::tables::HISTORY;
use std::ops::RangeInclusive;

/// A version and its document.
pub type StoredVersion = (u64, Vec<u8>);

fn all<'a>(kind: &'a str, id: &'a str) -> RangeInclusive<(&'a str, &'a str, u64)> {
    (kind, id, 0)..=(kind, id, u64::MAX)
}

impl Snapshot {
    /// Every version of an item, oldest first.
    pub fn versions(&self, kind: &str, id: &str) -> Result<Vec<StoredVersion>, ReadError> {
        let table = self.transaction.open_table(HISTORY)?;
        let mut versions = Vec::new();
        for entry in table.range(all(kind, id))? {
            let (key, document) = entry?;
            versions.push((key.value().2, document.value().to_vec()));
        }
        Ok(versions)
    }

    /// The first version of an item that there ever was.
    pub fn first_version(&self, kind: &str, id: &str) -> Result<Option<StoredVersion>, ReadError> {
        let table = self.transaction.open_table(HISTORY)?;
        let first = table.range(all(kind, id))?.next().transpose()?;
        Ok(first.map(|(key, document)| (key.value().2, document.value().to_vec())))
    }

    /// The number of an item's last version, also of one that was removed; 0 if there never was one.
    pub fn last_version(&self, kind: &str, id: &str) -> Result<u64, ReadError> {
        let table = self.transaction.open_table(HISTORY)?;
        let last = table.range(all(kind, id))?.next_back().transpose()?;
        Ok(last.map_or(0, |(key, _)| key.value().2))
    }
}
