//! Metrics: which events count, and how. Computes nothing.

use super::gate::is_false;
use super::id_type::user_id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A metric. Every event name has an `event_count` and an `event_user` without being listed here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// What experiments and results call it, together with its type.
    pub name: String,
    /// How it is computed.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// The ID types it is computed for.
    #[serde(default = "user_only")]
    pub unit_types: Vec<String>,
    /// The events that count. A ratio has two: numerator and denominator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_events: Vec<MetricEvent>,
    /// The metrics a composite is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_component_metrics: Vec<MetricRef>,
    /// Over which time a unit's events count. Left out: each day for counts, once for `event_user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup_time_window: Option<RollupTimeWindow>,
    /// With the window `custom`: the first day after exposure that counts, 0 being the day of exposure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub custom_roll_up_start: Option<f64>,
    /// With the window `custom`: the day after exposure from which events no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub custom_roll_up_end: Option<f64>,
    /// The steps of a funnel, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funnel_event_list: Vec<FunnelStep>,
    /// Whether a funnel counts events or the users that did them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel_count_distinct: Option<FunnelCount>,
    /// Which way is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directionality: Option<Direction>,
    /// What it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether Statsig keeps it for good. Kept, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_permanent: Option<bool>,
    /// Whether somebody vouches for it. Kept, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_verified: Option<bool>,
    /// Whether Statsig only tries the definition. Kept, not used.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

fn user_only() -> Vec<String> {
    vec![user_id()]
}

impl Metric {
    /// What Statsig calls a metric's ID: `name::type`.
    pub fn id(&self) -> String {
        metric_id(&self.name, self.kind)
    }
}

pub(super) fn metric_id(name: &str, kind: MetricType) -> String {
    format!("{name}::{}", super::rule::word(kind))
}

/// How a metric is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricType {
    /// How often an event happened. Every event name has it; it needs no definition.
    EventCount,
    /// Whether a unit did it on a day. Every event name has it; it needs no definition.
    EventDau,
    /// How often an event happened, with a filter.
    EventCountCustom,
    /// Whether a unit did it. Every event name has it without a filter; define it to add one.
    EventUser,
    /// The sum of a value over events.
    Sum,
    /// The average of a value over events.
    Mean,
    /// One number over another.
    Ratio,
    /// How many get from one event to the next.
    Funnel,
    /// Metrics put together.
    Composite,
    /// The sum of metrics.
    CompositeSum,
}

impl MetricType {
    /// Whether every event name has a metric of this type without being defined.
    pub fn is_automatic(self) -> bool {
        matches!(self, MetricType::EventCount | MetricType::EventDau | MetricType::EventUser)
    }

    /// Whether a definition may have this type.
    pub fn is_definable(self) -> bool {
        !matches!(self, MetricType::EventCount | MetricType::EventDau)
    }
}

/// A metric that a gate, an experiment or another metric names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricRef {
    /// The metric's name; for `event_count` and `event_user` the name of the event, with its prefix.
    pub name: String,
    /// The metric's type.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// Which way is better here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The relative effect you expect, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesized_value: Option<f64>,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Increase,
    Decrease,
}

/// Events of one name that count for a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricEvent {
    /// The event's name, with its prefix: `segment::Order Completed`.
    pub name: String,
    /// What is taken of each event. Left out it is counted.
    #[serde(default, rename = "type")]
    pub kind: MetricEventType,
    /// The metadata key whose number or value is taken, for `metadata` and `count_distinct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_key: Option<String>,
    /// Only events that meet all of these count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
}

/// What is taken of each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricEventType {
    /// One for each event.
    #[default]
    Count,
    /// One for each distinct value of a metadata key.
    CountDistinct,
    /// The event's value.
    Value,
    /// The number in a metadata key.
    Metadata,
}

/// A filter on events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Criterion {
    /// Where the value is.
    #[serde(rename = "type")]
    pub kind: CriterionType,
    /// The key or field, for all but `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// How it is compared.
    pub condition: CriterionCondition,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Whether an event without the value meets the criterion.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null_vacuous_override: bool,
}

/// Where a criterion's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CriterionType {
    Value,
    Metadata,
    User,
    UserCustom,
}

/// How a criterion compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CriterionCondition {
    In,
    NotIn,
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "<=")]
    LessOrEqual,
    IsNull,
    NonNull,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
    IsTrue,
    IsFalse,
}

/// How many values a criterion compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriterionValues {
    None,
    OneNumber,
    Some,
}

impl CriterionCondition {
    pub fn values(self) -> CriterionValues {
        use CriterionCondition::*;
        match self {
            IsNull | NonNull | IsTrue | IsFalse => CriterionValues::None,
            Greater | Less | GreaterOrEqual | LessOrEqual => CriterionValues::OneNumber,
            Equal | In | NotIn | Contains | NotContains | StartsWith | EndsWith => CriterionValues::Some,
        }
    }
}

/// Over which time a unit's events count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollupTimeWindow {
    /// Once in the whole experiment.
    Max,
    /// The share of days on which it happened.
    DailyParticipationRate,
    /// From `customRollUpStart` to `customRollUpEnd` days after exposure.
    Custom,
}

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunnelStep {
    /// The event's name, with its prefix.
    pub name: String,
    /// Statsig's type of the step. Kept, not used.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What a funnel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelCount {
    Events,
    Users,
}
