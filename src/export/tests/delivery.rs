//! What answers make of a batch, without anybody who answers.

use crate::event::{Kind, Sequence, Source, Timestamp};
use crate::export::batch::{Batch, Purpose};
use crate::export::client::Reply;
use crate::export::deliver::{Delivery, Progress, Step};
use crate::export::verdict::Verdict;
use crate::export::{BatchLimits, Call, Destination, DestinationId, Unsendable};
use crate::store::StoredEvent;
use hyper::{HeaderMap, StatusCode};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_000);

/// Writes an event as its sequence; those named `no_id` cannot be sent.
struct Numbers(BatchLimits);

impl Destination for Numbers {
    fn id(&self) -> DestinationId {
        DestinationId::Segment
    }

    fn limits(&self) -> BatchLimits {
        self.0
    }

    fn encode(&self, event: &StoredEvent, into: &mut Vec<u8>) -> Result<(), Unsendable> {
        if event.name == "no_id" {
            // As a destination may leave it.
            into.extend_from_slice(b"half");
            return Err(Unsendable { code: "no_id", message: "give it an ID".into() });
        }
        into.extend_from_slice(event.raw.as_bytes());
        Ok(())
    }

    fn encode_test(&self, _: &str, _: Timestamp, _: &mut Vec<u8>) {}

    fn call(&self, events: &[&[u8]], _: Timestamp) -> Call {
        Call { uri: "http://localhost/".parse().unwrap(), headers: HeaderMap::new(), body: events.concat().into() }
    }
}

fn event(sequence: u64, name: &str, raw: String) -> StoredEvent {
    StoredEvent {
        sequence: Sequence(sequence),
        time: Timestamp(0),
        received: Timestamp(sequence as i64),
        kind: Kind::Custom,
        source: Source::Statsig,
        name: name.to_owned(),
        environment: String::new(),
        subject: None,
        value: None,
        message_id: "m".into(),
        units: Vec::new(),
        shared: None,
        raw,
    }
}

fn empty(limits: BatchLimits, purpose: Purpose) -> Batch {
    Batch::new(Arc::new(Numbers(limits)), purpose, Sequence(0))
}

/// Events 0, 10, 20 ... and the log's end behind them.
fn delivery(events: u64, purpose: Purpose) -> Delivery {
    let mut batch = empty(BatchLimits::default(), purpose);
    for at in 0..events {
        assert!(batch.push(&event(at * 10, "e", (at * 10).to_string()), 0, NOW));
    }
    batch.to = Sequence(events * 10);
    Delivery::new(batch)
}

fn reply(status: u16) -> Reply {
    Reply { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: "why".into() }
}

fn answer(delivery: &mut Delivery, status: u16) -> Step {
    let reply = reply(status);
    delivery.answered(Verdict::of(reply.status, &reply.headers, NOW), &reply, NOW)
}

fn next(delivery: &Delivery) -> Option<Vec<u64>> {
    Some(delivery.batch().items[delivery.next()?].iter().map(|item| item.sequence.0).collect())
}

/// Sends to a destination that refuses every request with one of these in it. What was delivered, the letters, the requests.
fn send(mut delivery: Delivery, bad: &BTreeSet<u64>) -> (Vec<u64>, Vec<u64>, usize) {
    let (mut delivered, mut letters, mut requests, mut position) = (Vec::new(), Vec::new(), 0, 0);
    while let Some(part) = next(&delivery) {
        requests += 1;
        let is_refused = part.iter().any(|sequence| bad.contains(sequence));
        match answer(&mut delivery, if is_refused { 400 } else { 200 }) {
            Step::Passed(progress) => {
                delivered.extend(part.iter().filter(|_| progress.forwarded > 0));
                letters.extend(progress.letters.iter().map(|letter| letter.sequence));
                let to = progress.to.expect("a place in the log").0;
                assert!(to > *part.last().unwrap() && to > position, "{to} after {part:?} and {position}");
                position = to;
            }
            Step::Split => assert!(part.len() > 1),
            other => panic!("{other:?}"),
        }
    }
    (delivered, letters, requests)
}

#[test]
fn splitting_finds_each_event_that_is_refused_and_no_other() {
    for events in [1, 2, 3, 10, 97] {
        let all: BTreeSet<u64> = (0..events).map(|at| at * 10).collect();
        let mut cases: Vec<BTreeSet<u64>> = all.iter().map(|&one| BTreeSet::from([one])).collect();
        cases.push(BTreeSet::new());
        cases.push(all.clone());
        cases.push(all.iter().copied().step_by(3).collect());
        for bad in cases {
            let (delivered, letters, requests) = send(delivery(events, Purpose::Batch), &bad);
            assert_eq!(letters, bad.iter().copied().collect::<Vec<_>>(), "in order");
            assert_eq!(delivered, all.difference(&bad).copied().collect::<Vec<_>>(), "in order, each once");
            if bad.len() == 1 {
                let halvings = events.next_power_of_two().trailing_zeros() as usize;
                assert!(requests <= 1 + 2 * halvings, "{requests} requests for one of {events}");
            }
        }
    }
}

