//! A house behind the front door for tests: a small application, a client that speaks bytes, and what they share.

use crate::running::PATIENCE;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::sync::Notify;
use weir::http::route::{Place, Resolved};
use weir::http::{App, Bodies, BodyLimits, Deadlines, Listen, Reply, ReplyBody, Serving, cors, serve};
use weir::meters::Meters;

/// Answers with the length of what it read; panics, waits or streams when asked to.
pub struct Echo {
    bodies: Arc<Bodies>,
    entered: Mutex<Sender<()>>,
    pub release: Notify,
}

impl App for Echo {
    async fn respond(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<ReplyBody> {
        let (head, incoming) = request.into_parts();
        let place = Place::at(head.uri.path());
        let mut reply = match (place.resolve(&head.method), head.uri.path()) {
            (Resolved::Preflight, _) => cors::preflight(&head.headers),
            (_, "/panic" | "/v1/page") => panic!("asked to"),
            (_, "/wait") => {
                self.entered.lock().expect("no panic holds it").send(()).expect("the test listens");
                self.release.notified().await;
                Reply::success()
            }
            (_, "/endless") => {
                self.entered.lock().expect("no panic holds it").send(()).expect("the test listens");
                let first = futures_util::stream::iter([Bytes::from_static(b"data: 1\n\n")]);
                let endless = futures_util::StreamExt::chain(first, futures_util::stream::pending());
                Reply::stream(HeaderValue::from_static("text/event-stream"), endless)
            }
            (_, "/thread") => {
                let name = thread::current().name().expect("named threads").to_owned();
                Reply::json(StatusCode::OK, name)
            }
            (_, "/flood") => Reply::json(StatusCode::OK, Bytes::from(vec![b'x'; 64 << 20])),
            (Resolved::Route(_), _) => match self.bodies.read(&head.headers, incoming).await {
                Ok(body) if body.starts_with(b"{") => Reply::success(),
                Ok(body) => Reply::json(StatusCode::OK, body.len().to_string()),
                Err(refusal) => refusal.reply(),
            },
            (Resolved::MethodNotAllowed { allow }, _) => Reply::method_not_allowed(allow),
            (Resolved::NotFound, _) => Reply::not_found(),
        };
        if place.cors {
            cors::apply(&head.headers, reply.headers_mut());
        }
        reply.into()
    }
}

pub struct House {
    pub serving: Serving,
    pub app: Arc<Echo>,
    pub meters: Arc<Meters>,
    pub entered: Receiver<()>,
}

#[derive(Default)]
pub struct Setting {
    pub deadlines: Deadlines,
    pub body: BodyLimits,
    pub connections: Option<usize>,
}

pub fn open(setting: Setting) -> House {
    let meters = Arc::new(Meters::default());
    let (sender, entered) = channel();
    let app = Arc::new(Echo {
        bodies: Bodies::new(setting.body, meters.clone()),
        entered: Mutex::new(sender),
        release: Notify::new(),
    });
    let mut listen = Listen::on("127.0.0.1:0".parse().expect("an address"));
    listen.threads = 2;
    listen.deadlines = setting.deadlines;
    listen.connections = setting.connections.unwrap_or(listen.connections);
    let serving = serve(listen, app.clone(), meters.clone()).expect("a free port");
    House { serving, app, meters, entered }
}

/// A client that sends bytes and reads answers, one after the other.
pub struct Client(pub BufReader<TcpStream>);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Fails where the header was said twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes once");
        value
    }

    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(body["success"], false);
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10));
        assert_eq!(body["message"], body["error"]);
        body["code"].as_str().expect("a code").to_owned()
    }
}

impl Client {
    pub fn to(house: &House) -> Client {
        let stream = TcpStream::connect(house.serving.address()).expect("the door is open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Client(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.0.get_mut().write_all(bytes.as_ref()).expect("the connection is open");
        self
    }

    pub fn post(&mut self, headers: &str, body: &[u8]) -> &mut Client {
        self.send(format!("POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{headers}\r\n", body.len()))
            .send(body)
    }

    pub fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).expect("an answer"), 0, "closed after {head:?}");
        }
        head
    }

    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |n| n.parse().expect("a length"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the whole body");
        answer.body = String::from_utf8(body).expect("UTF-8");
        answer
    }

    /// Everything up to the end of the connection. A reset counts as an end.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection was not closed in time");
        }
        String::from_utf8(rest).expect("UTF-8")
    }
}

/// One chunk of spaces, in chunked transfer coding.
pub fn chunk(bytes: usize) -> Vec<u8> {
    format!("{bytes:x}\r\n{}\r\n", " ".repeat(bytes)).into_bytes()
}
