//! A metric's values by day, without any exposure: what a person sees of a definition before it is used. Compares nothing.

use super::calendar::{Span, day_of, start_of};
use super::definition::Definition;
use super::entries::Walk;
use super::gather::{Gathered, Order};
use super::metric::Needs;
use super::plan::{Makes, Plan};
use super::{GATHERED_BYTES, Log, LogError};
use crate::event::{PRODUCTION, Timestamp};
use crate::stats::CoMoments;

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
    #[error("the metric's events do not fit into memory; ask for one with fewer events")]
    TooLarge,
}

/// The values of all units of an ID type, in production, from the day of `from` to that before `until`, each day once.
pub fn preview<L: Log + ?Sized>(
    log: &L,
    definition: &Definition,
    id_type: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<PreviewDay>, PreviewError> {
    let end = until.0;
    let (first, last) = (day_of(from.0), day_of(until.0.max(from.0)) - 1);
    let needs = Needs::of_sources(definition.sources().into_iter(), false);
    let order = Order {
        id_type: id_type.to_owned(),
        environment: PRODUCTION.to_owned(),
        start: None,
        end: Some(until),
        names: Some(needs.plain),
        filtered: needs.filtered,
        any: needs.any,
        breakdown: None,
        texts: Vec::new(),
    };
    let mut gathered = Gathered::new(order, Vec::new());
    if !gathered.read_on(log, until, &|bytes| bytes <= GATHERED_BYTES)? {
        return Err(PreviewError::TooLarge);
    }
    let plan = Plan::of(definition);
    let mut walk = plan.walk(|source| gathered.entries(source, log.terms()));
    let mut days = vec![(0u64, CoMoments::<2>::default()); usize::try_from(last - first + 1).unwrap_or(0)];
    while walk.advance().is_some() {
        for ((seen, sums), day) in days.iter_mut().zip(first..) {
            let (from, until) = (start_of(day), start_of(day + 1));
            let span = Span { since: from, from, until, known: end };
            *seen += u64::from(has_any(&plan, &walk, &span));
            sums.push(numbers(&plan, &walk, &span));
        }
    }
    let is_ratio = !matches!(plan.makes, Makes::PerUnit(_));
    let of_day = |((seen, sums), day): ((u64, CoMoments<2>), i64)| {
        let [numerator, denominator] = [0, 1].map(|part| sums.sum(part).unwrap_or(f64::NAN));
        let value = match is_ratio {
            false => Some(numerator),
            true => (denominator != 0.0).then_some(numerator / denominator),
        };
        PreviewDay {
            day: Timestamp(start_of(day)),
            units: seen,
            numerator,
            denominator: is_ratio.then_some(denominator),
            value: value.filter(|value| value.is_finite()),
        }
    };
    Ok(days.into_iter().zip(first..).map(of_day).collect())
}

fn has_any(plan: &Plan, walk: &Walk<'_>, span: &Span) -> bool {
    (0..plan.sources.len()).any(|lane| !super::entries::within(walk.lane(lane), span).is_empty())
}

fn numbers(plan: &Plan, walk: &Walk<'_>, span: &Span) -> [f64; 2] {
    match &plan.makes {
        Makes::PerUnit(quantity) => [quantity.of(walk, span), 0.0],
        Makes::Ratio(numerator, denominator) => [numerator.of(walk, span), denominator.of(walk, span)],
        Makes::Funnel(steps) => {
            let mut room = super::funnel::Room::default();
            let taken = steps.of(walk, span, &mut room);
            [taken[taken.len() - 1], taken[0]]
        }
    }
}
