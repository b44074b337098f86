//! The store as its writer and readers use it: appended, sealed, merged, reopened, checked.

mod fields;
mod lists;
mod outbound;

use super::*;
use crate::event::{Basis, Event, Kind, Source, Subject, Timestamp, Unit};
use tempfile::TempDir;

const HOUR: i64 = 3_600_000;

fn options() -> Options {
    Options {
        block_bytes: 16 << 10,
        quiet_tails: 2,
        dead_letters: 100,
        dedupe: DedupeLimits { epoch_keys: 500, keys: 1_000_000, window_ms: 24 * HOUR, fanout: 3 },
        ..Options::default()
    }
}

struct House {
    directory: TempDir,
    store: Store,
    appender: Appender,
}

impl House {
    fn new() -> House {
        let directory = tempfile::tempdir().unwrap();
        let (store, appender) = Store::open(&directory.path().join("weir.redb"), options(), [7; 32]).unwrap();
        House { directory, store, appender }
    }

    fn reopen(self) -> House {
        let House { directory, store, appender } = self;
        drop((store, appender));
        let (store, appender) = Store::open(&directory.path().join("weir.redb"), options(), [9; 32]).unwrap();
        House { directory, store, appender }
    }

    fn append(&mut self, numbers: std::ops::Range<u64>) -> Applied {
        let mut batch = self.store.new_batch();
        for number in numbers {
            batch.push(&event(number));
        }
        let submission = Submission { batch, tallies: Vec::new(), samples: Vec::new() };
        self.appender.commit(vec![Change::Append(Box::new(submission))], Timestamp(HOUR)).unwrap()[0]
    }

    /// Does all work that is due, as the writer and its worker would.
    fn settle(&mut self) -> usize {
        let mut jobs = 0;
        while let Some(job) = self.appender.next_job(true) {
            jobs += 1;
            self.run(job);
        }
        jobs
    }

    fn run(&mut self, job: Job) {
        let snapshot = self.store.snapshot().unwrap();
        let appender = &mut self.appender;
        job.run::<ReadError>(&snapshot, |prepared| {
            appender.commit(vec![prepared.into()], Timestamp(HOUR)).unwrap();
            Ok(())
        })
        .unwrap();
    }

    fn sound(&self) -> CheckReport {
        let report = self.store.snapshot().unwrap().check().unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.twice, 0);
        report
    }
}

fn event(number: u64) -> Event<'static> {
    let noise = |salt: u64| {
        (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834 ^ u128::from(salt << 7)) >> 8
    };
    Event {
        source: Source::Segment,
        kind: if number.is_multiple_of(10) { Kind::ConfigExposure } else { Kind::Track },
        name: format!("segment::Event {}", number % 7).into(),
        message_id: format!("message-{number}").into(),
        time: Timestamp(number as i64 * 60_000),
        received: Timestamp(HOUR),
        environment: if number.is_multiple_of(5) { "staging" } else { "production" }.into(),
        units: vec![Unit { id_type: crate::event::TermId(1), id: format!("user-{}", number % 50).into() }],
        value: number.is_multiple_of(3).then_some(number as f64),
        subject: number.is_multiple_of(10).then(|| Subject {
            kind: Kind::ConfigExposure,
            name: "button".into(),
            rule: format!("group-{}", number % 20 / 10),
            value: String::new(),
            allocated: String::new(),
            basis: Basis::Rules,
        }),
        // Noise, so that blocks fill as they do with real ids.
        raw: format!(
            r#"{{"event":"Event {}","noise":["{:x}","{:x}","{:x}"]}}"#,
            number % 7,
            noise(1),
            noise(2),
            noise(3)
        )
        .into(),
        shared: None,
    }
}

fn all(store: &Store) -> Vec<StoredEvent> {
    let mut events = store.snapshot().unwrap().events(&EventFilter::default(), usize::MAX).unwrap();
    events.reverse();
    events
}

