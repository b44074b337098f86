//! Rules and conditions, shared by gates, dynamic configs and segments. Says which operator fits which condition;
//! evaluates nothing.

use super::instant::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One rule: the first whose conditions all hold decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What exposures call this rule; the name if left out. Keep it when you rename the rule: who passes depends on it.
    #[serde(default)]
    pub id: String,
    /// Statsig's ID of the rule over all its versions. Kept, not used.
    #[serde(default, rename = "baseID", skip_serializing_if = "Option::is_none")]
    pub base_id: Option<String>,
    /// What people call this rule.
    pub name: String,
    /// How many of the units that meet the conditions pass, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub pass_percentage: f64,
    /// All must hold. Use the condition type `public` for everyone.
    pub conditions: Vec<Condition>,
    /// The environments where this rule applies; left out it applies everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    /// Rollout steps that are done. Kept, not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completed_automated_rollouts: Vec<RolloutStep>,
    /// Rollout steps that are planned. Kept, not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending_automated_rollouts: Vec<RolloutStep>,
    /// What a dynamic config gives to those who pass. Only in the rules of a dynamic config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_value: Option<Value>,
    /// Statsig's variants of a dynamic config's rule. Kept, not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Value>,
}

/// One step of a planned rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutStep {
    /// When the step happens.
    pub time: Instant,
    /// The pass percentage from then on.
    #[schemars(range(min = 0, max = 100))]
    pub pass_percent: f64,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// What is looked at.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// How it is compared. Not needed by `public` and by the conditions on gates and segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Operator>,
    /// What it is compared with: a text, a number or a list; for a gate or segment its ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_value: Option<Value>,
    /// The custom field, for `custom_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The ID type, for `unit_id`.
    #[serde(default, rename = "customID", skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionType {
    AppVersion,
    BrowserName,
    BrowserVersion,
    Country,
    CustomField,
    DeviceModel,
    Email,
    EnvironmentTier,
    FailsGate,
    FailsSegment,
    IpAddress,
    Javascript,
    Locale,
    OsName,
    OsVersion,
    PassesGate,
    PassesSegment,
    Public,
    TargetApp,
    Time,
    UnitId,
    Url,
    UserId,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    Any,
    None,
    AnyCaseSensitive,
    NoneCaseSensitive,
    StrStartsWithAny,
    StrEndsWithAny,
    StrContainsAny,
    StrContainsNone,
    StrMatches,
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    VersionGt,
    VersionGte,
    VersionLt,
    VersionLte,
    VersionEq,
    VersionNeq,
    Before,
    After,
    On,
    ArrayContainsAny,
    ArrayContainsNone,
    ArrayContainsAll,
    NotArrayContainsAll,
}

/// What a condition's target has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// No target, no operator.
    Nothing,
    /// The ID of a gate; no operator.
    Gate,
    /// The ID of a segment; no operator.
    Segment,
    /// A text or number, or a list of them.
    Values,
    /// A list of texts or numbers.
    List,
    /// One text.
    Text,
    /// A number, or a text that is one.
    Number,
    /// A text such as 1.2.3.
    Version,
    /// ISO 8601 text or milliseconds.
    Time,
}

const MEMBERSHIP: &[Operator] = &[Operator::Any, Operator::None];
const IDS: &[Operator] = &[Operator::Any, Operator::None, Operator::AnyCaseSensitive, Operator::NoneCaseSensitive];
const TEXTS: &[Operator] = &[
    Operator::Any,
    Operator::None,
    Operator::AnyCaseSensitive,
    Operator::NoneCaseSensitive,
    Operator::StrStartsWithAny,
    Operator::StrEndsWithAny,
    Operator::StrContainsAny,
    Operator::StrContainsNone,
    Operator::StrMatches,
];
const VERSIONS: &[Operator] = &[
    Operator::Any,
    Operator::None,
    Operator::VersionGt,
    Operator::VersionGte,
    Operator::VersionLt,
    Operator::VersionLte,
    Operator::VersionEq,
    Operator::VersionNeq,
];
const TIMES: &[Operator] = &[Operator::Before, Operator::After, Operator::On];

