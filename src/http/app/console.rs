//! The console API: who asks, what for, and the answer as JSON. What is asked is answered by the room `admin`.

mod destinations;
mod items;
mod openapi;

use super::{House, blocking, refuse};
use crate::admin::{
    AdminError, ApplyOptions, EventsQuery, ListEdit, MetricValuesQuery, PulseQuery, ResultsQuery, Subject,
};
use crate::http::query;
use crate::http::reply::Reply;
use crate::http::route::console::{Call, Called};
use crate::results::{self, Report};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::http::request::Parts;
use serde::Serialize;

/// Options of a request that are not options of a report.
const NOT_OPTIONS: [&str; 2] = ["rule", "format"];

impl House {
    pub(super) async fn console(&self, called: Called<'_>, parts: &Parts, incoming: Incoming) -> Reply {
        let Called { endpoint, parts: named } = called;
        let Some(needed) = endpoint.role else { return openapi::reply() };
        let session = match self.authority(parts, needed) {
            Ok(session) => session,
            Err(reply) => return reply,
        };
        if let Some(pair) = query::unreadable(parts.uri.query()) {
            return refuse(&AdminError::refused(
                "invalid_query",
                format!("`{pair}` cannot be read; percent-encode it"),
            ));
        }
        let (Some(name), Some(part)) = (query::segment(named[0]), query::segment(named[1])) else {
            return Reply::not_found();
        };
        let (name, part) = (name.into_owned(), part.into_owned());
        let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
        let admin = self.admin.clone();
        match endpoint.call {
            Call::OpenApi => openapi::reply(),
            Call::Events | Call::Stream => {
                let query = match events_query(asked) {
                    Ok(query) => query,
                    Err(error) => return refuse(&error),
                };
                if endpoint.call == Call::Stream {
                    return self.stream(parts, query);
                }
                answer(blocking(move || admin.events(&query)).await)
            }
            Call::EventNames => answer(blocking(move || admin.event_names()).await),
            Call::Event => answer(blocking(move || admin.event_name(&name)).await.map(Wrapped::found)),
            Call::Rejected => match number(asked("limit"), "limit") {
                Ok(limit) => answer(blocking(move || admin.rejected(limit)).await),
                Err(error) => refuse(&error),
            },
            Call::Status => answer(blocking(move || admin.status()).await.map(Wrapped::found)),
            Call::AuditLogs => match (number(asked("limit"), "limit"), number(asked("before"), "before")) {
                (Ok(limit), Ok(before)) => answer(blocking(move || admin.audit_logs(limit, before)).await),
                (Err(error), _) | (_, Err(error)) => refuse(&error),
            },
            Call::ExperimentResults => self.results(Subject::Experiment(name), parts).await,
            Call::GateResults => self.results(Subject::Gate { name, rule: asked("rule") }, parts).await,
            Call::ExperimentPulse | Call::GatePulse => {
                let subject = match endpoint.call {
                    Call::GatePulse => Subject::Gate { name, rule: Some(part) },
                    _ => Subject::Experiment(name),
                };
                let query = PulseQuery {
                    control: asked("control"),
                    test: asked("test"),
                    cuped: asked("cuped"),
                    confidence: asked("confidence"),
                    date: asked("date"),
                };
                answer(self.concluding(move || admin.pulse_results(&subject, &query)).await.map(Wrapped::found))
            }
            Call::CumulativeExposures => {
                answer(self.concluding(move || admin.cumulative_exposures(&name)).await.map(Wrapped::found))
            }
            Call::ExploreExperiment => self.explore(Subject::Experiment(name), parts, incoming).await,
            Call::ExploreGate => self.explore(Subject::Gate { name, rule: None }, parts, incoming).await,
            Call::ExplorationResults => match only_format(parts) {
                Ok(as_csv) => written(self.concluding(move || admin.exploration_results(&name)).await, as_csv),
                Err(error) => refuse(&error),
            },
            Call::EditIdList(edit) => self.edit_id_list(edit, name, parts, incoming).await,
            Call::SelectNames => self.select_names(name, session.author, parts, incoming).await,
            Call::PreviewMetric => {
                let text = match self.text(parts, incoming).await {
                    Ok(text) => text,
                    Err(reply) => return reply,
                };
                let unit_type = asked("unitType");
                let preview = self.concluding(move || admin.preview_metric(&text, unit_type.as_deref())).await;
                answer(preview.map(|data| Wrapped { message: "Checked. Nothing was made.", data }))
            }
            Call::MetricValues => {
                let query = MetricValuesQuery {
                    metric_name: asked("metricName"),
                    metric_type: asked("metricType"),
                    date: asked("date"),
                    end_date: asked("endDate"),
                    unit_type: asked("unitType"),
                };
                answer(self.concluding(move || admin.metric_values(&query)).await.map(Wrapped::found))
            }
            Call::Apply => {
                let options = ApplyOptions {
                    dry_run: is_set(asked("dryRun")),
                    force: is_set(asked("force")),
                    prune: is_set(asked("prune")),
                    author: session.author,
                };
                let text = match self.text(parts, incoming).await {
                    Ok(text) => text,
                    Err(reply) => return reply,
                };
                answer(blocking(move || admin.apply(&text, &options)).await.map(Wrapped::applied))
            }
            Call::Keys => answer(Ok(Wrapped::found(admin.keys()))),
            Call::CreateKey => {
                let text = match self.text(parts, incoming).await {
                    Ok(text) => text,
                    Err(reply) => return reply,
                };
                let author = session.author;
                answer(blocking(move || admin.create_key(&text, &author)).await.map(Wrapped::created))
            }
            Call::RevokeKey => {
                answer(blocking(move || admin.revoke_key(&name, &session.author)).await.map(Wrapped::removed))
            }
            Call::Link => {
                let link = admin.console_link(&session.author, session.role);
                answer(Ok(Wrapped { message: "Created. The link works once.", data: link }))
            }
            Call::Items(_)
            | Call::IdList
            | Call::ValveNames
            | Call::Item(_)
            | Call::Metric
            | Call::Versions(_)
            | Call::Rules(_)
            | Call::Rule(_)
            | Call::Overrides(_) => self.read_items(endpoint, name, part, parts).await,
            Call::Destinations
            | Call::Destination
            | Call::Attempts
            | Call::AttemptStream
            | Call::DeadLetters
            | Call::DeadLetter => self.read_destinations(endpoint, name, part, parts).await,
            Call::Steer(steering) => self.steer(steering, name, part, session.author, parts, incoming).await,
            Call::Change(kind, deed) => {
                let text = match self.text(parts, incoming).await {
                    Ok(text) => text,
                    Err(reply) => return reply,
                };
                self.change_item(endpoint, (kind, deed), (name, part), session.author, parts, text).await
            }
        }
    }

