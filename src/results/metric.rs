//! Which metrics a report carries: the scorecard, then what was asked for or the event names of most volume. Computes none.

use super::accumulate::NO_SLOT;
use super::definition::{Definition, EventName, EventSource, Measure, Quantity};
use super::options::Options;
use super::question::{MetricChoice, MetricKind, Question, Role};
use crate::event::TermId;
use crate::store::Terms;
use hashbrown::{HashMap, HashSet};

/// How many event names a report carries beside the scorecard unless names are asked for.
pub const TOP_NAMES: usize = 200;

/// The metrics of a report in its order, and which event names they need.
pub(super) struct Chosen {
    metrics: Vec<(MetricChoice, u32)>,
    slot_by_name: Vec<u32>,
    slots: usize,
}

impl Chosen {
    /// `volumes` tells of each event name how many events of it could count.
    pub fn new(question: &Question, options: &Options, terms: &Terms, volumes: &[u64]) -> Chosen {
        let mut others: Vec<String> = Vec::new();
        for wanted in &options.metrics {
            match terms.names.find(wanted) {
                Some(_) => others.push(wanted.clone()),
                None => {
                    others.extend(wanted.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()))
                }
            }
        }
        if options.metrics.is_empty() {
            others = largest(terms, volumes);
        }
        let both = |event: String| {
            [MetricKind::EventCount, MetricKind::EventUser].map(|kind| MetricChoice {
                name: event.clone(),
                kind,
                definition: Definition::PerUnit(match kind {
                    MetricKind::EventUser => Quantity::Any(Measure::of(EventSource::named(&event))),
                    _ => Quantity::Count(Measure::of(EventSource::named(&event))),
                }),
                role: Role::Other,
                direction: None,
            })
        };
        let mut taken = HashSet::new();
        let metrics: Vec<MetricChoice> = question
            .metrics
            .iter()
            .cloned()
            .chain(others.into_iter().flat_map(both))
            .filter(|metric| taken.insert((metric.name.clone(), metric.kind)))
            .collect();

        let mut slot_by_event: HashMap<String, u32> = HashMap::new();
        let mut slot_by_name = vec![NO_SLOT; terms.names.len() + 1];
        let metrics = metrics
            .into_iter()
            .filter_map(|metric| {
                let event = event_of(&metric)?.to_owned();
                let next = slot_by_event.len() as u32;
                let slot = *slot_by_event.entry(event.clone()).or_insert(next);
                if let Some(name) = terms.names.find(&event) {
                    slot_by_name[name.0 as usize] = slot;
                }
                Some((metric, slot))
            })
            .collect();
        Chosen { metrics, slot_by_name, slots: slot_by_event.len() }
    }

    /// The metrics, each with its slot.
    pub fn iter(&self) -> impl Iterator<Item = (&MetricChoice, usize)> {
        self.metrics.iter().map(|(metric, slot)| (metric, *slot as usize))
    }

    /// By event name; `NO_SLOT` where it is not wanted.
    pub fn slot_by_name(&self) -> &[u32] {
        &self.slot_by_name
    }

    pub fn slots(&self) -> usize {
        self.slots
    }
}

/// The event of a metric that is one event's count or unit count.
fn event_of(metric: &MetricChoice) -> Option<&str> {
    let Definition::PerUnit(Quantity::Count(measure) | Quantity::Any(measure)) = &metric.definition else {
        return None;
    };
    match measure.sources.as_slice() {
        [EventSource { event: EventName::Named(event), .. }] => Some(event),
        _ => None,
    }
}

/// The names of most volume, largest first; equal ones in the order of the alphabet.
fn largest(terms: &Terms, volumes: &[u64]) -> Vec<String> {
    let mut names: Vec<(u64, &str)> = (0u32..)
        .zip(volumes)
        .filter(|&(_, &volume)| volume > 0)
        .filter_map(|(id, &volume)| terms.names.text(TermId(id)).map(|name| (volume, name)))
        .collect();
    names.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    names.truncate(TOP_NAMES);
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}
