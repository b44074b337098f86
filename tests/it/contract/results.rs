//! From posted exposures and events to a conclusion. The expected numbers are worked out here, from the definitions and by
//! other formulas than the program's.

use super::SUCCESS;
use crate::running::{CONSOLE_KEY, SERVER_KEY, Server, project};
use serde_json::{Value, json};

const EVENT: &str = "segment::Order Completed";
/// When the exposures happened.
const EXPOSED: i64 = 1_767_225_600_000;

fn with_subjects() -> Value {
    let mut project = project();
    let rule = |id: &str, percentage: u32| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": [{"type": "public"}]});
    project["gates"] = json!([{"id": "search", "name": "search", "idType": "userID", "isEnabled": true,
        "rules": [rule("beta", 50), rule("everyone", 50)]}]);
    project["experiments"] = json!([{
        "id": "button", "name": "button", "idType": "userID", "status": "active", "controlGroupID": "blue",
        "groups": [{"id": "blue", "name": "Blue", "size": 50}, {"id": "green", "name": "Green", "size": 50}],
        "primaryMetrics": [{"name": EVENT, "type": "event_count"}],
        "secondaryMetrics": [{"name": EVENT, "type": "event_user"}],
    }]);
    project
}

fn exposure(kind: &str, metadata: Value, unit: &str) -> Value {
    json!({"eventName": format!("statsig::{kind}_exposure"), "time": EXPOSED, "user": {"userID": unit}, "metadata": metadata})
}

