//! `/v1/initialize`: everything that one user gets, for a client SDK that must not see the rules. Names are hashed as the
//! client asks.

use super::asked::{AskError, Asked};
use super::download::fingerprint;
use super::release::Release;
use crate::evaluate::{ConfigResult, Entity, Evaluation, LayerResult, SecondaryExposure, djb2, sha256_base64};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Hash {
    Djb2,
    Sha256,
    None,
}

impl Hash {
    /// Clients that say nothing are of a time when there was but one.
    fn of(word: Option<&str>) -> Result<Hash, AskError> {
        match word {
            Some("djb2") => Ok(Hash::Djb2),
            Some("sha256") | None => Ok(Hash::Sha256),
            Some("none") => Ok(Hash::None),
            Some(_) => Err(AskError::UnknownHash),
        }
    }

    fn name(self, name: &str) -> String {
        match self {
            Hash::Djb2 => djb2(name),
            Hash::Sha256 => sha256_base64(name),
            Hash::None => name.to_owned(),
        }
    }

    fn exposures<'a>(self, exposures: &[SecondaryExposure<'a>]) -> Vec<Secondary<'a>> {
        let hashed = |it: &SecondaryExposure<'a>| Secondary {
            gate: self.name(it.gate),
            value: if it.value { "true" } else { "false" },
            rule_id: it.rule_id,
        };
        exposures.iter().map(hashed).collect()
    }
}

#[derive(Serialize)]
struct Secondary<'a> {
    gate: String,
    #[serde(rename = "gateValue")]
    value: &'static str,
    #[serde(rename = "ruleID")]
    rule_id: &'a str,
}

#[derive(Serialize)]
struct Gate<'a> {
    name: String,
    value: bool,
    rule_id: &'a str,
    id_type: &'a str,
    secondary_exposures: Vec<Secondary<'a>>,
}

#[derive(Serialize)]
struct Config<'a> {
    name: String,
    value: &'a Value,
    group: &'a str,
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    id_type: &'a str,
    is_device_based: bool,
    passed: bool,
    secondary_exposures: Vec<Secondary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_user_in_experiment: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_experiment_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_in_layer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_parameters: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Layer<'a> {
    name: String,
    value: &'a Value,
    group: &'a str,
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    is_device_based: bool,
    secondary_exposures: Vec<Secondary<'a>>,
    undelegated_secondary_exposures: Vec<Secondary<'a>>,
    explicit_parameters: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    allocated_experiment_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_user_in_experiment: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_experiment_active: Option<bool>,
}

/// The whole answer. What depends on the user's evaluation is written before, so that it can be told from another.
#[derive(Serialize)]
struct Answer<'a> {
    feature_gates: &'a RawValue,
    dynamic_configs: &'a RawValue,
    layer_configs: &'a RawValue,
    has_updates: bool,
    /// In ms.
    time: i64,
    hash_used: Hash,
    full_checksum: &'a str,
    evaluated_keys: &'a Map<String, Value>,
    user: &'a Value,
    derived_fields: Map<String, Value>,
    param_stores: Map<String, Value>,
    sdk_flags: Map<String, Value>,
    #[serde(rename = "sdkParams")]
    sdk_params: Map<String, Value>,
    generator: &'static str,
    response_format: &'static str,
}

