//! One line of an export file: which wire it is from, and the small changes that make it safe to send again. Leaves
//! everything else of the line as it was written.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fmt;

/// Which door a line goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Segment,
    Statsig,
}

/// An event that can be sent, as JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct EventLine {
    pub wire: Wire,
    pub json: String,
}

/// Why a line is no event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    #[error("not UTF-8 (byte {0})")]
    NotUtf8(usize),
    #[error("not a JSON object: {0}")]
    NotAnObject(String),
    #[error("neither a Statsig event (`eventName`) nor a Segment event (`type`)")]
    NoEvent,
}

/// Where a line stands; a line without a messageId gets one made of this and its content, the same each time.
pub struct Origin<'a> {
    /// The file's name without folders, so that a moved file keeps its IDs.
    pub file: &'a str,
    /// The first line is 1.
    pub line: u64,
}

/// Reads a line. A Segment event loses `sentAt` (with it the server would move history by the age of the file) and
/// `writeKey` (it is another source's), gets a `timestamp` from `originalTimestamp` or `receivedAt` where it has none, and a
/// `messageId` where it has none. A Statsig event gets a `messageId` where it has none, because one without a time would be
/// another event each time, and stays as it is otherwise.
pub fn read(line: &[u8], origin: &Origin) -> Result<EventLine, BadLine> {
    let text = std::str::from_utf8(line).map_err(|error| BadLine::NotUtf8(error.valid_up_to()))?.trim();
    let Fields(fields) = serde_json::from_str(text).map_err(|error| BadLine::NotAnObject(without_line(&error)))?;
    let has = |name: &str| fields.iter().any(|(key, value)| key == name && is_set(value));
    let wire = match (has("eventName"), has("type")) {
        (true, _) => Wire::Statsig,
        (false, true) => Wire::Segment,
        (false, false) => return Err(BadLine::NoEvent),
    };
    if wire == Wire::Statsig && has("messageId") {
        return Ok(EventLine { wire, json: text.to_owned() });
    }
    let mut kept: Vec<(&str, &str)> = Vec::with_capacity(fields.len() + 2);
    for (key, value) in &fields {
        let dropped = match (wire, key.as_str()) {
            (Wire::Segment, "sentAt" | "writeKey") => true,
            (Wire::Segment, "timestamp") | (_, "messageId") => !is_set(value),
            _ => false,
        };
        if !dropped {
            kept.push((key, value.get()));
        }
    }
    let fallback = ["originalTimestamp", "receivedAt"];
    let time = fallback.iter().find_map(|name| fields.iter().find(|(key, value)| key == name && is_set(value)));
    if let Some((_, time)) = time.filter(|_| wire == Wire::Segment && !has("timestamp")) {
        kept.push(("timestamp", time.get()));
    }
    let made = format!("\"{}\"", message_id(text, origin));
    if !has("messageId") {
        kept.push(("messageId", &made));
    }
    Ok(EventLine { wire, json: object(&kept) })
}

/// An ID of the form `import-<32 hexadecimal digits>-<line>`, well under the 100 characters that Segment allows.
fn message_id(text: &str, origin: &Origin) -> String {
    let mut hash = Sha256::new();
    hash.update(origin.file.as_bytes());
    hash.update([0]);
    hash.update(text.as_bytes());
    let digits: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("import-{digits}-{}", origin.line)
}

fn is_set(value: &RawValue) -> bool {
    !matches!(value.get(), "null" | "\"\"")
}

fn object(fields: &[(&str, &str)]) -> String {
    let mut json = String::from("{");
    for (n, (key, value)) in fields.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        json.push_str(&serde_json::to_string(key).expect("a string always serialises"));
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// serde_json counts lines inside the text; here the text is one line, whose number in the file is told elsewhere.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.replace(
        &format!(" at line {} column {}", error.line(), error.column()),
        &format!(" at column {}", error.column()),
    )
}

