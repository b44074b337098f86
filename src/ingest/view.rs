//! What a person sees of a stored event, derived from its text: the metadata and the user. Done when it is read, so that
//! intake does not pay for it. Numbers keep every digit, because they are never made numbers.

use super::glance::glance;
use super::hashed::HashedNames;
use crate::event::{Kind, Source};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An object's entries by key; the last of two equal keys counts.
type Entries<'a> = BTreeMap<String, &'a RawValue>;

/// The readable part of an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Properties (of group and identify calls the traits), each value as text: strings as they are, numbers as they were
    /// written, `true` and `false`, objects and arrays as JSON. What is null is left out.
    pub metadata: Map<String, Value>,
    /// What is known of who did it: for Segment's family `ip`, `locale`, `userAgent`, `os_name`, `os_version`,
    /// `appVersion`, `email` and `custom`; otherwise the event's own user without private attributes.
    pub user: Map<String, Value>,
    /// Of an exposure: the gates and holdouts on the way to the answer, each with `gate`, `gateValue` and `ruleID`.
    pub secondary_exposures: Vec<Map<String, Value>>,
}

impl View {
    /// Puts names in the place of hashes, where a name is known. In an event that is no exposure a number is a number.
    pub fn reveal(&mut self, kind: Kind, names: &HashedNames) {
        if !kind.is_exposure() {
            return;
        }
        let reveal = |entries: &mut Map<String, Value>, field: &str| {
            if let Some(Value::String(text)) = entries.get_mut(field)
                && let Some(name) = names.name_of(text)
            {
                *text = name.to_owned();
            }
        };
        reveal(&mut self.metadata, "allocatedExperiment");
        self.secondary_exposures.iter_mut().for_each(|exposure| reveal(exposure, "gate"));
    }
}

/// Derives what can be shown. `raw` and `shared` are as stored (`Event::raw`, `Event::shared`); text that is not what it
/// should be gives an empty view.
pub fn view(source: Source, kind: Kind, raw: &str, shared: Option<&str>) -> View {
    match source {
        Source::Segment | Source::Rudderstack => {
            segment_view(kind, &parse(raw), &shared.map(parse).unwrap_or_default())
        }
        Source::Statsig | Source::Webhook | Source::Console => {
            let seen = glance(raw, shared);
            let exposures = if kind.is_exposure() { list(parse(raw).get("secondaryExposures")) } else { Vec::new() };
            let user = seen.user.into_iter().filter_map(|(name, json)| Some((name.into(), json_of(json)?)));
            View {
                metadata: seen.metadata.into_iter().map(|(name, text)| (name.into(), text.into())).collect(),
                user: user.collect(),
                secondary_exposures: exposures
                    .iter()
                    .map(|it| texts(&object(Some(it))))
                    .filter(|it| !it.is_empty())
                    .collect(),
            }
        }
    }
}

fn segment_view(kind: Kind, event: &Entries<'_>, shared: &Entries<'_>) -> View {
    let properties = object(event.get("properties"));
    let traits = object(event.get("traits"));
    let mut context = object(shared.get("context"));
    context.extend(object(event.get("context")));
    let metadata = match kind {
        Kind::Group | Kind::Identify if properties.is_empty() => texts(&traits),
        _ => texts(&properties),
    };

    let mut user = Map::new();
    let mut put = |name: &str, value: Option<&&RawValue>| {
        if let Some(text) = value.and_then(|value| owned(value)) {
            user.insert(name.to_owned(), Value::String(text));
        }
    };
    for name in ["ip", "locale", "userAgent"] {
        put(name, context.get(name));
    }
    let os = object(context.get("os"));
    put("os_name", os.get("name"));
    put("os_version", os.get("version"));
    put("appVersion", object(context.get("app")).get("version"));
    put("email", object(context.get("traits")).get("email"));
    // A group's traits are not its member's.
    if kind != Kind::Group {
        put("email", traits.get("email"));
    }
    let custom = custom(properties.get("statsigCustom"));
    if !custom.is_empty() {
        user.insert("custom".to_owned(), Value::Object(custom));
    }
    View { metadata, user, secondary_exposures: Vec::new() }
}

/// `statsigCustom`: key, value, key, value ...
fn custom(pairs: Option<&&RawValue>) -> Map<String, Value> {
    let pairs = list(pairs);
    let pairs = pairs.chunks_exact(2).filter_map(|pair| Some((owned(pair[0])?, Value::String(owned(pair[1])?))));
    pairs.collect()
}

fn json_of(value: &RawValue) -> Option<Value> {
    serde_json::from_str(value.get()).ok()
}

fn texts(entries: &Entries<'_>) -> Map<String, Value> {
    let values = entries.iter().filter_map(|(name, value)| Some((name.clone(), Value::String(owned(value)?))));
    values.collect()
}

/// A JSON value as text; `None` for null.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'n' => None,
        b'"' => match json.get(1..json.len() - 1) {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            _ => serde_json::from_str(json).ok().map(Cow::Owned),
        },
        _ => Some(Cow::Borrowed(json)),
    }
}

fn owned(value: &RawValue) -> Option<String> {
    text(value.get()).map(Cow::into_owned)
}

fn list<'a>(value: Option<&&'a RawValue>) -> Vec<&'a RawValue> {
    value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

fn object<'a>(value: Option<&&'a RawValue>) -> Entries<'a> {
    value.map(|value| parse(value.get())).unwrap_or_default()
}

fn parse(text: &str) -> Entries<'_> {
    serde_json::from_str(text).unwrap_or_default()
}
