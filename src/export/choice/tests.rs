//! What goes out, what the settings leave out, and what is never ours to send.

use super::Chosen::{Filtered, Goes, NotOurs};
use super::*;
use crate::export::probe::{Log, NOW, exposure, outgoing, setup};
use serde_json::{Value, json};

/// A log of every source and kind, with what each row is called here.
fn log() -> (Log, Vec<&'static str>) {
    let user = json!({"userID": "u"});
    let event = |name: &str| json!({"eventName": name, "user": user, "time": NOW.0});
    let layer = |allocated: &str, explicit: &str| json!({"config": "checkout_layer", "ruleID": "r", "allocatedExperiment": allocated, "isExplicitParameter": explicit});
    let mut log = Log::new();
    log.events(&[
        exposure("gate", &user, &json!({"gate": "g", "gateValue": "true", "ruleID": "r"})),
        exposure("config", &user, &json!({"config": "c", "ruleID": "r"})),
        exposure("layer", &user, &layer("shipping_copy", "true")),
        exposure("layer", &user, &layer("", "false")),
        exposure("layer", &user, &layer("shipping_copy", "false")),
        event("bought"),
        event("noisy_event"),
        event("statsig::app_error"),
    ]);
    log.webhook(&json!([{"user": user, "event": "bought"}, {"user": user, "event": "noisy_event"}]));
    log.change("ada@example.com", &json!({"type": "gate", "name": "g"}));
    let track = json!({"type": "track", "event": "bought", "userId": "u"});
    log.segment(&json!({"batch": [track, {"type": "page", "userId": "u"}, {"type": "identify", "userId": "u"}]}));
    log.rudderstack(&json!([track, {"type": "group", "groupId": "g", "userId": "u"}]));
    let rows = vec![
        "gate",
        "config",
        "layer",
        "layer of nothing",
        "layer's other parameter",
        "bought",
        "noisy",
        "app_error",
        "webhook bought",
        "webhook noisy",
        "change",
        "track",
        "page",
        "identify",
        "rudder track",
        "rudder group",
    ];
    (log, rows)
}

fn chosen(log: &Log, choice: &mut Choice) -> Vec<Chosen> {
    let mut found = Vec::new();
    log.scan(|_, columns, terms| {
        found.extend((0..columns.len()).map(|row| choice.wants(columns, row, terms)));
    });
    found
}

#[test]
fn three_categories_go_out_and_nothing_goes_back() {
    let (log, rows) = log();
    let ours: [(&str, &[&str]); 2] = [
        (
            "segment",
            &[
                "gate",
                "config",
                "layer",
                "layer of nothing",
                "layer's other parameter",
                "bought",
                "noisy",
                "app_error",
                "webhook bought",
                "webhook noisy",
                "change",
            ],
        ),
        (
            "webhook",
            &[
                "gate",
                "config",
                "layer",
                "layer of nothing",
                "layer's other parameter",
                "bought",
                "noisy",
                "app_error",
                "change",
            ],
        ),
    ];
    let exposures = ["gate", "config", "layer"];
    let all: &[&str] = &["bought", "noisy", "app_error", "webhook bought", "webhook noisy"];
    let settings = |exposures: bool, changes: bool, new: bool, events: Value| json!({"exposures": exposures, "configChanges": changes, "includeNewEvents": new, "events": events});
    let table: [(Value, bool, bool, &[&str]); 7] = [
        // settings, whether exposures go, whether changes go, which custom events go
        (settings(true, true, true, json!({})), true, true, all),
        (settings(false, true, true, json!({})), false, true, all),
        (settings(true, false, true, json!({})), true, false, all),
        (settings(true, true, false, json!({})), true, true, &[]),
        (
            settings(true, true, true, json!({"noisy_event": false})),
            true,
            true,
            &["bought", "app_error", "webhook bought"],
        ),
        (
            settings(false, false, false, json!({"bought": true, "noisy_event": false})),
            false,
            false,
            &["bought", "webhook bought"],
        ),
        (
            settings(false, false, false, json!({"segment::bought": true, "statsig::app_error": true})),
            false,
            false,
            &["app_error"],
        ),
    ];
    for (destination, ours) in ours {
        for (settings, with_exposures, with_changes, custom) in &table {
            let setup = setup(|project| {
                let outgoing = outgoing(project, destination).as_object_mut().unwrap();
                outgoing.extend(settings.as_object().unwrap().clone());
            });
            let mut choice = setup.choice(DestinationId::from_word(destination).unwrap()).unwrap();
            for (row, found) in rows.iter().zip(chosen(&log, &mut choice)) {
                let goes = (*with_exposures && exposures.contains(row))
                    || (*with_changes && *row == "change")
                    || custom.contains(row);
                let expected = match ours.contains(row) {
                    false => NotOurs,
                    true if goes => Goes,
                    true => Filtered,
                };
                assert_eq!(found, expected, "{row} to {destination} by {settings}");
            }
        }
    }
}

#[test]
fn names_and_subjects_that_come_later_are_judged_as_well() {
    let setup = setup(|project| {
        outgoing(project, "segment")["includeNewEvents"] = json!(false);
        outgoing(project, "segment")["events"] = json!({"late": true, "e1": true});
    });
    let mut choice = setup.choice(DestinationId::Segment).unwrap();
    let mut log = Log::new();
    let event = |name: &str| json!({"eventName": name, "user": {"userID": "u"}, "time": NOW.0});
    log.events(&[event("e0"), event("e1")]);
    assert_eq!(chosen(&log, &mut choice), [Filtered, Goes]);
    let layer = json!({"config": "l", "ruleID": "r", "allocatedExperiment": "", "isExplicitParameter": "false"});
    log.events(&[event("later"), event("late"), exposure("layer", &json!({"userID": "u"}), &layer)]);
    assert_eq!(chosen(&log, &mut choice), [Filtered, Goes, Filtered, Goes, Filtered]);
}

#[test]
fn first_exposures_are_asked_for_only_where_exposures_go() {
    for (exposures, only, asked) in [(true, true, true), (true, false, false), (false, true, false)] {
        for destination in DestinationId::ALL {
            let setup = setup(|project| {
                let outgoing = outgoing(project, destination.as_str());
                outgoing["exposures"] = json!(exposures);
                outgoing["firstExposuresOnly"] = json!(only);
            });
            assert_eq!(setup.choice(destination).unwrap().first_exposures_only(), asked);
        }
    }
}
