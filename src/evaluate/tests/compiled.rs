//! What a catalog is compiled to: names, salts, the order of rules, targets in the form that all SDKs read.

use super::*;

/// The rules of a spec, in order, with how many of whom pass.
fn rules(spec: &Spec) -> Vec<(&str, f64)> {
    spec.rules.iter().map(|rule| (&*rule.id, rule.pass_percentage)).collect()
}

fn everyone(name: &str, percentage: f64) -> Value {
    json!({"name": name, "passPercentage": percentage, "conditions": [{"type": "public"}]})
}

#[test]
fn salts_are_made_of_kind_and_id_or_chosen() {
    let project = |salt: Value| {
        let mut project = json!({
            "segments": [{"name": "s", "type": "rule_based", "rules": [everyone("r", 50.0)]}],
            "gates": [{"id": "g1", "name": "g", "rules": [everyone("r", 50.0)]}],
            "dynamicConfigs": [{"name": "c"}],
            "holdouts": [{"name": "h"}],
            "layers": [{"name": "l", "idType": "userID"}],
            "experiments": [{"name": "e", "groups": [{"name": "a", "size": 50}, {"name": "b", "size": 50}]}],
        });
        for section in ["gates", "dynamicConfigs", "holdouts", "layers", "experiments"] {
            project[section][0]["salt"] = salt.clone();
        }
        project
    };
    let salt = |specs: &Specs| {
        let gates = specs.gates.iter().map(|it| it.salt.clone());
        let configs = specs.configs.iter().chain(&specs.layers).map(|it| it.salt.clone());
        gates.chain(configs).collect::<Vec<_>>()
    };
    let derived = specs(&project(Value::Null));
    assert_eq!(salt(&derived), ["gate:g1", "holdout:h", "segment:s", "dynamic_config:c", "experiment:e", "layer:l"]);
    let chosen = specs(&project(json!("x")));
    assert_eq!(salt(&chosen), ["x", "x", "segment:s", "x", "x", "x"]);
    let rule = &derived.gates.get("g").unwrap().rules[0];
    assert_eq!((&*rule.id, &*rule.salt, rule.pass_percentage), ("r", "r", 50.0));
    // Another salt deals the units anew: of 1,000 units about half change sides.
    let moved = (0..1_000).filter(|n| {
        let user = user(&format!("u{n}"));
        gate(&derived, &user, "g").0 != gate(&chosen, &user, "g").0
    });
    let moved = moved.count();
    assert!((400..600).contains(&moved), "{moved} of 1,000 changed sides");
}

#[test]
fn a_disabled_item_has_no_rules_and_its_default_value() {
    let specs = specs(&json!({
        "gates": [{"name": "g", "isEnabled": false, "rules": [everyone("r", 100.0)],
            "overrides": {"passingUserIDs": ["u"]}}],
        "dynamicConfigs": [{"name": "c", "isEnabled": false, "defaultValue": {"n": 1},
            "rules": [{"name": "r", "passPercentage": 100, "conditions": [{"type": "public"}], "returnValue": {"n": 2}}]}],
        "holdouts": [{"name": "h", "isEnabled": false, "isGlobal": true, "passPercentage": 100}],
    }));
    assert!(specs.gates.iter().chain(&specs.configs).all(|spec| !spec.enabled && spec.rules.is_empty()));
    let user = user("u");
    assert_eq!(gate(&specs, &user, "g"), (false, "disabled"));
    let config = specs.evaluate(&user, &NoLists, NOW).config("c");
    assert_eq!((config.value, config.rule_id, config.passed), (&json!({"n": 1}), "disabled", false));
}

