//! One text of one event, where it is known which: equal to what the whole view shows, without making the view. Read for
//! millions of events in a row, so it passes over the text as fast as it can and copies nothing that has no escapes.

use super::reader::{Entries, Read, Reader};
use super::view::text;
use crate::event::{Kind, Place, Source};
use std::borrow::Cow;

/// How deep stored text may nest. More than intake's limit, and little enough for the stack.
const ROOM: u32 = 128;

/// The text of a place and key in an event; `None` where it has none or it is null. `raw` and `shared` are as stored.
///
/// Of `Place::User` come all own fields but `custom`, whose entries are `Place::UserCustom`, and `privateAttributes`, which
/// nobody sees. `Place::Sdk` is `statsigMetadata`, the event's own entries before those of its batch; of Segment's family
/// `context.library`, whose `name` and `version` are also found as `sdkType` and `sdkVersion`, as Statsig calls them.
pub fn field<'r>(
    source: Source,
    kind: Kind,
    raw: &'r str,
    shared: Option<&'r str>,
    place: Place,
    key: &str,
) -> Option<Cow<'r, str>> {
    let shared = shared.unwrap_or_default();
    let found = match source {
        Source::Segment | Source::Rudderstack => segment_field(kind, raw, shared, place, key)?,
        Source::Statsig | Source::Webhook | Source::Console => match place {
            Place::Metadata => entry(entry(raw, "metadata")?, key)?,
            Place::User if key == "custom" || key == "privateAttributes" => return None,
            Place::User => entry(statsig_user(raw, shared)?, key)?,
            Place::UserCustom => entry(entry(statsig_user(raw, shared)?, "custom")?, key)?,
            Place::Sdk => {
                let of = |event| entry(entry(event, "statsigMetadata")?, key).filter(|found| !is_null(found));
                of(raw).or_else(|| of(shared))?
            }
        },
    };
    text(found)
}

fn statsig_user<'r>(raw: &'r str, shared: &'r str) -> Option<&'r str> {
    entry(raw, "user").filter(|user| is_object(user)).or_else(|| entry(shared, "user"))
}

fn segment_field<'r>(kind: Kind, raw: &'r str, shared: &'r str, place: Place, key: &str) -> Option<&'r str> {
    // Entry by entry the event's own context goes before its batch's.
    let context = |name: &str| {
        let of = |event| entry(entry(event, "context")?, name);
        of(raw).or_else(|| of(shared))
    };
    match place {
        Place::Metadata => {
            let properties = entry(raw, "properties").filter(|it| is_object(it));
            let has_traits = matches!(kind, Kind::Group | Kind::Identify);
            if has_traits && properties.is_none_or(is_empty) {
                entry(entry(raw, "traits")?, key)
            } else {
                entry(properties?, key)
            }
        }
        Place::User => match key {
            "ip" | "locale" | "userAgent" => context(key),
            "os_name" => entry(context("os")?, "name"),
            "os_version" => entry(context("os")?, "version"),
            "appVersion" => entry(context("app")?, "version"),
            "email" => {
                // A group's traits are not its member's.
                let own = if kind == Kind::Group { None } else { entry(raw, "traits") };
                let own = own.and_then(|traits| entry(traits, "email")).filter(|email| !is_null(email));
                own.or_else(|| entry(context("traits")?, "email"))
            }
            _ => None,
        },
        Place::UserCustom => {
            let pairs: Vec<&str> = items(entry(entry(raw, "properties")?, "statsigCustom")?)?;
            let of_key = |pair: &&[&str]| text(pair[0]).is_some_and(|name| name == key) && !is_null(pair[1]);
            pairs.chunks_exact(2).rfind(of_key).map(|pair| pair[1])
        }
        Place::Sdk => {
            let key = match key {
                "sdkType" => "name",
                "sdkVersion" => "version",
                other => other,
            };
            entry(context("library")?, key)
        }
    }
}

fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

fn is_null(json: &str) -> bool {
    json.starts_with('n')
}

fn is_empty(object: &str) -> bool {
    object[1..].trim_ascii_start().starts_with('}')
}

/// The text of an object's last entry of a key; `None` where it has none, and where the text is no object.
fn entry<'r>(object: &'r str, key: &str) -> Option<&'r str> {
    let mut reader = Reader::new(object);
    let mut find = Find { key, found: None };
    let is_object = reader.object(&mut find, ROOM).ok()?;
    // Text behind the object makes it none.
    find.found.filter(|_| is_object && reader.peek().is_none())
}

fn items(list: &str) -> Option<Vec<&str>> {
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(list).ok()?;
    Some(items.into_iter().map(|item| item.get()).collect())
}

struct Find<'k, 'r> {
    key: &'k str,
    found: Option<&'r str>,
}

impl<'r> Entries<'r> for Find<'_, 'r> {
    type Key = bool;

    fn key(&self, name: &str) -> bool {
        name == self.key
    }

    fn entry(&mut self, is_it: bool, reader: &mut Reader<'r>, room: u32) -> Read<()> {
        let value = reader.passed(room)?;
        if is_it {
            self.found = Some(value);
        }
        Ok(())
    }
}
