//! An import as a user meets it: files in, requests over a real socket, a state file beside.

use super::*;
use crate::cli::fake_server::{Asked, FakeServer, Reply};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const QUICK: Patience = Patience {
    give_up_after: Duration::from_secs(20),
    first_wait: Duration::from_millis(1),
    longest_wait: Duration::from_millis(10),
};

fn target(server: &FakeServer) -> Target {
    Target { address: server.address(), key: Key("secret-1".into()), name: "test".into() }
}

fn taken(asked: &Asked) -> Reply {
    let status = if asked.path == "/v1/log_event" { 202 } else { 200 };
    Reply::json(status, r#"{"success":true}"#)
}

fn segment_lines(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("{{\"type\":\"track\",\"event\":\"E\",\"userId\":\"u{n}\"}}\n")).collect()
}

/// The messageIds of all Segment events that were sent, in no order.
fn ids(requests: &[Asked]) -> Vec<String> {
    let batches = requests.iter().filter(|asked| asked.path == "/v1/batch").map(Asked::json);
    let mut ids: Vec<String> = batches
        .flat_map(|body| body["batch"].as_array().unwrap().clone())
        .map(|event| event["messageId"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[test]
fn both_wires_in_one_file_go_to_their_doors_and_bad_lines_are_counted() {
    let server = FakeServer::start(|asked| match asked.path.as_str() {
        "/v1/batch" => Reply::json(
            200,
            r#"{"success":true,"rejected":[{"index":1,"code":"bad_name","message":"the name holds a forbidden character"}]}"#,
        ),
        _ => taken(asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mixed.ndjson");
    let text = concat!(
        "{\"type\":\"track\",\"event\":\"A\",\"userId\":\"u\",\"sentAt\":\"2026-01-02T00:00:00Z\",\"timestamp\":\"2026-01-01T00:00:00Z\"}\n",
        "\n",
        "{\"eventName\":\"statsig::gate_exposure\",\"time\":1767225600000,\"user\":{\"userID\":\"u\"}}\r\n",
        "not json\n",
        "{\"type\":\"track\",\"event\":\"B<\",\"userId\":\"u\"}\n",
        "{\"other\":1}",
    );
    std::fs::write(&file, text).unwrap();
    let imported = import(&file, &target(&server), false, QUICK).unwrap();
    assert_eq!(imported, Imported { sent: 2, bad: 3, resumed: 0 });
    let mut requests = server.requests();
    requests.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(requests.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/v1/batch", "/v1/log_event"]);
    let batch = requests[0].json();
    assert_eq!(batch["batch"][0]["timestamp"], "2026-01-01T00:00:00Z");
    assert!(!requests[0].body.contains("sentAt"));
    assert_eq!(requests[1].json()["events"][0]["time"], 1_767_225_600_000_i64);
    assert_eq!(requests[1].header("statsig-client-time"), None);
    // A second run has nothing left to send and still knows of the bad lines.
    let again = import(&file, &target(&server), false, QUICK).unwrap();
    assert_eq!(again, Imported { sent: 0, bad: 3, resumed: 6 });
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn an_import_that_broke_goes_on_where_it_was_and_loses_nothing() {
    let lines = 10 * PIECE_LINES + 7;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.ndjson");
    std::fs::write(&file, segment_lines(0, lines)).unwrap();
    let all = {
        let server = FakeServer::start(taken);
        assert_eq!(import(&file, &target(&server), true, QUICK).unwrap().sent, lines as u64);
        ids(&server.requests())
    };
    assert_eq!(all.len(), lines);
    std::fs::remove_file(state::place(&file)).unwrap();

    let asked = AtomicUsize::new(0);
    let breaking = FakeServer::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0..5 => taken(request),
        _ => Reply::json(401, r#"{"success":false,"code":"unknown_key","message":"the key was revoked"}"#),
    });
    let error = format!("{:#}", import(&file, &target(&breaking), false, QUICK).unwrap_err());
    assert!(error.contains("is imported up to line "), "{error}");
    assert!(error.ends_with("run the same command again to go on: the server refused a request to /v1/batch with 401 Unauthorized: the key was revoked"), "{error}");

    let server = FakeServer::start(taken);
    let rest = import(&file, &target(&server), false, QUICK).unwrap();
    assert!(rest.resumed > 0 && rest.resumed < lines as u64, "{rest:?}");
    assert_eq!(rest.resumed + rest.sent, lines as u64);
    let mut accepted = ids(&breaking.requests()[..5]);
    accepted.extend(ids(&server.requests()));
    accepted.sort();
    accepted.dedup();
    assert_eq!(accepted, all, "the same events under the same IDs, whichever run sent them");
}

#[test]
fn a_busy_server_is_waited_for() {
    let asked = AtomicUsize::new(0);
    let server = FakeServer::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(503, r#"{"message":"full"}"#).with("retry-after", "1"),
        1 => Reply::json(429, "{}").with("retry-after", "0"),
        _ => taken(request),
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.ndjson");
    std::fs::write(&file, segment_lines(0, 3)).unwrap();
    assert_eq!(import(&file, &target(&server), false, QUICK).unwrap().sent, 3);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|asked| asked.body == requests[0].body), "the same body each time");
}

#[test]
fn what_a_file_has_grown_by_is_all_that_is_sent_and_restart_sends_everything() {
    let server = FakeServer::start(taken);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.ndjson");
    std::fs::write(&file, segment_lines(0, 10)).unwrap();
    import(&file, &target(&server), false, QUICK).unwrap();
    std::fs::write(&file, segment_lines(0, 14)).unwrap();
    let grown = import(&file, &target(&server), false, QUICK).unwrap();
    assert_eq!(grown, Imported { sent: 4, bad: 0, resumed: 10 });
    let restarted = import(&file, &target(&server), true, QUICK).unwrap();
    assert_eq!(restarted, Imported { sent: 14, bad: 0, resumed: 0 });
}

#[test]
fn a_gzip_file_is_read_like_a_plain_one() {
    use std::io::Write;
    let server = FakeServer::start(taken);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-telling-name");
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(segment_lines(0, PIECE_LINES + 1).as_bytes()).unwrap();
    std::fs::write(&file, zipped.finish().unwrap()).unwrap();
    assert_eq!(import(&file, &target(&server), false, QUICK).unwrap().sent, PIECE_LINES as u64 + 1);
    assert_eq!(server.requests().len(), 2, "one line more than a piece holds makes two");
}
