//! Segment's door as its documentation and its users describe it, and what an event that Statsig's integration sends looks
//! like, field by field.

use super::books::Sent;
use super::fake::{Fake, Judge, Judged};
use super::wire::Request;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Segment documents 500 KB a request, 32 KB and 2,500 events; the lower reading of each is safe.
const MAX_BODY: usize = 500_000;
const MAX_EVENT: usize = 32_000;
const MAX_EVENTS: usize = 2_500;
const MAX_MESSAGE_ID: usize = 100;
/// Shorter keys are obviously malformed.
const MIN_KEY: usize = 8;

/// A fake Segment that listens.
pub fn segment() -> Fake {
    Fake::start(judge(), None)
}

pub fn judge() -> Judge {
    Box::new(judged)
}

fn judged(request: &Request) -> Judged {
    let mut found = Judged::default();
    if request.method != "POST" || !request.path.ends_with("/v1/batch") {
        found.violations.push(format!("{} {}", request.method, request.path));
        found.refusal = Some((404, "no such path".to_owned()));
        return found;
    }
    headers(request, &mut found);
    if request.body.len() > MAX_BODY {
        found.violations.push(format!("a body of {} bytes", request.body.len()));
        found.refusal = Some((400, "Exceed payload limit".to_owned()));
    }
    match serde_json::from_slice::<Map<String, Value>>(&request.body) {
        Err(error) => {
            found.violations.push(format!("no JSON object: {error}"));
            found.refusal = Some((400, "Bad Request".to_owned()));
        }
        Ok(body) => envelope(&body, request, &mut found),
    }
    found
}

fn headers(request: &Request, found: &mut Judged) {
    for (name, expected) in
        [("content-type", Some("application/json")), ("user-agent", Some(concat!("weir/", env!("CARGO_PKG_VERSION"))))]
    {
        if request.header(name) != expected {
            found.violations.push(format!("{name}: {:?}", request.header(name)));
        }
    }
    let decoded = request.header("authorization").and_then(|text| text.strip_prefix("Basic "));
    let decoded = decoded.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let key = decoded.strip_suffix(':').unwrap_or_else(|| {
        found.violations.push(format!("the key is not followed by a colon: {decoded:?}"));
        &decoded
    });
    if key.len() < MIN_KEY {
        found.refusal = Some((400, "An invalid write key was provided".to_owned()));
    }
}

fn envelope(body: &Map<String, Value>, request: &Request, found: &mut Judged) {
    if keys(body) != ["batch", "sentAt"] {
        found.violations.push(format!("a body of {:?}", keys(body)));
    }
    found.violations.extend(time("sentAt", body.get("sentAt").unwrap_or(&Value::Null)));
    #[derive(serde::Deserialize)]
    struct Batch {
        batch: Vec<Box<RawValue>>,
    }
    let Ok(Batch { batch }) = serde_json::from_slice(&request.body) else {
        found.violations.push("no batch".to_owned());
        found.refusal = Some((400, "Bad Request".to_owned()));
        return;
    };
    if batch.is_empty() || batch.len() > MAX_EVENTS {
        // Segment answers 200 and drops them.
        found.violations.push(format!("a batch of {} events", batch.len()));
    }
    for text in batch {
        if text.get().len() > MAX_EVENT {
            found.violations.push(format!("an event of {} bytes", text.get().len()));
            found.refusal = Some((400, "Exceed payload limit".to_owned()));
        }
        let event: Value = serde_json::from_str(text.get()).expect("RawValue is JSON");
        let wrong = faults(&event);
        found.violations.extend(wrong.into_iter().map(|fault| format!("{fault} in {event}")));
        let word = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        found.events.push(Sent { id: word("messageId"), name: word("event"), text: text.get().to_owned() });
    }
}

/// `2026-11-23T12:58:19.353Z` and nothing else.
fn time(field: &str, value: &Value) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let instant = text.parse::<jiff::Timestamp>().ok();
    let written = instant.map(|instant| format!("{instant:.3}"));
    (written.as_deref() != Some(text)).then(|| format!("{field} is {value}"))
}

