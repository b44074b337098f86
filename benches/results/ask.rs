//! Requests to the server under measurement, one connection each. Measures the wall; CPU is the process's own.

use anyhow::Context;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// From before connecting to the last byte.
    pub took: Duration,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}

pub fn get(url: &str, path: &str, key: &str) -> anyhow::Result<Answer> {
    exchange(url, "GET", path, key, &[])
}

pub fn post(url: &str, path: &str, key: &str, body: &[u8]) -> anyhow::Result<Answer> {
    exchange(url, "POST", path, key, body)
}

fn exchange(url: &str, method: &str, path: &str, key: &str, body: &[u8]) -> anyhow::Result<Answer> {
    let host = url.strip_prefix("http://").context("not an http address")?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nstatsig-api-key: {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let started = Instant::now();
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.write_all(&request)?;
    let mut wire = Vec::with_capacity(1 << 20);
    stream.read_to_end(&mut wire)?;
    let took = started.elapsed();
    let end = memchr::memmem::find(&wire, b"\r\n\r\n").context("an answer without an end of its head")?;
    let head = std::str::from_utf8(&wire[..end])?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")?;
    Ok(Answer { status, body: wire.split_off(end + 4), took })
}
