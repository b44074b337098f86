//! What a person sees of an event.

use super::*;
use serde_json::json;

#[test]
fn properties_are_shown_as_text_with_every_digit() {
    let raw = r#"{"properties":{"text":"naïve \u0041","n":19.990,"big":123456789012345678901234567890,"e":1E3,"yes":true,"no":false,
        "gone":null,"list":[1, 2.50],"nested":{"a": null},"dup":1,"dup":2}}"#;
    let view = view(Source::Segment, Kind::Track, raw, None);
    assert_eq!(
        serde_json::Value::Object(view.metadata),
        json!({"text": "naïve A", "n": "19.990", "big": "123456789012345678901234567890", "e": "1E3", "yes": "true", "no": "false",
            "list": "[1, 2.50]", "nested": "{\"a\": null}", "dup": "2"})
    );
    assert!(view.user.is_empty());
}

#[test]
fn the_user_comes_from_context_properties_and_traits() {
    for (kind, raw, shared, expected) in [
        (
            Kind::Track,
            r#"{"context":{"ip":"1.2.3.4","locale":"en-CA","userAgent":"UA","os":{"name":"iOS","version":17.1},"app":{"version":"2.0"},
                "traits":{"email":"a@example.com"}},"properties":{"statsigCustom":["plan","pro","seats",5,"odd"]}}"#,
            None,
            json!({"ip": "1.2.3.4", "locale": "en-CA", "userAgent": "UA", "os_name": "iOS", "os_version": "17.1", "appVersion": "2.0",
                "email": "a@example.com", "custom": {"plan": "pro", "seats": "5"}}),
        ),
        (
            Kind::Track,
            r#"{"context":{"ip":"1.2.3.4","os":{"name":"iOS"}}}"#,
            Some(r#"{"context":{"ip":"9.9.9.9","locale":"fr","os":{"name":"x","version":"1"}},"integrations":{}}"#),
            json!({"ip": "1.2.3.4", "locale": "fr", "os_name": "iOS"}),
        ),
        (
            Kind::Identify,
            r#"{"traits":{"email":"own@example.com"},"context":{"traits":{"email":"context@example.com"}}}"#,
            None,
            json!({"email": "own@example.com"}),
        ),
        (Kind::Group, r#"{"traits":{"email":"office@example.com"}}"#, None, json!({})),
        (Kind::Track, r#"{"context":7,"properties":[],"traits":null}"#, None, json!({})),
        (Kind::Track, "not json", Some("nor this"), json!({})),
    ] {
        let view = view(Source::Rudderstack, kind, raw, shared);
        assert_eq!(serde_json::Value::Object(view.user), expected, "{raw}");
    }
    let group = view(Source::Segment, Kind::Group, r#"{"traits":{"plan":"pro","seats":5}}"#, None);
    assert_eq!(serde_json::Value::Object(group.metadata), json!({"plan": "pro", "seats": "5"}));
}

#[test]
fn statsigs_user_is_shown_without_what_is_private() {
    let raw = r#"{"eventName":"x","metadata":{"sku":"s0","qty":2},"user":{"userID":"u","email":"e","custom":{"plan":"free"},
        "privateAttributes":{"ssn":"1"},"country":null}}"#;
    let shared = r#"{"user":{"userID":"other","country":"CA"},"statsigMetadata":{"sdkType":"x"}}"#;
    let found = view(Source::Statsig, Kind::Custom, raw, Some(shared));
    assert_eq!(serde_json::Value::Object(found.metadata), json!({"sku": "s0", "qty": "2"}));
    assert_eq!(serde_json::Value::Object(found.user), json!({"userID": "u", "email": "e", "custom": {"plan": "free"}}));
    for raw in [r#"{"eventName":"x"}"#, r#"{"eventName":"x","user":null}"#] {
        let found = view(Source::Statsig, Kind::Custom, raw, Some(shared));
        assert_eq!(serde_json::Value::Object(found.user), json!({"userID": "other", "country": "CA"}));
    }
}

#[test]
fn what_stood_on_the_way_to_an_exposure_is_shown_by_its_name() {
    let raw = r#"{"eventName":"statsig::layer_exposure","metadata":{"config":"checkout","allocatedExperiment":"2970366734","n":2970366734},
        "secondaryExposures":[{"gate":"1155961754","gateValue":"true","ruleID":"r"},{"gate":"holdout","gateValue":false,"ruleID":null},7]}"#;
    let names = HashedNames::new(["layered_exp", "beta_gate"]);
    let hash = crate::evaluate::djb2("beta_gate");
    let shown = |raw: &str, kind| {
        let mut view = view(Source::Statsig, kind, &raw.replace("1155961754", &hash), None);
        view.reveal(kind, &names);
        (json!(view.metadata), json!(view.secondary_exposures))
    };
    let (metadata, secondary) = shown(raw, Kind::LayerExposure);
    assert_eq!(metadata, json!({"config": "checkout", "allocatedExperiment": "layered_exp", "n": "2970366734"}));
    assert_eq!(
        secondary,
        json!([{"gate": "beta_gate", "gateValue": "true", "ruleID": "r"}, {"gate": "holdout", "gateValue": "false"}])
    );
    for nothing in [r#"{"secondaryExposures":null}"#, r#"{"secondaryExposures":{}}"#, "{}"] {
        assert_eq!(shown(nothing, Kind::GateExposure).1, json!([]), "{nothing}");
    }
    // An event of the product is nobody's exposure.
    let (metadata, secondary) = shown(raw, Kind::Custom);
    assert_eq!((&metadata["allocatedExperiment"], secondary), (&json!("2970366734"), json!([])));
}
