//! `weir load`: a load generator that behaves like Segment's SDKs and measures the time to the durable answer. Also a library
//! for benches and tests. It never reads the store and knows the server only by its door.

mod answer;
mod client;
mod corpus;
mod histogram;
mod message_ids;
mod outcome;
mod pace;
mod template;

pub use corpus::{Corpus, Mix, ShapesError, Variety};
pub use histogram::Histogram;
pub use outcome::{Figures, Outcome, Tally};

use super::random::mix;
use crate::clock::{Clock, SystemClock};
use anyhow::Context;
use client::{Heads, Lane};
use pace::Pace;
use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Sends Segment events to a server and measures how fast they are stored.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address of the server, http only
    #[arg(long, env = "WEIR_LOAD_URL", default_value = "http://127.0.0.1:8750")]
    pub url: String,
    /// A key that may write events: a server or a client key
    #[arg(long, env = "WEIR_LOAD_KEY", hide_env_values = true)]
    pub key: String,
    /// Connections kept open; each has one request in flight
    #[arg(long, env = "WEIR_LOAD_CONNECTIONS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub connections: u32,
    /// Events a request; 1 sends each to its own path, more go to /v1/batch
    #[arg(long, env = "WEIR_LOAD_BATCH", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub batch: u32,
    /// How long to send, for example 10s or 2m [default: 10s, or without end if --events is given]
    #[arg(long, env = "WEIR_LOAD_DURATION", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Stop after this many events
    #[arg(long, env = "WEIR_LOAD_EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,
    /// Events a second, sent on a fixed schedule; latency then counts from when a request was due [default: as fast as answers come]
    #[arg(long, env = "WEIR_LOAD_RATE", value_parser = rate)]
    pub rate: Option<f64>,
    /// How often each kind of event is sent
    #[arg(long, env = "WEIR_LOAD_MIX", default_value_t = Mix::default())]
    pub mix: Mix,
    /// Distinct event names
    #[arg(long, env = "WEIR_LOAD_NAMES", default_value_t = Variety::default().names, value_parser = clap::value_parser!(u32).range(1..))]
    pub names: u32,
    /// Distinct people
    #[arg(long, env = "WEIR_LOAD_USERS", default_value_t = Variety::default().users, value_parser = clap::value_parser!(u32).range(1..))]
    pub users: u32,
    /// Compress the bodies with gzip
    #[arg(long, env = "WEIR_LOAD_GZIP")]
    pub gzip: bool,
    /// Send again after a 429 or 503, when its Retry-After has passed, and after a lost connection
    #[arg(long, env = "WEIR_LOAD_RETRY")]
    pub retry: bool,
    /// Repeats the events of an earlier run, except for their message ids and times
    #[arg(long, env = "WEIR_LOAD_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Threads of the generator
    #[arg(long, env = "WEIR_LOAD_THREADS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// Print one JSON document
    #[arg(long, env = "WEIR_LOAD_JSON")]
    pub json: bool,
}

const DEFAULT_DURATION: Duration = Duration::from_secs(10);

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| "use a number with a unit, such as 10s".to_owned())?;
    Duration::try_from(parsed).ok().filter(|d| !d.is_zero()).ok_or_else(|| "must be above zero".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| "must be above zero".to_owned())
}

/// Runs `weir load`: prints what the run came to. An error if nothing at all was acknowledged.
pub fn command(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let plan = Plan {
        url: args.url.clone(),
        key: args.key.clone(),
        connections: args.connections,
        batch: args.batch,
        duration: args.duration.or_else(|| args.events.is_none().then_some(DEFAULT_DURATION)),
        events: args.events,
        rate: args.rate,
        variety: Variety { mix: args.mix.clone(), names: args.names, users: args.users },
        gzip: args.gzip,
        retry: args.retry,
        seed: args.seed,
        threads: args.threads,
    };
    let figures = run(&plan, &SystemClock)?.figures();
    if args.json {
        serde_json::to_writer(&mut *out, &figures).context("cannot print the outcome")?;
        writeln!(out)?;
    } else {
        writeln!(out, "{figures}")?;
    }
    anyhow::ensure!(
        figures.requests > 0,
        "no request was answered with 200: {}",
        figures.first_error.as_deref().unwrap_or("none was sent")
    );
    Ok(())
}

