//! What is refused, with which code, and that nothing is changed by it.

use super::*;

/// A server with a gate that others ask for, a layer with an experiment, and a holdout.
fn with_references() -> Server {
    let mut project = with_editor();
    let qa = json!({"description": "qa", "type": "SERVER", "environments": ["development"]});
    project["keys"].as_array_mut().expect("a list").push(qa);
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["segments"] = json!([{"name": "beta", "type": "id_list", "ids": ["u1"]}]);
    let asks = |kind: &str, what: &str| {
        json!({"name": kind, "passPercentage": 50, "environments": ["staging"],
        "conditions": [{"type": kind, "targetValue": what}]})
    };
    project["gates"] = json!([
        {"name": "base", "idType": "companyID", "rules": [asks("passes_segment", "beta")]},
        {"name": "above", "rules": [asks("passes_gate", "base")]},
    ]);
    project["layers"] = json!([{"name": "page", "idType": "userID"}]);
    project["metrics"] = json!([{"name": "sales", "type": "sum",
        "metricEvents": [{"name": "segment::Order", "type": "value"}]}]);
    project["experiments"] = json!([{"name": "first", "groups": groups(), "layerID": "page", "allocation": 60,
        "targetingGateID": "base", "primaryMetrics": [{"name": "sales", "type": "sum"}]}]);
    project["holdouts"] =
        json!([{"name": "quiet", "passPercentage": 1, "experimentIDs": ["first"], "gateIDs": ["above"]}]);
    Server::start(&project)
}

fn everything(server: &Server) -> Vec<String> {
    let paths = [
        "gates",
        "dynamic_configs",
        "experiments",
        "layers",
        "holdouts",
        "segments",
        "metrics",
        "unit_id_types",
        "environments",
        "settings",
        "integrations",
        "audit_logs",
    ];
    paths.iter().map(|path| ask(server, "GET", path, &Value::Null).body).collect()
}

