//! The events of one source, by unit and in order of time, and the walk over several of them at once. Knows what happened
//! when and with which value; not why it is asked.

use super::calendar::Span;
use std::cmp::Ordering;

/// One event of one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// The unit's number in the roster.
    pub unit: u32,
    /// The code of the text by which events are told apart; where they are not, the number of the reading it came with.
    pub mark: u32,
    pub time: i64,
    /// NaN without a value.
    pub value: f64,
}

impl Entry {
    /// By unit, then time, then value: an order that does not depend on that of the log.
    fn order(&self, other: &Entry) -> Ordering {
        let key = |entry: &Entry| (entry.unit, entry.time);
        key(self).cmp(&key(other)).then_with(|| self.value.total_cmp(&other.value))
    }
}

/// All events of one source. What came since the last settling lies apart, so that a few new events cost little beside many
/// old ones.
#[derive(Debug, Default)]
pub(super) struct Entries {
    old: Vec<Entry>,
    recent: Vec<Entry>,
    /// How many of `recent` are in order.
    settled: usize,
    /// The largest mark among `old`.
    merged: u32,
}

/// Recent entries are merged into the old ones when they are more than this part of them.
const MERGED_AT: usize = 8;

impl Entries {
    pub const EMPTY: Entries = Entries { old: Vec::new(), recent: Vec::new(), settled: 0, merged: 0 };

    pub fn push(&mut self, entry: Entry) {
        self.recent.push(entry);
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.old.iter().chain(&self.recent)
    }

    /// Those that a condition picks. Only once settled.
    pub fn picked(&self, pick: impl Fn(&Entry) -> bool) -> Entries {
        let recent: Vec<Entry> = self.recent.iter().filter(|entry| pick(entry)).copied().collect();
        let settled = recent.len();
        Entries {
            old: self.old.iter().filter(|entry| pick(entry)).copied().collect(),
            recent,
            settled,
            merged: self.merged,
        }
    }

    /// The units of entries that came after a reading; `None` if that cannot be told any more.
    pub fn fresh_since(&self, reading: u32) -> Option<impl Iterator<Item = u32>> {
        let fresh = self.recent.iter().filter(move |entry| entry.mark > reading).map(|entry| entry.unit);
        (self.merged <= reading).then_some(fresh)
    }

    pub fn bytes(&self) -> usize {
        // Room that was never written to takes no memory.
        (self.old.len() + self.recent.len()) * size_of::<Entry>()
    }

    /// How many are not in order yet.
    pub fn unsettled(&self) -> usize {
        self.recent.len() - self.settled
    }

    /// Puts in order what came since. `units` is how many there are; `room` is used and left for the next.
    pub fn settle(&mut self, units: usize, room: &mut Vec<Entry>) {
        if self.unsettled() == 0 {
            return;
        }
        sort(&mut self.recent, units, room);
        if self.recent.len() > self.old.len() / MERGED_AT {
            let newest = self.recent.iter().map(|entry| entry.mark).max();
            self.merged = self.merged.max(newest.unwrap_or(0));
            if self.old.is_empty() {
                std::mem::swap(&mut self.old, &mut self.recent);
                // They grew by doubling, or got the room of a larger source, and what comes next lies apart.
                self.old.shrink_to_fit();
            } else {
                merge(&mut self.old, &mut self.recent);
                // They may have been as many as the old ones, and what comes next is few again.
                self.recent = Vec::new();
            }
        }
        self.settled = self.recent.len();
    }

    /// Only once settled.
    fn lane(&self) -> Lane<'_> {
        debug_assert_eq!(self.settled, self.recent.len(), "entries are walked once they are in order");
        Lane { old: &self.old, recent: &self.recent, here: &[], both: Vec::new() }
    }
}

/// What is left to walk of one source.
struct Lane<'a> {
    old: &'a [Entry],
    recent: &'a [Entry],
    /// The present unit's entries, unless they are in `both`.
    here: &'a [Entry],
    /// The present unit's entries if it has recent ones; else empty.
    both: Vec<Entry>,
}

impl<'a> Lane<'a> {
    fn next_unit(&self) -> u32 {
        let first = |entries: &[Entry]| entries.first().map_or(u32::MAX, |entry| entry.unit);
        first(self.old).min(first(self.recent))
    }

    /// Goes on to a unit that lies ahead and may have no entries.
    fn seek(&mut self, unit: u32, up_to: u32) {
        self.old = &self.old[gallop(self.old, unit)..];
        self.recent = &self.recent[gallop(self.recent, unit)..];
        self.enter(unit, up_to);
    }

