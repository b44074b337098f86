//! `/v1/log_custom_exposure`: exposures to what a program decided by itself, in the words in which an SDK would log them.

use super::asked::{AskError, Asked, CustomExposure, first, malformed};
use super::exposure::{CONFIG, Exposure, GATE, Log};
use crate::catalog::Catalog;
use serde_json::{Value, json};

/// The body of `/v1/log_event` that tells the same: one event for each exposure, in their order. A group may be told by its ID
/// or its name; one that the catalog does not have stays as it is. An exposure that does not say of what it is, or whether a
/// gate passed, is left for the intake to refuse by itself; and where there are more than the intake takes in one body, so is
/// the body: one more than `most` is told.
pub fn custom_exposures(asked: &Asked<'_>, catalog: &Catalog, most: usize) -> Result<Vec<u8>, AskError> {
    let list = asked.wire.exposures.ok_or(AskError::NothingAsked { field: "exposures" })?;
    let exposures: Vec<CustomExposure<'_>> = first(list, most.saturating_add(1)).map_err(malformed)?;
    let events = exposures.iter().map(|exposure| event(exposure, catalog)).collect();
    Ok(Log { events, user: asked.wire.user, metadata: asked.wire.statsig_metadata }.into_json())
}

fn event<'a>(exposure: &CustomExposure<'a>, catalog: &Catalog) -> Exposure<'a> {
    let group = exposure.rule_id.as_deref().or(exposure.group.as_deref()).unwrap_or_default();
    let (name, metadata) = match (&exposure.gate_name, &exposure.experiment_name) {
        (Some(gate), None) => {
            let rules = catalog.gate(gate).map(|gate| gate.rules.as_slice()).unwrap_or_default();
            let rule = rules.iter().find(|rule| rule.id == group || rule.name == group);
            let passes = exposure.passes.map(|passes| passes.get().trim_matches('"'));
            (GATE, json!({"gate": gate, "gateValue": passes, "ruleID": rule.map_or(group, |rule| &rule.id)}))
        }
        (_, experiment) => {
            let groups = experiment.as_ref().and_then(|name| catalog.experiment(name)).map(|it| it.groups.as_slice());
            let found = groups.unwrap_or_default().iter().find(|it| it.id == group || it.name == group);
            (CONFIG, json!({"config": experiment, "ruleID": found.map_or(group, |group| &group.id)}))
        }
    };
    let mut metadata = metadata;
    metadata["isManualExposure"] = Value::from("true");
    Exposure { time: exposure.time, user: exposure.user, ..Exposure::new(name, metadata) }
}
