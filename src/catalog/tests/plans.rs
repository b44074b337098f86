//! What applying a project file would change, and what it leaves alone.

use super::*;

/// The catalog with one item's document changed, as the console would.
fn edited(catalog: &Catalog, kind: ItemKind, id: &str, change: impl Fn(&mut Value)) -> Catalog {
    let items = catalog.items().cloned().map(|mut item| {
        if item.kind == kind && item.id == id {
            change(&mut item.document);
            item.version += 1;
            item.author = "console".to_string();
        }
        item
    });
    Catalog::from_items(items).unwrap()
}

fn ids(refs: impl IntoIterator<Item = ItemRef>) -> Vec<String> {
    refs.into_iter().map(|item| format!("{} {}", item.kind, item.id)).collect()
}

#[test]
fn a_changed_file_updates_what_it_changed() {
    let catalog = applied(&file(&example()));
    let mut document = example();
    document["gates"][0]["rules"][1]["passPercentage"] = json!(20);
    document["unitIdTypes"].as_array_mut().unwrap().push(json!({"name": "deviceID"}));
    let changed = file(&document);
    let plan = catalog.plan(&changed, PLAIN);
    assert_eq!(ids(plan.update.iter().map(|change| change.item.clone())), ["gate new_checkout"]);
    assert_eq!(ids(plan.create.iter().map(|change| change.item.clone())), ["id_type deviceID"]);
    let later = Timestamp(AT.0 + 1);
    let after = catalog.after(&plan, "second", later).unwrap();
    let gate = after.item(ItemKind::Gate, "new_checkout").unwrap();
    assert_eq!((gate.version, gate.author.as_str(), gate.time), (2, "second", later));
    assert_eq!(after.item(ItemKind::Layer, "checkout_layer"), catalog.item(ItemKind::Layer, "checkout_layer"));
    assert!(after.plan(&changed, PLAIN).is_empty());
}

#[test]
fn what_was_changed_elsewhere_is_kept_unless_forced() {
    let file = file(&example());
    let percentage = |catalog: &Catalog| catalog.gate("new_checkout").unwrap().rules[1].pass_percentage;
    let console = edited(&applied(&file), ItemKind::Gate, "new_checkout", |it| {
        it["rules"][1]["passPercentage"] = json!(70.0);
    });
    let plan = console.plan(&file, PLAIN);
    assert!(plan.is_empty());
    assert_eq!(ids(plan.kept.iter().map(|kept| kept.item.clone())), ["gate new_checkout"]);
    assert_eq!(plan.kept[0].why, WhyKept::ChangedElsewhere);
    assert_eq!(percentage(&console.after(&plan, "x", AT).unwrap()), 70.0);
    let forced = console.after(&console.plan(&file, FORCE), "x", AT).unwrap();
    assert_eq!(percentage(&forced), 10.0);
    assert!(forced.plan(&file, PLAIN).is_empty());
}

#[test]
fn a_file_that_catches_up_with_the_console_takes_over_again() {
    let console = edited(&applied(&file(&example())), ItemKind::Gate, "new_checkout", |it| {
        it["rules"][1]["passPercentage"] = json!(70.0);
    });
    let mut document = example();
    document["gates"][0]["rules"][1]["passPercentage"] = json!(70);
    let plan = console.plan(&file(&document), PLAIN);
    assert_eq!((plan.update.len(), plan.kept.len(), plan.adopt.len()), (0, 0, 1));
    let adopted = console.after(&plan, "x", AT).unwrap();
    let gate = adopted.item(ItemKind::Gate, "new_checkout").unwrap();
    assert_eq!((gate.version, gate.author.as_str()), (2, "console"), "nothing but the note changed");
    document["gates"][0]["rules"][1]["passPercentage"] = json!(80);
    let plan = adopted.plan(&file(&document), PLAIN);
    assert_eq!((plan.update.len(), plan.kept.len()), (1, 0));
}

#[test]
fn nothing_is_removed_without_prune_and_prune_keeps_what_was_made_elsewhere() {
    let mut catalog = applied(&file(&example()));
    let made = Item {
        kind: ItemKind::Layer,
        id: "console_layer".into(),
        document: json!({"id": "console_layer", "name": "console_layer", "idType": "userID"}),
        version: 1,
        author: "console".into(),
        time: AT,
        applied: None,
    };
    catalog = Catalog::from_items(catalog.items().cloned().chain([made])).unwrap();
    let mut document = example();
    document["dynamicConfigs"] = json!([]);
    document["integrations"].as_object_mut().unwrap().remove("rudderstack");
    let file = file(&document);

    let plan = catalog.plan(&file, PLAIN);
    assert!(plan.is_empty());
    let kept: Vec<_> = plan.kept.iter().map(|kept| (kept.item.id.as_str(), kept.why)).collect();
    use WhyKept::{NotInFile, NotInFileChangedElsewhere};
    let elsewhere = ("console_layer", NotInFileChangedElsewhere);
    assert_eq!(kept, [("rudderstack.incoming", NotInFile), ("banner", NotInFile), elsewhere]);

    let plan = catalog.plan(&file, PRUNE);
    assert_eq!(ids(plan.remove.clone()), ["integration rudderstack.incoming", "dynamic_config banner"]);
    assert_eq!(plan.kept.len(), 1);
    let after = catalog.after(&plan, "x", AT).unwrap();
    assert_eq!(after.dynamic_config("banner"), None);
    assert!(after.layer("console_layer").is_some());
    assert!(after.integrations().rudderstack.incoming.is_enabled, "removing a setting brings its default back");

    let plan = catalog.plan(&file, ApplyOptions { force: true, prune: true });
    assert_eq!((plan.remove.len(), plan.kept.len()), (3, 0));
}

#[test]
fn what_is_kept_and_what_is_new_are_checked_together() {
    let catalog = applied(&file(&example()));
    let greedy = edited(&catalog, ItemKind::Experiment, "shipping_copy", |it| it["allocation"] = json!(90.0));
    let mut document = example();
    push(&mut document, "experiments", 1, |it| {
        named(it, "third");
        it["allocation"] = json!(40);
    });
    let file = file(&document);
    let found = greedy.after(&greedy.plan(&file, PLAIN), "x", AT).unwrap_err();
    assert_eq!(found[0].place, "experiments[\"third\"].allocation");
    assert!(greedy.after(&greedy.plan(&file, FORCE), "x", AT).is_ok());
}

#[test]
fn a_plan_shows_what_changes_but_no_secret() {
    let file = file(&example());
    let plan = Catalog::default().plan(&file, PLAIN);
    for shown in [serde_json::to_string(&plan).unwrap(), format!("{plan:?}")] {
        assert!(shown.contains("button_color") && !shown.contains("segment-write-key"), "{shown}");
    }
    assert_eq!(serde_json::to_value(&plan).unwrap()["create"][0], json!({"kind": "id_type", "id": "companyID"}));
}
