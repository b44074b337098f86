//! One rule of a spec: its conditions, how many of those who meet them pass, and what they get. Evaluates only the pass
//! percentage.

use super::bucket::{PASS_PARTS, hash};
use super::condition::Condition;
use super::user::{UnitType, User};
use serde_json::Value;

/// One rule of a spec.
#[derive(Debug)]
pub struct Rule {
    /// What exposures call it.
    pub id: String,
    /// Always the same as the ID, as Statsig has it.
    pub name: String,
    /// What people call the group that gets this rule; none in gates (see `compile/gate.rs`).
    pub group_name: Option<String>,
    /// From 0 to 100.
    pub pass_percentage: f64,
    /// Together with the spec's salt what the pass percentage's hash starts from. May be empty.
    pub salt: String,
    pub conditions: Vec<Condition>,
    /// What those who pass get: `true` or `false` in a gate, an object elsewhere.
    pub return_value: Value,
    /// The ID type that the pass percentage divides.
    pub id_type: UnitType,
    /// In a layer the experiment that decides in its place.
    pub config_delegate: Option<String>,
    /// Whether this is a group of an experiment that counts in its results.
    pub is_experiment_group: bool,
    /// `<spec salt>.<rule salt>.`
    prefix: String,
    /// The position of `config_delegate` among the configs, if it is there.
    pub(super) delegate: Option<usize>,
}

impl Rule {
    /// A rule that all pass who meet the conditions, under an empty salt.
    pub(super) fn new(id: &str, conditions: Vec<Condition>, return_value: Value, id_type: &str) -> Rule {
        Rule {
            id: id.to_string(),
            name: id.to_string(),
            group_name: None,
            pass_percentage: 100.0,
            salt: String::new(),
            conditions,
            return_value,
            id_type: UnitType::new(id_type),
            config_delegate: None,
            is_experiment_group: false,
            prefix: String::new(),
            delegate: None,
        }
    }

    pub(super) fn passing(mut self, percentage: f64, spec_salt: &str, salt: &str) -> Rule {
        self.pass_percentage = percentage;
        self.prefix = format!("{spec_salt}.{salt}.");
        self.salt = salt.to_string();
        self
    }

    pub(super) fn named(mut self, group: Option<&str>) -> Rule {
        self.group_name = group.map(str::to_string);
        self
    }

    pub(super) fn group(mut self, name: &str) -> Rule {
        self.is_experiment_group = true;
        self.named(Some(name))
    }

    pub(super) fn delegating(mut self, config: &str) -> Rule {
        self.config_delegate = Some(config.to_string());
        self
    }

    /// Whether a unit that meets the conditions passes.
    pub(super) fn passes(&self, user: &User) -> bool {
        if self.pass_percentage == 100.0 {
            return true;
        }
        if self.pass_percentage == 0.0 {
            return false;
        }
        // As floating point numbers, because 0.37 * 100 need not be 37.
        let part = hash(&self.prefix, user.unit_text(&self.id_type)) % PASS_PARTS;
        (part as f64) < self.pass_percentage * 100.0
    }
}
