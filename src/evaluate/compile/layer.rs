//! Layers: they ask the experiment that owns a unit's bucket.

use super::super::condition::Condition;
use super::super::rule::Rule;
use super::super::specs::{Entity, Spec};
use super::experiment::launched;
use super::{Compiler, over, texts};
use crate::catalog::{BUCKETS, Experiment, ItemKind, Layer, Operator, Status};
use serde_json::{Map, Value};

impl Compiler<'_> {
    /// Overrides of its experiments first, then holdouts, then each experiment with its slice. An experiment that is still
    /// in setup has overrides but gets no units.
    pub(super) fn layer(&self, layer: &Layer) -> Spec {
        let spec = self.spec(ItemKind::Layer, &layer.id, Entity::Layer, layer.salt.as_deref(), &layer.id_type);
        let (id_type, default) = (spec.id_type.as_str(), self.layer_default(layer));
        let value = Value::Object(default.clone());
        let members = || self.members(layer).filter(|experiment| experiment.status.holds_allocation());
        let mut rules = Vec::new();
        for experiment in members() {
            let overrides = self.experiment_overrides(experiment, &default).into_iter();
            rules.extend(overrides.map(|rule| rule.delegating(&experiment.name)));
        }
        let names = |ids: &[String]| ids.iter().any(|it| *it == layer.id || *it == layer.name);
        let holdouts = self.catalog.holdouts().iter().filter(|it| it.is_global || names(&it.layer_ids));
        rules.extend(holdouts.filter_map(|it| self.held_out(it, value.clone(), 100.0, id_type)));
        for experiment in members().filter(|it| it.status != Status::Setup) {
            let buckets = self.catalog.buckets(experiment);
            let inside = match buckets.len() {
                0 => continue,
                BUCKETS => Condition::public(id_type),
                _ => Condition::bucket(&spec.salt, Operator::Any, texts(&buckets), id_type),
            };
            let rule = Rule::new("experimentAssignment", vec![inside], value.clone(), id_type);
            rules.push(rule.delegating(&experiment.name));
        }
        Spec { name: layer.name.clone(), default_value: value, rules, ..spec }
    }

    pub(super) fn layer_salt(&self, layer: &Layer) -> String {
        self.spec(ItemKind::Layer, &layer.id, Entity::Layer, layer.salt.as_deref(), &layer.id_type).salt
    }

    /// What the layer gives to units that are in no experiment: the parameters of each group that was launched, those of
    /// the experiment that ended last above the others.
    pub(super) fn layer_default(&self, layer: &Layer) -> Map<String, Value> {
        let mut decided: Vec<&Experiment> =
            self.members(layer).filter(|experiment| experiment.status == Status::DecisionMade).collect();
        decided.sort_by_key(|experiment| (experiment.end_time, &experiment.id));
        let launched = decided.into_iter().filter_map(launched);
        launched.fold(Map::new(), |default, group| over(&default, &group.parameter_values))
    }

    fn members(&self, layer: &Layer) -> impl Iterator<Item = &Experiment> {
        let is_in = |id: &String| *id == layer.id || *id == layer.name;
        self.catalog.experiments().iter().filter(move |it| it.layer_id.as_ref().is_some_and(is_in))
    }
}
