//! Rings: programs that export to each other, or to themselves, come to rest with each event stored once at each.

use super::segment::segment;
use super::*;
use crate::contract::{rejected, rows};
use crate::kill::oracle::read_log;
use crate::running::SERVER_KEY;

/// Every category goes to the Segment door of a server.
fn towards(server: &Server) -> Value {
    json!({"isEnabled": true, "writeKey": SERVER_KEY, "baseUrl": format!("http://{}", server.address)})
}

fn exposure(gate: &str, number: u64) -> Value {
    json!({"eventName": "statsig::gate_exposure", "time": BEGIN + number, "user": {"userID": format!("u-{number}")},
        "value": null, "metadata": {"gate": gate, "gateValue": "true", "ruleID": "all"}})
}

/// How many events a source brought.
fn from(server: &Server, source: &str) -> usize {
    read_log(server).iter().filter(|row| row.source == source).count()
}

/// How often events were refused for a reason.
fn count(server: &Server, reason: &str) -> u64 {
    let told = server.get("/console/v1/status").json()["data"]["notStored"].clone();
    let rows = told.as_array().expect("a list").iter().filter(|row| row["reason"] == reason);
    rows.filter_map(|row| row["count"].as_u64()).sum()
}

#[test]
fn two_that_export_to_each_other_come_to_rest() {
    let (first, second) = (Server::start_with(&project(), &BRISK), Server::start_with(&project(), &BRISK));
    done(&first, "PATCH", "integrations/segment.outgoing", towards(&second));
    done(&second, "PATCH", "integrations/segment.outgoing", towards(&first));
    log_orders(&first, 0..60);
    log(&first, &(0..25).map(|number| exposure("g", number)).collect::<Vec<_>>());
    log_orders(&second, 100..140);
    done(&first, "POST", "gates", json!({"name": "g"}));
    // What each still has for the other shows in its lag, so that both at rest is the end of it.
    until("both are at rest", || {
        [&first, &second].iter().all(|server| {
            let told = status(server, "segment");
            told["state"] == "idle" && told["lag"]["events"] == 0
        })
    });
    for (server, own, received, looped) in [(&first, 85, 40, 0), (&second, 40, 60, 25)] {
        assert_eq!((from(server, "statsig"), from(server, "segment")), (own, received));
        // Beside the exposures each got the other's config changes, which it has no use for either.
        assert!(count(server, "loop") > looped, "{}", count(server, "loop"));
        assert!(rejected(server).iter().all(|code| code == "loop"), "{:?}", rejected(server));
        assert!(dead_letters(server, "segment").is_empty());
    }
    let names: Vec<Value> = rows(&second, "source=segment&limit=1").iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["segment::Order"]);
}

#[test]
fn one_that_exports_to_itself_stores_nothing_twice() {
    let mut server = Server::start_with(&project(), &BRISK);
    done(&server, "PATCH", "integrations/segment.outgoing", towards(&server));
    log_orders(&server, 0..50);
    drained(&server, "segment");
    let changes = from(&server, "console");
    let returned = count(&server, "returned");
    assert!(returned > 50, "{returned}");
    counted(&server, "segment", returned, 0);
    assert_eq!((from(&server, "statsig"), from(&server, "segment")), (50, 0));
    assert!(server.stop().success(), "{}", server.logged());
    server.restart();
    assert_eq!(read_log(&server).len(), 50 + changes);
}

#[test]
fn what_came_from_segment_never_goes_back() {
    let fake = segment();
    let server = start(&fake);
    let table = [
        ("track", r#"{"event":"In","userId":"u"}"#),
        ("page", r#"{"name":"In","userId":"u"}"#),
        ("identify", r#"{"userId":"u","traits":{"a":1}}"#),
        (
            "batch",
            r#"{"batch":[{"type":"track","event":"In","userId":"u"},{"type":"group","groupId":"g","userId":"u"}]}"#,
        ),
        ("webhooks/segment_webhook", r#"{"type":"track","event":"In","userId":"u"}"#),
        ("webhooks/rudderstack", r#"{"type":"track","event":"In","userId":"u"}"#),
    ];
    for (nth, (path, body)) in (0..).zip(table) {
        assert_eq!(server.post(&format!("/v1/{path}"), body).status, 200, "{path}");
        log_orders(&server, nth..nth + 1);
    }
    assert_eq!(rows(&server, "source=segment").len() + rows(&server, "source=rudderstack").len(), 7);
    drained(&server, "segment");
    assert_got(&fake, 0..6);
}
