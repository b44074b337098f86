//! Lets browsers call the event paths from any page: the answer to a preflight, and the headers on every answer, errors
//! included. The console's paths never pass here.
//!
//! Wire rules: the Fetch standard's CORS protocol. A wildcard would not cover `authorization`, and no wildcard may stand
//! beside credentials; so the origin is echoed and the headers are named.

use super::reply::Reply;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};

/// Every header that a browser SDK of Segment, RudderStack, Jitsu or Statsig adds to its calls.
const ALLOWED_HEADERS: &str = "authorization, content-type, content-encoding, x-retry-count, x-write-key, anonymousid, \
     statsig-api-key, statsig-event-count, statsig-retry, statsig-retry-count, statsig-sdk-type, statsig-sdk-version, \
     statsig-client-time, statsig-server-session-id, x-request-service";

/// Seconds a browser may remember the answer. Chromium keeps none longer than two hours, and five seconds by default.
const MAX_AGE: &str = "7200";

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Adds to an answer what a browser needs to show it to the page. Nothing without an `Origin`: then no browser asks.
pub fn apply(request: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = request.get(ORIGIN) else { return };
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    // Without this an SDK in a browser cannot see how long it should wait.
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    answer.append(VARY, HeaderValue::from_static("origin"));
}

/// The answer to a browser that asks whether it may call, to which `apply` adds what every answer needs.
pub fn preflight(request: &HeaderMap) -> Reply {
    let mut reply = Reply::no_content();
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    // A page on the internet that reports to a server on the company's network.
    if request.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    reply
}
