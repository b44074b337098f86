//! What Statsig's SDKs ask a server for: the downloads of specs, which key may ask what, and when a change takes effect.

mod evaluations;

use crate::running::{Answer, CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, VIEWER_KEY, gzip, project};
use serde_json::{Value, json};

/// A gate at 50 %, an experiment that runs, one in a layer, a holdout that holds out nobody, a list.
fn with_subjects(percentage: f64) -> Value {
    let mut project = project();
    let rule = |id: &str, percentage: f64, conditions: Value| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": conditions});
    let group = |id: &str, name: &str| json!({"id": id, "name": name, "size": 50, "parameterValues": {"color": name}});
    let experiment = |name: &str| {
        json!({"name": name, "status": "active", "startTime": "2026-01-01T00:00:00Z",
        "groups": [group(&format!("{name}_c"), "grey"), group(&format!("{name}_t"), "red")]})
    };
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["segments"] = json!([{"id": "vips", "name": "vips", "type": "id_list", "ids": ["boss"]}]);
    project["gates"] = json!([
        {"name": "search", "rules": [rule("half", percentage, json!([{"type": "public"}]))]},
        {"name": "best", "rules": [rule("list", 100.0, json!([{"type": "passes_segment", "targetValue": "vips"}]))]},
        {"name": "staged", "rules": [{"id": "r", "name": "r", "passPercentage": 100, "environments": ["staging"], "conditions": [{"type": "public"}]}]},
        {"name": "firm", "idType": "companyID", "rules": [rule("half", 50.0, json!([{"type": "public"}]))]},
    ]);
    project["dynamicConfigs"] = json!([{"name": "banner", "defaultValue": {"text": "hi"}}]);
    project["holdouts"] = json!([{"name": "quarter", "isGlobal": true, "passPercentage": 0}]);
    project["layers"] = json!([{"name": "shop", "idType": "userID"}, {"name": "empty", "idType": "userID"}]);
    project["experiments"] = json!([experiment("button"), experiment("layered")]);
    project["experiments"][1]["layerID"] = json!("shop");
    project
}

fn ask(server: &Server, path: &str, body: &Value) -> Answer {
    server.post(path, body.to_string())
}

fn asked(server: &Server, path: &str, body: &Value) -> Value {
    let answer = ask(server, path, body);
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
    answer.json()
}

