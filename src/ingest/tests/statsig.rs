//! Statsig's wire and the generic webhook, a table each.

use super::*;
use crate::event::{Basis, Subject};

#[test]
fn exposures_get_their_kind_and_subject() {
    let subject = |kind, name: &str, rule: &str, value: &str, allocated: &str| {
        let basis = Basis::Rules;
        let (name, rule, value, allocated) = (name.into(), rule.into(), value.into(), allocated.into());
        Some(Subject { kind, name, rule, value, allocated, basis })
    };
    use Kind::*;
    let gate = |name, rule, value| subject(GateExposure, name, rule, value, "");
    let layer = |rule, allocated| subject(LayerExposure, "l", rule, "", allocated);
    let mut rules = rules();
    rules.names = HashedNames::new(["layered_exp", "other"]).into();
    // As the older and the newer SDKs write them.
    for (name, metadata, kind, expected) in [
        (
            "statsig::gate_exposure",
            r#"{"gate":"g","gateValue":"true","ruleID":"r","reason":"Network"}"#,
            GateExposure,
            gate("g", "r", "true"),
        ),
        (
            "statsig::gate_exposure",
            r#"{"gate":"g","gateValue":false,"ruleID":""}"#,
            GateExposure,
            gate("g", "", "false"),
        ),
        ("statsig::gate_exposure", r#"{"gate":"g","gateValue":"false"}"#, GateExposure, gate("g", "", "false")),
        (
            "statsig::gate_exposure",
            r#"{"gate":"g","gateValue":"true","ruleID":"r","reason":"Network:Recognized","configVersion":"1","isManualExposure":"true",
                "lcut":"1750000000000","receivedAt":"1795437996358"}"#,
            GateExposure,
            gate("g", "r", "true"),
        ),
        (
            "statsig::gate_exposure",
            r#"{"gate":"g","gateValue":"true","ruleID":"r","configVersion":1,"configSyncTime":1750000000000,"initTime":1,"serverTime":2}"#,
            GateExposure,
            gate("g", "r", "true"),
        ),
        (
            "statsig::config_exposure",
            r#"{"config":"c","ruleID":"r","rulePassed":"true"}"#,
            ConfigExposure,
            subject(ConfigExposure, "c", "r", "", ""),
        ),
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","parameterName":"p","allocatedExperiment":"e"}"#,
            LayerExposure,
            layer("r", "e"),
        ),
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","allocatedExperiment":null}"#,
            LayerExposure,
            layer("r", ""),
        ),
        // A hash is resolved, be it djb2 or SHA-256; one of a name that nobody knows stays.
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","isExplicitParameter":"true","allocatedExperiment":"2970366734"}"#,
            LayerExposure,
            layer("r", "layered_exp"),
        ),
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","isExplicitParameter":true,"allocatedExperiment":"2970366735"}"#,
            LayerExposure,
            layer("r", "2970366735"),
        ),
        // The experiment does not set this parameter, whatever else is said.
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","isExplicitParameter":"false","allocatedExperiment":"other"}"#,
            LayerExposure,
            layer("r", ""),
        ),
        (
            "statsig::layer_exposure",
            r#"{"config":"l","ruleID":"r","isExplicitParameter":false,"allocatedExperiment":"other"}"#,
            LayerExposure,
            layer("r", ""),
        ),
        ("purchase", r#"{"config":"c","ruleID":"r"}"#, Custom, None),
        ("statsig::app_metrics", "null", Custom, None),
    ] {
        // Order makes no difference.
        for event in [
            format!(r#"{{"eventName":"{name}","metadata":{metadata},"user":{{"userID":"u"}}}}"#),
            format!(r#"{{"metadata":{metadata},"user":{{"userID":"u"}},"eventName":"{name}"}}"#),
        ] {
            let found = only(&statsig_events(&event, &rules));
            assert_eq!((found.source, found.kind, &found.subject), (Source::Statsig, kind, &expected), "{event}");
        }
    }
}

#[test]
fn what_an_answer_rests_on_is_told_by_its_reason() {
    for (reason, expected) in [
        (r#""Network""#, Basis::Rules),
        (r#""Network:Recognized""#, Basis::Rules),
        (r#""NetworkNotModified:Recognized""#, Basis::Rules),
        (r#""Bootstrap:Recognized""#, Basis::Rules),
        (r#""BootstrapPartialUserMatch:Recognized""#, Basis::Rules),
        (r#""DataAdapter""#, Basis::Rules),
        (r#""Cache:Recognized""#, Basis::Rules),
        (r#""Prefetch:Recognized""#, Basis::Rules),
        (r#""Sticky""#, Basis::Rules),
        (r#""Network:Recognized:IdListInMemory""#, Basis::Rules),
        (r#""""#, Basis::Rules),
        ("null", Basis::Rules),
        ("7", Basis::Rules),
        (r#""LocalOverride""#, Basis::LocalOverride),
        (r#""LocalOverride:Recognized""#, Basis::LocalOverride),
        (r#""Network:LocalOverride""#, Basis::LocalOverride),
        (r#""Uninitialized""#, Basis::NoValues),
        (r#""Loading:Unrecognized""#, Basis::NoValues),
        (r#""NoValues""#, Basis::NoValues),
        (r#""Error""#, Basis::NoValues),
        (r#""Network:Unsupported""#, Basis::NoValues),
        (r#""Unrecognized""#, Basis::Unrecognized),
        (r#""Network:Unrecognized""#, Basis::Unrecognized),
        (r#""InvalidBootstrap""#, Basis::OtherUser),
        (r#""BootstrapStableIDMismatch:Recognized""#, Basis::OtherUser),
    ] {
        let metadata = format!(r#"{{"config":"c","ruleID":"r","reason":{reason}}}"#);
        let event = format!(r#"{{"eventName":"statsig::config_exposure","metadata":{metadata}}}"#);
        let found = only(&statsig_events(&event, &rules()));
        assert_eq!(found.subject.unwrap().basis, expected, "{reason}");
    }
}

#[test]
fn what_is_wrong_with_an_event_is_told_by_a_code() {
    for (event, expected) in [
        (r#"{"eventName":"purchase"}"#, "kept"),
        (
            r#"{"eventName":"purchase","user":null,"statsigMetadata":null,"metadata":null,"value":null,"time":null}"#,
            "kept",
        ),
        ("[]", "rejected not_an_object"),
        ("{}", "rejected missing_event_name"),
        (r#"{"eventName":""}"#, "rejected missing_event_name"),
        (r#"{"eventName":7}"#, "rejected missing_event_name"),
        (r#"{"eventName":"a|b"}"#, "rejected forbidden_character"),
        (r#"{"eventName":"statsig::diagnostics","metadata":{}}"#, "filtered sdk_internal"),
        (r#"{"eventName":"statsig::non_exposed_checks"}"#, "filtered sdk_internal"),
        (r#"{"eventName":"statsig::log_line"}"#, "filtered sdk_internal"),
        (r#"{"eventName":"statsig::gate_exposure"}"#, "rejected invalid_exposure"),
        (r#"{"eventName":"statsig::gate_exposure","metadata":{"gate":"g"}}"#, "rejected invalid_exposure"),
        (r#"{"eventName":"statsig::gate_exposure","metadata":{"gateValue":"true"}}"#, "rejected invalid_exposure"),
        (r#"{"eventName":"statsig::config_exposure","metadata":{"ruleID":"r"}}"#, "rejected invalid_exposure"),
        (r#"{"eventName":"x","user":{"userID":[]}}"#, "rejected invalid_id"),
        (r#"{"eventName":"x","user":{"customIDs":{"companyID":{}}}}"#, "rejected invalid_id"),
        (r#"{"eventName":"x","user":{"customIDs":{"teamID":{}}}}"#, "kept"),
        (r#"{"eventName":"x","metadata":{"a":"\ud800"}}"#, "rejected lone_surrogate"),
        (r#"{"eventName":"x","value":1e999}"#, "rejected number_out_of_range"),
    ] {
        assert_eq!(fate(&statsig_events(event, &rules())), expected, "{event}");
    }
}

#[test]
fn units_and_environment_come_from_the_user_and_the_sdk() {
    for (event, rest, expected, environment) in [
        (r#""user":{"userID":"u"}"#, "", vec![("userID", "u")], "production"),
        (r#""user":{"userID":12}"#, "", vec![("userID", "12")], "production"),
        (r#""user":{"userID":""}"#, "", vec![], "production"),
        (
            r#""user":{"userID":"u","customIDs":{"companyid":"c","teamID":"t"},"statsigEnvironment":{"tier":"staging"}}"#,
            "",
            vec![("userID", "u"), ("companyID", "c")],
            "staging",
        ),
        (r#""user":{"customIDs":{"companyID":"c","companyID":"d"}}"#, "", vec![("companyID", "d")], "production"),
        (
            r#""user":{"userID":"u"},"statsigMetadata":{"currentPage":"x"}"#,
            r#","statsigMetadata":{"stableID":"s"}"#,
            vec![("userID", "u"), ("stableID", "s")],
            "production",
        ),
        (
            r#""user":{"customIDs":{"stableID":"own"}}"#,
            r#","statsigMetadata":{"stableID":"s"}"#,
            vec![("stableID", "own")],
            "production",
        ),
        (
            r#""statsigMetadata":{"stableID":"event"}"#,
            r#","statsigMetadata":{"stableID":"s"}"#,
            vec![("stableID", "event")],
            "production",
        ),
        (
            r#""user":null"#,
            r#","user":{"userID":"shared","statsigEnvironment":{"tier":"dev"}}"#,
            vec![("userID", "shared")],
            "dev",
        ),
        (r#""user":{"userID":"own"}"#, r#","user":{"userID":"shared"}"#, vec![("userID", "own")], "production"),
    ] {
        let body = format!(r#"{{"events":[{{"eventName":"x",{event}}}]{rest}}}"#);
        let intake = statsig_log_event(body.as_bytes(), &arrival(), &rules(), batch()).unwrap();
        let unknown: Vec<_> = intake.unknown_id_types.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(unknown, if event.contains("teamID") { vec![("teamID", 1)] } else { vec![] });
        let event = only(&intake);
        assert_eq!((units(&event), event.environment.as_str()), (expected, environment), "{body}");
    }
}

#[test]
fn a_value_is_a_number_or_text_that_is_one() {
    for (value, expected) in [
        ("10", Some(10.0)),
        ("11.5", Some(11.5)),
        ("\"12\"", Some(12.0)),
        ("\"home\"", None),
        ("null", None),
        ("{}", None),
    ] {
        let event = only(&statsig_events(&format!(r#"{{"eventName":"x","value":{value}}}"#), &rules()));
        assert_eq!(event.value, expected, "{value}");
    }
}

#[test]
fn times_are_corrected_by_the_clients_clock() {
    const HOUR: i64 = 3_600_000;
    for (time, client, expected) in [
        ("1795438699000", None, NOW.0 - 1_000),
        ("\"2026-11-23T12:58:19.000Z\"", None, NOW.0 - 1_000),
        ("1795438699000", Some(NOW.0 - 100), NOW.0 - 1_000),
        ("1795435099000", Some(NOW.0 - HOUR), NOW.0 - 1_000),
        ("1795442299000", Some(NOW.0 + HOUR), NOW.0 - 1_000),
        ("1795442299000", None, NOW.0),
        ("null", Some(NOW.0 - HOUR), NOW.0),
        ("1e300", None, NOW.0),
    ] {
        let body = format!(r#"{{"events":[{{"eventName":"x","time":{time}}}]}}"#);
        let arrival = Arrival { client_time: client.map(Timestamp), ..arrival() };
        let intake = statsig_log_event(body.as_bytes(), &arrival, &rules(), batch()).unwrap();
        assert_eq!(only(&intake).time.0, expected, "{time} {client:?}");
    }
}

#[test]
fn a_repeated_body_has_the_same_message_ids_and_nothing_else_has() {
    let event = r#"{"eventName":"x","time":1795438699000,"user":{"userID":"u"}}"#;
    let ids = |body: &str, session: Option<&str>, body_id| {
        let arrival = Arrival { session: session.map(Into::into), ..Arrival::new(NOW, body_id) };
        let intake = statsig_log_event(body.as_bytes(), &arrival, &rules(), batch()).unwrap();
        let events = intake.submission.batch.pushed().into_iter();
        events.map(|event| event.message_id).collect::<Vec<String>>()
    };
    let body = format!(r#"{{"events":[{event},{event}],"statsigMetadata":{{"sessionID":"1"}}}}"#);
    let first = ids(&body, Some("s"), 1);
    assert_ne!(first[0], first[1], "two equal events of one body are two events");
    assert_eq!(first, ids(&body, Some("s"), 2), "a repeated body");
    assert_ne!(first, ids(&body, Some("t"), 1), "another session by header");
    assert_ne!(first, ids(&body.replace("\"1\"", "\"2\""), Some("s"), 1), "another session by metadata");
    assert_ne!(first[0], ids(&body.replace("\"u\"", "\"v\""), Some("s"), 1)[0], "another content");
    let of_user = |user: &str| {
        let event = r#"{"eventName":"x","time":1795438699000}"#;
        format!(r#"{{"events":[{event}],"user":{user},"statsigMetadata":{{"sdkVersion":"1"}}}}"#)
    };
    let shared = of_user(r#"{"userID":"u"}"#);
    assert_eq!(ids(&shared, Some("s"), 1), ids(&shared, Some("s"), 2), "a repeated body with a user of its own");
    assert_ne!(
        ids(&shared, Some("s"), 1),
        ids(&of_user(r#"{"userID":"v"}"#), Some("s"), 1),
        "another user of the body"
    );
    let other_sdk = shared.replace("\"1\"", "\"2\"");
    assert_eq!(
        ids(&shared, Some("s"), 1),
        ids(&other_sdk, Some("s"), 1),
        "what the SDK says of itself changes on a retry"
    );
    // Without a time there is nothing to tell a repetition by.
    let own = r#"{"events":[{"eventName":"x","messageId":"m"}]}"#;
    assert_eq!(ids(own, Some("s"), 1), ["m"], "an ID of its own, as `import` gives it");
    let untimed = r#"{"events":[{"eventName":"x"}]}"#;
    assert_ne!(ids(untimed, Some("s"), 1), ids(untimed, Some("s"), 2));
}

#[test]
fn private_attributes_are_not_stored() {
    let event = r#"{"eventName":"x","user":{"userID":"u","privateAttributes":{"ssn":"123"}}}"#;
    let body = format!(
        r#"{{"events":[{event},{{"eventName":"y"}}],"user":{{"privateAttributes":{{"ssn":"456"}},"userID":"w"}}}}"#
    );
    let intake = statsig_log_event(body.as_bytes(), &arrival(), &rules(), batch()).unwrap();
    let events = intake.submission.batch.pushed();
    assert_eq!(events[0].raw, r#"{"eventName":"x","user":{"userID":"u","privateAttributes":null}}"#);
    assert_eq!(events[1].shared.as_deref(), Some(r#"{"user":{"privateAttributes":null,"userID":"w"}}"#));
    assert_eq!(units(&events[1]), [("userID", "w")]);
}

#[test]
fn private_attributes_are_not_shown_of_what_is_refused() {
    let user = r#""user":{"userID":"u","privateAttributes":{"ssn":"123-45"}}"#;
    let in_parts = r#""user":{"private\u0041ttributes":{"ssn":"123-45"}}"#;
    for event in [
        format!(r#"{{"eventName":"x",{user},"value":1e999}}"#),
        format!(r#"{{"eventName":"x","value":1e999,{in_parts}}}"#),
        format!(r#"{{"eventName":"","metadata":{{}},{user}}}"#),
        format!(r#"{{"eventName":"x","a":"{}",{user}}}"#, "x".repeat(128 * 1024)),
        format!(r#"[{{{user}}}]"#),
    ] {
        let intake = statsig_events(&event, &rules());
        assert!(fate(&intake).starts_with("rejected "), "{event}");
        let shown = &intake.submission.samples[0].body;
        assert!(!shown.contains("123-45"), "{shown}");
    }
    let event = format!(r#"{{"eventName":"x",{user}}}"#);
    for body in [
        format!(r#"{{"events":[{event}"#),
        format!(r#"{{"events":[{event}],}}"#),
        format!(r#"{{"events":[],{user}"#),
        format!(r#"{{"batch":[{event}]}}"#),
        event,
    ] {
        let error = error_of(statsig_log_event(body.as_bytes(), &arrival(), &rules(), batch()));
        let submission = error.submission(Source::Statsig, body.as_bytes(), &arrival(), &rules(), batch());
        let shown = &submission.samples[0].body;
        assert!(shown.contains("privateAttributes") && !shown.contains("123-45"), "{shown}");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused_whole() {
    for (body, code) in [
        ("", "not_an_object"),
        ("[]", "not_an_object"),
        ("{}", "batch_missing"),
        (r#"{"events":7}"#, "batch_missing"),
        (r#"{"events":[{"eventName":}]}"#, "malformed_json"),
        (r#"{"events":[]} x"#, "malformed_json"),
    ] {
        assert_eq!(error_of(statsig_log_event(body.as_bytes(), &arrival(), &rules(), batch())).code(), code, "{body}");
    }
}

#[test]
fn the_generic_webhook_takes_its_own_spelling() {
    let mut rules = rules();
    rules.webhook.events.insert("noise".into(), false);
    let event = r#"{"user":{"userID":"u","customIDs":{"companyID":"c"},"statsigEnvironment":{"tier":"staging"}},"event":"signup","value":"2.5","metadata":{"a":"b"},"timestamp":1795438699000}"#;
    let intake = webhook_event(event.as_bytes(), &arrival(), &rules, batch()).unwrap();
    let found = only(&intake);
    assert_eq!((found.source, found.kind, found.name.as_str()), (Source::Webhook, Kind::Custom, "signup"));
    assert_eq!(units(&found), [("userID", "u"), ("companyID", "c")]);
    assert_eq!((found.value, found.environment.as_str()), (Some(2.5), "staging"));
    assert_eq!((found.time.0, found.raw.as_str()), (NOW.0 - 1_000, event));
    assert!(found.message_id.starts_with("made-"));

    for (event, expected) in [
        (r#"{"event":"x","messageId":"m"}"#, "kept"),
        (r#"{"event":"noise"}"#, "filtered event_filter"),
        (r#"{"event":"statsig::gate_exposure","metadata":{"gate":"g","gateValue":"true"}}"#, "away loop"),
        (r#"{"event":"x","messageId":"weir-5f3c-1"}"#, "away returned"),
        (r#"{"user":{}}"#, "rejected missing_event_name"),
    ] {
        for body in [event.to_owned(), format!("[{event}]")] {
            assert_eq!(fate(&webhook_event(body.as_bytes(), &arrival(), &rules, batch()).unwrap()), expected, "{body}");
        }
    }
    assert_eq!(error_of(webhook_event(b"\"x\"", &arrival(), &rules, batch())).code(), "not_an_object");
}

#[test]
fn top_level_fields_of_the_generic_webhook_are_mapped_behind_what_its_user_says() {
    let mut rules = rules();
    let [company, anonymous] = ["companyID", "segmentAnonymousId"].map(|name| rules.id_types.find(name).unwrap());
    let rows = [
        ("account", company),
        ("team", company),
        ("account", anonymous),
        ("customer", rules.id_types.user_id),
        ("messageId", rules.id_types.stable_id),
    ];
    rules.webhook.map_identifiers = rows.map(|(field, id_type)| (field.to_owned(), id_type)).to_vec();
    for (fields, expected) in [
        (r#""customer":"c""#, vec![("userID", "c")]),
        (r#""user":{"userID":"u"},"customer":"c""#, vec![("userID", "u")]),
        (r#""account":7"#, vec![("companyID", "7"), ("segmentAnonymousId", "7")]),
        (r#""account":"a","team":"t""#, vec![("companyID", "a"), ("segmentAnonymousId", "a")]),
        (r#""account":"a","account":"b""#, vec![("companyID", "b"), ("segmentAnonymousId", "b")]),
        (r#""account":"","team":"t""#, vec![("companyID", "t")]),
        (r#""account":null"#, vec![]),
        (
            r#""account":"a","user":{"customIDs":{"companyID":"own"}}"#,
            vec![("companyID", "own"), ("segmentAnonymousId", "a")],
        ),
        (r#""messageId":"m""#, vec![("stableID", "m")]),
        // Only top-level fields are looked at.
        (r#""metadata":{"account":"a"},"user":{"account":"a"}"#, vec![]),
    ] {
        for body in [format!(r#"{{"event":"x",{fields}}}"#), format!(r#"[{{{fields},"event":"x"}}]"#)] {
            let found = only(&webhook_event(body.as_bytes(), &arrival(), &rules, batch()).unwrap());
            assert_eq!(units(&found), expected, "{body}");
        }
    }
    for value in ["true", "{}", "[]"] {
        let body = format!(r#"{{"event":"x","account":{value}}}"#);
        let intake = webhook_event(body.as_bytes(), &arrival(), &rules, batch()).unwrap();
        assert_eq!(fate(&intake), "rejected invalid_id", "{value}");
    }
    // Statsig's own SDKs name their units themselves.
    let logged = only(&statsig_events(r#"{"eventName":"x","account":"a","user":{"userID":"u"}}"#, &rules));
    assert_eq!(units(&logged), [("userID", "u")]);
}
