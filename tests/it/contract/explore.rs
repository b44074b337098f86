//! Questions beside the scorecard, once and saved, and reports as tables. What is expected is counted here from what was sent.

use super::SUCCESS;
use crate::running::{Answer, CONSOLE_KEY, Server, VIEWER_KEY, project};
use serde_json::{Value, json};

const EXPOSED: i64 = 1_767_225_600_000;
const ORDER: &str = "order";
/// Units of the log: each second one sees green, each third one is in Canada, and it orders as often as its number modulo 4.
const UNITS: usize = 24;

fn subjects() -> Value {
    let mut project = project();
    let rule = |id: &str| json!({"id": id, "name": id, "passPercentage": 50, "conditions": [{"type": "public"}]});
    project["gates"] = json!([{"id": "search", "name": "search", "rules": [rule("beta"), rule("everyone")]}]);
    project["segments"] = json!([
        {"name": "testers", "type": "id_list", "ids": ["u0", "u1", "u2", "u3", "stranger"]},
        {"name": "companies", "type": "id_list", "idType": "stableID", "ids": ["c"]},
        {"name": "ruled", "type": "rule_based", "rules": [rule("r")]},
    ]);
    project["experiments"] = json!([{
        "id": "button", "name": "button", "status": "active", "controlGroupID": "blue",
        "groups": [{"id": "blue", "name": "Blue", "size": 50}, {"id": "green", "name": "Green", "size": 50}],
        "primaryMetrics": [{"name": ORDER, "type": "event_count"}],
        "analysis": {"winsorize": 0.9},
    }]);
    project["metrics"] = json!([{"name": "spent", "type": "sum", "metricEvents": [{"name": ORDER, "type": "value"}]}]);
    project
}

fn logged() -> Server {
    logged_in(&subjects())
}

