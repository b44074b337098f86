//! Impact: what a difference per unit means for the metric as a whole, now and after a launch to everybody. Takes totals
//! and allocations as given; does not look them up.
//!
//! After Statsig's page on topline and projected impact, from means that are not adjusted. Two corrections: the variance of
//! an impact per day is divided by the days' square, which the page leaves out though its impact is divided by the days; and
//! the relative impact I/(T - I) has the derivative T/(T - I)², where the page has (T - 2I)/(T - I)². In both the page's
//! own rule, the delta method, is followed.

use super::compensated::Compensated;
use super::{Alternative, CoMoments, Defined, Difference, Estimate, Interval, Level, Undefined, difference, finite};

/// What the difference is taken over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scope {
    /// Units of the test group, all of them.
    pub test_units: u64,
    /// Days over which values, and `total`, were summed.
    pub days: f64,
    /// How many times as many units a launch reaches: 1 for the impact now, `launch_factor` for the projected one.
    pub factor: f64,
}

/// How many times as many units a launch reaches: days over the sum of the days' parts of all units that test had (layer
/// allocation times group size, 0 to 1 each).
pub fn launch_factor(daily_shares: impl IntoIterator<Item = f64>) -> Defined {
    let (mut days, mut shares) = (0.0, 0.0);
    for share in daily_shares {
        days += 1.0;
        shares += share;
    }
    if shares > 0.0 { finite(days / shares) } else { Err(Undefined::NO_ALLOCATION) }
}

/// The change of a metric's overall value, and that change relative to what the value would be without the experiment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impact {
    /// Per day for counts and sums; of the ratio itself for ratios.
    pub absolute: Defined,
    pub absolute_ci: Result<Interval, Undefined>,
    /// A fraction.
    pub relative: Defined,
    pub relative_ci: Result<Interval, Undefined>,
}

impl Impact {
    /// One of which nothing is known.
    pub fn undefined(why: Undefined) -> Impact {
        Impact { absolute: Err(why), absolute_ci: Err(why), relative: Err(why), relative_ci: Err(why) }
    }
}

impl Undefined {
    /// No day of the period has any part of the units allocated to the test group.
    pub const NO_ALLOCATION: Undefined = Undefined { reason: "no_allocation" };
    /// Without the experiment the metric's value would be 0, and no change is relative to that.
    pub const ZERO_BASELINE: Undefined = Undefined { reason: "zero_baseline" };
    /// An impact needs at least a part of a day.
    pub const NO_DAYS: Undefined = Undefined { reason: "no_days" };
}

/// The impact on a count or a sum: `absolute` is the difference per unit over the whole period, `total` the metric over all
/// units, exposed or not, in the same period (an error where it is not known; the absolute impact does not need it).
pub fn impact(absolute: &Difference, total: Defined, scope: Scope) -> Impact {
    let units = scope.test_units as f64;
    // Open on the other side where the impact falls as the difference rises.
    let interval = |middle: Defined, slope: Defined| {
        let (middle, slope) = (middle?, slope?);
        let half = absolute.inference?.critical * absolute.standard_error? * slope.abs();
        Interval::around(middle, half, facing(absolute.alternative, slope))
    };
    let per_day = if scope.days > 0.0 { finite(units * scope.factor / scope.days) } else { Err(Undefined::NO_DAYS) };
    let absolute_impact = per_day.and_then(|per_day| finite(absolute.delta? * per_day));
    let baseline = || -> Defined {
        let baseline = finite(total? - absolute.delta? * units)?;
        if baseline == 0.0 { Err(Undefined::ZERO_BASELINE) } else { Ok(baseline) }
    };
    let relative = baseline().and_then(|baseline| finite(scope.factor * absolute.delta? * units / baseline));
    let slope = baseline().and_then(|baseline| finite(scope.factor * units * (total? / baseline) / baseline));
    Impact {
        absolute: absolute_impact,
        absolute_ci: interval(absolute_impact, per_day),
        relative,
        relative_ci: interval(relative, slope),
    }
}

