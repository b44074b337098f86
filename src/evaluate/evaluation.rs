//! Evaluating one user against the specs at one moment. Says what Statsig's server SDKs say; writes down no exposure.

use super::SEGMENT_PREFIX;
use super::bucket::{ListId, hash};
use super::comparison::{Comparison, Source, Test};
use super::condition::Condition;
use super::result::{ConfigResult, GateResult, LayerResult, SecondaryExposure};
use super::rule::Rule;
use super::specs::{Spec, Specs};
use super::user::{Field, User};
use crate::catalog::BUCKETS;
use crate::event::Timestamp;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The members of ID lists.
pub trait IdLists {
    /// Whether a list (named after its segment) holds a unit, by [`ListId`]. A list that is not there holds nobody.
    fn contains(&self, list: &str, unit: &ListId) -> bool;
}

/// No lists at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLists;

impl IdLists for NoLists {
    fn contains(&self, _: &str, _: &ListId) -> bool {
        false
    }
}

static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

impl Specs {
    /// Makes ready to evaluate a user. `now` is what conditions on the time look at.
    pub fn evaluate<'a, 'u>(&'a self, user: &'u User, lists: &'u dyn IdLists, now: Timestamp) -> Evaluation<'a, 'u> {
        Evaluation { specs: self, user, lists, now, exposures: Vec::new(), asked: Vec::new(), bucket: None }
    }
}

/// One user, evaluated against as many gates, configs and layers as one likes. Results borrow from the specs only.
pub struct Evaluation<'a, 'u> {
    specs: &'a Specs,
    user: &'u User,
    lists: &'u dyn IdLists,
    now: Timestamp,
    /// Of what is being evaluated.
    exposures: Vec<SecondaryExposure<'a>>,
    /// The gates that were asked meanwhile, so that each is evaluated once however often others ask for it.
    asked: Vec<(usize, bool, &'a str)>,
    /// The last bucket, by salt and unit: the groups of an experiment ask for the same one after the other.
    bucket: Option<(&'a str, &'u str, usize)>,
}

/// What a spec comes to.
struct Outcome<'a> {
    passed: bool,
    value: &'a Value,
    rule: Option<&'a Rule>,
    rule_id: &'a str,
    /// The experiment that decided, and how many exposures there were before it was asked.
    delegate: Option<(&'a Spec, usize)>,
}

/// A condition that Weir does not know.
struct Unsupported;

impl<'a, 'u> Evaluation<'a, 'u> {
    /// A gate. Holdouts and segments (`segment:<id>`) are gates too. An unknown one is false.
    pub fn gate(&mut self, name: &str) -> GateResult<'a> {
        let Some(spec) = self.specs.gates.get(name) else {
            return GateResult {
                value: false,
                rule_id: "",
                group_name: None,
                id_type: "",
                secondary_exposures: Vec::new(),
                version: None,
            };
        };
        let outcome = self.outcome(spec);
        GateResult {
            value: outcome.passed,
            rule_id: outcome.rule_id,
            group_name: outcome.rule.and_then(|rule| rule.group_name.as_deref()),
            id_type: &spec.id_type,
            secondary_exposures: std::mem::take(&mut self.exposures),
            version: Some(spec.version),
        }
    }

