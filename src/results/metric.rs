//! Which metrics a report carries: the scorecard, then what was asked for or the event names of most volume. Computes none.

use super::definition::{Definition, EventName, EventSource, Measure, Quantity};
use super::gather::is_plain;
use super::options::{Breakdown, Options};
use super::question::{MetricChoice, MetricKind, Question, Role};
use crate::event::TermId;
use crate::store::Terms;
use hashbrown::HashSet;

/// How many event names a report carries beside the scorecard unless names are asked for.
pub const TOP_NAMES: usize = 200;

impl MetricChoice {
    /// The metrics that every event name has without any set-up.
    pub(super) fn automatic(event: &str) -> [MetricChoice; 2] {
        [MetricKind::EventCount, MetricKind::EventUser].map(|kind| {
            let measure = Measure::of(EventSource::named(event));
            MetricChoice {
                name: event.to_owned(),
                kind,
                definition: Definition::PerUnit(match kind {
                    MetricKind::EventUser => Quantity::Any(measure),
                    _ => Quantity::Count(measure),
                }),
                role: Role::Other,
                direction: None,
                hypothesis: None,
            }
        })
    }
}

impl Definition {
    /// All sources, some perhaps more than once.
    pub(super) fn sources(&self) -> Vec<&EventSource> {
        fn of<'a>(quantity: &'a Quantity, into: &mut Vec<&'a EventSource>) {
            match quantity {
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
                | Quantity::Returned { measure, .. } => into.extend(&measure.sources),
                Quantity::SumOf(parts) => parts.iter().for_each(|part| of(part, into)),
            }
        }
        let mut all = Vec::new();
        match self {
            Definition::PerUnit(quantity) => of(quantity, &mut all),
            Definition::Ratio(numerator, denominator) => {
                of(numerator, &mut all);
                of(denominator, &mut all);
            }
            Definition::Funnel(funnel) => all.extend(&funnel.steps),
        }
        all
    }
}

/// What a report needs of the log for the metrics that are known before it is read.
pub(super) struct Needs {
    /// Event names whose events are wanted as they are.
    pub plain: Vec<String>,
    pub filtered: Vec<EventSource>,
    pub any: bool,
}

impl Needs {
    pub fn of(question: &Question, options: &Options, terms: &Terms) -> Needs {
        let told_apart = matches!(options.breakdown, Some(Breakdown::Event(_)));
        let asked: Vec<MetricChoice> =
            asked(options, terms).iter().flat_map(|name| MetricChoice::automatic(name)).collect();
        let sources = question.metrics.iter().chain(&asked).flat_map(|metric| metric.definition.sources());
        Needs::of_sources(sources, told_apart)
    }

    /// `told_apart`: whether events are told apart by a text, so that none can be taken as it is.
    pub fn of_sources<'a>(sources: impl Iterator<Item = &'a EventSource>, told_apart: bool) -> Needs {
        let mut needs = Needs { plain: Vec::new(), filtered: Vec::new(), any: false };
        let mut names = HashSet::new();
        for source in sources {
            match &source.event {
                EventName::Any => needs.any = true,
                EventName::Named(name) if is_plain(source) && !told_apart => {
                    names.insert(name.clone());
                }
                EventName::Named(_) if !needs.filtered.contains(source) => needs.filtered.push(source.clone()),
                EventName::Named(_) => {}
            }
        }
        needs.plain = names.into_iter().collect();
        needs.plain.sort_unstable();
        needs
    }
}

/// The event names that were asked for.
fn asked(options: &Options, terms: &Terms) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for wanted in &options.metrics {
        match terms.names.find(wanted) {
            Some(_) => names.push(wanted.clone()),
            None => names.extend(wanted.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())),
        }
    }
    names
}

/// The metrics of a report in its order. `volumes` tells of each event name how many events of it could count.
pub(super) fn chosen(
    question: &Question,
    options: &Options,
    terms: &Terms,
    volumes: impl Iterator<Item = u64>,
) -> Vec<MetricChoice> {
    let others = match options.breakdown {
        _ if !options.metrics.is_empty() => asked(options, terms),
        Some(Breakdown::Event(_)) => Vec::new(),
        _ if !options.automatic => Vec::new(),
        _ => largest(terms, volumes),
    };
    let mut taken = HashSet::new();
    question
        .metrics
        .iter()
        .cloned()
        .chain(others.iter().flat_map(|name| MetricChoice::automatic(name)))
        .filter(|metric| taken.insert((metric.name.clone(), metric.kind)))
        .collect()
}

/// The names of most volume, largest first; equal ones in the order of the alphabet.
fn largest(terms: &Terms, volumes: impl Iterator<Item = u64>) -> Vec<String> {
    let mut names: Vec<(u64, &str)> = (0u32..)
        .zip(volumes)
        .filter(|&(_, volume)| volume > 0)
        .filter_map(|(id, volume)| terms.names.text(TermId(id)).map(|name| (volume, name)))
        .collect();
    names.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    names.truncate(TOP_NAMES);
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}
