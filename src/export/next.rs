//! The next batch, gathered while the one before it is on its way: woken by commits, never by a clock, and patient for a moment
//! where events come one by one. Sends nothing.

use super::batch::{Batch, Purpose};
use super::desk::Desk;
use super::gather::SCAN_ROWS;
use crate::event::Sequence;
use crate::store::{ReadError, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long a batch that is not full waits for more, from its first event on.
pub const LINGER: Duration = Duration::from_millis(100);

/// See the module. Dropping it ends what is under way.
#[derive(Default)]
pub(super) struct Next {
    task: JoinSet<Result<Option<Batch>, ReadError>>,
    /// Up to there nothing was found.
    empty_to: Arc<AtomicU64>,
}

impl Next {
    /// Begins to gather from a place, unless that is under way.
    pub fn start(&mut self, desk: &Arc<Desk>, store: &Store, committed: &watch::Receiver<Sequence>, from: Sequence) {
        if !self.task.is_empty() {
            return;
        }
        self.empty_to = Arc::new(AtomicU64::new(from.0));
        let empty_to = self.empty_to.clone();
        self.task.spawn(gather(desk.clone(), store.clone(), committed.clone(), from, empty_to));
    }

    /// The batch, once it is there. Dropping the future loses nothing. A panic of the task goes on here.
    pub async fn take(&mut self) -> Result<Option<Batch>, ReadError> {
        match self.task.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(join)) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
            // Nothing was begun, or the runtime ends.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// Before this nothing was found that is to be sent.
    pub fn empty_to(&self) -> Sequence {
        Sequence(self.empty_to.load(Ordering::Relaxed))
    }
}

/// `None` when the destination was disabled meanwhile.
async fn gather(
    desk: Arc<Desk>,
    store: Store,
    mut committed: watch::Receiver<Sequence>,
    from: Sequence,
    empty_to: Arc<AtomicU64>,
) -> Result<Option<Batch>, ReadError> {
    let Some(destination) = desk.reader.destination() else { return Ok(None) };
    let limits = destination.limits();
    let mut batch = Batch::new(destination, Purpose::Batch, from);
    let mut lingers_until = None;
    loop {
        committed.mark_unchanged();
        // Read in this order: what was committed before `end` is known to `own_end`.
        let end = store.next_sequence();
        let own_end = store.own_end();
        if own_end <= batch.to && batch.is_empty() {
            // All of these did not arise here; nothing of them need be read.
            batch.to = batch.to.max(end);
            empty_to.store(batch.to.0, Ordering::Relaxed);
            if batch.to.0 - from.0 >= SCAN_ROWS {
                return Ok(Some(batch));
            }
            if committed.changed().await.is_err() {
                // The writer is gone, so nothing will come.
                std::future::pending::<()>().await;
            }
            continue;
        }
        let waiting = own_end.0.saturating_sub(batch.to.0) as usize;
        if let Some(until) = lingers_until
            && batch.items.len() + waiting < limits.events
            && Instant::now() < until
        {
            tokio::select! {
                () = sleep_until(until) => {}
                changed = committed.changed() => if changed.is_err() { return Ok(Some(batch)) },
            }
            continue;
        }
        if waiting > 0 {
            batch = gathered(&desk, batch).await?;
            // Then nothing was gathered, and nothing will be.
            if desk.reader.destination().is_none() {
                return Ok(None);
            }
        }
        if batch.is_full || batch.to.0 - from.0 >= SCAN_ROWS {
            return Ok(Some(batch));
        }
        if batch.is_empty() {
            empty_to.store(batch.to.0, Ordering::Relaxed);
        } else if batch.to >= store.own_end() {
            match lingers_until {
                None => lingers_until = Some(Instant::now() + LINGER),
                Some(until) if Instant::now() >= until => return Ok(Some(batch)),
                Some(_) => {}
            }
        }
    }
}

async fn gathered(desk: &Arc<Desk>, batch: Batch) -> Result<Batch, ReadError> {
    let desk = desk.clone();
    match tokio::task::spawn_blocking(move || desk.reader.gather(batch)).await {
        Ok(result) => result,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        Err(_) => std::future::pending().await,
    }
}
