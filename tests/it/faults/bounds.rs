//! The writer's bounds through its real threads: a full queue, gathering commits, no room, the end.

use super::disk::{Call, Disk, Fault};
use super::oracle::Contents;
use super::threads::{House, ends, until, wait};
use crate::running::Connection;
use futures_util::FutureExt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use weir::admin::{Admin, system_random};
use weir::clock::ManualClock;
use weir::event::{Outcome, Sequence, Source};
use weir::export::Exports;
use weir::http::{self, Bodies, BodyLimits, Listen};
use weir::store::{DocumentChange, ExportChange, Letter, ListChange, Options, RejectedSample, Submission, Tally};
use weir::writer::{Limits, Pending, Unavailable};

/// A house whose disk holds up the commit of event 0, and that commit's answer.
fn held(limits: Limits) -> (House, Pending) {
    let house = open(limits);
    house.disk.hold();
    let first = queue(&house, house.submission([0]));
    until("the first commit waits for the disk", || house.disk.is_waiting());
    assert_eq!(house.handle.queued(), 0);
    (house, first)
}

fn open(limits: Limits) -> House {
    House::open(&Disk::default(), Options::default(), limits).expect("a sound disk opens")
}

fn queue(house: &House, submission: Submission) -> Pending {
    wait(house.handle.enqueue(submission)).expect("there is room in the queue")
}

fn tallied(house: &House, outcome: Outcome, count: u64) -> Submission {
    let tally = Tally { source: Source::Segment, outcome, reason: "test", name: String::new() };
    Submission { batch: house.store.new_batch(), tallies: vec![(tally, count)], samples: Vec::new() }
}

#[test]
fn a_full_queue_makes_callers_wait_and_no_longer_than_it_is_full() {
    let few = Limits { queue_messages: 2, ..Limits::default() };
    let small = Limits { queue_bytes: 3 << 10, ..Limits::default() };
    // Who waits for a place has its bytes already.
    for (limits, bytes) in [(few, 4 << 10), (small, 3 << 10)] {
        let (house, first) = held(limits);
        // Each weighs less than 1 KiB; what is being committed fills the queue in bytes too.
        let mut queued = vec![first];
        queued.extend([1, 2].map(|number| queue(&house, house.submission([number]))));
        let mut late = Box::pin(house.handle.enqueue(house.submission([3])));
        assert!(late.as_mut().now_or_never().is_none(), "{limits:?}");
        house.handle.measure();
        assert_eq!(house.meters.queue_submissions.get(), 2);
        assert_eq!(house.meters.queue_bytes.get(), bytes);
        assert!(house.handle.enqueue(house.submission([4])).now_or_never().is_none(), "given up at once");

        house.disk.release();
        queued.push(wait(late).expect("room returned"));
        for pending in queued {
            assert_eq!(wait(pending.wait()).map(|receipt| receipt.stored), Ok(1));
        }
        let log = Contents::read(&house.store, &house.store.snapshot().expect("a snapshot")).log;
        assert_eq!(log, [0, 1, 2, 3], "who gave up is not stored");
        until("the queue is empty", || {
            house.handle.measure();
            (house.meters.queue_submissions.get(), house.meters.queue_bytes.get()) == (0, 0)
        });
        ends("the writer stops", move || house.writing.stop()).expect("a clean end");
    }
}