    async fn results(&self, subject: Subject, parts: &Parts) -> Reply {
        let mut options = Vec::new();
        for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            if NOT_OPTIONS.contains(&name) {
                continue;
            }
            if let Some(value) = query::value(Some(pair), name) {
                options.push((name.to_owned(), value.into_owned()));
            }
        }
        let admin = self.admin.clone();
        let as_csv = match is_csv(parts) {
            Ok(as_csv) => as_csv,
            Err(error) => return refuse(&error),
        };
        written(self.concluding(move || admin.results(&ResultsQuery { subject, options })).await, as_csv)
    }

    async fn explore(&self, subject: Subject, parts: &Parts, incoming: Incoming) -> Reply {
        let text = match self.text(parts, incoming).await {
            Ok(text) => text,
            Err(reply) => return reply,
        };
        let admin = self.admin.clone();
        match only_format(parts) {
            Ok(as_csv) => written(self.concluding(move || admin.explore(&subject, &text)).await, as_csv),
            Err(error) => refuse(&error),
        }
    }

    async fn edit_id_list(&self, edit: ListEdit, segment: String, parts: &Parts, incoming: Incoming) -> Reply {
        let text = match self.text(parts, incoming).await {
            Ok(text) => text,
            Err(reply) => return reply,
        };
        let admin = self.admin.clone();
        let edited = blocking(move || admin.edit_id_list(&segment, edit, &text)).await;
        let message = if edit == ListEdit::Add { "Added." } else { "Removed." };
        answer(edited.map(|data| Wrapped { message, data }))
    }

    async fn text(&self, parts: &Parts, incoming: Incoming) -> Result<String, Reply> {
        let body = self.bodies.read(&parts.headers, incoming).await.map_err(|refusal| refusal.reply())?;
        std::str::from_utf8(&body)
            .map(str::to_owned)
            .map_err(|_| Reply::error(StatusCode::BAD_REQUEST, "not_utf8", "the body is not UTF-8; send JSON in UTF-8"))
    }
}

