//! Criteria of metrics: that what is compared can be.

use super::Check;
use crate::catalog::criterion::{Criterion, CriterionCondition, CriterionType, CriterionValues};
use crate::catalog::rule::word;

/// The most criteria in a row.
pub const MAX_CRITERIA: usize = 20;
/// The most values that a criterion compares with.
pub const MAX_CRITERION_VALUES: usize = 1000;

pub(super) fn criteria(check: &mut Check, place: &str, criteria: &[Criterion]) {
    if criteria.len() > MAX_CRITERIA {
        return check.wrong(place, format!("has {} entries; may have at most {MAX_CRITERIA}", criteria.len()));
    }
    for (index, criterion) in criteria.iter().enumerate() {
        self::criterion(check, &format!("{place}[{index}]"), criterion);
    }
}

fn criterion(check: &mut Check, place: &str, criterion: &Criterion) {
    use CriterionCondition::{Contains, EndsWith, Equal, In, IsFalse, IsTrue, NonNull, NotContains, NotIn, StartsWith};
    let of_value = criterion.kind == CriterionType::Value;
    if !of_value && criterion.column.as_ref().is_none_or(|column| column.trim().is_empty()) {
        check.wrong(format!("{place}.column"), format!("is missing; {} needs a key or field", word(criterion.kind)));
    }
    let condition = word(criterion.condition);
    if of_value && matches!(criterion.condition, Contains | NotContains | StartsWith | EndsWith | IsTrue | IsFalse) {
        let message =
            format!("{condition} is for texts, and a value is a number; use =, in, >, <, is_null or their like");
        return check.wrong(format!("{place}.condition"), message);
    }
    if criterion.condition == NonNull && criterion.null_vacuous_override {
        let message = "lets events without the value pass, which non_null is to keep out; remove one of them";
        check.wrong(format!("{place}.nullVacuousOverride"), message);
    }
    let values = &criterion.values;
    if values.len() > MAX_CRITERION_VALUES {
        let message = format!("has {} entries; may have at most {MAX_CRITERION_VALUES}", values.len());
        return check.wrong(format!("{place}.values"), message);
    }
    match criterion.condition.values() {
        CriterionValues::None if !values.is_empty() => {
            check.wrong(format!("{place}.values"), format!("{condition} takes none; remove them"));
        }
        CriterionValues::Some if values.is_empty() => {
            check.wrong(format!("{place}.values"), format!("{condition} needs at least one"));
        }
        CriterionValues::OneNumber if !matches!(values.as_slice(), [one] if is_number(one.trim())) => {
            check.wrong(format!("{place}.values"), format!("{condition} needs one number"));
        }
        _ if of_value && matches!(criterion.condition, Equal | In | NotIn) => {
            // To the letter, as they are compared: a space about one would never be met.
            for (index, value) in values.iter().enumerate().filter(|(_, value)| !is_number(value)) {
                let message = format!("\"{value}\" is no number, and a value is one");
                check.wrong(format!("{place}.values[{index}]"), message);
            }
        }
        _ => {}
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}
