//! What becomes of stored items that this version would refuse.

use super::*;

/// A store outlives the version that checked what it holds.
#[test]
fn what_an_earlier_version_took_of_metrics_does_not_keep_a_store_from_opening() {
    let mut items = applied(&file(&example())).items().cloned().collect::<Vec<_>>();
    let find = |items: &[Item], kind: ItemKind, id: &str| {
        items.iter().position(|item| item.kind == kind && item.id == id).expect("an item")
    };
    let (mean, experiment) =
        (find(&items, ItemKind::Metric, "average_order::mean"), find(&items, ItemKind::Experiment, "button_color"));
    items[mean].document["cap"] = json!(5);
    items[experiment].document["otherMetrics"] = json!([{"name": "mix", "type": "composite"}]);
    assert_eq!(Catalog::from_items(items.clone()).unwrap_err().len(), 2);
    let catalog = Catalog::from_stored(items.clone()).unwrap();
    assert_eq!(catalog.tolerated().len(), 2, "{:?}", catalog.tolerated());
    let metric = |catalog: &Catalog, name: &str, kind| {
        catalog.mistake_in(catalog.metric(name, kind).expect("a metric")).is_some()
    };
    assert!(metric(&catalog, "average_order", MetricType::Mean) && !metric(&catalog, "revenue", MetricType::Sum));
    let edit = |kind: ItemKind, id: &str, document: Value| Edit {
        item: ItemRef { kind, id: id.to_owned() },
        document: Some(document),
        version: 2,
        author: "later".to_owned(),
        time: AT,
    };
    // Others can be changed, and it stays as it is; whoever changes it has to mend it.
    let gate = catalog.item(ItemKind::Gate, "new_checkout").unwrap().document.clone();
    let mut document = gate.clone();
    document["description"] = json!("new");
    let after = catalog.edited(&edit(ItemKind::Gate, "new_checkout", document)).unwrap();
    assert_eq!(after.tolerated(), catalog.tolerated());
    let mut document = items[mean].document.clone();
    document["description"] = json!("new");
    let refused = catalog.edited(&edit(ItemKind::Metric, "average_order::mean", document.clone())).unwrap_err();
    assert_eq!(refused.iter().map(|mistake| mistake.place.as_str()).collect::<Vec<_>>(), ["cap"]);
    drop(document.as_object_mut().unwrap().remove("cap"));
    let after = catalog.edited(&edit(ItemKind::Metric, "average_order::mean", document)).unwrap();
    assert!(after.tolerated().len() == 1 && !metric(&after, "average_order", MetricType::Mean));
    // Whatever is served depends on is no such mistake.
    items[experiment].document["groups"][0]["size"] = json!(40);
    assert_eq!(Catalog::from_stored(items).unwrap_err().len(), 3);
}

#[test]
fn what_an_earlier_version_took_as_an_address_does_not_keep_a_store_from_opening() {
    let project = json!({"integrations": {
        "segment": {"outgoing": {"isEnabled": true, "writeKey": "k"}},
        "webhook": {"outgoing": {"isEnabled": true, "url": "https://example.com"}},
    }});
    for (id, field, address) in [
        ("segment.outgoing", "baseUrl", "https://example.com/?region=eu"),
        ("segment.outgoing", "baseUrl", "https://example.com:99999"),
        ("webhook.outgoing", "url", "https://a^b/"),
    ] {
        let mut items = applied(&file(&project)).items().cloned().collect::<Vec<_>>();
        let at = items.iter().position(|item| item.kind == ItemKind::Integration && item.id == id).expect("an item");
        items[at].document[field] = json!(address);
        let catalog = Catalog::from_stored(items.clone()).unwrap();
        for integration in ["segment.outgoing", "webhook.outgoing", "segment.incoming"] {
            let mistake = catalog.mistake_in_integration(integration).map(|mistake| mistake.place.clone());
            assert_eq!(mistake, (integration == id).then(|| format!("integrations.{id}.{field}")), "{integration}");
        }
        // Any other mistake in it is none that an earlier version let through.
        items[at].document["includeNewEvents"] = json!("often");
        assert!(Catalog::from_stored(items).is_err());
    }
}
