//! What Statsig's SDKs ask a server for: specs, evaluations, and the exposures that these are. Which key may ask what, and when a
//! change takes effect.

use super::{SUCCESS, list, rows};
use crate::running::{
    Answer, CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, VIEWER_KEY, gzip, project, reversed_base64, zstd,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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

#[test]
fn a_browser_initializes_in_every_packing_and_every_hash() {
    let server = Server::start(&with_subjects(50.0));
    let path = format!("/v1/initialize?k={CLIENT_KEY}&st=javascript-client&sv=3.33.5");
    let body = json!({"user": {"userID": "boss", "statsigEnvironment": {"tier": "staging"}}, "hash": "none", "deltasResponseRequested": false,
        "full_checksum": null, "statsigMetadata": {"sdkType": "javascript-client", "stableID": "s1", "sessionID": "x"}});
    let text = body.to_string();
    let origin = ("origin", "https://shop.example");
    let plain = server.ask("POST", &path, &[origin, ("content-type", "text/plain;charset=UTF-8")], &text);
    assert_eq!((plain.status, plain.header("access-control-allow-origin")), (200, Some(origin.1)));
    let answer = plain.json();
    let gates: Vec<(&String, &Value)> = answer["feature_gates"].as_object().expect("gates").iter().collect();
    let values: Vec<(&str, &Value)> = gates.iter().map(|(name, gate)| (name.as_str(), &gate["value"])).collect();
    // The list has him, and the environment is the one he says.
    assert_eq!(
        values
            .iter()
            .filter(|(name, _)| ["best", "staged"].contains(name))
            .map(|(_, value)| *value)
            .collect::<Vec<_>>(),
        [true, true]
    );
    assert_eq!(values.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["best", "firm", "search", "staged"]);
    assert_eq!((&answer["user"], &answer["time"]), (&body["user"], &json!(time(&server))));
    assert_eq!(answer["evaluated_keys"], json!({"userID": "boss", "stableID": "s1"}));
    for (query, encoding, sent) in [
        ("&se=1", "", reversed_base64(&text)),
        ("&gz=1", "", gzip(&text)),
        ("", "gzip", gzip(&text)),
        ("", "zstd", zstd(&text)),
    ] {
        let headers = [("content-encoding", encoding)];
        let headers = if encoding.is_empty() { &[][..] } else { &headers };
        assert_eq!(server.ask("POST", &format!("{path}{query}"), headers, sent).body, plain.body, "{query} {encoding}");
    }
    for (hash, best) in
        [("djb2", "3020260"), ("sha256", "j0N17GXCxAkqHMIednEkcurg3pmThOgyfElZVxIducI="), ("none", "best")]
    {
        let mut body = body.clone();
        body["hash"] = json!(hash);
        let answer = server.ask("POST", &path, &[], body.to_string()).json();
        assert_eq!(
            (&answer["hash_used"], &answer["feature_gates"][best]["name"]),
            (&json!(hash), &json!(best)),
            "{answer}"
        );
    }
    // Nothing new: neither a change of the catalog, nor of the list.
    let mut again = body.clone();
    again["sinceTime"] = answer["time"].clone();
    again["full_checksum"] = answer["full_checksum"].clone();
    let unchanged = server.ask("POST", &path, &[origin], again.to_string());
    assert_eq!((unchanged.status, unchanged.body.as_str()), (204, ""));
    assert_eq!(unchanged.header("access-control-allow-origin"), Some(origin.1));
    let removed = server.ask(
        "DELETE",
        "/console/v1/segments/vips/id_list",
        &[("statsig-api-key", CONSOLE_KEY)],
        r#"{"ids":["boss"]}"#,
    );
    assert_eq!(removed.status, 200, "{}", removed.body);
    let changed = server.ask("POST", &path, &[], again.to_string());
    assert_eq!((changed.status, &changed.json()["feature_gates"]["best"]["value"]), (200, &json!(false)));
    // An answer to a browser is no exposure: what a page reads it logs itself.
    assert_eq!(rows(&server, "unit=boss").len(), 0);
    let preflight = [
        origin,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,statsig-api-key"),
    ];
    for path in ["initialize", "check_gate", "get_config", "get_layer", "log_custom_exposure"] {
        assert_eq!(server.ask("OPTIONS", &format!("/v1/{path}"), &preflight, "").status, 204, "{path}");
    }
}

#[test]
fn what_is_asked_of_the_http_api_is_an_exposure_that_counts() {
    let server = Server::start(&with_subjects(50.0));
    let mut passed = 0;
    let mut groups = BTreeSet::new();
    for n in 0..40 {
        let (user, metadata) =
            (json!({"userID": format!("u{n}")}), json!({"sdkType": "mine", "stableID": format!("s{n}")}));
        // Each call counts, although the content is the same; and a client key may ask too.
        for key in [SERVER_KEY, CLIENT_KEY] {
            let body = json!({"gateName": "search", "user": user, "statsigMetadata": metadata});
            let answer = server.ask("POST", "/v1/check_gate", &[("statsig-api-key", key)], body.to_string());
            assert_eq!(answer.status, 200, "{}", answer.body);
            let gate = answer.json();
            assert_eq!((&gate["name"], &gate["rule_id"]), (&json!("search"), &json!("half")));
            passed += usize::from(gate["value"] == true);
        }
        let config = asked(
            &server,
            "/v1/get_config",
            &json!({"configName": "button", "user": user, "statsigMetadata": metadata}),
        );
        assert_eq!((&config["group"], &config["value"]["color"]), (&config["rule_id"], &config["group_name"]));
        groups.insert(config["rule_id"].as_str().expect("a rule").to_owned());
        let layer =
            asked(&server, "/v1/get_layer", &json!({"layerName": "shop", "user": user, "statsigMetadata": metadata}));
        assert_eq!(layer["allocatedExperimentName"], "layered");
    }
    assert_eq!(groups, BTreeSet::from(["button_c", "button_t"].map(str::to_owned)));
    let stored = rows(&server, "unit=u7");
    let kinds: Vec<&Value> = stored.iter().map(|row| &row["name"]).collect();
    let (gate, config, layer) = ("statsig::gate_exposure", "statsig::config_exposure", "statsig::layer_exposure");
    assert_eq!(kinds, [layer, config, gate, gate]);
    for row in &stored {
        assert_eq!((&row["source"], &row["counts"]), (&json!("statsig"), &json!(true)), "{row}");
        assert_eq!(row["units"], json!({"userID": "u7", "stableID": "s7"}));
        assert_eq!(row["metadata"]["reason"], "Network:Recognized");
    }
    let report = server.get("/console/v1/gates/search/results").json();
    let sum = |report: &Value, field: &str| -> u64 {
        report["groups"].as_array().expect("groups").iter().map(|group| group[field].as_u64().expect("a number")).sum()
    };
    assert_eq!((sum(&report, "exposures"), sum(&report, "units")), (80, 40));
    let pass =
        report["groups"].as_array().unwrap().iter().find(|group| group["name"] == "Pass").expect("a group").clone();
    assert_eq!(pass["exposures"].as_u64(), Some(passed as u64));
    for experiment in ["button", "layered"] {
        let report = server.get(&format!("/console/v1/experiments/{experiment}/results")).json();
        assert_eq!(
            (sum(&report, "exposures"), sum(&report, "units"), &report["notCounted"]),
            (40, 40, &json!({})),
            "{experiment}"
        );
    }
}

#[test]
fn exposures_that_are_not_wanted_are_not_stored() {
    let server = Server::start(&with_subjects(50.0));
    let quiet = json!({"exposureLoggingDisabled": true});
    let body = json!({"gateNames": ["search", "best"], "configName": "button", "layerName": "shop", "user": {"userID": "boss"}, "statsigMetadata": quiet});
    for path in ["check_gate", "get_config", "get_layer"] {
        asked(&server, &format!("/v1/{path}"), &body);
    }
    assert_eq!(rows(&server, "unit=boss").len(), 0);
    let mut loud = body.clone();
    loud["statsigMetadata"] = json!({});
    let answer = asked(&server, "/v1/check_gate", &loud);
    assert_eq!(answer["best"], json!({"name": "best", "value": true, "rule_id": "list", "group_name": null}));
    let stored = rows(&server, "unit=boss");
    assert_eq!(stored.iter().map(|row| &row["metadata"]["gate"]).collect::<Vec<_>>(), ["best", "search"]);
}

#[test]
fn unknown_names_are_answered_as_statsig_does() {
    let server = Server::start(&with_subjects(50.0));
    let user = json!({"userID": "lost", "privateAttributes": {"secret": "very-private"}});
    let gate = asked(&server, "/v1/check_gate", &json!({"gateName": "nowhere", "user": user}));
    assert_eq!(gate, json!({"name": "nowhere", "value": false, "rule_id": "", "group_name": null}));
    let config = asked(&server, "/v1/get_config", &json!({"configName": "nowhere", "user": user}));
    assert_eq!((&config["value"], &config["rule_id"]), (&json!({}), &json!("")));
    let layer = ask(&server, "/v1/get_layer", &json!({"layerName": "nowhere", "user": user}));
    assert_eq!((layer.status, layer.code().as_str()), (404, "not_found"));
    let empty = asked(&server, "/v1/get_layer", &json!({"layerName": "empty", "user": user}));
    assert_eq!(empty, json!({"name": "empty", "value": {}, "ruleID": "default", "allocatedExperimentName": ""}));
    // A misspelt name shows among the events, with the reason why it does not count.
    let stored = rows(&server, "unit=lost");
    let why: Vec<&Value> = stored.iter().map(|row| &row["why"]).collect();
    assert_eq!(why, ["no_experiment", "not_in_catalog", "not_in_catalog"], "{stored:?}");
    assert!(!server.get("/console/v1/events").body.contains("very-private"));
}

#[test]
fn a_program_reports_what_it_decided_by_itself() {
    let server = Server::start(&with_subjects(50.0));
    let hour_ago = time(&server) - 3_600_000;
    let body = json!({"exposures": [
        {"user": {"userID": "a"}, "experimentName": "button", "group": "red", "time": hour_ago},
        {"user": {"userID": "b"}, "experimentName": "button", "ruleID": "button_c"},
        {"user": {"userID": "c"}, "experimentName": "button", "group": "purple"},
        {"user": {"userID": "d"}, "gateName": "search", "passes": false, "group": "half"},
    ]});
    for key in [SERVER_KEY, CLIENT_KEY] {
        let answer = server.ask("POST", "/v1/log_custom_exposure", &[("statsig-api-key", key)], body.to_string());
        assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    }
    // What says when it happened is recognised when it is sent again; the others count each time.
    for (unit, count, rule, why) in [
        ("a", 1, "button_t", None),
        ("b", 2, "button_c", None),
        ("c", 2, "purple", Some("unknown_rule")),
        ("d", 2, "half", None),
    ] {
        let stored = rows(&server, &format!("unit={unit}"));
        assert_eq!(stored.len(), count, "{unit}: {stored:?}");
        assert_eq!(
            (&stored[0]["metadata"]["ruleID"], stored[0].get("why").and_then(Value::as_str)),
            (&json!(rule), why)
        );
    }
    assert_eq!(rows(&server, "unit=a")[0]["timestamp"], hour_ago.to_string());
    let report = server.get("/console/v1/experiments/button/results").json();
    assert_eq!((&report["groups"][0]["exposures"], &report["groups"][1]["exposures"]), (&json!(2), &json!(1)));
    // One bad exposure is refused by itself, told by its place, and counted.
    let body = json!({"exposures": [{"user": {"userID": "e"}, "experimentName": "button", "group": "red"}, {"user": {"userID": "f"}}, {"gateName": "search"}]});
    let answer = ask(&server, "/v1/log_custom_exposure", &body);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let refused: Vec<Value> = list(&json!({"data": answer.json()["rejected"]}))
        .iter()
        .map(|row| json!([row["index"], row["code"]]))
        .collect();
    assert_eq!(refused, [json!([1, "invalid_exposure"]), json!([2, "invalid_exposure"])]);
    assert_eq!((rows(&server, "unit=e").len(), rows(&server, "unit=f").len()), (1, 0));
    assert_eq!(super::rejected(&server), ["invalid_exposure", "invalid_exposure"]);
}

#[test]
fn what_is_too_much_is_refused_and_what_is_just_not_is_taken() {
    let server = Server::start(&with_subjects(50.0));
    let gates = |count: usize| json!({"gateNames": (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>(), "user": {"userID": "many"}});
    assert_eq!(asked(&server, "/v1/check_gate", &gates(100)).as_object().expect("an object").len(), 100);
    let exposures = |count: usize| json!({"exposures": (0..count).map(|_| json!({"gateName": "search", "passes": true})).collect::<Vec<_>>()});
    assert_eq!(ask(&server, "/v1/log_custom_exposure", &exposures(5_000)).status, 202);
    let user = |bytes: usize| {
        let user = json!({"userID": "large", "custom": {"a": ""}});
        let fill = bytes - user.to_string().len();
        json!({"gateName": "search", "user": {"userID": "large", "custom": {"a": "x".repeat(fill)}}})
    };
    let limit = 128 * 1024;
    for path in ["check_gate", "initialize"] {
        let answer = ask(&server, &format!("/v1/{path}"), &user(limit));
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.body.len() < limit + 10_000,
            "an answer repeats the user once and is else as large as the catalog"
        );
    }
    for (path, body, status, code) in [
        ("check_gate", gates(101).to_string(), 400, "too_many_gates"),
        ("log_custom_exposure", exposures(5_001).to_string(), 413, "too_many_events"),
        ("check_gate", user(limit + 1).to_string(), 413, "user_too_large"),
        ("initialize", user(limit + 1).to_string(), 413, "user_too_large"),
        ("check_gate", json!({"gateName": "x".repeat(5 << 20)}).to_string(), 413, "body_too_large"),
        ("check_gate", "{}".to_owned(), 400, "nothing_asked"),
        ("get_config", r#"{"gateName":"search"}"#.to_owned(), 400, "nothing_asked"),
        ("get_layer", String::new(), 400, "nothing_asked"),
        ("log_custom_exposure", "{}".to_owned(), 400, "nothing_asked"),
        ("initialize", r#"{"hash":"md5"}"#.to_owned(), 400, "unknown_hash"),
        ("initialize", "[]".to_owned(), 400, "not_an_object"),
        ("initialize", "{".to_owned(), 400, "malformed_json"),
        ("download_config_specs", "{".to_owned(), 400, "malformed_json"),
    ] {
        let answer = server.post(&format!("/v1/{path}"), &body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {:.80}", body);
    }
    // A user whom nobody names is one too.
    let nobody = asked(&server, "/v1/initialize", &json!({}));
    assert_eq!(nobody["user"], json!({}));
}
