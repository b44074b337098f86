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
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower_service::Service;

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

/// Sends requests to one destination, one after the other.
pub struct Client {
    connector: HttpsConnector<HttpConnector>,
    /// Locked while a request is under way.
    kept: Mutex<Option<Kept>>,
    trust: Arc<Trust>,
    deadline: Duration,
}

/// A connection over which a reply came whole.
struct Kept {
    sender: SendRequest<Full<Bytes>>,
    /// Scheme, host and port that it leads to.
    to: String,
    since: Instant,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Client {
    /// `deadline` is for an attempt, from connecting to the last byte of the reply.
    pub fn new(trust: Arc<Trust>, deadline: Duration) -> Client {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(trust.config());
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        Client { connector, kept: Mutex::default(), trust, deadline }
    }

    /// Posts a call, as the attempt with this number (1 is the first), and reads the reply.
    pub async fn post(&self, call: &Call, attempt: u32) -> Result<Reply, Failure> {
        let secure = call.uri.scheme_str() == Some("https");
        if secure && !self.trust.has_roots() {
            return Err(Failure::no_roots());
        }
        match tokio::time::timeout(self.deadline, self.exchange(call, attempt)).await {
            Ok(result) => result.map_err(|error| Failure::of(&host(&call.uri), error.as_ref())),
            Err(_) => Err(Failure::timed_out(&host(&call.uri), self.deadline)),
        }
    }

    async fn exchange(&self, call: &Call, attempt: u32) -> Result<Reply, BoxError> {
        let mut kept = self.kept.lock().await;
        let to = format!("{}://{}", call.uri.scheme_str().unwrap_or_default(), host(&call.uri));
        let mut request = request(call, attempt)?;
        // What is not put back is closed: the rest of a reply would be read as the next one.
        let mut usable = kept.take().filter(|kept| kept.to == to && kept.since.elapsed() < KEPT_FOR);
        loop {
            let is_kept = usable.is_some();
            let mut sender = match usable.take() {
                Some(kept) => kept.sender,
                None => self.connect(&call.uri).await?,
            };
            let unsent = if sender.ready().await.is_ok() {
                match sender.try_send_request(request).await {
                    Ok(response) => {
                        let (reply, is_whole) = read(response).await?;
                        if is_whole {
                            *kept = Some(Kept { sender, to, since: Instant::now() });
                        }
                        return Ok(reply);
                    }
                    Err(mut error) => match error.take_message() {
                        Some(request) if is_kept => request,
                        _ => return Err(error.into_error().into()),
                    },
                }
            } else {
                request
            };
            if !is_kept {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
            }
            // The other side had closed the connection, and has seen nothing of the request.
            request = unsent;
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<SendRequest<Full<Bytes>>, BoxError> {
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(uri.clone()).await?;
        let (sender, connection) = http1::handshake(stream).await?;
        // Ends by itself when the sender is dropped; what breaks it is told to whoever asks.
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn request(call: &Call, attempt: u32) -> Result<Request<Full<Bytes>>, BoxError> {
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = Method::POST;
    let path = call.uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    *request.headers_mut() = call.headers.clone();
    request.headers_mut().insert(HOST, HeaderValue::try_from(host(&call.uri))?);
    if attempt > 1 {
        request.headers_mut().insert(RETRY_COUNT, HeaderValue::from(attempt - 1));
    }
    Ok(request)
}

/// The reply, and whether all of it was read.
async fn read(response: Response<Incoming>) -> Result<(Reply, bool), hyper::Error> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut is_whole = false;
    while body.len() <= REPLY_BYTES && !is_whole {
        match incoming.frame().await.transpose()?.map(|frame| frame.into_data()) {
            Some(Ok(data)) => body.extend_from_slice(&data),
            // Trailers.
            Some(Err(_)) => {}
            None => is_whole = true,
        }
    }
    body.truncate(REPLY_BYTES);
    Ok((Reply { status: head.status, headers: head.headers, body: body.freeze() }, is_whole))
}

/// Host and port: all that is told of an address.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("no host");
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
