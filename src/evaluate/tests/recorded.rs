//! Hashes, and what real SDKs answered and reported for 43 users: two server SDKs of both families, which agreed in each
//! of these exposures, and an answer to a browser SDK.

use super::super::bucket::{PASS_PARTS, hash};
use super::*;
use crate::catalog::BUCKETS;
use std::collections::BTreeMap;

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn recorded_specs() -> Specs {
    reader::read(&file(include_str!("dcs_v1.json")))
}

#[test]
fn hashes_are_those_of_the_sdks() {
    let vectors = file(include_str!("hash_vectors.json"));
    for vector in vectors.as_array().unwrap() {
        let input = vector["input"].as_str().unwrap();
        let expected: u64 = vector["u64"].as_str().unwrap().parse().unwrap();
        for split in (0..=input.len()).filter(|at| input.is_char_boundary(*at)) {
            assert_eq!(hash(&input[..split], &input[split..]), expected, "{input} cut at {split}");
        }
        assert_eq!(vector["mod10000"], expected % PASS_PARTS);
        assert_eq!(vector["mod1000"], expected % BUCKETS as u64);
        assert_eq!(vector["djb2"], djb2(input));
        assert_eq!(vector["sha256_b64"], sha256_base64(input));
        assert_eq!(vector["idlist8"], ListId::of(input).as_str());
    }
}

#[test]
fn every_recorded_exposure_is_what_weir_says_too() {
    let (specs, recorded) = (recorded_specs(), file(include_str!("exposures.json")));
    let members: Vec<&str> = recorded["vips_list"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let lists = Lists::of("vips_list", &members);
    let shown = |exposures: &[SecondaryExposure]| {
        let one = |it: &SecondaryExposure| json!([it.gate, it.value.to_string(), it.rule_id]);
        Value::Array(exposures.iter().map(one).collect())
    };
    let mut compared = 0;
    for recorded in recorded["users"].as_array().unwrap() {
        let user = User::from_json(&recorded["user"]);
        // One evaluation for all, so that what was asked for one does not colour the next.
        let mut evaluation = specs.evaluate(&user, &lists, NOW);
        for exposure in recorded["exposures"].as_array().unwrap() {
            let name = exposure["name"].as_str().unwrap();
            let own = match exposure["kind"].as_str().unwrap() {
                "gate" => {
                    let result = evaluation.gate(name);
                    let secondary = shown(&result.secondary_exposures);
                    json!({"kind": "gate", "name": name, "rule": result.rule_id, "secondary": secondary,
                        "value": result.value.to_string()})
                }
                "config" => {
                    let result = evaluation.config(name);
                    let secondary = shown(&result.secondary_exposures);
                    json!({"kind": "config", "name": name, "rule": result.rule_id, "secondary": secondary})
                }
                _ => {
                    let result = evaluation.layer(name);
                    let parameter = exposure["parameter"].as_str().unwrap();
                    let is_explicit = result.explicit_parameters.iter().any(|it| it == parameter);
                    let (allocated, secondary) = match result.allocated_experiment {
                        Some(spec) if is_explicit => (&*spec.name, shown(&result.secondary_exposures)),
                        _ => ("", shown(result.undelegated_secondary_exposures())),
                    };
                    json!({"kind": "layer", "name": name, "rule": result.rule_id, "secondary": secondary,
                        "allocated": allocated, "parameter": parameter})
                }
            };
            assert_eq!(own, *exposure, "{}", recorded["user"]);
            compared += 1;
        }
    }
    assert_eq!(compared, 731);
}

/// The recorded answer, without what is no result: names as they are, not hashed.
#[test]
fn a_recorded_answer_to_a_browser_is_what_weir_says_too() {
    let (specs, answer) = (recorded_specs(), file(include_str!("initialize_user_0.json")));
    let mut document = answer["user"].clone();
    document["statsigEnvironment"] = json!({"tier": "development"});
    let user = User::from_json(&document);
    let mut evaluation = specs.evaluate(&user, &NoLists, NOW);
    let secondary = |exposures: &[SecondaryExposure]| {
        let one = |it: &SecondaryExposure| json!({"gate": djb2(it.gate), "gateValue": it.value.to_string(), "ruleID": it.rule_id});
        Value::Array(exposures.iter().map(one).collect())
    };
    let mut own =
        BTreeMap::from([("feature_gates", json!({})), ("dynamic_configs", json!({})), ("layer_configs", json!({}))]);
    for spec in specs.gates.iter().filter(|spec| spec.entity == Entity::FeatureGate) {
        let (name, it) = (djb2(&spec.name), evaluation.gate(&spec.name));
        own.get_mut("feature_gates").unwrap()[&name] = json!({"name": name, "value": it.value, "rule_id": it.rule_id,
            "id_type": it.id_type, "secondary_exposures": secondary(&it.secondary_exposures)});
    }
    for spec in &specs.configs {
        let (name, it) = (djb2(&spec.name), evaluation.config(&spec.name));
        let mut shown = json!({"name": name, "value": it.value, "rule_id": it.rule_id, "group": it.rule_id,
            "id_type": it.id_type, "is_device_based": false, "passed": it.passed,
            "secondary_exposures": secondary(&it.secondary_exposures)});
        if let Some(group) = it.group_name {
            shown["group_name"] = group.into();
        }
        if let Some(active) = spec.is_active {
            shown["is_experiment_active"] = active.into();
            shown["is_user_in_experiment"] = it.is_experiment_group.into();
        }
        if spec.has_shared_params == Some(true) {
            shown["is_in_layer"] = true.into();
            shown["explicit_parameters"] = json!(spec.explicit_parameters);
        }
        own.get_mut("dynamic_configs").unwrap()[&name] = shown;
    }
    for spec in &specs.layers {
        let (name, it) = (djb2(&spec.name), evaluation.layer(&spec.name));
        own.get_mut("layer_configs").unwrap()[&name] = json!({"name": name, "value": it.value, "rule_id": it.rule_id,
            "group": it.rule_id, "is_device_based": false, "secondary_exposures": secondary(&it.secondary_exposures),
            "undelegated_secondary_exposures": secondary(it.undelegated_secondary_exposures()),
            "explicit_parameters": it.explicit_parameters});
    }
    for (section, own) in own {
        assert_eq!(own, answer[section], "{section}");
    }
}
