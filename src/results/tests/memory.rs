//! A log in memory, in small blocks with their rows beside them, and short ways to write its rows.

use crate::event::{Basis, Field, Kind, Place, Sequence, Source, Subject, TermId, Timestamp};
use crate::results::{Log, LogError};
use crate::store::{Columns, FieldColumn, Numbers, Terms, Visit};
use std::hash::{DefaultHasher, Hash, Hasher};

/// So small that every test crosses the border of a block.
const ROWS_IN_A_BLOCK: usize = 5;

/// The ID type of `Row::company`.
pub const COMPANY_ID: &str = "companyID";

/// One event as a test writes it. Its place in the list of rows is its place in the log.
#[derive(Debug, Clone)]
pub struct Row {
    pub kind: Kind,
    pub name: String,
    pub environment: &'static str,
    pub time: Timestamp,
    pub received: Timestamp,
    /// The userID; empty for none.
    pub unit: String,
    /// The companyID; empty for none.
    pub company: String,
    pub value: Option<f64>,
    pub metadata: Vec<(String, String)>,
    /// The user's own fields.
    pub user: Vec<(String, String)>,
    /// What an application keeps of the user beside them.
    pub user_custom: Vec<(String, String)>,
    /// What the SDK says about itself.
    pub sdk: Vec<(String, String)>,
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
        company: String::new(),
        value: None,
        metadata: Vec::new(),
        user: Vec::new(),
        user_custom: Vec::new(),
        sdk: Vec::new(),
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

impl Row {
    pub fn valued(self, value: f64) -> Row {
        Row { value: Some(value), ..self }
    }

    /// The same event with a further metadata key.
    pub fn with(mut self, key: &str, text: &str) -> Row {
        self.metadata.push((key.into(), text.into()));
        self
    }

    /// The same event at another moment, to the millisecond since the epoch.
    pub fn at(self, time: i64) -> Row {
        Row { time: Timestamp(time), ..self }
    }

    /// The ID that the event has of a type; `None` without one.
    pub fn unit_of(&self, id_type: &str) -> Option<&str> {
        let id = match id_type {
            "userID" => &self.unit,
            COMPANY_ID => &self.company,
            _ => "",
        };
        (!id.is_empty()).then_some(id)
    }
}

/// The text of a key, in a row's metadata or fields.
pub fn text<'a>(of: &'a [(String, String)], key: &str) -> Option<&'a str> {
    of.iter().find(|(known, _)| known == key).map(|(_, text)| text.as_str())
}

pub struct Memory {
    terms: Terms,
    blocks: Vec<Columns>,
    /// The rows of each block, for what the columns do not hold.
    rows: Vec<Vec<Row>>,
    last: Option<Timestamp>,
}

impl Memory {
    pub fn of(rows: &[Row]) -> Memory {
        Memory::in_blocks(rows, ROWS_IN_A_BLOCK)
    }

    /// The same log in blocks of another size.
    pub fn in_blocks(rows: &[Row], rows_in_a_block: usize) -> Memory {
        let mut terms = Terms::default();
        let id_types = ["userID", COMPANY_ID].map(|name| (name, terms.id_types.intern(name)));
        let mut blocks = Vec::new();
        for part in rows.chunks(rows_in_a_block) {
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
                    value: row.value,
                };
                let unit = |(name, id_type): (&str, TermId)| Some((id_type, hash(row.unit_of(name)?)));
                columns.push(numbers, id_types.into_iter().filter_map(unit));
            }
            columns.finish();
            blocks.push(columns);
        }
        let last = rows.last().map(|row| row.received);
        Memory { terms, blocks, rows: rows.chunks(rows_in_a_block).map(<[Row]>::to_vec).collect(), last }
    }
}

impl Memory {
    /// What a block's rows of the field's name say, as a scan hands it out beside the block's columns.
    fn field(&self, block: usize, field: &Field) -> FieldColumn {
        let mut column = FieldColumn::default();
        let named = self.rows[block].iter().filter(|row| self.terms.names.find(&row.name) == Some(field.name));
        for row in named {
            let place = match field.place {
                Place::Metadata => &row.metadata,
                Place::User => &row.user,
                Place::UserCustom => &row.user_custom,
                Place::Sdk => &row.sdk,
            };
            let entry = text(place, &field.key).map_or(0, |text| {
                let known = column.texts.iter().position(|known| known == text).unwrap_or_else(|| {
                    column.texts.push(text.to_owned());
                    column.texts.len() - 1
                });
                known as u32 + 1
            });
            column.rows.push(entry);
        }
        column
    }
}

#[test]
fn a_blocks_field_has_an_entry_for_each_of_its_rows_of_that_name() {
    let order = |sku: &str| track("u", "order", 0).with("sku", sku);
    let rows = [
        order("a"),
        track("u", "view", 0).with("sku", "z"),
        track("u", "order", 0),
        order("b"),
        order("a"),
        order("c"),
    ];
    let log = Memory::of(&rows);
    let field = Field { name: log.terms.names.find("order").unwrap(), place: Place::Metadata, key: "sku".into() };
    let found = log.field(0, &field);
    assert_eq!((found.texts, found.rows), (vec!["a".into(), "b".into()], vec![1, 0, 2, 1]));
    assert_eq!(log.field(1, &field).text(1), Some("c"));
    assert_eq!(log.field(0, &Field { place: Place::User, ..field }).rows, [0; 4]);
}

pub fn hash(unit: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    unit.hash(&mut hasher);
    hasher.finish().max(1)
}

impl Log for Memory {
    fn next_sequence(&self) -> Sequence {
        Sequence(self.rows.iter().map(Vec::len).sum::<usize>() as u64)
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.last
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        let mut next = 0;
        for (block, columns) in self.blocks.iter().enumerate() {
            let first = next;
            next += columns.len() as u64;
            let texts: Vec<FieldColumn> = fields.iter().map(|field| self.field(block, field)).collect();
            if next > from.0 && each(Sequence(first), columns, &texts).is_break() {
                break;
            }
        }
        Ok(())
    }
}
