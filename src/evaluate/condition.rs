//! One condition of a rule, in Statsig's shape and made ready to be evaluated. Knows no user.

use super::comparison::{Comparison, Source, Test};
use super::user::{FieldName, UnitType};
use crate::catalog;
use serde_json::Value;

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionType {
    Public,
    PassGate,
    FailGate,
    UserField,
    EnvironmentField,
    UnitId,
    UserBucket,
    CurrentTime,
    IpBased,
    UaBased,
    TargetApp,
}

impl ConditionType {
    pub const ALL: [ConditionType; 11] = [
        ConditionType::Public,
        ConditionType::PassGate,
        ConditionType::FailGate,
        ConditionType::UserField,
        ConditionType::EnvironmentField,
        ConditionType::UnitId,
        ConditionType::UserBucket,
        ConditionType::CurrentTime,
        ConditionType::IpBased,
        ConditionType::UaBased,
        ConditionType::TargetApp,
    ];

    /// The word for `type` in a download.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionType::Public => "public",
            ConditionType::PassGate => "pass_gate",
            ConditionType::FailGate => "fail_gate",
            ConditionType::UserField => "user_field",
            ConditionType::EnvironmentField => "environment_field",
            ConditionType::UnitId => "unit_id",
            ConditionType::UserBucket => "user_bucket",
            ConditionType::CurrentTime => "current_time",
            ConditionType::IpBased => "ip_based",
            ConditionType::UaBased => "ua_based",
            ConditionType::TargetApp => "target_app",
        }
    }
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// One of those that a person can choose.
    Of(catalog::Operator),
    InSegmentList,
    NotInSegmentList,
}

impl Operator {
    /// The word for `operator` in a download.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Of(operator) => operator.as_str(),
            Operator::InSegmentList => "in_segment_list",
            Operator::NotInSegmentList => "not_in_segment_list",
        }
    }
}

/// One condition of a rule.
#[derive(Debug)]
pub struct Condition {
    pub kind: ConditionType,
    /// None for `public` and for gates.
    pub operator: Option<Operator>,
    /// What the value is compared with. Lists are of texts; a number is a number; a time is milliseconds.
    pub target: Value,
    pub field: Option<String>,
    /// `additionalValues.salt`, for a bucket.
    pub salt: Option<String>,
    pub id_type: UnitType,
    pub(super) comparison: Comparison,
}

impl Condition {
    /// A condition that looks at a field of the user, the environment or the like.
    pub(super) fn new(
        kind: ConditionType,
        operator: Option<Operator>,
        target: Value,
        field: Option<&str>,
        salt: Option<&str>,
        id_type: &str,
    ) -> Condition {
        let unit = UnitType::new(id_type);
        let name = || FieldName::new(field.unwrap_or_default());
        let test = operator.and_then(|operator| Test::new(operator, &target));
        let compare = |source, test: Option<Test>| match test {
            Some(test) => Comparison::Value { source, test },
            None => Comparison::Unsupported,
        };
        let comparison = match kind {
            ConditionType::Public => Comparison::Always,
            ConditionType::PassGate | ConditionType::FailGate => {
                Comparison::Gate { gate: None, wanted: kind == ConditionType::PassGate }
            }
            ConditionType::UserBucket => match test {
                Some(test) => Comparison::bucket(format!("{}.", salt.unwrap_or_default()), &test),
                None => Comparison::Unsupported,
            },
            ConditionType::UserField | ConditionType::IpBased | ConditionType::UaBased => {
                compare(Source::Field(name()), test)
            }
            ConditionType::EnvironmentField => compare(Source::Environment(name()), test),
            ConditionType::UnitId => compare(Source::Unit, test),
            ConditionType::CurrentTime => compare(Source::Now, test),
            ConditionType::TargetApp => compare(Source::Nothing, test),
        };
        Condition {
            kind,
            operator,
            target,
            field: field.map(str::to_string),
            salt: salt.map(str::to_string),
            id_type: unit,
            comparison,
        }
    }

    pub(super) fn public(id_type: &str) -> Condition {
        Condition::new(ConditionType::Public, None, Value::Null, None, None, id_type)
    }

    /// That a gate passes or fails, by the name of its spec.
    pub(super) fn gate(name: &str, wanted: bool, id_type: &str) -> Condition {
        let kind = if wanted { ConditionType::PassGate } else { ConditionType::FailGate };
        Condition::new(kind, None, name.into(), None, None, id_type)
    }

    /// That the user's bucket under a salt compares with a target.
    pub(super) fn bucket(salt: &str, operator: catalog::Operator, target: Value, id_type: &str) -> Condition {
        Condition::new(ConditionType::UserBucket, Some(Operator::Of(operator)), target, None, Some(salt), id_type)
    }

    /// The ID list that it asks for.
    pub(super) fn id_list(&self) -> Option<&str> {
        match self.operator {
            Some(Operator::InSegmentList | Operator::NotInSegmentList) => self.target.as_str(),
            _ => None,
        }
    }
}
