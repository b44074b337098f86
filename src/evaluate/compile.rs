//! From the catalog to Statsig's model. Decides nothing about a user; each kind of spec has a file of its own.

mod condition;
mod experiment;
mod gate;
mod holdout;
mod layer;
mod segment;

use super::condition::{Condition, ConditionType, Operator};
use super::rule::Rule;
use super::specs::{Entity, Spec, Specs};
use crate::catalog::{self, Catalog, ItemKind};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

impl Specs {
    /// Compiles a catalog. The same catalog always gives the same specs; salts are made of kinds and IDs, never of
    /// positions, so two Weirs with the same project file agree about who passes.
    pub fn compile(catalog: &Catalog) -> Specs {
        let compiler = Compiler { catalog };
        let gates = (catalog.gates().iter().map(|it| compiler.gate(it)))
            .chain(catalog.holdouts().iter().map(|it| compiler.holdout(it)))
            .chain(catalog.segments().iter().map(|it| compiler.segment(it)));
        let configs = (catalog.dynamic_configs().iter().map(|it| compiler.dynamic_config(it)))
            .chain(catalog.experiments().iter().map(|it| compiler.experiment(it)));
        let layers = catalog.layers().iter().map(|it| compiler.layer(it));
        let in_layers = catalog.experiments().iter().filter_map(|it| Some((it, compiler.layer_of(it)?)));
        let experiment_to_layer: BTreeMap<String, String> =
            in_layers.map(|(experiment, layer)| (experiment.name.clone(), layer.name.clone())).collect();
        Specs::new(gates.collect(), configs.collect(), layers.collect(), experiment_to_layer)
    }
}

/// What the files below share.
struct Compiler<'a> {
    catalog: &'a Catalog,
}

impl<'a> Compiler<'a> {
    /// The version of an item.
    fn version(&self, kind: ItemKind, id: &str) -> u64 {
        self.catalog.item(kind, id).map_or(1, |item| item.version)
    }

    /// A spec without rules.
    fn spec(&self, kind: ItemKind, id: &str, entity: Entity, salt: Option<&str>, id_type: &str) -> Spec {
        Spec {
            name: id.to_string(),
            entity,
            salt: salt.map_or_else(|| format!("{kind}:{id}"), str::to_string),
            enabled: true,
            default_value: Value::Bool(false),
            rules: Vec::new(),
            id_type: self.id_type(id_type).to_string(),
            version: self.version(kind, id),
            is_active: None,
            has_shared_params: None,
            explicit_parameters: None,
        }
    }

    /// An ID type by the name with which it was defined.
    fn id_type<'t>(&'t self, name: &'t str) -> &'t str {
        self.catalog.id_type(name).unwrap_or(name)
    }

    /// A person's rules. The pass percentage's hash starts from the spec's salt and the rule's ID, so that a rule may be
    /// moved or renamed and keeps those who passed.
    fn rules(&self, rules: &[catalog::Rule], salt: &str, id_type: &str) -> Vec<Rule> {
        let compile = |rule: &catalog::Rule| {
            let mut conditions: Vec<Condition> =
                rule.conditions.iter().map(|condition| self.condition(condition, id_type)).collect();
            conditions.extend(rule.environments.as_ref().and_then(|tiers| self.environments(tiers, id_type)));
            let value = rule.return_value.clone().unwrap_or(Value::Bool(true));
            Rule::new(&rule.id, conditions, value, id_type).passing(rule.pass_percentage, salt, &rule.id)
        };
        rules.iter().map(compile).collect()
    }

    /// That the user's ID of a type is one of a list.
    fn one_of(&self, ids: &[String], id_type: &str) -> Condition {
        let id_type = self.id_type(id_type);
        let (kind, field) = match id_type == crate::event::USER_ID {
            true => (ConditionType::UserField, Some(id_type)),
            false => (ConditionType::UnitId, None),
        };
        Condition::new(kind, Some(Operator::Of(catalog::Operator::Any)), texts(ids), field, None, id_type)
    }
}

fn texts<T: ToString>(elements: &[T]) -> Value {
    elements.iter().map(ToString::to_string).collect::<Vec<String>>().into()
}

/// The fields of one object, and over them those of another.
fn over(below: &Map<String, Value>, above: &Map<String, Value>) -> Map<String, Value> {
    let mut both = below.clone();
    both.extend(above.iter().map(|(name, value)| (name.clone(), value.clone())));
    both
}