/// An object's fields in their order, values untouched.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64) -> Origin<'static> {
        Origin { file: "export.ndjson", line }
    }

    #[test]
    fn each_line_goes_through_its_own_door() {
        for (line, expected) in [
            (r#"{"type":"track","event":"A","messageId":"m"}"#, Ok(Wire::Segment)),
            (r#"{"eventName":"A","time":1}"#, Ok(Wire::Statsig)),
            (r#"{"eventName":"A","type":"track"}"#, Ok(Wire::Statsig)),
            (r#"{"event":"A"}"#, Err(BadLine::NoEvent)),
            (r#"{"type":null}"#, Err(BadLine::NoEvent)),
            (r#"{"batch":[]}"#, Err(BadLine::NoEvent)),
        ] {
            assert_eq!(read(line.as_bytes(), &at(1)).map(|read| read.wire), expected, "{line}");
        }
    }

    #[test]
    fn history_keeps_its_time_and_every_other_byte() {
        for (line, sent) in [
            (
                r#"{"messageId":"m","type":"track","sentAt":"2020-01-01T00:00:09Z","timestamp":"2020-01-01T00:00:00Z","properties":{"b":1.10,"a":12345678901234567890}}"#,
                r#"{"messageId":"m","type":"track","timestamp":"2020-01-01T00:00:00Z","properties":{"b":1.10,"a":12345678901234567890}}"#,
            ),
            (
                r#"{"type":"page","messageId":"m","originalTimestamp":"2020-01-01","receivedAt":"2021-01-01","writeKey":"w"}"#,
                r#"{"type":"page","messageId":"m","originalTimestamp":"2020-01-01","receivedAt":"2021-01-01","timestamp":"2020-01-01"}"#,
            ),
            (
                r#" {"type":"page","messageId":"m","timestamp":null,"receivedAt":"2021-01-01"} "#,
                r#"{"type":"page","messageId":"m","receivedAt":"2021-01-01","timestamp":"2021-01-01"}"#,
            ),
        ] {
            assert_eq!(read(line.as_bytes(), &at(1)).unwrap().json, sent);
        }
    }

    #[test]
    fn a_missing_id_is_made_the_same_way_each_time() {
        let id = |line: &str, origin: Origin| {
            let json = read(line.as_bytes(), &origin).unwrap().json;
            serde_json::from_str::<serde_json::Value>(&json).unwrap()["messageId"].as_str().unwrap().to_owned()
        };
        let line = r#"{"type":"track","event":"A","messageId":""}"#;
        let first = id(line, at(7));
        assert!(first.starts_with("import-") && first.ends_with("-7") && first.len() <= 100, "{first}");
        assert_eq!(first, id(line, at(7)));
        assert_ne!(first, id(line, at(8)), "the same event twice in a file is two events");
        assert_ne!(first, id(line, Origin { file: "other.ndjson", line: 7 }));
        assert_ne!(first, id(r#"{"type":"track","event":"B"}"#, at(7)));
        assert_eq!(id(r#"{"type":"track","messageId":"kept"}"#, at(1)), "kept");
        let statsig = r#"{"eventName":"A","messageId":null,"sentAt":1,"timestamp":null,"receivedAt":2}"#;
        assert_eq!(id(statsig, at(7)), id(statsig, at(7)));
        assert_ne!(id(statsig, at(7)), id(statsig, at(8)));
        let sent = read(statsig.as_bytes(), &at(7)).unwrap().json;
        let rest = r#"{"eventName":"A","sentAt":1,"timestamp":null,"receivedAt":2,"messageId":"import-"#;
        assert!(sent.starts_with(rest), "the rest stays: {sent}");
        let own = r#"{"eventName" : "A","messageId":"kept"}"#;
        assert_eq!(read(own.as_bytes(), &at(7)).unwrap().json, own);
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        for (line, what) in [
            (b"{\"type\":\"tr\xff\"}".as_slice(), "not UTF-8 (byte 11)"),
            (b"[1]", "not a JSON object: invalid type: sequence, expected an object at column 0"),
            (b"{\"type\":\"track\"", "not a JSON object: EOF while parsing an object at column 15"),
            (b"{\"type\":\"track\"} x", "not a JSON object: trailing characters at column 18"),
            (b"{}", "neither a Statsig event (`eventName`) nor a Segment event (`type`)"),
        ] {
            assert_eq!(read(line, &at(1)).unwrap_err().to_string(), what);
        }
    }
}
