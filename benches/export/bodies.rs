//! Bodies that senders post: a log of Statsig's SDKs, which goes out again, and a batch of Segment's, which never does.

use serde_json::{Value, json};

/// When the first event happened.
const BEGIN: u64 = 1_767_225_600_000;
/// Part of what makes a body of an SDK known again; of fixed width, so that it can be overwritten.
const SESSION: &str = "0000000000000000";

/// Numbers that look drawn and are the same in each run.
fn draw(number: u64, below: u64) -> u64 {
    let mut state = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state ^ (state >> 31)) % below
}

fn statsig_event(number: u64) -> Value {
    let plan = ["free", "pro", "team"][draw(number + 1, 3) as usize];
    let user = json!({"userID": format!("user-{}", draw(number, 200_000)), "email": format!("u{number}@example.com"),
        "custom": {"plan": plan, "age": draw(number + 2, 80)},
        "statsigEnvironment": {"tier": "production"}});
    let (name, value, metadata) = match draw(number + 3, 20) {
        0..=4 => (
            "statsig::gate_exposure".to_owned(),
            Value::Null,
            json!({"gate": format!("gate_{}", draw(number + 4, 20)), "gateValue": "true", "ruleID": "everyone", "reason": "Network:Recognized"}),
        ),
        5..=7 => (
            "statsig::config_exposure".to_owned(),
            Value::Null,
            json!({"config": format!("experiment_{}", draw(number + 4, 5)), "ruleID": "test", "reason": "Network:Recognized"}),
        ),
        _ => (
            format!("event_{}", draw(number + 4, 40)),
            json!(draw(number + 5, 10_000) as f64 / 100.0),
            json!({"sku": format!("sku-{}", draw(number + 6, 5_000)), "page": "/checkout/summary", "n": number.to_string()}),
        ),
    };
    json!({"eventName": name, "time": BEGIN + number, "user": user, "value": value, "metadata": metadata})
}

/// The events with these numbers as an SDK logs them.
pub fn statsig(from: u64, events: u64) -> Vec<u8> {
    let events: Vec<Value> = (from..from + events).map(statsig_event).collect();
    let sdk = json!({"sdkType": "node-core", "sdkVersion": "0.9", "sessionID": SESSION});
    json!({"events": events, "statsigMetadata": sdk}).to_string().into_bytes()
}

/// Where the session's number stands in a body.
pub fn session(body: &[u8]) -> Option<usize> {
    let key = br#""sessionID":""#;
    memchr::memmem::find(body, key).map(|at| at + key.len())
}

/// Makes a body one of its own, whose events are known from no other.
pub fn renew(body: &mut [u8], session: usize, number: u64) {
    body[session..session + SESSION.len()].copy_from_slice(format!("{number:016x}").as_bytes());
}

/// A batch as Segment's libraries send it. Events without an ID are new each time.
pub fn segment(from: u64, events: u64) -> Vec<u8> {
    let event = |number: u64| {
        json!({"type": "track", "event": format!("Event {}", draw(number, 40)), "userId": format!("user-{}", draw(number + 1, 200_000)),
            "anonymousId": format!("a-{number}"), "properties": {"sku": format!("sku-{}", draw(number + 2, 5_000)), "revenue": 19.5},
            "context": {"library": {"name": "analytics-node", "version": "3.1.0"}, "ip": "203.0.113.7"}})
    };
    json!({"batch": (from..from + events).map(event).collect::<Vec<_>>()}).to_string().into_bytes()
}
