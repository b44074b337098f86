//! One number of one unit: which of its events count within a span, and what they come to.
//!
//! Decisions:
//! - What an event adds to a sum is its number: of `Value` the event's value, of `Metadata` the text of the key if it is
//!   wholly a finite number (no blanks around it). `Occurrence` and `Text` have no number: they add nothing and are not
//!   valued. `Count`, `Any` and the shares of days never ask for a number.
//! - An event that meets several sources counts, adds and is valued once for each. `Distinct` looks at texts alone: the same
//!   text from two sources is one; an empty text is a text; sources that take no text have none.
//! - The cap is on what a UTC day of a unit adds to one `Count` or `Sum`, in that span; a negative day stays as it is.
//!   `Valued`, `Distinct` and the 0-or-1 quantities know no cap.
//! - The days of a span are all UTC days that it touches.
//! - A window after the exposure is reckoned from the very moment of it, whichever the join, and cut at the span's ends.
//! - A day of `RollingShare` looks back over whole days, before the exposure and before the period too.
//! - Whether a day is over, and what a unit did on it, is judged by what is known, not by the span: by day or since exposure,
//!   a new unit returns after its span.

use super::{DAY, Row, Span, day_of};
use crate::results::tests::memory::text;
use crate::results::{Criterion, CriterionOf, CriterionTest, EventName, EventSource, Measure, Quantity, Taken};
use std::collections::{BTreeMap, BTreeSet};

