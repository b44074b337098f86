//! HTTP by hand, so that it can be broken at any byte: requests read whole, replies written as they are told. Judges nothing.

use flate2::read::GzDecoder;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Instant;

/// A connection, encrypted or not.
pub trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

pub type Reader = BufReader<Box<dyn Stream>>;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// When the last byte of it was there.
    pub at: Instant,
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Inflated, if it came compressed.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn line(reader: &mut Reader) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads one request with a body of known length or in chunks.
pub fn read(reader: &mut Reader) -> io::Result<Request> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1")) = (words.next(), words.next(), words.next()) else {
        return Err(broken("not a request line of HTTP/1.1"));
    };
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request =
        Request { at: Instant::now(), method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() };
    let mut body = match request.header("transfer-encoding") {
        Some(_) => chunks(reader)?,
        None => {
            let length = request.header("content-length").unwrap_or("0").parse().map_err(|_| broken("no length"))?;
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            body
        }
    };
    match request.header("content-encoding") {
        None => {}
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
            body = plain;
        }
        Some(other) => return Err(broken(other)),
    }
    request.at = Instant::now();
    request.body = body;
    Ok(request)
}

fn chunks(reader: &mut Reader) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&line(reader)?, 16).map_err(|_| broken("no length of a chunk"))?;
        let start = body.len();
        body.resize(start + length, 0);
        reader.read_exact(&mut body[start..])?;
        line(reader)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// A reply in one piece.
pub fn reply(status: u16, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    head.into_bytes()
}
