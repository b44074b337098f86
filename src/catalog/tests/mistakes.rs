//! Every mistake is listed, with its place and with words that help.

mod metrics;
mod stored;

use super::*;
use crate::catalog::document::{MAX_LEVELS, read_json};

fn mistakes(document: &Value) -> Vec<Mistake> {
    ProjectFile::parse(&document.to_string()).err().unwrap_or_default()
}

/// A change to the example, the place of the mistake, words that its message must have.
type Row = (fn(&mut Value), &'static str, &'static str);

#[test]
fn each_mistake_is_listed_with_its_place() {
    let table: &[Row] = &[
        // Shape.
        (|d| d["experimints"] = json!([]), "experimints", "no section"),
        (|d| d["gates"] = json!({}), "gates", "must be a list"),
        (|d| d["gates"][0] = json!(7), "gates[0]", "must be an object"),
        (|d| d["experiments"][1]["groups"][0]["sise"] = json!(1), "experiments[1].groups[0].sise", "known are"),
        (|d| drop(d["experiments"][0].as_object_mut().unwrap().remove("name")), "experiments[0].name", "missing"),
        (
            |d| d["experiments"][0]["groups"][1]["size"] = json!("50"),
            "experiments[0].groups[1].size",
            "must be a number",
        ),
        (|d| d["experiments"][0]["allocation"] = json!(100.5), "experiments[0].allocation", "from 0 to 100"),
        (|d| d["experiments"][0]["duration"] = json!(2.5), "experiments[0].duration", "whole number"),
        (|d| d["experiments"][0]["status"] = json!("running"), "experiments[0].status", "one of setup, active"),
        (|d| d["experiments"][0]["startTime"] = json!("soon"), "experiments[0].startTime", "2026-10-01T00:00:00Z"),
        (
            |d| d["experiments"][0]["defaultConfidenceInterval"] = json!(95),
            "experiments[0].defaultConfidenceInterval",
            "80",
        ),
        (
            |d| d["gates"][0]["rules"][0]["passPercentage"] = json!(-1),
            "gates[0].rules[0].passPercentage",
            "from 0 to 100",
        ),
        (|d| d["holdouts"][0]["passPercentage"] = json!(101), "holdouts[0].passPercentage", "from 0 to 100"),
        (
            |d| d["gates"][0]["rules"][0]["conditions"][0]["type"] = json!("moon"),
            "gates[0].rules[0].conditions[0].type",
            "one of",
        ),
        (|d| condition(d)["operator"] = json!("like"), "segments[1].rules[0].conditions[0].operator", "one of any"),
        (|d| d["metrics"][0]["type"] = json!("median"), "metrics[0].type", "one of"),
        (|d| d["explorations"][0]["of"]["experiment"] = json!("x"), "explorations[0].of.experiment", "button_color"),
        (
            |d| d["explorations"][0]["of"]["gate"] = json!("new_checkout"),
            "explorations[0].of",
            "either an experiment or",
        ),
        (|d| d["explorations"][0]["of"]["rule"] = json!("r"), "explorations[0].of.rule", "only for gates"),
        (|d| d["explorations"][0]["explore"]["metrics"] = json!([]), "explorations[0].explore.metrics", "1 to 100"),
        (
            |d| d["explorations"][0]["explore"]["metrics"][1]["metricEvents"][0]["name"] = json!(" "),
            "explorations[0].explore.metrics[1].metricEvents[0].name",
            "must name an event",
        ),
        (
            |d| d["explorations"][0]["explore"]["exposedUntil"] = json!("2026-09-01"),
            "explorations[0].explore.exposedUntil",
            "after exposedFrom",
        ),
        (|d| d["settings"]["deduplicationHours"] = json!(0), "settings.deduplicationHours", "from 1 to 720"),
        (|d| d["settings"]["deduplicationHours"] = json!(721), "settings.deduplicationHours", "from 1 to 720"),
        (|d| d["settings"]["timezone"] = json!("Mars"), "settings.timezone", "UTC-8"),
        (|d| d["settings"]["color"] = json!(1), "settings.color", "known are"),
        (|d| d["integrations"]["amplitude"] = json!({}), "integrations.amplitude", "segment, rudderstack, webhook"),
        (
            |d| d["integrations"]["rudderstack"]["outgoing"] = json!({}),
            "integrations.rudderstack.outgoing",
            "must be incoming",
        ),
        (|d| incoming(d)["events"]["X"] = json!("no"), "integrations.segment.incoming.events.X", "true or false"),
        // Keys.
        (|d| d["keys"][0]["key"] = json!("client-00000000000000000"), "keys[0].key", "secret-"),
        (|d| d["keys"][1]["key"] = json!("client-short"), "keys[1].key", "too short"),
        (|d| d["keys"][0]["role"] = json!("admin"), "keys[0].role", "CONSOLE"),
        (|d| d["keys"][0]["type"] = json!("ROOT"), "keys[0].type", "SERVER, CLIENT, CONSOLE"),
        (|d| d["keys"][0]["environments"] = json!(["moon"]), "keys[0].environments[0]", "production"),
        (|d| push(d, "keys", 0, |_| ()), "keys[3].key", "keys[0]"),
        // Names.
        (|d| d["unitIdTypes"][0]["name"] = json!("userid"), "unitIdTypes[0].name", "built in"),
        (|d| push(d, "unitIdTypes", 0, |it| it["name"] = json!("CompanyId")), "unitIdTypes[2].name", "unitIdTypes[0]"),
        (|d| push(d, "gates", 0, |_| ()), "gates[1].name", "gates[0]"),
        (|d| push(d, "gates", 0, |it| it["name"] = json!("other")), "gates[1].id", "gates[0]"),
        (|d| push(d, "gates", 0, |it| it["id"] = json!("other")), "gates[1].name", "gates[0]"),
        (|d| named(&mut d["holdouts"][0], "new_checkout"), "holdouts[0].name", "gates[0]"),
        (|d| named(&mut d["holdouts"][0], "segment:canada"), "holdouts[0].name", "names segments"),
        (|d| named(&mut d["dynamicConfigs"][0], "button_color"), "experiments[0].name", "dynamicConfigs[0]"),
        (|d| push(d, "metrics", 0, |_| ()), "metrics[11].name", "metrics[0]"),
        (|d| named(&mut d["layers"][0], " x"), "layers[0].name", "space"),
        (|d| named(&mut d["dynamicConfigs"][0], ""), "dynamicConfigs[0].name", "empty"),
        (|d| named(&mut d["dynamicConfigs"][0], &"x".repeat(201)), "dynamicConfigs[0].name", "at most 200"),
        (|d| d["experiments"][0]["groups"][1]["id"] = json!("grp_control"), "experiments[0].groups[1].id", "already"),
        (|d| d["experiments"][0]["groups"][1]["name"] = json!("Control"), "experiments[0].groups[1].name", "already"),
        (|d| d["experiments"][0]["groups"][1]["id"] = json!("prestart"), "experiments[0].groups[1].id", "itself"),
        (|d| d["gates"][0]["rules"][1]["id"] = json!("rule_ca"), "gates[0].rules[1].id", "already"),
        // References.
        (|d| d["gates"][0]["idType"] = json!("deviceID"), "gates[0].idType", "companyID"),
        (|d| d["metrics"][0]["unitTypes"] = json!(["x"]), "metrics[0].unitTypes[0]", "unknown ID type"),
        (
            |d| incoming(d)["mapIdentifiers"][0]["idType"] = json!("x"),
            "integrations.segment.incoming.mapIdentifiers[0].idType",
            "unknown ID type",
        ),
        (
            |d| outgoing(d)["anonymousIdFrom"] = json!("x"),
            "integrations.segment.outgoing.anonymousIdFrom",
            "unknown ID type",
        ),
        (
            |d| outgoing(d)["events"] = json!({"statsig::gate_exposure": false}),
            "integrations.segment.outgoing.events.statsig::gate_exposure",
            "exposures or configChanges",
        ),
        (
            |d| d["integrations"]["webhook"]["outgoing"]["events"] = json!({"x": true, "statsig::config_change": true}),
            "integrations.webhook.outgoing.events.statsig::config_change",
            "no custom event",
        ),
        (
            |d| d["gates"][0]["rules"][0]["environments"] = json!(["moon"]),
            "gates[0].rules[0].environments[0]",
            "one of production",
        ),
        (|d| d["gates"][0]["rules"][0]["environments"] = json!([]), "gates[0].rules[0].environments", "leave it out"),
        (
            |d| d["experiments"][1]["targetingGateID"] = json!("old"),
            "experiments[1].targetingGateID",
            "must be new_checkout",
        ),
        (|d| d["experiments"][1]["layerID"] = json!("old"), "experiments[1].layerID", "must be checkout_layer"),
        (|d| d["holdouts"][0]["experimentIDs"] = json!(["old"]), "holdouts[0].experimentIDs[0]", "unknown experiment"),
        (|d| d["holdouts"][0]["gateIDs"] = json!(["old"]), "holdouts[0].gateIDs[0]", "unknown gate"),
        (|d| d["holdouts"][0]["layerIDs"] = json!(["old"]), "holdouts[0].layerIDs[0]", "unknown layer"),
        (
            |d| d["gates"][0]["rules"][0]["conditions"][0]["targetValue"] = json!("eu"),
            "gates[0].rules[0].conditions[0].targetValue",
            "unknown segment",
        ),
        (
            |d| d["experiments"][0]["primaryMetrics"][0]["name"] = json!("profit"),
            "experiments[0].primaryMetrics[0].name",
            "unknown metric",
        ),
        (
            |d| d["experiments"][0]["primaryMetrics"][0]["type"] = json!("mean"),
            "experiments[0].primaryMetrics[0].name",
            "has the type sum",
        ),
        (|d| d["gates"][0]["monitoringMetrics"][0]["name"] = json!(""), "gates[0].monitoringMetrics[0].name", "empty"),
        (
            |d| d["experiments"][0]["groups"][1]["id"] = json!("global_holdout"),
            "experiments[0].groups[1].id",
            "is the ID of a holdout",
        ),
        (
            |d| d["gates"][0]["rules"][0]["id"] = json!("disabledGroup"),
            "gates[0].rules[0].id",
            "the evaluation uses itself",
        ),
        (|d| d["gates"][0]["salt"] = json!(""), "gates[0].salt", "is empty"),
        (|d| d["dynamicConfigs"][0]["salt"] = json!(" x"), "dynamicConfigs[0].salt", "space"),
        (|d| d["experiments"][1]["salt"] = json!(""), "experiments[1].salt", "is empty"),
        (|d| d["layers"][0]["salt"] = json!(""), "layers[0].salt", "is empty"),
        (|d| d["holdouts"][0]["salt"] = json!(""), "holdouts[0].salt", "is empty"),
        (
            |d| d["experiments"][0]["controlGroupID"] = json!("nobody"),
            "experiments[0].controlGroupID",
            "grp_control, grp_test",
        ),
        (
            |d| d["experiments"][0]["launchedGroupID"] = json!("nobody"),
            "experiments[0].launchedGroupID",
            "unknown group",
        ),
        (
            |d| d["experiments"][1]["overrides"]["userIDOverrides"][0]["groupID"] = json!("x"),
            "experiments[1].overrides.userIDOverrides[0].groupID",
            "unknown group",
        ),
        // What does not go together.
        (|d| d["experiments"][0]["groups"][1]["size"] = json!(49.9), "experiments[0].groups", "99.9"),
        (|d| d["experiments"][0]["groups"] = json!([]), "experiments[0].groups", "at least two"),
        (|d| d["experiments"][0]["endTime"] = json!("2026-09-01"), "experiments[0].endTime", "before startTime"),
        (|d| d["layers"][0]["idType"] = json!("companyID"), "experiments[1].idType", "must be companyID"),
        (
            |d| {
                push(d, "experiments", 1, |it| {
                    named(it, "third");
                    it["allocation"] = json!(51);
                })
            },
            "experiments[2].allocation",
            "third 51",
        ),
        (|d| d["environments"] = json!(["staging"]), "environments", "production"),
        (|d| d["environments"] = json!(["production", "staging", "Staging"]), "environments[2]", "already"),
        (|d| d["settings"]["eventPrefix"] = json!("statsig::"), "settings.eventPrefix", "Weir's own"),
        (|d| d["settings"]["valueProperties"] = json!(["value", "value"]), "settings.valueProperties[1]", "once"),
        (
            |d| {
                outgoing(d).as_object_mut().unwrap().remove("writeKey");
                outgoing(d)["isEnabled"] = json!(true);
            },
            "integrations.segment.outgoing.writeKey",
            "missing",
        ),
        (|d| outgoing(d)["baseUrl"] = json!("ftp://x"), "integrations.segment.outgoing.baseUrl", "no URL"),
        (|d| outgoing(d)["baseUrl"] = json!("https://x:99999"), "integrations.segment.outgoing.baseUrl", "no URL"),
        (|d| outgoing(d)["baseUrl"] = json!("https://x/?a=b"), "integrations.segment.outgoing.baseUrl", "query"),
        (
            |d| d["integrations"]["webhook"]["outgoing"]["url"] = json!("https://"),
            "integrations.webhook.outgoing.url",
            "no URL",
        ),
        (
            |d| d["integrations"]["webhook"]["outgoing"]["url"] = json!("https://a^b/"),
            "integrations.webhook.outgoing.url",
            "no URL",
        ),
        (
            |d| d["integrations"]["webhook"]["outgoing"]["url"] = json!("https://me:x@y"),
            "integrations.webhook.outgoing.url",
            "password",
        ),
        (
            |d| d["integrations"]["webhook"]["outgoing"]["url"] = json!("https://example.com/(hidden)"),
            "integrations.webhook.outgoing.url",
            "write it out",
        ),
        (
            |d| d["gates"][0]["overrides"]["failingUserIDs"] = json!(["qa-1"]),
            "gates[0].overrides.failingUserIDs[0]",
            "passing too",
        ),
        (|d| d["segments"][1]["ids"] = json!(["u"]), "segments[1].ids", "id_list"),
        (|d| d["gates"][0]["rules"][0]["returnValue"] = json!({}), "gates[0].rules[0].returnValue", "dynamic config"),
        (
            |d| drop(d["dynamicConfigs"][0]["rules"][0].as_object_mut().unwrap().remove("returnValue")),
            "dynamicConfigs[0].rules[0].returnValue",
            "missing",
        ),
        (|d| d["gates"][0]["rules"][0]["conditions"] = json!([]), "gates[0].rules[0].conditions", "public"),
        // Conditions.
        (|d| condition(d)["operator"] = json!("gt"), "segments[1].rules[0].conditions[0].operator", "does not fit"),
        (
            |d| drop(condition(d).as_object_mut().unwrap().remove("operator")),
            "segments[1].rules[0].conditions[0].operator",
            "is missing",
        ),
        (
            |d| drop(condition(d).as_object_mut().unwrap().remove("targetValue")),
            "segments[1].rules[0].conditions[0].targetValue",
            "is missing",
        ),
        (
            |d| condition(d)["targetValue"] = json!({}),
            "segments[1].rules[0].conditions[0].targetValue",
            "a text or number",
        ),
        (|d| condition(d)["type"] = json!("javascript"), "segments[1].rules[0].conditions[0].type", "does not run"),
        (
            |d| *condition(d) = json!({"type": "unit_id", "operator": "any", "targetValue": ["x"]}),
            "segments[1].rules[0].conditions[0].customID",
            "missing",
        ),
        (
            |d| *condition(d) = json!({"type": "custom_field", "operator": "gt", "targetValue": 5}),
            "segments[1].rules[0].conditions[0].field",
            "missing",
        ),
        (
            |d| *condition(d) = json!({"type": "custom_field", "field": "x", "operator": "gt", "targetValue": "five"}),
            "segments[1].rules[0].conditions[0].targetValue",
            "a number",
        ),
        (
            |d| *condition(d) = json!({"type": "app_version", "operator": "version_gt", "targetValue": "1.x"}),
            "segments[1].rules[0].conditions[0].targetValue",
            "1.2.3",
        ),
        (
            |d| *condition(d) = json!({"type": "time", "operator": "after", "targetValue": "later"}),
            "segments[1].rules[0].conditions[0].targetValue",
            "a time",
        ),
        (
            |d| *condition(d) = json!({"type": "environment_tier", "operator": "any", "targetValue": ["moon"]}),
            "segments[1].rules[0].conditions[0].targetValue",
            "unknown environment",
        ),
        (
            |d| *condition(d) = json!({"type": "passes_gate", "targetValue": ["a", "b"]}),
            "segments[1].rules[0].conditions[0].targetValue",
            "one gate",
        ),
        // Circles.
        (
            |d| *condition(d) = json!({"type": "passes_segment", "targetValue": "canada"}),
            "segments[1].rules[0].conditions[0].targetValue",
            "canada -> canada",
        ),
        (
            |d| *condition(d) = json!({"type": "fails_gate", "targetValue": "new_checkout"}),
            "segments[1].rules[0].conditions[0].targetValue",
            "canada -> new_checkout -> canada",
        ),
    ];
    are_told(table);
}

