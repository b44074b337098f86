//! Experiments, layers and holdouts over a life: who takes part, in which group, and what the others get.

use super::*;
use std::collections::BTreeMap;

const UNITS: usize = 2_000;

fn units() -> impl Iterator<Item = User> {
    (0..UNITS).map(|n| user(&format!("user_{n}")))
}

/// An experiment of two groups, with changes.
fn experiment(name: &str, changes: Value) -> Value {
    let mut experiment = json!({
        "name": name, "status": "active", "controlGroupID": "Control",
        "groups": [
            {"id": format!("{name}_c"), "name": "Control", "size": 50, "parameterValues": {name: "old"}},
            {"id": format!("{name}_t"), "name": "Test", "size": 50, "parameterValues": {name: "new"}},
        ],
    });
    let fields = changes.as_object().unwrap().clone();
    experiment.as_object_mut().unwrap().extend(fields);
    experiment
}

/// How many units get which rule of a config.
fn shares(specs: &Specs, config: &str) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for user in units() {
        *shares.entry(specs.evaluate(&user, &NoLists, NOW).config(config).rule_id.to_string()).or_default() += 1;
    }
    shares
}

fn rules(specs: &Specs, config: &str) -> Vec<String> {
    specs.configs.get(config).unwrap().rules.iter().map(|rule| rule.id.clone()).collect()
}

#[test]
fn a_running_experiment_divides_its_allocation_among_its_groups() {
    let specs = specs(&json!({"experiments": [experiment("e", json!({"allocation": 40}))]}));
    assert_eq!(rules(&specs, "e"), ["layerAssignment", "e_c", "e_t"]);
    let shares = shares(&specs, "e");
    assert_eq!(shares.keys().collect::<Vec<_>>(), ["e_c", "e_t", "layerAssignment"]);
    // Four standard deviations around the expected numbers.
    assert!((1_112..1_288).contains(&shares["layerAssignment"]), "{shares:?}");
    assert!((328..472).contains(&shares["e_c"]) && (328..472).contains(&shares["e_t"]), "{shares:?}");
    for user in units().take(100) {
        let it = specs.evaluate(&user, &NoLists, NOW).config("e");
        let (value, group) = match it.rule_id {
            "e_c" => (json!({"e": "old"}), Some("Control")),
            "e_t" => (json!({"e": "new"}), Some("Test")),
            _ => (json!({}), None),
        };
        assert_eq!((it.value, it.group_name, it.is_experiment_group), (&value, group, group.is_some()));
        assert!(it.passed);
    }
}

#[test]
fn the_bucket_of_a_unit_is_the_one_that_the_download_names() {
    // Both encodings of an allocation: the buckets that are in, and those that are out.
    for (allocation, operator, listed) in
        [(30.0, "none", 300), (70.0, "any", 300), (50.0, "none", 500), (0.1, "none", 1)]
    {
        let specs = specs(&json!({"experiments": [experiment("e", json!({"allocation": allocation}))]}));
        let condition = &specs.configs.get("e").unwrap().rules[0].conditions[0];
        assert_eq!(condition.operator.map(Operator::as_str), Some(operator), "{allocation}");
        assert_eq!(condition.target.as_array().unwrap().len(), listed);
        assert_eq!(condition.salt.as_deref(), Some("allocation:experiment:e"));
        for user in units().take(300) {
            let bucket =
                super::super::bucket::hash("allocation:experiment:e.", user.unit_text(&condition.id_type)) % 1_000;
            let it = specs.evaluate(&user, &NoLists, NOW).config("e");
            assert_eq!(it.is_experiment_group, (bucket as f64) < allocation * 10.0, "bucket {bucket} of {allocation}");
        }
    }
    let all = specs(&json!({"experiments": [experiment("e", json!({"allocation": 100}))]}));
    assert_eq!(rules(&all, "e"), ["e_c", "e_t"]);
    let nobody = specs(&json!({"experiments": [experiment("e", json!({"allocation": 0}))]}));
    assert_eq!(shares(&nobody, "e").into_iter().collect::<Vec<_>>(), [("layerAssignment".to_string(), UNITS)]);
}

