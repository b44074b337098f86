//! Holdouts, which travel as gates that those pass who are held out.

use super::super::condition::Condition;
use super::super::rule::Rule;
use super::super::specs::{Entity, Spec};
use super::Compiler;
use crate::catalog::{Holdout, ItemKind};
use serde_json::Value;

impl Compiler<'_> {
    /// One rule, called after the holdout and its percentage.
    pub(super) fn holdout(&self, holdout: &Holdout) -> Spec {
        let salt = holdout.salt.as_deref();
        let spec = self.spec(ItemKind::Holdout, &holdout.id, Entity::Holdout, salt, &holdout.id_type);
        let mut rules = Vec::new();
        if holdout.is_enabled {
            let id = format!("{}:{:.2}:1", holdout.id, holdout.pass_percentage);
            let everyone = vec![Condition::public(&spec.id_type)];
            let rule = Rule::new(&id, everyone, Value::Bool(true), &spec.id_type);
            rules.push(rule.passing(holdout.pass_percentage, &spec.salt, &holdout.id));
        }
        Spec { name: holdout.name.clone(), enabled: holdout.is_enabled, rules, ..spec }
    }

    /// The rule in a gate, experiment or layer for those whom a holdout holds out, `holdout:<id>`: no person's rule or group
    /// may begin like this, so that who is held out never counts as one of a group. None if the holdout is disabled: what
    /// holds nobody out is not asked.
    pub(super) fn held_out(&self, holdout: &Holdout, value: Value, percentage: f64, id_type: &str) -> Option<Rule> {
        let held_out = || vec![Condition::gate(&holdout.name, true, id_type)];
        let id = format!("holdout:{}", holdout.id);
        let rule = || Rule::new(&id, held_out(), value, id_type).passing(percentage, "", "");
        holdout.is_enabled.then(rule)
    }
}
