//! Counts of events by the IDs that they carry and by when they arrived, for judging whether results can be trusted. Knows
//! no group and no metric; each count is the same in whatever order the log was written.

use crate::event::TermId;
use crate::store::Columns;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// An event that arrived so many milliseconds after it happened is late: 24 hours.
pub(super) const LATE_AFTER: i64 = 24 * 60 * 60 * 1000;

/// How many, by ID type.
pub(super) type ByIdType = BTreeMap<TermId, u64>;

/// See the module. Events are those that metrics can be made of, in the environment and within the period that was set.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub events: u64,
    /// Events that carry no ID of the wanted type.
    pub without: u64,
    /// Of those, the ones that carry an ID of another type.
    pub instead: ByIdType,
    /// Of the exposures in the environment without an ID of the wanted type, the ones that carry one of another type.
    pub exposed_instead: ByIdType,
    /// Exposures in the environment.
    pub exposures: u64,
    /// Exposures and events that were received before they happened.
    pub exposures_ahead: u64,
    pub events_ahead: u64,
    /// By unit; few have late events, unless a whole history was imported.
    late: HashMap<u32, Late>,
}

/// The late events of a unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Late {
    pub events: u64,
    pub newest: Newest,
}

/// The late event that was received last, and of those received at once the latest one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Newest {
    pub received: i64,
    /// In milliseconds.
    pub delay: i64,
}

impl Census {
    /// Counts an event.
    pub fn take_event(&mut self, columns: &Columns, row: usize, has_unit: bool) {
        self.events += 1;
        self.events_ahead += u64::from(columns.time[row] > columns.received[row]);
        if !has_unit {
            self.without += 1;
            count_ids(&mut self.instead, columns, row);
        }
    }

    /// Counts an exposure.
    pub fn take_exposure(&mut self, columns: &Columns, row: usize, has_unit: bool) {
        self.exposures += 1;
        self.exposures_ahead += u64::from(columns.time[row] > columns.received[row]);
        if !has_unit {
            count_ids(&mut self.exposed_instead, columns, row);
        }
    }

    /// Notes an event of a unit if it is late.
    pub fn note(&mut self, unit: u32, time: i64, received: i64) {
        let delay = received.saturating_sub(time);
        if delay > LATE_AFTER {
            let late = self.late.entry(unit).or_default();
            late.events += 1;
            late.newest = late.newest.max(Newest { received, delay });
        }
    }

    /// The units that have late events, in no order.
    pub fn late(&self) -> impl Iterator<Item = (u32, &Late)> {
        self.late.iter().map(|(unit, late)| (*unit, late))
    }

    pub fn bytes(&self) -> usize {
        self.late.capacity() * (size_of::<(u32, Late)>() + 1)
    }
}

fn count_ids(counts: &mut ByIdType, columns: &Columns, row: usize) {
    for column in columns.units.iter().filter(|column| column.hash[row] != 0) {
        *counts.entry(TermId(column.id_type)).or_default() += 1;
    }
}
