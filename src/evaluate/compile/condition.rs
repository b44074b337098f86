//! A person's condition in Statsig's words. Targets take the one form that both families of SDKs read alike: lists of
//! texts, numbers as numbers, times as milliseconds.

use super::super::SEGMENT_PREFIX;
use super::super::condition::{Condition, ConditionType, Operator};
use super::{Compiler, texts};
use crate::catalog::{self, Instant, Target};
use serde_json::{Number, Value};

impl Compiler<'_> {
    /// One condition of a rule whose spec has this ID type.
    pub(super) fn condition(&self, condition: &catalog::Condition, id_type: &str) -> Condition {
        use catalog::ConditionType as From;
        let target = condition.target_value.as_ref();
        let named = || target.map(|target| target.get(0).unwrap_or(target)).and_then(Value::as_str).unwrap_or_default();
        let field = |kind, name: &str| {
            let operator = condition.operator.map(Operator::Of);
            Condition::new(kind, operator, self.target(condition), Some(name), None, id_type)
        };
        match condition.kind {
            // Code is refused by the catalog's checks.
            From::Public | From::Javascript => Condition::public(id_type),
            From::PassesGate | From::FailsGate => {
                let gate = self.catalog.gate(named()).map_or(named(), |gate| &gate.name);
                Condition::gate(gate, condition.kind == From::PassesGate, id_type)
            }
            From::PassesSegment | From::FailsSegment => {
                let segment = self.catalog.segment(named()).map_or(named(), |segment| &segment.id);
                let name = format!("{SEGMENT_PREFIX}{segment}");
                Condition::gate(&name, condition.kind == From::PassesSegment, id_type)
            }
            From::EnvironmentTier => {
                let tiers: Vec<String> = match self.target(condition) {
                    Value::Array(tiers) => tiers.iter().filter_map(Value::as_str).map(str::to_string).collect(),
                    _ => Vec::new(),
                };
                let is_in = |tier: &String| tiers.iter().any(|one| one.eq_ignore_ascii_case(tier));
                let wanted = condition.operator != Some(catalog::Operator::None);
                let allowed = self.catalog.environments().iter().filter(|tier| is_in(tier) == wanted);
                let allowed: Vec<String> = allowed.cloned().collect();
                self.environments(&allowed, id_type).unwrap_or_else(|| Condition::public(id_type))
            }
            From::UnitId => {
                let operator = condition.operator.map(Operator::Of);
                let of = self.id_type(condition.custom_id.as_deref().unwrap_or(id_type));
                Condition::new(ConditionType::UnitId, operator, self.target(condition), None, None, of)
            }
            From::TargetApp => {
                let operator = condition.operator.map(Operator::Of);
                Condition::new(ConditionType::TargetApp, operator, self.target(condition), None, None, id_type)
            }
            From::Time => {
                let operator = condition.operator.map(Operator::Of);
                Condition::new(ConditionType::CurrentTime, operator, self.target(condition), None, None, id_type)
            }
            From::BrowserName => field(ConditionType::UaBased, "browser_name"),
            From::BrowserVersion => field(ConditionType::UaBased, "browser_version"),
            From::OsName => field(ConditionType::UaBased, "os_name"),
            From::OsVersion => field(ConditionType::UaBased, "os_version"),
            From::Country => field(ConditionType::IpBased, "country"),
            From::AppVersion => field(ConditionType::UserField, "appVersion"),
            From::DeviceModel => field(ConditionType::UserField, "deviceModel"),
            From::Email => field(ConditionType::UserField, "email"),
            From::IpAddress => field(ConditionType::UserField, "ip"),
            From::Locale => field(ConditionType::UserField, "locale"),
            From::Url => field(ConditionType::UserField, "url"),
            From::UserId => field(ConditionType::UserField, "userID"),
            From::CustomField => field(ConditionType::UserField, condition.field.as_deref().unwrap_or_default()),
        }
    }

    /// That the environment is one of some; none if that is always so. A user without an environment, or of one that the
    /// project does not have, counts as one of production: where production is allowed, the condition is that the
    /// environment is none of the others, for SDKs differ in what `any` makes of a missing value but not in this.
    pub(super) fn environments(&self, allowed: &[String], id_type: &str) -> Option<Condition> {
        let has_production = allowed.iter().any(|tier| tier == crate::event::PRODUCTION);
        let (operator, tiers) = match has_production {
            true => {
                let others = self.catalog.environments().iter().filter(|tier| !allowed.contains(tier));
                (catalog::Operator::None, others.cloned().collect())
            }
            false => (catalog::Operator::Any, allowed.to_vec()),
        };
        let always = has_production && tiers.is_empty();
        let kind = ConditionType::EnvironmentField;
        let condition =
            || Condition::new(kind, Some(Operator::Of(operator)), texts(&tiers), Some("tier"), None, id_type);
        (!always).then(condition)
    }

    fn target(&self, condition: &catalog::Condition) -> Value {
        let Some(target) = &condition.target_value else { return Value::Null };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
            other => other.to_string(),
        };
        let list = |value: &Value| match value {
            Value::Array(elements) => elements.iter().map(text).collect::<Vec<String>>().into(),
            one => texts(&[text(one)]),
        };
        match (condition.kind.target(condition.operator), condition.operator) {
            // Compared with the value as it is, so a number stays one.
            (Target::Values, Some(catalog::Operator::Eq | catalog::Operator::Neq)) => match target {
                Value::Array(_) => list(target),
                one => one.clone(),
            },
            (Target::Values | Target::List, _) => list(target),
            (Target::Number, _) => number(target),
            (Target::Time, _) => milliseconds(target),
            _ => target.clone(),
        }
    }
}

fn number(target: &Value) -> Value {
    let Some(text) = target.as_str() else { return target.clone() };
    let text = text.trim();
    match (text.parse::<i64>(), text.parse().ok().and_then(Number::from_f64)) {
        (Ok(whole), _) => whole.into(),
        (Err(_), Some(number)) => Value::Number(number),
        (Err(_), None) => target.clone(),
    }
}

fn milliseconds(target: &Value) -> Value {
    match target.as_str().map(str::parse::<i64>) {
        Some(Ok(milliseconds)) => milliseconds.into(),
        _ => serde_json::from_value::<Instant>(target.clone()).map_or_else(|_| target.clone(), |at| at.0.0.into()),
    }
}
