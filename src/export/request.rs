//! What the requests of all destinations share: headers, a list of events in a body, and the bound on one event. Sends nothing.

use super::destination::{BatchLimits, Unsendable};
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use serde::Serialize;

/// The event by which a person tries a destination. Weir's own doors take none whose name begins so.
pub(super) const TEST_EVENT: &str = "statsig::test_event";

/// The headers that every request has.
pub(super) fn headers() -> HeaderMap {
    let agent = HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")));
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json")), (USER_AGENT, agent)])
}

/// Encoded events between what opens a body and what closes it.
pub(super) fn body(open: &str, events: &[&[u8]], close: &str) -> Vec<u8> {
    let bytes: usize = events.iter().map(|event| event.len() + 1).sum();
    let mut body = Vec::with_capacity(open.len() + bytes + close.len());
    body.extend_from_slice(open.as_bytes());
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event);
    }
    body.extend_from_slice(close.as_bytes());
    body
}

/// Appends an event.
pub(super) fn write(event: &impl Serialize, into: &mut Vec<u8>) {
    let written = serde_json::to_writer(into, event);
    debug_assert!(written.is_ok(), "plain data always serialises into memory");
}

/// Appends an event, unless it takes more than a destination does; then nothing is appended.
pub(super) fn append(event: &impl Serialize, limits: BatchLimits, into: &mut Vec<u8>) -> Result<(), Unsendable> {
    let start = into.len();
    write(event, into);
    let (bytes, limit) = (into.len() - start, limits.event_bytes);
    if bytes <= limit {
        return Ok(());
    }
    into.truncate(start);
    let message = format!(
        "the event takes {bytes} bytes as it would be sent, and the destination takes {limit}; log less in its metadata and \
         user, or deselect it for this destination"
    );
    Err(Unsendable { code: "too_large", message })
}
