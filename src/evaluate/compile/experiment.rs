//! Experiments: who takes part, and in which group. The rules stand in the order that Statsig gives them: overrides,
//! holdouts, whether it runs, allocation, targeting, groups.

use super::super::SEGMENT_PREFIX;
use super::super::condition::Condition;
use super::super::rule::Rule;
use super::super::specs::{Entity, Spec};
use super::{Compiler, over, texts};
use crate::catalog::{BUCKETS, Experiment, Group, Holdout, ItemKind, Layer, Operator, OverrideType, Status};
use crate::event::USER_ID;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

impl<'a> Compiler<'a> {
    /// The layer that an experiment is in.
    pub(super) fn layer_of(&self, experiment: &Experiment) -> Option<&'a Layer> {
        self.catalog.layer(experiment.layer_id.as_deref()?)
    }

    /// - In `setup` everyone gets the default (rule `prestart`), but overrides hold already, to try it out.
    /// - `active` assigns groups.
    /// - `assignment_stopped` assigns nobody any more (rule `layerAssignment`) but is still active, so that SDKs with
    ///   persistent storage go on giving units what they had; the buckets stay its own, so that it can go on.
    /// - `decision_made` gives everyone the launched group (rule `launchedGroup`), except who is held out. In a layer these
    ///   get its defaults, of which what was launched is a part.
    /// - `experiment_stopped` and `abandoned` give everyone the default (rule `abandoned`), `archived` disables it.
    pub(super) fn experiment(&self, experiment: &Experiment) -> Spec {
        let (kind, salt) = (ItemKind::Experiment, experiment.salt.as_deref());
        let spec = self.spec(kind, &experiment.id, Entity::Experiment, salt, &experiment.id_type);
        let layer = self.layer_of(experiment);
        let default = layer.map(|layer| self.layer_default(layer)).unwrap_or_default();
        let (id_type, default_value) = (spec.id_type.as_str(), Value::Object(default.clone()));
        let everyone = || vec![Condition::public(id_type)];
        let mut rules = Vec::new();
        if !matches!(experiment.status, Status::ExperimentStopped | Status::Abandoned | Status::Archived) {
            rules.extend(self.experiment_overrides(experiment, &default));
            // In a layer those who are held out pass, and get the layer's defaults; elsewhere they fail.
            let percentage = if layer.is_some() { 100.0 } else { 0.0 };
            let holdouts = self.catalog.holdouts().iter().filter(|it| holds_out(it, experiment, layer));
            rules.extend(holdouts.filter_map(|it| self.held_out(it, default_value.clone(), percentage, id_type)));
        }
        match experiment.status {
            Status::Setup => rules.push(Rule::new("prestart", everyone(), default_value.clone(), id_type)),
            Status::Active => {
                let salt = self.allocation_salt(experiment, &spec.salt);
                let outside = self.outside(&self.catalog.buckets(experiment), &salt, id_type);
                rules.extend(outside.map(|it| Rule::new("layerAssignment", vec![it], default_value.clone(), id_type)));
                if let Some(gate) = experiment.targeting_gate_id.as_deref() {
                    let gate = self.catalog.gate(gate).map_or(gate, |gate| &gate.name);
                    let fails = vec![Condition::gate(gate, false, id_type)];
                    rules.push(Rule::new("targetingGate", fails, default_value.clone(), id_type));
                }
                rules.extend(self.groups(experiment, &spec.salt, &default, id_type));
            }
            Status::AssignmentStopped => {
                rules.push(Rule::new("layerAssignment", everyone(), default_value.clone(), id_type));
            }
            Status::DecisionMade => {
                let launched = launched(experiment);
                rules.extend(launched.map(|group| {
                    let value = Value::Object(over(&default, &group.parameter_values));
                    Rule::new("launchedGroup", everyone(), value, id_type).named(Some(&group.name))
                }));
            }
            Status::ExperimentStopped | Status::Abandoned => {
                rules.push(Rule::new("abandoned", everyone(), default_value.clone(), id_type));
            }
            Status::Archived => {}
        }
        Spec {
            name: experiment.name.clone(),
            enabled: experiment.status != Status::Archived,
            default_value,
            rules,
            is_active: Some(matches!(experiment.status, Status::Active | Status::AssignmentStopped)),
            has_shared_params: Some(layer.is_some()),
            explicit_parameters: layer.map(|_| parameters(experiment)),
            ..spec
        }
    }

    /// What the buckets of the allocation are hashed with: another salt than the groups, so that being in the experiment
    /// says nothing about the group.
    fn allocation_salt(&self, experiment: &Experiment, salt: &str) -> String {
        self.layer_of(experiment).map_or_else(|| format!("allocation:{salt}"), |layer| self.layer_salt(layer))
    }

    /// That a unit is in none of the buckets; none if these are all. The shorter of the two lists is written.
    fn outside(&self, buckets: &[usize], salt: &str, id_type: &str) -> Option<Condition> {
        if buckets.len() == BUCKETS {
            return None;
        }
        if buckets.is_empty() {
            return Some(Condition::public(id_type));
        }
        let (operator, list) = match buckets.len() * 2 <= BUCKETS {
            true => (Operator::None, texts(buckets)),
            false => {
                let outside = (0..BUCKETS).filter(|bucket| buckets.binary_search(bucket).is_err());
                (Operator::Any, texts(&outside.collect::<Vec<usize>>()))
            }
        };
        Some(Condition::bucket(salt, operator, list, id_type))
    }

    /// Each group has the buckets from the end of the one before up to its own. Units of a disabled group get the default
    /// and do not count (rule `disabledGroup`), so that the other groups keep theirs.
    fn groups(&self, experiment: &Experiment, salt: &str, default: &Map<String, Value>, id_type: &str) -> Vec<Rule> {
        let mut sizes = 0.0;
        let last = experiment.groups.len().saturating_sub(1);
        let rule = |(index, group): (usize, &Group)| {
            sizes += group.size;
            // The last one ends at the end, because decimal fractions are not exact.
            let end = if index == last { BUCKETS } else { ((sizes * 10.0_f64).round() as usize).min(BUCKETS) };
            let bucket = vec![Condition::bucket(salt, Operator::Lt, end.into(), id_type)];
            if group.disabled {
                return Rule::new("disabledGroup", bucket, Value::Object(default.clone()), id_type);
            }
            let value = Value::Object(over(default, &group.parameter_values));
            Rule::new(&group.id, bucket, value, id_type).passing(100.0, salt, &group.id).group(&group.name)
        };
        experiment.groups.iter().enumerate().map(rule).collect()
    }

    /// Units that get a group whatever the hash says: by their IDs, then by gates and segments. They are in no group that
    /// counts. What holds in one environment goes before what holds in each.
    pub(super) fn experiment_overrides(&self, experiment: &Experiment, default: &Map<String, Value>) -> Vec<Rule> {
        let id_type = self.id_type(&experiment.id_type);
        let rule = |group: &str, environment: Option<&String>, of: &str, condition: Condition| {
            let group = experiment.group(group)?;
            let tier = environment.and_then(|tier| self.environments(std::slice::from_ref(tier), id_type));
            let id = match environment {
                Some(environment) => format!("{}:{environment}:{of}_override", group.id),
                None => format!("{}:{of}_override", group.id),
            };
            let conditions = std::iter::once(condition).chain(tier).collect();
            let value = Value::Object(over(default, &group.parameter_values));
            Some((environment.is_none(), Rule::new(&id, conditions, value, id_type).named(Some(&group.name))))
        };
        let by_id = experiment.overrides.user_id_overrides.iter().filter_map(|it| {
            let of = self.id_type(it.unit_type.as_deref().unwrap_or(USER_ID));
            rule(&it.group_id, it.environment.as_ref(), &format!("{of}:id"), self.one_of(&it.ids, of))
        });
        let by_gate = experiment.overrides.overrides.iter().filter_map(|it| {
            let (word, gate) = match it.kind {
                OverrideType::Gate => ("gate", self.catalog.gate(&it.id).map_or(&it.id, |gate| &gate.name).clone()),
                OverrideType::Segment => {
                    let segment = self.catalog.segment(&it.id).map_or(&it.id, |segment| &segment.id);
                    ("segment", format!("{SEGMENT_PREFIX}{segment}"))
                }
            };
            let passes = Condition::gate(&gate, true, id_type);
            rule(&it.group_id, it.environment.as_ref(), &format!("{}:{word}", it.id), passes)
        });
        let (mut by_id, mut by_gate): (Vec<_>, Vec<_>) = (by_id.collect(), by_gate.collect());
        by_id.sort_by_key(|(in_each, _)| *in_each);
        by_gate.sort_by_key(|(in_each, _)| *in_each);
        by_id.into_iter().chain(by_gate).map(|(_, rule)| rule).collect()
    }
}

fn holds_out(holdout: &Holdout, experiment: &Experiment, layer: Option<&Layer>) -> bool {
    let lists = |ids: &[String], id: &String, name: &String| ids.iter().any(|it| it == id || it == name);
    holdout.is_global
        || lists(&holdout.experiment_ids, &experiment.id, &experiment.name)
        || layer.is_some_and(|layer| lists(&holdout.layer_ids, &layer.id, &layer.name))
}

/// The group that everyone gets after the decision.
pub(super) fn launched(experiment: &Experiment) -> Option<&Group> {
    experiment.group(experiment.launched_group_id.as_deref()?)
}

/// The parameters that the groups set, each once.
fn parameters(experiment: &Experiment) -> Vec<String> {
    let all = experiment.groups.iter().flat_map(|group| group.parameter_values.keys());
    all.cloned().collect::<BTreeSet<String>>().into_iter().collect()
}
