//! Exposures in the words in which an SDK would log them: the body of `/v1/log_event`. What becomes of them is the intake's
//! affair.

use crate::evaluate::{ConfigResult, GateResult, LayerResult, SecondaryExposure};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The body of `/v1/log_event`.
#[derive(Serialize)]
pub(super) struct Log<'a> {
    pub events: Vec<Exposure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a RawValue>,
    #[serde(rename = "statsigMetadata", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
}

impl Log<'_> {
    pub fn into_json(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("a log always serialises")
    }
}

/// One event. Without a time it happened when it arrived, and is like no other: each call counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exposure<'a> {
    pub event_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a RawValue>,
    pub metadata: Value,
    pub secondary_exposures: Vec<Value>,
}

pub(super) const GATE: &str = "statsig::gate_exposure";
pub(super) const CONFIG: &str = "statsig::config_exposure";
const LAYER: &str = "statsig::layer_exposure";

impl<'a> Exposure<'a> {
    pub fn new(event_name: &'static str, metadata: Value) -> Self {
        Exposure { event_name, time: None, user: None, metadata, secondary_exposures: Vec::new() }
    }

    fn after(self, secondary: &[SecondaryExposure<'_>]) -> Self {
        let written = |it: &SecondaryExposure<'_>| json!({"gate": it.gate, "gateValue": it.value.to_string(), "ruleID": it.rule_id});
        Exposure { secondary_exposures: secondary.iter().map(written).collect(), ..self }
    }

    pub fn of_gate(name: &str, result: &GateResult<'_>) -> Self {
        let mut metadata = json!({
            "gate": name,
            "gateValue": result.value.to_string(),
            "ruleID": result.rule_id,
            "reason": reason(result.version.is_some()),
        });
        dated(&mut metadata, result.version);
        Exposure::new(GATE, metadata).after(&result.secondary_exposures)
    }

    pub fn of_config(name: &str, result: &ConfigResult<'_>) -> Self {
        let mut metadata = json!({
            "config": name,
            "ruleID": result.rule_id,
            "rulePassed": result.passed.to_string(),
            "reason": reason(result.spec.is_some()),
        });
        dated(&mut metadata, result.spec.map(|spec| spec.version));
        Exposure::new(CONFIG, metadata).after(&result.secondary_exposures)
    }

    /// An SDK logs each parameter that is read. Here the whole layer is handed out: that is one exposure of the experiment that
    /// decided, if one did, else of the layer alone.
    pub fn of_layer(name: &str, result: &LayerResult<'_>) -> Self {
        let allocated = result.allocated_experiment;
        let secondary = match allocated {
            Some(_) => &result.secondary_exposures[..],
            None => result.undelegated_secondary_exposures(),
        };
        let mut metadata = json!({
            "config": name,
            "ruleID": result.rule_id,
            "allocatedExperiment": allocated.map_or("", |spec| &spec.name),
            "parameterName": "",
            "isExplicitParameter": allocated.is_some().to_string(),
            "reason": reason(result.spec.is_some()),
        });
        dated(&mut metadata, allocated.or(result.spec).map(|spec| spec.version));
        Exposure::new(LAYER, metadata).after(secondary)
    }
}

/// The words of the SDKs that share one core.
fn reason(is_known: bool) -> &'static str {
    if is_known { "Network:Recognized" } else { "Network:Unrecognized" }
}

fn dated(metadata: &mut Value, version: Option<u64>) {
    if let Some(version) = version {
        metadata["configVersion"] = version.to_string().into();
    }
}