/// The impact on a ratio of variable 0 to variable 1, over all units of each group: also those with 0 and 0. `totals` are
/// both over all units, exposed or not, in the same period. The days of the scope do not matter.
pub fn ratio_impact(
    test: &CoMoments<2>,
    control: &CoMoments<2>,
    totals: [f64; 2],
    scope: Scope,
    level: Level,
    alternative: Alternative,
) -> Impact {
    match expand(test, control, totals, scope) {
        Ok(expansion) => Impact {
            absolute: finite(expansion.absolute),
            absolute_ci: interval(test, control, expansion.absolute, expansion.absolute_slopes, level, alternative),
            relative: expansion.relative.map(|(relative, _)| relative),
            relative_ci: expansion.relative.and_then(|(relative, slopes)| {
                interval(test, control, relative, slopes, level, facing(alternative, expansion.baseline))
            }),
        },
        Err(why) => Impact::undefined(why),
    }
}

/// The alternative for a number that rises with the difference, or falls where `slope` is negative.
fn facing(alternative: Alternative, slope: f64) -> Alternative {
    if slope < 0.0 { alternative.mirrored() } else { alternative }
}

/// Values, and how they change with the differences of the numerators' and of the denominators' means.
struct Expansion {
    baseline: f64,
    absolute: f64,
    absolute_slopes: [f64; 2],
    relative: Result<(f64, [f64; 2]), Undefined>,
}

fn expand(test: &CoMoments<2>, control: &CoMoments<2>, totals: [f64; 2], scope: Scope) -> Result<Expansion, Undefined> {
    let units = scope.test_units as f64;
    let mut now = [0.0; 2];
    for (variable, now) in now.iter_mut().enumerate() {
        *now = (test.mean(variable)? - control.mean(variable)?) * units;
    }
    // The ratio after adding `times` the impact to both totals, with its slopes in the differences of the means.
    let ratio = |times: f64| -> Result<(f64, [f64; 2]), Undefined> {
        let (above, below) = (totals[0] + times * now[0], totals[1] + times * now[1]);
        if below == 0.0 {
            return Err(Undefined::ZERO_DENOMINATOR);
        }
        let ratio = finite(above / below)?;
        Ok((ratio, [times * units / below, -times * units * ratio / below]))
    };
    let (baseline, baseline_slopes) = ratio(-1.0)?;
    let (projected, projected_slopes) = ratio(scope.factor - 1.0)?;
    let relative = if baseline == 0.0 {
        Err(Undefined::ZERO_BASELINE)
    } else {
        let slope = |i: usize| (projected_slopes[i] - projected / baseline * baseline_slopes[i]) / baseline;
        finite((projected - baseline) / baseline).map(|relative| (relative, [slope(0), slope(1)]))
    };
    Ok(Expansion {
        baseline,
        absolute: projected - baseline,
        absolute_slopes: [projected_slopes[0] - baseline_slopes[0], projected_slopes[1] - baseline_slopes[1]],
        relative,
    })
}

