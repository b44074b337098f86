//! Conservation: whatever arrives ends in exactly one count, and status, metrics and lists tell the same.

use super::{list, rows, status};
use crate::running::{Server, project};
use serde_json::json;

/// A sample of the metrics by its name with labels.
fn metric(server: &Server, sample: &str) -> u64 {
    let text = server.ask("GET", "/metrics", &[], "").body;
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().expect("a number")
}

#[test]
fn what_was_sent_is_stored_duplicate_filtered_or_rejected() {
    let mut project = project();
    project["integrations"] = json!({"segment": {"incoming": {"isEnabled": true, "events": {"Debug Ping": false}}}});
    let mut server = Server::start(&project);
    let before = status(&server);
    let outcomes = ["stored", "duplicate", "filtered", "rejected"];
    let counted = |server: &Server| {
        outcomes.map(|outcome| metric(server, &format!("weir_events_total{{outcome=\"{outcome}\"}}")))
    };
    let counted_before = counted(&server);
    let own = status(&server)["storeId"].as_str().unwrap().to_owned();
    let track = |fields: &str| format!(r#"{{"type":"track",{fields}}}"#);
    let mut expected = [0u64; 4];
    for round in 0..20 {
        let good = track(&format!(r#""event":"e","userId":"u","messageId":"m-{round}""#));
        let parts = [
            (good.clone(), 0),
            (track(r#""event":"e","userId":"u""#), 0),
            (good, 1),
            (track(r#""event":"Debug Ping","userId":"u""#), 2),
            (track(r#""event":"e","userId":"u","integrations":{"All":false}"#), 2),
            (track(r#""event":"e""#), 3),
            (track(&format!(r#""event":"e","userId":"u","messageId":"weir-{own}-{round}""#)), 3),
            ("null".to_owned(), 3),
        ];
        let taken: Vec<&(String, usize)> = parts.iter().cycle().skip(round % parts.len()).take(round % 9).collect();
        // A repetition counts as one only behind its original.
        let (mut events, mut seen) = (Vec::new(), false);
        for (text, outcome) in taken {
            let outcome = match outcome {
                0 | 1 if text.contains("messageId") => usize::from(std::mem::replace(&mut seen, true)),
                outcome => *outcome,
            };
            expected[outcome] += 1;
            events.push(text.as_str());
        }
        let answer = server.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(",")));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // A body that is no JSON is one event that was rejected.
    assert_eq!(server.post("/v1/batch", "{").status, 400);
    expected[3] += 1;
    let logged = r#"{"events":[{"eventName":"e","time":1767225600000},{"eventName":"statsig::diagnostics"},{}]}"#;
    for new in [1, 0] {
        assert_eq!(server.post("/v1/log_event", logged).status, 202);
        for (at, more) in [new, 1 - new, 1, 1].into_iter().enumerate() {
            expected[at] += more;
        }
    }
    let after = status(&server);
    let grown = |field: &str| after[field].as_u64().unwrap() - before[field].as_u64().unwrap();
    assert_eq!(outcomes.map(grown), expected);
    assert_eq!(grown("received"), expected.iter().sum::<u64>());
    let now = counted(&server);
    let growth: Vec<u64> = now.iter().zip(counted_before).map(|(now, before)| now - before).collect();
    assert_eq!(growth, expected, "the metrics agree");
    assert_eq!(metric(&server, "weir_events_received_total"), now.iter().sum::<u64>());
    let text = server.ask("GET", "/metrics", &[], "").body;
    let by_source = text.lines().filter(|line| line.starts_with("weir_events_filtered_total{"));
    let by_source: u64 = by_source.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(by_source, now[2], "filtered by source and reason adds up");

    // By reason they add up to the same.
    let by_reason = |outcome: &str| {
        let rows = after["notStored"].as_array().expect("a list").iter().filter(|row| row["outcome"] == outcome);
        rows.map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    for outcome in &outcomes[1..] {
        assert_eq!(by_reason(outcome), after[*outcome].as_u64().unwrap(), "{outcome}");
    }
    let listed = rows(&server, "limit=1000").len() as u64;
    assert_eq!(listed, after["stored"].as_u64().unwrap());
    let volumes: u64 =
        list(&server.get("/console/v1/event_names").json()).iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(volumes, listed, "the volumes agree with the log");

    // Nothing of it depends on the process.
    assert!(server.stop().success());
    server.restart();
    let again = status(&server);
    for field in ["received", "stored", "duplicate", "filtered", "rejected", "notStored"] {
        assert_eq!(again[field], after[field], "{field}");
    }
}
