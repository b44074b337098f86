//! One unit's way through the steps of a funnel.
//!
//! Decisions:
//! - In order, by unit: a step is reached if there is any chain of different events, one for each step up to it, none before
//!   the one before, and all within the window of the first, its last millisecond included. Events of one moment may follow
//!   one another in any order.
//! - In order, by events: events are taken in the order of time; at one moment by the steps that they meet (those with the
//!   lowest first step first; of two that agree so far, the one that meets no further step). Each goes to the oldest passage
//!   that waits for it and whose window is open; if none does, and it meets the first step, it opens a passage. This is not the
//!   largest possible number of passages: an old passage may take the event that a younger one would have got further with.
//! - Unordered by day: every step looks for itself, so one event may serve two steps that it meets, as in Statsig's sets of
//!   users. By events a step counts all its events of the days on which each step before it happened too, so that a later
//!   step may have more than an earlier one.

use super::quantity::meets;
use super::{Row, Span, day_of};
use crate::results::{Funnel, FunnelCounts, FunnelOrder};
use std::collections::BTreeSet;

/// How often each step was reached.
pub fn steps(funnel: &Funnel, events: &[&Row], span: &Span) -> Vec<f64> {
    let last = span.until.min(span.known_until);
    let mut events: Vec<Event> = events
        .iter()
        .filter(|row| span.from <= row.time.0 && row.time.0 < last)
        .map(|row| Event {
            time: row.time.0,
            steps: (0..funnel.steps.len()).filter(|step| meets(&funnel.steps[*step], row)).collect(),
        })
        .filter(|event| !event.steps.is_empty())
        .collect();
    events.sort();
    let counted = match (funnel.order, funnel.counts) {
        (FunnelOrder::Within(ms), FunnelCounts::Units) => {
            (1..=funnel.steps.len()).map(|steps| usize::from(is_reached(steps, &events, ms))).collect()
        }
        (FunnelOrder::Within(ms), FunnelCounts::Events) => passages(funnel.steps.len(), &events, ms),
        (FunnelOrder::UnorderedDaily, counts) => by_day(funnel.steps.len(), &events, counts),
    };
    counted.into_iter().map(|count| count as f64).collect()
}

/// An event that meets some step. Sorts by time, then by the steps that it meets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    time: i64,
    steps: Vec<usize>,
}

/// Whether there is a chain of so many steps: every one is tried.
fn is_reached(steps: usize, events: &[Event], ms: i64) -> bool {
    let starts = (0..events.len()).filter(|at| events[*at].steps.contains(&0));
    starts.into_iter().any(|at| follows(&mut vec![at], steps, events, ms))
}

fn follows(chain: &mut Vec<usize>, steps: usize, events: &[Event], ms: i64) -> bool {
    if chain.len() == steps {
        return true;
    }
    let first = events[chain[0]].time;
    let previous = events[chain[chain.len() - 1]].time;
    for at in 0..events.len() {
        let event = &events[at];
        let fits = previous <= event.time && event.time - first <= ms && event.steps.contains(&chain.len());
        if fits && !chain.contains(&at) {
            chain.push(at);
            if follows(chain, steps, events, ms) {
                return true;
            }
            chain.pop();
        }
    }
    false
}

fn passages(steps: usize, events: &[Event], ms: i64) -> Vec<usize> {
    struct Passage {
        opened: i64,
        reached: usize,
    }
    let mut passages: Vec<Passage> = Vec::new();
    for event in events {
        // In the order in which they were opened, the oldest first.
        let waiting = passages
            .iter_mut()
            .find(|passage| event.steps.contains(&passage.reached) && event.time - passage.opened <= ms);
        match waiting {
            Some(passage) => passage.reached += 1,
            None if event.steps.contains(&0) => passages.push(Passage { opened: event.time, reached: 1 }),
            None => {}
        }
    }
    (1..=steps).map(|step| passages.iter().filter(|passage| passage.reached >= step).count()).collect()
}

fn by_day(steps: usize, events: &[Event], counts: FunnelCounts) -> Vec<usize> {
    let days: BTreeSet<i64> = events.iter().map(|event| day_of(event.time)).collect();
    let on = |day: i64, step: usize| {
        events.iter().filter(|event| day_of(event.time) == day && event.steps.contains(&step)).count()
    };
    (0..steps)
        .map(|step| {
            let days_before = days.iter().filter(|day| (0..step).all(|earlier| on(**day, earlier) > 0));
            match counts {
                FunnelCounts::Units => days_before.filter(|day| on(**day, step) > 0).count(),
                FunnelCounts::Events => days_before.map(|day| on(*day, step)).sum(),
            }
        })
        .collect()
}
