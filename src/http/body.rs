//! Reads a request's body into one buffer, within bounds: bytes, inflated bytes, time, pace, and the memory of all
//! bodies together. Never looks at what the bytes mean, and ignores the Content-Type: SDKs put anything there.

use super::encoding::Encoding;
use super::limits::BodyLimits;
use super::reply::Reply;
use crate::meters::Meters;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::header::HeaderMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::time::{Instant, sleep_until};

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefusal {
    #[error("the body is larger than {limit} bytes; send fewer events in one request")]
    TooLarge { limit: usize },
    #[error("the body is larger than {limit} bytes once inflated; send fewer events in one request")]
    TooLargeInflated { limit: usize },
    #[error(
        "the body inflates to more than {} times its size; send fewer like events in one request",
        BodyLimits::INFLATE_RATIO
    )]
    InflatesTooMuch,
    #[error("the gzip body ends too early; send the whole of it")]
    TruncatedGzip,
    #[error("the body is not valid gzip; send it as it is, or compress it again")]
    BadGzip,
    #[error("the zstd body ends too early; send the whole of it")]
    TruncatedZstd,
    #[error(
        "the body is not valid zstd, or needs a window over {} MiB; send it as it is, or compress it again at a lower level",
        (1u64 << BodyLimits::ZSTD_WINDOW_LOG) >> 20
    )]
    BadZstd,
    #[error("the body is not reversed base64, which `se=1` announces; send it as it is, without `se`")]
    BadBase64,
    #[error("this content encoding is not supported; use gzip, zstd or none")]
    UnsupportedEncoding,
    #[error("the body did not arrive in time; send it again, or fewer events at once")]
    Slow,
    #[error("the body broke off, or its framing is wrong; send it again")]
    BrokenOff,
    #[error("too many bodies are being read at the same time; send it again in a second")]
    Crowded,
}

impl BodyRefusal {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            BodyRefusal::TooLarge { .. } | BodyRefusal::TooLargeInflated { .. } => "body_too_large",
            BodyRefusal::InflatesTooMuch => "inflates_too_much",
            BodyRefusal::TruncatedGzip | BodyRefusal::BadGzip => "bad_gzip",
            BodyRefusal::TruncatedZstd | BodyRefusal::BadZstd => "bad_zstd",
            BodyRefusal::BadBase64 => "bad_base64",
            BodyRefusal::UnsupportedEncoding => "unsupported_encoding",
            BodyRefusal::Slow => "body_timeout",
            BodyRefusal::BrokenOff => "body_broken_off",
            BodyRefusal::Crowded => "overloaded",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            BodyRefusal::TooLarge { .. } | BodyRefusal::TooLargeInflated { .. } | BodyRefusal::InflatesTooMuch => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            BodyRefusal::TruncatedGzip
            | BodyRefusal::BadGzip
            | BodyRefusal::TruncatedZstd
            | BodyRefusal::BadZstd
            | BodyRefusal::BadBase64
            | BodyRefusal::BrokenOff => StatusCode::BAD_REQUEST,
            BodyRefusal::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyRefusal::Slow => StatusCode::REQUEST_TIMEOUT,
            BodyRefusal::Crowded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The whole answer.
    pub fn reply(&self) -> Reply {
        let reply = Reply::error(self.status(), self.code(), &self.to_string());
        match self {
            // Read to the end: the connection can go on.
            BodyRefusal::TooLargeInflated { .. }
            | BodyRefusal::InflatesTooMuch
            | BodyRefusal::TruncatedGzip
            | BodyRefusal::BadGzip
            | BodyRefusal::TruncatedZstd
            | BodyRefusal::BadZstd
            | BodyRefusal::BadBase64 => reply,
            BodyRefusal::Crowded => reply.retry_after(1).closing(),
            BodyRefusal::TooLarge { .. }
            | BodyRefusal::UnsupportedEncoding
            | BodyRefusal::Slow
            | BodyRefusal::BrokenOff => reply.closing(),
        }
    }
}

/// Reads bodies, and knows how much memory all of them hold. One for the whole process.
#[derive(Debug)]
pub struct Bodies {
    limits: BodyLimits,
    held: AtomicUsize,
    meters: Arc<Meters>,
}

