//! Destinations that are slow, down, rude or wrong, and a server that stops: nothing is lost, and nothing is sent twice that
//! need not be.

use super::house::{CUSTOM, House, Row, SEGMENT, segment};
use super::sink::{Answer, Request, Sink, until};
use crate::event::Sequence;
use crate::export::{BY_HAND, DestinationState, Limits, Outcome, REFUSED_IN_A_ROW};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The sequences of requests that were answered well, in order.
type Taken = Arc<Mutex<Vec<u64>>>;

fn take(taken: &Taken, request: &Request) -> Answer {
    taken.lock().unwrap().extend(request.sequences());
    Answer::status(200)
}

fn set_up(house: &House, sink: &Sink) {
    house.set_up(&segment(&format!("http://{}", sink.address), json!({})));
}

#[test]
fn whatever_passes_is_waited_for_and_nothing_is_lost_or_reordered() {
    let (taken, mut number) = (Taken::default(), 0);
    let heard = taken.clone();
    let sink = Sink::start(move |request| {
        number += 1;
        match number % 9 {
            1 => Answer::status(503),
            2 => Answer::status(429),
            3 => Answer::Close,
            4 => Answer::status(408),
            5 => Answer::Raw(b"nonsense\r\n\r\n".to_vec()),
            6 => Answer::status(599),
            7 => Answer::Raw(b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nha".to_vec()),
            _ => take(&heard, request),
        }
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(6_000);
    house.run();
    house.append_custom(1_500);
    house.until_all_is_written();
    assert_eq!(*taken.lock().unwrap(), (0..7_500).collect::<Vec<_>>());
    assert_eq!(house.status().forwarded, 7_500);
    let requests = sink.requests();
    let counts: Vec<_> = requests[..8].iter().map(|request| request.header("x-retry-count")).collect();
    assert_eq!(counts, [None, Some("1"), Some("2"), Some("3"), Some("4"), Some("5"), Some("6"), Some("7")]);
    let first = requests[0].sequences();
    assert!(requests[..8].iter().all(|request| request.sequences() == first), "the same events again");
    let attempts = house.exports.attempts(SEGMENT, Some(0), 8);
    assert_eq!(attempts[0].status, Some(503));
    assert_eq!((attempts[2].status, attempts[2].outcome, attempts[2].attempt), (None, Outcome::Again, 3));
    assert!(attempts[2].error.as_deref().is_some_and(|error| error.contains("closed the connection")));
    assert!(house.status().last_error.is_some());
}

#[test]
fn an_event_that_is_refused_becomes_a_dead_letter_and_holds_nothing_up() {
    let bad: BTreeSet<u64> = [0, 7, 8, 350, 999].into();
    let (taken, heard, refused) = (Taken::default(), Taken::default(), bad.clone());
    let also = heard.clone();
    let (answered, mut number) = (taken.clone(), 0);
    let sink = Sink::start(move |request| {
        number += 1;
        also.lock().unwrap().push(number);
        if number % 4 == 0 {
            return Answer::status(500);
        }
        if request.sequences().iter().any(|sequence| refused.contains(sequence)) {
            return Answer::Say(400, "", b"{\"error\":\"no such property\"}".to_vec());
        }
        take(&answered, request)
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(1_000);
    house.run();
    house.until_all_is_written();
    let good: Vec<u64> = (0..1_000).filter(|sequence| !bad.contains(sequence)).collect();
    assert_eq!(*taken.lock().unwrap(), good, "each once and in order");
    assert_eq!(house.letters(), bad.into_iter().collect::<Vec<_>>());
    let letter = &house.exports.dead_letters(SEGMENT, Some(Sequence(8)), 1).expect("a readable store")[0];
    assert_eq!((letter.sequence, letter.code.as_str(), letter.status, letter.attempts), (7, "refused", Some(400), 1));
    assert_eq!(letter.reply.as_deref(), Some("{\"error\":\"no such property\"}"));
    let status = house.status();
    assert_eq!((status.forwarded, status.dead_lettered, status.dead_letters), (995, 5, 5));
    assert_eq!((house.meters.export_segment_dead_letter.get(), house.meters.export_segment_forwarded.get()), (5, 995));
}

#[test]
fn a_destination_that_refuses_everything_is_paused_before_all_is_lost() {
    let mut house = House::new();
    let sink = Sink::start(|_| Answer::status(404));
    set_up(&house, &sink);
    house.append_custom(1_000);
    house.run();
    until("it is paused", || house.status().state == DestinationState::Paused);
    let pause = house.status().pause.expect("it is paused");
    assert_eq!(pause.code, "refuses_everything");
    assert!(pause.message.contains("404"), "{}", pause.message);
    assert_eq!(house.letters(), (0..u64::from(REFUSED_IN_A_ROW)).collect::<Vec<_>>());
    let asked = sink.requests().len();
    house.append_custom(10);
    sink.answer(|_| Answer::status(200));
    // A change of the destination's own settings ends the pause.
    house.set_up(&segment(&format!("http://{}/right", sink.address), json!({})));
    house.until_all_is_written();
    assert!(sink.requests()[asked..].iter().all(|request| request.head.starts_with("POST /right/v1/batch ")));
    assert_eq!(house.status().forwarded, 1_010 - u64::from(REFUSED_IN_A_ROW));
    assert_eq!(house.exports.retry(SEGMENT, None).expect("a readable store"), REFUSED_IN_A_ROW as usize);
    until("the letters are delivered", || house.status().dead_letters == 0);
    assert_eq!((house.status().forwarded, house.status().retrying), (1_010, 0));
}

#[test]
fn one_bad_event_in_a_hundred_does_not_pause() {
    let mut house = House::new();
    let sink = Sink::start(|request| {
        let is_bad = request.sequences().iter().any(|sequence| sequence % 10 != 9);
        Answer::status(if is_bad { 400 } else { 200 })
    });
    set_up(&house, &sink);
    house.append_custom(250);
    house.run();
    house.until_all_is_written();
    assert_eq!((house.status().forwarded, house.status().dead_letters), (25, 225));
}

#[test]
fn a_key_that_is_not_known_pauses_until_it_is_replaced() {
    let mut house = House::new();
    let sink = Sink::start(|request| {
        // base64 of `key:`
        let is_old = request.header("authorization") == Some("Basic a2V5Og==");
        if is_old { Answer::status(401) } else { Answer::status(200) }
    });
    set_up(&house, &sink);
    house.append_custom(3);
    house.run();
    until("it is paused", || house.status().state == DestinationState::Paused);
    let pause = house.status().pause.expect("it is paused");
    assert_eq!(pause.code, "unauthorized");
    assert!(pause.message.contains("401") && !pause.message.contains("key:"), "{}", pause.message);
    assert_eq!((sink.requests().len(), house.letters().len()), (1, 0));
    // The same settings again change nothing.
    set_up(&house, &sink);
    assert_eq!(house.status().state, DestinationState::Paused);
    house.set_up(&segment(&format!("http://{}", sink.address), json!({"writeKey": "another"})));
    house.until_all_is_written();
    assert_eq!((house.status().forwarded, house.status().pause), (3, None));
}

#[test]
fn what_a_destination_said_to_the_old_key_does_not_pause_it_under_the_new_one() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let sink = Sink::start(move |request| {
        if request.header("authorization") != Some("Basic a2V5Og==") {
            return Answer::status(200);
        }
        // Answers when the test says so.
        let _ = gate.recv();
        Answer::status(401)
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(3);
    house.run();
    until("it is on its way", || sink.requests().len() == 1);
    house.set_up(&segment(&format!("http://{}", sink.address), json!({"writeKey": "another"})));
    open.send(()).expect("the sink waits");
    house.until_all_is_written();
    assert_eq!((house.status().forwarded, house.status().pause), (3, None));
}

#[test]
fn a_pause_by_hand_is_not_replaced_by_one_that_a_change_of_settings_ends() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let sink = Sink::start(move |_| {
        let _ = gate.recv();
        Answer::status(403)
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(1);
    house.run();
    until("it is on its way", || sink.requests().len() == 1);
    house.exports.pause(SEGMENT, "ada").expect("it is written");
    open.send(()).expect("the sink waits");
    until("it is answered", || !house.exports.attempts(SEGMENT, None, 1).is_empty());
    house.stop();
    assert_eq!(house.status().pause.expect("it is paused").code, BY_HAND);
}

#[test]
fn an_event_without_an_id_becomes_a_dead_letter_without_a_request() {
    let mut house = House::new();
    let sink = Sink::start(|_| Answer::status(200));
    set_up(&house, &sink);
    let nobody = || Row { user: None, ..CUSTOM };
    house.append([nobody(), nobody()]);
    house.run();
    house.until_all_is_written();
    assert_eq!((house.letters(), sink.requests().len()), (vec![0, 1], 0));
    let attempt = &house.exports.attempts(SEGMENT, None, 1)[0];
    assert_eq!((attempt.outcome, attempt.events, attempt.failed), (Outcome::Unsendable, 0, 2));
    house.append([CUSTOM, nobody(), CUSTOM]);
    house.until_all_is_written();
    assert_eq!(house.letters(), [0, 1, 3]);
    assert_eq!(sink.requests().iter().flat_map(|request| request.sequences()).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn a_server_that_stops_waits_for_no_destination_and_goes_on_where_it_was() {
    let sink = Sink::start(|request| match request.sequences()[0] {
        0 => Answer::status(200),
        _ => Answer::Hang,
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(5_000);
    house.run();
    until("the second batch is on its way", || sink.requests().len() == 2);
    let second = sink.requests()[1].sequences()[0];
    let began = Instant::now();
    let mut house = house.reopened();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(house.cursor().position, Sequence(second), "what was confirmed is written, and no more");
    let taken = Taken::default();
    let heard = taken.clone();
    sink.answer(move |request| take(&heard, request));
    set_up(&house, &sink);
    house.run();
    house.until_all_is_written();
    assert_eq!(*taken.lock().unwrap(), (second..5_000).collect::<Vec<_>>());
    assert_eq!(house.cursor().forwarded, 5_000);
}

#[test]
fn a_wait_that_the_destination_asks_for_is_kept() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = times.clone();
    let sink = Sink::start(move |_| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        if seen.len() == 1 { Answer::Say(429, "retry-after: 1\r\n", Vec::new()) } else { Answer::status(200) }
    });
    let mut house = House::new();
    set_up(&house, &sink);
    house.append_custom(1);
    house.run();
    until("it waits", || house.status().state == DestinationState::Waiting);
    let retry = house.status().retry.expect("it waits");
    assert_eq!((retry.attempt, retry.at), (2, super::house::NOW.0 + 1_000));
    house.until_all_is_written();
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= Duration::from_secs(1), "{:?}", times[1] - times[0]);
}

#[test]
fn a_destination_that_never_answers_is_tried_again_after_the_deadline() {
    let sink = Sink::start(|_| Answer::Hang);
    let mut house = House::with(|limits| Limits { timeout: Duration::from_millis(100), ..limits });
    set_up(&house, &sink);
    house.append_custom(1);
    house.run();
    until("it is tried again", || sink.requests().len() >= 3);
    let attempt = &house.exports.attempts(SEGMENT, Some(0), 1)[0];
    assert!(attempt.error.as_deref().is_some_and(|error| error.contains("--export-timeout")), "{attempt:?}");
    assert_eq!(house.status().last_error.expect("it failed").code, "timed_out");
    sink.answer(|_| Answer::status(200));
    house.until_all_is_written();
}

#[test]
fn a_mistake_of_our_own_stops_a_destination_for_a_moment_only() {
    let mut calls = 0;
    let sink = Sink::start(move |_| {
        calls += 1;
        Answer::status(if calls == 1 { 500 } else { 200 })
    });
    // The wait after the first failure is where it goes wrong.
    let mistakes = AtomicUsize::new(1);
    let mut house = House::with_random(Arc::new(move |buffer: &mut [u8]| {
        buffer.fill(1);
        let is_due = mistakes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!is_due, "a mistake that the test makes");
    }));
    set_up(&house, &sink);
    house.append_custom(3);
    house.run();
    house.until_all_is_written();
    let requests = sink.requests();
    assert_eq!(requests.iter().map(Request::sequences).collect::<Vec<_>>(), [[0, 1, 2], [0, 1, 2]]);
    assert_eq!(house.status().last_error.map(|error| error.code).as_deref(), Some("internal_error"));
}
