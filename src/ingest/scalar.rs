//! One JSON value as an event carries it: text, number, flag or something else. Whatever it passes over it checks as
//! strictly as `serde_json::Value` would (escapes, range of numbers), so that what is stored can be read again. Knows no event.

use super::naming::Refusal;
use crate::event::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The error text by which `refusal` below knows a document that is nested too deeply.
const TOO_DEEP: &str = "nested too deeply";
/// Above this a float no longer holds every whole number, so two IDs could become one.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// What stands in a field. Borrows text that has no escapes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    /// Not there, or null.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Flag(bool),
    /// An object or an array.
    Other,
}

/// An ID that is neither text nor a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAnId;

impl Scalar<'_> {
    pub fn text(&self) -> Option<&str> {
        match self {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An ID: text, or a number as JavaScript would print it. Nothing, null and empty text are no ID.
    pub fn id(&self) -> Result<Option<Cow<'_, str>>, NotAnId> {
        match self {
            Scalar::Absent => Ok(None),
            Scalar::Text(text) if text.is_empty() => Ok(None),
            Scalar::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Scalar::Unsigned(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Scalar::Negative(number) => Ok(Some(Cow::Owned(number.to_string()))),
            Scalar::Float(number) if number.abs() < EXACT_FLOAT => Ok(Some(Cow::Owned(number.to_string()))),
            Scalar::Float(_) | Scalar::Flag(_) | Scalar::Other => Err(NotAnId),
        }
    }

    /// A finite number, or text that is one from its first to its last character.
    pub fn number(&self) -> Option<f64> {
        let number = match self {
            Scalar::Unsigned(number) => *number as f64,
            Scalar::Negative(number) => *number as f64,
            Scalar::Float(number) => *number,
            Scalar::Text(text) => text.parse().ok()?,
            Scalar::Absent | Scalar::Flag(_) | Scalar::Other => return None,
        };
        number.is_finite().then_some(number)
    }

    /// A point in time: ISO 8601, or milliseconds since 1970 as a number or as text.
    pub fn instant(&self) -> Option<Timestamp> {
        match self {
            Scalar::Text(text) => {
                Timestamp::parse_iso(text).or_else(|| text.parse().ok().and_then(Timestamp::in_range))
            }
            Scalar::Unsigned(ms) => i64::try_from(*ms).ok().and_then(Timestamp::in_range),
            Scalar::Negative(ms) => Timestamp::in_range(*ms),
            // Rust's cast saturates, and the range check refuses what it saturated to.
            Scalar::Float(ms) => Timestamp::in_range(*ms as i64),
            Scalar::Absent | Scalar::Flag(_) | Scalar::Other => None,
        }
    }
}

/// Tells why text that is JSON could not be read as an event.
pub(super) fn refusal(error: &serde_json::Error, json_depth: u32) -> Refusal {
    let text = error.to_string();
    if text.contains(TOO_DEEP) || text.contains("recursion limit") {
        Refusal::new("too_deep", format!("nested deeper than {json_depth} levels; flatten it"))
    } else if text.contains("number out of range") {
        Refusal::new("number_out_of_range", "holds a number that no double can hold; send it as a string")
    } else {
        Refusal::new(
            "lone_surrogate",
            "holds half of a surrogate pair (\\ud800 to \\udfff), which is no character; text was cut in the middle of one",
        )
    }
}

/// One level deeper, if there is room.
pub(super) fn deeper<E: Error>(room: u32) -> Result<u32, E> {
    room.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))
}

/// Passes over a value that may nest `room` levels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skip {
    pub room: u32,
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let room = deeper(self.room)?;
        while items.next_element_seed(Skip { room })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let room = deeper(self.room)?;
        while entries.next_key_seed(Skip { room })?.is_some() {
            entries.next_value_seed(Skip { room })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::ingest::reader::Reader;

    fn read(text: &str) -> Result<Scalar<'_>, serde_json::Error> {
        let mut reader = Reader::new(text);
        reader.scalar(2).map_err(|_| Reader::new(text).reason(2))
    }

    #[test]
    fn an_id_is_text_or_a_number_that_keeps_its_digits() {
        for (text, id) in [
            ("\"u1\"", Ok(Some("u1"))),
            ("\"\"", Ok(None)),
            ("null", Ok(None)),
            ("12", Ok(Some("12"))),
            ("-12", Ok(Some("-12"))),
            ("1.5", Ok(Some("1.5"))),
            ("12.0", Ok(Some("12"))),
            ("18446744073709551615", Ok(Some("18446744073709551615"))),
            ("9007199254740991.0", Ok(Some("9007199254740991"))),
            ("9007199254740992.0", Err(NotAnId)),
            ("18446744073709551616", Err(NotAnId)),
            ("true", Err(NotAnId)),
            ("[]", Err(NotAnId)),
            ("{\"a\":1}", Err(NotAnId)),
        ] {
            assert_eq!(
                read(text).unwrap().id().map(|id| id.map(Cow::into_owned)),
                id.map(|id| id.map(String::from)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_number_is_finite_or_text_that_is_wholly_one() {
        for (text, number) in [
            ("19.99", Some(19.99)),
            // Read to the nearest double, not merely near it.
            ("0.8372346832746283", Some(0.8372346832746283)),
            ("1.7976931348623157e308", Some(f64::MAX)),
            ("-3", Some(-3.0)),
            ("7", Some(7.0)),
            ("\"19.99\"", Some(19.99)),
            ("\"1e3\"", Some(1000.0)),
            ("\"19.99 EUR\"", None),
            ("\" 1\"", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("\"1e999\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
        ] {
            assert_eq!(read(text).unwrap().number(), number, "{text}");
        }
    }

    #[test]
    fn an_instant_is_iso_or_milliseconds() {
        let at = Some(Timestamp(1_795_438_699_353));
        for (text, instant) in [
            ("\"2026-11-23T12:58:19.353Z\"", at),
            ("1795438699353", at),
            ("1795438699353.7", at),
            ("\"1795438699353\"", at),
            ("-1000", Some(Timestamp(-1000))),
            ("\"Nov 23, 2026 1:58:19 PM\"", None),
            ("1e18", None),
            ("18446744073709551615", None),
            ("true", None),
            ("null", None),
        ] {
            assert_eq!(read(text).unwrap().instant(), instant, "{text}");
        }
    }

    #[test]
    fn what_value_would_refuse_is_refused_with_its_reason() {
        for (text, code) in [
            ("1e999", "number_out_of_range"),
            ("{\"a\":[-1e999]}", "number_out_of_range"),
            ("[\"\\ud800\"]", "lone_surrogate"),
            ("[\"\\udc00\"]", "lone_surrogate"),
            ("[\"\\ud800x\"]", "lone_surrogate"),
            ("[\"\\ud800\\u0041\"]", "lone_surrogate"),
            ("{\"\\ud800\":1}", "lone_surrogate"),
            ("[[[]]]", "too_deep"),
            ("{\"a\":{\"b\":{}}}", "too_deep"),
        ] {
            assert_eq!(refusal(&read(text).unwrap_err(), 2).code, code, "{text}");
        }
        assert!(read("[[1,{}]]").is_err());
        for text in ["[[1,\"\\ud83e\\udd8a\"]]", "{\"a\":{}}", "[[]]", "\"\\u0000\""] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
