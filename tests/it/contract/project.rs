//! The project file: applied as a whole or not at all, twice with the same outcome, and every mistake told with its place.

use super::rows;
use crate::running::{Answer, CONSOLE_KEY, SERVER_KEY, Server, project};
use serde_json::{Value, json};

fn apply(server: &Server, query: &str, document: &str) -> Answer {
    server.ask("POST", &format!("/console/v1/project{query}"), &[("statsig-api-key", CONSOLE_KEY)], document)
}

fn applied(server: &Server, query: &str, document: &Value) -> Value {
    let answer = apply(server, query, &document.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"].clone()
}

fn with_gate(percentage: u32) -> Value {
    let mut project = project();
    let rule =
        json!({"id": "everyone", "name": "Everyone", "passPercentage": percentage, "conditions": [{"type": "public"}]});
    project["gates"] =
        json!([{"id": "search", "name": "search", "idType": "userID", "isEnabled": true, "rules": [rule]}]);
    project
}

#[test]
fn applying_changes_what_differs_and_nothing_twice() {
    let mut server = Server::start(&project());
    let gate = with_gate(50);
    let changes = |server: &Server| rows(server, "name=statsig::config_change&limit=1000").len();
    let before = changes(&server);
    for (query, created, unchanged, changed) in [
        ("?dryRun=true", json!(["gate search"]), 4, 0),
        ("?dryRun=1", json!(["gate search"]), 4, 0),
        ("", json!(["gate search"]), 4, 1),
        ("", json!([]), 5, 1),
        ("?force=true&prune=true", json!([]), 5, 1),
    ] {
        let outcome = applied(&server, query, &gate);
        assert_eq!((&outcome["created"], &outcome["unchanged"]), (&created, &json!(unchanged)), "{query}: {outcome}");
        assert_eq!((&outcome["updated"], &outcome["removed"], &outcome["kept"]), (&json!([]), &json!([]), &json!([])));
        assert_eq!(changes(&server), before + changed, "{query}");
    }
    // The change is told as an event.
    let told = rows(&server, "name=statsig::config_change&limit=1").remove(0);
    assert_eq!((&told["source"], &told["kind"]), (&json!("console"), &json!("config_change")));
    let metadata = json!({"type": "gate", "name": "search", "action": "created", "author": "automation", "version": "1",
        "description": "gate search created"});
    assert_eq!(told["metadata"], metadata);
    assert_eq!(applied(&server, "", &with_gate(20))["updated"], json!(["gate search"]));
    assert_eq!(rows(&server, "name=statsig::config_change&limit=1")[0]["metadata"]["version"], "2");
    // What the file no longer has stays unless it is told to go.
    assert_eq!(applied(&server, "", &project())["removed"], json!([]));
    assert_eq!(server.get("/console/v1/gates/search/results").status, 200);
    assert_eq!(applied(&server, "?prune=true", &project())["removed"], json!(["gate search"]));
    assert_eq!(server.get("/console/v1/gates/search/results").status, 404);
    // All of this is on disk.
    server.kill();
    server.restart();
    assert_eq!(server.get("/console/v1/gates/search/results").status, 404);
}

#[test]
fn every_mistake_is_listed_with_its_place_and_nothing_is_changed() {
    let server = Server::start(&project());
    let mut wrong = with_gate(150);
    let other = json!({"name": "other", "idType": "teamID", "rules": []});
    wrong["gates"].as_array_mut().unwrap().push(other);
    wrong["experiments"] = json!([{"name": "lonely", "groups": [{"id": "a", "name": "A", "size": 70}]}]);
    wrong["unitIdTypes"] = json!([{"name": "companyID"}]);
    wrong["surprises"] = json!([]);
    let answer = apply(&server, "", &wrong.to_string());
    assert_eq!((answer.status, answer.code()), (400, "invalid_project".to_owned()));
    let told = answer.json();
    let places: Vec<&str> =
        told["mistakes"].as_array().unwrap().iter().map(|mistake| mistake["place"].as_str().unwrap()).collect();
    for place in ["gates[0].rules[0].passPercentage", "gates[1].idType", "experiments[0].groups", "surprises"] {
        assert!(places.contains(&place), "{place} is not among {places:?}");
    }
    assert!(told["message"].as_str().unwrap().contains("nothing was changed"), "{told}");
    for (text, place) in [("", "line 1, column 0"), ("[]", "(file)"), ("{\"gates\":\n  [}", "line 2, column 4")] {
        let answer = apply(&server, "", text);
        assert_eq!((answer.status, &answer.json()["mistakes"][0]["place"]), (400, &json!(place)), "{text}");
    }
    assert_eq!(applied(&server, "?dryRun=true", &with_gate(50))["created"], json!(["gate search"]));
    let not_utf8 = server.ask("POST", "/console/v1/project", &[("statsig-api-key", CONSOLE_KEY)], [b'{', 0xff]);
    assert_eq!((not_utf8.status, not_utf8.code()), (400, "not_utf8".to_owned()));
}

#[test]
fn a_file_with_mistakes_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrong.json"), r#"{"gates":[{"name":"a","rules":7}],"keys":[{}]}"#).unwrap();
    for (file, words) in [
        ("wrong.json", &["cannot apply the project file wrong.json", "\n  gates[0]", "\n  keys[0]"][..]),
        ("none.json", &["cannot read the project file none.json: No such file"]),
    ] {
        let line = ["serve", "--data", "d", "--listen", "127.0.0.1:0", "--project", file];
        let output = crate::running::weir(folder.path()).args(line).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert_eq!(output.stdout, b"", "it never listened");
    }
}

#[test]
fn a_key_without_its_text_is_made_and_shown_once() {
    let mut document = project();
    document["keys"].as_array_mut().unwrap().push(json!({"description": "mobile", "type": "SERVER"}));
    let server = Server::start(&project());
    assert!(applied(&server, "?dryRun=true", &document).get("newKeys").is_none());
    let outcome = applied(&server, "", &document);
    assert_eq!(outcome["created"], json!(["key mobile"]));
    let key = outcome["newKeys"][0]["key"].as_str().expect("its text").to_owned();
    assert!(key.starts_with("secret-") && key != SERVER_KEY);
    let answer = server.ask("POST", "/v1/track", &[("statsig-api-key", &key)], r#"{"event":"e","userId":"u"}"#);
    assert_eq!(answer.status, 200);
    let again = applied(&server, "", &document);
    assert_eq!((&again["created"], again.get("newKeys")), (&json!([]), None));
}
