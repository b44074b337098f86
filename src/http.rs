//! The front door: sockets, connections, and what every request needs before it means anything: its route, its key, its
//! body within bounds, its answer in a shape that SDKs understand.
//!
//! Each thread has a runtime of its own and a socket of its own on the shared port, so that a request is read, parsed and
//! answered on one core. Nothing here touches the store; that is the application's, behind `App`.

mod accept;
mod app;
pub mod auth;
mod bind;
mod body;
mod connection;
pub mod cors;
mod encoding;
mod inflate;
pub mod limits;
pub mod query;
mod reply;
pub mod route;
mod waiting;

pub use app::House;
pub use bind::BindError;
pub use body::{Bodies, Body, BodyRefusal};
pub use limits::{BodyLimits, Deadlines};
pub use reply::{Reply, ReplyBody};

use crate::meters::Meters;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::watch;
use tokio::time::Instant;

/// What answers requests. Its futures stay on the thread that began them.
pub trait App: Send + Sync + 'static {
    /// Answers one request. A panic is answered 500 and counted; the connection then ends, and nothing else does.
    fn respond(&self, request: Request<Incoming>, peer: SocketAddr) -> impl Future<Output = Response<ReplyBody>>;
}

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct Listen {
    /// With port 0 the system chooses one; see `Serving::address`.
    pub address: SocketAddr,
    /// Threads that accept and answer; at least 1.
    pub threads: usize,
    /// Connections over all threads; one more is answered 503 and closed.
    pub connections: usize,
    pub deadlines: Deadlines,
}

impl Listen {
    /// A thread for each core and the default limits.
    pub fn on(address: SocketAddr) -> Listen {
        Listen {
            address,
            threads: thread::available_parallelism().map_or(1, usize::from),
            connections: limits::CONNECTIONS,
            deadlines: Deadlines::default(),
        }
    }
}

/// Opens the door. Connections are accepted when this returns.
pub fn serve<A: App>(listen: Listen, app: Arc<A>, meters: Arc<Meters>) -> Result<Serving, BindError> {
    let failed = |error| BindError::from_io(listen.address, error);
    let listeners = bind::listeners(listen.address, listen.threads)?;
    let address = listeners[0].local_addr().map_err(failed)?;
    let shared = Arc::new(accept::Shared {
        app,
        meters,
        deadlines: listen.deadlines,
        connections: listen.connections,
        open: AtomicUsize::new(0),
    });
    let (stop, stopping) = watch::channel(None);
    let mut serving = Serving { address, stop, threads: Vec::with_capacity(listeners.len()) };
    let (started, starts) = mpsc::channel();
    for (index, listener) in listeners.into_iter().enumerate() {
        let (shared, stopping, started) = (shared.clone(), stopping.clone(), started.clone());
        let thread = thread::Builder::new()
            .name(format!("weir-http-{index}"))
            .spawn(move || run_thread(listener, shared, stopping, started))
            .map_err(failed)?;
        serving.threads.push(thread);
    }
    drop(started);
    for result in starts {
        result.map_err(failed)?;
    }
    Ok(serving)
}

fn run_thread<A: App>(
    listener: TcpListener,
    shared: Arc<accept::Shared<A>>,
    stopping: watch::Receiver<Option<Instant>>,
    started: mpsc::Sender<io::Result<()>>,
) -> usize {
    let prepared = runtime().and_then(|runtime| {
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(entered);
        Ok((runtime, listener))
    });
    match prepared {
        Ok((runtime, listener)) => {
            let _ = started.send(Ok(()));
            drop(started);
            let cut = runtime.block_on(accept::run(listener, shared, stopping));
            // Work on the blocking pool is for requests that are over now.
            runtime.shutdown_background();
            cut
        }
        Err(error) => {
            let _ = started.send(Err(error));
            0
        }
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build_local(LocalOptions::default())
}

/// An open door. Closes at once when dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: watch::Sender<Option<Instant>>,
    threads: Vec<JoinHandle<usize>>,
}

impl Serving {
    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, closes idle connections, lets requests that have begun end within the given time, and waits for
    /// that. Returns how many connections were cut off. Blocks; not for a runtime's thread.
    pub fn stop(mut self, within: Duration) -> usize {
        self.close(within)
    }

    fn close(&mut self, within: Duration) -> usize {
        self.stop.send_replace(Some(Instant::now() + within));
        // A thread that panicked has already said so, and holds no connection any more.
        self.threads.drain(..).map(|thread| thread.join().unwrap_or(0)).sum()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}
