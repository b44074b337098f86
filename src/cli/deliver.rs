//! Delivers bodies of events to a server over several connections and does not give one up lightly: waits as told when
//! the server is busy, and tries again when the connection breaks. Knows nothing about what is in a body.

use super::client::{Address, Answer, Call, Line, Unreachable};
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use std::sync::{Arc, mpsc as done};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

/// How long and how often a body is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Counted from the first attempt of each body.
    pub give_up_after: Duration,
    /// The wait after the first failure without a Retry-After; doubles up to `longest_wait`.
    pub first_wait: Duration,
    /// No wait is longer, whatever Retry-After says.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            give_up_after: Duration::from_secs(300),
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// A body on its way, with whatever its sender wants to remember about it.
pub struct Parcel<T> {
    pub call: Call,
    pub tag: T,
}

/// What became of a parcel: the server took it.
pub struct Delivered<T> {
    pub tag: T,
    pub answer: Answer,
}

/// Why a parcel could not be delivered. What was not confirmed must be sent again.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the server refused a request to {path} with {status}: {message}")]
    Refused { path: String, status: StatusCode, message: String },
    #[error("gave up after {} s; the last trouble: {trouble}", after.as_secs())]
    GaveUp { after: Duration, trouble: String },
    #[error("cannot start the sending thread: {0}")]
    Thread(std::io::Error),
    #[error("sending ended early")]
    Ended,
}

/// Sends parcels from a thread of its own. Delivered ones come back in any order.
pub struct Courier<T> {
    parcels: Option<mpsc::Sender<Parcel<T>>>,
    done: done::Receiver<Result<Delivered<T>, Undelivered>>,
}

impl<T: Send + 'static> Courier<T> {
    /// Opens up to `connections` connections. The thread ends when the courier is closed or dropped.
    pub fn start(address: &Address, connections: usize, patience: Patience) -> Result<Courier<T>, Undelivered> {
        // One body waiting for each connection keeps all of them busy.
        let (parcels, waiting) = mpsc::channel(connections);
        let (report, done) = done::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Undelivered::Thread)?;
        let address = address.clone();
        let work = move || {
            runtime.block_on(async {
                let waiting = Arc::new(Mutex::new(waiting));
                let mut workers = tokio::task::JoinSet::new();
                for _ in 0..connections {
                    workers.spawn(worker(Line::to(address.clone()), waiting.clone(), report.clone(), patience));
                }
                drop(report);
                workers.join_all().await;
            });
        };
        std::thread::Builder::new().name("courier".to_owned()).spawn(work).map_err(Undelivered::Thread)?;
        Ok(Courier { parcels: Some(parcels), done })
    }

    /// Hands over a parcel; waits until a connection has room for it.
    pub fn send(&mut self, parcel: Parcel<T>) -> Result<(), Undelivered> {
        let taken = self.parcels.as_ref().is_some_and(|parcels| parcels.blocking_send(parcel).is_ok());
        if taken { Ok(()) } else { Err(Undelivered::Ended) }
    }

    /// What was delivered meanwhile; does not wait. A failure comes once, and nothing is sent after it.
    pub fn arrived(&mut self) -> Option<Result<Delivered<T>, Undelivered>> {
        self.done.try_recv().ok()
    }

    /// Takes no more parcels and waits for the next one delivered; `None` when all are.
    pub fn last_ones(&mut self) -> Option<Result<Delivered<T>, Undelivered>> {
        self.parcels = None;
        self.done.recv().ok()
    }
}

async fn worker<T>(
    mut line: Line,
    waiting: Arc<Mutex<mpsc::Receiver<Parcel<T>>>>,
    report: done::Sender<Result<Delivered<T>, Undelivered>>,
    patience: Patience,
) {
    loop {
        let Some(parcel) = waiting.lock().await.recv().await else { return };
        let outcome = deliver(&mut line, &parcel.call, patience).await;
        let failed = outcome.is_err();
        if failed {
            waiting.lock().await.close();
        }
        let heard = report.send(outcome.map(|answer| Delivered { tag: parcel.tag, answer })).is_ok();
        if failed || !heard {
            return;
        }
    }
}

