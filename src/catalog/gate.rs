//! Gates, dynamic configs and holdouts: what switches on and off by rules or percentages. Decides nothing by itself.

use super::analysis::Analysis;
use super::id_type::user_id;
use super::metric::MetricRef;
use super::rule::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) fn yes() -> bool {
    true
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// A feature gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// What other items and the API call it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What SDKs ask for.
    pub name: String,
    /// A disabled gate fails for everyone.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// Whether it is put away. What is archived is disabled too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_archived: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whom it decides about: `userID`, `stableID` or a custom ID type.
    #[serde(default = "user_id")]
    pub id_type: String,
    /// Weir's own, not Statsig's: what the hash starts from. Left out it is made of kind and ID. A new one deals all
    /// units anew, so that who passed may fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it is meant to stay. Kept, not used.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
    /// Whether Statsig measures its effect. Kept, not used: Weir measures every gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_metric_lifts: Option<bool>,
    /// The metrics to watch while it rolls out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitoring_metrics: Vec<MetricRef>,
    /// Weir's own, not Statsig's: how results are computed where that is not the default.
    #[serde(default, skip_serializing_if = "Analysis::is_empty")]
    pub analysis: Analysis,
    /// The rules, in order: the first whose conditions hold decides. Without a match the gate fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Units that pass or fail whatever the rules say. They do not count in results.
    #[serde(default, skip_serializing_if = "GateOverrides::is_empty")]
    pub overrides: GateOverrides,
}

/// Whether a gate is meant to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lifetime {
    Permanent,
    Temporary,
}

/// Units that pass or fail whatever the rules say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GateOverrides {
    /// userIDs that pass.
    #[serde(rename = "passingUserIDs", skip_serializing_if = "Vec::is_empty")]
    pub passing_user_ids: Vec<String>,
    /// userIDs that fail.
    #[serde(rename = "failingUserIDs", skip_serializing_if = "Vec::is_empty")]
    pub failing_user_ids: Vec<String>,
    /// Units of the gate's own ID type that pass.
    #[serde(rename = "passingCustomIDs", skip_serializing_if = "Vec::is_empty")]
    pub passing_custom_ids: Vec<String>,
    /// Units of the gate's own ID type that fail.
    #[serde(rename = "failingCustomIDs", skip_serializing_if = "Vec::is_empty")]
    pub failing_custom_ids: Vec<String>,
    /// Overrides in one environment or for another ID type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment_overrides: Vec<EnvironmentOverride>,
}

impl GateOverrides {
    pub fn is_empty(&self) -> bool {
        *self == GateOverrides::default()
    }
}

/// Overrides in one environment or for another ID type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentOverride {
    /// The environment; left out they hold in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The ID type of the IDs; left out it is the gate's own.
    #[serde(default, rename = "unitID", skip_serializing_if = "Option::is_none")]
    pub unit_id: Option<String>,
    /// Units that pass.
    #[serde(default, rename = "passingIDs")]
    pub passing_ids: Vec<String>,
    /// Units that fail.
    #[serde(default, rename = "failingIDs")]
    pub failing_ids: Vec<String>,
}

/// A dynamic config: a JSON value chosen by rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DynamicConfig {
    /// What other items and the API call it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What SDKs ask for. No experiment may have the same.
    pub name: String,
    /// A disabled config gives its default to everyone.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// Whether it is put away. What is archived is disabled too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_archived: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whom it decides about: `userID`, `stableID` or a custom ID type.
    #[serde(default = "user_id")]
    pub id_type: String,
    /// Weir's own, not Statsig's: what the hash starts from. Left out it is made of kind and ID. A new one deals all
    /// units anew, so that who passed may fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The value without a matching rule: an object.
    #[serde(default)]
    pub default_value: Map<String, Value>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The rules, in order: the first whose conditions hold decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// A holdout: units that are kept away from gates, experiments and layers, to see what all of them do together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holdout {
    /// What other items and the API call it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What people call it. No gate may have the same.
    pub name: String,
    /// Whom it holds out: `userID`, `stableID` or a custom ID type.
    #[serde(default = "user_id")]
    pub id_type: String,
    /// Weir's own, not Statsig's: what the hash starts from. Left out it is made of kind and ID. A new one deals all
    /// units anew, so that who passed may fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A disabled holdout holds nobody out.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// Whether it holds out of every gate, experiment and layer, not only of the listed ones.
    #[serde(default)]
    pub is_global: bool,
    /// How many units are held out, in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub pass_percentage: f64,
    /// The gates it holds out of.
    #[serde(default, rename = "gateIDs", skip_serializing_if = "Vec::is_empty")]
    pub gate_ids: Vec<String>,
    /// The experiments it holds out of.
    #[serde(default, rename = "experimentIDs", skip_serializing_if = "Vec::is_empty")]
    pub experiment_ids: Vec<String>,
    /// The layers it holds out of.
    #[serde(default, rename = "layerIDs", skip_serializing_if = "Vec::is_empty")]
    pub layer_ids: Vec<String>,
}
