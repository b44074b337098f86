//! A destination on a free port of this machine: keeps what it was sent and answers as it is told. Ends with its owner.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Request line and headers, the names in lower case.
    pub head: String,
    pub body: Vec<u8>,
    /// Which connection it came over.
    pub connection: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The places in the log of the events that the body holds, by their messageIds.
    pub fn sequences(&self) -> Vec<u64> {
        let body: Value = serde_json::from_slice(&self.body).expect("a body is JSON");
        let events = body["batch"].as_array().or(body["data"].as_array()).expect("a list of events");
        let id = |event: &Value| event["messageId"].as_str().or(event["timeUUID"].as_str()).map(str::to_owned);
        let sequence = |event| id(event)?.rsplit_once('-')?.1.parse().ok();
        events.iter().map(|event| sequence(event).expect("a sequence in the messageId")).collect()
    }
}

/// What the sink does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, more header lines, and a body.
    Say(u16, &'static str, Vec<u8>),
    /// Closes without a word.
    Close,
    /// Says nothing and keeps the connection open.
    Hang,
    /// These bytes as they are, then closes.
    Raw(Vec<u8>),
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer::Say(status, "", b"{}".to_vec())
    }
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    script: Mutex<Script>,
}

pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    pub fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { requests: Mutex::default(), script: Mutex::new(Box::new(script)) });
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                // The owner is gone: nobody listens any more.
                let (Some(shared), Ok(stream)) = (weak.upgrade(), stream) else { return };
                std::thread::spawn(move || {
                    let _ = converse(&shared, stream, number);
                });
            }
        });
        Sink { address, shared }
    }

    pub fn answer(&self, script: impl FnMut(&Request) -> Answer + Send + 'static) {
        *lock(&self.shared.script) = Box::new(script);
    }

    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(shared: &Shared, stream: TcpStream, connection: usize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            match line.split_once(": ") {
                Some((name, value)) => head.push_str(&format!("{}: {value}", name.to_ascii_lowercase())),
                None => head.push_str(&line),
            }
        }
        let head = head.replace("\r\n", "\n");
        let mut request = Request { head, body: Vec::new(), connection };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
        lock(&shared.requests).push(request.clone());
        let answer = lock(&shared.script)(&request);
        match answer {
            Answer::Say(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
                writer.write_all(head.as_bytes())?;
                writer.write_all(&body)?;
            }
            Answer::Close => return Ok(()),
            Answer::Hang => {
                // Until the other side has had enough.
                let _ = reader.read(&mut [0])?;
                return Ok(());
            }
            Answer::Raw(bytes) => return writer.write_all(&bytes),
        }
    }
}

/// Waits until something holds, and gives up after a long time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