    /// Takes the next unit's entries, those of the readings up to one.
    fn enter(&mut self, unit: u32, up_to: u32) {
        fn cut<'a>(entries: &mut &'a [Entry], unit: u32) -> &'a [Entry] {
            let end = entries.iter().position(|entry| entry.unit != unit).unwrap_or(entries.len());
            let (here, rest) = entries.split_at(end);
            *entries = rest;
            here
        }
        let (old, recent) = (cut(&mut self.old, unit), cut(&mut self.recent, unit));
        self.both.clear();
        self.here = old;
        if recent.iter().any(|entry| entry.mark <= up_to) {
            self.here = &[];
            self.both.extend_from_slice(old);
            self.both.extend(recent.iter().filter(|entry| entry.mark <= up_to));
            self.both.sort_unstable_by(Entry::order);
        }
    }
}

/// Goes through the units that have entries of any of several sources, in order of their numbers.
pub(super) struct Walk<'a> {
    lanes: Vec<Lane<'a>>,
    /// The units to go through, where not all are.
    among: Option<Among<'a>>,
}

struct Among<'a> {
    /// Ascending.
    units: std::slice::Iter<'a, u32>,
    up_to: u32,
}

/// All readings.
pub(super) const EVER: u32 = u32::MAX;

impl<'a> Walk<'a> {
    pub fn over(entries: impl IntoIterator<Item = &'a Entries>) -> Walk<'a> {
        Walk { lanes: entries.into_iter().map(Entries::lane).collect(), among: None }
    }

    /// The same walk through certain units only, in ascending order, and with what came up to a reading only.
    pub fn among(self, units: &'a [u32], up_to: u32) -> Walk<'a> {
        Walk { among: Some(Among { units: units.iter(), up_to }), ..self }
    }

    /// Goes to the next unit with entries and tells which it is.
    pub fn advance(&mut self) -> Option<u32> {
        if let Some(among) = &mut self.among {
            loop {
                let unit = *among.units.next()?;
                self.lanes.iter_mut().for_each(|lane| lane.seek(unit, among.up_to));
                if self.lanes.iter().any(|lane| !lane.here.is_empty() || !lane.both.is_empty()) {
                    return Some(unit);
                }
            }
        }
        let unit = self.lanes.iter().map(Lane::next_unit).min().filter(|unit| *unit != u32::MAX)?;
        self.lanes.iter_mut().for_each(|lane| lane.enter(unit, EVER));
        Some(unit)
    }

    /// Whether the present unit has an entry of any source before a moment.
    pub fn begins_before(&self, moment: i64) -> bool {
        (0..self.lanes.len()).any(|at| self.lane(at).first().is_some_and(|entry| entry.time < moment))
    }

    /// The present unit's entries of one source, in order of time.
    pub fn lane(&self, at: usize) -> &[Entry] {
        let lane = &self.lanes[at];
        if lane.both.is_empty() { lane.here } else { &lane.both }
    }
}

/// The place of the first entry of a unit or of one after it, found in steps that double: it is often near.
fn gallop(entries: &[Entry], unit: u32) -> usize {
    let mut step = 1;
    while step < entries.len() && entries[step].unit < unit {
        step *= 2;
    }
    let (low, high) = (step / 2, entries.len().min(step + 1));
    low + entries[low..high].partition_point(|entry| entry.unit < unit)
}

/// The part of a unit's entries that lies in a span.
pub(super) fn within<'a>(entries: &'a [Entry], span: &Span) -> &'a [Entry] {
    // Most units have few entries, and most entries lie in the span: the ends are looked at before anything is searched.
    let from = match entries.first() {
        Some(first) if first.time < span.from => entries.partition_point(|entry| entry.time < span.from),
        _ => 0,
    };
    let until = match entries.last() {
        Some(last) if last.time >= span.until => entries.partition_point(|entry| entry.time < span.until),
        _ => entries.len(),
    };
    &entries[from..until.max(from)]
}

/// Few entries beside many units are sorted by comparing, many by counting.
fn sort(entries: &mut Vec<Entry>, units: usize, sorted: &mut Vec<Entry>) {
    if entries.len() < units / 4 {
        entries.sort_unstable_by(Entry::order);
        return;
    }
    let mut next = vec![0u32; units + 1];
    for entry in entries.iter() {
        next[entry.unit as usize + 1] += 1;
    }
    for unit in 0..units {
        next[unit + 1] += next[unit];
    }
    sorted.resize(entries.len(), Entry { unit: 0, mark: 0, time: 0, value: 0.0 });
    for entry in entries.iter() {
        let at = &mut next[entry.unit as usize];
        sorted[*at as usize] = *entry;
        *at += 1;
    }
    for of_unit in sorted.chunk_by_mut(|a, b| a.unit == b.unit) {
        if !of_unit.is_sorted_by(|a, b| a.order(b).is_le()) {
            of_unit.sort_unstable_by(Entry::order);
        }
    }
    std::mem::swap(entries, sorted);
}

