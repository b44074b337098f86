//! Bodies that nobody should send, through the real door: each gets an answer below 500, and nothing else suffers.

use super::assert_sound;
use super::dice::Dice;
use super::oracle::{Row, read_log};
use crate::running::{Answer, Connection, PATIENCE, SERVER_KEY, Server, gzip, project, reversed_base64, zstd};
use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

/// Random bodies, over all threads.
const MUTANTS: usize = 2_000;
const THREADS: usize = 4;

const PATHS: [&str; 12] = [
    "/v1/track",
    "/v1/i",
    "/v1/page",
    "/v1/g",
    "/v1/a",
    "/v1/batch",
    "/v1/import",
    "/v1/webhooks/segment_webhook",
    "/v1/webhooks/rudderstack",
    "/v1/webhooks/event_webhook",
    "/v1/log_event",
    "/v1/rgstr",
];

const PIECES: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\"",
    b"\\",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf5\x80\x80\x80",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"1e999",
    b"-1e-999",
    b"NaN",
    b"99999999999999999999999999999999",
    b"\"type\":\"track\",\"type\":[],",
    b"\"messageId\":\"\\u0000\",",
    b"\"userId\":{\"a\":1},",
    b"\"timestamp\":1e300,",
];

const TYPES: [&str; 6] = [
    "content-type: application/json",
    "content-type: text/plain;charset=UTF-8",
    "content-type: application/x-www-form-urlencoded",
    "content-type: application/octet-stream",
    "content-type: multipart/form-data; boundary=x",
    "x-nothing: 1",
];

fn post(connection: &mut Connection, path: &str, headers: &str, body: &[u8]) -> std::io::Result<Answer> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: weir\r\nstatsig-api-key: {SERVER_KEY}\r\n{headers}\r\ncontent-length: {length}\r\n\r\n"
    );
    connection.send(&[head.as_bytes(), body].concat())?;
    connection.answer("POST")
}