/// The shape of one item's answer: `{message, data}`.
#[derive(Serialize)]
struct Wrapped<T> {
    message: &'static str,
    data: T,
}

impl<T> Wrapped<T> {
    fn found(data: T) -> Wrapped<T> {
        Wrapped { message: "Found.", data }
    }

    fn applied(data: T) -> Wrapped<T> {
        Wrapped { message: "Applied.", data }
    }

    fn created(data: T) -> Wrapped<T> {
        Wrapped { message: "Created. The key is shown this once.", data }
    }

    fn removed(data: T) -> Wrapped<T> {
        Wrapped { message: "Revoked.", data }
    }
}

fn answer<T: Serialize>(result: Result<T, AdminError>) -> Reply {
    match result.map(|value| serde_json::to_vec(&value)) {
        Ok(Ok(json)) => Reply::json(StatusCode::OK, json),
        Ok(Err(error)) => refuse(&AdminError::broken("answer", &error)),
        Err(error) => refuse(&error),
    }
}

/// Whether a report is wanted as a table: by `format`, else by what the client accepts before JSON.
fn is_csv(parts: &Parts) -> Result<bool, AdminError> {
    match query::value(parts.uri.query(), "format").as_deref() {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(AdminError::refused("invalid_query", "format must be json or csv")),
        None => {
            let accepted = parts.headers.get(ACCEPT).and_then(|header| header.to_str().ok()).unwrap_or_default();
            let mut kinds = accepted.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
            Ok(kinds.find(|kind| ["text/csv", "application/json", "*/*"].contains(kind)) == Some("text/csv"))
        }
    }
}

/// Whether a table is wanted, where a question has its options in itself and none in the address.
fn only_format(parts: &Parts) -> Result<bool, AdminError> {
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
    match names.find(|name| *name != "format") {
        Some(name) => Err(AdminError::refused(
            "unknown_option",
            format!("unknown option `{name}`; only `format` stands in the address, the exploration says all others"),
        )),
        None => is_csv(parts),
    }
}

fn written(report: Result<Report, AdminError>, as_csv: bool) -> Reply {
    const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    match report {
        Ok(report) if as_csv => Reply::new(StatusCode::OK, CSV, results::csv(&report).into_bytes()),
        other => answer(other),
    }
}

fn is_set(value: Option<String>) -> bool {
    value.is_some_and(|value| matches!(value.as_str(), "" | "1" | "true"))
}

fn number<T: std::str::FromStr>(value: Option<String>, name: &str) -> Result<Option<T>, AdminError> {
    value
        .map(|text| {
            text.parse().map_err(|_| AdminError::refused("invalid_query", format!("{name} must be a whole number")))
        })
        .transpose()
}

fn events_query(asked: impl Fn(&str) -> Option<String>) -> Result<EventsQuery, AdminError> {
    Ok(EventsQuery {
        limit: number(asked("limit"), "limit")?,
        name: asked("name"),
        unit: asked("unit"),
        source: asked("source"),
        before: number(asked("before"), "before")?,
    })
}