#[test]
fn overrides_of_a_gate_go_before_its_holdouts_and_these_before_its_rules() {
    let specs = specs(&json!({
        "unitIdTypes": [{"name": "companyID"}],
        "holdouts": [
            {"id": "h1", "name": "all", "isGlobal": true, "passPercentage": 100},
            {"name": "mine", "gateIDs": ["g"], "passPercentage": 12.5},
            {"name": "other", "gateIDs": ["other_gate"], "passPercentage": 50},
        ],
        "gates": [
            {"name": "other_gate"},
            {"name": "g", "idType": "companyID", "rules": [everyone("r", 100.0)], "overrides": {
                "passingUserIDs": ["up", "both"], "failingUserIDs": ["uf"],
                "passingCustomIDs": ["cp"], "failingCustomIDs": ["cf"],
                "environmentOverrides": [
                    {"environment": "staging", "passingIDs": ["cs"], "failingIDs": []},
                    {"unitID": "stableID", "passingIDs": [], "failingIDs": ["sf"]},
                    {"environment": "staging", "unitID": "userID", "passingIDs": [], "failingIDs": ["both"]},
                ]}},
        ],
    }));
    let expected = [
        ("pass:staging:companyID:id_override", 100.0),
        ("fail:staging:userID:id_override", 0.0),
        ("pass:userID:id_override", 100.0),
        ("fail:userID:id_override", 0.0),
        ("pass:companyID:id_override", 100.0),
        ("fail:companyID:id_override", 0.0),
        ("fail:stableID:id_override", 0.0),
        ("holdout:h1", 0.0),
        ("holdout:mine", 0.0),
        ("r", 100.0),
    ];
    assert_eq!(rules(specs.gates.get("g").unwrap()), expected);
    assert_eq!(rules(specs.gates.get("all").unwrap()), [("h1:100.00:1", 100.0)]);
    assert_eq!(rules(specs.gates.get("mine").unwrap()), [("mine:12.50:1", 12.5)]);
    let staging = json!({"tier": "staging"});
    for (document, expected) in [
        (json!({"userID": "up"}), (true, "pass:userID:id_override")),
        (json!({"userID": "uf"}), (false, "fail:userID:id_override")),
        (json!({"userID": "both"}), (true, "pass:userID:id_override")),
        (json!({"userID": "both", "statsigEnvironment": staging}), (false, "fail:staging:userID:id_override")),
        (json!({"customIDs": {"companyID": "cp"}}), (true, "pass:companyID:id_override")),
        (json!({"customIDs": {"companyID": "cf"}}), (false, "fail:companyID:id_override")),
        (json!({"customIDs": {"companyID": "cs"}}), (false, "holdout:h1")),
        (json!({"customIDs": {"companyID": "cs"}, "statsigEnvironment": staging}), (true, expected[0].0)),
        (json!({"customIDs": {"stableID": "sf"}}), (false, "fail:stableID:id_override")),
        (json!({"userID": "nobody"}), (false, "holdout:h1")),
    ] {
        assert_eq!(gate(&specs, &User::from_json(&document), "g"), expected, "{document}");
    }
    // An override is found without asking the gates behind it.
    let user = user("up");
    assert!(specs.evaluate(&user, &NoLists, NOW).gate("g").secondary_exposures.is_empty());
}

#[test]
fn a_rule_of_some_environments_applies_only_there() {
    let rule = |environments: Value| json!({"name": "r", "passPercentage": 100, "conditions": [{"type": "public"}], "environments": environments});
    for (environments, expected) in [
        (json!(null), [true, true, true, true]),
        (json!(["production", "staging", "development"]), [true, true, true, true]),
        (json!(["production"]), [true, true, false, false]),
        (json!(["staging"]), [false, false, true, false]),
        (json!(["production", "staging"]), [true, true, true, false]),
        (json!(["staging", "development"]), [false, false, true, true]),
    ] {
        let specs = specs(&json!({"gates": [{"name": "g", "rules": [rule(environments.clone())]}]}));
        let tier = |tier: &str| passes(&specs, &json!({"statsigEnvironment": {"tier": tier}}));
        let found = [passes(&specs, &json!({})), tier("production"), tier("staging"), tier("development")];
        assert_eq!(found, expected, "none, production, staging, development under {environments}");
    }
}

