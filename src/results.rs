//! Results: from the log's columns to a report. First exposures make the units, events after them make the unit totals,
//! `stats` compares. Reads a snapshot, changes nothing, opens no row, knows no wire format and no page.
//!
//! Two passes over the columns: a late exposure may lie behind the events that it lets in, so that all units must be
//! known before the first event is counted. Totals are exact sums: the order of the log does not show in a report.

mod accumulate;
mod definition;
mod health;
mod log;
mod metric;
mod options;
mod preview;
mod question;
mod report;
mod standing;
mod table;
mod units;

pub use definition::{
    Criterion, CriterionOf, CriterionTest, Definition, EventName, EventSource, Funnel, FunnelCounts, FunnelOrder,
    Measure, Quantity, Taken,
};
pub use health::{CROSSOVERS_ALERT, CROSSOVERS_WARNING, FEW_UNITS, UNMATCHED_WARNING};
pub use log::StoredLog;
pub use metric::TOP_NAMES;
pub use options::{Crossovers, Join, OptionError, Options};
pub use preview::{PreviewDay, PreviewError, preview};
pub use question::{Design, Direction, Group, MetricChoice, MetricKind, Question, QuestionKind, Role, Rule};

pub use report::{
    Absolute, Analysis, AsOf, Check, Comparison, GroupSummary, Lift, Metric, MetricGroup, Report, RuleSummary, Srm,
    Used, Window,
};
pub use standing::{Exposure, NotCounted, standing};
pub use table::render;

use crate::event::{Kind, PRODUCTION, Sequence, TermId, Timestamp};
use crate::store::{Columns, Terms};
use accumulate::Accumulator;
use std::ops::ControlFlow;
use units::Exposures;

/// What results need of a snapshot of the store.
pub trait Log {
    /// The place of the event that would come next: all before it are in the log.
    fn next_sequence(&self) -> Sequence;

    /// Receipt time of the last event; `None` in an empty log.
    fn as_of_time(&self) -> Option<Timestamp>;

    fn terms(&self) -> &Terms;

    /// Hands out all columns in the order of the log, each with the sequence of its first row, until told to stop.
    fn scan(&self, each: &mut dyn FnMut(Sequence, &Columns) -> ControlFlow<()>) -> Result<(), LogError>;
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
    #[error("the window is empty: it starts at {start} and ends at {end}; `start` must be before `end`")]
    EmptyWindow { start: Timestamp, end: Timestamp },
}

impl ResultsError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ResultsError::Log(_) => "log_unreadable",
            ResultsError::NothingToCompare(_) => "nothing_to_compare",
            ResultsError::EmptyWindow { .. } => "empty_window",
        }
    }
}

/// Answers a question from all that is in the log.
pub fn conclude<L: Log + ?Sized>(log: &L, question: &Question, options: &Options) -> Result<Report, ResultsError> {
    let splits = question.splits()?;
    let period = Period::of(log, question, options)?;
    let terms = log.terms();
    let filter = Filter {
        id_type: terms.id_type(&question.id_type),
        production: terms.environments.find(PRODUCTION),
        period: &period,
    };

    let mut exposures: Vec<Exposures> = splits.iter().map(|split| Exposures::new(question, split, terms)).collect();
    let mut volumes = vec![0u64; terms.names.len() + 1];
    log.scan(&mut |_, columns| {
        filter.each_exposure(columns, |exposure| exposures.iter_mut().for_each(|all| all.take(&exposure)));
        filter.each_event(columns, |event| {
            if let Some(volume) = volumes.get_mut(event.name) {
                *volume += 1;
            }
        });
        ControlFlow::Continue(())
    })?;

    let chosen = metric::Chosen::new(question, options, terms, &volumes);
    let units: Vec<_> = exposures.into_iter().map(|exposures| exposures.settle(options.crossovers)).collect();
    let mut events = Vec::new();
    let mut accumulators: Vec<Accumulator> =
        units.iter().map(|units| Accumulator::new(units, chosen.slot_by_name())).collect();
    log.scan(&mut |_, columns| {
        filter.each_event(columns, |event| events.push(event));
        accumulators.iter_mut().for_each(|all| all.take(&events));
        events.clear();
        ControlFlow::Continue(())
    })?;

    let analyses = splits
        .iter()
        .zip(&units)
        .zip(accumulators)
        .map(|((split, units), accumulator)| {
            let totals = accumulator.finish(chosen.slots(), split.groups.len());
            report::analysis(question, split, units, &totals, &chosen, options)
        })
        .collect();
    Ok(report::report(log, question, options, &period, analyses))
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
        // millisecond has arrived, so it counts.
        let until = closed.or_else(|| end.map(|end| Timestamp(end.0 + 1))).unwrap_or(Timestamp::MAX);
        Ok(Period { start, end, until })
    }

    fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && time < self.until
    }
}

/// An exposure to anything, as the columns tell it.
struct SeenExposure {
    subject: usize,
    time: Timestamp,
    /// 0 without a unit of the wanted ID type.
    unit: u64,
    production: bool,
    in_period: bool,
}

/// An event that a metric can be made of: in production, in the period, with a unit of the wanted ID type.
struct SeenEvent {
    name: usize,
    time: Timestamp,
    unit: u64,
}

/// Which rows count at all.
struct Filter<'a> {
    id_type: Option<TermId>,
    production: Option<TermId>,
    period: &'a Period,
}

impl Filter<'_> {
    fn is_production(&self, environment: u32) -> bool {
        self.production == Some(TermId(environment))
    }

    fn each_exposure(&self, columns: &Columns, mut each: impl FnMut(SeenExposure)) {
        let units = self.id_type.and_then(|id_type| columns.units_of(id_type));
        for (row, &subject) in columns.subject.iter().enumerate().filter(|(_, subject)| **subject != 0) {
            let time = Timestamp(columns.time[row]);
            each(SeenExposure {
                subject: subject as usize,
                time,
                unit: units.map_or(0, |units| units[row]),
                production: self.is_production(columns.environment[row]),
                in_period: self.period.contains(time),
            });
        }
    }

    fn each_event(&self, columns: &Columns, mut each: impl FnMut(SeenEvent)) {
        let Some(units) = self.id_type.and_then(|id_type| columns.units_of(id_type)) else { return };
        let numbers = columns.kind.iter().zip(&columns.environment).zip(&columns.time).zip(&columns.name).zip(units);
        for ((((&kind, &environment), &time), &name), &unit) in numbers {
            let time = Timestamp(time);
            if unit != 0 && makes_metrics(kind) && self.is_production(environment) && self.period.contains(time) {
                each(SeenEvent { name: name as usize, time, unit });
            }
        }
    }
}

/// Whether events of this kind are metrics without any set-up.
fn makes_metrics(kind: u8) -> bool {
    const KINDS: [u8; 5] =
        [Kind::Track as u8, Kind::Page as u8, Kind::Screen as u8, Kind::Group as u8, Kind::Custom as u8];
    KINDS.contains(&kind)
}

#[cfg(test)]
mod tests;
