//! What the product makes of other ways to ask, and of numbers that are cut or adjusted, beside what the oracle makes of them.

use super::agreement::{agrees, analysis, asked, check_metric, each_log, options};
use super::textbook::{GroupNumbers, adjusted, groups, winsorized};
use super::{Crossovers, Definition, USUAL, UnitValue, Ways, members};
use crate::results::tests::memory::Memory;
use crate::results::{Comparison, Metric, Options, conclude};

const PERCENTILES: [f64; 3] = [0.75, 0.9, 0.999];

#[test]
fn a_join_by_date_and_other_look_backs_agree() {
    each_log(|shape, rows, _, what| {
        let question = asked(shape);
        for crossovers in [Crossovers::Exclude, Crossovers::Both] {
            let ways = Ways { crossovers, by_date: true, ..USUAL };
            let found = analysis(&Memory::of(rows), &question, &ways);
            let members = members(rows, &question, &ways);
            for (choice, metric) in question.metrics.iter().zip(&found.metrics) {
                let values: Vec<UnitValue> = members.iter().map(|member| member.value(&choice.definition)).collect();
                let expected = groups(&values, found.groups.len());
                let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
                check_metric(&metric.groups, &expected, is_ratio, &format!("{} ({what}, {ways:?})", choice.name));
            }
        }
    });
}

fn of_variant<'a>(metric: &'a Metric, variant: &str) -> Vec<&'a Comparison> {
    metric.comparisons.iter().filter(|comparison| comparison.variant == variant).collect()
}

#[test]
fn numbers_that_are_cut_or_adjusted_agree() {
    let mut seen = [0; 3];
    each_log(|shape, rows, random, what| {
        let question = asked(shape);
        let percentile = random.pick(&PERCENTILES);
        let ways = Ways { by_date: random.below(2) == 0, look_back: random.pick(&[1, 7, 14]), ..USUAL };
        let options = Options { winsorize: Some(percentile), cuped: true, ..options(&ways) };
        let found = conclude(&Memory::of(rows), &question, &options).unwrap().analysis.unwrap();
        let members = members(rows, &question, &ways);
        let control = found.groups.iter().position(|group| group.control).unwrap();
        let tests: Vec<usize> = (0..found.groups.len()).filter(|at| *at != control).collect();
        for (choice, metric) in question.metrics.iter().zip(&found.metrics) {
            let what = format!("{} ({what}, {ways:?}, {percentile})", choice.name);
            let is_ratio = !matches!(choice.definition, Definition::PerUnit(_));
            let values: Vec<UnitValue> = members.iter().map(|member| member.value(&choice.definition)).collect();
            let cut = winsorized(&values, &choice.definition, percentile);
            let numbers = groups(&cut, found.groups.len());
            for (comparison, test) in of_variant(metric, "winsorized").into_iter().zip(&tests) {
                let pair = [numbers[*test], numbers[control]];
                check_metric(comparison.groups.as_ref().unwrap(), &pair, is_ratio, &format!("winsorized {what}"));
                seen[0] += 1;
            }
            for (at, variant, values) in [(1, "cuped", &values), (2, "winsorized_cuped", &cut)] {
                let plain = groups(values, found.groups.len());
                for (comparison, test) in of_variant(metric, variant).into_iter().zip(&tests) {
                    let pair = [plain[*test], plain[control]];
                    if check_adjusted(comparison, values, [*test, control], &pair, &format!("{variant} {what}")) {
                        seen[at] += 1;
                    }
                }
            }
        }
    });
    assert!(seen.iter().all(|times| *times > 200), "{seen:?}");
}

/// Whether there was anything to compare.
fn check_adjusted(
    comparison: &Comparison,
    values: &[UnitValue],
    [test, control]: [usize; 2],
    plain: &[GroupNumbers; 2],
    what: &str,
) -> bool {
    // Without a variance on both sides no slope is defined, and whether there is one at all is for the report to say.
    if plain.iter().any(|numbers| numbers.units < 2) {
        return false;
    }
    let Some(theta) = comparison.cuped.as_ref().unwrap().theta else { return false };
    let expected = adjusted(values, control, test);
    // A slope over next to nothing magnifies rounding; of its own size the rest is measured.
    let size = 1.0 + theta.abs() * size_before(values);
    assert!(
        agrees(Some(theta), expected.theta, 1e3 * (1.0 + expected.theta.abs())),
        "theta of {what}: {theta}, not {}",
        expected.theta
    );
    let found = comparison.groups.as_ref().unwrap();
    for (at, (group, plain)) in found.iter().zip(plain).enumerate() {
        let (mean, error) = (expected.means[1 - at], expected.standard_errors[1 - at]);
        let scale = 1e2 * (plain.scale.mean + size);
        assert!(agrees(group.mean, mean, scale), "mean of {what}, {}: {:?}, not {mean}", group.name, group.mean);
        let found = group.standard_error.map(|error| error * error);
        let scale = 1e2 * (plain.scale.variance / plain.units as f64 + size * size);
        // What rounding leaves of a variance of nothing may lie below it.
        let variance = if error.is_nan() { 0.0 } else { error * error };
        assert!(agrees(found, variance, scale), "variance of {what}, {}: {found:?}, not {variance}", group.name);
    }
    true
}

/// How large numbers of before are.
fn size_before(values: &[UnitValue]) -> f64 {
    values.iter().map(|value| value.before.x.abs().max(value.before.y.abs())).fold(0.0, f64::max)
}
