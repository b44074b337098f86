//! Evaluation as a person meets it: recorded answers of real SDKs, each operator and condition, what a catalog is compiled
//! to, and what must never move. Reads only committed files.

mod choices;
mod compiled;
mod experiments;
mod operators;
mod reader;
mod recorded;
mod stability;

use super::*;
use crate::catalog::{ApplyOptions, Catalog, ProjectFile};
use crate::event::Timestamp;
use serde_json::{Value, json};
use std::collections::HashSet;

/// 2026-11-23T12:58:19.353Z
const NOW: Timestamp = Timestamp(1_795_438_699_353);

/// ID lists in memory.
#[derive(Default)]
struct Lists(HashSet<(String, ListId)>);

impl Lists {
    fn of(list: &str, units: &[&str]) -> Lists {
        Lists(units.iter().map(|unit| (list.to_string(), ListId::of(unit))).collect())
    }
}

impl IdLists for Lists {
    fn contains(&self, list: &str, unit: &ListId) -> bool {
        self.0.contains(&(list.to_string(), *unit))
    }
}

fn user(id: &str) -> User {
    User::from_json(&json!({"userID": id}))
}

fn catalog(project: &Value) -> Catalog {
    changed(&Catalog::default(), project)
}

/// A catalog after a project file, with all that is no longer in it removed.
fn changed(before: &Catalog, project: &Value) -> Catalog {
    let file = ProjectFile::parse(&project.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let plan = before.plan(&file, ApplyOptions { force: true, prune: true });
    before.after(&plan, "someone", NOW).unwrap()
}

fn specs(project: &Value) -> Specs {
    Specs::compile(&catalog(project))
}

/// A project whose gate `g` has one rule, `r`, with these conditions, for everyone who meets them.
fn gate_with(conditions: Value) -> Specs {
    specs(&json!({
        "unitIdTypes": [{"name": "companyID"}],
        "gates": [{"name": "g", "rules": [{"name": "r", "passPercentage": 100, "conditions": conditions}]}],
    }))
}

/// Whether a user passes the gate `g`.
fn passes(specs: &Specs, user: &Value) -> bool {
    specs.evaluate(&User::from_json(user), &NoLists, NOW).gate("g").value
}

fn gate<'a>(specs: &'a Specs, user: &'a User, name: &str) -> (bool, &'a str) {
    let result = specs.evaluate(user, &NoLists, NOW).gate(name);
    (result.value, result.rule_id)
}
