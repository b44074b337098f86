//! Out: events that arose here go on to destinations, one loop each, from a place in the log that moves only with what the
//! destination confirmed. Never changes the store but through the writer, and never sends back what came from Segment.

mod batch;
mod board;
mod choice;
mod client;
mod dead_letter;
mod deliver;
mod desk;
mod destination;
mod firsts;
mod gather;
mod known;
mod lag;
mod ledger;
mod next;
mod orders;
mod outward;
mod pace;
#[cfg(test)]
mod probe;
mod request;
mod run;
mod segment;
mod setup;
mod status;
#[cfg(test)]
mod tests;
mod verdict;
mod webhook;

pub use batch::Purpose;
pub use board::{ATTEMPTS_KEPT, Attempt, DestinationState, LastError, NextAttempt, Outcome};
pub use choice::{Choice, Chosen};
pub use client::{Trust, TrustError};
pub use dead_letter::DeadLetter;
pub use deliver::REFUSED_IN_A_ROW;
pub use destination::{BatchLimits, Call, Destination, DestinationId, Unsendable};
pub use firsts::{FIRSTS_KEPT, Firsts};
pub use orders::{BY_HAND, OpenedLetter, TestError};
pub use setup::Setup;
pub use status::{DestinationStatus, LagStatus, PauseStatus, UNUSABLE};

use crate::clock::Clock;
use crate::meters::Meters;
use crate::store::Store;
use crate::writer::Handle;
use arc_swap::ArcSwapOption;
use desk::Desk;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where unpredictable bytes come from.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How long the destinations' tasks may take to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// The exporter's bounds, and whom it trusts.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For one attempt, from connecting to the last byte of the reply.
    pub timeout: Duration,
    /// The longest wait between two attempts that the destination did not ask for.
    pub backoff: Duration,
    /// Pairs of a unit and what it was exposed to that are remembered for `firstExposuresOnly`, by each destination.
    pub firsts: usize,
    pub trust: Arc<Trust>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            timeout: Duration::from_secs(30),
            backoff: Duration::from_secs(60),
            firsts: FIRSTS_KEPT,
            trust: Arc::default(),
        }
    }
}

/// The exporter, as others hold it. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    inner: Arc<Inner>,
    desks: Arc<[Arc<Desk>]>,
}

struct Inner {
    store: Store,
    writer: Handle,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    random: Random,
    limits: Limits,
    /// `None` before the catalog is loaded.
    setup: ArcSwapOption<Setup>,
}

impl Inner {
    fn random_u32(&self) -> u32 {
        let mut bytes = [0; 4];
        (self.random)(&mut bytes);
        u32::from_le_bytes(bytes)
    }
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
        let desks = DestinationId::ALL.map(|id| Arc::new(Desk::new(id, store.clone(), clock.clone(), limits.firsts)));
        let setup = ArcSwapOption::empty();
        Exports {
            inner: Arc::new(Inner { store, writer, clock, meters, random, limits, setup }),
            desks: Arc::new(desks),
        }
    }

    fn desk(&self, id: DestinationId) -> &Arc<Desk> {
        self.desks.iter().find(|desk| desk.id == id).expect("every destination has a desk")
    }

    /// Goes by another catalog from now on; called after each change of it, one at a time. A change of a destination's own settings
    /// wakes it, and ends a pause that no person ordered. Blocks.
    pub fn set_up(&self, setup: Arc<Setup>) {
        let before = self.inner.setup.swap(Some(setup.clone()));
        for desk in self.desks.iter() {
            let is_same = before.as_ref().is_some_and(|before| before.same(desk.id, &setup));
            desk.set_up(setup.clone(), is_same);
            if !is_same {
                let since = self.inner.clock.now().0;
                let pause = |problem: &str| PauseStatus { code: UNUSABLE.into(), message: problem.into(), since };
                desk.board.shown().unusable = setup.problem(desk.id).map(pause);
            }
            // Last, so that a pause of the old settings that came meanwhile ends too.
            if before.is_some() && !is_same {
                self.resume_after_change(desk);
            }
        }
    }

    fn resume_after_change(&self, desk: &Desk) {
        let id = desk.id;
        let cursor = self.inner.store.snapshot().and_then(|snapshot| snapshot.cursor(id.as_str()));
        let pause = match cursor {
            Ok(cursor) => cursor.and_then(|cursor| cursor.pause),
            Err(error) => return tracing::error!(destination = %id, %error, "the cursor could not be read"),
        };
        if pause.is_none_or(|pause| pause.code == BY_HAND) {
            return;
        }
        if let Err(error) = self.resume(id) {
            tracing::warn!(destination = %id, %error, "its settings changed, but it stays paused; resume it");
        }
    }

    /// Serves all destinations until it is told to stop; what was under way is sent again. Each has a task, a connection and a
    /// place of its own, so that the trouble of one is not the other's.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (tell, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for desk in self.desks.iter() {
            tasks.spawn(run::serve(self.inner.clone(), desk.clone(), told.clone()));
        }
        drop(told);
        stop.await;
        tell.send_replace(true);
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("what was sent last was not written down; it goes out again");
        }
    }
}

/// A length of time as a person reads it.
fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}
