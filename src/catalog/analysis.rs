//! How results of an experiment or gate are to be computed, where that is not the default. The words are those of the
//! options of a report. Computes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Weir's own, not Statsig's: how results are computed. What is left out has the default; options of a report go before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Analysis {
    /// The level of the confidence intervals, above 0.5 and below 1. Left out it is an experiment's
    /// `defaultConfidenceInterval`, else 0.95.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// What becomes of units that met more than one group. Left out they are excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crossovers: Option<Crossovers>,
    /// From when on a unit's events count. Left out it is `timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// The method of relative intervals. Left out it is `fieller`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<Relative>,
    /// The percentile of unit totals above which they are cut, such as 0.999; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub winsorize: Option<f64>,
    /// Whether differences are adjusted by what units did before their exposure (CUPED).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuped: Option<bool>,
    /// How many days before a unit's exposure CUPED looks at. Left out it is 7.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub cuped_days: Option<u32>,
    /// Whether metrics are tested for any difference or for one to a side. Left out it is `two_sided`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Alternative>,
    /// The power for which the minimum detectable effect is told, above 0.5 and below 1. Left out it is 0.8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// The part of the significance level that the primary metrics share, above 0 and below 1; the secondary ones share
    /// the rest. Needs `bonferroniCorrectionPerMetric`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_alpha_share: Option<f64>,
}

/// What becomes of units that met more than one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Crossovers {
    /// They are left out.
    Exclude,
    /// They belong to the group they met first.
    First,
    /// They belong to each group, from when they met it.
    Both,
}

/// From when on a unit's events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// From its first exposure on, to the millisecond.
    Timestamp,
    /// From the UTC day of its first exposure on, as Statsig Cloud has it.
    Date,
}

/// The method of relative intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relative {
    Fieller,
    Delta,
}

/// What a metric is tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// Any difference.
    TwoSided,
    /// A difference in the metric's direction; any where it has none.
    OneSided,
    /// That test is greater, of every metric.
    Greater,
    /// That test is less, of every metric.
    Less,
}

impl Analysis {
    pub fn is_empty(&self) -> bool {
        *self == Analysis::default()
    }

    /// What is set, by the names and in the words of a report's options.
    pub fn options(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return Vec::new() };
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fields.into_iter().map(|(name, value)| (name, text(value))).collect()
    }
}
