//! What a webhook gets, field by field, and whether its signature holds.

use super::*;
use crate::export::Setup;
use crate::export::probe::{Log, NOW, STORE_ID, exposure, outgoing, setup};
use serde_json::{Value, json};
use std::sync::Arc;

fn webhook(setup: &Setup) -> Arc<dyn Destination> {
    setup.destination(DestinationId::Webhook).expect("it is enabled")
}

fn sent(log: &Log) -> Vec<Value> {
    let webhook = webhook(&setup(|_| {}));
    let sent = log.stored().into_iter().map(|event| {
        let mut bytes = Vec::new();
        webhook.encode(&event, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    });
    sent.collect()
}

fn time_uuid(sequence: u64) -> String {
    format!("weir-{STORE_ID}-{sequence}")
}

#[test]
fn an_event_has_the_fields_of_statsigs_webhook() {
    let mut log = Log::new();
    log.statsig(&json!({
        "events": [
            {
                "eventName": "purchase", "value": 19.99, "time": NOW.0, "metadata": {"sku": "s0"},
                "user": {"userID": "u", "privateAttributes": {"ssn": "secret"}}, "statsigMetadata": {"sdkType": "own", "gone": null},
            },
            {"eventName": "seen", "time": NOW.0},
        ],
        "user": {"email": "of the batch", "privateAttributes": {"ssn": "secret"}},
        "statsigMetadata": {"sdkType": "js", "sdkVersion": "1.2", "stableID": "st"},
    }));
    assert_eq!(
        sent(&log),
        [
            json!({
                "eventName": "purchase", "user": {"userID": "u"}, "userID": "u", "timestamp": NOW.0, "value": 19.99,
                "metadata": {"sku": "s0"}, "statsigMetadata": {"sdkType": "own", "sdkVersion": "1.2", "stableID": "st"},
                "timeUUID": time_uuid(0),
            }),
            json!({
                "eventName": "seen", "user": {"email": "of the batch"}, "timestamp": NOW.0, "value": null, "metadata": {},
                "statsigMetadata": {"sdkType": "js", "sdkVersion": "1.2", "stableID": "st"}, "timeUUID": time_uuid(1),
            }),
        ]
    );
}

#[test]
fn an_exposure_names_the_id_type_of_the_unit_that_met_it() {
    let gate = |gate: &str| json!({"gate": gate, "gateValue": "true", "ruleID": "r", "time": "1"});
    let mut log = Log::new();
    let company = json!({"customIDs": {"companyID": "co"}});
    log.events(&[
        exposure("gate", &json!({"userID": "u", "customIDs": {"companyID": "co"}}), &gate("new_checkout")),
        exposure("gate", &json!({"userID": "u"}), &gate("gone")),
        exposure("gate", &company, &gate("gone")),
        exposure("gate", &json!({}), &gate("gone")),
        exposure("config", &company, &json!({"config": "button_color", "ruleID": "grp_test", "time": "1"})),
    ]);
    let sent = sent(&log);
    let unit_ids: Vec<Option<&str>> = sent.iter().map(|it| it.get("unitID").and_then(Value::as_str)).collect();
    assert_eq!(unit_ids, [Some("userID"), Some("userID"), Some("companyID"), None, Some("userID")]);
    assert_eq!(
        sent[4],
        json!({
            "eventName": "statsig::experiment_exposure", "user": company, "timestamp": NOW.0, "value": null,
            "metadata": {"config": "button_color", "ruleID": "grp_test", "time": "1", "experimentGroupName": "Test"},
            "statsigMetadata": {}, "timeUUID": time_uuid(4), "unitID": "userID",
        })
    );
}

#[test]
fn a_change_of_configuration_has_the_words_of_statsigs_webhook() {
    let mut log = Log::new();
    log.change(
        "ada@example.com",
        &json!({
            "type": "dynamic_config", "name": "banner", "action": "updated", "author": "ada@example.com", "version": 3,
            "description": "dynamic_config banner updated: rules", "environments": ["staging"],
            "changes": {"rules": {"from": [], "to": null}},
        }),
    );
    assert_eq!(
        sent(&log),
        [json!({
            "eventName": "statsig::config_change", "user": {"name": "ada@example.com"}, "timestamp": NOW.0, "value": null,
            "metadata": {
                "type": "DynamicConfig", "name": "banner", "action": "updated", "author": "ada@example.com", "version": "3",
                "description": "dynamic_config banner updated: rules", "environment": "staging",
                "changes": r#"{"rules":{"from":[],"to":null}}"#,
            },
            "statsigMetadata": {}, "timeUUID": time_uuid(0),
        })]
    );
    for (kind, word) in [("gate", "Gate"), ("experiment", "Experiment"), ("settings", "Settings"), ("", "")] {
        assert_eq!(capitalised(kind), word);
    }
}

#[test]
fn a_body_is_signed_as_statsig_signs_where_there_is_a_secret() {
    let call = webhook(&setup(|_| {})).call(&[b"{\"a\":1}", b"{\"b\":2}"], NOW);
    assert_eq!(call.uri.to_string(), "https://example.com/hook");
    assert_eq!(call.body, r#"{"data":[{"a":1},{"b":2}]}"#);
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.headers["user-agent"], concat!("weir/", env!("CARGO_PKG_VERSION")));
    assert_eq!(call.headers["x-statsig-request-timestamp"], "1795438700000");
    // printf 'v0:1795438700000:{"data":[{"a":1},{"b":2}]}' | openssl dgst -sha256 -hmac whsec-example
    assert_eq!(
        call.headers["x-statsig-signature"],
        "v0=9e6c14ec39c0429939f3bd5e7cc83f7708b9cd77b657b6604ef68f40d07d65d6"
    );
    for secret in [json!(null), json!("")] {
        let open = setup(|project| outgoing(project, "webhook")["signingSecret"] = secret);
        let call = webhook(&open).call(&[b"{}"], NOW);
        assert!(call.headers.keys().all(|name| !name.as_str().starts_with("x-statsig")));
    }
}

#[test]
fn the_url_is_taken_as_it_is() {
    for url in ["http://127.0.0.1:9/a/b?c=d&e", "https://example.com/"] {
        let setup = setup(|project| outgoing(project, "webhook")["url"] = json!(url));
        assert_eq!(webhook(&setup).call(&[], NOW).uri.to_string(), url);
    }
}

#[test]
fn a_test_event_has_the_same_shape() {
    let mut bytes = Vec::new();
    webhook(&setup(|_| {})).encode_test("weir-test-1", NOW, &mut bytes);
    assert_eq!(
        serde_json::from_slice::<Value>(&bytes).unwrap(),
        json!({
            "eventName": "statsig::test_event", "user": {}, "timestamp": NOW.0, "value": null, "metadata": {},
            "statsigMetadata": {}, "timeUUID": "weir-test-1",
        })
    );
}
