//! Which messages have been seen: exact fingerprints in memory for the young ones, filters over sorted runs for the old.
//! Decides and remembers; reads runs only through the function it is given and writes nothing.

use super::block::Damage;
use super::run::{Filter, RunMeta, part_contains};
use crate::event::Timestamp;
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

/// Fingerprints are keyed hashes already: their low half serves as it is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            self.0 ^= u64::from(*byte) << (8 * (at % 8));
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

type Exact = HashSet<u128, BuildHasherDefault<Folded>>;

/// How much deduplication may remember, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupeLimits {
    /// A message is recognised for at least this long, unless `keys` is reached first.
    pub window_ms: i64,
    /// Fingerprints held behind filters; two bytes of memory each. Beyond it the oldest run is forgotten.
    pub keys: u64,
    /// Fingerprints of one generation held exactly in memory; about 34 bytes each, two or three generations at a time.
    pub epoch_keys: usize,
    /// Runs of one level that are merged into one of the next.
    pub fanout: usize,
}

impl Default for DedupeLimits {
    fn default() -> Self {
        DedupeLimits { window_ms: 24 * 3_600_000, keys: 20_000_000, epoch_keys: 262_144, fanout: 8 }
    }
}

/// A generation of young fingerprints. It may go once the runs that cover it are merged behind a filter.
#[derive(Debug)]
struct Epoch {
    keys: Exact,
    /// The log's end when the generation closed; `None` while it is open.
    end: Option<u64>,
}

impl Epoch {
    /// With room for all of its keys at once: growing a large set would hold up a commit for milliseconds.
    fn open(limits: &DedupeLimits) -> Epoch {
        Epoch { keys: Exact::with_capacity_and_hasher(limits.epoch_keys, BuildHasherDefault::default()), end: None }
    }
}

#[derive(Debug)]
pub(super) struct Run {
    pub id: u64,
    pub meta: RunMeta,
    /// `None` for level 0, whose keys are in an epoch.
    pub filter: Option<Filter>,
}

#[derive(Debug)]
pub(super) struct Dedupe {
    limits: DedupeLimits,
    epochs: VecDeque<Epoch>,
    /// In order of what they cover.
    runs: Vec<Run>,
}

impl Dedupe {
    pub fn new(limits: DedupeLimits) -> Dedupe {
        Dedupe { limits, epochs: VecDeque::from([Epoch::open(&limits)]), runs: Vec::new() }
    }

    /// Whether a message is new; it is remembered from now on. `part` reads one part of a run's keys.
    pub fn insert<E: From<Damage>>(
        &mut self,
        key: u128,
        mut part: impl FnMut(u64, u32) -> Result<Vec<u8>, E>,
    ) -> Result<bool, E> {
        let closed = self.epochs.len() - 1;
        if self.epochs.iter().take(closed).any(|epoch| epoch.keys.contains(&key)) {
            return Ok(false);
        }
        for run in &self.runs {
            let Some(filter) = &run.filter else { continue };
            if filter.may_contain(key)
                && let Some(at) = run.meta.part_of(key)
                && part_contains(&part(run.id, at)?, key)
            {
                return Ok(false);
            }
        }
        // The open generation last: one look-up there both asks and remembers.
        Ok(self.remember(key))
    }

    /// Remembers a message; false if the open generation knows it.
    pub fn remember(&mut self, key: u128) -> bool {
        self.epochs.back_mut().expect("there is always an open epoch").keys.insert(key)
    }

    /// Opens a new generation when the open one is full. `next` is the log's end.
    pub fn rotate(&mut self, next: u64) {
        let open = self.epochs.back_mut().expect("there is always an open epoch");
        if open.keys.len() >= self.limits.epoch_keys {
            open.end = Some(next);
            self.epochs.push_back(Epoch::open(&self.limits));
        }
    }

    pub fn add_run(&mut self, run: Run) {
        self.runs.push(run);
        self.runs.sort_by_key(|run| run.meta.first);
    }

    /// The runs that should become one, with the level they become, if there are such. `sealed` is the end of the sealed log.
    pub fn merge_due(&self, sealed: u64) -> Option<(u8, Vec<u64>)> {
        let of_level = |level: u8| self.runs.iter().filter(move |run| run.meta.level == level);
        if let Some(end) = self.epochs.front().and_then(|epoch| epoch.end)
            && end <= sealed
        {
            let runs: Vec<u64> = of_level(0).filter(|run| run.meta.first < end).map(|run| run.id).collect();
            return Some((1, runs));
        }
        let small: Vec<u64> = of_level(1).map(|run| run.id).take(self.limits.fanout).collect();
        (small.len() == self.limits.fanout).then_some((2, small))
    }

    /// The closed generation's end that a merge of level 0 would let go.
    pub fn oldest_epoch_end(&self) -> Option<u64> {
        self.epochs.front().and_then(|epoch| epoch.end)
    }

    /// A merge is on disk: its inputs go, and with level 0 the generation that they covered.
    pub fn merged(&mut self, inputs: &[u64], output: Option<Run>, epoch_end: Option<u64>) {
        self.runs.retain(|run| !inputs.contains(&run.id));
        if let Some(run) = output {
            self.add_run(run);
        }
        if let Some(end) = epoch_end
            && self.oldest_epoch_end().is_some_and(|oldest| oldest <= end)
        {
            self.epochs.pop_front();
        }
    }

