//! What others see of a destination while it is served: what it is doing, its last attempts, its last error. In memory; decides
//! nothing.

use super::batch::Purpose;
use super::destination::DestinationId;
use super::lag::Lag;
use super::status::PauseStatus;
use crate::event::{Sequence, Timestamp};
use crate::meters::{Counter, Gauge, Meters};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Attempts that are kept to be looked at.
pub const ATTEMPTS_KEPT: usize = 500;

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The destination confirmed it.
    Delivered,
    /// It did not get through, or not now: it is sent again, unless it was a test.
    Again,
    /// The destination will not take it as it is.
    Refused,
    /// The destination does not know the key.
    Unauthorized,
    /// Nothing was sent: the events cannot be written as the destination takes them.
    Unsendable,
}

/// One attempt to send events.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Counts up from 1 since the server started.
    pub number: u64,
    /// When it began: milliseconds since the epoch.
    pub time: i64,
    pub purpose: Purpose,
    /// The first and the last event's place in the log; none of a test.
    pub first_sequence: Option<u64>,
    pub last_sequence: Option<u64>,
    /// Events in the request.
    pub events: u64,
    /// Events that it delivered.
    pub forwarded: u64,
    /// Events that the settings left out, since the batch before.
    pub filtered: u64,
    /// Events that became dead letters.
    pub failed: u64,
    /// Of the request's body, as it was sent.
    pub bytes: u64,
    pub duration_ms: u64,
    /// 1 for the first attempt for these events.
    pub attempt: u32,
    /// The reply's status; none where no reply came.
    pub status: Option<u16>,
    pub outcome: Outcome,
    /// What went wrong.
    pub error: Option<String>,
}

impl Attempt {
    /// One that begins: what came of it is filled in later.
    pub(super) fn begun(purpose: Purpose, time: Timestamp) -> Attempt {
        Attempt {
            number: 0,
            time: time.0,
            purpose,
            first_sequence: None,
            last_sequence: None,
            events: 0,
            forwarded: 0,
            filtered: 0,
            failed: 0,
            bytes: 0,
            duration_ms: 0,
            attempt: 1,
            status: None,
            outcome: Outcome::Again,
            error: None,
        }
    }
}

/// What a destination is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DestinationState {
    /// It is switched off.
    Disabled,
    /// There is nothing to send.
    Idle,
    /// Events are on their way.
    Sending,
    /// An attempt failed; the next one comes later.
    Waiting,
    /// Nothing is sent until somebody resumes it.
    Paused,
}

/// The next attempt after a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextAttempt {
    /// Its number.
    pub attempt: u32,
    /// When: milliseconds since the epoch.
    pub at: i64,
}

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastError {
    /// When: milliseconds since the epoch.
    pub time: i64,
    /// Stable: `timed_out`, `connection_refused`, `http_status`, ...
    pub code: String,
    pub message: String,
    /// The reply's status; none where no reply came.
    pub status: Option<u16>,
}

/// What the destination's task is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doing {
    #[default]
    Nothing,
    Sending,
    Waiting(NextAttempt),
}

