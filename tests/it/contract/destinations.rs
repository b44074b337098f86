//! Destinations by the console API: from when on they are sent events, what is shown of them and to whom, and what may be done.
//! What becomes of the events on their way is asked in `export`.

use super::catalog::{ask, ask_by, done, read, refused};
use super::rows;
use crate::export::books::Sent;
use crate::export::fake::{Fake, Fault, Judge, Judged};
use crate::export::segment::segment;
use crate::export::wire::Request;
use crate::running::{Connection, Server, VIEWER_KEY, project, until};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const WRITE_KEY: &str = "write-key-of-a-source-0002";
/// Tries that follow each other fast.
const BRISK: [&str; 2] = ["--export-backoff", "20ms"];

/// A server that exports to a fake Segment from its start, but no changes of its configuration.
fn start(fake: &Fake) -> Server {
    let mut project = project();
    let outgoing = json!({"isEnabled": true, "writeKey": WRITE_KEY, "baseUrl": fake.url(), "configChanges": false});
    project["integrations"] = json!({"segment": {"outgoing": outgoing}});
    Server::start_with(&project, &BRISK)
}

fn log(server: &Server, name: &str, unit: &str) {
    let event = json!({"eventName": name, "time": 1_767_225_600_000_u64, "user": {"userID": unit}});
    assert_eq!(server.post("/v1/log_event", json!({"events": [event]}).to_string()).status, 202);
}

/// The place of the one event of a unit.
fn place(server: &Server, unit: &str) -> u64 {
    super::only(server, unit)["sequence"].as_u64().expect("a place")
}

fn units(fake: &Fake) -> Vec<String> {
    let unit = |sent: &Sent| sent.json()["userId"].as_str().unwrap_or_default().to_owned();
    fake.books().taken.iter().map(unit).collect()
}

fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("in range").to_string()
}

/// Waits until the Segment destination has got all that is for it.
fn drained(server: &Server) -> Value {
    let mut last = Value::Null;
    until("the destination has got everything", || {
        last = read(server, "destinations/segment");
        last["state"] == "idle" && last["lag"]["events"] == 0
    });
    last
}

fn act(server: &Server, what: &str, body: &Value) -> Value {
    done(server, "POST", &format!("destinations/segment/{what}"), body)
}

/// Fails unless an answer has just the fields that the OpenAPI document names.
#[track_caller]
fn assert_documented(server: &Server, schema: &str, told: &Value) {
    let document = server.get("/console/v1/openapi.json").json();
    let schema = &document["components"]["schemas"][schema];
    let told = told.as_object().unwrap_or_else(|| panic!("no object: {told}"));
    let properties = schema["properties"].as_object().expect("an object's schema");
    for field in told.keys() {
        assert!(properties.contains_key(field), "{field} is documented nowhere in {schema}");
    }
    for field in schema["required"].as_array().expect("some are always there") {
        assert!(told.contains_key(field.as_str().expect("a name")), "{field} is missing");
    }
}

#[test]
fn a_destination_is_sent_what_comes_after_it_was_enabled_until_it_is_disabled() {
    let fake = segment();
    let server = Server::start_with(&project(), &BRISK);
    log(&server, "Order", "before");
    let status = read(&server, "destinations/segment");
    assert_eq!(
        (&status["id"], &status["isEnabled"], &status["state"]),
        (&json!("segment"), &json!(false), &json!("disabled"))
    );
    let outgoing = "integrations/segment.outgoing";
    let set = json!({"isEnabled": true, "writeKey": WRITE_KEY, "baseUrl": fake.url()});
    done(&server, "PATCH", outgoing, &set);
    log(&server, "Order", "after-1");
    log(&server, "Order", "after-2");
    until("all is counted", || drained(&server)["forwarded"] == 3);
    assert_eq!(read(&server, "destinations/segment")["isEnabled"], true);
    // The change itself is the first one: who did it is its user.
    assert_eq!(units(&fake), ["automation", "after-1", "after-2"]);
    assert_eq!(fake.books().names()[0], "statsig::config_change");
    done(&server, "PATCH", outgoing, &json!({"isEnabled": false}));
    log(&server, "Order", "meanwhile");
    assert_eq!(read(&server, "destinations/segment")["state"], "disabled");
    done(&server, "PATCH", outgoing, &json!({"isEnabled": true}));
    log(&server, "Order", "again");
    until("what came after it was enabled again is there", || units(&fake).contains(&"again".to_owned()));
    assert_eq!(units(&fake), ["automation", "after-1", "after-2", "automation", "again"]);
    until("it has counted anew", || drained(&server)["forwarded"] == 2);
    fake.books().assert_clean();
}

