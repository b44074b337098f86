//! Reads query strings and percent-encoded path segments. Borrows where nothing is encoded; knows no parameter by name.

use std::borrow::Cow;

/// The first value of a parameter, decoded. `None` if it is absent or does not decode to UTF-8.
pub fn value<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    query?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| decode(value, true))
}

/// The first `name=value` pair that does not decode to UTF-8.
pub fn unreadable(query: Option<&str>) -> Option<&str> {
    query?.split('&').find(|pair| decode(pair, true).is_none())
}

/// A path segment, decoded. `None` if it is not percent-encoded UTF-8.
pub fn segment(text: &str) -> Option<Cow<'_, str>> {
    decode(text, false)
}

/// RFC 3986 percent-decoding; in a query a plus sign is a space, as HTML forms write it.
fn decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => nibble(bytes.next()?)? << 4 | nibble(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn nibble(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name_and_decoded() {
        let query = Some("ak=no&k=client%2Da+b&k=second&flag&bad=%zz&cut=%4&latin=%ff");
        for (name, expected) in [
            ("k", Some("client-a b")),
            ("flag", Some("")),
            ("missing", None),
            ("bad", None),
            ("cut", None),
            ("latin", None),
        ] {
            assert_eq!(value(query, name).as_deref(), expected, "{name}");
        }
        assert_eq!(value(None, "k"), None);
        assert_eq!(unreadable(query), Some("bad=%zz"));
        assert_eq!(unreadable(Some("a=%2F&b&=&c=d=e")), None);
        assert_eq!(unreadable(None), None);
    }

    #[test]
    fn a_path_segment_keeps_its_plus_sign() {
        assert_eq!(segment("segment::Order%20Completed").as_deref(), Some("segment::Order Completed"));
        assert_eq!(segment("a+b%2Fc").as_deref(), Some("a+b/c"));
        assert!(matches!(segment("plain"), Some(Cow::Borrowed("plain"))));
        assert_eq!(segment("%e2%28"), None);
    }
}
