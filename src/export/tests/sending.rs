//! What goes out, in which order, and how often.

use super::house::{CUSTOM, House, Row, SEGMENT, segment};
use super::sink::{Answer, Sink, until};
use crate::event::{Basis, Kind, Source, Subject};
use crate::export::{DestinationId, DestinationState, Limits, Outcome, Purpose};
use serde_json::json;

fn sink() -> Sink {
    Sink::start(|_| Answer::status(200))
}

fn sequences(sink: &Sink) -> Vec<u64> {
    sink.requests().iter().flat_map(|request| request.sequences()).collect()
}

#[test]
fn a_backlog_goes_out_in_order_in_full_batches_over_one_connection() {
    let (sink, mut house) = (sink(), House::new());
    house.set_up(&segment(&format!("http://{}/", sink.address), json!({})));
    for _ in 0..6 {
        house.append_custom(1_000);
    }
    assert_eq!(house.status().lag.events, 6_000);
    house.run();
    house.until_all_is_written();
    assert_eq!(sequences(&sink), (0..6_000).collect::<Vec<_>>());
    let requests = sink.requests();
    let counts: Vec<_> = requests.iter().map(|request| request.sequences().len()).collect();
    assert!(counts.iter().all(|&count| count <= 2_500) && counts.len() <= 6, "{counts:?}");
    assert!(requests.iter().all(|request| request.connection == 0 && request.body.len() <= 475_000));
    assert!(requests.iter().all(|request| request.header("authorization") == Some("Basic a2V5Og==")));
    until("it is idle", || house.status().state == DestinationState::Idle);
    let status = house.status();
    assert_eq!((status.position, status.end, status.forwarded, status.lag.events), (6_000, 6_000, 6_000, 0));
    assert_eq!(status.last_error, None);
    let attempts = house.exports.attempts(SEGMENT, None, 10);
    assert_eq!(attempts.len(), counts.len());
    assert!(attempts.iter().all(|it| it.outcome == Outcome::Delivered && it.purpose == Purpose::Batch));
    assert_eq!(attempts[0].last_sequence, Some(5_999), "newest first");
    assert_eq!(house.meters.export_segment_forwarded.get(), 6_000);
}

#[test]
fn events_that_come_one_by_one_do_not_make_a_request_each() {
    let (sink, mut house) = (sink(), House::new());
    house.set_up(&segment(&format!("http://{}", sink.address), json!({})));
    house.run();
    for _ in 0..30 {
        house.append_custom(1);
    }
    house.until_all_is_written();
    assert_eq!(sequences(&sink), (0..30).collect::<Vec<_>>());
    assert!(sink.requests().len() < 30, "{} requests", sink.requests().len());
}

#[test]
fn only_what_arose_here_and_was_chosen_goes_out_and_the_rest_is_passed() {
    let (sink, mut house) = (sink(), House::new());
    let settings = json!({"includeNewEvents": false, "events": {"bought": true}});
    house.set_up(&segment(&format!("http://{}", sink.address), settings));
    house.run();
    let from_segment = || Row { source: Source::Segment, kind: Kind::Track, name: "segment::A", ..CUSTOM };
    let other = || Row { name: "other", ..CUSTOM };
    house.append([from_segment(), CUSTOM, other(), CUSTOM, other(), from_segment()]);
    until("both are confirmed", || house.status().forwarded == 2);
    until("all is passed", || house.status().position == 6);
    assert_eq!(sequences(&sink), [1, 3]);
    until("filtered ones are counted", || house.meters.export_segment_filtered.get() == 2);
    house.append([from_segment(), other()]);
    until("the place follows", || house.status().position == 8);
    // The task may be stopped before it has looked that far; it looks again when it runs again.
    until("it is written when the server stops", || {
        house.stop();
        house.run();
        house.cursor().position == house.end()
    });
    assert_eq!(sink.requests().len(), 1, "what is not to be sent makes no request");
}

fn met(user: &'static str) -> Row {
    let subject = Subject {
        kind: Kind::GateExposure,
        name: "g".into(),
        rule: "r".into(),
        value: "true".into(),
        allocated: String::new(),
        basis: Basis::Rules,
    };
    let (kind, name) = (Kind::GateExposure, "statsig::gate_exposure");
    Row { kind, name, user: Some(user), subject: Some(subject), ..CUSTOM }
}

