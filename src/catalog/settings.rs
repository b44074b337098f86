//! Settings of the whole project that are not about one thing. Limits of the process belong to the configuration, not
//! here.

use crate::event::PRODUCTION;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Settings of the whole project. What is left out keeps its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// What the names of Segment's events begin with in Weir, so that one sees where they came from.
    pub event_prefix: String,
    /// The properties of a Segment event that can be its value, in this order: the first that is a number is taken.
    pub value_properties: Vec<String>,
    /// The offset from UTC at which a day begins, such as UTC, UTC-8 or +05:30. Days are always 24 hours long.
    pub timezone: UtcOffset,
    /// For how many hours an event with a messageId that was already seen counts as a duplicate. Left out, the server's
    /// --deduplication-hours decides.
    #[schemars(range(min = 1, max = 720))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplication_hours: Option<u32>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            event_prefix: "segment::".to_string(),
            value_properties: vec!["value".to_string(), "revenue".to_string()],
            timezone: UtcOffset::UTC,
            deduplication_hours: None,
        }
    }
}

/// The environments that a project has unless it names its own.
pub const DEFAULT_ENVIRONMENTS: [&str; 3] = [PRODUCTION, "staging", "development"];

/// A fixed offset from UTC, at most 14 hours either way. Statsig's days know no daylight saving, and neither do Weir's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcOffset {
    minutes: i16,
}

impl UtcOffset {
    pub const UTC: UtcOffset = UtcOffset { minutes: 0 };
    const MAX_MINUTES: i16 = 14 * 60;

    /// Minutes to add to UTC, from -840 to 840.
    pub fn minutes(self) -> i16 {
        self.minutes
    }

    /// Reads `UTC`, `Z`, `UTC-8`, `UTC+5:30`, `-08:00` or `+0530`.
    pub fn parse(text: &str) -> Option<UtcOffset> {
        let rest = text.strip_prefix("UTC").unwrap_or(text);
        if rest.is_empty() && !text.is_empty() || rest == "Z" {
            return Some(UtcOffset::UTC);
        }
        let (sign, digits) = match rest.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = match digits.split_once(':') {
            Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
            None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
            None => (digits, "0"),
            Some(_) => return None,
        };
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 2 {
            true => text.parse::<i16>().ok(),
            false => None,
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let total = hours * 60 + minutes;
        (minutes < 60 && total <= Self::MAX_MINUTES).then_some(UtcOffset { minutes: sign * total })
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.minutes == 0 {
            return f.write_str("UTC");
        }
        let sign = if self.minutes < 0 { '-' } else { '+' };
        let size = self.minutes.unsigned_abs();
        write!(f, "UTC{sign}{:02}:{:02}", size / 60, size % 60)
    }
}

impl From<UtcOffset> for String {
    fn from(offset: UtcOffset) -> String {
        offset.to_string()
    }
}

impl TryFrom<String> for UtcOffset {
    type Error = String;

    fn try_from(text: String) -> Result<UtcOffset, String> {
        UtcOffset::parse(&text).ok_or_else(|| {
            format!(
                "is no fixed offset: \"{text}\"; must be such as UTC, UTC-8 or +05:30, for days have no daylight saving"
            )
        })
    }
}

impl JsonSchema for UtcOffset {
    fn schema_name() -> Cow<'static, str> {
        "UtcOffset".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_in_the_forms_people_write() {
        for (text, minutes) in [
            ("UTC", 0),
            ("Z", 0),
            ("UTC-8", -480),
            ("UTC+5:30", 330),
            ("-08:00", -480),
            ("+0530", 330),
            ("+14:00", 840),
            ("UTC-14", -840),
        ] {
            let offset = UtcOffset::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(offset.minutes(), minutes, "{text}");
            assert_eq!(UtcOffset::parse(&offset.to_string()), Some(offset), "{text}");
        }
        for text in ["", "Europe/Berlin", "+14:01", "+1:5", "+00:60", "+", "UTC+-3", "+123", "é", "+1é34"] {
            assert_eq!(UtcOffset::parse(text), None, "{text}");
        }
    }
}
