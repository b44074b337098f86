//! What SDKs are served, as they read it: the downloads have the fields that real SDKs accepted, and say of each user what
//! Weir says; `initialize` has the shape that was recorded; answers come with the exposures that an SDK would log.

mod answers;
mod downloads;
mod initialized;

use super::*;
use crate::catalog::{ApplyOptions, Catalog, ProjectFile};
use crate::evaluate::{Evaluation, IdLists, ListId, Specs, User, djb2, sha256_base64};
use crate::event::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// 2026-11-23T12:58:19.353Z
const NOW: Timestamp = Timestamp(1_795_438_699_353);

/// Every kind of item, and conditions of every form of target: text, list, number, time, gate, segment, bucket.
fn project() -> Value {
    let everyone = |id: &str, percentage: f64| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": [{"type": "public"}]});
    let rule =
        |id: &str, conditions: Value| json!({"id": id, "name": id, "passPercentage": 100, "conditions": conditions});
    let group = |id: &str, name: &str, size: f64, color: &str| json!({"id": id, "name": name, "size": size, "parameterValues": {"color": color}});
    let groups = |id: &str| {
        json!([group(&format!("{id}_c"), "Control", 50.0, "grey"), group(&format!("{id}_t"), "Test", 50.0, "red")])
    };
    json!({
        "unitIdTypes": [{"name": "companyID"}],
        "segments": [
            {"name": "vips", "type": "id_list"},
            {"name": "adults", "type": "rule_based", "rules": [rule("r", json!([
                {"type": "custom_field", "field": "age", "operator": "gte", "targetValue": 18}]))]},
        ],
        "gates": [
            {"id": "half-1", "name": "half", "rules": [everyone("fifty", 50.0)], "overrides": {"passingUserIDs": ["boss"], "failingUserIDs": ["u2"]}},
            {"name": "tiny", "rules": [everyone("tiny", 0.37)]},
            {"name": "company", "idType": "companyID", "rules": [everyone("some", 30.0)]},
            {"name": "nested", "rules": [rule("r", json!([{"type": "passes_gate", "targetValue": "half"}]))]},
            {"name": "listed", "rules": [rule("r", json!([{"type": "passes_segment", "targetValue": "vips"}]))]},
            {"name": "grown", "rules": [rule("r", json!([{"type": "passes_segment", "targetValue": "adults"}]))]},
            {"name": "off", "isEnabled": false, "rules": [everyone("all", 100.0)]},
            {"name": "device", "idType": "stableID", "rules": [everyone("some", 50.0)]},
            {"name": "staged", "rules": [{"id": "r", "name": "r", "passPercentage": 100, "environments": ["staging"], "conditions": [{"type": "public"}]}]},
            {"name": "many", "rules": [
                rule("version", json!([{"type": "app_version", "operator": "version_gte", "targetValue": "1.10.0"}])),
                rule("mail", json!([{"type": "email", "operator": "str_ends_with_any", "targetValue": ["@x.test", "@Y.test"]}])),
                rule("later", json!([{"type": "time", "operator": "before", "targetValue": 1_795_438_699_000_i64}])),
                rule("id", json!([{"type": "user_id", "operator": "any", "targetValue": ["u3", "u5"]}])),
            ]},
        ],
        "dynamicConfigs": [
            {"name": "banner", "defaultValue": {"text": "hi"}, "rules": [
                {"id": "sale", "name": "sale", "passPercentage": 20, "conditions": [{"type": "public"}], "returnValue": {"text": "sale", "deep": {"n": [1, 2.5]}}}]},
            {"name": "closed", "isEnabled": false},
        ],
        "holdouts": [{"id": "h1", "name": "quarter", "isGlobal": true, "passPercentage": 10}],
        "layers": [{"name": "shop", "idType": "userID"}],
        "experiments": [
            {"id": "b1", "name": "button", "status": "active", "allocation": 80, "groups": groups("b")},
            {"name": "prepared", "groups": groups("p")},
            {"name": "firm", "idType": "companyID", "status": "active", "targetingGateID": "half", "groups": groups("f")},
            {"name": "left", "layerID": "shop", "status": "active", "allocation": 50, "groups": groups("l")},
            {"name": "right", "layerID": "shop", "status": "active", "allocation": 30, "groups": groups("r")},
            {"name": "won", "status": "decision_made", "launchedGroupID": "w_t", "groups": groups("w")},
        ],
    })
}

fn catalog(project: &Value) -> Catalog {
    let file = ProjectFile::parse(&project.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let before = Catalog::default();
    let plan = before.plan(&file, ApplyOptions { force: true, prune: true });
    before.after(&plan, "someone", NOW).unwrap()
}

fn release() -> Release {
    Release::new(&catalog(&project()), NOW)
}

/// `u1` is in the list `vips`.
struct Vips;

impl IdLists for Vips {
    fn contains(&self, list: &str, hash8: &str) -> bool {
        list == "vips" && hash8 == ListId::of("u1").as_str()
    }
}

/// Users who differ in what the conditions look at.
fn users() -> impl Iterator<Item = Value> {
    (0..300).map(|n| {
        let tier = ["production", "staging", "development"][n % 3];
        json!({
            "userID": if n == 0 { "boss".to_owned() } else { format!("u{n}") },
            "email": format!("u{n}@{}.test", ["x", "y", "z"][n % 3]),
            "appVersion": format!("1.{}.0", n % 20),
            "custom": {"age": n % 40},
            "customIDs": {"companyID": format!("c{}", n / 3), "stableID": format!("s{n}")},
            "statsigEnvironment": {"tier": tier},
        })
    })
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Asks something of a release about what a body says.
fn ask<T>(release: &Release, body: &Value, ask: impl FnOnce(&Asked<'_>, &mut Evaluation<'_, '_>) -> T) -> T {
    let body = body.to_string();
    let asked = Asked::read(body.as_bytes()).unwrap();
    let mut evaluation = release.specs.evaluate(&asked.user, &Vips, NOW);
    ask(&asked, &mut evaluation)
}
