//! Criteria: which events of a name count for a metric. Reads no event.

use super::gate::is_false;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