fn apply(server: &Server, project: &Value) {
    let answer = server.ask("POST", "/console/v1/project", &[("statsig-api-key", CONSOLE_KEY)], project.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn v1() -> String {
    format!("/v1/download_config_specs/{SERVER_KEY}.json")
}

fn v2() -> String {
    format!("/v2/download_config_specs/{SERVER_KEY}.json")
}

fn get(server: &Server, path: &str) -> Answer {
    let answer = server.ask("GET", path, &[], "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

fn time(server: &Server) -> i64 {
    get(server, &v1()).json()["time"].as_i64().expect("a time")
}

#[test]
fn a_server_downloads_its_specs_however_it_sends_its_key() {
    let server = Server::start(&with_subjects(50.0));
    let key = ("statsig-api-key", SERVER_KEY);
    let (first, second) = (get(&server, &v1()), get(&server, &v2()));
    assert!(first.json()["feature_gates"].is_array() && second.json()["feature_gates"].is_object());
    assert_eq!(second.json()["response_format"], "dcs-v2");
    assert_eq!(first.json()["id_lists"], json!({"vips": true}));
    for version in ["v1", "v2"] {
        let expected = if version == "v1" { &first.body } else { &second.body };
        let path = format!("/{version}/download_config_specs");
        for answer in [
            server.ask("GET", &path, &[key], ""),
            server.ask("GET", &format!("{path}?k={SERVER_KEY}"), &[], ""),
            server.ask("POST", &path, &[key], r#"{"sinceTime":0,"statsigMetadata":{"sdkType":"py-server"}}"#),
            server.ask("POST", &path, &[key, ("content-encoding", "gzip")], gzip(r#"{"sinceTime":0}"#)),
            server.ask("GET", &format!("{path}/{}.json?supports_proto=true", SERVER_KEY.replace('-', "%2D")), &[], ""),
            server.ask("HEAD", &format!("{path}/{SERVER_KEY}.json"), &[], ""),
        ] {
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
            assert!(
                answer.body == *expected
                    || answer.body.is_empty() && answer.header("content-length") == Some(&expected.len().to_string())
            );
        }
    }
    // As the core and as the older SDKs ask for it.
    for encodings in ["statsig-br, gzip, deflate, br", "gzip,deflate"] {
        let mut connection = server.connect();
        let head = format!("GET {} HTTP/1.1\r\nhost: x\r\naccept-encoding: {encodings}\r\n\r\n", v2());
        connection.send(head.as_bytes()).expect("the connection is open");
        let answer = connection.head().expect("an answer");
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("gzip"), Some("accept-encoding")));
        let length: usize = answer.header("content-length").expect("a length").parse().expect("a number");
        assert!(length * 2 < second.body.len(), "{length} of {}", second.body.len());
    }
}

#[test]
fn who_has_the_specs_is_told_that_they_have_not_changed() {
    let mut server = Server::start(&with_subjects(50.0));
    let known = time(&server);
    let unchanged = r#"{"has_updates":false}"#;
    let since = |server: &Server, path: &str, since: i64| get(server, &format!("{path}?sinceTime={since}")).body;
    for path in [v1(), v2()] {
        assert_eq!(since(&server, &path, known), unchanged);
        assert_eq!(since(&server, &path, known + 1), unchanged);
        for older in [known - 1, 0] {
            assert_eq!(since(&server, &path, older), get(&server, &path).body);
        }
        assert_eq!(get(&server, &format!("{path}?sinceTime=never")).body, get(&server, &path).body);
        let tag = get(&server, &path).header("etag").expect("a tag").to_owned();
        let answer = server.ask("GET", &path, &[("if-none-match", &tag)], "");
        assert_eq!((answer.status, answer.body.as_str(), answer.header("etag")), (304, "", Some(tag.as_str())));
        assert_eq!(server.ask("GET", &path, &[("if-none-match", "W/\"other\"")], "").status, 200);
    }
    let posted = server.post("/v1/download_config_specs", json!({"sinceTime": known}).to_string());
    assert_eq!((posted.status, posted.body.as_str()), (200, unchanged));
    // A key that is made changes nothing for SDKs, and neither does a member of a list, a restart or the same project.
    let console = [("statsig-api-key", CONSOLE_KEY)];
    let made = server.ask("POST", "/console/v1/keys", &console, r#"{"description":"more","type":"SERVER"}"#);
    assert_eq!(made.status, 200, "{}", made.body);
    let added = server.ask("PATCH", "/console/v1/segments/vips/id_list", &console, r#"{"ids":["u2"]}"#);
    assert_eq!(added.status, 200, "{}", added.body);
    apply(&server, &with_subjects(50.0));
    server.restart();
    assert_eq!(since(&server, &v2(), known), unchanged);
}

#[test]
fn a_change_takes_effect_at_once_and_each_is_later_than_the_one_before() {
    let mut server = Server::start(&with_subjects(0.0));
    let search = |server: &Server| {
        let body = json!({"gateName": "search", "user": {"userID": "u"}, "statsigMetadata": {"exposureLoggingDisabled": true}});
        asked(server, "/v1/check_gate", &body)["value"].clone()
    };
    let served =
        |server: &Server| get(server, &v2()).json()["feature_gates"]["search"]["rules"][1]["passPercentage"].clone();
    let mut before = time(&server);
    for round in 0..6 {
        let percentage = if round % 2 == 0 { 100.0 } else { 0.0 };
        apply(&server, &with_subjects(percentage));
        assert_eq!(search(&server), percentage == 100.0);
        assert_eq!(served(&server).as_f64(), Some(percentage));
        let answer = get(&server, &format!("{}?sinceTime={before}", v1())).json();
        assert_eq!(answer["has_updates"], true);
        assert!(answer["time"].as_i64() > Some(before), "{} after {before}", answer["time"]);
        before = answer["time"].as_i64().expect("a time");
    }
    // What is removed is gone, and that too is later.
    let mut smaller = with_subjects(0.0);
    smaller["gates"].as_array_mut().expect("gates").retain(|gate| gate["name"] != "staged");
    let pruned =
        server.ask("POST", "/console/v1/project?prune=true", &[("statsig-api-key", CONSOLE_KEY)], smaller.to_string());
    assert_eq!(pruned.status, 200, "{}", pruned.body);
    let answer = get(&server, &v2()).json();
    assert_eq!(answer["feature_gates"].get("staged"), None);
    assert!(answer["time"].as_i64() > Some(before));
    std::fs::write(server.folder().join("project.json"), smaller.to_string()).expect("a file");
    server.restart();
    assert_eq!(get(&server, &v2()).json(), answer);
}

#[test]
fn each_key_may_ask_what_the_design_lists_and_no_more() {
    let server = Server::start(&with_subjects(50.0));
    let specs = ["GET /v1/download_config_specs", "POST /v1/download_config_specs", "GET /v2/download_config_specs"];
    let evaluations = ["initialize", "check_gate", "get_config", "get_layer", "log_custom_exposure"];
    let body = json!({"user": {"userID": "u"}, "gateName": "search", "configName": "button", "layerName": "shop", "exposures": []}).to_string();
    let unknown = "secret-nobody000000000000000000001";
    for (key, reads, evaluates) in [
        (SERVER_KEY, None, None),
        (CLIENT_KEY, Some((403, "key_not_allowed")), None),
        (CONSOLE_KEY, Some((403, "key_not_allowed")), Some((403, "key_not_allowed"))),
        (VIEWER_KEY, Some((403, "key_not_allowed")), Some((403, "key_not_allowed"))),
        (unknown, Some((401, "unknown_key")), Some((401, "unknown_key"))),
        ("", Some((401, "missing_key")), Some((401, "missing_key"))),
    ] {
        let said = |answer: Answer| (answer.status >= 400).then(|| (answer.status, answer.code()));
        let expected = |refusal: Option<(u16, &str)>| refusal.map(|(status, code)| (status, code.to_owned()));
        for endpoint in specs {
            let (method, path) = endpoint.split_once(' ').expect("two words");
            let answer = server.ask(method, path, &[("statsig-api-key", key)], "");
            assert_eq!(said(answer), expected(reads), "{endpoint} with {key}");
            if !key.is_empty() {
                let answer = server.ask("GET", &format!("{path}/{key}.json"), &[], "");
                assert_eq!(said(answer), expected(reads), "{path}/{key}.json");
            }
        }
        for path in evaluations {
            let answer = server.ask("POST", &format!("/v1/{path}"), &[("statsig-api-key", key)], &body);
            assert_eq!(said(answer), expected(evaluates), "{path} with {key}");
        }
    }
    // The key in the path is the one that counts, also beside a better one.
    let answer = server.ask(
        "GET",
        &format!("/v1/download_config_specs/{CLIENT_KEY}.json"),
        &[("statsig-api-key", SERVER_KEY)],
        "",
    );
    assert_eq!((answer.status, answer.code().as_str()), (403, "key_not_allowed"));
    for path in ["/console/v1/events", "/v1/get_id_lists"] {
        assert_eq!(server.ask("GET", path, &[("statsig-api-key", CLIENT_KEY)], "").status, 403, "{path}");
    }
}