fn are_told(table: &[Row]) {
    for (change, place, words) in table {
        let mut document = example();
        change(&mut document);
        let found = mistakes(&document);
        let hit = found.iter().any(|mistake| mistake.place == *place && mistake.message.contains(words));
        assert!(hit, "no mistake at {place} saying {words:?} in {found:#?}");
    }
}

fn condition(document: &mut Value) -> &mut Value {
    &mut document["segments"][1]["rules"][0]["conditions"][0]
}

fn incoming(document: &mut Value) -> &mut Value {
    &mut document["integrations"]["segment"]["incoming"]
}

fn outgoing(document: &mut Value) -> &mut Value {
    &mut document["integrations"]["segment"]["outgoing"]
}

#[test]
fn all_mistakes_are_listed_at_once_and_none_follows_from_another() {
    let mut document = example();
    document["gates"][0]["isEnabled"] = json!("yes");
    document["gates"][0]["colour"] = json!("red");
    document["gates"][0]["rules"][1]["passPercentage"] = json!(120);
    document["experiments"][0]["sise"] = json!(1);
    document["experiments"][0]["groups"][0]["size"] = json!(60);
    document["experiments"][1]["controlGroupID"] = json!("x");
    document["keys"][0]["key"] = json!("short");
    let places: Vec<_> = mistakes(&document).into_iter().map(|mistake| mistake.place).collect();
    let mut sorted = places.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "experiments[0].groups",
            "experiments[0].sise",
            "experiments[1].controlGroupID",
            "gates[0].colour",
            "gates[0].isEnabled",
            "gates[0].rules[1].passPercentage",
            "keys[0].key",
        ],
        "the experiment that names the gate is not wrong because the gate is"
    );
}

