//! What a question needs of the log, gathered in one pass and extended from where the last one stopped: exposures of each
//! split, and the events of each source by unit. Decides nothing about periods' ends, groups or metrics: whatever may still
//! change with the next event is decided when a report is made.

mod again;
mod reading;
mod taking;

pub(super) use again::Seen;
pub(super) use reading::is_plain;

use reading::Reading;

use super::census::Census;
use super::definition::{EventName, EventSource};
use super::entries::Entries;
use super::filter::{Passing, Sieve, TextFilter, UnitFilter};
use super::options::Breakdown;
use super::roster::Roster;
use super::strata::{Strata, Texts};
use super::units::{Exposures, SeenExposure};
use super::{Log, LogError};
use crate::event::{Sequence, Timestamp};
use crate::store::Terms;
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
    census: Census,
    /// By event name.
    plain: Vec<Plain>,
    filtered: Vec<Filtered>,
    any: Entries,
    /// Whether units without an exposure are left out; then more cannot be read.
    exposed_only: bool,
    /// Room for the hashes of some rows and the numbers of a block's.
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
        self.roster.events(unit)
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
        let units = self.roster.len() * 16 * self.exposures.len() + self.roster.bytes();
        let strata = self.strata.as_ref().map_or(0, Strata::bytes);
        let passing = self.passing.as_ref().map_or(0, Passing::bytes);
        let events = plain + filtered + self.any.bytes();
        events + units + strata + passing + self.labels.bytes() + self.census.bytes()
    }

    /// Reads on to the end of the log. `fits` is asked now and then whether so many bytes may be held; if not, reading stops
    /// there, and this is `false`.
    pub fn read_on<L: Log + ?Sized>(
        &mut self,
        log: &L,
        until: Timestamp,
        fits: &dyn Fn(usize) -> bool,
    ) -> Result<bool, LogError> {
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
            within_bound = fits(self.bytes());
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
