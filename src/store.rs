//! The store: one redb file with the log and everything kept beside it. The only room that names redb and bincode.
//! Never knows a wire format; nobody but `writer` changes it.
//!
//! A commit appends one *tail*: the numbers and text of whatever was queued, cheaply. When tails add up to a full block, or the
//! stream goes quiet, a worker *seals* them: one compressed block with its columns, digest, volumes and fingerprints, which
//! the writer swaps in. Whatever is derived from rows (volumes, fingerprints) is stored for sealed rows and found again from
//! the tails when the store opens, so that a commit writes nothing but the tail.
//!
//! Invariants: `blocks` and then `tails` cover the log without a gap; a tail's rows below the sealed end are ignored; every
//! number in a column is in its dictionary.

mod appender;
mod batch;
mod block;
mod change;
mod check;
mod columns;
mod cursor;
mod dedupe;
mod digest;
mod field;
mod fingerprint;
mod list_log;
mod list_reader;
mod lists;
mod open;
mod picked;
#[cfg(test)]
mod probe;
mod row;
mod run;
mod seal;
mod snapshot;
mod tables;
mod terms;
#[cfg(test)]
mod tests;
mod volumes;

pub use appender::Appender;
pub use batch::{Batch, RejectedSample, Submission};
pub use block::Damage;
pub use change::{Applied, Change, CommitError, DocumentChange, ExportChange, ListChange};
pub use check::CheckReport;
pub use columns::{Columns, Numbers, Tally, UnitColumn};
pub use cursor::{Cursor, Letter, Pause};
pub use dedupe::DedupeLimits;
pub use digest::Digest;
pub use field::{Extract, FIELDS_KEPT, FieldColumn, Fields, NewColumn};
pub use fingerprint::Keys;
pub use lists::{List, ListLimits, Lists};
pub use open::OpenError;
#[cfg(test)]
pub use probe::Pushed;
pub use seal::{Job, Prepared};
pub use snapshot::{EventFilter, HourlyTally, ReadError, Snapshot, StoredEvent, StoredItem, StoredVersion, Visit};
pub use terms::{Dictionary, Terms};
pub use volumes::Volumes;

use crate::event::Sequence;
use arc_swap::ArcSwap;
use block::Packer;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// When a commit also writes redb's allocator state, so that opening after a crash need not walk the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuickRepair {
    Always,
    Never,
}

/// How a store is run. Bounds and trades, each explained in ARCHITECTURE.md.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// redb's page cache, in bytes.
    pub cache_bytes: usize,
    /// The size that a sealed block stays just under after compression; a power of two, because redb allocates in those.
    pub block_bytes: usize,
    /// zstd's level.
    pub compression: i32,
    /// A submission's text from this many bytes on is compressed by itself; less waits for others to be compressed with.
    pub pack_from: usize,
    /// When nothing arrives for a while, this many tails are worth sealing though they fill no block.
    pub quiet_tails: usize,
    /// Refused events that are kept to be looked at.
    pub rejected_samples: u64,
    /// Dead letters that are kept of each destination; the oldest events' are dropped.
    pub dead_letters: u64,
    pub dedupe: DedupeLimits,
    pub lists: ListLimits,
    pub quick_repair: QuickRepair,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 32 << 20,
            block_bytes: 1 << 20,
            compression: 1,
            pack_from: 32 << 10,
            quiet_tails: 32,
            rejected_samples: 1000,
            dead_letters: 10_000,
            dedupe: DedupeLimits::default(),
            lists: ListLimits::default(),
            quick_repair: QuickRepair::Never,
        }
    }
}

impl Options {
    /// The most text that is compressed as one frame, and so the most in one tail, unless a single row is longer: whoever
    /// reads one row inflates its frame.
    fn frame_bytes(&self) -> usize {
        self.block_bytes / 2
    }
}

struct Shared {
    db: redb::Database,
    id: String,
    keys: Keys,
    terms: ArcSwap<Terms>,
    options: Options,
    /// Compressors that nobody uses at the moment: each takes a megabyte of tables that cost more to make than a body.
    packers: Mutex<Vec<Packer>>,
    /// Whether submissions are compressed at all; not where a plain log stands in the store's place.
    packing: AtomicBool,
    lists: Lists,
    next: AtomicU64,
    own_end: AtomicU64,
    /// How long a message is remembered, in ms: as configured, and as it is now.
    configured_window_ms: i64,
    window_ms: AtomicI64,
}

/// The store's reading side; cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// Sixteen hexadecimal digits that no other store has; a restored backup gets a new one.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    pub fn terms(&self) -> Arc<Terms> {
        self.shared.terms.load_full()
    }

    /// The ID lists as of the last commit.
    pub fn lists(&self) -> &Lists {
        &self.shared.lists
    }

    /// The log's end as of the last commit.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.shared.next.load(Ordering::Acquire))
    }

    /// Behind the last event that arose here (`Source::arises_here`) as of the last commit; when the store was just opened, the
    /// log's end. Who sends such events on, and has come so far, need not look for more.
    pub fn own_end(&self) -> Sequence {
        Sequence(self.shared.own_end.load(Ordering::Acquire))
    }

    /// An empty batch that resolves names against the dictionaries as they are now.
    pub fn new_batch(&self) -> Batch {
        Batch::new(self.shared.keys, self.terms())
    }

    /// Compresses a submission's text, if it is worth a frame of its own, on the thread that made it: the writing thread
    /// is one, and these are several.
    pub fn pack(&self, mut submission: Submission) -> Submission {
        let shared = &self.shared;
        let batch = &mut submission.batch;
        if batch.text.len() < shared.options.pack_from || !shared.packing.load(Ordering::Relaxed) {
            return submission;
        }
        let idle = shared.packers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let packer = idle.map_or_else(|| Packer::new(shared.options.compression), Ok);
        // Where compressing fails the text stays plain, and the writer tries again and says why.
        if let Ok(mut packer) = packer
            && batch.pack(&mut packer, shared.options.frame_bytes()).is_ok()
        {
            shared.packers.lock().unwrap_or_else(PoisonError::into_inner).push(packer);
        }
        submission
    }

    /// From now on a message is remembered for so long, or as long as was configured, unless the bound on keys is reached first.
    pub fn remember_for(&self, window_ms: Option<i64>) {
        let window_ms = window_ms.unwrap_or(self.shared.configured_window_ms);
        self.shared.window_ms.store(window_ms, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        Snapshot::take(&self.shared)
    }
}
