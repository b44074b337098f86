//! Hashes, exactly as Statsig's SDKs compute them: where a unit falls, what a name is called in an answer to a browser, and
//! what an ID is called in a list. Knows no rules.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt;

/// In how many parts a pass percentage divides all units: hundredths of a percent.
pub(super) const PASS_PARTS: u64 = 10_000;

/// Statsig's evaluation hash of `prefix` and `unit` written one after the other: the first eight bytes of the SHA-256,
/// read as a big-endian number.
pub(super) fn hash(prefix: &str, unit: &str) -> u64 {
    let digest = Sha256::new().chain_update(prefix).chain_update(unit).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// The djb2 hash of a name as a decimal number, over UTF-16 units as JavaScript has them.
pub fn djb2(name: &str) -> String {
    let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash.to_string()
}

/// The SHA-256 of a name in standard Base64.
pub fn sha256_base64(name: &str) -> String {
    STANDARD.encode(Sha256::digest(name))
}

/// What a unit ID is called in an ID list: the first eight characters of its SHA-256 in Base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId([u8; 8]);

impl ListId {
    pub fn of(unit: &str) -> ListId {
        let digest = Sha256::digest(unit);
        let mut text = [0; 8];
        // Six bytes are eight characters without padding.
        let written = STANDARD.encode_slice(&digest[..6], &mut text);
        debug_assert_eq!(written, Ok(8));
        ListId(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("Base64 is ASCII")
    }
}

impl fmt::Debug for ListId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