impl Operator {
    /// All of them, in the order in which messages list them.
    pub const ALL: &'static [Operator] = &[
        Operator::Any,
        Operator::None,
        Operator::AnyCaseSensitive,
        Operator::NoneCaseSensitive,
        Operator::StrStartsWithAny,
        Operator::StrEndsWithAny,
        Operator::StrContainsAny,
        Operator::StrContainsNone,
        Operator::StrMatches,
        Operator::Eq,
        Operator::Neq,
        Operator::Gt,
        Operator::Gte,
        Operator::Lt,
        Operator::Lte,
        Operator::VersionGt,
        Operator::VersionGte,
        Operator::VersionLt,
        Operator::VersionLte,
        Operator::VersionEq,
        Operator::VersionNeq,
        Operator::Before,
        Operator::After,
        Operator::On,
        Operator::ArrayContainsAny,
        Operator::ArrayContainsNone,
        Operator::ArrayContainsAll,
        Operator::NotArrayContainsAll,
    ];

    /// The word of the API and of what SDKs download.
    pub fn as_str(self) -> &'static str {
        use Operator::*;
        match self {
            Any => "any",
            None => "none",
            AnyCaseSensitive => "any_case_sensitive",
            NoneCaseSensitive => "none_case_sensitive",
            StrStartsWithAny => "str_starts_with_any",
            StrEndsWithAny => "str_ends_with_any",
            StrContainsAny => "str_contains_any",
            StrContainsNone => "str_contains_none",
            StrMatches => "str_matches",
            Eq => "eq",
            Neq => "neq",
            Gt => "gt",
            Gte => "gte",
            Lt => "lt",
            Lte => "lte",
            VersionGt => "version_gt",
            VersionGte => "version_gte",
            VersionLt => "version_lt",
            VersionLte => "version_lte",
            VersionEq => "version_eq",
            VersionNeq => "version_neq",
            Before => "before",
            After => "after",
            On => "on",
            ArrayContainsAny => "array_contains_any",
            ArrayContainsNone => "array_contains_none",
            ArrayContainsAll => "array_contains_all",
            NotArrayContainsAll => "not_array_contains_all",
        }
    }

    /// What this operator compares with.
    pub fn target(self) -> Target {
        use Operator::*;
        match self {
            Any | None | AnyCaseSensitive | NoneCaseSensitive => Target::Values,
            StrStartsWithAny | StrEndsWithAny | StrContainsAny | StrContainsNone => Target::Values,
            StrMatches => Target::Text,
            Eq | Neq => Target::Values,
            Gt | Gte | Lt | Lte => Target::Number,
            VersionGt | VersionGte | VersionLt | VersionLte | VersionEq | VersionNeq => Target::Version,
            Before | After | On => Target::Time,
            ArrayContainsAny | ArrayContainsNone | ArrayContainsAll | NotArrayContainsAll => Target::List,
        }
    }
}

impl ConditionType {
    /// The operators that fit; empty for conditions that take none.
    pub fn operators(self) -> &'static [Operator] {
        use ConditionType::*;
        match self {
            Public | PassesGate | FailsGate | PassesSegment | FailsSegment | Javascript => &[],
            EnvironmentTier | TargetApp => MEMBERSHIP,
            UserId | UnitId => IDS,
            AppVersion | BrowserVersion | OsVersion => VERSIONS,
            Time => TIMES,
            BrowserName | Country | DeviceModel | Email | IpAddress | Locale | OsName | Url => TEXTS,
            CustomField => Operator::ALL,
        }
    }

    /// What the target has to be under this operator.
    pub fn target(self, operator: Option<Operator>) -> Target {
        use ConditionType::*;
        match (self, operator) {
            (PassesGate | FailsGate, _) => Target::Gate,
            (PassesSegment | FailsSegment, _) => Target::Segment,
            (_, Some(operator)) => operator.target(),
            (_, Option::None) => Target::Nothing,
        }
    }
}

/// The word of the API for a value that is a plain word in JSON.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        other => unreachable!("an enum without data is a JSON string, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_called_the_same_everywhere() {
        for operator in Operator::ALL {
            assert_eq!(word(operator), operator.as_str());
        }
    }
}
