//! A point in time as a person writes it: ISO 8601 text or milliseconds. Reads no clock.

use crate::event::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// An instant in a document. Read from ISO 8601 text (without an offset it is UTC) or from milliseconds since 1970;
/// always written as ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        struct Reading;
        impl Visitor<'_> for Reading {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2026-10-01T00:00:00Z, or milliseconds since 1970")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
                let wrong = || E::custom(format!("is no time: \"{text}\"; must be such as 2026-10-01T00:00:00Z"));
                Timestamp::parse_iso(text).ok_or_else(wrong)
            }

            fn visit_i64<E: Error>(self, ms: i64) -> Result<Timestamp, E> {
                let wrong = || E::custom(format!("is no time: {ms} ms lies outside the years 1 to 9998"));
                Timestamp::in_range(ms).ok_or_else(wrong)
            }

            fn visit_u64<E: Error>(self, ms: u64) -> Result<Timestamp, E> {
                self.visit_i64(i64::try_from(ms).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_any(Reading).map(Instant)
    }
}

impl JsonSchema for Instant {
    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "ISO 8601 such as 2026-10-01T00:00:00Z (without an offset: UTC), or milliseconds since 1970."
        })
    }
}

/// For fields that hold a bare [`Timestamp`].
pub(super) mod iso {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        Instant(*time).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Instant::deserialize(deserializer).map(|instant| instant.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_milliseconds_name_the_same_instant() {
        let at = Instant(Timestamp(1_790_812_800_000));
        for text in
            ["\"2026-10-01T00:00:00Z\"", "\"2026-10-01T02:00:00+02:00\"", "\"2026-10-01T00:00\"", "1790812800000"]
        {
            assert_eq!(serde_json::from_str::<Instant>(text).unwrap(), at, "{text}");
        }
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-10-01T00:00:00.000Z\"");
        for text in ["\"tomorrow\"", "\"2026-13-01\"", "1e30", "true", "9223372036854775807"] {
            assert!(serde_json::from_str::<Instant>(text).is_err(), "{text}");
        }
    }
}
