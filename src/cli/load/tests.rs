//! The generator against a small server of the test's own that answers as it is told.

use super::*;
use clap::{CommandFactory, Parser};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"success\":true}";

#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Seen {
    /// The events of the body, whether it is one or a batch.
    fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["batch"].as_array().cloned().unwrap_or_else(|| vec![body])
    }
}

struct Door {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Door {
    /// Serves on a free port; `answer` gets the number of the request and returns the pieces to write, or none to hang up.
    fn open(answer: impl Fn(usize) -> Vec<String> + Send + Sync + 'static) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, requests) = (Arc::new(answer), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, answer, requests) = (stream.unwrap(), answer.clone(), requests.clone());
                std::thread::spawn(move || serve(&stream, &*answer, &requests));
            }
        });
        Door { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn plan(&self) -> Plan {
        Plan { connections: 1, events: Some(1), duration: None, ..Plan::new(&self.url, "secret-test") }
    }
}

fn serve(stream: &std::net::TcpStream, answer: &dyn Fn(usize) -> Vec<String>, requests: &Mutex<Vec<Seen>>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_owned()),
            }
        }
        let length = lines.iter().find_map(|l| l.strip_prefix("content-length:")).unwrap().trim().parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let number = {
            let mut seen = requests.lock().unwrap();
            seen.push(Seen { line: lines.remove(0), headers: lines, body });
            seen.len() - 1
        };
        let pieces = answer(number);
        if pieces.is_empty() {
            return;
        }
        for piece in pieces {
            if (&*stream).write_all(piece.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn run(plan: &Plan) -> Figures {
    super::run(plan, &SystemClock).unwrap().figures()
}

#[test]
fn batches_reach_the_server_whole_and_every_id_is_new() {
    let door = Door::open(|_| vec![OK.to_owned()]);
    let plan = Plan { events: Some(1_050), batch: 100, connections: 8, ..door.plan() };
    let (first, second) = (run(&plan), run(&plan));
    for figures in [&first, &second] {
        assert_eq!((figures.events, figures.requests, figures.rejected), (1_050, 11, 0));
        assert!(figures.errors.is_empty() && figures.max_ms > 0.0 && figures.p50_ms <= figures.p99_ms, "{figures:?}");
    }
    let seen = door.seen();
    let mut ids = HashSet::new();
    for request in &seen {
        assert_eq!(request.line, "POST /v1/batch HTTP/1.1");
        assert!(request.headers.contains(&"authorization: Basic c2VjcmV0LXRlc3Q6".to_owned()), "{:?}", request.headers);
        for event in request.events() {
            assert!(ids.insert(event["messageId"].as_str().unwrap().to_owned()), "{event}");
        }
    }
    assert_eq!(ids.len(), 2_100);
    assert_eq!(first.bytes + second.bytes, seen.iter().map(|r| r.body.len() as u64).sum::<u64>());
}

#[test]
fn a_single_event_goes_to_the_path_of_its_kind() {
    let door = Door::open(|_| vec![OK.to_owned()]);
    let figures = run(&Plan { events: Some(300), connections: 3, ..door.plan() });
    assert_eq!(figures.events, 300);
    let mut lines = HashSet::new();
    for request in door.seen() {
        let kind = request.events()[0]["type"].as_str().unwrap().to_owned();
        assert_eq!(request.line, format!("POST /v1/{kind} HTTP/1.1"));
        lines.insert(kind);
    }
    assert!(lines.len() >= 3, "{lines:?}");
}

#[test]
fn a_gzip_body_says_so_and_unpacks_to_the_events() {
    let door = Door::open(|_| vec![OK.to_owned()]);
    let figures = run(&Plan { events: Some(50), batch: 50, gzip: true, ..door.plan() });
    let mut seen = door.seen();
    let request = seen.remove(0);
    assert!(request.headers.contains(&"content-encoding: gzip".to_owned()));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
    assert_eq!(figures.bytes, body.len() as u64);
    assert!(figures.wire_bytes < figures.bytes / 2, "{figures:?}");
    assert_eq!(Seen { body, ..request }.events().len(), 50);
}

#[test]
fn an_answer_in_pieces_is_one_answer() {
    let door = Door::open(|_| OK.as_bytes().chunks(7).map(|c| String::from_utf8_lossy(c).into_owned()).collect());
    let figures = run(&Plan { events: Some(20), ..door.plan() });
    assert_eq!((figures.events, figures.errors.len()), (20, 0), "{figures:?}");
}

#[test]
fn an_overloaded_server_is_an_error_or_asked_again_with_the_same_events() {
    const BUSY: &str =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 13\r\n\r\n{\"code\":\"x\"}\n";
    for (retry, requests, events) in [(false, 3, 20), (true, 4, 30)] {
        let door = Door::open(|n| vec![if n == 1 { BUSY } else { OK }.to_owned()]);
        let figures = run(&Plan { events: Some(30), batch: 10, retry, ..door.plan() });
        let seen = door.seen();
        assert_eq!((seen.len(), figures.events), (requests, events), "retry {retry}: {figures:?}");
        assert_eq!(figures.errors, [("503".to_owned(), 1)].into());
        assert_eq!(figures.first_error.as_deref(), Some("503: {\"code\":\"x\"}\n"));
        assert_eq!(seen[1].body == seen[2].body, retry);
    }
}

#[test]
fn a_hung_up_connection_is_counted_and_replaced() {
    let door = Door::open(|n| if n == 0 { Vec::new() } else { vec![OK.to_owned()] });
    let figures = run(&Plan { events: Some(3), ..door.plan() });
    assert_eq!(figures.events, 2);
    assert_eq!(figures.errors, [("connection closed".to_owned(), 1)].into());
}

#[test]
fn rejected_events_are_not_counted_as_stored() {
    let body =
        r#"{"success":true,"rejected":[{"index":1,"code":"a","message":"b"},{"index":4,"code":"a","message":"b"}]}"#;
    let door = Door::open(move |_| vec![format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())]);
    let figures = run(&Plan { events: Some(10), batch: 10, ..door.plan() });
    assert_eq!((figures.events, figures.rejected), (8, 2));
}

#[test]
fn with_a_rate_the_wait_for_a_slow_server_counts_as_latency() {
    let slow = Duration::from_millis(20);
    let door = Door::open(move |_| {
        std::thread::sleep(slow);
        vec![OK.to_owned()]
    });
    // Ten requests are due within 10 ms on one connection: the last one waits for nine others.
    let figures = run(&Plan { events: Some(10), rate: Some(1_000.0), ..door.plan() });
    assert_eq!(figures.events, 10);
    assert!(figures.max_ms >= 190.0, "{figures:?}");
    // Without a rate each waits only for itself.
    let figures = run(&Plan { events: Some(10), ..door.plan() });
    assert!(figures.p50_ms < 190.0, "{figures:?}");
}

#[test]
fn a_rate_is_kept_to() {
    let door = Door::open(|_| vec![OK.to_owned()]);
    let plan = Plan {
        rate: Some(500.0),
        duration: Some(Duration::from_millis(400)),
        connections: 4,
        events: None,
        ..door.plan()
    };
    let figures = run(&plan);
    let due = figures.requests + figures.unsent;
    assert!((198..=201).contains(&due), "{figures:?}");
}

#[test]
fn a_wrong_address_is_named() {
    for url in ["127.0.0.1:8750", "https://127.0.0.1:8750", "http://", "/x"] {
        let error = super::run(&Plan::new(url, "k"), &SystemClock).unwrap_err();
        assert!(matches!(error, LoadError::Url(_)), "{url}: {error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = super::run(&Plan::new(format!("http://{closed}"), "k"), &SystemClock).unwrap_err();
    assert!(error.to_string().contains("is the server running there?"), "{error}");
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    load: Args,
}

#[test]
fn every_flag_has_its_environment_variable() {
    for argument in Command::command().get_arguments().filter(|argument| argument.get_id() != "help") {
        let long = argument.get_long().unwrap();
        let variable = format!("WEIR_LOAD_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(variable.as_str()));
    }
}

#[test]
fn flags_outside_their_range_are_refused() {
    for (flag, below, lowest) in [
        ("--connections", "0", "1"),
        ("--batch", "0", "1"),
        ("--batch", "5001", "5000"),
        ("--events", "0", "1"),
        ("--rate", "0", "0.5"),
        ("--duration", "0s", "1ms"),
        ("--names", "0", "1"),
        ("--users", "0", "1"),
        ("--threads", "0", "1"),
        ("--mix", "track=0", "track=1"),
    ] {
        let parse = |value| Command::try_parse_from(["load", "--key", "k", flag, value]);
        assert!(parse(below).is_err(), "{flag} {below} was taken");
        assert!(parse(lowest).is_ok(), "{flag} {lowest} was refused");
    }
}

#[test]
fn the_command_prints_figures_and_fails_when_nothing_was_stored() {
    let run = |door: &Door, json: &[&str]| {
        let flags = ["load", "--url", &door.url, "--key", "k", "--events", "40", "--batch", "20"];
        let command = Command::try_parse_from(flags.iter().chain(json)).unwrap();
        let mut out = Vec::new();
        let result = command_of(&command, &mut out);
        (String::from_utf8(out).unwrap(), result)
    };
    let door = Door::open(|_| vec![OK.to_owned()]);
    let (text, result) = run(&door, &["--json"]);
    result.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["events"], 40);
    let (text, result) = run(&door, &[]);
    result.unwrap();
    assert!(text.contains("p99") && text.contains("a second"), "{text}");
    let door = Door::open(|_| vec!["HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}".to_owned()]);
    let (_, result) = run(&door, &[]);
    assert_eq!(result.unwrap_err().to_string(), "no request was answered with 200: 401: {}");
}

fn command_of(command: &Command, out: &mut Vec<u8>) -> anyhow::Result<()> {
    super::command(&command.load, out)
}