#[test]
fn text_that_is_no_json_object_is_told_with_line_and_column() {
    for (text, place, words) in [
        ("{\n  \"gates\": [,]\n}", "line 2, column 13", "cannot be read as JSON"),
        ("", "line 1, column 0", "cannot be read as JSON"),
        ("[]", "(file)", "object"),
        ("{\"gates\": []} x", "line 1, column 15", "trailing"),
        ("{\"gates\": [],\n\"gates\": []}", "line 2, column 7", "\"gates\" is there twice"),
        ("[{\"a\": {\"b\": 1, \"b\": 1}}]", "line 1, column 19", "\"b\" is there twice"),
    ] {
        let found = ProjectFile::parse(text).unwrap_err();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, place, "{text}");
        assert!(found[0].message.contains(words), "{}", found[0]);
    }
}

#[test]
fn text_nests_as_deep_as_it_may_and_no_deeper() {
    let lists = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for nested in [lists, objects] {
        assert!(read_json(&nested(MAX_LEVELS)).is_ok());
        for deeper in [MAX_LEVELS + 1, 200, 100_000] {
            let found = read_json(&nested(deeper)).unwrap_err();
            assert!(found.message.contains("nested deeper than 64 levels"), "{deeper}: {found}");
        }
    }
}

#[test]
fn no_message_repeats_a_secret() {
    let mut document = example();
    document["keys"][0]["key"] = json!("console-hush0000000000000000");
    document["keys"][2]["key"] = json!("console-hush");
    outgoing(&mut document)["writeKey"] = json!("hush");
    document["settings"]["x"] = json!(1);
    let shown = format!("{:?}", mistakes(&document));
    assert!(shown.contains("keys[0].key") && !shown.contains("hush"), "{shown}");
    let catalog = applied(&file(&example()));
    for shown in [format!("{catalog:?}"), format!("{:?}", file(&example()).keys())] {
        assert!(!shown.contains("segment-write-key") && !shown.contains("whsec-example"), "{shown}");
        assert!(!shown.contains("secret-example"), "{shown}");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let chain = |length: usize| {
        let gates: Vec<Value> = (0..length)
            .map(|n| {
                let below = json!([{"name": "r", "passPercentage": 1,
                    "conditions": [{"type": "passes_gate", "targetValue": format!("g{}", n + 1)}]}]);
                json!({"name": format!("g{n}"), "rules": if n + 1 < length { below } else { json!([]) }})
            })
            .collect();
        mistakes(&json!({"gates": gates}))
    };
    assert_eq!(chain(32), []);
    assert_eq!(chain(40).len(), 1, "told once: {:?}", chain(40));
    let layered = |allocation: f64| {
        let mut document = example();
        push(&mut document, "experiments", 1, |it| {
            named(it, "third");
            it["allocation"] = json!(allocation);
        });
        mistakes(&document).len()
    };
    assert_eq!((layered(50.0), layered(50.1)), (0, 1));
    let sized = |sizes: [f64; 3]| {
        let groups: Vec<Value> =
            ["a", "b", "c"].iter().zip(sizes).map(|(name, size)| json!({"name": name, "size": size})).collect();
        mistakes(&json!({"experiments": [{"name": "e", "groups": groups}]})).len()
    };
    assert_eq!((sized([33.3, 33.3, 33.4]), sized([0.1, 0.2, 99.7]), sized([33.3, 33.3, 33.3])), (0, 0, 1));
}

#[test]
fn an_experiment_that_is_over_frees_its_part_of_the_layer() {
    let mut document = example();
    push(&mut document, "experiments", 1, |it| {
        named(it, "third");
        it["allocation"] = json!(100);
    });
    assert_eq!(mistakes(&document).len(), 1);
    document["experiments"][1]["status"] = json!("decision_made");
    assert_eq!(mistakes(&document), []);
}

#[test]
fn every_cycle_is_told_once() {
    let gate = |name: &str, asks: &[&str]| {
        let conditions: Vec<Value> =
            asks.iter().map(|asked| json!({"type": "fails_gate", "targetValue": asked})).collect();
        json!({"name": name, "rules": [{"name": "r", "passPercentage": 1, "conditions": conditions}]})
    };
    let found = mistakes(&json!({"gates": [
        gate("above", &["a"]), gate("a", &["b"]), gate("b", &["a"]), gate("c", &["d"]), gate("d", &["c"]),
        gate("top", &["above", "c"]),
    ]}));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].message.contains("a -> b -> a") && found[1].message.contains("c -> d -> c"), "{found:#?}");
    let composite = |name: &str, part: &str| {
        let parts = json!([{"name": part, "type": "composite_sum"}]);
        json!({"name": name, "type": "composite_sum", "metricComponentMetrics": parts})
    };
    assert_eq!(mistakes(&json!({"metrics": [composite("x", "y"), composite("y", "x")]})).len(), 1);
}