/// A body, read and decoded. Gives its memory back when dropped.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    _held: Held,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub fn new(limits: BodyLimits, meters: Arc<Meters>) -> Arc<Bodies> {
        Arc::new(Bodies { limits, held: AtomicUsize::new(0), meters })
    }

    /// Reads one body to its end and inflates it if it is gzip or zstd.
    ///
    /// A body that announces more than is allowed is refused before a byte of it is read, so that a client that sent
    /// `Expect: 100-continue` never sends it.
    pub async fn read(self: &Arc<Self>, headers: &HeaderMap, incoming: Incoming) -> Result<Body, BodyRefusal> {
        self.read_as(Encoding::of(headers)?, incoming).await
    }

    /// As `read`, for the paths that Statsig's SDKs call: they announce encodings in the query too, `gz=1` for gzip and
    /// `se=1` for reversed base64.
    pub async fn read_statsig(
        self: &Arc<Self>,
        headers: &HeaderMap,
        query: Option<&str>,
        incoming: Incoming,
    ) -> Result<Body, BodyRefusal> {
        self.read_as(Encoding::of_statsig(headers, query)?, incoming).await
    }

    async fn read_as(self: &Arc<Self>, encoding: Encoding, incoming: Incoming) -> Result<Body, BodyRefusal> {
        let mut held = Held { bodies: self.clone(), bytes: 0 };
        let wire = self.receive(incoming, &mut held).await?;
        self.meters.body_bytes.add(wire.len() as u64);
        let Some(decoded) = encoding.decode(&wire, &self.limits)? else {
            return Ok(Body { bytes: wire, _held: held });
        };
        self.meters.inflated_bytes.add(decoded.len() as u64);
        // The encoded bytes go as the decoded ones come.
        held.grow(decoded.len())?;
        held.shrink(wire.len());
        Ok(Body { bytes: decoded, _held: held })
    }

    async fn receive(&self, mut incoming: Incoming, held: &mut Held) -> Result<Vec<u8>, BodyRefusal> {
        let limit = self.limits.bytes;
        let announced = incoming.size_hint().exact();
        if announced.is_some_and(|bytes| bytes > limit as u64) {
            return Err(BodyRefusal::TooLarge { limit });
        }
        // The capacity is only address space until bytes come; what is held is counted as it comes, so that nobody can
        // occupy memory by announcing a body.
        let mut bytes = Vec::with_capacity(announced.map_or(0, |bytes| bytes as usize));
        let started = Instant::now();
        let mut before_window = 0;
        let mut window = std::pin::pin!(sleep_until(started + self.limits.window.min(self.limits.time)));
        loop {
            let frame = tokio::select! {
                biased;
                frame = incoming.frame() => frame,
                () = window.as_mut() => {
                    let elapsed = started.elapsed();
                    if elapsed >= self.limits.time || bytes.len() - before_window < BodyLimits::WINDOW_BYTES {
                        self.meters.timeouts_body.increment();
                        return Err(BodyRefusal::Slow);
                    }
                    before_window = bytes.len();
                    window.as_mut().reset(started + (elapsed + self.limits.window).min(self.limits.time));
                    continue;
                }
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Ok(bytes),
                Some(Err(_)) => return Err(BodyRefusal::BrokenOff),
                // Trailers mean nothing here.
                Some(Ok(Err(_))) => {}
                Some(Ok(Ok(data))) => self.append(&mut bytes, &data, held)?,
            }
        }
    }

    fn append(&self, bytes: &mut Vec<u8>, data: &Bytes, held: &mut Held) -> Result<(), BodyRefusal> {
        let limit = self.limits.bytes;
        if data.len() > limit - bytes.len() {
            return Err(BodyRefusal::TooLarge { limit });
        }
        held.grow(data.len())?;
        bytes.extend_from_slice(data);
        Ok(())
    }
}

/// A share of the memory for bodies.
#[derive(Debug)]
struct Held {
    bodies: Arc<Bodies>,
    bytes: usize,
}

impl Held {
    fn grow(&mut self, bytes: usize) -> Result<(), BodyRefusal> {
        let before = self.bodies.held.fetch_add(bytes, Relaxed);
        self.bytes += bytes;
        self.bodies.meters.body_memory.raise(bytes as u64);
        // What was taken in vain is given back with the rest when this is dropped.
        if before + bytes > self.bodies.limits.memory_bytes { Err(BodyRefusal::Crowded) } else { Ok(()) }
    }

    fn shrink(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.bodies.held.fetch_sub(bytes, Relaxed);
        self.bodies.meters.body_memory.lower(bytes as u64);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
