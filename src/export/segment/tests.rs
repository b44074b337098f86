//! What Segment gets, field by field, of every kind of event.

use super::*;
use crate::evaluate::{djb2, sha256_base64};
use crate::export::probe::{Log, NOW, STORE_ID, exposure, outgoing, setup};
use crate::export::{BatchLimits, Setup};
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

fn segment(setup: &Setup) -> Arc<dyn Destination> {
    setup.destination(DestinationId::Segment).expect("it is enabled")
}

fn sent(setup: &Setup, event: &StoredEvent) -> Result<Value, Unsendable> {
    let mut bytes = b"before".to_vec();
    let written = segment(setup).encode(event, &mut bytes);
    let rest = bytes.strip_prefix(b"before").expect("what was there stays");
    match written {
        Ok(()) => Ok(serde_json::from_slice(rest).expect("one JSON value")),
        Err(unsendable) => {
            assert!(rest.is_empty(), "nothing is appended of what cannot be sent");
            Err(unsendable)
        }
    }
}

/// What is sent of the only event of a log.
fn only(setup: &Setup, log: &Log) -> Value {
    let events = log.stored();
    assert_eq!(events.len(), 1);
    sent(setup, &events[0]).unwrap()
}

fn message_id(sequence: u64) -> String {
    format!("weir-{STORE_ID}-{sequence}")
}

#[test]
fn a_custom_event_is_a_track_call_with_all_that_is_known_of_it() {
    let mut log = Log::new();
    log.statsig(&json!({
        "events": [{
            "eventName": "purchase", "value": 10, "time": NOW.0 - 993,
            "metadata": {"sku": "s \"0\" 🦊", "qty": 2, "gift": false, "gone": null},
            "user": {
                "userID": "user_0", "email": "u0@example.com", "customIDs": {"companyID": "co_0"}, "custom": {"plan": "free", "seats": 5},
                "statsigEnvironment": {"tier": "development"}, "privateAttributes": {"ssn": "secret"},
            },
        }],
        "statsigMetadata": {"sdkType": "js", "stableID": "st_0"},
    }));
    let metadata = json!({"sku": "s \"0\" 🦊", "qty": "2", "gift": "false"});
    assert_eq!(
        only(&setup(|_| {}), &log),
        json!({
            "type": "track",
            "messageId": message_id(0),
            "userId": "user_0",
            "anonymousId": "st_0",
            "timestamp": "2026-11-23T12:58:19.007Z",
            "event": "purchase",
            "context": {
                "user": {
                    "userID": "user_0", "email": "u0@example.com", "customIDs": {"companyID": "co_0"},
                    "custom": {"plan": "free", "seats": 5}, "statsigEnvironment": {"tier": "development"},
                },
                "value": 10,
                "metadata": metadata,
                "library": {"name": "statsig", "version": "1.0"},
                "stableID": "st_0",
            },
            "properties": {"value": 10, "metadata": metadata},
        })
    );
}

#[test]
fn what_an_event_lacks_is_left_out_and_a_value_that_is_none_is_null() {
    let mut log = Log::new();
    log.events(&[json!({"eventName": "seen", "user": {"userID": "u"}, "time": NOW.0})]);
    assert_eq!(
        only(&setup(|_| {}), &log),
        json!({
            "type": "track", "messageId": message_id(0), "userId": "u", "timestamp": "2026-11-23T12:58:20.000Z", "event": "seen",
            "context": {"user": {"userID": "u"}, "value": null, "metadata": {}, "library": {"name": "statsig", "version": "1.0"}},
            "properties": {"value": null, "metadata": {}},
        })
    );
}