/// Merges `recent` into `old`, from the back, so that no second copy is needed.
fn merge(old: &mut Vec<Entry>, recent: &mut Vec<Entry>) {
    let mut read = old.len();
    let mut write = read + recent.len();
    old.resize(write, Entry { unit: 0, mark: 0, time: 0, value: 0.0 });
    while let Some(last) = recent.last() {
        write -= 1;
        if read > 0 && old[read - 1].order(last).is_gt() {
            read -= 1;
            old[write] = old[read];
        } else {
            old[write] = *last;
            recent.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(unit: u32, time: i64, value: f64) -> Entry {
        Entry { unit, mark: 0, time, value }
    }

    fn walked(sources: &[&Entries]) -> Vec<(u32, Vec<Vec<Entry>>)> {
        let mut walk = Walk::over(sources.iter().copied());
        let mut all = Vec::new();
        while let Some(unit) = walk.advance() {
            all.push((unit, (0..sources.len()).map(|lane| walk.lane(lane).to_vec()).collect()));
        }
        all
    }

    /// However entries come and whenever they are settled in between, the same is walked.
    #[test]
    fn the_order_of_arrival_does_not_show() {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for (count, units) in [(0, 5), (3, 1000), (40, 3), (2000, 50), (500, 4000)] {
            let all: Vec<Entry> = (0..count)
                .map(|_| entry(next(units) as u32, next(9) as i64 - 4, [1.0, -2.0, f64::NAN][next(3) as usize]))
                .collect();
            let mut expected = all.clone();
            expected.sort_by(Entry::order);
            for settle_at in [1, 7, 100, 100_000] {
                let mut entries = Entries::default();
                for (at, entry) in all.iter().enumerate() {
                    entries.push(*entry);
                    if at % settle_at == 0 {
                        entries.settle(units as usize, &mut Vec::new());
                    }
                }
                entries.settle(units as usize, &mut Vec::new());
                assert_eq!(entries.iter().count(), all.len());
                let found: Vec<Entry> = walked(&[&entries]).into_iter().flat_map(|(_, lanes)| lanes.concat()).collect();
                let same = |a: &Entry, b: &Entry| a.order(b).is_eq();
                assert!(found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| same(a, b)));
            }
        }
    }

    #[test]
    fn no_room_is_left_that_would_not_count_as_held() {
        let mut entries = Entries::default();
        for (count, units) in [(1, 10_000), (9000, 10), (9000, 10_000), (10, 10)] {
            (0..count).for_each(|n| entries.push(entry(n % 10, 0, 0.0)));
            entries.settle(units, &mut Vec::new());
            let room = entries.recent.capacity() * size_of::<Entry>();
            assert!(room <= entries.bytes() / MERGED_AT, "room for {room} bytes beside {}", entries.bytes());
        }
    }

    #[test]
    fn units_of_several_sources_are_walked_together() {
        let of = |entries: &[Entry]| {
            let mut all = Entries::default();
            entries.iter().for_each(|entry| all.push(*entry));
            all.settle(10, &mut Vec::new());
            all
        };
        let (a, b) =
            (of(&[entry(1, 5, 0.0), entry(4, 1, 0.0)]), of(&[entry(0, 2, 0.0), entry(4, 3, 1.0), entry(4, 2, 1.0)]));
        let found = walked(&[&a, &b]);
        assert_eq!(found.iter().map(|(unit, _)| *unit).collect::<Vec<_>>(), [0, 1, 4]);
        assert_eq!(found[2].1, [vec![entry(4, 1, 0.0)], vec![entry(4, 2, 1.0), entry(4, 3, 1.0)]]);
        assert_eq!(found[0].1[0], []);
    }

    #[test]
    fn a_span_begins_with_its_first_moment_and_ends_before_its_last() {
        let entries: Vec<Entry> = (0..5).map(|time| entry(0, time, 0.0)).collect();
        let times = |from, until| {
            within(&entries, &Span { since: 0, from, until, known: until })
                .iter()
                .map(|entry| entry.time)
                .collect::<Vec<_>>()
        };
        assert_eq!((times(1, 3), times(3, 1), times(-9, 1), times(4, 9)), (vec![1, 2], vec![], vec![0], vec![4]));
    }
}
