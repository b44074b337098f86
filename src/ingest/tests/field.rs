//! One text of an event is what the whole view shows of it.

use super::*;
use crate::event::Place;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A text beside the value that stands for it: null is nothing, text is text, anything else its JSON.
fn same(found: Option<&str>, value: Option<&Value>) -> bool {
    match (found, value) {
        (None, None | Some(Value::Null)) => true,
        (Some(found), Some(Value::String(text))) => found == text,
        (Some(found), Some(value)) => {
            !value.is_null() && serde_json::from_str::<Value>(found).is_ok_and(|it| it == *value)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// What the SDK says about itself, read the long way.
fn sdk(source: Source, raw: &str, shared: Option<&str>) -> Map<String, Value> {
    let object = |value: Option<Value>| match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let parse = |text: &str| object(serde_json::from_str(text).ok());
    let (mut raw, mut shared) = (parse(raw), shared.map(parse).unwrap_or_default());
    let field = if matches!(source, Source::Segment | Source::Rudderstack) { "context" } else { "statsigMetadata" };
    let (own, mut all) = (object(raw.remove(field)), object(shared.remove(field)));
    if field == "context" {
        all.extend(own);
        let mut library = object(all.remove("library"));
        for (theirs, ours) in [("name", "sdkType"), ("version", "sdkVersion")] {
            library.remove(ours);
            library.extend(library.get(theirs).cloned().map(|value| (ours.to_owned(), value)));
        }
        return library;
    }
    all.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
    all
}

/// Compares each key of the view, and some that it may not have.
fn agree(source: Source, kind: Kind, raw: &str, shared: Option<&str>) -> Result<usize, String> {
    let view = view(source, kind, raw, shared);
    let nothing = Map::new();
    let custom = view.user.get("custom").and_then(Value::as_object).unwrap_or(&nothing);
    let sdk = sdk(source, raw, shared);
    let mut found_any = 0;
    for (place, shown) in
        [(Place::Metadata, &view.metadata), (Place::User, &view.user), (Place::UserCustom, custom), (Place::Sdk, &sdk)]
    {
        let keys: BTreeSet<&str> = shown.keys().map(String::as_str).chain(INNER).collect();
        for key in keys {
            let expected = shown.get(key).filter(|_| (place, key) != (Place::User, "custom"));
            let found = field(source, kind, raw, shared, place, key);
            if !same(found.as_deref(), expected) {
                return Err(format!(
                    "{place} {key:?}: {found:?}, not {expected:?}, of {source} {kind} {raw} {shared:?}"
                ));
            }
            found_any += usize::from(found.is_some());
        }
    }
    Ok(found_any)
}

#[test]
fn each_field_of_recorded_events_is_what_the_view_shows() {
    let mut found = 0;
    for sdk in [
        "ajs-next-chromium",
        "analytics-node-legacy",
        "segment-node",
        "segment-python",
        "statsig-node-legacy",
        "statsig-py-core",
        "statsig-js-client",
        "statsig-js-client-browser",
    ] {
        let path = format!("{}/tests/it/captures/{sdk}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let mut versions = BTreeSet::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            let body = request["body"].to_string();
            let intake = if sdk.starts_with("statsig") {
                statsig_log_event(body.as_bytes(), &arrival(), &rules(), batch()).unwrap()
            } else {
                let kind = match request["path"].as_str().unwrap() {
                    "/v1/i" => Call::One(Kind::Identify),
                    "/v1/t" => Call::One(Kind::Track),
                    "/v1/p" => Call::One(Kind::Page),
                    "/v1/s" => Call::One(Kind::Screen),
                    "/v1/g" => Call::One(Kind::Group),
                    "/v1/a" => Call::One(Kind::Alias),
                    _ => Call::Many,
                };
                super::super::segment(body.as_bytes(), kind, &arrival(), &rules(), batch()).unwrap()
            };
            for event in intake.submission.batch.pushed() {
                found += agree(event.source, event.kind, &event.raw, event.shared.as_deref()).unwrap();
                let of_sdk = |key| {
                    let shared = event.shared.as_deref();
                    field(event.source, event.kind, &event.raw, shared, Place::Sdk, key).map(|text| text.into_owned())
                };
                versions.insert((of_sdk("sdkType").unwrap(), of_sdk("sdkVersion").unwrap()));
            }
        }
        assert_eq!(versions.len(), 1, "{sdk} says what it is in each event: {versions:?}");
    }
    assert!(found > 1000, "{found}");
}

#[test]
fn a_text_is_verbatim_and_absent_is_not_empty() {
    let raw = r#"{"properties":{"revenue":19.990,"big":123456789012345678901234567890,"e":1E3,"text":"na\u00efve","empty":"",
        "yes":true,"gone":null,"list":[1, 2.50],"nested":{"a": null},"dup":1,"dup":2,"k\u0065y":"escaped"},"context":{"library":{"name":"x"}}}"#;
    let of = |place, key| field(Source::Segment, Kind::Track, raw, None, place, key).map(|text| text.into_owned());
    for (key, expected) in [
        ("revenue", Some("19.990")),
        ("big", Some("123456789012345678901234567890")),
        ("e", Some("1E3")),
        ("text", Some("naïve")),
        ("empty", Some("")),
        ("yes", Some("true")),
        ("gone", None),
        ("list", Some("[1, 2.50]")),
        ("nested", Some("{\"a\": null}")),
        ("dup", Some("2")),
        ("key", Some("escaped")),
        ("revenu", None),
        ("", None),
    ] {
        assert_eq!(of(Place::Metadata, key).as_deref(), expected, "{key}");
    }
    assert_eq!(of(Place::Sdk, "sdkType").as_deref(), Some("x"));
    assert_eq!(of(Place::Sdk, "name").as_deref(), Some("x"));
    for text in ["", "not json", "{", "[]", "7", r#"{"properties":{"a":1}} x"#, r#"{"properties":{"a":1}"#] {
        assert_eq!(field(Source::Segment, Kind::Track, text, Some(text), Place::Metadata, "a"), None, "{text}");
    }
}

#[test]
fn what_is_private_is_no_field() {
    let raw = r#"{"user":{"privateAttributes":{"ssn":"1"},"custom":{"plan":"pro"},"country":"CA"}}"#;
    let of = |place, key| field(Source::Statsig, Kind::Custom, raw, None, place, key);
    assert_eq!(of(Place::User, "privateAttributes"), None);
    assert_eq!(of(Place::User, "custom"), None, "it has a place of its own");
    assert_eq!(of(Place::User, "country").as_deref(), Some("CA"));
    assert_eq!(of(Place::UserCustom, "plan").as_deref(), Some("pro"));
}

const OUTER: [&str; 6] = ["properties", "traits", "context", "user", "metadata", "statsigMetadata"];
const INNER: [&str; 22] = [
    "ip",
    "locale",
    "userAgent",
    "os",
    "os_name",
    "os_version",
    "app",
    "appVersion",
    "traits",
    "email",
    "library",
    "name",
    "version",
    "sdkType",
    "sdkVersion",
    "statsigCustom",
    "custom",
    "plan",
    "country",
    "privateAttributes",
    "a",
    "",
];

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "null", "true", "false", "0", "-1.50", "1E3", "123456789012", "\"\"", "\"text\"", "\"pl\\u0061n\"", "\"\\ud83e\\udd8a\"",
            "\"na\u{ef}ve\"", "[]", "{}", "{ }", "[1, \"a\"]", "{\"a\": {\"b\": null}}", "[\"plan\",1,\"plan\",2,\"a\",null,7,\"x\",\"odd\"]",
        ]).prop_map(str::to_owned),
        1 => "[ -!#-\\[\\]-~\u{e9}\u{1F98A}]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ]
}

