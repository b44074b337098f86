//! Slices of a layer outlive the program: who is in a running experiment stays in it through changes, crashes and restarts.

use crate::running::{CONSOLE_KEY, Server, project};
use serde_json::{Value, json};
use weir::catalog::{Catalog, Item};
use weir::store::{Options, Store};

/// A layer with experiments of these allocations, in percent.
fn layer(experiments: &[(&str, f64, &str)]) -> Value {
    let experiment = |(name, allocation, status): &(&str, f64, &str)| {
        json!({"name": name, "layerID": "checkout", "status": status, "allocation": allocation,
            "groups": [{"name": "Control", "size": 50}, {"name": "Test", "size": 50}]})
    };
    let mut project = project();
    project["layers"] = json!([{"name": "checkout", "idType": "userID"}]);
    project["experiments"] = experiments.iter().map(experiment).collect();
    project
}

fn apply(server: &Server, project: &Value) {
    let path = "/console/v1/project?prune=true";
    let answer = server.ask("POST", path, &[("statsig-api-key", CONSOLE_KEY)], project.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The buckets of an experiment in the file of a server that is down.
fn buckets(server: &Server, experiment: &str) -> Vec<usize> {
    let path = server.data().join("weir.redb");
    let (store, _appender) = Store::open(&path, Options::default(), [7; 32]).expect("the server is down");
    let items = store.snapshot().and_then(|snapshot| snapshot.items()).expect("items can be read");
    let items = items.into_iter().map(|(_, _, document)| serde_json::from_slice::<Item>(&document).expect("an item"));
    let catalog = Catalog::from_items(items).expect("a catalog without mistakes");
    catalog.buckets(catalog.experiment(experiment).expect("the experiment is there"))
}

#[test]
fn a_running_experiment_keeps_its_slice_whatever_becomes_of_the_others() {
    // Without experiments in the file that each start applies.
    let mut server = Server::start(&project());
    apply(&server, &layer(&[("a_first", 20.0, "active"), ("m_running", 30.0, "active")]));
    server.kill();
    let before = buckets(&server, "m_running");
    assert_eq!(before, (200..500).collect::<Vec<usize>>());
    server.restart();
    // The experiment before it ends, others come and take more than what was free behind it.
    apply(&server, &layer(&[("a_first", 20.0, "abandoned"), ("m_running", 30.0, "active"), ("b_new", 60.0, "active")]));
    server.kill();
    assert_eq!(buckets(&server, "m_running"), before);
    assert_eq!(buckets(&server, "b_new"), (0..200).chain(500..900).collect::<Vec<usize>>());
    server.restart();
    apply(&server, &layer(&[("m_running", 40.0, "active"), ("b_new", 60.0, "active")]));
    server.kill();
    let grown = buckets(&server, "m_running");
    assert_eq!((grown.len(), &grown[..300]), (400, &before[..]));
}

#[test]
fn what_the_api_changes_leaves_running_slices_alone_too() {
    let mut server = Server::start(&project());
    let ask = |server: &Server, method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", CONSOLE_KEY)], body);
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {}", answer.body);
    };
    let experiment = |name: &str, allocation: f64| {
        json!({"name": name, "layerID": "checkout", "allocation": allocation,
            "groups": [{"name": "Control", "size": 50}, {"name": "Test", "size": 50}]})
    };
    ask(&server, "POST", "layers", json!({"name": "checkout", "idType": "userID"}));
    ask(&server, "POST", "experiments", experiment("a_first", 20.0));
    ask(&server, "POST", "experiments", experiment("m_running", 30.0));
    ask(&server, "PUT", "experiments/m_running/start", Value::Null);
    server.kill();
    let before = buckets(&server, "m_running");
    assert_eq!(before, (200..500).collect::<Vec<usize>>());
    server.restart();
    ask(&server, "DELETE", "experiments/a_first", Value::Null);
    ask(&server, "POST", "experiments", experiment("b_new", 60.0));
    ask(&server, "PATCH", "experiments/m_running", json!({"allocation": 40.0}));
    server.kill();
    let grown = buckets(&server, "m_running");
    assert_eq!((grown.len(), &grown[..300]), (400, &before[..]));
    server.restart();
    for path in ["experiments/m_running", "experiments/b_new", "layers/checkout"] {
        ask(&server, "DELETE", path, Value::Null);
    }
    server.kill();
    server.restart();
}
