//! The console API: who asks, what for, and the answer as JSON. What is asked is answered by the room `admin`.

use super::{House, blocking, refuse};
use crate::admin::{AdminError, ApplyOptions, EventsQuery, ListEdit, ResultsQuery, Subject};
use crate::catalog::Role;
use crate::http::query;
use crate::http::reply::Reply;
use crate::http::route::Route;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use serde::Serialize;

/// Options of a request that are not options of a report.
const NOT_OPTIONS: [&str; 1] = ["rule"];

impl House {
    pub(super) async fn console(&self, route: Route<'_>, parts: &Parts, incoming: Incoming) -> Reply {
        let needed = match route {
            Route::ConsoleApply
            | Route::ConsoleKeys
            | Route::ConsoleCreateKey
            | Route::ConsoleRevokeKey { .. }
            | Route::ConsoleLink => Role::Admin,
            Route::ConsoleAddIds { .. } | Route::ConsoleRemoveIds { .. } => Role::Editor,
            _ => Role::Viewer,
        };
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
        let asked = |name: &str| query::value(parts.uri.query(), name).map(|value| value.into_owned());
        let admin = self.admin.clone();
        match route {
            Route::ConsoleEvents | Route::ConsoleStream => {
                let query = match events_query(asked) {
                    Ok(query) => query,
                    Err(error) => return refuse(&error),
                };
                if route == Route::ConsoleStream {
                    return self.stream(parts, query);
                }
                answer(blocking(move || admin.events(&query)).await)
            }
            Route::ConsoleEventNames => answer(blocking(move || admin.event_names()).await),
            Route::ConsoleEvent { name } => match decoded(name) {
                Ok(name) => answer(blocking(move || admin.event_name(&name)).await.map(Wrapped::found)),
                Err(reply) => reply,
            },
            Route::ConsoleRejected => match number(asked("limit"), "limit") {
                Ok(limit) => answer(blocking(move || admin.rejected(limit)).await),
                Err(error) => refuse(&error),
            },
            Route::ConsoleStatus => answer(blocking(move || admin.status()).await.map(Wrapped::found)),
            Route::ConsoleExperimentResults { name } => match decoded(name) {
                Ok(name) => self.results(Subject::Experiment(name), parts).await,
                Err(reply) => reply,
            },
            Route::ConsoleGateResults { name } => match decoded(name) {
                Ok(name) => self.results(Subject::Gate { name, rule: asked("rule") }, parts).await,
                Err(reply) => reply,
            },
            Route::ConsoleIdList { segment } => match (decoded(segment), id_list_query(asked)) {
                (Ok(segment), Ok((limit, page))) => {
                    answer(blocking(move || admin.id_list(&segment, limit, page)).await)
                }
                (Err(reply), _) => reply,
                (_, Err(error)) => refuse(&error),
            },
            Route::ConsoleAddIds { segment } => self.edit_id_list(ListEdit::Add, segment, parts, incoming).await,
            Route::ConsoleRemoveIds { segment } => self.edit_id_list(ListEdit::Remove, segment, parts, incoming).await,
            Route::ConsoleApply => {
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
            Route::ConsoleKeys => answer(Ok(Wrapped::found(admin.keys()))),
            Route::ConsoleCreateKey => {
                let text = match self.text(parts, incoming).await {
                    Ok(text) => text,
                    Err(reply) => return reply,
                };
                let author = session.author;
                answer(blocking(move || admin.create_key(&text, &author)).await.map(Wrapped::created))
            }
            Route::ConsoleRevokeKey { id } => match decoded(id) {
                Ok(id) => answer(blocking(move || admin.revoke_key(&id, &session.author)).await.map(Wrapped::removed)),
                Err(reply) => reply,
            },
            Route::ConsoleLink => {
                let link = admin.console_link(&session.author, session.role);
                answer(Ok(Wrapped { message: "Created. The link works once.", data: link }))
            }
            _ => Reply::not_found(),
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
        match blocking(move || admin.results(&ResultsQuery { subject, options })).await {
            Ok(report) => answer(Ok(report)),
            Err(error) => refuse(&error),
        }
    }

    async fn edit_id_list(&self, edit: ListEdit, segment: &str, parts: &Parts, incoming: Incoming) -> Reply {
        let text = match self.text(parts, incoming).await {
            Ok(text) => text,
            Err(reply) => return reply,
        };
        let segment = match decoded(segment) {
            Ok(segment) => segment,
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

fn decoded(part: &str) -> Result<String, Reply> {
    query::segment(part).map(|text| text.into_owned()).ok_or_else(Reply::not_found)
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

fn id_list_query(asked: impl Fn(&str) -> Option<String>) -> Result<(Option<usize>, Option<usize>), AdminError> {
    Ok((number(asked("limit"), "limit")?, number(asked("page"), "page")?))
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
