//! Commands beside the server: the same words whether one runs or not, and exit codes that scripts can go by.

use super::{SUCCESS, rows};
use crate::running::{Server, project, weir};
use serde_json::{Value, json};
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("weir prints UTF-8")
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn with_experiment() -> Value {
    let mut project = project();
    let groups = json!([{"id": "a", "name": "A", "size": 50}, {"id": "b", "name": "B", "size": 50}]);
    project["experiments"] = json!([{"name": "button", "groups": groups, "status": "active"}]);
    let rule = |id: &str| json!({"id": id, "name": id, "passPercentage": 50, "conditions": [{"type": "public"}]});
    project["gates"] = json!([{"name": "search", "rules": [rule("x"), rule("y")]}]);
    project
}

#[test]
fn a_command_says_the_same_with_and_without_a_server() {
    let mut server = Server::start(&with_experiment());
    let mut events = Vec::new();
    for nth in 0..20 {
        let (rule, unit) = (["a", "b"][nth % 2], format!("u{nth}"));
        events.push(json!({"eventName": "statsig::config_exposure", "time": 1_767_225_600_000u64 + nth as u64,
            "user": {"userID": unit}, "metadata": {"config": "button", "ruleID": rule}}));
        for n in 0..nth % 3 + nth % 2 {
            events
                .push(json!({"eventName": "order", "time": 1_767_225_700_000u64 + n as u64, "user": {"userID": unit}}));
        }
    }
    assert_eq!(server.post("/v1/log_event", json!({ "events": events }).to_string()).status, 202);
    let report = server.get("/console/v1/experiments/button/results?level=0.9").json();
    let lines: [&[&str]; 11] = [
        &["results", "button"],
        &["results", "button", "--json"],
        &["results", "button", "--json", "--level", "0.9", "--crossovers", "first", "--relative", "delta"],
        &["results", "search", "--json"],
        &["results", "search", "--rule", "y"],
        &["results", "search", "--rule", "none"],
        &["results", "nothing"],
        &["results", "button", "--level", "7"],
        &["keys"],
        &["keys", "revoke", "key-none"],
        &["apply", "project.json"],
    ];
    let running: Vec<_> = lines.iter().map(|line| told(&server.command(line))).collect();
    assert!(server.stop().success());
    for (line, before) in lines.iter().zip(&running) {
        assert_eq!(&told(&server.command(line)), before, "weir {}", line.join(" "));
    }
    for (at, code, on_output, on_error) in [
        (0, 0, "button", ""),
        (5, 1, "", "there is no gate `"),
        (6, 1, "", "there is no experiment and no gate `nothing`"),
        (7, 1, "", "`level` must be a number above 0.5 and below 1, such as 0.95; got `7` (invalid_option)"),
        (8, 0, "CONSOLE", ""),
        (9, 1, "", "key-none"),
        (10, 0, "0 changed, 6 unchanged, 0 kept\n", ""),
    ] {
        let (found, output, error) = &running[at];
        assert_eq!(*found, Some(code), "weir {}: {error}", lines[at].join(" "));
        assert!(output.contains(on_output) && error.contains(on_error), "{output}\n{error}");
        assert_eq!((output.is_empty(), error.is_empty()), (on_output.is_empty(), on_error.is_empty()));
    }
    // The document is the API's.
    let json = told(&server.command(&["results", "button", "--json", "--level", "0.9"])).1;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), report);
}

