//! The shape of a document: which fields there are and what they hold. Reads JSON into the catalog's types and lists
//! all that does not fit, where serde would stop at the first. Goes by the JSON schema that the types themselves give,
//! so that the schema, the types and this check cannot disagree. Knows nothing of what the values mean.

use super::mistake::{Mistake, one_of};
use super::project_file::SCHEMA;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a `T`, or lists what is wrong with its shape. Unknown fields are listed and then ignored, so that the rest can
/// still be checked.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(
    value: &Value,
    place: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    let mut value = value.clone();
    if !fits(&SCHEMA["$defs"][T::schema_name().as_ref()], &mut value, place, mistakes) {
        return None;
    }
    match serde_path_to_error::deserialize(value) {
        Ok(read) => Some(read),
        Err(error) => {
            let (path, message) = (error.path().to_string(), error.inner().to_string());
            let place = if path == "." { place.to_string() } else { format!("{place}.{path}") };
            mistakes.push(Mistake::new(place, message));
            None
        }
    }
}

/// Whether the value fits the schema once its unknown fields are taken out. Lists everything that does not.
fn fits(schema: &Value, value: &mut Value, place: &str, mistakes: &mut Vec<Mistake>) -> bool {
    let schema = resolve(schema);
    if let Some(branches) = schema["anyOf"].as_array() {
        // The only union that the types make: a type, or null for a value that is left out.
        let (null, other): (Vec<_>, Vec<_>) = branches.iter().partition(|branch| branch["type"] == "null");
        return match (value.is_null() && !null.is_empty(), other.first()) {
            (false, Some(branch)) => fits(branch, value, place, mistakes),
            _ => true,
        };
    }
    let words = words(schema);
    if !words.is_empty() {
        if words.contains(&&*value) {
            return true;
        }
        let known = one_of(words.iter().filter_map(|word| word.as_str()));
        mistakes.push(Mistake::new(place, format!("is {}; must be {known}", show(value))));
        return false;
    }
    if !has_type(&schema["type"], value) {
        let message = format!("is {}; must be {}", show(value), type_words(&schema["type"]));
        mistakes.push(Mistake::new(place, message));
        return false;
    }
    match value {
        Value::Object(fields) => fields_fit(schema, fields, place, mistakes),
        Value::Array(elements) => elements.iter_mut().enumerate().fold(true, |fine, (index, element)| {
            fits(&schema["items"], element, &format!("{place}[{index}]"), mistakes) && fine
        }),
        Value::Number(_) => in_range(schema, value, place, mistakes),
        _ => true,
    }
}

fn fields_fit(schema: &Value, fields: &mut Map<String, Value>, place: &str, mistakes: &mut Vec<Mistake>) -> bool {
    let known = schema["properties"].as_object();
    let mut fine = true;
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            mistakes.push(Mistake::new(format!("{place}.{required}"), "is missing"));
            fine = false;
        }
    }
    fields.retain(|name, value| {
        let inside = format!("{place}.{name}");
        if let Some(property) = known.and_then(|known| known.get(name)) {
            fine &= fits(property, value, &inside, mistakes);
        } else if schema["additionalProperties"] == Value::Bool(false) {
            let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
            mistakes.push(Mistake::new(
                inside,
                format!("is no field here; known are {}", names.collect::<Vec<_>>().join(", ")),
            ));
            return false;
        } else {
            fine &= fits(&schema["additionalProperties"], value, &inside, mistakes);
        }
        true
    });
    fine
}

fn in_range(schema: &Value, value: &Value, place: &str, mistakes: &mut Vec<Mistake>) -> bool {
    let Some(number) = value.as_f64() else { return true };
    let (low, high) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    if low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high) {
        return true;
    }
    let range = match (low, high) {
        (Some(low), Some(high)) => format!("from {low} to {high}"),
        (Some(low), None) => format!("at least {low}"),
        (_, high) => format!("at most {}", high.unwrap_or(f64::MAX)),
    };
    mistakes.push(Mistake::new(place, format!("is {value}; must be {range}")));
    false
}

fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
        Some(name) => resolve(&SCHEMA["$defs"][name]),
        None => schema,
    }
}

/// The words of an enumeration, of which some may carry a description of their own; empty if it is none.
fn words(schema: &Value) -> Vec<&Value> {
    match (schema["oneOf"].as_array(), schema["enum"].as_array(), schema.get("const")) {
        (Some(branches), _, _) => branches.iter().flat_map(words).collect(),
        (_, Some(words), _) => words.iter().collect(),
        (_, _, Some(word)) => vec![word],
        _ => Vec::new(),
    }
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |wanted: &Value| match wanted.as_str() {
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        _ => true,
    };
    match wanted {
        Value::Array(several) => several.iter().any(is),
        one => is(one),
    }
}

fn type_words(wanted: &Value) -> String {
    let say = |wanted: &Value| match wanted.as_str() {
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("string") => "a text",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "an object",
        _ => "null",
    };
    match wanted {
        Value::Array(several) => several.iter().filter(|one| *one != "null").map(say).collect::<Vec<_>>().join(" or "),
        one => say(one).to_string(),
    }
}

/// A value in a message: short, and never more than its beginning.
fn show(value: &Value) -> String {
    const SHOWN_CHARS: usize = 40;
    match value {
        Value::Array(_) => "a list".to_string(),
        Value::Object(_) => "an object".to_string(),
        Value::String(text) if text.chars().count() > SHOWN_CHARS => {
            format!("{:?}...", text.chars().take(SHOWN_CHARS).collect::<String>())
        }
        other => other.to_string(),
    }
}
