//! A place that events are sent to, with a script of faults: a server of its own in this process, that keeps books of what came
//! and of what it took. What it thinks of a request is up to its judge: `segment` or `hook`.

use super::books::{Books, Received, Sent};
use super::wire::{self, Reader, Request};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What is wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A reply of this status, with further headers.
    Status(u16, Vec<(String, String)>),
    /// Reads the request and never replies.
    BlackHole,
    /// Breaks the connection off when the first byte arrives.
    ResetBefore,
    /// Takes the events and breaks the connection off.
    ResetAfter,
    /// Takes the events and closes the connection without a reply.
    Silence,
    /// Takes the events and closes the connection within the reply.
    CutReply,
    /// Takes the events and replies with a byte a second.
    Trickle,
    /// Takes the events and replies with what is no HTTP.
    Garbage,
}

impl Fault {
    pub fn status(status: u16) -> Fault {
        Fault::Status(status, Vec::new())
    }

    pub fn with(status: u16, header: &str, value: impl ToString) -> Fault {
        Fault::Status(status, vec![(header.to_owned(), value.to_string())])
    }

    /// Whether the events count as taken, although the sender is not told so.
    fn takes(&self) -> bool {
        matches!(self, Fault::ResetAfter | Fault::Silence | Fault::CutReply | Fault::Trickle | Fault::Garbage)
    }
}

/// What a judge finds in a request.
#[derive(Debug, Default)]
pub struct Judged {
    pub events: Vec<Sent>,
    /// Status and message of a reply that is not 200.
    pub refusal: Option<(u16, String)>,
    /// Where the request breaks a rule that its sender should keep.
    pub violations: Vec<String>,
}

pub type Judge = Box<dyn Fn(&Request) -> Judged + Send + Sync>;

struct Shared {
    judge: Judge,
    tls: Option<Arc<ServerConfig>>,
    script: Mutex<Script>,
    books: Mutex<Books>,
    closing: AtomicBool,
}

#[derive(Default)]
struct Script {
    /// For the next requests, one each.
    next: VecDeque<Fault>,
    /// For all that come after those.
    always: Option<Fault>,
    /// The status of a request that holds an event of this name.
    poisons: HashMap<String, u16>,
}

/// The running server. It ends when it is dropped.
pub struct Fake {
    shared: Arc<Shared>,
    socket: Option<Socket>,
    address: SocketAddr,
}

impl Fake {
    /// Listens at once.
    pub fn start(judge: Judge, tls: Option<Arc<ServerConfig>>) -> Fake {
        let mut fake = Fake::closed(judge, tls);
        fake.open();
        fake
    }

    /// Has an address, at which connections are refused until it is opened.
    pub fn closed(judge: Judge, tls: Option<Arc<ServerConfig>>) -> Fake {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("it is bound").as_socket().expect("an address of IPv4");
        let (script, books, closing) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { judge, tls, script, books, closing });
        Fake { shared, socket: Some(socket), address }
    }

    pub fn open(&mut self) {
        let socket = self.socket.take().expect("it is closed");
        socket.listen(128).expect("it is bound");
        let (listener, shared) = (TcpListener::from(socket), self.shared.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closing.load(Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                thread::spawn(move || {
                    // A connection that breaks off is what most of these tests are about.
                    let _ = shared.serve(stream);
                });
            }
        });
    }

    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Faults for the next requests, one each, behind those that are still to come.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.script().next.extend(faults);
    }

    /// How many of the script are still to come.
    pub fn scripted(&self) -> usize {
        self.shared.script().next.len()
    }

    /// A fault for all requests behind the script; `None` ends it.
    pub fn always(&self, fault: Option<Fault>) {
        self.shared.script().always = fault;
    }

    /// From now on a request that holds an event of this name gets this status.
    pub fn poison(&self, name: &str, status: u16) {
        self.shared.script().poisons.insert(name.to_owned(), status);
    }

    pub fn cure(&self) {
        self.shared.script().poisons.clear();
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().expect("nobody panics with the books open")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nobody panics with the script open")
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = stream.try_clone()?;
        let stream: Box<dyn wire::Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        let mut reader = BufReader::new(stream);
        while !reader.fill_buf()?.is_empty() {
            let fault = {
                let mut script = self.script();
                script.next.pop_front().or_else(|| script.always.clone())
            };
            if fault == Some(Fault::ResetBefore) {
                return reset(&socket);
            }
            let request = wire::read(&mut reader)?;
            if !self.answer(&mut reader, &socket, &request, fault)? {
                break;
            }
        }
        Ok(())
    }

    /// True if the connection goes on.
    fn answer(
        &self,
        reader: &mut Reader,
        socket: &TcpStream,
        request: &Request,
        fault: Option<Fault>,
    ) -> io::Result<bool> {
        let Judged { events, refusal, violations } = (self.judge)(request);
        let poisoned = {
            let script = self.script();
            let status = events.iter().find_map(|event| script.poisons.get(&event.name).copied());
            status.map(|status| (status, "an event of it is poisoned".to_owned()))
        };
        let refusal = refusal.or(poisoned);
        let takes = fault.as_ref().map_or(refusal.is_none(), Fault::takes);
        let status = match &fault {
            Some(Fault::Status(status, _)) => Some(*status),
            Some(_) => None,
            None => Some(refusal.as_ref().map_or(200, |(status, _)| *status)),
        };
        self.books.lock().expect("nobody panics with the books open").enter(
            Received { at: request.at, path: request.path.clone(), headers: request.headers.clone(), events, status },
            takes,
            violations,
        );
        let success = || wire::reply(200, &[], r#"{"success": true}"#);
        let refused = |status: u16, headers: &[(String, String)], message: &str| {
            wire::reply(status, headers, &format!(r#"{{"success":false,"message":"{message}"}}"#))
        };
        let whole = match fault {
            None => match refusal {
                None => success(),
                Some((status, message)) => refused(status, &[], &message),
            },
            Some(Fault::Status(status, headers)) => refused(status, &headers, "as the script says"),
            Some(Fault::BlackHole) => {
                // Until the other side has enough of it.
                io::copy(reader, &mut io::sink())?;
                return Ok(false);
            }
            Some(Fault::Trickle) => {
                for byte in success() {
                    reader.get_mut().write_all(&[byte])?;
                    reader.get_mut().flush()?;
                    thread::park_timeout(Duration::from_secs(1));
                }
                return Ok(true);
            }
            Some(Fault::CutReply) => {
                let reply = success();
                reader.get_mut().write_all(&reply[..reply.len() - 8])?;
                return Ok(false);
            }
            Some(Fault::Garbage) => {
                reader.get_mut().write_all(b"220 mail.example.com ESMTP\r\n\r\n")?;
                return Ok(false);
            }
            Some(Fault::Silence) => return Ok(false),
            Some(Fault::ResetBefore | Fault::ResetAfter) => {
                reset(socket)?;
                return Ok(false);
            }
        };
        reader.get_mut().write_all(&whole)?;
        reader.get_mut().flush()?;
        Ok(true)
    }
}

/// From here on closing the connection breaks it off.
fn reset(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Reads nothing that was not written: the fake's own connection, for its tests.
pub fn ask(fake: &Fake, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(fake.address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(request)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}
