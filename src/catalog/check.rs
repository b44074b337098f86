//! What the items of a catalog mean together: names in use, references, percentages that add up, cycles. Looks at
//! values whose shape is already right; changes nothing.

mod analysis;
mod condition;
mod criterion;
mod experiment;
mod exploration;
mod metric;
mod names;
mod nesting;
mod project;
mod switch;

pub(super) use names::NAMESPACES;

use super::contents::Contents;
use super::id_type::BUILT_IN;
use super::item::ItemKind;
use super::metric::{MetricRef, MetricType, metric_id};
use super::mistake::{Mistake, one_of};
use super::user_metric::UserMetric;
use std::collections::{BTreeMap, BTreeSet};

/// Lists every mistake in what the items mean.
pub(super) fn all(contents: &Contents, mistakes: &mut Vec<Mistake>) {
    let mut check = Check { contents, known: known(contents), mistakes };
    project::check(&mut check);
    names::check(&mut check);
    switch::check(&mut check);
    experiment::check(&mut check);
    metric::check(&mut check);
    exploration::check(&mut check);
    nesting::check(&mut check);
}

struct Check<'a> {
    contents: &'a Contents,
    /// By kind and by ID or name: the item's ID.
    known: BTreeMap<(ItemKind, String), String>,
    mistakes: &'a mut Vec<Mistake>,
}

fn known(contents: &Contents) -> BTreeMap<(ItemKind, String), String> {
    let mut known = BTreeMap::new();
    // An ID goes before another item's name; the mistake of having both is listed elsewhere.
    let mut add = |kind, id: &str, name: &str| {
        known.insert((kind, id.to_string()), id.to_string());
        known.entry((kind, name.to_string())).or_insert_with(|| id.to_string());
    };
    BUILT_IN.iter().for_each(|(name, _)| add(ItemKind::IdType, name, name));
    contents.id_types.iter().for_each(|it| add(ItemKind::IdType, &it.value.name, &it.value.name));
    contents.segments.iter().for_each(|it| add(ItemKind::Segment, &it.value.id, &it.value.name));
    contents.gates.iter().for_each(|it| add(ItemKind::Gate, &it.value.id, &it.value.name));
    contents.layers.iter().for_each(|it| add(ItemKind::Layer, &it.value.id, &it.value.name));
    contents.experiments.iter().for_each(|it| add(ItemKind::Experiment, &it.value.id, &it.value.name));
    contents.explorations.iter().for_each(|it| add(ItemKind::Exploration, &it.value.id, &it.value.name));
    contents.metrics.iter().for_each(|it| add(ItemKind::Metric, &it.value.id(), &it.value.id()));
    contents.unread.iter().for_each(|(kind, name)| add(*kind, name, name));
    known
}

impl<'a> Check<'a> {
    fn wrong(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(place, message));
    }

    /// The ID of the item that is meant by an ID or name; a mistake if there is none.
    fn refers(&mut self, kind: ItemKind, place: &str, id_or_name: &str) -> Option<String> {
        let found = self.known.get(&(kind, id_or_name.to_string())).cloned();
        if found.is_none() {
            let all: BTreeSet<&str> =
                self.known.iter().filter(|((of, _), _)| *of == kind).map(|(_, id)| &**id).collect();
            let (noun, known) = (noun(kind), one_of(all));
            self.wrong(place, format!("unknown {noun} \"{id_or_name}\"; must be {known}"));
        }
        found
    }

    fn id_type(&mut self, place: &str, name: &str) {
        self.refers(ItemKind::IdType, place, name);
    }

    fn environment(&mut self, place: &str, name: &str) {
        let known = &self.contents.environments.0;
        let readable = !self.contents.unread.contains(&(ItemKind::Environments, String::new()));
        if readable && !known.iter().any(|one| one == name) {
            let known = one_of(known.iter().map(String::as_str));
            self.wrong(place, format!("unknown environment \"{name}\"; must be {known}"));
        }
    }

    /// Metrics that are there, and computed for the ID types of what names them: the `user`.
    fn metrics(&mut self, place: &str, metrics: &[MetricRef], id_types: &[String], user: &str) {
        for (index, metric) in metrics.iter().enumerate() {
            self.metric(&format!("{place}[{index}].name"), metric, id_types, user);
        }
    }

    /// A metric that is defined, or one that every event name or ID type has.
    fn metric(&mut self, place: &str, metric: &MetricRef, id_types: &[String], user: &str) {
        let unread = self.contents.unread.contains(&(ItemKind::Metric, metric.name.clone()));
        let id = metric_id(&metric.name, metric.kind);
        if metric.name.trim().is_empty() {
            self.wrong(place, "is empty; must name a metric or an event");
        } else if metric.kind == MetricType::User {
            if UserMetric::named(&metric.name).is_none() {
                let known = one_of(UserMetric::names());
                self.wrong(place, format!("unknown metric \"{}\" of type user; must be {known}", metric.name));
            }
        } else if let Some(defined) = self.contents.metrics.iter().find(|it| it.value.id() == id) {
            let computed = &defined.value.unit_types;
            if let Some(missing) = id_types.iter().find(|id_type| !computed.contains(id_type)) {
                let message = format!(
                    "\"{}\" is computed for {}, and {user} needs {missing}; add {missing} to the unitTypes of the metric",
                    metric.name,
                    computed.join(", ")
                );
                self.wrong(place, message);
            }
        } else if !unread && !metric.kind.is_automatic() {
            self.unknown_metric(place, metric);
        }
    }

    fn unknown_metric(&mut self, place: &str, metric: &MetricRef) {
        let kind = super::rule::word(metric.kind);
        let same_name = self.contents.metrics.iter().filter(|it| it.value.name == metric.name);
        let types: Vec<String> = same_name.map(|it| super::rule::word(it.value.kind)).collect();
        let hint = if metric.kind == MetricType::Composite {
            says::NO_COMPOSITE.to_string()
        } else if types.is_empty() {
            "define it under metrics, or use the type event_count or event_user with the name of an event".to_string()
        } else {
            format!("the metric of this name has the type {}", types.join(", "))
        };
        self.wrong(place, format!("unknown metric \"{}\" of type {kind}; {hint}", metric.name));
    }
}

/// What more than one check says.
mod says {
    pub const NO_COMPOSITE: &str = "composite is a type whose computation Statsig does not publish, so Weir has none; \
        define a composite_sum of metrics or a ratio of events";
}

fn noun(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::IdType => "ID type",
        ItemKind::DynamicConfig => "dynamic config",
        other => other.as_str(),
    }
}
