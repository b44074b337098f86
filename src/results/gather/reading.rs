//! What one pass over the log goes by: an order in the numbers of the dictionaries of this moment, and where the texts that
//! it looks at are. Gathers nothing.

use super::Order;
use crate::event::{Field, Kind, Place, TermId, Timestamp};
use crate::results::criterion::number;
use crate::results::definition::{CriterionOf, EventName, EventSource, Taken};
use crate::results::options::Breakdown;
use crate::results::units::Exposures;
use crate::store::{Columns, FieldColumn, Terms};
use hashbrown::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Whether a source takes events of a name as they are. Their value is kept with them, whether it is wanted or not.
pub(in crate::results) fn is_plain(source: &EventSource) -> bool {
    source.criteria.is_empty() && matches!(source.taken, Taken::Occurrence | Taken::Value)
}

/// Whether events of this kind are metrics without any set-up.
fn makes_metrics(kind: u8) -> bool {
    const BITS: u64 = 1 << Kind::Track as u8
        | 1 << Kind::Page as u8
        | 1 << Kind::Screen as u8
        | 1 << Kind::Group as u8
        | 1 << Kind::Custom as u8;
    kind < 64 && BITS >> kind & 1 == 1
}

/// The names of exposures that the log has.
pub(super) fn exposure_names(terms: &Terms) -> impl Iterator<Item = TermId> {
    let kinds = [Kind::GateExposure, Kind::ConfigExposure, Kind::LayerExposure];
    kinds.into_iter().filter_map(|kind| terms.names.find(&format!("statsig::{kind}")))
}

/// What one pass over the log goes by: the order in the numbers of this moment's dictionaries.
pub(super) struct Reading {
    pub id_type: Option<TermId>,
    pub environment: Option<TermId>,
    pub start: Option<Timestamp>,
    pub until: Timestamp,
    /// The end that was set.
    pub end: Option<Timestamp>,
    pub fields: Vec<Field>,
    /// By source that looks into events: where its texts are; `None` while the log has no such event.
    pub looks: Vec<Option<Look>>,
    /// By subject: whether an exposure to it is one to the experiment or gate.
    pub relevant: Vec<bool>,
    /// Names of exposures, each with where its texts are among the fields.
    pub told_apart: HashMap<u32, ExposureTexts>,
}

impl Reading {
    pub fn new(order: &Order, exposures: &[Exposures], terms: &Terms, until: Timestamp) -> Reading {
        let mut fields: Vec<Field> = Vec::new();
        let mut place = |field: Field| match fields.iter().position(|known| *known == field) {
            Some(at) => at,
            None => {
                fields.push(field);
                fields.len() - 1
            }
        };
        let label = match &order.breakdown {
            Some(Breakdown::Event(key)) => Some(key.as_str()),
            _ => None,
        };
        let looks = order.filtered.iter().map(|source| Look::new(source, label, terms, &mut place)).collect();
        let mut told_apart = HashMap::new();
        for name in exposure_names(terms) {
            let mut field = |place_: Place, key: &str| place(Field { name, place: place_, key: key.to_owned() });
            let breakdown = match &order.breakdown {
                Some(Breakdown::Unit(at, key)) => Some(field(*at, key)),
                _ => None,
            };
            let filters: Vec<usize> = order.texts.iter().map(|filter| field(filter.place, &filter.key)).collect();
            if breakdown.is_some() || !filters.is_empty() {
                told_apart.insert(name.0, ExposureTexts { breakdown, filters });
            }
        }
        let relevant = |subject| exposures.iter().any(|exposures| exposures.is_relevant(subject));
        Reading {
            relevant: (0..=terms.subjects.len() as u32).map(relevant).collect(),
            id_type: terms.id_type(&order.id_type),
            environment: terms.environments.find(&order.environment),
            start: order.start,
            until,
            end: order.end,
            fields,
            looks,
            told_apart,
        }
    }

    pub fn is_relevant(&self, subject: u32) -> bool {
        subject != 0 && self.relevant.get(subject as usize).copied().unwrap_or(false)
    }

    /// Whether an event of this moment counts, if not today: an open end moves on with the log, and what lies beyond it today
    /// is in the period tomorrow.
    pub fn may_count(&self, time: i64) -> bool {
        self.start.is_none_or(|start| start.0 <= time) && self.end.is_none_or(|end| time < end.0)
    }

    /// Whether metrics can be made of a row.
    pub fn is_event(&self, columns: &Columns, row: usize) -> bool {
        makes_metrics(columns.kind[row]) && self.is_in_environment(columns.environment[row])
    }

    pub fn is_in_environment(&self, environment: u32) -> bool {
        self.environment == Some(TermId(environment))
    }
}

/// Where the texts of exposures of one name are among the fields of a pass.
pub(super) struct ExposureTexts {
    pub breakdown: Option<usize>,
    /// By condition.
    pub filters: Vec<usize>,
}