/// Sorted.
fn keys(object: &Map<String, Value>) -> Vec<&str> {
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// What is wrong with an event, field by field.
fn faults(event: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, fault: &str| {
        if !holds {
            wrong.push(fault.to_owned());
        }
    };
    let empty = Map::new();
    let object = |value: &'_ Value| value.as_object().cloned();
    let Some(fields) = event.as_object() else { return vec!["no object".to_owned()] };
    for field in fields.keys() {
        let known = ["type", "messageId", "userId", "anonymousId", "timestamp", "event", "context", "properties"];
        check(known.contains(&field.as_str()), &format!("a field {field}"));
    }
    check(event["type"] == "track", "type");
    let id = event["messageId"].as_str().unwrap_or_default();
    check(id.starts_with("weir-") && id.len() <= MAX_MESSAGE_ID, "messageId");
    let ids: Vec<&Value> = ["userId", "anonymousId"].iter().filter_map(|field| fields.get(*field)).collect();
    // Segment answers 200 and drops an event without either.
    check(!ids.is_empty(), "no userId and no anonymousId");
    check(ids.iter().all(|id| id.as_str().is_some_and(|id| !id.is_empty())), "an ID that is no text");
    check(time("timestamp", &event["timestamp"]).is_none(), "timestamp");
    let name = event["event"].as_str().unwrap_or_default();
    check(!name.is_empty(), "event");

    let (context, properties) = (object(&event["context"]), object(&event["properties"]));
    check(context.is_some() && properties.is_some(), "context or properties is missing");
    let (context, properties) = (context.unwrap_or(empty.clone()), properties.unwrap_or(empty));
    check(context.get("library") == Some(&json!({"name": "statsig", "version": "1.0"})), "context.library");
    if name == "statsig::config_change" {
        check(keys(&context) == ["library"], "context of a change");
        check(keys(&properties) == ["author", "configName", "description", "environment"], "properties of a change");
        check(
            properties.values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())),
            "an empty property",
        );
        return wrong;
    }
    if name == "statsig::test_event" {
        check(keys(&context) == ["library"], "context of a test");
        check(keys(&properties) == ["metadata", "value"], "properties of a test");
        return wrong;
    }
    let known = ["library", "metadata", "stableID", "user", "value"];
    check(keys(&context).iter().all(|field| known.contains(field)), "another field in context");
    let user = context.get("user").and_then(Value::as_object);
    check(user.is_some(), "context.user");
    let private = user.and_then(|user| user.get("privateAttributes")).unwrap_or(&Value::Null);
    check(private.is_null(), "private attributes");
    check(keys(&properties) == ["metadata", "value"], "properties");
    for field in ["value", "metadata"] {
        check(context.get(field).is_some() && context.get(field) == properties.get(field), field);
    }
    let value = &properties.get("value").cloned().unwrap_or_default();
    check(value.is_null() || value.is_number() || value.is_string(), "value");
    let metadata = properties.get("metadata").and_then(Value::as_object).cloned();
    check(metadata.is_some(), "metadata");
    let metadata = metadata.unwrap_or_default();
    let needed: &[&str] = match name {
        "statsig::gate_exposure" => &["gate", "gateValue", "ruleID", "time"],
        "statsig::config_exposure" | "statsig::experiment_exposure" => &["config", "ruleID", "time"],
        _ => &[],
    };
    check(!name.starts_with("statsig::") || !needed.is_empty(), "a name that Statsig's integration does not send");
    for field in needed {
        check(metadata.get(*field).is_some_and(Value::is_string), &format!("metadata.{field}"));
    }
    if let Some(value) = metadata.get("gateValue") {
        check(value == "true" || value == "false", "metadata.gateValue");
    }
    wrong
}

