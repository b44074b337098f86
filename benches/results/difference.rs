//! Whether two documents say the same: numbers to a tolerance, all else to the letter.

use serde_json::Value;

/// Between sums in one order and in another.
const TOLERANCE: f64 = 1e-12;

/// The first place in which they differ, with both sides; `None` if they do not.
pub fn first(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let mut pairs = ones.iter().zip(others).enumerate();
            pairs.find_map(|(at, (one, other))| Some(format!("[{at}]{}", first(one, other)?)))
        }
        (Value::Object(ones), Value::Object(others)) if ones.len() == others.len() => {
            let mut pairs = ones.iter().map(|(key, one)| (key, one, others.get(key).unwrap_or(&Value::Null)));
            pairs.find_map(|(key, one, other)| Some(format!(".{key}{}", first(one, other)?)))
        }
        (Value::Number(_), Value::Number(_)) if close(one.as_f64(), other.as_f64()) => None,
        _ => (one != other).then(|| format!(": {one} and {other}")),
    }
}

fn close(one: Option<f64>, other: Option<f64>) -> bool {
    let Some((one, other)) = one.zip(other) else { return false };
    (one - other).abs() <= TOLERANCE * one.abs().max(other.abs())
}
