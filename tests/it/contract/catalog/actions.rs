//! What can be done with gates, dynamic configs, experiments and segments, and that it takes effect at once.

use super::*;
use crate::contract::{SUCCESS, only, rows, status};

fn track(server: &Server, event: &str, user: &str) {
    let answer = server.post("/v1/track", json!({"event": event, "userId": user}).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
}

#[test]
fn a_gate_is_switched_launched_and_put_away() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g", "rules": [everyone("some", 10.0)]}));
    for (action, status, enabled, version) in [
        ("disable", "Disabled", false, 2),
        ("disable", "Disabled", false, 2),
        ("enable", "In Progress", true, 3),
        ("launch", "Launched", true, 4),
        ("launch", "Launched", true, 4),
        ("archive", "Archived", false, 5),
        ("disable", "Archived", false, 5),
        ("unarchive", "Disabled", false, 6),
        ("enable", "Launched", true, 7),
    ] {
        let gate = done(&server, "PUT", &format!("gates/g/{action}"), &Value::Null);
        assert_eq!((&gate["status"], &gate["isEnabled"]), (&json!(status), &json!(enabled)), "{action}: {gate}");
        assert_eq!(gate["version"], version, "{action}: what is so already is no change");
        assert_eq!(read(&server, "gates/g"), gate);
    }
    let rules = read(&server, "gates/g/rules");
    assert_eq!((&rules[0]["id"], &rules[1]["id"]), (&json!("launched"), &json!("some")), "the others stay: {rules}");
    done(&server, "PUT", "gates/g/archive", &Value::Null);
    for action in ["enable", "launch"] {
        let refused = refused(&server, "PUT", &format!("gates/g/{action}"), &Value::Null);
        assert_eq!(refused, (409, "wrong_status".to_owned()), "{action}");
    }
    // A dynamic config has the same switches.
    done(&server, "POST", "dynamic_configs", &json!({"name": "c"}));
    for (action, enabled, archived) in [
        ("disable", false, None),
        ("enable", true, None),
        ("archive", false, Some(json!(true))),
        ("unarchive", false, None),
    ] {
        let config = done(&server, "PUT", &format!("dynamic_configs/c/{action}"), &Value::Null);
        assert_eq!((&config["isEnabled"], config.get("isArchived")), (&json!(enabled), archived.as_ref()), "{action}");
    }
    let refused = refused(&server, "PUT", "dynamic_configs/c/launch", &Value::Null);
    assert_eq!(refused, (404, "not_found".to_owned()), "only a gate is launched");
}

