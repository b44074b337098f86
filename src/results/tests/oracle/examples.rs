//! The oracle itself, held to small examples that were worked out by hand.

use super::hard::{anything, funnel, midnight, named, plain, values_of};
use super::quantity::{meets, value};
use super::textbook::{adjusted, cap, groups, winsorized};
use super::views::{by_day, by_event_field, by_user_field, cumulative, since_exposure};
use super::{Crossovers, DAY, Definition, Member, Pair, Question, Row, USUAL, UnitValue, Ways, members, sizes};
use crate::event::Timestamp;
use crate::results::tests::experiment;
use crate::results::tests::memory::{exposure, gate_exposure, track};
use crate::results::{
    Criterion, CriterionOf, CriterionTest, Design, EventSource, FunnelCounts, FunnelOrder, Measure, Quantity, Rule,
    Taken,
};

const HOUR: i64 = 3_600_000;

/// So many hours into a day of the period; the period is days 0 to 9.
fn on(day: i64, hour: i64) -> i64 {
    midnight(1 + day) + hour * HOUR
}

fn ten_days() -> Question {
    Question { start: Some(Timestamp(on(0, 0))), end: Some(Timestamp(on(10, 0))), ..experiment() }
}

fn event(name: &str, time: i64) -> Row {
    track("u", name, 0).at(time)
}

/// One unit, exposed at noon of day 0.
fn log() -> Vec<Row> {
    let order = |time: i64| event("order", time);
    vec![
        event("view", on(-8, 10)),
        event("view", on(-3, 10)),
        event("visit", on(-3, 10)),
        event("view", on(0, 10)),
        event("open", on(0, 10)),
        exposure("u", "grp_c", 0).at(on(0, 12)),
        order(on(0, 12)).valued(10.0).with("amount", "12.5").with("sku", "a"),
        event("view", on(1, 0) - 1),
        order(on(1, 0)).valued(-4.0).with("amount", "abc").with("sku", "b"),
        order(on(1, 5)).valued(0.0).with("amount", "3").with("sku", "a"),
        order(on(4, 6)),
        event("view", on(10, 0) - 1).valued(2.0),
        order(on(10, 0)).valued(1000.0),
    ]
}

fn only<'a>(rows: &'a [Row], ways: &Ways) -> Member<'a> {
    let mut members = members(rows, &ten_days(), ways);
    assert_eq!(members.len(), 1);
    members.remove(0)
}

#[test]
fn a_unit_comes_to_what_its_events_say() {
    use Quantity::*;
    let of = |taken: Taken| Measure::of(named("order", taken, vec![]));
    let amounts = || of(Taken::Metadata("amount".into()));
    let capped = |measure: Measure, cap: f64| Measure { cap_per_day: Some(cap), ..measure };
    let positive = Criterion { of: CriterionOf::Value, test: CriterionTest::Greater(0.0), missing_passes: false };
    let twice = Measure {
        sources: vec![EventSource::named("order"), named("order", Taken::Value, vec![positive])],
        cap_per_day: None,
    };
    let within = |name: &str, start: f64, end: f64| AnyWithin { measure: plain(name), start, end };
    let rolling = |name: &str, days: u32| RollingShare { measure: plain(name), days };
    let returnable = |day: u32| Returnable { measure: plain("order"), day };
    let returned = |day: u32| Returned { measure: plain("order"), day };
    let examples = [
        // The last moments of days 0 and 9; the one of day 0 before noon does not count.
        (Count(plain("view")), 2.0),
        // At the exposure itself, twice on day 1, on day 4; the one at the end does not count.
        (Count(plain("order")), 4.0),
        (Count(anything()), 6.0),
        // Day 1 is worth 1 instead of 2.
        (Count(capped(plain("order"), 1.0)), 3.0),
        // 4 orders, and once more the only one above 0.
        (Count(twice.clone()), 5.0),
        // Nothing is taken by the first source, 10 by the second.
        (Sum(twice), 10.0),
        // 10 - 4 + 0; day 4 has no value.
        (Sum(values_of("order")), 6.0),
        // 3 of 10 on day 0, -4 on day 1.
        (Sum(capped(values_of("order"), 3.0)), -1.0),
        // 12.5 + 3; `abc` is no number.
        (Sum(amounts()), 15.5),
        (Sum(plain("order")), 0.0),
        (Valued(values_of("order")), 3.0),
        (Valued(amounts()), 2.0),
        (Valued(plain("order")), 0.0),
        // a, b, a, none.
        (Distinct(of(Taken::Text("sku".into()))), 2.0),
        (Distinct(plain("order")), 0.0),
        (Any(plain("order")), 1.0),
        (Any(plain("visit")), 0.0),
        // Day 4 at 6 is 3.75 days after the exposure.
        (within("order", 0.0, 1.0), 1.0),
        (within("view", 1.0, 2.0), 0.0),
        (within("order", 3.75, 4.0), 1.0),
        (within("order", 3.0, 3.75), 0.0),
        // Days 0, 1 and 4 of ten.
        (DayShare(plain("order")), 0.3),
        (DayShare(plain("open")), 0.0),
        // Day -3 serves days 0 to 3.
        (rolling("visit", 7), 0.4),
        (rolling("visit", 28), 1.0),
        // Days 0 to 6 by day 0, and day 9.
        (rolling("view", 7), 0.8),
        // Before the exposure, on the day of it.
        (rolling("open", 1), 0.1),
        (New(plain("order")), 1.0),
        (New(plain("view")), 0.0),
        (New(plain("refund")), 0.0),
        (New(anything()), 0.0),
        // Day 9 is over with the period, day 10 is not.
        (returnable(9), 1.0),
        (returnable(10), 0.0),
        (returned(1), 1.0),
        (returned(2), 0.0),
        (returned(4), 1.0),
        (returned(9), 0.0),
        (returned(10), 0.0),
        // 2 views and 6.
        (SumOf(vec![Count(plain("view")), Sum(values_of("order"))]), 8.0),
    ];
    let log = log();
    let unit = only(&log, &USUAL);
    for (quantity, expected) in examples {
        let found = value(&quantity, &unit.events, &unit.span);
        assert!((found - expected).abs() < 1e-15, "{quantity:?}: {found}, not {expected}");
    }
}

