//! Segment's rules, a table each.

use super::*;

#[test]
fn names_follow_the_scheme_of_each_call() {
    let rules = rules();
    for (event, kind, name) in [
        (r#""type":"track","event":"Order Completed""#, Kind::Track, "segment::Order Completed"),
        (r#""type":"track","event":"Or\u0064er""#, Kind::Track, "segment::Order"),
        (r#""type":"track","event":"a","event":"b""#, Kind::Track, "segment::b"),
        (r#""type":"page","name":"Home""#, Kind::Page, "segment::page:Home"),
        (r#""type":"page","name":"Home","properties":{"name":"Other"}"#, Kind::Page, "segment::page:Home"),
        (r#""type":"page","properties":{"name":"Home"}"#, Kind::Page, "segment::page:Home"),
        (r#""type":"page","name":null,"properties":{"name":"Home"}"#, Kind::Page, "segment::page:Home"),
        (r#""type":"page","name":"","properties":{"name":""}"#, Kind::Page, "segment::page"),
        (r#""type":"page","name":7"#, Kind::Page, "segment::page"),
        (r#""type":"page""#, Kind::Page, "segment::page"),
        (r#""type":"screen","name":"Main""#, Kind::Screen, "segment::screen:Main"),
        (r#""type":"screen""#, Kind::Screen, "segment::screen"),
        (r#""type":"group","groupId":"g1","name":"ignored""#, Kind::Group, "segment::group"),
        (r#""type":"identify","event":"ignored""#, Kind::Identify, "segment::identify"),
        (r#""type":"alias","previousId":"a1""#, Kind::Alias, "segment::alias"),
    ] {
        let event = only(&segment_batch(&format!("{{{event},\"userId\":\"u1\"}}"), &rules));
        assert_eq!((event.kind, event.name.as_str(), event.source), (kind, name, Source::Segment));
    }
    let mut renamed = rules;
    renamed.segment.prefix = "seg/".into();
    let event = only(&segment_batch(r#"{"type":"page","name":"Home","userId":"u1"}"#, &renamed));
    assert_eq!(event.name, "seg/page:Home");
}

#[test]
fn a_path_tells_the_kind_of_a_single_event() {
    for (kind, fields, name) in [
        (Kind::Track, r#""event":"x""#, "segment::x"),
        (Kind::Track, r#""event":"x","type":"page""#, "segment::x"),
        (Kind::Page, r#""name":"x""#, "segment::page:x"),
        (Kind::Screen, r#""name":"x""#, "segment::screen:x"),
        (Kind::Identify, r#""traits":{}"#, "segment::identify"),
        (Kind::Group, r#""groupId":"g""#, "segment::group"),
        (Kind::Alias, r#""previousId":"p""#, "segment::alias"),
    ] {
        let body = format!(" {{{fields},\"userId\":\"u\"}}\n");
        let event =
            only(&super::super::segment(body.as_bytes(), Call::One(kind), &arrival(), &rules(), batch()).unwrap());
        assert_eq!((event.kind, event.name.as_str(), event.raw.as_str()), (kind, name, body.trim()));
    }
}

#[test]
fn what_is_wrong_with_an_event_is_told_by_a_code() {
    let rules = rules();
    for (event, fate_expected) in [
        (r#"{"type":"track","event":"x","userId":"u"}"#, "kept"),
        ("null", "rejected not_an_object"),
        ("[1]", "rejected not_an_object"),
        ("\"x\"", "rejected not_an_object"),
        (r#"{"event":"x","userId":"u"}"#, "rejected unknown_type"),
        (r#"{"type":"Track","event":"x","userId":"u"}"#, "rejected unknown_type"),
        (r#"{"type":"delete","userId":"u"}"#, "rejected unknown_type"),
        (r#"{"type":5,"event":"x","userId":"u"}"#, "rejected unknown_type"),
        (r#"{"type":"track","userId":"u"}"#, "rejected missing_event_name"),
        (r#"{"type":"track","event":"","userId":"u"}"#, "rejected missing_event_name"),
        (r#"{"type":"track","event":5,"userId":"u"}"#, "rejected missing_event_name"),
        (r#"{"type":"track","event":null,"userId":"u"}"#, "rejected missing_event_name"),
        (r#"{"type":"track","event":"a|b","userId":"u"}"#, "rejected forbidden_character"),
        (r#"{"type":"track","event":"a\u0000b","userId":"u"}"#, "rejected forbidden_character"),
        (r#"{"type":"track","event":"a\nb","userId":"u"}"#, "rejected forbidden_character"),
        (r#"{"type":"page","name":"Terms & Conditions","userId":"u"}"#, "rejected forbidden_character"),
        (r#"{"type":"identify","name":"a|b","userId":"u"}"#, "kept"),
        (r#"{"type":"group","userId":"u"}"#, "rejected missing_group_id"),
        (r#"{"type":"group","groupId":"","userId":"u"}"#, "rejected missing_group_id"),
        (r#"{"type":"group","groupId":12,"userId":"u"}"#, "kept"),
        (r#"{"type":"alias","userId":"u"}"#, "rejected missing_previous_id"),
        (r#"{"type":"alias","previousId":"a"}"#, "rejected missing_id"),
        (r#"{"type":"track","event":"x"}"#, "rejected missing_id"),
        (r#"{"type":"track","event":"x","userId":null,"anonymousId":""}"#, "rejected missing_id"),
        (r#"{"type":"track","event":"x","anonymousId":"a"}"#, "kept"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":["companyID","c"]}}"#, "kept"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":["companyID",null]}}"#, "rejected missing_id"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":["companyID"]}}"#, "rejected missing_id"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":[1,"c"]}}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":["companyID",{}]}}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","properties":{"statsigCustomIDs":"c"},"userId":"u"}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":{}}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","userId":true}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","userId":12345678901234567890123}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","userId":"u","anonymousId":[1]}"#, "rejected invalid_id"),
        (r#"{"type":"track","event":"x","userId":"u","messageId":12}"#, "rejected invalid_message_id"),
        (r#"{"type":"track","event":"x","userId":"u","messageId":null}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","messageId":"weir-5f3c-17"}"#, "away returned"),
        (r#"{"type":"track","event":"x","userId":"u","messageId":"weir-other-17"}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","messageId":"weir-5f3c"}"#, "kept"),
        (r#"{"type":"track","event":"statsig::gate_exposure","userId":"u"}"#, "away loop"),
        (r#"{"type":"track","event":"statsig:x","userId":"u"}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","integrations":{"Weir":false}}"#, "filtered integrations_off"),
        (r#"{"type":"track","event":"x","userId":"u","integrations":{"All":false}}"#, "filtered integrations_off"),
        (r#"{"type":"track","event":"x","userId":"u","integrations":{"All":false,"Statsig":{}}}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","properties":{"a":"\ud800"}}"#, "rejected lone_surrogate"),
        (r#"{"type":"track","event":"x","userId":"u","properties":{"\udfff":1}}"#, "rejected lone_surrogate"),
        (r#"{"type":"track","event":"x","userId":"u","context":{"a":"\ud83e\udd8a"}}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","context":{"a":1e999}}"#, "rejected number_out_of_range"),
        (r#"{"type":"track","event":"x","userId":"u","properties":{"value":-1e400}}"#, "rejected number_out_of_range"),
        (r#"{"type":"track","event":"x","userId":"u","properties":{"a":123456789012345678901234567890}}"#, "kept"),
        (r#"{"type":"track","event":"x","userId":"u","properties":"text","context":[],"integrations":7}"#, "kept"),
    ] {
        let intake = segment_batch(event, &rules);
        assert_eq!(fate(&intake), fate_expected, "{event}");
        if let Some(sample) = intake.submission.samples.first() {
            assert_eq!((sample.body.as_str(), sample.source.as_str(), sample.received), (event, "segment", NOW.0));
        }
    }
}

#[test]
fn one_bad_event_does_not_touch_its_batch() {
    let events = r#"{"type":"track","event":"a","userId":"1"}, {"type":"track","event":"b"},
        7, {"type":"track","event":"c","userId":"3","x":"\ud800"},{"type":"track","event":"d","userId":"4"}"#;
    let intake = segment_batch(events, &rules());
    let names: Vec<String> = intake.submission.batch.pushed().into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["segment::a", "segment::d"]);
    let rejected: Vec<(usize, &str)> = intake.rejected.iter().map(|one| (one.index, one.code)).collect();
    assert_eq!(rejected, [(1, "missing_id"), (2, "not_an_object"), (3, "lone_surrogate")]);
    assert_eq!(intake.received, 5);
    assert_conserved(&intake);
    // Where the name is known it is counted by name.
    let named = intake.submission.tallies.iter().find(|(tally, _)| tally.reason == "missing_id").unwrap();
    assert_eq!(named.0.name, "segment::b");
}

#[test]
fn units_come_from_custom_ids_then_user_id_then_the_mapping() {
    let mut rules = rules();
    let company = rules.id_types.find("companyid").unwrap();
    let anonymous = rules.id_types.find("segmentAnonymousId").unwrap();
    rules.segment.map_identifiers =
        vec![("anonymousId".into(), anonymous), ("account".into(), company), ("groupId".into(), company)];
    for (fields, expected) in [
        (r#""userId":"u""#, vec![("userID", "u")]),
        (r#""userId":7"#, vec![("userID", "7")]),
        (r#""userId":"u","anonymousId":"a""#, vec![("userID", "u"), ("segmentAnonymousId", "a")]),
        (r#""anonymousId":"a""#, vec![("segmentAnonymousId", "a")]),
        (r#""userId":"u","account":"c""#, vec![("userID", "u"), ("companyID", "c")]),
        (r#""userId":"u","account":"c","account":"d""#, vec![("userID", "u"), ("companyID", "d")]),
        (r#""userId":"u","account":null,"groupId":"g""#, vec![("userID", "u"), ("companyID", "g")]),
        (r#""userId":"u","account":"c","groupId":"g""#, vec![("userID", "u"), ("companyID", "c")]),
        (
            r#""userId":"u","account":"c","properties":{"statsigCustomIDs":["COMPANYID","own"]}"#,
            vec![("companyID", "own"), ("userID", "u")],
        ),
        (
            r#""anonymousId":"a","properties":{"statsigCustomIDs":["stableID",9,"userID","custom"]}"#,
            vec![("stableID", "9"), ("userID", "custom"), ("segmentAnonymousId", "a")],
        ),
        (
            r#""userId":"u","properties":{"statsigCustomIDs":["companyID","c","odd"]}"#,
            vec![("companyID", "c"), ("userID", "u")],
        ),
        (r#""userId":"\u0075\"""#, vec![("userID", "u\"")]),
    ] {
        let event = only(&segment_batch(&format!("{{\"type\":\"track\",\"event\":\"x\",{fields}}}"), &rules));
        assert_eq!(units(&event), expected, "{fields}");
    }
}

#[test]
fn id_types_that_the_project_lacks_are_counted_and_left_out() {
    let event =
        r#"{"type":"track","event":"x","userId":"u","properties":{"statsigCustomIDs":["teamID","t","companyID","c"]}}"#;
    let intake = segment_batch(&format!("{event},{event}"), &rules());
    assert_eq!(intake.unknown_id_types, [("teamID".to_owned(), 2)]);
    assert_eq!(units(&intake.submission.batch.pushed()[0]), [("companyID", "c"), ("userID", "u")]);
    let many: Vec<String> = (0..50).map(|at| format!("\"type{at}\",\"x\"")).collect();
    let many = format!(
        r#"{{"type":"track","event":"x","userId":"u","properties":{{"statsigCustomIDs":[{}]}}}}"#,
        many.join(",")
    );
    assert_eq!(segment_batch(&many, &rules()).unknown_id_types.len(), UNKNOWN_ID_TYPES_PER_BODY);
}

#[test]
fn the_value_is_the_first_of_the_chosen_properties_that_is_a_number() {
    let rules = rules();
    for (properties, value) in [
        (r#"{"value":3,"revenue":9}"#, Some(3.0)),
        (r#"{"revenue":9.5,"value":3}"#, Some(3.0)),
        (r#"{"revenue":9.5}"#, Some(9.5)),
        (r#"{"value":"12.5"}"#, Some(12.5)),
        (r#"{"value":"12.5 EUR","revenue":"7"}"#, Some(7.0)),
        (r#"{"value":"","revenue":true}"#, None),
        (r#"{"value":null,"revenue":-1}"#, Some(-1.0)),
        (r#"{"value":"NaN"}"#, None),
        (r#"{"value":"Infinity"}"#, None),
        (r#"{"value":{"value":1}}"#, None),
        (r#"{"value":1,"value":2}"#, Some(2.0)),
        (r#"{"Value":1}"#, None),
        ("null", None),
    ] {
        let event = only(&segment_batch(
            &format!(r#"{{"type":"track","event":"x","userId":"u","properties":{properties}}}"#),
            &rules,
        ));
        assert_eq!(event.value, value, "{properties}");
    }
    let mut chosen = rules;
    chosen.value_properties = vec!["total".into()];
    let event = r#"{"type":"track","event":"x","userId":"u","properties":{"value":1,"total":2}}"#;
    assert_eq!(only(&segment_batch(event, &chosen)).value, Some(2.0));
}

#[test]
fn the_environment_is_production_unless_told_otherwise() {
    for (properties, environment) in [
        (r#"{"statsigEnvironment":{"tier":"staging"}}"#, "staging"),
        (r#"{"statsigEnvironment":{"tier":""}}"#, "production"),
        (r#"{"statsigEnvironment":{}}"#, "production"),
        (r#"{"statsigEnvironment":"staging"}"#, "production"),
        (r#"{}"#, "production"),
    ] {
        let event = format!(r#"{{"type":"track","event":"x","userId":"u","properties":{properties}}}"#);
        assert_eq!(only(&segment_batch(&event, &rules())).environment, environment, "{properties}");
    }
}

#[test]
fn what_the_batch_says_holds_for_its_events_wherever_it_stands() {
    let mut rules = rules();
    rules.segment.include_new = true;
    let item = r#"{"type":"track","event":"x","userId":"u","timestamp":"2026-11-23T11:58:10.000Z"}"#;
    let own = r#"{"type":"track","event":"y","userId":"u","integrations":{"Weir":true}}"#;
    for body in [
        format!(
            r#"{{"batch":[{item},{own}],"sentAt":"2026-11-23T11:58:20.000Z","writeKey":"k","context":{{"ip":"1.2.3.4"}},"integrations":{{"All":false,"Statsig":true}}}}"#
        ),
        format!(
            r#"{{"integrations":{{"All":false,"Statsig":true}},"context":{{"ip":"1.2.3.4"}},"writeKey":"k","sentAt":"2026-11-23T11:58:20.000Z","unknown":[{{}}],"batch":[{item},{own}]}}"#
        ),
    ] {
        let intake = super::super::segment(body.as_bytes(), Call::Many, &arrival(), &rules, batch()).unwrap();
        assert_eq!(intake.write_key.as_deref(), Some("k"));
        let events = intake.submission.batch.pushed();
        assert_eq!(events.len(), 2);
        // An hour behind: ten seconds before it was sent is ten seconds before it was received.
        assert_eq!(events[0].time, Timestamp(NOW.0 - 10_000));
        assert_eq!(
            events[0].shared.as_deref(),
            Some(r#"{"context":{"ip":"1.2.3.4"},"integrations":{"All":false,"Statsig":true}}"#)
        );
        assert_eq!((events[0].raw.as_str(), events[1].raw.as_str()), (item, own));
    }
    let off = format!(r#"{{"batch":[{item},{own}],"integrations":{{"Statsig":false}}}}"#);
    let intake = super::super::segment(off.as_bytes(), Call::Many, &arrival(), &rules, batch()).unwrap();
    let tallies: Vec<(&str, &str, u64)> =
        intake.submission.tallies.iter().map(|(tally, count)| (tally.reason, tally.name.as_str(), *count)).collect();
    assert_eq!(tallies, [("integrations_off", "segment::x", 1)]);
    assert_eq!(intake.submission.batch.pushed()[0].name, "segment::y");
}

#[test]
fn times_are_corrected_for_the_senders_clock() {
    let rules = rules();
    for (fields, time) in [
        (r#""timestamp":"2026-11-23T12:58:19.000Z""#, NOW.0 - 1_000),
        (r#""timestamp":"2026-11-23T12:58:19.000Z","sentAt":"2026-11-23T12:58:19.500Z""#, NOW.0 - 1_000),
        (r#""timestamp":"2026-11-23T13:58:19.000+00:00","sentAt":"2026-11-23T13:58:19.500+00:00""#, NOW.0 - 500),
        (r#""originalTimestamp":"2026-11-23T12:58:19.000Z""#, NOW.0 - 1_000),
        (r#""originalTimestamp":"2020-01-01T00:00:00Z","timestamp":"2026-11-23T12:58:19.000Z""#, NOW.0 - 1_000),
        (r#""timestamp":1795438699000"#, NOW.0 - 1_000),
        (r#""timestamp":"soon""#, NOW.0),
        (r#""timestamp":"2030-01-01T00:00:00Z""#, NOW.0),
        (r#""sentAt":"""#, NOW.0),
        (r#""timestamp":"2026-11-22T12:58:20Z","sentAt":"""#, NOW.0 - 86_400_000),
        ("\"x\":1", NOW.0),
    ] {
        let event = format!(r#"{{"type":"track","event":"x","userId":"u",{fields}}}"#);
        let event = only(&segment_batch(&event, &rules));
        assert_eq!((event.time.0, event.received), (time, NOW), "{fields}");
    }
}

#[test]
fn a_message_id_is_kept_or_made_unlike_any_other() {
    let rules = rules();
    let event = r#"{"type":"track","event":"x","userId":"u"}"#;
    let first = segment_batch(&format!("{event},{event}"), &rules).submission.batch.pushed();
    assert_eq!(first[0].message_id, format!("made-{:032x}-0", 0xfeed));
    assert_ne!(first[0].message_id, first[1].message_id);
    let given = r#"{"type":"track","event":"x","userId":"u","messageId":"m\u0031"}"#;
    assert_eq!(only(&segment_batch(given, &rules)).message_id, "m1");
}

#[test]
fn the_event_filter_counts_what_it_leaves_out_by_name() {
    let mut rules = rules();
    rules.segment.events.insert("Debug Ping".into(), false);
    rules.segment.events.insert("page:Health".into(), false);
    let events = r#"{"type":"track","event":"Debug Ping","userId":"u"},{"type":"track","event":"Debug Ping","userId":"u"},
        {"type":"page","name":"Health","userId":"u"},{"type":"track","event":"Order","userId":"u"}"#;
    let intake = segment_batch(events, &rules);
    assert_conserved(&intake);
    let mut tallies: Vec<(&str, &str, u64)> =
        intake.submission.tallies.iter().map(|(tally, count)| (tally.reason, tally.name.as_str(), *count)).collect();
    tallies.sort();
    assert_eq!(tallies, [("event_filter", "segment::Debug Ping", 2), ("event_filter", "segment::page:Health", 1)]);
    rules.segment.include_new = false;
    assert_eq!(
        fate(&segment_batch(r#"{"type":"track","event":"Order","userId":"u"}"#, &rules)),
        "filtered event_filter"
    );
}

#[test]
fn a_key_that_is_not_public_is_not_stored() {
    let rules = rules();
    for (fields, stored, key) in [
        (r#""writeKey":"client-1""#, r#""writeKey":"client-1""#, "client-1"),
        (r#""writeKey":"secret-1""#, r#""writeKey":"""#, "secret-1"),
        (r#""writeKey":"secret-1","writeKey":"client-1""#, r#""writeKey":"","writeKey":"""#, "client-1"),
        (r#""write\u004bey":"secret-1""#, r#""write\u004bey":"""#, "secret-1"),
        (r#""writeKey":"client-\u0031""#, r#""writeKey":"client-\u0031""#, "client-1"),
    ] {
        let event =
            |fields: &str| format!(r#"{{"event":"x","userId":"u",{fields},"properties":{{"writeKey":"own"}}}}"#);
        let body = event(fields);
        let intake =
            super::super::segment(body.as_bytes(), Call::One(Kind::Track), &arrival(), &rules, batch()).unwrap();
        assert_eq!(intake.write_key.as_deref(), Some(key));
        assert_eq!(only(&intake).raw, event(stored));
    }
    // Nor shown with what was rejected.
    let intake = segment_batch(r#"{"type":"track","writeKey":"secret-1"},{"type":"x","writeKey":"secret-2"}"#, &rules);
    let shown: String = intake.submission.samples.iter().map(|sample| sample.body.as_str()).collect();
    assert!(shown.contains("writeKey") && !shown.contains("secret"), "{shown}");
    assert_eq!(intake.write_key.as_deref(), Some("secret-1"));
}

#[test]
fn a_body_that_cannot_be_read_is_refused_whole_and_counts_as_one() {
    let rules = rules();
    let event = r#"{"type":"track","event":"x","userId":"u"}"#;
    for (body, call, code) in [
        ("".to_owned(), Call::Many, "not_an_object"),
        ("[]".to_owned(), Call::Many, "not_an_object"),
        ("7".to_owned(), Call::One(Kind::Track), "not_an_object"),
        ("not json".to_owned(), Call::One(Kind::Track), "malformed_json"),
        ("{}".to_owned(), Call::Many, "batch_missing"),
        (event.to_owned(), Call::Many, "batch_missing"),
        ("{\"batch\":{}}".to_owned(), Call::Many, "batch_missing"),
        (format!("{{\"batch\":[{event}"), Call::Many, "malformed_json"),
        (format!("{{\"batch\":[{event}}}]}}"), Call::Many, "malformed_json"),
        (format!("{{\"batch\":[{event},]}}"), Call::Many, "malformed_json"),
        (format!("{{\"batch\":[{event}]}} x"), Call::Many, "malformed_json"),
        (format!("{event}{event}"), Call::One(Kind::Track), "malformed_json"),
        ("{\"event\":\"x\ny\"}".to_owned(), Call::One(Kind::Track), "malformed_json"),
        (format!("{{\"batch\":[{event}],\"context\":{{\"a\":\"\\ud800\"}}}}"), Call::Many, "malformed_json"),
    ] {
        let error = error_of(super::super::segment(body.as_bytes(), call, &arrival(), &rules, batch()));
        assert_eq!(error.code(), code, "{body}");
        let submission = error.submission(Source::Segment, body.as_bytes(), &arrival(), &rules, batch());
        assert_eq!(submission.batch.len(), 0);
        assert_eq!(submission.tallies.len(), 1);
        assert_eq!((submission.tallies[0].0.reason, submission.tallies[0].1), (code, 1));
        assert_eq!((submission.samples[0].code.as_str(), submission.samples[0].body.as_str()), (code, body.as_str()));
    }
    let error = error_of(super::super::segment(b"{\"a\":\n\xff}", Call::Many, &arrival(), &rules, batch()));
    assert_eq!((error.code(), error), ("not_utf8", BodyError::NotUtf8 { at: 6 }));
    let error =
        error_of(super::super::segment(b"{\"batch\":[{},\n {\"a\":tru}]}", Call::Many, &arrival(), &rules, batch()));
    assert!(error.message().ends_with("at line 2 column 10"), "{}", error.message());

    let secret =
        error_of(super::super::segment(b"{\"writeKey\":\"secret-1\",", Call::Many, &arrival(), &rules, batch()));
    let shown = secret.submission(Source::Segment, b"{\"writeKey\":\"secret-1\",", &arrival(), &rules, batch());
    assert_eq!(shown.samples[0].body, "{\"writeKey\":\"\",");
}

#[test]
fn the_last_of_two_batches_counts_and_an_empty_one_is_fine() {
    let body =
        r#"{"batch":[{"type":"track","event":"a","userId":"u"}],"batch":[{"type":"track","event":"b","userId":"u"}]}"#;
    let intake = super::super::segment(body.as_bytes(), Call::Many, &arrival(), &rules(), batch()).unwrap();
    assert_eq!(only(&intake).name, "segment::b");
    let intake = segment_batch("", &rules());
    assert_eq!((intake.received, intake.submission.batch.len(), intake.write_key), (0, 0, None));
}

#[test]
fn webhooks_take_one_message_or_an_array_of_them() {
    let rules = rules();
    let message = r#"{"type":"track","event":"x","userId":"u","messageId":"m","receivedAt":"2026-11-23T12:58:20Z"}"#;
    for (body, count) in [(message.to_owned(), 1), (format!("[{message} , {message}]"), 2), ("[]".to_owned(), 0)] {
        let segment = webhook_segment(body.as_bytes(), &arrival(), &rules, batch()).unwrap();
        assert_eq!(segment.submission.batch.len(), count);
        let rudder = webhook_rudderstack(body.as_bytes(), &arrival(), &rules, batch()).unwrap();
        for event in rudder.submission.batch.pushed() {
            assert_eq!((event.source, event.name.as_str()), (Source::Rudderstack, "rudderstack::x"));
        }
    }
    assert_eq!(
        fate(&webhook_segment(b"{\"type\":\"delete\"}", &arrival(), &rules, batch()).unwrap()),
        "rejected unknown_type"
    );
    assert_eq!(error_of(webhook_segment(b"7", &arrival(), &rules, batch())).code(), "not_an_object");
}

#[test]
fn a_disabled_integration_takes_nothing() {
    let mut rules = rules();
    rules.segment.enabled = false;
    rules.rudderstack.enabled = false;
    rules.webhook.enabled = false;
    let body = b"{\"event\":\"x\",\"userId\":\"u\"}";
    for error in [
        error_of(super::super::segment(body, Call::One(Kind::Track), &arrival(), &rules, batch())),
        error_of(webhook_segment(body, &arrival(), &rules, batch())),
        error_of(webhook_rudderstack(body, &arrival(), &rules, batch())),
        error_of(webhook_event(body, &arrival(), &rules, batch())),
    ] {
        assert_eq!(error.code(), "integration_disabled");
        // Counted, and nothing of it is kept to look at.
        let told = error.submission(Source::Segment, body, &arrival(), &rules, batch());
        assert_eq!((told.batch.len(), told.samples.len(), told.tallies[0].1), (0, 0, 1));
    }
}

#[test]
fn a_mapped_field_is_an_id_or_nothing_and_anything_else_refuses_the_event() {
    let mut rules = rules();
    let company = rules.id_types.find("companyID").unwrap();
    let rows = vec![("account".into(), company), ("team".into(), company), ("login".into(), rules.id_types.user_id)];
    for source in [&mut rules.segment, &mut rules.rudderstack] {
        source.map_identifiers = rows.clone();
    }
    let by = |take: fn(&[u8], &Arrival, &Rules, Batch) -> Result<Intake, BodyError>, fields: &str| {
        let body = format!(r#"{{"type":"track","event":"x",{fields}}}"#);
        take(body.as_bytes(), &arrival(), &rules, batch()).unwrap()
    };
    for take in [webhook_segment, webhook_rudderstack] {
        for (fields, expected) in [
            (r#""userId":"u","account":7"#, vec![("userID", "u"), ("companyID", "7")]),
            (r#""userId":"u","account":-1.5"#, vec![("userID", "u"), ("companyID", "-1.5")]),
            (r#""userId":"u","account":"","team":"t""#, vec![("userID", "u"), ("companyID", "t")]),
            (r#""userId":"u","account":null"#, vec![("userID", "u")]),
            // A row can name the user where the message has none, and is enough to know whom it is about.
            (r#""userId":"u","login":"l""#, vec![("userID", "u")]),
            (r#""userId":null,"login":"l""#, vec![("userID", "l")]),
            // Only top-level fields are looked at.
            (r#""userId":"u","properties":{"account":"c"}"#, vec![("userID", "u")]),
            (r#""userId":"u","account.id":"c""#, vec![("userID", "u")]),
        ] {
            assert_eq!(units(&only(&by(take, fields))), expected, "{fields}");
        }
        for value in ["true", "{}", "{\"id\":\"c\"}", "[]", "1e300"] {
            let fields = format!(r#""userId":"u","account":{value}"#);
            assert_eq!(fate(&by(take, &fields)), "rejected invalid_id", "{value}");
        }
    }
}