#[test]
fn a_value_goes_out_as_it_is_counted_and_text_as_it_is() {
    let mut log = Log::new();
    let values = [
        (json!(10), json!(10)),
        (json!(10.0), json!(10)),
        (json!(-0.25), json!(-0.25)),
        (json!("19.90"), json!(19.9)),
        (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)),
        (json!("home"), json!("home")),
        (json!("ho\"me 🦊"), json!("ho\"me 🦊")),
        (json!(""), json!(null)),
        (json!(null), json!(null)),
        (json!(true), json!(null)),
        (json!({"a": 1}), json!(null)),
    ];
    let events: Vec<Value> = values
        .iter()
        .enumerate()
        .map(|(n, (value, _))| json!({"eventName": format!("e{n}"), "user": {"userID": "u"}, "value": value, "time": NOW.0}))
        .collect();
    let setup = setup(|_| {});
    for (event, (given, expected)) in log.events(&events).stored().iter().zip(&values) {
        let sent = sent(&setup, event).unwrap();
        assert_eq!(&sent["properties"]["value"], expected, "{given}");
        assert_eq!(sent["properties"]["value"], sent["context"]["value"], "{given}");
    }
    let text = br#""value":10,"#;
    let mut bytes = Vec::new();
    segment(&setup).encode(&log.stored()[1], &mut bytes).unwrap();
    assert!(bytes.windows(text.len()).any(|window| window == text), "10.0 is written as JavaScript writes it");
}

#[test]
fn exposures_go_out_under_the_names_of_the_integration() {
    let user = json!({"userID": "u"});
    let said = json!({"reason": "Network:Recognized", "lcut": "1750000000000"});
    let with = |more: Value| {
        let mut metadata = said.clone();
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        metadata
    };
    let experiment = "statsig::experiment_exposure";
    let config = |name: &str, rule: &str| json!({"config": name, "ruleID": rule, "rulePassed": "true"});
    let grouped = |name: &str, rule: &str, group: &str| json!({"config": name, "ruleID": rule, "rulePassed": "true", "experimentGroupName": group});
    let table = [
        // kind, as it is logged, the event's name outside, its metadata beside `said` and `time`.
        (
            "gate",
            json!({"gate": "new_checkout", "gateValue": "true", "ruleID": "rule_ca"}),
            "statsig::gate_exposure",
            json!({"gate": "new_checkout", "gateValue": "true", "ruleID": "rule_ca"}),
        ),
        (
            "gate",
            json!({"gate": "nobody_knows_it", "gateValue": false, "ruleID": ""}),
            "statsig::gate_exposure",
            json!({"gate": "nobody_knows_it", "gateValue": "false", "ruleID": ""}),
        ),
        // A gate is not an experiment, though it be called like one.
        (
            "gate",
            json!({"gate": "button_color", "gateValue": "true", "ruleID": "grp_test"}),
            "statsig::gate_exposure",
            json!({"gate": "button_color", "gateValue": "true", "ruleID": "grp_test"}),
        ),
        ("config", config("banner", "rule_staging"), "statsig::config_exposure", config("banner", "rule_staging")),
        ("config", config("gone", "grp_test"), "statsig::config_exposure", config("gone", "grp_test")),
        ("config", config("button_color", "grp_test"), experiment, grouped("button_color", "grp_test", "Test")),
        (
            "config",
            config("button_color", "grp_control"),
            experiment,
            grouped("button_color", "grp_control", "Control"),
        ),
        ("config", config("button_color", "layerAssignment"), experiment, config("button_color", "layerAssignment")),
        (
            "config",
            config("button_color", "grp_test:userID:id_override"),
            experiment,
            grouped("button_color", "grp_test:userID:id_override", "Test"),
        ),
        (
            "config",
            config("button_color", "grp_test:staging:new_checkout:gate_override"),
            experiment,
            grouped("button_color", "grp_test:staging:new_checkout:gate_override", "Test"),
        ),
        ("config", config("button_color", "x:id_override"), experiment, config("button_color", "x:id_override")),
        (
            "config",
            config("shipping_copy", "launchedGroup"),
            experiment,
            grouped("shipping_copy", "launchedGroup", "Control"),
        ),
        // Browsers call what they downloaded by hashes.
        (
            "gate",
            json!({"gate": djb2("new_checkout"), "gateValue": "true", "ruleID": "r"}),
            "statsig::gate_exposure",
            json!({"gate": "new_checkout", "gateValue": "true", "ruleID": "r"}),
        ),
        (
            "config",
            config(&sha256_base64("button_color"), "grp_test"),
            experiment,
            grouped("button_color", "grp_test", "Test"),
        ),
        (
            "layer",
            json!({
                "config": "checkout_layer", "ruleID": "ship_b", "allocatedExperiment": "shipping_copy", "parameterName": "copy",
                "isExplicitParameter": "true",
            }),
            experiment,
            json!({
                "config": "shipping_copy", "layer": "checkout_layer", "ruleID": "ship_b", "allocatedExperiment": "shipping_copy",
                "parameterName": "copy", "isExplicitParameter": "true", "experimentGroupName": "Test",
            }),
        ),
        (
            "layer",
            json!({
                "config": djb2("checkout_layer"), "ruleID": "ship_a", "allocatedExperiment": djb2("shipping_copy"),
                "isExplicitParameter": "true",
            }),
            experiment,
            json!({
                "config": "shipping_copy", "layer": "checkout_layer", "ruleID": "ship_a", "allocatedExperiment": "shipping_copy",
                "isExplicitParameter": "true", "experimentGroupName": "Control",
            }),
        ),
        // The choice leaves these out; a person who retries such a letter gets it as it is.
        (
            "layer",
            json!({"config": "checkout_layer", "ruleID": "default", "allocatedExperiment": "", "isExplicitParameter": "false"}),
            "statsig::layer_exposure",
            json!({"config": "checkout_layer", "ruleID": "default", "allocatedExperiment": "", "isExplicitParameter": "false"}),
        ),
    ];
    let mut log = Log::new();
    let events: Vec<Value> =
        table.iter().map(|(kind, logged, ..)| exposure(kind, &user, &with(logged.clone()))).collect();
    let stored = log.events(&events).stored();
    assert_eq!(stored.len(), table.len());
    let setup = setup(|project| {
        // `shipping_copy` was decided; then only its override rules and `launchedGroup` are served.
        project["experiments"][1]["launchedGroupID"] = json!("ship_a");
    });
    for (event, (kind, logged, name, metadata)) in stored.iter().zip(&table) {
        let mut metadata = with(metadata.clone());
        metadata["time"] = json!(NOW.0.to_string());
        assert_eq!(
            sent(&setup, event).unwrap(),
            json!({
                "type": "track", "messageId": message_id(event.sequence.0), "userId": "u",
                "timestamp": "2026-11-23T12:58:20.000Z", "event": name,
                "context": {
                    "user": {"userID": "u"}, "value": null, "metadata": metadata,
                    "library": {"name": "statsig", "version": "1.0"},
                },
                "properties": {"value": null, "metadata": metadata},
            }),
            "{kind} {logged}"
        );
    }
}

