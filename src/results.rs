//! Results: from the log's columns to a report. First exposures make the units, events after them make the units' numbers,
//! `stats` compares. Reads a snapshot, changes nothing, opens no row, knows no wire format and no page.
//!
//! One pass over the columns gathers what the question needs, by unit and in order of time; a report is made of that. A late
//! exposure may lie behind the events that it lets in, so nothing is decided while the log is read. Sums are exact: the
//! order of the log does not show in a report.

mod analysis;
mod cache;
mod calendar;
mod carried;
mod census;
mod compare;
mod criterion;
mod csv;
mod definition;
mod entries;
mod evidence;
mod filter;
mod funnel;
mod gather;
mod health;
mod log;
mod metric;
mod options;
mod plan;
mod preview;
mod quantity;
mod question;
mod report;
mod roster;
mod series;
mod stages;
mod standing;
mod state;
mod strata;
mod table;
mod tally;
mod units;

pub use analysis::MAX_STRATA;
pub use cache::Reports;
pub use csv::{COLUMNS, Column, csv};
pub use definition::{
    Criterion, CriterionOf, CriterionTest, Definition, EventName, EventSource, Funnel, FunnelCounts, FunnelOrder,
    Measure, Quantity, Taken,
};
pub use evidence::{Arrival, Evidence, PreExperiment, Progress, Suspect, UnitsMatch};
pub use filter::{TextFilter, UnitFilter, UnitSet};
pub use health::duplicates;
pub use log::StoredLog;
pub use metric::TOP_NAMES;
pub use options::{
    Breakdown, CUPED_DAYS, Crossovers, Join, MAX_CUPED_DAYS, OptionError, Options, Sides, StageChoice, Tested, View,
};
pub use preview::{PreviewDay, PreviewError, preview};
pub use question::{
    Corrections, Design, Direction, Group, MetricChoice, MetricKind, Question, QuestionKind, Role, Rule,
};
pub use report::{
    Absolute, AnalysedStage, Analysis, AsOf, Check, Comparison, Corrected, CupedUse, Detectable, Ends, ExposureDay,
    GroupSummary, ImpactNumbers, Impacts, Lift, Metric, MetricGroup, Point, Pooled, Report, RuleSummary,
    SequentialTest, Srm, StageSummary, Step, Stratum, Used, Window, Winsor,
};
pub use series::SERIES_DAYS;
pub use stages::{POOLED_UP_TO, Stage};
pub use standing::{Exposure, NotCounted, standing};
pub use table::render;

use crate::event::{Field, Sequence, Timestamp};
use crate::store::{Terms, Visit};
use state::{Basis, State};

/// What results need of a snapshot of the store.
pub trait Log {
    /// The place of the event that would come next: all before it are in the log.
    fn next_sequence(&self) -> Sequence;

    /// Receipt time of the last event; `None` in an empty log.
    fn as_of_time(&self) -> Option<Timestamp>;

    fn terms(&self) -> &Terms;

    /// Hands out the columns of all events from a sequence on, in the order of the log, each with the sequence of its first
    /// row, until told to stop. The first ones may begin before the sequence that was asked for. With them go the columns of
    /// the fields, in their order.
    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError>;
}

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be read: {0}")]
pub struct LogError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// The experiment has fewer than two groups, or no rule of the gate splits its units.
    #[error("{0}")]
    NothingToCompare(String),
    #[error("`{0}` is an option of gates; leave it out for an experiment")]
    OfGates(&'static str),
    #[error("the window is empty: it starts at {start} and ends at {end}; `start` must be before `end`")]
    EmptyWindow { start: Timestamp, end: Timestamp },
}

impl ResultsError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ResultsError::Log(_) => "log_unreadable",
            ResultsError::NothingToCompare(_) => "nothing_to_compare",
            ResultsError::OfGates(_) => "invalid_option",
            ResultsError::EmptyWindow { .. } => "empty_window",
        }
    }
}

/// So many bytes of gathered events and units may be held for a report that is made by itself.
pub const GATHERED_BYTES: usize = 1 << 30;

/// Answers a question from all that is in the log.
pub fn conclude<L: Log + ?Sized>(log: &L, question: &Question, options: &Options) -> Result<Report, ResultsError> {
    let mut state = State::new(Basis::of(log.terms(), question, options)?);
    state.report(log, question, options, &|bytes| bytes <= GATHERED_BYTES)
}

/// From when to when exposures and events count.
struct Period {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    /// The first moment that no longer counts.
    until: Timestamp,
}

impl Period {
    fn of<L: Log + ?Sized>(log: &L, question: &Question, options: &Options) -> Result<Period, ResultsError> {
        let start = options.start.or(question.start);
        let closed = options.end.or(question.end);
        if let (Some(start), Some(end)) = (start, closed)
            && start >= end
        {
            return Err(ResultsError::EmptyWindow { start, end });
        }
        let end = closed.or_else(|| log.as_of_time());
        // An end that was set is exclusive. An open one is the last receipt, and an event that happened in that very
        // millisecond has arrived, so it counts. An end that lies ahead is not reached yet: days that nobody has seen are no
        // days without events.
        let known = log.as_of_time().map_or(Timestamp::MAX, |as_of| Timestamp(as_of.0 + 1));
        let until = closed.map_or(known, |closed| closed.min(known));
        Ok(Period { start, end, until })
    }
}

#[cfg(test)]
mod tests;
