//! Commands beside a server and without one: the user sees no difference.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command on a data directory; its standard output if it ended with this code.
fn run(data: &Path, line: &str, code: i32) -> String {
    let output: Output = weir().args(line.split_whitespace()).arg("--data").arg(data).output().expect("weir starts");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "weir {line}: {error}");
    String::from_utf8(output.stdout).expect("weir prints UTF-8") + &error
}

/// A running server, killed when it is dropped: what it acknowledged survives that.
struct Server(Child);

impl Server {
    fn on(data: &Path) -> Server {
        let mut child = weir()
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .expect("weir starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("listening on http://127.0.0.1:")), "it ended before it was ready");
        // Whatever it prints later has a reader too.
        std::thread::spawn(move || lines.for_each(drop));
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo.project.json")
}

/// Applies, makes and revokes a key, and asks for results; with or without a server.
fn use_it(data: &Path) {
    let apply = format!("apply {}", example().display());
    assert!(run(data, &format!("{apply} --dry-run"), 0).contains("6 would change, 0 unchanged"));
    let applied = run(data, &apply, 0);
    assert!(applied.contains("created experiment checkout_button\n"), "{applied}");
    assert!(run(data, &apply, 0).ends_with("0 changed, 6 unchanged, 0 kept\n"));

    let bad = data.join("bad.json");
    std::fs::write(&bad, r#"{"gates": [{"name": 1}]}"#).expect("a file can be written");
    let refused = run(data, &format!("apply {}", bad.display()), 1);
    assert!(refused.contains("(invalid_project)\n  gates[0].name: "), "{refused}");

    let key = run(data, "keys create --type server --description shop", 0);
    assert!(key.starts_with("secret-"), "{key}");
    let listed = run(data, "keys list", 0);
    let row = listed.lines().find(|line| line.contains("shop")).expect("the new key is listed");
    assert!(row.contains("SERVER") && !listed.contains(key.trim()), "{listed}");
    let id = row.split_whitespace().next().expect("a row has columns");
    assert_eq!(run(data, &format!("keys revoke {id}"), 0), format!("revoked {id}\n"));
    assert!(run(data, &format!("keys revoke {id}"), 1).contains("(not_found)"));

    assert!(run(data, "results checkout_button", 0).starts_with("Experiment checkout_button, by segmentAnonymousId\n"));
    assert!(run(data, "results new_search --rule everyone --level 0.9", 0).starts_with("Gate new_search, by userID\n"));
    assert!(run(data, "results checkout_button --json", 0).contains("\"kind\": \"experiment\""));
    assert!(run(data, "results nothing", 1).contains("there is no experiment and no gate `nothing`"));
    assert!(run(data, "results button --rule r", 1).contains("there is no gate `button` with a rule `r`"));
    assert!(run(data, "results checkout_button --level 95", 1).contains("(invalid_option)"));
}

#[test]
fn commands_work_beside_a_server() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(folder.path());
    use_it(folder.path());
    assert!(run(folder.path(), "check", 1).contains("has the store in "), "the server has it open");
    drop(server);
    assert!(run(folder.path(), "check", 0).starts_with("sound: "));
}

#[test]
fn commands_work_without_a_server() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    use_it(folder.path());
    assert!(run(folder.path(), "check", 0).starts_with("sound: "));
}

#[test]
fn an_import_needs_no_key_beside_its_server_and_keeps_times() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let _server = Server::on(folder.path());
    let file = folder.path().join("export.ndjson");
    let lines = [
        r#"{"type":"track","event":"Old","userId":"u","timestamp":"2025-01-01T00:00:00Z","sentAt":"2025-06-01T00:00:00Z"}"#,
        r#"{"eventName":"older","time":1704067200000,"user":{"userID":"u"}}"#,
        "not json",
        r#"{"type":"track","event":"For<bidden","userId":"u"}"#,
    ];
    std::fs::write(&file, lines.join("\n")).expect("a file can be written");
    let told = run(folder.path(), &format!("import {}", file.display()), 1);
    assert!(told.contains(": 2 events sent, 2 bad lines left out"), "{told}");
    assert!(told.contains("export.ndjson, line 3: not a JSON object"), "{told}");
    assert!(told.contains("export.ndjson, line 4: rejected by the server: "), "{told}");
    let again = run(folder.path(), &format!("import {} --restart --keep-going", file.display()), 0);
    assert!(again.contains(": 2 events sent"), "{again}");

    let token = std::fs::read(folder.path().join("weir.token")).expect("a server leaves its token");
    let token: serde_json::Value = serde_json::from_slice(&token).expect("the token file is JSON");
    let text = |name: &str| token[name].as_str().expect("the token file has it").to_owned();
    let events = get(&text("address"), &text("token"), "/console/v1/events");
    let seen: Vec<(&str, &str)> = events["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["name"].as_str().expect("a name"), row["timestamp"].as_str().expect("a time")))
        .filter(|(name, _)| name.ends_with("ld") || name.ends_with("older"))
        .collect();
    assert_eq!(seen.len(), 2, "each is there once, though it was sent twice: {seen:?}");
    assert!(seen.contains(&("segment::Old", "1735689600000")), "{seen:?}");
    assert!(seen.contains(&("older", "1704067200000")), "{seen:?}");
}

fn get(address: &str, key: &str, path: &str) -> serde_json::Value {
    use std::io::{Read, Write};
    let host = address.strip_prefix("http://").expect("an http address");
    let mut stream = std::net::TcpStream::connect(host).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nstatsig-api-key: {key}\r\nconnection: close\r\n\r\n")
        .expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let body = answer.split_once("\r\n\r\n").expect("headers end").1;
    serde_json::from_str(body).expect("the body is JSON")
}

#[test]
fn the_demo_shows_the_truth_beside_what_was_measured() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("demo");
    let told = run(&data, "demo --once --visitors 300 --days 7", 0);
    assert!(told.contains("300 visitors, 7 days, seed 1\n"), "{told}");
    assert!(told.contains("Experiment checkout_button, by segmentAnonymousId\n"), "{told}");
    assert!(told.contains("Gate new_search, by userID\n"), "{told}");
    assert!(told.contains("The truth of the simulation beside it"), "{told}");
    assert!(run(&data, "check", 0).starts_with("sound: "));
}