#[test]
fn the_time_that_an_sdk_gave_to_an_exposure_stays() {
    let mut log = Log::new();
    let metadata = json!({"gate": "new_checkout", "gateValue": "true", "ruleID": "r", "time": 1_600_000_000_000_i64});
    log.events(&[exposure("gate", &json!({"userID": "u"}), &metadata)]);
    assert_eq!(only(&setup(|_| {}), &log)["properties"]["metadata"]["time"], "1600000000000");
}

#[test]
fn a_product_may_use_the_words_of_an_exposure_for_its_own() {
    let metadata =
        json!({"config": djb2("button_color"), "ruleID": "grp_test", "allocatedExperiment": djb2("shipping_copy")});
    let mut log = Log::new();
    log.events(&[json!({"eventName": "seen", "user": {"userID": "u"}, "metadata": metadata, "time": NOW.0})]);
    let sent = only(&setup(|_| {}), &log);
    assert_eq!((&sent["event"], &sent["properties"]["metadata"]), (&json!("seen"), &metadata));
}

#[test]
fn a_change_of_configuration_is_told_with_its_author() {
    let setup = setup(|_| {});
    let metadata = json!({
        "type": "gate", "name": "new_checkout", "action": "updated", "author": "ada@example.com", "version": 2,
        "description": "gate new_checkout updated: isEnabled", "changes": {"isEnabled": {"from": true, "to": false}},
    });
    let mut log = Log::new();
    log.change("ada@example.com", &metadata);
    assert_eq!(
        only(&setup, &log),
        json!({
            "type": "track", "messageId": message_id(0), "userId": "ada@example.com", "timestamp": "2026-11-23T12:58:20.000Z",
            "event": "statsig::config_change", "context": {"library": {"name": "statsig", "version": "1.0"}},
            "properties": {
                "author": "ada@example.com", "configName": "new_checkout",
                "description": "gate new_checkout updated: isEnabled", "environment": "production, staging, development",
            },
        })
    );
    let mut log = Log::new();
    log.change(
        "",
        &json!({"type": "gate", "name": "new_checkout", "author": "", "description": "gate new_checkout updated"}),
    );
    let unnamed = only(&setup, &log);
    assert_eq!((&unnamed["userId"], &unnamed["properties"]["author"]), (&json!("console"), &json!("")));
    let mut narrow = metadata;
    narrow["environments"] = json!(["development", "staging"]);
    let mut log = Log::new();
    log.change("ada@example.com", &narrow);
    assert_eq!(only(&setup, &log)["properties"]["environment"], "development, staging");
}

