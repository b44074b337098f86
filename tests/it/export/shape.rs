//! What an event looks like when it is sent: whole, field by field, as the integration that people know sends it.

use super::segment::segment;
use super::*;
use crate::contract::{rows, status as server_status};

const STABLE: &str = "s-1";

/// A gate, a config, and an experiment in a layer with two groups.
fn subjects(project: &mut Value) {
    let group = |id: &str, name: &str| json!({"id": id, "name": name, "size": 50});
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["gates"] = json!([{"name": "search", "rules": []}]);
    project["layers"] = json!([{"name": "shop", "idType": "userID"}]);
    project["experiments"] = json!([{
        "name": "button", "idType": "userID", "layerID": "shop", "status": "active",
        "startTime": "2026-01-01T00:00:00Z", "groups": [group("blue", "Blue ones"), group("green", "Green ones")],
    }]);
    project["dynamicConfigs"] = json!([{"name": "banner", "rules": []}]);
}

/// A log of one event, as it is sent by an SDK that has a stable ID.
fn logged(server: &Server, event: Value) {
    let body = json!({"events": [event], "statsigMetadata": {"sdkType": "js-client", "stableID": STABLE}});
    assert_eq!(server.post("/v1/log_event", body.to_string()).status, 202);
}

#[test]
fn an_event_goes_out_whole_and_in_the_known_shape() {
    let fake = segment();
    let mut project = exporting(&fake);
    subjects(&mut project);
    let server = Server::start_with(&project, &BRISK);
    let user = json!({"userID": "u-1", "email": "u@example.com", "custom": {"plan": "pro"}, "customIDs": {"companyID": "c-1"},
        "statsigEnvironment": {"tier": "staging"}});
    let exposure = |name: &str, metadata: Value| json!({"eventName": name, "metadata": metadata, "value": null});
    let table = [
        (
            json!({"eventName": "Order", "value": 19.5, "metadata": {"sku": "a", "n": "5"}}),
            "Order",
            json!(19.5),
            json!({"sku": "a", "n": "5"}),
        ),
        (json!({"eventName": "Order", "value": "large"}), "Order", json!("large"), json!({})),
        (
            json!({"eventName": "Zoë 🦊", "value": 7, "metadata": {"é": "a \"b\" \\"}}),
            "Zoë 🦊",
            json!(7),
            json!({"é": "a \"b\" \\"}),
        ),
        (
            exposure(
                "statsig::gate_exposure",
                json!({"gate": "search", "gateValue": "false", "ruleID": "r", "reason": "Network", "time": "1767225600000"}),
            ),
            "statsig::gate_exposure",
            Value::Null,
            json!({"gate": "search", "gateValue": "false", "ruleID": "r", "reason": "Network", "time": "1767225600000"}),
        ),
        (
            exposure("statsig::config_exposure", json!({"config": "banner", "ruleID": "default", "reason": "Network"})),
            "statsig::config_exposure",
            Value::Null,
            json!({"config": "banner", "ruleID": "default", "reason": "Network"}),
        ),
        (
            exposure("statsig::config_exposure", json!({"config": "button", "ruleID": "green", "reason": "Network"})),
            "statsig::experiment_exposure",
            Value::Null,
            json!({"config": "button", "ruleID": "green", "reason": "Network", "experimentGroupName": "Green ones"}),
        ),
        (
            exposure(
                "statsig::layer_exposure",
                json!({"config": "shop", "ruleID": "blue", "parameterName": "title",
                "isExplicitParameter": "true", "allocatedExperiment": "button"}),
            ),
            "statsig::experiment_exposure",
            Value::Null,
            json!({"config": "button", "layer": "shop", "ruleID": "blue", "parameterName": "title",
                "isExplicitParameter": "true", "allocatedExperiment": "button", "experimentGroupName": "Blue ones"}),
        ),
    ];
    for (nth, (event, ..)) in (0..).zip(&table) {
        let mut event = event.clone();
        event["time"] = json!(BEGIN + nth * 1001);
        event["user"] = user.clone();
        logged(&server, event);
    }
    // A layer that gave its parameter to no experiment is nobody's exposure.
    logged(
        &server,
        json!({"eventName": "statsig::layer_exposure", "time": BEGIN, "user": user, "metadata":
        {"config": "shop", "ruleID": "default", "parameterName": "title", "isExplicitParameter": "false", "allocatedExperiment": ""}}),
    );
    counted(&server, "segment", table.len() as u64, 0);
    let store = server_status(&server)["storeId"].as_str().expect("an ID").to_owned();
    let stored = rows(&server, "limit=1000");
    let books = fake.books();
    books.assert_clean();
    assert_eq!(books.taken.len(), table.len());
    for (nth, ((_, name, value, metadata), sent)) in (0..).zip(table.iter().zip(&books.taken)) {
        let at = jiff::Timestamp::from_millisecond((BEGIN + nth * 1001) as i64).expect("a time");
        let row = stored.iter().find(|row| row["sequence"] == sent.sequence()).expect("it is in the log");
        assert_eq!(row["timestamp"].as_i64().or(Some((BEGIN + nth * 1001) as i64)), Some((BEGIN + nth * 1001) as i64));
        let mut sent = sent.json();
        let sent_metadata = sent["properties"]["metadata"].as_object_mut().expect("an object");
        let mut metadata = metadata.clone();
        if name.starts_with("statsig::") && metadata.get("time").is_none() {
            metadata["time"] = sent_metadata["time"].clone();
        }
        let expected = json!({
            "type": "track",
            "messageId": format!("weir-{store}-{}", row["sequence"]),
            "userId": "u-1",
            "anonymousId": STABLE,
            "timestamp": format!("{at:.3}"),
            "event": name,
            "context": {"user": user, "value": value, "metadata": metadata, "stableID": STABLE,
                "library": {"name": "statsig", "version": "1.0"}},
            "properties": {"value": value, "metadata": metadata},
        });
        assert_eq!(sent, expected, "{name}");
    }
}