#[test]
fn a_join_by_date_counts_the_whole_first_day_and_looks_back_from_its_start() {
    let log = log();
    let dated = Ways { by_date: true, ..USUAL };
    let count = |name: &str| Definition::PerUnit(Quantity::Count(plain(name)));
    let opened = Definition::PerUnit(Quantity::New(plain("open")));
    let within = Definition::PerUnit(Quantity::AnyWithin { measure: plain("open"), start: 0.0, end: 1.0 });
    for (definition, ways, now, before) in [
        // Day -3, and day 0 at 10; day -8 is out of sight.
        (count("view"), USUAL, 2.0, 2.0),
        // Day 0 at 10 counts, and is no longer before.
        (count("view"), dated, 3.0, 1.0),
        (count("view"), Ways { look_back: 14, ..USUAL }, 2.0, 3.0),
        (count("order"), dated, 4.0, 0.0),
        (opened.clone(), USUAL, 0.0, 1.0),
        (opened, dated, 1.0, 0.0),
        // A window after the exposure begins with the exposure.
        (within, dated, 0.0, 0.0),
    ] {
        let found = only(&log, &ways).value(&definition);
        assert_eq!((found.now.x, found.before.x), (now, before), "{definition:?}, {ways:?}");
    }
    // The days of a look-back of seven days are the eight that it touches, and nothing after it is known.
    let unit = only(&log, &USUAL);
    let share = value(&Quantity::DayShare(plain("view")), &unit.events, &unit.before);
    assert_eq!((share, value(&Quantity::New(plain("order")), &unit.events, &unit.before)), (0.25, 0.0));
}

/// Events such as `a0 b5`: a name of one letter, and minutes after the exposure at noon of day 0.
fn steps_taken(text: &str, steps: &[&str], order: FunnelOrder, counts: FunnelCounts) -> Vec<f64> {
    let mut rows = vec![exposure("u", "grp_c", 0).at(on(0, 12))];
    rows.extend(text.split(' ').map(|word| {
        let (name, minutes) = word.split_at(1);
        event(name, on(0, 12) + minutes.parse::<i64>().unwrap() * 60_000)
    }));
    let unit = only(&rows, &USUAL);
    super::funnel::steps(&funnel(steps, order, counts), &unit.events, &unit.span)
}

