//! The house itself: built from the ground up (store, writer, admin, door), stopped from the top down. Decides nothing that
//! a room below can decide.

mod first_start;
mod token_file;

use crate::admin::{Admin, AdminError, ApplyOptions, LoadError, system_random};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreKind};
use crate::export::{self, Exports, Trust, TrustError};
use crate::http::{self, BindError, Bodies, BodyLimits, Deadlines, Listen};
use crate::ingest;
use crate::meters::Meters;
use crate::store::{DedupeLimits, OpenError, Options, QuickRepair, Store};
use crate::writer::{self, Writing};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The store's file in the data directory.
pub const STORE_FILE: &str = "weir.redb";
/// What a benchmark puts in its place.
const PLAIN_LOG_FILE: &str = "plain.log";
/// How long requests that are under way may take to finish when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Each remembered message costs about two bytes behind a filter.
const BYTES_A_KEY: u64 = 2;

/// Why the server does not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot use the data directory {path}")]
    Data { path: PathBuf, source: std::io::Error },
    #[error("cannot open {path}")]
    Open { path: PathBuf, source: OpenError },
    #[error("cannot load the catalog: {0}")]
    Load(#[from] LoadError),
    #[error("cannot read the project file {path}")]
    ProjectUnreadable { path: PathBuf, source: std::io::Error },
    #[error("cannot apply the project file {path}: {error}{}", listed(.error))]
    Project { path: PathBuf, error: AdminError },
    #[error("cannot make the first keys: {0}")]
    Keys(AdminError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("cannot start a thread or runtime: {0}")]
    Start(std::io::Error),
    #[error("a write to disk failed, so the server stopped; what was acknowledged is on disk. Start it again: {0}")]
    WriteFailed(#[from] crate::store::CommitError),
}

fn listed(error: &AdminError) -> String {
    error.mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect()
}

/// Store, writer and admin without a door: what a server has behind it, and what a command uses where no server runs.
pub struct Opened {
    admin: Admin,
    exports: Exports,
    meters: Arc<Meters>,
    /// Taken when it is stopped.
    writing: Option<Writing>,
}

impl Opened {
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Commits what is queued and closes the store.
    fn close(&mut self) -> Result<(), ServerError> {
        match self.writing.take() {
            Some(writing) => Ok(writing.stop()?),
            None => Ok(()),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store was not closed in good order");
        }
    }
}

/// Opens the store of a data directory, which is made if it is not there.
pub fn open(config: &Config) -> Result<Opened, ServerError> {
    let path = config.data.join(STORE_FILE);
    make_private(&config.data)?;
    let trust = Arc::new(Trust::load(config.export.ca.as_deref())?);
    let random = system_random();
    let mut seed = [0; 32];
    random(&mut seed);
    let keys = config.deduplication.memory_bytes as u64 / BYTES_A_KEY;
    let window_ms = i64::from(config.deduplication.hours) * 3_600_000;
    let dedupe = DedupeLimits { window_ms, keys, ..DedupeLimits::default() };
    let quick_repair = if config.quick_repair { QuickRepair::Always } else { QuickRepair::Never };
    let (store, mut appender) = Store::open(
        &path,
        Options { dedupe, quick_repair, dead_letters: config.export.dead_letters, ..Options::default() },
        seed,
    )
    .map_err(|source| ServerError::Open { path, source })?;
    if config.store == StoreKind::Log {
        if store.next_sequence().0 > 0 {
            let source = std::io::Error::other("the plain log is for measuring and takes an empty store only");
            return Err(ServerError::Data { path: config.data.clone(), source });
        }
        let log = std::fs::File::create(config.data.join(PLAIN_LOG_FILE));
        appender.measure_against(log.map_err(|source| ServerError::Data { path: config.data.clone(), source })?);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let meters = Arc::new(Meters::default());
    let limits = writer::Limits {
        queue_messages: config.limits.queue_messages,
        queue_bytes: config.limits.queue_bytes,
        ..writer::Limits::default()
    };
    let folder = config.data.clone();
    let free_bytes = Box::new(move || free_bytes(&folder));
    let (handle, writing) = writer::start(store.clone(), appender, limits, clock.clone(), meters.clone(), free_bytes)
        .map_err(ServerError::Start)?;
    let limits = ingest::Limits {
        event_bytes: config.limits.event_bytes,
        events_per_body: config.limits.events_per_body,
        ..ingest::Limits::default()
    };
    let export_limits = export::Limits {
        timeout: config.export.timeout,
        backoff: config.export.backoff,
        trust,
        ..export::Limits::default()
    };
    let exports =
        Exports::new(store.clone(), handle.clone(), clock.clone(), meters.clone(), random.clone(), export_limits);
    let memory = config.results_memory;
    let admin = match Admin::load(store, handle, clock, meters.clone(), random, limits, memory, exports.clone()) {
        Ok(admin) => admin,
        Err(error) => {
            writing.stop()?;
            return Err(error.into());
        }
    };
    Ok(Opened { admin, exports, meters, writing: Some(writing) })
}

/// Runs the server until it is told to stop, or a write fails.
pub fn run(config: Config) -> Result<(), ServerError> {
    let mut house = open(&config)?;
    if let Some(path) = &config.project {
        apply(&house.admin, path)?;
    }
    let made = first_start::make_keys(&house.admin).map_err(ServerError::Keys)?;
    let body_limits = BodyLimits::for_bodies(config.limits.body_bytes, config.limits.body_deadline);
    let bodies = Bodies::new(body_limits, house.meters.clone());
    let app = http::House::new(house.admin.clone(), bodies, config.limits.enqueue_wait);
    let listen = Listen {
        threads: config.http_threads.get(),
        connections: config.limits.connections,
        deadlines: Deadlines { header: config.limits.header_deadline, ..Deadlines::default() },
        ..Listen::on(config.listen)
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().on_thread_start(writer::step_back).build().map_err(ServerError::Start)?;
    let (mut term, mut int) = {
        let _entered = runtime.enter();
        let on = |kind| signal(kind).map_err(ServerError::Start);
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?)
    };
    let serving = http::serve(listen, Arc::new(app), house.meters.clone())?;
    let address = serving.address();
    let token = token_file::leave(&config.data, address, &house.admin);
    let token = token.map_err(|source| ServerError::Data { path: config.data.clone(), source })?;
    first_start::announce(address, &house.admin, &made);
    let writing = house.writing.as_ref().expect("it is taken only when the house closes");
    let told = async {
        tokio::select! {
            _ = term.recv() => tracing::info!("stopping"),
            _ = int.recv() => tracing::info!("stopping"),
            () = writing.failed() => tracing::error!("a write failed; stopping"),
        }
    };
    // From here on this thread only sends on, which can wait.
    writer::step_back();
    runtime.block_on(house.exports.clone().run(told));
    // A name that is being looked up must not hold the end up.
    runtime.shutdown_timeout(Duration::ZERO);
    drop(token);
    let cut_off = serving.stop(STOP_WITHIN);
    if cut_off > 0 {
        tracing::warn!(cut_off, "connections were cut off because they took too long");
    }
    house.close()
}

fn apply(admin: &Admin, path: &Path) -> Result<(), ServerError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ServerError::ProjectUnreadable { path: path.to_owned(), source })?;
    let options = ApplyOptions { author: format!("project file {}", path.display()), ..ApplyOptions::default() };
    let applied =
        admin.apply(&text, &options).map_err(|error| ServerError::Project { path: path.to_owned(), error })?;
    for kept in &applied.kept {
        tracing::warn!(item = kept.item, why = kept.why, "kept as it is");
    }
    first_start::show_keys(&applied.new_keys);
    Ok(())
}

/// A directory made for the store is its owner's only.
fn make_private(folder: &Path) -> Result<(), ServerError> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| ServerError::Data { path: folder.to_owned(), source })
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
