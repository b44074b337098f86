//! The live stream: server-sent events, one for each stored event that a client asked for. Reads snapshots only.

use super::{House, blocking, refuse};
use crate::admin::{Admin, EventsQuery};
use crate::event::Sequence;
use crate::http::reply::Reply;
use crate::meters::Meters;
use bytes::Bytes;
use futures_util::stream;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Under load events are sent in portions, this far apart at least.
const PACE: Duration = Duration::from_millis(100);
/// A comment keeps proxies from closing a quiet stream, and shows when a client is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events in one portion. Of more only the newest are sent, and the client is told that some were left out.
const PORTION: usize = 200;

struct Following {
    admin: Admin,
    query: EventsQuery,
    committed: watch::Receiver<Sequence>,
    at: Sequence,
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
        let last = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
        let at = last.map_or(now, |id| Sequence(id.saturating_add(1).min(now.0)));
        let client = Client::arrived(self.admin.meters());
        let admin = self.admin.clone();
        let following = Following { admin, query, committed, at, sent: Instant::now(), _client: client };
        let opening = Bytes::from_static(b"retry: 1000\n\n");
        let events = stream::unfold(following, |following| following.next());
        let all = futures_util::StreamExt::chain(stream::once(std::future::ready(opening)), events);
        Reply::stream(HeaderValue::from_static("text/event-stream"), all)
    }
}

impl Following {
    async fn next(mut self) -> Option<(Bytes, Following)> {
        loop {
            let end = match wake(&mut self.committed, self.at, self.sent + HEARTBEAT).await {
                Wake::Committed(end) => end,
                Wake::Heartbeat => return Some(self.say(Bytes::from_static(b": still here\n\n"))),
                Wake::Over => return None,
            };
            let (admin, query, from) = (self.admin.clone(), self.query.clone(), self.at);
            let since = match blocking(move || admin.events_since(&query, from, PORTION)).await {
                Ok(since) => since,
                Err(error) => {
                    let text = serde_json::to_string(&error).unwrap_or_default();
                    self.at = end;
                    return Some(self.say(format!("event: error\ndata: {text}\n\n").into()));
                }
            };
            self.at = since.next;
            let mut text = String::new();
            if let Some(skipped) = since.skipped {
                let json = serde_json::to_string(&skipped).unwrap_or_default();
                text.push_str(&format!("event: skipped\ndata: {json}\n\n"));
            }
            for row in &since.rows {
                let json = serde_json::to_string(row).unwrap_or_default();
                text.push_str(&format!("id: {}\ndata: {json}\n\n", row.sequence));
            }
            tokio::time::sleep(PACE).await;
            if !text.is_empty() {
                return Some(self.say(text.into()));
            }
        }
    }

    fn say(mut self, bytes: Bytes) -> (Bytes, Following) {
        self.sent = Instant::now();
        (bytes, self)
    }
}

/// What a stream has to do next.
#[derive(Debug, PartialEq, Eq)]
enum Wake {
    /// The log is longer than what was looked at, and ends here.
    Committed(Sequence),
    /// Nothing was sent for so long, whatever was committed meanwhile: only a write shows that a client is gone.
    Heartbeat,
    /// The writer is gone, and nothing will come any more.
    Over,
}

async fn wake(committed: &mut watch::Receiver<Sequence>, at: Sequence, heartbeat: Instant) -> Wake {
    loop {
        if Instant::now() >= heartbeat {
            return Wake::Heartbeat;
        }
        let end = *committed.borrow_and_update();
        if end > at {
            return Wake::Committed(end);
        }
        match tokio::time::timeout_at(heartbeat, committed.changed()).await {
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
                        Wake::Committed(end) => at = end,
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
