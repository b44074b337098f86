//! Evaluation: what Statsig's model says of a user. A catalog is compiled into [`Specs`] once; SDKs download those, and
//! Weir evaluates the same, so that the two cannot disagree. Pure: no I/O, and the time is a parameter.
//!
//! The rules are those of Statsig's server SDKs, to the bit of each hash. Where the two families of SDKs differ (the
//! older one, written anew for each language, and the shared core), Weir does what the core does, unless a doc comment
//! says otherwise; `evaluate/tests/choices.rs` pins each such choice.
//!
//! Two things only an SDK can do are left to it: Weir reads no country from an IP address and no browser from a user
//! agent. Conditions on these look at the user's own fields (`country`, `browser_name`, `browser_version`, `os_name`,
//! `os_version`).

mod bucket;
mod comparison;
mod compile;
mod condition;
mod evaluation;
mod result;
mod rule;
mod specs;
mod user;

pub use bucket::{ListId, djb2, sha256_base64};
pub use condition::{Condition, ConditionType, Operator};
pub use evaluation::{Evaluation, IdLists, NoLists};
pub use result::{ConfigResult, GateResult, LayerResult, SecondaryExposure};
pub use rule::Rule;
pub use specs::{Entity, Spec, SpecMap, Specs};
pub use user::User;

/// Before the ID of a segment in the name of its spec: segments travel as gates.
pub const SEGMENT_PREFIX: &str = "segment:";

#[cfg(test)]
mod tests;
