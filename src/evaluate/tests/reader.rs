//! Reads the older download (`v1`) that real SDKs were recorded with, so that their answers can be compared. Only tests
//! read one: Weir writes them.

use super::super::specs::Entity;
use super::*;
use std::collections::BTreeMap;

pub(super) fn read(document: &Value) -> Specs {
    let list = |name: &str| document[name].as_array().unwrap().iter().map(spec).collect();
    let layers: BTreeMap<String, String> = serde_json::from_value(document["experiment_to_layer"].clone()).unwrap();
    Specs::new(list("feature_gates"), list("dynamic_configs"), list("layer_configs"), layers)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_string()
}

fn spec(document: &Value) -> Spec {
    let entities = [
        Entity::FeatureGate,
        Entity::Segment,
        Entity::Holdout,
        Entity::DynamicConfig,
        Entity::Experiment,
        Entity::Layer,
    ];
    let entity = entities.into_iter().find(|entity| document["entity"] == entity.as_str()).unwrap();
    assert_eq!(document["type"], entity.spec_type());
    Spec {
        name: text(&document["name"]),
        entity,
        salt: text(&document["salt"]),
        enabled: document["enabled"].as_bool().unwrap(),
        default_value: document["defaultValue"].clone(),
        rules: document["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| rule(it, document["salt"].as_str().unwrap()))
            .collect(),
        id_type: text(&document["idType"]),
        version: document["version"].as_u64().unwrap(),
        is_active: document["isActive"].as_bool(),
        has_shared_params: document["hasSharedParams"].as_bool(),
        explicit_parameters: serde_json::from_value(document["explicitParameters"].clone()).unwrap(),
    }
}

fn rule(document: &Value, spec_salt: &str) -> Rule {
    let (id, id_type) = (document["id"].as_str().unwrap(), document["idType"].as_str().unwrap());
    let conditions = document["conditions"].as_array().unwrap().iter().map(condition).collect();
    let salt = document["salt"].as_str().unwrap_or(id);
    let mut rule = Rule::new(id, conditions, document["returnValue"].clone(), id_type)
        .passing(document["passPercentage"].as_f64().unwrap(), spec_salt, salt)
        .named(document["groupName"].as_str());
    rule.is_experiment_group = document["isExperimentGroup"] == true;
    rule.config_delegate = document["configDelegate"].as_str().map(str::to_string);
    rule
}

fn condition(document: &Value) -> Condition {
    let kind = ConditionType::ALL.into_iter().find(|kind| document["type"] == kind.as_str()).unwrap();
    let all = crate::catalog::Operator::ALL.iter().map(|operator| Operator::Of(*operator));
    let mut all = all.chain([Operator::InSegmentList, Operator::NotInSegmentList]);
    let operator = document["operator"].as_str().map(|word| all.find(|it| it.as_str() == word).unwrap());
    let (field, salt) = (document["field"].as_str(), document["additionalValues"]["salt"].as_str());
    Condition::new(kind, operator, document["targetValue"].clone(), field, salt, document["idType"].as_str().unwrap())
}
