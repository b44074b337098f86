//! One item changed outside a project file: what it says, whether it fits, and what a file makes of it afterwards.

use super::*;

fn edit(kind: ItemKind, id: &str, document: Option<Value>) -> Edit {
    let item = ItemRef { kind, id: id.to_string() };
    Edit { item, document, version: 7, author: "console".to_string(), time: AT }
}

fn places(outcome: Result<Catalog, Vec<Mistake>>) -> Vec<String> {
    outcome.map(|_| ()).unwrap_err().into_iter().map(|mistake| mistake.place).collect()
}

#[test]
fn an_edit_makes_changes_and_removes_one_item() {
    let catalog = applied(&file(&example()));
    let made = catalog.edited(&edit(ItemKind::Layer, "l", Some(json!({"name": "l", "idType": "userID"})))).unwrap();
    let item = made.item(ItemKind::Layer, "l").unwrap();
    assert_eq!((item.version, item.author.as_str(), item.applied), (7, "console", None));
    assert_eq!(item.document, json!({"id": "l", "name": "l", "idType": "userID"}), "defaults are spelled out");
    let mut gate = catalog.item(ItemKind::Gate, "new_checkout").unwrap().document.clone();
    gate["isEnabled"] = json!(false);
    let changed = catalog.edited(&edit(ItemKind::Gate, "new_checkout", Some(gate))).unwrap();
    assert!(!changed.gate("new_checkout").unwrap().is_enabled);
    // A project file sees that it was changed elsewhere, and what it was when the file set it.
    let plan = changed.plan(&file(&example()), PLAIN);
    assert_eq!(plan.kept.iter().map(|kept| kept.why).collect::<Vec<_>>(), [WhyKept::ChangedElsewhere]);
    let removed = catalog.edited(&edit(ItemKind::DynamicConfig, "banner", None)).unwrap();
    assert_eq!(removed.dynamic_config("banner"), None);
}

#[test]
fn mistakes_have_their_place_in_the_document_or_name_the_other_item() {
    let catalog = applied(&file(&example()));
    let gate = |document: Value| catalog.edited(&edit(ItemKind::Gate, "g", Some(document)));
    let rule = json!({"name": "r", "passPercentage": 1, "conditions": [{"type": "passes_gate", "targetValue": "g"}]});
    for (document, place) in [
        (json!({"name": "g", "idType": "x"}), "idType"),
        (
            json!({"name": "g", "rules": [{"name": "r", "passPercentage": 101, "conditions": []}]}),
            "rules[0].passPercentage",
        ),
        (json!({"name": "g", "rules": [rule]}), "rules[0].conditions[0].targetValue"),
        (json!({"name": "g", "isArchived": true}), "isEnabled"),
        (json!({"name": "g", "surprise": 1}), "surprise"),
        (json!({}), "name"),
        (json!([]), "(body)"),
    ] {
        assert_eq!(places(gate(document.clone())), [place], "{document}");
    }
    let settings = edit(ItemKind::Settings, "settings", Some(json!({"valueProperties": ["", "a"]})));
    assert_eq!(places(catalog.edited(&settings)), ["valueProperties[0]"]);
    let incoming = json!({"mapIdentifiers": [{"field": "a", "idType": "x"}]});
    let incoming = edit(ItemKind::Integration, "segment.incoming", Some(incoming));
    assert_eq!(places(catalog.edited(&incoming)), ["mapIdentifiers[0].idType"]);
    let environments = edit(ItemKind::Environments, "environments", Some(json!(["production", "production"])));
    assert!(places(catalog.edited(&environments)).contains(&"[1]".to_string()));
}

#[test]
fn what_is_asked_for_cannot_be_removed() {
    let catalog = applied(&file(&example()));
    for (kind, id, places) in [
        (ItemKind::Gate, "new_checkout", &["experiments[\"shipping_copy\"].targetingGateID"][..]),
        (ItemKind::Segment, "canada", &["gates[\"new_checkout\"].rules[0].conditions[0].targetValue"]),
        (ItemKind::Layer, "checkout_layer", &["experiments[\"shipping_copy\"].layerID"]),
        (ItemKind::Experiment, "shipping_copy", &["holdouts[\"global_holdout\"].experimentIDs[0]"]),
        (ItemKind::Metric, "revenue::sum", &["experiments[\"button_color\"].primaryMetrics[0].name"]),
        (ItemKind::IdType, "segmentAnonymousId", &["integrations.segment.incoming.mapIdentifiers[0].idType"]),
    ] {
        assert_eq!(self::places(catalog.edited(&edit(kind, id, None))), places, "{kind} {id}");
    }
}

