//! Evaluations over HTTP: `initialize` in every packing and hash, single gates, configs and layers, and the exposures that
//! these are, up to the report.

use super::super::{SUCCESS, list, rejected, rows};
use super::{ask, asked, time, with_subjects};
use crate::running::{CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, gzip, reversed_base64, zstd};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
    assert_eq!(rejected(&server), ["invalid_exposure", "invalid_exposure"]);
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
    // An exposure that cannot be stored is refused and counted as such; the answer is right all the same.
    let long = json!({"userID": "x".repeat(513)});
    assert_eq!(asked(&server, "/v1/check_gate", &json!({"gateName": "search", "user": long}))["name"], "search");
    assert_eq!(rejected(&server), ["id_too_long", "too_many_events"]);
    // A user whom nobody names is one too.
    let nobody = asked(&server, "/v1/initialize", &json!({}));
    assert_eq!(nobody["user"], json!({}));
}
