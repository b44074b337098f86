//! Keeps secrets out of what is stored: write keys that are not public, and private attributes. Changes nothing else of
//! the text.

use super::body_error::BodyError;
use super::framing::Cursor;
use hashbrown::HashSet;

/// Puts `instead` in the place of every value at `path` (keys from the outermost object inwards). `text` is one JSON
/// object; a path that leads elsewhere than through objects leads nowhere.
pub(super) fn replace(text: &str, path: &[&str], instead: &str) -> Result<String, BodyError> {
    let mut out = String::with_capacity(text.len() + instead.len());
    copy(text, path, instead, &mut out)?;
    Ok(out)
}

fn copy(text: &str, path: &[&str], instead: &str, out: &mut String) -> Result<(), BodyError> {
    let Some((&wanted, inner)) = path.split_first() else {
        out.push_str(instead);
        return Ok(());
    };
    let mut cursor = Cursor::new(text);
    if cursor.peek() != Some(b'{') {
        out.push_str(text);
        return Ok(());
    }
    cursor.take(b'{')?;
    let (mut first, mut copied) = (true, 0);
    while let Some(key) = cursor.next_key(&mut first)? {
        let value = cursor.skip()?;
        if key == wanted {
            let start = value.as_ptr().addr() - text.as_ptr().addr();
            out.push_str(&text[copied..start]);
            copy(value, inner, instead, out)?;
            copied = start + value.len();
        }
    }
    out.push_str(&text[copied..]);
    Ok(())
}

/// Blanks whatever follows `writeKey` in text that may be anything: a form, half a document, JSON within JSON. Only for
/// text that a person looks at, because it does not ask where the word stands.
pub(super) fn blank_write_keys(text: &str, client_keys: &HashSet<String>) -> String {
    const WORD: &str = "writeKey";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(WORD) {
        let (before, after) = rest.split_at(found + WORD.len());
        out.push_str(before);
        let value = after.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\\' | ':' | '='));
        let (between, end) = (
            &after[..after.len() - value.len()],
            value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\\' | '&' | ',' | '}')).unwrap_or(value.len()),
        );
        // The word within another, or before itself, has no value here; what follows is looked at again.
        if !between.contains([':', '=']) || value[..end].contains(WORD) {
            rest = after;
            continue;
        }
        out.push_str(between);
        if client_keys.contains(&value[..end]) {
            out.push_str(&value[..end]);
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_at_the_path_is_replaced() {
        for (text, path, expected) in [
            (r#"{"a":1,"writeKey":"s"}"#, &["writeKey"][..], r#"{"a":1,"writeKey":""}"#),
            (r#" { "writeKey" : "s\"x" , "b":2}"#, &["writeKey"], r#" { "writeKey" : "" , "b":2}"#),
            (r#"{"writeKey":{"x":[1]},"writeKey":"s"}"#, &["writeKey"], r#"{"writeKey":"","writeKey":""}"#),
            (r#"{"write\u004bey":"s"}"#, &["writeKey"], r#"{"write\u004bey":""}"#),
            (r#"{"properties":{"writeKey":"mine"}}"#, &["writeKey"], r#"{"properties":{"writeKey":"mine"}}"#),
            (r#"{"user":{"a":1,"p":{"x":2}},"p":3}"#, &["user", "p"], r#"{"user":{"a":1,"p":""},"p":3}"#),
            (r#"{"user":null}"#, &["user", "p"], r#"{"user":null}"#),
            (r#"{"user":[{"p":1}]}"#, &["user", "p"], r#"{"user":[{"p":1}]}"#),
        ] {
            assert_eq!(replace(text, path, "\"\"").unwrap(), expected);
        }
    }

    #[test]
    fn a_sample_shows_no_key_in_any_spelling() {
        let client_keys = HashSet::from(["client-1".to_owned()]);
        for (text, expected) in [
            (r#"{"writeKey":"secret-1","a":1}"#, r#"{"writeKey":"","a":1}"#),
            (r#"{"writeKey" : "client-1"}"#, r#"{"writeKey" : "client-1"}"#),
            (r#"{"writeKey":"secret-1"#, r#"{"writeKey":""#),
            (r#"writeKey=secret-1&a=1"#, "writeKey=&a=1"),
            (r#""{\"writeKey\":\"secret-1\"}""#, r#""{\"writeKey\":\"\"}""#),
            (r#"{writeKey:secret-1}"#, "{writeKey:}"),
            (r#"{"writeKey":"a","x":{"writeKey":"b"}}"#, r#"{"writeKey":"","x":{"writeKey":""}}"#),
            (r#"{"writeKeywriteKey":"a"}"#, r#"{"writeKeywriteKey":""}"#),
            (r#"writeKey=writeKey":"secret-1""#, r#"writeKey=writeKey":"""#),
            (r#""writeKey" "x""#, r#""writeKey" "x""#),
            ("no key here", "no key here"),
            ("ends with writeKey", "ends with writeKey"),
        ] {
            assert_eq!(blank_write_keys(text, &client_keys), expected);
        }
    }
}
