//! Keeps secrets out of what is stored: write keys that are not public, and private attributes. Changes nothing else of
//! the text.

use super::body_error::BodyError;
use super::framing::Cursor;
use super::naming::Refusal;
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

/// Of an event whose secrets cannot be taken out: better lost than stored with them.
pub(super) fn refusal() -> Refusal {
    Refusal::new(
        "secret_not_removable",
        "a write key or private attributes cannot be taken out of the event; send none",
    )
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

/// Makes null of whatever follows `privateAttributes`, as [`blank_write_keys`] does and for such text only. Where it cannot
/// be seen how far the value goes, the rest of the text goes with it.
pub(super) fn blank_private_attributes(text: &str) -> String {
    const WORD: &str = "privateAttributes";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find(WORD) {
        let (before, after) = rest.split_at(found + WORD.len());
        out.push_str(before);
        let quote = after.trim_start_matches('\\');
        let level = after.len() - quote.len();
        let value = quote.strip_prefix('"').unwrap_or(quote).trim_start();
        let Some(value) = value.strip_prefix([':', '=']).map(str::trim_start) else { return out };
        let Some(end) = value_end(value, level) else { return out };
        out.push_str(&after[..after.len() - value.len()]);
        out.push_str("null");
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// Where the JSON value ends with which `text` begins, in JSON in which each quotation mark has `level` backslashes before
/// it: 0 in a document, 1 in a document within a string. `None` where the text ends first.
fn value_end(text: &str, level: usize) -> Option<usize> {
    let (mut depth, mut in_string, mut backslashes) = (0_usize, false, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' => {
                backslashes += 1;
                continue;
            }
            b'"' if in_string => {
                // One that is escaped within the string does not end it.
                in_string = !(backslashes.checked_sub(level)? / (level + 1)).is_multiple_of(2);
                if !in_string && depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' if backslashes == level => in_string = true,
            b'"' => return None,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b',' | b'&' if depth == 0 => return Some(at),
            _ => {}
        }
        backslashes = 0;
    }
    None
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

    #[test]
    fn a_sample_shows_no_private_attribute_in_any_spelling() {
        for (text, expected) in [
            (r#"{"privateAttributes":{"ssn":"1"},"a":1}"#, r#"{"privateAttributes":null,"a":1}"#),
            (r#"{"privateAttributes" : [1,"2"], "a":1}"#, r#"{"privateAttributes" : null, "a":1}"#),
            (r#"{"privateAttributes":"x","a":1}"#, r#"{"privateAttributes":null,"a":1}"#),
            (r#"{"privateAttributes":12}"#, r#"{"privateAttributes":null}"#),
            (r#"{"privateAttributes":null,"a":1}"#, r#"{"privateAttributes":null,"a":1}"#),
            (r#"{"privateAttributes":{"a":"}\"}","b":"\\"},"c":1}"#, r#"{"privateAttributes":null,"c":1}"#),
            (r#"{"privateAttributes":{"privateAttributes":1},"c":1}"#, r#"{"privateAttributes":null,"c":1}"#),
            (
                r#"{"privateAttributes":1,"b":{"privateAttributes":2}}"#,
                r#"{"privateAttributes":null,"b":{"privateAttributes":null}}"#,
            ),
            (r#""{\"privateAttributes\":{\"a\":\"\\\"}x\"},\"b\":1}""#, r#""{\"privateAttributes\":null,\"b\":1}""#),
            (r#"{privateAttributes:{a:1},b:2}"#, r#"{privateAttributes:null,b:2}"#),
            ("privateAttributes=secret&a=1", "privateAttributes=null&a=1"),
            (r#"{"privateAttributes":{"ssn":"1"#, r#"{"privateAttributes"#),
            (r#"{"privateAttributes":{"ssn":"1""}"#, r#"{"privateAttributes"#),
            ("privateAttributes%22%3A%7B%22ssn%22%3A1", "privateAttributes"),
            (r#"["privateAttributes" "secret"]"#, r#"["privateAttributes"#),
            ("ends with privateAttributes", "ends with privateAttributes"),
            ("nothing é private", "nothing é private"),
        ] {
            assert_eq!(blank_private_attributes(text), expected, "{text}");
        }
    }
}