#[test]
fn a_body_weighs_until_its_events_are_queued() {
    const BODY_BYTES: usize = 1000;
    let (house, _first) = held(Limits { queue_messages: 1, ..Limits::default() });
    let _second = queue(&house, house.submission([1]));
    let clock = Arc::new(ManualClock::at(super::life::NOW));
    let (store, handle, meters) = (house.store.clone(), house.handle.clone(), house.meters.clone());
    let limits = weir::ingest::Limits::default();
    let exports = Exports::new(
        store.clone(),
        handle.clone(),
        clock.clone(),
        meters.clone(),
        system_random(),
        weir::export::Limits::default(),
    );
    let admin = Admin::load(store, handle, clock, meters.clone(), system_random(), limits, 1 << 20, exports)
        .expect("an empty store loads");
    let token = admin.machine_token("test");
    let memory = BodyLimits { memory_bytes: BODY_BYTES * 3 / 2, ..BodyLimits::default() };
    let app = http::House::new(admin, Bodies::new(memory, meters.clone()), Duration::from_secs(3600));
    let listen = Listen { threads: 1, ..Listen::on(([127, 0, 0, 1], 0).into()) };
    let serving = http::serve(listen, Arc::new(app), meters.clone()).expect("a free port");
    let send = || {
        let mut connection = Connection::to(serving.address()).expect("it listens");
        let body = format!("{:BODY_BYTES$}", r#"{"event":"e","userId":"u"}"#);
        let head = "POST /v1/track HTTP/1.1\r\nhost: x";
        let head = format!("{head}\r\nstatsig-api-key: {token}\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
        connection.send((head + &body).as_bytes()).expect("it reads");
        connection
    };
    let mut waiting = send();
    until("the body is read", || meters.body_memory.get() == BODY_BYTES as u64);
    let crowded = send().answer("POST").expect("an answer at once");
    assert_eq!((crowded.status, crowded.code().as_str()), (503, "overloaded"));
    assert!(crowded.body.contains("bodies"), "{}", crowded.body);
    house.disk.release();
    assert_eq!(waiting.answer("POST").expect("its answer").status, 200);
    assert_eq!(meters.body_memory.get(), 0);
    assert_eq!(send().answer("POST").expect("an answer").status, 200, "there is room again");
}

#[test]
fn refused_events_weigh_in_the_queue_too() {
    let (house, _first) = held(Limits { queue_bytes: 64 << 10, ..Limits::default() });
    let refused = || {
        let body = "x".repeat(RejectedSample::REJECTED_BODY_BYTES);
        let sample = RejectedSample::new(super::life::NOW, Source::Segment, "too_deep", "why", &body);
        Submission { samples: vec![sample; 10], ..tallied(&house, Outcome::Rejected, 10) }
    };
    let _second = queue(&house, refused());
    assert!(house.handle.enqueue(refused()).now_or_never().is_none());
    house.disk.release();
}

#[test]
fn what_gathers_during_one_commit_becomes_one_commit() {
    let (house, first) = held(Limits::default());
    let before = house.meters.commits_done.get();
    let queued: Vec<_> = (1..=50).map(|number| queue(&house, house.submission([number]))).collect();
    house.disk.release();
    assert_eq!(wait(first.wait()).map(|receipt| receipt.next.0), Ok(1));
    for pending in queued {
        assert_eq!(wait(pending.wait()).map(|receipt| (receipt.stored, receipt.next.0)), Ok((1, 51)));
    }
    assert_eq!(house.meters.commits_done.get() - before, 2);
    assert_eq!(house.meters.commit_seconds.count() - before, 2);
    assert_eq!(house.handle.committed().borrow().0, 51);
}

#[test]
fn a_duplicate_is_acknowledged_only_with_its_original() {
    let (house, _) = held(Limits::default());
    let twice = [7, 7].map(|number| queue(&house, house.submission([number])));
    house.disk.release();
    let receipts = twice.map(|pending| wait(pending.wait()).expect("a sound disk"));
    assert_eq!(receipts.map(|receipt| (receipt.stored, receipt.duplicates)), [(1, 0), (0, 1)]);

    let (house, first) = held(Limits::default());
    let twice = [7, 7].map(|number| queue(&house, house.submission([number])));
    // The sync that is held up counts as the first.
    house.disk.fail(Fault { call: Call::Sync, nth: 1, kind: ErrorKind::Other });
    house.disk.release();
    assert!(wait(first.wait()).is_ok());
    for pending in twice {
        assert_eq!(wait(pending.wait()), Err(Unavailable::Poisoned));
    }
}

#[test]
fn everyone_who_waits_learns_that_a_commit_failed() {
    // Each commit takes one submission, so that the others are still queued when it fails.
    let (house, first) = held(Limits { commit_bytes: 1, queue_messages: 5, ..Limits::default() });
    let queued: Vec<_> = (1..=5).map(|number| queue(&house, house.submission([number]))).collect();
    let mut late = Box::pin(house.handle.enqueue(house.submission([6])));
    assert!(late.as_mut().now_or_never().is_none());
    let handle = house.handle.clone();
    let change = std::thread::spawn(move || handle.change(Vec::new(), None));
    house.disk.fail(Fault { call: Call::Sync, nth: 0, kind: ErrorKind::Other });
    house.disk.release();
    for pending in [first].into_iter().chain(queued) {
        assert_eq!(wait(pending.wait()), Err(Unavailable::Poisoned));
    }
    match wait(late) {
        Err(refusal) => assert_eq!(refusal, Unavailable::Poisoned),
        // It found room in the moment between the failure and the end.
        Ok(pending) => assert_eq!(wait(pending.wait()), Err(Unavailable::Poisoned)),
    }
    let changed = ends("the change is answered", move || change.join().expect("no panic"));
    assert_eq!(changed, Err(Unavailable::Poisoned));
    wait(house.writing.failed());
    assert_eq!(house.meters.commits_failed.get(), 1);
    assert!(ends("the writer stops", move || house.writing.stop()).is_err());
}

#[test]
fn without_room_events_are_refused_until_room_returns() {
    let limits = Limits { reserve_bytes: 1 << 20, ..Limits::default() };
    let house = open(limits);
    assert_eq!(house.submit(house.submission([0])).map(|receipt| receipt.stored), Ok(1));
    let needed = limits.reserve_bytes + 2 * house.submission([1]).bytes() as u64;
    house.free.store(needed - 1, Ordering::SeqCst);
    assert_eq!(house.submit(house.submission([1])), Err(Unavailable::NoRoom));
    assert_eq!(house.meters.commits_no_room.get(), 1);
    assert!(house.handle.is_running(), "it goes on by itself");
    let handle = house.handle.clone();
    let changed = ends("a change finds room in the reserve", move || handle.change(Vec::new(), None));
    assert!(changed.is_ok());
    house.free.store(needed, Ordering::SeqCst);
    let receipt = house.submit(house.submission([1])).expect("room returned");
    assert_eq!((receipt.stored, receipt.duplicates), (1, 0), "what was refused is not taken for a duplicate");
    assert_eq!(house.meters.events_received.get(), 2, "a refused submission will come again");
}

#[test]
fn a_full_disk_is_not_written_to_in_a_quiet_moment_either() {
    let house = open(Limits { quiet: Duration::from_millis(1), ..Limits::default() });
    house.free.store(0, Ordering::SeqCst);
    house.disk.fail(Fault { call: Call::Sync, nth: 1, kind: ErrorKind::StorageFull });
    for number in 0..50 {
        assert_eq!(house.submit(house.submission([number])), Err(Unavailable::NoRoom));
        let handle = house.handle.clone();
        let changed = ends("a change is answered", move || handle.change(Vec::new(), None));
        assert_eq!(changed, Err(Unavailable::NoRoom), "the reserve is used up too");
    }
    assert!(house.handle.is_running(), "nothing was written, so nothing failed");
    ends("the writer stops", move || house.writing.stop()).expect("a clean end without a last commit");
}

#[test]
fn ids_for_a_list_need_the_room_that_events_need() {
    let house = open(Limits::default());
    let handle = house.handle.clone();
    let change = move |changes: Vec<ListChange>| {
        let (handle, changes) = (handle.clone(), changes.into_iter().map(DocumentChange::List).collect());
        ends("a change is answered", move || handle.change(changes, None)).map(drop)
    };
    let ids = vec!["user".to_owned(); 1000];
    let add = vec![ListChange::Members { list: "vips".into(), add: ids.clone(), remove: ids }];
    assert_eq!(change(vec![ListChange::Begin { list: "vips".into() }]), Ok(()));
    house.free.store(Limits::default().reserve_bytes, Ordering::SeqCst);
    assert_eq!(change(add.clone()), Err(Unavailable::NoRoom));
    assert_eq!(house.store.lists().count(), 0);
    assert_eq!(change(vec![ListChange::Begin { list: "others".into() }]), Ok(()), "small changes go on");
    house.free.store(Limits::default().reserve_bytes + (1 << 20), Ordering::SeqCst);
    assert_eq!(change(add), Ok(()));
    assert_eq!(house.store.lists().count(), 1);
}

fn record(house: &House, change: ExportChange) -> Result<Sequence, Unavailable> {
    wait(house.handle.record(vec![DocumentChange::Export(change)])).map(|receipt| receipt.next)
}

fn advanced(generation: u64, to: u64, letters: Vec<Letter>) -> ExportChange {
    let (destination, to, settled) = ("segment".to_owned(), Sequence(to), Vec::new());
    ExportChange::Advance { destination, generation, to, forwarded: 0, letters, settled }
}

#[test]
fn what_is_recorded_of_the_export_wakes_nobody_who_waits_for_events() {
    let house = open(Limits::default());
    let mut committed = house.handle.committed();
    assert_eq!(record(&house, ExportChange::Begin { destination: "segment".into() }), Ok(Sequence(0)));
    assert_eq!(house.submit(house.submission([0, 1])).map(|receipt| receipt.stored), Ok(2));
    assert_eq!(*committed.borrow_and_update(), Sequence(2));
    for to in 0..=2 {
        assert_eq!(record(&house, advanced(0, to, Vec::new())), Ok(Sequence(2)));
    }
    assert_eq!(house.submit(house.submission([0, 1])).map(|receipt| receipt.duplicates), Ok(2));
    assert!(!committed.has_changed().expect("the writer runs"));
    let cursor = house.store.snapshot().and_then(|it| it.cursor("segment")).expect("it can be read");
    assert_eq!(cursor.expect("it began").position, Sequence(2), "answered when it is on disk");
    assert_eq!(house.submit(house.submission([2])).map(|receipt| receipt.stored), Ok(1));
    assert!(committed.has_changed().expect("the writer runs"));
    let handle = house.handle.clone();
    ends("the writer stops", move || house.writing.stop()).expect("a clean end");
    let late = wait(handle.record(vec![DocumentChange::Export(advanced(0, 3, Vec::new()))]));
    assert_eq!(late, Err(Unavailable::Stopping));
}

#[test]
fn dead_letters_need_the_room_that_events_need_and_a_cursor_only_the_last_of_the_reserve() {
    let house = open(Limits::default());
    let position = || {
        let cursor = house.store.snapshot().and_then(|it| it.cursor("segment")).expect("it can be read");
        cursor.expect("it began").position.0
    };
    assert!(house.submit(house.submission(0..10)).is_ok());
    assert!(record(&house, ExportChange::Begin { destination: "segment".into() }).is_ok());
    assert!(record(&house, ExportChange::Move { destination: "segment".into(), to: Some(Sequence(0)) }).is_ok());
    let advanced = |to, letters| advanced(1, to, letters);
    let letter = Letter { sequence: Sequence(0), document: b"{}".to_vec() };
    let reserve = Limits::default().reserve_bytes;
    house.free.store(reserve, Ordering::SeqCst);
    assert_eq!(record(&house, advanced(1, vec![letter.clone()])), Err(Unavailable::NoRoom));
    assert_eq!(position(), 0, "nothing of it is done");
    assert!(record(&house, advanced(1, Vec::new())).is_ok());
    house.free.store(reserve / 8, Ordering::SeqCst);
    assert!(record(&house, advanced(2, Vec::new())).is_ok());
    house.free.store(reserve / 8 - 1, Ordering::SeqCst);
    assert_eq!(record(&house, advanced(3, Vec::new())), Err(Unavailable::NoRoom));
    assert_eq!(position(), 2);
    assert!(house.handle.is_running(), "it goes on when room returns");
    house.free.store(reserve + 1024, Ordering::SeqCst);
    assert!(record(&house, advanced(3, vec![letter])).is_ok());
    assert_eq!(position(), 3);
}

#[test]
fn the_end_commits_what_is_queued_and_takes_nothing_more() {
    let (house, first) = held(Limits { commit_bytes: 1, ..Limits::default() });
    let queued: Vec<_> = (1..=20).map(|number| queue(&house, house.submission([number]))).collect();
    let House { disk, store, handle, writing, .. } = house;
    let stop = std::thread::spawn(move || writing.stop());
    until("nothing more is taken", || !handle.is_running());
    let refused = wait(handle.enqueue(Submission::empty(store.new_batch())));
    assert_eq!(refused.err(), Some(Unavailable::Stopping));
    disk.release();
    ends("the writer stops", move || stop.join().expect("no panic")).expect("a clean end");
    for pending in [first].into_iter().chain(queued) {
        assert_eq!(wait(pending.wait()).map(|receipt| receipt.stored), Ok(1));
    }
    assert_eq!(store.next_sequence().0, 21);
}

#[test]
fn the_end_comes_though_a_block_is_still_being_sealed() {
    let options = Options { block_bytes: 1 << 10, ..Options::default() };
    let limits = Limits { commit_bytes: 1, quiet: Duration::from_secs(600), ..Limits::default() };
    let house = House::open(&Disk::default(), options, limits).expect("a sound disk opens");
    house.disk.hold();
    let first = queue(&house, house.submission(0..1000));
    until("the commit waits for the disk", || house.disk.is_waiting());
    let House { disk, handle, writing, meters, .. } = house;
    let stop = std::thread::spawn(move || writing.stop());
    until("the end is queued", || handle.queued() == 1);
    // The commit gets through, its events are sealed, and the writer waits for the disk once more before it ends.
    let committed = handle.committed();
    until("the commit is through", || {
        let through = committed.borrow().0 > 0;
        if !through && disk.is_waiting() {
            disk.pass();
        }
        through
    });
    assert_eq!(wait(first.wait()).map(|receipt| receipt.stored), Ok(1000));
    // Seldom the block is ready so soon that it is taken.
    let taken = || meters.blocks_sealed.get() == 1;
    until("the sealed block is queued too late", || (handle.queued() == 1 || taken()) && disk.is_waiting());
    disk.release();
    ends("the writer stops", move || stop.join().expect("no panic")).expect("a clean end");
}

#[test]
fn every_event_that_arrives_ends_in_one_count() {
    let house = open(Limits::default());
    for submission in [
        house.submission(0..10),
        house.submission(5..12),
        tallied(&house, Outcome::Filtered, 3),
        Submission { tallies: tallied(&house, Outcome::Rejected, 2).tallies, ..house.submission([12, 12]) },
    ] {
        house.submit(submission).expect("a sound disk");
    }
    let meters = &house.meters;
    let counts = [&meters.events_stored, &meters.events_duplicate, &meters.events_filtered, &meters.events_rejected];
    assert_eq!(counts.map(|counter| counter.get()), [13, 6, 3, 2]);
    assert_eq!(meters.events_received.get(), 24);
}
