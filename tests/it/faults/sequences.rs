//! Random sequences of everything a store does, against a list of numbers: filters, columns, volumes, reopening in between.

use super::disk::Disk;
use super::life::{Life, options};
use super::oracle::{Oracle, compare_fields};
use super::random::{Random, seeds};
use super::sample::{event, stored};
use std::ops::ControlFlow;
use weir::event::{Sequence, Source, TermId};
use weir::store::{EventFilter, Snapshot, StoredEvent};

fn filter(random: &mut Random, len: u64) -> EventFilter {
    let place = |random: &mut Random| random.percent(40).then(|| Sequence(random.below(len + 3)));
    EventFilter {
        name: random.percent(40).then(|| format!("segment::Event {}", random.below(7))),
        source: random.percent(40).then(|| *random.pick(&[Source::Segment, Source::Statsig, Source::Webhook])),
        unit: match random.below(5) {
            0 => Some(format!("user-{}", random.below(10))),
            1 => Some(format!("stable-{}", random.below(14))),
            _ => None,
        },
        before: place(random),
        from: place(random),
    }
}

fn lets_through(filter: &EventFilter, event: &StoredEvent) -> bool {
    filter.name.as_ref().is_none_or(|name| *name == event.name)
        && filter.source.is_none_or(|source| source == event.source)
        && filter.unit.as_ref().is_none_or(|unit| event.units.iter().any(|(_, id)| id == unit))
        && filter.before.is_none_or(|before| event.sequence < before)
        && filter.from.is_none_or(|from| event.sequence >= from)
}

fn compare_columns(snapshot: &Snapshot, log: &[u64]) {
    let mut next = 0;
    let each = &mut |first: Sequence, columns: &weir::store::Columns| {
        assert_eq!(first.0, next);
        for row in 0..columns.len() {
            let sent = event(log[next as usize]);
            let terms = snapshot.terms();
            let text = |dictionary: &weir::store::Dictionary, id| dictionary.text(TermId(id)).map(str::to_owned);
            assert_eq!(columns.time[row], sent.time.0);
            assert_eq!(columns.received[row], sent.received.0);
            assert_eq!((columns.kind[row], columns.source[row]), (sent.kind.code(), sent.source.code()));
            assert_eq!(text(&terms.names, columns.name[row]).as_deref(), Some(&*sent.name));
            assert_eq!(text(&terms.environments, columns.environment[row]).as_deref(), Some(&*sent.environment));
            assert_eq!(text(&terms.subjects, columns.subject[row]), sent.subject.map(|subject| subject.encode()));
            assert_eq!(Some(columns.value[row]).filter(|value| !value.is_nan()), sent.value);
            for id_type in [TermId(1), TermId(2)] {
                let unit = sent.units.iter().find(|unit| unit.id_type == id_type);
                let expected = unit.map_or(0, |unit| snapshot.unit_hash(&unit.id));
                assert_eq!(columns.units_of(id_type).map_or(0, |hashes| hashes[row]), expected);
            }
            next += 1;
        }
        ControlFlow::Continue(())
    };
    snapshot.scan_columns(&mut |_| true, each).expect("columns can be read");
    assert_eq!(next, log.len() as u64);
}

/// Picks from a random place on to another, or up to an event that is not taken, against the list.
fn compare_picks(snapshot: &Snapshot, log: &[u64], random: &mut Random) {
    let len = log.len() as u64;
    let (from, until) = (random.below(len + 2), random.below(len + 3));
    let (salt, share) = (random.draw(), *random.pick(&[0, 5, 50, 100]));
    let is_wanted = |sequence: u64| Random::new(salt ^ sequence).percent(share);
    let room = if random.percent(50) { random.below(20) as usize } else { usize::MAX };
    let mut picked = Vec::new();
    let end = snapshot.pick_events(
        Sequence(from),
        Sequence(until),
        &mut |sequence, columns, row| {
            assert_eq!(columns.received[row], event(log[sequence.0 as usize]).received.0);
            is_wanted(sequence.0)
        },
        &mut |event| {
            if picked.len() == room {
                return ControlFlow::Break(());
            }
            picked.push(event);
            ControlFlow::Continue(())
        },
    );
    let to = until.min(len);
    let wanted: Vec<u64> = (from..to).filter(|&at| is_wanted(at)).collect();
    let expected: Vec<_> = wanted.iter().take(room).map(|&at| stored(log[at as usize], at)).collect();
    assert_eq!(picked, expected, "{from}..{until}");
    assert_eq!(end.expect("the log can be read").0, wanted.get(room).copied().unwrap_or(to));
    let found = snapshot.event(Sequence(from)).expect("the log can be read");
    assert_eq!(found, log.get(from as usize).map(|&number| stored(number, from)));
}

/// `opened`: the log's end when the store was opened.
fn compare_own_end(life: &Life, opened: usize, log: &[u64]) {
    let last = (opened..log.len()).rev().find(|&at| event(log[at]).source.arises_here());
    assert_eq!(life.store.own_end().0, last.map_or(opened, |last| last + 1) as u64);
}

#[test]
fn a_store_is_a_list_of_events_whatever_was_done_to_it() {
    seeds(60, |seed| {
        let mut random = Random::new(seed ^ 0x5e9);
        let options = options(&mut random);
        let disk = Disk::default();
        let mut oracle = Oracle::default();
        let mut life = Life::begin(&disk, options).expect("a sound disk opens");
        // Taken early and read late: what it saw stays as it was while blocks are replaced under it.
        let early = (life.store.snapshot().expect("a snapshot"), 0);
        let mut held = early;
        let mut opened = 0;
        for round in 0..5 {
            life.live(9, &mut oracle, &mut random).expect("the power is on");
            let log = &oracle.owed.log;
            let old: Vec<_> = held.0.events(&EventFilter::default(), usize::MAX).expect("it is still there");
            assert_eq!(old.len(), held.1);
            assert!(old.iter().rev().enumerate().all(|(at, event)| *event == stored(log[at], at as u64)));
            compare_columns(&held.0, &log[..held.1]);
            compare_fields(&held.0, &log[..held.1]);

            let snapshot = life.store.snapshot().expect("a snapshot");
            compare_columns(&snapshot, log);
            compare_own_end(&life, opened, log);
            for _ in 0..8 {
                compare_picks(&snapshot, log, &mut random);
                let filter = filter(&mut random, log.len() as u64);
                let limit = 1 + random.below(30) as usize;
                let all = log.iter().enumerate().rev().map(|(at, &number)| stored(number, at as u64));
                let expected: Vec<_> = all.filter(|event| lets_through(&filter, event)).take(limit).collect();
                assert_eq!(snapshot.events(&filter, limit).expect("the log can be read"), expected, "{filter:?}");
            }
            held = (snapshot, log.len());
            if round < 4 && random.percent(40) {
                let saw = held.1;
                drop((held, life));
                life = Life::begin(&disk, options).expect("a sound disk opens again");
                opened = saw;
                held = (life.store.snapshot().expect("a snapshot"), saw);
            }
            oracle.verify(&life.store);
        }
        life.repeat_all(&mut oracle).expect("the power is on");
    });
}
