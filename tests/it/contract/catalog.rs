//! The catalog by the console API: items made, read, changed, listed and removed; what they can be made to do; what is told of
//! it and to whom.

mod actions;
mod changes;
mod document;
mod items;
mod metrics;
mod refusals;

use crate::running::{Answer, CONSOLE_KEY, Server, project};
use serde_json::{Value, json};

const EDITOR_KEY: &str = "console-it0000000000000000000003";

/// A project with a key for an editor beside the others.
fn with_editor() -> Value {
    let mut project = project();
    let editor = json!({"description": "editing", "type": "CONSOLE", "key": EDITOR_KEY, "role": "editor"});
    project["keys"].as_array_mut().expect("a list").push(editor);
    project
}

/// Asks below `/console/v1/` with a key.
pub(super) fn ask_by(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", key)], body)
}

/// The same with the admin's key.
pub(super) fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    ask_by(server, CONSOLE_KEY, method, path, body)
}

/// What a call that succeeds answers under `data`.
pub(super) fn done(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let answer = ask(server, method, path, body);
    assert!(matches!(answer.status, 200 | 201), "{method} {path} {body}: {}", answer.body);
    answer.json()["data"].clone()
}

pub(super) fn read(server: &Server, path: &str) -> Value {
    done(server, "GET", path, &Value::Null)
}

/// Status and code of a refusal.
pub(super) fn refused(server: &Server, method: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = ask(server, method, path, body);
    assert!(answer.status >= 400, "{method} {path} {body}: {}", answer.body);
    (answer.status, answer.code())
}

/// Where the mistakes of a refused body are.
fn places(answer: &Answer) -> Vec<String> {
    let told = answer.json();
    let mistakes = told["mistakes"].as_array().unwrap_or_else(|| panic!("no mistakes: {told}")).clone();
    mistakes.iter().map(|mistake| mistake["place"].as_str().expect("a place").to_owned()).collect()
}

fn everyone(id: &str, pass: f64) -> Value {
    json!({"id": id, "name": id, "passPercentage": pass, "conditions": [{"type": "public"}]})
}

fn groups() -> Value {
    json!([
        {"id": "control", "name": "Control", "size": 50.0, "parameterValues": {"color": "blue"}},
        {"id": "test", "name": "Test", "size": 50.0, "parameterValues": {"color": "green"}},
    ])
}
