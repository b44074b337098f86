//! Finds the key in a body of which nothing is taken, so that its sender is known before the reason is told. Checks nothing
//! else of the body.

use super::BodyError;
use super::framing::Cursor;
use super::scalar::Scalar;

/// The body's own `writeKey`, else that of the first event of its `batch`; as far as the body can be read. May be a secret.
pub fn write_key(body: &[u8]) -> Option<String> {
    // What is read of a body that breaks off stands before the place.
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&body[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut cursor = Cursor::new(text);
    let mut keys = Keys::default();
    // A mistake ends the search and is told by the error that brought us here.
    let _ = keys.read(&mut cursor, true);
    keys.own.or(keys.first_event)
}

#[derive(Default)]
struct Keys {
    own: Option<String>,
    first_event: Option<String>,
}

impl Keys {
    fn read(&mut self, cursor: &mut Cursor<'_>, may_be_batch: bool) -> Result<(), BodyError> {
        cursor.take(b'{')?;
        let mut first = true;
        while let Some(key) = cursor.next_key(&mut first)? {
            match key.as_ref() {
                "writeKey" => match cursor.read(0, |reader| reader.scalar(0)) {
                    Ok((_, Scalar::Text(key))) => self.own = Some(key.into_owned()),
                    Ok(_) => {}
                    Err(_) => {
                        cursor.skip()?;
                    }
                },
                "batch" if may_be_batch => {
                    let text = cursor.skip()?;
                    let mut events = Cursor::new(text);
                    let mut event = Keys::default();
                    if events.peek() == Some(b'[') {
                        events.take(b'[')?;
                        // An event that is no object has no key; what follows the batch may still have one.
                        let _ = event.read(&mut events, false);
                    }
                    self.first_event = event.own;
                }
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_what_can_be_read() {
        for (body, expected) in [
            (r#"{"writeKey":"k"}"#, Some("k")),
            (r#" {"a":[1],"writeKey":"k","b":}"#, Some("k")),
            (r#"{"a":{"writeKey":"k"}}"#, None),
            (r#"{"a":1,"b":,"writeKey":"k"}"#, None),
            (r#"{"writeKey":7}"#, None),
            (r#"{"writeKey":[],"writeKey":"k"}"#, Some("k")),
            (r#"{"batch":[{"writeKey":"e"},{}]}"#, Some("e")),
            (r#"{"batch":[{"writeKey":"e"}],"writeKey":"k"}"#, Some("k")),
            (r#"{"batch":[7],"writeKey":"k"}"#, Some("k")),
            (r#"{"batch":7,"writeKey":"k"}"#, Some("k")),
            ("[]", None),
            ("", None),
            ("writeKey=k", None),
        ] {
            assert_eq!(write_key(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert_eq!(write_key(b"{\"writeKey\":\"k\",\"a\":\"\xff\"}").as_deref(), Some("k"));
        assert_eq!(write_key(b"\xff{\"writeKey\":\"k\"}"), None);
    }
}
