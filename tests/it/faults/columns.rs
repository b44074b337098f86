//! Columns of fields through the real writer: kept when there is room, and never in the way of an event.

use super::disk::Disk;
use super::life::{Life, options};
use super::oracle::Oracle;
use super::random::Random;
use super::sample;
use super::threads::{House, ends, until, wait};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use weir::event::Sequence;
use weir::store::{Columns, FieldColumn, Fields, NewColumn, Options, Store};
use weir::writer::Limits;

/// What a reader works out of a store.
fn work_out(store: &Store) -> Vec<NewColumn> {
    let asked = sample::fields(&store.terms());
    let mut new = Vec::new();
    let fields = Fields { wanted: &asked, extract: sample::extract, keep: &mut |columns| new.extend(columns) };
    let each = &mut |_: Sequence, _: &Columns, _: &[FieldColumn]| ControlFlow::Continue(());
    let snapshot = store.snapshot().expect("a snapshot");
    snapshot.scan_columns_from(Sequence(0), &mut |_| true, fields, each).expect("fields can be read");
    new
}

fn kept(store: &Store) -> u64 {
    let report = store.snapshot().expect("a snapshot").check().expect("a check can read everything");
    assert_eq!(report.problems, Vec::<String>::new());
    report.field_columns
}

/// A disk with sealed blocks of which nothing is kept.
fn sealed() -> Disk {
    let mut random = Random::new(7);
    let (disk, options) = (Disk::default(), options(&mut random));
    let mut oracle = Oracle::default();
    let mut life = Life::begin(&disk, options).expect("a sound disk opens");
    for _ in 0..20 {
        life.append(&mut oracle, &mut random).expect("the power is on");
    }
    life.finish(&mut oracle, &mut random).expect("the power is on");
    assert!(!work_out(&life.store).is_empty());
    disk
}

fn open(disk: &Disk, limits: Limits) -> House {
    let house = House::open(disk, Options { quiet_tails: 1000, ..Options::default() }, limits).expect("it opens");
    assert_eq!(kept(&house.store), 0);
    house
}

#[test]
fn what_a_reader_worked_out_is_kept_by_the_running_writer() {
    let disk = sealed();
    let house = open(&disk, Limits::default());
    let new = work_out(&house.store);
    house.handle.keep(new.clone());
    until("the columns are kept", || kept(&house.store) == new.len() as u64);
    assert!(work_out(&house.store).is_empty(), "and the next reader finds them");
    let House { handle, writing, store, .. } = house;
    ends("the writer stops", move || writing.stop()).expect("a sound disk");
    // Too late, and nobody is told.
    handle.keep(new.clone());
    assert_eq!(handle.queued(), 0);
    drop((handle, store));
    let house = House::open(&disk, Options::default(), Limits::default()).expect("it opens again");
    assert_eq!(kept(&house.store), new.len() as u64);
}

#[test]
fn columns_give_way_to_events_where_the_queue_is_half_full() {
    let few = Limits { queue_messages: 8, ..Limits::default() };
    let small = Limits { queue_bytes: 8 << 10, ..Limits::default() };
    // Each submission weighs less than 1 KiB, and so do the columns; what is being committed fills the queue in bytes too.
    for (limits, events) in [(few, 4), (small, 2)] {
        let house = open(&sealed(), limits);
        let mut new = work_out(&house.store);
        new.sort_by_key(NewColumn::bytes);
        new.truncate(1);
        assert!(new[0].bytes() <= 1 << 10);
        let submit = |number| {
            let submission = house.submission([number]);
            assert!(submission.bytes() <= 1 << 10);
            wait(house.handle.enqueue(submission)).expect("there is room in the queue")
        };
        house.disk.hold();
        let mut pending = vec![submit(1)];
        until("the first commit waits for the disk", || house.disk.is_waiting());
        pending.extend((2..2 + events).map(submit));
        let queued = house.handle.queued();
        assert_eq!(queued, events as usize);
        house.handle.keep(new.clone());
        assert_eq!(house.handle.queued(), queued + 1, "half of it is free: {limits:?}");
        house.handle.keep(new.clone());
        assert_eq!(house.handle.queued(), queued + 1, "more than half is taken: {limits:?}");
        pending.push(submit(9));
        house.disk.release();
        for pending in pending {
            assert_eq!(wait(pending.wait()).expect("it is stored").stored, 1);
        }
        assert_eq!(kept(&house.store), 1);
    }
}

#[test]
fn columns_are_thrown_away_where_the_disk_has_no_room_for_them() {
    let limits = Limits::default();
    let house = open(&sealed(), limits);
    let new = work_out(&house.store);
    let bytes: usize = new.iter().map(NewColumn::bytes).sum();
    let enough = limits.reserve_bytes + 2 * bytes as u64;
    house.free.store(enough - 1, Ordering::SeqCst);
    house.handle.keep(new.clone());
    // What is queued behind the columns is answered after them, and has the room that they did not take.
    assert_eq!(house.submit(house.submission([1])).expect("there is room for an event").stored, 1);
    assert_eq!(kept(&house.store), 0);
    house.free.store(enough, Ordering::SeqCst);
    house.handle.keep(new.clone());
    until("the columns are kept", || kept(&house.store) == new.len() as u64);
}
