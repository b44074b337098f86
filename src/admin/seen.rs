//! Which event names ever came from which source, stored or not. Learned from the whole store once and read on from there, so
//! that asking costs what came since. Decides nothing.

use super::AdminError;
use crate::event::{Outcome, Sequence, Source, TermId};
use crate::store::{Fields, Snapshot};
use hashbrown::HashSet;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// With more new events than this, reading all volumes costs less than reading on through the events.
const READ_ON: u64 = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SeenNames(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// Events before this are known.
    next: u64,
    /// Source and name of stored events.
    stored: HashSet<(u8, u32)>,
    /// The last hour of which counts of events that were not stored are known; it may not be over.
    hour: i64,
    /// Source and name of events that were filtered or rejected.
    kept_out: BTreeSet<(u8, String)>,
}

impl Default for Known {
    fn default() -> Known {
        Known { next: 0, stored: HashSet::new(), hour: i64::MIN, kept_out: BTreeSet::new() }
    }
}

impl SeenNames {
    /// Every name that came from one of these sources until the snapshot was taken, under which it is stored or would be.
    pub fn of(&self, sources: &[Source], snapshot: &Snapshot) -> Result<BTreeSet<String>, AdminError> {
        // What is known is added to name by name, so a panic leaves less of it, which is found again.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.learn(snapshot)?;
        let is_wanted = |source: u8| sources.iter().any(|wanted| wanted.code() == source);
        let terms = snapshot.terms();
        let stored = known.stored.iter().filter(|(source, _)| is_wanted(*source));
        let stored = stored.filter_map(|(_, name)| terms.names.text(TermId(*name))).map(str::to_owned);
        let kept_out = known.kept_out.iter().filter(|(source, _)| is_wanted(*source));
        Ok(stored.chain(kept_out.map(|(_, name)| name.clone())).collect())
    }
}

impl Known {
    fn learn(&mut self, snapshot: &Snapshot) -> Result<(), AdminError> {
        let next = snapshot.next_sequence().0;
        if self.next == 0 || next.saturating_sub(self.next) > READ_ON {
            self.stored.extend(snapshot.volumes()?.keys().map(|&(_, source, name)| (source, name)));
        } else if self.next < next {
            let stored = &mut self.stored;
            let none = Fields { wanted: &[], extract: |_, _, _, _, _, _| None, keep: &mut |_| {} };
            snapshot.scan_columns_from(Sequence(self.next), &mut |_| true, none, &mut |_, columns, _| {
                stored.extend(columns.source.iter().copied().zip(columns.name.iter().copied()));
                ControlFlow::Continue(())
            })?;
        }
        self.next = self.next.max(next);
        for (tally, _) in snapshot.tallies_from(self.hour)? {
            let is_kept_out = [Outcome::Filtered.code(), Outcome::Rejected.code()].contains(&tally.outcome);
            self.hour = tally.hour;
            if is_kept_out && !tally.name.is_empty() {
                self.kept_out.insert((tally.source, tally.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, PRODUCTION, Timestamp};
    use crate::store::{Appender, Change, Options, Store, Submission, Tally};

    const HOUR: i64 = 3_600_000;

    fn append(
        store: &Store,
        appender: &mut Appender,
        stored: &[(Source, &str)],
        kept_out: &[(Source, &str)],
        hour: i64,
    ) {
        let mut batch = store.new_batch();
        for (nth, (source, name)) in stored.iter().enumerate() {
            batch.push(&Event {
                source: *source,
                kind: Kind::Track,
                name: (*name).into(),
                message_id: format!("{source}-{name}-{hour}-{nth}").into(),
                time: Timestamp(hour * HOUR),
                received: Timestamp(hour * HOUR),
                environment: PRODUCTION.into(),
                units: Vec::new(),
                value: None,
                subject: None,
                raw: "{}".into(),
                shared: None,
            });
        }
        let tally = |&(source, name): &(Source, &str)| {
            (Tally { source, outcome: Outcome::Filtered, reason: "event_filter", name: name.to_owned() }, 1)
        };
        let tallies = kept_out.iter().map(tally).collect();
        let submission = Submission { batch, tallies, samples: Vec::new() };
        appender.commit(vec![Change::Append(Box::new(submission))], Timestamp(hour * HOUR)).unwrap();
    }

    fn seal(store: &Store, appender: &mut Appender) {
        while let Some(job) = appender.next_job(true) {
            let take = |prepared: crate::store::Prepared| {
                appender.commit(vec![prepared.into()], Timestamp(0)).unwrap();
                Ok::<(), crate::store::ReadError>(())
            };
            job.run(&store.snapshot().unwrap(), take).unwrap();
        }
        assert_eq!(store.snapshot().unwrap().sealed(), store.next_sequence());
    }

    #[test]
    fn what_is_read_on_is_what_reading_it_all_finds() {
        use Source::{Segment, Statsig, Webhook};
        let folder = tempfile::tempdir().unwrap();
        let options = Options { quiet_tails: 1, ..Options::default() };
        let (store, mut appender) = Store::open(&folder.path().join("weir.redb"), options, [7; 32]).unwrap();
        let seen = SeenNames::default();
        let steps: [(&[_], &[_], i64, bool); 5] = [
            (&[(Segment, "a"), (Statsig, "b")], &[(Segment, "noise")], 1, false),
            (&[(Segment, "a"), (Webhook, "b")], &[], 1, true),
            (&[(Segment, "c")], &[(Segment, "noise"), (Webhook, "hum")], 1, false),
            (&[], &[(Segment, "later")], 9, true),
            // An event of long ago comes late.
            (&[(Statsig, "d")], &[], 0, true),
        ];
        for (nth, (stored, kept_out, hour, seals)) in steps.into_iter().enumerate() {
            append(&store, &mut appender, stored, kept_out, hour);
            if seals {
                seal(&store, &mut appender);
            }
            let snapshot = store.snapshot().unwrap();
            for sources in [&[Segment][..], &[Webhook], &[Statsig, Webhook], &[Source::Rudderstack]] {
                let anew = SeenNames::default().of(sources, &snapshot).unwrap();
                assert_eq!(seen.of(sources, &snapshot).unwrap(), anew, "step {nth}: {sources:?}");
            }
        }
        let snapshot = store.snapshot().unwrap();
        let all = |sources| seen.of(sources, &snapshot).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(all(&[Segment]), ["a", "c", "later", "noise"]);
        assert_eq!(all(&[Statsig, Webhook]), ["b", "d", "hum"]);
    }
}
