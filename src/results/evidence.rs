//! The numbers behind health checks, for pages that draw them. Plain data; judges nothing.

use super::question::MetricKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All numbers of one analysis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    pub units_match: UnitsMatch,
    pub arrival: Arrival,
    pub progress: Progress,
    /// Of the scorecard's metrics, where anything was before the exposure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_experiment: Vec<PreExperiment>,
}

/// How exposures and events find to one another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UnitsMatch {
    /// Units that take part.
    pub units: u64,
    /// Of those, the ones that have any event in the period.
    pub matched: u64,
    /// Events in the environment and period that metrics can be made of, of anybody.
    pub events: u64,
    /// Of those, the ones without an ID of the type that is randomised.
    pub events_without_id: u64,
    /// Of the latter, how many carry an ID of another type, by that type. An event may carry several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub carried_instead: BTreeMap<String, u64>,
}

/// When events arrive, of the units that take part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Arrival {
    /// Events in the period.
    pub events: u64,
    /// Of those, the ones that arrived more than 24 hours after they happened.
    pub late: u64,
    /// When the newest of the late ones was received, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_late: Option<i64>,
    /// How long that one took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_delay: Option<i64>,
    /// Events and exposures, of anybody, that were received before they happened.
    pub ahead: u64,
}

/// How far the experiment has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// Days of 24 hours from the first exposure to the end of what was read; null before the first.
    pub days: Option<f64>,
    /// New units a day, over the last seven days or as long as it runs; null on the first day.
    pub units_per_day: Option<f64>,
}

/// A group against control in the days before the exposure, when nothing can differ but by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreExperiment {
    pub metric: String,
    #[serde(rename = "type")]
    pub kind: MetricKind,
    pub group: String,
    pub control: String,
    /// Test mean minus control mean.
    pub delta: Option<f64>,
    /// The same as a fraction of the control mean.
    pub relative: Option<f64>,
    /// Two-sided, by itself.
    pub p: Option<f64>,
    /// After Benjamini and Hochberg, over all metrics and groups.
    pub adjusted_p: Option<f64>,
}

/// A part of the units in which the sample ratio is off while the rest is fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suspect {
    /// What tells the part from the rest: as the option `breakdown` is written (`sdk.sdkVersion`), or `day`.
    pub by: String,
    /// The text that its first exposures share, or their UTC day; null where they have no such text.
    pub value: Option<String>,
    /// Units, in the order of the analysis' groups.
    pub units: Vec<u64>,
    /// Of the part's own sample ratio, times the number of parts that were looked at, 1 at most.
    pub p: f64,
}