#[test]
fn a_gate_is_rolled_out_rule_by_rule() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    for (path, rule) in [("gates/g/rules", everyone("all", 5.0)), ("gates/g/rule", everyone("more", 1.0))] {
        let answer = ask(&server, "POST", path, &rule);
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_eq!(read(&server, "gates/g/rules"), json!([everyone("all", 5.0), everyone("more", 1.0)]));
    for percent in [10.0, 50.0, 0.0, 100.0] {
        let gate = done(&server, "PATCH", "gates/g/rules/all", &json!({"passPercentage": percent}));
        assert_eq!(gate["rules"][0], everyone("all", percent));
        assert_eq!(read(&server, "gates/g/rules/all"), everyone("all", percent));
    }
    // Results are asked by rule, and know it at once.
    let results = |rule: &str| server.get(&format!("/console/v1/gates/g/results?rule={rule}")).status;
    assert_eq!((results("more"), results("none")), (200, 404));
    let renamed =
        done(&server, "PATCH", "gates/g/rules/all", &json!({"name": "Everyone", "environments": ["staging"]}));
    assert_eq!((&renamed["rules"][0]["id"], &renamed["rules"][0]["name"]), (&json!("all"), &json!("Everyone")));
    done(&server, "DELETE", "gates/g/rules/more", &Value::Null);
    assert_eq!(read(&server, "gates/g/rules").as_array().unwrap().len(), 1);
    for (method, path, body, refusal) in [
        ("PATCH", "gates/g/rules/all", json!({"passPercentage": 100.1}), (400, "invalid_item")),
        ("PATCH", "gates/g/rules/all", json!({"passPercentage": -1}), (400, "invalid_item")),
        ("PATCH", "gates/g/rules/all", json!({"id": "other"}), (400, "invalid_item")),
        ("PATCH", "gates/g/rules/all", json!({"returnValue": {}}), (400, "invalid_item")),
        ("PATCH", "gates/g/rules/none", json!({}), (404, "not_found")),
        ("DELETE", "gates/g/rules/more", json!({}), (404, "not_found")),
        ("GET", "gates/g/rules/more", Value::Null, (404, "not_found")),
        ("POST", "gates/g/rules", everyone("all", 1.0), (409, "name_in_use")),
        ("POST", "gates/g/rules", json!({"name": "x"}), (400, "invalid_item")),
        ("POST", "gates/g/rules", everyone("default", 1.0), (400, "invalid_item")),
        ("POST", "gates/none/rules", everyone("x", 1.0), (404, "not_found")),
    ] {
        let (status, code) = refused(&server, method, path, &body);
        assert_eq!((status, code.as_str()), refusal, "{method} {path} {body}");
    }
    let rule = json!({"name": "staging", "passPercentage": 100.0, "environments": ["staging"],
        "conditions": [{"type": "public"}], "returnValue": {"text": "x"}});
    done(&server, "POST", "dynamic_configs", &json!({"name": "c"}));
    let config = done(&server, "POST", "dynamic_configs/c/rules", &rule);
    assert_eq!(
        (&config["rules"][0]["id"], &config["rules"][0]["returnValue"]),
        (&json!("staging"), &json!({"text": "x"}))
    );
}

