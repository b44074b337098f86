//! From events to unit totals: how many of each event a unit had after its first exposure, summed into moments by group.
//! Compact: an event is eight bytes until it is folded into its unit's count, a unit without events is nothing.

use super::SeenEvent;
use super::units::Units;
use crate::stats::Moments;

/// Events that are gathered before they are folded into counts for the first time.
const FIRST_FOLD: usize = 1 << 20;

/// So many units are looked up before any of them is used: the processor then waits for memory once for several of them,
/// which halves the time of a scan over a million units.
const LOOKED_UP_AT_ONCE: usize = 128;

/// Says that an event name is not wanted.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Counts the events of one split.
pub(super) struct Accumulator<'a> {
    units: &'a Units,
    /// By event name: the slot of what is made of it.
    slot_by_name: &'a [u32],
    /// Slot and membership of each event since the last fold.
    fresh: Vec<u64>,
    /// Slot and membership, ascending, each once.
    keys: Vec<u64>,
    counts: Vec<u32>,
    /// Whether a unit had any event, before or after its exposure.
    seen: Vec<bool>,
}

/// What one event name came to, by group.
#[derive(Debug, Clone)]
pub(super) struct Total {
    /// Moments of the number of events, over all units of the group.
    pub count: Vec<Moments>,
    /// Moments of 0 or 1, over all units of the group.
    pub users: Vec<Moments>,
}

pub(super) struct Totals {
    /// By slot.
    pub events: Vec<Total>,
    /// Exposed units that take part and have any event at all, at any time in the period.
    pub matched: u64,
}

fn key(slot: u32, membership: u32) -> u64 {
    u64::from(slot) << 32 | u64::from(membership)
}

fn unkey(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

impl<'a> Accumulator<'a> {
    pub fn new(units: &'a Units, slot_by_name: &'a [u32]) -> Accumulator<'a> {
        Accumulator {
            units,
            slot_by_name,
            fresh: Vec::new(),
            keys: Vec::new(),
            counts: Vec::new(),
            seen: vec![false; units.exposed()],
        }
    }

    pub fn take(&mut self, events: &[SeenEvent]) {
        for part in events.chunks(LOOKED_UP_AT_ONCE) {
            let mut found = [None; LOOKED_UP_AT_ONCE];
            for (found, event) in found.iter_mut().zip(part) {
                *found = self.units.find(event.unit);
            }
            for (found, event) in found.iter().zip(part) {
                if let Some(unit) = *found {
                    self.count(unit, event);
                }
            }
        }
    }

    fn count(&mut self, unit: u32, event: &SeenEvent) {
        self.seen[unit as usize] = true;
        let slot = self.slot_by_name.get(event.name).copied().unwrap_or(NO_SLOT);
        if slot == NO_SLOT {
            return;
        }
        for membership in self.units.memberships(unit) {
            if self.units.member(membership).counts(event.time) {
                self.fresh.push(key(slot, membership));
            }
        }
        // Folding in proportion to what there is already bounds both the copying and the memory.
        if self.fresh.len() >= FIRST_FOLD.max(self.keys.len() / 2) {
            self.fold();
        }
    }

    /// Merges what was gathered into the counts: from the back, so that no second copy is needed.
    fn fold(&mut self) {
        self.fresh.sort_unstable();
        let mut read = self.keys.len();
        let mut write = read + self.fresh.chunk_by(|a, b| a == b).count();
        self.keys.resize(write, 0);
        self.counts.resize(write, 0);
        for same in self.fresh.chunk_by(|a, b| a == b).rev() {
            while read > 0 && self.keys[read - 1] > same[0] {
                (read, write) = (read - 1, write - 1);
                self.keys[write] = self.keys[read];
                self.counts[write] = self.counts[read];
            }
            let mut count = u32::try_from(same.len()).unwrap_or(u32::MAX);
            if read > 0 && self.keys[read - 1] == same[0] {
                read -= 1;
                count = count.saturating_add(self.counts[read]);
            }
            write -= 1;
            self.keys[write] = same[0];
            self.counts[write] = count;
        }
        // All before `read` stood in its place; the gap is as wide as keys were known already.
        self.keys.drain(read..write);
        self.counts.drain(read..write);
        self.fresh.clear();
    }

    /// The totals of each slot, with zeros for all units that had no such event.
    pub fn finish(mut self, slots: usize, groups: usize) -> Totals {
        self.fold();
        let empty = Total { count: vec![Moments::default(); groups], users: vec![Moments::default(); groups] };
        let mut events = vec![empty; slots];
        for (&key, &count) in self.keys.iter().zip(&self.counts) {
            let (slot, membership) = unkey(key);
            if let Some(group) = self.units.member(membership).group() {
                events[slot as usize].count[group].push(f64::from(count));
            }
        }
        for total in &mut events {
            for ((count, users), &size) in total.count.iter_mut().zip(&mut total.users).zip(&self.units.sizes) {
                let active = count.n();
                count.push_times(0.0, size - active);
                users.push_times(1.0, active);
                users.push_times(0.0, size - active);
            }
        }
        let takes_part = |unit: u32| self.units.member(unit).group().is_some();
        let matched = (0u32..).zip(&self.seen).filter(|&(unit, &seen)| seen && takes_part(unit)).count() as u64;
        Totals { events, matched }
    }
}