#[test]
fn destinations_are_listed_with_their_state_and_shown_in_the_status() {
    let fake = segment();
    let server = start(&fake);
    log(&server, "Order", "u");
    drained(&server);
    let page = ask_by(&server, VIEWER_KEY, "GET", "destinations", &Value::Null).json();
    assert_eq!(page["pagination"], json!({"itemsPerPage": 2, "next": null}));
    let ids: Vec<&Value> = page["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["segment", "webhook"]);
    page["data"].as_array().unwrap().iter().for_each(|one| assert_documented(&server, "Destination", one));
    let status = read(&server, "destinations/segment");
    let fields: Vec<&String> = status.as_object().unwrap().keys().collect();
    for field in [
        "id",
        "isEnabled",
        "state",
        "pause",
        "position",
        "end",
        "lag",
        "forwarded",
        "deadLettered",
        "deadLetters",
        "droppedDeadLetters",
        "retrying",
        "retry",
        "lastDelivered",
        "lastError",
    ] {
        assert!(fields.iter().any(|known| *known == field), "{field} is missing in {status}");
    }
    assert_documented(&server, "Attempt", &act(&server, "test", &Value::Null));
    act(&server, "pause", &Value::Null);
    log(&server, "Order", "v");
    log(&server, "Order", "w");
    let brief = read(&server, "status")["destinations"].clone();
    let segment = &brief[0];
    assert_eq!(
        (&segment["id"], &segment["state"], &segment["lagEvents"]),
        (&json!("segment"), &json!("paused"), &json!(2))
    );
    assert_eq!((&brief[1]["id"], &brief[1]["state"]), (&json!("webhook"), &json!("disabled")));
}

#[test]
fn nothing_is_done_with_a_destination_that_is_disabled_or_unknown() {
    let server = Server::start(&project());
    let replay = json!({"fromSequence": 0});
    for (method, rest, body) in [
        ("POST", "pause", &Value::Null),
        ("POST", "resume", &Value::Null),
        ("POST", "skip", &Value::Null),
        ("POST", "test", &Value::Null),
        ("POST", "replay", &replay),
        ("POST", "dead_letters/retry", &Value::Null),
        ("POST", "dead_letters/3/retry", &Value::Null),
    ] {
        let path = format!("destinations/webhook/{rest}");
        let answer = ask(&server, method, &path, body);
        assert_eq!((answer.status, answer.code()), (409, "destination_disabled".to_owned()), "{path}");
        assert!(answer.body.contains("webhook.outgoing"), "it says what to do: {}", answer.body);
    }
    // There is nothing to be thrown away, and that is no mistake.
    assert_eq!(done(&server, "DELETE", "destinations/webhook/dead_letters", &Value::Null), json!({"count": 0}));
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/attempts"),
        ("GET", "/stream"),
        ("GET", "/dead_letters"),
        ("GET", "/dead_letters/3"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/skip"),
        ("POST", "/test"),
        ("POST", "/replay"),
        ("POST", "/dead_letters/retry"),
        ("POST", "/dead_letters/3/retry"),
        ("DELETE", "/dead_letters"),
        ("DELETE", "/dead_letters/3"),
    ] {
        let path = format!("destinations/pigeon{rest}");
        assert_eq!(refused(&server, method, &path, &Value::Null), (404, "not_found".to_owned()), "{method} {path}");
    }
    for path in ["destinations/webhook/dead_letters/3", "destinations/webhook/dead_letters/x"] {
        for method in ["GET", "DELETE"] {
            assert_eq!(refused(&server, method, path, &Value::Null), (404, "not_found".to_owned()), "{method} {path}");
        }
    }
}

#[test]
fn a_replay_says_what_it_goes_over_and_refuses_what_it_cannot_mean() {
    let fake = segment();
    let server = start(&fake);
    for unit in ["a", "b", "c", "d"] {
        log(&server, "Order", unit);
    }
    let end = drained(&server)["end"].as_u64().expect("a place");
    let stored = rows(&server, "name=Order");
    let from = place(&server, "c");
    let moved = act(&server, "replay", &json!({"fromSequence": from}));
    assert_eq!(moved, json!({"fromSequence": from, "toSequence": end, "events": end - from}));
    until("they came again", || fake.books().repeats == 2);
    // By when Weir received them: the first one that is not before, whatever time an event claims.
    let received = stored.iter().find(|row| row["sequence"] == from).expect("it is stored")["receivedAt"].as_i64();
    let first = stored.iter().filter(|row| row["receivedAt"].as_i64() >= received).map(|row| row["sequence"].as_u64());
    let first = first.min().expect("at least one");
    for time in [json!(received), json!(iso(received.expect("a time")))] {
        drained(&server);
        let moved = act(&server, "replay", &json!({"fromTime": time}));
        assert_eq!(moved["fromSequence"].as_u64(), first, "{time}: {moved}");
    }
    drained(&server);
    assert_eq!(act(&server, "replay", &json!({"fromSequence": end}))["events"], 0, "from the end is nothing");
    for (body, code) in [
        (json!({}), "invalid_replay"),
        (Value::Null, "invalid_replay"),
        (json!({"fromSequence": 0, "fromTime": received}), "invalid_replay"),
        (json!({"fromSequence": -1}), "invalid_replay"),
        (json!({"from": 0}), "invalid_replay"),
        (json!({"fromTime": "yesterday"}), "invalid_replay"),
        // Seconds would be a day of January 1970, and the whole log would be sent again.
        (json!({"fromTime": 1_767_225_600}), "invalid_replay"),
        (json!({"fromSequence": end + 1}), "beyond_the_log"),
        (json!({"fromTime": "2999-01-01T00:00:00Z"}), "beyond_the_log"),
    ] {
        assert_eq!(refused(&server, "POST", "destinations/segment/replay", &body), (400, code.to_owned()), "{body}");
    }
    let answer = ask(&server, "POST", "destinations/segment/replay", &json!({"fromSequence": end + 1}));
    assert!(answer.body.contains(&format!("from 0 to {end}")), "{}", answer.body);
    assert_eq!(units(&fake), ["a", "b", "c", "d"], "what came again is known by its ID");

    // What was not sent yet is not passed over by a replay, only by a skip.
    let position = drained(&server)["position"].as_u64().expect("a place");
    act(&server, "pause", &Value::Null);
    for unit in ["e", "f", "g"] {
        log(&server, "Order", unit);
    }
    let ahead = json!({"fromSequence": place(&server, "f")});
    let refusal = refused(&server, "POST", "destinations/segment/replay", &ahead);
    assert_eq!(refusal, (409, "not_sent_yet".to_owned()));
    let skipped = act(&server, "skip", &Value::Null);
    let (from, to, events) = (&skipped["fromSequence"], &skipped["toSequence"], &skipped["events"]);
    assert!(from.as_u64() <= Some(place(&server, "e")) && from.as_u64() >= Some(position), "{skipped}");
    assert_eq!((to.as_u64(), events.as_u64()), (Some(end + 3), Some(end + 3 - from.as_u64().unwrap())), "{skipped}");
    act(&server, "resume", &Value::Null);
    log(&server, "Order", "h");
    drained(&server);
    assert_eq!(units(&fake), ["a", "b", "c", "d", "h"]);
    fake.books().assert_clean();
}

#[test]
fn what_is_paused_by_hand_stays_so_whatever_is_set_and_its_author_stands_in_the_log() {
    let fake = segment();
    let server = start(&fake);
    let paused = act(&server, "pause", &Value::Null);
    assert_eq!((&paused["state"], &paused["pause"]["code"]), (&json!("paused"), &json!("by_hand")));
    done(&server, "PATCH", "integrations/segment.outgoing", &json!({"writeKey": "another-key-of-a-source"}));
    log(&server, "Order", "u");
    let status = read(&server, "destinations/segment");
    assert_eq!((&status["state"], &status["lag"]["events"]), (&json!("paused"), &json!(1)), "{status}");
    assert_eq!(act(&server, "pause", &Value::Null)["state"], "paused", "twice is once");
    assert_eq!(act(&server, "resume", &Value::Null)["pause"], Value::Null);
    drained(&server);
    assert_eq!(act(&server, "resume", &Value::Null)["state"], "idle", "twice is once");
    assert_eq!(units(&fake), ["u"]);
    let logged = server.logged();
    let told = |what: &str| logged.lines().any(|line| line.contains(what) && line.contains("automation"));
    assert!(told("destination paused") && told("destination resumed"), "{logged}");
    // It is no change of the catalog.
    let audit = ask(&server, "GET", "audit_logs", &Value::Null).json();
    assert!(!audit.to_string().contains("paused"), "{audit}");
}

struct Stream(Connection);

impl Stream {
    fn open(server: &Server, last: Option<u64>) -> Stream {
        let mut connection = server.connect();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let path = "/console/v1/destinations/segment/stream";
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nstatsig-api-key: {VIEWER_KEY}\r\n{last}\r\n");
        connection.send(head.as_bytes()).expect("the server reads");
        let answer = connection.head().expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        let mut stream = Stream(connection);
        while !stream.0.line().expect("the stream's opening").starts_with("retry: ") {}
        stream
    }

    fn next(&mut self) -> Value {
        loop {
            if let Some(text) = self.0.line().expect("an attempt in time").strip_prefix("data: ") {
                return serde_json::from_str(text).expect("an attempt");
            }
        }
    }
}

#[test]
fn attempts_are_listed_and_followed_as_they_are_made() {
    let fake = segment();
    let server = start(&fake);
    let mut stream = Stream::open(&server, None);
    fake.script([Fault::status(503)]);
    log(&server, "Order", "a");
    let failed = stream.next();
    assert_eq!((&failed["outcome"], &failed["status"], &failed["attempt"]), (&json!("again"), &json!(503), &json!(1)));
    let delivered = stream.next();
    assert_eq!(
        (&delivered["outcome"], &delivered["status"], &delivered["attempt"]),
        (&json!("delivered"), &json!(200), &json!(2))
    );
    assert_eq!(
        (&delivered["purpose"], &delivered["forwarded"], &delivered["failed"]),
        (&json!("batch"), &json!(1), &json!(0))
    );
    assert_eq!(delivered["firstSequence"].as_u64(), Some(place(&server, "a")));
    for unit in ["b", "c"] {
        log(&server, "Order", unit);
        drained(&server);
        assert_eq!(stream.next()["outcome"], "delivered");
    }
    let list = |query: &str| {
        ask_by(&server, VIEWER_KEY, "GET", &format!("destinations/segment/attempts{query}"), &Value::Null).json()
    };
    let whole = list("");
    let all = whole["data"].as_array().unwrap().clone();
    assert_eq!((all.len(), &all[2], &all[3]), (4, &delivered, &failed), "newest first");
    all.iter().for_each(|attempt| assert_documented(&server, "Attempt", attempt));
    assert_eq!(whole["pagination"], json!({"itemsPerPage": 100, "next": null}));
    assert_eq!(list("?limit=1")["data"], json!([all[0]]));
    // Forward, from one that was seen.
    let number = |row: &Value| row["number"].as_u64().expect("a number");
    let page = list(&format!("?after={}&limit=2", number(&failed)));
    assert_eq!(page["data"], json!([all[2], all[1]]));
    assert_eq!(page["pagination"], json!({"itemsPerPage": 2, "next": number(&all[1])}));
    let rest = list(&format!("?after={}&limit=2", number(&all[1])));
    assert_eq!((&rest["data"], &rest["pagination"]["next"]), (&json!([all[0]]), &Value::Null));
    // A stream that was broken off goes on behind the last one that was seen; a number of an earlier start is of no use.
    assert_eq!(Stream::open(&server, Some(number(&failed))).next(), all[2]);
    assert_eq!(Stream::open(&server, Some(1_000_000)).next(), failed);
    let path = "destinations/segment/attempts";
    for (query, code) in [("limit=0", "invalid_limit"), ("limit=1001", "invalid_limit"), ("after=x", "invalid_query")] {
        assert_eq!(refused(&server, "GET", &format!("{path}?{query}"), &Value::Null), (400, code.to_owned()));
    }
}

#[test]
fn dead_letters_are_listed_in_pages_and_shown_with_their_events() {
    let fake = segment();
    let server = start(&fake);
    fake.poison("Poison", 422);
    for unit in ["a", "b", "c"] {
        log(&server, "Poison", unit);
    }
    log(&server, "Order", "d");
    let counted = |field: &str, count: u64| {
        until("all is counted", || drained(&server)[field] == count);
    };
    counted("deadLetters", 3);
    counted("deadLettered", 3);
    counted("forwarded", 1);
    let list = |query: &str| {
        ask_by(&server, VIEWER_KEY, "GET", &format!("destinations/segment/dead_letters{query}"), &Value::Null).json()
    };
    let whole = list("");
    let all = whole["data"].as_array().unwrap().clone();
    let places = ["c", "b", "a"].map(|unit| place(&server, unit));
    assert_eq!(all.iter().map(|row| row["sequence"].as_u64().unwrap()).collect::<Vec<_>>(), places);
    assert_eq!(whole["pagination"], json!({"itemsPerPage": 100, "next": null}));
    let page = list("?limit=2");
    assert_eq!((&page["data"], &page["pagination"]["next"]), (&json!(all[..2]), &json!(places[1])));
    let page = list(&format!("?limit=2&before={}", places[1]));
    assert_eq!((&page["data"], &page["pagination"]["next"]), (&json!(all[2..]), &Value::Null));
    for (query, code) in [("limit=0", "invalid_limit"), ("limit=1001", "invalid_limit"), ("before=x", "invalid_query")]
    {
        let path = format!("destinations/segment/dead_letters?{query}");
        assert_eq!(refused(&server, "GET", &path, &Value::Null), (400, code.to_owned()));
    }

    let one = &all[2];
    assert_documented(&server, "DeadLetter", one);
    assert_eq!((&one["event"], &one["code"], &one["status"]), (&json!("Poison"), &json!("refused"), &json!(422)));
    assert!(one["reply"].as_str().is_some_and(|reply| reply.contains("poisoned")), "{one}");
    let detail = read(&server, &format!("destinations/segment/dead_letters/{}", places[2]));
    assert_documented(&server, "DeadLetterDetail", &detail);
    for (field, value) in one.as_object().unwrap() {
        assert_eq!(&detail[field], value, "{field}");
    }
    assert_eq!(detail["stored"], super::only(&server, "a"), "as the list of events shows it");
    let received = fake.books().received.clone();
    let sent = received.iter().flat_map(|request| &request.events).find(|sent| sent.sequence() == places[2]);
    assert_eq!(detail["call"], sent.expect("it was sent").json(), "as it was sent");

    fake.cure();
    let path = |rest: &str| format!("destinations/segment/dead_letters{rest}");
    assert_eq!(done(&server, "POST", &path(&format!("/{}/retry", places[1])), &Value::Null), json!({"count": 1}));
    until("the letter was delivered", || read(&server, "destinations/segment")["deadLetters"] == 2);
    assert_eq!(units(&fake), ["d", "b"]);
    for rest in [format!("/{}", places[1]), format!("/{}/retry", places[1])] {
        let method = if rest.ends_with("retry") { "POST" } else { "DELETE" };
        assert_eq!(refused(&server, method, &path(&rest), &Value::Null), (404, "not_found".to_owned()), "{rest}");
    }
    assert_eq!(done(&server, "DELETE", &path(&format!("/{}", places[0])), &Value::Null), json!({"count": 1}));
    assert_eq!(done(&server, "DELETE", &path(""), &Value::Null), json!({"count": 1}));
    assert_eq!(list("")["data"], json!([]));
    // Its event is where it was, and a replay is another way to send it.
    act(&server, "replay", &json!({"fromSequence": places[2]}));
    drained(&server);
    assert_eq!(units(&fake), ["d", "b", "a", "c"]);
}

/// One that says in its reply what it was sent, as some test receivers do.
fn echo() -> Judge {
    Box::new(|request: &Request| {
        let said = format!("{} {}", request.path, request.header("authorization").unwrap_or_default());
        Judged { refusal: Some((400, said)), ..Judged::default() }
    })
}

#[test]
fn no_secret_of_a_destination_is_shown_even_if_it_comes_back() {
    let (fake, hook) = (Fake::start(echo(), None), Fake::start(echo(), None));
    let mut project = project();
    let token = "T0K3N-of-a-hook";
    let outgoing = json!({"isEnabled": true, "writeKey": WRITE_KEY, "baseUrl": fake.url()});
    let url = format!("{}/{token}?key={token}", hook.url());
    let posting = json!({"isEnabled": true, "url": url, "signingSecret": "secret-of-a-signature"});
    project["integrations"] = json!({"segment": {"outgoing": outgoing}, "webhook": {"outgoing": posting}});
    let server = Server::start_with(&project, &["--log-level", "trace", "--export-backoff", "20ms"]);
    log(&server, "Order", "u");
    let mut shown = String::new();
    for id in ["segment", "webhook"] {
        until("it was refused", || read(&server, &format!("destinations/{id}"))["deadLetters"].as_u64() >= Some(1));
        shown += &ask(&server, "POST", &format!("destinations/{id}/test"), &Value::Null).body;
        let letter = read(&server, &format!("destinations/{id}/dead_letters"))[0].clone();
        assert!(letter["reply"].as_str().is_some_and(|reply| reply.contains("(hidden)")), "{letter}");
        let sequence = letter["sequence"].clone();
        for path in ["", "/attempts", "/dead_letters", &format!("/dead_letters/{sequence}")] {
            shown += &ask(&server, "GET", &format!("destinations/{id}{path}"), &Value::Null).body;
        }
    }
    for path in ["destinations", "status", "integrations", "events", "audit_logs"] {
        shown += &ask(&server, "GET", path, &Value::Null).body;
    }
    shown += &server.logged();
    let basic = BASE64_STANDARD.encode(format!("{WRITE_KEY}:"));
    for secret in [WRITE_KEY, basic.trim_end_matches('='), token, "secret-of-a-signature"] {
        let at = shown.find(secret);
        assert!(at.is_none(), "{secret} is shown: {}", &shown[at.unwrap_or(0).saturating_sub(300)..][..400]);
    }
}