#[test]
fn overrides_are_set_added_and_taken_away() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    let none = json!({"passingUserIDs": [], "failingUserIDs": [], "environmentOverrides": []});
    assert_eq!(read(&server, "gates/g/overrides"), none);
    let staging = |passing: Value| json!([{"environment": "staging", "passingIDs": passing, "failingIDs": []}]);
    for (method, body, passing, environments) in [
        ("POST", json!({"passingUserIDs": ["a"]}), json!(["a"]), json!([])),
        ("PATCH", json!({"passingUserIDs": ["b", "a"]}), json!(["a", "b"]), json!([])),
        ("PATCH", json!({"environmentOverrides": staging(json!(["x"]))}), json!(["a", "b"]), staging(json!(["x"]))),
        (
            "PATCH",
            json!({"environmentOverrides": staging(json!(["y"]))}),
            json!(["a", "b"]),
            staging(json!(["x", "y"])),
        ),
        ("DELETE", json!({"passingUserIDs": ["a", "z"]}), json!(["b"]), staging(json!(["x", "y"]))),
        ("DELETE", json!({"environmentOverrides": staging(json!(["x", "y"]))}), json!(["b"]), json!([])),
        ("DELETE", Value::Null, json!([]), json!([])),
    ] {
        let told = done(&server, method, "gates/g/overrides", &body);
        assert_eq!(
            (&told["passingUserIDs"], &told["environmentOverrides"]),
            (&passing, &environments),
            "{method} {body}"
        );
        assert_eq!(read(&server, "gates/g/overrides"), told);
    }
    done(&server, "POST", "experiments", &json!({"name": "e", "groups": groups()}));
    assert_eq!(read(&server, "experiments/e/overrides"), json!({"overrides": [], "userIDOverrides": []}));
    let to = |group: &str, ids: Value| json!({"groupID": group, "ids": ids});
    let by_gate = json!({"type": "gate", "id": "g", "groupID": "test"});
    done(&server, "PATCH", "experiments/e/overrides", &json!({"userIDOverrides": [to("test", json!(["qa-1"]))]}));
    let more = json!({"userIDOverrides": [to("test", json!(["qa-2"])), to("Control", json!(["qa-3"]))], "overrides": [by_gate]});
    let told = done(&server, "PATCH", "experiments/e/overrides", &more);
    let both = json!([to("test", json!(["qa-1", "qa-2"])), to("Control", json!(["qa-3"]))]);
    assert_eq!(told, json!({"overrides": [by_gate], "userIDOverrides": both}));
    let less = json!({"userIDOverrides": [to("Control", json!(["qa-3"]))], "overrides": [by_gate]});
    let told = done(&server, "DELETE", "experiments/e/overrides", &less);
    assert_eq!(told, json!({"overrides": [], "userIDOverrides": [to("test", json!(["qa-1", "qa-2"]))]}));
    for (path, body, place) in [
        ("gates/g/overrides", json!({"passingUserIDs": ["a"], "failingUserIDs": ["a"]}), "overrides.failingUserIDs[0]"),
        ("gates/g/overrides", json!({"passing": []}), "overrides.passing"),
        ("gates/g/overrides", json!({"passingUserIDs": "a"}), "overrides.passingUserIDs"),
        ("gates/g/overrides", json!([]), "(body)"),
        (
            "experiments/e/overrides",
            json!({"userIDOverrides": [to("blue", json!([]))]}),
            "overrides.userIDOverrides[1].groupID",
        ),
    ] {
        let answer = ask(&server, "PATCH", path, &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{body}");
        assert_eq!(places(&answer), [place], "{body}");
    }
    // What is to be taken away has to have the right shape too, or nothing would go without a word.
    for (body, place) in [
        (json!({"passing": ["a"]}), "overrides.passing"),
        (json!({"passingUserIDs": "a"}), "overrides.passingUserIDs"),
        (json!(["a"]), "(body)"),
    ] {
        let answer = ask(&server, "DELETE", "gates/g/overrides", &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{body}");
        assert_eq!(places(&answer), [place], "{body}");
    }
}

#[test]
fn the_rules_of_a_segment_are_set_as_a_whole() {
    let server = Server::start(&project());
    done(&server, "POST", "segments", &json!({"name": "s", "type": "rule_based"}));
    done(&server, "POST", "segments", &json!({"name": "list", "type": "id_list", "ids": ["u1"]}));
    // A segment of the other type has its list from the start until it is removed.
    assert_eq!(read(&server, "segments/list/id_list")["ids"], json!(["u1"]));
    done(&server, "PATCH", "segments/list", &json!({"ids": ["u2"]}));
    assert_eq!(read(&server, "segments/list/id_list")["ids"], json!(["u2"]));
    done(&server, "POST", "segments", &json!({"name": "gone", "type": "id_list", "ids": ["u1"]}));
    done(&server, "DELETE", "segments/gone", &Value::Null);
    done(&server, "POST", "segments", &json!({"name": "gone", "type": "id_list"}));
    assert_eq!(read(&server, "segments/gone/id_list")["count"], 0, "nobody is in it any more");
    let rules = json!([everyone("all", 100.0)]);
    assert_eq!(done(&server, "POST", "segments/s/conditional", &rules)["rules"], rules);
    assert_eq!(read(&server, "segments/s/conditional"), rules);
    let refusals = [
        ("segments/list/conditional", rules, (409, "wrong_type".to_owned())),
        ("segments/s/conditional", json!([{"name": "x"}]), (400, "invalid_item".to_owned())),
        ("segments/s/conditional", json!({"rules": []}), (400, "invalid_item".to_owned())),
    ];
    for (path, body, refusal) in refusals {
        assert_eq!(refused(&server, "POST", path, &body), refusal, "{path} {body}");
    }
}

#[test]
fn an_experiment_is_started_decided_and_set_up_anew() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    let new = json!({"name": "e", "groups": groups(), "targetingGateID": "g"});
    assert_eq!(done(&server, "POST", "experiments", &new)["status"], "setup");
    let act = |action: &str, body: Value| done(&server, "PUT", &format!("experiments/e/{action}"), &body);
    let refused = |action: &str, body: Value| refused(&server, "PUT", &format!("experiments/e/{action}"), &body);
    let wrong_status = || (409, "wrong_status".to_owned());
    for (action, body) in [("abandon", Value::Null), ("make_decision", json!({"id": "test"}))] {
        assert_eq!(refused(action, body), wrong_status(), "{action} before it starts");
    }
    let before = status(&server)["now"].as_i64().expect("milliseconds");
    let started = act("start", Value::Null);
    assert_eq!((&started["status"], started.get("endTime")), (&json!("active"), None));
    let log = |unit: &str, group: &str, time: i64| {
        let event = json!({"eventName": "statsig::config_exposure", "time": time, "user": {"userID": unit},
            "metadata": {"config": "e", "ruleID": group}});
        let answer = server.post("/v1/log_event", json!({"events": [event]}).to_string());
        assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    };
    // Its results begin with it.
    log("early", "test", before - 60_000);
    let now = status(&server)["now"].as_i64().expect("milliseconds");
    log("late", "test", now);
    let report = server.get("/console/v1/experiments/e/results").json();
    let units: Vec<&Value> = report["groups"].as_array().unwrap().iter().map(|group| &group["units"]).collect();
    assert_eq!(units, [0, 1], "{report}");
    for action in ["start", "archive"] {
        assert_eq!(refused(action, Value::Null), wrong_status(), "{action} while it runs");
    }
    assert_eq!(refused("make_decision", json!({})), (400, "invalid_item".to_owned()));
    assert_eq!(refused("make_decision", json!({"id": "purple"})), (400, "invalid_item".to_owned()));
    assert_eq!(read(&server, "experiments/e")["status"], "active", "nothing of it was done");
    let decision = json!({"id": "test", "decisionReason": "it won", "removeTargeting": true});
    let decided = act("make_decision", decision.clone());
    assert_eq!(decided["status"], "decision_made");
    assert_eq!((&decided["launchedGroupID"], &decided["decisionReason"]), (&json!("test"), &json!("it won")));
    assert_eq!((decided.get("targetingGateID"), &decided["startTime"]), (None, &started["startTime"]));
    assert!(decided["endTime"].as_str() >= decided["startTime"].as_str(), "{decided}");
    for (action, body) in [("start", Value::Null), ("abandon", Value::Null), ("make_decision", decision)] {
        assert_eq!(refused(action, body), wrong_status(), "{action} of what is decided");
    }
    assert_eq!(act("archive", Value::Null)["status"], "archived");
    let reset = act("reset", Value::Null);
    assert_eq!(reset["status"], "setup");
    for field in ["startTime", "endTime", "launchedGroupID", "decisionReason"] {
        assert_eq!(reset.get(field), None, "{reset}");
    }
    let salt = reset["salt"].as_str().expect("a salt").to_owned();
    assert_ne!(act("reset", Value::Null)["salt"], json!(salt), "each time another");
    act("start", Value::Null);
    let abandoned = act("abandon", json!({"decisionReason": "no time"}));
    assert_eq!((&abandoned["status"], &abandoned["decisionReason"]), (&json!("abandoned"), &json!("no time")));
    let statuses: Vec<Value> = read(&server, "experiments/e/versions")
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|it| it["status"].clone())
        .collect();
    assert_eq!(statuses, ["setup", "active", "decision_made", "archived", "setup", "setup", "active", "abandoned"]);
}

