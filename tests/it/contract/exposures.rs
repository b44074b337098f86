//! Which exposures count, as people see it: in the list of events and in the report, by the same words.

use super::{SUCCESS, only};
use crate::running::{CONSOLE_KEY, SERVER_KEY, Server, project};
use serde_json::{Value, json};

/// When the exposures happened, an hour after the experiment's start.
const EXPOSED: i64 = 1_767_229_200_000;

/// Names differ from IDs, because SDKs know names only.
fn with_subjects() -> Value {
    let mut project = project();
    let rule = |id: &str, percentage: f64| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": [{"type": "public"}]});
    let group = |id: &str| json!({"id": id, "name": id, "size": 50});
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["gates"] = json!([{"id": "search-1", "name": "search", "rules": [rule("all", 100.0), rule("half", 50.0)]}]);
    project["holdouts"] = json!([{"id": "q1", "name": "first quarter", "passPercentage": 5}]);
    project["layers"] = json!([{"name": "shop", "idType": "companyID"}]);
    project["experiments"] = json!([{
        "id": "button-1", "name": "layered_exp", "idType": "companyID", "layerID": "shop", "status": "active",
        "startTime": "2026-01-01T00:00:00Z", "groups": [group("blue"), group("green")],
    }]);
    project["dynamicConfigs"] = json!([{"name": "banner", "rules": []}]);
    project
}

struct Case {
    kind: &'static str,
    metadata: Value,
    user: Value,
    time: i64,
    why: Option<&'static str>,
}

fn case(kind: &'static str, metadata: Value, why: impl Into<Option<&'static str>>) -> Case {
    Case { kind, metadata, user: json!({"customIDs": {"companyid": "c1"}}), time: EXPOSED, why: why.into() }
}

