//! What becomes of an event on its way in: names and units by the project's rules, clocks corrected, what is not to be
//! logged left out, repetitions known, every sender's shape understood.

use super::{SUCCESS, only, rejected, rows, status};
use crate::running::{CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, gzip, project};
use serde_json::{Value, json};

fn with_rules() -> Value {
    let mut project = project();
    project["unitIdTypes"] = json!([{"name": "companyID"}, {"name": "segmentAnonymousId"}]);
    project["integrations"] = json!({
        "segment": {"incoming": {
            "isEnabled": true,
            "mapIdentifiers": [
                {"field": "anonymousId", "idType": "segmentAnonymousId"},
                {"field": "groupId", "idType": "companyID"},
            ],
            "includeNewEvents": true,
            "events": {"Debug Ping": false, "page:Internal": false},
        }},
    });
    project
}

#[test]
fn units_come_from_custom_ids_then_the_user_then_the_mapping() {
    let server = Server::start(&with_rules());
    for (nth, (fields, units)) in [
        (r#""userId":"U""#, json!({"userID": "U"})),
        (r#""userId":"U","anonymousId":"a""#, json!({"userID": "U", "segmentAnonymousId": "a"})),
        (r#""anonymousId":"a""#, json!({"segmentAnonymousId": "a"})),
        (r#""userId":"U","groupId":"c1""#, json!({"userID": "U", "companyID": "c1"})),
        (
            r#""userId":"U","groupId":"c1","properties":{"statsigCustomIDs":["companyID","c2","segmentAnonymousId","b"]}"#,
            json!({"userID": "U", "companyID": "c2", "segmentAnonymousId": "b"}),
        ),
        (r#""userId":"U","properties":{"statsigCustomIDs":["companyid","c3"]}"#, json!({"userID": "U", "companyID": "c3"})),
        (r#""userId":"U","properties":{"statsigCustomIDs":["teamID","t1","teamID","t2"]}"#, json!({"userID": "U"})),
        (r#""properties":{"statsigCustomIDs":["stableID","s1"]}"#, json!({"stableID": "s1"})),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"event":"e","messageId":"m-{nth}",{fields}}}"#);
        assert_eq!(server.post("/v1/track", &body).body, SUCCESS, "{body}");
        let row = rows(&server, "name=segment::e&limit=1").remove(0);
        assert_eq!((&row["messageId"], &row["units"]), (&json!(format!("m-{nth}")), &units), "{body}");
        assert_eq!(row["userID"], units.get("userID").cloned().unwrap_or(Value::Null));
    }
    // An ID type that the project does not have is left out and counted.
    assert_eq!(status(&server)["unknownIdTypes"], json!({"teamID": 2}));
    let metrics = server.ask("GET", "/metrics", &[], "").body;
    assert!(metrics.contains("\nweir_unknown_id_types_total 2\n"), "{metrics}");
}

#[test]
fn what_is_not_to_be_logged_is_counted_and_not_stored() {
    let server = Server::start(&with_rules());
    let before = status(&server);
    for (path, body) in [
        ("/v1/track", r#"{"event":"Debug Ping","userId":"u"}"#),
        ("/v1/page", r#"{"name":"Internal","userId":"u"}"#),
        ("/v1/track", r#"{"event":"e","userId":"u","integrations":{"All":false}}"#),
        ("/v1/track", r#"{"event":"e","userId":"u","integrations":{"Weir":false}}"#),
        ("/v1/track", r#"{"event":"e","userId":"u","integrations":{"Statsig":false}}"#),
        ("/v1/batch", r#"{"batch":[{"type":"track","event":"e","userId":"u"}],"integrations":{"All":false}}"#),
        ("/v1/log_event", r#"{"events":[{"eventName":"statsig::diagnostics","user":{"userID":"u"}}]}"#),
    ] {
        let answer = server.post(path, body);
        assert!(matches!(answer.status, 200 | 202) && answer.body == SUCCESS, "{body}: {}", answer.body);
    }
    assert!(rows(&server, "unit=u").is_empty());
    let after = status(&server);
    assert_eq!(after["filtered"].as_u64(), before["filtered"].as_u64().map(|n| n + 7));
    let reasons: Vec<(&str, u64)> = after["notStored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["reason"].as_str().unwrap(), row["count"].as_u64().unwrap()))
        .collect();
    for expected in [("event_filter", 2), ("integrations_off", 4), ("sdk_internal", 1)] {
        assert!(reasons.contains(&expected), "{reasons:?}");
    }
    for on in [
        r#"{"event":"on","userId":"u","integrations":{"All":false,"Weir":true}}"#,
        r#"{"event":"on","userId":"u","integrations":{"All":false,"Statsig":{"any":"option"}}}"#,
        r#"{"event":"on","userId":"u","integrations":{"Amplitude":false}}"#,
    ] {
        assert_eq!(server.post("/v1/track", on).body, SUCCESS);
    }
    assert_eq!(rows(&server, "unit=u").len(), 3);
}

#[test]
fn what_left_from_here_and_comes_back_is_not_counted_twice() {
    let server = Server::start(&project());
    let store = status(&server)["storeId"].as_str().expect("an ID").to_owned();
    for (body, code) in [
        (format!(r#"{{"event":"e","userId":"u","messageId":"weir-{store}-1"}}"#), "returned"),
        (r#"{"event":"statsig::gate_exposure","userId":"u"}"#.to_owned(), "loop"),
    ] {
        // The sender did nothing wrong and must not send it again.
        let answer = server.post("/v1/track", &body);
        assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{body}");
        assert_eq!(rejected(&server)[0], code);
    }
    assert!(rows(&server, "unit=u").is_empty());
    let other = format!(r#"{{"event":"e","userId":"u","messageId":"weir-x{store}-1"}}"#);
    assert_eq!(server.post("/v1/track", other).body, SUCCESS);
    assert_eq!(rows(&server, "unit=u").len(), 1, "another store's events are events");
}

#[test]
fn a_disabled_integration_is_said_counted_and_can_be_enabled_again() {
    let mut project = project();
    project["integrations"] = json!({"segment": {"incoming": {"isEnabled": false}}});
    let server = Server::start(&project);
    let event = r#"{"type":"track","event":"e","userId":"u"}"#;
    let batch = format!(r#"{{"batch":[{event}]}}"#);
    let calls = [("/v1/track", event), ("/v1/batch", &batch), ("/v1/webhooks/segment_webhook", event)];
    let before = status(&server)["rejected"].as_u64().unwrap();
    for (path, body) in calls {
        let answer = server.post(path, body);
        assert_eq!((answer.status, answer.code()), (403, "integration_disabled".to_owned()), "{path}");
    }
    assert_eq!(status(&server)["rejected"], before + 3);
    assert_eq!(status(&server)["turnedAway"]["segment"], 3);
    assert!(rejected(&server).is_empty(), "what nobody wants here is not kept to look at");
    // The others are not concerned.
    assert_eq!(server.post("/v1/webhooks/rudderstack", event).body, SUCCESS);
    assert_eq!(server.post("/v1/log_event", r#"{"events":[]}"#).status, 202);
    project["integrations"]["segment"]["incoming"]["isEnabled"] = json!(true);
    let applied = server.ask("POST", "/console/v1/project", &[("statsig-api-key", CONSOLE_KEY)], project.to_string());
    assert_eq!(applied.status, 200, "{}", applied.body);
    for (path, body) in calls {
        assert_eq!(server.post(path, body).body, SUCCESS, "{path}");
    }
}

#[test]
fn webhooks_bring_one_event_or_an_array() {
    let server = Server::start(&project());
    let track = |unit: &str| format!(r#"{{"type":"track","event":"e","userId":"{unit}","messageId":"w-{unit}"}}"#);
    let own = |unit: &str| {
        format!(
            r#"{{"user":{{"userID":"{unit}"}},"event":"Paid","value":2.5,"metadata":{{"plan":"pro"}},"timestamp":1767225600000}}"#
        )
    };
    for (path, one, two, three, source, name) in [
        ("segment_webhook", track("s1"), track("s2"), track("s3"), "segment", "segment::e"),
        ("rudderstack", track("r1"), track("r2"), track("r3"), "rudderstack", "rudderstack::e"),
        ("event_webhook", own("o1"), own("o2"), own("o3"), "webhook", "Paid"),
    ] {
        let path = format!("/v1/webhooks/{path}");
        for body in [one, format!("[{two},{three}]"), "[]".to_owned()] {
            let answer = server.post(&path, &body);
            assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path} {body}");
        }
        let rows = rows(&server, &format!("source={source}"));
        assert_eq!(rows.len(), 3, "{path}");
        assert!(rows.iter().all(|row| row["name"] == name && row["source"] == source), "{rows:?}");
        // Of an array the good ones are kept and the bad ones told.
        let answer = server.post(&path, "[1]");
        assert_eq!((answer.status, &answer.json()["rejected"][0]["code"]), (200, &json!("not_an_object")));
    }
    let row = only(&server, "o1");
    assert_eq!((&row["value"], &row["metadata"]), (&json!(2.5), &json!({"plan": "pro"})));
    assert_eq!((&row["timestamp"], &row["kind"]), (&json!("1767225600000"), &json!("custom")));
}

#[test]
fn statsigs_sdks_are_answered_202_packed_or_not() {
    let server = Server::start(&project());
    let body = json!({
        "events": [
            {"eventName": "statsig::gate_exposure", "time": 1_767_225_600_000u64, "user": {"userID": "x"}, "value": null,
             "metadata": {"gate": "new_search", "gateValue": "true", "ruleID": "everyone"}, "secondaryExposures": []},
            {"eventName": "statsig::config_exposure", "time": 1_767_225_600_001u64, "user": {"userID": "x"},
             "metadata": {"config": "button", "ruleID": "test"}},
            {"eventName": "statsig::layer_exposure", "time": 1_767_225_600_002u64, "user": {"userID": "x"},
             "metadata": {"config": "layer", "ruleID": "test", "allocatedExperiment": "button", "parameterName": "color"}},
            {"eventName": "Added To Cart", "time": 1_767_225_600_003u64, "value": "12.5", "user": {"userID": "x",
             "customIDs": {"companyID": "c"}, "privateAttributes": {"email": "private@example.com"}}, "metadata": {"sku": "s"}},
        ],
        "statsigMetadata": {"sdkType": "py-server", "stableID": "stable-1"},
    })
    .to_string();
    for (headers, path, sent, stored) in [
        (&[("statsig-api-key", SERVER_KEY)][..], "/v1/log_event", body.clone().into_bytes(), 4),
        // The same once more is a repetition, in whichever form.
        (&[("statsig-api-key", SERVER_KEY), ("content-encoding", "gzip")], "/v1/log_event", gzip(&body), 4),
        (&[], &format!("/v1/rgstr?k={CLIENT_KEY}&gz=1"), gzip(&body), 4),
        // Another session that saw the same is not.
        (&[("statsig-api-key", SERVER_KEY), ("statsig-server-session-id", "s2")], "/v1/log_event", gzip(&body), 8),
    ] {
        let answer = server.ask("POST", path, headers, &sent);
        assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS), "{path}");
        assert_eq!(rows(&server, "source=statsig").len(), stored, "{path}");
    }
    let found = rows(&server, "source=statsig&limit=4");
    let kinds: Vec<&str> = found.iter().rev().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["gate_exposure", "config_exposure", "layer_exposure", "custom"]);
    let custom = &found[0];
    assert_eq!((&custom["value"], &custom["metadata"]), (&json!(12.5), &json!({"sku": "s"})));
    assert_eq!(custom["units"], json!({"userID": "x", "stableID": "stable-1"}));
    assert!(!custom.to_string().contains("private@example.com"), "{custom}");
    // A bad one among them is told, and the rest is kept.
    let answer = server.post("/v1/log_event", r#"{"events":[{"eventName":"a","user":{"userID":"y"}},{"value":1}]}"#);
    assert_eq!((answer.status, &answer.json()["rejected"][0]["index"]), (202, &json!(1)));
    assert_eq!(rows(&server, "unit=y").len(), 1);
}

#[test]
fn a_senders_clock_is_corrected_by_the_time_it_says_it_sent() {
    let server = Server::start(&project());
    // Given 09:58:20 by a clock that said 10:00:00 when it sent: 100 s before it was received, whenever that is.
    let sent = 1_767_261_600_000i64;
    let given = sent - 100_000;
    let (sent_iso, given_iso) = ("2026-01-01T10:00:00.000Z", "2026-01-01T09:58:20.000Z");
    let event = |unit: &str| format!(r#""event":"e","userId":"{unit}","timestamp":"{given_iso}""#);
    let logged =
        |unit: &str| format!(r#"{{"events":[{{"eventName":"e","time":{given},"user":{{"userID":"{unit}"}}}}]}}"#);
    let key = ("statsig-api-key", SERVER_KEY);
    let by_header = [key, ("statsig-client-time", &sent.to_string())];
    for (unit, path, headers, body, corrected) in [
        ("1", "/v1/track", &[key][..], format!(r#"{{{},"sentAt":"{sent_iso}"}}"#, event("1")), true),
        (
            "2",
            "/v1/batch",
            &[key],
            format!(r#"{{"batch":[{{"type":"track",{}}}],"sentAt":"{sent_iso}"}}"#, event("2")),
            true,
        ),
        ("3", "/v1/track", &[key], format!("{{{}}}", event("3")), false),
        ("4", "/v1/log_event", &by_header, logged("4"), true),
        ("5", &format!("/v1/rgstr?t={sent}"), &[key], logged("5"), true),
        ("6", "/v1/log_event", &[key], logged("6"), false),
    ] {
        let answer = server.ask("POST", path, headers, &body);
        assert_eq!(answer.body, SUCCESS, "{body}");
        let row = only(&server, unit);
        let received = row["receivedAt"].as_i64().expect("a number of milliseconds");
        let expected = if corrected { received - 100_000 } else { given };
        assert_eq!(row["timestamp"], expected.to_string(), "{path}");
    }
}

#[test]
fn a_repetition_is_known_whichever_way_and_after_whichever_end() {
    let mut server = Server::start(&project());
    let event = r#"{"type":"track","event":"e","userId":"u","messageId":"m-1"}"#;
    let logged = r#"{"events":[{"eventName":"e","time":1767225600000,"user":{"userID":"u"}}]}"#;
    let ways = [
        ("/v1/track", event.to_owned()),
        ("/v1/t", event.to_owned()),
        ("/v1/batch", format!(r#"{{"batch":[{event},{event}]}}"#)),
        ("/v1/import/", format!(r#"{{"batch":[{event}]}}"#)),
        ("/v1/webhooks/segment_webhook", event.to_owned()),
        // Its ids are not Segment's.
        ("/v1/webhooks/rudderstack", event.to_owned()),
        ("/v1/log_event", logged.to_owned()),
        ("/v1/rgstr", logged.to_owned()),
    ];
    let mut duplicates = 0;
    for end in ["", "stop", "kill"] {
        match end {
            "stop" => assert!(server.stop().success()),
            "kill" => server.kill(),
            _ => {}
        }
        if !end.is_empty() {
            server.restart();
        }
        for (path, body) in &ways {
            let answer = server.post(path, body);
            assert!(answer.status < 300 && answer.body == SUCCESS, "{path}: {}", answer.body);
        }
        let mut sources: Vec<String> =
            rows(&server, "unit=u").iter().map(|row| row["source"].as_str().unwrap().to_owned()).collect();
        sources.sort();
        assert_eq!(sources, ["rudderstack", "segment", "statsig"], "after {end:?}");
        duplicates += ways.len() as u64 + 1;
        assert_eq!(status(&server)["duplicate"], duplicates - 3, "after {end:?}");
    }
}