#[test]
fn setting_up_a_running_experiment_as_a_whole_leaves_it_running() {
    let server = Server::start(&project());
    let mut new = json!({"name": "e", "groups": groups()});
    done(&server, "POST", "experiments", &new);
    done(&server, "PUT", "experiments/e/reset", &Value::Null);
    let started = done(&server, "PUT", "experiments/e/start", &Value::Null);
    new["hypothesis"] = json!("green is better");
    for method in ["PUT", "POST"] {
        let set = done(&server, method, "experiments/e", &new);
        assert_eq!(set["hypothesis"], "green is better");
        for field in ["status", "startTime", "salt"] {
            assert_eq!(set[field], started[field], "{method}: {field}");
        }
    }
    assert_eq!(
        refused(&server, "PUT", "experiments/e", &json!({"name": "e", "groups": groups(), "status": "setup"})).0,
        409
    );
}

#[test]
fn a_status_that_is_patched_moves_as_by_its_action() {
    let server = Server::start(&project());
    done(&server, "POST", "experiments", &json!({"name": "e", "groups": groups()}));
    let patch = |body: Value| ask(&server, "PATCH", "experiments/e", &body);
    let active = patch(json!({"status": "active"})).json()["data"].clone();
    assert!(active["startTime"].is_string(), "{active}");
    for status in ["setup", "archived"] {
        let answer = patch(json!({"status": status}));
        assert_eq!((answer.status, answer.code()), (409, "wrong_status".to_owned()), "{status}");
    }
    assert_eq!(places(&patch(json!({"status": "running"}))), ["status"]);
    assert_eq!(patch(json!({"status": "assignment_stopped"})).status, 200);
    let again = patch(json!({"status": "active"})).json()["data"].clone();
    assert_eq!(again["startTime"], active["startTime"], "taken up again it began when it began");
    assert_eq!(places(&patch(json!({"status": "decision_made"}))), ["launchedGroupID"]);
    assert!(patch(json!({"status": "experiment_stopped"})).json()["data"]["endTime"].is_string());
    let decided = patch(json!({"status": "decision_made", "launchedGroupID": "test"})).json()["data"].clone();
    assert_eq!((&decided["status"], &decided["launchedGroupID"]), (&json!("decision_made"), &json!("test")));
    let made = done(&server, "POST", "experiments", &json!({"name": "f", "groups": groups(), "status": "active"}));
    assert!(made["startTime"].is_string(), "{made}");
}

