//! A SHA-256 digest: what is kept of a secret key, and how two documents are told apart. Never prints what it digested.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// SHA-256 of some bytes; in JSON 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Digest of a JSON document. Objects are sorted by key, so the order in which a person wrote the fields is no
    /// change.
    pub fn of_document(document: &serde_json::Value) -> Digest {
        Digest::of(document.to_string().as_bytes())
    }

    /// Compares in a time that does not depend on where the digests differ.
    pub(super) fn same(&self, other: &Digest) -> Choice {
        self.0[..].ct_eq(&other.0[..])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom("must be 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_its_json_form_and_anything_else_is_refused() {
        let digest = Digest::of(b"weir");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in ["\"\"", "\"abc\"", &text.replacen('"', "\"+", 1), &format!("\"{}\"", "é".repeat(32))] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_order_of_fields_is_no_change() {
        let one = serde_json::from_str(r#"{"a": {"x": 1, "y": 2}, "b": 2}"#).unwrap();
        let two = serde_json::from_str(r#"{"b": 2, "a": {"y": 2, "x": 1}}"#).unwrap();
        assert_eq!(Digest::of_document(&one), Digest::of_document(&two));
    }
}
