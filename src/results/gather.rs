//! What a question needs of the log, gathered in one pass and extended from where the last one stopped: exposures of each
//! split, and the events of each source by unit. Decides nothing about periods' ends, groups or metrics: whatever may still
//! change with the next event is decided when a report is made.

use super::census::Census;
use super::criterion::number;
use super::definition::{CriterionOf, EventName, EventSource, Taken};
use super::entries::{Entries, Entry};
use super::options::Breakdown;
use super::roster::{NOBODY, Roster};
use super::strata::{NO_TEXT, Strata, Texts};
use super::units::{Exposures, SeenExposure};
use super::{Log, LogError};
use crate::event::{Field, Kind, Place, Sequence, TermId, Timestamp};
use crate::store::{Columns, FieldColumn, Terms};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::ops::ControlFlow;

/// What is to be gathered. A report can be made from what was gathered by an equal order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub id_type: String,
    pub environment: String,
    /// The first moment that counts.
    pub start: Option<Timestamp>,
    /// The first moment that no longer counts, where one is set.
    pub end: Option<Timestamp>,
    /// Event names whose events are wanted as they are; `None` for all names.
    pub names: Option<Vec<String>>,
    /// Sources that look into an event.
    pub filtered: Vec<EventSource>,
    /// Whether any event counts for some metric.
    pub any: bool,
    /// By what units or events are told apart.
    pub breakdown: Option<Breakdown>,
}

/// Events of one name as they are.
#[derive(Debug, Default)]
struct Plain {
    wanted: bool,
    /// Events in the period; for choosing the names of most volume.
    volume: u64,
    entries: Entries,
}

/// Events that a source picks by looking into them.
#[derive(Debug)]
struct Filtered {
    source: EventSource,
    entries: Entries,
}

/// See the module.
pub(super) struct Gathered {
    order: Order,
    read_to: Sequence,
    roster: Roster,
    exposures: Vec<Exposures>,
    /// Exposures of a later moment than any event's receipt so far: whether they are in the period shows later.
    ahead: Vec<SeenExposure>,
    /// The texts by which units are told apart.
    strata: Option<Strata>,
    /// The texts by which events are told apart.
    labels: Texts,
    /// By unit: how many events that metrics can be made of it has in the period.
    seen: Vec<u32>,
    census: Census,
    /// By event name.
    plain: Vec<Plain>,
    filtered: Vec<Filtered>,
    any: Entries,
    /// Whether units without an exposure are left out; then more cannot be read.
    exposed_only: bool,
}

/// A set of entries that is always empty: of names that the log does not have.
static NONE: Entries = Entries::EMPTY;

impl Gathered {
    pub fn new(order: Order, exposures: Vec<Exposures>) -> Gathered {
        Gathered {
            strata: matches!(order.breakdown, Some(Breakdown::Unit(..))).then(Strata::default),
            labels: Texts::default(),
            filtered: order
                .filtered
                .iter()
                .map(|source| Filtered { source: source.clone(), entries: Entries::default() })
                .collect(),
            order,
            read_to: Sequence(0),
            roster: Roster::default(),
            exposures,
            ahead: Vec::new(),
            seen: Vec::new(),
            census: Census::default(),
            plain: Vec::new(),
            any: Entries::default(),
            exposed_only: false,
        }
    }

    /// The end of what was read.
    pub fn read_to(&self) -> Sequence {
        self.read_to
    }

    pub fn exposures(&self) -> &[Exposures] {
        &self.exposures
    }

    /// Exposures that lie in the future of the log, which may come to count.
    pub fn ahead(&self) -> &[SeenExposure] {
        &self.ahead
    }

    pub fn strata(&self) -> Option<&Strata> {
        self.strata.as_ref()
    }

    /// How many events that metrics can be made of a unit has in the period.
    pub fn events_of(&self, unit: u32) -> u32 {
        self.seen.get(unit as usize).copied().unwrap_or(0)
    }

