//! The rules of results, read a second time: plainly, one unit and one metric at a time, with the textbook's sums. Shares
//! nothing with the product but the words of a question, and is never fast.
//!
//! What these files say is what the rules are; each decision stands where it is taken. `agreement` has the product conclude
//! the hard logs of `hard` and compares, `examples` hold the oracle itself to numbers that were worked out by hand.
//!
//! Who takes part: an exposure counts in production, inside the period, with an ID of the question's type, if its rule is a
//! group. A unit whose first exposure is a forced answer takes no part (at the same moment the forced one is the first).
//! What else it meets makes it a crossover. A unit is settled once, by all exposures of the period, for every view too.
//!
//! What counts for a unit: events in production, of kinds that make metrics, from its first exposure on (to the
//! millisecond, or by date from the start of that UTC day, yet never before the period), before the period's end.

mod agreement;
mod consistency;
mod examples;
mod funnel;
pub mod hard;
mod layouts;
mod onward;
mod quantity;
mod textbook;
mod variants;
mod views;

use super::memory::Row;
use super::{Crossovers, Definition, Design, Question};
use crate::event::{Basis, Kind};
use std::collections::BTreeMap;

/// The milliseconds of a UTC day.
const DAY: i64 = 86_400_000;

/// How it is asked.
#[derive(Debug, Clone, Copy)]
struct Ways {
    crossovers: Crossovers,
    /// Join events by the date of the exposure rather than by its moment.
    by_date: bool,
    /// How many days before its exposure a unit's covariate looks back.
    look_back: i64,
}

const USUAL: Ways = Ways { crossovers: Crossovers::Exclude, by_date: false, look_back: 7 };

/// A span of time of one unit, its end exclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    from: i64,
    until: i64,
    /// The unit's first exposure, which windows after the exposure are reckoned from.
    exposed: i64,
    /// Nothing from this moment on is known: the end of the period, or for a covariate the end of the look-back, so that
    /// it cannot see what the exposure did.
    known_until: i64,
}

/// A unit in a group, with all that it ever did.
struct Member<'a> {
    unit: &'a str,
    group: usize,
    /// Its exposures to this group at the first moment: one, or several at a tie.
    first: Vec<&'a Row>,
    /// All its events that can be metrics, before and after; also those past the end of the period.
    events: Vec<&'a Row>,
    span: Span,
    before: Span,
}

/// What one unit adds to its group: a number, whose `y` is 1, or two numbers of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    x: f64,
    y: f64,
}

/// One unit's numbers of one metric.
#[derive(Debug, Clone, PartialEq)]
struct UnitValue {
    unit: String,
    group: usize,
    now: Pair,
    /// The same, before the exposure.
    before: Pair,
}

fn day_of(time: i64) -> i64 {
    time.div_euclid(DAY)
}

fn counts_as_metric(row: &Row) -> bool {
    row.environment == "production"
        && matches!(row.kind, Kind::Track | Kind::Page | Kind::Screen | Kind::Group | Kind::Custom)
}

/// From when to when, the end exclusive. An open end is the last receipt, and what happened in that millisecond counts.
fn period(rows: &[Row], question: &Question) -> (i64, i64) {
    let last = rows.last().map_or(i64::MAX, |row| row.received.0 + 1);
    (question.start.map_or(i64::MIN, |start| start.0), question.end.map_or(last, |end| end.0))
}

/// What an exposure met: a group by its place, `None` for a forced answer.
fn met(question: &Question, row: &Row) -> Option<Option<usize>> {
    let subject = row.subject.as_ref()?;
    let called = |name: &str| question.name == name || question.aliases.iter().any(|alias| alias == name);
    let ours = match (&question.design, subject.kind) {
        (Design::Experiment { .. }, Kind::LayerExposure) => called(&subject.allocated),
        (Design::Experiment { .. }, Kind::ConfigExposure) | (Design::Gate { .. }, Kind::GateExposure) => {
            called(&subject.name)
        }
        _ => false,
    };
    let group = match &question.design {
        Design::Experiment { groups, .. } => groups.iter().position(|group| group.id == subject.rule),
        Design::Gate { only, .. } => match subject.value.as_str() {
            "false" if only.as_ref() == Some(&subject.rule) => Some(0),
            "true" if only.as_ref() == Some(&subject.rule) => Some(1),
            _ => None,
        },
    };
    match subject.basis {
        _ if !ours => None,
        Basis::LocalOverride => Some(None),
        Basis::Rules if group.is_some() => Some(group),
        Basis::Rules if subject.rule.ends_with("override") => Some(None),
        _ => None,
    }
}

