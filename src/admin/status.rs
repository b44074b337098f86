//! How the house is: what arrived and what became of it, and how far behind anything is. Reads only.

use super::{Admin, AdminError, DestinationBrief};
use crate::event::{Outcome, Source};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Unknown ID types that are told apart; more are counted without their name.
const UNKNOWN_ID_TYPES: usize = 100;

/// ID types that events named and the project does not have, since the start.
#[derive(Debug, Default)]
pub(super) struct UnknownIdTypes(Mutex<BTreeMap<String, u64>>);

/// Events of all time that were not stored, by reason.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotStored {
    pub source: &'static str,
    pub outcome: &'static str,
    pub reason: String,
    pub count: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub version: &'static str,
    pub store_id: String,
    /// Milliseconds since the epoch.
    pub started_at: i64,
    pub now: i64,
    /// `stored` + `duplicate` + `filtered` + `rejected`, of all time.
    pub received: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub filtered: u64,
    pub rejected: u64,
    pub not_stored: Vec<NotStored>,
    /// Requests of all time that a disabled integration turned away, by source. Their bodies were not looked into, so each is
    /// counted as one rejected event.
    pub turned_away: BTreeMap<&'static str, u64>,
    /// ID types that events named and the project does not have, with how many IDs were left out since the start.
    pub unknown_id_types: BTreeMap<String, u64>,
    /// Events that are committed but not yet sealed into a block.
    pub unsealed: u64,
    pub names: usize,
    pub gates: usize,
    pub experiments: usize,
    /// Whether events are taken.
    pub accepting: bool,
    /// Where events are sent to, and how far behind that is; `/console/v1/destinations` has all of it.
    pub destinations: Vec<DestinationBrief>,
}

impl Admin {
    /// Counts IDs that were left out of their events, by the name of their type.
    pub fn note_unknown_id_types(&self, found: Vec<(String, u64)>) {
        if found.is_empty() {
            return;
        }
        let mut known = self.unknown_id_types();
        for (name, count) in found {
            self.meters().unknown_id_types.add(count);
            let room = known.len() < UNKNOWN_ID_TYPES;
            match known.get_mut(&name) {
                Some(total) => *total += count,
                None if room => drop(known.insert(name, count)),
                None => {}
            }
        }
    }

    fn unknown_id_types(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        // A panic while holding it leaves a map of counts, of which one may be missing.
        self.inner.unknown_id_types.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> Result<Status, AdminError> {
        let snapshot = self.store().snapshot()?;
        let mut not_stored = Vec::new();
        for ((source, outcome, reason), count) in snapshot.totals()? {
            let (Some(source), Some(outcome)) = (Source::from_code(source), Outcome::from_code(outcome)) else {
                continue;
            };
            not_stored.push(NotStored { source: source.as_str(), outcome: outcome.as_str(), reason, count });
        }
        let takes = [Source::Segment, Source::Rudderstack, Source::Webhook];
        let mut turned_away: BTreeMap<&'static str, u64> = takes.map(|source| (source.as_str(), 0)).into();
        for row in not_stored.iter().filter(|row| row.reason == "integration_disabled") {
            *turned_away.entry(row.source).or_default() += row.count;
        }
        let total = |outcome: Outcome| {
            not_stored.iter().filter(|row| row.outcome == outcome.as_str()).map(|row| row.count).sum::<u64>()
        };
        let stored = snapshot.next_sequence().0;
        let (duplicate, filtered, rejected) =
            (total(Outcome::Duplicate), total(Outcome::Filtered), total(Outcome::Rejected));
        let state = self.state();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION"),
            store_id: self.store().id().to_owned(),
            started_at: self.inner.started.0,
            now: self.now().0,
            received: stored + duplicate + filtered + rejected,
            stored,
            duplicate,
            filtered,
            rejected,
            not_stored,
            turned_away,
            unknown_id_types: self.unknown_id_types().clone(),
            unsealed: stored - snapshot.sealed().0,
            names: snapshot.terms().names.len(),
            gates: state.catalog.gates().len(),
            experiments: state.catalog.experiments().len(),
            accepting: self.writer().is_running(),
            destinations: self.destinations_in_brief()?,
        })
    }
}
