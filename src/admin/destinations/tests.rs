//! Places and replays, on a store of their own.

use super::Replay;
use crate::admin::lists::tests::open;
use crate::admin::{Admin, ApplyOptions, Deed, ItemChange};
use crate::catalog::ItemKind;
use crate::event::{Event, Kind, PRODUCTION, Sequence, Source, Timestamp};
use crate::export::{DestinationId, DestinationState, UNUSABLE};
use crate::store::{Cursor, DocumentChange, ExportChange, ListLimits, Submission};
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

/// A store outlives the version that checked what it holds.
#[test]
fn an_address_that_an_earlier_version_took_leaves_a_server_that_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"isEnabled": true, "writeKey": "wk"}));
    let mut item = admin.state().catalog.item(ItemKind::Integration, "segment.outgoing").unwrap().clone();
    item.document["baseUrl"] = json!("https://example.com/?region=T0K3N");
    let (kind, id, version) = (item.kind.as_str().to_owned(), item.id.clone(), item.version);
    let put = DocumentChange::PutItem { kind, id, version, document: serde_json::to_vec(&item).unwrap() };
    admin.writer().change(vec![put], None).unwrap();
    let begun = cursor(&admin, DestinationId::Segment).unwrap();
    drop(admin);
    writing.stop().unwrap();

    let (admin, writing) = open(folder.path(), ListLimits::default());
    let status = admin.destination("segment").unwrap();
    let pause = status.pause.unwrap();
    assert_eq!((status.is_enabled, status.state, pause.code.as_str()), (true, DestinationState::Paused, UNUSABLE));
    assert!(pause.message.contains("baseUrl") && !pause.message.contains("T0K3N"), "{}", pause.message);
    assert_eq!(status.lag.events, 1, "the change that enabled it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(admin.test_destination("segment", "somebody")).unwrap_err();
    assert_eq!((refused.status, refused.code), (409, "destination_unusable"));
    // Everything else can be changed, and it stays as it is until its address is mended.
    change(&admin, "webhook.outgoing", Deed::Replace, &json!({"isEnabled": true, "url": "https://example.com"}));
    assert!(admin.destination("segment").unwrap().pause.is_some());
    change(&admin, "segment.outgoing", Deed::Merge, &json!({"baseUrl": "https://example.com"}));
    assert_eq!(admin.destination("segment").unwrap().pause, None);
    assert_eq!(cursor(&admin, DestinationId::Segment), Some(begun), "and it goes on where it was");
    writing.stop().unwrap();
}

/// It runs on the thread that serves requests.
#[test]
fn a_test_event_does_not_wait_for_a_change_that_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    let (told, tried) = std::sync::mpsc::channel();
    let change_under_way = admin.inner.changing.lock().unwrap();
    let other = admin.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        told.send(runtime.block_on(other.test_destination("segment", "somebody")).unwrap_err().code).unwrap();
    });
    let code = tried.recv_timeout(std::time::Duration::from_secs(10));
    drop(change_under_way);
    thread.join().unwrap();
    assert_eq!(code, Ok("destination_disabled"));
    drop(admin);
    writing.stop().unwrap();
}

fn store(admin: &Admin, received: &[i64]) {
    let mut batch = admin.store().new_batch();
    for (index, ms) in received.iter().enumerate() {
        batch.push(&Event {
            source: Source::Statsig,
            kind: Kind::Custom,
            name: "e".into(),
            message_id: format!("m-{index}-{ms}").into(),
            // Whatever time it claims.
            time: Timestamp(1),
            received: Timestamp(*ms),
            environment: PRODUCTION.into(),
            units: Vec::new(),
            value: None,
            subject: None,
            raw: "{}".into(),
            shared: None,
        });
    }
    admin.writer().change(Vec::new(), Some(Submission::empty(batch))).unwrap();
}

#[test]
fn a_time_is_the_lowest_event_that_was_received_then_or_later() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    let place = |body: Value| {
        let snapshot = admin.store().snapshot().unwrap();
        let place = Replay::read(&body.to_string()).and_then(|from| from.place(&snapshot));
        place.map(|sequence| sequence.0).map_err(|error| error.code)
    };
    let t = |ms: i64| json!({"fromTime": 1_767_225_600_000_i64 + ms});
    assert_eq!(place(t(0)), Err("beyond_the_log"), "there is no event");
    assert_eq!(place(json!({"fromSequence": 0})), Ok(0));
    let ms = |received: &[i64]| received.iter().map(|ms| 1_767_225_600_000 + ms).collect::<Vec<_>>();
    // Two met in the queue, and the later one was first.
    store(&admin, &ms(&[100, 300, 200, 400]));
    store(&admin, &ms(&[400, 500]));
    for (at, expected) in [
        (0, Ok(0)),
        (100, Ok(0)),
        (101, Ok(1)),
        (250, Ok(1)),
        (300, Ok(1)),
        (301, Ok(3)),
        (400, Ok(3)),
        (401, Ok(5)),
        (500, Ok(5)),
        (501, Err("beyond_the_log")),
    ] {
        assert_eq!(place(t(at)), expected, "{at}");
    }
    assert_eq!(place(json!({"fromTime": "2026-01-01T00:00:00.301Z"})), Ok(3));
    for (sequence, expected) in [(5, Ok(5)), (6, Ok(6)), (7, Err("beyond_the_log"))] {
        assert_eq!(place(json!({"fromSequence": sequence})), expected, "{sequence}");
    }
    writing.stop().unwrap();
}

#[test]
fn a_replay_has_one_beginning() {
    let read = |body: &str| Replay::read(body).map_err(|error| (error.status, error.code));
    let invalid = Err((400, "invalid_replay"));
    for body in [
        "",
        "{}",
        "7",
        "[0]",
        " [0, null]",
        r#"{"fromSequence": null}"#,
        r#"{"fromSequence": -1}"#,
        r#"{"fromSequence": 1.5}"#,
        r#"{"fromSequence": 0, "fromTime": 1767225600000}"#,
        r#"{"fromTime": "soon"}"#,
        r#"{"from": 1}"#,
        // Seconds that were meant for milliseconds.
        r#"{"fromTime": 1767225600}"#,
        r#"{"fromTime": 99999999999}"#,
        r#"{"fromTime": 0}"#,
    ] {
        assert_eq!(read(body), invalid, "{body}");
    }
    for body in [r#"{"fromSequence": 0}"#, r#"{"fromTime": 100000000000}"#, r#"{"fromTime": "2026-11-24T08:00:00Z"}"#] {
        assert!(read(body).is_ok(), "{body}");
    }
}