#[test]
fn trouble_in_the_middle_of_a_split_goes_on_with_that_part_only() {
    let mut delivery = delivery(4, Purpose::Batch);
    assert_eq!(answer(&mut delivery, 400), Step::Split);
    assert!(matches!(answer(&mut delivery, 200), Step::Passed(Progress { forwarded: 2, to: Some(Sequence(20)), .. })));
    assert_eq!(next(&delivery), Some(vec![20, 30]));
    assert_eq!(delivery.attempt(), 1, "this part was never sent");
    for failed in 1..=3 {
        assert_eq!(answer(&mut delivery, 429), Step::Again { failed, after: None });
        assert_eq!((next(&delivery), delivery.attempt()), (Some(vec![20, 30]), failed + 1));
    }
    assert_eq!(delivery.failed(), Step::Again { failed: 4, after: None });
    assert_eq!(answer(&mut delivery, 401), Step::Unauthorized);
    assert_eq!(next(&delivery), Some(vec![20, 30]), "it stays to be sent");
    assert_eq!(answer(&mut delivery, 400), Step::Split);
    assert_eq!((next(&delivery), delivery.attempt()), (Some(vec![20]), 1), "it answers again");
    assert_eq!(delivery.oldest(), Some(Timestamp(20)));
}

#[test]
fn a_wait_that_was_asked_for_is_passed_on() {
    let mut delivery = delivery(1, Purpose::Batch);
    let after = Some(Duration::from_secs(7));
    let step = delivery.answered(Verdict::Again { after }, &reply(503), NOW);
    assert_eq!(step, Step::Again { failed: 1, after });
}

#[test]
fn letters_of_events_that_cannot_be_sent_go_with_the_place_that_passes_them() {
    let mut batch = empty(BatchLimits::default(), Purpose::Batch);
    for (sequence, name) in [(0, "no_id"), (1, "e"), (2, "no_id"), (3, "e"), (4, "no_id")] {
        assert!(batch.push(&event(sequence, name, sequence.to_string()), 0, NOW));
    }
    batch.to = Sequence(9);
    assert_eq!(batch.encoded(0..2), [b"1", b"3"], "nothing of the others is left");
    let mut delivery = Delivery::new(batch);
    let letters = |progress: &Progress| progress.letters.iter().map(|letter| letter.sequence).collect::<Vec<_>>();
    assert_eq!(answer(&mut delivery, 400), Step::Split);
    let Step::Passed(progress) = answer(&mut delivery, 200) else { panic!() };
    assert_eq!((letters(&progress), progress.to), (vec![0, 2], Some(Sequence(3))));
    let Step::Passed(progress) = answer(&mut delivery, 400) else { panic!() };
    assert_eq!((letters(&progress), progress.to), (vec![3, 4], Some(Sequence(9))));
    let refused = &progress.letters[0];
    let told = (refused.code.as_str(), refused.status, refused.reply.as_deref(), refused.attempts);
    assert_eq!(told, ("refused", Some(400), Some("why"), 1));
    assert_eq!((next(&delivery), delivery.rest().letters.len()), (None, 0));
}

#[test]
fn dead_letters_that_are_sent_again_move_no_place() {
    let mut sent = delivery(3, Purpose::Retry);
    let Step::Passed(progress) = answer(&mut sent, 200) else { panic!() };
    let settled = [0, 10, 20].map(Sequence).to_vec();
    assert_eq!(progress, Progress { to: None, forwarded: 3, letters: Vec::new(), settled });
    let mut batch = empty(BatchLimits::default(), Purpose::Retry);
    assert!(batch.push(&event(5, "e", "5".into()), 3, NOW));
    batch.gone = vec![Sequence(7)];
    let mut refused = Delivery::new(batch);
    let Step::Passed(progress) = answer(&mut refused, 422) else { panic!() };
    assert_eq!((progress.to, progress.forwarded, progress.settled.len()), (None, 0, 0));
    assert_eq!((progress.letters[0].attempts, progress.letters[0].status), (4, Some(422)));
    assert_eq!(refused.rest().settled, [Sequence(7)]);
}

#[test]
fn a_batch_holds_no_more_than_its_destination_takes() {
    let limits = BatchLimits { batch_bytes: 256 + 50, events: 4, event_bytes: 100 };
    let mut by_count = empty(limits, Purpose::Batch);
    let taken = (0..5).filter(|&at| by_count.push(&event(at, "e", "1".into()), 0, NOW)).count();
    assert_eq!((taken, by_count.is_full), (4, true));
    let mut with_letters = empty(limits, Purpose::Batch);
    let taken = (0..5).filter(|&at| with_letters.push(&event(at, "no_id", "1".into()), 0, NOW)).count();
    assert_eq!((taken, with_letters.letters.len()), (4, 4));
    let mut by_bytes = empty(limits, Purpose::Batch);
    // 20 + 1 + 20 + 1 bytes leave no room for 9 and a comma.
    for (at, bytes, fits) in [(0, 20, true), (1, 20, true), (2, 9, false)] {
        assert_eq!(by_bytes.push(&event(at, "e", "x".repeat(bytes)), 0, NOW), fits, "{at}");
    }
    assert_eq!(by_bytes.encoded(0..2).concat().len(), 40);
    let mut alone = empty(limits, Purpose::Batch);
    assert!(alone.push(&event(0, "e", "x".repeat(99)), 0, NOW), "the destination itself bounds one event");
}
