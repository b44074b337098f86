//! Destinations: how far each has got, what became of what was sent, and what a person may do about it. What is done leaves a line
//! with its author in the server's log; it is no change of the catalog, and makes no version and no event. Shows no secret.

mod place;
mod replay;
mod veil;

pub(super) use place::{changes, complete};
pub use replay::Replay;

use super::{Admin, AdminError, DEFAULT_ROWS, EventRow, MAX_ROWS, Page, Pagination};
use crate::event::Sequence;
use crate::export::{Attempt, DeadLetter, DestinationId, DestinationState, DestinationStatus, TestError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::{MutexGuard, PoisonError};
use tokio::sync::watch;
use veil::Veil;

/// The part of the log that a move by hand goes over: what a replay sends again, or a skip passes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The first event of it.
    pub from_sequence: u64,
    /// The log's end, behind its last event.
    pub to_sequence: u64,
    /// Events in between, of all sources. Of these the destination gets those that its settings choose.
    pub events: u64,
}

/// A dead letter with the event that it is about.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDetail {
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The event as it is stored.
    pub stored: Option<EventRow>,
    /// The event as it would be sent now, by the present settings; null where it cannot be.
    #[schemars(with = "Option<Value>")]
    pub call: Option<Box<RawValue>>,
}

/// How many dead letters something is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LetterCount {
    pub count: u64,
}

/// What the status of the house says of a destination.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationBrief {
    /// `segment`, `webhook`.
    pub id: String,
    pub state: DestinationState,
    /// Events that are to be sent and are not confirmed yet.
    pub lag_events: u64,
    /// How long ago the oldest of them was received.
    pub lag_seconds: u64,
    /// Dead letters that are held.
    pub dead_letters: u64,
}

impl Admin {
    /// All destinations, those that are disabled too.
    pub fn destinations(&self) -> Result<Page<DestinationStatus>, AdminError> {
        let data =
            DestinationId::ALL.into_iter().map(|id| self.destination_status(id)).collect::<Result<Vec<_>, _>>()?;
        let pagination = Pagination { items_per_page: data.len(), next: None };
        Ok(Page { message: "Destinations listed.", data, pagination })
    }

    /// One destination, by its word.
    pub fn destination(&self, name: &str) -> Result<DestinationStatus, AdminError> {
        self.destination_status(named(name)?)
    }

    fn destination_status(&self, id: DestinationId) -> Result<DestinationStatus, AdminError> {
        let mut status = self.exports().status(id)?;
        self.veil(id).over_status(&mut status);
        Ok(status)
    }

    /// The newest attempts, newest first; with `after` those behind that number, oldest first. Only some are remembered, and none
    /// from before the start.
    pub fn attempts(&self, name: &str, after: Option<u64>, limit: Option<usize>) -> Result<Page<Attempt>, AdminError> {
        let id = named(name)?;
        let limit = rows(limit)?;
        let mut data = self.exports().attempts(id, after, limit + 1);
        let more = data.len() > limit;
        data.truncate(limit);
        self.veil(id).over_attempts(&mut data);
        let next = if more && after.is_some() { data.last().map(|attempt| attempt.number) } else { None };
        Ok(Page { message: "Attempts listed.", data, pagination: Pagination { items_per_page: limit, next } })
    }

    /// The number of a destination's newest attempt, as it changes.
    pub fn newest_attempt(&self, name: &str) -> Result<watch::Receiver<u64>, AdminError> {
        Ok(self.exports().watch(named(name)?))
    }

    /// Dead letters, that of the newest event first.
    pub fn dead_letters(
        &self,
        name: &str,
        before: Option<u64>,
        limit: Option<usize>,
    ) -> Result<Page<DeadLetter>, AdminError> {
        let id = named(name)?;
        let limit = rows(limit)?;
        let mut data = self.exports().dead_letters(id, before.map(Sequence), limit + 1)?;
        let more = data.len() > limit;
        data.truncate(limit);
        let veil = self.veil(id);
        data.iter_mut().for_each(|letter| veil.over_letter(letter));
        let next = if more { data.last().map(|letter| letter.sequence) } else { None };
        Ok(Page { message: "Dead letters listed.", data, pagination: Pagination { items_per_page: limit, next } })
    }