/// Status, launched group, the rules, the rule and value that a unit without an override gets, whether it is active.
#[test]
fn each_status_has_the_rules_that_its_meaning_asks_for() {
    let overrides = json!({"userIDOverrides": [{"groupID": "Test", "ids": ["qa"]}]});
    let table = [
        ("setup", None, vec!["e_t:userID:id_override", "holdout:h", "prestart"], "prestart", json!({}), false),
        ("active", None, vec!["e_t:userID:id_override", "holdout:h", "e_c", "e_t"], "", json!(null), true),
        (
            "assignment_stopped",
            None,
            vec!["e_t:userID:id_override", "holdout:h", "layerAssignment"],
            "layerAssignment",
            json!({}),
            true,
        ),
        (
            "decision_made",
            Some("Test"),
            vec!["e_t:userID:id_override", "holdout:h", "launchedGroup"],
            "launchedGroup",
            json!({"e": "new"}),
            false,
        ),
        ("decision_made", None, vec!["e_t:userID:id_override", "holdout:h"], "default", json!({}), false),
        ("experiment_stopped", Some("Test"), vec!["abandoned"], "abandoned", json!({}), false),
        ("abandoned", None, vec!["abandoned"], "abandoned", json!({}), false),
        ("archived", None, vec![], "disabled", json!({}), false),
    ];
    for (status, launched, expected, rule, value, active) in table {
        let changes = json!({"status": status, "launchedGroupID": launched, "overrides": overrides});
        let specs = specs(&json!({
            "holdouts": [{"name": "h", "experimentIDs": ["e"], "passPercentage": 0}],
            "experiments": [experiment("e", changes)],
        }));
        assert_eq!(rules(&specs, "e"), expected, "{status}");
        assert_eq!(specs.configs.get("e").unwrap().is_active, Some(active), "{status}");
        let (anyone, qa) = (user("anyone"), user("qa"));
        let it = specs.evaluate(&anyone, &NoLists, NOW).config("e");
        if status == "active" {
            assert!(it.is_experiment_group);
        } else {
            assert_eq!((it.rule_id, it.value, it.is_experiment_group), (rule, &value, false), "{status}");
        }
        let it = specs.evaluate(&qa, &NoLists, NOW).config("e");
        let overridden = (it.rule_id, it.group_name, it.is_experiment_group, it.value);
        if expected.len() > 1 {
            assert_eq!(overridden, ("e_t:userID:id_override", Some("Test"), false, &json!({"e": "new"})), "{status}");
        } else {
            assert_eq!(overridden, (rule, None, false, &value), "{status}");
        }
    }
}

#[test]
fn units_of_a_disabled_group_get_the_default_and_the_others_keep_their_group() {
    let with = |disabled: bool| {
        let groups = json!([
            {"id": "a", "name": "A", "size": 33.3}, {"id": "b", "name": "B", "size": 33.3, "disabled": disabled},
            {"id": "c", "name": "C", "size": 33.4},
        ]);
        specs(&json!({"experiments": [experiment("e", json!({"groups": groups, "controlGroupID": null}))]}))
    };
    let (before, after) = (with(false), with(true));
    let ends: Vec<_> =
        before.configs.get("e").unwrap().rules.iter().map(|it| it.conditions[0].target.clone()).collect();
    assert_eq!(ends, [json!(333), json!(666), json!(1000)]);
    let mut disabled = 0;
    for user in units() {
        let was = before.evaluate(&user, &NoLists, NOW).config("e").rule_id;
        let is = after.evaluate(&user, &NoLists, NOW).config("e");
        let expected = if was == "b" { ("disabledGroup", false) } else { (was, true) };
        assert_eq!((is.rule_id, is.is_experiment_group), expected);
        disabled += usize::from(was == "b");
    }
    assert!(disabled > 500, "{disabled}");
}

#[test]
fn only_units_that_pass_the_targeting_gate_take_part() {
    let specs = specs(&json!({
        "gates": [{"id": "g", "name": "Canada", "rules": [{"name": "ca", "passPercentage": 100,
            "conditions": [{"type": "country", "operator": "any", "targetValue": "CA"}]}]}],
        "experiments": [experiment("e", json!({"targetingGateID": "g"}))],
    }));
    assert_eq!(rules(&specs, "e"), ["targetingGate", "e_c", "e_t"]);
    for (country, is_in, rule) in [("CA", true, "ca"), ("US", false, "default")] {
        let user = User::from_json(&json!({"userID": "u", "country": country}));
        let it = specs.evaluate(&user, &NoLists, NOW).config("e");
        assert_eq!((it.is_experiment_group, it.rule_id == "targetingGate"), (is_in, !is_in));
        assert_eq!(it.secondary_exposures, [SecondaryExposure { gate: "Canada", value: is_in, rule_id: rule }]);
    }
}

