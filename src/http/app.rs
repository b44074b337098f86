//! The house's own application behind the front door: finds the endpoint, checks the key, lets ingest and admin do the
//! work, and puts what they say into an answer. Decides nothing about events.

mod console;
mod events;
mod lists;
mod page;
mod sdk;
mod stream;

use super::reply::Reply;
use super::route::{Place, Resolved, Route};
use super::{App, Bodies, ReplyBody, auth, cors};
use crate::admin::{Admin, AdminError, Session};
use crate::catalog::{Key, Role};
use hyper::body::Incoming;
use hyper::header::{COOKIE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Seconds after which a client that was turned away should come back.
const RETRY_AFTER: u32 = 1;
/// The same when the disk is full: room returns by somebody's hand.
const NO_ROOM_RETRY_AFTER: u32 = 30;

/// The application.
pub struct House {
    admin: Admin,
    bodies: Arc<Bodies>,
    /// How long a request waits for room in the write queue before it is answered 503.
    enqueue_wait: Duration,
    /// Turns at computing results.
    turns: Arc<Semaphore>,
}

/// So many requests compute results at once, and others wait for them: each may gather as much as the memory for results, and
/// would keep a thread from those who only look something up.
pub const CONCLUDING_AT_ONCE: usize = 2;

impl House {
    pub fn new(admin: Admin, bodies: Arc<Bodies>, enqueue_wait: Duration) -> House {
        House { admin, bodies, enqueue_wait, turns: Arc::new(Semaphore::new(CONCLUDING_AT_ONCE)) }
    }

    /// Runs a query that reads the log from end to end, in its turn.
    async fn concluding<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, AdminError> {
        in_turn(self.turns.clone(), work).await
    }

    async fn answer(&self, route: Route<'_>, parts: &Parts, incoming: Incoming) -> Reply {
        match route {
            Route::Segment(_) | Route::Webhook(_) | Route::StatsigEvents => self.take(route, parts, incoming).await,
            Route::SegmentTelemetry => match self.bodies.read(&parts.headers, incoming).await {
                Ok(_) => Reply::success(),
                Err(refusal) => refusal.reply(),
            },
            Route::SegmentSettings { key } => self.settings(key),
            Route::StatsigSpecs { version, key } => self.specs(version, key, parts, incoming).await,
            Route::StatsigSdk(call) => self.evaluate(call, parts, incoming).await,
            Route::StatsigIdLists => self.id_lists(parts, incoming).await,
            Route::StatsigIdListFile { file } => self.id_list_file(file, parts),
            Route::Live => operations("live"),
            Route::Ready if self.admin.writer().is_running() => operations("ready"),
            Route::Ready => Reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_ready",
                "events are not taken; the server is stopping",
            )
            .retry_after(RETRY_AFTER),
            Route::Metrics => {
                self.admin.writer().measure();
                let admin = self.admin.clone();
                // What cannot be measured keeps its last value, and the rest is told.
                let _ = blocking(move || Ok(admin.exports().measure()?)).await;
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                Reply::new(StatusCode::OK, kind, self.admin.meters().render())
            }
            Route::Home => self.home(parts),
            Route::Session => self.open_session(parts),
            Route::Console(called) => self.console(called, parts, incoming).await,
        }
    }

    /// Whether a request presents a key that may write events, or the token that the server left for commands on this machine;
    /// `false` where it presents none.
    fn may_write(&self, parts: &Parts) -> Result<bool, Reply> {
        let presented = match auth::presented(&parts.headers, parts.uri.query()) {
            Ok(Some(presented)) => presented,
            Ok(None) => return Ok(false),
            Err(malformed) => {
                return Err(Reply::error(StatusCode::UNAUTHORIZED, "malformed_key", &malformed.to_string()));
            }
        };
        match self.known(presented.as_str()) {
            Ok(key) => events::may_write(key).map(|_| true),
            // Looked for last: every event has a key, and few come with the token.
            Err(unknown) => match self.admin.session(presented.as_str()) {
                Some(session) if session.role == Role::Admin => Ok(true),
                _ => Err(unknown),
            },
        }
    }

    fn known(&self, presented: &str) -> Result<Key, Reply> {
        self.admin.state().keys.find(presented).cloned().ok_or_else(|| {
            let message = "this key is not one of this project's; `weir keys list` shows which there are";
            Reply::error(StatusCode::UNAUTHORIZED, "unknown_key", message)
        })
    }

    /// Who asks for something of the console: a console key, or for reading a signed-in page.
    fn authority(&self, parts: &Parts, needed: Role) -> Result<Session, Reply> {
        let presented = match auth::presented(&parts.headers, None) {
            Ok(presented) => presented,
            Err(malformed) => {
                return Err(Reply::error(StatusCode::UNAUTHORIZED, "malformed_key", &malformed.to_string()));
            }
        };
        let session = match &presented {
            Some(presented) => match self.admin.session(presented.as_str()) {
                Some(session) => session,
                None => {
                    let key = self.known(presented.as_str())?;
                    if !key.may_use_console(Role::Viewer) {
                        let message = "this key cannot use the console API; use a console key";
                        return Err(Reply::error(StatusCode::FORBIDDEN, "key_not_allowed", message));
                    }
                    Session { author: key.description.clone(), role: key.role.unwrap_or_default() }
                }
            },
            // A page may read with its cookie; changes ask for a key, so that no other site can make a browser send them.
            None if parts.method == hyper::Method::GET => match cookie(parts).and_then(|s| self.admin.session(s)) {
                Some(session) => session,
                None => return Err(no_key()),
            },
            None => return Err(no_key()),
        };
        if session.role < needed {
            let message = "the role of this key does not allow it; use a key with a higher role";
            return Err(Reply::error(StatusCode::FORBIDDEN, "role_not_allowed", message));
        }
        Ok(session)
    }
}

