//! From one unit's events in a span of time to its numbers. Knows no group and no other unit.

use super::calendar::{DAY, Span, day_of, start_of};
use super::definition::Quantity;
use super::entries::{Entry, Walk, within};

/// The places of a measure's sources in the walk, in the place of the sources themselves.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lanes {
    pub places: Vec<usize>,
    pub cap_per_day: Option<f64>,
}

impl Lanes {
    fn each<'a>(&'a self, walk: &'a Walk<'_>) -> impl Iterator<Item = &'a [Entry]> {
        self.places.iter().map(|&place| walk.lane(place))
    }

    fn events<'a>(&'a self, walk: &'a Walk<'_>, span: &'a Span) -> impl Iterator<Item = &'a Entry> {
        self.each(walk).flat_map(|entries| within(entries, span))
    }

    fn any(&self, walk: &Walk<'_>, span: &Span) -> bool {
        self.events(walk, span).next().is_some()
    }

    /// What the events add, each UTC day no more than the cap.
    fn total(&self, walk: &Walk<'_>, span: &Span, adds: impl Fn(&Entry) -> f64) -> f64 {
        let Some(cap) = self.cap_per_day else {
            return self.events(walk, span).map(adds).sum();
        };
        let mut by_day: Vec<(i64, f64)> =
            self.events(walk, span).map(|event| (day_of(event.time), adds(event))).collect();
        by_day.sort_by_key(|(day, _)| *day);
        let days = by_day.chunk_by(|a, b| a.0 == b.0);
        days.map(|day| day.iter().map(|(_, amount)| amount).sum::<f64>().min(cap)).sum()
    }

    /// How many days have an event.
    fn count_days(&self, walk: &Walk<'_>, span: &Span) -> usize {
        match self.places.as_slice() {
            // In order of time already.
            [place] => {
                let events = within(walk.lane(*place), span);
                events.chunk_by(|a, b| day_of(a.time) == day_of(b.time)).count()
            }
            _ => self.days(walk, span).len(),
        }
    }

    /// The days with an event, ascending, each once.
    fn days(&self, walk: &Walk<'_>, span: &Span) -> Vec<i64> {
        let mut days: Vec<i64> = self.events(walk, span).map(|event| day_of(event.time)).collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    /// When the unit had its first event ever.
    fn first(&self, walk: &Walk<'_>) -> Option<i64> {
        self.each(walk).filter_map(|entries| entries.first()).map(|entry| entry.time).min()
    }

    /// The day, so many after that of the unit's first event ever, on which it may have returned: if it is new in the span
    /// and that day is over.
    fn return_day(&self, walk: &Walk<'_>, span: &Span, after: u32) -> Option<i64> {
        let first = self.first(walk).filter(|first| span.from <= *first && *first < span.until)?;
        let day = day_of(first) + i64::from(after);
        (start_of(day + 1) <= span.known).then_some(day)
    }
}

impl Quantity<Lanes> {
    /// The number of the walk's present unit. 0 for an empty span.
    pub(super) fn of(&self, walk: &Walk<'_>, span: &Span) -> f64 {
        if span.is_empty() {
            return 0.0;
        }
        let one_if = |holds: bool| f64::from(u8::from(holds));
        match self {
            Quantity::Count(lanes) if lanes.cap_per_day.is_none() => {
                lanes.each(walk).map(|entries| within(entries, span).len() as f64).sum()
            }
            Quantity::Count(lanes) => lanes.total(walk, span, |_| 1.0),
            Quantity::Sum(lanes) => {
                lanes.total(walk, span, |event| if event.value.is_nan() { 0.0 } else { event.value })
            }
            Quantity::Valued(lanes) => lanes.events(walk, span).filter(|event| !event.value.is_nan()).count() as f64,
            Quantity::Distinct(lanes) => {
                let mut texts: Vec<u64> = lanes
                    .events(walk, span)
                    .filter(|event| !event.value.is_nan())
                    .map(|event| event.value.to_bits())
                    .collect();
                texts.sort_unstable();
                texts.dedup();
                texts.len() as f64
            }
            Quantity::Any(lanes) => one_if(lanes.any(walk, span)),
            Quantity::AnyWithin { measure, start, end } => {
                let moment = |days: f64| span.since.saturating_add((days * DAY as f64) as i64);
                let from = span.from.max(moment(*start));
                let until = span.until.min(moment(*end));
                one_if(from < until && measure.any(walk, &Span { from, until, ..*span }))
            }
            Quantity::DayShare(lanes) => {
                let (first, last) = span.days();
                lanes.count_days(walk, span) as f64 / (last - first + 1) as f64
            }
            Quantity::RollingShare { measure, days } => {
                let (first, last) = span.days();
                let back = i64::from(days.saturating_sub(1));
                let from = start_of(first - back);
                let mut covered = 0;
                let mut next = first;
                for day in measure.days(walk, &Span { from, ..*span }) {
                    let until = (day + back).min(last);
                    covered += (until - day.max(next) + 1).max(0);
                    next = next.max(until + 1);
                }
                covered as f64 / (last - first + 1) as f64
            }
            Quantity::New(lanes) => {
                one_if(lanes.first(walk).is_some_and(|first| span.from <= first && first < span.until))
            }
            Quantity::Returnable { measure, day } => one_if(measure.return_day(walk, span, *day).is_some()),
            Quantity::Returned { measure, day } => one_if(measure.return_day(walk, span, *day).is_some_and(|day| {
                let (from, until) = (start_of(day), start_of(day + 1));
                measure.any(walk, &Span { from: from.max(span.from), until, ..*span })
            })),
            Quantity::SumOf(parts) => parts.iter().map(|part| part.of(walk, span)).sum(),
        }
    }
}
