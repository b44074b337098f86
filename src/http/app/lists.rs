//! ID lists for Statsig's server SDKs: which there are, and their files by ranges of bytes. Knows no member.
//!
//! A file's address holds its random ID and is all that is needed to read it, because some SDKs send no key with it. A key that
//! is sent all the same must be one that may read lists.

use super::House;
use crate::http::auth;
use crate::http::query;
use crate::http::reply::Reply;
use hyper::body::Incoming;
use hyper::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, HOST, HeaderMap, HeaderValue, RANGE};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use std::ops::Range;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl House {
    pub(super) async fn id_lists(&self, parts: &Parts, incoming: Incoming) -> Reply {
        match self.may_read_lists(parts) {
            Ok(true) => {}
            Ok(false) => {
                let message = "send the project's server key in the header statsig-api-key";
                return Reply::error(StatusCode::UNAUTHORIZED, "missing_key", message);
            }
            Err(reply) => return reply,
        }
        // What SDKs say of themselves here is of no use; it is read so that the connection can go on.
        if let Err(refusal) = self.bodies.read(&parts.headers, incoming).await {
            return refusal.reply();
        }
        let Some(base) = base(&parts.headers, &parts.uri) else {
            let message = "the address of the files is made from the header Host, which is missing or cannot be read";
            return Reply::error(StatusCode::BAD_REQUEST, "missing_host", message);
        };
        let lists = serde_json::to_vec(&self.admin.id_lists(&base)).expect("strings and numbers always serialise");
        Reply::json(StatusCode::OK, lists).header(CACHE_CONTROL, NO_STORE)
    }

    pub(super) fn id_list_file(&self, file: &str, parts: &Parts) -> Reply {
        if let Err(reply) = self.may_read_lists(parts) {
            return reply;
        }
        let file = query::segment(file).unwrap_or_default();
        let Some(list) = self.admin.store().lists().by_file(&file) else {
            let message = "there is no such file (any more); get_id_lists tells where the lists are now";
            return Reply::error(StatusCode::NOT_FOUND, "not_found", message).header(CACHE_CONTROL, NO_STORE);
        };
        // Asked once: the file may grow meanwhile.
        let size = list.size();
        let asked = parts.headers.get(RANGE).and_then(|range| range.to_str().ok());
        let reply = match asked.map_or(Asked::Whole, |range| Asked::of(range, size)) {
            Asked::Whole => Reply::pieces(StatusCode::OK, TEXT, list.bytes(0..size)),
            Asked::Part(part) => {
                let told = content_range(&format!("{}-{}", part.start, part.end - 1), size);
                Reply::pieces(StatusCode::PARTIAL_CONTENT, TEXT, list.bytes(part)).header(CONTENT_RANGE, told)
            }
            Asked::Nothing => {
                let message = format!("the file has {size} bytes and none at this place");
                Reply::error(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", &message)
                    .header(CONTENT_RANGE, content_range("*", size))
            }
        };
        reply.header(ACCEPT_RANGES, HeaderValue::from_static("bytes")).header(CACHE_CONTROL, NO_STORE)
    }

    /// Whether a key is presented that may read lists; `false` where none is.
    fn may_read_lists(&self, parts: &Parts) -> Result<bool, Reply> {
        match auth::presented(&parts.headers, parts.uri.query()) {
            Ok(None) => Ok(false),
            Ok(Some(presented)) if self.known(presented.as_str())?.may_read_specs() => Ok(true),
            Ok(Some(_)) => {
                let message = "this key cannot read ID lists; use a server key";
                Err(Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message))
            }
            Err(malformed) => Err(Reply::error(StatusCode::UNAUTHORIZED, "malformed_key", &malformed.to_string())),
        }
    }
}

fn content_range(part: &str, size: usize) -> HeaderValue {
    HeaderValue::from_str(&format!("bytes {part}/{size}")).expect("digits and signs are a header's value")
}

/// What a Range header asks for (RFC 9110, section 14).
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// No range, or none that we serve: then a server answers with everything.
    Whole,
    Part(Range<usize>),
    Nothing,
}

