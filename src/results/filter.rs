//! Which exposed units take part: by texts of their first exposure, by its moment, by who they are. Applied once crossovers and
//! overrides are dealt with. Knows no group and no metric.

use super::criterion::meets;
use super::definition::CriterionTest;
use super::roster::{NOBODY, Roster};
use crate::event::{Place, Timestamp};
use hashbrown::HashSet;

/// What a unit must meet to take part; all of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitFilter {
    pub texts: Vec<TextFilter>,
    /// Units that were first exposed before it take no part.
    pub exposed_from: Option<Timestamp>,
    /// Units that were first exposed at it or later take no part. Events still count to the period's end.
    pub exposed_until: Option<Timestamp>,
    /// The only units that take part; all without.
    pub only: Option<UnitSet>,
    /// Units that take no part.
    pub without: Option<UnitSet>,
}

/// A condition on a text of a unit's first exposure. Of several exposures at that moment one that meets all is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct TextFilter {
    pub place: Place,
    pub key: String,
    pub test: CriterionTest,
    /// Whether a unit without the text passes.
    pub missing_passes: bool,
    /// As the report tells it: `user.country in CA`.
    pub words: String,
}

/// Units by their hashes in the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitSet {
    /// Ascending.
    pub hashes: Vec<u64>,
    /// As the report tells it: `in ID list beta testers`.
    pub words: String,
}

impl UnitFilter {
    /// The conditions that are no plain times.
    pub(super) fn words(&self) -> Vec<String> {
        let sets = self.only.iter().chain(&self.without).map(|set| set.words.clone());
        self.texts.iter().map(|filter| filter.words.clone()).chain(sets).collect()
    }
}

impl TextFilter {
    pub(super) fn passes(&self, text: Option<&str>) -> bool {
        meets(&self.test, text, self.missing_passes)
    }
}

/// Whose first exposure passes the conditions on texts.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// By unit: when it was exposed first, and whether that passes.
    of_unit: Vec<(Timestamp, bool)>,
}

impl Passing {
    /// A unit was exposed.
    pub fn meet(&mut self, unit: u32, time: Timestamp, passes: bool) {
        if unit == NOBODY {
            return;
        }
        let at = unit as usize;
        if self.of_unit.len() <= at {
            self.of_unit.resize(at + 1, (Timestamp::MAX, false));
        }
        let (first, known) = &mut self.of_unit[at];
        if time < *first {
            (*first, *known) = (time, passes);
        } else if time == *first {
            *known |= passes;
        }
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.of_unit.as_slice())
    }

    fn of(&self, unit: u32) -> bool {
        self.of_unit.get(unit as usize).is_some_and(|(_, passes)| *passes)
    }
}

/// A filter in the numbers of a roster.
pub(super) struct Sieve<'a> {
    passing: Option<&'a Passing>,
    from: Timestamp,
    until: Timestamp,
    only: Option<HashSet<u32>>,
    without: HashSet<u32>,
}

impl<'a> Sieve<'a> {
    /// `None` if the filter lets all through.
    pub fn new(filter: &UnitFilter, passing: Option<&'a Passing>, roster: &Roster) -> Option<Sieve<'a>> {
        if *filter == UnitFilter::default() {
            return None;
        }
        let numbers = |set: &UnitSet| set.hashes.iter().filter_map(|hash| roster.find(*hash)).collect();
        Some(Sieve {
            passing,
            from: filter.exposed_from.unwrap_or(Timestamp(i64::MIN)),
            until: filter.exposed_until.unwrap_or(Timestamp::MAX),
            only: filter.only.as_ref().map(numbers),
            without: filter.without.as_ref().map(numbers).unwrap_or_default(),
        })
    }

    /// Whether a unit takes part that is in its group since a moment.
    pub fn lets_through(&self, unit: u32, since: Timestamp) -> bool {
        (self.from..self.until).contains(&since)
            && self.passing.is_none_or(|passing| passing.of(unit))
            && self.only.as_ref().is_none_or(|only| only.contains(&unit))
            && !self.without.contains(&unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_exposure_decides_whatever_the_order() {
        let met = [(5, true), (3, false), (3, true), (9, false)];
        for rotate in 0..met.len() {
            let mut passing = Passing::default();
            let mut met = met;
            met.rotate_left(rotate);
            met.iter().for_each(|&(time, passes)| passing.meet(1, Timestamp(time), passes));
            passing.meet(2, Timestamp(1), false);
            passing.meet(2, Timestamp(2), true);
            passing.meet(NOBODY, Timestamp(1), true);
            assert_eq!([0, 1, 2, 3].map(|unit| passing.of(unit)), [false, true, false, false]);
        }
    }

    #[test]
    fn a_sieve_goes_by_time_and_by_who_it_is() {
        let mut roster = Roster::default();
        for hash in [70, 71, 72] {
            roster.number(hash);
        }
        let through = |filter: UnitFilter| {
            let sieve = Sieve::new(&filter, None, &roster).unwrap();
            [0, 1, 2].map(|unit| sieve.lets_through(unit, Timestamp(i64::from(unit) * 10)))
        };
        let set = |hashes: &[u64]| Some(UnitSet { hashes: hashes.to_vec(), words: String::new() });
        assert!(Sieve::new(&UnitFilter::default(), None, &roster).is_none());
        let all = UnitFilter::default();
        assert_eq!(through(UnitFilter { exposed_from: Some(Timestamp(10)), ..all.clone() }), [false, true, true]);
        assert_eq!(through(UnitFilter { exposed_until: Some(Timestamp(10)), ..all.clone() }), [true, false, false]);
        assert_eq!(through(UnitFilter { only: set(&[70, 72, 99]), ..all.clone() }), [true, false, true]);
        assert_eq!(through(UnitFilter { only: set(&[]), ..all.clone() }), [false; 3]);
        assert_eq!(through(UnitFilter { only: set(&[70, 72]), without: set(&[72, 99]), ..all }), [true, false, false]);
    }
}
