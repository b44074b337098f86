//! What a question needs of the log, gathered in one pass and extended from where the last one stopped: exposures of each
//! split, and the events of each source by unit. Decides nothing about periods' ends, groups or metrics: whatever may still
//! change with the next event is decided when a report is made.

mod again;
mod reading;

pub(super) use again::Seen;
pub(super) use reading::is_plain;

use reading::{Reading, StrataReader, by_text, makes_metrics};

use super::census::Census;
use super::definition::{EventName, EventSource};
use super::entries::{Entries, Entry};
use super::filter::{Passing, Sieve, TextFilter, UnitFilter};
use super::options::Breakdown;
use super::roster::{NOBODY, Roster};
use super::strata::{NO_TEXT, Strata, Texts};
use super::units::{Exposures, SeenExposure};
use super::{Log, LogError};
use crate::event::{Sequence, Timestamp};
use crate::store::{Columns, FieldColumn, Terms};
use std::collections::BTreeMap;
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
    /// What the texts of a unit's first exposure must meet for it to take part.
    pub texts: Vec<TextFilter>,
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
    /// How often was read on.
    reading: u32,
    /// Units whose exposures came to say something else, each with the reading in which they did.
    changed: Vec<(u32, u32)>,
    /// Since after which reading `changed` is complete.
    changed_since: u32,
    /// Where the period ended when the log was read last.
    until: Timestamp,
    /// The latest moment of all that was taken to lie before that end.
    latest: Timestamp,
    /// Moments of events that lay beyond the end when they were read and still did at the reading before the last, with their
    /// units.
    beyond: Vec<(i64, u32)>,
    /// Up to this moment `beyond` lacks some.
    beyond_unknown: i64,
    roster: Roster,
    exposures: Vec<Exposures>,
    /// Exposures of a later moment than any event's receipt so far: whether they are in the period shows later.
    ahead: Vec<SeenExposure>,
    /// The texts by which units are told apart.
    strata: Option<Strata>,
    /// Whose first exposure passes, where that is asked.
    passing: Option<Passing>,
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
    /// Room for a block's hashes and numbers.
    hashes: Vec<u64>,
    numbers: Vec<u32>,
}

/// What a pass over the log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Exposures,
    EventsOfTheExposed,
}

/// So many changes of exposures are remembered, and so many events beyond the end.
const CHANGES_KEPT: usize = 1 << 20;
/// Where more than this part of the units has changed, and more than a few, all are computed anew.
const DIRTY_PART: usize = 8;
const DIRTY_FEW: usize = 64;

/// A set of entries that is always empty: of names that the log does not have.
static NONE: Entries = Entries::EMPTY;

impl Gathered {
    pub fn new(order: Order, exposures: Vec<Exposures>) -> Gathered {
        Gathered {
            strata: matches!(order.breakdown, Some(Breakdown::Unit(..))).then(Strata::default),
            passing: (!order.texts.is_empty()).then(Passing::default),
            labels: Texts::default(),
            filtered: order
                .filtered
                .iter()
                .map(|source| Filtered { source: source.clone(), entries: Entries::default() })
                .collect(),
            order,
            read_to: Sequence(0),
            reading: 0,
            changed: Vec::new(),
            changed_since: 0,
            until: Timestamp::MAX,
            latest: Timestamp(i64::MIN),
            beyond: Vec::new(),
            beyond_unknown: i64::MIN,
            roster: Roster::default(),
            exposures,
            ahead: Vec::new(),
            seen: Vec::new(),
            census: Census::default(),
            plain: Vec::new(),
            any: Entries::default(),
            exposed_only: false,
            hashes: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// The end of what was read.
    pub fn read_to(&self) -> Sequence {
        self.read_to
    }

    /// The exposures of an experiment or of one rule of a gate.
    pub fn exposures(&self, rule: Option<&str>) -> Option<&Exposures> {
        self.exposures.iter().find(|exposures| exposures.rule() == rule)
    }

    /// By number: the hash of each unit.
    pub fn hashes(&self) -> Vec<u64> {
        self.roster.hashes()
    }

    /// Exposures that lie in the future of the log, which may come to count.
    pub fn ahead(&self) -> &[SeenExposure] {
        &self.ahead
    }

    pub fn strata(&self) -> Option<&Strata> {
        self.strata.as_ref()
    }

    /// A filter of units in this roster's numbers; `None` if it lets all through.
    pub fn sieve(&self, filter: &UnitFilter) -> Option<Sieve<'_>> {
        Sieve::new(filter, self.passing.as_ref(), &self.roster)
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
            *sizes.entry(entry.mark).or_default() += 1;
        }
        sizes
    }