#[test]
fn events_are_stored_once_in_order_and_survive_sealing_and_reopening() {
    let mut house = House::new();
    for round in 0..20 {
        let applied = house.append(round * 100..round * 100 + 110);
        let overlap = if round == 0 { 0 } else { 10 };
        assert_eq!((applied.stored, applied.duplicates), (110 - overlap, overlap));
        assert_eq!(applied.next, house.store.next_sequence().0);
    }
    let before = all(&house.store);
    assert_eq!(before.len(), 2010);
    for (number, stored) in before.iter().enumerate() {
        let sent = event(number as u64);
        assert_eq!(stored.sequence.0, number as u64);
        assert_eq!(stored.message_id, sent.message_id);
        assert_eq!(stored.name, sent.name);
        assert_eq!(stored.value, sent.value);
        assert_eq!(stored.subject, sent.subject);
        assert_eq!(stored.environment, sent.environment);
        assert_eq!(stored.time, sent.time);
        assert_eq!(stored.raw, sent.raw);
        assert_eq!(stored.units, [("userID".to_owned(), sent.units[0].id.to_string())]);
    }
    house.sound();
    let volumes = house.store.snapshot().unwrap().volumes().unwrap();
    assert!(house.settle() > 3, "blocks were sealed and runs merged");
    assert_eq!(all(&house.store), before);
    let report = house.sound();
    assert!(report.blocks > 3 && report.unsealed < 500, "{report:?}");
    assert_eq!(house.store.snapshot().unwrap().volumes().unwrap().len(), volumes.len());
    for hour in [i64::MIN, 0, 20, 33, 34] {
        let late: Vec<_> = volumes.keys().filter(|(of, _, _)| *of >= hour).collect();
        let found = house.store.snapshot().unwrap().volumes_from(hour).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), late, "from hour {hour}");
    }

    let id = house.store.id().to_owned();
    let mut house = house.reopen();
    assert_eq!(house.store.id(), id, "the seed matters only for a new store");
    assert_eq!(all(&house.store), before);
    house.sound();
    assert_eq!(house.append(0..2020).stored, 10, "every message is still known");
    house.sound();
}

#[test]
fn events_are_found_by_name_source_unit_and_place() {
    let mut house = House::new();
    house.append(0..1000);
    house.settle();
    house.append(1000..1100);
    let snapshot = house.store.snapshot().unwrap();
    let numbers = |filter: EventFilter, limit| -> Vec<u64> {
        snapshot.events(&filter, limit).unwrap().into_iter().map(|event| event.sequence.0).collect()
    };
    let expect = |wanted: &dyn Fn(u64) -> bool, limit: usize| -> Vec<u64> {
        (0..1100).rev().filter(|&number| wanted(number)).take(limit).collect()
    };
    assert_eq!(numbers(EventFilter::default(), 150), expect(&|_| true, 150));
    let named = EventFilter { name: Some("segment::Event 3".into()), ..EventFilter::default() };
    assert_eq!(numbers(named, 100), expect(&|n| n % 7 == 3, 100));
    let unit = EventFilter { unit: Some("user-7".into()), ..EventFilter::default() };
    assert_eq!(numbers(unit, 1000), expect(&|n| n % 50 == 7, 1000));
    let place = EventFilter { before: Some(Sequence(1003)), from: Some(Sequence(995)), ..EventFilter::default() };
    assert_eq!(numbers(place, 1000), expect(&|n| (995..1003).contains(&n), 1000));
    let nothing = EventFilter { name: Some("unknown".into()), ..EventFilter::default() };
    assert_eq!(numbers(nothing, 10), Vec::<u64>::new());
    let source = EventFilter { source: Some(Source::Statsig), ..EventFilter::default() };
    assert_eq!(numbers(source, 10), Vec::<u64>::new());
}

