//! Every limit, on each side of it.

use super::*;

fn track(fields: &str) -> String {
    format!(r#"{{"type":"track","event":"x","userId":"u",{fields}}}"#)
}

#[test]
fn texts_of_an_event_are_bounded() {
    let rules = rules();
    let limits = &rules.limits;
    let padding = limits.event_bytes - track(r#""a":"""#).len();
    for (within, event) in [
        (true, track(&format!(r#""messageId":"{}""#, "é".repeat(limits.message_id_chars)))),
        (false, track(&format!(r#""messageId":"{}""#, "é".repeat(limits.message_id_chars + 1)))),
        (true, track(&format!(r#""anonymousId":"{}""#, "é".repeat(limits.id_chars)))),
        (false, track(&format!(r#""anonymousId":"{}""#, "é".repeat(limits.id_chars + 1)))),
        (true, track(&format!(r#""event":"{}""#, "é".repeat(limits.name_chars)))),
        (false, track(&format!(r#""event":"{}""#, "é".repeat(limits.name_chars + 1)))),
        (
            true,
            track(&format!(
                r#""properties":{{"statsigEnvironment":{{"tier":"{}"}}}}"#,
                "é".repeat(limits.environment_chars)
            )),
        ),
        (
            false,
            track(&format!(
                r#""properties":{{"statsigEnvironment":{{"tier":"{}"}}}}"#,
                "é".repeat(limits.environment_chars + 1)
            )),
        ),
        (true, track(&format!(r#""a":"{}""#, "x".repeat(padding)))),
        (false, track(&format!(r#""a":"{}""#, "x".repeat(padding + 1)))),
        // The event itself is the first level.
        (true, track(&format!(r#""a":{}1{}"#, "[".repeat(63), "]".repeat(63)))),
        (false, track(&format!(r#""a":{}1{}"#, "[".repeat(64), "]".repeat(64)))),
        (true, track(&format!(r#""properties":{{"a":{}1{}}}"#, "{\"b\":".repeat(62), "}".repeat(62)))),
        (false, track(&format!(r#""properties":{{"a":{}1{}}}"#, "{\"b\":".repeat(63), "}".repeat(63)))),
        (false, track(&format!(r#""a":{}1{}"#, "[".repeat(40_000), "]".repeat(40_000)))),
    ] {
        let fate = fate(&segment_batch(&event, &rules));
        assert_eq!(fate == "kept", within, "{fate}: {}", &event[..100]);
    }
    for (event, code) in [
        (track(&format!(r#""messageId":"{}""#, "x".repeat(101))), "rejected message_id_too_long"),
        (track(&format!(r#""userId":"{}""#, "x".repeat(513))), "rejected id_too_long"),
        (track(&format!(r#""event":"{}""#, "x".repeat(201))), "rejected name_too_long"),
        (track(&format!(r#""a":"{}""#, "x".repeat(128 * 1024))), "rejected event_too_large"),
        (track(&format!(r#""a":{}1{}"#, "[".repeat(64), "]".repeat(64))), "rejected too_deep"),
    ] {
        assert_eq!(fate(&segment_batch(&event, &rules)), code);
    }
}

#[test]
fn a_body_holds_so_many_events_and_no_more() {
    let rules = rules();
    let body = |count: usize| format!("{{\"batch\":[{}]}}", vec!["{}"; count].join(","));
    let intake =
        super::super::segment(body(rules.limits.events_per_body).as_bytes(), Call::Many, &arrival(), &rules, batch())
            .unwrap();
    assert_eq!(intake.received, 5_000);
    assert_conserved(&intake);
    assert_eq!(intake.submission.samples.len(), SAMPLES_PER_BODY);
    assert_eq!(intake.rejected.len(), 5_000);
    let over = body(rules.limits.events_per_body + 1);
    let error = error_of(super::super::segment(over.as_bytes(), Call::Many, &arrival(), &rules, batch()));
    assert_eq!(error, BodyError::TooManyEvents { limit: 5_000 });
}

#[test]
fn what_a_batch_shares_is_bounded_by_its_copies() {
    let mut rules = rules();
    let body = |context: usize| {
        let event = r#"{"type":"track","event":"x","userId":"u"}"#;
        format!(r#"{{"batch":[{event},{event}],"context":{{"a":"{}"}}}}"#, "x".repeat(context))
    };
    let frame = r#"{"context":{"a":""}}"#.len();
    rules.limits.shared_bytes = 2 * (frame + 100);
    assert!(super::super::segment(body(100).as_bytes(), Call::Many, &arrival(), &rules, batch()).is_ok());
    let error = error_of(super::super::segment(body(101).as_bytes(), Call::Many, &arrival(), &rules, batch()));
    assert_eq!(error.code(), "shared_too_large");
}

#[test]
fn a_full_dictionary_takes_known_names_only() {
    let mut rules = rules();
    rules.limits.distinct_names = 1;
    rules.limits.distinct_environments = 1;
    let known = || Batch::probe_with_names(&ID_TYPES, &["segment::x"]);
    for (event, expected) in [
        (r#"{"type":"track","event":"x","userId":"u"}"#, "kept"),
        (r#"{"type":"track","event":"y","userId":"u"}"#, "rejected too_many_names"),
    ] {
        let body = format!("{{\"batch\":[{event}]}}");
        let intake = super::super::segment(body.as_bytes(), Call::Many, &arrival(), &rules, known()).unwrap();
        assert_eq!(fate(&intake), expected);
    }
    rules.limits.distinct_names = 2;
    rules.limits.distinct_environments = 0;
    let body = br#"{"batch":[{"type":"track","event":"y","userId":"u"}]}"#;
    let intake = super::super::segment(body, Call::Many, &arrival(), &rules, known()).unwrap();
    assert_eq!(fate(&intake), "rejected too_many_environments");
    rules.limits.distinct_environments = 1;
    rules.limits.distinct_names = 0;
    let exposure = r#"{"eventName":"statsig::gate_exposure","metadata":{"gate":"g","gateValue":"true","ruleID":"r"}}"#;
    rules.limits.distinct_names = 0;
    assert_eq!(fate(&statsig_events(exposure, &rules)), "rejected too_many_names");
}

#[test]
fn new_names_of_what_is_not_kept_are_counted_together_beyond_a_bound() {
    let mut rules = rules();
    rules.limits.tallied_names = 2;
    rules.segment.include_new = false;
    let counts = |names: &[&str]| {
        let event = |name: &&str| format!(r#"{{"type":"track","event":"{name}","userId":"u"}}"#);
        let body = format!("{{\"batch\":[{}]}}", names.iter().map(event).collect::<Vec<_>>().join(","));
        let known = Batch::probe_with_names(&ID_TYPES, &["segment::known"]);
        let intake = super::super::segment(body.as_bytes(), Call::Many, &arrival(), &rules, known).unwrap();
        assert_conserved(&intake);
        let mut counts: Vec<(String, u64)> =
            intake.submission.tallies.into_iter().map(|(tally, count)| (tally.name, count)).collect();
        counts.sort();
        counts
    };
    let expect = |expected: &[(&str, u64)]| expected.iter().map(|&(n, c)| (n.to_owned(), c)).collect::<Vec<_>>();
    assert_eq!(counts(&["a", "b", "a"]), expect(&[("segment::a", 2), ("segment::b", 1)]));
    // In another body, the names that were let through and those of stored events keep theirs.
    let all = counts(&["c", "b", "known", "d"]);
    assert_eq!(all, expect(&[("", 2), ("segment::b", 1), ("segment::known", 1)]));
    // A change of the project makes no new room.
    let mut changed = self::rules();
    changed.limits.tallied_names = 2;
    changed.segment.include_new = false;
    changed.follow(&rules);
    let intake = segment_batch(r#"{"type":"track","event":"new","userId":"u"}"#, &changed);
    assert_eq!(intake.submission.tallies[0].0.name, "");
}

#[test]
fn a_sample_is_cut_but_the_count_is_not() {
    let event = format!(r#"{{"type":"x","a":"{}"}}"#, "é".repeat(5_000));
    let intake = segment_batch(&event, &rules());
    let sample = &intake.submission.samples[0];
    assert!(sample.body.len() <= crate::store::RejectedSample::REJECTED_BODY_BYTES && event.starts_with(&sample.body));
}

#[test]
fn an_exposures_names_are_bounded() {
    let rules = rules();
    for (length, expected) in [(200, "kept"), (201, "rejected name_too_long")] {
        let long = "é".repeat(length);
        for metadata in [
            format!(r#"{{"config":"{long}","ruleID":"r"}}"#),
            format!(r#"{{"config":"c","ruleID":"{long}"}}"#),
            format!(r#"{{"config":"c","ruleID":"r","allocatedExperiment":"{long}"}}"#),
        ] {
            let event = format!(r#"{{"eventName":"statsig::layer_exposure","metadata":{metadata}}}"#);
            assert_eq!(fate(&statsig_events(&event, &rules)), expected);
        }
    }
}
