//! Reports of a part of the units.

use super::memory::hash;
use super::*;
use crate::event::Place;

fn log() -> Vec<Row> {
    let mut rows = Vec::new();
    let countries = ["CA", "DE", "US"];
    for nth in 0..30usize {
        let (unit, group) = (format!("u{nth}"), ["grp_c", "grp_t"][nth % 2]);
        let mut first = exposure(&unit, group, 1000 + nth as i64);
        first.user.push(("country".into(), countries[nth % 3].into()));
        // What a later exposure says of the user is of no interest, nor is its order in the log.
        let mut later = exposure(&unit, group, 9000);
        later.user.push(("country".into(), "FR".into()));
        rows.extend([later, first]);
        rows.extend((0..nth % 4).map(|n| track(&unit, "order", 10_000 + n as i64)));
    }
    rows.push(exposure("u0", "grp_t", 5000));
    rows
}

fn with(units: UnitFilter) -> Analysis {
    answer(&log(), &experiment(), &Options { units, ..Options::default() })
}

fn of_country(test: CriterionTest) -> UnitFilter {
    let text = TextFilter {
        place: Place::User,
        key: "country".into(),
        test,
        missing_passes: false,
        words: "user.country in CA".into(),
    };
    UnitFilter { texts: vec![text], ..UnitFilter::default() }
}

#[test]
fn a_filter_by_a_text_is_the_part_of_a_break_down() {
    let breakdown = Some(Breakdown::Unit(Place::User, "country".into()));
    let whole = answer(&log(), &experiment(), &Options { breakdown, ..Options::default() });
    assert_eq!((whole.filtered, whole.crossovers), (0, 1));
    for country in ["CA", "DE", "US"] {
        let filtered = with(of_country(CriterionTest::In(vec![country.into()])));
        let part = whole.strata.iter().find(|part| part.value.as_deref() == Some(country)).unwrap();
        assert_eq!(sizes(&filtered), part.units, "{country}");
        assert_eq!(metric(&filtered, "order", MetricKind::EventCount).groups, part.metrics[0].groups, "{country}");
        // 29 are left once the unit that met both groups is out.
        assert_eq!(filtered.filtered, 29 - part.units.iter().sum::<u64>(), "{country}");
        assert_eq!((filtered.crossovers, filtered.groups[0].exposures), (1, whole.groups[0].exposures), "{country}");
    }
    assert_eq!(sizes(&with(of_country(CriterionTest::In(vec!["FR".into()])))), [0, 0]);
    assert_eq!(with(of_country(CriterionTest::NonNull)).filtered, 0);
}

#[test]
fn units_are_taken_by_when_they_were_exposed_and_by_who_they_are() {
    let from = |from, until| UnitFilter { exposed_from: from, exposed_until: until, ..UnitFilter::default() };
    let set = |units: &[&str]| {
        let mut hashes: Vec<u64> = units.iter().map(|unit| hash(unit)).collect();
        hashes.sort_unstable();
        Some(UnitSet { hashes, words: String::new() })
    };
    for (filter, units) in [
        (from(Some(at(1010)), None), [10, 10]),
        (from(None, Some(at(1010))), [4, 5]),
        (from(Some(at(1010)), Some(at(1012))), [1, 1]),
        (UnitFilter { only: set(&["u1", "u2", "u3", "nobody"]), ..UnitFilter::default() }, [1, 2]),
        (UnitFilter { without: set(&["u0", "u1", "u2"]), ..UnitFilter::default() }, [13, 14]),
    ] {
        assert_eq!(sizes(&with(filter.clone())), units, "{filter:?}");
    }
    // In both groups, from when it met each.
    let both =
        |units| answer(&log(), &experiment(), &Options { crossovers: Crossovers::Both, units, ..Options::default() });
    let (all, late) = (both(UnitFilter::default()), both(from(Some(at(2000)), None)));
    assert_eq!((sizes(&all), sizes(&late)), (vec![15, 16], vec![0, 1]));
    assert_eq!((all.filtered, late.filtered), (0, 29));
}

#[test]
fn the_order_of_the_log_does_not_show_in_a_part() {
    let filter = of_country(CriterionTest::NotIn(vec!["CA".into()]));
    let options = Options { units: filter, ..Options::default() };
    let mut rows = log();
    let expected = answer(&rows, &experiment(), &options);
    rows.reverse();
    assert_eq!(answer(&rows, &experiment(), &options), expected);
    assert_eq!(
        conclude(&Memory::in_blocks(&rows, 7), &experiment(), &options).unwrap().options.filters,
        ["user.country in CA"]
    );
}