    pub fn census(&self) -> &Census {
        &self.census
    }

    /// By event name: how many events of it could count.
    pub fn volumes(&self) -> impl Iterator<Item = u64> {
        self.plain.iter().map(|plain| plain.volume)
    }

    /// The events of a source.
    pub fn entries(&self, source: &EventSource, terms: &Terms) -> &Entries {
        match &source.event {
            EventName::Any => &self.any,
            EventName::Named(name) if is_plain(source) => {
                let name = terms.names.find(name).and_then(|name| self.plain.get(name.0 as usize));
                name.map_or(&NONE, |plain| &plain.entries)
            }
            EventName::Named(_) => {
                let found = self.filtered.iter().find(|filtered| filtered.source == *source);
                found.map_or(&NONE, |filtered| &filtered.entries)
            }
        }
    }

    /// Whether units without an exposure were left out.
    pub fn is_exposed_only(&self) -> bool {
        self.exposed_only
    }

    /// By code of a text: how many events have it.
    pub fn label_sizes(&self) -> BTreeMap<u32, u64> {
        let mut sizes = BTreeMap::new();
        for entry in self.filtered.iter().flat_map(|filtered| filtered.entries.iter()) {
            *sizes.entry(entry.label).or_default() += 1;
        }
        sizes
    }

    pub fn label(&self, code: u32) -> Option<&str> {
        self.labels.text(code)
    }

