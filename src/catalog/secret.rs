//! Text that must not be shown. Serialises in full, because the store and the sender need it; never prints itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
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
const SECRET_FIELDS: [&str; 2] = ["writeKey", "signingSecret"];
/// The field that holds an address of the user's. What stands behind the host of such an address is often a token.
const ADDRESS_FIELD: &str = "url";
/// What stands in a secret's place wherever a document is shown.
pub const HIDDEN: &str = "(hidden)";

/// The document with every secret replaced by [`HIDDEN`], for pages, answers, logs and change events.
pub fn without_secrets(document: &Value) -> Value {
    match document {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), field_without_secrets(name, value))).collect()
        }
        Value::Array(elements) => elements.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}

fn field_without_secrets(name: &str, value: &Value) -> Value {
    match value {
        Value::String(_) if SECRET_FIELDS.contains(&name) => HIDDEN.into(),
        Value::String(address) if name == ADDRESS_FIELD => address_without_secrets(address).into(),
        other => without_secrets(other),
    }
}

/// Scheme, host and port of an address; all behind them is hidden, if there is anything.
fn address_without_secrets(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return HIDDEN.to_owned() };
    match rest.find(['/', '?', '#']) {
        Some(at) if &rest[at..] != "/" => format!("{scheme}://{}/{HIDDEN}", &rest[..at]),
        _ => address.to_owned(),
    }
}

/// Puts each secret that was sent as it is shown back as it was: who reads a document, changes it and sends it back does not
/// know its secrets. One that was never there is left out.
pub fn with_secrets(fields: &mut Map<String, Value>, before: &Value) {
    for name in SECRET_FIELDS.into_iter().chain([ADDRESS_FIELD]) {
        let Some(sent) = fields.get(name) else { continue };
        match before.get(name) {
            Some(kept) if *sent == field_without_secrets(name, kept) => {
                drop(fields.insert(name.to_owned(), kept.clone()))
            }
            None if sent == HIDDEN => drop(fields.remove(name)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_an_address_only_the_host_is_shown() {
        for (address, shown) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com/", "https://example.com/"),
            ("http://[::1]:8080/hook/T0K3N", "http://[::1]:8080/(hidden)"),
            ("https://example.com?token=T0K3N", "https://example.com/(hidden)"),
            ("https://example.com/?token=T0K3N", "https://example.com/(hidden)"),
            ("https://example.com#T0K3N", "https://example.com/(hidden)"),
            ("T0K3N", "(hidden)"),
        ] {
            assert_eq!(without_secrets(&json!({"url": address})), json!({"url": shown}), "{address}");
        }
        assert_eq!(without_secrets(&json!({"url": null})), json!({"url": null}));
    }

    #[test]
    fn what_is_sent_back_as_it_was_shown_stays_and_nothing_else_does() {
        let before = json!({"url": "https://example.com/T0K3N", "signingSecret": "hush", "exposures": true});
        let back = |sent: Value| {
            let mut fields = sent.as_object().unwrap().clone();
            with_secrets(&mut fields, &before);
            Value::Object(fields)
        };
        assert_eq!(back(without_secrets(&before)), before);
        for other in [
            json!({"url": "https://elsewhere.example/(hidden)"}),
            json!({"url": "https://example.com/other"}),
            json!({"url": null, "signingSecret": null}),
            json!({"signingSecret": "another"}),
        ] {
            assert_eq!(back(other.clone()), other);
        }
        assert_eq!(back(json!({"writeKey": HIDDEN})), json!({}), "there never was one");
    }
}
