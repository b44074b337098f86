//! Finds the key that a request presents, in every place where SDKs put it. Decides nothing about it: whether the key
//! exists and what it may do is the catalog's to say. Never logs one.

use super::query;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue};
use std::borrow::Cow;
use std::fmt;

/// Longer than any key that we or Segment make; what is longer is refused before it is hashed.
pub const MAX_KEY_BYTES: usize = 256;

/// Some SDKs leave the padding away.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key as it was presented. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey<'r>(Cow<'r, str>);

impl<'r> PresentedKey<'r> {
    /// `Ok(None)` for an empty one: SDKs send empty credentials where none are set.
    fn new(key: Cow<'r, str>) -> Result<Option<Self>, MalformedKey> {
        match key.len() {
            0 => Ok(None),
            1..=MAX_KEY_BYTES => Ok(Some(Self(key))),
            _ => Err(MalformedKey),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey(hidden)")
    }
}

/// The request carries credentials that cannot be read: not base64, not text, or longer than any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key in the request cannot be read; send it as Basic base64(key + \":\")")]
pub struct MalformedKey;

/// The key that a request presents, in this order: `Authorization: Basic` (the user name), `statsig-api-key`,
/// `X-Write-Key`, `Authorization: Bearer`, the query's `k`, the query's `writeKey`. Mobile SDKs send it in the body alone:
/// without one here the caller looks there.
///
/// A bearer token in the form of a JWT is an OAuth token and no key; such requests carry their write key in the body.
pub fn presented<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> Result<Option<PresentedKey<'r>>, MalformedKey> {
    let authorization = headers.get(AUTHORIZATION).map(text).transpose()?.unwrap_or_default();
    let (scheme, credentials) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("basic")
        && let Some(key) = basic(credentials)?
    {
        return Ok(Some(key));
    }
    for name in ["statsig-api-key", "x-write-key"] {
        let value = headers.get(name).map(text).transpose()?.unwrap_or_default();
        if let Some(key) = PresentedKey::new(Cow::Borrowed(value.trim()))? {
            return Ok(Some(key));
        }
    }
    if scheme.eq_ignore_ascii_case("bearer")
        && !is_jwt(credentials)
        && let Some(key) = PresentedKey::new(Cow::Borrowed(credentials))?
    {
        return Ok(Some(key));
    }
    for name in ["k", "writeKey"] {
        if let Some(value) = query::value(query, name)
            && let Some(key) = PresentedKey::new(value)?
        {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn text(value: &HeaderValue) -> Result<&str, MalformedKey> {
    value.to_str().map_err(|_| MalformedKey)
}

/// RFC 7617; the password is ignored, and a key without the colon is taken whole.
fn basic<'r>(credentials: &str) -> Result<Option<PresentedKey<'r>>, MalformedKey> {
    if credentials.len() > MAX_KEY_BYTES * 2 {
        return Err(MalformedKey);
    }
    let decoded = BASE64.decode(credentials).map_err(|_| MalformedKey)?;
    let mut pair = String::from_utf8(decoded).map_err(|_| MalformedKey)?;
    if let Some(colon) = pair.find(':') {
        pair.truncate(colon);
    }
    PresentedKey::new(Cow::Owned(pair))
}

/// Three parts between dots, the first of which is a JSON object in base64.
fn is_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.split('.').count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn find(headers: Headers<'_>, query: Option<&str>) -> Result<Option<String>, MalformedKey> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        presented(&map, query).map(|key| key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_key_is_found_in_every_place_where_sdks_put_it() {
        let table: [(Headers<'_>, Option<&str>, Option<&str>); 18] = [
            (&[], None, None),
            (&[("authorization", "Basic d3JpdGUta2V5Og==")], None, Some("write-key")),
            (&[("authorization", "basic  d3JpdGUta2V5Og")], None, Some("write-key")),
            (&[("authorization", "Basic d3JpdGUta2V5")], None, Some("write-key")),
            (&[("authorization", "Basic d3JpdGUta2V5OnNlY3JldA==")], None, Some("write-key")),
            // An empty user name is what SDKs without a key send: look on.
            (&[("authorization", "Basic Og==")], Some("k=client-1"), Some("client-1")),
            (&[("authorization", "Basic")], Some("k=client-1"), Some("client-1")),
            (&[("statsig-api-key", "secret-1")], None, Some("secret-1")),
            (&[("statsig-api-key", " ")], Some("writeKey=w"), Some("w")),
            (&[("x-write-key", "id:secret")], None, Some("id:secret")),
            (&[("authorization", "Bearer console-1")], None, Some("console-1")),
            (&[("authorization", "Bearer eyJhbGciOi.eyJpc3M.c2ln")], None, None),
            (&[("authorization", "Digest username=x")], None, None),
            (&[], Some("st=js&k=client-1&ec=3"), Some("client-1")),
            (&[], Some("writeKey=w%2D1"), Some("w-1")),
            // Who wins when there are several.
            (&[("authorization", "Basic d3JpdGUta2V5Og=="), ("statsig-api-key", "s")], Some("k=c"), Some("write-key")),
            (&[("authorization", "Bearer b"), ("x-write-key", "x"), ("statsig-api-key", "s")], None, Some("s")),
            (&[("authorization", "Bearer b"), ("x-write-key", "x")], Some("k=c"), Some("x")),
        ];
        for (headers, query, expected) in table {
            assert_eq!(find(headers, query), Ok(expected.map(str::to_owned)), "{headers:?} {query:?}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_read_are_told_apart_from_none() {
        for value in ["Basic !!!", "Basic gICA"] {
            assert_eq!(find(&[("authorization", value)], Some("k=client-1")), Err(MalformedKey), "{value}");
        }
        let mut map = HeaderMap::new();
        map.insert("x-write-key", HeaderValue::from_bytes(&[0xff]).expect("an opaque header value"));
        assert_eq!(presented(&map, None), Err(MalformedKey));
    }

    #[test]
    fn the_longest_key_is_taken_and_a_longer_one_refused() {
        let longest = "k".repeat(MAX_KEY_BYTES);
        let longer = "k".repeat(MAX_KEY_BYTES + 1);
        let as_basic = |key: &str| format!("Basic {}", BASE64.encode(format!("{key}:")));
        assert_eq!(find(&[("authorization", &as_basic(&longest))], None), Ok(Some(longest.clone())));
        assert_eq!(find(&[("authorization", &as_basic(&longer))], None), Err(MalformedKey));
        assert_eq!(find(&[("x-write-key", &longest)], None), Ok(Some(longest)));
        assert_eq!(find(&[("x-write-key", &longer)], None), Err(MalformedKey));
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let key = PresentedKey::new(Cow::Borrowed("secret-1")).expect("short").expect("not empty");
        assert!(!format!("{key:?}").contains("secret-1"));
    }
}
