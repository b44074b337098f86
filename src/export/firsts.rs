//! Which exposures are a unit's first to a gate, experiment or config, found by scanning the log from its beginning. A view
//! of the log: the same log gives the same answers, however often it is replayed.

use super::known::Known;
use super::setup::Setup;
use crate::event::{STABLE_ID, Sequence, Source, Subject, TermId, USER_ID};
use crate::store::{Columns, Terms};
use hashbrown::{HashMap, HashSet};

/// Pairs of a unit and what it met that are kept, which take 64 MiB: a table of four million places of nine bytes, seven eighths
/// full, and a sequence for each. A power of two more would double both.
pub const FIRSTS_KEPT: usize = 3_670_016;

/// See the module. Takes rows in order of their sequence and remembers how far it has come.
#[derive(Debug, Clone)]
pub struct Firsts {
    known: Known,
    limit: usize,
    things: Vec<Thing>,
    by_id: HashMap<(bool, String), u32>,
    /// By the subject's number: a place in `things`, or `NOTHING`.
    subjects: Vec<u32>,
    /// ID types that the store had when the numbers in `things` were looked up.
    id_types: usize,
    /// The numbers of the ID types that stand in for a thing's own.
    others: [TermId; 2],
    /// Of each pair of unit and thing.
    met: HashSet<u64>,
    /// The sequences of the exposures by which they met, ascending.
    firsts: Vec<u64>,
    end: u64,
    beyond: u64,
}

/// What a unit can be exposed to.
#[derive(Debug, Clone, PartialEq)]
struct Thing {
    id: String,
    is_gate: bool,
    id_type: Option<String>,
    /// The number of that; `NONE` where the store does not know it, or not yet.
    number: TermId,
}

const NOTHING: u32 = u32::MAX;

impl Firsts {
    /// Keeps at most `limit` pairs.
    pub fn new(setup: &Setup, limit: usize) -> Firsts {
        Firsts {
            known: setup.known().clone(),
            limit,
            things: Vec::new(),
            by_id: HashMap::new(),
            subjects: Vec::new(),
            id_types: 0,
            others: [TermId::NONE; 2],
            met: HashSet::new(),
            firsts: Vec::new(),
            end: 0,
            beyond: 0,
        }
    }

    /// Goes by another catalog from now on. Where that knows what was met by another name or ID type, everything is
    /// forgotten and has to be scanned again; tells whether all was kept.
    pub fn set_up(&mut self, setup: &Setup, terms: &Terms) -> bool {
        let mut anew = Firsts::new(setup, self.limit);
        anew.learn(terms);
        self.learn(terms);
        let same = anew.things == self.things && anew.subjects == self.subjects;
        if same {
            self.known = anew.known;
        } else {
            *self = anew;
        }
        same
    }

    /// Where the next rows must begin.
    pub fn end(&self) -> Sequence {
        Sequence(self.end)
    }

    /// Exposures that go out although they may not be the first, because no more pairs are kept.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Takes the rows of which the first has the sequence `first`; those before `end` are taken already.
    pub fn scan(&mut self, first: Sequence, columns: &Columns, terms: &Terms) {
        if terms.id_types.len() != self.id_types {
            self.learn(terms);
        }
        let from = self.end.saturating_sub(first.0);
        for row in usize::try_from(from).unwrap_or(usize::MAX)..columns.len() {
            if columns.subject[row] == 0 || !is_ours(columns.source[row]) {
                continue;
            }
            if columns.subject[row] as usize >= self.subjects.len() {
                self.learn(terms);
            }
            let Some(pair) = self.pair(columns, row) else { continue };
            if self.met.len() < self.limit {
                if self.met.insert(pair) {
                    self.firsts.push(first.0 + row as u64);
                }
            } else if !self.met.contains(&pair) {
                self.beyond += 1;
            }
        }
        self.end = self.end.max(first.0 + columns.len() as u64);
    }

    /// Whether an exposure that was scanned is its unit's first to that thing. Also true where nobody can tell: without a
    /// unit, and beyond the limit.
    pub fn is_first(&self, sequence: Sequence, columns: &Columns, row: usize) -> bool {
        self.pair(columns, row)
            .is_none_or(|pair| !self.met.contains(&pair) || self.firsts.binary_search(&sequence.0).is_ok())
    }

    /// Who met what. Units are keyed hashes, so that nobody can choose two that are one here.
    fn pair(&self, columns: &Columns, row: usize) -> Option<u64> {
        let place = *self.subjects.get(columns.subject[row] as usize)?;
        let own = self.things.get(place as usize)?.number;
        let [user, stable] = self.others;
        for id_type in [own, user, stable] {
            if let Some(units) = columns.units_of(id_type)
                && units[row] != 0
            {
                return Some(units[row] ^ mixed(u64::from(place) << 32 | u64::from(id_type.0)));
            }
        }
        None
    }

    /// Looks up the subjects and ID types that the store has by now.
    fn learn(&mut self, terms: &Terms) {
        let known = self.subjects.len();
        if known == 0 {
            self.subjects.push(NOTHING);
        }
        for (_, text) in terms.subjects.iter().skip(known.saturating_sub(1)) {
            let place = Subject::decode(text).map_or(NOTHING, |subject| self.place(&subject));
            self.subjects.push(place);
        }
        let number = |name: &str| terms.id_type(name).unwrap_or(TermId::NONE);
        self.id_types = terms.id_types.len();
        self.others = [number(USER_ID), number(STABLE_ID)];
        for thing in &mut self.things {
            thing.number = thing.id_type.as_deref().map_or(TermId::NONE, number);
        }
    }

    fn place(&mut self, subject: &Subject) -> u32 {
        let Some(about) = self.known.about(subject) else { return NOTHING };
        let next = self.things.len() as u32;
        let place = *self.by_id.entry((about.is_gate, about.id.to_owned())).or_insert(next);
        if place == next {
            self.things.push(Thing {
                id: about.id.to_owned(),
                is_gate: about.is_gate,
                id_type: about.id_type.map(str::to_owned),
                number: TermId::NONE,
            });
        }
        place
    }
}

fn is_ours(source: u8) -> bool {
    Source::from_code(source).is_some_and(Source::arises_here)
}

/// All bits of the answer depend on all of the number; no two numbers have the same. (The finaliser of SplitMix64.)
fn mixed(number: u64) -> u64 {
    let a = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ a >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ b >> 31
}

#[cfg(test)]
mod tests;
