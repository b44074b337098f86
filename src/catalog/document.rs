//! JSON as a person wrote it: any value within bounds, but no field twice, because one of the two would be lost without a
//! word.

use super::mistake::Mistake;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Levels of objects and lists in one text, the outermost being the first. What is stored and told of it nests a few levels
/// deeper, and would not be read again where that came to serde_json's own bound of 127.
pub const MAX_LEVELS: usize = 64;

/// Reads JSON text, or says where it is none.
pub fn read_json(text: &str) -> Result<Value, Mistake> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reading { room: MAX_LEVELS }.deserialize(&mut deserializer);
    read.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        Mistake::new(place, format!("cannot be read as JSON: {what}"))
    })
}

/// Reads one value, which may nest `room` levels.
struct Reading {
    room: usize,
}

impl Reading {
    /// How many levels there may be inside an object or list.
    fn inside<E: Error>(&self) -> Result<usize, E> {
        let deeper = || E::custom(format_args!("nested deeper than {MAX_LEVELS} levels; flatten it"));
        self.room.checked_sub(1).ok_or_else(deeper)
    }
}

impl<'de> DeserializeSeed<'de> for Reading {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let room = self.inside()?;
        let mut elements = Vec::new();
        while let Some(element) = list.next_element_seed(Reading { room })? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let room = self.inside()?;
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the field \"{name}\" is there twice")));
            }
            fields.insert(name, map.next_value_seed(Reading { room })?);
        }
        Ok(Value::Object(fields))
    }
}
