//! Places and replays, on a store of their own.

use super::*;
use crate::admin::lists::tests::open;
use crate::admin::{Admin, ApplyOptions, Deed, ItemChange};
use crate::catalog::ItemKind;
use crate::event::Sequence;
use crate::export::DestinationId;
use crate::store::{Cursor, DocumentChange, ExportChange, ListLimits};
use serde_json::{Value, json};

fn change(admin: &Admin, integration: &str, deed: Deed, body: &Value) {
    let change = ItemChange {
        kind: ItemKind::Integration,
        item: integration.to_owned(),
        deed,
        rule: String::new(),
        body: body.to_string(),
        version: None,
        author: "somebody".to_owned(),
    };
    admin.change_item(&change).unwrap();
}

fn cursor(admin: &Admin, id: DestinationId) -> Option<Cursor> {
    admin.store().snapshot().unwrap().cursor(id.as_str()).unwrap()
}

fn end(admin: &Admin) -> Sequence {
    admin.store().next_sequence()
}

#[test]
fn a_destination_begins_with_the_change_that_enables_it_and_ends_with_the_one_that_disables_it() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    let apply = |project: Value| {
        admin.apply(&project.to_string(), &ApplyOptions { prune: true, ..ApplyOptions::default() }).unwrap()
    };
    apply(json!({"gates": [{"name": "g"}]}));
    assert_eq!(DestinationId::ALL.map(|id| cursor(&admin, id)), [None, None]);
    let before = end(&admin);
    let outgoing = json!({"isEnabled": true, "writeKey": "wk"});
    apply(json!({"gates": [{"name": "g"}], "integrations": {"segment": {"outgoing": outgoing}}}));
    let begun = cursor(&admin, DestinationId::Segment).unwrap();
    assert!(end(&admin) > before);
    assert_eq!(begun.position, before, "the event that tells of the change is the first one that is sent");
    assert_eq!(cursor(&admin, DestinationId::Webhook), None);
    // What else is changed of it leaves the place alone.
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"exposures": false}));
    assert_eq!(cursor(&admin, DestinationId::Segment), Some(begun.clone()));
    let before = end(&admin);
    change(&admin, "webhook.outgoing", Deed::Replace, &json!({"isEnabled": true, "url": "https://example.com/hook"}));
    assert_eq!(cursor(&admin, DestinationId::Webhook).unwrap().position, before);
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"isEnabled": false}));
    change(&admin, "webhook.outgoing", Deed::Remove, &Value::Null);
    assert_eq!(DestinationId::ALL.map(|id| cursor(&admin, id)), [None, None]);
    // One that begins anew has forgotten where it was.
    let before = end(&admin);
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"isEnabled": true}));
    let again = cursor(&admin, DestinationId::Segment).unwrap();
    assert!(again.position == before && again.generation > begun.generation, "{again:?}");
    writing.stop().unwrap();
}

#[test]
fn a_store_of_before_gets_its_places_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"isEnabled": true, "writeKey": "wk"}));
    // As a version without places would have left it, and the other way round.
    let [segment, webhook] = DestinationId::ALL.map(|id| id.as_str().to_owned());
    let (end_one, begin_other) =
        (ExportChange::End { destination: segment }, ExportChange::Begin { destination: webhook });
    admin.writer().change([end_one, begin_other].map(DocumentChange::Export).to_vec(), None).unwrap();
    let before = end(&admin);
    drop(admin);
    writing.stop().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    assert_eq!(cursor(&admin, DestinationId::Segment).unwrap().position, before);
    assert_eq!(cursor(&admin, DestinationId::Webhook), None, "it is disabled");
    // And nothing happens where all is well.
    let kept = cursor(&admin, DestinationId::Segment);
    drop(admin);
    writing.stop().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    assert_eq!(cursor(&admin, DestinationId::Segment), kept);
    writing.stop().unwrap();
}
