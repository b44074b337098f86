//! Speaks HTTP/1.1 to a Weir server: one connection with deadlines, and a blocking client for commands that ask one
//! thing at a time. Knows no endpoint and never retries.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take; results over a large log are the slowest.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);
/// The longest answer that is read.
const ANSWER_BYTES: usize = 64 << 20;

/// Where a server is: `http://HOST:PORT`, nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why a text is not a server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a server's address; write http://127.0.0.1:8750 (without a path; TLS ends in front of a server)")]
pub struct NotAnAddress(String);

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Address, NotAnAddress> {
        let wrong = || NotAnAddress(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|authority| plain && !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(wrong)?;
        let port = match authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':')) {
            None => 80,
            Some(digits) => digits.parse().map_err(|_| wrong())?,
        };
        Ok(Address { host: authority.host().to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Who asks: a server, client or console key, or the token of a running server. Never printed.
#[derive(Clone)]
pub struct Key(pub String);

impl Key {
    /// The header that every door takes a key from.
    fn header(&self) -> Result<(HeaderName, HeaderValue), Unreachable> {
        let mut value = HeaderValue::from_str(&self.0).map_err(|_| Unreachable::Key)?;
        value.set_sensitive(true);
        Ok((HeaderName::from_static("statsig-api-key"), value))
    }
}

/// One request, ready to be sent as often as needed.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    /// Path and query, percent-encoded.
    pub path: String,
    pub key: Key,
    /// JSON; empty for none.
    pub body: Bytes,
}

/// What a server said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    #[error("cannot reach a server at {address}: {problem}; is `weir serve` running there?")]
    Connect { address: Address, problem: std::io::Error },
    #[error("the server at {address} did not answer within {} s", after.as_secs())]
    Late { address: Address, after: Duration },
    #[error("the connection to {address} broke: {problem}")]
    Broken { address: Address, problem: String },
    #[error("the answer of {address} is longer than {limit} bytes")]
    TooLong { address: Address, limit: usize },
    #[error("the key holds a character that cannot be sent")]
    Key,
    #[error("`{0}` is not a path that can be asked for")]
    Path(String),
}

impl Unreachable {
    /// Whether asking again can help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Unreachable::Connect { .. } | Unreachable::Late { .. } | Unreachable::Broken { .. })
    }
}

/// One connection to a server, opened when it is first needed and again after it broke.
pub struct Line {
    address: Address,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Line {
    pub fn to(address: Address) -> Line {
        Line { address, sender: None }
    }

    /// Asks and reads the whole answer. Needs a runtime with time and network enabled.
    pub async fn ask(&mut self, call: &Call) -> Result<Answer, Unreachable> {
        let late = Unreachable::Late { address: self.address.clone(), after: ANSWER_DEADLINE };
        match tokio::time::timeout(ANSWER_DEADLINE, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => {
                // The rest of a late answer would be read as the next one.
                self.sender = None;
                Err(late)
            }
        }
    }

    async fn exchange(&mut self, call: &Call) -> Result<Answer, Unreachable> {
        let request = self.request(call)?;
        // A kept connection may have been closed by the other side meanwhile.
        let kept = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Unreachable::TooLong { address: self.address.clone(), limit: ANSWER_BYTES }
            } else {
                self.broken(error.as_ref())
            }
        })?;
        self.sender = Some(sender);
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn request(&self, call: &Call) -> Result<hyper::Request<Full<Bytes>>, Unreachable> {
        let mut request = hyper::Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(header::HOST, format!("{}:{}", self.address.host, self.address.port));
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let (name, value) = call.key.header()?;
        request.header(name, value).body(Full::new(call.body.clone())).map_err(|_| Unreachable::Path(call.path.clone()))
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, Unreachable> {
        let unreachable = |problem| Unreachable::Connect { address: self.address.clone(), problem };
        let host = self.address.host.trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, self.address.port));
        let stream = tokio::time::timeout(CONNECT_DEADLINE, connecting)
            .await
            .map_err(|_| unreachable(std::io::ErrorKind::TimedOut.into()))?
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // Ends by itself when the sender is dropped; what breaks it is told to whoever asks.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static)) -> Unreachable {
        let mut problem = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            problem = format!("{problem}: {inner}");
            cause = inner.source();
        }
        Unreachable::Broken { address: self.address.clone(), problem }
    }
}

/// Asks one thing at a time and waits for the answer.
pub struct Client {
    address: Address,
    key: Key,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub fn new(address: Address, key: Key) -> std::io::Result<Client> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Client { address, key, runtime })
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one request over a connection of its own. Any status is an answer.
    pub fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Answer, Unreachable> {
        let call = Call { method, path: path.to_owned(), key: self.key.clone(), body: body.into() };
        self.runtime.block_on(Line::to(self.address.clone()).ask(&call))
    }
}

/// A text as one segment of a path or one value of a query.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
                encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_server::{FakeServer, Reply};

    #[test]
    fn an_address_is_read_or_refused() {
        for (text, shown) in [
            ("http://127.0.0.1:8750", "http://127.0.0.1:8750"),
            ("http://127.0.0.1:8750/", "http://127.0.0.1:8750"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("http://weir.internal", "http://weir.internal:80"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in
            ["", "127.0.0.1:8750", "https://a", "http://a/b", "http://a?b", "http://u@a", "http://a:99999", "http://a:"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_can_stand_in_a_path() {
        assert_eq!(percent_encoded("new checkout/ü?"), "new%20checkout%2F%C3%BC%3F");
        assert_eq!(percent_encoded("a-b_c.d~9"), "a-b_c.d~9");
    }

    #[test]
    fn a_request_carries_its_key_and_body_and_brings_the_answer_back() {
        let server = FakeServer::start(|_| Reply::json(403, r#"{"success":false}"#));
        let client = Client::new(server.address(), Key("console-1".into())).unwrap();
        let answer = client.request(Method::POST, "/console/v1/keys?x=1", "{}").unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (403, br#"{"success":false}"#.as_slice()));
        let asked = server.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/console/v1/keys?x=1"));
        assert_eq!(asked[0].header("statsig-api-key"), Some("console-1"));
        assert_eq!(asked[0].body, "{}");
    }

    #[test]
    fn nobody_there_is_said_with_the_address() {
        let address = FakeServer::start(|_| Reply::json(200, "{}")).stop();
        let client = Client::new(address.clone(), Key("k".into())).unwrap();
        let error = client.request(Method::GET, "/", "").unwrap_err();
        assert!(error.may_pass());
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot reach a server at {address}: ")), "{text}");
        assert!(text.ends_with("is `weir serve` running there?"), "{text}");
    }

    #[test]
    fn a_key_that_cannot_be_sent_is_refused_without_showing_it() {
        let server = FakeServer::start(|_| Reply::json(200, "{}"));
        let client = Client::new(server.address(), Key("se\ncret".into())).unwrap();
        let text = client.request(Method::GET, "/", "").unwrap_err().to_string();
        assert_eq!(text, "the key holds a character that cannot be sent");
    }
}
