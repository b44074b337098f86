//! One thread of the generator: a share of the connections on one current-thread runtime. Writes requests to the socket
//! itself, because a general HTTP client would take a good part of the cores that the measured server needs.

use super::answer::{self, Answer};
use super::corpus::{Corpus, KINDS};
use super::outcome::Tally;
use super::pace::{Pace, Turn};
use crate::clock::Clock;
use crate::event::Kind;
use base64::Engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use serde::Deserialize;
use std::cell::RefCell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// An answer that takes longer counts as lost.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to connect again.
const RECONNECT: Duration = Duration::from_millis(50);
/// With retries: where the server does not say when to come again.
const DEFAULT_RETRY_AFTER: u32 = 1;
/// Room for the length in a head that was made beforehand; more digits than a body can have.
const LENGTH_DIGITS: usize = 10;

/// What the connections of one thread share.
pub struct Lane<'a> {
    pub address: SocketAddr,
    pub heads: &'a Heads,
    pub pace: &'a Pace,
    pub clock: &'a dyn Clock,
    pub corpus: RefCell<Corpus>,
    pub tally: RefCell<Tally>,
    pub batch: u32,
    pub retry: bool,
}

/// The request heads, made once; they end where the length's digits go.
#[derive(Debug)]
pub struct Heads {
    batch: Vec<u8>,
    single: [Vec<u8>; KINDS.len()],
    pub gzip: bool,
}

impl Heads {
    pub fn new(host: &str, key: &str, gzip: bool) -> Heads {
        let authorization = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        let encoding = if gzip { "content-encoding: gzip\r\n" } else { "" };
        let head = |call: &str| {
            format!(
                "POST /v1/{call} HTTP/1.1\r\nhost: {host}\r\nauthorization: Basic {authorization}\r\n\
                 content-type: application/json\r\nuser-agent: weir-load/{}\r\n{encoding}content-length: ",
                env!("CARGO_PKG_VERSION")
            )
            .into_bytes()
        };
        Heads { batch: head("batch"), single: KINDS.map(|kind| head(kind.as_str())), gzip }
    }

    fn single(&self, kind: Kind) -> &[u8] {
        KINDS.iter().position(|k| *k == kind).map_or(&self.batch, |at| &self.single[at])
    }
}

/// How an exchange failed.
enum Lost {
    /// The connection broke; the word it is counted under, and what the system said.
    Broken(&'static str, String),
    TimedOut,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        Lost::Broken("connection lost", error.to_string())
    }
}

