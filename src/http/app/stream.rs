//! Live streams: server-sent events, one for each stored event that a client asked for, or for whatever else comes to be one by
//! one. Reads only.

use super::{House, blocking, refuse};
use crate::admin::{AdminError, EventsQuery, Skipped};
use crate::event::Sequence;
use crate::http::reply::Reply;
use crate::meters::Meters;
use bytes::Bytes;
use futures_util::stream;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Under load events are sent in portions, this far apart at least.
const PACE: Duration = Duration::from_millis(100);
/// A comment keeps proxies from closing a quiet stream, and shows when a client is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events in one portion. Of more only the newest are sent, and the client is told that some were left out.
pub(super) const PORTION: usize = 200;

/// What was read of a list that only grows, from a place on.
pub(super) struct Told<P> {
    /// As server-sent events.
    pub text: String,
    /// Where to read on.
    pub next: P,
}

struct Following<P, R> {
    read: R,
    grown: watch::Receiver<P>,
    at: P,
    /// When bytes were last given to the connection.
    sent: Instant,
    _client: Client,
}

/// Counts as a client for as long as it lives.
struct Client(Arc<Meters>);

impl Client {
    fn arrived(meters: &Arc<Meters>) -> Client {
        meters.stream_clients.raise(1);
        Client(meters.clone())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.stream_clients.lower(1);
    }
}

impl House {
    /// Starts with the next event, or after `Last-Event-ID` where a browser comes back.
    pub(super) fn stream(&self, parts: &Parts, query: EventsQuery) -> Reply {
        // A query that cannot be answered is refused now rather than in the middle of a stream.
        if let Err(error) = self.admin.check_events_query(&query) {
            return refuse(&error);
        }
        let committed = self.admin.writer().committed();
        let now = *committed.borrow();
        let at = last_seen(parts).map_or(now, |id| Sequence(id.saturating_add(1).min(now.0)));
        let admin = self.admin.clone();
        let read = move |from| {
            let since = admin.events_since(&query, from, PORTION)?;
            let mut text = String::new();
            if let Some(skipped) = since.skipped {
                text.push_str(&left_out(&skipped));
            }
            for row in &since.rows {
                text.push_str(&message(row.sequence, row));
            }
            Ok(Told { text, next: since.next })
        };
        follow(self.admin.meters(), committed, at, read)
    }
}

/// What a browser that comes back saw last.
pub(super) fn last_seen(parts: &Parts) -> Option<u64> {
    parts.headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok())
}

/// One thing of the list, by which a client that comes back says how far it had got.
pub(super) fn message(id: u64, told: &impl Serialize) -> String {
    format!("id: {id}\ndata: {}\n\n", serde_json::to_string(told).unwrap_or_default())
}

/// That some were left out.
pub(super) fn left_out(skipped: &Skipped) -> String {
    format!("event: skipped\ndata: {}\n\n", serde_json::to_string(skipped).unwrap_or_default())
}

/// A stream of what a list grows by behind a place. `grown` says how far the list reaches; `read` blocks.
pub(super) fn follow<P, R>(meters: &Arc<Meters>, grown: watch::Receiver<P>, at: P, read: R) -> Reply
where
    P: Copy + PartialOrd + Send + Sync + 'static,
    R: Fn(P) -> Result<Told<P>, AdminError> + Clone + Send + Sync + 'static,
{
    let following = Following { read, grown, at, sent: Instant::now(), _client: Client::arrived(meters) };
    let opening = Bytes::from_static(b"retry: 1000\n\n");
    let told = stream::unfold(following, |following| following.next());
    let all = futures_util::StreamExt::chain(stream::once(std::future::ready(opening)), told);
    Reply::stream(HeaderValue::from_static("text/event-stream"), all)
}

impl<P, R> Following<P, R>
where
    P: Copy + PartialOrd + Send + Sync + 'static,
    R: Fn(P) -> Result<Told<P>, AdminError> + Clone + Send + Sync + 'static,
{
    async fn next(mut self) -> Option<(Bytes, Following<P, R>)> {
        loop {
            let end = match wake(&mut self.grown, self.at, self.sent + HEARTBEAT).await {
                Wake::Grown(end) => end,
                Wake::Heartbeat => return Some(self.say(Bytes::from_static(b": still here\n\n"))),
                Wake::Over => return None,
            };
            let (read, from) = (self.read.clone(), self.at);
            let told = match blocking(move || read(from)).await {
                Ok(told) => told,
                Err(error) => {
                    let text = serde_json::to_string(&error).unwrap_or_default();
                    self.at = end;
                    return Some(self.say(format!("event: error\ndata: {text}\n\n").into()));
                }
            };
            self.at = told.next;
            tokio::time::sleep(PACE).await;
            if !told.text.is_empty() {
                return Some(self.say(told.text.into()));
            }
        }
    }

    fn say(mut self, bytes: Bytes) -> (Bytes, Following<P, R>) {
        self.sent = Instant::now();
        (bytes, self)
    }
}

/// What a stream has to do next.
#[derive(Debug, PartialEq, Eq)]
enum Wake<P> {
    /// The list is longer than what was looked at, and ends here.
    Grown(P),
    /// Nothing was sent for so long, whatever the list grew by meanwhile: only a write shows that a client is gone.
    Heartbeat,
    /// Nobody adds to the list any more.
    Over,
}

async fn wake<P: Copy + PartialOrd>(grown: &mut watch::Receiver<P>, at: P, heartbeat: Instant) -> Wake<P> {
    loop {
        if Instant::now() >= heartbeat {
            return Wake::Heartbeat;
        }
        let end = *grown.borrow_and_update();
        if end > at {
            return Wake::Grown(end);
        }
        match tokio::time::timeout_at(heartbeat, grown.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Wake::Over,
            Err(_) => return Wake::Heartbeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_on_which_nothing_is_sent_beats_whatever_is_committed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for is_busy in [false, true] {
            runtime.block_on(async {
                let (commit, mut committed) = watch::channel(Sequence(0));
                let heartbeat = Instant::now() + Duration::from_millis(100);
                let (mut at, mut commits) = (Sequence(0), 0);
                let woken = loop {
                    if is_busy {
                        commit.send_modify(|end| end.0 += 1);
                    }
                    match wake(&mut committed, at, heartbeat).await {
                        Wake::Grown(end) => at = end,
                        other => break other,
                    }
                    commits += 1;
                };
                assert_eq!(woken, Wake::Heartbeat);
                assert!(Instant::now() >= heartbeat);
                assert_eq!(commits > 0, is_busy);
            });
        }
    }
}
