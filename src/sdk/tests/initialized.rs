//! The answer to `initialize`: its shape beside a recorded one, its names in each hash, what is left out, and when there is
//! nothing new.

use super::*;

fn initialized(release: &Release, body: &Value) -> Option<Value> {
    let answer = ask(release, body, |asked, evaluation| initialize(asked, release, evaluation).unwrap());
    answer.map(|text| json_of(text.as_bytes()))
}

fn body(user: &Value, hash: &str) -> Value {
    json!({"user": user, "hash": hash, "deltasResponseRequested": false, "full_checksum": null,
        "statsigMetadata": {"sdkType": "javascript-client", "stableID": "s-own", "sessionID": "x"}})
}

fn names(section: &Value) -> BTreeSet<String> {
    section.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_answer_has_the_fields_of_the_recorded_one() {
    let recorded: Value = json_of(include_bytes!("../../evaluate/tests/initialize_user_0.json"));
    let release = release();
    let (mut config_keys, mut layer_keys) = (BTreeSet::new(), BTreeSet::new());
    let mut answers = 0;
    for user in users() {
        let own = initialized(&release, &body(&user, "djb2")).unwrap();
        for section in ["feature_gates", "dynamic_configs", "layer_configs"] {
            for (name, it) in own[section].as_object().unwrap() {
                assert_eq!(it["name"], *name);
            }
        }
        for gate in own["feature_gates"].as_object().unwrap().values() {
            assert_eq!(keys(gate), keys(&recorded["feature_gates"]["2404062244"]));
        }
        config_keys.extend(
            own["dynamic_configs"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|it| keys(it).into_iter().map(str::to_owned).collect::<Vec<_>>()),
        );
        layer_keys.extend(
            own["layer_configs"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|it| keys(it).into_iter().map(str::to_owned).collect::<Vec<_>>()),
        );
        answers += 1;
    }
    assert_eq!(answers, 300);
    let of_recorded = |section: &str| -> BTreeSet<String> {
        recorded[section].as_object().unwrap().values().flat_map(|it| keys(it).into_iter().map(str::to_owned)).collect()
    };
    assert_eq!(config_keys, of_recorded("dynamic_configs"));
    // The recorded user was in no experiment of the layer.
    let mut expected = of_recorded("layer_configs");
    expected.extend(
        ["allocated_experiment_name", "group_name", "is_experiment_active", "is_user_in_experiment"].map(str::to_owned),
    );
    assert_eq!(layer_keys, expected);
    let own = initialized(&release, &body(&json!({"userID": "u7"}), "djb2")).unwrap();
    let top = "derived_fields dynamic_configs evaluated_keys feature_gates full_checksum generator has_updates hash_used \
        layer_configs param_stores response_format sdkParams sdk_flags time user";
    assert_eq!(keys(&own), top.split_whitespace().collect());
    let recorded_top = keys(&recorded);
    assert!(recorded_top.iter().all(|key| own.get(key).is_some()), "{recorded_top:?}");
}

#[test]
fn names_are_hashed_as_the_client_asks_and_those_of_holdouts_and_segments_are_not_told() {
    let release = release();
    let gates = "half tiny company nested listed grown off device staged many".split_whitespace();
    let configs = "banner closed button prepared firm left right won".split_whitespace();
    let sha256: fn(&str) -> String = sha256_base64;
    for (word, hash) in [("djb2", djb2 as fn(&str) -> String), ("sha256", sha256), ("none", str::to_owned)] {
        let answer = initialized(&release, &body(&json!({"userID": "boss"}), word)).unwrap();
        assert_eq!(answer["hash_used"], word);
        assert_eq!(names(&answer["feature_gates"]), gates.clone().map(hash).collect());
        assert_eq!(names(&answer["dynamic_configs"]), configs.clone().map(hash).collect());
        assert_eq!(names(&answer["layer_configs"]), BTreeSet::from([hash("shop")]));
        // Gates that were asked on the way are exposed under their hashes; the holdout among them.
        let nested = &answer["feature_gates"][hash("nested")];
        let asked: Vec<&Value> =
            nested["secondary_exposures"].as_array().unwrap().iter().map(|it| &it["gate"]).collect();
        assert_eq!(asked, [&json!(hash("quarter")), &json!(hash("half"))]);
        assert_eq!(nested["value"], true);
    }
    // Clients that say nothing are older than the choice.
    let mut silent = body(&json!({}), "none");
    silent.as_object_mut().unwrap().remove("hash");
    assert_eq!(initialized(&release, &silent).unwrap()["hash_used"], "sha256");
    let wrong = ask(&release, &body(&json!({}), "md5"), |asked, it| initialize(asked, &release, it).unwrap_err());
    assert_eq!((wrong.code(), wrong), ("unknown_hash", AskError::UnknownHash));
}

#[test]
fn each_user_gets_what_an_evaluation_says() {
    let release = release();
    let (mut in_layer, mut beside) = (0, 0);
    for user in users() {
        let answer = initialized(&release, &body(&user, "none")).unwrap();
        let parsed = User::from_json(&user);
        let mut evaluation = release.specs.evaluate(&parsed, &Vips, NOW);
        for (name, gate) in answer["feature_gates"].as_object().unwrap() {
            let it = evaluation.gate(name);
            assert_eq!((&gate["value"], &gate["rule_id"]), (&json!(it.value), &json!(it.rule_id)), "{name} {user}");
        }
        for (name, config) in answer["dynamic_configs"].as_object().unwrap() {
            let it = evaluation.config(name);
            assert_eq!((&config["value"], &config["rule_id"]), (it.value, &json!(it.rule_id)), "{name} {user}");
            assert_eq!(config["group"], config["rule_id"]);
            assert_eq!(config.get("group_name"), it.group_name.map(|name| json!(name)).as_ref());
        }
        let (layer, it) = (&answer["layer_configs"]["shop"], evaluation.layer("shop"));
        assert_eq!((&layer["value"], &layer["rule_id"]), (it.value, &json!(it.rule_id)));
        match it.allocated_experiment {
            Some(experiment) => {
                in_layer += 1;
                assert_eq!(layer["allocated_experiment_name"], experiment.name);
                assert_eq!(
                    (&layer["is_experiment_active"], &layer["explicit_parameters"]),
                    (&json!(true), &json!(["color"]))
                );
                assert_eq!(layer["is_user_in_experiment"], it.is_experiment_group);
            }
            None => {
                beside += 1;
                assert_eq!((layer.get("allocated_experiment_name"), &layer["explicit_parameters"]), (None, &json!([])));
            }
        }
    }
    assert!(in_layer > 100 && beside > 20, "{in_layer} {beside}");
}

#[test]
fn a_device_is_known_by_the_stable_id_beside_the_user_unless_he_has_one() {
    let release = release();
    let device = |user: Value, stable_id: &str| {
        let mut body = body(&user, "none");
        body["statsigMetadata"]["stableID"] = json!(stable_id);
        let answer = initialized(&release, &body).unwrap();
        (answer["feature_gates"]["device"]["value"].as_bool().unwrap(), answer["evaluated_keys"].clone())
    };
    let direct = |id: &str| {
        let user = User::from_json(&json!({"customIDs": {"stableID": id}}));
        release.specs.evaluate(&user, &Vips, NOW).gate("device").value
    };
    let (mut passed, mut failed) = (0, 0);
    for n in 0..40 {
        let (id, other) = (format!("d{n}"), format!("x{n}"));
        let (value, keys) = device(json!({"userID": "u"}), &id);
        assert_eq!((value, keys), (direct(&id), json!({"userID": "u", "stableID": id})));
        for none in [json!(null), json!("")] {
            assert_eq!(device(json!({"customIDs": {"stableID": none}}), &id).0, direct(&id), "{none}");
        }
        let (value, keys) = device(json!({"customIDs": {"stableid": other}}), &id);
        assert_eq!((value, keys), (direct(&other), json!({"customIDs": {"stableid": other}, "stableID": id})));
        *(if value { &mut passed } else { &mut failed }) += 1;
    }
    assert!(passed > 5 && failed > 5);
}

#[test]
fn the_user_is_repeated_as_he_came_without_what_is_private() {
    let release = release();
    let user = json!({"userID": "u", "email": "u@x.test", "custom": {"a": [1, {"b": null}]}, "statsigEnvironment": {"tier": "staging"}});
    let mut sent = user.clone();
    sent["privateAttributes"] = json!({"age": 30});
    let answer = initialized(&release, &body(&sent, "none")).unwrap();
    assert_eq!(answer["user"], user);
    assert!(!answer.to_string().contains("privateAttributes"));
    // What is private is evaluated all the same.
    assert_eq!(answer["feature_gates"]["grown"]["value"], true);
    assert_eq!(initialized(&release, &body(&user, "none")).unwrap()["feature_gates"]["grown"]["value"], false);
}

#[test]
fn a_client_that_has_everything_is_told_so() {
    let catalog = catalog(&project());
    let release = Release::new(&catalog, NOW);
    let user = json!({"userID": "u1"});
    let first = initialized(&release, &body(&user, "djb2")).unwrap();
    let again = |user: &Value, hash: &str, since: i64, checksum: &Value| {
        let mut body = body(user, hash);
        body["sinceTime"] = json!(since);
        body["full_checksum"] = checksum.clone();
        body["previousDerivedFields"] = json!({});
        body
    };
    let checksum = &first["full_checksum"];
    assert_eq!(initialized(&release, &again(&user, "djb2", NOW.0, checksum)), None);
    let other = json!({"userID": "u2"});
    for body in [
        again(&user, "djb2", NOW.0, &Value::Null),
        again(&user, "djb2", NOW.0 - 1, checksum),
        again(&user, "djb2", 0, checksum),
        again(&user, "sha256", NOW.0, checksum),
        again(&other, "djb2", NOW.0, checksum),
    ] {
        assert!(initialized(&release, &body).is_some(), "{body}");
    }
    let later = Release::new(&catalog, Timestamp(NOW.0 + 1));
    assert!(initialized(&later, &again(&user, "djb2", NOW.0, checksum)).is_some());
    // An hour passes or a list changes, and no release tells of it: the same time does not mean the same answer.
    let text = again(&user, "djb2", NOW.0, checksum).to_string();
    let asked = Asked::read(text.as_bytes()).unwrap();
    let mut evaluation = release.specs.evaluate(&asked.user, &crate::evaluate::NoLists, NOW);
    assert!(initialize(&asked, &release, &mut evaluation).unwrap().is_some());
}
