//! The contracts at the door: what senders, people and programs were promised, asked of the real program over HTTP and on
//! the command line.

mod catalog;
mod commands;
mod console;
mod counts;
mod destinations;
mod encodings;
mod examples;
mod explore;
mod exposures;
mod keys;
mod lifecycle;
mod limits;
mod lists;
mod project;
mod results;
mod rules;
mod sdk;
mod senders;
mod slices;
mod stream;
mod valves;

use crate::running::Server;
use serde_json::Value;

/// The body of success that SDKs insist on.
const SUCCESS: &str = r#"{"success":true}"#;

/// Stored events that match a query, newest first.
pub fn rows(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/console/v1/events?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    list(&answer.json())
}

/// The one stored event of a unit.
fn only(server: &Server, unit: &str) -> Value {
    let mut rows = rows(server, &format!("unit={unit}"));
    assert_eq!(rows.len(), 1, "{unit}: {rows:?}");
    rows.remove(0)
}

fn list(page: &Value) -> Vec<Value> {
    page["data"].as_array().unwrap_or_else(|| panic!("no list: {page}")).clone()
}

pub fn status(server: &Server) -> Value {
    server.get("/console/v1/status").json()["data"].clone()
}

/// The codes of what was refused, newest first.
pub fn rejected(server: &Server) -> Vec<String> {
    let page = server.get("/console/v1/rejected?limit=1000").json();
    list(&page).iter().map(|row| row["code"].as_str().expect("a code").to_owned()).collect()
}
