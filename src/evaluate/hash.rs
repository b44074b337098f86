//! The hashes by which Statsig's browser SDKs call gates and experiments. Knows no names.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// The djb2 hash of a name as a decimal number, over UTF-16 units as JavaScript has them.
pub fn djb2(name: &str) -> String {
    let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash.to_string()
}

/// The SHA-256 of a name in standard Base64.
pub fn sha256_base64(name: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(name))
}
