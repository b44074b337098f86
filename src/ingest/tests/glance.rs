//! Whether a glance shows what stands in an event.

use super::captures::captured;
use super::*;
use crate::event::Place;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

fn agree(raw: &str, shared: Option<&str>) {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let (own, batch) = (parse(raw), parse(shared.unwrap_or_default()));
    let told = |value: &Value| {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        fields.retain(|_, value| !value.is_null());
        fields
    };
    let glanced = glance(raw, shared);
    let metadata = told(&own["metadata"]);
    let of = |names: &[(Cow<'_, str>, Cow<'_, str>)]| {
        let mut names: Vec<String> = names.iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(of(&glanced.metadata), metadata.keys().cloned().collect::<Vec<_>>(), "each key once: {raw}");
    for (name, text) in &glanced.metadata {
        // As it was written, digit by digit.
        let one = field(Source::Statsig, Kind::Custom, raw, shared, Place::Metadata, name);
        assert_eq!(Some(text), one.as_ref(), "{name} of {raw}");
    }
    let mut user = told(if own["user"].is_object() { &own["user"] } else { &batch["user"] });
    user.remove("privateAttributes");
    let seen: Map<String, Value> =
        glanced.user.iter().map(|(name, json)| (name.to_string(), serde_json::from_str(json.get()).unwrap())).collect();
    assert_eq!((seen.len(), &seen), (glanced.user.len(), &user), "{raw} in {shared:?}");
    for (name, json) in &glanced.sdk {
        let one = field(Source::Statsig, Kind::Custom, raw, shared, Place::Sdk, name);
        assert_eq!(super::super::view::text(json.get()), one, "{name} of {raw} in {shared:?}");
    }
    let mut names: Vec<String> =
        [&own, &batch].iter().flat_map(|it| told(&it["statsigMetadata"])).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let mut glanced: Vec<String> = glanced.sdk.iter().map(|(name, _)| name.to_string()).collect();
    glanced.sort();
    assert_eq!(glanced, names, "{raw} in {shared:?}");
}

#[test]
fn a_glance_shows_what_stands_in_an_event() {
    let shared = Some(
        r#"{"user":{"userID":"other","privateAttributes":{"ssn":1}},"statsigMetadata":{"sdkType":"js","x":null,"y":1}}"#,
    );
    let many: Vec<String> = (0..200).map(|n| format!(r#""k{}":{n}"#, n % 120)).collect();
    let many = format!(r#"{{"metadata":{{{0}}},"user":{{{0}}},"statsigMetadata":{{{0}}}}}"#, many.join(","));
    for raw in [
        "{}",
        "[]",
        "not json",
        "",
        r#"{"metadata":null,"user":null,"statsigMetadata":null,"value":null}"#,
        r#"{"metadata":[1],"user":[1],"statsigMetadata":7}"#,
        r#"{"metadata":{"text":"naïve \u0041","n":19.990,"yes":true,"gone":null,"list":[1, 2.50],"nested":{"a": null},"dup":1,"dup":2}}"#,
        r#"{"metadata":{"dup":1,"dup":null,"d\u0075p2":1,"dup2":2,"":"empty"}}"#,
        r#"{"user":{"userID":"u","custom":{"plan":"free"},"privateAttributes":{"ssn":"1"},"country":null,"big":12345678901234567890}}"#,
        r#"{"user":{"privat\u0065Attributes":{"ssn":"1"},"userID":"u","userID":null}}"#,
        r#"{"user":{"userID":"a"},"user":{"userID":"b"},"metadata":{"a":1},"metadata":{"b":1}}"#,
        r#"{"statsigMetadata":{"sdkType":"own","y":null,"z":{"a":1}}}"#,
        &many,
    ] {
        agree(raw, None);
        agree(raw, shared);
        agree(raw, Some("nor this"));
    }
    let mut seen = 0;
    for sdk in ["statsig-js-client-browser", "statsig-js-client", "statsig-node-legacy", "statsig-py-core"] {
        for request in captured(sdk) {
            let body = &request["body"];
            let shared = json!({"user": body["user"], "statsigMetadata": body["statsigMetadata"]}).to_string();
            for event in body["events"].as_array().into_iter().flatten() {
                agree(&event.to_string(), Some(&shared));
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen} recorded events");
}

#[test]
fn a_value_that_is_text_is_told() {
    for (raw, expected) in [
        (r#"{"value":"home"}"#, Some("home")),
        (r#"{"value":"ho\"me"}"#, Some("ho\"me")),
        (r#"{"value":""}"#, None),
        (r#"{"value":10}"#, None),
        (r#"{"value":null}"#, None),
        (r#"{"value":{"a":"b"}}"#, None),
        ("{}", None),
    ] {
        assert_eq!(glance(raw, None).text_value.as_deref(), expected, "{raw}");
    }
}