/// A key, now and then written with an escape.
fn key(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    (prop::sample::select(keys), any::<u8>()).prop_map(|(key, how)| match key.chars().next() {
        Some(first) if how < 30 => format!("\"\\u{:04x}{}\"", u32::from(first), &key[1..]),
        _ => format!("\"{key}\""),
    })
}

/// An object's text; keys come twice.
fn object(entry: impl Strategy<Value = (String, String)>) -> impl Strategy<Value = String> {
    prop::collection::vec((entry, any::<bool>()), 0..7).prop_map(|entries| {
        let entries =
            entries.into_iter().map(
                |((key, value), spaced)| {
                    if spaced { format!(" {key} :\n{value} ") } else { format!("{key}:{value}") }
                },
            );
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    })
}

fn event() -> impl Strategy<Value = String> {
    let objects = &["\"os\"", "\"app\"", "\"library\"", "\"traits\"", "\"custom\""];
    let item = prop::sample::select(vec!["\"plan\"", "\"a\"", "null", "1", "\"x\"", "\"\\u0061\""]);
    let pairs = prop::collection::vec(item, 0..9).prop_map(|items| format!("[{}]", items.join(",")));
    let inner = prop_oneof![
        4 => (key(&INNER), leaf()),
        2 => (prop::sample::select(objects), object((key(&INNER), leaf()))).prop_map(|(key, it)| (key.to_owned(), it)),
        1 => pairs.prop_map(|pairs| ("\"statsigCustom\"".to_owned(), pairs)),
    ];
    let value = prop_oneof![1 => leaf(), 6 => object(inner)];
    object((key(&OUTER), value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn each_field_of_any_event_is_what_the_view_shows(
        source in prop::sample::select(Source::ALL),
        kind in prop::sample::select(Kind::ALL),
        raw in event(),
        shared in prop::option::of(event()),
    ) {
        agree(source, kind, &raw, shared.as_deref()).map_err(TestCaseError::fail)?;
    }
}
