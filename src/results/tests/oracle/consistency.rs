//! What must hold between the oracle's own numbers on the hard logs, and that these logs are as hard as they claim.

use super::agreement::{close, each_log};
use super::hard::{Random, Shape, anything, log, named, plain, question, values_of};
use super::textbook::{adjusted, groups, winsorized};
use super::views::{by_day, by_event_field, by_user_field, cumulative, since_exposure};
use super::{Crossovers, DAY, Definition, Pair, Row, USUAL, UnitValue, Ways, counts_as_metric, members, period, sizes};
use crate::results::{Funnel, FunnelCounts, FunnelOrder, Measure, MetricChoice, Quantity, Taken};
use std::collections::{BTreeMap, BTreeSet};

const ALL_WAYS: [Ways; 4] = [
    USUAL,
    Ways { by_date: true, ..USUAL },
    Ways { crossovers: Crossovers::First, ..USUAL },
    Ways { crossovers: Crossovers::Both, by_date: true, look_back: 14 },
];

fn each_way(mut check: impl FnMut(Shape, &[Row], &Ways, &str)) {
    each_log(|shape, rows, _, what| {
        for ways in ALL_WAYS {
            check(shape, rows, &ways, &format!("{what}, {ways:?}"));
        }
    });
}

/// The metrics whose unit numbers add up over any parting of a unit's events.
fn additive() -> Vec<Definition> {
    let amounts = Measure::of(named("order", Taken::Metadata("amount".into()), vec![]));
    [
        Quantity::Count(plain("view")),
        Quantity::Count(anything()),
        Quantity::Sum(values_of("order")),
        Quantity::Valued(amounts),
    ]
    .map(Definition::PerUnit)
    .to_vec()
}

/// By unit and group the sum over all parts of a view.
fn added<K>(view: BTreeMap<K, Vec<UnitValue>>) -> BTreeMap<(String, usize), f64> {
    let mut sums = BTreeMap::new();
    for value in view.into_values().flatten() {
        *sums.entry((value.unit, value.group)).or_insert(0.0) += value.now.x;
    }
    sums
}

#[test]
fn parts_add_up_to_the_whole() {
    each_way(|_, rows, ways, what| {
        let question = question(Shape::Mixed);
        let units = members(rows, &question, ways);
        for definition in additive() {
            let whole = added(BTreeMap::from([((), units.iter().map(|unit| unit.value(&definition)).collect())]));
            let mut views = vec![
                ("by day", added(by_day(&units, &definition))),
                ("since exposure", added(since_exposure(&units, &definition))),
                ("by country", added(by_user_field(&units, &definition, |row| &row.user, "country"))),
                ("by plan", added(by_user_field(&units, &definition, |row| &row.user_custom, "plan"))),
            ];
            let by_sku = added(by_event_field(&units, &definition, |row| &row.metadata, "sku"));
            // Without any event there is no text to list.
            if !by_sku.is_empty() {
                views.push(("by sku", by_sku));
            }
            for (name, view) in views {
                assert_eq!(whole.keys().collect::<Vec<_>>(), view.keys().collect::<Vec<_>>(), "{name}, {what}");
                for (key, sum) in &whole {
                    assert!(
                        close(view[key], *sum, 1e4),
                        "{name}, {key:?}, {definition:?}, {what}: {} {sum}",
                        view[key]
                    );
                }
            }
        }
    });
}

#[test]
fn what_has_grown_by_the_last_day_is_the_report() {
    each_way(|shape, rows, ways, what| {
        let question = question(shape);
        let units = members(rows, &question, ways);
        for MetricChoice { name, definition, .. } in &question.metrics {
            let now = |values: &[UnitValue]| values.iter().map(|value| value.now).collect::<Vec<Pair>>();
            let whole: Vec<UnitValue> = units.iter().map(|unit| unit.value(definition)).collect();
            let grown = cumulative(&units, definition);
            let last = grown.last_key_value().map_or(&[][..], |(_, values)| values);
            assert_eq!(now(last), now(&whole), "{name}, {what}");
        }
    });
}

