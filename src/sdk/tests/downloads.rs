//! Both downloads: their fields beside those that real SDKs accepted, and what is evaluated from them.

use super::*;
use crate::evaluate::tests::reader;
use flate2::read::GzDecoder;
use std::io::Read;

/// What every object of a kind has for keys: its own, and for each of its fields those below it.
fn shape(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut shape: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |kind: String, object: &Value| {
        shape.entry(kind).or_default().extend(keys(object).into_iter().map(str::to_owned));
    };
    note("document".into(), document);
    note("diagnostics".into(), &document["diagnostics"]);
    for section in ["feature_gates", "dynamic_configs", "layer_configs"] {
        let specs: Vec<&Value> = match &document[section] {
            Value::Array(specs) => specs.iter().collect(),
            specs => specs.as_object().unwrap().values().collect(),
        };
        for spec in specs {
            note(format!("{} spec", spec["entity"].as_str().unwrap()), spec);
            for rule in spec["rules"].as_array().unwrap() {
                note(format!("{} rule", spec["entity"].as_str().unwrap()), rule);
                let inline = rule["conditions"].as_array().unwrap().iter().filter(|condition| condition.is_object());
                inline.for_each(|condition| note("condition".into(), condition));
            }
        }
    }
    let map = document["condition_map"].as_object().into_iter().flatten();
    map.for_each(|(_, condition)| note("condition".into(), condition));
    shape
}

#[test]
fn both_downloads_have_the_fields_that_real_sdks_accepted() {
    let release = release();
    for (own, accepted) in
        [(release.v1(), include_str!("dcs_v1_shape.json")), (release.v2(), include_str!("dcs_v2_shape.json"))]
    {
        let mut accepted: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(accepted).unwrap();
        // Theirs had a name for the groups of experiments only; Weir's rules of dynamic configs have names too.
        accepted.get_mut("dynamic_config rule").unwrap().insert("groupName".into());
        assert_eq!(shape(&json_of(&own.json)), accepted);
    }
}

#[test]
fn what_sdks_need_at_the_top_is_there_and_they_are_told_not_to_report_on_themselves() {
    let release = release();
    let (v1, v2) = (json_of(&release.v1().json), json_of(&release.v2().json));
    for document in [&v1, &v2] {
        assert_eq!((&document["has_updates"], &document["time"]), (&json!(true), &json!(NOW.0)));
        assert_eq!(document["experiment_to_layer"], json!({"left": "shop", "right": "shop"}));
        assert_eq!(document["layers"], json!({"shop": ["left", "right"]}));
        assert_eq!(document["id_lists"], json!({"vips": true}));
        assert!(document["diagnostics"].as_object().unwrap().values().all(|rate| rate == 0));
    }
    assert!(v1["feature_gates"].is_array() && v2["feature_gates"].is_object());
    assert_eq!(v2["response_format"], "dcs-v2");
    // A catalog that has nothing has these fields too.
    let empty = Release::new(&Catalog::default(), Timestamp(1));
    assert_eq!(keys(&json_of(&empty.v2().json)), keys(&v2));
    let off = &v2["feature_gates"]["off"];
    assert_eq!((&off["enabled"], &off["rules"]), (&json!(false), &json!([])));
}

#[test]
fn a_rule_of_the_second_shape_names_the_conditions_of_the_first() {
    let release = release();
    let (v1, v2) = (json_of(&release.v1().json), json_of(&release.v2().json));
    assert_eq!(as_v1(&v2), without(&v1, &[]));
    let map = v2["condition_map"].as_object().unwrap();
    let mut seen = BTreeSet::new();
    for condition in map.values() {
        assert!(seen.insert(condition.to_string()), "twice: {condition}");
        if condition["type"] == "user_bucket" && condition["operator"] != "lt" {
            assert!(condition["targetValue"].as_object().is_some_and(|buckets| buckets.len() > 100), "{condition}");
        }
    }
    let used: BTreeSet<&str> = (["feature_gates", "dynamic_configs", "layer_configs"].iter())
        .flat_map(|section| v2[section].as_object().unwrap().values())
        .flat_map(|spec| spec["rules"].as_array().unwrap())
        .flat_map(|rule| rule["conditions"].as_array().unwrap())
        .map(|key| key.as_str().unwrap())
        .collect();
    assert_eq!(used, map.keys().map(String::as_str).collect());
}

fn without(document: &Value, fields: &[&str]) -> Value {
    let mut document = document.clone();
    for field in fields {
        document.as_object_mut().unwrap().remove(*field);
    }
    document
}

