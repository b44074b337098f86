//! What a person can do with a destination: pause and resume it, send again from a place or a time, skip, look at dead letters,
//! send them again or drop them, and try whether anything arrives.

use super::fake::Fault;
use super::segment::segment;
use super::*;
use crate::contract::rows;
use crate::running::{SERVER_KEY, VIEWER_KEY};

/// Acts on the Segment destination.
fn act(server: &Server, what: &str, body: Value) -> Value {
    done(server, "POST", &format!("destinations/segment/{what}"), body)
}

#[test]
fn paused_by_hand_it_sends_nothing_until_it_is_resumed() {
    let fake = segment();
    let mut server = start(&fake);
    log_orders(&server, 0..5);
    drained(&server, "segment");
    act(&server, "pause", Value::Null);
    let told = becomes(&server, "segment", "paused");
    assert_eq!(told["pause"]["code"], "by_hand", "{told}");
    log_orders(&server, 5..9);
    server.kill();
    server.restart();
    log_orders(&server, 9..12);
    assert_eq!(becomes(&server, "segment", "paused")["lag"]["events"], 7);
    assert_eq!(fake.books().taken.len(), 5);
    act(&server, "resume", Value::Null);
    drained(&server, "segment");
    assert_got(&fake, 0..12);
}

#[test]
fn a_replay_sends_again_from_a_place_or_a_time_and_a_skip_leaves_out() {
    let fake = segment();
    let server = start(&fake);
    for from in [0, 10, 20] {
        log_orders(&server, from..from + 10);
    }
    let told = drained(&server, "segment");
    let (end, stored) = (told["end"].as_u64().expect("a place"), rows(&server, "name=Order&limit=1000"));
    let received = stored[9]["receivedAt"].clone();
    // Written with the same number of digits each time.
    let moment = |row: &Value| row["receivedAt"].to_string();
    assert_eq!(fake.books().repeats, 0);
    act(&server, "replay", json!({"fromSequence": end - 10}));
    until("the last ten came again", || fake.books().repeats == 10);
    drained(&server, "segment");
    let later = stored.iter().filter(|row| moment(row) >= moment(&stored[9])).count() as u64;
    act(&server, "replay", json!({"fromTime": received}));
    until("all from that time came again", || fake.books().repeats >= 10 + later);
    drained(&server, "segment");
    assert_got(&fake, 0..30);
    // Everything at once, a way back behind the beginning too.
    let before = fake.books().repeats;
    act(&server, "replay", json!({"fromSequence": 0}));
    until("all of them came again", || fake.books().repeats >= before + 30);
    drained(&server, "segment");
    fake.books().assert_clean();
    assert_eq!(fake.books().taken.len(), 30);

    fake.always(Some(Fault::status(503)));
    log_orders(&server, 30..40);
    until("it has failed", || status(&server, "segment")["lastError"]["status"] == 503);
    act(&server, "skip", Value::Null);
    fake.always(None);
    drained(&server, "segment");
    log_orders(&server, 40..50);
    drained(&server, "segment");
    assert_eq!(numbers(&fake), (0..30).chain(40..50).collect::<Vec<_>>());
    fake.books().assert_clean();
}

