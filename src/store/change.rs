//! The ways in which the store changes, what became of a change, and why it did not reach the disk. Changes nothing itself.

use super::batch::Submission;
use super::block::Damage;
use super::cursor::{Letter, Pause};
use super::field::NewColumn;
use super::seal::{MergedRun, Sealed};
use crate::event::Sequence;

/// One document of the catalog, a key, or its removal; a change of an ID list; what became of events that go out.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentChange {
    PutItem {
        kind: String,
        id: String,
        version: u64,
        document: Vec<u8>,
    },
    RemoveItem {
        kind: String,
        id: String,
        version: u64,
        document: Vec<u8>,
    },
    PutKey {
        id: String,
        document: Vec<u8>,
    },
    RemoveKey {
        id: String,
    },
    /// Gives an ID type its number.
    AddIdType {
        name: String,
    },
    List(ListChange),
    Export(ExportChange),
}

/// A change of an ID list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    /// Begins a list that has nobody in it. One that is there already stays as it is.
    Begin { list: String },
    /// Ends a list. One of the same name that begins later has another file and a later time.
    End { list: String },
    /// Takes IDs out, then puts others in. Who is in already, or is not in, makes no line; a list that is not there is passed
    /// over.
    Members { list: String, add: Vec<String>, remove: Vec<String> },
}

/// A change of a destination's cursor and dead letters. Where the destination has no cursor, every one but `Begin` does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportChange {
    /// Begins a cursor at the log's end as of this transaction, before its own events. One that is there stays as it is.
    Begin { destination: String },
    /// Removes the cursor and its dead letters.
    End { destination: String },
    /// What the exporter did.
    Advance {
        destination: String,
        generation: u64,
        /// Counts only if `generation` is still the cursor's, and never moves it back nor beyond the log's end. The rest counts in
        /// any case.
        to: Sequence,
        /// Events that the destination has confirmed.
        forwarded: u64,
        /// Each replaces one of the same sequence. Where there are more than are kept, those of the lowest sequences go.
        letters: Vec<Letter>,
        /// Dead letters that are none any more.
        settled: Vec<Sequence>,
    },
    /// By hand: replay or skip, at most to the log's end. `None`: the log's end before this transaction's events. Raises the
    /// generation.
    Move { destination: String, to: Option<Sequence> },
    /// Pauses, or resumes (`None`).
    Pause { destination: String, pause: Option<Pause> },
    /// Throws dead letters away. `None`: all.
    Discard { destination: String, letters: Option<Vec<Sequence>> },
}

impl DocumentChange {
    /// Whether it changes an item of the catalog.
    pub(super) fn is_of_catalog(&self) -> bool {
        matches!(self, DocumentChange::PutItem { .. } | DocumentChange::RemoveItem { .. })
    }

    /// What it puts into ID lists and dead letters weighs, nearly; 0 for everything else, which is small.
    pub fn lasting_bytes(&self) -> usize {
        match self {
            DocumentChange::List(ListChange::Members { add, remove, .. }) => {
                add.iter().chain(remove).map(|id| id.len() + ROW_BYTES).sum()
            }
            DocumentChange::Export(ExportChange::Advance { letters, .. }) => {
                letters.iter().map(|letter| letter.document.len() + ROW_BYTES).sum()
            }
            _ => 0,
        }
    }
}

/// What a line and a member's row take beside the ID itself, or a letter beside its document, with the tree around them.
const ROW_BYTES: usize = 128;

/// The only ways in which the store changes.
pub enum Change {
    Append(Box<Submission>),
    Documents(Vec<DocumentChange>),
    Seal(Box<Sealed>),
    /// Pieces of a run that is being merged; they count only once `Merge` names the run.
    RunParts {
        run: u64,
        from: u32,
        parts: Vec<Vec<u8>>,
    },
    Merge(Box<MergedRun>),
    /// Keeps columns of fields that a reader worked out. Those of a block that was sealed again meanwhile are passed over, and so
    /// are fields beyond `FIELDS_KEPT`.
    KeepColumns(Vec<NewColumn>),
}

/// What a change came to, once its transaction is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    pub stored: u64,
    pub duplicates: u64,
    /// IDs that were not put into their list because it is full, or all lists together are.
    pub unlisted: u64,
    /// The log's end after the transaction.
    pub next: u64,
}

/// A transaction that did not reach the disk. Nothing may be written after it: what the disk holds is unknown.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("the store could not be written: {0}")]
    Disk(#[source] Box<redb::Error>),
    #[error("events could not be compressed: {0}")]
    Compress(#[source] std::io::Error),
    #[error("the plain log could not be written: {0}")]
    PlainLog(#[source] std::io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for CommitError {
            fn from(error: redb::$error) -> Self {
                CommitError::Disk(Box::new(error.into()))
            }
        })*
    };
}
from_redb!(TransactionError, TableError, StorageError, CommitError, SetDurabilityError);
