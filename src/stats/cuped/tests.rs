//! Adjustment at its edges: groups without units or spread, totals of 0, and the three conditions on either side.

use super::*;
use crate::stats::draw::{Draw, close};
use proptest::prelude::*;

fn pairs(units: &[[f64; 2]]) -> CoMoments<2> {
    units.iter().copied().collect()
}

#[test]
fn degenerate_groups_give_what_exists_and_name_what_does_not() {
    let group = [[1.0, 1.0], [3.0, 2.0], [2.0, 0.0]];
    assert_eq!(cuped(&pairs(&[]), &pairs(&group)), Err(Undefined::NO_UNITS));
    assert_eq!(cuped(&pairs(&group), &pairs(&[])), Err(Undefined::NO_UNITS));

    let one = cuped(&pairs(&[[2.0, 1.0]]), &pairs(&group)).unwrap();
    assert!(one.test.mean.is_ok() && one.control.variance.is_ok());
    assert_eq!((one.test.variance, one.variance_reduction), (FEW, FEW));

    let level = cuped(&pairs(&[[5.0, 1.0], [5.0, 2.0]]), &pairs(&[[5.0, 3.0], [5.0, 1.0]])).unwrap();
    assert_eq!((level.theta, level.test.mean, level.test.variance), (0.0, Ok(5.0), Ok(0.0)));
    assert_eq!((level.correlation, level.variance_reduction), (FLAT, FLAT));

    let huge = cuped(&pairs(&[[1.0, 1e200], [2.0, -1e200]]), &pairs(&group));
    assert_eq!(huge, Err(Undefined::OVERFLOW));
}

const FEW: Defined = Err(Undefined::TOO_FEW_UNITS);
const FLAT: Defined = Err(Undefined::ZERO_VARIANCE);

#[test]
fn a_covariate_that_explains_everything_leaves_nothing() {
    let test: Vec<_> = (0..50).map(|i| [2.0 * f64::from(i) + 7.0, f64::from(i)]).collect();
    let control: Vec<_> = (0..70).map(|i| [2.0 * f64::from(i) + 7.0, f64::from(i)]).collect();
    let found = cuped(&pairs(&test), &pairs(&control)).unwrap();
    assert!((found.theta - 2.0).abs() < 1e-14 && (found.correlation.unwrap() - 1.0).abs() < 1e-14);
    assert_eq!((found.test.variance, found.control.variance), (Ok(0.0), Ok(0.0)));
    assert!((found.test.mean.unwrap() - found.control.mean.unwrap()).abs() < 1e-12);
    assert_eq!(found.variance_reduction, Ok(1.0));
}

#[test]
fn a_ratio_without_earlier_denominators_is_not_adjusted() {
    let units = |pre: f64| CoMoments::from_iter((1..40).map(|i| [f64::from(i % 7), f64::from(i), pre, pre]));
    assert_eq!(cuped_ratio(&units(0.0), &units(0.0)), Err(Undefined::CUPED_ZERO_PRE_DENOMINATOR));
    assert_eq!(cuped_ratio(&units(1.0), &units(0.0)).map(|found| found.theta), Ok(0.0));
    let zero = CoMoments::from_iter((1..40).map(|i| [f64::from(i), 0.0, 1.0, 1.0]));
    assert_eq!(cuped_ratio(&zero, &zero), Err(Undefined::ZERO_DENOMINATOR));
    assert_eq!(cuped_ratio(&CoMoments::default(), &units(1.0)), Err(Undefined::NO_UNITS));
}

#[test]
fn a_ratio_to_one_each_is_adjusted_as_a_mean_is() {
    let mut draw = Draw::new(20_261_124);
    let mut group = |n: usize| -> Vec<[f64; 2]> {
        let mut unit = || {
            let pre = draw.normal();
            [3.0 + pre + draw.normal(), 5.0 + pre]
        };
        (0..n).map(|_| unit()).collect()
    };
    let (test, control) = (group(300), group(200));
    let wide = |units: &[[f64; 2]]| CoMoments::from_iter(units.iter().map(|&[value, pre]| [value, 1.0, pre, 1.0]));
    let found = cuped_ratio(&wide(&test), &wide(&control)).unwrap();
    let expected = cuped(&pairs(&test), &pairs(&control)).unwrap();
    for (found, expected) in [
        (found.theta, expected.theta),
        (found.test.mean.unwrap(), expected.test.mean.unwrap()),
        (found.test.variance.unwrap(), expected.test.variance.unwrap()),
        (found.control.variance.unwrap(), expected.control.variance.unwrap()),
        (found.correlation.unwrap(), expected.correlation.unwrap()),
        (found.variance_reduction.unwrap(), expected.variance_reduction.unwrap()),
    ] {
        assert!(close(found, expected, 1e-13), "{found} {expected}");
    }
}

#[test]
fn the_adjusted_result_is_used_just_beyond_each_limit_and_not_at_it() {
    let of = |units: u64, reduction: Defined| {
        let arm = Estimate { n: units / 2, mean: Ok(1.0), variance: Ok(1.0) };
        let control = Estimate { n: units - units / 2, ..arm };
        Adjusted { theta: 1.0, test: arm, control, correlation: Ok(0.5), variance_reduction: reduction }
    };
    for (units, with_pre, reduction, expected) in [
        (100, 100, Ok(0.5), Err(Undefined::CUPED_TOO_FEW_UNITS)),
        (101, 101, Ok(0.5), Ok(())),
        (1000, 50, Ok(0.5), Err(Undefined::CUPED_TOO_FEW_PRE_VALUES)),
        (1000, 51, Ok(0.5), Ok(())),
        (1000, 51, Ok(0.0), Err(Undefined::CUPED_NO_REDUCTION)),
        (1000, 51, Ok(1e-9), Ok(())),
        (1000, 51, FLAT, Err(Undefined::CUPED_NO_REDUCTION)),
    ] {
        assert_eq!(eligibility(&of(units, reduction), with_pre), expected, "{units} {with_pre} {reduction:?}");
    }
}

fn group() -> impl Strategy<Value = Vec<[f64; 2]>> {
    prop::collection::vec((-1e3f64..1e3, -1e3f64..1e3).prop_map(|(value, pre)| [value, pre]), 2..60)
}

proptest! {
    #[test]
    fn without_a_covariate_nothing_changes(test in group(), control in group(), pre in prop_oneof![Just(0.0), Just(3.3)]) {
        let constant = |units: &[[f64; 2]]| CoMoments::from_iter(units.iter().map(|&[value, _]| [value, pre]));
        let (test, control) = (constant(&test), constant(&control));
        let found = cuped(&test, &control).unwrap();
        prop_assert_eq!((found.test, found.control), (test.estimate(0), control.estimate(0)));
        prop_assert_eq!((found.theta, found.variance_reduction), (0.0, Ok(0.0)));
    }

    #[test]
    fn the_total_over_both_groups_stays(test in group(), control in group()) {
        let (test, control) = (pairs(&test), pairs(&control));
        let found = cuped(&test, &control).unwrap();
        let adjusted = found.test.n as f64 * found.test.mean.unwrap() + found.control.n as f64 * found.control.mean.unwrap();
        let plain = test.sum(0).unwrap() + control.sum(0).unwrap();
        prop_assert!((adjusted - plain).abs() < 1e-8, "{} {}", adjusted, plain);
    }
}