#[test]
fn names_are_taken_among_all_that_sdks_cannot_tell_apart() {
    let mut document = example();
    document["gates"][0]["id"] = json!("gate_1");
    document["experiments"][1]["targetingGateID"] = json!("gate_1");
    let catalog = applied(&file(&document));
    for (kind, name, holder) in [
        (ItemKind::Gate, "new_checkout", Some((ItemKind::Gate, "gate_1"))),
        (ItemKind::Holdout, "gate_1", Some((ItemKind::Gate, "gate_1"))),
        (ItemKind::DynamicConfig, "button_color", Some((ItemKind::Experiment, "button_color"))),
        (ItemKind::Layer, "button_color", None),
        (ItemKind::IdType, "COMPANYID", Some((ItemKind::IdType, "companyID"))),
        (ItemKind::IdType, "stableid", Some((ItemKind::IdType, "stableID"))),
        (ItemKind::Metric, "revenue::sum", Some((ItemKind::Metric, "revenue::sum"))),
        (ItemKind::Metric, "revenue::mean", None),
    ] {
        let holder = holder.map(|(kind, id)| ItemRef { kind, id: id.to_string() });
        assert_eq!(catalog.holder(kind, name), holder, "{kind} {name}");
    }
    assert_eq!(catalog.find(ItemKind::Gate, "new_checkout").map(|item| item.id.as_str()), Some("gate_1"));
    assert_eq!(catalog.find(ItemKind::IdType, "userID"), None, "nobody has set it");
}

#[test]
fn what_nobody_has_set_can_be_read_all_the_same() {
    let new = Catalog::default();
    assert_eq!(new.ids(ItemKind::IdType), ["userID", "stableID"]);
    assert_eq!(new.ids(ItemKind::Gate), [""; 0]);
    for kind in [ItemKind::IdType, ItemKind::Environments, ItemKind::Settings, ItemKind::Integration] {
        for id in new.ids(kind) {
            let document = new.unset(kind, &id).unwrap_or_else(|| panic!("{kind} {id}"));
            let stored = shape_of(kind, &id, &document).unwrap();
            assert_eq!(stored, (id, document), "a default is in its stored form");
        }
    }
    assert_eq!(new.unset(ItemKind::Integration, "segment.sideways"), None);
}

#[test]
fn an_experiment_counts_among_what_asks_for_each_other() {
    let chain = |gates: usize| {
        let gates: Vec<Value> = (0..gates)
            .map(|n| {
                let condition = match n {
                    0 => json!({"type": "public"}),
                    n => json!({"type": "passes_gate", "targetValue": format!("g{}", n - 1)}),
                };
                json!({"name": format!("g{n}"), "rules": [{"name": "r", "passPercentage": 1, "conditions": [condition]}]})
            })
            .collect();
        let groups = json!([{"name": "a", "size": 50}, {"name": "b", "size": 50}]);
        let last = format!("g{}", gates.len() - 1);
        json!({"gates": gates, "experiments": [{"name": "e", "groups": groups, "targetingGateID": last}]})
    };
    assert!(ProjectFile::parse(&chain(31).to_string()).is_ok());
    let mistakes = ProjectFile::parse(&chain(32).to_string()).unwrap_err();
    assert_eq!(mistakes[0].place, "experiments[0].targetingGateID");
}

#[test]
fn versions_go_on_after_an_item_was_removed() {
    let file = file(&example());
    let new = Catalog::default();
    let mut plan = new.plan(&file, PLAIN);
    let banner = ItemRef { kind: ItemKind::DynamicConfig, id: "banner".to_string() };
    plan.past.insert(banner, 4);
    let after = new.after(&plan, "x", AT).unwrap();
    assert_eq!(after.item(ItemKind::DynamicConfig, "banner").unwrap().version, 5);
    assert_eq!(after.item(ItemKind::Gate, "new_checkout").unwrap().version, 1);
}
