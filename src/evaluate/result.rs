//! What an evaluation yields: all that an exposure and an answer to an SDK tell. Borrows from the specs.

use super::specs::Spec;
use serde_json::Value;

/// A gate that was asked on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondaryExposure<'a> {
    pub gate: &'a str,
    pub value: bool,
    pub rule_id: &'a str,
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq)]
pub struct GateResult<'a> {
    pub value: bool,
    /// The rule that decided, also when the unit did not pass it; `default`, `disabled`, or empty for an unknown gate.
    pub rule_id: &'a str,
    pub group_name: Option<&'a str>,
    /// Empty for an unknown gate.
    pub id_type: &'a str,
    /// The gates that were asked, each once, in the order in which they were; no segments.
    pub secondary_exposures: Vec<SecondaryExposure<'a>>,
    /// None for an unknown gate.
    pub version: Option<u64>,
}

/// What a dynamic config or an experiment says.
#[derive(Debug, Clone)]
pub struct ConfigResult<'a> {
    /// None for an unknown config.
    pub spec: Option<&'a Spec>,
    /// Always an object.
    pub value: &'a Value,
    /// Whether a rule passed, rather than the default being given.
    pub passed: bool,
    /// As in [`GateResult`]; in an experiment the group's ID.
    pub rule_id: &'a str,
    pub group_name: Option<&'a str>,
    pub id_type: &'a str,
    /// Whether the user is in a group that counts in the results.
    pub is_experiment_group: bool,
    pub secondary_exposures: Vec<SecondaryExposure<'a>>,
}

/// What a layer says.
#[derive(Debug, Clone)]
pub struct LayerResult<'a> {
    /// None for an unknown layer.
    pub spec: Option<&'a Spec>,
    /// The experiment that decided.
    pub allocated_experiment: Option<&'a Spec>,
    /// Always an object.
    pub value: &'a Value,
    pub passed: bool,
    /// That of the experiment, if one decided.
    pub rule_id: &'a str,
    pub group_name: Option<&'a str>,
    pub id_type: &'a str,
    pub is_experiment_group: bool,
    /// The parameters that the allocated experiment sets by itself; reads of others are no exposure of it.
    pub explicit_parameters: &'a [String],
    pub secondary_exposures: Vec<SecondaryExposure<'a>>,
    /// How many of them were there before the experiment was asked.
    pub(super) undelegated: usize,
}

impl<'a> LayerResult<'a> {
    /// The exposures of the layer alone, which count for parameters that no experiment sets.
    pub fn undelegated_secondary_exposures(&self) -> &[SecondaryExposure<'a>] {
        &self.secondary_exposures[..self.undelegated]
    }
}
