//! What is stored can be looked at: events row by row and page by page, names with their volumes, and who may look.

use super::{SUCCESS, list, only, rows};
use crate::running::{CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, VIEWER_KEY, project};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn a_row_shows_every_field_of_an_event() {
    let mut project = project();
    project["unitIdTypes"] = json!([{"name": "segmentAnonymousId"}]);
    let map = json!([{"field": "anonymousId", "idType": "segmentAnonymousId"}]);
    project["integrations"] = json!({"segment": {"incoming": {"isEnabled": true, "mapIdentifiers": map}}});
    let server = Server::start(&project);
    let sent = json!({
        "type": "track", "event": "Order Completed", "messageId": "ajs-next-1", "userId": "u1", "anonymousId": "a1",
        "timestamp": "2026-01-01T10:00:00.386Z",
        "properties": {"revenue": 19.99, "items": ["a", "b"], "gift": true, "note": null, "statsigCustom": ["plan", "pro"],
            "statsigEnvironment": {"tier": "staging"}},
        "context": {"ip": "203.0.113.9", "locale": "en-CA", "userAgent": "Mozilla/5.0", "os": {"name": "iOS", "version": "26"},
            "app": {"version": "4.2"}, "traits": {"email": "u1@example.com"}},
    });
    assert_eq!(server.post("/v1/track", sent.to_string()).body, SUCCESS);
    let mut row = only(&server, "u1");
    let received = row["receivedAt"].as_i64().expect("milliseconds");
    assert!(received > 1_767_261_600_386, "{received}");
    assert!(row["sequence"].is_u64());
    for taken in ["sequence", "receivedAt"] {
        row.as_object_mut().expect("an object").remove(taken);
    }
    let expected = json!({
        "timestamp": "1767261600386", "name": "segment::Order Completed", "source": "segment", "kind": "track",
        "messageId": "ajs-next-1", "userID": "u1", "units": {"userID": "u1", "segmentAnonymousId": "a1"}, "value": 19.99,
        "metadata": {"revenue": "19.99", "items": r#"["a","b"]"#, "gift": "true", "statsigCustom": r#"["plan","pro"]"#,
            "statsigEnvironment": r#"{"tier":"staging"}"#},
        "user": {"ip": "203.0.113.9", "locale": "en-CA", "userAgent": "Mozilla/5.0", "os_name": "iOS", "os_version": "26",
            "appVersion": "4.2", "email": "u1@example.com", "custom": {"plan": "pro"}},
        "environment": "staging", "raw": sent,
    });
    assert_eq!(row, expected);
    // What is not known is null or empty, never left out; what the batch said for all stands beside.
    let batch = r#"{"batch":[{"type":"page","anonymousId":"a2","messageId":"m-2"}],"context":{"ip":"203.0.113.1"}}"#;
    assert_eq!(server.post("/v1/batch", batch).body, SUCCESS);
    let row = only(&server, "a2");
    for (field, value) in [
        ("name", json!("segment::page")),
        ("userID", Value::Null),
        ("value", Value::Null),
        ("metadata", json!({})),
        ("user", json!({"ip": "203.0.113.1"})),
        ("environment", json!("production")),
        ("shared", json!({"context": {"ip": "203.0.113.1"}})),
    ] {
        assert_eq!(row.get(field), Some(&value), "{field}");
    }
    assert_eq!(row["timestamp"], row["receivedAt"].to_string(), "without a time of its own it happened when it came");
}

#[test]
fn pages_lead_to_the_end_without_gaps_or_repetitions() {
    let server = Server::start(&project());
    let event = |nth: usize| {
        let (name, user) = (["a", "b"][nth % 2], nth % 3);
        format!(r#"{{"type":"track","event":"{name}","userId":"user-{user}","messageId":"m-{nth}"}}"#)
    };
    for portion in (0..60).collect::<Vec<_>>().chunks(7) {
        let events: Vec<String> = portion.iter().map(|&nth| event(nth)).collect();
        assert_eq!(server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(","))).body, SUCCESS);
    }
    let logged = r#"{"events":[{"eventName":"a","time":1767225600000,"user":{"userID":"user-0"}}]}"#;
    assert_eq!(server.post("/v1/log_event", logged).status, 202);
    for (query, expected) in [
        ("", 61),
        ("name=segment::a", 30),
        ("name=segment%3A%3Ab", 30),
        ("name=a", 1),
        ("unit=user-0", 21),
        ("unit=user-1&name=segment::b", 10),
        ("source=segment", 60),
        ("source=statsig&unit=user-0", 1),
        ("source=statsig&unit=user-1", 0),
        ("name=nothing", 0),
        ("unit=nobody", 0),
    ] {
        for limit in [7, 30, 61, 1000] {
            let (mut seen, mut before) = (Vec::new(), String::new());
            loop {
                let page = server.get(&format!("/console/v1/events?limit={limit}{before}&{query}")).json();
                assert_eq!(page["pagination"]["itemsPerPage"], limit);
                let rows = list(&page);
                seen.extend(rows.iter().map(|row| row["sequence"].as_u64().unwrap()));
                match page["pagination"]["next"].as_u64() {
                    Some(next) => {
                        assert_eq!((rows.len(), rows.last().unwrap()["sequence"].as_u64()), (limit, Some(next)));
                        before = format!("&before={next}");
                    }
                    None => break,
                }
            }
            // What the catalog's changes left in the log at the start is not what this is about.
            let different: BTreeSet<u64> = seen.iter().copied().collect();
            assert!(seen.is_sorted_by(|a, b| a > b), "{query} by {limit}: {seen:?}");
            assert_eq!(different.len(), expected, "{query} by {limit}");
        }
    }
    let newest = rows(&server, "source=segment&limit=3");
    let ids: Vec<&str> = newest.iter().map(|row| row["messageId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["m-59", "m-58", "m-57"]);
}

#[test]
fn names_are_listed_with_their_volumes() {
    let server = Server::start(&project());
    for (path, event) in [
        ("/v1/track", r#"{"event":"Order Completed","userId":"u","properties":{"value":2.5}}"#),
        ("/v1/track", r#"{"event":"Order Completed","userId":"u","properties":{"value":"4"}}"#),
        ("/v1/track", r#"{"event":"Order Completed","userId":"u","timestamp":"2026-01-01T10:20:00Z"}"#),
        ("/v1/webhooks/rudderstack", r#"{"type":"track","event":"Order Completed","userId":"u"}"#),
        ("/v1/page", r#"{"userId":"u"}"#),
    ] {
        assert_eq!(server.post(path, event).body, SUCCESS);
    }
    let page = server.get("/console/v1/event_names").json();
    assert_eq!(
        (page["pagination"]["next"].clone(), page["pagination"]["itemsPerPage"].clone()),
        (Value::Null, json!(3))
    );
    let seen: Vec<(String, u64, u64, f64)> = list(&page)
        .iter()
        .map(|row| {
            let count = |field: &str| row[field].as_u64().expect("a count");
            (row["name"].as_str().unwrap().into(), count("count"), count("lastDay"), row["value"].as_f64().unwrap())
        })
        .collect();
    let expected = [
        ("segment::Order Completed".to_owned(), 3, 2, 6.5),
        ("rudderstack::Order Completed".to_owned(), 1, 1, 0.0),
        ("segment::page".to_owned(), 1, 1, 0.0),
    ];
    assert_eq!(seen, expected);
    let row = server.get("/console/v1/events/segment%3A%3AOrder%20Completed").json()["data"][0].clone();
    assert_eq!((&row["count"], &row["source"]), (&json!(3), &json!("segment")));
    assert_eq!(row["firstSeen"], json!(1_767_261_600_000i64), "the hour of the oldest one");
    assert_eq!(row["trend"].as_array().map(Vec::len), Some(14));
    let answer = server.get("/console/v1/events/segment::Nothing");
    assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()));
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_reason() {
    let server = Server::start(&project());
    for (path, status, code) in [
        ("events?limit=0", 400, "invalid_limit"),
        ("events?limit=1001", 400, "invalid_limit"),
        ("events?limit=many", 400, "invalid_query"),
        ("events?limit=-1", 400, "invalid_query"),
        ("events?before=x", 400, "invalid_query"),
        ("events?name=%zz", 400, "invalid_query"),
        ("events?source=nobody", 400, "unknown_source"),
        ("stream?source=nobody", 400, "unknown_source"),
        ("rejected?limit=0", 400, "invalid_limit"),
        ("experiments/nothing/results", 404, "not_found"),
        ("gates/nothing/results", 404, "not_found"),
        ("nothing", 404, "not_found"),
    ] {
        let answer = server.get(&format!("/console/v1/{path}"));
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{path}");
    }
    for limit in [1, 1000] {
        assert_eq!(server.get(&format!("/console/v1/events?limit={limit}")).status, 200);
    }
}

#[test]
fn the_console_api_is_for_console_keys() {
    let server = Server::start(&project());
    let reading = ["events", "events/x", "event_names", "rejected", "status", "experiments/x/results", "stream"];
    let changing = [("GET", "keys"), ("POST", "keys"), ("DELETE", "keys/key-1"), ("POST", "project"), ("POST", "link")];
    let calls: Vec<(&str, &str)> = reading.iter().map(|path| ("GET", *path)).chain(changing).collect();
    for (method, path) in calls {
        let ask = |headers: &[(&str, &str)]| {
            let answer = server.ask(method, &format!("/console/v1/{path}"), headers, "{");
            (answer.status, answer.code())
        };
        let may_read = method == "GET" && path != "keys";
        for (headers, status, code) in [
            (&[][..], 401, "missing_key"),
            (&[("statsig-api-key", "console-unknown00000000000000001")], 401, "unknown_key"),
            (&[("statsig-api-key", CLIENT_KEY)], 403, "key_not_allowed"),
            (&[("statsig-api-key", SERVER_KEY)], 403, "key_not_allowed"),
            (&[("statsig-api-key", VIEWER_KEY)], 403, "role_not_allowed"),
        ] {
            if headers.first().is_some_and(|(_, key)| *key == VIEWER_KEY) && may_read {
                continue;
            }
            assert_eq!(ask(headers), (status, code.to_owned()), "{method} {path} {headers:?}");
        }
    }
    for path in ["events", "event_names", "rejected", "status"] {
        for key in [VIEWER_KEY, CONSOLE_KEY] {
            let answer = server.ask("GET", &format!("/console/v1/{path}"), &[("statsig-api-key", key)], "");
            assert_eq!(answer.status, 200, "{path}");
        }
    }
    // Operations need no key and tell no secret.
    for (path, body) in [("/health/live", r#"{"status":"live"}"#), ("/health/ready", r#"{"status":"ready"}"#)] {
        let answer = server.ask("GET", path, &[], "");
        assert_eq!((answer.status, answer.body.as_str()), (200, body));
    }
}
