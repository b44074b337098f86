//! The place that events go to: a hyper server on a thread of its own that counts events, can keep bodies, and can have any
//! trouble.

use anyhow::Context;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What each event has once.
const MARK: &[u8] = br#""type":"track""#;
const POLL: Duration = Duration::from_millis(1);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manner {
    /// It is taken.
    #[default]
    Takes,
    /// It is read, and nothing is said.
    Silent,
    /// The connection is closed without a word.
    Breaks,
    /// It is read, and what is said comes a byte a second, behind a head that takes it.
    Trickles,
    /// It is read, and answered with this status.
    Says(u16),
}

#[derive(Default)]
struct Shared {
    events: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
    manner: Mutex<Manner>,
    kept: Mutex<Option<Vec<Bytes>>>,
}

pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    /// Runs until the process ends.
    pub fn start() -> anyhow::Result<Sink> {
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = shared.clone();
        std::thread::spawn(move || -> anyhow::Result<()> {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    stream.set_nodelay(true)?;
                    let shared = served.clone();
                    let service = service_fn(move |request| take(request, shared.clone()));
                    let connection =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // A connection that breaks off is a server that ended.
                    tokio::task::spawn_local(async { drop(connection.await) });
                }
            })
        });
        Ok(Sink { address, shared })
    }

    pub fn events(&self) -> u64 {
        self.shared.events.load(Relaxed)
    }

    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Relaxed)
    }

    /// From the next request on.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Keeps bodies from now on.
    pub fn keep(&self) {
        *self.kept() = Some(Vec::new());
    }

    /// The bodies that came since; no more are kept.
    pub fn taken(&self) -> Vec<Bytes> {
        self.kept().take().unwrap_or_default()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Vec<Bytes>>> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many events have come in all; when that was.
    pub fn wait(&self, events: u64, patience: Duration) -> anyhow::Result<Instant> {
        let begun = Instant::now();
        loop {
            let came = self.events();
            if came >= events {
                return Ok(Instant::now());
            }
            anyhow::ensure!(begun.elapsed() < patience, "{came} of {events} events came");
            std::thread::sleep(POLL);
        }
    }
}

const SUCCESS: &[u8] = br#"{"success":true}"#;

type Reply = Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>>>;

fn trickle() -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::iter(SUCCESS).then(async |byte| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Frame::data(Bytes::copy_from_slice(&[*byte])))
    })
}

async fn take(request: Request<Incoming>, shared: Arc<Shared>) -> anyhow::Result<Response<Reply>> {
    let body = request.into_body().collect().await?.to_bytes();
    let manner = *shared.manner.lock().unwrap_or_else(PoisonError::into_inner);
    match manner {
        Manner::Takes => {}
        Manner::Silent => return std::future::pending().await,
        Manner::Breaks => anyhow::bail!("the connection breaks"),
        Manner::Trickles => return Ok(Response::new(Reply::Right(StreamBody::new(Box::pin(trickle()))))),
        Manner::Says(status) => return Ok(Response::builder().status(status).body(Reply::Left(Full::default()))?),
    }
    shared.events.fetch_add(count(&body), Relaxed);
    shared.requests.fetch_add(1, Relaxed);
    shared.bytes.fetch_add(body.len() as u64, Relaxed);
    if let Some(kept) = shared.kept.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        kept.push(body);
    }
    let mut response = Response::new(Reply::Left(Full::new(Bytes::from_static(SUCCESS))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

pub fn count(body: &[u8]) -> u64 {
    memchr::memmem::find_iter(body, MARK).count() as u64
}

/// A bare hyper client: posts bodies over one connection, one after the other, in turn until so many events were sent.
pub fn replay(address: SocketAddr, bodies: &[Bytes], events: u64) -> anyhow::Result<Bare> {
    let counts: Vec<u64> = bodies.iter().map(|body| count(body)).collect();
    anyhow::ensure!(counts.iter().sum::<u64>() > 0, "no bodies were kept");
    let work = || -> anyhow::Result<Bare> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(connection);
            let (started, cpu, mut sent) = (Instant::now(), thread_cpu()?, 0);
            for (body, count) in bodies.iter().zip(&counts).cycle() {
                if sent >= events {
                    break;
                }
                let request = Request::post("/v1/batch")
                    .header("host", address.to_string())
                    .header("content-type", "application/json")
                    .header("authorization", "Basic d3JpdGUta2V5LW9mLWEtc291cmNlOg==")
                    .body(Full::new(body.clone()))?;
                let response = sender.send_request(request).await?;
                anyhow::ensure!(response.status() == 200, "the sink replied {}", response.status());
                response.into_body().collect().await?;
                sent += count;
            }
            let bare = Bare { events: sent, seconds: started.elapsed().as_secs_f64(), cpu: thread_cpu()? - cpu };
            connection.abort();
            Ok(bare)
        })
    };
    // A thread of its own, so that its CPU time is the client's.
    std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// What the bare client came to.
pub struct Bare {
    pub events: u64,
    pub seconds: f64,
    pub cpu: Duration,
}

/// CPU time of the calling thread.
fn thread_cpu() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(nanos.context("an odd schedstat")?))
}
