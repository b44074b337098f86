//! What a destination is to the exporter: how an event is written for it, how much it takes at once, and the request that
//! carries it. Sends nothing and reads no store.

use crate::event::{Source, Timestamp};
use crate::store::StoredEvent;
use bytes::Bytes;
use hyper::{HeaderMap, Uri};
use std::fmt;

/// The places that events can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DestinationId {
    Segment,
    Webhook,
}

impl DestinationId {
    pub const ALL: [DestinationId; 2] = [DestinationId::Segment, DestinationId::Webhook];

    /// The word used in the API, in the store and in the docs.
    pub fn as_str(self) -> &'static str {
        match self {
            DestinationId::Segment => "segment",
            DestinationId::Webhook => "webhook",
        }
    }

    /// Where events that go there may have come from. A ring of houses that post to each other must come to an end, so what
    /// came by a webhook goes by none.
    pub fn sources(self) -> &'static [Source] {
        match self {
            DestinationId::Segment => &[Source::Statsig, Source::Webhook, Source::Console],
            DestinationId::Webhook => &[Source::Statsig, Source::Console],
        }
    }

    pub fn from_word(word: &str) -> Option<DestinationId> {
        DestinationId::ALL.into_iter().find(|id| id.as_str() == word)
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a destination takes at once. Bytes are those of the JSON before compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Of a whole body. Segment documents 500 KB; its own SDKs stop at 475,000.
    pub batch_bytes: usize,
    /// Events in a body. Segment documents 2,500.
    pub events: usize,
    /// Of one event. Segment documents 32 KB; the lower reading of it is safe.
    pub event_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits { batch_bytes: 475_000, events: 2_500, event_bytes: 32_000 }
    }
}

/// Why an event cannot be sent as it is; it becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsendable {
    /// `no_id`, `too_large`.
    pub code: &'static str,
    /// Says what to do.
    pub message: String,
}

/// A request, except for what an attempt adds to it. Always a POST.
#[derive(Debug, Clone)]
pub struct Call {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A place that events go to, set up.
pub trait Destination: Send + Sync {
    fn id(&self) -> DestinationId;

    fn limits(&self) -> BatchLimits {
        BatchLimits::default()
    }

    /// Appends an event as this destination takes it: one JSON object.
    fn encode(&self, event: &StoredEvent, into: &mut Vec<u8>) -> Result<(), Unsendable>;

    /// The event by which a person tries whether the destination takes anything.
    fn encode_test(&self, message_id: &str, now: Timestamp, into: &mut Vec<u8>);

    /// The request that carries encoded events, in order.
    fn call(&self, events: &[&[u8]], now: Timestamp) -> Call;
}