    /// One dead letter with its event.
    pub fn dead_letter(&self, name: &str, sequence: &str) -> Result<DeadLetterDetail, AdminError> {
        let id = named(name)?;
        let found = match sequence.parse() {
            Ok(number) => self.exports().dead_letter(id, Sequence(number))?,
            Err(_) => None,
        };
        let Some((mut letter, event, call)) = found else { return Err(no_letter(sequence)) };
        self.veil(id).over_letter(&mut letter);
        let stored = self.rows(&self.store().snapshot()?, event.into_iter())?.pop();
        let call = call.map(RawValue::from_string).transpose().map_err(|error| AdminError::broken("call", &error))?;
        Ok(DeadLetterDetail { letter, stored, call })
    }

    /// Sends nothing until it is resumed by hand, whatever the settings become.
    pub fn pause_destination(&self, name: &str, author: &str) -> Result<DestinationStatus, AdminError> {
        let (id, _one_at_a_time) = self.enabled(name)?;
        self.exports().pause(id, author)?;
        tracing::info!(destination = %id, author, "destination paused");
        self.destination_status(id)
    }

    pub fn resume_destination(&self, name: &str, author: &str) -> Result<DestinationStatus, AdminError> {
        let (id, _one_at_a_time) = self.enabled(name)?;
        self.exports().resume(id)?;
        tracing::info!(destination = %id, author, "destination resumed");
        self.destination_status(id)
    }

    /// Sends again from an event on, in order. A destination that remembers what it has drops what it got before.
    pub fn replay(&self, name: &str, body: &str, author: &str) -> Result<Moved, AdminError> {
        let (id, _one_at_a_time) = self.enabled(name)?;
        let from = Replay::read(body)?;
        let snapshot = self.store().snapshot()?;
        let from = from.place(&snapshot)?;
        let position = self.exports().status(id)?.position;
        if from.0 > position {
            let message = format!(
                "event {} lies ahead of position {position}: it will be sent anyway, in its turn; name an earlier one, or \
                 skip to pass over what is to be sent",
                from.0
            );
            return Err(AdminError::conflict("not_sent_yet", message));
        }
        let end = snapshot.next_sequence().0;
        drop(snapshot);
        self.exports().replay(id, from)?;
        tracing::info!(destination = %id, from = from.0, position, author, "destination set back: a replay");
        Ok(Moved::between(from.0, end))
    }

    /// Passes over everything up to the log's end: what was not sent will not be, except by a replay.
    pub fn skip(&self, name: &str, author: &str) -> Result<Moved, AdminError> {
        let (id, _one_at_a_time) = self.enabled(name)?;
        let from = self.exports().status(id)?.position;
        self.exports().skip(id)?;
        let to = self.exports().status(id)?.position;
        tracing::info!(destination = %id, from, to, author, "destination skipped what was to be sent");
        Ok(Moved::between(from, to))
    }

    /// Sends one event that is not in the log, now and outside the queue, and tells what became of it.
    pub async fn test_destination(&self, name: &str, author: &str) -> Result<Attempt, AdminError> {
        // Without the guard of changes: whoever waits for that must not be a runtime's thread.
        let id = named(name)?;
        tracing::info!(destination = %id, author, "test event");
        let attempt = self.exports().test(id).await;
        let mut attempts = [attempt.map_err(|error| of_test(id, error))?];
        self.veil(id).over_attempts(&mut attempts);
        let [attempt] = attempts;
        Ok(attempt)
    }