pub fn value(quantity: &Quantity, events: &[&Row], span: &Span) -> f64 {
    let inside = |row: &&&Row| span.from <= row.time.0 && row.time.0 < span.until && row.time.0 < span.known_until;
    let events_inside: Vec<&Row> = events.iter().filter(inside).copied().collect();
    let known: Vec<&Row> = events.iter().filter(|row| row.time.0 < span.known_until).copied().collect();
    match quantity {
        Quantity::Count(measure) => sum_of_days(measure, &events_inside, |row, sources| {
            sources.filter(|source| meets(source, row)).count() as f64
        }),
        Quantity::Sum(measure) => sum_of_days(measure, &events_inside, |row, sources| {
            sources.filter(|source| meets(source, row)).filter_map(|source| number(source, row)).sum()
        }),
        Quantity::Valued(measure) => events_inside
            .iter()
            .flat_map(|row| measure.sources.iter().filter(|source| meets(source, row) && number(source, row).is_some()))
            .count() as f64,
        Quantity::Distinct(measure) => {
            let texts = events_inside.iter().flat_map(|row| {
                measure.sources.iter().filter(|source| meets(source, row)).filter_map(|source| match &source.taken {
                    Taken::Text(key) => text(&row.metadata, key),
                    _ => None,
                })
            });
            texts.collect::<BTreeSet<&str>>().len() as f64
        }
        Quantity::Any(measure) => one_if(events_inside.iter().any(|row| meets_any(measure, row))),
        Quantity::AnyWithin { measure, start, end } => one_if(events_inside.iter().any(|row| {
            let since = (row.time.0 - span.exposed) as f64;
            meets_any(measure, row) && start * DAY as f64 <= since && since < end * DAY as f64
        })),
        Quantity::DayShare(measure) => {
            let active =
                |day: i64| events_inside.iter().any(|row| meets_any(measure, row) && day_of(row.time.0) == day);
            share_of_days(span, active)
        }
        Quantity::RollingShare { measure, days } => share_of_days(span, |day| {
            known.iter().filter(|row| row.time.0 < span.until && meets_any(measure, row)).any(|row| {
                let ago = day - day_of(row.time.0);
                0 <= ago && ago < i64::from(*days)
            })
        }),
        Quantity::New(measure) => one_if(first_if_new(measure, &known, span).is_some()),
        Quantity::Returnable { measure, day } => {
            one_if(first_if_new(measure, &known, span).is_some_and(|first| is_over(first + i64::from(*day), span)))
        }
        Quantity::Returned { measure, day } => one_if(first_if_new(measure, &known, span).is_some_and(|first| {
            let wanted = first + i64::from(*day);
            is_over(wanted, span) && known.iter().any(|row| meets_any(measure, row) && day_of(row.time.0) == wanted)
        })),
        Quantity::SumOf(parts) => parts.iter().map(|part| value(part, events, span)).sum(),
    }
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Sums by UTC day, each capped, in the order of time.
fn sum_of_days<'a>(
    measure: &'a Measure,
    events: &[&Row],
    of: impl Fn(&Row, std::slice::Iter<'a, EventSource>) -> f64,
) -> f64 {
    let mut events = events.to_vec();
    events.sort_by_key(|row| row.time);
    let mut days: BTreeMap<i64, f64> = BTreeMap::new();
    for row in events {
        *days.entry(day_of(row.time.0)).or_default() += of(row, measure.sources.iter());
    }
    days.into_values().map(|day| measure.cap_per_day.map_or(day, |cap| day.min(cap))).sum()
}

fn share_of_days(span: &Span, active: impl Fn(i64) -> bool) -> f64 {
    let days = day_of(span.from)..=day_of(span.until - 1);
    let all = days.clone().count() as f64;
    days.filter(|day| active(*day)).count() as f64 / all
}

/// The UTC day of a unit's first event ever, if that event lies in the span.
fn first_if_new(measure: &Measure, known: &[&Row], span: &Span) -> Option<i64> {
    let first = known.iter().filter(|row| meets_any(measure, row)).map(|row| row.time.0).min()?;
    (span.from <= first && first < span.until).then_some(day_of(first))
}

fn is_over(day: i64, span: &Span) -> bool {
    (day + 1) * DAY <= span.known_until
}

fn meets_any(measure: &Measure, row: &Row) -> bool {
    measure.sources.iter().any(|source| meets(source, row))
}

pub fn meets(source: &EventSource, row: &Row) -> bool {
    let named = match &source.event {
        EventName::Named(name) => row.name == *name,
        EventName::Any => true,
    };
    named && source.criteria.iter().all(|criterion| holds(criterion, row))
}

fn number(source: &EventSource, row: &Row) -> Option<f64> {
    match &source.taken {
        Taken::Value => row.value,
        Taken::Metadata(key) => text(&row.metadata, key).and_then(number_in),
        Taken::Occurrence | Taken::Text(_) => None,
    }
}

fn number_in(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether an event passes a filter.
///
/// `missing_passes` decides for an event that lacks what the filter looks at, except that `IsNull` always holds for it and
/// `NonNull` never does. The event's value is compared as a number, and a text of the list that is no number equals none;
/// fields are texts, equal to the letter (`7` is not `7.0`). A field that is no number is not lacking, and meets no
/// comparison of size. `IsTrue` and `IsFalse` are the texts `true` and `false`; the value is neither. To tests of texts the
/// value is its shortest decimal text.
fn holds(criterion: &Criterion, row: &Row) -> bool {
    let found: Option<String> = match &criterion.of {
        CriterionOf::Value => row.value.map(|value| value.to_string()),
        CriterionOf::Metadata(key) => text(&row.metadata, key).map(str::to_owned),
        CriterionOf::User(key) => text(&row.user, key).map(str::to_owned),
        CriterionOf::UserCustom(key) => text(&row.user_custom, key).map(str::to_owned),
    };
    let is_value = criterion.of == CriterionOf::Value;
    let Some(found) = found else {
        return match criterion.test {
            CriterionTest::IsNull => true,
            CriterionTest::NonNull => false,
            _ => criterion.missing_passes,
        };
    };
    let equal = |wanted: &String| {
        if is_value { number_in(wanted).is_some() && number_in(wanted) == row.value } else { *wanted == found }
    };
    let sized = |test: &dyn Fn(f64) -> bool| number_in(&found).is_some_and(test);
    match &criterion.test {
        CriterionTest::In(list) => list.iter().any(equal),
        CriterionTest::NotIn(list) => !list.iter().any(equal),
        CriterionTest::Greater(than) => sized(&|number| number > *than),
        CriterionTest::Less(than) => sized(&|number| number < *than),
        CriterionTest::GreaterOrEqual(than) => sized(&|number| number >= *than),
        CriterionTest::LessOrEqual(than) => sized(&|number| number <= *than),
        CriterionTest::IsNull => false,
        CriterionTest::NonNull => true,
        CriterionTest::Contains(list) => list.iter().any(|part| found.contains(part.as_str())),
        CriterionTest::NotContains(list) => !list.iter().any(|part| found.contains(part.as_str())),
        CriterionTest::StartsWith(list) => list.iter().any(|part| found.starts_with(part.as_str())),
        CriterionTest::EndsWith(list) => list.iter().any(|part| found.ends_with(part.as_str())),
        CriterionTest::IsTrue => !is_value && found == "true",
        CriterionTest::IsFalse => !is_value && found == "false",
    }
}