#[test]
fn the_anonymous_id_is_the_unit_of_the_id_type_that_is_set() {
    let stable = json!({"stableID": "st"});
    let (user, company) = (json!({"userID": "u"}), json!({"customIDs": {"companyID": "co"}}));
    let both = json!({"userID": "u", "customIDs": {"companyID": "co"}});
    let table = [
        // anonymousIdFrom, user, statsigMetadata, userId, anonymousId, stableID
        ("stableID", &user, &json!({}), Some("u"), None, None),
        ("stableID", &user, &stable, Some("u"), Some("st"), Some("st")),
        ("stableID", &json!({}), &stable, None, Some("st"), Some("st")),
        ("companyID", &both, &stable, Some("u"), Some("co"), Some("st")),
        ("companyID", &company, &json!({}), None, Some("co"), None),
        ("companyID", &user, &stable, Some("u"), None, Some("st")),
        ("userID", &user, &stable, Some("u"), Some("u"), Some("st")),
    ];
    for (from, user, sdk, user_id, anonymous_id, stable_id) in table {
        let setup = setup(|project| outgoing(project, "segment")["anonymousIdFrom"] = json!(from));
        let mut log = Log::new();
        log.statsig(&json!({"events": [{"eventName": "seen", "user": user, "time": NOW.0}], "statsigMetadata": sdk}));
        let sent = only(&setup, &log);
        let field = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let found = (field(&sent, "userId"), field(&sent, "anonymousId"), field(&sent["context"], "stableID"));
        let expected = (user_id.map(str::to_owned), anonymous_id.map(str::to_owned), stable_id.map(str::to_owned));
        assert_eq!(found, expected, "{from} of {user} and {sdk}");
    }
}

#[test]
fn an_event_without_an_id_that_segment_takes_cannot_be_sent_and_says_what_to_do() {
    let setup = setup(|_| {});
    let mut log = Log::new();
    log.events(&[
        json!({"eventName": "seen", "user": {}, "time": NOW.0}),
        json!({"eventName": "seen", "user": {"customIDs": {"companyID": "co"}}, "time": NOW.0}),
    ]);
    let refusals: Vec<Unsendable> = log.stored().iter().map(|event| sent(&setup, event).unwrap_err()).collect();
    let none = "Segment takes no event without an ID, and this one has no userID and no stableID; ";
    assert_eq!(refusals.iter().map(|it| it.code).collect::<Vec<_>>(), ["no_id", "no_id"]);
    assert_eq!(refusals[0].message, format!("{none}log it with a user that has one, or deselect it for Segment"));
    assert_eq!(
        refusals[1].message,
        format!("{none}it has companyID: set `anonymousIdFrom` of the Segment destination to that, and retry")
    );
}