    /// A dynamic config or an experiment. An unknown one has an empty value.
    pub fn config(&mut self, name: &str) -> ConfigResult<'a> {
        let Some(spec) = self.specs.configs.get(name) else {
            return ConfigResult {
                spec: None,
                value: &EMPTY,
                passed: false,
                rule_id: "",
                group_name: None,
                id_type: "",
                is_experiment_group: false,
                secondary_exposures: Vec::new(),
            };
        };
        let outcome = self.outcome(spec);
        ConfigResult {
            spec: Some(spec),
            value: outcome.value,
            passed: outcome.passed,
            rule_id: outcome.rule_id,
            group_name: outcome.rule.and_then(|rule| rule.group_name.as_deref()),
            id_type: &spec.id_type,
            is_experiment_group: outcome.rule.is_some_and(|rule| rule.is_experiment_group),
            secondary_exposures: std::mem::take(&mut self.exposures),
        }
    }

    /// A layer. An unknown one has an empty value.
    pub fn layer(&mut self, name: &str) -> LayerResult<'a> {
        let Some(spec) = self.specs.layers.get(name) else {
            return LayerResult {
                spec: None,
                allocated_experiment: None,
                value: &EMPTY,
                passed: false,
                rule_id: "",
                group_name: None,
                id_type: "",
                is_experiment_group: false,
                explicit_parameters: &[],
                secondary_exposures: Vec::new(),
                undelegated: 0,
            };
        };
        let outcome = self.outcome(spec);
        let decided_by = outcome.delegate.map_or(spec, |(delegate, _)| delegate);
        LayerResult {
            spec: Some(spec),
            allocated_experiment: outcome.delegate.map(|(delegate, _)| delegate),
            value: outcome.value,
            passed: outcome.passed,
            rule_id: outcome.rule_id,
            group_name: outcome.rule.and_then(|rule| rule.group_name.as_deref()),
            id_type: &spec.id_type,
            is_experiment_group: outcome.rule.is_some_and(|rule| rule.is_experiment_group),
            explicit_parameters: decided_by.explicit_parameters.as_deref().unwrap_or_default(),
            undelegated: outcome.delegate.map_or(self.exposures.len(), |(_, undelegated)| undelegated),
            secondary_exposures: std::mem::take(&mut self.exposures),
        }
    }

    fn outcome(&mut self, spec: &'a Spec) -> Outcome<'a> {
        self.exposures.clear();
        self.asked.clear();
        match self.spec(spec) {
            Ok(outcome) => outcome,
            // The default without a rule, and no exposure: SDKs say that they do not support it.
            Err(Unsupported) => {
                self.exposures.clear();
                Outcome { passed: false, value: &spec.default_value, rule: None, rule_id: "", delegate: None }
            }
        }
    }

    fn spec(&mut self, spec: &'a Spec) -> Result<Outcome<'a>, Unsupported> {
        let default = |rule_id| Outcome {
            passed: spec.default_value == Value::Bool(true),
            value: &spec.default_value,
            rule: None,
            rule_id,
            delegate: None,
        };
        if !spec.enabled {
            return Ok(default("disabled"));
        }
        for rule in &spec.rules {
            let mut all = true;
            // Each condition, even after one that does not hold: the gates it asks are exposures.
            for condition in &rule.conditions {
                all &= self.condition(condition)?;
            }
            if !all {
                continue;
            }
            if let Some(delegate) = rule.delegate {
                let (delegate, undelegated) = (self.specs.configs.at(delegate), self.exposures.len());
                let outcome = self.spec(delegate)?;
                return Ok(Outcome { delegate: Some((delegate, undelegated)), ..outcome });
            }
            let passes = rule.passes(self.user);
            let value = if passes { &rule.return_value } else { &spec.default_value };
            let passed = match passes {
                true => *value != Value::Bool(false),
                false => *value == Value::Bool(true),
            };
            return Ok(Outcome { passed, value, rule: Some(rule), rule_id: &rule.id, delegate: None });
        }
        Ok(default("default"))
    }

    fn condition(&mut self, condition: &'a Condition) -> Result<bool, Unsupported> {
        match &condition.comparison {
            Comparison::Always => Ok(true),
            Comparison::Gate { gate: Some(gate), wanted } => Ok(self.nested(*gate)? == *wanted),
            // An unknown gate is false, and no exposure.
            Comparison::Gate { gate: None, wanted } => Ok(!wanted),
            Comparison::Bucket { prefix, holds } => {
                let unit = self.user.unit_text(&condition.id_type);
                Ok(holds[self.bucket(prefix, unit)])
            }
            Comparison::Value { source, test } => Ok(self.holds(source, test, condition)),
            Comparison::Unsupported => Err(Unsupported),
        }
    }

    fn holds(&self, source: &Source, test: &Test, condition: &Condition) -> bool {
        let value: Option<&Field> = match source {
            Source::Field(name) => self.user.field(name),
            Source::Environment(name) => self.user.environment(name),
            Source::Unit => self.user.unit(&condition.id_type),
            Source::Now => {
                return match test {
                    Test::Time(test, target) => test.holds(self.now, *target),
                    test => test.holds(Some(&Field::new(&self.now.0.into()))),
                };
            }
            Source::Nothing => None,
        };
        match (test, value) {
            (Test::InList { list, wanted }, Some(value)) => {
                self.lists.contains(list, &ListId::of(value.text())) == *wanted
            }
            (test, value) => test.holds(value),
        }
    }

    fn bucket(&mut self, prefix: &'a str, unit: &'u str) -> usize {
        if let Some((known_prefix, known_unit, bucket)) = self.bucket
            && known_prefix == prefix
            && known_unit == unit
        {
            return bucket;
        }
        let bucket = (hash(prefix, unit) % BUCKETS as u64) as usize;
        self.bucket = Some((prefix, unit, bucket));
        bucket
    }

    /// A gate that a condition asks for: its own exposures come first, then it is one.
    fn nested(&mut self, gate: usize) -> Result<bool, Unsupported> {
        let spec = self.specs.gates.at(gate);
        let known = self.asked.iter().find(|(asked, ..)| *asked == gate);
        let (value, rule_id) = match known {
            Some((_, value, rule_id)) => (*value, *rule_id),
            None => {
                let outcome = self.spec(spec)?;
                self.asked.push((gate, outcome.passed, outcome.rule_id));
                (outcome.passed, outcome.rule_id)
            }
        };
        let exposure = SecondaryExposure { gate: &spec.name, value, rule_id };
        if !spec.name.starts_with(SEGMENT_PREFIX) && !self.exposures.contains(&exposure) {
            self.exposures.push(exposure);
        }
        Ok(value)
    }
}
