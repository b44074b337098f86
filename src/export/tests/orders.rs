//! What a person orders: it counts at once, also in the middle of a wait.

use super::house::{CUSTOM, House, Row, SEGMENT, segment};
use super::sink::{Answer, Sink, until};
use crate::event::Sequence;
use crate::export::next::{LINGER, Next};
use crate::export::{BY_HAND, DestinationState, Limits, Outcome, Purpose, TestError};
use serde_json::{Value, json};
use std::time::Duration;

fn sequences(sink: &Sink) -> Vec<u64> {
    sink.requests().iter().flat_map(|request| request.sequences()).collect()
}

fn on(sink: &Sink, more: Value) -> Value {
    segment(&format!("http://{}", sink.address), more)
}

#[test]
fn a_pause_by_hand_is_ended_by_hand_only() {
    let (sink, mut house) = (Sink::start(|_| Answer::status(200)), House::new());
    house.set_up(&on(&sink, json!({})));
    house.run();
    house.exports.pause(SEGMENT, "ada").expect("it is written");
    house.append_custom(3);
    house.set_up(&on(&sink, json!({"gzip": false, "writeKey": "another"})));
    let status = house.status();
    let pause = status.pause.expect("it is paused");
    assert_eq!((status.state, pause.code.as_str(), status.lag.events), (DestinationState::Paused, BY_HAND, 3));
    assert!(pause.message.contains("ada"));
    assert!(sink.requests().is_empty());
    house.exports.resume(SEGMENT).expect("it is written");
    house.until_all_is_written();
    assert_eq!(sequences(&sink), [0, 1, 2]);
}

#[test]
fn orders_end_a_wait_at_once() {
    let mut house = House::with(|limits| Limits { backoff: Duration::from_secs(3_600), ..limits });
    let busy = || Answer::Say(503, "retry-after: 299\r\n", Vec::new());
    let sink = Sink::start(move |_| busy());
    house.set_up(&on(&sink, json!({})));
    house.append_custom(2);
    house.run();
    let waits = |house: &House, requests| {
        until("it waits", || sink.requests().len() == requests && house.status().state == DestinationState::Waiting);
    };
    waits(&house, 1);
    house.exports.resume(SEGMENT).expect("it is written");
    waits(&house, 2);
    house.set_up(&on(&sink, json!({"writeKey": "another"})));
    waits(&house, 3);
    house.exports.pause(SEGMENT, "ada").expect("it is written");
    assert_eq!(house.status().state, DestinationState::Paused);
    house.exports.resume(SEGMENT).expect("it is written");
    waits(&house, 4);
    house.exports.skip(SEGMENT).expect("it is written");
    until("it is idle", || house.status().state == DestinationState::Idle);
    house.exports.replay(SEGMENT, Sequence(1)).expect("it is written");
    waits(&house, 5);
    assert_eq!(sink.requests()[4].sequences(), [1]);
    // Another part of the catalog is none of its business.
    let mut project = on(&sink, json!({"writeKey": "another"}));
    project["gates"] = json!([{"name": "g"}]);
    house.set_up(&project);
    sink.answer(|_| Answer::status(200));
    assert_eq!(house.status().state, DestinationState::Waiting);
    house.exports.resume(SEGMENT).expect("it is written");
    house.until_all_is_written();
    assert_eq!(house.status().forwarded, 1);
}

#[test]
fn a_replay_during_a_request_is_not_undone_by_its_end() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let mut first = true;
    let sink = Sink::start(move |_| {
        if std::mem::take(&mut first) {
            // Answers when the test says so.
            let _ = gate.recv();
        }
        Answer::status(200)
    });
    let mut house = House::new();
    house.append_custom(4);
    house.set_up(&on(&sink, json!({})));
    house.append_custom(2);
    house.run();
    until("it is on its way", || sink.requests().len() == 1);
    house.exports.replay(SEGMENT, Sequence(1)).expect("it is written");
    open.send(()).expect("the sink waits");
    until("it is sent again", || sequences(&sink).len() == 2 + 5);
    assert_eq!(sequences(&sink), [4, 5, 1, 2, 3, 4, 5]);
    house.until_all_is_written();
    assert_eq!(house.cursor().forwarded, 7, "what was sent twice counts twice");
}

