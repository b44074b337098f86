//! Metrics: which events count, and how. Computes nothing.

use super::criterion::Criterion;
use super::gate::is_false;
use super::id_type::user_id;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A metric. Every event name has an `event_count`, an `event_dau` and an `event_user`, and every ID type its user metrics,
/// without being listed here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// What experiments and results call it, together with its type.
    pub name: String,
    /// How it is computed.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// The ID types it is computed for. What compares units of another type cannot use it.
    #[serde(default = "user_only")]
    pub unit_types: Vec<String>,
    /// The events that count. A ratio has two: numerator and denominator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_events: Vec<MetricEvent>,
    /// The metrics a composite is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metric_component_metrics: Vec<MetricRef>,
    /// Weir's own, not Statsig's (which has it for warehouses only): the most that a unit's UTC day adds, for
    /// `event_count_custom` and `sum`. Left out there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// How the events of an `event_user` make a unit's value. Left out it is `max`, which is what other types have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup_time_window: Option<RollupTimeWindow>,
    /// With the window `custom`: the first day that counts, in days of 24 hours after the unit's exposure: 0, which it is
    /// if left out, begins at the exposure itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3650))]
    pub custom_roll_up_start: Option<f64>,
    /// With the window `custom`: the last day that counts, counted likewise: 0 to 6 are the first 7 times 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3650))]
    pub custom_roll_up_end: Option<f64>,
    /// The steps of a funnel, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funnel_event_list: Vec<FunnelStep>,
    /// Whether a funnel counts the units that went through it or each passage. Left out it is `users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel_count_distinct: Option<FunnelCount>,
    /// Weir's own, not Statsig's: in which order the steps of a funnel count. Left out it is `within_window`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel_order: Option<FunnelOrder>,
    /// Weir's own, not Statsig's (which has it for warehouses only): within how many days of 24 hours after the first step
    /// the others must follow, 366 at most. Left out it is 1. Not for `unordered_daily`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funnel_calculation_window: Option<f64>,
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
    /// Whether Statsig lets only its API change it. Kept, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_read_only: Option<bool>,
    /// In a call of the console API: only check the definition. Not for project files.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

fn user_only() -> Vec<String> {
    vec![user_id()]
}

impl Metric {
    /// Nothing but a name and a type.
    pub(super) fn named(name: &str, kind: MetricType) -> Metric {
        Metric {
            name: name.to_owned(),
            kind,
            unit_types: user_only(),
            metric_events: Vec::new(),
            metric_component_metrics: Vec::new(),
            cap: None,
            rollup_time_window: None,
            custom_roll_up_start: None,
            custom_roll_up_end: None,
            funnel_event_list: Vec::new(),
            funnel_count_distinct: None,
            funnel_order: None,
            funnel_calculation_window: None,
            directionality: None,
            description: None,
            tags: Vec::new(),
            is_permanent: None,
            is_verified: None,
            is_read_only: None,
            dry_run: false,
        }
    }

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
    /// On which share of its days a unit did it. Every event name has it; it needs no definition.
    EventDau,
    /// How often an event happened, or how many different values a metadata key had, with a filter and a cap.
    EventCountCustom,
    /// Whether a unit did it. Every event name has it without a filter; define it to add one, or another window.
    EventUser,
    /// The sum of a value over events.
    Sum,
    /// The average of a value over events.
    Mean,
    /// One number over another.
    Ratio,
    /// How many get from one event to the next.
    Funnel,
    /// Statsig's name for metrics put together; it does not publish how, so no definition may have it.
    Composite,
    /// The sum of metrics.
    CompositeSum,
    /// User accounting, such as `dau` and `d7_retention_rate`: every ID type has it; it needs no definition.
    User,
}

impl MetricType {
    /// Whether every event name has a metric of this type without being defined.
    pub fn is_automatic(self) -> bool {
        matches!(self, MetricType::EventCount | MetricType::EventDau | MetricType::EventUser)
    }
}

/// A metric that a gate, an experiment or another metric names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricRef {
    /// The metric's name; for `event_count`, `event_dau` and `event_user` the name of the event, with its prefix; for
    /// `user` one of dau, wau, mau_28day, new_dau, d1_retention_rate, d7_retention_rate, d14_retention_rate,
    /// d28_retention_rate.
    pub name: String,
    /// The metric's type.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// Which way is better here, whatever the metric itself says.
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
    /// The metadata key whose number (`metadata`) or text (`count_distinct`) is taken.
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

/// How the events of an `event_user` make a unit's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollupTimeWindow {
    /// 1 if it happened at all in the whole experiment.
    Max,
    /// The share of the unit's UTC days in the experiment on which it happened.
    DailyParticipationRate,
    /// 1 if it happened from `customRollUpStart` to `customRollUpEnd` days after the unit's exposure.
    Custom,
}

/// One step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunnelStep {
    /// The event's name, with its prefix; or the name of a defined metric of the type.
    pub name: String,
    /// What the name is of. `event_count_custom` and `event_user` name a metric whose one event, with its criteria, is the
    /// step (an `event_user` that is not defined is the event of that name); the others, and none, name an event.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<FunnelStepType>,
    /// Weir's own, not Statsig's (which has it for warehouses only): only events that meet all of these count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Criterion>,
}

/// What the name of a funnel's step is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelStepType {
    EventCount,
    EventDau,
    EventCountCustom,
    EventUser,
}

impl FunnelStep {
    /// The metric that the step is taken from, if it is from one rather than from an event: `defined` tells which there are.
    pub(super) fn metric(&self, defined: impl Fn(&str, MetricType) -> bool) -> Option<(&str, MetricType)> {
        let kind = match self.kind? {
            FunnelStepType::EventCountCustom => MetricType::EventCountCustom,
            FunnelStepType::EventUser if defined(&self.name, MetricType::EventUser) => MetricType::EventUser,
            _ => return None,
        };
        Some((&self.name, kind))
    }
}

/// What a funnel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelCount {
    /// Every passage; each event goes into one only.
    Events,
    /// Units.
    #[default]
    Users,
}

/// In which order the steps of a funnel count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelOrder {
    /// Each step at or after the one before it, all within the window.
    #[default]
    WithinWindow,
    /// As Statsig counts: the steps of one UTC day in any order, the days added up.
    UnorderedDaily,
}

/// Within how many days a funnel's steps follow the first unless it says so itself: Statsig's window, too.
pub const DEFAULT_FUNNEL_WINDOW_DAYS: f64 = 1.0;
