//! The limits of a body and of an event, on each side, and what is told of bad ones.

use super::{SUCCESS, list, rejected, rows, status};
use crate::running::{SERVER_KEY, Server, gzip, project};
use serde_json::json;

/// A track call of just this many bytes.
fn event_of(bytes: usize, unit: &str) -> String {
    let event = format!(r#"{{"type":"track","event":"e","userId":"{unit}","properties":{{"pad":""}}}}"#);
    event.replace(r#""pad":"""#, &format!(r#""pad":"{}""#, "x".repeat(bytes - event.len())))
}

#[test]
fn an_event_may_take_128_kib() {
    let server = Server::start(&project());
    let (fits, over) = (event_of(128 << 10, "fits"), event_of((128 << 10) + 1, "over"));
    assert_eq!(server.post("/v1/track", &fits).body, SUCCESS);
    let answer = server.post("/v1/track", &over);
    assert_eq!((answer.status, answer.code()), (400, "event_too_large".to_owned()));
    let answer = server.post("/v1/batch", format!(r#"{{"batch":[{fits},{over},{fits}]}}"#));
    assert_eq!((answer.status, &answer.json()["success"]), (200, &json!(true)));
    let told = &answer.json()["rejected"];
    assert_eq!((told.as_array().map(Vec::len), &told[0]["index"]), (Some(1), &json!(1)));
    assert_eq!(told[0]["code"], "event_too_large");
    assert!(told[0]["message"].as_str().unwrap().contains("131072"), "{told}");
    assert_eq!((rows(&server, "unit=fits").len(), rows(&server, "unit=over").len()), (3, 0));
}

#[test]
fn a_body_may_take_4_mib() {
    let server = Server::start(&project());
    let event = r#"{"event":"e","userId":"u"}"#;
    let padded = |bytes: usize| event.to_owned() + &" ".repeat(bytes - event.len());
    assert_eq!(server.post("/v1/track", padded(4 << 20)).body, SUCCESS);
    let answer = server.post("/v1/track", padded((4 << 20) + 1));
    assert_eq!((answer.status, answer.code()), (413, "body_too_large".to_owned()));
    assert_eq!(rows(&server, "unit=u").len(), 1);
}

#[test]
fn a_body_may_hold_5000_events() {
    let server = Server::start(&project());
    let batch = |events: usize, unit: &str| {
        let event = format!(r#"{{"type":"track","event":"e","userId":"{unit}"}}"#);
        format!(r#"{{"batch":[{}]}}"#, vec![event; events].join(","))
    };
    assert_eq!(server.post("/v1/batch", batch(5_000, "fits")).body, SUCCESS);
    let before = status(&server);
    let answer = server.post("/v1/batch", batch(5_001, "over"));
    assert_eq!((answer.status, answer.code()), (413, "too_many_events".to_owned()));
    let after = status(&server);
    assert_eq!(after["stored"], before["stored"], "nothing of it is stored");
    assert_eq!(after["rejected"].as_u64(), before["rejected"].as_u64().map(|n| n + 1));
    // All of them can be read again, page by page.
    let (mut seen, mut before) = (0, String::new());
    loop {
        let page = server.get(&format!("/console/v1/events?unit=fits&limit=1000{before}")).json();
        seen += list(&page).len();
        match page["pagination"]["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 5_000);
}

#[test]
fn a_message_id_may_have_100_characters() {
    let server = Server::start(&project());
    for character in ["m", "é", "🦊"] {
        for (length, fits) in [(100, true), (101, false)] {
            let id = character.repeat(length);
            let answer = server.post("/v1/track", format!(r#"{{"event":"e","userId":"u","messageId":"{id}"}}"#));
            match fits {
                true => assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS)),
                false => assert_eq!((answer.status, answer.code()), (400, "message_id_too_long".to_owned())),
            }
        }
    }
    assert_eq!(rows(&server, "unit=u").len(), 3);
}

#[test]
fn limits_are_settings() {
    let flags = ["--event-bytes", "1KiB", "--body-bytes", "2KiB", "--events-per-body", "2"];
    let server = Server::start_with(&project(), &flags);
    let small = r#"{"type":"track","event":"e","userId":"u"}"#;
    for (path, body, status, code) in [
        ("/v1/track", event_of(1024, "u"), 200, ""),
        ("/v1/track", event_of(1025, "u"), 400, "event_too_large"),
        ("/v1/batch", format!(r#"{{"batch":[{small},{small}]}}"#), 200, ""),
        ("/v1/batch", format!(r#"{{"batch":[{small},{small},{small}]}}"#), 413, "too_many_events"),
        ("/v1/track", format!("{small:2048}"), 200, ""),
        ("/v1/track", format!("{small:2049}"), 413, "body_too_large"),
    ] {
        let answer = server.post(path, &body);
        assert_eq!(answer.status, status, "{} bytes: {}", body.len(), answer.body);
        assert!(code.is_empty() || answer.code() == code, "{}", answer.body);
        // It is the inflated body that counts.
        let packed = [("statsig-api-key", SERVER_KEY), ("content-encoding", "gzip")];
        let answer = server.ask("POST", path, &packed, gzip(&body));
        assert_eq!(answer.status, status, "{} bytes, packed: {}", body.len(), answer.body);
    }
}

#[test]
fn one_bad_event_is_told_and_never_rejects_its_batch() {
    let server = Server::start(&project());
    let before = status(&server);
    let good = |unit: &str| format!(r#"{{"type":"track","event":"e","userId":"{unit}"}}"#);
    let bad = [
        (r#"{"type":"track","userId":"u"}"#, "missing_event_name"),
        (r#"{"type":"track","event":"e"}"#, "missing_id"),
        (r#"{"type":"track","event":"a|b","userId":"u"}"#, "forbidden_character"),
        (r#"{"type":"nothing","event":"e","userId":"u"}"#, "unknown_type"),
        (r#"{"type":"group","userId":"u"}"#, "missing_group_id"),
        ("7", "not_an_object"),
    ];
    let events: Vec<String> = bad.iter().flat_map(|(event, _)| [good("ok"), (*event).to_owned()]).collect();
    let answer = server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(",")));
    assert_eq!(answer.status, 200);
    let told = answer.json();
    assert_eq!(told["success"], true);
    let told: Vec<(u64, &str)> = told["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["index"].as_u64().unwrap(), row["code"].as_str().unwrap()))
        .collect();
    let expected: Vec<(u64, &str)> = bad.iter().enumerate().map(|(at, (_, code))| (2 * at as u64 + 1, *code)).collect();
    assert_eq!(told, expected);
    assert_eq!(rows(&server, "unit=ok").len(), bad.len());
    // What was refused can be looked at, newest first.
    let page = server.get("/console/v1/rejected").json();
    let seen: Vec<(String, String)> = list(&page)
        .iter()
        .rev()
        .map(|row| (row["body"].as_str().unwrap().to_owned(), row["code"].as_str().unwrap().to_owned()))
        .collect();
    let expected: Vec<(String, String)> = bad.iter().map(|(body, code)| ((*body).into(), (*code).into())).collect();
    assert_eq!(seen, expected);
    assert_eq!(list(&page)[0]["source"], "segment");
    let more =
        |row: &str, by: u64| assert_eq!(status(&server)[row].as_u64(), before[row].as_u64().map(|n| n + by), "{row}");
    more("rejected", bad.len() as u64);
    more("received", 2 * bad.len() as u64);

    // A single one is an error that says what to do.
    for (path, body, code) in [
        ("/v1/track", r#"{"userId":"u"}"#, "missing_event_name"),
        ("/v1/track", r#"{"event":"e","userId":"u""#, "malformed_json"),
        ("/v1/track", "", "not_an_object"),
        ("/v1/track", "[]", "not_an_object"),
        ("/v1/batch", r#"{"events":[]}"#, "batch_missing"),
        ("/v1/log_event", r#"{"batch":[]}"#, "batch_missing"),
        ("/v1/webhooks/segment_webhook", r#"{"type":"track","userId":"u"}"#, "missing_event_name"),
        ("/v1/webhooks/event_webhook", r#" {"user":{"userID":"u"}}"#, "missing_event_name"),
    ] {
        let answer = server.post(path, body);
        assert_eq!((answer.status, answer.code()), (400, code.to_owned()), "{path} {body}");
        assert_eq!(rejected(&server)[0], code);
    }
    let answer = server.post("/v1/track", b"{\"event\":\"\xff\",\"userId\":\"u\"}");
    assert_eq!((answer.status, answer.code()), (400, "not_utf8".to_owned()));
    assert_eq!(server.post("/v1/batch", r#"{"batch":[]}"#).body, SUCCESS);
}
