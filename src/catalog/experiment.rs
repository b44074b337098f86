//! Experiments: groups, allocation, and what is to be concluded. Assigns and measures nothing by itself.

use super::analysis::Analysis;
use super::gate::is_false;
use super::id_type::user_id;
use super::instant::Instant;
use super::metric::MetricRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Experiment {
    /// What other items and the API call it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What SDKs ask for. No dynamic config may have the same.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who is randomised: `userID`, `stableID` or a custom ID type.
    #[serde(default = "user_id")]
    pub id_type: String,
    /// Weir's own, not Statsig's: what the hashes of allocation and groups start from. Left out it is made of kind and
    /// ID. Resetting the experiment makes a new one, which deals all units anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// What you expect to happen, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Where it stands. Only an `active` experiment assigns groups; with `assignment_stopped` only SDKs that keep what
    /// they once gave (persistent storage) go on giving it.
    #[serde(default)]
    pub status: Status,
    /// When it started: exposures before this do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Instant>,
    /// When it ended: exposures and events from then on do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Instant>,
    /// How many days it is meant to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub duration: Option<u32>,
    /// How many exposed units it is meant to reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_exposures: Option<u64>,
    /// How many of the units take part, in percent; in a layer, how much of the layer it takes. Counts in steps of 0.1.
    #[serde(default = "all")]
    #[schemars(range(min = 0, max = 100))]
    pub allocation: f64,
    /// The layer it lives in.
    #[serde(default, rename = "layerID", skip_serializing_if = "Option::is_none")]
    pub layer_id: Option<String>,
    /// Only units that pass this gate take part.
    #[serde(default, rename = "targetingGateID", skip_serializing_if = "Option::is_none")]
    pub targeting_gate_id: Option<String>,
    /// The groups. Their sizes add up to 100.
    pub groups: Vec<Group>,
    /// The group that the others are compared with, by ID or name; the first if left out.
    #[serde(default, rename = "controlGroupID", skip_serializing_if = "Option::is_none")]
    pub control_group_id: Option<String>,
    /// The group that everyone gets after the decision, by ID or name.
    #[serde(default, rename = "launchedGroupID", skip_serializing_if = "Option::is_none")]
    pub launched_group_id: Option<String>,
    /// Why it was decided so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_reason: Option<String>,
    /// The metrics that decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_metrics: Vec<MetricRef>,
    /// The metrics that explain, or must not get worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary_metrics: Vec<MetricRef>,
    /// Further metrics to show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_metrics: Vec<MetricRef>,
    /// Tags whose metrics Statsig takes as primary. Kept, not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_metric_tags: Vec<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether to give intervals that hold however often one looks.
    #[serde(default)]
    pub sequential_testing: bool,
    /// Whether to divide the significance level by the number of groups compared with control.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bonferroni_correction: bool,
    /// Whether to divide the significance level by the number of primary metrics.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bonferroni_correction_per_metric: bool,
    /// Whether to control the false discovery rate over groups.
    #[serde(default, skip_serializing_if = "is_false")]
    pub benjamini_hochberg_per_variant: bool,
    /// Whether to control the false discovery rate over metrics.
    #[serde(default, skip_serializing_if = "is_false")]
    pub benjamini_hochberg_per_metric: bool,
    /// Whether only primary metrics take part in controlling the false discovery rate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub benjamini_primary_metrics_only: bool,
    /// The level of the confidence intervals, in percent.
    #[serde(default)]
    pub default_confidence_interval: ConfidenceInterval,
    /// Weir's own, not Statsig's: how results are computed where that is not the default.
    #[serde(default, skip_serializing_if = "Analysis::is_empty")]
    pub analysis: Analysis,
    /// Units that get a group whatever the hash says. They do not count in results.
    #[serde(default, skip_serializing_if = "ExperimentOverrides::is_empty")]
    pub overrides: ExperimentOverrides,
}

fn all() -> f64 {
    100.0
}

impl Experiment {
    /// The group of this ID or name.
    pub fn group(&self, id_or_name: &str) -> Option<&Group> {
        let by_id = self.groups.iter().find(|group| group.id == id_or_name);
        by_id.or_else(|| self.groups.iter().find(|group| group.name == id_or_name))
    }

    /// The group that the others are compared with. There is one in every experiment of a catalog.
    pub fn control(&self) -> Option<&Group> {
        match &self.control_group_id {
            Some(id) => self.group(id),
            None => self.groups.first(),
        }
    }
}

/// One group of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// What exposures call this group (their `ruleID`); the name if left out.
    #[serde(default)]
    pub id: String,
    /// What people and results call it.
    pub name: String,
    /// Its share of the experiment's units, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub size: f64,
    /// What SDKs give to its units.
    #[serde(default)]
    pub parameter_values: Map<String, Value>,
    /// Whether it no longer takes part: its units get the default and do not count, the other groups keep theirs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// What its units see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Where to read more about an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Where it is.
    pub url: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Setup,
    Active,
    AssignmentStopped,
    ExperimentStopped,
    DecisionMade,
    Abandoned,
    Archived,
}

impl Status {
    /// Whether it keeps its part of a layer to itself: while it runs, and before, so that it can start.
    pub fn holds_allocation(self) -> bool {
        matches!(self, Status::Setup | Status::Active | Status::AssignmentStopped)
    }
}

/// The level of confidence intervals, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ConfidenceInterval {
    #[serde(rename = "80")]
    P80,
    #[serde(rename = "90")]
    P90,
    #[default]
    #[serde(rename = "95")]
    P95,
    #[serde(rename = "98")]
    P98,
    #[serde(rename = "99")]
    P99,
}

impl ConfidenceInterval {
    /// As a probability, such as 0.95.
    pub fn level(self) -> f64 {
        match self {
            ConfidenceInterval::P80 => 0.80,
            ConfidenceInterval::P90 => 0.90,
            ConfidenceInterval::P95 => 0.95,
            ConfidenceInterval::P98 => 0.98,
            ConfidenceInterval::P99 => 0.99,
        }
    }
}

/// Units that get a group whatever the hash says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExperimentOverrides {
    /// Units that pass a gate or are in a segment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<GroupOverride>,
    /// Units by their IDs.
    #[serde(rename = "userIDOverrides", skip_serializing_if = "Vec::is_empty")]
    pub user_id_overrides: Vec<IdOverride>,
}

impl ExperimentOverrides {
    pub fn is_empty(&self) -> bool {
        *self == ExperimentOverrides::default()
    }
}

/// A group for the units that pass a gate or are in a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupOverride {
    /// Whether `id` is a gate or a segment.
    #[serde(rename = "type")]
    pub kind: OverrideType,
    /// The gate or segment.
    pub id: String,
    /// The group they get, by ID or name.
    #[serde(rename = "groupID")]
    pub group_id: String,
    /// The environment; left out it holds in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

/// What an override goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverrideType {
    Gate,
    Segment,
}

/// A group for units named one by one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdOverride {
    /// The group they get, by ID or name.
    #[serde(rename = "groupID")]
    pub group_id: String,
    /// The units.
    pub ids: Vec<String>,
    /// The environment; left out it holds in each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The ID type of the units; left out it is `userID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_type: Option<String>,
}