#[test]
fn exposures_beyond_those_that_are_remembered_go_out_and_are_counted() {
    let (sink, mut house) = (sink(), House::with(|limits| Limits { firsts: 1, ..limits }));
    house.set_up(&segment(&format!("http://{}", sink.address), json!({"firstExposuresOnly": true})));
    house.append([met("a"), met("b"), met("a"), met("b")]);
    house.run();
    house.until_all_is_written();
    assert_eq!(sequences(&sink), [0, 1, 3], "the first of a, and all of b");
    house.exports.measure().expect("a readable store");
    assert_eq!(house.meters.export_segment_firsts_unknown.get(), 2);
}

#[test]
fn of_each_units_exposures_only_the_first_goes_out_where_that_is_set() {
    let (sink, mut house) = (sink(), House::new());
    // Before the destination is switched on: it counts all the same.
    house.append([met("a")]);
    house.set_up(&segment(&format!("http://{}", sink.address), json!({"firstExposuresOnly": true})));
    house.append([met("a"), met("b"), CUSTOM, met("b"), met("c")]);
    assert_eq!(house.status().lag.events, 3);
    house.run();
    house.until_all_is_written();
    assert_eq!(sequences(&sink), [2, 3, 5]);
    house.exports.replay(SEGMENT, crate::event::Sequence(0)).expect("it is written");
    until("it is sent again", || sequences(&sink).len() == 7);
    assert_eq!(sequences(&sink)[3..], [0, 2, 3, 5]);
}

#[test]
fn what_is_left_is_counted_once_and_its_age_is_that_of_the_oldest() {
    let (sink, mut house) = (Sink::start(|_| Answer::status(503)), House::new());
    house.set_up(&segment(&format!("http://{}", sink.address), json!({"events": {"other": false}})));
    house.append_custom(5);
    house.append([Row { name: "other", ..CUSTOM }, CUSTOM]);
    house.clock.advance_ms(7_500);
    let lag = house.status().lag;
    assert_eq!((lag.events, lag.seconds), (6, 7));
    house.append_custom(10);
    assert_eq!(house.status().lag.events, 16, "only what is new is counted");
    house.run();
    until("it waits", || house.status().state == DestinationState::Waiting);
    assert_eq!((house.status().lag.events, house.status().lag.seconds), (16, 7));
    house.exports.measure().expect("a readable store");
    assert_eq!((house.meters.export_segment_lag_events.get(), house.meters.export_segment_lag_seconds.get()), (16, 7));
    sink.answer(|_| Answer::status(200));
    house.until_all_is_written();
    assert_eq!(house.status().lag.events, 0);
    assert_eq!(house.status().position, house.end().0);
}

#[test]
fn a_destination_begins_at_the_logs_end_and_forgets_its_place_when_it_ends() {
    let (sink, mut house) = (sink(), House::new());
    let on = segment(&format!("http://{}", sink.address), json!({}));
    house.append_custom(3);
    house.run();
    house.set_up(&on);
    house.append_custom(1);
    until("it is sent", || sequences(&sink) == [3]);
    house.set_up(&json!({}));
    assert_eq!(house.status().state, DestinationState::Disabled);
    house.append_custom(2);
    house.set_up(&on);
    house.append_custom(1);
    until("it is sent", || sequences(&sink).len() == 2);
    assert_eq!(sequences(&sink), [3, 6]);
}

#[test]
fn the_trouble_of_one_destination_is_not_the_others() {
    let (stuck, sink, mut house) = (Sink::start(|_| Answer::Hang), sink(), House::new());
    let mut project = segment(&format!("http://{}", stuck.address), json!({}));
    project["integrations"]["webhook"] =
        json!({"outgoing": {"isEnabled": true, "url": format!("http://{}/hook", sink.address)}});
    house.set_up(&project);
    house.run();
    house.append_custom(3);
    until("the other gets it", || sequences(&sink) == [0, 1, 2]);
    until("this one tries", || !stuck.requests().is_empty());
    let statuses = house.exports.statuses().expect("a readable store");
    assert_eq!((statuses[0].id.as_str(), statuses[0].state), ("segment", DestinationState::Sending));
    assert_eq!((statuses[0].forwarded, statuses[1].id.as_str()), (0, "webhook"));
    until("it is written", || house.exports.status(DestinationId::Webhook).expect("a readable store").forwarded == 3);
}
