//! A load of requests that were made beforehand: each connection sends one and waits for its answer. Reads of an answer its
//! status and length, so that the cores are the server's.

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir::cli::load::Histogram;

const READ_BYTES: usize = 256 * 1024;

/// What a load came to.
#[derive(Default)]
pub struct Load {
    pub requests: u64,
    pub seconds: f64,
    /// Of heads and bodies of all answers.
    pub bytes: u64,
    pub latency: Histogram,
}

/// Sends `requests` in turn over so many connections until the time is over.
pub fn run(address: SocketAddr, requests: &[Vec<u8>], connections: usize, duration: Duration) -> anyhow::Result<Load> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(connections);
    let started = Instant::now();
    let end = started + duration;
    let shares: Vec<anyhow::Result<Vec<Load>>> = std::thread::scope(|scope| {
        let share = |thread: usize| {
            let mine = (thread..connections).step_by(threads);
            move || -> anyhow::Result<Vec<Load>> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(try_join_all(mine.map(|first| converse(address, requests, first, end))))
            }
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        running.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut load = Load { seconds: started.elapsed().as_secs_f64(), ..Load::default() };
    for share in shares {
        for part in share? {
            load.requests += part.requests;
            load.bytes += part.bytes;
            load.latency.merge(&part.latency);
        }
    }
    Ok(load)
}

async fn converse(address: SocketAddr, requests: &[Vec<u8>], first: usize, end: Instant) -> anyhow::Result<Load> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut load, mut read, mut next) = (Load::default(), Vec::with_capacity(READ_BYTES), first);
    while Instant::now() < end {
        let sent = Instant::now();
        answer(&mut stream, &requests[next % requests.len()], &mut read).await?;
        load.latency.record(sent.elapsed());
        load.requests += 1;
        load.bytes += read.len() as u64;
        // A step that shares no divisor with the number of requests: connections do not ask the same in step.
        next += 61;
    }
    Ok(load)
}

/// Sends a request and reads its whole answer into `read`.
async fn answer(stream: &mut TcpStream, request: &[u8], read: &mut Vec<u8>) -> anyhow::Result<()> {
    read.clear();
    stream.write_all(request).await?;
    let mut whole = usize::MAX;
    while read.len() < whole {
        ensure!(stream.read_buf(read).await? > 0, "the server closed the connection");
        if whole == usize::MAX {
            whole = length(read)?.unwrap_or(usize::MAX);
        }
    }
    ensure!(read.len() == whole, "the server sent more than one answer");
    Ok(())
}

/// Bytes of head and body once the head is there. Any answer but 200 is an error.
fn length(read: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{} {}", head, String::from_utf8_lossy(&read[end + 4..]));
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some(end + 4 + length.context("an answer without a length")??))
}

/// One request's answer as it came over the wire.
pub fn once(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut read = Vec::with_capacity(READ_BYTES);
        answer(&mut TcpStream::connect(address).await?, request, &mut read).await?;
        Ok(read)
    })
}
