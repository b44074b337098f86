//! A URL of a user's own as a destination, in the shape of Statsig's outgoing webhook and signed as it is. Sends nothing.

use super::destination::{Call, Destination, DestinationId, Unsendable};
use super::known::Known;
use super::outward::{Fields, Outward, SentValue};
use super::request::{TEST_EVENT, append, body, headers, write};
use crate::catalog::{Secret, WebhookOutgoing};
use crate::event::{Timestamp, USER_ID};
use crate::store::StoredEvent;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Uri};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use std::borrow::Cow;
use std::fmt::Write;

const TIMESTAMP: HeaderName = HeaderName::from_static("x-statsig-request-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-statsig-signature");

pub(super) struct Webhook {
    known: Known,
    uri: Uri,
    headers: HeaderMap,
    secret: Option<Secret>,
}

impl Webhook {
    /// `None` where the URL cannot stand in a request.
    pub fn new(settings: &WebhookOutgoing, known: Known) -> Option<Webhook> {
        let secret = settings.signing_secret.clone().filter(|secret| !secret.reveal().is_empty());
        Some(Webhook { known, uri: settings.url.as_ref()?.parse().ok()?, headers: headers(), secret })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    event_name: &'a str,
    user: &'a Fields<'a, &'a RawValue>,
    #[serde(rename = "userID", skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    /// Milliseconds since 1970.
    timestamp: i64,
    value: &'a SentValue<'a>,
    metadata: &'a Fields<'a, Cow<'a, str>>,
    statsig_metadata: &'a Fields<'a, &'a RawValue>,
    #[serde(rename = "timeUUID")]
    time_uuid: &'a str,
    /// The ID type, despite its name.
    #[serde(rename = "unitID", skip_serializing_if = "Option::is_none")]
    unit_id: Option<&'a str>,
}

impl Destination for Webhook {
    fn id(&self) -> DestinationId {
        DestinationId::Webhook
    }

    fn encode(&self, event: &StoredEvent, into: &mut Vec<u8>) -> Result<(), Unsendable> {
        let mut outward = Outward::of(event, &self.known);
        if outward.is_config_change()
            && let Some(kind) = outward.metadata.get("type").map(capitalised)
        {
            outward.metadata.put("type", kind);
        }
        let item = Item {
            event_name: outward.name,
            user: &outward.user,
            user_id: outward.unit(USER_ID),
            timestamp: outward.time().0,
            value: &outward.value,
            metadata: &outward.metadata,
            statsig_metadata: &outward.sdk,
            time_uuid: &self.known.message_id(event.sequence),
            unit_id: outward.unit_type(),
        };
        append(&item, self.limits(), into)
    }

    fn encode_test(&self, message_id: &str, now: Timestamp, into: &mut Vec<u8>) {
        let (none, nothing) = (Fields::none(), Fields::none());
        let item = Item {
            event_name: TEST_EVENT,
            user: &none,
            user_id: None,
            timestamp: now.0,
            value: &SentValue::None,
            metadata: &nothing,
            statsig_metadata: &none,
            time_uuid: message_id,
            unit_id: None,
        };
        write(&item, into);
    }

    fn call(&self, events: &[&[u8]], now: Timestamp) -> Call {
        let body = body(r#"{"data":["#, events, "]}");
        let mut headers = self.headers.clone();
        if let Some(secret) = &self.secret
            && let Ok(signature) = HeaderValue::try_from(signature(secret, now, &body))
        {
            headers.insert(TIMESTAMP, HeaderValue::from(now.0));
            headers.insert(SIGNATURE, signature);
        }
        Call { uri: self.uri.clone(), headers, body: body.into() }
    }
}

/// `v0=` and the hexadecimal HMAC-SHA256 of `v0:{milliseconds}:{body}`.
fn signature(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("a key of any length does");
    mac.update(format!("v0:{}:", now.0).as_bytes());
    mac.update(body);
    let mut text = String::from("v0=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `dynamic_config` as Statsig writes it: `DynamicConfig`.
fn capitalised(kind: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    kind.split('_').map(word).collect()
}

#[cfg(test)]
mod tests;
