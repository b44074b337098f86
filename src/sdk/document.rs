//! The parts of a download that both of its versions share, in Statsig's words. Decides nothing: it writes the compiled specs
//! down.

use crate::evaluate::{Condition, Rule, Spec, Specs};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A download. `S` holds specs: a list of them, or an object by their names.
#[derive(Serialize)]
pub(super) struct Document<'a, S> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    pub has_updates: bool,
    /// In ms.
    pub time: i64,
    pub feature_gates: S,
    pub dynamic_configs: S,
    pub layer_configs: S,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition_map: Option<BTreeMap<String, WrittenCondition<'a>>>,
    pub experiment_to_layer: &'a BTreeMap<String, String>,
    /// The experiments of each layer.
    pub layers: BTreeMap<&'a str, Vec<&'a str>>,
    pub id_lists: BTreeMap<&'a str, bool>,
    pub diagnostics: Diagnostics,
    pub param_stores: Map<String, Value>,
    pub sdk_configs: Map<String, Value>,
    pub sdk_flags: Map<String, Value>,
}

impl<'a, S> Document<'a, S> {
    pub fn of(specs: &'a Specs, time: i64, [feature_gates, dynamic_configs, layer_configs]: [S; 3]) -> Self {
        let mut layers: BTreeMap<&str, Vec<&str>> =
            specs.layers.iter().map(|layer| (layer.name.as_str(), Vec::new())).collect();
        for (experiment, layer) in &specs.experiment_to_layer {
            layers.entry(layer).or_default().push(experiment);
        }
        Document {
            response_format: None,
            checksum: None,
            has_updates: true,
            time,
            feature_gates,
            dynamic_configs,
            layer_configs,
            condition_map: None,
            experiment_to_layer: &specs.experiment_to_layer,
            layers,
            id_lists: specs.id_lists.iter().map(|list| (list.as_str(), true)).collect(),
            diagnostics: Diagnostics::default(),
            param_stores: Map::new(),
            sdk_configs: Map::new(),
            sdk_flags: Map::new(),
        }
    }
}

/// Of 10,000 reports that SDKs make on themselves how many they send: none.
#[derive(Default, Serialize)]
pub(super) struct Diagnostics {
    initialize: u16,
    dcs: u16,
    download_config_specs: u16,
    idlist: u16,
    get_id_list: u16,
    get_id_list_sources: u16,
    log: u16,
    log_event: u16,
    api_call: u16,
}

/// A spec whose conditions are written as `C`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenSpec<'a, C> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    salt: &'a str,
    enabled: bool,
    default_value: &'a Value,
    rules: Vec<WrittenRule<'a, C>>,
    id_type: &'a str,
    entity: &'static str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_shared_params: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_parameters: Option<&'a [String]>,
}

impl<'a, C> WrittenSpec<'a, C> {
    /// With its name where it does not stand under it.
    pub fn of(spec: &'a Spec, name: Option<&'a str>, mut condition: impl FnMut(&'a Condition) -> C) -> Self {
        WrittenSpec {
            name,
            kind: spec.entity.spec_type(),
            salt: &spec.salt,
            enabled: spec.enabled,
            default_value: &spec.default_value,
            rules: spec.rules.iter().map(|rule| WrittenRule::of(rule, &mut condition)).collect(),
            id_type: &spec.id_type,
            entity: spec.entity.as_str(),
            version: spec.version,
            is_active: spec.is_active,
            has_shared_params: spec.has_shared_params,
            explicit_parameters: spec.explicit_parameters.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule<'a, C> {
    name: &'a str,
    id: &'a str,
    pass_percentage: f64,
    conditions: Vec<C>,
    return_value: &'a Value,
    salt: &'a str,
    id_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_experiment_group: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_delegate: Option<&'a str>,
}

impl<'a, C> WrittenRule<'a, C> {
    fn of(rule: &'a Rule, condition: &mut impl FnMut(&'a Condition) -> C) -> Self {
        WrittenRule {
            name: &rule.name,
            id: &rule.id,
            pass_percentage: rule.pass_percentage,
            conditions: rule.conditions.iter().map(condition).collect(),
            return_value: &rule.return_value,
            salt: &rule.salt,
            id_type: rule.id_type.as_str(),
            group_name: rule.group_name.as_deref(),
            is_experiment_group: rule.is_experiment_group.then_some(true),
            config_delegate: rule.config_delegate.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenCondition<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    pub target_value: Cow<'a, Value>,
    operator: Option<&'static str>,
    field: Option<&'a str>,
    additional_values: AdditionalValues<'a>,
    id_type: &'a str,
}

#[derive(Serialize)]
struct AdditionalValues<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<&'a str>,
}

impl<'a> WrittenCondition<'a> {
    pub fn of(condition: &'a Condition) -> Self {
        WrittenCondition {
            kind: condition.kind.as_str(),
            target_value: Cow::Borrowed(&condition.target),
            operator: condition.operator.map(|operator| operator.as_str()),
            field: condition.field.as_deref(),
            additional_values: AdditionalValues { salt: condition.salt.as_deref() },
            id_type: condition.id_type.as_str(),
        }
    }
}
