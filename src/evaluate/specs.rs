//! The compiled model in Statsig's own shape: what is downloaded, and what is evaluated. Knows no wire format and no user.

use super::comparison::Comparison;
use super::rule::Rule;
use hashbrown::HashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All that an SDK needs to evaluate. Made once for each catalog, by [`Specs::compile`].
#[derive(Debug)]
pub struct Specs {
    /// Gates, holdouts, and segments as `segment:<id>`.
    pub gates: SpecMap,
    /// Dynamic configs and experiments.
    pub configs: SpecMap,
    pub layers: SpecMap,
    /// The layer of each experiment that is in one. Both by name.
    pub experiment_to_layer: BTreeMap<String, String>,
    /// The ID lists that the specs ask for, each named after its segment.
    pub id_lists: BTreeSet<String>,
}

impl Specs {
    /// Puts the specs together, and notes in each condition and rule which gate or config it means.
    pub(super) fn new(
        gates: Vec<Spec>,
        configs: Vec<Spec>,
        layers: Vec<Spec>,
        experiment_to_layer: BTreeMap<String, String>,
    ) -> Specs {
        let (mut gates, mut configs, mut layers) = (SpecMap::new(gates), SpecMap::new(configs), SpecMap::new(layers));
        let mut id_lists = BTreeSet::new();
        let (gate_index, config_index) = (gates.index.clone(), configs.index.clone());
        let all = [&mut gates, &mut configs, &mut layers];
        for rule in all.into_iter().flat_map(|map| &mut map.list).flat_map(|spec| &mut spec.rules) {
            rule.delegate = rule.config_delegate.as_ref().and_then(|name| config_index.get(name).copied());
            for condition in &mut rule.conditions {
                if let Comparison::Gate { gate, .. } = &mut condition.comparison {
                    *gate = condition.target.as_str().and_then(|name| gate_index.get(name).copied());
                }
                id_lists.extend(condition.id_list().map(str::to_string));
            }
        }
        Specs { gates, configs, layers, experiment_to_layer, id_lists }
    }
}

/// Specs, in the order of their names.
#[derive(Debug, Default)]
pub struct SpecMap {
    list: Vec<Spec>,
    index: HashMap<String, usize>,
}

impl SpecMap {
    fn new(mut list: Vec<Spec>) -> SpecMap {
        list.sort_by(|one, other| one.name.cmp(&other.name));
        let index = list.iter().enumerate().map(|(position, spec)| (spec.name.clone(), position)).collect();
        SpecMap { list, index }
    }

    pub fn get(&self, name: &str) -> Option<&Spec> {
        self.index.get(name).map(|position| &self.list[*position])
    }

    pub(super) fn at(&self, position: usize) -> &Spec {
        &self.list[position]
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Spec> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a SpecMap {
    type Item = &'a Spec;
    type IntoIter = std::slice::Iter<'a, Spec>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a spec is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    FeatureGate,
    Segment,
    Holdout,
    DynamicConfig,
    Experiment,
    Layer,
}

impl Entity {
    /// The word for `entity` in a download.
    pub fn as_str(self) -> &'static str {
        match self {
            Entity::FeatureGate => "feature_gate",
            Entity::Segment => "segment",
            Entity::Holdout => "holdout",
            Entity::DynamicConfig => "dynamic_config",
            Entity::Experiment => "experiment",
            Entity::Layer => "layer",
        }
    }

    /// The word for `type` in a download.
    pub fn spec_type(self) -> &'static str {
        match self {
            Entity::FeatureGate | Entity::Segment | Entity::Holdout => "feature_gate",
            Entity::DynamicConfig | Entity::Experiment | Entity::Layer => "dynamic_config",
        }
    }
}

/// One gate, config or layer.
#[derive(Debug)]
pub struct Spec {
    /// What SDKs ask for.
    pub name: String,
    pub entity: Entity,
    /// What the hashes of its pass percentages and groups start from.
    pub salt: String,
    /// A disabled spec has no rules, so that SDKs that look only at these agree with those that look at `enabled`.
    pub enabled: bool,
    /// `false` for a gate, an object for a config or layer: what those get whom no rule passes.
    pub default_value: Value,
    /// In order: the first whose conditions all hold decides.
    pub rules: Vec<Rule>,
    /// The ID type of its units, as it was defined.
    pub id_type: String,
    /// The version of the catalog's item.
    pub version: u64,
    /// Whether an experiment is running; none for what is no experiment.
    pub is_active: Option<bool>,
    /// Whether an experiment is in a layer; none for what is no experiment.
    pub has_shared_params: Option<bool>,
    /// The parameters that an experiment in a layer sets by itself.
    pub explicit_parameters: Option<Vec<String>>,
}
