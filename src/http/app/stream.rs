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

/// Under load events are sent in portions, this far apart at least.
const PACE: Duration = Duration::from_millis(100);
/// A comment keeps proxies from closing a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events in one portion. Of more only the newest are sent, and the client is told how many were left out.
const PORTION: usize = 200;

struct Following {
    admin: Admin,
    query: EventsQuery,
    committed: watch::Receiver<Sequence>,
    at: Sequence,
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
        let following = Following { admin: self.admin.clone(), query, committed, at, _client: client };
        let opening = Bytes::from_static(b"retry: 1000\n\n");
        let events = stream::unfold(following, |following| following.next());
        let all = futures_util::StreamExt::chain(stream::once(std::future::ready(opening)), events);
        Reply::stream(HeaderValue::from_static("text/event-stream"), all)
    }
}

impl Following {
    async fn next(mut self) -> Option<(Bytes, Following)> {
        loop {
            let end = *self.committed.borrow_and_update();
            if end <= self.at {
                match tokio::time::timeout(HEARTBEAT, self.committed.changed()).await {
                    Ok(Ok(())) => continue,
                    // The writer is gone, and nothing will come any more.
                    Ok(Err(_)) => return None,
                    Err(_) => return Some((Bytes::from_static(b": still here\n\n"), self)),
                }
            }
            let (admin, query, from) = (self.admin.clone(), self.query.clone(), self.at);
            let (rows, next, skipped) = match blocking(move || admin.events_since(&query, from, PORTION)).await {
                Ok(portion) => portion,
                Err(error) => {
                    let text = serde_json::to_string(&error).unwrap_or_default();
                    self.at = end;
                    return Some((format!("event: error\ndata: {text}\n\n").into(), self));
                }
            };
            self.at = next;
            let mut text = String::new();
            if skipped > 0 {
                text.push_str(&format!("event: skipped\ndata: {{\"count\":{skipped}}}\n\n"));
            }
            for row in &rows {
                let json = serde_json::to_string(row).unwrap_or_default();
                text.push_str(&format!("id: {}\ndata: {json}\n\n", row.sequence));
            }
            tokio::time::sleep(PACE).await;
            if !text.is_empty() {
                return Some((text.into(), self));
            }
        }
    }
}