fn logged_in(project: &Value) -> Server {
    let server = Server::start(project);
    let mut events = Vec::new();
    for nth in 0..UNITS {
        let unit = format!("u{nth}");
        let user = json!({"userID": unit, "country": if nth % 3 == 0 { "CA" } else { "US" }, "custom": {"plan": format!("p{}", nth % 2)}});
        let group = ["blue", "green"][nth % 2];
        events.push(
            json!({"eventName": "statsig::config_exposure", "time": EXPOSED + nth as i64 * 3_600_000, "user": user,
            "metadata": {"config": "button", "ruleID": group}}),
        );
        events.push(json!({"eventName": "statsig::gate_exposure", "time": EXPOSED + nth as i64 * 3_600_000, "user": user,
            "metadata": {"gate": "search", "gateValue": if nth % 2 == 0 { "false" } else { "true" }, "ruleID": "everyone"}}));
        for n in 0..nth % 4 {
            let metadata = json!({"kind": if n == 0 { "book" } else { "shoe" }});
            events.push(json!({"eventName": ORDER, "time": EXPOSED + 90_000_000 + n as i64, "value": 10 * (n + 1),
                "user": {"userID": unit}, "metadata": metadata}));
        }
    }
    let answer = server.post("/v1/log_event", json!({ "events": events }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    server
}

fn ask_by(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", key)], body)
}

fn explored(server: &Server, path: &str, body: &Value) -> Value {
    let answer = ask_by(server, VIEWER_KEY, "POST", path, body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.json()
}

fn units(analysis: &Value) -> Vec<u64> {
    analysis["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| group["units"].as_u64().expect("a count"))
        .collect()
}

fn sums(metric: &Value) -> Vec<f64> {
    metric["groups"].as_array().expect("groups").iter().map(|group| group["sum"].as_f64().expect("a sum")).collect()
}

/// Of units that meet a condition: how many are in each group, and a number of each added up.
fn expected(meets: impl Fn(usize) -> bool, number: impl Fn(usize) -> f64) -> (Vec<u64>, Vec<f64>) {
    let of = |group: usize| (0..UNITS).filter(move |nth| nth % 2 == group);
    let sizes = [0, 1].map(|group| of(group).filter(|nth| meets(*nth)).count() as u64);
    let sums = [0, 1].map(|group| of(group).filter(|nth| meets(*nth)).map(&number).sum());
    (sizes.to_vec(), sums.to_vec())
}

#[test]
fn any_metric_is_explored_over_any_part_of_the_units() {
    let server = logged();
    let shoes = json!({"name": "shoes", "type": "event_count_custom", "directionality": "increase", "metricEvents": [
        {"name": ORDER, "criteria": [{"type": "metadata", "column": "kind", "condition": "=", "values": ["shoe"]}]}]});
    let spent = json!({"name": "spent", "type": "sum"});
    let shoes_of = |nth: usize| (nth % 4).saturating_sub(1) as f64;
    let spent_of = |nth: usize| (0..nth % 4).map(|n| 10.0 * (n + 1) as f64).sum();
    let path = "experiments/button/explore";
    let whole = explored(&server, path, &json!({"metrics": [shoes, spent, {"name": "dau", "type": "user"}]}));
    let (sizes, of_shoes) = expected(|_| true, shoes_of);
    assert_eq!((units(&whole), whole["metrics"].as_array().unwrap().len()), (sizes, 3));
    assert_eq!((sums(&whole["metrics"][0]), sums(&whole["metrics"][1])), (of_shoes, expected(|_| true, spent_of).1));
    let first = &whole["metrics"][0];
    assert_eq!((&first["role"], &first["direction"]), (&json!("explored"), &json!("increase")));
    assert_eq!((&first["comparisons"][0]["adjusted"], whole.get("filtered")), (&Value::Null, None));
    // What the experiment has set holds unless the question says otherwise.
    assert_eq!(
        (&whole["options"]["winsorize"], &first["comparisons"][1]["variant"]),
        (&json!(0.9), &json!("winsorized"))
    );
    let plain =
        explored(&server, path, &json!({"metrics": [shoes], "winsorize": 0, "level": 0.8, "alternative": "greater"}));
    assert_eq!(
        (&plain["options"]["level"], plain["metrics"][0]["comparisons"].as_array().unwrap().len()),
        (&json!(0.8), 1)
    );
    assert_eq!(plain["metrics"][0]["comparisons"][0]["absolute"]["alternative"], "greater");

    let hours = |n: i64| json!(EXPOSED + n * 3_600_000);
    let canada = json!({"type": "user", "column": "country", "condition": "in", "values": ["CA"]});
    let plan = json!({"type": "user_custom", "column": "plan", "condition": "not_in", "values": ["p0"]});
    type Meets = fn(usize) -> bool;
    let rows: [(Value, Meets); 8] = [
        (json!({"filters": [canada]}), |nth| nth % 3 == 0),
        (json!({"filters": [canada, plan]}), |nth| nth % 3 == 0 && nth % 2 == 1),
        (json!({"exposedFrom": hours(10)}), |nth| nth >= 10),
        (json!({"exposedFrom": hours(10), "exposedUntil": hours(20)}), |nth| (10..20).contains(&nth)),
        (json!({"includeIdLists": ["testers"]}), |nth| nth < 4),
        (json!({"excludeIdLists": ["testers"]}), |nth| nth >= 4),
        (json!({"includeIdLists": ["testers"], "filters": [canada]}), |nth| nth < 4 && nth % 3 == 0),
        (
            json!({"filters": [{"type": "metadata", "column": "ruleID", "condition": "=", "values": ["green"]}]}),
            |nth| nth % 2 == 1,
        ),
    ];
    for (mut body, meets) in rows {
        body["metrics"] = json!([shoes, spent]);
        let part = explored(&server, path, &body);
        let (sizes, of_shoes) = expected(meets, shoes_of);
        assert_eq!((units(&part), sums(&part["metrics"][0])), (sizes.clone(), of_shoes), "{body}");
        assert_eq!(sums(&part["metrics"][1]), expected(meets, spent_of).1, "{body}");
        assert_eq!(part["filtered"], UNITS as u64 - sizes.iter().sum::<u64>(), "{body}");
    }
    let told =
        explored(&server, path, &json!({"metrics": [spent], "filters": [canada], "excludeIdLists": ["testers"]}));
    assert_eq!(told["options"]["filters"], json!(["user.country in CA", "not in ID list testers"]));
    // A gate's rule by itself, and all of them.
    let gate = explored(
        &server,
        "gates/search/explore",
        &json!({"metrics": [spent], "rule": "everyone", "filters": [canada]}),
    );
    assert_eq!((&gate["rule"]["id"], units(&gate)), (&json!("everyone"), expected(|nth| nth % 3 == 0, spent_of).0));
    let sides = json!({"metrics": [spent], "rule": "everyone", "stage": "all", "balance": "balanced"});
    assert_eq!(explored(&server, "gates/search/explore", &sides)["options"]["balance"], "balanced");
    assert_eq!(
        explored(&server, "gates/search/explore", &json!({"metrics": [spent]}))["rules"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_question_that_cannot_be_asked_is_refused_with_the_places_of_its_mistakes() {
    let server = Server::start(&subjects());
    let of = |field: &str, value: Value| {
        let mut body = json!({"metrics": [{"name": "spent", "type": "sum"}]});
        body[field] = value;
        body
    };
    let sum = |n: usize| json!({"name": format!("e{n}"), "type": "event_count"});
    let criterion = json!({"type": "user", "column": "country", "condition": "non_null"});
    let times = |value: &Value, n: usize| Value::from(vec![value.clone(); n]);
    for (body, place) in [
        (json!([]), "(body)"),
        (json!({}), "metrics"),
        (of("metrics", json!([])), "metrics"),
        (of("metrics", (0..101).map(sum).collect()), "metrics"),
        (of("metrics", times(&sum(1), 2)), "metrics[1].name"),
        (of("metrics", json!([{"name": "nothing", "type": "sum"}])), "metrics[0].name"),
        (
            of("metrics", json!([{"name": "n", "type": "ratio", "metricEvents": [{"name": "e"}]}])),
            "metrics[0].metricEvents",
        ),
        (of("metrics", json!([{"name": "n", "type": "sum", "cap": 1}])), "metrics[0].metricEvents"),
        (of("filters", json!([{"type": "value", "column": "x", "condition": "is_null"}])), "filters[0].type"),
        (of("filters", json!([{"type": "user", "column": " ", "condition": "is_null"}])), "filters[0].column"),
        (
            of("filters", json!([{"type": "user", "column": "a", "condition": ">", "values": ["x"]}])),
            "filters[0].values",
        ),
        (of("filters", times(&criterion, 21)), "filters"),
        (of("includeIdLists", json!(["none"])), "includeIdLists[0]"),
        (of("includeIdLists", json!(["ruled"])), "includeIdLists[0]"),
        (of("excludeIdLists", json!(["companies"])), "excludeIdLists[0]"),
        (of("level", json!(0.5)), "level"),
        (of("cupedDays", json!(91)), "cupedDays"),
        (of("view", json!("weekly")), "view"),
        (of("breakdown", json!("country")), "breakdown"),
        (of("environment", json!("nowhere")), "environment"),
        (of("rule", json!("everyone")), "rule"),
        (of("stage", json!("1")), "stage"),
        (of("balance", json!("balanced")), "balance"),
        (of("levle", json!(0.9)), "levle"),
        (json!({"metrics": [sum(1)], "start": "2026-02-01", "end": "2026-02-01"}), "end"),
        (json!({"metrics": [sum(1)], "exposedFrom": "2026-02-02", "exposedUntil": "2026-02-01"}), "exposedUntil"),
    ] {
        let answer = ask_by(&server, VIEWER_KEY, "POST", "experiments/button/explore", &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{body}: {}", answer.body);
        let told = answer.json();
        let places: Vec<&str> =
            told["mistakes"].as_array().unwrap().iter().map(|mistake| mistake["place"].as_str().unwrap()).collect();
        assert!(places.contains(&place), "{body}: {told}");
    }
    for body in [of("metrics", (0..100).map(sum).collect()), of("filters", times(&criterion, 20))] {
        assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "experiments/button/explore", &body).status, 200);
    }
    let lists = |count: usize| of("includeIdLists", times(&json!("testers"), count));
    for (count, status) in [(20, 200), (21, 400)] {
        let answer = ask_by(&server, VIEWER_KEY, "POST", "experiments/button/explore", &lists(count));
        assert_eq!(answer.status, status, "{count} ID lists: {}", answer.body);
    }
    // What stands in the address would be passed over.
    for path in ["experiments/button/explore?level=0.9", "gates/search/explore?rule=everyone&format=csv"] {
        let answer = ask_by(&server, VIEWER_KEY, "POST", path, &of("level", json!(0.9)));
        assert_eq!((answer.status, answer.code()), (400, "unknown_option".to_owned()), "{path}");
    }
    let body = of("stage", json!("0"));
    assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "gates/search/explore", &body).code(), "invalid_item");
    let body = of("rule", json!("nothing"));
    assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "gates/search/explore", &body).code(), "invalid_item");
    let body = of("level", json!(0.9));
    assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "gates/button/explore", &body).status, 404);
    assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "experiments/none/explore", &body).status, 404);
    assert_eq!(server.get("/console/v1/explorations").json()["data"], json!([]), "nothing was saved");
}

