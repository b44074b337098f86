//! The task of one destination: obey, gather, deliver, advance; one request at a time, in order. Knows no wire and writes
//! nothing itself.

use super::batch::{Batch, Purpose};
use super::board::{Attempt, Doing, Instruments, LastError, NextAttempt, Outcome};
use super::client::{Client, Failure, Reply};
use super::dead_letter::excerpt;
use super::deliver::{Delivery, Progress, REFUSED_IN_A_ROW, Step};
use super::desk::Desk;
use super::ledger::Ledger;
use super::next::Next;
use super::pace::{self, Pace};
use super::verdict::Verdict;
use super::{Inner, seconds};
use crate::event::{Sequence, Timestamp};
use crate::store::{Cursor, Pause, ReadError};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a request that is under way may take to finish when the server stops. What it carries is sent again.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
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
}

impl Runner {
    fn new(inner: Arc<Inner>, desk: Arc<Desk>, stop: watch::Receiver<bool>) -> Runner {
        let mut bell = desk.bell();
        bell.mark_changed();
        Runner {
            client: None,
            ledger: Ledger::new(desk.id),
            bell,
            stop,
            committed: inner.writer.committed(),
            next: Next::default(),
            pace: Pace { base: pace::BASE, ceiling: inner.limits.backoff },
            place: None,
            revision: desk.revision(),
            refused_in_a_row: 0,
            filtered: 0,
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
                () = stopped(&mut self.stop) => break,
            };
            match batch {
                Ok(Some(batch)) if batch.is_empty() => self.skip_over(&batch),
                Ok(Some(batch)) => self.deliver(batch).await,
                // Disabled meanwhile; the bell has rung.
                Ok(None) => self.bell.mark_changed(),
                Err(error) => self.cannot_read(&error).await,
            }
            self.desk.board.shown().doing = Doing::Nothing;
        }
        self.close().await;
    }

    /// What a person or a change of settings asks for; reads the cursor if something may have changed.
    async fn obey(&mut self) -> Orders {
        if *self.stop.borrow() {
            return Orders::Stop;
        }
        if !self.bell.has_changed().unwrap_or(true) {
            return Orders::GoOn;
        }
        self.bell.mark_unchanged();
        let revision = self.desk.revision();
        let cursor = loop {
            match self.cursor().await {
                Ok(cursor) => break cursor,
                Err(error) => self.cannot_read(&error).await,
            }
            if *self.stop.borrow() {
                return Orders::Stop;
            }
        };
        let Some(cursor) = cursor.filter(|_| self.desk.reader.destination().is_some()) else {
            self.place = None;
            return Orders::Rest;
        };
        let before = self.place.filter(|place| place.generation == cursor.generation);
        let position = before.map_or(cursor.position, |place| place.position.max(cursor.position));
        let is_same = before.is_some_and(|place| place.position == position) && self.revision == revision;
        if before.is_none_or(|place| place.position != position) {
            let told = before.map_or(position, |place| place.told.max(cursor.position));
            self.place = Some(Place { generation: cursor.generation, position, told });
            let mut shown = self.desk.board.shown();
            shown.lag.restart(cursor.generation, position);
            shown.oldest = None;
        }
        self.revision = revision;
        if !is_same {
            self.refused_in_a_row = 0;
        }
        match (cursor.pause.is_some(), is_same) {
            (true, _) => {
                // What is in hand when it is resumed is gathered anew.
                self.revision = revision.wrapping_sub(1);
                Orders::Rest
            }
            (false, true) => Orders::GoOn,
            (false, false) => Orders::Anew,
        }
    }

    async fn cursor(&self) -> Result<Option<Cursor>, ReadError> {
        let (store, id) = (self.inner.store.clone(), self.desk.id);
        blocking(move || store.snapshot()?.cursor(id.as_str())).await
    }

    /// A batch of dead letters that were ordered to be sent again.
    async fn ordered_letters(&mut self) -> Option<Batch> {
        let ordered: Vec<u64> = {
            let letters = self.desk.letters();
            let most = self.desk.reader.destination()?.limits().events;
            letters.iter().copied().take(most).collect()
        };
        if ordered.is_empty() {
            return None;
        }
        let desk = self.desk.clone();
        match blocking(move || desk.reader.gather_letters(&ordered)).await {
            Ok(batch) => batch,
            Err(error) => {
                self.cannot_read(&error).await;
                None
            }
        }
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

    async fn client(&mut self) -> Arc<Client> {
        if let Some(client) = &self.client {
            return client.clone();
        }
        let (trust, timeout) = (self.inner.limits.trust.clone(), self.inner.limits.timeout);
        let client = Arc::new(blocking(move || Client::new(trust, timeout)).await);
        self.client = Some(client.clone());
        client
    }

    /// One attempt; `None` when the server stopped before its end.
    async fn attempt(&mut self, delivery: &mut Delivery, part: Range<usize>) -> Option<Step> {
        let client = self.client().await;
        let (attempt, is_first) = (delivery.attempt(), delivery.is_first());
        let batch = delivery.batch();
        let (time, began) = (self.inner.clock.now(), Instant::now());
        let call = batch.destination.call(&batch.encoded(part.clone()), time);
        let sequence = |at: usize| batch.items.get(at).map(|item| item.sequence.0);
        let mut noted = Attempt {
            number: 0,
            time: time.0,
            purpose: batch.purpose,
            first_sequence: sequence(part.start),
            last_sequence: sequence(part.end - 1),
            events: part.len() as u64,
            forwarded: 0,
            filtered: if is_first { std::mem::take(&mut self.filtered) } else { 0 },
            failed: 0,
            bytes: call.body.len() as u64,
            duration_ms: 0,
            attempt,
            status: None,
            outcome: Outcome::Again,
            error: None,
        };
        let result = tokio::select! {
            result = client.post(&call, attempt) => result,
            () = cut_off(self.stop.clone()) => return None,
        };
        let now = self.inner.clock.now();
        noted.duration_ms = millis(began.elapsed());
        let (step, error) = match &result {
            Err(failure) => (delivery.failed(), Some(of_failure(failure, now))),
            Ok(reply) => {
                noted.status = Some(reply.status.as_u16());
                let verdict = Verdict::of(reply.status, &reply.headers, now);
                noted.outcome = outcome(verdict);
                let error = (verdict != Verdict::Delivered).then(|| of_reply(reply, now));
                (delivery.answered(verdict, reply, now), error)
            }
        };
        if let Step::Passed(progress) = &step {
            noted.forwarded = progress.forwarded;
            noted.failed = u64::from(noted.outcome == Outcome::Refused);
        }
        noted.error = error.as_ref().map(|error| error.message.clone());
        self.instruments().count(noted.outcome);
        self.desk.board.note(noted, error);
        Some(step)
    }

    /// Waits before the next attempt, as long as the orders stay. `false` when they changed.
    async fn wait(&mut self, failed: u32, after: Option<Duration>) -> bool {
        let wait = after.unwrap_or_else(|| self.pace.wait(failed, self.inner.random_u32()));
        let until = Instant::now() + wait;
        let at = self.inner.clock.now().0.saturating_add_unsigned(millis(wait));
        self.desk.board.shown().doing = Doing::Waiting(NextAttempt { attempt: failed + 1, at });
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                () = stopped(&mut self.stop) => return false,
                _ = self.bell.changed() => {
                    self.bell.mark_changed();
                    if self.obey().await != Orders::GoOn {
                        return false;
                    }
                }
            }
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

    /// Pauses the destination; in force when it returns. The orders say so.
    async fn pause(&mut self, code: &str, message: String) {
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

    /// Has written down what is certain, of the cursor as it was in a generation.
    fn pass(&mut self, generation: u64, purpose: Purpose, progress: Progress) {
        // A move by hand meanwhile counts, and not what was on its way.
        let place = self.place.as_mut().filter(|place| place.generation == generation);
        let is_further = match (progress.to, &place) {
            (Some(to), Some(place)) => to > place.told,
            _ => false,
        };
        let is_news = progress.forwarded > 0 || !progress.letters.is_empty() || !progress.settled.is_empty();
        if !is_further && !is_news {
            return;
        }
        let instruments = Instruments::of(self.desk.id, &self.inner.meters);
        instruments.forwarded.add(progress.forwarded);
        let settled = progress.settled.iter().map(|sequence| sequence.0);
        match purpose {
            Purpose::Batch => {
                let letters = progress.letters.len() as u64;
                instruments.dead_letter.add(letters);
                if let (Some(to), Some(place)) = (progress.to, place) {
                    place.position = place.position.max(to);
                    place.told = place.position;
                    self.desk.board.pass(generation, to, progress.forwarded + letters);
                }
            }
            _ => {
                let mut ordered = self.desk.letters();
                for sequence in settled.chain(progress.letters.iter().map(|letter| letter.sequence)) {
                    ordered.remove(&sequence);
                }
            }
        }
        self.ledger.pass(generation, progress);
    }

    /// Passes over rows of which none is to be sent. Kept in memory until it is worth a commit.
    fn skip_over(&mut self, batch: &Batch) {
        self.filtered += batch.filtered;
        self.instruments().filtered.add(batch.filtered);
        self.reach(batch.to);
    }

    /// Passes over what the gathering under way has found empty.
    fn skim(&mut self) {
        self.reach(self.next.empty_to());
    }

    fn reach(&mut self, to: Sequence) {
        let Some(place) = &mut self.place else { return };
        if to <= place.position {
            return;
        }
        place.position = to;
        self.desk.board.pass(place.generation, to, 0);
        if to.0 - place.told.0 >= COMMIT_ROWS {
            place.told = to;
            self.ledger.pass(place.generation, Progress { to: Some(to), ..Progress::default() });
        }
    }

    /// Events that cannot be sent are an attempt that nobody saw.
    fn tell_unsendable(&mut self, delivery: &Delivery) {
        let (letters, now) = (delivery.letters(), self.inner.clock.now());
        let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return };
        let message = format!("{} of {}: {}", first.code, first.event, first.message);
        let attempt = Attempt {
            number: 0,
            time: now.0,
            purpose: delivery.batch().purpose,
            first_sequence: Some(first.sequence),
            last_sequence: Some(last.sequence),
            events: 0,
            forwarded: 0,
            filtered: 0,
            failed: letters.len() as u64,
            bytes: 0,
            duration_ms: 0,
            attempt: 1,
            status: None,
            outcome: Outcome::Unsendable,
            error: Some(message.clone()),
        };
        let error = LastError { time: now.0, code: first.code.clone(), message, status: None };
        self.desk.board.note(attempt, Some(error));
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

/// Resolves when a request that is under way has had its time after the server was told to stop.
async fn cut_off(mut stop: watch::Receiver<bool>) {
    stopped(&mut stop).await;
    sleep(FINISH_WITHIN).await;
}

/// Runs what blocks where that is allowed. A panic of it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        // The runtime ends, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Delivered => Outcome::Delivered,
        Verdict::Again { .. } => Outcome::Again,
        Verdict::Refused => Outcome::Refused,
        Verdict::Unauthorized => Outcome::Unauthorized,
    }
}

pub(super) fn of_failure(failure: &Failure, now: Timestamp) -> LastError {
    LastError { time: now.0, code: failure.code.to_owned(), message: failure.message.clone(), status: None }
}

pub(super) fn of_reply(reply: &Reply, now: Timestamp) -> LastError {
    let status = reply.status.as_u16();
    let message = match excerpt(&reply.body) {
        Some(said) => format!("the destination answered {status}: {said}"),
        None => format!("the destination answered {status}"),
    };
    LastError { time: now.0, code: "http_status".to_owned(), message, status: Some(status) }
}