/// `None` where the client has all of it: it says `sinceTime`, which it does only for the same user, and repeats the
/// `full_checksum` of what it has. The time alone would not do, for the hour or an ID list may have changed what a user gets.
///
/// The answer grows with the catalog, and by the user who is repeated in it.
pub fn initialize(
    asked: &Asked<'_>,
    release: &Release,
    evaluation: &mut Evaluation<'_, '_>,
) -> Result<Option<String>, AskError> {
    let hash = Hash::of(asked.wire.hash.as_deref())?;
    let (mut gates, mut configs, mut layers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for spec in release.specs.gates.iter().filter(|spec| spec.entity == Entity::FeatureGate) {
        let result = evaluation.gate(&spec.name);
        let name = hash.name(&spec.name);
        let gate = Gate {
            name: name.clone(),
            value: result.value,
            rule_id: result.rule_id,
            id_type: &spec.id_type,
            secondary_exposures: hash.exposures(&result.secondary_exposures),
        };
        gates.insert(name, gate);
    }
    for spec in &release.specs.configs {
        let config = config(hash, &spec.name, evaluation.config(&spec.name));
        configs.insert(config.name.clone(), config);
    }
    for spec in &release.specs.layers {
        let layer = layer(hash, &spec.name, evaluation.layer(&spec.name));
        layers.insert(layer.name.clone(), layer);
    }
    let sections = [raw(&gates), raw(&configs), raw(&layers)];
    let time = release.time.0;
    let evaluated_keys = evaluated_keys(asked);
    let written = sections.iter().map(|section| section.get()).collect::<Vec<&str>>().join(",");
    let checksum = fingerprint(format!("{time} {} {hash:?} {written}", raw(&evaluated_keys)).as_bytes());
    if asked.wire.since_time == Some(time as f64) && asked.wire.full_checksum.as_ref() == Some(&checksum) {
        return Ok(None);
    }
    let [feature_gates, dynamic_configs, layer_configs] = &sections;
    let answer = Answer {
        feature_gates,
        dynamic_configs,
        layer_configs,
        has_updates: true,
        time,
        hash_used: hash,
        full_checksum: &checksum,
        evaluated_keys: &evaluated_keys,
        user: &asked.shown,
        derived_fields: Map::new(),
        param_stores: Map::new(),
        sdk_flags: Map::new(),
        sdk_params: Map::new(),
        generator: "weir",
        response_format: "init-v1",
    };
    Ok(Some(serde_json::to_string(&answer).expect("an answer always serialises")))
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("what is evaluated always serialises")
}

fn config<'a>(hash: Hash, name: &str, result: ConfigResult<'a>) -> Config<'a> {
    let spec = result.spec;
    let in_layer = spec.filter(|spec| spec.has_shared_params == Some(true));
    let is_active = spec.and_then(|spec| spec.is_active);
    Config {
        name: hash.name(name),
        value: result.value,
        group: result.rule_id,
        rule_id: result.rule_id,
        group_name: result.group_name,
        id_type: result.id_type,
        is_device_based: is_device(result.id_type),
        passed: result.passed,
        secondary_exposures: hash.exposures(&result.secondary_exposures),
        is_user_in_experiment: is_active.map(|_| result.is_experiment_group),
        is_experiment_active: is_active,
        is_in_layer: in_layer.map(|_| true),
        explicit_parameters: in_layer.map(|spec| spec.explicit_parameters.as_deref().unwrap_or_default()),
    }
}

fn layer<'a>(hash: Hash, name: &str, result: LayerResult<'a>) -> Layer<'a> {
    let allocated = result.allocated_experiment;
    Layer {
        name: hash.name(name),
        value: result.value,
        group: result.rule_id,
        rule_id: result.rule_id,
        group_name: result.group_name,
        is_device_based: is_device(result.id_type),
        secondary_exposures: hash.exposures(&result.secondary_exposures),
        undelegated_secondary_exposures: hash.exposures(result.undelegated_secondary_exposures()),
        explicit_parameters: result.explicit_parameters,
        allocated_experiment_name: allocated.map(|spec| hash.name(&spec.name)),
        is_user_in_experiment: allocated.map(|_| result.is_experiment_group),
        is_experiment_active: allocated.map(|spec| spec.is_active == Some(true)),
    }
}

fn is_device(id_type: &str) -> bool {
    id_type.eq_ignore_ascii_case(crate::event::STABLE_ID)
}

/// The IDs by which the user was evaluated.
fn evaluated_keys(asked: &Asked<'_>) -> Map<String, Value> {
    let mut keys = Map::new();
    for name in ["userID", "customIDs"] {
        if let Some(given) = asked.shown.get(name).filter(|given| !given.is_null()) {
            keys.insert(name.to_owned(), given.clone());
        }
    }
    if let Some(id) = &asked.stable_id {
        keys.insert("stableID".to_owned(), id.as_str().into());
    }
    keys
}
