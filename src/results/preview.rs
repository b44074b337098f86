//! A metric's values by day, without any exposure: what a person sees of a definition before it is used. Compares nothing.

use super::definition::{Definition, EventName, Measure, Quantity, Taken};
use super::{Log, LogError, makes_metrics};
use crate::event::{PRODUCTION, TermId, Timestamp};
use crate::store::{Columns, Terms};
use hashbrown::HashMap;
use std::ops::ControlFlow;

/// One UTC day of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewDay {
    /// Its first moment.
    pub day: Timestamp,
    /// Units that have any event of the metric on it.
    pub units: u64,
    /// What the units of the day add up to: of a metric that says whether something happened how many have it.
    pub numerator: f64,
    /// Of a metric that is one number over another: the other.
    pub denominator: Option<f64>,
    /// The metric of the day: numerator over denominator, or the numerator alone. `None` where the denominator is 0.
    pub value: Option<f64>,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("values by day of a metric of this type or with criteria are not supported yet")]
    NotSupportedYet,
}

/// The values of all units of an ID type, in production, from the day of `from` to that before `until`, each day once.
pub fn preview<L: Log + ?Sized>(
    log: &L,
    definition: &Definition,
    id_type: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<PreviewDay>, PreviewError> {
    let terms = log.terms();
    let (mut numerator, mut denominator) = match definition {
        Definition::PerUnit(quantity) => (parts(quantity, terms)?, None),
        Definition::Ratio(above, below) => (parts(above, terms)?, Some(parts(below, terms)?)),
        Definition::Funnel(_) => return Err(PreviewError::NotSupportedYet),
    };
    let days = from.day()..until.day().max(from.day());
    let (id_type, production) = (terms.id_type(id_type), terms.environments.find(PRODUCTION));
    let mut units: HashMap<(i64, u64), ()> = HashMap::new();
    log.scan(&mut |_, columns| {
        let hashes = id_type.and_then(|id_type| columns.units_of(id_type)).unwrap_or_default();
        for (row, &unit) in hashes.iter().enumerate().filter(|(_, unit)| **unit != 0) {
            let day = Timestamp(columns.time[row]).day();
            let environment = Some(TermId(columns.environment[row]));
            if !days.contains(&day) || environment != production || !makes_metrics(columns.kind[row]) {
                continue;
            }
            let mut counts = false;
            for part in numerator.iter_mut().chain(denominator.iter_mut().flatten()) {
                counts |= part.take(columns, row, (day, unit));
            }
            if counts {
                units.insert((day, unit), ());
            }
        }
        ControlFlow::Continue(())
    })?;
    let total = |parts: &[Part], day: i64| parts.iter().map(|part| part.total(day)).sum::<f64>();
    let of_day = |day: i64| {
        let numerator = total(&numerator, day);
        let denominator = denominator.as_ref().map(|parts| total(parts, day));
        let value = match denominator {
            None => Some(numerator),
            Some(0.0) => None,
            Some(denominator) => Some(numerator / denominator),
        };
        let units = units.keys().filter(|(of, _)| *of == day).count() as u64;
        PreviewDay { day: Timestamp(day * 86_400_000), units, numerator, denominator, value }
    };
    Ok(days.clone().map(of_day).collect())
}

/// What one event adds to its unit's day.
#[derive(Clone, Copy)]
enum Adds {
    One,
    Value,
    /// One if it has a value.
    Valued,
    /// One for all of a day.
    Mark,
}

/// Which events count.
enum Name {
    Any,
    Is(TermId),
}

struct Part {
    adds: Adds,
    names: Vec<Name>,
    cap: f64,
    sums: HashMap<(i64, u64), f64>,
}

fn parts(quantity: &Quantity, terms: &Terms) -> Result<Vec<Part>, PreviewError> {
    let one = |adds: Adds, measure: &Measure| Ok(vec![Part::new(adds, measure, terms)?]);
    match quantity {
        Quantity::Count(measure) => one(Adds::One, measure),
        Quantity::Sum(measure) => one(Adds::Value, measure),
        Quantity::Valued(measure) => one(Adds::Valued, measure),
        Quantity::Any(measure) | Quantity::DayShare(measure) | Quantity::AnyWithin { measure, .. } => {
            one(Adds::Mark, measure)
        }
        Quantity::SumOf(quantities) => {
            let parts = quantities.iter().map(|quantity| parts(quantity, terms));
            Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        Quantity::Distinct(_)
        | Quantity::RollingShare { .. }
        | Quantity::New(_)
        | Quantity::Returnable { .. }
        | Quantity::Returned { .. } => Err(PreviewError::NotSupportedYet),
    }
}

impl Part {
    fn new(adds: Adds, measure: &Measure, terms: &Terms) -> Result<Part, PreviewError> {
        let mut names = Vec::new();
        for source in &measure.sources {
            let is_plain = matches!(source.taken, Taken::Occurrence | Taken::Value) && source.criteria.is_empty();
            match &source.event {
                _ if !is_plain => return Err(PreviewError::NotSupportedYet),
                EventName::Any => names.push(Name::Any),
                // A name that never occurred has nothing to add.
                EventName::Named(name) => names.extend(terms.names.find(name).map(Name::Is)),
            }
        }
        Ok(Part { adds, names, cap: measure.cap_per_day.unwrap_or(f64::INFINITY), sums: HashMap::new() })
    }

    /// Whether the event in this row is one of the part's.
    fn take(&mut self, columns: &Columns, row: usize, unit_day: (i64, u64)) -> bool {
        let name = TermId(columns.name[row]);
        let is_meant = |wanted: &&Name| matches!(wanted, Name::Any) || matches!(wanted, Name::Is(id) if *id == name);
        let times = self.names.iter().filter(is_meant).count();
        if times == 0 {
            return false;
        }
        let value = columns.value[row];
        let added = match self.adds {
            Adds::One | Adds::Mark => 1.0,
            Adds::Value if value.is_nan() => 0.0,
            Adds::Value => value,
            Adds::Valued => f64::from(u8::from(!value.is_nan())),
        };
        *self.sums.entry(unit_day).or_default() += added * times as f64;
        true
    }

    fn total(&self, day: i64) -> f64 {
        let of_unit = |sum: f64| match self.adds {
            Adds::Mark => 1.0,
            _ => sum.min(self.cap),
        };
        let mut sums: Vec<f64> =
            self.sums.iter().filter(|((of, _), _)| *of == day).map(|(_, sum)| of_unit(*sum)).collect();
        // In one order whatever the hashes are, so that the last digits do not differ from call to call.
        sums.sort_unstable_by(f64::total_cmp);
        sums.into_iter().sum()
    }
}
