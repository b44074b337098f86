//! Reads the entries of a JSON object that matter and passes over the others. Unlike a derived struct it lets the last of
//! two equal keys win, as JavaScript does, and takes any other value for an empty object. Knows no event.

use super::scalar::{Scalar, ScalarSeed, Skip, deeper};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What an object's entries are read into.
pub(super) trait Entries<'de> {
    /// Which entry a key names.
    type Key;

    fn key(&self, name: &str) -> Self::Key;

    /// Takes the value of one entry, which may nest `room` levels.
    fn entry<A: MapAccess<'de>>(&mut self, key: Self::Key, entries: &mut A, room: u32) -> Result<(), A::Error>;
}

/// Reads an object into `into`; tells whether it was one.
pub(super) struct Object<'x, T> {
    pub into: &'x mut T,
    pub room: u32,
}

impl<'de, T: Entries<'de>> DeserializeSeed<'de> for Object<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Every visit that is not the one wanted, answered with the same value.
macro_rules! otherwise {
    ($value:ty, $answer:expr, $($visit:ident: $what:ty),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        fn visit_unit<E>(self) -> Result<$value, E> {
            Ok($answer)
        }

        $(fn $visit<E>(self, _: $what) -> Result<$value, E> {
            Ok($answer)
        })*
    };
}

impl<'de, T: Entries<'de>> Visitor<'de> for Object<'_, T> {
    type Value = bool;

    otherwise!(bool, false, visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<bool, A::Error> {
        Skip { room: self.room }.visit_seq(items)?;
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        let room = deeper(self.room)?;
        while let Some(key) = entries.next_key_seed(KeySeed { entries: &*self.into, key: PhantomData })? {
            self.into.entry(key, &mut entries, room)?;
        }
        Ok(true)
    }
}

struct KeySeed<'x, T, K> {
    entries: &'x T,
    key: PhantomData<K>,
}

impl<'de, T: Entries<'de>> DeserializeSeed<'de> for KeySeed<'_, T, T::Key> {
    type Value = T::Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, T: Entries<'de>> Visitor<'de> for KeySeed<'_, T, T::Key> {
    type Value = T::Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<T::Key, E> {
        Ok(self.entries.key(name))
    }
}

/// Reads an array of scalars; anything else is no items.
pub(super) struct List<'x, 'de> {
    pub into: &'x mut Vec<Scalar<'de>>,
    pub room: u32,
}

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.into.clear();
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    otherwise!((), (), visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        Skip { room: self.room }.visit_map(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let room = deeper(self.room)?;
        while let Some(item) = items.next_element_seed(ScalarSeed { room })? {
            self.into.push(item);
        }
        Ok(())
    }
}

/// Reads one entry's value as a scalar.
pub(super) fn scalar<'de, A: MapAccess<'de>>(entries: &mut A, room: u32) -> Result<Scalar<'de>, A::Error> {
    entries.next_value_seed(ScalarSeed { room })
}

/// Passes over one entry's value.
pub(super) fn skip<'de, A: MapAccess<'de>>(entries: &mut A, room: u32) -> Result<(), A::Error> {
    entries.next_value_seed(Skip { room })
}