/// The interval around a value with these slopes: as wide as that of the difference of the units' linearised values.
fn interval(
    test: &CoMoments<2>,
    control: &CoMoments<2>,
    middle: f64,
    slopes: [f64; 2],
    level: Level,
    alternative: Alternative,
) -> Result<Interval, Undefined> {
    let linear = |group: &CoMoments<2>| Estimate {
        n: group.n(),
        mean: Ok(0.0),
        variance: group
            .combined_variance(slopes.map(Compensated::from))
            .and_then(|variance| finite(variance / group.n() as f64)),
    };
    let spread = difference(&linear(test), &linear(control), level, alternative);
    Interval::around(middle, spread.inference?.critical * spread.standard_error?, alternative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::draw::{Draw, close};

    const NOW: Scope = Scope { test_units: 1000, days: 30.0, factor: 1.0 };

    fn arm(mean: f64) -> Estimate {
        Estimate { n: 1000, mean: Ok(mean), variance: Ok(0.01) }
    }

    fn compare(test: &Estimate, control: &Estimate) -> Difference {
        difference(test, control, Level::DEFAULT, Alternative::TwoSided)
    }

    #[test]
    fn one_more_per_unit_over_thirty_days_is_thirty_three_a_day() {
        let found = impact(&compare(&arm(3.0), &arm(2.0)), Ok(101_000.0), NOW);
        assert!(close(found.absolute.unwrap(), 100.0 / 3.0, 1e-15));
        assert!(close(found.relative.unwrap(), 0.01, 1e-15));
        // The interval of the difference, scaled as it is.
        let half = 1.959_963_984_540_054 * 0.02f64.sqrt();
        let ci = found.absolute_ci.unwrap();
        assert!(close(ci.low.unwrap(), (1.0 - half) * 100.0 / 3.0, 1e-12));
        assert!(close(ci.high.unwrap(), (1.0 + half) * 100.0 / 3.0, 1e-12));
        let ci = found.relative_ci.unwrap();
        assert!(close(ci.high.unwrap() - ci.low.unwrap(), 2.0 * half * 1000.0 * 101_000.0 / 1e10, 1e-12));
    }

    #[test]
    fn a_launch_to_all_units_multiplies_by_how_many_more_it_reaches() {
        assert_eq!(launch_factor([0.25; 30]), Ok(4.0));
        assert_eq!(launch_factor([0.1, 0.3]), Ok(5.0));
        assert_eq!(launch_factor([]), Err(Undefined::NO_ALLOCATION));
        assert_eq!(launch_factor([0.0, 0.0]), Err(Undefined::NO_ALLOCATION));
        let difference = compare(&arm(3.0), &arm(2.0));
        let now = impact(&difference, Ok(101_000.0), NOW);
        let launched = impact(&difference, Ok(101_000.0), Scope { factor: 4.0, ..NOW });
        assert!(close(launched.absolute.unwrap(), 4.0 * now.absolute.unwrap(), 1e-15));
        assert!(close(launched.relative.unwrap(), 4.0 * now.relative.unwrap(), 1e-15));
        let width = |ci: Result<Interval, Undefined>| ci.map(|ci| ci.high.unwrap() - ci.low.unwrap()).unwrap();
        assert!(close(width(launched.relative_ci), 4.0 * width(now.relative_ci), 1e-12));
    }

    #[test]
    fn what_is_not_defined_says_why_and_the_rest_is_given() {
        let difference = compare(&arm(3.0), &arm(2.0));
        let found = impact(&difference, Ok(1000.0), NOW);
        assert!(found.absolute_ci.is_ok());
        assert_eq!((found.relative, found.relative_ci), (ZERO, Err(Undefined::ZERO_BASELINE)));
        let found = impact(&difference, Err(Undefined::NO_UNITS), NOW);
        assert!(found.absolute_ci.is_ok());
        assert_eq!(found.relative, Err(Undefined::NO_UNITS));
        let found = impact(&difference, Ok(1e6), Scope { days: 0.0, ..NOW });
        assert_eq!(found.absolute, Err(Undefined::NO_DAYS));
        assert!(found.relative_ci.is_ok());
        let one = Estimate { n: 1, variance: Err(Undefined::TOO_FEW_UNITS), ..arm(3.0) };
        let found = impact(&compare(&one, &arm(2.0)), Ok(1e6), NOW);
        assert!(found.absolute.is_ok() && found.relative.is_ok());
        assert_eq!(found.absolute_ci, Err(Undefined::TOO_FEW_UNITS));
        assert_eq!(found.relative_ci, Err(Undefined::TOO_FEW_UNITS));
    }

    #[test]
    fn a_one_sided_impact_on_a_negative_total_opens_to_the_other_side() {
        let difference = difference(&arm(3.0), &arm(2.0), Level::DEFAULT, Alternative::Greater);
        for (total, opens_upwards) in [(1e6, true), (-1e6, false)] {
            let found = impact(&difference, Ok(total), NOW);
            assert_eq!(found.absolute_ci.map(|ci| ci.high), Ok(None));
            let ci = found.relative_ci.unwrap();
            assert_eq!((ci.low.is_some(), ci.high.is_some()), (opens_upwards, !opens_upwards));
            assert!(!ci.contains(0.0) && ci.contains(found.relative.unwrap()));
            let units = |x: f64| CoMoments::from_iter((0..1000).map(|i| [x + f64::from(i % 7), 1.0]));
            let totals = [total, 1e5];
            let found = ratio_impact(&units(3.0), &units(2.0), totals, NOW, Level::DEFAULT, Alternative::Greater);
            assert_eq!(found.absolute_ci.map(|ci| ci.high), Ok(None));
            let ci = found.relative_ci.unwrap();
            assert_eq!((ci.low.is_some(), ci.high.is_some()), (opens_upwards, !opens_upwards));
            assert!(!ci.contains(0.0) && ci.contains(found.relative.unwrap()));
        }
    }

    const ZERO: Defined = Err(Undefined::ZERO_BASELINE);

    fn ratio_of(test: &CoMoments<2>, control: &CoMoments<2>, totals: [f64; 2]) -> Impact {
        ratio_impact(test, control, totals, NOW, Level::DEFAULT, Alternative::TwoSided)
    }

    #[test]
    fn a_ratio_that_is_not_defined_says_why() {
        let units = |x: f64, y: f64| CoMoments::from_iter((0..9).map(|i| [x * f64::from(i), y * f64::from(i)]));
        let none = CoMoments::default();
        assert_eq!(ratio_of(&none, &units(1.0, 1.0), [1e6, 1e6]).absolute, Err(Undefined::NO_UNITS));
        // 1,000 units times 4 are all that there is below.
        let found = ratio_of(&units(1.0, 2.0), &units(1.0, 1.0), [1e6, 4000.0]);
        assert_eq!(
            (found.absolute, found.relative),
            (Err(Undefined::ZERO_DENOMINATOR), Err(Undefined::ZERO_DENOMINATOR))
        );
        let found = ratio_of(&units(2.0, 1.0), &units(1.0, 1.0), [4000.0, 1e6]);
        assert!(found.absolute_ci.is_ok());
        assert_eq!(found.relative, Err(Undefined::ZERO_BASELINE));
        let found = ratio_of(&units(0.0, 0.0), &units(0.0, 0.0), [1e6, 1e6]);
        assert_eq!((found.absolute, found.absolute_ci), (Ok(0.0), Err(Undefined::ZERO_VARIANCE)));
    }

    #[test]
    fn a_ratio_to_a_constant_denominator_is_a_sum() {
        let mut draw = Draw::new(20_261_124);
        let mut group = |mean: f64| CoMoments::from_iter((0..1000).map(|_| [mean + draw.normal(), 1.0]));
        let (test, control) = (group(3.0), group(2.0));
        let difference = compare(&test.estimate(0), &control.estimate(0));
        let expected = impact(&difference, Ok(1e6), Scope { factor: 2.5, ..NOW });
        let found = ratio_impact(
            &test,
            &control,
            [1e6, 1.0],
            Scope { factor: 2.5, ..NOW },
            Level::DEFAULT,
            Alternative::TwoSided,
        );
        assert!(close(found.absolute.unwrap(), expected.absolute.unwrap() * 30.0, 1e-9));
        assert!(close(found.relative.unwrap(), expected.relative.unwrap(), 1e-9));
        let ends = |ci: Result<Interval, Undefined>| ci.map(|ci| [ci.low.unwrap(), ci.high.unwrap()]).unwrap();
        for (found, expected) in ends(found.absolute_ci).into_iter().zip(ends(expected.absolute_ci)) {
            assert!(close(found, expected * 30.0, 1e-9), "{found} {expected}");
        }
    }
}
