//! ID types: who can be randomised and measured. Knows the two that every project has; never looks at an event.

use crate::event::{STABLE_ID, USER_ID};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A custom ID type, such as a company or a workspace. `userID` and `stableID` are built in and not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdType {
    /// What SDKs and events call it, in `customIDs`. Letters differing only in case name the same type.
    pub name: String,
    /// What it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The ID types that every project has.
pub const BUILT_IN: [(&str, &str); 2] = [
    (USER_ID, "Who is signed in. Segment's userId."),
    (STABLE_ID, "Which device or browser. Statsig's client SDKs make it by themselves."),
];

pub(super) fn built_in() -> impl Iterator<Item = IdType> {
    BUILT_IN
        .iter()
        .map(|(name, description)| IdType { name: name.to_string(), description: Some(description.to_string()) })
}

/// The ID type of what names none.
pub(super) fn user_id() -> String {
    USER_ID.to_string()
}