#[test]
fn a_funnel_counts_those_who_reached_each_step() {
    let abc = ["a", "b", "c"];
    let aab = ["a", "a", "b"];
    let ten = FunnelOrder::Within(10 * 60_000);
    let daily = FunnelOrder::UnorderedDaily;
    let (units, events) = (FunnelCounts::Units, FunnelCounts::Events);
    for (text, steps, order, counts, expected) in [
        ("a0 b5 c10", abc, ten, units, [1, 1, 1]),
        ("a0 b5 c11", abc, ten, units, [1, 1, 0]),
        // From the second a on it is 9 minutes.
        ("a0 a3 b5 c12", abc, ten, units, [1, 1, 1]),
        ("b0 a1 c2", abc, ten, units, [1, 0, 0]),
        ("c0 b0 a0", abc, ten, units, [1, 1, 1]),
        ("a-1 b0", abc, ten, units, [0, 0, 0]),
        ("a0 b1", aab, ten, units, [1, 0, 0]),
        ("a0 a0 b0", aab, ten, units, [1, 1, 1]),
        ("a0 a1 b2 b3 c4", abc, ten, events, [2, 2, 1]),
        ("a0 b1 c2 a3 b4 c5", abc, ten, events, [2, 2, 2]),
        ("a0 b1 b2", abc, ten, events, [1, 1, 0]),
        ("a0 b11", abc, ten, events, [1, 0, 0]),
        ("c0 b0 a0", abc, ten, events, [1, 1, 1]),
        // The older passage takes the b, and is too old for the c; the unit as a unit does get there.
        ("a0 a5 b6 c12", abc, ten, events, [2, 1, 0]),
        ("a0 a5 b6 c12", abc, ten, units, [1, 1, 1]),
        // The second a goes to the first passage, the third opens another.
        ("a0 a1 a2 b3", aab, ten, events, [2, 1, 1]),
        // Day 1 begins after 720 minutes, day 2 after 2160: all on day 0, a and b on day 1, b alone on day 2.
        ("c0 b10 a20 a720 b721 b2160", abc, daily, units, [2, 2, 1]),
        ("c0 b10 a20 a720 b721 b2160", abc, daily, events, [2, 2, 1]),
        ("a0 a1 b2 b720", abc, daily, units, [1, 1, 0]),
        ("a0 a1 b2 b720", abc, daily, events, [2, 1, 0]),
        ("a0 b1 b2", abc, daily, events, [1, 2, 0]),
        ("a-1 b1", abc, daily, units, [0, 0, 0]),
        ("a0 b1", aab, daily, units, [1, 1, 1]),
    ] {
        let found = steps_taken(text, &steps, order, counts);
        assert_eq!(found, expected.map(f64::from), "{text}, {steps:?}, {order:?}, {counts:?}");
    }
}

#[test]
fn a_filter_passes_what_it_says() {
    let mut row = event("order", on(1, 0)).valued(5.0).with("sku", "ab").with("gift", "true").with("size", "7.0");
    row.user = vec![("country".into(), "NZ".into())];
    row.user_custom = vec![("plan".into(), "pro".into())];
    let metadata = |key: &str| CriterionOf::Metadata(key.into());
    let list = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
    use CriterionTest::*;
    for (of, test, passes) in [
        (CriterionOf::Value, In(list(&["x", "5.0"])), true),
        (CriterionOf::Value, NotIn(list(&["5"])), false),
        (CriterionOf::Value, Greater(5.0), false),
        (CriterionOf::Value, GreaterOrEqual(5.0), true),
        (CriterionOf::Value, Less(5.0), false),
        (CriterionOf::Value, LessOrEqual(5.0), true),
        (CriterionOf::Value, NonNull, true),
        (CriterionOf::Value, IsNull, false),
        (metadata("sku"), In(list(&["a", "ab"])), true),
        (metadata("sku"), In(list(&["AB"])), false),
        (metadata("sku"), NotIn(list(&["ab"])), false),
        (metadata("size"), In(list(&["7"])), false),
        (metadata("size"), Greater(6.5), true),
        (metadata("sku"), Greater(0.0), false),
        (metadata("sku"), LessOrEqual(0.0), false),
        (metadata("sku"), Contains(list(&["x", "b"])), true),
        (metadata("sku"), NotContains(list(&["x", "b"])), false),
        (metadata("sku"), StartsWith(list(&["b"])), false),
        (metadata("sku"), EndsWith(list(&["b"])), true),
        (metadata("gift"), IsTrue, true),
        (metadata("gift"), IsFalse, false),
        (CriterionOf::User("country".into()), In(list(&["NZ"])), true),
        (CriterionOf::UserCustom("plan".into()), In(list(&["pro"])), true),
        (CriterionOf::UserCustom("country".into()), IsNull, true),
    ] {
        let criterion = Criterion { of, test, missing_passes: false };
        let found = meets(&named("order", Taken::Occurrence, vec![criterion.clone()]), &row);
        assert_eq!(found, passes, "{criterion:?}");
    }
    for missing_passes in [false, true] {
        for (test, passes) in [
            (In(list(&["x"])), missing_passes),
            (NotIn(list(&["x"])), missing_passes),
            (Less(1.0), missing_passes),
            (IsNull, true),
            (NonNull, false),
        ] {
            let criterion = Criterion { of: metadata("colour"), test, missing_passes };
            assert_eq!(meets(&named("order", Taken::Value, vec![criterion.clone()]), &row), passes, "{criterion:?}");
        }
    }
}