#[test]
fn a_store_of_a_newer_format_and_a_foreign_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.redb");
    drop(Store::open(&path, options(), [1; 32]).unwrap());
    {
        let db = redb::Database::create(&path).unwrap();
        let transaction = db.begin_write().unwrap();
        transaction.open_table(tables::META).unwrap().insert("format", 99u32.to_le_bytes().as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    assert!(matches!(
        Store::open(&path, options(), [1; 32]),
        Err(OpenError::Newer { found: 99, known: tables::FORMAT })
    ));

    let foreign = directory.path().join("foreign.redb");
    {
        let db = redb::Database::create(&foreign).unwrap();
        let transaction = db.begin_write().unwrap();
        transaction.open_table(redb::TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 1).unwrap();
        transaction.commit().unwrap();
    }
    assert!(matches!(Store::open(&foreign, options(), [1; 32]), Err(OpenError::NotAStore)));
}

#[test]
fn two_processes_cannot_open_one_store() {
    let house = House::new();
    let again = Store::open(&house.directory.path().join("weir.redb"), options(), [1; 32]);
    assert!(matches!(again, Err(OpenError::InUse)));
}

#[test]
fn refused_events_are_counted_by_reason_and_the_newest_can_be_looked_at() {
    let mut house = House::new();
    let tally = Tally {
        source: Source::Segment,
        outcome: crate::event::Outcome::Rejected,
        reason: "too_deep",
        name: "".into(),
    };
    for round in 0..3 {
        let samples = (0..600)
            .map(|n| RejectedSample::new(Timestamp(n), Source::Segment, "too_deep", "why", &format!("{round} {n}")))
            .collect();
        let submission = Submission { batch: house.store.new_batch(), tallies: vec![(tally.clone(), 600)], samples };
        house.appender.commit(vec![Change::Append(Box::new(submission))], Timestamp(HOUR)).unwrap();
    }
    let snapshot = house.store.snapshot().unwrap();
    let totals = snapshot.totals().unwrap();
    assert_eq!(totals[&(tally.source.code(), tally.outcome.code(), "too_deep".into())], 1800);
    let samples = snapshot.rejected(10_000).unwrap();
    assert_eq!(samples.len() as u64, options().rejected_samples);
    assert_eq!(samples[0].body, "2 599");
}

fn repetitive(number: u64) -> Event<'static> {
    Event { raw: format!(r#"{{"event":"{}"}}"#, "again ".repeat(400)).into(), ..event(number) }
}

fn append_events(house: &mut House, events: impl Iterator<Item = Event<'static>>) {
    let mut batch = house.store.new_batch();
    events.for_each(|event| batch.push(&event));
    house.appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], Timestamp(HOUR)).unwrap();
}

#[test]
fn a_small_block_is_not_sealed_again_when_nothing_follows_it() {
    let mut house = House::new();
    for number in 0..40 {
        append_events(&mut house, [repetitive(number)].into_iter());
    }
    assert!(house.settle() > 0);
    assert_eq!(house.sound().unsealed, 0);
    let mut house = house.reopen();
    assert_eq!(house.settle(), 0, "nothing arrived");
    house.append(100..200);
    house.settle();
    assert_eq!(house.sound().events, 140);
}

#[test]
fn a_block_of_events_that_compress_well_is_bounded_before_compression_too() {
    let mut house = House::new();
    for number in 0..600 {
        append_events(&mut house, [repetitive(number)].into_iter());
    }
    let jobs = house.settle();
    assert_eq!(house.sound().unsealed, 0);
    let snapshot = house.store.snapshot().unwrap();
    let lengths: Vec<u64> = snapshot.digests().unwrap().iter().map(|(_, digest)| digest.text_bytes).collect();
    assert!(lengths.iter().all(|&len| len <= seal::text_limit(options().block_bytes) as u64), "{lengths:?}");
    assert!(jobs < 20, "a block that is full of text is left alone: {jobs} jobs for {lengths:?}");
}

