//! Events on their way to one destination, already in the form in which it takes them. Reads no store and sends nothing.

use super::dead_letter::DeadLetter;
use super::destination::Destination;
use crate::event::{Sequence, Timestamp};
use crate::store::StoredEvent;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What a body has around its events: brackets, names, a time.
const BODY_AROUND: usize = 256;

/// Why something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Its turn in the log has come.
    Batch,
    /// A person ordered dead letters to be sent again.
    Retry,
    /// A person tries whether the destination takes anything.
    Test,
}

/// One event of a batch.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub sequence: Sequence,
    pub received: Timestamp,
    pub name: String,
    /// How often it was tried before this batch.
    pub tried: u32,
    encoded: Range<usize>,
}

/// See the module.
pub(super) struct Batch {
    pub destination: Arc<dyn Destination>,
    pub purpose: Purpose,
    pub from: Sequence,
    /// What lies before it is in the batch, or was not to be sent.
    pub to: Sequence,
    pub items: Vec<Item>,
    bytes: Vec<u8>,
    /// Events that cannot be sent as they are, by sequence.
    pub letters: Vec<DeadLetter>,
    /// Events that the settings leave out.
    pub filtered: u64,
    /// Dead letters that are not there any more, though they were ordered.
    pub gone: Vec<Sequence>,
    /// Nothing more fits.
    pub is_full: bool,
}

impl Batch {
    pub fn new(destination: Arc<dyn Destination>, purpose: Purpose, from: Sequence) -> Batch {
        Batch {
            destination,
            purpose,
            from,
            to: from,
            items: Vec::new(),
            bytes: Vec::new(),
            letters: Vec::new(),
            filtered: 0,
            gone: Vec::new(),
            is_full: false,
        }
    }

    /// Nothing is to be sent and nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.letters.is_empty()
    }

    /// Takes an event, unless the batch is full without it. One that cannot be sent becomes a dead letter of the batch.
    pub fn push(&mut self, event: &StoredEvent, tried: u32, now: Timestamp) -> bool {
        let limits = self.destination.limits();
        // Letters count too: they are kept in memory until they are on disk.
        if self.items.len() + self.letters.len() >= limits.events {
            self.is_full = true;
            return false;
        }
        let start = self.bytes.len();
        if let Err(why) = self.destination.encode(event, &mut self.bytes) {
            self.bytes.truncate(start);
            self.letters.push(DeadLetter::unsendable(event, now, why, tried));
            return true;
        }
        // A comma each.
        let body = self.bytes.len() + self.items.len() + BODY_AROUND;
        if body > limits.batch_bytes && !self.items.is_empty() {
            self.bytes.truncate(start);
            self.is_full = true;
            return false;
        }
        let (sequence, received, name) = (event.sequence, event.received, event.name.clone());
        self.items.push(Item { sequence, received, name, tried, encoded: start..self.bytes.len() });
        true
    }

    /// The encoded events of some items.
    pub fn encoded(&self, items: Range<usize>) -> Vec<&[u8]> {
        self.items[items].iter().map(|item| &self.bytes[item.encoded.clone()]).collect()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Batch { purpose, from, to, items, letters, .. } = self;
        let (items, letters) = (items.len(), letters.len());
        write!(f, "{purpose:?} of {items} events and {letters} letters from {} to {}", from.0, to.0)
    }
}
