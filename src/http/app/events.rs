//! The endpoints that take events: key, body, ingest, writer, answer. Knows no field of an event.

use super::{House, refuse};
use crate::admin::AdminError;
use crate::catalog::Key;
use crate::event::{Kind, Source, Timestamp};
use crate::http::Body;
use crate::http::query;
use crate::http::reply::Reply;
use crate::http::route::{Route, SegmentCall, Webhook};
use crate::ingest::{self, Arrival, BodyError, Call, Intake, Rejected, Rules};
use crate::store::{Batch, Submission};
use crate::writer::{Receipt, Unavailable};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Serialize;

impl House {
    pub(super) async fn take(&self, route: Route<'_>, parts: &Parts, incoming: Incoming) -> Reply {
        let presented = match self.may_write(parts) {
            Ok(presented) => presented,
            Err(reply) => return reply,
        };
        let read = match route {
            Route::StatsigEvents => self.bodies.read_statsig(&parts.headers, parts.uri.query(), incoming).await,
            _ => self.bodies.read(&parts.headers, incoming).await,
        };
        let body = match read {
            Ok(body) => body,
            Err(refusal) => return refusal.reply(),
        };
        let arrival = self.arrival(parts, route);
        let state = self.admin.state();
        let batch = self.admin.store().new_batch();
        let intake = match parse(route, &body, &arrival, &state.rules, batch) {
            Ok(intake) => intake,
            Err(error) => {
                return self.refuse_body(error, presented, route, body, &arrival, &state.rules).await;
            }
        };
        let takes_one = takes_one(route, &body);
        if !presented && let Err(reply) = self.key_in_body(intake.write_key.as_deref()) {
            return reply;
        }
        let Intake { submission, rejected, unknown_id_types, .. } = intake;
        if let Err(unavailable) = self.submit(submission, body).await {
            return turn_away(unavailable);
        }
        self.admin.note_unknown_id_types(unknown_id_types);
        let status = match route {
            Route::StatsigEvents => StatusCode::ACCEPTED,
            _ => StatusCode::OK,
        };
        match rejected.first() {
            Some(first) if takes_one => Reply::error(StatusCode::BAD_REQUEST, first.code, &first.message),
            _ => taken(status, &rejected),
        }
    }

    fn arrival(&self, parts: &Parts, route: Route<'_>) -> Arrival {
        let mut arrival = Arrival::new(self.admin.now(), self.admin.random_u128());
        if matches!(route, Route::StatsigEvents) {
            let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
            arrival.client_time = header("statsig-client-time")
                .or_else(|| asked("t"))
                .and_then(|ms| ms.trim().parse().ok())
                .and_then(Timestamp::in_range);
            arrival.session = header("statsig-server-session-id").or_else(|| asked("sid"));
        }
        arrival
    }

    fn key_in_body(&self, write_key: Option<&str>) -> Result<Key, Reply> {
        match write_key.filter(|key| !key.is_empty()) {
            Some(key) => self.known(key).and_then(may_write),
            None => Err(Reply::error(
                StatusCode::UNAUTHORIZED,
                "missing_key",
                "send the project's key: Basic base64(key + \":\"), the header statsig-api-key, or writeKey in the body",
            )),
        }
    }

