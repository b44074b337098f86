//! Criteria of metrics: that what is compared can be.

use super::Check;
use crate::catalog::criterion::{Criterion, CriterionCondition, CriterionType, CriterionValues};
use crate::catalog::rule::word;

pub(super) fn criteria(check: &mut Check, place: &str, criteria: &[Criterion]) {
    for (index, criterion) in criteria.iter().enumerate() {
        self::criterion(check, &format!("{place}[{index}]"), criterion);
    }
}

fn criterion(check: &mut Check, place: &str, criterion: &Criterion) {
    use CriterionCondition::{Contains, EndsWith, Equal, In, IsFalse, IsTrue, NotContains, NotIn, StartsWith};
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
    let values = &criterion.values;
    match criterion.condition.values() {
        CriterionValues::None if !values.is_empty() => {
            check.wrong(format!("{place}.values"), format!("{condition} takes none; remove them"));
        }
        CriterionValues::Some if values.is_empty() => {
            check.wrong(format!("{place}.values"), format!("{condition} needs at least one"));
        }
        CriterionValues::OneNumber if !matches!(values.as_slice(), [one] if is_number(one)) => {
            check.wrong(format!("{place}.values"), format!("{condition} needs one number"));
        }
        _ if of_value && matches!(criterion.condition, Equal | In | NotIn) => {
            for (index, value) in values.iter().enumerate().filter(|(_, value)| !is_number(value)) {
                let message = format!("\"{value}\" is no number, and a value is one");
                check.wrong(format!("{place}.values[{index}]"), message);
            }
        }
        _ => {}
    }
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(f64::is_finite)
}
