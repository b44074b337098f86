//! ID lists over a real store and writer: limits on each side, and lists that are out of line with their segments.

use super::*;
use crate::admin::{ApplyOptions, system_random};
use crate::clock::ManualClock;
use crate::event::Timestamp;
use crate::export::{self, Exports};
use crate::meters::Meters;
use crate::store::Options;
use crate::writer::{self, Writing};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_795_438_700_000);

/// An admin over a store in a folder. `drop` the admin and stop the writer to close it.
pub fn open(folder: &Path, lists: ListLimits) -> (Admin, Writing) {
    let options = Options { lists, ..Options::default() };
    let (store, appender) = Store::open(&folder.join("weir.redb"), options, [7; 32]).unwrap();
    let (clock, meters) = (Arc::new(ManualClock::at(NOW)), Arc::new(Meters::default()));
    let limits = writer::Limits::default();
    let (handle, writing) =
        writer::start(store.clone(), appender, limits, clock.clone(), meters.clone(), Box::new(|| None)).unwrap();
    let limits = ingest::Limits::default();
    let exports = Exports::new(
        store.clone(),
        handle.clone(),
        clock.clone(),
        meters.clone(),
        system_random(),
        export::Limits::default(),
    );
    (Admin::load(store, handle, clock, meters, system_random(), limits, 1 << 20, exports).unwrap(), writing)
}

fn segments(lists: &[(&str, &[&str])]) -> Value {
    let segment = |(id, ids): &(&str, &[&str])| json!({"id": id, "name": id, "type": "id_list", "ids": ids});
    json!({"segments": lists.iter().map(segment).collect::<Vec<_>>()})
}

fn apply(admin: &Admin, project: &Value) -> Result<(), (u16, &'static str)> {
    let applied = admin.apply(&project.to_string(), &ApplyOptions { prune: true, ..ApplyOptions::default() });
    applied.map(drop).map_err(|error| (error.status, error.code))
}

fn add(admin: &Admin, list: &str, ids: &[&str]) -> Result<u64, (u16, &'static str)> {
    let edited = admin.edit_id_list(list, ListEdit::Add, &json!(ids).to_string());
    edited.map(|listed| listed.count).map_err(|error| (error.status, error.code))
}

fn counts(admin: &Admin) -> Vec<(String, u64)> {
    admin.store().lists().all().iter().map(|list| (list.id().to_owned(), list.count())).collect()
}

#[test]
fn a_list_is_filled_up_to_its_limit_and_a_call_that_goes_over_it_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let limits = ListLimits { members: 3, members_in_all: 5, ..ListLimits::default() };
    let (admin, writing) = open(folder.path(), limits);
    assert_eq!(apply(&admin, &segments(&[("one", &["a"]), ("two", &[])])), Ok(()));
    assert_eq!(add(&admin, "one", &["b", "c", "d"]), Err((413, "list_full")));
    assert_eq!(add(&admin, "one", &["a", "b", "b", "c"]), Ok(3), "three are no more than three");
    assert_eq!(add(&admin, "one", &["a", "c"]), Ok(3));
    assert_eq!(add(&admin, "two", &["a", "b", "c"]), Err((413, "lists_full")));
    assert_eq!(add(&admin, "two", &["a", "b"]), Ok(2));
    let before = counts(&admin);
    // The project file is held to the same, and to all of it at once.
    assert_eq!(apply(&admin, &segments(&[("one", &["a"]), ("two", &[]), ("three", &["a"])])), Err((413, "lists_full")));
    assert_eq!(apply(&admin, &segments(&[("one", &["a", "x"]), ("two", &[])])), Err((413, "list_full")));
    assert_eq!(counts(&admin), before);
    assert!(admin.state().catalog.segment("three").is_none());
    let removed = admin.edit_id_list("one", ListEdit::Remove, "a\nnobody").unwrap();
    assert_eq!((removed.count, counts(&admin)), (2, vec![("one".to_owned(), 2), ("two".to_owned(), 2)]));
    assert_eq!(add(&admin, "two", &["z"]), Ok(3));
    // A member of an audience that finds no room is counted; the events that tell of it are stored.
    let mut batch = admin.store().new_batch();
    batch.push(&crate::event::Event {
        source: crate::event::Source::Segment,
        kind: crate::event::Kind::Identify,
        name: "segment::identify".into(),
        message_id: "m".into(),
        time: NOW,
        received: NOW,
        environment: "production".into(),
        units: Vec::new(),
        value: None,
        subject: None,
        raw: "{}".into(),
        shared: None,
    });
    batch.enlist(&"one".into(), "z", true);
    let receipt = admin.writer().change(Vec::new(), Some(crate::store::Submission::empty(batch))).unwrap();
    assert_eq!(receipt.stored, 1);
    let metrics = admin.meters().render();
    assert!(metrics.contains("weir_list_members 5\n") && metrics.contains("weir_list_members_refused_total 1\n"));
    drop(admin);
    writing.stop().unwrap();
}

#[test]
fn lists_that_are_out_of_line_with_their_segments_are_brought_back_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    apply(&admin, &segments(&[("old", &["a", "b"]), ("kept", &["c"])])).unwrap();
    add(&admin, "kept", &["d"]).unwrap();
    // As a file of before there were lists has it, and as one that an earlier version changed since.
    let changes = [ListChange::End { list: "old".into() }, ListChange::Begin { list: "orphan".into() }];
    admin.writer().change(changes.map(DocumentChange::List).into(), None).unwrap();
    assert_eq!(counts(&admin), [("kept".to_owned(), 2), ("orphan".to_owned(), 0)]);
    drop(admin);
    writing.stop().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    assert_eq!(counts(&admin), [("kept".to_owned(), 2), ("old".to_owned(), 2)]);
    drop(admin);
    writing.stop().unwrap();
}

#[test]
fn a_segment_of_rules_that_becomes_a_list_gets_one_and_loses_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, writing) = open(folder.path(), ListLimits::default());
    let rules = json!({"segments": [{"id": "s", "name": "s", "type": "rule_based", "rules": []}]});
    apply(&admin, &rules).unwrap();
    assert_eq!(counts(&admin), []);
    apply(&admin, &segments(&[("s", &["a"])])).unwrap();
    assert_eq!(counts(&admin), [("s".to_owned(), 1)]);
    apply(&admin, &rules).unwrap();
    assert_eq!(counts(&admin), []);
    drop(admin);
    writing.stop().unwrap();
}