/// What may stand in place of an event in a batch: JSON by its syntax, or refused as an event and not as a body.
fn bad_events() -> Vec<(&'static str, String)> {
    let track = |fields: &str| format!(r#"{{"type":"track","event":"bad","userId":"u",{fields}}}"#);
    let deep = |open: &str, close: &str, levels: usize| {
        track(&format!(r#""properties":{{"deep":{}1{}}}"#, open.repeat(levels), close.repeat(levels)))
    };
    vec![
        ("depth 10,000 of arrays", deep("[", "]", 10_000)),
        ("depth 10,000 of objects", deep("{\"a\":", "}", 10_000)),
        ("a lone high surrogate", track(r#""properties":{"text":"\ud800"}"#)),
        ("a lone low surrogate in a key", track(r#""properties":{"\udc00":1}"#)),
        ("a lone surrogate in the name", r#"{"type":"track","event":"\ud83e","userId":"u"}"#.to_owned()),
        ("NUL in a text", track(r#""properties":{"text":"a\u0000b"}"#)),
        ("NUL in the unit", r#"{"type":"track","event":"bad","userId":"\u0000"}"#.to_owned()),
        ("NUL in the message ID", track(r#""messageId":"\u0000""#)),
        ("keys twice", track(r#""event":"worse","properties":{"a":1,"a":2},"properties":{"b":1,"b":{}}"#)),
        ("type twice", r#"{"type":"track","type":"page","event":"bad","userId":"u"}"#.to_owned()),
        ("a number beyond doubles", track(r#""properties":{"value":1e999,"revenue":-1e999}"#)),
        ("a number of 5,000 digits", track(&format!(r#""properties":{{"value":{}}}"#, "9".repeat(5_000)))),
        ("a time beyond time", track(r#""timestamp":"9999999-01-01T00:00:00Z","sentAt":1e308"#)),
        ("no object", "7".to_owned()),
        ("null", "null".to_owned()),
        ("a text", r#""track""#.to_owned()),
        ("an array", "[[],{}]".to_owned()),
        ("nothing in it", "{}".to_owned()),
        ("units of odd types", r#"{"type":"track","event":"bad","userId":{"a":[1]},"anonymousId":false}"#.to_owned()),
        ("too large", track(&format!(r#""properties":{{"text":"{}"}}"#, "x".repeat(200_000)))),
        ("a long name", format!(r#"{{"type":"track","event":"{}","userId":"u"}}"#, "n".repeat(10_000))),
    ]
}

#[test]
fn a_bad_event_harms_neither_its_neighbours_nor_the_server() {
    let mut server = Server::start(&project());
    let mut good = HashSet::new();
    for (number, (what, event)) in bad_events().iter().enumerate() {
        let neighbour = |side: &str| {
            format!(r#"{{"type":"track","event":"good","userId":"u","messageId":"good-{number}-{side}"}}"#)
        };
        let body = format!(r#"{{"batch":[{},{event},{}]}}"#, neighbour("left"), neighbour("right"));
        let answer = server.post("/v1/batch", &body);
        assert!(answer.status == 200 && answer.body.starts_with(r#"{"success":true"#), "{what}: {}", answer.body);
        good.extend([format!("good-{number}-left"), format!("good-{number}-right")]);
        // By itself it is taken or refused as what it is.
        for path in PATHS {
            let answer = server.post(path, event);
            assert!(answer.status < 500, "{what} on {path}: {} {}", answer.status, answer.body);
            if answer.status >= 400 {
                answer.code();
            }
        }
    }
    let stored: HashSet<String> = well(&mut server).into_iter().map(|row| row.message_id).collect();
    let missing: Vec<&String> = good.difference(&stored).collect();
    assert!(missing.is_empty(), "neighbours of bad events are missing: {missing:?}");
}

#[test]
fn bodies_that_are_no_json_are_refused_on_every_path() {
    let mut server = Server::start(&project());
    let whole = br#"{"batch":[{"type":"track","event":"x","userId":"u"}],"type":"track","event":"x","userId":"u"}"#;
    let zipped = gzip(whole);
    let half = gzip(&whole[..40]);
    let bodies: [(&str, &str, Vec<u8>); 16] = [
        ("empty", "", vec![]),
        ("blank", "", b" \n\t ".to_vec()),
        ("cut off", "", whole[..whole.len() - 3].to_vec()),
        ("followed by more", "", [&whole[..], b"{}"].concat()),
        ("not UTF-8", "", b"{\"batch\":[{\"type\":\"track\",\"event\":\"\xff\",\"userId\":\"u\"}]}".to_vec()),
        (
            "Latin-1",
            "",
            [b"{\"event\":\"caf", &b"\xe9"[..], b"\",\"userId\":\"u\",\"batch\":[],\"events\":[]}"].concat(),
        ),
        ("an encoded surrogate", "", [b"{\"event\":\"", &b"\xed\xa0\x80"[..], b"\",\"userId\":\"u\"}"].concat()),
        ("NaN", "", br#"{"userId":"u","event":"x","value":NaN,"batch":[NaN],"events":[NaN]}"#.to_vec()),
        ("a NUL byte", "", b"{\"userId\":\"u\",\"event\":\"a\0b\"}".to_vec()),
        ("depth 10,000", "", "[".repeat(10_000).into_bytes()),
        ("objects of depth 10,000", "", "{\"batch\":".repeat(10_000).into_bytes()),
        ("truncated gzip", "content-encoding: gzip\r\n", zipped[..zipped.len() - 9].to_vec()),
        ("gzip of half, twice", "content-encoding: gzip\r\n", [&half[..], &half[..]].concat()),
        ("truncated zstd", "content-encoding: zstd\r\n", zstd(whole)[..40].to_vec()),
        ("zstd followed by more", "content-encoding: zstd\r\n", [zstd(whole), b"{}".to_vec()].concat()),
        ("gzip followed by more", "content-encoding: gzip\r\n", [&zipped[..], &zipped[..8]].concat()),
    ];
    let mut connection = server.connect();
    for (what, headers, body) in &bodies {
        for path in PATHS {
            for kind in &TYPES[..2] {
                let answer = post(&mut connection, path, &format!("{headers}{kind}"), body).expect(what);
                assert!((400..500).contains(&answer.status), "{what} on {path}: {} {}", answer.status, answer.body);
                answer.code();
                if answer.header("connection") == Some("close") {
                    connection = server.connect();
                }
            }
        }
    }
    // Two halves of one document in two members of a gzip file are one document, and a beacon says text/plain.
    let halves = [gzip(&whole[..40]), gzip(&whole[40..])].concat();
    let headers = "content-encoding: gzip\r\ncontent-type: text/plain;charset=UTF-8";
    let answer = post(&mut connection, "/v1/batch", headers, &halves).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
    assert_eq!(well(&mut server).iter().filter(|row| row.source != "console").count(), 2);
}

#[test]
fn bodies_made_at_random_never_get_more_than_a_refusal() {
    let mut dice = Dice::new();
    let mut server = Server::start(&project());
    let seeds = captured();
    let begun = Instant::now();
    let mut outcomes = [0; 6];
    thread::scope(|scope| {
        let (seeds, address) = (&seeds, server.address);
        let threads: Vec<_> =
            (0..THREADS).map(|_| dice.fork()).map(|dice| scope.spawn(move || mutate(seeds, address, dice))).collect();
        for thread in threads {
            let counts = thread.join().expect("every body was answered");
            outcomes.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    });
    println!("{MUTANTS} bodies in {:?}; answers by class of status: {outcomes:?}", begun.elapsed());
    assert!(outcomes[2] > MUTANTS / 20 && outcomes[4] > MUTANTS / 20, "one sided: {outcomes:?}");
    well(&mut server);
}

/// Recorded requests: their path and their body with a few of its events.
fn captured() -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/tests/it/captures", env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the captures") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a capture");
        for line in text.lines() {
            let mut request: Value = serde_json::from_str(line).expect("a capture");
            for list in ["batch", "events"] {
                if let Some(items) = request["body"].get_mut(list).and_then(Value::as_array_mut) {
                    items.truncate(3);
                }
            }
            let path = request["path"].as_str().expect("a path").to_owned();
            found.push((path, request["body"].to_string().into_bytes()));
        }
    }
    found
}

/// Sends damaged bodies; counts answers by their class.
fn mutate(seeds: &[(String, Vec<u8>)], address: SocketAddr, mut dice: Dice) -> [usize; 6] {
    let mut outcomes = [0; 6];
    let mut connection = Connection::to(address).expect("the server listens");
    for _ in 0..MUTANTS / THREADS {
        let (path, seed) = &seeds[dice.below(seeds.len())];
        let path = if dice.once_in(3) { dice.pick(&PATHS) } else { path };
        let mut body = seed.clone();
        for _ in 0..dice.below(4) {
            damage(&mut body, &mut dice);
        }
        let mut headers = dice.pick(&TYPES).to_owned();
        match dice.below(12) {
            0 => body = gzip(&body),
            1 => {
                let mut zipped = gzip(&body);
                damage(&mut zipped, &mut dice);
                body = zipped;
                headers.push_str("\r\ncontent-encoding: gzip");
            }
            2 => {
                let middle = dice.below(body.len());
                body = [gzip(&body[..middle]), gzip(&body[middle..])].concat();
                headers.push_str("\r\ncontent-encoding: gzip");
            }
            3 => headers.push_str("\r\ncontent-encoding: gzip"),
            4 => {
                let middle = dice.below(body.len());
                body = [zstd(&body[..middle]), zstd(&body[middle..])].concat();
                damage(&mut body, &mut dice);
                headers.push_str("\r\ncontent-encoding: zstd");
            }
            5 => {
                body = reversed_base64(&body);
                damage(&mut body, &mut dice);
            }
            _ => {}
        }
        let query = dice.pick(&["", "", "", "", "?se=1", "?gz=1", "?gz=1&se=1"]);
        let path = &format!("{path}{query}");
        let begun = Instant::now();
        let answer = post(&mut connection, path, &headers, &body);
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}: {}", String::from_utf8_lossy(&body)));
        assert!(answer.status < 500, "{path}: {} {}: {}", answer.status, answer.body, String::from_utf8_lossy(&body));
        assert!(begun.elapsed() < PATIENCE, "{path}: {}", String::from_utf8_lossy(&body));
        outcomes[usize::from(answer.status / 100)] += 1;
        if answer.header("connection") == Some("close") {
            connection = Connection::to(address).expect("the server listens");
        }
    }
    outcomes
}

fn damage(body: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(body.len() + 1);
    let end = (at + dice.below(40)).min(body.len());
    match dice.below(6) {
        0 if at < body.len() => body[at] ^= 1 << dice.below(8),
        1 => drop(body.drain(at..end)),
        2 => {
            let copy = body[at..end].to_vec();
            body.splice(at..at, copy);
        }
        3 if dice.once_in(3) => body.truncate(at),
        _ => drop(body.splice(at..at, dice.pick(&PIECES).iter().copied())),
    }
}

/// The server does all it should: counts add up, lists can be read, a good event is taken, and the store is sound. Returns
/// the log.
fn well(server: &mut Server) -> Vec<Row> {
    let good = server.post("/v1/track", r#"{"event":"good","userId":"u","messageId":"the-last"}"#);
    assert_eq!((good.status, good.body.as_str()), (200, r#"{"success":true}"#));
    let metrics = server.get("/metrics").body;
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
        line.trim().parse().expect("a count")
    };
    assert_eq!(value("weir_http_panics_total "), 0, "{}", server.logged());
    let outcomes = ["stored", "duplicate", "filtered", "rejected"];
    let ended: u64 =
        outcomes.iter().map(|outcome| value(&format!("weir_events_total{{outcome=\"{outcome}\"}} "))).sum();
    assert_eq!(value("weir_events_received_total "), ended);
    for list in ["/console/v1/rejected?limit=1000", "/console/v1/event_names"] {
        let answer = server.get(list);
        assert_eq!(answer.status, 200, "{list}: {}", answer.body);
        answer.json();
    }
    let log = read_log(server);
    assert!(log.iter().any(|row| row.message_id == "the-last"));
    for row in &log {
        // What is kept can be read by whoever it is exported to.
        let raw: Result<Value, _> = serde_json::from_str(row.raw.get());
        assert!(raw.is_ok_and(|raw| raw.is_object()), "{} is no JSON object: {}", row.sequence, row.raw);
    }
    assert!(server.stop().success(), "{}", server.logged());
    assert_sound(server);
    log
}
