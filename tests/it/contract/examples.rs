//! The examples in `data/examples`: their project files apply, and show what they are there to show.

use super::{SUCCESS, rows};
use crate::running::{Server, project};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: [&str; 5] = ["ab-test-company", "ab-test-user", "gate-rollout", "holdout", "layer"];
const USERS: usize = 300;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/examples")
}

/// A server that knows the tests' keys and to which the example's own file was applied.
fn with_example(name: &str) -> Server {
    let server = Server::start(&project());
    apply(&server, name);
    server
}

/// The last line of what `weir apply` says.
fn apply(server: &Server, name: &str) -> String {
    let file = folder().join(name).join("project.json");
    let ran = server.command(&["apply", file.to_str().expect("UTF-8")]);
    let said = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(ran.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    said.lines().last().expect("a line").to_owned()
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

fn asked(server: &Server, path: &str, body: Value) -> Value {
    let answer = server.post(path, body.to_string());
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
    answer.json()
}

fn log(server: &Server, events: &[Value]) {
    let answer = server.post("/v1/log_event", json!({ "events": events }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
}

fn report(server: &Server, path: &str) -> Value {
    let answer = server.get(&format!("/console/v1/{path}"));
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// Units of each group of a report.
fn units(report: &Value) -> BTreeMap<String, usize> {
    let groups = report["groups"].as_array().expect("groups");
    groups
        .iter()
        .map(|it| (it["id"].as_str().expect("an ID").to_owned(), it["units"].as_u64().expect("a count") as usize))
        .collect()
}

/// What the first metric of a report sums up to in all groups.
fn total(report: &Value, name: &str) -> f64 {
    let metric = &report["metrics"][0];
    assert_eq!(metric["name"], name, "{metric}");
    metric["groups"].as_array().expect("groups").iter().map(|it| it["sum"].as_f64().expect("a sum")).sum()
}

fn tally<'a>(groups: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for group in groups {
        *counts.entry(group.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn every_example_applies_once_and_says_what_it_shows() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .expect("the examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
    for name in NAMES {
        let example = |file: &str| folder().join(name).join(file);
        assert!(["example.py", "example.mjs", "example.html"].iter().any(|file| example(file).is_file()), "{name}");
        let readme = fs::read_to_string(example("README.md")).expect("a README");
        assert!(readme.contains("weir serve --project project.json"), "{name}");
        let server = Server::start(&project());
        let first = apply(&server, name);
        assert!(first.ends_with(" changed, 0 unchanged, 0 kept") && !first.starts_with("0 "), "{name}: {first}");
        let changed = first.split(' ').next().expect("a number");
        assert_eq!(apply(&server, name), format!("0 changed, {changed} unchanged, 0 kept"), "{name}");
    }
}

#[test]
fn a_rollout_passes_the_staff_and_a_fifth_of_the_others() {
    let server = with_example("gate-rollout");
    let check = |user: Value| asked(&server, "/v1/check_gate", json!({"gateName": "new_checkout", "user": user}));
    for number in 0..20 {
        let staff = check(json!({"userID": format!("staff-{number}"), "email": format!("{number}@shop.example")}));
        assert_eq!((&staff["value"], &staff["rule_id"]), (&json!(true), &json!("staff")));
    }
    let passed: Vec<bool> = (0..USERS)
        .map(|number| check(json!({"userID": user(number), "email": "someone@mail.example"}))["value"] == true)
        .collect();
    let count = passed.iter().filter(|passed| **passed).count();
    assert!((USERS / 10..USERS * 3 / 10).contains(&count), "{count} of {USERS}");
    let orders: Vec<Value> =
        (0..USERS).map(|number| json!({"eventName": "order_completed", "user": {"userID": user(number)}})).collect();
    log(&server, &orders);
    let report = report(&server, "gates/new_checkout/results?rule=everyone");
    let groups: Vec<usize> = report["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|it| it["units"].as_u64().expect("a count") as usize)
        .collect();
    assert_eq!(groups, [USERS - count, count]);
    assert_eq!(total(&report, "order_completed"), USERS as f64);
}

#[test]
fn a_test_on_users_joins_their_segment_events() {
    let server = with_example("ab-test-user");
    let groups: Vec<String> = (0..USERS)
        .map(|number| {
            let got = asked(
                &server,
                "/v1/get_config",
                json!({"configName": "button_color", "user": {"userID": user(number)}}),
            );
            assert_eq!(got["value"]["color"], got["rule_id"], "{got}");
            got["rule_id"].as_str().expect("a group").to_owned()
        })
        .collect();
    let orders: Vec<Value> =
        (0..USERS).map(|number| json!({"type": "track", "event": "Order Completed", "userId": user(number)})).collect();
    let answer = server.post("/v1/batch", json!({ "batch": orders }).to_string());
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    let report = report(&server, "experiments/button_color/results");
    let dealt = tally(groups.iter().map(String::as_str));
    assert_eq!(units(&report), dealt);
    assert!(dealt.len() == 2 && dealt.values().all(|count| *count > USERS * 2 / 5), "{dealt:?}");
    assert_eq!(total(&report, "segment::Order Completed"), USERS as f64);
}

#[test]
fn a_test_on_companies_counts_companies() {
    let server = with_example("ab-test-company");
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    let mut written = Vec::new();
    for number in 0..USERS {
        let company = format!("company-{}", number / 3);
        let user = json!({"userID": user(number), "customIDs": {"companyID": company}});
        let got = asked(&server, "/v1/get_config", json!({"configName": "team_inbox", "user": user}));
        let group = got["rule_id"].as_str().expect("a group");
        let colleagues = groups.entry(company).or_insert_with(|| group.to_owned());
        assert_eq!(colleagues, group, "all people of a company get the same");
        written.push(json!({"eventName": "report_created", "user": user}));
    }
    // Of whom the company is not known nothing is known.
    written.push(json!({"eventName": "report_created", "user": {"userID": user(0)}}));
    log(&server, &written);
    let report = report(&server, "experiments/team_inbox/results");
    assert_eq!((&report["idType"], groups.len()), (&json!("companyID"), USERS / 3));
    assert_eq!(units(&report), tally(groups.values().map(String::as_str)));
    assert_eq!(total(&report, "report_created"), USERS as f64);
}

#[test]
fn in_a_layer_no_user_takes_part_in_two_experiments() {
    let server = with_example("layer");
    let mut takers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for number in 0..USERS {
        let got = asked(&server, "/v1/get_layer", json!({"layerName": "home_page", "user": {"userID": user(number)}}));
        let set: Vec<&String> = got["value"].as_object().expect("parameters").keys().collect();
        let experiment = got["allocatedExperimentName"].as_str().unwrap_or_default();
        match experiment {
            "banner_text" => assert_eq!(set, ["text"], "{got}"),
            "banner_height" => assert_eq!(set, ["height"], "{got}"),
            _ => assert!(experiment.is_empty() && set.is_empty(), "{got}"),
        }
        takers.entry(experiment.to_owned()).or_default().insert(user(number));
        // The same user is asked about each experiment by its name too.
        for name in ["banner_text", "banner_height"] {
            let unlogged = json!({"configName": name, "user": {"userID": user(number)}, "statsigMetadata": {"exposureLoggingDisabled": true}});
            let in_it = asked(&server, "/v1/get_config", unlogged)["value"] != json!({});
            assert_eq!(in_it, experiment == name, "{name}: {got}");
        }
    }
    for (experiment, percent) in [("banner_text", 50), ("banner_height", 40), ("", 10)] {
        let count = takers[experiment].len();
        let about = USERS * percent / 100;
        assert!(count.abs_diff(about) < USERS / 10, "{experiment}: {count}, planned {about}");
        if !experiment.is_empty() {
            let report = report(&server, &format!("experiments/{experiment}/results"));
            assert_eq!(units(&report).values().sum::<usize>(), count, "{experiment}");
        }
    }
}

#[test]
fn who_is_held_out_gets_the_defaults_and_counts_for_nothing() {
    let server = with_example("holdout");
    let (mut held, mut groups) = (BTreeSet::new(), Vec::new());
    for number in 0..USERS {
        let user_field = json!({"userID": user(number)});
        let gate = asked(&server, "/v1/check_gate", json!({"gateName": "fast_search", "user": user_field}));
        let config = asked(&server, "/v1/get_config", json!({"configName": "result_order", "user": user_field}));
        if gate["value"] == true {
            groups.push(config["rule_id"].as_str().expect("a group").to_owned());
        } else {
            assert_eq!((&config["value"], &gate["value"]), (&json!({}), &json!(false)), "held out of both");
            held.insert(user(number));
        }
    }
    assert!((USERS / 10..USERS * 3 / 10).contains(&held.len()), "{} of {USERS}", held.len());
    let opened: Vec<Value> =
        (0..USERS).map(|number| json!({"eventName": "result_opened", "user": {"userID": user(number)}})).collect();
    log(&server, &opened);
    let report = report(&server, "experiments/result_order/results");
    assert_eq!(units(&report), tally(groups.iter().map(String::as_str)));
    assert_eq!(report["notCounted"]["held_out"], held.len(), "{}", report["notCounted"]);
    assert_eq!(total(&report, "result_opened"), groups.len() as f64);
    let exposures = rows(&server, "name=statsig::config_exposure&limit=1000");
    for row in &exposures {
        let away = held.contains(row["userID"].as_str().expect("a user"));
        let why = if away { json!("held_out") } else { Value::Null };
        assert_eq!((&row["counts"], &row["why"]), (&json!(!away), &why), "{row}");
    }
    assert_eq!(exposures.len(), USERS);
}
