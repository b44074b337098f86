//! What is evaluated: a project of 100 gates and 50 experiments, and users who differ in all that it looks at.

use anyhow::anyhow;
use serde_json::{Value, json};
use weir::catalog::{ApplyOptions, Catalog, ProjectFile};
use weir::clock::{Clock, SystemClock};

pub const SERVER_KEY: &str = "secret-evaluatebench0000000000";
/// The list that the gate `listed` asks for.
pub const LIST: &str = "million";
pub const MEMBERS: usize = 1_000_000;
const GATES: usize = 100;
const EXPERIMENTS: usize = 50;
/// Experiments in the layer, which share its units evenly.
const LAYERED: usize = 5;

/// The gates `simple`, `half`, `several` and `listed` and others like them; the experiment `alone` and others like it; the layer
/// `shop` with experiments behind a holdout and a targeting gate.
pub fn project() -> Value {
    let rule = |id: &str, percentage: f64, conditions: Value| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": conditions});
    let everyone = || json!([{"type": "public"}]);
    let several = || {
        json!([
            {"type": "country", "operator": "any", "targetValue": ["CA", "US", "MX"]},
            {"type": "app_version", "operator": "version_gte", "targetValue": "1.2.0"},
            {"type": "email", "operator": "str_ends_with_any", "targetValue": ["@example.com", "@example.org"]},
            {"type": "custom_field", "field": "age", "operator": "gte", "targetValue": 18},
            {"type": "environment_tier", "operator": "any", "targetValue": ["production"]},
        ])
    };
    let gates: Vec<Value> = (0..GATES)
        .map(|n| {
            let (name, rules) = match n % 4 {
                0 => ("simple", json!([rule("all", 100.0, everyone())])),
                1 => ("half", json!([rule("half", 50.0, everyone())])),
                2 => ("several", json!([rule("some", 50.0, several()), rule("rest", 10.0, everyone())])),
                _ => ("listed", json!([rule("in", 100.0, json!([{"type": "passes_segment", "targetValue": LIST}]))])),
            };
            json!({"name": if n < 4 { name.to_owned() } else { format!("{name}_{n}") }, "rules": rules})
        })
        .collect();
    let experiments: Vec<Value> = (0..EXPERIMENTS)
        .map(|n| {
            let name = if n == 0 { "alone".to_owned() } else { format!("experiment_{n}") };
            let group = |arm: &str, color: &str| {
                json!({"id": format!("{name}_{arm}"), "name": arm, "size": 50, "parameterValues": {"color": color, "steps": 3}})
            };
            let groups = json!([group("control", "grey"), group("test", "red")]);
            let mut experiment = json!({"name": name, "status": "active", "allocation": 100, "groups": groups});
            if layered(n) {
                experiment["layerID"] = "shop".into();
                experiment["allocation"] = (100 / LAYERED).into();
                experiment["targetingGateID"] = "half".into();
            }
            experiment
        })
        .collect();
    let held: Vec<String> = (0..EXPERIMENTS).filter(|n| layered(*n)).map(|n| format!("experiment_{n}")).collect();
    json!({
        "keys": [{"description": "bench", "type": "SERVER", "key": SERVER_KEY}],
        "segments": [{"name": LIST, "type": "id_list"}],
        "gates": gates,
        "layers": [{"name": "shop", "idType": "userID"}],
        "holdouts": [{"name": "held", "passPercentage": 5, "experimentIDs": held}],
        "experiments": experiments,
    })
}

fn layered(n: usize) -> bool {
    (1..=LAYERED).contains(&n)
}

pub fn catalog() -> anyhow::Result<Catalog> {
    let file = ProjectFile::parse(&project().to_string()).map_err(|mistakes| anyhow!("the project: {mistakes:?}"))?;
    let before = Catalog::default();
    let plan = before.plan(&file, ApplyOptions { force: true, prune: true });
    before.after(&plan, "bench", SystemClock.now()).map_err(|mistakes| anyhow!("the project: {mistakes:?}"))
}

/// The ID of a user; the even ones are in the list.
pub fn id(n: usize) -> String {
    format!("user-{n:07}")
}

/// A user as an SDK sends one.
pub fn user(n: usize) -> Value {
    let (domain, country) = (["com", "net"][n % 2], ["CA", "DE", "US", "FR"][n % 4]);
    json!({
        "userID": id(n),
        "email": format!("someone{n}@example.{domain}"),
        "country": country,
        "appVersion": format!("1.{}.0", n % 5),
        "custom": {"age": 10 + n % 50, "plan": "team"},
        "customIDs": {"stableID": format!("stable-{n}")},
        "statsigEnvironment": {"tier": "production"},
    })
}
