//! What belongs to one destination, whether it is served or not: its reader, its board, and what is ordered of its task.

use super::board::Board;
use super::destination::DestinationId;
use super::gather::Reader;
use super::setup::Setup;
use crate::clock::Clock;
use crate::store::Store;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// See the module.
pub(super) struct Desk {
    pub id: DestinationId,
    pub board: Board,
    pub reader: Reader,
    /// Changes whenever the task has to look at what is ordered.
    bell: watch::Sender<u64>,
    /// Changes whenever what is in hand was gathered by orders that hold no more.
    revision: AtomicU64,
    /// Dead letters that are to be sent again.
    letters: Mutex<BTreeSet<u64>>,
    counting: Mutex<()>,
}

impl Desk {
    pub fn new(id: DestinationId, store: Store, clock: Arc<dyn Clock>, firsts: usize) -> Desk {
        let bell = watch::Sender::new(0);
        let reader = Reader::new(id, store, clock, firsts);
        Desk {
            id,
            board: Board::new(),
            reader,
            bell,
            revision: AtomicU64::new(0),
            letters: Mutex::default(),
            counting: Mutex::default(),
        }
    }

    pub fn ring(&self) {
        self.bell.send_modify(|rings| *rings += 1);
    }

    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// What is in hand counts no more: it is gathered anew, and attempted at once.
    pub fn revise(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
        self.ring();
    }

    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// Goes by another setup. `is_same`: the destination's own settings did not change.
    pub fn set_up(&self, setup: Arc<Setup>, is_same: bool) {
        self.reader.set_up(setup);
        if self.reader.destination().is_none() {
            self.letters().clear();
        }
        if !is_same {
            // Other events may be to be sent.
            self.board.shown().lag.recount();
            self.revise();
        }
    }

    /// Dead letters that are ordered to be sent again, by sequence.
    pub fn letters(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while rows are counted: each is counted once.
    pub fn counting(&self) -> MutexGuard<'_, ()> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