impl App for House {
    async fn respond(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<ReplyBody> {
        let (parts, incoming) = request.into_parts();
        let place = Place::at(parts.uri.path());
        let mut reply = match place.resolve(&parts.method) {
            Resolved::Route(route) => self.answer(route, &parts, incoming).await,
            Resolved::Preflight => cors::preflight(&parts.headers),
            Resolved::MethodNotAllowed { allow } => Reply::method_not_allowed(allow),
            Resolved::NotFound => Reply::not_found(),
        };
        if place.cors {
            cors::apply(&parts.headers, reply.headers_mut());
        }
        self.admin.meters().requests.count(place.family, reply.status().as_u16());
        reply.into()
    }
}

fn operations(status: &str) -> Reply {
    Reply::json(StatusCode::OK, format!("{{\"status\":\"{status}\"}}"))
}

fn no_key() -> Reply {
    let message = "this needs a console key in the header statsig-api-key; `weir keys create --type console` makes one";
    Reply::error(StatusCode::UNAUTHORIZED, "missing_key", message)
}

/// The session's secret in the cookie, if there is one.
fn cookie(parts: &Parts) -> Option<&str> {
    parts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("weir_session="))
}

/// Runs a query or command of the room `admin`, which blocks, where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> Result<T, AdminError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        Err(_) => Err(AdminError::stopping()),
    }
}

/// Whoever asked may be gone meanwhile; the turn ends with the work.
async fn in_turn<T: Send + 'static>(
    turns: Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, AdminError> + Send + 'static,
) -> Result<T, AdminError> {
    let turn = turns.acquire_owned().await.map_err(|_| AdminError::stopping())?;
    blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}

fn refuse(error: &AdminError) -> Reply {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = if error.mistakes.is_empty() {
        Reply::error(status, error.code, &error.message)
    } else {
        #[derive(Serialize)]
        struct Mistaken<'a> {
            success: bool,
            error: &'a str,
            #[serde(flatten)]
            refusal: &'a AdminError,
        }
        let body = Mistaken { success: false, error: &error.message, refusal: error };
        Reply::json(status, serde_json::to_vec(&body).expect("an error always serialises"))
    };
    match error.status {
        503 => reply.retry_after(RETRY_AFTER),
        507 => reply.retry_after(NO_ROOM_RETRY_AFTER),
        _ => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_are_computed_a_few_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = Arc::new(Semaphore::new(CONCLUDING_AT_ONCE));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Each meets another, so fewer than two at once would never end.
        let meeting = Arc::new(Barrier::new(CONCLUDING_AT_ONCE));
        let ask = || {
            let (running, most, meeting) = (running.clone(), most.clone(), meeting.clone());
            runtime.spawn(in_turn(turns.clone(), move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                meeting.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }))
        };
        let asked: Vec<_> = (0..10 * CONCLUDING_AT_ONCE).map(|_| ask()).collect();
        for one in asked {
            assert!(runtime.block_on(one).unwrap().is_ok());
        }
        assert_eq!(most.load(Ordering::SeqCst), CONCLUDING_AT_ONCE);
    }
}
