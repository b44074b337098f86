//! The endpoints that Statsig's SDKs ask: specs for servers, evaluations for everyone, and the exposures that evaluations are.
//! Decides nothing about a user.
//!
//! An answer that is an exposure is given once the exposure is on disk, like every acknowledgement: what was answered can be
//! counted. Who would rather have an answer than a count says `exposureLoggingDisabled`.

use super::events::{taken, turn_away};
use super::{House, refuse};
use crate::admin::AdminError;
use crate::catalog::Key;
use crate::http::reply::Reply;
use crate::http::route::{Route, SdkCall, SpecsVersion};
use crate::http::{Body, auth, query};
use crate::ingest::{self, Arrival, Intake, Rejected};
use crate::sdk::{self, AskError, Asked, Download};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::http::request::Parts;

const NO_UPDATES: &[u8] = br#"{"has_updates":false}"#;
/// Whoever keeps a document asks each time whether it is still the one.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What an evaluation came to.
enum Evaluated {
    Reply(Reply),
    /// An answer, and the body of `/v1/log_event` that goes with it.
    Exposed(Reply, Vec<u8>),
    /// Exposures that a program reports by itself.
    Reported(Vec<u8>),
}

impl House {
    /// The specs, if the caller does not have them.
    pub(super) async fn specs(
        &self,
        version: SpecsVersion,
        key: Option<&str>,
        parts: &Parts,
        incoming: Incoming,
    ) -> Reply {
        match self.sdk_key(parts, key) {
            Ok(key) if key.may_read_specs() => {}
            Ok(_) => {
                let message = "this key cannot read config specs; use a server key, or `initialize` with this one";
                return Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message);
            }
            Err(reply) => return reply,
        }
        let body = match self.bodies.read_statsig(&parts.headers, parts.uri.query(), incoming).await {
            Ok(body) => body,
            Err(refusal) => return refusal.reply(),
        };
        let asked = match Asked::read(&body) {
            Ok(asked) => asked,
            Err(error) => return refuse_question(&error),
        };
        let in_query = query::value(parts.uri.query(), "sinceTime").and_then(|since| since.parse().ok());
        let release = self.admin.state().release.clone();
        if in_query.or(asked.since_time()).is_some_and(|since| release.is_known_since(since)) {
            return Reply::json(StatusCode::OK, NO_UPDATES).header(CACHE_CONTROL, ASK_AGAIN);
        }
        let download = match version {
            SpecsVersion::V1 => release.v1(),
            SpecsVersion::V2 => release.v2(),
        };
        serve(download, &parts.headers)
    }

    /// What a user gets.
    pub(super) async fn evaluate(&self, call: SdkCall, parts: &Parts, incoming: Incoming) -> Reply {
        match self.sdk_key(parts, None) {
            Ok(key) if key.may_evaluate() => {}
            Ok(_) => {
                let message = "this key cannot evaluate; use a server or client key";
                return Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message);
            }
            Err(reply) => return reply,
        }
        let body = match self.bodies.read_statsig(&parts.headers, parts.uri.query(), incoming).await {
            Ok(body) => body,
            Err(refusal) => return refusal.reply(),
        };
        match self.evaluated(call, &body) {
            Err(error) => refuse_question(&error),
            Ok(Evaluated::Reply(reply)) => reply,
            Ok(Evaluated::Exposed(reply, exposures)) => match self.expose(&exposures, body).await {
                // One that was refused is counted as such; the answer is the same.
                Ok(_) => reply,
                Err(refusal) => refusal,
            },
            Ok(Evaluated::Reported(exposures)) => match self.expose(&exposures, body).await {
                Ok(rejected) => taken(StatusCode::ACCEPTED, &rejected),
                Err(refusal) => refusal,
            },
        }
    }

    fn evaluated(&self, call: SdkCall, body: &[u8]) -> Result<Evaluated, AskError> {
        let asked = Asked::read(body)?;
        let state = self.admin.state();
        let lists = self.admin.store().lists();
        let mut evaluation = state.release.specs.evaluate(&asked.user, lists, self.admin.now());
        let answer = match call {
            SdkCall::Initialize => {
                let json = sdk::initialize(&asked, &state.release, &mut evaluation)?;
                let reply = json.map_or_else(Reply::no_content, |json| Reply::json(StatusCode::OK, json));
                return Ok(Evaluated::Reply(reply));
            }
            SdkCall::LogCustomExposure => {
                let most = state.rules.limits.events_per_body;
                return Ok(Evaluated::Reported(sdk::custom_exposures(&asked, &state.catalog, most)?));
            }
            SdkCall::CheckGate => sdk::check_gate(&asked, &mut evaluation)?,
            SdkCall::GetConfig => sdk::get_config(&asked, &mut evaluation)?,
            SdkCall::GetLayer => match sdk::get_layer(&asked, &mut evaluation)? {
                Some(answer) => answer,
                None => {
                    let message = "there is no layer of this name; check the name, or make the layer";
                    return Ok(Evaluated::Reply(Reply::error(StatusCode::NOT_FOUND, "not_found", message)));
                }
            },
        };
        let reply = Reply::json(StatusCode::OK, answer.json);
        Ok(match answer.exposures {
            Some(exposures) => Evaluated::Exposed(reply, exposures),
            None => Evaluated::Reply(reply),
        })
    }

    /// Takes exposures in, as if an SDK had sent them.
    async fn expose(&self, exposures: &[u8], body: Body) -> Result<Vec<Rejected>, Reply> {
        let arrival = Arrival::new(self.admin.now(), self.admin.random_u128());
        let state = self.admin.state();
        let batch = self.admin.store().new_batch();
        let intake = match ingest::statsig_log_event(exposures, &arrival, &state.rules, batch) {
            Ok(intake) => intake,
            Err(error) => {
                return Err(self.refuse_body(error, true, Route::StatsigEvents, body, &arrival, &state.rules).await);
            }
        };
        let Intake { submission, rejected, unknown_id_types, .. } = intake;
        self.submit(submission, body).await.map_err(turn_away)?;
        self.admin.note_unknown_id_types(unknown_id_types);
        Ok(rejected)
    }

    /// The key in the path, else the one that the request presents.
    fn sdk_key(&self, parts: &Parts, in_path: Option<&str>) -> Result<Key, Reply> {
        if let Some(key) = in_path {
            // What is not percent-encoded text is no key of anybody's.
            return self.known(&query::segment(key).unwrap_or_default());
        }
        match auth::presented(&parts.headers, parts.uri.query()) {
            Ok(Some(presented)) => self.known(presented.as_str()),
            Ok(None) => {
                let message = "send the project's key in the header statsig-api-key, or as `k` in the query";
                Err(Reply::error(StatusCode::UNAUTHORIZED, "missing_key", message))
            }
            Err(malformed) => Err(Reply::error(StatusCode::UNAUTHORIZED, "malformed_key", &malformed.to_string())),
        }
    }
}

