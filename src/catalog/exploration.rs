//! Explorations: a question beside the scorecard, about other metrics or a part of the units. Computes nothing.

use super::analysis::{Analysis, Crossovers, Join, Relative};
use super::criterion::{Criterion, CriterionCondition, CriterionType};
use super::gate::is_false;
use super::instant::Instant;
use super::metric::{Metric, MetricRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Weir's own, not Statsig's: a saved question about an experiment or gate, computed whenever it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exploration {
    /// What the API calls it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is to find out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is about.
    pub of: Explored,
    /// What is asked.
    pub explore: Explore,
}

/// What an exploration is about: an experiment or a gate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explored {
    /// The experiment's ID or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The gate's ID or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// A rule of the gate. Left out: every rule that splits its units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// A question. What is left out is as the experiment or gate has it in `analysis`, else the default of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explore {
    /// The metrics, 1 to 100: one that is defined by its name and type, one that every event name or ID type has likewise, or
    /// a whole definition, which is used here only. The `unitTypes` of a definition do not count.
    pub metrics: Vec<Metric>,
    /// What a unit's first exposure must say for the unit to take part; all must hold, 20 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<UnitCriterion>,
    /// Segments of type `id_list`: only units in one of them take part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include_id_lists: Vec<String>,
    /// Segments of type `id_list`: units in any of them take no part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_id_lists: Vec<String>,
    /// Exposures and events from this time on count. Left out it is the experiment's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Instant>,
    /// Exposures and events before this time count. Left out it is the experiment's end, or now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Instant>,
    /// Only units that were first exposed from this time on take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_from: Option<Instant>,
    /// Only units that were first exposed before this time take part; their events count to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_until: Option<Instant>,
    /// The level of the confidence intervals, above 0.5 and below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// What becomes of units that met more than one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crossovers: Option<Crossovers>,
    /// From when on a unit's events count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// The method of relative intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Relative>,
    /// The percentile of unit totals above which they are cut, such as 0.999; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub winsorize: Option<f64>,
    /// Whether differences are adjusted by what units did before their exposure (CUPED).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuped: Option<bool>,
    /// How many days before a unit's exposure CUPED looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub cuped_days: Option<u32>,
    /// What is tested for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Sided>,
    /// Whether intervals are given that hold however often one looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<bool>,
    /// The power for which the minimum detectable effect is told, above 0.5 and below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// The environment whose exposures and events count. Left out it is production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Of a gate: whether all that passed are compared with all that failed, or with as many of them. Left out they are whole
    /// unless stages are pooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// Of a gate: the number of a stage of the rule's roll-out, such as 1, or all. Left out it is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// How results are laid out over time. Left out: the whole period only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// By what units or events are told apart: `user.KEY`, `user_custom.KEY`, `sdk.KEY` or `metadata.KEY` of the first
    /// exposure, or `event.KEY` of each event's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakdown: Option<String>,
}

/// A condition on a text of a unit's first exposure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitCriterion {
    /// Where the text is.
    #[serde(rename = "type")]
    pub kind: UnitText,
    /// The key or field.
    pub column: String,
    /// How it is compared.
    pub condition: CriterionCondition,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Whether a unit without the text takes part.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null_vacuous_override: bool,
}

/// Where a text of an exposure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitText {
    /// The user's own fields: `country`, `email`, `appVersion` ...
    User,
    /// What an application keeps of the user beside them.
    UserCustom,
    /// What the SDK says about itself: `sdkType`, `sdkVersion` ...
    Sdk,
    /// The exposure's own metadata.
    Metadata,
}

/// What is tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sided {
    /// Any difference.
    TwoSided,
    /// A difference in the metric's direction; any where it has none.
    OneSided,
    /// That test is greater.
    Greater,
    /// That test is less.
    Less,
}

/// Which units of a gate's rule are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// All that passed with all that failed.
    Whole,
    /// All of the smaller side with a part of the larger one that is of equal size.
    Balanced,
}

/// How results are laid out over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As it stood at the end of each day.
    Cumulative,
    /// Each day by itself.
    Daily,
    /// By days of 24 hours since each unit's first exposure.
    DaysSinceExposure,
}

/// The fields of a question that are options of a report, by their names there.
const OPTIONS: [&str; 19] = [
    "level",
    "crossovers",
    "join",
    "relative",
    "winsorize",
    "cuped",
    "cupedDays",
    "alternative",
    "sequential",
    "power",
    "environment",
    "start",
    "end",
    "exposedFrom",
    "exposedUntil",
    "balance",
    "stage",
    "view",
    "breakdown",
];

impl Explore {
    /// What is set, by the names and in the words of a report's options.
    pub fn options(&self) -> Vec<(String, String)> {
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return Vec::new() };
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields = fields.into_iter().filter(|(name, _)| OPTIONS.contains(&name.as_str()));
        fields.map(|(name, value)| (name, text(value))).collect()
    }

    /// What is set of that which an experiment or gate can have in its analysis.
    pub(super) fn analysis(&self) -> Analysis {
        Analysis {
            level: self.level,
            crossovers: self.crossovers,
            join: self.join,
            relative: self.relative,
            winsorize: self.winsorize,
            cuped: self.cuped,
            cuped_days: self.cuped_days,
            alternative: None,
            power: self.power,
            primary_alpha_share: None,
        }
    }
}

impl Metric {
    /// The metric that is meant, where this is but a name and a type.
    pub fn as_reference(&self) -> Option<MetricRef> {
        let named = Metric {
            unit_types: self.unit_types.clone(),
            directionality: self.directionality,
            description: self.description.clone(),
            tags: self.tags.clone(),
            ..Metric::named(&self.name, self.kind)
        };
        (named == *self).then(|| MetricRef {
            name: self.name.clone(),
            kind: self.kind,
            direction: self.directionality,
            hypothesized_value: None,
        })
    }
}

impl UnitCriterion {
    /// The same condition on a text of an event.
    pub fn of_event(&self) -> Criterion {
        Criterion {
            kind: CriterionType::Metadata,
            column: Some(self.column.clone()),
            condition: self.condition,
            values: self.values.clone(),
            null_vacuous_override: self.null_vacuous_override,
        }
    }
}
