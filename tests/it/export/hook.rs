//! A receiver of the outgoing webhook, who checks the signature over what came before he reads it, and each event's shape.

use super::books::Sent;
use super::fake::{Fake, Judged};
use super::wire::Request;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::Sha256;

pub const SIGNING_SECRET: &str = "the-secret-of-a-signature-0001";

/// A receiver that listens.
pub fn receiver() -> Fake {
    Fake::start(Box::new(judged), None)
}

fn judged(request: &Request) -> Judged {
    let mut found = Judged::default();
    if !signed(request) {
        found.violations.push(format!("the signature does not fit: {:?}", request.headers));
        found.refusal = Some((401, "the signature does not fit".to_owned()));
        return found;
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        data: Vec<Box<RawValue>>,
    }
    match serde_json::from_slice::<Body>(&request.body) {
        Err(error) => {
            found.violations.push(error.to_string());
            found.refusal = Some((400, "no data".to_owned()));
        }
        Ok(body) => {
            for text in body.data {
                let event: Value = serde_json::from_str(text.get()).expect("RawValue is JSON");
                found.violations.extend(fault(&event));
                let word = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
                found.events.push(Sent { id: word("timeUUID"), name: word("eventName"), text: text.get().to_owned() });
            }
        }
    }
    found
}

/// `v0=` and the hex of HMAC-SHA256 over `v0:`, the time in the header, `:` and the body.
fn signed(request: &Request) -> bool {
    let (Some(time), Some(signature)) =
        (request.header("x-statsig-request-timestamp"), request.header("x-statsig-signature"))
    else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).expect("a key of any length");
    mac.update(format!("v0:{time}:").as_bytes());
    mac.update(&request.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    time.parse::<u64>().is_ok() && signature == format!("v0={hex}")
}

fn fault(event: &Value) -> Option<String> {
    let known =
        ["eventName", "user", "userID", "timestamp", "value", "metadata", "statsigMetadata", "timeUUID", "unitID"];
    let fields = event.as_object()?;
    let strange: Vec<&String> = fields.keys().filter(|field| !known.contains(&field.as_str())).collect();
    let named = event["eventName"].is_string() && event["timeUUID"].as_str().is_some_and(|id| id.starts_with("weir-"));
    let right = strange.is_empty()
        && named
        && event["timestamp"].is_i64()
        && event["user"].is_object()
        && event["metadata"].is_object()
        && event["user"]["privateAttributes"].is_null();
    (!right).then(|| format!("not as the webhook's facts say: {event}"))
}
