//! What becomes of events by what the other side replies: tried again, later if it says so; split down to the offender; or
//! paused, when it is the whole destination that is refused.

use super::fake::Fault;
use super::segment::segment;
use super::*;
use crate::contract::rows;
use std::time::{Duration, SystemTime};

/// After so many refused events in a row, with none taken between, a destination is paused.
const REFUSED_IN_A_ROW: usize = 100;

#[test]
fn what_may_pass_by_itself_is_tried_until_it_is_taken() {
    let fake = segment();
    let server = start(&fake);
    let statuses = [500, 502, 503, 504, 599, 408, 410, 429];
    fake.script(statuses.map(Fault::status));
    log_orders(&server, 0..50);
    let told = counted(&server, "segment", 50, 0);
    assert_got(&fake, 0..50);
    {
        let books = fake.books();
        let replied: Vec<u16> = books.received.iter().filter_map(|received| received.status).collect();
        assert_eq!(replied[..statuses.len()], statuses);
        for (nth, received) in books.received.iter().take(statuses.len() + 1).enumerate() {
            let count = received.header("x-retry-count").map(str::to_owned);
            assert_eq!(count, (nth > 0).then(|| nth.to_string()), "an attempt says which one it is");
            assert_eq!(received.events, books.received[0].events, "the same again");
        }
        assert_eq!(books.repeats, 0);
    }
    assert!(told["pause"].is_null() && told["lastDelivered"].is_i64(), "{told}");
    let outcomes: Vec<Value> = attempts(&server, "segment")
        .iter()
        .rev()
        .take(statuses.len() + 1)
        .map(|attempt| json!([attempt["status"], attempt["outcome"]]))
        .collect();
    let mut expected = statuses.map(|status| json!([status, "again"])).to_vec();
    expected.push(json!([200, "delivered"]));
    assert_eq!(outcomes, expected);
}

#[test]
fn who_names_a_time_is_not_asked_before() {
    let fake = segment();
    let server = start(&fake);
    // A date has whole seconds, so up to one of it is gone when it is written.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    let faults = [
        (Fault::with(429, "retry-after", 1), 1),
        (Fault::with(503, "retry-after", 1), 1),
        (Fault::with(429, "x-ratelimit-reset", 1), 1),
        (Fault::with(429, "retry-after", 0), 0),
    ];
    fake.script(faults.iter().map(|(fault, _)| fault.clone()));
    log_orders(&server, 0..3);
    drained(&server, "segment");
    for (nth, pair) in fake.books().received.windows(2).take(faults.len()).enumerate() {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= Duration::from_secs(faults[nth].1), "{:?} and then {gap:?}", faults[nth].0);
    }
    let asked = SystemTime::now();
    let named = httpdate::parse_http_date(&date).expect("a date");
    fake.script([Fault::with(503, "retry-after", &date)]);
    log_orders(&server, 3..6);
    drained(&server, "segment");
    if let Ok(left) = named.duration_since(asked) {
        assert!(SystemTime::now() >= named, "it said {date}, {left:?} ahead");
    }
    assert_got(&fake, 0..6);
}

#[test]
fn while_it_waits_it_says_so() {
    let fake = segment();
    let server = start(&fake);
    fake.always(Some(Fault::with(429, "retry-after", 300)));
    log_orders(&server, 0..5);
    let told = becomes(&server, "segment", "waiting");
    assert_eq!((&told["lastError"]["status"], &told["retry"]["attempt"]), (&json!(429), &json!(2)), "{told}");
    assert!(told["retry"]["at"].is_i64() && told["lastError"]["message"].is_string(), "{told}");
    assert_eq!((&told["lag"]["events"], &told["forwarded"]), (&json!(5), &json!(0)), "{told}");
    assert!(told["lag"]["seconds"].as_f64().is_some_and(|seconds| seconds < 300.0), "{told}");
    assert_eq!(fake.books().received.len(), 1);
}

