//! A log in memory, in small blocks, and short ways to write its rows.

use crate::event::{Basis, Kind, Sequence, Source, Subject, TermId, Timestamp};
use crate::results::{Log, LogError};
use crate::store::{Columns, Numbers, Terms};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

/// So small that every test crosses the border of a block.
const ROWS_IN_A_BLOCK: usize = 5;

/// One event as a test writes it.
#[derive(Debug, Clone)]
pub struct Row {
    pub kind: Kind,
    pub name: String,
    pub environment: &'static str,
    pub time: Timestamp,
    pub received: Timestamp,
    /// The userID; empty for none.
    pub unit: String,
    pub subject: Option<Subject>,
}

/// Milliseconds after the moment that the tests start from.
pub fn at(ms: i64) -> Timestamp {
    Timestamp(1_795_000_000_000 + ms)
}

pub fn track(unit: &str, name: &str, ms: i64) -> Row {
    Row {
        kind: Kind::Track,
        name: name.into(),
        environment: "production",
        time: at(ms),
        received: at(3_600_000),
        unit: unit.into(),
        subject: None,
    }
}

fn exposed(unit: &str, ms: i64, kind: Kind, [name, rule, value, allocated]: [&str; 4]) -> Row {
    let subject = Subject {
        kind,
        name: name.into(),
        rule: rule.into(),
        value: value.into(),
        allocated: allocated.into(),
        basis: Basis::Rules,
    };
    Row { kind, subject: Some(subject), ..track(unit, &format!("statsig::{kind}"), ms) }
}

/// An exposure to the experiment `button`.
pub fn exposure(unit: &str, rule: &str, ms: i64) -> Row {
    exposed(unit, ms, Kind::ConfigExposure, ["button", rule, "", ""])
}

pub fn gate_exposure(unit: &str, gate: &str, rule: &str, value: &str, ms: i64) -> Row {
    exposed(unit, ms, Kind::GateExposure, [gate, rule, value, ""])
}

pub fn layer_exposure(unit: &str, layer: &str, rule: &str, allocated: &str, ms: i64) -> Row {
    exposed(unit, ms, Kind::LayerExposure, [layer, rule, "", allocated])
}

/// The same exposure, resting on something else than rules.
pub fn resting_on(basis: Basis, row: Row) -> Row {
    Row { subject: row.subject.map(|subject| Subject { basis, ..subject }), ..row }
}

pub struct Memory {
    terms: Terms,
    blocks: Vec<Columns>,
    rows: usize,
    last: Option<Timestamp>,
}

impl Memory {
    pub fn of(rows: &[Row]) -> Memory {
        let mut terms = Terms::default();
        let user_id = terms.id_types.intern("userID");
        let mut blocks = Vec::new();
        for part in rows.chunks(ROWS_IN_A_BLOCK) {
            let mut columns = Columns::default();
            for row in part {
                let subject = row.subject.as_ref().map(|subject| terms.subjects.intern(&subject.encode()));
                let numbers = Numbers {
                    time: row.time,
                    received: row.received,
                    kind: row.kind,
                    source: Source::Segment,
                    name: terms.names.intern(&row.name),
                    environment: terms.environments.intern(row.environment),
                    subject: subject.unwrap_or(TermId::NONE),
                    value: None,
                };
                columns.push(numbers, (!row.unit.is_empty()).then(|| (user_id, hash(&row.unit))));
            }
            columns.finish();
            blocks.push(columns);
        }
        Memory { terms, blocks, rows: rows.len(), last: rows.last().map(|row| row.received) }
    }
}

fn hash(unit: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    unit.hash(&mut hasher);
    hasher.finish().max(1)
}

impl Log for Memory {
    fn next_sequence(&self) -> Sequence {
        Sequence(self.rows as u64)
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.last
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn scan(&self, each: &mut dyn FnMut(Sequence, &Columns) -> ControlFlow<()>) -> Result<(), LogError> {
        let mut next = 0;
        for columns in &self.blocks {
            if each(Sequence(next), columns).is_break() {
                break;
            }
            next += columns.len() as u64;
        }
        Ok(())
    }
}