/// A run of the generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// `http://HOST:PORT`; a path is not looked at.
    pub url: String,
    pub key: String,
    /// Connections in all, at least 1; each has at most one request in flight.
    pub connections: u32,
    /// Events a request, at least 1. 1 sends single calls, each to its own path.
    pub batch: u32,
    /// How long to send; without it, until the events are used up.
    pub duration: Option<Duration>,
    /// How many events to send at most, over all connections.
    pub events: Option<u64>,
    /// Events a second over all connections, sent on a fixed schedule; latency then counts from when a request was due.
    /// Without it each connection sends as soon as its answer is here.
    pub rate: Option<f64>,
    pub variety: Variety,
    pub gzip: bool,
    /// Send the same again after 429 and 503, when Retry-After has passed, and after a lost connection. Every failed try is
    /// still counted as an error.
    pub retry: bool,
    /// Repeats all but message ids and times.
    pub seed: u64,
    pub threads: u32,
}

impl Plan {
    /// Single events on 64 connections for ten seconds.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Plan {
        Plan {
            url: url.into(),
            key: key.into(),
            connections: 64,
            batch: 1,
            duration: Some(DEFAULT_DURATION),
            events: None,
            rate: None,
            variety: Variety::default(),
            gzip: false,
            retry: false,
            seed: 1,
            threads: 2,
        }
    }
}

/// Why a run could not start. What goes wrong afterwards is counted in the outcome.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("`{0}` is not an address of the form http://HOST:PORT")]
    Url(String),
    #[error("the host in `{0}` has no address: {1}")]
    Host(String, io::Error),
    #[error("cannot connect to {0}: {1}; is the server running there?")]
    Connect(SocketAddr, io::Error),
    #[error("cannot start a thread of the generator: {0}")]
    Thread(io::Error),
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    #[error(transparent)]
    Shapes(#[from] ShapesError),
}

/// Sends what the plan says and waits for all answers. Blocks the calling thread; the sending threads are its own.
pub fn run(plan: &Plan, clock: &dyn Clock) -> Result<Outcome, LoadError> {
    let (host, address) = resolve(&plan.url)?;
    let heads = Heads::new(&host, &plan.key, plan.gzip);
    let nonce = getrandom::u64().map_err(|error| LoadError::Random(error.to_string()))?;
    let threads = plan.threads.min(plan.connections).max(1);
    let mut lanes = Vec::new();
    for n in 0..threads {
        let share = plan.connections / threads + u32::from(n < plan.connections % threads);
        let streams = client::connect(address, share as usize).map_err(|error| LoadError::Connect(address, error))?;
        let corpus = Corpus::new(&plan.variety, plan.seed ^ mix(n.into()), nonce)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LoadError::Thread)?;
        lanes.push((streams, corpus, runtime));
    }
    let start = Instant::now();
    let batch = plan.batch.max(1);
    let interval = plan.rate.map(|rate| Duration::from_secs_f64((f64::from(batch) / rate).clamp(1e-9, 1e9)));
    let pace = Pace::new(start, plan.duration, plan.events, batch, interval);
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for (streams, corpus, runtime) in lanes {
            let (heads, pace) = (&heads, &pace);
            let body = move || -> Result<Tally, LoadError> {
                let tally = RefCell::new(Tally { cpu: Some(Duration::ZERO), ..Tally::default() });
                let lane =
                    Lane { address, heads, pace, clock, corpus: RefCell::new(corpus), tally, batch, retry: plan.retry };
                runtime.block_on(lane.run(streams)).map_err(|error| {
                    pace.stop();
                    LoadError::Thread(error)
                })?;
                let mut tally = lane.tally.into_inner();
                tally.cpu = client::thread_cpu();
                Ok(tally)
            };
            let builder = std::thread::Builder::new().name("load".to_owned());
            handles.push(builder.spawn_scoped(scope, body).map_err(LoadError::Thread)?);
        }
        let unsent = pace.keep();
        let mut tally = Tally { cpu: Some(Duration::ZERO), ..Tally::default() };
        for handle in handles {
            tally.merge(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(Outcome { tally, elapsed: start.elapsed(), unsent })
    })
}

/// The `Host` header and the address of a URL.
fn resolve(url: &str) -> Result<(String, SocketAddr), LoadError> {
    let bad = || LoadError::Url(url.to_owned());
    let uri: hyper::Uri = url.parse().map_err(|_| bad())?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(bad)?;
    let target = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let mut addresses = target.to_socket_addrs().map_err(|error| LoadError::Host(url.to_owned(), error))?;
    Ok((authority.as_str().to_owned(), addresses.next().ok_or_else(bad)?))
}

#[cfg(test)]
mod tests;