/// A judge that finds nothing proves nothing until it was seen to find each fault.
#[test]
fn the_fake_answers_as_segment_does_and_sees_each_fault() {
    let event = || {
        json!({
            "type": "track", "messageId": "weir-ab-1", "userId": "u", "timestamp": "2026-01-01T00:00:00.000Z",
            "event": "Order", "properties": {"value": 1, "metadata": {}},
            "context": {"user": {"userID": "u"}, "value": 1, "metadata": {},
                "library": {"name": "statsig", "version": "1.0"}},
        })
    };
    let post = |fake: &Fake, key: &str, body: &str| {
        let request = format!(
            "POST /v1/batch HTTP/1.1\r\ncontent-type: application/json\r\nuser-agent: weir/{}\r\n\
             authorization: Basic {}\r\ncontent-length: {}\r\n\r\n{body}",
            env!("CARGO_PKG_VERSION"),
            BASE64_STANDARD.encode(format!("{key}:")),
            body.len(),
        );
        let reply = super::fake::ask(fake, request.as_bytes()).expect("a reply");
        String::from_utf8(reply).expect("text")
    };
    let batch = |events: &[Value]| json!({"batch": events, "sentAt": "2026-01-01T00:00:00.000Z"}).to_string();
    let fake = segment();
    let answered = |key: &str, body: &str, begin: &str, end: &str, violations: usize| {
        let before = fake.books().violations.len();
        let reply = post(&fake, key, body);
        let books = fake.books();
        assert!(reply.starts_with(&format!("HTTP/1.1 {begin} ")) && reply.contains(end), "{reply}");
        let found: Vec<&str> = books.violations[before..].iter().map(|text| &text[..text.len().min(80)]).collect();
        assert_eq!(found.len(), violations, "{found:?}");
    };
    let key = "a-key-that-nobody-knows";
    answered(key, &batch(&[event()]), "200", r#"{"success": true}"#, 0);
    answered("short", &batch(&[event()]), "400", "An invalid write key was provided", 0);
    answered(key, "{", "400", "Bad Request", 1);
    let large = |bytes: usize| {
        let mut event = event();
        event["context"]["user"]["name"] = json!("x".repeat(bytes));
        event["messageId"] = json!(format!("weir-ab-{bytes}"));
        event
    };
    answered(key, &batch(&[large(32_000)]), "400", "Exceed payload limit", 1);
    answered(key, &batch(&vec![large(20_000); 25]), "400", "Exceed payload limit", 1);
    answered(key, &batch(&vec![event(); 1_500]), "200", "true", 0);
    answered(key, &batch(&[]), "200", "true", 1);
    answered(key, r#"{"batch":[]}"#, "200", "true", 3);
    let taken = |books: &super::books::Books| (books.taken.len(), books.repeats);
    assert_eq!(taken(&fake.books()), (1, 1_500));
    // So many of any use would be too large as well.
    assert!(post(&fake, key, &batch(&vec![json!({}); 2_501])).contains("true"));
    assert!(fake.books().violations.contains(&"a batch of 2501 events".to_owned()));

    let changes: &[fn(&mut Value)] = &[
        |e| e["type"] = json!("identify"),
        |e| e["messageId"] = json!(format!("weir-{}", "x".repeat(100))),
        |e| _ = e.as_object_mut().unwrap().remove("userId"),
        |e| e["userId"] = json!(""),
        |e| e["anonymousId"] = json!(7),
        |e| e["timestamp"] = json!(1_767_225_600_000_u64),
        |e| e["timestamp"] = json!("2026-01-01T00:00:00Z"),
        |e| e["event"] = json!(""),
        |e| e["event"] = json!("statsig::layer_exposure"),
        |e| e["integrations"] = json!({}),
        |e| e["context"]["ip"] = json!("::1"),
        |e| e["context"]["library"]["version"] = json!("2"),
        |e| e["context"]["user"] = Value::Null,
        |e| e["context"]["user"]["privateAttributes"] = json!({"email": "x"}),
        |e| e["context"]["value"] = json!(2),
        |e| e["context"]["metadata"] = json!({"a": 1}),
        |e| e["properties"]["more"] = json!(1),
    ];
    assert_eq!(faults(&event()), [""; 0]);
    let mut change = event();
    change["event"] = json!("statsig::config_change");
    change["context"] = json!({"library": {"name": "statsig", "version": "1.0"}});
    change["properties"] = json!({"author": "a", "configName": "g", "description": "d", "environment": "production"});
    assert_eq!(faults(&change), [""; 0]);
    change["properties"]["environment"] = json!("");
    assert_eq!(faults(&change), ["an empty property"]);
    for (nth, change) in changes.iter().enumerate() {
        let mut event = event();
        change(&mut event);
        assert_eq!(faults(&event).len(), 1, "{nth}: {:?}", faults(&event));
    }
}
