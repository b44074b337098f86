//! Experiments: their groups, and how they share a layer.

use super::{Check, analysis, names};
use crate::catalog::contents::Placed;
use crate::catalog::experiment::{Experiment, OverrideType};
use crate::catalog::item::ItemKind;
use std::collections::BTreeMap;

/// How far percentages may miss 100 together because decimal fractions are not exact.
const TOLERANCE: f64 = 1e-6;

pub(super) fn check(check: &mut Check) {
    let mut layers: BTreeMap<String, Vec<&Placed<Experiment>>> = BTreeMap::new();
    for it in &check.contents.experiments {
        experiment(check, it);
        if let Some(layer) = layer(check, it)
            && it.value.status.holds_allocation()
        {
            layers.entry(layer).or_default().push(it);
        }
    }
    for (layer, members) in &layers {
        let mut total = 0.0;
        for it in members {
            total += it.value.allocation;
            if total > 100.0 + TOLERANCE {
                let parts: Vec<String> =
                    members.iter().map(|it| format!("{} {}", it.value.name, it.value.allocation)).collect();
                let message = format!(
                    "the experiments of layer \"{layer}\" take more than 100 percent together: {}",
                    parts.join(", ")
                );
                check.wrong(format!("{}.allocation", it.place), message);
                break;
            }
        }
    }
}

/// The ID of the layer that the experiment lives in.
fn layer(check: &mut Check, it: &Placed<Experiment>) -> Option<String> {
    let id = check.refers(ItemKind::Layer, &format!("{}.layerID", it.place), it.value.layer_id.as_ref()?)?;
    if let Some(layer) = check.contents.layers.iter().find(|layer| layer.value.id == id)
        && layer.value.id_type != it.value.id_type
    {
        let wanted = &layer.value.id_type;
        check.wrong(
            format!("{}.idType", it.place),
            format!("is {}, but its layer \"{id}\" divides {wanted}; must be {wanted}", it.value.id_type),
        );
    }
    Some(id)
}

fn experiment(check: &mut Check, it: &Placed<Experiment>) {
    let (place, experiment) = (&it.place, &it.value);
    check.id_type(&format!("{place}.idType"), &experiment.id_type);
    groups(check, place, experiment);
    if let Some(gate) = &experiment.targeting_gate_id {
        check.refers(ItemKind::Gate, &format!("{place}.targetingGateID"), gate);
    }
    if let (Some(start), Some(end)) = (experiment.start_time, experiment.end_time)
        && end < start
    {
        check.wrong(format!("{place}.endTime"), "lies before startTime");
    }
    for (field, metrics) in [
        ("primaryMetrics", &experiment.primary_metrics),
        ("secondaryMetrics", &experiment.secondary_metrics),
        ("otherMetrics", &experiment.other_metrics),
    ] {
        let id_types = std::slice::from_ref(&experiment.id_type);
        check.metrics(&format!("{place}.{field}"), metrics, id_types, "this experiment");
    }
    analysis::check(
        check,
        &format!("{place}.analysis"),
        &experiment.analysis,
        experiment.bonferroni_correction_per_metric,
    );
    overrides(check, &format!("{place}.overrides"), experiment);
}

fn groups(check: &mut Check, place: &str, experiment: &Experiment) {
    let groups = &experiment.groups;
    if groups.len() < 2 {
        check.wrong(format!("{place}.groups"), "must have at least two groups: one to compare, one to compare with");
    }
    names::inner(check, &format!("{place}.groups"), "group", groups.iter().map(|group| (&*group.id, &*group.name)));
    let sum: f64 = groups.iter().map(|group| group.size).sum();
    if !groups.is_empty() && (sum - 100.0).abs() > TOLERANCE {
        // Rounded, because 33.4 + 33.4 + 33.3 is not exactly 100.1.
        let sum = (sum / TOLERANCE).round() * TOLERANCE;
        check.wrong(format!("{place}.groups"), format!("the sizes add up to {sum:.4}; must add up to 100"));
    }
    for (field, id) in
        [("controlGroupID", &experiment.control_group_id), ("launchedGroupID", &experiment.launched_group_id)]
    {
        if let Some(id) = id {
            group(check, &format!("{place}.{field}"), experiment, id);
        }
    }
}

fn group(check: &mut Check, place: &str, experiment: &Experiment, id: &str) {
    if experiment.group(id).is_none() {
        let known = crate::catalog::mistake::one_of(experiment.groups.iter().map(|group| &*group.id));
        check.wrong(place, format!("unknown group \"{id}\"; must be {known}"));
    }
}

fn overrides(check: &mut Check, place: &str, experiment: &Experiment) {
    for (index, it) in experiment.overrides.overrides.iter().enumerate() {
        let place = format!("{place}.overrides[{index}]");
        let kind = match it.kind {
            OverrideType::Gate => ItemKind::Gate,
            OverrideType::Segment => ItemKind::Segment,
        };
        check.refers(kind, &format!("{place}.id"), &it.id);
        group(check, &format!("{place}.groupID"), experiment, &it.group_id);
        if let Some(environment) = &it.environment {
            check.environment(&format!("{place}.environment"), environment);
        }
    }
    for (index, it) in experiment.overrides.user_id_overrides.iter().enumerate() {
        let place = format!("{place}.userIDOverrides[{index}]");
        group(check, &format!("{place}.groupID"), experiment, &it.group_id);
        if let Some(environment) = &it.environment {
            check.environment(&format!("{place}.environment"), environment);
        }
        if let Some(id_type) = &it.unit_type {
            check.id_type(&format!("{place}.unitType"), id_type);
        }
    }
}