/// Every unit that takes part, once for each group that it is in.
fn members<'a>(rows: &'a [Row], question: &Question, ways: &Ways) -> Vec<Member<'a>> {
    let (start, end) = period(rows, question);
    let mut by_unit: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(unit) = row.unit_of(&question.id_type) {
            by_unit.entry(unit).or_default().push(row);
        }
    }
    let mut members = Vec::new();
    for (unit, rows) in by_unit {
        let mut exposures: Vec<(i64, Option<usize>)> = rows
            .iter()
            .filter(|row| row.environment == "production" && start <= row.time.0 && row.time.0 < end)
            .filter_map(|row| Some((row.time.0, met(question, row)?)))
            .collect();
        // No group sorts before the first group: a forced answer goes first at a tie.
        exposures.sort();
        if exposures.first().is_none_or(|first| first.1.is_none()) {
            continue;
        }
        let mut firsts: Vec<(usize, i64)> = Vec::new();
        for (time, group) in exposures {
            if let Some(group) = group
                && firsts.iter().all(|first| first.0 != group)
            {
                firsts.push((group, time));
            }
        }
        match ways.crossovers {
            Crossovers::Exclude if firsts.len() > 1 => continue,
            Crossovers::First => firsts.truncate(1),
            Crossovers::Exclude | Crossovers::Both => {}
        }
        for (group, exposed) in firsts {
            let from = if ways.by_date { (day_of(exposed) * DAY).max(start) } else { exposed };
            let until = if ways.by_date { day_of(exposed) * DAY } else { exposed };
            let begin = until - ways.look_back * DAY;
            members.push(Member {
                unit,
                group,
                first: rows
                    .iter()
                    .filter(|row| row.environment == "production" && row.time.0 == exposed)
                    .filter(|row| met(question, row) == Some(Some(group)))
                    .copied()
                    .collect(),
                events: rows.iter().filter(|row| counts_as_metric(row)).copied().collect(),
                span: Span { from, until: end, exposed, known_until: end },
                // As though the unit had been exposed at the begin of the look-back.
                before: Span { from: begin, until, exposed: begin, known_until: until },
            });
        }
    }
    members
}

/// The numbers of a metric that a span of a unit's events has. A funnel's are its last and its first step.
fn pair(definition: &Definition, events: &[&Row], span: &Span) -> Pair {
    match definition {
        Definition::PerUnit(quantity) => Pair { x: quantity::value(quantity, events, span), y: 1.0 },
        Definition::Ratio(x, y) => Pair { x: quantity::value(x, events, span), y: quantity::value(y, events, span) },
        Definition::Funnel(funnel) => {
            let steps = funnel::steps(funnel, events, span);
            Pair { x: steps[steps.len() - 1], y: steps[0] }
        }
    }
}

impl Member<'_> {
    fn value(&self, definition: &Definition) -> UnitValue {
        self.value_in(definition, &self.span)
    }

    fn value_in(&self, definition: &Definition, span: &Span) -> UnitValue {
        UnitValue {
            unit: self.unit.to_owned(),
            group: self.group,
            now: pair(definition, &self.events, span),
            before: pair(definition, &self.events, &self.before),
        }
    }
}

/// The numbers of every unit that takes part.
fn values(rows: &[Row], question: &Question, ways: &Ways, definition: &Definition) -> Vec<UnitValue> {
    members(rows, question, ways).iter().map(|member| member.value(definition)).collect()
}

/// How many units there are by place of the group.
fn sizes(values: &[UnitValue], groups: usize) -> Vec<usize> {
    (0..groups).map(|group| values.iter().filter(|value| value.group == group).count()).collect()
}