#[test]
fn an_event_filter_counts_from_the_next_request_on() {
    let server = Server::start(&project());
    let incoming = "integrations/segment.incoming";
    track(&server, "Ping", "before");
    let filter = json!({"events": {"Ping": false}});
    assert_eq!(done(&server, "PATCH", incoming, &filter)["events"], filter["events"]);
    track(&server, "Ping", "during");
    track(&server, "Other", "during");
    assert_eq!(only(&server, "during")["name"], "segment::Other");
    done(&server, "PATCH", incoming, &json!({"events": null}));
    track(&server, "Ping", "after");
    assert_eq!(rows(&server, "name=segment::Ping").len(), 2);
    assert_eq!(status(&server)["filtered"], 1);
    done(&server, "PATCH", incoming, &json!({"isEnabled": false}));
    let answer = server.post("/v1/track", json!({"event": "e", "userId": "u"}).to_string());
    assert_eq!((answer.status, answer.code()), (403, "integration_disabled".to_owned()));
    done(&server, "DELETE", incoming, &Value::Null);
    track(&server, "e", "u");
    // A new ID type is known to the next event, and so is the field that names its units.
    done(&server, "POST", "unit_id_types", &json!({"name": "deviceID"}));
    let map = json!({"mapIdentifiers": [{"field": "anonymousId", "idType": "deviceID"}]});
    done(&server, "PATCH", incoming, &map);
    let body = json!({"event": "e", "userId": "mapped", "anonymousId": "d1"});
    assert_eq!(server.post("/v1/track", body.to_string()).status, 200);
    assert_eq!(only(&server, "mapped")["units"], json!({"userID": "mapped", "deviceID": "d1"}));
    done(&server, "PATCH", "settings", &json!({"eventPrefix": "web::"}));
    track(&server, "e", "prefixed");
    assert_eq!(only(&server, "prefixed")["name"], "web::e");
}
