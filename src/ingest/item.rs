//! One element of a body: its own text, and what was read from it or why it could not be. Knows no wire.

use super::body_error::BodyError;
use super::framing::Cursor;
use super::naming::Refusal;
use super::reader::{Entries, Read, Reader};
use super::rules::Limits;
use super::scalar;

pub(super) struct Item<'a, T> {
    /// Exactly as it came, without white space around it.
    pub text: &'a str,
    pub read: Result<T, Refusal>,
}

/// Reads the next element into `entries`. Fails only where the document itself is malformed.
pub(super) fn next<'a, T: Entries<'a>>(
    cursor: &mut Cursor<'a>,
    limits: &Limits,
    mut entries: T,
) -> Result<Item<'a, T>, BodyError> {
    if cursor.peek() != Some(b'{') {
        let text = cursor.skip()?;
        let refusal = Refusal::new("not_an_object", "an event must be a JSON object");
        return Ok(Item { text, read: Err(refusal) });
    }
    match cursor.read(limits.json_depth, |reader| reader.object(&mut entries, limits.json_depth)) {
        Ok((text, _)) if text.len() > limits.event_bytes => {
            let refusal = Refusal::new(
                "event_too_large",
                format!("the event takes {} bytes, over {}; send less in it", text.len(), limits.event_bytes),
            );
            Ok(Item { text, read: Err(refusal) })
        }
        Ok((text, _)) => Ok(Item { text, read: Ok(entries) }),
        Err(error) => {
            let text = cursor.skip()?;
            Ok(Item { text, read: Err(scalar::refusal(&error, limits.json_depth)) })
        }
    }
}

/// Reads the elements of an array, the opening bracket included.
pub(super) fn list<'a, T: Entries<'a>>(
    cursor: &mut Cursor<'a>,
    limits: &Limits,
    into: &mut Vec<Item<'a, T>>,
    mut entries: impl FnMut() -> T,
) -> Result<(), BodyError> {
    cursor.take(b'[')?;
    let mut first = true;
    while cursor.next_item(&mut first)? {
        if into.len() == limits.events_per_body {
            return Err(BodyError::TooManyEvents { limit: limits.events_per_body });
        }
        into.push(next(cursor, limits, entries())?);
    }
    Ok(())
}

/// Reads a value that belongs to no single event; one that could not be stored makes the document malformed.
pub(super) fn shared<'a, T>(
    cursor: &mut Cursor<'a>,
    limits: &Limits,
    read: impl FnOnce(&mut Reader<'a>) -> Read<T>,
) -> Result<(&'a str, T), BodyError> {
    match cursor.read(limits.json_depth, read) {
        Ok(read) => Ok(read),
        Err(error) => {
            let place = cursor.here();
            cursor.skip()?;
            let detail = scalar::refusal(&error, limits.json_depth).message.into_owned();
            Err(BodyError::Malformed { line: place.0, column: place.1, detail })
        }
    }
}

/// One JSON object of the fields that a whole body shares, or `None` where there are none. Refused where its copies would
/// take more than `Limits::shared_bytes`.
pub(super) fn shared_object(
    fields: [(&'static str, Option<&str>); 2],
    named: &'static str,
    events: usize,
    limits: &Limits,
) -> Result<Option<String>, BodyError> {
    let mut object = String::new();
    for (name, text) in fields {
        let Some(text) = text else { continue };
        object.push_str(if object.is_empty() { "{\"" } else { ",\"" });
        object.push_str(name);
        object.push_str("\":");
        object.push_str(text);
    }
    if object.is_empty() {
        return Ok(None);
    }
    object.push('}');
    if object.len().saturating_mul(events) > limits.shared_bytes {
        return Err(BodyError::SharedTooLarge { fields: named, limit: limits.shared_bytes });
    }
    Ok(Some(object))
}
