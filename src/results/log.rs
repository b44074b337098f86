//! A snapshot of the store as the log that results read.

use super::{Log, LogError};
use crate::event::{Sequence, Timestamp};
use crate::store::{Columns, Snapshot, Terms};
use std::ops::ControlFlow;

/// A snapshot with the receipt time of its last event, found once.
pub struct StoredLog {
    snapshot: Snapshot,
    as_of: Option<Timestamp>,
}

impl StoredLog {
    pub fn new(snapshot: Snapshot) -> Result<StoredLog, LogError> {
        let as_of = snapshot.as_of_time().map_err(|error| LogError(Box::new(error)))?;
        Ok(StoredLog { snapshot, as_of })
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

    fn scan(&self, each: &mut dyn FnMut(Sequence, &Columns) -> ControlFlow<()>) -> Result<(), LogError> {
        self.snapshot.scan_columns(&mut |_| true, each).map_err(|error| LogError(Box::new(error)))
    }
}
