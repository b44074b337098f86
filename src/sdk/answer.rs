//! Answers about single gates, configs and layers, as Statsig's HTTP API gives them, together with the exposures that they
//! are.

use super::asked::{AskError, Asked, GATES_PER_CALL};
use super::exposure::{Exposure, Log};
use crate::evaluate::{Evaluation, GateResult};
use serde_json::{Map, Value, json};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub json: String,
    /// The body of `/v1/log_event` that an SDK would send after it; none if the request wants no exposures.
    pub exposures: Option<Vec<u8>>,
}

impl Answer {
    fn new(value: &Value, asked: &Asked<'_>, exposures: Vec<Exposure<'_>>) -> Answer {
        let log = || Log { events: exposures, user: asked.wire.user, metadata: asked.wire.statsig_metadata };
        Answer { json: value.to_string(), exposures: asked.logs_exposures.then(|| log().into_json()) }
    }
}

/// `gateName` is answered with what the gate says, `gateNames` with an object by name. An unknown gate is false.
pub fn check_gate(asked: &Asked<'_>, evaluation: &mut Evaluation<'_, '_>) -> Result<Answer, AskError> {
    let mut exposures = Vec::new();
    let mut check = |name: &String| {
        let result = evaluation.gate(name);
        exposures.push(Exposure::of_gate(name, &result));
        gate(name, &result)
    };
    let value = match (&asked.wire.gate_name, &asked.wire.gate_names) {
        (Some(name), _) => check(name),
        (None, Some(names)) if names.len() > GATES_PER_CALL => return Err(AskError::TooManyGates),
        (None, Some(names)) => {
            let mut answers = Map::new();
            for name in names {
                if !answers.contains_key(name) {
                    answers.insert(name.clone(), check(name));
                }
            }
            Value::Object(answers)
        }
        (None, None) => return Err(AskError::NothingAsked { field: "gateName" }),
    };
    Ok(Answer::new(&value, asked, exposures))
}

fn gate(name: &str, result: &GateResult<'_>) -> Value {
    json!({"name": name, "value": result.value, "rule_id": result.rule_id, "group_name": result.group_name})
}

/// A dynamic config or an experiment. An unknown one has an empty value.
pub fn get_config(asked: &Asked<'_>, evaluation: &mut Evaluation<'_, '_>) -> Result<Answer, AskError> {
    let name = asked.wire.config_name.as_ref().ok_or(AskError::NothingAsked { field: "configName" })?;
    let result = evaluation.config(name);
    let value = json!({
        "name": name,
        "value": result.value,
        "group": result.rule_id,
        "rule_id": result.rule_id,
        "group_name": result.group_name,
    });
    Ok(Answer::new(&value, asked, vec![Exposure::of_config(name, &result)]))
}

/// `None` for an unknown layer.
pub fn get_layer(asked: &Asked<'_>, evaluation: &mut Evaluation<'_, '_>) -> Result<Option<Answer>, AskError> {
    let name = asked.wire.layer_name.as_ref().ok_or(AskError::NothingAsked { field: "layerName" })?;
    let result = evaluation.layer(name);
    if result.spec.is_none() {
        return Ok(None);
    }
    let value = json!({
        "name": name,
        "value": result.value,
        "ruleID": result.rule_id,
        "allocatedExperimentName": result.allocated_experiment.map_or("", |spec| &spec.name),
    });
    Ok(Some(Answer::new(&value, asked, vec![Exposure::of_layer(name, &result)])))
}