#[test]
fn a_dead_letter_can_be_looked_at_sent_again_or_dropped() {
    let fake = segment();
    let mut server = start(&fake);
    fake.poison("Poison", 422);
    log(&server, &(0..6).map(|number| event("Poison", number)).collect::<Vec<_>>());
    // No ID at all, and one that is larger than Segment takes.
    let anonymous = json!({"eventName": "Nobody", "time": BEGIN, "user": {"email": "a@example.com"}, "metadata": {}});
    let large =
        json!({"eventName": "Large", "time": BEGIN, "user": {"userID": "u"}, "metadata": {"a": "x".repeat(33_000)}});
    log(&server, &[anonymous, large]);
    counted(&server, "segment", 0, 8);
    let letters = dead_letters(&server, "segment");
    let codes: Vec<&str> = letters.iter().map(|letter| letter["code"].as_str().expect("a code")).collect();
    assert_eq!(codes, ["too_large", "no_id", "refused", "refused", "refused", "refused", "refused", "refused"]);
    assert!(letters[..2].iter().all(|letter| letter["status"].is_null() && letter["message"].is_string()));

    let one = letters[7]["sequence"].clone();
    let path = format!("destinations/segment/dead_letters/{one}");
    let looked = done(&server, "GET", &path, Value::Null);
    assert!(looked.to_string().contains("Poison") && looked.to_string().contains("\"refused\""), "{looked}");

    // Sent again while it is still refused it stays, with another attempt.
    let refused = fake.books().received.len();
    done(&server, "POST", &format!("{path}/retry"), Value::Null);
    until("it was sent again", || fake.books().received.len() > refused);
    until("nothing is retried", || status(&server, "segment")["retrying"] == 0);
    assert_eq!(dead_letters(&server, "segment").len(), 8);
    fake.cure();
    done(&server, "POST", &format!("{path}/retry"), Value::Null);
    until("it has gone", || dead_letters(&server, "segment").len() == 7);
    assert_eq!(fake.books().names(), ["Poison"]);
    // Nothing is wrong with the rest of the refused any more; what cannot be sent stays.
    done(&server, "POST", "destinations/segment/dead_letters/retry", Value::Null);
    until("they have gone", || dead_letters(&server, "segment").len() == 2);
    until("nothing is retried", || status(&server, "segment")["retrying"] == 0);
    let mut sent = numbers(&fake);
    sent.sort_unstable();
    assert_eq!(sent, (0..6).collect::<Vec<_>>());
    assert_eq!(fake.books().violations, [""; 0]);
    server.kill();
    server.restart();
    assert_eq!(dead_letters(&server, "segment").len(), 2, "they outlive the process");

    done(&server, "DELETE", &format!("destinations/segment/dead_letters/{}", letters[0]["sequence"]), Value::Null);
    assert_eq!(dead_letters(&server, "segment")[0]["code"], "no_id");
    done(&server, "DELETE", "destinations/segment/dead_letters", Value::Null);
    assert!(dead_letters(&server, "segment").is_empty());
}

#[test]
fn dead_letters_are_kept_within_their_bound() {
    let fake = segment();
    fake.poison("Poison", 400);
    let mut flags = BRISK.to_vec();
    flags.extend(["--export-dead-letters", "5"]);
    let server = Server::start_with(&exporting(&fake), &flags);
    for number in 0..20 {
        log(&server, &[event("Poison", number), event("Order", number)]);
    }
    let told = counted(&server, "segment", 20, 20);
    assert_eq!((&told["deadLetters"], &told["droppedDeadLetters"]), (&json!(5), &json!(15)), "{told}");
    assert_got(&fake, 0..20);
}

#[test]
fn a_test_event_tells_whether_anything_arrives() {
    let fake = segment();
    let server = start(&fake);
    let told = act(&server, "test", Value::Null);
    assert_eq!(
        (&told["outcome"], &told["status"], &told["purpose"]),
        (&json!("delivered"), &json!(200), &json!("test"))
    );
    fake.always(Some(Fault::status(401)));
    let told = act(&server, "test", Value::Null);
    assert_eq!((&told["outcome"], &told["status"]), (&json!("unauthorized"), &json!(401)), "{told}");
    assert_eq!(fake.books().violations, [""; 0]);
    // It stands beside the queue.
    fake.always(None);
    log_orders(&server, 0..3);
    drained(&server, "segment");
    let purposes: Vec<Value> = attempts(&server, "segment").iter().map(|told| told["purpose"].clone()).collect();
    assert_eq!(purposes, ["batch", "test", "test"]);
}

#[test]
fn who_may_only_read_may_not_act() {
    let fake = segment();
    let server = start(&fake);
    let ask = |key: &str, method: &str, path: &str| {
        server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", key)], "{}").status
    };
    for (method, path, by_viewer) in [
        ("GET", "destinations", 200),
        ("GET", "destinations/segment", 200),
        ("GET", "destinations/webhook", 200),
        ("GET", "destinations/segment/attempts", 200),
        ("GET", "destinations/segment/dead_letters", 200),
        ("GET", "destinations/pigeon", 404),
        ("GET", "destinations/segment/dead_letters/0", 404),
        ("POST", "destinations/segment/pause", 403),
        ("POST", "destinations/segment/resume", 403),
        ("POST", "destinations/segment/skip", 403),
        ("POST", "destinations/segment/replay", 403),
        ("POST", "destinations/segment/test", 403),
        ("POST", "destinations/segment/dead_letters/retry", 403),
        ("DELETE", "destinations/segment/dead_letters", 403),
    ] {
        assert_eq!(ask(VIEWER_KEY, method, path), by_viewer, "{method} {path}");
        assert_eq!(ask(SERVER_KEY, method, path), 403, "{method} {path}");
    }
    assert_eq!(status(&server, "segment")["pause"], Value::Null);
    assert_eq!(status(&server, "webhook")["state"], "disabled");
}
