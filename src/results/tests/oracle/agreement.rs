//! Generated logs, concluded twice: by the product and by the oracle. What must agree does, whatever the order of the log.

use super::hard::{Random, SHAPES, Shape, log, question};
use super::textbook::{GroupNumbers, groups};
use super::{USUAL, Ways, members, sizes, values};
use crate::results::tests::memory::{Memory, Row};
use crate::results::{Analysis, Crossovers, Definition, Join, Metric, MetricGroup, Options, Question, Role, conclude};
use serde_json::Value;

/// How many logs there are of each shape.
const SEEDS: u64 = 4;

pub fn asked(shape: Shape) -> Question {
    question(shape)
}

/// Within rounding, where the terms of a sum were as large as `scale`.
pub fn close(found: f64, expected: f64, scale: f64) -> bool {
    found == expected || (found - expected).abs() <= 1e-12 * scale.max(expected.abs())
}

/// A number that does not exist is not given; one that does is as the oracle has it.
pub fn agrees(found: Option<f64>, expected: f64, scale: f64) -> bool {
    match found {
        Some(found) => close(found, expected, if scale.is_finite() { scale } else { 0.0 }),
        None => !expected.is_finite(),
    }
}

fn run(rows: &[Row], question: &Question, ways: &Ways) -> Analysis {
    analysis(&Memory::of(rows), question, ways)
}

/// The oracle's ways as the product's options.
pub fn options(ways: &Ways) -> Options {
    let join = if ways.by_date { Join::Date } else { Join::Timestamp };
    let cuped_days = ways.look_back.try_into().unwrap();
    Options { crossovers: ways.crossovers, join, cuped_days, ..Options::default() }
}

pub fn analysis(log: &Memory, question: &Question, ways: &Ways) -> Analysis {
    conclude(log, question, &options(ways)).unwrap().analysis.unwrap()
}

/// Every log with its seed in words.
pub fn each_log(mut check: impl FnMut(Shape, &[Row], &mut Random, &str)) {
    for shape in SHAPES {
        for seed in 0..SEEDS {
            let mut random = Random(seed);
            let rows = log(shape, &mut random);
            check(shape, &rows, &mut random, &format!("{shape:?}, seed {seed}"));
        }
    }
}

pub fn check_metric(found: &[MetricGroup], expected: &[GroupNumbers], is_ratio: bool, what: &str) {
    for (group, numbers) in found.iter().zip(expected) {
        assert_eq!(group.units, numbers.units as u64, "units of {what}, {}", group.name);
        let scale = numbers.scale;
        let pairs = [
            ("mean", group.mean, numbers.mean, scale.mean),
            // Through its square, so that rounding is measured by what the variance came from.
            (
                "variance of the mean",
                group.standard_error.map(|error| error * error),
                numbers.standard_error.powi(2),
                scale.variance / numbers.units as f64,
            ),
            ("sum", group.sum, numbers.sum, scale.sum),
            ("variance", group.variance, numbers.variance, scale.variance),
        ];
        // What a ratio's sum and its units' variance are is for the report to say.
        for (name, found, expected, scale) in &pairs[..if is_ratio { 2 } else { 4 }] {
            assert!(agrees(*found, *expected, *scale), "{name} of {what}, {}: {found:?}, not {expected}", group.name);
        }
    }
}

#[test]
fn units_and_moments_agree_with_a_naive_reading_of_the_rules() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        for crossovers in [Crossovers::Exclude, Crossovers::First, Crossovers::Both] {
            let ways = Ways { crossovers, ..USUAL };
            let found = run(rows, &question, &ways);
            let members = members(rows, &question, &ways);
            let own = found.metrics.iter().filter(|metric| metric.role == Role::Secondary);
            assert_eq!(own.count(), question.metrics.len(), "{what}");
            for (choice, metric) in question.metrics.iter().zip(&found.metrics) {
                let what = format!("{} ({what}, {crossovers:?})", choice.name);
                let values: Vec<_> = members.iter().map(|member| member.value(&choice.definition)).collect();
                let expected = groups(&values, found.groups.len());
                check_metric(&metric.groups, &expected, !matches!(choice.definition, Definition::PerUnit(_)), &what);
                check_comparisons(metric, &expected, &found, &what);
            }
            let values = values(rows, &question, &ways, &question.metrics[0].definition);
            let units: Vec<usize> = found.groups.iter().map(|group| group.units as usize).collect();
            assert_eq!(units, sizes(&values, found.groups.len()), "{what}, {crossovers:?}");
            let all = rows.iter().filter(|row| row.subject.is_some()).count() as u64;
            let counted: u64 = found.groups.iter().map(|group| group.exposures).sum();
            assert_eq!(counted + found.not_counted.values().sum::<u64>(), all, "{what}");
        }
    });
}

/// The difference of every group to control, from the oracle's means.
fn check_comparisons(metric: &Metric, expected: &[GroupNumbers], found: &Analysis, what: &str) {
    let control = found.groups.iter().position(|group| group.control).unwrap();
    let others = (0..expected.len()).filter(|group| *group != control);
    assert_eq!(metric.comparisons.len(), expected.len() - 1, "{what}");
    for (comparison, test) in metric.comparisons.iter().zip(others) {
        assert_eq!(comparison.group, found.groups[test].name, "{what}");
        let (test, control) = (&expected[test], &expected[control]);
        let scale = test.scale.mean + control.scale.mean;
        assert!(
            agrees(comparison.absolute.delta, test.mean - control.mean, scale),
            "delta of {what}: {comparison:?}, not {}",
            test.mean - control.mean
        );
    }
}

#[test]
fn the_order_of_the_log_and_the_size_of_its_blocks_do_not_show() {
    each_log(|shape, rows, random, what| {
        let question = asked(shape);
        let ways = Ways { crossovers: Crossovers::Both, ..USUAL };
        let before = run(rows, &question, &ways);
        assert_eq!(before, run(rows, &question, &ways), "{what}: the same log, the same report");
        let mut shuffled = rows.to_vec();
        random.shuffle(&mut shuffled);
        assert_same(&before, &run(&shuffled, &question, &ways), &format!("{what}, shuffled"));
        for rows_in_a_block in [1, 64, rows.len()] {
            let blocks = Memory::in_blocks(rows, rows_in_a_block);
            let found = analysis(&blocks, &question, &ways);
            assert_same(&before, &found, &format!("{what}, {rows_in_a_block} rows in a block"));
        }
    });
}

/// All counts and words the same, and all numbers but for rounding.
pub(super) fn assert_same(before: &Analysis, after: &Analysis, what: &str) {
    let [before, after] = [before, after].map(|analysis| serde_json::to_value(analysis).unwrap());
    assert_same_json(&before, &after, 0.0, what);
}

/// `scale` is the largest number beside these: what rounding of a difference is measured by.
fn assert_same_json(before: &Value, after: &Value, scale: f64, what: &str) {
    let largest = |values: &mut dyn Iterator<Item = &Value>| {
        values.filter_map(Value::as_f64).map(f64::abs).fold(scale.min(0.0), f64::max)
    };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{what}");
            let scale = largest(&mut before.values());
            for (key, value) in before {
                assert_same_json(value, &after[key], scale, &format!("{what}, {key}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{what}");
            let scale = largest(&mut before.iter()).max(scale);
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                assert_same_json(before, after, scale, &format!("{what}[{at}]"));
            }
        }
        (Value::Number(x), Value::Number(y)) if x.is_f64() => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!(close(y, x, scale), "{what}: {x} became {y}");
        }
        _ => assert_eq!(before, after, "{what}"),
    }
}
