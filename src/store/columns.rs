//! The numeric part of consecutive events: what results, filters and the exporter scan. Knows no text and no file.

use crate::event::{Kind, Outcome, Source, TermId, Timestamp};

/// One entry a row, in order of sequence. Text stands here as a number of the store's dictionaries; a unit as a keyed hash.
#[derive(Debug, Clone, Default, PartialEq, bincode::Encode, bincode::Decode)]
pub struct Columns {
    /// Milliseconds since the epoch, corrected for the sender's clock.
    pub time: Vec<i64>,
    /// Milliseconds since the epoch, by our clock.
    pub received: Vec<i64>,
    /// `Kind::code`.
    pub kind: Vec<u8>,
    /// `Source::code`.
    pub source: Vec<u8>,
    /// `Terms::names`.
    pub name: Vec<u32>,
    /// `Terms::environments`.
    pub environment: Vec<u32>,
    /// `Terms::subjects`; 0 where the event is no exposure.
    pub subject: Vec<u32>,
    /// NaN where the event has no value.
    pub value: Vec<f64>,
    /// A column for each ID type that occurs in these rows.
    pub units: Vec<UnitColumn>,
}

/// The units of one ID type.
#[derive(Debug, Clone, Default, PartialEq, bincode::Encode, bincode::Decode)]
pub struct UnitColumn {
    /// `Terms::id_types`.
    pub id_type: u32,
    /// The keyed 64-bit hash of the ID; 0 where the event has no unit of this type.
    pub hash: Vec<u64>,
}

/// One row's numbers, as they go into the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    pub time: Timestamp,
    pub received: Timestamp,
    pub kind: Kind,
    pub source: Source,
    pub name: TermId,
    pub environment: TermId,
    pub subject: TermId,
    pub value: Option<f64>,
}

impl Columns {
    pub fn len(&self) -> usize {
        self.time.len()
    }

    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// What a row takes in a tail, its text's length and its fingerprint included.
    pub(super) fn row_bytes(&self) -> usize {
        const FIXED: usize = 8 + 8 + 1 + 1 + 4 + 4 + 4 + 8;
        FIXED + self.units.len() * 8 + 4 + 16
    }

    /// Appends a row. A unit with the hash 0 is no unit.
    pub fn push(&mut self, row: Numbers, units: impl IntoIterator<Item = (TermId, u64)>) {
        let at = self.len();
        self.time.push(row.time.0);
        self.received.push(row.received.0);
        self.kind.push(row.kind.code());
        self.source.push(row.source.code());
        self.name.push(row.name.0);
        self.environment.push(row.environment.0);
        self.subject.push(row.subject.0);
        self.value.push(row.value.unwrap_or(f64::NAN));
        for (id_type, hash) in units {
            let column = match self.units.iter().position(|column| column.id_type == id_type.0) {
                Some(found) => &mut self.units[found],
                None => {
                    self.units.push(UnitColumn { id_type: id_type.0, hash: Vec::new() });
                    self.units.last_mut().expect("just pushed")
                }
            };
            column.hash.resize(at, 0);
            column.hash.push(hash);
        }
    }

    /// Gives every unit column an entry for every row; called once after the last `push`.
    pub fn finish(&mut self) {
        let rows = self.len();
        for column in &mut self.units {
            column.hash.resize(rows, 0);
        }
    }

    /// Appends all rows of another set.
    pub fn extend(&mut self, other: &Columns) {
        let at = self.len();
        self.time.extend_from_slice(&other.time);
        self.received.extend_from_slice(&other.received);
        self.kind.extend_from_slice(&other.kind);
        self.source.extend_from_slice(&other.source);
        self.name.extend_from_slice(&other.name);
        self.environment.extend_from_slice(&other.environment);
        self.subject.extend_from_slice(&other.subject);
        self.value.extend_from_slice(&other.value);
        for theirs in &other.units {
            let column = match self.units.iter().position(|column| column.id_type == theirs.id_type) {
                Some(found) => &mut self.units[found],
                None => {
                    self.units.push(UnitColumn { id_type: theirs.id_type, hash: Vec::new() });
                    self.units.last_mut().expect("just pushed")
                }
            };
            column.hash.resize(at, 0);
            column.hash.extend_from_slice(&theirs.hash);
        }
        self.finish();
    }

    /// A copy of the rows from one on.
    pub(super) fn tail_from(&self, row: usize) -> Columns {
        Columns {
            time: self.time[row..].to_vec(),
            received: self.received[row..].to_vec(),
            kind: self.kind[row..].to_vec(),
            source: self.source[row..].to_vec(),
            name: self.name[row..].to_vec(),
            environment: self.environment[row..].to_vec(),
            subject: self.subject[row..].to_vec(),
            value: self.value[row..].to_vec(),
            units: self
                .units
                .iter()
                .map(|column| UnitColumn { id_type: column.id_type, hash: column.hash[row..].to_vec() })
                .collect(),
        }
    }

    /// The unit hashes of one ID type, or `None` where no row has one.
    pub fn units_of(&self, id_type: TermId) -> Option<&[u64]> {
        self.units.iter().find(|column| column.id_type == id_type.0).map(|column| column.hash.as_slice())
    }
}

/// What is counted of events that were not stored, and by what it is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tally {
    pub source: Source,
    /// Never `Outcome::Stored`: the log itself counts those.
    pub outcome: Outcome,
    /// A stable code such as `event_filter` or `forbidden_character`; for a duplicate `message_id`.
    pub reason: &'static str,
    /// The event's stored name where it is known and within its limit, else empty.
    pub name: String,
}
