//! Text that must not be shown. Serialises in full, because the store and the sender need it; never prints itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A secret that Weir has to send on, such as a write key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Only for the request that has to carry it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_string())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The fields of a document that hold a secret.
pub const SECRET_FIELDS: [&str; 2] = ["writeKey", "signingSecret"];
/// What stands in a secret's place wherever a document is shown.
pub const HIDDEN: &str = "(hidden)";

/// The document with every secret replaced by [`HIDDEN`], for pages, answers, logs and change events.
pub fn without_secrets(document: &Value) -> Value {
    match document {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(_) if SECRET_FIELDS.contains(&name.as_str()) => (name.clone(), HIDDEN.into()),
                _ => (name.clone(), without_secrets(value)),
            })
            .collect(),
        Value::Array(elements) => elements.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}
