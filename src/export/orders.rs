//! What a person or program may order of a destination, and look at: pause, move, send again, discard, try. Sends nothing but the
//! event of a test.

use super::batch::Purpose;
use super::board::{Attempt, Outcome};
use super::client::Client;
use super::dead_letter::DeadLetter;
use super::run::{blocking, millis, of_failure, of_reply, outcome};
use super::verdict::Verdict;
use super::{DestinationId, Exports};
use crate::event::Sequence;
use crate::store::{DocumentChange, ExportChange, Letter, Pause, ReadError, StoredEvent};
use crate::writer::Unavailable;
use std::time::Instant;
use tokio::sync::watch;

/// The code of a pause that a person ordered: nothing but a person ends it.
pub const BY_HAND: &str = "by_hand";

/// A dead letter that somebody looks at: the letter, its event, and the event as it would be sent now.
pub type OpenedLetter = (DeadLetter, Option<StoredEvent>, Option<String>);

/// Why a destination cannot be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TestError {
    #[error("this destination is disabled; enable it first")]
    Disabled,
    #[error("nothing can be sent to this destination as it is set; its status says why")]
    Unusable,
}

impl Exports {
    /// The last attempts, at most `ATTEMPTS_KEPT`: the newest first, or, of those behind a number, the oldest first.
    pub fn attempts(&self, id: DestinationId, after: Option<u64>, limit: usize) -> Vec<Attempt> {
        self.desk(id).board.attempts(after, limit)
    }

    /// Changes with each attempt; holds the newest one's number.
    pub fn watch(&self, id: DestinationId) -> watch::Receiver<u64> {
        self.desk(id).board.watch()
    }

    /// Sends nothing from now on; a request that is under way ends. Blocks.
    pub fn pause(&self, id: DestinationId, author: &str) -> Result<(), Unavailable> {
        let message = format!("paused by {author}; resume it to go on, nothing is lost meanwhile");
        let pause = Pause { code: BY_HAND.to_owned(), message, since: self.inner.clock.now() };
        self.order(id, |destination| ExportChange::Pause { destination, pause: Some(pause) })
    }

    /// Ends a pause, and a wait for the next attempt. Blocks.
    pub fn resume(&self, id: DestinationId) -> Result<(), Unavailable> {
        self.order(id, |destination| ExportChange::Pause { destination, pause: None })
    }

    /// Sends everything again from a place in the log. Blocks.
    pub fn replay(&self, id: DestinationId, from: Sequence) -> Result<(), Unavailable> {
        self.order(id, |destination| ExportChange::Move { destination, to: Some(from) })
    }

    /// Leaves out everything up to the log's end. Blocks.
    pub fn skip(&self, id: DestinationId) -> Result<(), Unavailable> {
        self.order(id, |destination| ExportChange::Move { destination, to: None })
    }

    /// Throws dead letters away; `None`: all. Blocks.
    pub fn discard(&self, id: DestinationId, letters: Option<Vec<Sequence>>) -> Result<(), Unavailable> {
        let mut ordered = self.desk(id).letters();
        match &letters {
            Some(letters) => letters.iter().for_each(|letter| {
                ordered.remove(&letter.0);
            }),
            None => ordered.clear(),
        }
        drop(ordered);
        self.change(id, |destination| ExportChange::Discard { destination, letters })
    }

    fn order(&self, id: DestinationId, change: impl FnOnce(String) -> ExportChange) -> Result<(), Unavailable> {
        self.change(id, change)?;
        self.desk(id).revise();
        Ok(())
    }

    fn change(&self, id: DestinationId, change: impl FnOnce(String) -> ExportChange) -> Result<(), Unavailable> {
        let change = change(id.as_str().to_owned());
        self.inner.writer.change(vec![DocumentChange::Export(change)], None).map(|_| ())
    }