    /// Orders a dead letter, or all, to be sent again. One that is delivered goes from the list; what is refused again stays.
    pub fn retry(&self, name: &str, letter: Option<&str>, author: &str) -> Result<LetterCount, AdminError> {
        let (id, _one_at_a_time) = self.enabled(name)?;
        let wanted = self.held(id, letter)?;
        let count = self.exports().retry(id, wanted)? as u64;
        tracing::info!(destination = %id, letter = letter.unwrap_or("all"), count, author, "dead letters ordered to be sent again");
        Ok(LetterCount { count })
    }

    /// Throws a dead letter away, or all. Their events stay in the log.
    pub fn discard(&self, name: &str, letter: Option<&str>, author: &str) -> Result<LetterCount, AdminError> {
        let id = named(name)?;
        let _one_at_a_time = self.one_change_at_a_time();
        let wanted = self.held(id, letter)?;
        let before = self.store().snapshot()?.dead_letter_count(id.as_str())?;
        let count = wanted.as_ref().map_or(before, |letters| letters.len() as u64);
        self.exports().discard(id, wanted)?;
        tracing::info!(destination = %id, letter = letter.unwrap_or("all"), count, author, "dead letters discarded");
        Ok(LetterCount { count })
    }

    /// In brief, for the status of the house.
    pub(super) fn destinations_in_brief(&self) -> Result<Vec<DestinationBrief>, AdminError> {
        let statuses = self.exports().statuses()?;
        let brief = statuses.into_iter().map(|status| DestinationBrief {
            id: status.id,
            state: status.state,
            lag_events: status.lag.events,
            lag_seconds: status.lag.seconds,
            dead_letters: status.dead_letters,
        });
        Ok(brief.collect())
    }

    /// A destination that can be acted on. It stays enabled while the guard is held.
    fn enabled(&self, name: &str) -> Result<(DestinationId, MutexGuard<'_, ()>), AdminError> {
        let id = named(name)?;
        let guard = self.one_change_at_a_time();
        if !place::is_enabled(&self.state().catalog, id) {
            return Err(disabled(id));
        }
        Ok((id, guard))
    }

    /// A panic while it was held changed nothing: a change is one transaction.
    fn one_change_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dead letter that a path names, which must be there; `None`: all.
    fn held(&self, id: DestinationId, letter: Option<&str>) -> Result<Option<Vec<Sequence>>, AdminError> {
        let Some(named) = letter else { return Ok(None) };
        let sequence = named.parse().map(Sequence).map_err(|_| no_letter(named))?;
        match self.store().snapshot()?.dead_letter(id.as_str(), sequence)? {
            Some(_) => Ok(Some(vec![sequence])),
            None => Err(no_letter(named)),
        }
    }

    fn veil(&self, id: DestinationId) -> Veil {
        Veil::of(self.state().catalog.integrations(), id)
    }
}

impl Moved {
    fn between(from: u64, to: u64) -> Moved {
        Moved { from_sequence: from, to_sequence: to, events: to.saturating_sub(from) }
    }
}

fn named(name: &str) -> Result<DestinationId, AdminError> {
    DestinationId::from_word(name).ok_or_else(|| AdminError::not_found("destination", name))
}

fn of_test(id: DestinationId, error: TestError) -> AdminError {
    match error {
        TestError::Disabled => disabled(id),
        TestError::Unusable => AdminError::conflict("destination_unusable", error.to_string()),
    }
}

fn disabled(id: DestinationId) -> AdminError {
    let message = format!(
        "{id} is disabled and has no place in the log; set isEnabled of the integration {id}.outgoing to true first"
    );
    AdminError::conflict("destination_disabled", message)
}

fn no_letter(sequence: &str) -> AdminError {
    AdminError::not_found("dead letter", sequence)
}

fn rows(limit: Option<usize>) -> Result<usize, AdminError> {
    let limit = limit.unwrap_or(DEFAULT_ROWS);
    if !(1..=MAX_ROWS).contains(&limit) {
        return Err(AdminError::refused("invalid_limit", format!("limit must be from 1 to {MAX_ROWS}")));
    }
    Ok(limit)
}

#[cfg(test)]
mod tests;