#[test]
fn quantities_keep_to_one_another() {
    each_way(|shape, rows, ways, what| {
        let question = question(shape);
        for unit in members(rows, &question, ways) {
            let of = |quantity: Quantity| unit.value(&Definition::PerUnit(quantity)).now.x;
            let what = format!("{} in {what}", unit.unit);
            let any = of(Quantity::Any(plain("order")));
            assert_eq!(any, of(Quantity::Count(plain("order"))).min(1.0), "{what}");
            let share = of(Quantity::DayShare(plain("order")));
            assert_eq!(share > 0.0, any > 0.0, "{what}");
            let rolling: Vec<f64> = [1, 7, 28]
                .map(|days| of(Quantity::RollingShare { measure: plain("order"), days }))
                .into_iter()
                .collect();
            assert!(share <= rolling[0] && rolling.is_sorted() && rolling[2] <= 1.0, "{what}: {share}, {rolling:?}");
            for day in [0, 1, 7] {
                let new = of(Quantity::New(anything()));
                let returnable = of(Quantity::Returnable { measure: anything(), day });
                let returned = of(Quantity::Returned { measure: anything(), day });
                assert!(returned <= returnable && returnable <= new, "{what}");
                assert!(day > 0 || returned == returnable, "{what}: the day of the first event has the first event");
            }
            for choice in &question.metrics {
                let Definition::Funnel(asked) = &choice.definition else { continue };
                let steps = super::funnel::steps(asked, &unit.events, &unit.span);
                let falls = steps.is_sorted_by(|a, b| a >= b);
                let Funnel { order, counts, .. } = asked;
                assert!(falls || (*order, *counts) == (FunnelOrder::UnorderedDaily, FunnelCounts::Events), "{what}");
                if let (FunnelOrder::Within(_), FunnelCounts::Events) = (order, counts) {
                    let once = Funnel { counts: FunnelCounts::Units, ..asked.clone() };
                    let reached = super::funnel::steps(&once, &unit.events, &unit.span);
                    assert!(steps.iter().zip(&reached).all(|(some, any)| some.min(1.0) <= *any), "{what}");
                }
            }
        }
    });
}

#[test]
fn a_cap_cuts_the_top_alone_and_an_adjustment_keeps_the_total() {
    each_way(|shape, rows, ways, what| {
        let question = question(shape);
        let units = members(rows, &question, ways);
        for MetricChoice { name, definition, .. } in &question.metrics {
            let values: Vec<UnitValue> = units.iter().map(|unit| unit.value(definition)).collect();
            let cut = winsorized(&values, definition, 0.9);
            for (before, after) in values.iter().zip(&cut) {
                assert!(after.now.x <= before.now.x && after.now.y <= before.now.y, "{name}, {what}");
                assert_eq!(after.now.y == 0.0, before.now.y == 0.0, "{name}, {what}: the same units take part");
            }
            let plain = groups(&values, 2);
            if let (Definition::PerUnit(_), [control, test]) = (definition, plain.as_slice())
                && control.units > 1
                && test.units > 1
            {
                let found = adjusted(&values, 0, 1);
                let total = |means: [f64; 2]| means[0] * control.units as f64 + means[1] * test.units as f64;
                let scale = control.scale.sum + test.scale.sum + found.theta.abs() * 1e5;
                let expected = total([control.mean, test.mean]);
                assert!(close(total(found.means), expected, scale), "{name}, {what}: {found:?}, {expected}");
            }
        }
    });
}

#[test]
fn the_order_of_a_log_is_nothing_to_the_oracle() {
    each_log(|shape, rows, random, what| {
        let question = question(shape);
        let mut shuffled = rows.to_vec();
        random.shuffle(&mut shuffled);
        let [units, again] = [rows, &shuffled].map(|rows| members(rows, &question, &USUAL));
        assert_eq!(units.len(), again.len(), "{what}");
        for (unit, again) in units.iter().zip(&again) {
            assert_eq!(
                (unit.unit, unit.group, unit.span, unit.before),
                (again.unit, again.group, again.span, again.before)
            );
            for MetricChoice { name, definition, .. } in &question.metrics {
                let [one, other] = [unit, again].map(|unit| unit.value(definition));
                for (one, other) in [(one.now, other.now), (one.before, other.before)] {
                    assert!(close(one.x, other.x, 1e5) && one.y == other.y, "{name} of {} in {what}", unit.unit);
                }
            }
        }
    });
}

