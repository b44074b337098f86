//! Gates, dynamic configs, segments, layers and holdouts.

use super::condition::rules;
use super::{Check, analysis};
use crate::catalog::gate::GateOverrides;
use crate::catalog::item::ItemKind;
use crate::catalog::segment::SegmentType;

pub(super) fn check(check: &mut Check) {
    let all = check.contents;
    for it in &all.segments {
        check.id_type(&format!("{}.idType", it.place), &it.value.id_type);
        match it.value.kind {
            SegmentType::IdList if !it.value.rules.is_empty() => {
                check.wrong(
                    format!("{}.rules", it.place),
                    "is only for segments of type rule_based; remove it or the type id_list",
                );
            }
            SegmentType::RuleBased if !it.value.ids.is_empty() => {
                check.wrong(
                    format!("{}.ids", it.place),
                    "is only for segments of type id_list; remove it or the type rule_based",
                );
            }
            _ => {}
        }
        rules(check, &it.place, &it.value.rules, false);
    }
    for it in &all.gates {
        check.id_type(&format!("{}.idType", it.place), &it.value.id_type);
        let id_types = std::slice::from_ref(&it.value.id_type);
        check.metrics(&format!("{}.monitoringMetrics", it.place), &it.value.monitoring_metrics, id_types, "this gate");
        analysis::check(check, &format!("{}.analysis", it.place), &it.value.analysis, false);
        rules(check, &it.place, &it.value.rules, false);
        overrides(check, &format!("{}.overrides", it.place), &it.value.overrides);
        archived(check, &it.place, it.value.is_archived && it.value.is_enabled);
    }
    for it in &all.dynamic_configs {
        check.id_type(&format!("{}.idType", it.place), &it.value.id_type);
        rules(check, &it.place, &it.value.rules, true);
        archived(check, &it.place, it.value.is_archived && it.value.is_enabled);
    }
    for it in &all.layers {
        check.id_type(&format!("{}.idType", it.place), &it.value.id_type);
    }
    for it in &all.holdouts {
        check.id_type(&format!("{}.idType", it.place), &it.value.id_type);
        for (kind, field, ids) in [
            (ItemKind::Gate, "gateIDs", &it.value.gate_ids),
            (ItemKind::Experiment, "experimentIDs", &it.value.experiment_ids),
            (ItemKind::Layer, "layerIDs", &it.value.layer_ids),
        ] {
            for (index, id) in ids.iter().enumerate() {
                check.refers(kind, &format!("{}.{field}[{index}]", it.place), id);
            }
        }
    }
}

fn archived(check: &mut Check, place: &str, is_on_too: bool) {
    if is_on_too {
        check.wrong(format!("{place}.isEnabled"), "is true, but what is archived is off; must be false");
    }
}

fn overrides(check: &mut Check, place: &str, overrides: &GateOverrides) {
    let mut both = |place: String, passing: &[String], failing: &[String]| {
        for (index, id) in failing.iter().enumerate().filter(|(_, id)| passing.contains(id)) {
            check.wrong(
                format!("{place}[{index}]"),
                format!("\"{id}\" is listed as passing too; must be one or the other"),
            );
        }
    };
    both(format!("{place}.failingUserIDs"), &overrides.passing_user_ids, &overrides.failing_user_ids);
    both(format!("{place}.failingCustomIDs"), &overrides.passing_custom_ids, &overrides.failing_custom_ids);
    for (index, it) in overrides.environment_overrides.iter().enumerate() {
        both(format!("{place}.environmentOverrides[{index}].failingIDs"), &it.passing_ids, &it.failing_ids);
    }
    for (index, it) in overrides.environment_overrides.iter().enumerate() {
        let place = format!("{place}.environmentOverrides[{index}]");
        if let Some(environment) = &it.environment {
            check.environment(&format!("{place}.environment"), environment);
        }
        if let Some(id_type) = &it.unit_id {
            check.id_type(&format!("{place}.unitID"), id_type);
        }
    }
}
