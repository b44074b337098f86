//! What the bench asks of the console API: what a destination has still to get, and what is done with it.

use crate::process::Server;
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub const KEY: &str = "console-exportbench0000000000";

pub fn address(server: &Server) -> anyhow::Result<SocketAddr> {
    Ok(server.url.strip_prefix("http://").context("not an http address")?.parse()?)
}

fn ask(server: &Server, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(address(server)?)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "{method} /console/v1/{path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\nstatsig-api-key: {KEY}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    if !head.starts_with("HTTP/1.1 2") {
        bail!("{method} {path}: {head}\n{body}");
    }
    Ok(serde_json::from_str::<Value>(body).unwrap_or(Value::Null)["data"].take())
}

/// Does something with the Segment destination.
pub fn act(server: &Server, what: &str, body: &str) -> anyhow::Result<()> {
    ask(server, "POST", &format!("destinations/segment/{what}"), body).map(drop)
}

/// A number of the Segment destination's status.
pub fn number(server: &Server, path: &[&str]) -> anyhow::Result<u64> {
    let status = ask(server, "GET", "destinations/segment", "")?;
    let found = path.iter().fold(&status, |value, field| &value[*field]);
    found.as_u64().with_context(|| format!("no {path:?} in {status}"))
}