/// Condition, and its operator, field and target as they are downloaded.
#[test]
fn targets_take_the_form_that_all_sdks_read() {
    for (condition, kind, operator, field, target) in [
        (json!({"type": "public"}), "public", None, None, json!(null)),
        (json!({"type": "passes_gate", "targetValue": ["g2"]}), "pass_gate", None, None, json!("Gate two")),
        (json!({"type": "fails_segment", "targetValue": "Segment one"}), "fail_gate", None, None, json!("segment:s1")),
        (
            json!({"type": "country", "operator": "any", "targetValue": "CA"}),
            "ip_based",
            Some("any"),
            Some("country"),
            json!(["CA"]),
        ),
        (
            json!({"type": "custom_field", "field": "n", "operator": "none", "targetValue": [5.0, 0.5, true, "x"]}),
            "user_field",
            Some("none"),
            Some("n"),
            json!(["5", "0.5", "true", "x"]),
        ),
        (
            json!({"type": "custom_field", "field": "n", "operator": "gt", "targetValue": " 5 "}),
            "user_field",
            Some("gt"),
            Some("n"),
            json!(5),
        ),
        (
            json!({"type": "custom_field", "field": "n", "operator": "lte", "targetValue": "0.5"}),
            "user_field",
            Some("lte"),
            Some("n"),
            json!(0.5),
        ),
        (
            json!({"type": "custom_field", "field": "n", "operator": "eq", "targetValue": 5}),
            "user_field",
            Some("eq"),
            Some("n"),
            json!(5),
        ),
        (
            json!({"type": "time", "operator": "before", "targetValue": "2026-10-01T00:00:00Z"}),
            "current_time",
            Some("before"),
            None,
            json!(1_790_812_800_000_i64),
        ),
        (
            json!({"type": "time", "operator": "on", "targetValue": "1790812800000"}),
            "current_time",
            Some("on"),
            None,
            json!(1_790_812_800_000_i64),
        ),
        (
            json!({"type": "app_version", "operator": "version_gt", "targetValue": "1.2.3"}),
            "user_field",
            Some("version_gt"),
            Some("appVersion"),
            json!("1.2.3"),
        ),
        (
            json!({"type": "environment_tier", "operator": "any", "targetValue": ["production"]}),
            "environment_field",
            Some("none"),
            Some("tier"),
            json!(["staging", "development"]),
        ),
    ] {
        let specs = specs(&json!({
            "segments": [{"id": "s1", "name": "Segment one", "type": "id_list"}],
            "gates": [{"id": "g2", "name": "Gate two"},
                {"name": "g", "rules": [{"name": "r", "passPercentage": 100, "conditions": [condition]}]}],
        }));
        let it = &specs.gates.get("g").unwrap().rules[0].conditions[0];
        let found = (it.kind.as_str(), it.operator.map(Operator::as_str), it.field.as_deref(), &it.target);
        assert_eq!(found, (kind, operator, field, &target), "{condition}");
        assert_eq!(it.id_type.as_str(), "userID");
    }
}

#[test]
fn a_pattern_that_cannot_be_read_is_a_mistake_of_the_project_file() {
    let project = json!({"gates": [{"name": "g", "rules": [{"name": "r", "passPercentage": 100, "conditions": [
        {"type": "email", "operator": "str_matches", "targetValue": "(?<=a)b"}]}]}]});
    let mistakes = ProjectFile::parse(&project.to_string()).unwrap_err();
    let told = mistakes[0].to_string();
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    assert!(told.contains("gates[0].rules[0].conditions[0].targetValue") && told.contains("look-around"), "{told}");
}

#[test]
fn a_dynamic_config_gives_the_value_of_the_rule_that_passes() {
    let specs = specs(&json!({"dynamicConfigs": [{"name": "c", "defaultValue": {"n": 0}, "rules": [
        {"id": "r1", "name": "Gold", "passPercentage": 100, "returnValue": {"n": 1},
            "conditions": [{"type": "custom_field", "field": "plan", "operator": "any", "targetValue": "gold"}]},
        {"id": "r2", "name": "Nobody", "passPercentage": 0, "returnValue": {"n": 2},
            "conditions": [{"type": "custom_field", "field": "plan", "operator": "any", "targetValue": "tin"}]},
    ]}]}));
    for (plan, value, rule, group, passed) in [
        ("gold", json!({"n": 1}), "r1", Some("Gold"), true),
        ("tin", json!({"n": 0}), "r2", Some("Nobody"), false),
        ("none", json!({"n": 0}), "default", None, false),
    ] {
        let user = User::from_json(&json!({"custom": {"plan": plan}}));
        let it = specs.evaluate(&user, &NoLists, NOW).config("c");
        assert_eq!((it.value, it.rule_id, it.group_name, it.passed), (&value, rule, group, passed), "{plan}");
        assert!(!it.is_experiment_group);
    }
}