fn log(server: &Server, events: &[Value]) {
    let answer = server.post("/v1/log_event", json!({ "events": events }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
}

/// An order this many milliseconds after the exposures.
fn order(unit: &str, after: i64) -> Value {
    json!({"type": "track", "event": "Order Completed", "userId": unit, "timestamp": iso(EXPOSED + after)})
}

/// An instant of 1 January 2026.
fn iso(ms: i64) -> String {
    let (day, ms) = (ms - EXPOSED + 86_400_000, (ms - EXPOSED).rem_euclid(86_400_000));
    let date = if day < 86_400_000 { "2025-12-31" } else { "2026-01-01" };
    format!("{date}T{:02}:{:02}:{:02}.{:03}Z", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

fn track(server: &Server, orders: &[Value]) {
    let answer = server.post("/v1/batch", json!({ "batch": orders }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
}

fn near(what: &str, found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what} is {found}"));
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
}

/// Two-sided p-value of Student's t with 10 degrees of freedom. For an even number the distribution function is a finite
/// sum: A = sin(x) (1 + cos²/2 + 3 cos⁴/8 + 5 cos⁶/16 + 35 cos⁸/128) with tan(x) = t / √10.
fn student_10(t: f64) -> f64 {
    let cos2 = 10.0 / (10.0 + t * t);
    let sum = 1.0 + cos2 / 2.0 + 3.0 * cos2.powi(2) / 8.0 + 5.0 * cos2.powi(3) / 16.0 + 35.0 * cos2.powi(4) / 128.0;
    1.0 - (1.0 - cos2).sqrt() * sum
}

/// Two-sided p-value of a normal statistic, by the series of the error function.
fn normal(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    1.0 - 2.0 / std::f64::consts::PI.sqrt() * sum
}

#[test]
fn an_experiment_is_concluded_from_exposures_and_events() {
    let server = Server::start(&with_subjects());
    // Orders of each unit after its exposure.
    let groups = [("blue", [0, 0, 1, 1, 2, 2]), ("green", [1, 1, 2, 2, 3, 3])];
    let (mut exposures, mut orders) = (Vec::new(), Vec::new());
    for (group, counts) in groups {
        for (nth, count) in counts.into_iter().enumerate() {
            let unit = format!("{group}-{nth}");
            exposures.push(exposure("config", json!({"config": "button", "ruleID": group}), &unit));
            // What happened before does not count; what happened at the very moment does.
            orders.push(order(&unit, -1));
            orders.extend((0..count).map(|n| order(&unit, n * 1000)));
        }
    }
    // A second exposure of a unit, one of a unit that met both groups, one outside, one in staging, one forced.
    exposures.push(exposure(
        "layer",
        json!({"config": "l", "ruleID": "blue", "allocatedExperiment": "button"}),
        "blue-0",
    ));
    exposures.push(exposure("config", json!({"config": "button", "ruleID": "blue"}), "both"));
    exposures.push(exposure("config", json!({"config": "button", "ruleID": "green"}), "both"));
    exposures.push(exposure("config", json!({"config": "button", "ruleID": "layerAssignment"}), "outside"));
    let mut staged = exposure("config", json!({"config": "button", "ruleID": "green"}), "staged");
    staged["user"]["statsigEnvironment"] = json!({"tier": "staging"});
    exposures.push(staged);
    for unit in ["both", "outside", "staged", "nobody"] {
        orders.push(order(unit, 1000));
    }
    // The events come first: what was exposed late must find them.
    track(&server, &orders);
    log(&server, &exposures);
    // A sender that had no answer repeats itself.
    log(&server, &exposures);

    let answer = server.get("/console/v1/experiments/button/results");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let report = answer.json();
    for (field, value) in [("version", json!(1)), ("kind", json!("experiment")), ("name", json!("button"))] {
        assert_eq!(report[field], value, "{field}");
    }
    assert_eq!((&report["idType"], &report["options"]["level"]), (&json!("userID"), &json!(0.95)));
    let group = |at: usize, field: &str| report["groups"][at][field].clone();
    for (at, id, name, exposures) in [(0, "blue", "Blue", 8), (1, "green", "Green", 7)] {
        assert_eq!((group(at, "id"), group(at, "name")), (json!(id), json!(name)));
        assert_eq!((group(at, "units"), group(at, "control")), (json!(6), json!(at == 0)));
        assert_eq!(group(at, "exposures"), json!(exposures));
    }
    assert_eq!(report["crossovers"], 1);
    assert_eq!(report["notCounted"], json!({"not_allocated": 1, "non_production": 1}));
    near("chi2", &report["srm"]["chi2"], 0.0);
    near("p of the ratio", &report["srm"]["p"], 1.0);
    assert_eq!((&report["srm"]["status"], &report["srm"]["dof"]), (&json!("ok"), &json!(1)));
    let health = |name: &str| {
        let checks = report["health"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name}: {report}")).clone()
    };
    assert_eq!(health("units_match")["detail"], "12 of 12 units (100.00 %) have any event");
    let repeated = health("duplicates");
    assert_eq!(repeated["status"], "warning", "{repeated}");
    assert!(repeated["detail"].as_str().unwrap().starts_with("17 of "), "{repeated}");
    let units = json!({"units": 12, "matched": 12, "events": 34, "eventsWithoutId": 0});
    assert_eq!(report["evidence"]["unitsMatch"], units);

    let metric = |kind: &str| {
        let found =
            report["metrics"].as_array().unwrap().iter().find(|row| row["type"] == kind && row["name"] == EVENT);
        found.unwrap_or_else(|| panic!("no {kind} in {report}")).clone()
    };
    // Means 1 and 2, both with variance 0.8 and 6 units.
    let counts = metric("event_count");
    assert_eq!(counts["role"], "primary");
    let error = (0.8f64 / 6.0 + 0.8 / 6.0).sqrt();
    for (at, sum, mean) in [(0, 6.0, 1.0), (1, 12.0, 2.0)] {
        let row = &counts["groups"][at];
        assert_eq!(row["units"], 6);
        near("sum", &row["sum"], sum);
        near("mean", &row["mean"], mean);
        near("variance", &row["variance"], 0.8);
        near("standard error", &row["standardError"], (0.8f64 / 6.0).sqrt());
    }
    let comparison = &counts["comparisons"][0];
    assert_eq!(
        (&comparison["group"], &comparison["control"], &comparison["variant"]),
        (&json!("Green"), &json!("Blue"), &json!("plain"))
    );
    let absolute = &comparison["absolute"];
    near("delta", &absolute["delta"], 1.0);
    near("standard error", &absolute["standardError"], error);
    near("dof", &absolute["dof"], 10.0);
    assert_eq!(absolute["test"], "welch_t");
    near("p", &absolute["p"], student_10(1.0 / error));
    // An end of the interval is where the test would just reject.
    let (low, high) = (absolute["ci"][0].as_f64().unwrap(), absolute["ci"][1].as_f64().unwrap());
    near("middle", &json!((low + high) / 2.0), 1.0);
    near("p at the end of the interval", &json!(student_10((high - 1.0) / error)), 0.05);
    near("lift", &comparison["relative"]["delta"], 1.0);
    assert_eq!(comparison["relative"]["method"], "fieller");

    // 4 of 6 against 6 of 6.
    let users = metric("event_user");
    assert_eq!(users["role"], "secondary");
    near("share", &users["groups"][0]["mean"], 4.0 / 6.0);
    near("variance", &users["groups"][0]["variance"], 6.0 / 5.0 * (4.0 / 6.0) * (2.0 / 6.0));
    near("all of them", &users["groups"][1]["mean"], 1.0);

    // Options change what they say and nothing else.
    let with = |query: &str| server.get(&format!("/console/v1/experiments/button/results?{query}")).json();
    let both = with("crossovers=both&level=0.9");
    assert_eq!((&both["groups"][0]["units"], &both["groups"][1]["units"]), (&json!(7), &json!(7)));
    assert_eq!(both["options"]["level"], 0.9);
    let plain = with("join=timestamp&winsorize=0&cuped=false");
    assert_eq!((&plain["options"]["join"], &plain["options"]["cuped"]), (&json!("timestamp"), &json!(false)));
    assert_eq!(plain["options"]["winsorize"], 0.0);
    let wide = &with("level=0.8")["metrics"][0]["comparisons"][0]["absolute"];
    near("p at the end of the interval", &json!(student_10((wide["ci"][1].as_f64().unwrap() - 1.0) / error)), 0.2);
    let early = with(&format!("end={}", EXPOSED + 1));
    near("only what happened at once", &early["metrics"][0]["groups"][1]["sum"], 6.0);
    assert_eq!(with("relative=delta")["metrics"][0]["comparisons"][0]["relative"]["method"], "delta");
}

#[test]
fn a_gate_is_concluded_rule_by_rule() {
    let server = Server::start(&with_subjects());
    // 60 passed by `everyone`, of whom 30 order; 60 failed by it, of whom 15 do; `beta` met two.
    let (mut exposures, mut orders) = (Vec::new(), Vec::new());
    for (value, ordering) in [("true", 30), ("false", 15)] {
        for nth in 0..60 {
            let unit = format!("{value}-{nth}");
            exposures.push(exposure(
                "gate",
                json!({"gate": "search", "gateValue": value, "ruleID": "everyone"}),
                &unit,
            ));
            if nth < ordering {
                orders.push(order(&unit, 1));
            }
        }
        let unit = format!("beta-{value}");
        exposures.push(exposure("gate", json!({"gate": "search", "gateValue": value, "ruleID": "beta"}), &unit));
    }
    log(&server, &exposures);
    track(&server, &orders);
    let whole = server.get("/console/v1/gates/search/results").json();
    assert_eq!(whole["kind"], "gate");
    let rules: Vec<&str> =
        whole["rules"].as_array().unwrap().iter().map(|row| row["rule"]["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["beta", "everyone"]);
    let report = server.get("/console/v1/gates/search/results?rule=everyone").json();
    for (field, value) in whole["rules"][1].as_object().unwrap() {
        assert_eq!(&report[field], value, "{field}: a rule by itself is concluded as among the others");
    }
    assert_eq!(report["rule"]["passPercentage"], 50.0);
    let named: Vec<(&str, u64, bool)> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["units"].as_u64().unwrap(), row["control"].as_bool().unwrap()))
        .collect();
    assert_eq!(named, [("Fail", 60, true), ("Pass", 60, false)]);
    assert_eq!(report["notCounted"], json!({"other_rule": 2}));
    // Nobody set a metric up.
    let row =
        report["metrics"].as_array().unwrap().iter().find(|row| row["name"] == EVENT && row["type"] == "event_count");
    let absolute = &row.expect("the event is a metric")["comparisons"][0]["absolute"];
    let error = ((0.5 * 0.5 + 0.25 * 0.75) / 59.0f64).sqrt();
    near("delta", &absolute["delta"], 0.25);
    near("standard error", &absolute["standardError"], error);
    assert_eq!(absolute["test"], "z");
    near("p", &absolute["p"], normal(0.25 / error));
    near("p at the end of the interval", &json!(normal((absolute["ci"][1].as_f64().unwrap() - 0.25) / error)), 0.05);
}

#[test]
fn a_gate_that_is_rolled_out_is_concluded_by_stages() {
    let mut project = with_subjects();
    project["gates"][0]["rules"][1]["passPercentage"] = json!(10);
    let server = Server::start(&project);
    let report = |query: &str| server.get(&format!("/console/v1/gates/search/results?rule=everyone{query}")).json();
    let roll_out = |percentage: u32| {
        let body = json!({"passPercentage": percentage}).to_string();
        let headers = [("statsig-api-key", CONSOLE_KEY), ("content-type", "application/json")];
        let answer = server.ask("PATCH", "/console/v1/gates/search/rules/everyone", &headers, body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        report("")["rule"]["stages"].as_array().unwrap().last().unwrap()["start"].as_i64().expect("a stage begins")
    };
    // Each unit meets the rule and orders at once, and later a second time.
    let visit = |unit: &str, value: &str, time: i64| {
        let metadata = json!({"gate": "search", "gateValue": value, "ruleID": "everyone"});
        let exposure = json!({"eventName": "statsig::gate_exposure", "time": time, "user": {"userID": unit}, "metadata": metadata});
        log(&server, &[exposure, json!({"eventName": "order", "time": time, "user": {"userID": unit}})]);
    };
    let orders = |report: &Value| -> Vec<f64> {
        let metrics = report["metrics"].as_array().unwrap();
        let row = metrics.iter().find(|row| row["name"] == "order" && row["type"] == "event_count").unwrap();
        row["groups"].as_array().unwrap().iter().map(|group| group["sum"].as_f64().unwrap()).collect()
    };
    let units = |report: &Value, field: &str| -> Vec<u64> {
        report["groups"].as_array().unwrap().iter().map(|group| group[field].as_u64().unwrap_or(0)).collect()
    };
    visit("early pass", "true", EXPOSED);
    for nth in 0..40 {
        visit(&format!("early-{nth}"), "false", EXPOSED);
    }
    let alone = report("");
    assert_eq!((&alone["rule"]["stage"], &alone["rule"]["balance"]), (&json!(1), &json!("whole")));
    assert_eq!((units(&alone, "units"), orders(&alone)), (vec![40, 1], vec![40.0, 1.0]));

    let second = roll_out(50);
    visit("early pass", "true", second);
    visit("early-0", "true", second);
    visit("late pass", "true", second);
    visit("late fail", "false", second);
    let pooled = report("");
    assert_eq!((&pooled["rule"]["stage"], &pooled["rule"]["balance"]), (&json!("pooled"), &json!("balanced")));
    let stages = json!([
        {"start": null, "end": second, "passPercentage": 10.0, "used": true},
        {"start": second, "end": null, "passPercentage": 50.0, "used": true},
    ]);
    assert_eq!(pooled["rule"]["stages"], stages);
    let (used, unused) = (units(&pooled, "units"), units(&pooled, "unused"));
    assert_eq!((used[1], used[0] + unused[0], unused[1]), (2, 41, 0));
    // One in nine of those who failed at 10 %.
    assert!((1..=20).contains(&used[0]), "{used:?}");
    assert_eq!(orders(&pooled), [used[0] as f64, 2.0], "what came after a unit's stage does not count");
    assert_eq!(pooled["crossovers"], 0);
    let first = report("&stage=1");
    assert_eq!((units(&first, "units"), orders(&first)), (vec![40, 1], vec![40.0, 1.0]));
    assert_eq!((&first["notCounted"]["other_stage"], &first["otherStages"]), (&json!(4), &json!(2)));
    let by_stage = report("&stage=all");
    let numbers: Vec<&Value> = by_stage["rules"].as_array().unwrap().iter().map(|row| &row["rule"]["stage"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(2)]);

    // Beyond half, the new stage stands alone; a single exposure is told the same.
    let third = roll_out(80);
    visit("last", "true", third);
    let last = report("");
    assert_eq!((&last["rule"]["stage"], units(&last, "units")), (&json!(3), vec![0, 1]));
    let row = |unit: &str| {
        let rows = server.get(&format!("/console/v1/events?unit={unit}&name=statsig::gate_exposure")).json();
        rows["data"][0].clone()
    };
    assert_eq!(row("last")["counts"], true);
    assert_eq!((&row("early-1")["counts"], &row("early-1")["why"]), (&json!(false), &json!("other_stage")));
    let balanced = report("&stage=2&balance=balanced");
    assert_eq!((units(&balanced, "units"), &balanced["options"]["stage"]), (vec![1, 1], &json!("2")));
    for query in ["&stage=4", "&stage=x", "&balance=half"] {
        let answer = server.get(&format!("/console/v1/gates/search/results?rule=everyone{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    let answer = server.get("/console/v1/experiments/button/results?stage=1");
    assert_eq!((answer.status, answer.code()), (400, "invalid_option".to_owned()));
}

#[test]
fn what_is_not_there_is_null_with_a_reason() {
    let server = Server::start(&with_subjects());
    log(&server, &[exposure("config", json!({"config": "button", "ruleID": "green"}), "u")]);
    let report = server.get("/console/v1/experiments/button/results").json();
    let absolute = &report["metrics"][0]["comparisons"][0]["absolute"];
    for field in ["p", "ci", "standardError"] {
        assert_eq!(absolute[field], Value::Null, "{field}");
    }
    assert!(absolute["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{absolute}");
    assert!(report["health"].as_array().unwrap().iter().any(|check| check["remedy"].is_string()), "{report}");
}

#[test]
fn what_cannot_be_concluded_is_refused() {
    let server = Server::start(&with_subjects());
    for (path, status, code) in [
        ("experiments/nothing/results", 404, "not_found"),
        ("experiments/search/results", 404, "not_found"),
        ("gates/button/results", 404, "not_found"),
        ("gates/search/results?rule=nothing", 404, "not_found"),
        ("experiments/button/results?level=2", 400, "invalid_option"),
        ("experiments/button/results?level=", 400, "invalid_option"),
        ("experiments/button/results?crossovers=all", 400, "invalid_option"),
        ("experiments/button/results?relative=x", 400, "invalid_option"),
        ("experiments/button/results?start=yesterday", 400, "invalid_option"),
        ("experiments/button/results?start=2026-02-01&end=2026-01-01", 400, "invalid_option"),
        ("experiments/button/results?levle=0.9", 400, "unknown_option"),
        ("experiments/button/results?join=day", 400, "invalid_option"),
        ("experiments/button/results?winsorize=0.4", 400, "invalid_option"),
        ("experiments/button/results?cuped=yes", 400, "invalid_option"),
        ("experiments/button/results?breakdown=country", 400, "invalid_option"),
        ("experiments/button/results?level=%zz", 400, "invalid_query"),
    ] {
        let answer = server.get(&format!("/console/v1/{path}"));
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{path}");
        assert!(answer.header("content-type") == Some("application/json"));
    }
    let answer = server.ask("GET", "/console/v1/experiments/button/results", &[("statsig-api-key", SERVER_KEY)], "");
    assert_eq!(answer.status, 403);
}
