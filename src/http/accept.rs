//! One thread of the front door: accepts connections on its own socket, within the bound of all threads together, and lets
//! the last answers out when the server stops. Never looks into a request.

use super::App;
use super::connection::{protocol, serve, stopped};
use super::limits::{ACCEPT_BACKOFF, Deadlines, TURNED_AWAY_AT_ONCE};
use super::waiting::{Watch, Watched};
use crate::meters::Meters;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::watch::Receiver;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What all threads of the front door share.
pub(super) struct Shared<A> {
    pub app: Arc<A>,
    pub meters: Arc<Meters>,
    pub deadlines: Deadlines,
    /// Bound on `open`.
    pub connections: usize,
    pub open: AtomicUsize,
}

/// The answer to a connection over the bound, whatever it was going to ask. A browser may read it from any page.
const TURNED_AWAY: &[u8] = concat!(
    "HTTP/1.1 503 Service Unavailable\r\n",
    "content-type: application/json\r\n",
    "content-length: 157\r\n",
    "retry-after: 1\r\n",
    "access-control-allow-origin: *\r\n",
    "access-control-expose-headers: retry-after\r\n",
    "connection: close\r\n",
    "\r\n",
    r#"{"success":false,"code":"too_many_connections","#,
    r#""message":"too many connections; try again in a second","#,
    r#""error":"too many connections; try again in a second"}"#,
)
.as_bytes();

/// Accepts until the order to stop, then waits for the connections to end, until the stop's deadline at the latest.
/// Returns how many were cut off.
pub(super) async fn run<A: App>(
    listener: TcpListener,
    shared: Arc<Shared<A>>,
    mut stop: Receiver<Option<Instant>>,
) -> usize {
    let protocol = Rc::new(protocol());
    let live = Rc::new(Live::default());
    let turned_away = Rc::new(Cell::new(0));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                shared.meters.connections_failed.increment();
                if !is_the_clients(&error) {
                    tracing::warn!(%error, "cannot accept connections for the moment");
                    sleep(ACCEPT_BACKOFF).await;
                }
                continue;
            }
        };
        let Some(slot) = Slot::take(&shared) else {
            shared.meters.connections_refused.increment();
            if turned_away.get() < TURNED_AWAY_AT_ONCE {
                turned_away.set(turned_away.get() + 1);
                let turned_away = turned_away.clone();
                let deadlines = shared.deadlines;
                spawn_local(async move {
                    turn_away(stream, deadlines).await;
                    turned_away.set(turned_away.get() - 1);
                });
            }
            continue;
        };
        shared.meters.connections_accepted.increment();
        // Answers are written whole; waiting for more to send would only delay them. Failing costs only that.
        let _ = stream.set_nodelay(true);
        let (protocol, live, stop) = (protocol.clone(), live.enter(), stop.clone());
        let watch = Watch::new(shared.deadlines);
        spawn_local(async move {
            let (app, meters) = (slot.0.app.clone(), slot.0.meters.clone());
            serve(&protocol, stream, peer, watch, app, meters, stop).await;
            drop((live, slot));
        });
    }
    drop(listener);
    let deadline = stop.borrow().unwrap_or_else(Instant::now);
    let _ = timeout_at(deadline, live.all_gone()).await;
    live.count.get()
}

/// Errors of one connection that was given up before it was accepted; the next may well succeed.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// Tells a client that it has to come back, and lets it read that.
async fn turn_away(stream: TcpStream, deadlines: Deadlines) {
    let mut socket = Watched::new(stream, Watch::new(deadlines));
    let _ = timeout(deadlines.linger, async {
        socket.write_all(TURNED_AWAY).await?;
        socket.shutdown().await
    })
    .await;
}

/// A slot among the connections that may be open.
struct Slot<A>(Arc<Shared<A>>);

impl<A> Slot<A> {
    fn take(shared: &Arc<Shared<A>>) -> Option<Slot<A>> {
        if shared.open.fetch_add(1, Relaxed) >= shared.connections {
            shared.open.fetch_sub(1, Relaxed);
            return None;
        }
        shared.meters.connections_open.raise(1);
        Some(Slot(shared.clone()))
    }
}

impl<A> Drop for Slot<A> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        self.0.meters.connections_open.lower(1);
    }
}

/// The connections of this thread.
#[derive(Default)]
struct Live {
    count: Cell<usize>,
    gone: Notify,
}

impl Live {
    fn enter(self: &Rc<Self>) -> Entered {
        self.count.set(self.count.get() + 1);
        Entered(self.clone())
    }

    async fn all_gone(&self) {
        while self.count.get() > 0 {
            self.gone.notified().await;
        }
    }
}

struct Entered(Rc<Live>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.gone.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_over_the_bound_announces_its_own_length() {
        let text = std::str::from_utf8(TURNED_AWAY).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "the body has {} bytes", body.len());
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["code"], "too_many_connections");
    }
}
