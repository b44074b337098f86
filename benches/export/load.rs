//! The load: bodies that were made beforehand over many connections, as fast as answers come or at a rate. Reads of an answer
//! its status and length, so that the cores are the server's.

use crate::bodies;
use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir::cli::load::Histogram;

/// Events in a body of the load.
pub const BATCH: u64 = 100;
const CONNECTIONS: usize = 32;
/// Bodies of a connection, which it sends in turn.
const BODIES: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Segment,
    Statsig,
}

impl Traffic {
    pub fn word(self) -> &'static str {
        match self {
            Traffic::Segment => "segment",
            Traffic::Statsig => "statsig",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Traffic::Segment => "/v1/batch",
            Traffic::Statsig => "/v1/log_event",
        }
    }
}

/// What a load came to.
#[derive(Default)]
pub struct Load {
    pub requests: u64,
    pub seconds: f64,
    pub latency: Histogram,
}

impl Load {
    pub fn events_per_second(&self) -> f64 {
        (self.requests * BATCH) as f64 / self.seconds
    }
}

/// A request, and where in it a session's number stands.
struct Prepared {
    bytes: Vec<u8>,
    session: Option<usize>,
}

fn prepare(traffic: Traffic, key: &str, body: &[u8]) -> Prepared {
    let mut bytes = format!(
        "POST {} HTTP/1.1\r\nhost: weir\r\nstatsig-api-key: {key}\r\ncontent-length: {}\r\n\r\n",
        traffic.path(),
        body.len()
    )
    .into_bytes();
    let session = bodies::session(body).map(|at| at + bytes.len());
    bytes.extend_from_slice(body);
    Prepared { bytes, session }
}

/// Loads a server for a while. With a rate, of events a second, latency counts from when a request was due.
pub fn run(
    address: SocketAddr,
    key: &str,
    traffic: Traffic,
    rate: Option<f64>,
    duration: Duration,
) -> anyhow::Result<Load> {
    let made: Vec<Vec<Prepared>> = (0..CONNECTIONS as u64)
        .map(|connection| {
            let bodies = (0..BODIES).map(|nth| (connection * BODIES + nth) * BATCH).map(|from| match traffic {
                Traffic::Segment => bodies::segment(from, BATCH),
                Traffic::Statsig => bodies::statsig(from, BATCH),
            });
            bodies.map(|body| prepare(traffic, key, &body)).collect()
        })
        .collect();
    let interval = rate.map(|rate| Duration::from_secs_f64(CONNECTIONS as f64 * BATCH as f64 / rate));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let end = started + duration;
    let parts = runtime.block_on(try_join_all(made.into_iter().enumerate().map(|(nth, requests)| {
        let due = interval.map(|interval| started + interval.mul_f64(nth as f64 / CONNECTIONS as f64));
        converse(address, nth as u64, requests, due.zip(interval), end)
    })))?;
    let mut load = Load { seconds: started.elapsed().as_secs_f64(), ..Load::default() };
    for part in parts {
        load.requests += part.requests;
        load.latency.merge(&part.latency);
    }
    Ok(load)
}

async fn converse(
    address: SocketAddr,
    connection: u64,
    mut requests: Vec<Prepared>,
    mut schedule: Option<(Instant, Duration)>,
    end: Instant,
) -> anyhow::Result<Load> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut load, mut read, mut sent) = (Load::default(), Vec::with_capacity(4096), 0);
    loop {
        let due = match &mut schedule {
            None => Instant::now(),
            Some((due, interval)) => {
                let now = *due;
                *due += *interval;
                tokio::time::sleep_until(now.into()).await;
                now
            }
        };
        if due >= end || Instant::now() >= end {
            return Ok(load);
        }
        let place = sent as usize % requests.len();
        let Prepared { bytes, session } = &mut requests[place];
        if let Some(session) = *session {
            bodies::renew(bytes, session, (connection << 40) + sent);
        }
        sent += 1;
        answer(&mut stream, bytes, &mut read).await?;
        load.latency.record(due.elapsed());
        load.requests += 1;
    }
}

/// Sends a request and reads its whole answer.
async fn answer(stream: &mut TcpStream, request: &[u8], read: &mut Vec<u8>) -> anyhow::Result<()> {
    read.clear();
    stream.write_all(request).await?;
    loop {
        ensure!(stream.read_buf(read).await? > 0, "the server closed the connection");
        let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&read[..end])?;
        let is_taken = head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 202");
        ensure!(is_taken, "{head} {}", String::from_utf8_lossy(&read[end + 4..]));
        let length = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        if read.len() >= end + 4 + length.context("an answer without a length")?? {
            return Ok(());
        }
    }
}

/// Logs so many events, each once, over a few connections.
pub fn fill(address: SocketAddr, key: &str, events: u64) -> anyhow::Result<()> {
    const TOGETHER: u64 = 1000;
    const LANES: u64 = 8;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_join_all((0..LANES).map(|lane| async move {
        let mut stream = TcpStream::connect(address).await?;
        let mut read = Vec::new();
        for from in (lane * TOGETHER..events).step_by((LANES * TOGETHER) as usize) {
            let body = bodies::statsig(from, TOGETHER.min(events - from));
            answer(&mut stream, &prepare(Traffic::Statsig, key, &body).bytes, &mut read).await?;
        }
        anyhow::Ok(())
    })))?;
    Ok(())
}