/// Where a source's texts are among the fields of a pass.
pub(super) struct Look {
    pub name: TermId,
    /// The field that is taken.
    pub taken: Option<usize>,
    /// By criterion; `None` for the event's value.
    pub criteria: Vec<Option<usize>>,
    /// The field by which events are told apart.
    pub label: Option<usize>,
}

impl Look {
    pub fn new(
        source: &EventSource,
        label: Option<&str>,
        terms: &Terms,
        place: &mut impl FnMut(Field) -> usize,
    ) -> Option<Look> {
        let EventName::Named(name) = &source.event else { return None };
        let name = terms.names.find(name)?;
        let mut field = |at: Place, key: &str| place(Field { name, place: at, key: key.to_owned() });
        let taken = match &source.taken {
            Taken::Occurrence | Taken::Value => None,
            Taken::Metadata(key) | Taken::Text(key) => Some(field(Place::Metadata, key)),
        };
        let criteria = source.criteria.iter().map(|criterion| match &criterion.of {
            CriterionOf::Value => None,
            CriterionOf::Metadata(key) => Some(field(Place::Metadata, key)),
            CriterionOf::User(key) => Some(field(Place::User, key)),
            CriterionOf::UserCustom(key) => Some(field(Place::UserCustom, key)),
        });
        let criteria = criteria.collect();
        Some(Look { name, taken, criteria, label: label.map(|key| field(Place::Metadata, key)) })
    }

    /// Hands out the rows that the source picks, each with its place among the rows of the name and with what is taken of
    /// it. Each distinct text is looked at once.
    pub fn each(
        &self,
        source: &EventSource,
        columns: &Columns,
        texts: &[FieldColumn],
        mut pick: impl FnMut(usize, usize, f64),
    ) {
        let meets: Vec<Option<Vec<bool>>> = source
            .criteria
            .iter()
            .zip(&self.criteria)
            .map(|(criterion, field)| field.map(|field| by_text(&texts[field], |text| criterion.text_meets(text))))
            .collect();
        let takes = self.taken.map(|field| {
            by_text(&texts[field], |text| match (&source.taken, text) {
                (_, None) => f64::NAN,
                (Taken::Text(_), Some(text)) => text_number(text),
                (_, Some(text)) => number(text).unwrap_or(f64::NAN),
            })
        });
        let rows = (0..columns.len()).filter(|&row| columns.name[row] == self.name.0);
        for (nth, row) in rows.enumerate() {
            let met =
                source.criteria.iter().zip(&self.criteria).zip(&meets).all(|((criterion, field), meets)| {
                    match (field, meets) {
                        (Some(field), Some(meets)) => meets[texts[*field].rows[nth] as usize],
                        _ => criterion.value_meets(columns.value[row]),
                    }
                });
            if met {
                let value = match (self.taken, &takes) {
                    (Some(field), Some(takes)) => takes[texts[field].rows[nth] as usize],
                    _ => columns.value[row],
                };
                pick(row, nth, value);
            }
        }
    }
}

/// What each text of a column means; the first entry is for a row without one.
pub(super) fn by_text<T>(column: &FieldColumn, of: impl FnMut(Option<&str>) -> T) -> Vec<T> {
    std::iter::once(None).chain(column.texts.iter().map(|text| Some(text.as_str()))).map(of).collect()
}

/// A number that stands for a text: 52 bits of its hash, which a double holds exactly. Among a million texts of one unit two
/// would be taken for one with a probability of one in nine thousand.
fn text_number(text: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    (hasher.finish() >> 12) as f64
}

/// Finds the texts of exposures in a block.
pub(super) struct StrataReader<'a> {
    pub read: &'a Reading,
    pub columns: &'a Columns,
    pub texts: &'a [FieldColumn],
    /// By name: the next row to look at, and how many rows of the name lie before it.
    pub passed: HashMap<u32, (usize, usize)>,
}

impl<'a> StrataReader<'a> {
    pub fn new(read: &'a Reading, columns: &'a Columns, texts: &'a [FieldColumn]) -> StrataReader<'a> {
        StrataReader { read, columns, texts, passed: HashMap::new() }
    }

    /// The break-down text of a row, and by condition the text that it is about. Rows must be asked for in their order.
    pub fn texts(&mut self, row: usize) -> Option<(Option<&'a str>, impl Iterator<Item = Option<&'a str>>)> {
        let name = self.columns.name[row];
        let places = self.read.told_apart.get(&name)?;
        let (at, before) = self.passed.entry(name).or_default();
        *before += self.columns.name[*at..row].iter().filter(|other| **other == name).count();
        *at = row;
        let (all, nth) = (self.texts, *before);
        let text = move |field: usize| all[field].text(all[field].rows[nth]);
        Some((places.breakdown.and_then(text), places.filters.iter().map(move |field| text(*field))))
    }
}
