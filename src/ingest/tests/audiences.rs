//! What messages say about audiences, a table each.

use super::*;

/// Lists of three ID types.
fn with_lists() -> Rules {
    let mut rules = rules();
    let audience = |(list, id_type): (&str, &str)| Audience {
        list: list.into(),
        id_type: rules.id_types.find(id_type).expect("a known ID type"),
    };
    let lists =
        [("vips", "userID"), ("quo\"ted", "userID"), ("firms", "companyID"), ("visitors", "segmentAnonymousId")];
    rules.audiences = Audiences::new(lists.map(audience));
    rules
}

type Enlisted = &'static [(usize, &'static str, &'static str, bool)];

#[test]
fn traits_of_an_identify_call_that_are_true_or_false_change_the_list_of_their_name() {
    let rules = with_lists();
    let table: [(&str, Enlisted); 14] = [
        (r#"{"vips":true}"#, &[(0, "vips", "u1", true)]),
        (r#"{"plan":"pro","vips":false,"age":7}"#, &[(0, "vips", "u1", false)]),
        (r#"{"v\u0069ps":true}"#, &[(0, "vips", "u1", true)]),
        (r#"{"quo\"ted":true,"vips":true}"#, &[(0, "quo\"ted", "u1", true), (0, "vips", "u1", true)]),
        (r#"{"vips":true,"vips":false}"#, &[(0, "vips", "u1", false)]),
        (r#"{"vips":true,"vips":"no"}"#, &[]),
        (r#"{"firms":true,"visitors":true}"#, &[(0, "visitors", "a1", true)]),
        (r#"{"vips":1}"#, &[]),
        (r#"{"vips":"true"}"#, &[]),
        (r#"{"vips":null}"#, &[]),
        (r#"{"vips":{"vips":true}}"#, &[]),
        (r#"{"Vips":true,"others":true}"#, &[]),
        (r#"[{"vips":true}]"#, &[]),
        ("null", &[]),
    ];
    for (traits, expected) in table {
        let event = format!(r#"{{"type":"identify","userId":"u1","anonymousId":"a1","traits":{traits}}}"#);
        let intake = segment_batch(&event, &rules);
        assert_eq!(only(&intake).raw, event);
        assert_eq!(intake.submission.batch.enlisted(), expected, "{traits}");
    }
    // The last of two traits objects counts, and nothing does where there are no lists.
    let twice = r#"{"type":"identify","userId":"u1","traits":{"vips":true},"traits":{}}"#;
    assert_eq!(segment_batch(twice, &rules).submission.batch.enlisted(), []);
    let event = r#"{"type":"identify","userId":"u1","traits":{"vips":true}}"#;
    assert_eq!(segment_batch(event, &super::rules()).submission.batch.enlisted(), []);
}

#[test]
fn an_audience_is_entered_and_left_by_the_track_calls_of_that_name() {
    let rules = with_lists();
    let table: [(&str, Enlisted); 10] = [
        (r#""event":"Audience Entered","properties":{"audience_key":"vips"}"#, &[(0, "vips", "u1", true)]),
        (r#""event":"Audience Exited","properties":{"audience_key":"vips","vips":false}"#, &[(0, "vips", "u1", false)]),
        (r#""properties":{"audience_key":"vips"},"event":"Audience Entered""#, &[(0, "vips", "u1", true)]),
        (
            r#""event":"Audience Entered","properties":{"audience_key":"firms","statsigCustomIDs":["companyID","c1"]}"#,
            &[(0, "firms", "c1", true)],
        ),
        (r#""event":"Audience Entered","properties":{"audience_key":"firms"}"#, &[]),
        (r#""event":"Audience Entered","properties":{"audience_key":"others"}"#, &[]),
        (r#""event":"Audience Entered","properties":{"audience_key":["vips"]}"#, &[]),
        (r#""event":"Audience Entered","properties":{"vips":true}"#, &[]),
        (r#""event":"audience entered","properties":{"audience_key":"vips"}"#, &[]),
        (r#""event":"Audience Entered","traits":{"vips":true}"#, &[]),
    ];
    for (fields, expected) in table {
        let intake = segment_batch(&format!(r#"{{"type":"track","userId":"u1",{fields}}}"#), &rules);
        only(&intake);
        assert_eq!(intake.submission.batch.enlisted(), expected, "{fields}");
    }
    for kind in ["page", "screen", "identify"] {
        let event = format!(
            r#"{{"type":"{kind}","event":"Audience Entered","userId":"u1","properties":{{"audience_key":"vips"}}}}"#
        );
        assert_eq!(segment_batch(&event, &rules).submission.batch.enlisted(), [], "{kind}");
    }
}

#[test]
fn only_events_that_are_kept_change_lists_and_each_by_its_own_row() {
    let mut rules = with_lists();
    rules.segment.events.insert("Audience Exited".into(), false);
    let entered = |user: &str, more: &str| {
        format!(
            r#"{{"type":"track","event":"Audience Entered","userId":"{user}","properties":{{"audience_key":"vips"}}{more}}}"#
        )
    };
    let exited = r#"{"type":"track","event":"Audience Exited","userId":"u2","properties":{"audience_key":"vips"}}"#;
    let long = format!(r#","messageId":"{}""#, "m".repeat(101));
    let events = [
        r#"{"type":"track","event":"x","userId":"u0"}"#.to_owned(),
        exited.to_owned(),
        entered("u3", &long),
        entered("u4", r#","integrations":{"Weir":false}"#),
        entered("u5", ""),
        entered("u6", ""),
    ];
    let intake = segment_batch(&events.join(","), &rules);
    assert_conserved(&intake);
    assert_eq!(intake.submission.batch.enlisted(), [(1, "vips", "u5", true), (2, "vips", "u6", true)]);
    let bytes = intake.submission.batch.bytes();
    rules.audiences = Audiences::default();
    let without = segment_batch(&events.join(","), &rules).submission.batch.bytes();
    assert!(bytes > without, "what lists need weighs in the queue");
}