#[test]
fn a_refused_batch_is_split_down_to_its_offenders() {
    let fake = segment();
    let server = start(&fake);
    let refusals = [400, 404, 409, 413, 422, 302, 501, 505];
    for status in refusals {
        fake.poison(&format!("Poison {status}"), status);
    }
    let mut events: Vec<Value> = (0..90).map(|number| event("Order", number)).collect();
    for (nth, status) in refusals.into_iter().enumerate() {
        // The first and the last of all, neighbours, and some between.
        let place = [0, 1, 2, 17, 40, 41, 77, 97][nth];
        events.insert(place, event(&format!("Poison {status}"), 1000 + u64::from(status)));
    }
    log(&server, &events);
    let told = counted(&server, "segment", 90, 8);
    assert_got(&fake, 0..90);
    assert_eq!(fake.books().repeats, 0, "none of a batch that was refused had been taken");
    assert_eq!((&told["deadLetters"], &told["pause"]), (&json!(8), &Value::Null));

    let stored = rows(&server, "limit=1000");
    let letters = dead_letters(&server, "segment");
    let sequences: Vec<u64> = letters.iter().map(|letter| letter["sequence"].as_u64().expect("a place")).collect();
    assert!(sequences.is_sorted_by(|a, b| a > b), "newest first: {sequences:?}");
    for letter in &letters {
        let row = stored.iter().find(|row| row["sequence"] == letter["sequence"]).expect("it is in the log");
        assert_eq!(row["name"], letter["event"]);
        let status = &letter["status"];
        assert_eq!(letter["event"], format!("Poison {status}"), "{letter}");
        assert_eq!((&letter["code"], &letter["attempts"].is_u64()), (&json!("refused"), &true), "{letter}");
        assert_eq!(letter["reply"], r#"{"success":false,"message":"an event of it is poisoned"}"#, "{letter}");
        assert!(letter["message"].as_str().is_some_and(|message| message.len() > 10), "{letter}");
        assert!(letter["time"].is_i64(), "{letter}");
    }
}

#[test]
fn a_place_that_refuses_everything_is_paused_before_all_is_dead() {
    let fake = segment();
    let server = start(&fake);
    fake.always(Some(Fault::status(404)));
    log_orders(&server, 0..400);
    let told = becomes(&server, "segment", "paused");
    assert_eq!(told["pause"]["code"], "refuses_everything", "{told}");
    assert!(told["pause"]["message"].as_str().is_some_and(|message| message.contains("404")), "{told}");
    assert_eq!(dead_letters(&server, "segment").len(), REFUSED_IN_A_ROW);
    // The lag in that answer may have been counted a moment before the pause.
    until_status(&server, "segment", "the rest is what lags", |it| it["lag"]["events"] == 400 - REFUSED_IN_A_ROW);
    let before = fake.books().received.len();
    // Somebody mends the address.
    fake.always(None);
    log_orders(&server, 400..410);
    assert_eq!(fake.books().received.len(), before, "paused is paused");
    done(&server, "POST", "destinations/segment/resume", Value::Null);
    drained(&server, "segment");
    assert_got(&fake, REFUSED_IN_A_ROW as u64..410);
    done(&server, "POST", "destinations/segment/dead_letters/retry", Value::Null);
    until("the dead letters are delivered", || dead_letters(&server, "segment").is_empty());
    let mut all = numbers(&fake);
    all.sort_unstable();
    assert_eq!(all, (0..410).collect::<Vec<_>>());
}

#[test]
fn a_key_that_is_not_taken_pauses_the_destination_and_loses_nothing() {
    for refused in [401, 403] {
        let fake = segment();
        let mut server = start(&fake);
        fake.always(Some(Fault::status(refused)));
        log_orders(&server, 0..20);
        let told = becomes(&server, "segment", "paused");
        let message = told["pause"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(told["pause"]["code"], "unauthorized", "{told}");
        assert!(message.contains(&refused.to_string()) && message.contains("key"), "{message}");
        assert!(told["pause"]["since"].is_i64() || told["pause"]["since"].is_string(), "{told}");
        assert!(dead_letters(&server, "segment").is_empty());
        let before = fake.books().received.len();

        // It stays paused through a restart.
        assert!(server.stop().success(), "{}", server.logged());
        server.restart();
        log_orders(&server, 20..30);
        let told = status(&server, "segment");
        assert_eq!((&told["state"], &told["lag"]["events"]), (&json!("paused"), &json!(30)), "{told}");
        assert_eq!(fake.books().received.len(), before);

        // The reply is the same when a person tries again, and so is what is done.
        done(&server, "POST", "destinations/segment/resume", Value::Null);
        until("it was asked again", || fake.books().received.len() > before);
        becomes(&server, "segment", "paused");

        // Another key, and it goes on by itself.
        fake.always(None);
        let other = "another-write-key-of-a-source-2";
        done(&server, "PATCH", "integrations/segment.outgoing", json!({"writeKey": other}));
        drained(&server, "segment");
        assert_got(&fake, 0..30);
        assert!(dead_letters(&server, "segment").is_empty());
        let books = fake.books();
        let last = books.received.last().and_then(|received| received.header("authorization"));
        let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{other}:"));
        assert_eq!(last, Some(format!("Basic {basic}").as_str()));
    }
}