#[test]
fn an_exposure_says_whether_it_counts_and_why_not() {
    let server = Server::start(&with_subjects());
    let config = |rule: &str| json!({"config": "layered_exp", "ruleID": rule, "reason": "Network:Recognized"});
    let because = |reason: &str| json!({"config": "layered_exp", "ruleID": "blue", "reason": reason});
    let layer = |allocated: &str, explicit: &str| {
        json!({"config": "shop", "ruleID": "green", "parameterName": "title",
        "isExplicitParameter": explicit, "allocatedExperiment": allocated})
    };
    let gate = |rule: &str, value: &str| json!({"gate": "search", "ruleID": rule, "gateValue": value});
    let user = |user: Value, case: Case| Case { user, ..case };
    let signed_in = |case| user(json!({"userID": "someone"}), case);
    let of_experiment = vec![
        case("config", config("blue"), None),
        case("layer", layer("layered_exp", "true"), None),
        // As a browser calls the experiment, by either hash.
        case("layer", layer("2970366734", "true"), None),
        case("layer", layer("RUsCP6KDmKQW9JMZHuVBmaWSJyyYA7Wo+M6nac+YCzs=", "true"), None),
        case("layer", layer("2970366735", "true"), "not_in_catalog"),
        case("layer", layer("layered_exp", "false"), "no_experiment"),
        case("config", config("layerAssignment"), "not_allocated"),
        case("config", config("targetingGate"), "not_targeted"),
        case("config", config("prestart"), "not_started"),
        case("config", config("launchedGroup"), "decided"),
        case("config", config("abandoned"), "abandoned"),
        case("config", config("disabledGroup"), "disabled_group"),
        case("config", config("q1"), "held_out"),
        case("config", config("red"), "unknown_rule"),
        case("config", config("blue:userID:id_override"), "override"),
        case("config", because("LocalOverride:Recognized"), "local_override"),
        case("config", because("Uninitialized"), "no_values"),
        case("config", because("Network:Unrecognized"), "unrecognized"),
        case("config", because("InvalidBootstrap"), "invalid_bootstrap"),
        user(json!({"userID": "u", "customIDs": {}}), case("config", config("blue"), "no_unit")),
        Case { time: EXPOSED - 3_600_001, ..case("config", config("blue"), "outside_window") },
        user(
            json!({"customIDs": {"companyID": "c2"}, "statsigEnvironment": {"tier": "staging"}}),
            case("config", config("blue"), "non_production"),
        ),
    ];
    let others = vec![
        case("config", json!({"config": "banner", "ruleID": "default"}), "no_experiment"),
        case("config", json!({"config": "gone", "ruleID": "default"}), "not_in_catalog"),
        signed_in(case("gate", gate("half", "true"), None)),
        signed_in(case("gate", gate("half", "false"), None)),
        signed_in(case("gate", gate("all", "true"), "nothing_to_compare")),
        signed_in(case("gate", gate("default", "false"), "no_rule")),
        signed_in(case("gate", gate("disabled", "false"), "disabled")),
        signed_in(case("gate", gate("", "false"), "unrecognized")),
        signed_in(case("gate", gate("pass:userID:id_override", "true"), "override")),
        signed_in(case("gate", gate("q1", "false"), "held_out")),
        case("gate", gate("half", "true"), "no_unit"),
        case("gate", json!({"gate": "gone", "ruleID": "", "gateValue": "false"}), "not_in_catalog"),
    ];
    let cases: Vec<Case> = of_experiment.into_iter().chain(others).collect();
    let events: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(nth, case)| {
            let mut user = case.user.clone();
            user["customIDs"]["stableID"] = json!(format!("case-{nth}"));
            json!({"eventName": format!("statsig::{}_exposure", case.kind), "time": case.time, "user": user, "metadata": case.metadata})
        })
        .collect();
    let answer = server.post("/v1/log_event", json!({ "events": events }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    for (nth, case) in cases.iter().enumerate() {
        let row = only(&server, &format!("case-{nth}"));
        let said = (row["counts"].as_bool(), row.get("why").and_then(Value::as_str));
        assert_eq!(said, (Some(case.why.is_none()), case.why), "{row}");
    }
    let of = |path: &str| server.get(&format!("/console/v1/{path}/results")).json();
    // What the rows say one by one the report adds up, except what is of no experiment at all.
    let report = of("experiments/layered_exp");
    let mut expected = json!({"override": 1, "local_override": 1, "outside_window": 1});
    for word in
        "not_allocated not_targeted not_started decided abandoned disabled_group held_out unknown_rule no_values \
                 unrecognized invalid_bootstrap no_unit non_production"
            .split_whitespace()
    {
        expected[word] = json!(1);
    }
    assert_eq!(report["notCounted"], expected);
    let counted = |report: &Value| -> u64 {
        report["groups"].as_array().unwrap().iter().map(|group| group["exposures"].as_u64().unwrap()).sum()
    };
    assert_eq!(counted(&report), 4, "a layer's exposure by its hash is one of its experiment");
    assert!(report["health"][0]["detail"].as_str().unwrap().contains("1 held_out"), "{}", report["health"][0]);
    let report = of("gates/search");
    assert_eq!(counted(&report), 2);
    let expected = json!({"other_rule": 1, "no_rule": 1, "disabled": 1, "unrecognized": 1, "override": 1, "held_out": 1, "no_unit": 1});
    assert_eq!(report["notCounted"], expected);
}

#[test]
fn a_hash_that_came_before_its_experiment_counts_once_the_experiment_is_there() {
    let server = Server::start(&project());
    let exposure = json!({"eventName": "statsig::layer_exposure", "time": EXPOSED, "user": {"customIDs": {"companyID": "c1"}, "userID": "early"},
        "metadata": {"config": "shop", "ruleID": "green", "allocatedExperiment": "2970366734"}});
    let mut with_id_type = project();
    with_id_type["unitIdTypes"] = json!([{"name": "companyID"}]);
    let apply = |project: &Value| {
        let answer =
            server.ask("POST", "/console/v1/project", &[("statsig-api-key", CONSOLE_KEY)], project.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    apply(&with_id_type);
    assert_eq!(server.post("/v1/log_event", json!({"events": [exposure]}).to_string()).status, 202);
    let row = only(&server, "early");
    assert_eq!(
        (&row["why"], &row["metadata"]["allocatedExperiment"]),
        (&json!("not_in_catalog"), &json!("2970366734"))
    );
    apply(&with_subjects());
    let row = only(&server, "early");
    assert_eq!((&row["counts"], &row["metadata"]["allocatedExperiment"]), (&json!(true), &json!("layered_exp")));
    let report = server.get("/console/v1/experiments/layered_exp/results").json();
    assert_eq!((&report["groups"][1]["units"], &report["notCounted"]), (&json!(1), &json!({})));
}

#[test]
fn a_client_key_writes_exposures_and_reads_none() {
    let server = Server::start(&with_subjects());
    for (key, status) in [(crate::running::CLIENT_KEY, 403), (SERVER_KEY, 403), (CONSOLE_KEY, 200)] {
        for path in ["events", "event_names", "rejected", "status", "stream", "experiments/layered_exp/results"] {
            let mut connection = server.connect();
            let head = format!("GET /console/v1/{path} HTTP/1.1\r\nhost: x\r\nstatsig-api-key: {key}\r\n\r\n");
            connection.send(head.as_bytes()).expect("the connection is open");
            assert_eq!(connection.head().expect("an answer").status, status, "{path} with {}", &key[..6]);
        }
    }
}
