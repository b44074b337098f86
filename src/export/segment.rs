//! Segment as a destination: each event one `track` call, many in a body of `/v1/batch`. Sends nothing.

use super::destination::{Call, Destination, DestinationId, Unsendable};
use super::known::Known;
use super::outward::{Fields, Iso, Outward, SentValue};
use super::request::{TEST_EVENT, append, body, headers, write};
use crate::catalog::SegmentOutgoing;
use crate::event::{STABLE_ID, Timestamp, USER_ID};
use crate::store::StoredEvent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderValue};
use hyper::{HeaderMap, Uri};
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Write;

/// Who is said to have done the event by which a person tries the destination.
const TEST_ID: &str = "weir-test";
/// Who is said to have changed a configuration, where nobody is named.
const UNNAMED: &str = "console";

pub(super) struct Segment {
    known: Known,
    /// The ID type whose unit is the anonymousId.
    anonymous_id_from: String,
    /// Of all environments, where a change of configuration does not name its own.
    environments: String,
    uri: Uri,
    headers: HeaderMap,
    gzip: bool,
}

impl Segment {
    /// `None` where the base URL or the key cannot stand in a request.
    pub fn new(settings: &SegmentOutgoing, known: Known) -> Option<Segment> {
        let base = settings.base_url.trim_end_matches('/');
        let uri = format!("{base}/v1/batch").parse().ok()?;
        let key = settings.write_key.as_ref()?.reveal().trim();
        let mut authorization = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{key}:")))).ok()?;
        authorization.set_sensitive(true);
        let mut headers = headers();
        headers.insert(AUTHORIZATION, authorization);
        let catalog = &known.catalog;
        Some(Segment {
            anonymous_id_from: catalog.id_type(&settings.anonymous_id_from).unwrap_or(STABLE_ID).to_owned(),
            environments: catalog.environments().join(", "),
            uri,
            headers,
            gzip: settings.gzip,
            known,
        })
    }

    /// The author is who did it.
    fn config_change<'a>(
        &'a self,
        outward: &'a Outward<'_>,
        message_id: &'a str,
    ) -> Track<'a, LibraryOnly, ConfigChange<'a>> {
        let change = outward.change();
        Track {
            r#type: "track",
            message_id,
            // A key without a description is an author without a name, and an empty ID is none.
            user_id: Some(if change.author.is_empty() { UNNAMED } else { change.author }),
            anonymous_id: None,
            timestamp: Iso(outward.time()),
            event: outward.name,
            context: LibraryOnly { library: LIBRARY },
            properties: ConfigChange {
                author: change.author,
                config_name: change.name,
                description: change.description,
                environment: change.environments.unwrap_or(&self.environments),
            },
        }
    }

    fn no_id(&self, event: &StoredEvent) -> Unsendable {
        let wanted = &self.anonymous_id_from;
        let has: Vec<&str> = event.units.iter().map(|(id_type, _)| id_type.as_str()).collect();
        let remedy = if has.is_empty() {
            "log it with a user that has one, or deselect it for Segment".to_owned()
        } else {
            format!("it has {}: set `anonymousIdFrom` of the Segment destination to that, and retry", has.join(", "))
        };
        let message =
            format!("Segment takes no event without an ID, and this one has no {USER_ID} and no {wanted}; {remedy}");
        Unsendable { code: "no_id", message }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Track<'a, C, P> {
    r#type: &'static str,
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    timestamp: Iso,
    event: &'a str,
    context: C,
    properties: P,
}

#[derive(Serialize)]
struct Context<'a> {
    user: &'a Fields<'a, &'a RawValue>,
    value: &'a SentValue<'a>,
    metadata: &'a Fields<'a, Cow<'a, str>>,
    library: Library,
    #[serde(rename = "stableID", skip_serializing_if = "Option::is_none")]
    stable_id: Option<&'a str>,
}

#[derive(Serialize)]
struct LibraryOnly {
    library: Library,
}

#[derive(Serialize)]
struct Properties<'a> {
    value: &'a SentValue<'a>,
    metadata: &'a Fields<'a, Cow<'a, str>>,
}

/// The properties of a change of configuration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigChange<'a> {
    author: &'a str,
    config_name: &'a str,
    description: &'a str,
    environment: &'a str,
}

#[derive(Serialize)]
struct Library {
    name: &'static str,
    version: &'static str,
}

/// How Statsig's own events name the library that made them.
const LIBRARY: Library = Library { name: "statsig", version: "1.0" };

impl Destination for Segment {
    fn id(&self) -> DestinationId {
        DestinationId::Segment
    }

    fn encode(&self, event: &StoredEvent, into: &mut Vec<u8>) -> Result<(), Unsendable> {
        let outward = Outward::of(event, &self.known);
        let message_id = self.known.message_id(event.sequence);
        if outward.is_config_change() {
            return append(&self.config_change(&outward, &message_id), self.limits(), into);
        }
        let (user_id, anonymous_id) = (outward.unit(USER_ID), outward.unit(&self.anonymous_id_from));
        if user_id.is_none() && anonymous_id.is_none() {
            return Err(self.no_id(event));
        }
        let Outward { user, value, metadata, .. } = &outward;
        let stable_id = outward.unit(STABLE_ID);
        let track = Track {
            r#type: "track",
            message_id: &message_id,
            user_id,
            anonymous_id,
            timestamp: Iso(outward.time()),
            event: outward.name,
            context: Context { user, value, metadata, library: LIBRARY, stable_id },
            properties: Properties { value, metadata },
        };
        append(&track, self.limits(), into)
    }

    fn encode_test(&self, message_id: &str, now: Timestamp, into: &mut Vec<u8>) {
        let (value, none) = (SentValue::None, Fields::none());
        let track = Track {
            r#type: "track",
            message_id,
            user_id: None,
            anonymous_id: Some(TEST_ID),
            timestamp: Iso(now),
            event: TEST_EVENT,
            context: LibraryOnly { library: LIBRARY },
            properties: Properties { value: &value, metadata: &none },
        };
        write(&track, into);
    }

    fn call(&self, events: &[&[u8]], now: Timestamp) -> Call {
        let body = body(r#"{"batch":["#, events, &format!(r#"],"sentAt":"{now}"}}"#));
        let mut headers = self.headers.clone();
        let zipped = if self.gzip { zipped(&body) } else { None };
        if zipped.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Call { uri: self.uri.clone(), headers, body: zipped.unwrap_or(body).into() }
    }
}

/// A body of many like events: the fastest level makes a tenth of it.
fn zipped(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests;