impl Lane<'_> {
    /// Drives all connections of the thread until the pace says that it is over.
    pub async fn run(&self, connections: Vec<std::net::TcpStream>) -> io::Result<()> {
        let connections = connections.into_iter().map(TcpStream::from_std).collect::<io::Result<Vec<_>>>()?;
        join_all(connections.into_iter().map(|stream| self.converse(stream))).await;
        Ok(())
    }

    async fn converse(&self, stream: TcpStream) {
        let mut stream = Some(stream);
        let (mut body, mut request, mut read) = (Vec::new(), Vec::new(), Vec::with_capacity(4096));
        while let Some(turn) = self.pace.turn().await {
            body.clear();
            let kind = self.render(turn, &mut body);
            request.clear();
            self.frame(kind, &body, &mut request);
            let wire_bytes = request.len() as u64;
            loop {
                let Some(mut open) = self.connected(stream.take()).await else { break };
                let outcome = timeout(PATIENCE, exchange(&mut open, &request, &mut read)).await;
                let again = match outcome.unwrap_or(Err(Lost::TimedOut)) {
                    Ok(answer) => {
                        if !answer.close {
                            stream = Some(open);
                        }
                        self.judge(turn, &answer, body.len() as u64, wire_bytes)
                    }
                    Err(lost) => {
                        let (name, detail) = match lost {
                            Lost::Broken(name, detail) => (name, detail),
                            Lost::TimedOut => ("no answer in time", format!("{} s", PATIENCE.as_secs())),
                        };
                        self.tally.borrow_mut().error(name.to_owned(), || detail);
                        self.retry.then_some(Duration::ZERO)
                    }
                };
                // The same ids are sent again, so that the server can tell a duplicate.
                let Some(wait) = again.filter(|_| !self.pace.is_over()) else { break };
                self.tally.borrow_mut().retries += 1;
                sleep(wait).await;
            }
        }
    }

    /// Counts an answer; says after which wait to send the same again, if at all.
    fn judge(&self, turn: Turn, answer: &Answer<'_>, bytes: u64, wire_bytes: u64) -> Option<Duration> {
        let mut tally = self.tally.borrow_mut();
        if answer.status == 200 {
            let rejected = rejected(answer.body).min(turn.events as u64);
            tally.requests += 1;
            tally.events += turn.events as u64 - rejected;
            tally.rejected += rejected;
            tally.bytes += bytes;
            tally.wire_bytes += wire_bytes;
            tally.latency.record(turn.due.elapsed());
            return None;
        }
        tally.error(answer.status.to_string(), || String::from_utf8_lossy(answer.body).chars().take(300).collect());
        let wait = Duration::from_secs(answer.retry_after.unwrap_or(DEFAULT_RETRY_AFTER).into());
        (self.retry && matches!(answer.status, 429 | 503)).then_some(wait)
    }

    /// The connection as it is, or a new one; `None` if the run ended before one could be made.
    async fn connected(&self, stream: Option<TcpStream>) -> Option<TcpStream> {
        if stream.is_some() {
            return stream;
        }
        loop {
            match TcpStream::connect(self.address).await.and_then(|s| s.set_nodelay(true).map(|()| s)) {
                Ok(stream) => return Some(stream),
                Err(error) => self.tally.borrow_mut().error("cannot connect".to_owned(), || error.to_string()),
            }
            if self.pace.is_over() {
                return None;
            }
            sleep(RECONNECT).await;
        }
    }

    /// Fills the body; tells the kind of a single event.
    fn render(&self, turn: Turn, body: &mut Vec<u8>) -> Option<Kind> {
        /// A browser sends an event within this of its happening.
        const SINGLE_SPREAD_MS: u32 = 50;
        let mut corpus = self.corpus.borrow_mut();
        let now = self.clock.now();
        if self.batch == 1 {
            return Some(corpus.event(now, SINGLE_SPREAD_MS, body));
        }
        corpus.batch(now, turn.events, body);
        None
    }

    /// Puts head and body into one buffer, so that a request is one write. The length's digits are padded with blanks, which
    /// HTTP allows before a value.
    fn frame(&self, kind: Option<Kind>, body: &[u8], request: &mut Vec<u8>) {
        request.extend_from_slice(kind.map_or(&self.heads.batch, |kind| self.heads.single(kind)));
        let digits_at = request.len();
        request.extend_from_slice(&[b' '; LENGTH_DIGITS]);
        request.extend_from_slice(b"\r\n\r\n");
        let body_at = request.len();
        if self.heads.gzip {
            let mut gzip = GzEncoder::new(std::mem::take(request), Compression::fast());
            // Writing to a Vec does not fail.
            let _ = gzip.write_all(body);
            *request = gzip.finish().unwrap_or_default();
        } else {
            request.extend_from_slice(body);
        }
        let digits = (request.len() - body_at).to_string();
        request[digits_at + LENGTH_DIGITS - digits.len()..digits_at + LENGTH_DIGITS].copy_from_slice(digits.as_bytes());
    }
}

/// Sends a request and reads its answer; `read` keeps it, and is the connection's only buffer.
async fn exchange<'r>(stream: &mut TcpStream, request: &[u8], read: &'r mut Vec<u8>) -> Result<Answer<'r>, Lost> {
    read.clear();
    stream.write_all(request).await?;
    while answer::parse(read).map_err(malformed)?.is_none() {
        if stream.read_buf(read).await? == 0 {
            return Err(Lost::Broken(
                "connection closed",
                "the server closed it before the answer was whole".to_owned(),
            ));
        }
    }
    // Parsed a second time because the borrow checker cannot see that the loop's answer would outlive it.
    match answer::parse(read).map_err(malformed)? {
        Some(answer) => Ok(answer),
        None => Err(Lost::Broken("connection closed", "the answer was not whole".to_owned())),
    }
}

fn malformed(error: answer::Malformed) -> Lost {
    Lost::Broken("malformed answer", error.to_string())
}

/// How many events a 200 lists as rejected.
fn rejected(body: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Reply {
        #[serde(default)]
        rejected: Vec<serde::de::IgnoredAny>,
    }
    if body == br#"{"success":true}"# {
        return 0;
    }
    serde_json::from_slice::<Reply>(body).map_or(0, |reply| reply.rejected.len() as u64)
}

/// CPU time of the calling thread, where Linux tells it.
pub fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// Opens the connections before the clock starts.
pub fn connect(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        streams.push(stream);
    }
    Ok(streams)
}