#[test]
fn dead_letters_are_sent_again_discarded_or_refused_again() {
    let sink = Sink::start(|request| {
        let is_refused = request.sequences().iter().any(|sequence| sequence % 2 == 1);
        Answer::status(if is_refused { 422 } else { 200 })
    });
    let mut house = House::new();
    house.set_up(&on(&sink, json!({})));
    house.append_custom(8);
    house.append([Row { user: None, ..CUSTOM }]);
    house.run();
    house.until_all_is_written();
    assert_eq!(house.letters(), [1, 3, 5, 7, 8]);
    let (letter, event, call) =
        house.exports.dead_letter(SEGMENT, Sequence(3)).expect("a readable store").expect("a letter");
    assert_eq!((letter.status, event.expect("its event").sequence), (Some(422), Sequence(3)));
    let call: Value = serde_json::from_str(&call.expect("as it would be sent")).expect("JSON");
    assert_eq!(call["event"], json!("bought"));
    house.exports.discard(SEGMENT, Some(vec![Sequence(1)])).expect("it is written");
    assert_eq!(house.letters(), [3, 5, 7, 8]);

    let attempts = house.exports.attempts(SEGMENT, None, 1)[0].number;
    let ordered = house.exports.retry(SEGMENT, Some(vec![Sequence(3), Sequence(1)])).expect("a readable store");
    assert_eq!(ordered, 1, "a letter that is not there cannot be sent");
    let letter_of = |sequence| house.exports.dead_letter(SEGMENT, Sequence(sequence)).expect("a store").map(|it| it.0);
    until("it is refused again", || letter_of(3).is_some_and(|letter| letter.attempts == 2));
    until("it is not ordered any more", || house.status().retrying == 0);
    let retry = &house.exports.attempts(SEGMENT, Some(attempts), 1)[0];
    assert_eq!((retry.purpose, retry.outcome, retry.first_sequence), (Purpose::Retry, Outcome::Refused, Some(3)));

    sink.answer(|_| Answer::status(200));
    assert_eq!(house.exports.retry(SEGMENT, None).expect("a readable store"), 4);
    until("what can be delivered is", || house.letters() == [8]);
    assert_eq!(sink.requests().last().expect("a request").sequences(), [3, 5, 7], "together and in order");
    until("nothing is ordered any more", || house.status().retrying == 0);
    assert_eq!(house.cursor().position, house.end(), "the place does not move");
    assert_eq!((house.status().forwarded, house.status().dead_lettered), (7, 5));
    house.exports.discard(SEGMENT, None).expect("it is written");
    assert_eq!(house.letters(), Vec::<u64>::new());
}

#[test]
fn a_test_goes_out_at_once_whatever_else_is_the_matter() {
    let sink = Sink::start(|_| Answer::Say(403, "", b"who are you".to_vec()));
    let house = House::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let test = || runtime.block_on(house.exports.test(SEGMENT));
    assert_eq!(test(), Err(TestError::Disabled));
    house.set_up(&on(&sink, json!({})));
    house.exports.pause(SEGMENT, "ada").expect("it is written");
    let attempt = test().expect("it is sent");
    assert_eq!((attempt.purpose, attempt.outcome, attempt.status), (Purpose::Test, Outcome::Unauthorized, Some(403)));
    assert_eq!(attempt.error.as_deref(), Some("the destination answered 403: who are you"));
    sink.answer(|_| Answer::status(200));
    let attempt = test().expect("it is sent");
    assert_eq!((attempt.number, attempt.outcome, attempt.forwarded), (2, Outcome::Delivered, 1));
    let body: Value = serde_json::from_slice(&sink.requests()[1].body).expect("JSON");
    let id = body["batch"][0]["messageId"].as_str().expect("a messageId");
    assert!(id.starts_with(&format!("weir-{}-test-", house.store.id())), "{id}");
    assert_eq!(house.exports.attempts(SEGMENT, None, 10).len(), 2);
    assert_eq!((house.status().forwarded, house.cursor().position), (0, Sequence(0)), "it is not of the log");
}

#[test]
fn gathering_ends_when_the_destination_is_disabled_in_the_middle_of_it() {
    let (sink, house) = (Sink::start(|_| Answer::status(200)), House::new());
    house.set_up(&on(&sink, json!({})));
    house.append_custom(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let gathered = runtime.block_on(async {
        let mut next = Next::default();
        let committed = house.handle.committed();
        next.start(house.exports.desk(SEGMENT), &house.store, &committed, Sequence(0));
        assert!(tokio::time::timeout(LINGER / 2, next.take()).await.is_err(), "it waits for more");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                house.append_custom(1);
                house.set_up(&on(&sink, json!({"isEnabled": false})));
            });
        });
        tokio::time::timeout(Duration::from_secs(10), next.take()).await
    });
    assert!(gathered.expect("it ends").expect("a readable log").is_none());
}
