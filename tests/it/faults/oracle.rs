//! The oracle: what is owed after every acknowledgement, and what may be there besides because its commit got no answer.

use super::sample;
use std::collections::{BTreeMap, HashSet};
use weir::event::{Outcome, Source};
use weir::store::{CheckReport, EventFilter, Snapshot, Volumes};

/// What a store holds, as far as its users can tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Numbers of events, by sequence.
    pub log: Vec<u64>,
    /// (Source, outcome, reason) -> events that were not stored.
    pub totals: BTreeMap<(u8, u8, String), u64>,
    /// Kind and ID -> document.
    pub items: BTreeMap<(String, String), Vec<u8>>,
}

impl Contents {
    pub fn tally(&mut self, source: Source, outcome: Outcome, reason: &str, count: u64) {
        *self.totals.entry((source.code(), outcome.code(), reason.to_owned())).or_default() += count;
    }

    /// Reads a whole store and compares each event with what was sent under its number.
    pub fn read(snapshot: &Snapshot) -> Contents {
        let mut log = Vec::new();
        let mut events = snapshot.events(&EventFilter::default(), usize::MAX).expect("the log can be read");
        events.reverse();
        for (sequence, event) in events.into_iter().enumerate() {
            let number = sample::number(&event);
            assert_eq!(event, sample::stored(number, sequence as u64), "the event differs from what was sent");
            log.push(number);
        }
        let items = snapshot.items().expect("items can be read");
        Contents {
            log,
            totals: snapshot.totals().expect("totals can be read"),
            items: items.into_iter().map(|(kind, id, document)| ((kind, id), document)).collect(),
        }
    }

    /// Volumes counted anew from what was sent. Values are multiples of 1/8, so that sums are exact in any order.
    pub fn volumes(&self, snapshot: &Snapshot) -> Volumes {
        let mut volumes = Volumes::new();
        for &number in &self.log {
            let event = sample::event(number);
            let name = snapshot.terms().names.find(&event.name).expect("a stored event's name has a number");
            let volume = volumes.entry((event.time.hour(), event.source.code(), name.0)).or_default();
            volume.0 += 1;
            volume.1 += event.value.unwrap_or(0.0);
        }
        volumes
    }
}

#[derive(Debug, Default)]
pub struct Oracle {
    pub owed: Contents,
    pub known: HashSet<u64>,
    /// What the store holds if the commit that was under way got through.
    pub perhaps: Option<Contents>,
}

impl Oracle {
    /// The commit under way is acknowledged.
    pub fn acknowledge(&mut self) {
        self.owed = self.perhaps.take().expect("a commit is under way");
        self.known = self.owed.log.iter().copied().collect();
    }

    /// Compares a reopened store with what is owed, and takes over which of the two it turned out to be.
    pub fn verify(&mut self, snapshot: &Snapshot) -> CheckReport {
        let found = Contents::read(snapshot);
        if self.perhaps.as_ref() == Some(&found) {
            self.acknowledge();
        }
        self.perhaps = None;
        assert_eq!(found, self.owed, "the store holds neither what was acknowledged nor that and the last commit");
        assert_eq!(snapshot.next_sequence().0, self.owed.log.len() as u64);
        assert_eq!(snapshot.volumes().expect("volumes can be read"), self.owed.volumes(snapshot));
        let report = snapshot.check().expect("a check can read everything");
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!((report.events, report.twice), (self.owed.log.len() as u64, 0));
        report
    }
}
