//! What Weir chose where the two families of SDKs differ, or where it differs from both. Each line is a documented choice:
//! changing one changes who gets what.

use super::*;

/// Operator, target, value, what Weir says, and why.
#[test]
fn documented_choices_of_operators() {
    let table = [
        ("gt", json!(-1), json!(""), false, "an empty text is no number, as in the core; the older family reads 0"),
        ("gt", json!(0), json!(true), false, "true is no number, as in the core; the older family reads 1"),
        ("lt", json!(5), json!(" 4 "), false, "spaces make no number, as in the core"),
        ("version_eq", json!("1.0"), json!(1.0), true, "a number is read as a version, as in the core"),
        ("version_lt", json!("1.0"), json!("abc"), false, "what is no version never holds, as in the older family"),
        ("version_neq", json!("1.0"), json!("abc"), false, "... nor is it another version"),
        ("version_lt", json!("1.0"), json!(""), false, "an empty version never holds"),
        ("version_gt", json!("1.0"), json!("2.x"), true, "parts after the first difference do not matter"),
        ("version_gt", json!("1.0"), json!(2), true, "a number is read as a version, as in the core"),
        ("any", json!([""]), json!(null), true, "a missing value is an empty text, as in the core"),
        ("none", json!([""]), json!(null), false, "the same"),
        ("any", json!(["null"]), json!(null), false, "and not the text null"),
        ("str_starts_with_any", json!([""]), json!(null), true, "every text starts with an empty one"),
        ("any", json!(["[\"a\",\"b\"]"]), json!(["a", "b"]), true, "a list is its JSON, as in the core"),
        ("any_case_sensitive", json!(["a", "A"]), json!("a"), true, "both spellings count, as in the older family"),
        ("any_case_sensitive", json!(["a", "A"]), json!("A"), true, "the same"),
        ("str_matches", json!("null"), json!(null), false, "a missing value matches nothing, as in the core"),
        ("eq", json!("true"), json!(true), true, "true is the text true, as in the core"),
        ("eq", json!(1), json!(true), false, "but not the number 1"),
        ("eq", json!("5"), json!(5), true, "a number is its text"),
        ("eq", json!(["a", "b"]), json!(["a", "b"]), true, "lists are compared by their elements, as in the core"),
        ("eq", json!(["a", "b"]), json!(["b", "a"]), false, "in their order"),
        (
            "before",
            json!("2026-10-01T00:00:00Z"),
            json!(1_790_812_799),
            true,
            "a small number is seconds, as in the core",
        ),
        ("after", json!("2026-10-01T00:00:00Z"), json!("1790812801"), true, "also as a text"),
        ("after", json!("2026-10-01T00:00:00Z"), json!(1_790_812_800_000.5), false, "a fraction is no time"),
        (
            "before",
            json!("2026-10-01T00:00:00Z"),
            json!("2026-09-30T23:59:59.999Z"),
            true,
            "fractions of a second are read, as in the older family",
        ),
        (
            "on",
            json!("2026-10-01T12:00:00Z"),
            json!("2026-10-01T23:59:59Z"),
            true,
            "a day begins at midnight UTC, as in the core",
        ),
        ("on", json!("2026-10-01T12:00:00Z"), json!("2026-10-02T00:00:00Z"), false, "the same"),
        ("array_contains_any", json!(["A"]), json!(["a"]), false, "case matters in lists"),
    ];
    for (operator, target, value, expected, why) in table {
        let condition = json!({"type": "custom_field", "field": "f", "operator": operator, "targetValue": target});
        let holds = passes(&gate_with(json!([condition])), &json!({"custom": {"f": value}}));
        assert_eq!(holds, expected, "{value} {operator} {target}: {why}");
    }
    let long = "a".repeat(2_000);
    let condition = json!({"type": "email", "operator": "str_matches", "targetValue": "a$"});
    assert!(passes(&gate_with(json!([condition])), &json!({"email": long})), "long texts are searched, as in the core");
}

/// Condition, user, what Weir says, and why.
#[test]
fn documented_choices_of_fields() {
    let tier = |operator, target| json!({"type": "environment_tier", "operator": operator, "targetValue": [target]});
    let country = json!({"type": "country", "operator": "any", "targetValue": ["US"]});
    let browser = json!({"type": "browser_name", "operator": "any", "targetValue": ["Chrome"]});
    let plan = json!({"type": "custom_field", "field": "plan", "operator": "any", "targetValue": ["pro"]});
    let email = json!({"type": "email", "operator": "any", "targetValue": ["a"]});
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
    let table = [
        (tier("any", "production"), json!({}), true, "without an environment it is production"),
        (
            tier("any", "production"),
            json!({"statsigEnvironment": {"tier": "qa"}}),
            true,
            "and in one that the project does not have",
        ),
        (tier("none", "production"), json!({}), false, "the same"),
        (tier("any", "staging"), json!({}), false, "the same"),
        (country, json!({"ip": "8.8.8.8"}), false, "Weir has no map from addresses to countries"),
        (browser, json!({"userAgent": chrome}), false, "Weir reads no user agent"),
        (
            plan,
            json!({"custom": {"plan": null}, "privateAttributes": {"plan": "pro"}}),
            false,
            "null is a value too, as in the core",
        ),
        (
            email,
            json!({"email": "", "custom": {"email": "a"}}),
            true,
            "an empty field is looked for in custom, as in the core",
        ),
    ];
    for (condition, user, expected, why) in table {
        assert_eq!(passes(&gate_with(json!([condition])), &user), expected, "{condition} of {user}: {why}");
    }
}

#[test]
fn a_condition_that_nobody_knows_gives_the_default_without_a_rule_or_exposures() {
    let unknown = Condition::new(ConditionType::UserField, None, json!("x"), Some("email"), None, "userID");
    let asks = Condition::gate("base", true, "userID");
    let spec = |name: &str, rules| Spec {
        name: name.into(),
        entity: Entity::FeatureGate,
        salt: name.into(),
        enabled: true,
        default_value: json!(false),
        rules,
        id_type: "userID".into(),
        version: 1,
        is_active: None,
        has_shared_params: None,
        explicit_parameters: None,
    };
    let base = spec("base", vec![Rule::new("r", vec![Condition::public("userID")], json!(true), "userID")]);
    let top = spec("top", vec![Rule::new("r", vec![asks, unknown], json!(true), "userID")]);
    let above =
        spec("above", vec![Rule::new("r", vec![Condition::gate("top", false, "userID")], json!(true), "userID")]);
    let specs = Specs::new(vec![base, top, above], Vec::new(), Vec::new(), Default::default());
    let user = user("u");
    for name in ["top", "above"] {
        let result = specs.evaluate(&user, &NoLists, NOW).gate(name);
        assert_eq!((result.value, result.rule_id, result.secondary_exposures.len()), (false, "", 0), "{name}");
    }
}