#[test]
fn every_mistake_is_told_with_its_place_and_nothing_is_changed() {
    let server = with_references();
    let before = everything(&server);
    let condition = |condition: Value| json!({"name": "x", "rules": [{"name": "r", "passPercentage": 1, "conditions": [condition]}]});
    let in_layer =
        |allocation: f64| json!({"name": "x", "groups": groups(), "layerID": "page", "allocation": allocation});
    let sized = |size: f64| json!({"name": "x", "groups": [{"name": "a", "size": 50}, {"name": "b", "size": size}]});
    for (method, path, body, place) in [
        ("POST", "gates", json!({"name": "x", "idType": "teamID"}), "idType"),
        ("POST", "gates", json!({}), "name"),
        ("POST", "gates", json!({"name": " "}), "name"),
        ("POST", "gates", json!({"name": "x", "colour": "red"}), "colour"),
        ("POST", "gates", json!("x"), "(body)"),
        ("POST", "gates", Value::Null, "(body)"),
        ("POST", "gates", condition(json!({"type": "moon_phase"})), "rules[0].conditions[0].type"),
        (
            "POST",
            "gates",
            condition(json!({"type": "country", "operator": "gt", "targetValue": "CA"})),
            "rules[0].conditions[0].operator",
        ),
        (
            "POST",
            "gates",
            condition(json!({"type": "passes_gate", "targetValue": "none"})),
            "rules[0].conditions[0].targetValue",
        ),
        (
            "POST",
            "gates",
            condition(json!({"type": "passes_gate", "targetValue": "x"})),
            "rules[0].conditions[0].targetValue",
        ),
        ("PATCH", "gates/base", json!({"rules": [everyone("r", 101.0)]}), "rules[0].passPercentage"),
        ("PATCH", "gates/base", json!({"id": "other"}), "id"),
        ("PATCH", "gates/base", json!({"name": null}), "name"),
        ("PATCH", "gates/base", json!({"isArchived": true}), "isEnabled"),
        ("PATCH", "gates/base", json!({"version": "one"}), "version"),
        (
            "PATCH",
            "gates/base",
            condition(json!({"type": "fails_gate", "targetValue": "above"}))
                .as_object()
                .map(|gate| json!({"rules": gate["rules"]}))
                .unwrap(),
            "gates[\"above\"].rules[0].conditions[0].targetValue",
        ),
        ("POST", "experiments", sized(40.0), "groups"),
        ("POST", "experiments", in_layer(41.0), "allocation"),
        ("POST", "experiments", json!({"name": "x", "groups": groups(), "targetingGateID": "none"}), "targetingGateID"),
        ("PUT", "experiments/first", json!({"name": "first", "groups": []}), "groups"),
        ("POST", "holdouts", json!({"name": "x", "gateIDs": ["none"]}), "gateIDs[0]"),
        ("PATCH", "holdouts/quiet", json!({"passPercentage": 100.5}), "passPercentage"),
        ("POST", "segments", json!({"name": "x", "type": "tree"}), "type"),
        ("POST", "metrics", json!({"name": "x", "type": "ratio"}), "metricEvents"),
        ("PATCH", "metrics/sales::sum", json!({"type": "mean"}), "name"),
        ("PATCH", "unit_id_types/companyID", json!({"name": "teamID"}), "name"),
        ("POST", "layers", json!({"name": "x"}), "idType"),
        ("PATCH", "settings", json!({"timezone": "Mars"}), "timezone"),
        ("PUT", "environments", json!({"environments": [{"name": "staging"}]}), "environments"),
        (
            "PUT",
            "environments",
            json!({"environments": [{"name": "production"}, {"name": "staging", "isProduction": true}]}),
            "environments[1]",
        ),
        ("PUT", "environments", json!({"environments": "production"}), "environments"),
        ("PATCH", "integrations/webhook.outgoing", json!({"isEnabled": true}), "url"),
        ("PATCH", "integrations/segment.incoming", json!({"id": "x", "events": {"a": 1}}), "events.a"),
    ] {
        let answer = ask(&server, method, path, &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{method} {path} {body}");
        assert_eq!(places(&answer), [place], "{method} {path} {body}");
        assert!(answer.json()["message"].as_str().unwrap().contains("nothing was changed"), "{}", answer.body);
    }
    // Two at once, and text that is no JSON.
    let answer = ask(
        &server,
        "PATCH",
        "gates/base",
        &json!({"idType": "x", "rules": [{"name": "r", "passPercentage": 1, "conditions": []}]}),
    );
    assert_eq!(places(&answer), ["idType", "rules[0].conditions"]);
    for (text, place) in
        [("{\"name\":", "line 1, column 8"), ("{\"name\": \"a\", \"name\": \"b\"}", "line 1, column 20")]
    {
        let answer = server.ask("POST", "/console/v1/gates", &[("statsig-api-key", CONSOLE_KEY)], text);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{text}");
        assert_eq!(places(&answer), [place]);
    }
    let not_utf8 = server.ask("POST", "/console/v1/gates", &[("statsig-api-key", CONSOLE_KEY)], [b'{', 0xff]);
    assert_eq!((not_utf8.status, not_utf8.code()), (400, "not_utf8".to_owned()));
    assert_eq!(everything(&server), before);
}

#[test]
fn what_does_not_go_together_with_what_is_there_is_a_conflict() {
    let server = with_references();
    let before = everything(&server);
    for (method, path, body, code) in [
        ("POST", "gates", json!({"name": "base"}), "name_in_use"),
        ("POST", "gates", json!({"id": "base", "name": "x"}), "name_in_use"),
        ("POST", "gates", json!({"name": "quiet"}), "name_in_use"),
        ("POST", "dynamic_configs", json!({"name": "first"}), "name_in_use"),
        ("PATCH", "gates/base", json!({"name": "above"}), "name_in_use"),
        ("POST", "unit_id_types", json!({"name": "COMPANYid"}), "name_in_use"),
        ("POST", "unit_id_types", json!({"name": "userID"}), "name_in_use"),
        (
            "POST",
            "metrics",
            json!({"name": "sales", "type": "sum", "metricEvents": [{"name": "e", "type": "value"}]}),
            "name_in_use",
        ),
        ("DELETE", "unit_id_types/userID", Value::Null, "built_in"),
        ("PATCH", "unit_id_types/stableID", json!({"description": "x"}), "built_in"),
        ("DELETE", "gates/base", Value::Null, "in_use"),
        ("DELETE", "gates/above", Value::Null, "in_use"),
        ("PUT", "gates/base/archive", Value::Null, "in_use"),
        ("PATCH", "gates/base", json!({"isArchived": true, "isEnabled": false}), "in_use"),
        ("DELETE", "segments/beta", Value::Null, "in_use"),
        ("DELETE", "layers/page", Value::Null, "in_use"),
        ("DELETE", "experiments/first", Value::Null, "in_use"),
        ("DELETE", "metrics/sales::sum", Value::Null, "in_use"),
        ("DELETE", "unit_id_types/companyID", Value::Null, "in_use"),
        ("PUT", "environments", json!({"environments": [{"name": "production"}]}), "in_use"),
        ("PUT", "environments", json!({"environments": [{"name": "production"}, {"name": "staging"}]}), "in_use"),
        ("PATCH", "gates/base", json!({"isEnabled": false, "version": 2}), "version_conflict"),
        ("PUT", "settings", json!({"version": 1}), "version_conflict"),
    ] {
        assert_eq!(refused(&server, method, path, &body), (409, code.to_owned()), "{method} {path} {body}");
    }
    let answer = ask(&server, "DELETE", "gates/base", &Value::Null);
    let users = ["gates[\"above\"].rules[0].conditions[0].targetValue", "experiments[\"first\"].targetingGateID"];
    assert_eq!(places(&answer), users);
    assert!(answer.body.contains("needs gate base, which would be gone"), "{}", answer.body);
    assert!(users.iter().all(|user| answer.json()["message"].as_str().unwrap().contains(user)), "{}", answer.body);
    assert_eq!(everything(&server), before);
    // Once nothing asks for it, it can go.
    for path in ["holdouts/quiet", "experiments/first", "gates/above", "gates/base", "segments/beta", "layers/page"] {
        done(&server, "DELETE", path, &Value::Null);
    }
}

#[test]
fn a_change_thought_out_for_another_version_is_refused() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    let by = |version: &str, method: &str, path: &str, body: &str| {
        let headers = [("statsig-api-key", CONSOLE_KEY), ("if-match", version)];
        server.ask(method, &format!("/console/v1/{path}"), &headers, body)
    };
    for (version, status) in
        [("2", 409), ("\"0\"", 409), ("x", 400), ("\"1\"", 200), ("1", 409), ("2", 200), ("*", 200)]
    {
        let description = format!("{{\"description\": \"by {}\"}}", version.replace('"', ""));
        assert_eq!(by(version, "PATCH", "gates/g", &description).status, status, "{version}");
    }
    for (method, path) in [("PUT", "gates/g/disable"), ("DELETE", "gates/g"), ("PUT", "gates/g/archive")] {
        let answer = by("1", method, path, "");
        assert_eq!((answer.status, answer.code()), (409, "version_conflict".to_owned()), "{method} {path}");
    }
    assert_eq!(by("4", "DELETE", "gates/g", "").status, 200);
}

