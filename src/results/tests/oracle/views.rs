//! The same metric seen otherwise: by day, as it grew, by days since exposure, broken down.
//!
//! Decisions:
//! - Every view keeps the units and groups of the whole report: a unit that becomes a crossover later is missing from the days
//!   before too. (A report that was made then could not know; its numbers were others.)
//! - By day: the UTC days from the first on which a unit counts to that of the last moment that counts. A unit is in from the
//!   day of its first exposure on. Its number is that of its events of the day, the first cut at the exposure, the last at the
//!   end. What is known is what is known at the period's end: a unit that is new on a day may return after it.
//! - As it grew: as though the period had ended with that day (and nothing later were known), for the units exposed until
//!   then. Its last day is the report itself.
//! - Since exposure: day k is from k to k + 1 times 24 hours after the exposure, for units whose day k begins before the end,
//!   cut at the end. Day 0 begins where the unit's events begin to count, so that joined by date it is longer, and counts add
//!   up to those of the report.
//! - By a field of the user: as the first exposure has it; of several in that millisecond the text that sorts first, and none
//!   only if none has it. The texts part the units, so that the sizes add up.
//! - By a field of the event: the metric of the events with that text alone, over all units, so that counts add up and sizes
//!   do not. Texts are listed that an event within a unit's span has, if it meets a source of the metric.

use super::quantity::meets;
use super::{DAY, Definition, Member, Row, Span, UnitValue, day_of, pair};
use crate::results::{EventSource, Quantity};
use std::collections::{BTreeMap, BTreeSet};

/// By UTC day.
pub fn by_day(members: &[Member], definition: &Definition) -> BTreeMap<i64, Vec<UnitValue>> {
    each_day(members, |day, member| {
        let span = member.span;
        let (from, until) = (span.from.max(day * DAY), span.until.min((day + 1) * DAY));
        (span.exposed < (day + 1) * DAY).then(|| member.value_in(definition, &Span { from, until, ..span }))
    })
}

/// As it had grown by the end of each UTC day.
pub fn cumulative(members: &[Member], definition: &Definition) -> BTreeMap<i64, Vec<UnitValue>> {
    each_day(members, |day, member| {
        let until = member.span.until.min((day + 1) * DAY);
        let span = Span { until, known_until: until, ..member.span };
        (span.exposed < until).then(|| member.value_in(definition, &span))
    })
}

fn each_day(members: &[Member], value: impl Fn(i64, &Member) -> Option<UnitValue>) -> BTreeMap<i64, Vec<UnitValue>> {
    let first = members.iter().map(|member| day_of(member.span.from)).min();
    let last = members.iter().map(|member| day_of(member.span.until - 1)).max();
    let days = first.zip(last).map_or(0..0, |(first, last)| first..last + 1);
    days.map(|day| (day, members.iter().filter_map(|member| value(day, member)).collect())).collect()
}

/// By days of 24 hours since the exposure.
pub fn since_exposure(members: &[Member], definition: &Definition) -> BTreeMap<i64, Vec<UnitValue>> {
    let mut days: BTreeMap<i64, Vec<UnitValue>> = BTreeMap::new();
    for member in members {
        let span = member.span;
        for day in (0..).take_while(|day| span.exposed + day * DAY < span.until) {
            let from = if day == 0 { span.from } else { span.exposed + day * DAY };
            let until = span.until.min(span.exposed + (day + 1) * DAY);
            days.entry(day).or_default().push(member.value_in(definition, &Span { from, until, ..span }));
        }
    }
    days
}

/// Where in an event a field stands: one of `Row`'s lists of texts.
pub type Place = fn(&Row) -> &Vec<(String, String)>;

fn field<'a>(row: &'a Row, place: Place, key: &str) -> Option<&'a str> {
    crate::results::tests::memory::text(place(row), key)
}

/// By what the first exposure says of the user; `None` where it says nothing, which a report calls `(none)`.
pub fn by_user_field(
    members: &[Member],
    definition: &Definition,
    place: Place,
    key: &str,
) -> BTreeMap<Option<String>, Vec<UnitValue>> {
    let mut parts: BTreeMap<Option<String>, Vec<UnitValue>> = BTreeMap::new();
    for member in members {
        let text = member.first.iter().filter_map(|row| field(row, place, key)).min();
        parts.entry(text.map(str::to_owned)).or_default().push(member.value(definition));
    }
    parts
}

/// By what the metric's events say; `None` for events that say nothing.
pub fn by_event_field(
    members: &[Member],
    definition: &Definition,
    place: Place,
    key: &str,
) -> BTreeMap<Option<String>, Vec<UnitValue>> {
    let sources = sources(definition);
    let mut texts: BTreeSet<Option<String>> = BTreeSet::new();
    for member in members {
        let inside = |row: &&&Row| member.span.from <= row.time.0 && row.time.0 < member.span.until;
        let met = member.events.iter().filter(inside).filter(|row| sources.iter().any(|source| meets(source, row)));
        texts.extend(met.map(|row| field(row, place, key).map(str::to_owned)));
    }
    let of = |text: &Option<String>, member: &Member| {
        let has_it = |row: &&&Row| field(row, place, key) == text.as_deref();
        let events: Vec<&Row> = member.events.iter().filter(has_it).copied().collect();
        UnitValue {
            unit: member.unit.to_owned(),
            group: member.group,
            now: pair(definition, &events, &member.span),
            before: pair(definition, &events, &member.before),
        }
    };
    texts
        .into_iter()
        .map(|text| {
            let values = members.iter().map(|member| of(&text, member)).collect();
            (text, values)
        })
        .collect()
}

/// Every source of a metric.
pub fn sources(definition: &Definition) -> Vec<&EventSource> {
    match definition {
        Definition::PerUnit(quantity) => sources_of(quantity),
        Definition::Ratio(x, y) => [sources_of(x), sources_of(y)].concat(),
        Definition::Funnel(funnel) => funnel.steps.iter().collect(),
    }
}

fn sources_of(quantity: &Quantity) -> Vec<&EventSource> {
    match quantity {
        Quantity::SumOf(parts) => parts.iter().flat_map(sources_of).collect(),
        Quantity::Count(measure)
        | Quantity::Sum(measure)
        | Quantity::Valued(measure)
        | Quantity::Distinct(measure)
        | Quantity::Any(measure)
        | Quantity::AnyWithin { measure, .. }
        | Quantity::DayShare(measure)
        | Quantity::RollingShare { measure, .. }
        | Quantity::New(measure)
        | Quantity::Returnable { measure, .. }
        | Quantity::Returned { measure, .. } => measure.sources.iter().collect(),
    }
}
