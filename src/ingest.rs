//! In: a body as some sender wrote it becomes a batch of events, and every event of it ends in exactly one count. Pure: no
//! network, no clock, no disk. Does not decide who may send, nor what is a duplicate (the writer does).
//!
//! A body is checked for UTF-8 once and then read in one pass: `framing` steps from event to event, `reader` takes the
//! few fields that are needed and checks the rest as strictly as `serde_json::Value` would, and the event's own text is
//! what gets stored. A bad event is rejected by itself; only what is not JSON at all is refused whole.

mod audience;
mod body_error;
mod field;
mod filter;
mod framing;
mod glance;
mod hashed;
mod item;
mod ledger;
mod message;
mod naming;
mod reader;
mod record;
mod redact;
mod rules;
mod scalar;
mod segment;
mod skew;
mod statsig;
mod units;
mod view;
mod webhook;
mod write_key;

#[cfg(test)]
mod tests;

pub use body_error::BodyError;
pub use field::field;
pub use glance::{Glance, glance};
pub use hashed::HashedNames;
pub use ledger::{SAMPLES_PER_BODY, UNKNOWN_ID_TYPES_PER_BODY};
pub use rules::{Audience, Audiences, IdTypes, Limits, Rules, SourceRules};
pub use segment::segment;
pub use skew::TOLERATED_SKEW_MS;
pub use statsig::statsig_log_event;
pub use view::{View, view};
pub use webhook::{webhook_event, webhook_rudderstack, webhook_segment};
pub use write_key::write_key;

use crate::event::{Kind, Timestamp};
use crate::store::Submission;

/// What is known about a request beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub received: Timestamp,
    /// What the sender's clock said when it sent (`statsig-client-time`, `t=`).
    pub client_time: Option<Timestamp>,
    /// Random for every request: messageIds are made from it where the sender gave none.
    pub body_id: u128,
    /// The Statsig SDK's session (`statsig-server-session-id`, `sid=`): a repeated body is known by it.
    pub session: Option<String>,
}

impl Arrival {
    /// A request that says nothing about its sender's clock and session.
    pub fn new(received: Timestamp, body_id: u128) -> Arrival {
        Arrival { received, client_time: None, body_id, session: None }
    }

    /// The messageId of an event that came without one: unlike any other.
    fn made_message_id(&self, index: usize) -> String {
        format!("made-{:032x}-{index}", self.body_id)
    }
}

/// What a path of Segment's API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// One event of this kind, whatever its `type` says.
    One(Kind),
    /// `{"batch": [event, ...]}`.
    Many,
}

/// One event that was not taken. The sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Place in the body, from 0.
    pub index: usize,
    pub code: &'static str,
    pub message: String,
}

/// What a body came to. `received` = the batch's events + all that is tallied.
pub struct Intake {
    pub submission: Submission,
    /// In the order of the body. Events that came back to us (`returned`, `loop`) are tallied but do not stand here.
    pub rejected: Vec<Rejected>,
    pub received: u64,
    /// The body's own `writeKey`, else that of its first event that has one. May be a secret.
    pub write_key: Option<String>,
    /// ID types that events named and the project does not have, with how often; at most `UNKNOWN_ID_TYPES_PER_BODY`.
    pub unknown_id_types: Vec<(String, u64)>,
}

/// The text of a body, or where it stops being UTF-8.
fn utf8(body: &[u8]) -> Result<&str, BodyError> {
    std::str::from_utf8(body).map_err(|error| BodyError::NotUtf8 { at: error.valid_up_to() })
}