    /// Counts a body that is not taken, if its sender is known: strangers must not fill the list of refused events, and are
    /// told nothing but that a key is missing.
    pub(super) async fn refuse_body(
        &self,
        error: BodyError,
        presented: bool,
        route: Route<'_>,
        body: Body,
        arrival: &Arrival,
        rules: &Rules,
    ) -> Reply {
        if !presented && let Err(reply) = self.key_in_body(ingest::write_key(&body).as_deref()) {
            return reply;
        }
        let status = match error {
            BodyError::IntegrationDisabled { .. } => StatusCode::FORBIDDEN,
            BodyError::TooManyEvents { .. } | BodyError::SharedTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let batch = self.admin.store().new_batch();
        let submission = error.submission(source_of(route), &body, arrival, rules, batch);
        if let Err(unavailable) = self.submit(submission, body).await {
            return turn_away(unavailable);
        }
        Reply::error(status, error.code(), &error.message())
    }

    /// Until the queue has counted a submission its body's share of the memory stands for it, so that requests which wait for
    /// room stay within bounds.
    pub(super) async fn submit(&self, submission: Submission, body: Body) -> Result<Receipt, Unavailable> {
        let writer = self.admin.writer();
        let submission = self.admin.store().pack(submission);
        let queued = tokio::time::timeout(self.enqueue_wait, writer.enqueue(submission)).await;
        drop(body);
        queued.map_err(|_| Unavailable::Overloaded)??.wait().await
    }

    /// The document without which analytics.js sends nothing.
    pub(super) fn settings(&self, key: &str) -> Reply {
        // What is not percent-encoded text is no key of anybody's.
        let key = query::segment(key).unwrap_or_default();
        match self.known(&key) {
            Ok(known) if known.may_read_settings() => {}
            Ok(_) => {
                let message = "this key cannot read the settings document; use a client or server key";
                return Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message);
            }
            Err(reply) => return reply,
        }
        let document = serde_json::json!({
            "integrations": { "Segment.io": { "apiKey": key, "addBundledMetadata": true, "unbundledIntegrations": [] } },
            "plan": {
                "track": { "__default": { "enabled": true, "integrations": {} } },
                "identify": { "__default": { "enabled": true } },
                "group": { "__default": { "enabled": true } },
            },
            "metrics": { "sampleRate": 0 },
            "middlewareSettings": {},
            "remotePlugins": [],
        });
        Reply::json(StatusCode::OK, document.to_string())
    }
}

/// That a body's events are on disk, beside those that were refused.
pub(super) fn taken(status: StatusCode, rejected: &[Rejected]) -> Reply {
    if rejected.is_empty() {
        return Reply::json(status, &br#"{"success":true}"#[..]);
    }
    #[derive(Serialize)]
    struct Row<'a> {
        index: usize,
        code: &'a str,
        message: &'a str,
    }
    #[derive(Serialize)]
    struct Partly<'a> {
        success: bool,
        rejected: Vec<Row<'a>>,
    }
    let rows = rejected.iter().map(|row| Row { index: row.index, code: row.code, message: &row.message });
    let partly = Partly { success: true, rejected: rows.collect() };
    Reply::json(status, serde_json::to_vec(&partly).expect("strings always serialise"))
}

pub(super) fn may_write(key: Key) -> Result<Key, Reply> {
    if key.may_write_events() {
        return Ok(key);
    }
    let message = "this key cannot write events; use a server or client key";
    Err(Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message))
}

fn parse(route: Route<'_>, body: &[u8], arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    match route {
        Route::Webhook(Webhook::Segment) => ingest::webhook_segment(body, arrival, rules, batch),
        Route::Webhook(Webhook::Rudderstack) => ingest::webhook_rudderstack(body, arrival, rules, batch),
        Route::Webhook(Webhook::Event) => ingest::webhook_event(body, arrival, rules, batch),
        Route::Segment(call) => ingest::segment(body, call_of(call), arrival, rules, batch),
        _ => ingest::statsig_log_event(body, arrival, rules, batch),
    }
}

fn call_of(call: SegmentCall) -> Call {
    match call {
        SegmentCall::Track => Call::One(Kind::Track),
        SegmentCall::Identify => Call::One(Kind::Identify),
        SegmentCall::Page => Call::One(Kind::Page),
        SegmentCall::Screen => Call::One(Kind::Screen),
        SegmentCall::Group => Call::One(Kind::Group),
        SegmentCall::Alias => Call::One(Kind::Alias),
        SegmentCall::Batch => Call::Many,
    }
}

fn source_of(route: Route<'_>) -> Source {
    match route {
        Route::Webhook(Webhook::Rudderstack) => Source::Rudderstack,
        Route::Webhook(Webhook::Event) => Source::Webhook,
        Route::StatsigEvents => Source::Statsig,
        _ => Source::Segment,
    }
}

/// Whether a refused event is the whole request. A webhook brings one event, or an array of them.
fn takes_one(route: Route<'_>, body: &[u8]) -> bool {
    match route {
        Route::Segment(call) => call != SegmentCall::Batch,
        Route::Webhook(_) => body.trim_ascii_start().starts_with(b"{"),
        _ => false,
    }
}

pub(super) fn turn_away(unavailable: Unavailable) -> Reply {
    // After a write that failed nobody knows what is on disk; what is sent again is recognised.
    let stored = if unavailable == Unavailable::Poisoned { "it may not be stored" } else { "nothing was stored" };
    let message = format!("{unavailable}; {stored}, send it again later");
    refuse(&AdminError { message, ..unavailable.into() })
}
