//! Why a whole body is not taken, and the one rejected event it counts as. Knows no HTTP status.

use super::ledger::reject_body;
use super::{Arrival, Rules};
use crate::event::Source;
use crate::store::{Batch, Submission};

/// Nothing of the body is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is not UTF-8 from byte {at} on; send JSON in UTF-8")]
    NotUtf8 { at: usize },
    /// Line and column count from 1; the column counts bytes.
    #[error("the body is not JSON: {detail} at line {line} column {column}")]
    Malformed { line: usize, column: usize, detail: String },
    #[error("the body must be one JSON object{hint}")]
    NotAnObject { hint: &'static str },
    #[error("the body has no `{field}` array; send {{\"{field}\": [event, ...]}}")]
    BatchMissing { field: &'static str },
    #[error("the body holds more than {limit} events; send fewer at a time")]
    TooManyEvents { limit: usize },
    #[error(
        "`{fields}` of the whole body, copied to each of its events, would take more than {limit} bytes; send smaller ones or fewer events at a time"
    )]
    SharedTooLarge { fields: &'static str, limit: usize },
    #[error("the incoming integration for {source_name} is disabled; enable it under integrations")]
    IntegrationDisabled { source_name: Source },
}

impl BodyError {
    /// Stable; answers and tallies carry it.
    pub fn code(&self) -> &'static str {
        match self {
            BodyError::NotUtf8 { .. } => "not_utf8",
            BodyError::Malformed { .. } => "malformed_json",
            BodyError::NotAnObject { .. } => "not_an_object",
            BodyError::BatchMissing { .. } => "batch_missing",
            BodyError::TooManyEvents { .. } => "too_many_events",
            BodyError::SharedTooLarge { .. } => "shared_too_large",
            BodyError::IntegrationDisabled { .. } => "integration_disabled",
        }
    }

    pub fn message(&self) -> String {
        self.to_string()
    }

    /// What the writer is told: one rejected event, with the body to look at. `batch` is an empty one. Of what a disabled
    /// integration turned away only the count is kept: whoever disabled it wants nothing of it here, and it would soon
    /// fill the list of what was refused.
    pub fn submission(
        &self,
        source: Source,
        body: &[u8],
        arrival: &Arrival,
        rules: &Rules,
        batch: Batch,
    ) -> Submission {
        let mut told = reject_body(self.code(), &self.message(), source, body, arrival.received, rules, batch);
        if matches!(self, BodyError::IntegrationDisabled { .. }) {
            told.samples.clear();
        }
        told
    }
}