async fn deliver(line: &mut Line, call: &Call, patience: Patience) -> Result<Answer, Undelivered> {
    let started = Instant::now();
    let mut wait = patience.first_wait;
    loop {
        let (trouble, told) = match line.ask(call).await {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) if is_busy(answer.status) => {
                (format!("{}: {}", answer.status, said(&answer)), told_wait(&answer))
            }
            Ok(answer) => {
                let path = call.path.clone();
                return Err(Undelivered::Refused { path, status: answer.status, message: said(&answer) });
            }
            Err(error) if error.may_pass() => (error.to_string(), None),
            Err(error) => return Err(error.into()),
        };
        let pause = told.unwrap_or(wait).min(patience.longest_wait);
        if started.elapsed() + pause > patience.give_up_after {
            return Err(Undelivered::GaveUp { after: started.elapsed(), trouble });
        }
        tokio::time::sleep(pause).await;
        wait = (wait * 2).min(patience.longest_wait);
    }
}

/// Statuses that say "later" rather than "no": what Segment's own SDKs retry.
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429) || (status.is_server_error() && !matches!(status.as_u16(), 501 | 505))
}

fn told_wait(answer: &Answer) -> Option<Duration> {
    answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The message of an error answer, or its first characters where it has none.
pub fn said(answer: &Answer) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("message")?.as_str().map(str::to_owned));
    message.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::Key;
    use crate::cli::fake_server::{FakeServer, Reply};
    use hyper::Method;
    use std::sync::atomic::{AtomicU32, Ordering};

    const QUICK: Patience = Patience {
        give_up_after: Duration::from_secs(20),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_secs(5),
    };

    fn parcel(tag: u32) -> Parcel<u32> {
        let key = Key("secret-1".into());
        Parcel { call: Call { method: Method::POST, path: "/v1/batch".into(), key, body: tag.to_string().into() }, tag }
    }

    fn everything(courier: &mut Courier<u32>) -> (Vec<u32>, Option<Undelivered>) {
        let (mut tags, mut failure) = (Vec::new(), None);
        while let Some(outcome) = courier.last_ones() {
            match outcome {
                Ok(delivered) => tags.push(delivered.tag),
                Err(error) => failure = Some(error),
            }
        }
        tags.sort_unstable();
        (tags, failure)
    }

    #[test]
    fn every_parcel_arrives_once_though_the_server_is_busy() {
        let asked = AtomicU32::new(0);
        let server = FakeServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => Reply::json(503, r#"{"message":"full"}"#).with("retry-after", "0"),
            1 => Reply::json(429, "{}").with("retry-after", "0"),
            _ => Reply::json(200, r#"{"success":true}"#),
        });
        let mut courier = Courier::start(&server.address(), 4, QUICK).unwrap();
        for tag in 0..30 {
            courier.send(parcel(tag)).unwrap();
        }
        let (tags, failure) = everything(&mut courier);
        assert_eq!(tags, (0..30).collect::<Vec<_>>());
        assert!(failure.is_none());
        assert!(server.requests().iter().all(|asked| asked.header("statsig-api-key") == Some("secret-1")));
    }

    #[test]
    fn retry_after_is_waited_for() {
        let asked = AtomicU32::new(0);
        let server = FakeServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::json(503, "{}").with("retry-after", "1"),
            _ => Reply::json(200, "{}"),
        });
        let started = Instant::now();
        let mut courier = Courier::start(&server.address(), 1, QUICK).unwrap();
        courier.send(parcel(1)).unwrap();
        assert_eq!(everything(&mut courier).0, [1]);
        assert!(started.elapsed() >= Duration::from_secs(1));
    }

    #[test]
    fn a_refusal_ends_it_with_the_servers_words() {
        let server =
            FakeServer::start(|_| Reply::json(401, r#"{"code":"unknown_key","message":"the key is unknown"}"#));
        let mut courier = Courier::start(&server.address(), 2, QUICK).unwrap();
        courier.send(parcel(1)).unwrap();
        let (tags, failure) = everything(&mut courier);
        assert!(tags.is_empty());
        let text = failure.unwrap().to_string();
        assert_eq!(text, "the server refused a request to /v1/batch with 401 Unauthorized: the key is unknown");
    }

    #[test]
    fn patience_ends() {
        let server = FakeServer::start(|_| Reply::json(507, r#"{"message":"no room"}"#).with("retry-after", "0"));
        let short = Patience { give_up_after: Duration::from_millis(50), ..QUICK };
        let mut courier = Courier::start(&server.address(), 1, short).unwrap();
        courier.send(parcel(1)).unwrap();
        let text = everything(&mut courier).1.unwrap().to_string();
        assert!(text.starts_with("gave up after 0 s; the last trouble: 507"), "{text}");
        assert!(text.ends_with("no room"), "{text}");
    }
}