    /// Dead letters of events before a place (`None`: all), newest first. Blocks.
    pub fn dead_letters(
        &self,
        id: DestinationId,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        let letters = self.inner.store.snapshot()?.dead_letters(id.as_str(), before, limit)?;
        letters.iter().map(read).collect()
    }

    /// One dead letter. Blocks.
    pub fn dead_letter(&self, id: DestinationId, sequence: Sequence) -> Result<Option<OpenedLetter>, ReadError> {
        let snapshot = self.inner.store.snapshot()?;
        let Some(letter) = snapshot.dead_letter(id.as_str(), sequence)? else { return Ok(None) };
        let event = snapshot.event(sequence)?;
        let call = event.as_ref().and_then(|event| {
            let mut bytes = Vec::new();
            self.desk(id).reader.destination()?.encode(event, &mut bytes).ok()?;
            String::from_utf8(bytes).ok()
        });
        Ok(Some((read(&letter)?, event, call)))
    }

    /// Has dead letters sent again (`None`: all there are), before anything else that is to be sent; tells how many. The order is
    /// kept in memory: after a restart they are dead letters as before. Blocks.
    pub fn retry(&self, id: DestinationId, letters: Option<Vec<Sequence>>) -> Result<usize, ReadError> {
        let snapshot = self.inner.store.snapshot()?;
        let there: Vec<u64> = match letters {
            None => snapshot.dead_letter_sequences(id.as_str())?.iter().map(|letter| letter.0).collect(),
            Some(letters) => {
                let mut there = Vec::with_capacity(letters.len());
                for letter in letters {
                    if snapshot.dead_letter(id.as_str(), letter)?.is_some() {
                        there.push(letter.0);
                    }
                }
                there
            }
        };
        let desk = self.desk(id);
        let count = there.len();
        desk.letters().extend(there);
        desk.ring();
        Ok(count)
    }

    /// Sends one event of its own to a destination now, whatever else is under way or paused, and tells what came of it. Needs a
    /// runtime with time and network enabled.
    pub async fn test(&self, id: DestinationId) -> Result<Attempt, TestError> {
        let desk = self.desk(id);
        let is_unusable = desk.board.shown().unusable.is_some();
        let why_not = if is_unusable { TestError::Unusable } else { TestError::Disabled };
        let destination = desk.reader.destination().ok_or(why_not)?;
        let mut random = [0; 8];
        (self.inner.random)(&mut random);
        let message_id = format!("weir-{}-test-{:016x}", self.inner.store.id(), u64::from_le_bytes(random));
        let (time, began) = (self.inner.clock.now(), Instant::now());
        let mut event = Vec::new();
        destination.encode_test(&message_id, time, &mut event);
        let call = destination.call(&[&event], time);
        // A connection of its own, so that connecting is tried too.
        let (trust, timeout) = (self.inner.limits.trust.clone(), self.inner.limits.timeout);
        // The first one reads the system's authorities.
        let client = blocking(move || Client::new(trust, timeout)).await;
        let result = client.post(&call, 1).await;
        let now = self.inner.clock.now();
        let (outcome, status, error) = match &result {
            Err(failure) => (Outcome::Again, None, Some(of_failure(failure, now))),
            Ok(reply) => {
                let verdict = Verdict::of(reply.status, &reply.headers, now);
                let error = (verdict != Verdict::Delivered).then(|| of_reply(reply, now));
                (outcome(verdict), Some(reply.status.as_u16()), error)
            }
        };
        let attempt = Attempt {
            events: 1,
            forwarded: u64::from(outcome == Outcome::Delivered),
            bytes: call.body.len() as u64,
            duration_ms: millis(began.elapsed()),
            status,
            outcome,
            error: error.as_ref().map(|error| error.message.clone()),
            ..Attempt::begun(Purpose::Test, time)
        };
        Ok(desk.board.note(attempt, None))
    }
}

fn read(letter: &Letter) -> Result<DeadLetter, ReadError> {
    DeadLetter::read(letter).map_err(|error| ReadError::Missing(format!("dead letter {}: {error}", letter.sequence.0)))
}