/// An event whose call takes exactly so many bytes.
fn of_bytes(setup: &Setup, bytes: usize) -> StoredEvent {
    let written = |event: &StoredEvent| {
        let mut into = Vec::new();
        segment(setup).encode(event, &mut into).map(|()| into.len())
    };
    let mut log = Log::new();
    log.events(&[json!({"eventName": "x", "user": {"userID": "u", "email": ""}, "time": NOW.0})]);
    let event = log.stored().remove(0);
    let short = bytes - written(&event).unwrap();
    StoredEvent {
        raw: event
            .raw
            .replace(r#""email":"""#, &format!(r#""email":"{}""#, "é".repeat(short / 2) + &"a".repeat(short % 2))),
        ..event
    }
}

#[test]
fn an_event_may_take_as_many_bytes_as_segment_takes_and_no_more() {
    let setup = setup(|_| {});
    assert_eq!(segment(&setup).limits(), BatchLimits { batch_bytes: 475_000, events: 2_500, event_bytes: 32_000 });
    for (bytes, fits) in [(31_999, true), (32_000, true), (32_001, false), (33_000, false)] {
        let event = of_bytes(&setup, bytes);
        match sent(&setup, &event) {
            Ok(_) => assert!(fits, "{bytes}"),
            Err(refusal) => {
                assert!(!fits, "{bytes}");
                assert_eq!(refusal.code, "too_large");
                assert!(refusal.message.contains(&format!("{bytes} bytes")), "{}", refusal.message);
                assert!(refusal.message.contains("takes 32000;"), "{}", refusal.message);
            }
        }
    }
}

#[test]
fn a_message_id_is_never_too_long_and_the_same_each_time() {
    let setup = setup(|_| {});
    let mut log = Log::new();
    log.events(&[json!({"eventName": "x", "user": {"userID": "u"}, "time": NOW.0})]);
    let event = StoredEvent { sequence: crate::event::Sequence(u64::MAX), ..log.stored().remove(0) };
    let id = sent(&setup, &event).unwrap()["messageId"].as_str().unwrap().to_owned();
    assert_eq!(id, "weir-00c0ffee00c0ffee-18446744073709551615");
    assert!(id.len() <= 100);
}

#[test]
fn a_request_is_one_that_segment_takes() {
    for (base, uri) in [
        ("https://api.segment.io", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io/", "https://api.segment.io/v1/batch"),
        ("http://127.0.0.1:8750", "http://127.0.0.1:8750/v1/batch"),
        ("https://proxy.example.com/to/segment", "https://proxy.example.com/to/segment/v1/batch"),
        ("https://proxy.example.com/to/segment//", "https://proxy.example.com/to/segment/v1/batch"),
    ] {
        let setup = setup(|project| outgoing(project, "segment")["baseUrl"] = json!(base));
        let call = segment(&setup).call(&[b"{\"a\":1}", b"{\"b\":2}"], NOW);
        assert_eq!(call.uri.to_string(), uri);
        assert_eq!(call.body, r#"{"batch":[{"a":1},{"b":2}],"sentAt":"2026-11-23T12:58:20.000Z"}"#);
        let mut headers: Vec<(&str, &str)> =
            call.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                // `segment-write-key:` in base64.
                ("authorization", "Basic c2VnbWVudC13cml0ZS1rZXk6"),
                ("content-type", "application/json"),
                ("user-agent", concat!("weir/", env!("CARGO_PKG_VERSION"))),
            ]
        );
        assert!(
            call.headers["authorization"].is_sensitive() && !format!("{:?}", call.headers).contains("c2VnbWVudC13")
        );
    }
}

#[test]
fn a_body_is_compressed_where_that_is_set() {
    let plain = segment(&setup(|_| {})).call(&[b"{\"a\":1}"], NOW);
    let call = segment(&setup(|project| outgoing(project, "segment")["gzip"] = json!(true))).call(&[b"{\"a\":1}"], NOW);
    assert_eq!(call.headers["content-encoding"], "gzip");
    let mut inflated = Vec::new();
    flate2::read::GzDecoder::new(&call.body[..]).read_to_end(&mut inflated).unwrap();
    assert_eq!(inflated, plain.body);
    assert_eq!(plain.headers.get("content-encoding"), None);
}

#[test]
fn a_test_event_is_an_event_that_segment_takes() {
    let mut bytes = Vec::new();
    segment(&setup(|_| {})).encode_test("weir-test-1", NOW, &mut bytes);
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap(),
        json!({
            "type": "track", "messageId": "weir-test-1", "anonymousId": "weir-test", "timestamp": "2026-11-23T12:58:20.000Z",
            "event": "statsig::test_event", "context": {"library": {"name": "statsig", "version": "1.0"}},
            "properties": {"value": null, "metadata": {}},
        })
    );
}
