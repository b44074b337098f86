//! Keyed hashes: 128 bits for a message (deduplication), 64 bits for a unit (columns). The key is random and belongs to
//! the store, so that nobody outside can make two messages collide.

use crate::event::Source;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};
use std::hash::Hasher;

/// The store's hash key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    a: u64,
    b: u64,
}

impl Keys {
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Keys {
        let whole = u128::from_le_bytes(bytes);
        Keys { a: whole as u64, b: (whole >> 64) as u64 }
    }

    /// Identifies a message within its source. Two messages share one with a probability below 2^-64 at four billion of them.
    pub fn message(&self, source: Source, message_id: &str) -> u128 {
        let mut hasher = SipHasher13x128::new_with_keys(self.a, self.b);
        hasher.write_u8(source.code());
        hasher.write(message_id.as_bytes());
        hasher.finish128().as_u128()
    }

    /// Identifies a unit within its ID type; never 0, which means "no unit".
    pub fn unit(&self, id: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.a, self.b);
        hasher.write(id.as_bytes());
        hasher.finish().max(1)
    }
}
