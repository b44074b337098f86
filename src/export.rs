//! Out: events that arose here go on to destinations, one loop each, from a place in the log that moves only with what the
//! destination confirmed. Never changes the store but through the writer, and never sends back what came from Segment.

mod client;
mod destination;
mod pace;
#[cfg(test)]
mod tests;
mod verdict;

pub use client::{Trust, TrustError};
pub use destination::{BatchLimits, Call, Destination, DestinationId, Unsendable};

use crate::clock::Clock;
use crate::meters::Meters;
use crate::store::Store;
use crate::writer::Handle;
use std::sync::Arc;
use std::time::Duration;

/// Where unpredictable bytes come from.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The exporter's bounds, and whom it trusts.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For one attempt, from connecting to the last byte of the reply.
    pub timeout: Duration,
    /// The longest wait between two attempts that the destination did not ask for.
    pub backoff: Duration,
    pub trust: Arc<Trust>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { timeout: Duration::from_secs(30), backoff: Duration::from_secs(60), trust: Arc::default() }
    }
}

/// The exporter, as others hold it. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    writer: Handle,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    random: Random,
    limits: Limits,
}

impl Exports {
    /// Starts nothing.
    pub fn new(
        store: Store,
        writer: Handle,
        clock: Arc<dyn Clock>,
        meters: Arc<Meters>,
        random: Random,
        limits: Limits,
    ) -> Exports {
        Exports { inner: Arc::new(Inner { store, writer, clock, meters, random, limits }) }
    }
}

/// A length of time as a person reads it.
fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}