/// See the module.
pub(super) struct Board {
    shown: Mutex<Shown>,
    newest: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct Shown {
    pub doing: Doing,
    pub lag: Lag,
    /// When the oldest event in hand was received.
    pub oldest: Option<Timestamp>,
    pub last_delivered: Option<Timestamp>,
    pub last_error: Option<LastError>,
    /// Why nothing can be sent by the settings.
    pub unusable: Option<PauseStatus>,
    attempts: VecDeque<Attempt>,
    number: u64,
}

impl Board {
    pub fn new() -> Board {
        Board { shown: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Never held while anything is waited for.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Keeps an attempt, under the next number.
    pub fn note(&self, mut attempt: Attempt, error: Option<LastError>) -> Attempt {
        let mut shown = self.shown();
        shown.number += 1;
        attempt.number = shown.number;
        if attempt.outcome == Outcome::Delivered && attempt.purpose != Purpose::Test {
            shown.last_delivered = Some(Timestamp(attempt.time.saturating_add_unsigned(attempt.duration_ms)));
        }
        if error.is_some() {
            shown.last_error = error;
        }
        if shown.attempts.len() == ATTEMPTS_KEPT {
            shown.attempts.pop_front();
        }
        shown.attempts.push_back(attempt.clone());
        // Under the lock, so that the numbers that are told go up.
        self.newest.send_replace(attempt.number);
        attempt
    }

    /// The newest first; those behind a number, oldest first.
    pub fn attempts(&self, after: Option<u64>, limit: usize) -> Vec<Attempt> {
        let shown = self.shown();
        match after {
            None => shown.attempts.iter().rev().take(limit).cloned().collect(),
            Some(after) => shown.attempts.iter().filter(|it| it.number > after).take(limit).cloned().collect(),
        }
    }

    pub fn pass(&self, generation: u64, position: Sequence, events: u64) {
        self.shown().lag.pass(generation, position, events);
    }
}

/// A destination's instruments.
pub(super) struct Instruments<'a> {
    pub forwarded: &'a Counter,
    pub dead_letter: &'a Counter,
    pub filtered: &'a Counter,
    delivered: &'a Counter,
    again: &'a Counter,
    refused: &'a Counter,
    unauthorized: &'a Counter,
    pub lag_events: &'a Gauge,
    pub lag_seconds: &'a Gauge,
    pub dead_letters: &'a Gauge,
    pub paused: &'a Gauge,
    pub firsts_unknown: &'a Gauge,
}

impl<'a> Instruments<'a> {
    pub fn of(id: DestinationId, meters: &'a Meters) -> Instruments<'a> {
        match id {
            DestinationId::Segment => Instruments {
                forwarded: &meters.export_segment_forwarded,
                dead_letter: &meters.export_segment_dead_letter,
                filtered: &meters.export_segment_filtered,
                delivered: &meters.export_segment_attempts_delivered,
                again: &meters.export_segment_attempts_again,
                refused: &meters.export_segment_attempts_refused,
                unauthorized: &meters.export_segment_attempts_unauthorized,
                lag_events: &meters.export_segment_lag_events,
                lag_seconds: &meters.export_segment_lag_seconds,
                dead_letters: &meters.export_segment_dead_letters,
                paused: &meters.export_segment_paused,
                firsts_unknown: &meters.export_segment_firsts_unknown,
            },
            DestinationId::Webhook => Instruments {
                forwarded: &meters.export_webhook_forwarded,
                dead_letter: &meters.export_webhook_dead_letter,
                filtered: &meters.export_webhook_filtered,
                delivered: &meters.export_webhook_attempts_delivered,
                again: &meters.export_webhook_attempts_again,
                refused: &meters.export_webhook_attempts_refused,
                unauthorized: &meters.export_webhook_attempts_unauthorized,
                lag_events: &meters.export_webhook_lag_events,
                lag_seconds: &meters.export_webhook_lag_seconds,
                dead_letters: &meters.export_webhook_dead_letters,
                paused: &meters.export_webhook_paused,
                firsts_unknown: &meters.export_webhook_firsts_unknown,
            },
        }
    }

    /// Counts a request by what it came to.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.delivered.increment(),
            Outcome::Again => self.again.increment(),
            Outcome::Refused => self.refused.increment(),
            Outcome::Unauthorized => self.unauthorized.increment(),
            // No request was made.
            Outcome::Unsendable => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt { duration_ms: 2, outcome: Outcome::Delivered, ..Attempt::begun(Purpose::Batch, Timestamp(1)) }
    }

    #[test]
    fn the_last_attempts_are_kept_under_rising_numbers() {
        let board = Board::new();
        let watch = board.watch();
        for _ in 0..ATTEMPTS_KEPT + 1 {
            board.note(attempt(), None);
        }
        let numbers = |attempts: Vec<Attempt>| attempts.iter().map(|it| it.number).collect::<Vec<_>>();
        let last = ATTEMPTS_KEPT as u64 + 1;
        assert_eq!(*watch.borrow(), last);
        assert_eq!(numbers(board.attempts(None, 2)), [last, last - 1], "newest first");
        assert_eq!(numbers(board.attempts(Some(last - 3), 2)), [last - 2, last - 1], "oldest first");
        assert_eq!(numbers(board.attempts(Some(0), 1)), [2], "the first one is not kept any more");
        assert_eq!(board.attempts(None, usize::MAX).len(), ATTEMPTS_KEPT);
        assert_eq!(board.shown().last_delivered, Some(Timestamp(3)));
    }
}