#[test]
fn overrides_go_by_ids_then_by_gates_and_segments_and_first_by_environment() {
    let specs = specs(&json!({
        "unitIdTypes": [{"name": "companyID"}],
        "segments": [{"id": "vips", "name": "Very", "type": "id_list"}],
        "gates": [{"name": "staff", "rules": [{"name": "r", "passPercentage": 100,
            "conditions": [{"type": "email", "operator": "str_ends_with_any", "targetValue": "@a.com"}]}]}],
        "experiments": [experiment("e", json!({"overrides": {
            "overrides": [
                {"type": "segment", "id": "Very", "groupID": "Control"},
                {"type": "gate", "id": "staff", "groupID": "Test", "environment": "staging"},
            ],
            "userIDOverrides": [
                {"groupID": "Control", "ids": ["qa"]},
                {"groupID": "Test", "ids": ["qa"], "environment": "staging"},
                {"groupID": "Test", "ids": ["acme"], "unitType": "companyID"},
            ],
        }}))],
    }));
    let expected = [
        "e_t:staging:userID:id_override",
        "e_c:userID:id_override",
        "e_t:companyID:id_override",
        "e_t:staging:staff:gate_override",
        "e_c:Very:segment_override",
        "e_c",
        "e_t",
    ];
    assert_eq!(rules(&specs, "e"), expected);
    let lists = Lists::of("vips", &["vip"]);
    let staging = json!({"tier": "staging"});
    for (document, rule) in [
        (json!({"userID": "qa"}), expected[1]),
        (json!({"userID": "qa", "statsigEnvironment": staging}), expected[0]),
        (json!({"customIDs": {"companyID": "acme"}}), expected[2]),
        (json!({"userID": "vip", "email": "x@a.com"}), expected[4]),
        (json!({"userID": "vip", "email": "x@a.com", "statsigEnvironment": staging}), expected[3]),
    ] {
        let user = User::from_json(&document);
        let it = specs.evaluate(&user, &lists, NOW).config("e");
        assert_eq!((it.rule_id, it.is_experiment_group), (rule, false), "{document}");
    }
}

#[test]
fn a_holdout_keeps_its_units_out_of_all_that_it_lists_or_of_everything() {
    let project = |holdout: Value| {
        let mut project = json!({
            "layers": [{"name": "l", "idType": "userID"}],
            "gates": [{"name": "g", "rules": [{"name": "r", "passPercentage": 100, "conditions": [{"type": "public"}]}]}],
            "experiments": [experiment("alone", json!({})), experiment("inside", json!({"layerID": "l"}))],
            "holdouts": [{"name": "h", "passPercentage": 20}],
        });
        project["holdouts"][0].as_object_mut().unwrap().extend(holdout.as_object().unwrap().clone());
        project
    };
    for (holdout, held) in [
        (json!({"isGlobal": true}), [true, true, true, true]),
        (json!({"gateIDs": ["g"]}), [true, false, false, false]),
        (json!({"experimentIDs": ["alone"]}), [false, true, false, false]),
        (json!({"experimentIDs": ["inside"]}), [false, false, true, true]),
        (json!({"layerIDs": ["l"]}), [false, false, true, true]),
        (json!({"isGlobal": true, "isEnabled": false}), [false; 4]),
    ] {
        let specs = specs(&project(holdout.clone()));
        let mut held_out = 0;
        for user in units().take(500) {
            let mut evaluation = specs.evaluate(&user, &NoLists, NOW);
            let is_held_out = evaluation.gate("h").value;
            held_out += usize::from(is_held_out);
            let free = [
                evaluation.gate("g").value,
                evaluation.config("alone").is_experiment_group,
                evaluation.config("inside").is_experiment_group,
                evaluation.layer("l").is_experiment_group,
            ];
            assert_eq!(free, held.map(|held| !(held && is_held_out)), "{holdout}");
            let (gate, alone) = (evaluation.gate("g"), evaluation.config("alone"));
            if held[0] {
                let (value, rule_id) = (is_held_out, "h:20.00:1");
                assert_eq!(gate.secondary_exposures, [SecondaryExposure { gate: "h", value, rule_id }]);
            }
            if held[1] && is_held_out {
                assert_eq!((alone.rule_id, alone.value, alone.passed), ("holdout:h", &json!({}), false));
            }
        }
        let expected = if holdout["isEnabled"] == false { 0..1 } else { 60..140 };
        assert!(expected.contains(&held_out), "{held_out} of 500 held out by {holdout}");
    }
}

