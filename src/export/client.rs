//! The way out: one kept connection to a destination, plain or TLS, with a deadline for a whole attempt and a bound on
//! the reply. Never follows a redirect, never repeats a request, never tells more of an address than its host.

mod failure;
mod trust;

pub use failure::Failure;
pub use trust::{Trust, TrustError};

use super::destination::Call;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use std::time::Duration;

/// What is read of a reply; nobody needs more to see what a destination says.
pub const REPLY_BYTES: usize = 64 << 10;

/// How long a connection is kept that nothing is sent over: less than the minute after which load balancers drop one.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Tells a destination that this is not the first attempt, as Segment's SDKs do.
const RETRY_COUNT: &str = "x-retry-count";

/// What a destination said.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `REPLY_BYTES` of it.
    pub body: Bytes,
}

/// Sends requests to one destination.
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    trust: Arc<Trust>,
    deadline: Duration,
}

impl Client {
    /// `deadline` is for an attempt, from connecting to the last byte of the reply.
    pub fn new(trust: Arc<Trust>, deadline: Duration) -> Client {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(trust.config())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .pool_max_idle_per_host(1)
            .build(https);
        Client { inner, trust, deadline }
    }

    /// Posts a call, as the attempt with this number (1 is the first), and reads the reply.
    pub async fn post(&self, call: &Call, attempt: u32) -> Result<Reply, Failure> {
        let secure = call.uri.scheme_str() == Some("https");
        if secure && !self.trust.has_roots() {
            return Err(Failure::no_roots());
        }
        match tokio::time::timeout(self.deadline, self.exchange(call, attempt)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::timed_out(&host(&call.uri), self.deadline)),
        }
    }

    async fn exchange(&self, call: &Call, attempt: u32) -> Result<Reply, Failure> {
        let failed = |error: &(dyn std::error::Error + 'static)| Failure::of(&host(&call.uri), error);
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = call.uri.clone();
        *request.headers_mut() = call.headers.clone();
        if attempt > 1 {
            request.headers_mut().insert(RETRY_COUNT, HeaderValue::from(attempt - 1));
        }
        let response = self.inner.request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = read(response).await.map_err(|error| failed(&error))?;
        Ok(Reply { status: head.status, headers: head.headers, body })
    }
}

async fn read(response: Response<Incoming>) -> Result<(hyper::http::response::Parts, Bytes), hyper::Error> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while body.len() < REPLY_BYTES {
        let Some(frame) = incoming.frame().await else { break };
        if let Ok(data) = frame?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    body.truncate(REPLY_BYTES);
    Ok((head, body.freeze()))
}

/// Host and port: all that is told of an address.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("no host");
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