fn refuse_question(error: &AskError) -> Reply {
    let status = if error.is_about_size() { 413 } else { 400 };
    refuse(&AdminError { status, code: error.code(), message: error.to_string(), mistakes: Vec::new() })
}

fn serve(download: &Download, asked: &HeaderMap) -> Reply {
    let tag = HeaderValue::from_str(&download.tag).expect("a tag is ASCII");
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let reply = if known.flat_map(|tags| tags.split(',')).any(|known| is_tag(known.trim(), &download.tag)) {
        Reply::not_modified()
    } else if takes_gzip(asked) {
        Reply::json(StatusCode::OK, download.gzip.clone()).header(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
    } else {
        Reply::json(StatusCode::OK, download.json.clone())
    };
    reply.header(ETAG, tag).header(VARY, HeaderValue::from_static("accept-encoding")).header(CACHE_CONTROL, ASK_AGAIN)
}

/// Whether a tag of `If-None-Match` names a document (RFC 9110, section 13.1.2: weak comparison).
fn is_tag(asked: &str, tag: &str) -> bool {
    asked == "*" || asked.trim_start_matches("W/") == tag.trim_start_matches("W/")
}

/// Whether `Accept-Encoding` names gzip, or everything, with a weight that is not zero (RFC 9110, section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    let weighed = lists.flat_map(|list| list.split(',')).map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        (name.trim(), weight.unwrap_or(1.0) > 0.0)
    });
    let mut any = false;
    for (name, is_wanted) in weighed {
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return is_wanted;
        }
        any |= name == "*" && is_wanted;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: hyper::header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(name.clone(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn gzip_is_sent_to_who_asks_for_it() {
        for (values, expected) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["statsig-br, gzip, deflate, br"], true),
            (&["gzip,deflate"], true),
            (&["br", "x-gzip"], true),
            (&["GZIP;q=0.5"], true),
            (&["gzip; q=0"], false),
            (&["*;q=0.1"], true),
            (&["gzip;q=0, *"], false),
            (&["*;q=0"], false),
            (&["br, deflate, identity"], false),
            (&[""], false),
        ] {
            assert_eq!(takes_gzip(&headers(ACCEPT_ENCODING, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn a_tag_is_known_however_it_is_written() {
        for (asked, expected) in
            [("W/\"1\"", true), ("\"1\"", true), ("*", true), ("\"2\"", false), ("1", false), ("", false)]
        {
            assert_eq!(is_tag(asked, "W/\"1\""), expected, "{asked}");
        }
    }
}
