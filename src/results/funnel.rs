//! From one unit's events to how far it got in a funnel. Knows no group and no other unit.

use super::calendar::{Span, day_of};
use super::definition::{FunnelCounts, FunnelOrder};
use super::entries::{Walk, within};
use std::collections::VecDeque;

/// A funnel with the places of its steps in the walk. Steps of the same source have the same place, and one event serves
/// one of them only.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps {
    pub places: Vec<usize>,
    pub order: FunnelOrder,
    pub counts: FunnelCounts,
}

/// When, and at which place of the walk.
type Happened = (i64, usize);

/// Room that is used for one unit after the other.
#[derive(Debug, Default)]
pub(super) struct Room {
    events: Vec<Happened>,
    began: Vec<Option<i64>>,
    taken: Vec<f64>,
}

impl Steps {
    /// How often the walk's present unit took each step.
    pub fn of<'r>(&self, walk: &Walk<'_>, span: &Span, room: &'r mut Room) -> &'r [f64] {
        let Room { events, began, taken } = room;
        taken.clear();
        taken.resize(self.places.len(), 0.0);
        if span.is_empty() || within(walk.lane(self.places[0]), span).is_empty() {
            return taken;
        }
        events.clear();
        for (step, &place) in self.places.iter().enumerate() {
            if !self.places[..step].contains(&place) {
                events.extend(within(walk.lane(place), span).iter().map(|entry| (entry.time, place)));
            }
        }
        // At one moment in the order of the funnel: what could follow does.
        let first_step = |place: usize| self.places.iter().position(|of| *of == place);
        if !events.is_sorted_by_key(|&(time, place)| (time, first_step(place))) {
            events.sort_unstable_by_key(|&(time, place)| (time, first_step(place)));
        }
        match (self.order, self.counts) {
            (FunnelOrder::Within(window), FunnelCounts::Units) => self.reached(events, window, began, taken),
            (FunnelOrder::Within(window), FunnelCounts::Events) => self.passages(events, window, taken),
            (FunnelOrder::UnorderedDaily, counts) => {
                for day in events.chunk_by(|a, b| day_of(a.0) == day_of(b.0)) {
                    self.daily(day, counts, taken);
                }
            }
        }
        taken
    }

    /// Marks the steps that some chain of events reaches. Of all chains that stand at a step, the one that began last can
    /// still go furthest, so it is the only one to remember.
    fn reached(&self, events: &[Happened], window: i64, began: &mut Vec<Option<i64>>, taken: &mut [f64]) {
        began.clear();
        began.resize(taken.len(), None);
        for moment in events.chunk_by(|a, b| a.0 == b.0) {
            let time = moment[0].0;
            if let [(_, place)] = moment {
                // One event, as nearly always: from the last step back, so that it is not taken for two of them.
                for step in (0..taken.len()).rev().filter(|&step| self.places[step] == *place) {
                    let start = match step {
                        0 => Some(time),
                        step => began[step - 1].filter(|start| time - start <= window),
                    };
                    if start.is_some() {
                        began[step] = began[step].max(start);
                        taken[step] = 1.0;
                    }
                }
                continue;
            }
            let before = began.clone();
            // A chain goes on from where it stood before this moment, or begins in it, by as many steps as there are events.
            for stood in std::iter::once(None).chain((0..taken.len()).map(Some)) {
                let start = match stood {
                    None => time,
                    Some(step) => match before[step] {
                        Some(start) if time - start <= window => start,
                        _ => continue,
                    },
                };
                let mut used: Vec<usize> = Vec::new();
                for step in stood.map_or(0, |step| step + 1)..taken.len() {
                    let place = self.places[step];
                    let uses = |places: &[usize]| places.iter().filter(|of| **of == place).count();
                    if uses(&used) == moment.iter().filter(|event| event.1 == place).count() {
                        break;
                    }
                    used.push(place);
                    began[step] = began[step].max(Some(start));
                    taken[step] = 1.0;
                }
            }
        }
    }

    /// Counts passages. Each event goes to the oldest one that waits for it and whose window is open; without such a one the
    /// event of the first step begins a new passage.
    fn passages(&self, events: &[Happened], window: i64, taken: &mut [f64]) {
        // By step taken last: when its passages began, oldest first.
        let mut waiting: Vec<VecDeque<i64>> = vec![VecDeque::new(); taken.len()];
        for &(time, place) in events {
            let mut oldest: Option<(i64, usize)> = None;
            for step in (1..taken.len()).filter(|&step| self.places[step] == place) {
                let queue = &mut waiting[step - 1];
                while queue.front().is_some_and(|start| time - start > window) {
                    queue.pop_front();
                }
                if let Some(&start) = queue.front()
                    && oldest.is_none_or(|(known, _)| start < known)
                {
                    oldest = Some((start, step));
                }
            }
            let (start, step) = match oldest {
                Some((start, step)) => {
                    waiting[step - 1].pop_front();
                    (start, step)
                }
                None if self.places[0] == place => (time, 0),
                None => continue,
            };
            taken[step] += 1.0;
            let queue = &mut waiting[step];
            let at = queue.partition_point(|known| *known <= start);
            queue.insert(at, start);
        }
    }

    fn daily(&self, day: &[Happened], counts: FunnelCounts, taken: &mut [f64]) {
        for (step, taken) in taken.iter_mut().enumerate() {
            let events = day.iter().filter(|event| event.1 == self.places[step]).count();
            // Of the steps so far that are of one source each needs an event of its own.
            let same = self.places[..=step].iter().filter(|place| **place == self.places[step]).count();
            match counts {
                _ if events < same => break,
                FunnelCounts::Units => *taken += 1.0,
                FunnelCounts::Events => *taken += events as f64,
            }
        }
    }
}
