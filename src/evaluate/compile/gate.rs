//! Gates and dynamic configs.

use super::super::condition::Condition;
use super::super::rule::Rule;
use super::super::specs::{Entity, Spec};
use super::Compiler;
use crate::catalog::{DynamicConfig, Gate, GateOverrides, ItemKind};
use crate::event::USER_ID;
use serde_json::Value;

impl Compiler<'_> {
    /// Overrides first, then holdouts, then a person's rules.
    ///
    /// No rule has a group name, because an SDK of the core would show that of a gate asked on the way as the name of the
    /// group of what asked, where no rule of that matched.
    pub(super) fn gate(&self, gate: &Gate) -> Spec {
        let spec = self.spec(ItemKind::Gate, &gate.id, Entity::FeatureGate, gate.salt.as_deref(), &gate.id_type);
        let mut rules = Vec::new();
        if gate.is_enabled {
            self.overrides(&gate.overrides, &spec.id_type, &mut rules);
            let holdouts = self.catalog.holdouts().iter().filter(|it| it.is_global || names(&it.gate_ids, gate));
            rules.extend(holdouts.filter_map(|it| self.held_out(it, Value::Bool(false), 0.0, &spec.id_type)));
            rules.extend(self.rules(&gate.rules, &spec.salt, &spec.id_type));
        }
        Spec { name: gate.name.clone(), enabled: gate.is_enabled, rules, ..spec }
    }

    /// What holds in one environment goes before what holds in each; of one place those who pass go first.
    fn overrides(&self, overrides: &GateOverrides, id_type: &str, rules: &mut Vec<Rule>) {
        let mut add = |ids: &[String], passes: bool, of: &str, environment: Option<&String>| {
            if ids.is_empty() {
                return;
            }
            let of = self.id_type(of);
            let mut conditions: Vec<Condition> = vec![self.one_of(ids, of)];
            conditions.extend(environment.and_then(|tier| self.environments(std::slice::from_ref(tier), of)));
            let word = if passes { "pass" } else { "fail" };
            let id = match environment {
                Some(environment) => format!("{word}:{environment}:{of}:id_override"),
                None => format!("{word}:{of}:id_override"),
            };
            // Who fails does so by the percentage: SDKs give `true` to whoever passes a rule.
            let percentage = if passes { 100.0 } else { 0.0 };
            rules.push(Rule::new(&id, conditions, Value::Bool(passes), of).passing(percentage, "", ""));
        };
        let (in_one, in_each): (Vec<_>, Vec<_>) =
            overrides.environment_overrides.iter().partition(|it| it.environment.is_some());
        for it in in_one {
            let of = it.unit_id.as_deref().unwrap_or(id_type);
            add(&it.passing_ids, true, of, it.environment.as_ref());
            add(&it.failing_ids, false, of, it.environment.as_ref());
        }
        add(&overrides.passing_user_ids, true, USER_ID, None);
        add(&overrides.failing_user_ids, false, USER_ID, None);
        add(&overrides.passing_custom_ids, true, id_type, None);
        add(&overrides.failing_custom_ids, false, id_type, None);
        for it in in_each {
            let of = it.unit_id.as_deref().unwrap_or(id_type);
            add(&it.passing_ids, true, of, None);
            add(&it.failing_ids, false, of, None);
        }
    }

    /// The group name of a rule is what people call the rule.
    pub(super) fn dynamic_config(&self, config: &DynamicConfig) -> Spec {
        let kind = ItemKind::DynamicConfig;
        let spec = self.spec(kind, &config.id, Entity::DynamicConfig, config.salt.as_deref(), &config.id_type);
        let mut rules = Vec::new();
        if config.is_enabled {
            let names = config.rules.iter().map(|rule| rule.name.as_str());
            let compiled = self.rules(&config.rules, &spec.salt, &spec.id_type);
            rules.extend(compiled.into_iter().zip(names).map(|(rule, name)| rule.named(Some(name))));
        }
        let default_value = Value::Object(config.default_value.clone());
        Spec { name: config.name.clone(), enabled: config.is_enabled, default_value, rules, ..spec }
    }
}

fn names(listed: &[String], gate: &Gate) -> bool {
    listed.iter().any(|it| *it == gate.id || *it == gate.name)
}
