//! A snapshot of the store as the log that results read.

use super::{Log, LogError};
use crate::event::{Field, Sequence, Timestamp};
use crate::store::{Extract, Fields, NewColumn, Snapshot, Terms, Visit};

/// A snapshot with the receipt time of its last event, found once.
pub struct StoredLog {
    snapshot: Snapshot,
    as_of: Option<Timestamp>,
    extract: Extract,
    keep: Box<dyn Fn(Vec<NewColumn>) + Send + Sync>,
}

impl StoredLog {
    /// `extract` reads a field of an event, where its column is not kept yet; `keep` takes columns that were worked out, so that
    /// the next report need not. It must not wait.
    pub fn new(
        snapshot: Snapshot,
        extract: Extract,
        keep: impl Fn(Vec<NewColumn>) + Send + Sync + 'static,
    ) -> Result<StoredLog, LogError> {
        let as_of = snapshot.as_of_time().map_err(|error| LogError(Box::new(error)))?;
        Ok(StoredLog { snapshot, as_of, extract, keep: Box::new(keep) })
    }
}

impl Log for StoredLog {
    fn next_sequence(&self) -> Sequence {
        self.snapshot.next_sequence()
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.as_of
    }

    fn terms(&self) -> &Terms {
        self.snapshot.terms()
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        let fields = Fields { wanted: fields, extract: self.extract, keep: &mut |columns| (self.keep)(columns) };
        let scanned = self.snapshot.scan_columns_from(from, &mut |_| true, fields, each);
        scanned.map_err(|error| LogError(Box::new(error)))
    }
}