#[test]
fn keys_and_the_project_are_changed_with_and_without_a_server() {
    let mut server = Server::start(&project());
    std::fs::write(server.folder().join("more.json"), with_experiment().to_string()).unwrap();
    std::fs::write(server.folder().join("wrong.json"), r#"{"gates":[{"name":"a","rules":7}]}"#).unwrap();
    let mut mistakes = Vec::new();
    for (run, changed) in [(true, "created gate search\ncreated experiment button\n2 changed"), (false, "0 changed")] {
        if !run {
            assert!(server.stop().success());
        }
        let made = told(&server.command(&["keys", "create", "--type", "server", "--description", "by hand"]));
        assert_eq!(made.0, Some(0), "{}", made.2);
        let key = made.1.trim().to_owned();
        assert!(key.starts_with("secret-") && made.1.lines().count() == 1, "{}", made.1);
        let listed = told(&server.command(&["keys", "list"])).1;
        let row = listed.lines().find(|line| line.contains("by hand")).expect("it is listed");
        assert!(!listed.contains(&key));
        let id = row.split_whitespace().next().unwrap().to_owned();
        if !run {
            server.restart();
        }
        let send =
            |key: &str| server.ask("POST", "/v1/track", &[("statsig-api-key", key)], r#"{"event":"e","userId":"u"}"#);
        assert_eq!(send(&key).body, SUCCESS);
        assert_eq!(
            told(&server.command(&["keys", "revoke", &id])),
            (Some(0), format!("revoked {id}\n"), String::new())
        );
        assert_eq!(send(&key).status, 401, "it is revoked with the next request");
        if !run {
            assert!(server.stop().success());
        }
        let dry = told(&server.command(&["apply", "more.json", "--dry-run"]));
        assert_eq!(dry.0, Some(0), "{}", dry.2);
        let applied = told(&server.command(&["apply", "more.json"]));
        assert!(applied.1.contains(changed), "{}", applied.1);
        let would = dry.1.replace("would be created:", "created").replace("would be updated:", "updated");
        assert_eq!(would.replace(" would change,", " changed,"), applied.1);
        assert_ne!(dry.1, applied.1, "what was only tried is not told as done");
        let refused = told(&server.command(&["apply", "wrong.json"]));
        assert_eq!((refused.0, refused.1.as_str()), (Some(1), ""));
        assert!(refused.2.contains("\n  gates[0]"), "{}", refused.2);
        mistakes.push(refused.2);
    }
    assert_eq!(mistakes[0], mistakes[1]);
    assert_eq!(told(&server.command(&["keys", "link"])).0, Some(1), "a link is of a running server");
}

#[test]
fn check_refuses_a_store_in_use_and_finds_a_stopped_one_sound() {
    let mut server = Server::start(&project());
    let event = r#"{"type":"track","event":"e","userId":"u"}"#;
    let batch = format!(r#"{{"batch":[{}]}}"#, vec![event; 100].join(","));
    for _ in 0..10 {
        assert_eq!(server.post("/v1/batch", &batch).body, SUCCESS);
    }
    let (code, output, error) = told(&server.command(&["check"]));
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("has the store in data open; stop it first"), "{error}");
    let stored = rows(&server, "limit=1000&name=segment::e").len();
    assert_eq!(stored, 1000);
    for end in ["stop", "kill"] {
        match end {
            "stop" => assert!(server.stop().success()),
            _ => server.kill(),
        }
        let (code, output, error) = told(&server.command(&["check"]));
        assert_eq!((code, error.as_str()), (Some(0), ""), "{output}");
        assert!(output.starts_with("sound: 1,00"), "{output}");
        let json = told(&server.command(&["check", "--json"])).1;
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["problems"], json!([]));
        server.restart();
        assert_eq!(server.post("/v1/batch", r#"{"batch":[]}"#).body, SUCCESS);
    }
}

#[test]
fn who_asks_in_the_wrong_directory_is_told_and_leaves_nothing_there() {
    let folder = tempfile::tempdir().unwrap();
    for line in [&["results", "x"][..], &["keys"], &["keys", "revoke", "key-1"], &["check"]] {
        let (code, output, error) = told(&weir(folder.path()).args(line).output().unwrap());
        assert_eq!((code, output.as_str()), (Some(1), ""));
        assert_eq!(error, "weir: there is no store in data (weir.redb); name its directory with --data\n");
    }
    let (code, _, error) = told(&weir(folder.path()).args(["keys", "link"]).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(error.starts_with("weir: no server runs on data; start `weir serve` there"), "{error}");
    assert!(!folder.path().join("data").exists());
    // Setting up before the first start is fine.
    std::fs::write(folder.path().join("p.json"), project().to_string()).unwrap();
    let (code, output, error) = told(&weir(folder.path()).args(["apply", "p.json"]).output().unwrap());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(
        output.contains("created key server\n") && output.ends_with("4 changed, 0 unchanged, 0 kept\n"),
        "{output}"
    );
}