#[test]
fn the_hard_logs_are_hard() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut see = |what: &'static str, times: usize| *seen.entry(what).or_default() += times;
    each_log(|shape, rows, _, _| {
        let question = question(shape);
        let (start, end) = period(rows, &question);
        let count = |ways: Ways| members(rows, &question, &ways).len();
        let both = Ways { crossovers: Crossovers::Both, ..USUAL };
        see("crossovers", count(both) - count(Ways { crossovers: Crossovers::First, ..USUAL }));
        let exposed: BTreeSet<&str> = rows
            .iter()
            .filter(|row| row.environment == "production" && start <= row.time.0 && row.time.0 < end)
            .filter(|row| super::met(&question, row).is_some())
            .filter_map(|row| row.unit_of(&question.id_type))
            .collect();
        let counted: BTreeSet<&str> = members(rows, &question, &both).iter().map(|unit| unit.unit).collect();
        see("forced first", exposed.difference(&counted).count());
        for unit in members(rows, &question, &USUAL) {
            let times = || unit.events.iter().map(|row| row.time.0);
            see("at the exposure", times().filter(|time| *time == unit.span.exposed).count());
            see("just before it", times().filter(|time| *time == unit.span.exposed - 1).count());
            see(
                "earlier that day",
                times().filter(|time| unit.span.exposed / DAY * DAY <= *time && *time < unit.span.exposed).count(),
            );
            see(
                "in the look-back",
                times().filter(|time| unit.before.from <= *time && *time < unit.before.until).count(),
            );
            see("at the end", times().filter(|time| *time == end).count());
            see("just before the end", times().filter(|time| *time == end - 1).count());
            see("at a midnight", times().filter(|time| time % DAY == 0).count());
            see("just before a midnight", times().filter(|time| time % DAY == DAY - 1).count());
            see("no events", usize::from(unit.events.is_empty()));
            let values = || unit.events.iter().map(|row| row.value);
            see("no value", values().filter(Option::is_none).count());
            see("zero", values().filter(|value| *value == Some(0.0)).count());
            see("negative", values().filter(|value| value.is_some_and(|value| value < 0.0)).count());
            see("huge", values().filter(|value| value.is_some_and(|value| value > 100.0)).count());
            see("new", usize::from(unit.value(&Definition::PerUnit(Quantity::New(anything()))).now.x == 1.0));
            let back = Quantity::Returned { measure: anything(), day: 1 };
            see("back after a day", usize::from(unit.value(&Definition::PerUnit(back)).now.x == 1.0));
        }
        see(
            "late exposures",
            rows.windows(2).filter(|pair| pair[0].subject.is_none() && pair[1].subject.is_some()).count(),
        );
        see("past the end", rows.iter().filter(|row| counts_as_metric(row) && row.time.0 > end).count());
        let equal = |a: &Row, b: &Row| (a.time, &a.name, &a.unit, a.value) == (b.time, &b.name, &b.unit, b.value);
        let twins = rows.iter().enumerate().filter(|(at, row)| rows[..*at].iter().any(|other| equal(row, other)));
        see("equal rows", twins.count());
        for choice in &question.metrics {
            if let Definition::Funnel(asked) = &choice.definition {
                let reached = |step: usize| {
                    let steps = |unit: &super::Member| super::funnel::steps(asked, &unit.events, &unit.span)[step];
                    members(rows, &question, &USUAL).iter().filter(|unit| steps(unit) > 0.0).count()
                };
                see("funnels begun", reached(0));
                see("funnels ended", reached(2));
            }
        }
        let sizes = sizes(&super::values(rows, &question, &USUAL, &question.metrics[0].definition), 2);
        match shape {
            Shape::OneAgainstTwo => assert_eq!(sizes, [1, 2]),
            Shape::OneArm => assert!(sizes[0] > 10 && sizes[1] == 0, "{sizes:?}"),
            Shape::NoUnits => assert_eq!(sizes, [0, 0]),
            Shape::Companies => assert!(sizes[0] > 1 && sizes[1] > 1 && sizes[0] + sizes[1] <= 9, "{sizes:?}"),
            _ => assert!(sizes[0] > 3 && sizes[1] > 3, "{shape:?}: {sizes:?}"),
        }
    });
    for (what, times) in &seen {
        assert!(*times >= 10, "{what}: {times} in all logs; {seen:?}");
    }
    let twice = [0, 1].map(|_| log(Shape::Mixed, &mut Random(7)).len());
    assert_eq!(twice[0], twice[1], "a seed is enough to see a log again");
}