    pub fn label(&self, code: u32) -> Option<&str> {
        self.labels.text(code)
    }

    /// The events of certain texts only.
    pub fn picked(&self, pick: impl Fn(u32) -> bool) -> Picked<'_> {
        let of = |filtered: &Filtered| filtered.entries.picked(|entry| pick(entry.mark));
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
        self.reading += 1;
        // A report goes on from the one before it, so what lay before that one's end is settled.
        self.beyond.retain(|(time, _)| *time >= self.until.0);
        self.until = until;
        let come = self.beyond.iter().map(|(time, _)| Timestamp(*time)).filter(|time| *time < until);
        self.latest = come.max().unwrap_or(self.latest).max(self.latest);
        let read = self.reading(log.terms(), until);
        for exposure in std::mem::take(&mut self.ahead) {
            self.expose(exposure, &read);
        }
        let mut within_bound = true;
        let read_to = self.read_to;
        log.scan(read_to, &read.fields, &mut |first, columns, texts| {
            let skipped = read_to.0.saturating_sub(first.0) as usize;
            self.take(&read, columns, texts, skipped.min(columns.len()), Wanted::All);
            self.read_to = Sequence(first.0 + columns.len() as u64);
            within_bound = self.bytes() <= bound;
            if within_bound { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if within_bound {
            self.settle();
        }
        // Nobody has a report of before the first reading.
        if self.reading == 1 || self.changed.len() > CHANGES_KEPT {
            self.changed.clear();
            self.changed_since = self.reading;
        }
        if self.beyond.len() > CHANGES_KEPT {
            // Clocks are that wrong: until the log has come up to them, all is computed anew.
            let latest = self.beyond.iter().map(|(time, _)| *time).max();
            self.beyond_unknown = self.beyond_unknown.max(latest.unwrap_or(i64::MIN));
            self.beyond.clear();
        }
        Ok(within_bound)
    }

    /// Whether this can be read on to an end. An open end is the last receipt, and threads that stamp receipts at once, or a
    /// clock that is set, make it step back at times: then what was taken in between no longer counts.
    pub fn can_end(&self, until: Timestamp) -> bool {
        until >= self.until || (self.latest < until && self.beyond_unknown < until.0)
    }

    /// The number of the last reading.
    pub fn last_reading(&self) -> u32 {
        self.reading
    }

    /// The units whose numbers of these sources may have changed since a reading, when the log ended with `until`. Ascending.
    /// `None` if that cannot be told, or if they are so many that nothing is gained.
    pub fn dirty(&self, sources: &[EventSource], terms: &Terms, reading: u32, until: i64) -> Option<Vec<u32>> {
        if self.changed_since > reading
            || self.exposed_only
            || until <= self.beyond_unknown
            || matches!(self.order.breakdown, Some(Breakdown::Event(_)))
        {
            return None;
        }
        let changed = self.changed.iter().filter(|(when, _)| *when > reading).map(|(_, unit)| *unit);
        let mut dirty: Vec<u32> = changed.collect();
        dirty.extend(self.beyond.iter().filter(|(time, _)| *time >= until).map(|(_, unit)| *unit));
        for source in sources {
            dirty.extend(self.entries(source, terms).fresh_since(reading)?);
        }
        dirty.sort_unstable();
        dirty.dedup();
        (dirty.len() <= self.roster.len() / DIRTY_PART + DIRTY_FEW).then_some(dirty)
    }

    /// Gathers the exposures only, then the events of exposed units only: two passes and less memory. Nothing can be read on
    /// after it.
    pub fn read_exposed_only<L: Log + ?Sized>(&mut self, log: &L, until: Timestamp) -> Result<(), LogError> {
        let read = self.reading(log.terms(), until);
        for wanted in [Wanted::Exposures, Wanted::EventsOfTheExposed] {
            log.scan(Sequence(0), &read.fields, &mut |_, columns, texts| {
                self.take(&read, columns, texts, 0, wanted);
                ControlFlow::Continue(())
            })?;
        }
        self.exposed_only = true;
        self.read_to = log.next_sequence();
        self.settle();
        Ok(())
    }

    fn reading(&mut self, terms: &Terms, until: Timestamp) -> Reading {
        self.exposures.iter_mut().for_each(|exposures| exposures.learn(terms));
        if self.plain.len() <= terms.names.len() {
            self.plain.resize_with(terms.names.len() + 1, Plain::default);
            for (id, text) in terms.names.iter() {
                let wanted = self.order.names.as_ref().is_none_or(|names| names.iter().any(|name| name == text));
                self.plain[id.0 as usize].wanted = wanted;
            }
        }
        Reading::new(&self.order, &self.exposures, terms, until)
    }

    /// Puts in order what came. The largest goes first, so that the room it leaves serves all others.
    fn settle(&mut self) {
        let units = self.roster.len();
        let plain = self.plain.iter_mut().map(|plain| &mut plain.entries);
        let filtered = self.filtered.iter_mut().map(|filtered| &mut filtered.entries);
        let mut all: Vec<&mut Entries> = plain.chain(filtered).chain([&mut self.any]).collect();
        all.sort_by_key(|entries| std::cmp::Reverse(entries.unsettled()));
        let mut room = Vec::new();
        for entries in all {
            entries.settle(units, &mut room);
        }
    }

    fn take(&mut self, read: &Reading, columns: &Columns, texts: &[FieldColumn], skipped: usize, wanted: Wanted) {
        let nobody = Vec::new();
        let units = read.id_type.and_then(|id_type| columns.units_of(id_type)).unwrap_or(&nobody);
        let is_exposure = |row: usize| read.is_relevant(columns.subject[row]);
        let is_event =
            |row: usize| makes_metrics(columns.kind[row]) && read.is_in_environment(columns.environment[row]);
        // The hash of each row that counts, 0 for the others.
        let mut hashes = std::mem::take(&mut self.hashes);
        let mut numbers = std::mem::take(&mut self.numbers);
        hashes.clear();
        numbers.clear();
        hashes.extend((0..columns.len()).map(|row| {
            let counts = row >= skipped
                && match wanted {
                    Wanted::All => is_event(row) || is_exposure(row),
                    Wanted::Exposures => is_exposure(row),
                    Wanted::EventsOfTheExposed => is_event(row),
                };
            if counts { units.get(row).copied().unwrap_or(0) } else { 0 }
        }));
        self.roster.numbers(&hashes, wanted != Wanted::EventsOfTheExposed, &mut numbers);
        if wanted != Wanted::EventsOfTheExposed {
            let mut strata = StrataReader::new(read, columns, texts);
            for row in (skipped..columns.len()).filter(|row| is_exposure(*row)) {
                let mut exposure = SeenExposure {
                    subject: columns.subject[row],
                    time: Timestamp(columns.time[row]),
                    unit: numbers[row],
                    in_environment: read.is_in_environment(columns.environment[row]),
                    text: None,
                    passes: true,
                };
                if exposure.in_environment {
                    self.census.take_exposure(columns, row, exposure.unit != NOBODY);
                }
                if let Some((text, filtered)) = strata.texts(row) {
                    exposure.text = text.map(|text| self.strata.get_or_insert_default().code(text));
                    let mut filters = self.order.texts.iter().zip(filtered);
                    exposure.passes = filters.all(|(filter, text)| filter.passes(text));
                }
                self.expose(exposure, read);
            }
        }
        if wanted != Wanted::Exposures {
            self.seen.resize(self.roster.len(), 0);
            // No event is an exposure: what is left in `numbers` are the events of units.
            for (row, number) in numbers.iter_mut().enumerate().skip(skipped) {
                if !is_event(row) {
                    *number = NOBODY;
                    continue;
                }
                let has_unit = hashes[row] != 0;
                if read.may_count(columns.time[row]) {
                    self.census.take_event(columns, row, has_unit);
                    // Which names have most volume does not depend on who is left out to save memory.
                    if let Some(plain) = self.plain.get_mut(columns.name[row] as usize) {
                        plain.volume += u64::from(has_unit);
                    }
                }
                if has_unit && wanted == Wanted::EventsOfTheExposed && !self.is_exposed(*number) {
                    *number = NOBODY;
                }
                if *number != NOBODY {
                    self.take_event(read, columns, row, *number);
                }
            }
            self.take_filtered(read, columns, texts, &numbers);
        }
        (self.hashes, self.numbers) = (hashes, numbers);
    }

    fn expose(&mut self, exposure: SeenExposure, read: &Reading) {
        if exposure.time >= read.until && read.end.is_none_or(|end| exposure.time < end) {
            self.ahead.push(exposure);
            return;
        }
        self.latest = self.latest.max(exposure.time);
        let in_period = read.start.is_none_or(|start| start <= exposure.time) && exposure.time < read.until;
        let mut counted = false;
        for exposures in &mut self.exposures {
            let before = (self.reading > 1).then(|| exposures.standing(exposure.unit));
            counted |= exposures.take(&exposure, in_period);
            if before.is_some_and(|before| exposures.standing(exposure.unit) != before) {
                self.changed.push((self.reading, exposure.unit));
            }
        }
        if let (true, Some(strata)) = (counted, &mut self.strata) {
            strata.meet(exposure.unit, exposure.time, exposure.text);
        }
        if let (true, Some(passing)) = (counted, &mut self.passing) {
            passing.meet(exposure.unit, exposure.time, exposure.passes);
        }
    }

    fn is_exposed(&self, unit: u32) -> bool {
        self.exposures.iter().any(|exposures| exposures.has_met(unit))
    }

    fn take_event(&mut self, read: &Reading, columns: &Columns, row: usize, unit: u32) {
        let time = columns.time[row];
        if read.may_count(time) {
            self.seen[unit as usize] += 1;
            self.census.note(unit, time, columns.received[row]);
        }
        if time < read.until.0 {
            self.latest = self.latest.max(Timestamp(time));
        } else if read.end.is_none_or(|end| time < end.0) {
            self.beyond.push((time, unit));
        }
        let entry = Entry { unit, mark: self.reading, time, value: columns.value[row] };
        match self.plain.get_mut(columns.name[row] as usize) {
            Some(plain) if plain.wanted => plain.entries.push(entry),
            _ => {}
        }
        if self.order.any {
            self.any.push(Entry { value: f64::NAN, ..entry });
        }
    }

    /// `numbers`: by row the unit's number, `NOBODY` where the row is no event that counts.
    fn take_filtered(&mut self, read: &Reading, columns: &Columns, texts: &[FieldColumn], numbers: &[u32]) {
        for (filtered, look) in self.filtered.iter_mut().zip(&read.looks) {
            let Some(look) = look else { continue };
            let labels = look
                .label
                .map(|field| by_text(&texts[field], |text| text.map_or(NO_TEXT, |text| self.labels.code(text))));
            look.each(&filtered.source, columns, texts, |row, nth, value| {
                if numbers[row] != NOBODY {
                    let label = match (&labels, look.label) {
                        (Some(labels), Some(field)) => labels[texts[field].rows[nth] as usize],
                        _ => self.reading,
                    };
                    filtered.entries.push(Entry { unit: numbers[row], mark: label, time: columns.time[row], value });
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