#[test]
fn a_unit_is_in_the_groups_that_it_met_unless_it_was_forced_first() {
    let met = |rule: &str, hour: i64| exposure("u", rule, 0).at(on(0, hour));
    let forced = "grp_t:userID:id_override";
    let all = [Crossovers::Exclude, Crossovers::First, Crossovers::Both];
    for (rows, expected) in [
        (vec![met("grp_t", 2), met("grp_t", 1)], [vec![(1, 1)], vec![(1, 1)], vec![(1, 1)]]),
        (vec![met("grp_t", 2), met("grp_c", 3)], [vec![], vec![(1, 2)], vec![(1, 2), (0, 3)]]),
        // At the same moment groups keep their order.
        (vec![met("grp_t", 2), met("grp_c", 2)], [vec![], vec![(0, 2)], vec![(0, 2), (1, 2)]]),
        (vec![met("grp_t", 2), met(forced, 2)], [vec![], vec![], vec![]]),
        (vec![met("grp_t", 2), met(forced, 3)], [vec![(1, 2)], vec![(1, 2)], vec![(1, 2)]]),
        (vec![met("grp_t", -1), met("elsewhere", 1), met("grp_c", 240)], [vec![], vec![], vec![]]),
    ] {
        for (crossovers, expected) in all.into_iter().zip(expected) {
            let question = ten_days();
            let found = members(&rows, &question, &Ways { crossovers, ..USUAL });
            let found: Vec<(usize, i64)> =
                found.iter().map(|member| (member.group, (member.span.exposed - on(0, 0)) / HOUR)).collect();
            assert_eq!(found, expected, "{crossovers:?}: {rows:?}");
        }
    }
    let rule = Rule { id: "half".into(), name: String::new(), pass_percentage: 50.0, stages: Vec::new() };
    let design = Design::Gate { rules: vec![rule], only: Some("half".into()) };
    let gate = Question { name: "gate".into(), design, ..ten_days() };
    let asked = |unit: &str, rule: &str, value: &str| gate_exposure(unit, "gate", rule, value, 0).at(on(1, 0));
    let rows = [asked("a", "half", "true"), asked("b", "half", "false"), asked("c", "other", "true")];
    let found: Vec<(&str, usize)> =
        members(&rows, &gate, &USUAL).iter().map(|member| (member.unit, member.group)).collect();
    assert_eq!(found, [("a", 1), ("b", 0)]);
}

/// Units of two groups: group, now, before.
fn units(of: &[(usize, [f64; 2], [f64; 2])]) -> Vec<UnitValue> {
    let pair = |[x, y]: [f64; 2]| Pair { x, y };
    of.iter()
        .enumerate()
        .map(|(at, (group, now, before))| UnitValue {
            unit: at.to_string(),
            group: *group,
            now: pair(*now),
            before: pair(*before),
        })
        .collect()
}

#[test]
fn a_group_has_the_mean_and_the_variance_of_the_textbook() {
    const NONE: [f64; 2] = [0.0, 1.0];
    // 1, 3, 8: mean 4, squares of deviations 9 + 1 + 16 = 26, so 13. One unit alone has no variance.
    let values = units(&[(0, [1.0, 1.0], NONE), (0, [3.0, 1.0], NONE), (0, [8.0, 1.0], NONE), (1, [2.0, 1.0], NONE)]);
    let found = groups(&values, 3);
    assert_eq!((found[0].units, found[0].sum, found[0].mean, found[0].variance), (3, 12.0, 4.0, 13.0));
    assert!((found[0].standard_error.powi(2) - 13.0 / 3.0).abs() < 1e-15);
    assert!(found[1].mean == 2.0 && found[1].variance.is_nan());
    assert!(found[2].units == 0 && found[2].mean.is_nan());
    // 6 / 4; what is left of x after 1.5 y is -0.5, 1.5, -1, of which s2 is 1.75; mean y is 4/3: 1.75 * 9/16.
    // The unit whose y is 0 takes no part.
    let values = units(&[(0, [1.0, 1.0], NONE), (0, [3.0, 1.0], NONE), (0, [2.0, 2.0], NONE), (0, [7.0, 0.0], NONE)]);
    let found = groups(&values, 1)[0];
    assert_eq!((found.units, found.mean), (3, 1.5));
    assert!((found.variance - 0.984_375).abs() < 1e-15, "{found:?}");
    assert!((found.standard_error - 0.328_125_f64.sqrt()).abs() < 1e-15, "{found:?}");
}

