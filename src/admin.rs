//! What people and programs may ask and do, behind page, API and command line alike: list, change, results, status. Blocking:
//! async callers put it on the blocking pool. Knows no HTTP beyond the status that an error suggests.

mod change;
mod config_change;
mod destinations;
mod events;
mod explore;
mod exposure;
mod history;
mod item;
mod keys;
mod lists;
mod log;
mod metric;
mod preview;
mod pulse;
mod question;
mod rollout;
mod seen;
mod session;
mod state;
mod status;
mod valve;

pub use change::{Applied, ApplyOptions};
pub use destinations::{DeadLetterDetail, DestinationBrief, LetterCount, Moved, Replay};
pub use events::{DEFAULT_ROWS, EventRow, EventsQuery, MAX_ROWS, NameRow, Page, Pagination, Since, Skipped};
pub use history::AuditRow;
pub use item::{Action, DRY_RUN, Deed, ItemChange, ItemMetadata, Listed, overrides_of};
pub use keys::{KeyInfo, NewKey};
pub use lists::{IDS_PER_CALL, IdListFile, ListEdit, ListedIds};
pub use preview::{MAX_VALUE_DAYS, MetricPreview, MetricValue, MetricValuesQuery, PREVIEW_DAYS};
pub use pulse::{GroupExposures, PulseQuery};
pub use question::{ResultsQuery, Subject};
pub use session::{ConsoleLink, Session};
pub use state::State;
pub use status::Status;
pub use valve::{CHOSEN_NAMES, Selected, Selection, ValveName, ValveQuery};

use crate::catalog::Mistake;
use crate::clock::Clock;
use crate::event::Timestamp;
use crate::export::Exports;
use crate::ingest;
use crate::meters::Meters;
use crate::results::Reports;
use crate::store::{OpenError, ReadError, Store};
use crate::writer::{Handle, Unavailable};
use arc_swap::ArcSwap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use session::Sessions;
use std::sync::{Arc, Mutex};

/// Where unpredictable bytes come from.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The machine's own randomness.
pub fn system_random() -> Random {
    Arc::new(|buffer: &mut [u8]| {
        // Without randomness there are no keys and no sessions; the process must not go on with guessable ones.
        getrandom::fill(buffer).expect("the operating system provides randomness");
    })
}

/// Reads a body's object. serde alone would take a list as well, its values for the fields in their order.
fn read_object<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    if text.trim_start().starts_with('[') {
        return Err(serde::de::Error::custom("the body is a list; it must be an object"));
    }
    serde_json::from_str(text)
}

/// Why something was not done. `status` is the HTTP status that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct AdminError {
    #[serde(skip)]
    pub status: u16,
    pub code: &'static str,
    /// Says what to do.
    pub message: String,
    /// Every mistake of a project file or item, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<Mistake>,
}

impl AdminError {
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> AdminError {
        AdminError { status: 400, code, message: message.into(), mistakes: Vec::new() }
    }

    /// It does not go together with what is there.
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> AdminError {
        AdminError { status: 409, ..AdminError::refused(code, message) }
    }

    pub(crate) fn invalid_item(mistakes: Vec<Mistake>) -> AdminError {
        let message = match mistakes.as_slice() {
            [one] => format!("{one}; nothing was changed"),
            many => format!("{} mistakes; nothing was changed", many.len()),
        };
        AdminError { mistakes, ..AdminError::refused("invalid_item", message) }
    }

    pub(crate) fn stopping() -> AdminError {
        Unavailable::Stopping.into()
    }

    pub(crate) fn not_found(what: &str, id: &str) -> AdminError {
        let message = format!("there is no {what} {id:?}");
        AdminError { status: 404, code: "not_found", message, mistakes: Vec::new() }
    }

    pub(crate) fn broken(what: &str, error: &dyn std::fmt::Display) -> AdminError {
        // The detail goes to the log, not to whoever asked.
        tracing::error!(what, %error, "could not be read");
        let message = format!("{what}: could not be read; the server's log says why");
        AdminError { status: 500, code: "internal_error", message, mistakes: Vec::new() }
    }
}

impl From<ReadError> for AdminError {
    fn from(error: ReadError) -> AdminError {
        AdminError::broken("store", &error)
    }
}

impl From<Unavailable> for AdminError {
    fn from(error: Unavailable) -> AdminError {
        let (status, code) = match error {
            Unavailable::Overloaded => (503, "overloaded"),
            Unavailable::NoRoom => (507, "no_room"),
            Unavailable::Stopping => (503, "stopping"),
            Unavailable::Poisoned => (503, "write_failed"),
        };
        AdminError { status, code, message: error.to_string(), mistakes: Vec::new() }
    }
}

/// The queries and commands. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    writer: Handle,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    random: Random,
    limits: ingest::Limits,
    state: ArcSwap<State>,
    sessions: Sessions,
    reports: Reports,
    exports: Exports,
    unknown_id_types: status::UnknownIdTypes,
    seen_names: seen::SeenNames,
    /// One change at a time: a change is planned against the catalog that it replaces.
    changing: Mutex<()>,
    started: Timestamp,
}

/// Why the catalog could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the stored catalog is not valid: {0}")]
    Catalog(String),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Admin {
    /// Loads the catalog and the keys of a store. `results_memory` is how many bytes of what was gathered for reports may be
    /// held.
    #[allow(clippy::too_many_arguments)] // What a house is made of, each of its own type; called where houses are built.
    pub fn load(
        store: Store,
        writer: Handle,
        clock: Arc<dyn Clock>,
        meters: Arc<Meters>,
        random: Random,
        limits: ingest::Limits,
        results_memory: usize,
        exports: Exports,
    ) -> Result<Admin, LoadError> {
        let state = State::load(&store, &limits, None)?;
        lists::complete(&state.catalog, &store, &writer);
        destinations::complete(&state.catalog, &store, &writer)?;
        exports.set_up(state.setup(&store));
        let started = clock.now();
        let state = ArcSwap::from_pointee(state);
        let inner = Inner {
            store,
            writer,
            clock,
            meters,
            random,
            limits,
            state,
            sessions: Sessions::default(),
            reports: Reports::new(results_memory),
            exports,
            unknown_id_types: status::UnknownIdTypes::default(),
            seen_names: seen::SeenNames::default(),
            changing: Mutex::new(()),
            started,
        };
        Ok(Admin { inner: Arc::new(inner) })
    }

    /// Catalog, keys and intake rules as they are now.
    pub fn state(&self) -> Arc<State> {
        self.inner.state.load_full()
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.inner.reports
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.inner.exports
    }

    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    pub fn writer(&self) -> &Handle {
        &self.inner.writer
    }

    pub fn meters(&self) -> &Arc<Meters> {
        &self.inner.meters
    }

    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// A number that nobody can guess.
    pub fn random_u128(&self) -> u128 {
        let mut bytes = [0; 16];
        (self.inner.random)(&mut bytes);
        u128::from_le_bytes(bytes)
    }
}
