//! The live stream: events as they are stored, and where a reader that comes back goes on.

use super::SUCCESS;
use crate::running::{CONSOLE_KEY, Connection, Server, project};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How soon an event is seen after its sender was told that it is stored.
const SOON: Duration = Duration::from_secs(1);

struct Reader(Connection);

impl Reader {
    /// Opens a stream; what is stored from now on comes by it.
    fn open(server: &Server, query: &str, last: Option<u64>) -> Reader {
        let mut connection = server.connect();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /console/v1/stream{query} HTTP/1.1\r\nhost: x\r\nstatsig-api-key: {CONSOLE_KEY}\r\n{last}\r\n"
        );
        connection.send(head.as_bytes()).expect("the server reads");
        let answer = connection.head().expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        let mut reader = Reader(connection);
        // The first thing that is sent; from here on nothing is missed.
        while !reader.0.line().expect("the stream's opening").starts_with("retry: ") {}
        reader
    }

    /// The next event: its place and what it says.
    fn next(&mut self) -> (u64, Value) {
        let mut id = None;
        loop {
            let line = self.0.line().expect("an event in time");
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return (id.expect("an id comes first"), serde_json::from_str(text).expect("a row"));
            }
        }
    }

    fn next_message(&mut self) -> String {
        self.next().1["messageId"].as_str().expect("an ID").to_owned()
    }
}

fn send(server: &Server, name: &str, id: &str) {
    let body = format!(r#"{{"event":"{name}","userId":"u","messageId":"{id}"}}"#);
    assert_eq!(server.post("/v1/track", body).body, SUCCESS);
}

#[test]
fn an_event_is_seen_within_a_second_of_its_acknowledgement() {
    let server = Server::start(&project());
    send(&server, "a", "before");
    let mut reader = Reader::open(&server, "", None);
    for id in ["m-1", "m-2", "m-3"] {
        send(&server, "a", id);
        let told = Instant::now();
        let (sequence, row) = reader.next();
        assert!(told.elapsed() < SOON, "{id} took {:?}", told.elapsed());
        assert_eq!(row["messageId"], id);
        assert_eq!((&row["sequence"], &row["name"]), (&sequence.into(), &"segment::a".into()));
        let listed = server.get(&format!("/console/v1/events?limit=1&before={}", sequence + 1)).json();
        assert_eq!(listed["data"][0], row, "the stream and the list show the same row");
    }
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_was() {
    let mut server = Server::start(&project());
    let mut reader = Reader::open(&server, "", None);
    for id in ["m-1", "m-2", "m-3"] {
        send(&server, "a", id);
    }
    let (last, row) = reader.next();
    assert_eq!(row["messageId"], "m-1");
    drop(reader);
    let mut reader = Reader::open(&server, "", Some(last));
    assert_eq!([reader.next_message(), reader.next_message()], ["m-2", "m-3"]);
    drop(reader);
    // Even if the server was restarted meanwhile.
    assert!(server.stop().success());
    server.restart();
    let mut reader = Reader::open(&server, "", Some(last + 1));
    assert_eq!(reader.next_message(), "m-3");
    send(&server, "a", "m-4");
    assert_eq!(reader.next_message(), "m-4");
    // One that claims to have seen the future just goes on.
    let mut reader = Reader::open(&server, "", Some(u64::MAX));
    send(&server, "a", "m-5");
    assert_eq!(reader.next_message(), "m-5");
}

#[test]
fn a_reader_gets_only_what_it_asked_for() {
    let server = Server::start(&project());
    let mut by_name = Reader::open(&server, "?name=segment::b", None);
    let mut by_unit = Reader::open(&server, "?unit=v", None);
    let mut by_source = Reader::open(&server, "?source=statsig", None);
    send(&server, "a", "m-1");
    send(&server, "b", "m-2");
    let logged = r#"{"events":[{"eventName":"c","time":1767225600000,"user":{"userID":"v"}}]}"#;
    assert_eq!(server.post("/v1/log_event", logged).status, 202);
    assert_eq!(by_name.next_message(), "m-2");
    assert_eq!(by_unit.next().1["name"], "c");
    assert_eq!(by_source.next().1["name"], "c");
}

#[test]
fn a_reader_is_told_of_what_was_left_out_and_of_nothing_else() {
    let server = Server::start(&project());
    // The place of an event that was sent by itself is known from the list.
    let batch = |name: &str, count: usize| {
        let event = format!(r#"{{"type":"track","event":"{name}","userId":"u"}}"#);
        let answer = server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, vec![event; count].join(",")));
        assert_eq!(answer.body, SUCCESS);
    };
    let last = || server.get("/console/v1/events?limit=1").json()["data"][0]["sequence"].as_u64().expect("an event");
    // What comes first of everything after `from`: how many were left out, or an event.
    let first = |query: &str, from: u64| {
        let mut reader = Reader::open(&server, query, Some(from));
        loop {
            let line = reader.0.line().expect("an event in time");
            if line == "event: skipped" {
                return reader.0.line().expect("how many");
            } else if line.starts_with("id: ") {
                return "nothing".to_owned();
            }
        }
    };
    batch("wanted", 1);
    let from = last();
    batch("noise", 300);
    batch("wanted", 200);
    assert_eq!(first("?name=segment::wanted", from), "nothing", "just a portion between others");
    assert_eq!(first("", from), r#"data: {"count":300}"#);
    assert_eq!(first("", from + 300), "nothing", "just a portion");
    assert_eq!(first("", from + 299), r#"data: {"count":1}"#);
    batch("wanted", 1);
    assert_eq!(first("?name=segment::wanted", from), r#"data: {"count":null}"#);
}

#[test]
fn a_stream_ends_with_the_server() {
    let mut server = Server::start(&project());
    let mut reader = Reader::open(&server, "", None);
    let begun = Instant::now();
    assert!(server.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(4), "a reader does not keep the server: {:?}", begun.elapsed());
    while reader.0.line().is_ok() {}
}