#[test]
fn what_was_packed_at_the_door_is_stored_once_and_in_order() {
    let mut house = House::new();
    house.append(40..50);
    let mut batch = house.store.new_batch();
    (0..100).for_each(|number| batch.push(&event(number)));
    let plain = batch.bytes();
    // In frames so small that the known events lie in some of them and not in others.
    batch.pack(&mut Packer::new(1).unwrap(), 2000).unwrap();
    assert!(batch.frames.len() > 3 && batch.bytes() < plain);
    let submission = Submission { batch, tallies: Vec::new(), samples: Vec::new() };
    let applied = house.appender.commit(vec![Change::Append(Box::new(submission))], Timestamp(HOUR)).unwrap()[0];
    assert_eq!((applied.stored, applied.duplicates), (90, 10));
    let mut again = house.store.new_batch();
    (0..100).for_each(|number| again.push(&event(number)));
    again.pack(&mut Packer::new(1).unwrap(), 2000).unwrap();
    let again = Submission { batch: again, tallies: Vec::new(), samples: Vec::new() };
    let applied = house.appender.commit(vec![Change::Append(Box::new(again))], Timestamp(HOUR)).unwrap()[0];
    assert_eq!((applied.stored, applied.duplicates), (0, 100));
    let wanted: Vec<String> =
        (40..50).chain(0..40).chain(50..100).rev().map(|number| format!("message-{number}")).collect();
    for _ in 0..2 {
        house.sound();
        let found = house.store.snapshot().unwrap().events(&EventFilter::default(), 1000).unwrap();
        assert_eq!(found.iter().map(|event| event.message_id.clone()).collect::<Vec<_>>(), wanted);
        house.settle();
        house = house.reopen();
    }
}

#[test]
fn a_tail_whose_frames_do_not_end_where_rows_end_is_a_problem() {
    let mut house = House::new();
    let mut batch = house.store.new_batch();
    (0..100).for_each(|number| batch.push(&event(number)));
    batch.pack(&mut Packer::new(1).unwrap(), 4000).unwrap();
    // The last row of the first frame is said to reach into the second.
    let at = batch.frames[0].1;
    batch.rows[at - 1].text.end += 1;
    batch.rows[at].text.start += 1;
    house.appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], Timestamp(HOUR)).unwrap();
    let problems = house.store.snapshot().unwrap().check().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("frame")), "{problems:?}");
}

#[test]
fn only_what_fills_a_frame_is_packed_at_the_door() {
    let house = House::new();
    let submission = |events: u64| {
        let mut batch = house.store.new_batch();
        (0..events).for_each(|number| batch.push(&event(number)));
        house.store.pack(Submission { batch, tallies: Vec::new(), samples: Vec::new() })
    };
    let one = submission(1).batch.text.len();
    assert!(one > 0, "one event stays plain");
    let bound = options().pack_from.div_ceil(one) as u64;
    assert!(submission(bound / 2).batch.frames.is_empty());
    let packed = submission(bound * 2).batch;
    assert!(packed.text.is_empty() && packed.frames.iter().map(|(_, rows)| rows).sum::<usize>() == packed.len());
}

#[test]
fn a_file_of_a_format_before_is_opened_and_marked() {
    for before in 1..tables::FORMAT {
        let mut house = House::new();
        house.append(0..3);
        let transaction = house.store.shared.db.begin_write().unwrap();
        transaction.open_table(tables::META).unwrap().insert("format", before.to_le_bytes().as_slice()).unwrap();
        transaction.commit().unwrap();
        let house = house.reopen();
        house.sound();
        let transaction = redb::ReadableDatabase::begin_read(&house.store.shared.db).unwrap();
        let meta = transaction.open_table(tables::META).unwrap();
        let format = redb::ReadableTable::get(&meta, "format").unwrap().unwrap().value().to_vec();
        assert_eq!(format, tables::FORMAT.to_le_bytes());
    }
}

#[test]
fn the_little_that_is_left_of_a_big_commit_waits_for_more() {
    let mut house = House::new();
    house.append(0..500);
    let mut jobs = 0;
    while let Some(job) = house.appender.next_job(false) {
        house.run(job);
        jobs += 1;
    }
    let report = house.sound();
    assert!(jobs == 1 && report.unsealed > 0, "{jobs} jobs left {report:?}");
}

#[test]
fn a_reader_knows_every_name_that_it_sees() {
    let mut house = House::new();
    let store = house.store.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reader = std::thread::spawn(move || {
        let mut reads = 0;
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            store.snapshot().unwrap().events(&EventFilter::default(), 1).unwrap();
            reads += 1;
        }
        reads
    });
    for number in 0..1000 {
        let new = Event { name: format!("segment::New {number}").into(), ..event(number) };
        append_events(&mut house, [new].into_iter());
    }
    drop(stop);
    assert!(reader.join().unwrap() > 0);
}

