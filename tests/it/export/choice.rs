//! Which events go out: by category, by name, first exposures only; and that a secret goes nowhere but where it belongs.

use super::fake::Fault;
use super::segment::segment;
use super::*;
use crate::running::SERVER_KEY;

fn exposure(gate: &str, unit: &str, number: u64) -> Value {
    json!({"eventName": "statsig::gate_exposure", "time": BEGIN + number, "user": {"userID": unit}, "value": null,
        "metadata": {"gate": gate, "gateValue": "true", "ruleID": "all", "n": number.to_string()}})
}

#[test]
fn only_what_is_chosen_goes_out() {
    let (exposures, changes, customs) = (json!("exposures"), json!("configChanges"), json!("includeNewEvents"));
    let gate = "statsig::gate_exposure";
    let change = "statsig::config_change";
    for (set, expected) in [
        (json!({}), vec!["Order", "Refund", "Hooked", gate, change]),
        (json!({"exposures": false}), vec!["Order", "Refund", "Hooked", change]),
        (json!({"configChanges": false}), vec!["Order", "Refund", "Hooked", gate]),
        (json!({"includeNewEvents": false}), vec![gate, change]),
        (json!({"includeNewEvents": false, "events": {"Order": true, "Refund": false}}), vec!["Order", gate, change]),
        (json!({"events": {"Order": false}}), vec!["Refund", "Hooked", gate, change]),
        (json!({"exposures": false, "configChanges": false, "includeNewEvents": false}), vec![]),
    ] {
        let fake = segment();
        let server = Server::start_with(&project(), &BRISK);
        let mut outgoing = outgoing(&fake);
        for category in [&exposures, &changes, &customs] {
            outgoing[category.as_str().expect("a name")] = json!(true);
        }
        for (field, value) in set.as_object().expect("settings") {
            outgoing[field] = value.clone();
        }
        // What was logged before it was enabled stays here.
        log(&server, &[event("Before", 0)]);
        done(&server, "PATCH", "integrations/segment.outgoing", outgoing);
        log(&server, &[event("Order", 1), event("Refund", 2)]);
        let hooked = r#"{"user":{"userID":"u"},"event":"Hooked","timestamp":1767225600000}"#;
        assert_eq!(server.post("/v1/webhooks/event_webhook", hooked).status, 200);
        log(&server, &[exposure("g", "u", 3)]);
        done(&server, "POST", "gates", json!({"name": "g"}));
        drained(&server, "segment");
        let books = fake.books();
        books.assert_clean();
        // Enabling it is a change too, the first thing that goes out.
        let names: Vec<&str> = books.names().into_iter().skip(usize::from(expected.contains(&change))).collect();
        assert_eq!(names, expected, "{set}");
        counted(&server, "segment", books.taken.len() as u64, 0);
    }
}

#[test]
fn a_config_change_says_who_changed_what() {
    let fake = segment();
    let server = Server::start_with(&project(), &BRISK);
    let mut outgoing = outgoing(&fake);
    outgoing["configChanges"] = json!(true);
    done(&server, "PATCH", "integrations/segment.outgoing", outgoing);
    done(&server, "POST", "gates", json!({"name": "new checkout"}));
    drained(&server, "segment");
    let books = fake.books();
    books.assert_clean();
    let sent = books.taken.last().expect("a change").json();
    assert_eq!((&sent["event"], &sent["userId"]), (&json!("statsig::config_change"), &json!("automation")));
    let properties = json!({"author": "automation", "configName": "new checkout",
        "description": "gate new checkout created", "environment": "production, staging, development"});
    assert_eq!(sent["properties"], properties);
    assert!(!books.taken.iter().any(|sent| sent.text.contains(WRITE_KEY)));
}

#[test]
fn of_first_exposures_only_each_unit_has_one_a_gate() {
    let fake = segment();
    let mut project = exporting(&fake);
    project["integrations"]["segment"]["outgoing"]["firstExposuresOnly"] = json!(true);
    let mut server = Server::start_with(&project, &BRISK);
    let mut number = 0;
    let mut exposures = |units: Range<u64>, gates: &[&str]| -> Vec<Value> {
        let pairs = units.flat_map(|unit| gates.iter().map(move |gate| (gate, unit)));
        let made = pairs.map(|(gate, unit)| {
            number += 1;
            exposure(gate, &format!("u-{unit}"), number - 1)
        });
        made.collect()
    };
    // 0 to 59: each for the first time. Then the same again, with some that are new.
    log(&server, &exposures(0..30, &["a", "b"]));
    log(&server, &exposures(0..30, &["a", "b"]));
    drained(&server, "segment");
    assert_got(&fake, 0..60);
    // A restart forgets nothing of it.
    assert!(server.stop().success(), "{}", server.logged());
    server.restart();
    log(&server, &exposures(25..35, &["a"]));
    log_orders(&server, 1000..1002);
    drained(&server, "segment");
    let expected: Vec<u64> = (0..60).chain(125..130).chain(1000..1002).collect();
    assert_eq!(numbers(&fake), expected);
    fake.books().assert_clean();
    counted(&server, "segment", expected.len() as u64, 0);
}

#[test]
fn a_write_key_is_shown_to_nobody() {
    let fake = segment();
    fake.poison("Poison", 400);
    let mut flags = BRISK.to_vec();
    flags.extend(["--log-level", "trace"]);
    let mut server = Server::start_with(&exporting(&fake), &flags);
    fake.script([Fault::status(500), Fault::Garbage, Fault::ResetAfter]);
    log(&server, &[event("Poison", 0), event("Order", 1)]);
    counted(&server, "segment", 1, 1);
    fake.script([Fault::status(401)]);
    log_orders(&server, 2..3);
    becomes(&server, "segment", "paused");
    done(&server, "POST", "destinations/segment/test", Value::Null);
    let letter = dead_letters(&server, "segment")[0]["sequence"].to_string();
    let shown = [
        "destinations",
        "destinations/segment",
        "destinations/segment/attempts",
        "destinations/segment/dead_letters",
        &format!("destinations/segment/dead_letters/{letter}"),
        "integrations",
        "integrations/segment.outgoing",
        "events",
        "audit_logs",
        "rejected",
    ]
    .map(|path| server.get(&format!("/console/v1/{path}")).body)
    .concat();
    let metrics = server.ask("GET", "/metrics", &[], "").body;
    assert!(server.stop().success(), "{}", server.logged());
    let logged = server.logged();
    assert!(shown.contains("Poison") && logged.contains("401"), "the test looks where something is: {logged}");
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{WRITE_KEY}:"));
    for secret in [WRITE_KEY, &basic, SERVER_KEY] {
        for (place, text) in [("the API", &shown), ("the metrics", &metrics), ("the log", &logged)] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}