#[test]
fn a_question_is_saved_and_answered_whenever_it_is_asked() {
    let mut server = logged();
    let explore = json!({"metrics": [{"name": "spent", "type": "sum"}, {"name": "books", "type": "event_user",
        "metricEvents": [{"name": ORDER, "criteria": [{"type": "metadata", "column": "kind", "condition": "=", "values": ["book"]}]}]}],
        "filters": [{"type": "user", "column": "country", "condition": "=", "values": ["CA"]}], "view": "daily"});
    let of = json!({"experiment": "button"});
    let saved = json!({"name": "Spent in Canada", "id": "ca", "of": of, "explore": explore});
    assert_eq!(ask_by(&server, VIEWER_KEY, "POST", "explorations", &saved).status, 403);
    let made = ask_by(&server, CONSOLE_KEY, "POST", "explorations", &saved);
    assert_eq!(made.status, 201, "{}", made.body);
    let once = explored(&server, "experiments/button/explore", &explore);
    let again = ask_by(&server, VIEWER_KEY, "GET", "explorations/ca/results", &Value::Null);
    assert_eq!(again.json(), once);
    assert_eq!(
        ask_by(&server, VIEWER_KEY, "GET", "explorations/Spent%20in%20Canada/results", &Value::Null).json(),
        once
    );
    // What it is about stays while it is asked about.
    for path in ["experiments/button", "metrics/spent::sum"] {
        let answer = ask_by(&server, CONSOLE_KEY, "DELETE", path, &Value::Null);
        assert!(answer.status >= 400 && answer.body.contains("explorations"), "{path}: {}", answer.body);
    }
    let all =
        ask_by(&server, CONSOLE_KEY, "PATCH", "explorations/ca", &json!({"explore": {"metrics": explore["metrics"]}}));
    assert_eq!(all.status, 200, "{}", all.body);
    let answer = ask_by(&server, VIEWER_KEY, "GET", "explorations/ca/results?level=0.9", &Value::Null);
    assert_eq!((answer.status, answer.code()), (400, "unknown_option".to_owned()));
    server.restart();
    let report = ask_by(&server, VIEWER_KEY, "GET", "explorations/ca/results", &Value::Null).json();
    assert_eq!(units(&report), [12, 12]);
    assert_eq!(ask_by(&server, VIEWER_KEY, "GET", "explorations/none/results", &Value::Null).status, 404);
    let wrong = json!({"name": "w", "of": {"experiment": "button", "gate": "search"}, "explore": explore});
    let answer = ask_by(&server, CONSOLE_KEY, "POST", "explorations", &wrong);
    assert_eq!((answer.status, answer.json()["mistakes"][0]["place"].clone()), (400, json!("of")));
}

