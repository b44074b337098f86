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
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
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
    connection: Connection,
    /// Scheme, host and port that it leads to.
    to: String,
    since: Instant,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the connection at once: a farewell could wait for ever for who reads nothing.
    _task: JoinSet<hyper::Result<()>>,
}

type BoxError = Box<dyn Error + Send + Sync>;
type Answered = (Connection, Response<Incoming>);

impl Client {
    /// `deadline` is for an attempt, from connecting to the last byte of the reply.
    pub fn new(trust: Arc<Trust>, deadline: Duration) -> Client {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Shared by the addresses of a name, so that one that is dead leaves time for the next.
        http.set_connect_timeout(Some(deadline));
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
        let until = Instant::now() + self.deadline;
        let failed = |error: BoxError| Failure::of(&host(&call.uri), error.as_ref());
        let late = |_| Failure::timed_out(&host(&call.uri), self.deadline);
        let mut kept = self.kept.lock().await;
        let sent = timeout_at(until, self.send(&mut kept, call, attempt)).await.map_err(late)?;
        let (connection, response) = sent.map_err(failed)?;
        let (head, mut incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let is_whole = match timeout_at(until, read(&mut incoming, &mut body)).await {
            Ok(Ok(is_whole)) => is_whole,
            // The head has said that it is taken; what else there was to say does not make it untaken.
            _ if head.status.is_success() => false,
            Ok(Err(error)) => return Err(failed(error.into())),
            Err(elapsed) => return Err(late(elapsed)),
        };
        if is_whole {
            *kept = Some(Kept { connection, to: origin(&call.uri), since: Instant::now() });
        }
        Ok(Reply { status: head.status, headers: head.headers, body: body.freeze() })
    }

    /// The head of the reply, and what it came over.
    async fn send(&self, kept: &mut Option<Kept>, call: &Call, attempt: u32) -> Result<Answered, BoxError> {
        let to = origin(&call.uri);
        let mut request = request(call, attempt)?;
        // What is not put back is closed: the rest of a reply would be read as the next one.
        let mut usable = kept.take().filter(|kept| kept.to == to && kept.since.elapsed() < KEPT_FOR);
        loop {
            let is_kept = usable.is_some();
            let mut connection = match usable.take() {
                Some(kept) => kept.connection,
                None => self.connect(&call.uri).await?,
            };
            let unsent = if connection.sender.ready().await.is_ok() {
                match connection.sender.try_send_request(request).await {
                    Ok(response) => return Ok((connection, response)),
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

    async fn connect(&self, uri: &Uri) -> Result<Connection, BoxError> {
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(uri.clone()).await?;
        let (sender, connection) = http1::handshake(stream).await?;
        // What breaks it is told to whoever asks.
        let mut task = JoinSet::new();
        task.spawn(connection);
        Ok(Connection { sender, _task: task })
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

/// Whether all of a body was read; at most `REPLY_BYTES` of it is kept.
async fn read(incoming: &mut Incoming, body: &mut BytesMut) -> Result<bool, hyper::Error> {
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
    Ok(is_whole)
}

/// Where a connection leads.
fn origin(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), host(uri))
}

/// Host and port: all that is told of an address.
fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("no host");
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