#[test]
fn each_change_is_left_to_those_who_may_make_it() {
    let server = with_references();
    let none = server.ask("GET", "/console/v1/gates", &[], "");
    assert_eq!((none.status, none.code()), (401, "missing_key".to_owned()));
    for key in [crate::running::SERVER_KEY, crate::running::CLIENT_KEY] {
        let answer = ask_by(&server, key, "GET", "gates", &Value::Null);
        assert_eq!((answer.status, answer.code()), (403, "key_not_allowed".to_owned()), "{key}");
    }
    let viewer = crate::running::VIEWER_KEY;
    let gate = json!({"name": "by_editor"});
    assert_eq!(ask_by(&server, viewer, "GET", "gates/base", &Value::Null).status, 200);
    assert_eq!(ask_by(&server, viewer, "POST", "gates", &gate).code(), "role_not_allowed");
    assert_eq!(ask_by(&server, EDITOR_KEY, "POST", "gates", &gate).status, 201);
    assert_eq!(read(&server, "gates/by_editor")["lastModifierName"], "editing");
    for (path, body) in [
        ("settings", json!({"eventPrefix": "x::"})),
        ("integrations/segment.incoming", json!({"isEnabled": false})),
        ("unit_id_types/companyID", json!({"description": "x"})),
    ] {
        assert_eq!(ask_by(&server, EDITOR_KEY, "PATCH", path, &body).code(), "role_not_allowed", "{path}");
        assert_eq!(ask(&server, "PATCH", path, &body).status, 200, "{path}");
    }
}
