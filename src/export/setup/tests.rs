//! Which destinations there are, and when their settings are said to have changed.

use super::*;
use crate::catalog::Item;
use crate::export::probe::{Edit, catalog, outgoing, setup};
use DestinationId::{Segment as ToSegment, Webhook as ToWebhook};
use serde_json::json;

#[test]
fn a_destination_is_there_where_it_is_enabled() {
    for (segment, webhook) in [(true, true), (true, false), (false, true), (false, false)] {
        let setup = setup(|project| {
            outgoing(project, "segment")["isEnabled"] = json!(segment);
            outgoing(project, "webhook")["isEnabled"] = json!(webhook);
        });
        for (id, enabled) in [(ToSegment, segment), (ToWebhook, webhook)] {
            assert_eq!(setup.destination(id).map(|it| it.id()), enabled.then_some(id));
            assert_eq!(setup.choice(id).is_some(), enabled);
        }
    }
    let new = Setup::new(Arc::default(), Arc::default(), "s");
    assert!(DestinationId::ALL.into_iter().all(|id| new.destination(id).is_none()), "a new project sends nothing");
}

#[test]
fn an_address_that_an_earlier_version_took_is_a_problem_of_that_destination_only() {
    let mut items: Vec<Item> = catalog(|_| {}).items().cloned().collect();
    let segment = items.iter_mut().find(|item| item.id == "segment.outgoing").unwrap();
    segment.document["baseUrl"] = json!("https://example.com/?a=b");
    let setup = Setup::new(Arc::new(Catalog::from_stored(items).unwrap()), Arc::default(), "s");
    let problem = setup.problem(ToSegment).unwrap();
    assert!(problem.contains("baseUrl") && !problem.contains("example.com"), "{problem}");
    assert!(setup.destination(ToSegment).is_none() && setup.choice(ToSegment).is_some());
    assert!(setup.problem(ToWebhook).is_none() && setup.destination(ToWebhook).is_some());
}

#[test]
fn settings_are_another_destinations_or_the_rest_of_the_catalogs() {
    let before = setup(|_| {});
    let table: [(Edit, bool, bool); 6] = [
        // edit, same for Segment, same for the webhook
        (|_| {}, true, true),
        (|project| project["experiments"][0]["groups"][0]["name"] = json!("other"), true, true),
        (|project| outgoing(project, "segment")["writeKey"] = json!("other"), false, true),
        (|project| outgoing(project, "segment")["baseUrl"] = json!("http://other.example.com"), false, true),
        (|project| outgoing(project, "webhook")["url"] = json!("http://other.example.com"), true, false),
        (|project| outgoing(project, "webhook")["signingSecret"] = json!("other"), true, false),
    ];
    for (index, (edit, segment, webhook)) in table.into_iter().enumerate() {
        let after = setup(edit);
        assert_eq!(
            (after.same(ToSegment, &before), after.same(ToWebhook, &before)),
            (segment, webhook),
            "edit {index}"
        );
        assert_eq!(
            (before.same(ToSegment, &after), before.same(ToWebhook, &after)),
            (segment, webhook),
            "edit {index}"
        );
    }
}
