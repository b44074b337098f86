//! The one who writes: a bounded channel and the single thread that turns what is queued into commits. Everybody else
//! hands it commands and waits for its answer; nobody else changes the store.

use crate::event::Sequence;

/// What became of a submission, told after the commit that holds it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub stored: u64,
    pub duplicates: u64,
    /// The log's next free sequence after the commit.
    pub next: Sequence,
}

/// Why the writer did not take a submission. Nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue stayed full for as long as we wait. 503 with Retry-After.
    #[error("the write queue is full")]
    Overloaded,
    /// The disk has no room for it. 507 with Retry-After; goes on by itself when room returns.
    #[error("the disk has no room for more events")]
    NoRoom,
    /// The process is stopping. 503.
    #[error("the server is stopping")]
    Stopping,
    /// A commit failed; the process is about to exit. 503.
    #[error("a write to disk failed; the server must be restarted")]
    Poisoned,
}