/// The second shape turned into the first.
fn as_v1(v2: &Value) -> Value {
    let mut document = without(v2, &["condition_map", "response_format", "checksum"]);
    for section in ["feature_gates", "dynamic_configs", "layer_configs"] {
        let specs = v2[section].as_object().unwrap().iter().map(|(name, spec)| {
            let mut spec = spec.clone();
            spec["name"] = json!(name);
            for rule in spec["rules"].as_array_mut().unwrap() {
                for condition in rule["conditions"].as_array_mut().unwrap() {
                    *condition = v2["condition_map"][condition.as_str().unwrap()].clone();
                    if let Value::Object(buckets) = &condition["targetValue"] {
                        // In the order of their numbers, as the other shape lists them.
                        let mut buckets: Vec<u16> = buckets.keys().map(|bucket| bucket.parse().unwrap()).collect();
                        buckets.sort_unstable();
                        condition["targetValue"] = buckets.iter().map(u16::to_string).collect();
                    }
                }
            }
            spec
        });
        document[section] = specs.collect();
    }
    document
}

/// All that a user gets.
fn everything(specs: &Specs, user: &Value) -> Value {
    let user = User::from_json(user);
    let mut evaluation = specs.evaluate(&user, &Vips, NOW);
    let gates = specs.gates.iter().map(|spec| {
        let it = evaluation.gate(&spec.name);
        json!([spec.name, it.value, it.rule_id, it.id_type, it.version, format!("{:?}", it.secondary_exposures)])
    });
    let gates: Vec<Value> = gates.collect();
    let configs = specs.configs.iter().map(|spec| {
        let it = evaluation.config(&spec.name);
        let about = spec.is_active.map(|active| json!([active, spec.has_shared_params, spec.explicit_parameters]));
        json!([
            spec.name,
            it.value,
            it.passed,
            it.rule_id,
            it.group_name,
            it.is_experiment_group,
            about,
            format!("{:?}", it.secondary_exposures)
        ])
    });
    let configs: Vec<Value> = configs.collect();
    let layers = specs.layers.iter().map(|spec| {
        let it = evaluation.layer(&spec.name);
        let allocated = it.allocated_experiment.map(|spec| &spec.name);
        json!([
            spec.name,
            it.value,
            it.rule_id,
            it.group_name,
            allocated,
            it.explicit_parameters,
            format!("{:?}", it.secondary_exposures)
        ])
    });
    json!([gates, configs, layers.collect::<Vec<Value>>()])
}

#[test]
fn who_reads_a_download_says_of_each_user_what_weir_says() {
    let release = release();
    let from_v1 = reader::read(&json_of(&release.v1().json));
    let from_v2 = reader::read(&as_v1(&json_of(&release.v2().json)));
    let mut answers = BTreeSet::new();
    for user in users() {
        let own = everything(&release.specs, &user);
        assert_eq!(everything(&from_v1, &user), own, "{user}");
        assert_eq!(everything(&from_v2, &user), own, "{user}");
        answers.insert(own.to_string());
    }
    assert!(answers.len() > 100, "users get different things");
}

#[test]
fn a_download_is_written_once_and_its_tag_is_that_of_its_content() {
    let release = release();
    let again = Release::new(&catalog(&project()), NOW);
    let later = Release::new(&catalog(&project()), Timestamp(NOW.0 + 1));
    for download in [Release::v1, Release::v2] {
        assert_eq!(download(&release).json.as_ptr(), download(&release).json.as_ptr());
        let mut inflated = Vec::new();
        GzDecoder::new(&download(&release).gzip[..]).read_to_end(&mut inflated).unwrap();
        assert_eq!(inflated, download(&release).json);
        assert!(download(&release).gzip.len() * 3 < inflated.len());
        assert_eq!(download(&release).tag, download(&again).tag);
        assert_ne!(download(&release).tag, download(&later).tag);
    }
    assert_ne!(release.v1().tag, release.v2().tag);
    let checksum = |release: &Release| json_of(&release.v2().json)["checksum"].clone();
    assert_eq!(checksum(&release), checksum(&again));
    assert_ne!(checksum(&release), checksum(&later));
}

#[test]
fn a_release_is_known_to_who_has_it_or_a_later_one() {
    let release = Release::new(&Catalog::default(), Timestamp(10));
    for (since, expected) in [(0.0, false), (9.0, false), (10.0, true), (11.0, true), (f64::NAN, false), (-1.0, false)]
    {
        assert_eq!(release.is_known_since(since), expected, "{since}");
    }
}
