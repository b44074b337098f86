//! From where a replay is to go: read from a request, and found in the log by its columns.

use crate::admin::{AdminError, read_object};
use crate::catalog::Instant;
use crate::event::{Sequence, Timestamp};
use crate::store::{ReadError, Snapshot};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::ControlFlow;

/// In ms since the epoch. Numbers below it are seconds that were meant for milliseconds, and would send all of the log again.
const LEAST_MS: i64 = 100_000_000_000;

const SHAPE: &str = r#"send {"fromSequence": 1200} or {"fromTime": "2026-11-24T08:00:00Z"}"#;

/// From where to send again: one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// From this event on; at most the log's end.
    pub from_sequence: Option<u64>,
    /// From the first event on that Weir received then or later.
    pub from_time: Option<Instant>,
}

/// Where a replay is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Sequence(Sequence),
    Time(Timestamp),
}

impl Replay {
    pub fn read(body: &str) -> Result<From, AdminError> {
        let invalid = |why: String| AdminError::refused("invalid_replay", format!("{why}; {SHAPE}"));
        let replay: Replay = read_object(body).map_err(|error| invalid(error.to_string()))?;
        match (replay.from_sequence, replay.from_time) {
            (Some(sequence), None) => Ok(From::Sequence(Sequence(sequence))),
            (None, Some(Instant(time))) if time.0 < LEAST_MS => Err(invalid(
                "fromTime lies before March 1973; as a number it is milliseconds, not seconds, and fromSequence 0 is all"
                    .to_owned(),
            )),
            (None, Some(Instant(time))) => Ok(From::Time(time)),
            (Some(_), Some(_)) => Err(invalid("there are both fromSequence and fromTime".to_owned())),
            (None, None) => Err(invalid("there is neither fromSequence nor fromTime".to_owned())),
        }
    }
}

impl From {
    /// The event that is meant.
    pub fn place(self, snapshot: &Snapshot) -> Result<Sequence, AdminError> {
        let end = snapshot.next_sequence();
        match self {
            From::Sequence(sequence) if sequence > end => {
                let message =
                    format!("fromSequence {} lies beyond the log; it must be from 0 to {}", sequence.0, end.0);
                Err(AdminError::refused("beyond_the_log", message))
            }
            From::Sequence(sequence) => Ok(sequence),
            From::Time(time) => first_received(snapshot, time)?.ok_or_else(|| {
                let message =
                    format!("no event was received at {time} or later; the log ends before. Name an earlier time");
                AdminError::refused("beyond_the_log", message)
            }),
        }
    }
}

/// The lowest event that was received at a time or later. The log is in order of receiving but for a few that met in the queue.
fn first_received(snapshot: &Snapshot, time: Timestamp) -> Result<Option<Sequence>, ReadError> {
    let mut found = None;
    snapshot.scan_columns(&mut |digest| digest.received.1 >= time.0, &mut |first, columns| match columns
        .received
        .iter()
        .position(|&received| received >= time.0)
    {
        Some(row) => {
            found = Some(Sequence(first.0 + row as u64));
            ControlFlow::Break(())
        }
        None => ControlFlow::Continue(()),
    })?;
    Ok(found)
}