#[test]
fn a_stored_item_that_is_wrong_is_told_by_its_name() {
    let items = applied(&file(&example())).items().cloned().collect::<Vec<_>>();
    let wrong = |kind: ItemKind, id: &str, change: fn(&mut Item)| {
        let items = items.iter().cloned().map(|mut item| {
            if item.kind == kind && item.id == id {
                change(&mut item);
            }
            item
        });
        Catalog::from_items(items).unwrap_err().into_iter().map(|mistake| mistake.place).collect::<Vec<_>>()
    };
    assert_eq!(
        wrong(ItemKind::Experiment, "button_color", |item| item.document["groups"][0]["size"] = json!(40)),
        ["experiments[\"button_color\"].groups"]
    );
    assert_eq!(wrong(ItemKind::Layer, "checkout_layer", |item| item.id = "other".into()), ["layers[\"other\"]"]);
    assert_eq!(
        wrong(ItemKind::Integration, "segment.incoming", |item| item.document["isEnabled"] = json!(1)),
        ["integrations.segment.incoming.isEnabled"]
    );
    let twice = Catalog::from_items(items.iter().chain(&items[..1]).cloned()).unwrap_err();
    assert!(twice.iter().any(|mistake| mistake.message.contains("twice")), "{twice:?}");
}

/// Puts values that do not belong there into every place of the example, one at a time.
#[test]
fn no_file_brings_the_reader_down_and_none_without_mistakes_fails_to_apply() {
    let document = example();
    let mut pointers = Vec::new();
    collect(&document, String::new(), &mut pointers);
    for pointer in &pointers {
        for strange in [json!(null), json!(-7.5), json!("x"), json!([]), json!({})] {
            let mut document = document.clone();
            *document.pointer_mut(pointer).unwrap() = strange.clone();
            match ProjectFile::parse(&document.to_string()) {
                Ok(file) => drop(applied(&file)),
                Err(mistakes) => {
                    let told = mistakes.iter().all(|mistake| !mistake.place.is_empty() && !mistake.message.is_empty());
                    assert!(told, "{pointer} = {strange}: {mistakes:?}");
                }
            }
        }
    }
    assert!(pointers.len() > 200, "the example shows every part");
}

fn collect(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inside)| {
            collect(inside, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), pointers);
        }),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(index, inside)| {
            collect(inside, format!("{pointer}/{index}"), pointers);
        }),
        _ => {}
    }
    pointers.push(pointer);
}
