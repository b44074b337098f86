//! How a destination stands: its cursor on disk, its task in memory, and what is left to be sent. Blocks; changes nothing but
//! what it has counted.

use super::board::{DestinationState, Doing, Instruments, LastError, NextAttempt};
use super::desk::Desk;
use super::{DestinationId, Exports};
use crate::event::{Sequence, Timestamp};
use crate::store::ReadError;
use schemars::JsonSchema;
use serde::Serialize;

/// How often counting is begun again where it was overtaken by a move.
const COUNT_TRIES: usize = 3;

/// The code of a pause of which only other settings are the end: nothing can be sent by these.
pub const UNUSABLE: &str = "unusable";

/// How a destination stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DestinationStatus {
    /// `segment`, `webhook`.
    pub id: String,
    pub is_enabled: bool,
    pub state: DestinationState,
    pub pause: Option<PauseStatus>,
    /// What lies before it in the log is confirmed, a dead letter, or was not to be sent.
    pub position: u64,
    /// The log's end.
    pub end: u64,
    pub lag: LagStatus,
    /// Events that the destination confirmed since it was enabled; what a replay sent again counts again.
    pub forwarded: u64,
    /// Events that became dead letters since it was enabled.
    pub dead_lettered: u64,
    /// Dead letters that are kept now.
    pub dead_letters: u64,
    /// Dead letters that were dropped because there were more than are kept.
    pub dropped_dead_letters: u64,
    /// Dead letters that are ordered to be sent again.
    pub retrying: u64,
    /// The next attempt, while the state is `waiting`.
    pub retry: Option<NextAttempt>,
    /// When the destination confirmed something: milliseconds since the epoch.
    pub last_delivered: Option<i64>,
    pub last_error: Option<LastError>,
}

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PauseStatus {
    /// `by_hand`, `unauthorized`, `refuses_everything`, `unusable`.
    pub code: String,
    /// Says what to do.
    pub message: String,
    /// Milliseconds since the epoch.
    pub since: i64,
}

/// What is left to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct LagStatus {
    /// Events that are to be sent.
    pub events: u64,
    /// How long ago the oldest of them was received.
    pub seconds: u64,
}

impl Exports {
    /// All destinations. Blocks.
    pub fn statuses(&self) -> Result<Vec<DestinationStatus>, ReadError> {
        DestinationId::ALL.into_iter().map(|id| self.status(id)).collect()
    }

    /// Blocks.
    pub fn status(&self, id: DestinationId) -> Result<DestinationStatus, ReadError> {
        let desk = self.desk(id);
        // Asked before the counts: a task that does nothing has written down all that it did.
        let (doing, unusable) = {
            let shown = desk.board.shown();
            (shown.doing, shown.unusable.clone())
        };
        let is_enabled = unusable.is_some() || desk.reader.destination().is_some();
        let cursor = self.inner.store.snapshot()?.cursor(id.as_str())?.filter(|_| is_enabled);
        if let Some(cursor) = &cursor {
            desk.board.shown().lag.learn(cursor.generation, cursor.position);
        }
        let (lag, position, end) = match &cursor {
            Some(_) => self.lag(desk)?,
            None => (LagStatus::default(), Sequence(0), self.inner.store.next_sequence()),
        };
        // After the place, which is shown when it is on disk: what it says of counts is not older.
        let snapshot = self.inner.store.snapshot()?;
        let cursor = snapshot.cursor(id.as_str())?.filter(|_| cursor.is_some());
        let dead_letters = snapshot.dead_letter_count(id.as_str())?;
        drop(snapshot);
        let shown = desk.board.shown();
        let pause = cursor.as_ref().and_then(|cursor| cursor.pause.clone());
        let pause = pause.map(|it| PauseStatus { code: it.code, message: it.message, since: it.since.0 });
        // Nobody can resume it.
        let pause = unusable.or(pause);
        let (state, retry) = match (&cursor, doing) {
            (None, _) => (DestinationState::Disabled, None),
            (Some(_), _) if pause.is_some() => (DestinationState::Paused, None),
            (Some(_), Doing::Waiting(next)) => (DestinationState::Waiting, Some(next)),
            (Some(_), Doing::Sending) => (DestinationState::Sending, None),
            (Some(_), Doing::Nothing) if lag.events > 0 => (DestinationState::Sending, None),
            (Some(_), Doing::Nothing) => (DestinationState::Idle, None),
        };
        let of_cursor = |number: fn(&crate::store::Cursor) -> u64| cursor.as_ref().map_or(0, number);
        Ok(DestinationStatus {
            id: id.as_str().to_owned(),
            is_enabled,
            state,
            pause,
            position: position.0,
            end: end.0,
            lag,
            forwarded: of_cursor(|cursor| cursor.forwarded),
            dead_lettered: of_cursor(|cursor| cursor.dead),
            dead_letters,
            dropped_dead_letters: of_cursor(|cursor| cursor.dropped),
            retrying: desk.letters().len() as u64,
            retry,
            last_delivered: shown.last_delivered.map(|at| at.0),
            last_error: shown.last_error.clone(),
        })
    }

    /// What is left to be sent, how far the destination has got, and the log's end.
    fn lag(&self, desk: &Desk) -> Result<(LagStatus, Sequence, Sequence), ReadError> {
        let _one_at_a_time = desk.counting();
        for _ in 0..COUNT_TRIES {
            // Read in this order: what was committed before `end` is known to `own_end`.
            let end = self.inner.store.next_sequence();
            let own_end = self.inner.store.own_end();
            let counting = {
                let mut shown = desk.board.shown();
                let position = shown.lag.position();
                if own_end <= position {
                    return Ok((LagStatus::default(), position.max(end), end.max(position)));
                }
                shown.lag.count()
            };
            let (events, end) = desk.reader.count(counting.from)?;
            let (position, counted, in_hand) = {
                let mut shown = desk.board.shown();
                let counted = shown.lag.counted(counting, events, end);
                (shown.lag.position(), counted, shown.oldest)
            };
            let Some(events) = counted else { continue };
            if events == 0 {
                // Nothing up to there is to be sent, whether the task has looked at it yet or not.
                return Ok((LagStatus::default(), position.max(end), end.max(position)));
            }
            let oldest = match in_hand {
                Some(oldest) => Some(oldest),
                None => desk.reader.oldest(position)?,
            };
            return Ok((LagStatus { events, seconds: self.seconds_since(oldest) }, position, end));
        }
        // Overtaken each time: the last count is near the truth, and something is left.
        let (position, events) = {
            let shown = desk.board.shown();
            (shown.lag.position(), shown.lag.left().max(1))
        };
        let seconds = self.seconds_since(desk.reader.oldest(position)?);
        Ok((LagStatus { events, seconds }, position, self.inner.store.next_sequence()))
    }

    fn seconds_since(&self, oldest: Option<Timestamp>) -> u64 {
        let since = oldest.map_or(0, |oldest| self.inner.clock.now().0.saturating_sub(oldest.0));
        u64::try_from(since / 1_000).unwrap_or(0)
    }

    /// Brings the gauges up to date; called when they are read. Blocks.
    pub fn measure(&self) -> Result<(), ReadError> {
        for id in DestinationId::ALL {
            let status = self.status(id)?;
            let instruments = Instruments::of(id, &self.inner.meters);
            instruments.lag_events.set(status.lag.events);
            instruments.lag_seconds.set(status.lag.seconds);
            instruments.dead_letters.set(status.dead_letters);
            instruments.paused.set(u64::from(status.pause.is_some()));
            instruments.firsts_unknown.set(self.desk(id).reader.firsts_unknown());
        }
        Ok(())
    }
}
