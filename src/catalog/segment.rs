//! Segments: named sets of units, by a list of IDs or by rules. Not Twilio Segment, which is an integration.

use super::id_type::user_id;
use super::rule::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named set of units that gates can ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Segment {
    /// What conditions and the API call it; the name if left out. For a Segment audience its `audience_key`.
    #[serde(default)]
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it is a list of IDs or a set of rules.
    #[serde(rename = "type")]
    pub kind: SegmentType,
    /// Whose IDs these are: `userID`, `stableID` or a custom ID type.
    #[serde(default = "user_id")]
    pub id_type: String,
    /// Who is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The members. Only in a segment of type `id_list`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The rules, in order. Only in a segment of type `rule_based`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// How a segment's members are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentType {
    IdList,
    RuleBased,
}
