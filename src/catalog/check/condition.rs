//! Rules and their conditions: that operator, target and references fit the type.

use super::Check;
use super::names;
use crate::catalog::instant::Instant;
use crate::catalog::item::ItemKind;
use crate::catalog::mistake::one_of;
use crate::catalog::pattern::Pattern;
use crate::catalog::rule::{Condition, ConditionType, Operator, Rule, Target, word};
use serde_json::Value;

/// Checks the rules of a gate, segment or dynamic config. Only the rules of a dynamic config give values.
pub(super) fn rules(check: &mut Check, place: &str, rules: &[Rule], give_values: bool) {
    let place = format!("{place}.rules");
    names::inner(check, &place, "rule", rules.iter().map(|rule| (&*rule.id, &*rule.name)));
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if rule.conditions.is_empty() {
            check.wrong(format!("{place}.conditions"), "is empty; for everyone use a condition of type public");
        }
        for (index, condition) in rule.conditions.iter().enumerate() {
            self::condition(check, &format!("{place}.conditions[{index}]"), condition);
        }
        if rule.environments.as_ref().is_some_and(Vec::is_empty) {
            check.wrong(
                format!("{place}.environments"),
                "is empty, so the rule would never apply; leave it out for all",
            );
        }
        for (index, environment) in rule.environments.iter().flatten().enumerate() {
            check.environment(&format!("{place}.environments[{index}]"), environment);
        }
        match &rule.return_value {
            Some(_) if !give_values => {
                check.wrong(format!("{place}.returnValue"), "is only for the rules of a dynamic config; remove it");
            }
            Some(value) if !value.is_object() => check.wrong(format!("{place}.returnValue"), "must be an object"),
            None if give_values => {
                check.wrong(format!("{place}.returnValue"), "is missing; must be the object that those who pass get");
            }
            _ => {}
        }
    }
}

fn condition(check: &mut Check, place: &str, condition: &Condition) {
    let kind = condition.kind;
    if kind == ConditionType::Javascript {
        check.wrong(format!("{place}.type"), "javascript is code that Weir does not run; use another type");
        return;
    }
    if kind == ConditionType::CustomField && condition.field.as_ref().is_none_or(|field| field.trim().is_empty()) {
        check.wrong(format!("{place}.field"), "is missing; a custom_field condition needs the name of the field");
    }
    match &condition.custom_id {
        Some(id_type) => check.id_type(&format!("{place}.customID"), id_type),
        None if kind == ConditionType::UnitId => {
            check.wrong(format!("{place}.customID"), "is missing; a unit_id condition needs an ID type");
        }
        None => {}
    }
    if !operator_fits(check, place, condition) {
        return;
    }
    target(check, place, condition);
}

fn operator_fits(check: &mut Check, place: &str, condition: &Condition) -> bool {
    let fitting = condition.kind.operators();
    let fits = match condition.operator {
        // What takes no operator may carry the one that changes nothing.
        Some(operator) if fitting.is_empty() => operator == Operator::Any,
        Some(operator) => fitting.contains(&operator),
        None => fitting.is_empty(),
    };
    if !fits {
        let kind = word(condition.kind);
        let words: Vec<String> = fitting.iter().map(word).collect();
        let wanted = match words.is_empty() {
            true => format!("{kind} takes no operator; remove it"),
            false => format!("must be {} for {kind}", one_of(words.iter().map(String::as_str))),
        };
        let found = condition
            .operator
            .map_or("is missing".to_string(), |operator| format!("\"{}\" does not fit", word(operator)));
        check.wrong(format!("{place}.operator"), format!("{found}; {wanted}"));
    }
    fits
}

fn target(check: &mut Check, place: &str, condition: &Condition) {
    let place = format!("{place}.targetValue");
    let wanted = condition.kind.target(condition.operator);
    let value = match &condition.target_value {
        // `public` looks at nothing, so whatever stands there is kept and changes nothing.
        _ if condition.kind == ConditionType::Public => return,
        Some(value) => value,
        None => return check.wrong(place, format!("is missing; must be {}", say(wanted))),
    };
    if !is(wanted, value) {
        return check.wrong(place, format!("does not fit; must be {}", say(wanted)));
    }
    match (wanted, condition.kind) {
        (Target::Gate, _) => drop(check.refers(ItemKind::Gate, &place, named(value))),
        (_, _) if condition.operator == Some(Operator::StrMatches) => {
            if let Err(why) = Pattern::new(value.as_str().unwrap_or_default()) {
                check.wrong(&place, format!("is no pattern that Weir can read ({why}); it has no look-around"));
            }
        }
        (Target::Segment, _) => drop(check.refers(ItemKind::Segment, &place, named(value))),
        (_, ConditionType::EnvironmentTier) => {
            let one = std::slice::from_ref(value);
            for name in value.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str) {
                check.environment(&place, name);
            }
        }
        _ => {}
    }
}

/// The gate or segment that a target names.
pub(super) fn named(target: &Value) -> &str {
    target.get(0).unwrap_or(target).as_str().unwrap_or_default()
}

fn is(wanted: Target, value: &Value) -> bool {
    let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    match wanted {
        Target::Nothing => true,
        Target::Gate | Target::Segment => match value {
            Value::Array(one) => one.len() == 1 && one[0].is_string(),
            other => other.is_string(),
        },
        Target::Values => plain(value) || value.as_array().is_some_and(|list| list.iter().all(plain)),
        Target::List => value.as_array().is_some_and(|list| list.iter().all(plain)),
        Target::Text => value.is_string(),
        Target::Number => {
            let number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
            value.is_number() || value.as_str().is_some_and(number)
        }
        Target::Version => value.as_str().is_some_and(is_version),
        Target::Time => {
            let milliseconds = |text: &str| text.parse::<u64>().is_ok();
            value.as_str().is_some_and(milliseconds) || serde_json::from_value::<Instant>(value.clone()).is_ok()
        }
    }
}

/// Numbers with dots between; what follows the first hyphen does not matter.
fn is_version(text: &str) -> bool {
    let numbers = text.split('-').next().unwrap_or_default();
    numbers.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn say(wanted: Target) -> &'static str {
    match wanted {
        Target::Nothing => "left out",
        Target::Gate => "the ID of one gate",
        Target::Segment => "the ID of one segment",
        Target::Values => "a text or number, or a list of them",
        Target::List => "a list of texts or numbers",
        Target::Text => "a text",
        Target::Number => "a number",
        Target::Version => "a version such as \"1.2.3\"",
        Target::Time => "a time such as \"2026-10-01T00:00:00Z\" or milliseconds since 1970",
    }
}
