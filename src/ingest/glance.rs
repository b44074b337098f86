//! What is seen of an event that came as Statsig's do, without copying it: for whoever passes on millions of them. What a person
//! sees of it is made of this.

use super::view::text;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// See the module. Borrows all text that has no escapes.
#[derive(Debug, Clone, Default)]
pub struct Glance<'r> {
    /// As `View::metadata`: each value as text.
    pub metadata: Vec<(Cow<'r, str>, Cow<'r, str>)>,
    /// As `View::user`: values as they came.
    pub user: Vec<(Cow<'r, str>, &'r RawValue)>,
    /// What the SDK that sent it says of itself: the event's own `statsigMetadata` before that of its batch.
    pub sdk: Vec<(Cow<'r, str>, &'r RawValue)>,
    /// The text in the event's `value`, which need not be a number; `None` where it has none, and where it is empty.
    pub text_value: Option<Cow<'r, str>>,
}

/// `raw` and `shared` are as stored; text that is not what it should be shows nothing.
pub fn glance<'r>(raw: &'r str, shared: Option<&'r str>) -> Glance<'r> {
    let event = Entries::read(raw);
    let shared = shared.map(Entries::read).unwrap_or_default();
    let user = event.get("user").filter(|user| user.starts_with('{')).or_else(|| shared.get("user"));
    let metadata = Entries::of(event.get("metadata")).0;
    let mut user = Entries::of(user);
    user.0.retain(|(name, value)| name != "privateAttributes" && !is_null(value.get()));
    let mut sdk = Entries::of(event.get("statsigMetadata"));
    sdk.0.retain(|(_, value)| !is_null(value.get()));
    for (name, value) in Entries::of(shared.get("statsigMetadata")).0 {
        if !is_null(value.get()) && sdk.get(&name).is_none() {
            sdk.0.push((name, value));
        }
    }
    let text_value = event.get("value").filter(|value| value.starts_with('"')).and_then(text);
    Glance {
        metadata: metadata.into_iter().filter_map(|(name, value)| Some((name, text(value.get())?))).collect(),
        user: user.0,
        sdk: sdk.0,
        text_value: text_value.filter(|text| !text.is_empty()),
    }
}

fn is_null(json: &str) -> bool {
    json.starts_with('n')
}

/// An object's entries, each key once: the last of equal ones counts.
#[derive(Default)]
struct Entries<'r>(Vec<(Cow<'r, str>, &'r RawValue)>);

impl<'r> Entries<'r> {
    fn read(text: &'r str) -> Entries<'r> {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn of(text: Option<&'r str>) -> Entries<'r> {
        text.map(Entries::read).unwrap_or_default()
    }

    fn get(&self, name: &str) -> Option<&'r str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }
}

impl<'de: 'r, 'r> Deserialize<'de> for Entries<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect).map(Entries)
    }
}

struct Collect;

/// Up to here a look at each key that was read is cheaper than sorting them.
const FEW: usize = 32;

impl<'de> Visitor<'de> for Collect {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries: Self::Value = Vec::with_capacity(8);
        while let Some(Key(key)) = map.next_key()? {
            let value = map.next_value()?;
            let known = if entries.len() < FEW { entries.iter_mut().find(|(known, _)| *known == key) } else { None };
            match known {
                Some((_, before)) => *before = value,
                None => entries.push((key, value)),
            }
        }
        if entries.len() >= FEW {
            // Stable, so that of equal keys the last one stays last.
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.reverse();
            entries.dedup_by(|a, b| a.0 == b.0);
        }
        Ok(entries)
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'r>(Cow<'r, str>);

impl<'de: 'r, 'r> Deserialize<'de> for Key<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Key)
    }
}