#[test]
fn a_merge_that_comes_to_nothing_leaves_nothing_behind() {
    let mut house = House::new();
    for round in 0..9 {
        house.append(round * 100..round * 100 + 100);
    }
    let mut given_up = 0;
    while let Some(job) = house.appender.next_job(true) {
        if given_up == 3 || matches!(job.0, seal::Work::Seal { .. }) {
            house.run(job);
            continue;
        }
        let snapshot = house.store.snapshot().unwrap();
        let appender = &mut house.appender;
        let mut delivered = 0;
        let ended = job.run(&snapshot, |prepared| {
            if delivered == 1 {
                return Err(ReadError::Missing("a worker that lives on".into()));
            }
            delivered += 1;
            appender.commit(vec![prepared.into()], Timestamp(HOUR)).unwrap();
            Ok(())
        });
        assert!(ended.is_err());
        appender.job_failed();
        given_up += 1;
    }
    assert_eq!(given_up, 3);
    let transaction = redb::ReadableDatabase::begin_read(&house.store.shared.db).unwrap();
    let known = transaction.open_table(tables::RUNS).unwrap();
    for entry in redb::ReadableTable::iter(&transaction.open_table(tables::RUN_KEYS).unwrap()).unwrap() {
        let run = entry.unwrap().0.value().0;
        assert!(redb::ReadableTable::get(&known, run).unwrap().is_some(), "run {run} was given up");
    }
    assert_eq!(house.append(0..600).duplicates, 600);
}

#[test]
fn a_store_whose_making_was_cut_short_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.redb");
    // As redb leaves it before the first sync: a length and nothing in it.
    std::fs::write(directory.path().join("weir.redb.new"), vec![0; 72 << 10]).unwrap();
    let (store, _appender) = Store::open(&path, options(), [1; 32]).unwrap();
    assert_eq!(store.id(), "0101010101010101");
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["weir.redb"]);
}

#[test]
fn sums_that_cancel_out_or_overflow_are_no_damage() {
    let mut house = House::new();
    let valued = |number, value| Event {
        name: "segment::Sum".into(),
        time: Timestamp(0),
        source: Source::Segment,
        value: Some(value),
        ..event(number)
    };
    // Sealed by twos, so that the stored sum is added up in another order than the rows stand in.
    for (at, pair) in [[1e17, 1.0], [3.0, -1e17], [1.0, 5.0]].into_iter().enumerate() {
        for (row, value) in pair.into_iter().enumerate() {
            append_events(&mut house, [valued((at * 2 + row) as u64, value)].into_iter());
        }
        house.settle();
        house.sound();
    }
    for number in 6..10 {
        append_events(&mut house, [valued(number, if number < 8 { 1e308 } else { -1e308 })].into_iter());
        house.sound();
    }
    house.settle();
    house.sound();
}

#[test]
fn the_catalog_is_dated_later_with_each_change_of_it_and_of_nothing_else() {
    let mut house = House::new();
    let item = |version| DocumentChange::PutItem { kind: "gate".into(), id: "g".into(), version, document: vec![1] };
    let gone = DocumentChange::RemoveItem { kind: "gate".into(), id: "g".into(), version: 3, document: vec![2] };
    let key = DocumentChange::PutKey { id: "k".into(), document: vec![3] };
    assert_eq!(house.store.snapshot().unwrap().catalog_time().unwrap(), None);
    for (documents, now, expected) in [
        (vec![key.clone()], 5, None),
        (vec![item(1), key.clone()], 10, Some(10)),
        // Another in the same millisecond, several items at once, and a clock that was set back.
        (vec![item(2)], 10, Some(11)),
        (vec![item(2), item(3)], 10, Some(12)),
        (vec![gone], 3, Some(13)),
        (vec![key, DocumentChange::AddIdType { name: "companyID".into() }], 90, Some(13)),
        (vec![item(4)], 100, Some(100)),
    ] {
        house.appender.commit(vec![Change::Documents(documents)], Timestamp(now)).unwrap();
        assert_eq!(house.store.snapshot().unwrap().catalog_time().unwrap(), expected.map(Timestamp));
    }
    let house = house.reopen();
    assert_eq!(house.store.snapshot().unwrap().catalog_time().unwrap(), Some(Timestamp(100)));
}
