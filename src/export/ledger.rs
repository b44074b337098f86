//! What is certain on its way to the disk: one commit at a time, in order, with everything that became certain meanwhile in
//! the next one. Decides nothing.

use super::deliver::Progress;
use super::desk::Desk;
use crate::event::Sequence;
use crate::store::{DocumentChange, ExportChange, Pause};
use crate::writer::{Handle, Unavailable};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Events that may be settled and not yet written down: they would be sent again after a crash.
const UNWRITTEN_EVENTS: u64 = 50_000;
/// Dead letters likewise: events wait for the commit that puts them in their places.
const UNWRITTEN_LETTERS: u64 = 5_000;
/// How long to wait where the disk had no room.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    desk: Arc<Desk>,
    due: watch::Sender<Due>,
}

#[derive(Debug, Default)]
struct Due {
    changes: Vec<ExportChange>,
    /// Of these changes and of those that are being written.
    events: u64,
    letters: u64,
    is_writing: bool,
    /// Places that are shown once it is written, with the cursor's generation and the events up to there.
    passed: Vec<(u64, Sequence, u64)>,
    /// The writer takes nothing any more.
    is_over: bool,
}

impl Ledger {
    pub fn new(desk: Arc<Desk>) -> Ledger {
        Ledger { desk, due: watch::Sender::new(Due::default()) }
    }

    /// What has become certain since the cursor was moved by hand for the last time.
    pub fn pass(&self, generation: u64, progress: Progress) {
        let destination = self.desk.id.as_str();
        let Progress { to, forwarded, letters, settled } = progress;
        let letters: Vec<_> = letters.iter().map(super::DeadLetter::letter).collect();
        self.due.send_modify(|due| {
            if let Some(to) = to {
                due.passed.push((generation, to, forwarded + letters.len() as u64));
            }
            due.letters += letters.len() as u64;
            due.events += forwarded + (letters.len() + settled.len()) as u64;
            if let Some(ExportChange::Advance {
                generation: last,
                to: last_to,
                forwarded: last_forwarded,
                letters: last_letters,
                settled: last_settled,
                ..
            }) = due.changes.last_mut()
                && *last == generation
                && last_settled.is_empty()
                && settled.is_empty()
            {
                *last_to = (*last_to).max(to.unwrap_or(Sequence(0)));
                *last_forwarded += forwarded;
                last_letters.extend(letters);
                return;
            }
            let to = to.unwrap_or(Sequence(0));
            let destination = destination.to_owned();
            due.changes.push(ExportChange::Advance { destination, generation, to, forwarded, letters, settled });
        });
    }

    /// Shows a place that is not worth a commit, once all before it is written.
    pub fn reach(&self, generation: u64, to: Sequence) {
        self.due.send_if_modified(|due| {
            if due.changes.is_empty() && !due.is_writing {
                self.desk.board.pass(generation, to, 0);
            } else {
                due.passed.push((generation, to, 0));
            }
            false
        });
    }

    pub fn pause(&self, pause: Pause) {
        let destination = self.desk.id.as_str().to_owned();
        self.due.send_modify(|due| due.changes.push(ExportChange::Pause { destination, pause: Some(pause) }));
    }

    /// Waits until all of it is on disk, or will never be.
    pub async fn written(&self) {
        self.wait(|due| due.changes.is_empty() && !due.is_writing).await;
    }

    /// Waits while too much is not on disk.
    pub async fn room(&self) {
        self.wait(|due| due.events < UNWRITTEN_EVENTS && due.letters < UNWRITTEN_LETTERS).await;
    }

    /// Whether the writer takes nothing any more.
    pub fn is_over(&self) -> bool {
        self.due.borrow().is_over
    }

    async fn wait(&self, holds: impl Fn(&Due) -> bool) {
        // The sender is in our own hands.
        let _ = self.due.subscribe().wait_for(|due| due.is_over || holds(due)).await;
    }

    /// Writes what is due, until the writer stops.
    pub async fn write(self, writer: Handle) {
        let mut seen = self.due.subscribe();
        while seen.wait_for(|due| !due.changes.is_empty()).await.is_ok() {
            let (mut changes, mut events, mut letters, mut passed) = (Vec::new(), 0, 0, Vec::new());
            self.due.send_modify(|due| {
                changes = std::mem::take(&mut due.changes);
                (events, letters) = (due.events, due.letters);
                passed = std::mem::take(&mut due.passed);
                due.is_writing = true;
            });
            let documents: Vec<_> = changes.into_iter().map(DocumentChange::Export).collect();
            while let Err(error) = writer.record(documents.clone()).await {
                if matches!(error, Unavailable::Stopping | Unavailable::Poisoned) {
                    self.due.send_modify(|due| due.is_over = true);
                    return;
                }
                tracing::warn!(destination = %self.desk.id, %error, "what was sent could not be written down; it is tried again");
                tokio::time::sleep(ROOM_RETRY).await;
            }
            self.due.send_modify(|due| {
                due.events -= events;
                due.letters -= letters;
                due.is_writing = false;
                if due.changes.is_empty() {
                    passed.append(&mut due.passed);
                }
                // What is shown is on disk: counts, letters and place agree.
                for (generation, to, events) in passed {
                    self.desk.board.pass(generation, to, events);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::event::Timestamp;
    use crate::export::probe::Log;
    use crate::export::{DeadLetter, DestinationId};
    use futures_util::FutureExt;
    use hyper::StatusCode;

    #[test]
    fn what_is_not_on_disk_is_bounded_in_events_and_in_letters() {
        let log = Log::new();
        let clock = Arc::new(ManualClock::at(Timestamp(1)));
        let ledger = || Ledger::new(Arc::new(Desk::new(DestinationId::Segment, log.store.clone(), clock.clone(), 1)));
        let letter =
            |sequence| DeadLetter::refused(Sequence(sequence), "e", Timestamp(1), StatusCode::BAD_REQUEST, b"", 1);
        for (forwarded, letters, has_room) in [
            (UNWRITTEN_EVENTS - 1, 0, true),
            (UNWRITTEN_EVENTS, 0, false),
            (0, UNWRITTEN_LETTERS - 1, true),
            (0, UNWRITTEN_LETTERS, false),
        ] {
            let ledger = ledger();
            let letters = (0..letters).map(letter).collect();
            ledger.pass(0, Progress { forwarded, letters, ..Progress::default() });
            assert_eq!(ledger.room().now_or_never().is_some(), has_room, "{forwarded} events");
        }
    }
}
