//! Integrations: what comes in from Segment and its siblings, and what goes out. Says what is wanted; sends and
//! receives nothing.

use super::secret::Secret;
use crate::event::STABLE_ID;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Exposures and configuration changes, which go out by categories of their own: no custom events, whoever sends them.
pub const NO_CUSTOM_EVENTS: [&str; 5] = [
    "statsig::gate_exposure",
    "statsig::config_exposure",
    "statsig::layer_exposure",
    "statsig::experiment_exposure",
    "statsig::config_change",
];

/// Segment and its siblings. What is left out keeps its default: incoming is on, outgoing is off.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Integrations {
    /// Twilio Segment, in both directions.
    pub segment: SegmentIntegration,
    /// RudderStack, which posts Segment-shaped messages.
    pub rudderstack: RudderstackIntegration,
    /// The generic webhook, in both directions.
    pub webhook: WebhookIntegration,
}

/// Twilio Segment, in both directions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SegmentIntegration {
    /// Events that Segment or its SDKs send to Weir.
    pub incoming: Incoming,
    /// Events that Weir sends to Segment.
    pub outgoing: SegmentOutgoing,
}

/// RudderStack, which posts Segment-shaped messages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RudderstackIntegration {
    /// Events that RudderStack sends to Weir.
    pub incoming: Incoming,
}

/// The generic webhook, in both directions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookIntegration {
    /// Events that are posted to Weir's event webhook.
    pub incoming: Incoming,
    /// Events that Weir posts to a URL of yours.
    pub outgoing: WebhookOutgoing,
}

/// What is taken of the events that come in from one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Incoming {
    /// Whether events are taken at all. A disabled integration answers 403.
    pub is_enabled: bool,
    /// Which fields of a message name which units, beside userId. `statsigCustomIDs` in an event, or the IDs of a webhook's
    /// `user`, win over this; of two rows with one ID type the first whose field has a value does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub map_identifiers: Vec<MapIdentifier>,
    /// Whether an event whose name is not in `events` is taken.
    pub include_new_events: bool,
    /// Event names, without the prefix, and whether each is taken: `Order Completed`, `page:Home`, `screen:Cart`, `page`,
    /// `group`, `identify`, `alias`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, bool>,
}

/// A top-level field of a message, and the ID type whose unit it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MapIdentifier {
    /// The name of a top-level field, such as `anonymousId`. A field within an object cannot be named.
    pub field: String,
    /// `userID`, `stableID` or a custom ID type.
    pub id_type: String,
}

/// What Weir sends to Segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SegmentOutgoing {
    /// Whether events are sent. Needs a write key.
    pub is_enabled: bool,
    /// The write key of the Segment source that receives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_key: Option<Secret>,
    /// Where Segment's tracking API is: http or https.
    pub base_url: String,
    /// The ID type whose unit is sent as anonymousId.
    pub anonymous_id_from: String,
    /// Whether bodies are compressed with gzip.
    #[serde(skip_serializing_if = "is_off")]
    pub gzip: bool,
    /// Whether exposures of gates and experiments are sent.
    pub exposures: bool,
    /// Whether only a unit's first exposure to each gate and experiment is sent.
    #[serde(skip_serializing_if = "is_off")]
    pub first_exposures_only: bool,
    /// Whether changes of gates, experiments and other settings are sent.
    pub config_changes: bool,
    /// Whether a custom event whose name is not in `events` is sent.
    pub include_new_events: bool,
    /// Names of custom events, and whether each is sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, bool>,
}

/// What Weir posts to a URL of yours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookOutgoing {
    /// Whether events are posted. Needs a URL.
    pub is_enabled: bool,
    /// Where to post: http or https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The secret of the signature header; without one posts are not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<Secret>,
    /// Whether exposures of gates and experiments are posted.
    pub exposures: bool,
    /// Whether only a unit's first exposure to each gate and experiment is posted.
    #[serde(skip_serializing_if = "is_off")]
    pub first_exposures_only: bool,
    /// Whether changes of gates, experiments and other settings are posted.
    pub config_changes: bool,
    /// Whether a custom event whose name is not in `events` is posted.
    pub include_new_events: bool,
    /// Names of custom events, and whether each is posted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub events: BTreeMap<String, bool>,
}

/// So that a stored item, and its version, stay as they were before there was such a field.
fn is_off(flag: &bool) -> bool {
    !flag
}

/// Whether a name passes: by its own entry, else as names without one do.
pub fn passes(events: &BTreeMap<String, bool>, include_new_events: bool, name: &str) -> bool {
    events.get(name).copied().unwrap_or(include_new_events)
}

/// What is chosen of the events that could go out, whatever the destination.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingEvents<'a> {
    pub exposures: bool,
    pub first_exposures_only: bool,
    pub config_changes: bool,
    pub include_new_events: bool,
    pub events: &'a BTreeMap<String, bool>,
}

impl Default for Incoming {
    fn default() -> Incoming {
        Incoming { is_enabled: true, map_identifiers: Vec::new(), include_new_events: true, events: BTreeMap::new() }
    }
}

impl SegmentOutgoing {
    pub fn chosen(&self) -> OutgoingEvents<'_> {
        OutgoingEvents {
            exposures: self.exposures,
            first_exposures_only: self.first_exposures_only,
            config_changes: self.config_changes,
            include_new_events: self.include_new_events,
            events: &self.events,
        }
    }
}

impl Default for SegmentOutgoing {
    fn default() -> SegmentOutgoing {
        SegmentOutgoing {
            is_enabled: false,
            write_key: None,
            base_url: "https://api.segment.io".to_string(),
            anonymous_id_from: STABLE_ID.to_string(),
            gzip: false,
            exposures: true,
            first_exposures_only: false,
            config_changes: true,
            include_new_events: true,
            events: BTreeMap::new(),
        }
    }
}

impl WebhookOutgoing {
    pub fn chosen(&self) -> OutgoingEvents<'_> {
        OutgoingEvents {
            exposures: self.exposures,
            first_exposures_only: self.first_exposures_only,
            config_changes: self.config_changes,
            include_new_events: self.include_new_events,
            events: &self.events,
        }
    }
}

impl Default for WebhookOutgoing {
    fn default() -> WebhookOutgoing {
        WebhookOutgoing {
            is_enabled: false,
            url: None,
            signing_secret: None,
            exposures: true,
            first_exposures_only: false,
            config_changes: true,
            include_new_events: true,
            events: BTreeMap::new(),
        }
    }
}

/// The integrations that are items of their own: the JSON path of each, which is also its ID with dots.
pub(super) const PARTS: [[&str; 2]; 5] = [
    ["segment", "incoming"],
    ["segment", "outgoing"],
    ["rudderstack", "incoming"],
    ["webhook", "incoming"],
    ["webhook", "outgoing"],
];
