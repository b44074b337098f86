//! Out: what arose here goes on to Segment and to a webhook, whatever happens to the network, to the other side and to this
//! program. The pass line is always the same: nothing lost, nothing out of order, repeated only under the same ID, the right
//! dead letters.

mod backlog;
pub mod books;
mod choice;
pub mod fake;
mod hands;
mod hook;
mod isolation;
mod killed;
mod network;
mod replies;
mod rings;
pub mod segment;
mod shape;
pub mod wire;

use crate::running::{CONSOLE_KEY, PATIENCE, Server, project, until};
use fake::Fake;
use serde_json::{Value, json};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

/// A write key of a Segment source.
const WRITE_KEY: &str = "write-key-of-a-source-0001";
/// Events of the tests happen from here on, a millisecond each.
const BEGIN: u64 = 1_767_225_600_000;
/// Tries that follow each other fast, and none that ends because the machine is busy.
const BRISK: [&str; 4] = ["--export-timeout", "25s", "--export-backoff", "20ms"];

/// Settings under which all but config changes goes to a fake Segment.
fn outgoing(fake: &Fake) -> Value {
    json!({"isEnabled": true, "writeKey": WRITE_KEY, "baseUrl": fake.url(), "configChanges": false})
}

/// A project that exports to a fake Segment.
fn exporting(fake: &Fake) -> Value {
    let mut project = project();
    project["integrations"] = json!({"segment": {"outgoing": outgoing(fake)}});
    project
}

/// A server that exports to a fake Segment.
fn start(fake: &Fake) -> Server {
    Server::start_with(&exporting(fake), &BRISK)
}

/// A custom event that says its number.
fn event(name: &str, number: u64) -> Value {
    json!({"eventName": name, "time": BEGIN + number, "user": {"userID": format!("u-{number}")}, "value": number,
        "metadata": {"n": number.to_string()}})
}

/// Logs events as an SDK does; they are stored when this returns.
fn log(server: &Server, events: &[Value]) {
    for events in events.chunks(1000) {
        let answer = server.post("/v1/log_event", json!({"events": events}).to_string());
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

/// Logs custom events with these numbers.
fn log_orders(server: &Server, numbers: Range<u64>) {
    log(server, &numbers.map(|number| event("Order", number)).collect::<Vec<_>>());
}

/// The numbers of the events that were taken, in the order of their arrival.
fn numbers(fake: &Fake) -> Vec<u64> {
    let number = |sent: &books::Sent| sent.json()["properties"]["metadata"]["n"].as_str().and_then(|n| n.parse().ok());
    fake.books().taken.iter().map(|sent| number(sent).unwrap_or_else(|| panic!("no number: {}", sent.text))).collect()
}

/// Asks the console API with the admin's key, and expects success.
fn done(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", CONSOLE_KEY)], body);
    assert!(matches!(answer.status, 200..300), "{method} {path}: {} {}", answer.status, answer.body);
    if answer.body.is_empty() { Value::Null } else { answer.json()["data"].clone() }
}

/// What the server says of a destination.
fn status(server: &Server, id: &str) -> Value {
    done(server, "GET", &format!("destinations/{id}"), Value::Null)
}

fn attempts(server: &Server, id: &str) -> Vec<Value> {
    let page = done(server, "GET", &format!("destinations/{id}/attempts?limit=500"), Value::Null);
    page.as_array().expect("a list").clone()
}

/// Newest first.
fn dead_letters(server: &Server, id: &str) -> Vec<Value> {
    let page = done(server, "GET", &format!("destinations/{id}/dead_letters?limit=1000"), Value::Null);
    page.as_array().expect("a list").clone()
}

/// Waits until what the server says of a destination is as it should be.
fn until_status(server: &Server, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let last = status(server, id);
        if holds(&last) {
            return last;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "waited in vain until {id} {what}: {last}\n{:#?}",
            attempts(server, id).first()
        );
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Waits until a destination has got all that is for it.
fn drained(server: &Server, id: &str) -> Value {
    until_status(server, id, "has got everything", |told| told["state"] == "idle" && told["lag"]["events"] == 0)
}

/// The same, and it has counted so many as forwarded and as dead letters. What is counted is on disk, a moment after the
/// place is known.
fn counted(server: &Server, id: &str, forwarded: u64, dead: u64) -> Value {
    drained(server, id);
    until_status(server, id, &format!("has counted {forwarded} and {dead}"), |told| {
        told["forwarded"] == forwarded && told["deadLettered"] == dead
    })
}

/// Waits until a destination is in a state.
fn becomes(server: &Server, id: &str, state: &str) -> Value {
    until_status(server, id, &format!("is {state}"), |told| told["state"] == state)
}

/// Fails unless exactly the events of these numbers were taken, in order and by the rules.
#[track_caller]
fn assert_got(fake: &Fake, expected: Range<u64>) {
    let got = numbers(fake);
    let parts = got.iter().copied().zip(expected.clone()).find(|(got, expected)| got != expected);
    assert_eq!((parts, got.len()), (None, expected.count()), "the first pair that differs, and how many came");
    fake.books().assert_clean();
}