#[test]
fn a_cap_is_the_number_of_a_rank() {
    let ten: Vec<f64> = (0..=10).rev().map(f64::from).collect();
    for (percentile, expected) in [(0.9, 9.0), (0.89, 9.0), (0.91, 10.0), (0.999, 10.0), (0.55, 6.0), (0.1, 1.0)] {
        assert_eq!(cap(&ten, percentile), Some(expected), "{percentile}");
    }
    // 999 of 1000, 2997 of 3000: no rounding of the product may make it one more.
    for m in [1000u32, 2000, 3000, 7000] {
        let numbers: Vec<f64> = (1..=m).map(f64::from).collect();
        assert_eq!(cap(&numbers, 0.999), Some(f64::from(m / 1000 * 999)), "{m}");
    }
    assert_eq!((cap(&[0.0, 0.0], 0.9), cap(&[-3.0, 0.0, -1.0], 0.5)), (None, Some(-3.0)));

    // Of 1, 2, 30 and 4 as numerators half is the second, 2; of 1, 1, 5, 3 as denominators 1. The unit without a denominator
    // has no say, and what was before is cut by the same caps.
    let ratio = Definition::Ratio(Quantity::Sum(values_of("a")), Quantity::Count(plain("a")));
    let values = units(&[
        (0, [1.0, 1.0], [9.0, 9.0]),
        (0, [2.0, 1.0], [-5.0, 0.0]),
        (1, [30.0, 5.0], [0.0, 0.0]),
        (1, [4.0, 3.0], [1.0, 1.0]),
        (1, [500.0, 0.0], [0.0, 0.0]),
    ]);
    let found = winsorized(&values, &ratio, 0.5);
    let now: Vec<[f64; 2]> = found.iter().map(|value| [value.now.x, value.now.y]).collect();
    let before: Vec<[f64; 2]> = found.iter().map(|value| [value.before.x, value.before.y]).collect();
    assert_eq!(now, [[1.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 0.0]]);
    assert_eq!(before, [[2.0, 1.0], [-5.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]);
    let share = Definition::PerUnit(Quantity::DayShare(plain("a")));
    assert_eq!(winsorized(&values, &share, 0.5), values, "shares are never cut");
}

#[test]
fn cuped_takes_out_what_was_so_before() {
    // Now 1, 3 against 4, 6; before 0, 2 against 1, 3. Pooled: 7 / 5 = 1.4. Control 2 - 1.4 (1 - 1.5), test
    // 5 - 1.4 (2 - 1.5). Within each group s2 is 2, 2 and 2: 2 + 1.96 * 2 - 2.8 * 2 = 0.32, over 2 units 0.4 squared.
    let values = units(&[
        (0, [1.0, 1.0], [0.0, 1.0]),
        (0, [3.0, 1.0], [2.0, 1.0]),
        (1, [4.0, 1.0], [1.0, 1.0]),
        (1, [6.0, 1.0], [3.0, 1.0]),
    ]);
    check_adjusted(&values, [1.4, 2.7, 4.3, 0.4, 0.4]);
    // A ratio: 6 / 4 against 10 / 4, over both 2 with a mean denominator of 2, so (x - 2 y) / 2 is 0, -1, 1, 0; before it is v
    // less 2: -1, 0, 1, 0. 1 / 2 = 0.5, control 1.5 - 0.5 (1.5 - 2), test 2.5 - 0.5 (2.5 - 2).
    // Within control (x - 1.5 y) / 2 is 0.25, -0.25 and v -0.5, 0.5: 0.125 + 0.25 * 0.5 + 0.25 = 0.5, over 2 units 0.5
    // squared. Within test 0.5, -0.5 and 0.5, -0.5: 0.5 + 0.25 * 0.5 - 0.5 = 0.125, over 2 units 0.25 squared.
    let values = units(&[
        (0, [2.0, 1.0], [1.0, 1.0]),
        (0, [4.0, 3.0], [2.0, 1.0]),
        (1, [6.0, 2.0], [3.0, 1.0]),
        (1, [4.0, 2.0], [2.0, 1.0]),
    ]);
    check_adjusted(&values, [0.5, 1.75, 2.25, 0.5, 0.25]);
    let silent = units(&[(0, [1.0, 1.0], [0.0, 1.0]), (0, [3.0, 1.0], [0.0, 1.0]), (1, [4.0, 1.0], [0.0, 1.0])]);
    let found = adjusted(&silent, 0, 1);
    assert_eq!((found.theta, found.means), (0.0, [2.0, 4.0]));
}

/// Theta, both means, both standard errors.
fn check_adjusted(values: &[UnitValue], expected: [f64; 5]) {
    let found = adjusted(values, 0, 1);
    let [control, test] = found.means;
    let [control_error, test_error] = found.standard_errors;
    for (found, expected) in [found.theta, control, test, control_error, test_error].into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-14, "{found}, not {expected}");
    }
}

