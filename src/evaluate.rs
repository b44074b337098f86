//! Deciding, exactly as Statsig's SDKs decide. So far: what they call a name by its hash.

mod hash;

pub use hash::{djb2, sha256_base64};