impl Asked {
    /// An empty file has no part, but whoever wants it from its beginning wants nothing wrong: SDKs that are refused a list give
    /// up all of them.
    fn of(header: &str, size: usize) -> Asked {
        let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Asked::Whole;
        };
        // `None` for what is neither a number nor left out.
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(digits.parse().unwrap_or(usize::MAX)))
            }
            _ => None,
        };
        match (number(first), number(last)) {
            (Some(Some(0)), Some(_)) | (Some(None), Some(Some(1..))) if size == 0 => Asked::Whole,
            (Some(Some(first)), Some(Some(last))) if last < first => Asked::Whole,
            (Some(Some(first)), Some(_)) if first >= size => Asked::Nothing,
            (Some(Some(first)), Some(last)) => {
                Asked::Part(first..last.map_or(size, |last| last.saturating_add(1).min(size)))
            }
            (Some(None), Some(Some(0))) => Asked::Nothing,
            (Some(None), Some(Some(last))) => Asked::Part(size.saturating_sub(last)..size),
            _ => Asked::Whole,
        }
    }
}

/// How a client reaches this server, as a proxy in front of it tells (`X-Forwarded-Proto`, `X-Forwarded-Host`), or else the
/// request itself. Whoever sends a false one misleads nobody but himself: the answer is made for this request alone.
fn base(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let first = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
    };
    let is_host = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte));
    let host = first("x-forwarded-host").filter(is_host);
    let host = host.or_else(|| first(HOST.as_str()).filter(is_host));
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()).filter(is_host))?;
    let scheme = first("x-forwarded-proto").filter(|scheme| scheme.eq_ignore_ascii_case("https"));
    Some(format!("{}://{host}", if scheme.is_some() { "https" } else { "http" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_has_it() {
        let table = [
            ("bytes=0-", 100, Asked::Part(0..100)),
            ("bytes=90-", 100, Asked::Part(90..100)),
            ("bytes=99-", 100, Asked::Part(99..100)),
            ("bytes=100-", 100, Asked::Nothing),
            ("bytes=99999999999999999999999-", 100, Asked::Nothing),
            ("bytes=0-9", 100, Asked::Part(0..10)),
            ("bytes=10-99999999999999999999999", 100, Asked::Part(10..100)),
            ("bytes=-10", 100, Asked::Part(90..100)),
            ("bytes=-1000", 100, Asked::Part(0..100)),
            ("bytes=-0", 100, Asked::Nothing),
            (" bytes=5 - 6 ", 100, Asked::Part(5..7)),
            ("bytes=0-", 0, Asked::Whole),
            ("bytes=10-", 0, Asked::Nothing),
            ("bytes=-10", 0, Asked::Whole),
            // What is no range, or more than one, is passed over.
            ("bytes=9-5", 100, Asked::Whole),
            ("bytes=-", 100, Asked::Whole),
            ("bytes=0-1,5-6", 100, Asked::Whole),
            ("bytes=a-", 100, Asked::Whole),
            ("bytes=+1-", 100, Asked::Whole),
            ("lines=0-", 100, Asked::Whole),
            ("", 100, Asked::Whole),
        ];
        for (header, size, expected) in table {
            assert_eq!(Asked::of(header, size), expected, "{header:?} of {size}");
        }
    }

    #[test]
    fn files_stand_where_the_client_found_the_server() {
        type Headers<'a> = &'a [(&'static str, &'a str)];
        let table: [(Headers<'_>, Option<&str>); 9] = [
            (&[("host", "127.0.0.1:8750")], Some("http://127.0.0.1:8750")),
            (&[("host", "[::1]:80"), ("x-forwarded-proto", "HTTPS")], Some("https://[::1]:80")),
            (&[("host", "inside"), ("x-forwarded-host", "weir.test")], Some("http://weir.test")),
            (
                &[("host", "inside"), ("x-forwarded-host", "weir.test, inner"), ("x-forwarded-proto", "https, http")],
                Some("https://weir.test"),
            ),
            (&[("host", "weir.test"), ("x-forwarded-proto", "javascript")], Some("http://weir.test")),
            (&[("host", "weir.test"), ("x-forwarded-host", "evil.test/\"x")], Some("http://weir.test")),
            (&[("host", "weir.test/path")], None),
            (&[("host", "")], None),
            (&[], None),
        ];
        for (given, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(*name, value.parse().expect("a header value"));
            }
            assert_eq!(base(&headers, &Uri::from_static("/v1/get_id_lists")).as_deref(), expected, "{given:?}");
        }
        let absolute = Uri::from_static("http://weir.test:1/v1/get_id_lists");
        assert_eq!(base(&HeaderMap::new(), &absolute).as_deref(), Some("http://weir.test:1"));
    }
}
