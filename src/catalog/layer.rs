//! Layers: what makes experiments exclude each other. Says nothing about which slice a unit falls in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A layer: experiments in it share its units, each taking a part that no other has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layer {
    /// What experiments and the API call it; the name if left out.
    #[serde(default)]
    pub id: String,
    /// What SDKs ask for.
    pub name: String,
    /// Whom it divides: `userID`, `stableID` or a custom ID type. Its experiments must have the same.
    pub id_type: String,
    /// Weir's own, not Statsig's: what the hash starts from. Left out it is made of kind and ID. A new one deals all units
    /// anew, and with them who is in which experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