#[test]
fn a_layer_asks_the_experiment_that_owns_the_bucket_and_no_unit_is_in_two() {
    let specs = specs(&json!({
        "layers": [{"id": "l1", "name": "l", "idType": "userID"}],
        "experiments": [
            experiment("e1", json!({"layerID": "l1", "allocation": 30})),
            experiment("e2", json!({"layerID": "l", "allocation": 50})),
            experiment("e3", json!({"layerID": "l", "allocation": 20, "status": "setup",
                "overrides": {"userIDOverrides": [{"groupID": "Test", "ids": ["qa"]}]}})),
        ],
    }));
    assert_eq!(
        specs.experiment_to_layer.iter().map(|(e, l)| (&**e, &**l)).collect::<Vec<_>>(),
        [("e1", "l"), ("e2", "l"), ("e3", "l")]
    );
    let layer = specs.layers.get("l").unwrap();
    let expected = ["e3_t:userID:id_override", "experimentAssignment", "experimentAssignment"];
    assert_eq!(layer.rules.iter().map(|rule| &*rule.id).collect::<Vec<_>>(), expected);
    let mut counts = BTreeMap::new();
    for user in units() {
        let mut evaluation = specs.evaluate(&user, &NoLists, NOW);
        let in_each = ["e1", "e2", "e3"].map(|name| evaluation.config(name).is_experiment_group);
        let it = evaluation.layer("l");
        let allocated = it.allocated_experiment.map(|spec| &*spec.name);
        assert_eq!(in_each, ["e1", "e2", "e3"].map(|name| allocated == Some(name)));
        match allocated {
            Some(name) => {
                let own = evaluation.config(name);
                assert_eq!((it.rule_id, it.value, it.group_name), (own.rule_id, own.value, own.group_name));
                assert_eq!(it.explicit_parameters, [name.to_string()]);
            }
            None => assert_eq!((it.rule_id, it.value), ("default", &json!({}))),
        }
        *counts.entry(allocated).or_insert(0) += 1;
    }
    assert!((512..690).contains(&counts[&Some("e1")]) && (910..1_090).contains(&counts[&Some("e2")]), "{counts:?}");
    let qa = user("qa");
    let it = specs.evaluate(&qa, &NoLists, NOW).layer("l");
    assert_eq!(it.allocated_experiment.map(|spec| &*spec.name), Some("e3"));
    assert_eq!((it.rule_id, it.is_experiment_group), ("e3_t:userID:id_override", false));
}

#[test]
fn what_was_launched_in_a_layer_is_its_default_from_then_on() {
    let specs = specs(&json!({
        "layers": [{"name": "l", "idType": "userID"}],
        "experiments": [
            experiment("late", json!({"layerID": "l", "status": "decision_made", "launchedGroupID": "Test",
                "endTime": "2026-10-02T00:00:00Z", "groups": [
                    {"id": "c", "name": "Control", "size": 50, "parameterValues": {"a": 1}},
                    {"id": "t", "name": "Test", "size": 50, "parameterValues": {"a": 2}}]})),
            experiment("early", json!({"layerID": "l", "status": "decision_made", "launchedGroupID": "Control",
                "endTime": "2026-10-01T00:00:00Z", "groups": [
                    {"id": "c", "name": "Control", "size": 50, "parameterValues": {"a": 3, "b": 3}},
                    {"id": "t", "name": "Test", "size": 50, "parameterValues": {"a": 4, "b": 4}}]})),
            experiment("now", json!({"layerID": "l", "allocation": 50})),
        ],
    }));
    assert_eq!(specs.layers.get("l").unwrap().default_value, json!({"a": 2, "b": 3}));
    let mut seen = HashSet::new();
    for user in units().take(100) {
        let it = specs.evaluate(&user, &NoLists, NOW).layer("l");
        let own = match it.rule_id {
            "now_c" => json!({"a": 2, "b": 3, "now": "old"}),
            "now_t" => json!({"a": 2, "b": 3, "now": "new"}),
            _ => json!({"a": 2, "b": 3}),
        };
        assert_eq!(*it.value, own);
        seen.insert(it.rule_id);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_stable_id_beside_the_user_counts_unless_the_user_has_one() {
    let specs = specs(&json!({"experiments": [experiment("e", json!({"idType": "stableID"}))]}));
    let group = |user: &User| specs.evaluate(user, &NoLists, NOW).config("e").rule_id.to_string();
    for n in 0..50 {
        let own = User::from_json(&json!({"customIDs": {"stableID": format!("s{n}")}}));
        let beside = User::from_json(&json!({"userID": "u"})).or_id("stableID", &format!("s{n}"));
        assert_eq!(group(&beside), group(&own));
        assert_eq!(group(&own.clone().or_id("stableID", "another")), group(&own));
    }
}