/// The numbers of each unit of each part, in order.
fn numbers<K: Copy>(view: impl IntoIterator<Item = (K, Vec<UnitValue>)>) -> Vec<(K, Vec<f64>)> {
    view.into_iter().map(|(key, values)| (key, values.iter().map(|value| value.now.x).collect())).collect()
}

#[test]
fn views_show_the_days_and_the_parts() {
    let mut rows = log();
    // At the same moment once more, now with a country; and a second unit, exposed at the start of day 2, without any event.
    rows.push(exposure("u", "grp_c", 0).at(on(0, 12)));
    rows.last_mut().unwrap().user = vec![("country".into(), "NZ".into())];
    rows.push(exposure("w", "grp_t", 0).at(on(2, 0)));
    let question = ten_days();
    let units = members(&rows, &question, &USUAL);
    let orders = Definition::PerUnit(Quantity::Count(plain("order")));
    let days: Vec<i64> = (0..10).map(|day| on(day, 0) / DAY).collect();

    let by_day = numbers(by_day(&units, &orders));
    assert_eq!(by_day.iter().map(|(day, _)| *day).collect::<Vec<_>>(), days);
    let expected: [&[f64]; 10] =
        [&[1.0], &[2.0], &[0.0; 2], &[0.0; 2], &[1.0, 0.0], &[0.0; 2], &[0.0; 2], &[0.0; 2], &[0.0; 2], &[0.0; 2]];
    assert_eq!(by_day.iter().map(|(_, values)| values.as_slice()).collect::<Vec<_>>(), expected);

    let grown: Vec<f64> = numbers(cumulative(&units, &orders)).iter().map(|(_, values)| values[0]).collect();
    assert_eq!(grown, [1.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]);

    // 24 hours from noon to noon; the second unit has had eight of them.
    let since = numbers(since_exposure(&units, &orders));
    let lengths: Vec<usize> = since.iter().map(|(_, values)| values.len()).collect();
    assert_eq!(lengths, [2, 2, 2, 2, 2, 2, 2, 2, 1, 1]);
    let firsts: Vec<f64> = since.iter().map(|(_, values)| values[0]).collect();
    assert_eq!(firsts, [3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);

    // New on day 0, back on day 1: told by day from all that is known, and as it grew only once day 1 is over.
    let returned = Definition::PerUnit(Quantity::Returned { measure: plain("order"), day: 1 });
    let first_two = |view: Vec<(i64, Vec<f64>)>| [view[0].1[0], view[1].1[0]];
    assert_eq!(first_two(numbers(super::views::by_day(&units, &returned))), [1.0, 0.0]);
    assert_eq!(first_two(numbers(cumulative(&units, &returned))), [0.0, 1.0]);

    let by_country = by_user_field(&units, &orders, |row| &row.user, "country");
    let parts: Vec<(Option<&str>, Vec<usize>)> =
        by_country.iter().map(|(text, values)| (text.as_deref(), sizes(values, 2))).collect();
    assert_eq!(parts, [(None, vec![0, 1]), (Some("NZ"), vec![1, 0])]);

    let by_sku = by_event_field(&units, &orders, |row| &row.metadata, "sku");
    let parts: Vec<(Option<&str>, Vec<f64>)> = by_sku
        .iter()
        .map(|(text, values)| (text.as_deref(), values.iter().map(|value| value.now.x).collect()))
        .collect();
    assert_eq!(parts, [(None, vec![1.0, 0.0]), (Some("a"), vec![2.0, 0.0]), (Some("b"), vec![1.0, 0.0])]);
}