    pub fn run(&self, id: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// A message is remembered for so long from now on.
    pub fn set_window(&mut self, window_ms: i64) {
        self.limits.window_ms = window_ms;
    }

    /// Forgets runs that are out of the window or over the bound and returns them, so that they can be deleted.
    pub fn expire(&mut self, now: Timestamp) -> Vec<u64> {
        let mut gone = Vec::new();
        let oldest_allowed = now.0.saturating_sub(self.limits.window_ms);
        self.runs.retain(|run| {
            let keep = run.meta.level == 0 || run.meta.newest >= oldest_allowed;
            if !keep {
                gone.push(run.id);
            }
            keep
        });
        while self.filtered_keys() > self.limits.keys {
            let Some(at) = self.runs.iter().position(|run| run.filter.is_some()) else { break };
            gone.push(self.runs.remove(at).id);
        }
        gone
    }

    fn filtered_keys(&self) -> u64 {
        self.runs.iter().filter(|run| run.filter.is_some()).map(|run| run.meta.keys).sum()
    }

    /// Fingerprints that are remembered.
    pub fn keys(&self) -> u64 {
        self.filtered_keys() + self.epochs.iter().map(|epoch| epoch.keys.len() as u64).sum::<u64>()
    }

    /// How far back a message is recognised now: the set window, or less where runs before the oldest one were forgotten.
    pub fn window_ms(&self, now: Timestamp) -> i64 {
        match self.runs.first() {
            Some(oldest) if oldest.meta.first > 0 => {
                self.limits.window_ms.min(now.0.saturating_sub(oldest.meta.oldest).max(0))
            }
            _ => self.limits.window_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::{PART_KEYS, encode_part};
    use super::*;

    const LIMITS: DedupeLimits = DedupeLimits { window_ms: 1000, keys: 300, epoch_keys: 100, fanout: 2 };

    fn key(n: u64) -> u128 {
        (u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64) | u128::from(n.wrapping_mul(0xbf58_476d_1ce4_e5b9))
    }

    fn run(id: u64, level: u8, numbers: std::ops::Range<u64>, newest: i64) -> (Run, Vec<u8>) {
        let mut keys: Vec<u128> = numbers.clone().map(key).collect();
        keys.sort_unstable();
        assert!(keys.len() <= PART_KEYS);
        let mut filter = Filter::with_capacity(keys.len());
        keys.iter().for_each(|&key| filter.insert(key));
        let meta = RunMeta {
            level,
            keys: keys.len() as u64,
            first: numbers.start,
            end: numbers.end,
            newest,
            oldest: newest,
            fence: vec![keys[0]],
        };
        (Run { id, meta, filter: (level > 0).then_some(filter) }, encode_part(&keys))
    }

    fn insert(dedupe: &mut Dedupe, number: u64, part: &[u8]) -> bool {
        dedupe.insert::<Damage>(key(number), |_, _| Ok(part.to_vec())).unwrap()
    }

    #[test]
    fn a_message_is_new_once_wherever_it_is_kept() {
        let mut dedupe = Dedupe::new(LIMITS);
        let (level0, _) = run(1, 0, 0..100, 5);
        for number in 0..100 {
            assert!(insert(&mut dedupe, number, &[]));
            assert!(!insert(&mut dedupe, number, &[]));
        }
        dedupe.rotate(100);
        dedupe.add_run(level0);
        assert_eq!(dedupe.merge_due(99), None, "the generation is not sealed yet");
        assert_eq!(dedupe.merge_due(100), Some((1, vec![1])));
        let (merged, part) = run(2, 1, 0..100, 5);
        dedupe.merged(&[1], Some(merged), Some(100));
        assert!((0..100).all(|number| !insert(&mut dedupe, number, &part)), "now known by the run");
        assert!(insert(&mut dedupe, 100, &part));
        assert_eq!(dedupe.keys(), 101);
    }

    #[test]
    fn the_window_and_the_bound_forget_the_oldest_and_say_so() {
        let mut dedupe = Dedupe::new(LIMITS);
        for (id, newest) in [(1, 10), (2, 20), (3, 30)] {
            dedupe.add_run(run(id, 1, (id - 1) * 100..id * 100, newest).0);
        }
        assert_eq!(dedupe.expire(Timestamp(30)), Vec::<u64>::new(), "exactly at the bound");
        assert_eq!(dedupe.window_ms(Timestamp(30)), 1000);
        dedupe.add_run(run(4, 1, 300..301, 40).0);
        assert_eq!(dedupe.expire(Timestamp(40)), [1], "one over the bound");
        assert_eq!(dedupe.window_ms(Timestamp(40)), 20, "what is left begins at 20");
        assert_eq!(dedupe.expire(Timestamp(1020)), Vec::<u64>::new(), "exactly as old as the window");
        assert_eq!(dedupe.expire(Timestamp(1021)), [2], "older than the window");
    }
}