#[test]
fn a_report_is_exported_as_a_table_that_says_what_the_report_says() {
    let server = logged();
    let rows = |path: &str| -> Vec<Vec<String>> {
        let answer = server.get(&format!("/console/v1/{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert!(answer.body.ends_with("\r\n"));
        answer.body.trim_end().split("\r\n").map(|row| row.split(',').map(str::to_owned).collect()).collect()
    };
    let query = "breakdown=user.country&view=daily&winsorize=0&end=2026-01-03";
    let table = rows(&format!("experiments/button/results?{query}&format=csv"));
    let report = server.get(&format!("/console/v1/experiments/button/results?{query}")).json();
    let column = |name: &str| table[0].iter().position(|known| known == name).unwrap_or_else(|| panic!("no {name}"));
    let find = |part: &str, wanted: &[(&str, &str)]| -> Vec<&Vec<String>> {
        let is = |row: &&Vec<String>| {
            row[column("part")] == part && wanted.iter().all(|(name, value)| row[column(name)] == *value)
        };
        table.iter().skip(1).filter(is).collect()
    };
    let orders = [("metric", ORDER), ("type", "event_count"), ("variant", "plain")];
    let whole = find("whole", &orders);
    let metric = &report["metrics"][0];
    assert_eq!(whole.len(), 1);
    for (name, value) in [
        ("delta", &metric["comparisons"][0]["absolute"]["delta"]),
        ("p", &metric["comparisons"][0]["absolute"]["p"]),
        ("relativeCiHigh", &metric["comparisons"][0]["relative"]["ci"][1]),
        ("testUnits", &metric["groups"][1]["units"]),
        ("controlSum", &metric["groups"][0]["sum"]),
    ] {
        assert_eq!(whole[0][column(name)], value.to_string(), "{name}");
    }
    assert_eq!((whole[0][column("group")].as_str(), whole[0][column("control")].as_str()), ("Green", "Blue"));
    let days: Vec<&str> = find("day", &orders).iter().map(|row| row[column("day")].as_str()).collect();
    assert_eq!(days, ["2026-01-01", "2026-01-02"]);
    let parts: Vec<&str> = find("part", &orders).iter().map(|row| row[column("value")].as_str()).collect();
    assert_eq!(parts, ["US", "CA"]);
    // Undefined numbers are empty and say why: nobody had ordered on the first day.
    let first = find("day", &orders)[0];
    assert_eq!((first[column("p")].as_str(), first[column("delta")].as_str()), ("", "0.0"));
    assert!(first[column("reason")].contains("absolute: zero_variance"), "{}", first[column("reason")]);

    // The same log gives the same bytes, also after a restart and by either way of asking.
    let path = format!("/console/v1/experiments/button/results?{query}");
    let csv = server.get(&format!("{path}&format=csv")).body;
    let accept = |kinds: &str| server.ask("GET", &path, &[("statsig-api-key", CONSOLE_KEY), ("accept", kinds)], "");
    assert_eq!(accept("text/csv").body, csv);
    assert_eq!(accept("text/csv;q=0.9, */*").body, csv);
    assert!(accept("application/json, text/csv").body.starts_with('{') && accept("*/*").body.starts_with('{'));
    let mut server = server;
    server.restart();
    assert_eq!(server.get(&format!("{path}&format=csv")).body, csv);
    assert_eq!(server.get(&path).json(), report);
    let command = server.command(&[
        "results",
        "button",
        "--csv",
        "--breakdown",
        "user.country",
        "--view",
        "daily",
        "--winsorize",
        "0",
        "--end",
        "2026-01-03",
    ]);
    assert_eq!(String::from_utf8(command.stdout).unwrap(), csv);
    assert_eq!(server.get(&format!("{path}&format=xml")).code(), "invalid_query");
    let several = server.get("/console/v1/gates/search/results?format=csv").body;
    assert!(
        several.lines().any(|row| row.starts_with("gate,search,beta,"))
            && several.contains("\r\ngate,search,everyone,")
    );
}

#[test]
fn the_calls_of_statsig_give_the_reports_numbers_in_its_shapes() {
    let server = logged();
    let path = "experiments/button";
    let data = |path: &str| server.get(&format!("/console/v1/{path}")).json()["data"].clone();
    let pulse = data(&format!("{path}/pulse_results?control=blue&test=green&confidence=90&date=2026-01-02"));
    assert_eq!((&pulse["ds"], pulse["secondaryMetrics"].as_array().unwrap().len()), (&json!("2026-01-02"), 0));
    let row = &pulse["primaryMetrics"][0];
    let report = server.get(&format!("/console/v1/{path}/results?level=0.9&end=2026-01-03")).json();
    let comparison =
        report["metrics"][0]["comparisons"].as_array().unwrap().iter().find(|it| it["variant"] == "winsorized");
    let comparison = comparison.expect("the experiment asks for it");
    assert_eq!((&row["metricID"], &row["variant"]), (&json!("order::event_count"), &json!("winsorized")));
    let (absolute, relative) = (&comparison["absolute"], &comparison["relative"]);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number in {comparison}"));
    for (names, expected) in [
        (["absoluteChange", "value"], number(&absolute["delta"])),
        (["pValue", "p_value"], number(&absolute["p"])),
        (["percentChange", "percent_change"], 100.0 * number(&relative["delta"])),
        (["testMean", "test_mean"], number(&comparison["groups"][0]["mean"])),
        (["controlStd", "control_std"], number(&comparison["groups"][1]["standardError"])),
        (
            ["confidenceIntervalDelta", "confidence_interval_delta"],
            (number(&absolute["ci"][1]) - number(&absolute["ci"][0])) / 2.0,
        ),
        (
            ["percentConfidenceIntervalDelta", "percent_confidence_interval_delta"],
            100.0 * (number(&relative["ci"][1]) - number(&relative["ci"][0])) / 2.0,
        ),
    ] {
        for name in names {
            let found = row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"));
            assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name}: {found}, not {expected}");
        }
    }
    assert_eq!((&row["testUnits"], &row["control_units"]), (&json!(12), &json!(12)));
    let gate = data("gates/search/rules/everyone/pulse_results");
    assert_eq!(gate["monitoringMetrics"], json!([]));
    for (path, status) in [
        ("experiments/button/pulse_results?test=blue", 400),
        ("experiments/button/pulse_results?control=green", 400),
        ("experiments/button/pulse_results?confidence=100", 400),
        ("experiments/button/pulse_results?confidence=50", 400),
        ("experiments/button/pulse_results?date=yesterday", 400),
        ("experiments/button/pulse_results?cuped=1", 400),
        ("experiments/none/pulse_results", 404),
        ("gates/search/rules/none/pulse_results", 404),
        ("experiments/none/cumulative_exposures", 404),
    ] {
        assert_eq!(server.get(&format!("/console/v1/{path}")).status, status, "{path}");
    }
    // All were exposed on the first day, one an hour.
    let exposures = data("experiments/button/cumulative_exposures");
    let green = &exposures[1];
    assert_eq!((&green["groupID"], &green["groupName"]), (&json!("green"), &json!("Green")));
    assert_eq!(green["results"][0], json!({"date": "2026-01-01", "exposures": 12}));
    let days = green["results"].as_array().unwrap();
    assert!(days.len() > 300 && days.iter().all(|day| day["exposures"] == 12), "{green}");
}

#[test]
fn metrics_are_asked_for_by_name_beside_the_scorecard() {
    let mut project = subjects();
    let event = json!([{"name": ORDER, "type": "value"}]);
    let metrics = project["metrics"].as_array_mut().unwrap();
    metrics.push(json!({"name": "spent", "type": "mean", "metricEvents": event}));
    metrics.push(json!({"name": "a, b", "type": "sum", "metricEvents": event}));
    metrics.push(json!({"name": ORDER, "type": "sum", "metricEvents": event}));
    metrics.push(json!({"name": "of_companies", "type": "sum", "unitTypes": ["stableID"], "metricEvents": event}));
    let server = logged_in(&project);
    let spent_of = |nth: usize| (0..nth % 4).map(|n| 10.0 * (n + 1) as f64).sum();
    let others = |query: &str| -> Vec<(String, String)> {
        let answer = server.get(&format!("/console/v1/experiments/button/results?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let report = answer.json();
        let text = |metric: &Value, name: &str| metric[name].as_str().unwrap().to_owned();
        for metric in report["metrics"].as_array().unwrap().iter().filter(|metric| metric["type"] == "sum") {
            assert_eq!(sums(metric), expected(|_| true, spent_of).1, "{query}: {}", metric["name"]);
        }
        let lines = report["metrics"].as_array().unwrap().iter().filter(|metric| metric["role"] == "other");
        lines.map(|metric| (text(metric, "name"), text(metric, "type"))).collect()
    };
    let lines = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
        lines.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
    };
    for (query, expected) in [
        ("metrics=spent", &[("spent", "mean"), ("spent", "sum")][..]),
        ("metrics=spent::mean", &[("spent", "mean")]),
        (
            "metrics=spent::sum,a,%20spent::mean",
            &[("spent", "sum"), ("spent", "mean"), ("a", "event_count"), ("a", "event_user")],
        ),
        ("metrics=a,%20b", &[("a, b", "sum")]),
        ("metrics=a,%20b&metrics=spent::mean", &[("a, b", "sum"), ("spent", "mean")]),
        ("metrics=order::event_dau,dau::user", &[("order", "event_dau"), ("dau", "user")]),
        // One of an event and of a metric; the count is on the scorecard.
        ("metrics=order", &[("order", "sum"), ("order", "event_user")]),
    ] {
        assert_eq!(others(query), lines(expected), "{query}");
    }
    let ask = |path: &str| server.get(&format!("/console/v1/{path}"));
    let report = ask("experiments/button/results?metrics=spent::mean,order").json();
    assert_eq!(report["options"]["metrics"], json!(["order", "spent::mean"]));
    let mean = report["metrics"].as_array().unwrap().iter().find(|metric| metric["type"] == "mean").unwrap();
    assert_eq!((&mean["role"], mean["comparisons"][0]["adjusted"].is_null()), (&json!("other"), true));
    for path in ["experiments/button/results?metrics=of_companies", "gates/search/results?metrics=of_companies::sum"] {
        let answer = ask(path);
        assert_eq!((answer.status, answer.code()), (400, "invalid_option".to_owned()), "{path}");
        assert!(answer.body.contains("computed for stableID") && answer.body.contains("add userID"), "{}", answer.body);
    }
    let gate = ask("gates/search/results?rule=everyone&metrics=spent::sum").json();
    assert_eq!(sums(&gate["metrics"][0]), expected(|_| true, spent_of).1);
    let command = server.command(&["results", "button", "--json", "--metrics", "spent::mean"]);
    let printed: Value = serde_json::from_slice(&command.stdout).unwrap();
    assert_eq!(printed, ask("experiments/button/results?metrics=spent::mean").json());
}