    /// The events of certain texts only.
    pub fn picked(&self, pick: impl Fn(u32) -> bool) -> Picked<'_> {
        let of = |filtered: &Filtered| filtered.entries.picked(|entry| pick(entry.label));
        Picked { gathered: self, entries: self.filtered.iter().map(of).collect() }
    }

    pub fn bytes(&self) -> usize {
        let plain = self.plain.iter().map(|plain| plain.entries.bytes()).sum::<usize>();
        let filtered = self.filtered.iter().map(|filtered| filtered.entries.bytes()).sum::<usize>();
        let units = self.roster.len() * (16 + 16 * self.exposures.len() + 4);
        plain + filtered + self.any.bytes() + units + self.census.bytes()
    }

    /// Reads on to the end of the log. `false` if what is gathered grew beyond `bound` bytes, and reading stopped there.
    pub fn read_on<L: Log + ?Sized>(&mut self, log: &L, until: Timestamp, bound: usize) -> Result<bool, LogError> {
        let terms = log.terms();
        let read = Reading::new(&self.order, terms, until);
        self.exposures.iter_mut().for_each(|exposures| exposures.learn(terms));
        for exposure in std::mem::take(&mut self.ahead) {
            self.expose(exposure, &read);
        }
        let mut within_bound = true;
        let read_to = self.read_to;
        log.scan(read_to, &read.fields, &mut |first, columns, texts| {
            let skipped = read_to.0.saturating_sub(first.0) as usize;
            self.take(&read, columns, texts, skipped.min(columns.len()));
            self.read_to = Sequence(first.0 + columns.len() as u64);
            within_bound = self.bytes() <= bound;
            if within_bound { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if within_bound {
            self.settle();
        }
        Ok(within_bound)
    }

    fn settle(&mut self) {
        let units = self.roster.len();
        self.plain.iter_mut().for_each(|plain| plain.entries.settle(units));
        self.filtered.iter_mut().for_each(|filtered| filtered.entries.settle(units));
        self.any.settle(units);
    }

    /// Gathers the exposures only, then the events of exposed units only: two passes and less memory. Nothing can be read on
    /// after it.
    pub fn read_exposed_only<L: Log + ?Sized>(&mut self, log: &L, until: Timestamp) -> Result<(), LogError> {
        let terms = log.terms();
        let read = Reading::new(&self.order, terms, until);
        self.exposures.iter_mut().for_each(|exposures| exposures.learn(terms));
        log.scan(Sequence(0), &read.fields, &mut |_, columns, texts| {
            self.take_exposures(&read, columns, texts, 0);
            ControlFlow::Continue(())
        })?;
        self.exposed_only = true;
        log.scan(Sequence(0), &read.fields, &mut |_, columns, texts| {
            self.take_events(&read, columns, texts, 0);
            ControlFlow::Continue(())
        })?;
        self.read_to = log.next_sequence();
        self.settle();
        Ok(())
    }

    fn take(&mut self, read: &Reading<'_>, columns: &Columns, texts: &[FieldColumn], skipped: usize) {
        self.take_exposures(read, columns, texts, skipped);
        self.take_events(read, columns, texts, skipped);
    }

    fn take_exposures(&mut self, read: &Reading<'_>, columns: &Columns, texts: &[FieldColumn], skipped: usize) {
        let units = read.id_type.and_then(|id_type| columns.units_of(id_type));
        let relevant = |subject: u32| self.exposures.iter().any(|exposures| exposures.is_relevant(subject));
        let rows: Vec<usize> = (skipped..columns.len())
            .filter(|&row| columns.subject[row] != 0 && relevant(columns.subject[row]))
            .collect();
        let mut strata = StrataReader::new(read, columns, texts);
        for row in rows {
            let hash = units.map_or(0, |units| units[row]);
            if read.is_in_environment(columns.environment[row]) {
                self.census.take_exposure(columns, row, hash != 0);
            }
            let exposure = SeenExposure {
                subject: columns.subject[row],
                time: Timestamp(columns.time[row]),
                unit: if hash == 0 { NOBODY } else { self.roster.number(hash) },
                in_environment: read.is_in_environment(columns.environment[row]),
                text: strata.text(row).map(|text| self.strata.get_or_insert_default().code(text)),
            };
            self.expose(exposure, read);
        }
    }

    fn expose(&mut self, exposure: SeenExposure, read: &Reading<'_>) {
        if self.order.end.is_none() && exposure.time >= read.until {
            self.ahead.push(exposure);
            return;
        }
        let in_period = read.start.is_none_or(|start| start <= exposure.time) && exposure.time < read.until;
        let mut counted = false;
        for exposures in &mut self.exposures {
            counted |= exposures.take(&exposure, in_period);
        }
        if let (true, Some(strata)) = (counted, &mut self.strata) {
            strata.meet(exposure.unit, exposure.time, exposure.text);
        }
    }

    /// Reads the exposures to one split once more and hands out those that count: unit, moment, and the texts of further
    /// fields, in their order.
    pub fn read_exposures<L: Log + ?Sized>(
        &self,
        log: &L,
        split: usize,
        until: Timestamp,
        wanted: &[(Place, &str)],
        each: &mut dyn FnMut(u32, Timestamp, &[Option<&str>]),
    ) -> Result<(), LogError> {
        let terms = log.terms();
        let read = Reading::new(&self.order, terms, until);
        let exposures = &self.exposures[split];
        let names: Vec<TermId> = exposure_names(terms).collect();
        let fields: Vec<Field> = names
            .iter()
            .flat_map(|&name| wanted.iter().map(move |&(place, key)| Field { name, place, key: key.to_owned() }))
            .collect();
        log.scan(Sequence(0), &fields, &mut |_, columns, texts| {
            let Some(units) = read.id_type.and_then(|id_type| columns.units_of(id_type)) else {
                return ControlFlow::Continue(());
            };
            let mut rows_of_name = vec![0; names.len()];
            for row in 0..columns.len() {
                let Some(at) = names.iter().position(|name| name.0 == columns.name[row]) else { continue };
                let nth = rows_of_name[at];
                rows_of_name[at] += 1;
                let time = Timestamp(columns.time[row]);
                let in_period = read.start.is_none_or(|start| start <= time) && time < read.until;
                let counts = in_period && units[row] != 0 && read.is_in_environment(columns.environment[row]);
                if !counts || !exposures.is_of_a_group(columns.subject[row]) {
                    continue;
                }
                if let Some(unit) = self.roster.find(units[row]) {
                    let columns = &texts[at * wanted.len()..(at + 1) * wanted.len()];
                    let texts: Vec<Option<&str>> = columns.iter().map(|column| column.text(column.rows[nth])).collect();
                    each(unit, time, &texts);
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn is_exposed(&self, unit: u32) -> bool {
        self.exposures.iter().any(|exposures| exposures.has_met(unit))
    }

    fn take_events(&mut self, read: &Reading<'_>, columns: &Columns, texts: &[FieldColumn], skipped: usize) {
        // An open end moves on with the log: what lies beyond it today is in the period tomorrow.
        let end = self.order.end;
        let in_period =
            |time: i64| read.start.is_none_or(|start| start.0 <= time) && end.is_none_or(|end| time < end.0);
        let counts = |row: usize| makes_metrics(columns.kind[row]) && read.is_in_environment(columns.environment[row]);
        let counted = (skipped..columns.len()).filter(|&row| counts(row) && in_period(columns.time[row]));
        self.census.take_events(columns, read.id_type, counted);
        let Some(units) = read.id_type.and_then(|id_type| columns.units_of(id_type)) else { return };
        if self.plain.len() <= read.terms.names.len() {
            self.plain.resize_with(read.terms.names.len() + 1, Plain::default);
            for (id, text) in read.terms.names.iter() {
                let wanted = self.order.names.as_ref().is_none_or(|names| names.iter().any(|name| name == text));
                self.plain[id.0 as usize].wanted = wanted;
            }
        }
        // The hash of each row whose event counts, 0 for the others.
        let hashes: Vec<u64> =
            (0..columns.len()).map(|row| if row >= skipped && counts(row) { units[row] } else { 0 }).collect();
        let mut numbers = Vec::with_capacity(hashes.len());
        self.roster.numbers(&hashes, !self.exposed_only, &mut numbers);
        if self.exposed_only {
            for number in numbers.iter_mut().filter(|number| **number != NOBODY) {
                if !self.is_exposed(*number) {
                    *number = NOBODY;
                }
            }
        }
        self.seen.resize(self.roster.len(), 0);
        for (row, &unit) in numbers.iter().enumerate().filter(|(_, unit)| **unit != NOBODY) {
            let time = columns.time[row];
            let in_period = in_period(time);
            if in_period {
                self.seen[unit as usize] += 1;
                self.census.note(unit, time, columns.received[row]);
            }
            let Some(plain) = self.plain.get_mut(columns.name[row] as usize) else { continue };
            plain.volume += u64::from(in_period);
            let entry = Entry { unit, label: 0, time, value: columns.value[row] };
            if plain.wanted {
                plain.entries.push(entry);
            }
            if self.order.any {
                self.any.push(Entry { value: f64::NAN, ..entry });
            }
        }
        for (filtered, look) in self.filtered.iter_mut().zip(&read.looks) {
            let Some(look) = look else { continue };
            let labels = look
                .label
                .map(|field| by_text(&texts[field], |text| text.map_or(NO_TEXT, |text| self.labels.code(text))));
            look.each(&filtered.source, columns, texts, |row, nth, value| {
                if numbers[row] != NOBODY {
                    let label = match (&labels, look.label) {
                        (Some(labels), Some(field)) => labels[texts[field].rows[nth] as usize],
                        _ => 0,
                    };
                    filtered.entries.push(Entry { unit: numbers[row], label, time: columns.time[row], value });
                }
            });
        }
    }
}

/// See `Gathered::picked`.
pub(super) struct Picked<'a> {
    gathered: &'a Gathered,
    entries: Vec<Entries>,
}

impl Picked<'_> {
    pub fn entries(&self, source: &EventSource) -> &Entries {
        let place = self.gathered.filtered.iter().position(|filtered| filtered.source == *source);
        place.map_or(&NONE, |place| &self.entries[place])
    }
}

/// Whether a source takes events of a name as they are. Their value is kept with them, whether it is wanted or not.
pub(super) fn is_plain(source: &EventSource) -> bool {
    source.criteria.is_empty() && matches!(source.taken, Taken::Occurrence | Taken::Value)
}

/// Whether events of this kind are metrics without any set-up.
fn makes_metrics(kind: u8) -> bool {
    const KINDS: [u8; 5] =
        [Kind::Track as u8, Kind::Page as u8, Kind::Screen as u8, Kind::Group as u8, Kind::Custom as u8];
    KINDS.contains(&kind)
}

/// The names of exposures that the log has.
fn exposure_names(terms: &Terms) -> impl Iterator<Item = TermId> {
    let kinds = [Kind::GateExposure, Kind::ConfigExposure, Kind::LayerExposure];
    kinds.into_iter().filter_map(|kind| terms.names.find(&format!("statsig::{kind}")))
}

/// What one pass over the log goes by: the order in the numbers of this moment's dictionaries.
struct Reading<'a> {
    terms: &'a Terms,
    id_type: Option<TermId>,
    environment: Option<TermId>,
    start: Option<Timestamp>,
    until: Timestamp,
    fields: Vec<Field>,
    /// By source that looks into events: where its texts are; `None` while the log has no such event.
    looks: Vec<Option<Look>>,
    /// Names of exposures, each with the place of its break-down text among the fields.
    told_apart: HashMap<u32, usize>,
}

impl<'a> Reading<'a> {
    fn new(order: &Order, terms: &'a Terms, until: Timestamp) -> Reading<'a> {
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
        if let Some(Breakdown::Unit(at, key)) = &order.breakdown {
            for name in exposure_names(terms) {
                told_apart.insert(name.0, place(Field { name, place: *at, key: key.clone() }));
            }
        }
        Reading {
            terms,
            id_type: terms.id_type(&order.id_type),
            environment: terms.environments.find(&order.environment),
            start: order.start,
            until,
            fields,
            looks,
            told_apart,
        }
    }

    fn is_in_environment(&self, environment: u32) -> bool {
        self.environment == Some(TermId(environment))
    }
}

/// Where a source's texts are among the fields of a pass.
struct Look {
    name: TermId,
    /// The field that is taken.
    taken: Option<usize>,
    /// By criterion; `None` for the event's value.
    criteria: Vec<Option<usize>>,
    /// The field by which events are told apart.
    label: Option<usize>,
}

impl Look {
    fn new(
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
    fn each(
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
fn by_text<T>(column: &FieldColumn, of: impl FnMut(Option<&str>) -> T) -> Vec<T> {
    std::iter::once(None).chain(column.texts.iter().map(|text| Some(text.as_str()))).map(of).collect()
}

/// A number that stands for a text: 52 bits of its hash, which a double holds exactly. Among a million texts of one unit two
/// would be taken for one with a probability of one in nine thousand.
fn text_number(text: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    (hasher.finish() >> 12) as f64
}

/// Finds the break-down text of exposures in a block.
struct StrataReader<'a> {
    read: &'a Reading<'a>,
    columns: &'a Columns,
    texts: &'a [FieldColumn],
    /// By name: the next row to look at, and how many rows of the name lie before it.
    passed: HashMap<u32, (usize, usize)>,
}

impl<'a> StrataReader<'a> {
    fn new(read: &'a Reading<'a>, columns: &'a Columns, texts: &'a [FieldColumn]) -> StrataReader<'a> {
        StrataReader { read, columns, texts, passed: HashMap::new() }
    }

    /// Rows must be asked for in their order.
    fn text(&mut self, row: usize) -> Option<&'a str> {
        let name = self.columns.name[row];
        let field = *self.read.told_apart.get(&name)?;
        let (at, before) = self.passed.entry(name).or_default();
        *before += self.columns.name[*at..row].iter().filter(|other| **other == name).count();
        *at = row;
        let column = &self.texts[field];
        column.text(column.rows[*before])
    }
}
