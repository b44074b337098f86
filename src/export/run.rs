//! The task of one destination: obey, gather, deliver, advance; one request at a time, in order. Knows no wire and writes
//! nothing itself.

mod attempt;
mod obey;
mod pass;

pub(super) use attempt::{millis, of_failure, of_reply, outcome};

use super::batch::{Batch, Purpose};
use super::board::{Doing, Instruments, LastError};
use super::client::Client;
use super::deliver::{Delivery, Progress, REFUSED_IN_A_ROW, Step};
use super::desk::Desk;
use super::ledger::Ledger;
use super::next::Next;
use super::pace::{self, Pace};
use super::{Inner, seconds};
use crate::event::Sequence;
use crate::store::{Pause, ReadError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the last that is certain may take to reach the disk when the server stops.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
/// A filtered stretch of so many rows is worth a commit.
const COMMIT_ROWS: u64 = super::gather::SCAN_ROWS;

/// Serves a destination until the server stops. A task that panics is begun again, from what is on disk.
pub(super) async fn serve(inner: Arc<Inner>, desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let pace = Pace { base: pace::BASE, ceiling: inner.limits.backoff };
    let mut panics = 0;
    loop {
        let mut task = JoinSet::new();
        task.spawn(Runner::new(inner.clone(), desk.clone(), stop.clone()).run());
        match task.join_next().await {
            Some(Err(join)) if join.is_panic() => {
                panics += 1;
                let wait = pace.wait(panics, inner.random_u32());
                let message = "a mistake of Weir's stopped this destination; it is begun again by itself";
                tracing::error!(destination = %desk.id, in_ms = wait.as_millis(), "{message}");
                let time = inner.clock.now().0;
                let error = LastError { time, code: "internal_error".into(), message: message.into(), status: None };
                desk.board.shown().last_error = Some(error);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stopped(&mut stop) => return,
                }
            }
            _ => return,
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could stop it: the house is going down.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Where the task has got, as of the cursor's generation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    generation: u64,
    position: Sequence,
    /// What was handed to the ledger.
    told: Sequence,
}

/// What the orders are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Orders {
    /// Go on with what is in hand.
    GoOn,
    /// Go on, from the place and by the settings as they are now.
    Anew,
    /// Do nothing.
    Rest,
    Stop,
}

struct Runner {
    inner: Arc<Inner>,
    desk: Arc<Desk>,
    /// Made when it is first needed: it reads the system's authorities.
    client: Option<Arc<Client>>,
    ledger: Ledger,
    bell: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    committed: watch::Receiver<Sequence>,
    next: Next,
    pace: Pace,
    /// `None` before the cursor was read, and while there is none.
    place: Option<Place>,
    revision: u64,
    refused_in_a_row: u32,
    /// Filtered events of batches in which nothing was to be sent, since the last attempt.
    filtered: u64,
    /// Whether something was sent that may not be written down yet.
    is_busy: bool,
}

impl Runner {
    fn new(inner: Arc<Inner>, desk: Arc<Desk>, stop: watch::Receiver<bool>) -> Runner {
        let mut bell = desk.bell();
        bell.mark_changed();
        Runner {
            client: None,
            ledger: Ledger::new(desk.clone()),
            bell,
            stop,
            committed: inner.writer.committed(),
            next: Next::default(),
            pace: Pace { base: pace::BASE, ceiling: inner.limits.backoff },
            place: None,
            revision: desk.revision(),
            refused_in_a_row: 0,
            filtered: 0,
            is_busy: false,
            inner,
            desk,
        }
    }

    async fn run(mut self) {
        // Ends with the task, whichever way that goes.
        let mut writing = JoinSet::new();
        writing.spawn(self.ledger.clone().write(self.inner.writer.clone()));
        loop {
            match self.obey().await {
                Orders::Stop => break,
                Orders::Rest => {
                    // The place may be another one when it goes on.
                    self.next = Next::default();
                    self.is_busy = false;
                    self.desk.board.shown().doing = Doing::Nothing;
                    tokio::select! {
                        _ = self.bell.changed() => self.bell.mark_changed(),
                        () = stopped(&mut self.stop) => break,
                    }
                    continue;
                }
                Orders::Anew => self.next = Next::default(),
                Orders::GoOn => {}
            }
            let Some(place) = self.place else { continue };
            if let Some(batch) = self.ordered_letters().await {
                self.deliver(batch).await;
                continue;
            }
            self.ledger.room().await;
            self.next.start(&self.desk, &self.inner.store, &self.committed, place.position);
            let batch = tokio::select! {
                batch = self.next.take() => batch,
                _ = self.bell.changed() => {
                    self.bell.mark_changed();
                    self.skim();
                    continue;
                }
                // Only then does what is counted on disk tell of all that was sent.
                () = self.ledger.written(), if self.is_busy => {
                    self.is_busy = false;
                    self.desk.board.shown().doing = Doing::Nothing;
                    continue;
                }
                () = stopped(&mut self.stop) => break,
            };
            match batch {
                Ok(Some(batch)) if batch.is_empty() => self.skip_over(&batch),
                Ok(Some(batch)) => self.deliver(batch).await,
                // Disabled meanwhile; the bell has rung.
                Ok(None) => self.bell.mark_changed(),
                Err(error) => self.cannot_read(&error).await,
            }
        }
        self.close().await;
    }

    /// Takes a batch through its attempts, until all of it is settled or the orders change.
    async fn deliver(&mut self, batch: Batch) {
        let Some(Place { generation, .. }) = self.place else { return };
        let (purpose, to, filtered) = (batch.purpose, batch.to, batch.filtered);
        self.filtered += filtered;
        if purpose == Purpose::Batch {
            // Gathered while this one is on its way.
            self.next.start(&self.desk, &self.inner.store, &self.committed, to);
        }
        let mut delivery = Delivery::new(batch);
        self.tell_unsendable(&delivery);
        while let Some(part) = delivery.next() {
            self.ledger.room().await;
            {
                let mut shown = self.desk.board.shown();
                shown.doing = Doing::Sending;
                self.is_busy = true;
                if purpose == Purpose::Batch {
                    shown.oldest = delivery.oldest();
                }
            }
            let Some(step) = self.attempt(&mut delivery, part).await else { break };
            match step {
                Step::Passed(progress) => {
                    let pause = self.count_refused(&progress, purpose);
                    self.pass(generation, purpose, progress);
                    if let Some(message) = pause {
                        self.pause("refuses_everything", message).await;
                    }
                }
                Step::Split => {}
                Step::Again { failed, after } => {
                    if !self.wait(failed, after).await {
                        break;
                    }
                }
                Step::Unauthorized => self.pause_unauthorized(delivery.batch()).await,
            }
            if self.obey().await != Orders::GoOn {
                // Also what was gathered behind it.
                self.next = Next::default();
                self.bell.mark_changed();
                break;
            }
        }
        self.desk.board.shown().oldest = None;
        if delivery.next().is_none() {
            self.pass(generation, purpose, delivery.rest());
            self.instruments().filtered.add(filtered);
        } else {
            // What lies behind what is left must not go before it.
            self.next = Next::default();
            self.bell.mark_changed();
        }
    }

    /// Counts what was refused in a row. Where everything is, tells why the destination is to be paused.
    fn count_refused(&mut self, progress: &Progress, purpose: Purpose) -> Option<String> {
        // Dead letters that are sent again were refused before: that says nothing new.
        if purpose != Purpose::Batch {
            return None;
        }
        let refused = progress.letters.iter().filter(|letter| letter.status.is_some()).count() as u32;
        self.refused_in_a_row = if progress.forwarded > 0 { 0 } else { self.refused_in_a_row + refused };
        if self.refused_in_a_row < REFUSED_IN_A_ROW {
            return None;
        }
        self.refused_in_a_row = 0;
        let status = progress.letters.last().and_then(|letter| letter.status).unwrap_or_default();
        Some(format!(
            "{REFUSED_IN_A_ROW} events in a row were refused, the last with {status}: the address or the key is probably of \
             something else. Correct it, or resume; the refused events are dead letters, which can be sent again"
        ))
    }

    async fn pause_unauthorized(&mut self, batch: &Batch) {
        let status = self.desk.board.attempts(None, 1).first().and_then(|attempt| attempt.status).unwrap_or_default();
        let message = format!(
            "{} answered {status}: it does not take events with this key or from here. Set the right key, which resumes it, \
             or resume it when the destination has been told; nothing is lost meanwhile",
            batch.destination.id()
        );
        self.pause("unauthorized", message).await;
    }

    /// Pauses the destination; in force when it returns. The orders say so. Where they changed since the request began, what it
    /// came to says nothing of the settings as they are, and a pause by hand is not replaced.
    async fn pause(&mut self, code: &str, message: String) {
        if self.desk.revision() != self.revision {
            return;
        }
        tracing::warn!(destination = %self.desk.id, code, "paused: {message}");
        let since = self.inner.clock.now();
        self.ledger.pause(Pause { code: code.to_owned(), message, since });
        self.bell.mark_changed();
        tokio::select! {
            () = self.ledger.written() => {}
            () = stopped(&mut self.stop) => {}
        }
        if self.ledger.is_over() {
            // Nothing can be written any more, and the process is about to end.
            stopped(&mut self.stop).await;
        }
    }

    async fn cannot_read(&mut self, error: &ReadError) {
        tracing::error!(destination = %self.desk.id, %error, "the log could not be read; it is tried again");
        let (time, message) = (self.inner.clock.now().0, "the log could not be read; the server's log says why");
        let error = LastError { time, code: "internal_error".into(), message: message.into(), status: None };
        self.desk.board.shown().last_error = Some(error);
        let wait = self.pace.wait(u32::MAX, self.inner.random_u32());
        tokio::select! {
            () = sleep(wait) => {}
            () = stopped(&mut self.stop) => {}
        }
    }

    fn instruments(&self) -> Instruments<'_> {
        Instruments::of(self.desk.id, &self.inner.meters)
    }

    /// Writes down how far it got.
    async fn close(&mut self) {
        if let Some(place) = self.place {
            let empty_to = self.next.empty_to();
            // With something in hand there is no such place.
            let to = place.position.max(empty_to);
            if to > place.told {
                self.ledger.pass(place.generation, Progress { to: Some(to), ..Progress::default() });
            }
        }
        self.desk.board.shown().doing = Doing::Nothing;
        if tokio::time::timeout(WRITE_WITHIN, self.ledger.written()).await.is_err() {
            let within = seconds(WRITE_WITHIN);
            tracing::warn!(destination = %self.desk.id, within, "how far it got was not written; the last events go out again");
        }
    }
}

/// Runs what blocks where that is allowed. A panic of it goes on here.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        // The runtime ends, and this task with it.
        Err(_) => std::future::pending().await,
    }
}