#[test]
fn the_anonymous_id_is_of_the_type_that_was_chosen() {
    let fake = segment();
    let mut project = exporting(&fake);
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["integrations"]["segment"]["outgoing"]["anonymousIdFrom"] = json!("companyID");
    let server = Server::start_with(&project, &BRISK);
    for user in [
        json!({"userID": "u", "customIDs": {"companyID": "c"}}),
        json!({"customIDs": {"companyID": "c"}}),
        json!({"userID": "u"}),
        // What has neither is a dead letter, although it has an ID.
        json!({"customIDs": {"stableID": "s"}}),
    ] {
        log(&server, &[json!({"eventName": "e", "time": BEGIN, "user": user})]);
    }
    counted(&server, "segment", 3, 1);
    let books = fake.books();
    let ids: Vec<Value> =
        books.taken.iter().map(|sent| sent.json()).map(|e| json!([e["userId"], e["anonymousId"]])).collect();
    assert_eq!(json!(ids), json!([["u", "c"], [null, "c"], ["u", null]]));
    books.assert_clean();
    let letters = dead_letters(&server, "segment");
    assert_eq!((letters.len(), &letters[0]["code"]), (1, &json!("no_id")));
    assert!(letters[0]["message"].as_str().is_some_and(|message| message.contains("stableID")), "{letters:?}");
}

#[test]
fn batches_stay_within_what_segment_takes() {
    let fake = segment();
    let mut project = exporting(&fake);
    project["integrations"]["segment"]["outgoing"]["gzip"] = json!(true);
    let server = Server::start_with(&project, &BRISK);
    // They pile up first, so that batches are as large as they get.
    done(&server, "POST", "destinations/segment/pause", Value::Null);
    log_orders(&server, 0..6000);
    let large = |number: u64| {
        let mut event = event("Order", number);
        // It goes out twice, in context and in properties.
        event["metadata"]["filling"] = json!("x".repeat(14_000));
        event
    };
    let events: Vec<Value> = (6000..6060).map(large).collect();
    events.chunks(20).for_each(|events| log(&server, events));
    done(&server, "POST", "destinations/segment/resume", Value::Null);
    drained(&server, "segment");
    // The judge knows the limits.
    assert_got(&fake, 0..6060);
    let books = fake.books();
    assert_eq!(books.repeats, 0);
    let of = |name: &str| books.received.iter().filter(|received| received.header(name).is_some()).count();
    assert_eq!(of("content-encoding"), books.received.len());
    let most = books.received.iter().map(|received| received.events.len()).max();
    assert!(
        most > Some(500) && books.received.len() < 60,
        "{most:?} events at most in {} requests",
        books.received.len()
    );
}
