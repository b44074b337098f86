//! Lift: the difference relative to the control mean, with Fieller's interval or the delta method's. It has no p-value of
//! its own: the absolute difference's holds for both, and Fieller's interval leaves out 0 exactly when that test rejects.

use super::{Defined, Difference, Estimate, Interval, Undefined, finite};

/// How the interval of a ratio of means is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Statsig's default: the exact solution for two independent normal means.
    #[default]
    Fieller,
    /// The first-order approximation, symmetric around the lift.
    Delta,
}

impl Method {
    pub const ALL: [Method; 2] = [Method::Fieller, Method::Delta];

    pub fn as_str(self) -> &'static str {
        match self {
            Method::Fieller => "fieller",
            Method::Delta => "delta",
        }
    }
}

/// The lift as a fraction: 0.1 is 10 % more than control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relative {
    pub delta: Defined,
    pub ci: Result<Interval, Undefined>,
    pub method: Method,
}

/// Lift of `test` over `control`. `absolute` is their difference: its critical value and its alternative are used here too.
/// As a rise over a negative control mean is a negative lift, one-sided intervals are then open on the other side.
pub fn relative(test: &Estimate, control: &Estimate, absolute: &Difference, method: Method) -> Relative {
    let delta = lift(absolute, control);
    let ci =
        delta.and(absolute.inference).and_then(|found| relative_at(test, control, absolute, found.critical, method).ci);
    Relative { delta, ci, method }
}

/// `relative` with another critical value than the difference's own, such as a sequential test's.
pub fn relative_at(
    test: &Estimate,
    control: &Estimate,
    absolute: &Difference,
    critical: f64,
    method: Method,
) -> Relative {
    let delta = lift(absolute, control);
    let ci = delta.and_then(|lift| {
        let (test_mean, control_mean) = (test.mean?, control.mean?);
        let (test_variance, control_variance) = (test.variance?, control.variance?);
        if test_variance + control_variance == 0.0 {
            return Err(Undefined::ZERO_VARIANCE);
        }
        let alternative = if control_mean < 0.0 { absolute.alternative.mirrored() } else { absolute.alternative };
        let ratio = test_mean / control_mean;
        match method {
            Method::Fieller => {
                let g = (critical / control_mean).powi(2) * control_variance;
                if g.is_nan() || g >= 1.0 {
                    return Err(Undefined::UNBOUNDED);
                }
                let spread = ((1.0 - g) * test_variance + ratio * ratio * control_variance).sqrt();
                let half = critical / control_mean.abs() * spread / (1.0 - g);
                // (ratio ± half·(1-g)) / (1-g) - 1, with the 1 taken off before dividing so that small lifts keep digits.
                Interval::around((lift + g) / (1.0 - g), half, alternative)
            }
            Method::Delta => Interval::around(lift, critical * relative_variance(test, control)?.sqrt(), alternative),
        }
    });
    Relative { delta, ci, method }
}

/// The variance of the lift by the delta method, (Vt + r²·Vc) / x̄c².
pub fn relative_variance(test: &Estimate, control: &Estimate) -> Defined {
    let control_mean = control.mean?;
    if control_mean == 0.0 {
        return Err(Undefined::CONTROL_MEAN_ZERO);
    }
    let ratio = test.mean? / control_mean;
    finite((test.variance? + ratio * ratio * control.variance?) / (control_mean * control_mean))
}

fn lift(absolute: &Difference, control: &Estimate) -> Defined {
    let (delta, control_mean) = (absolute.delta?, control.mean?);
    if control_mean == 0.0 {
        return Err(Undefined::CONTROL_MEAN_ZERO);
    }
    finite(delta / control_mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Alternative, Level, Moments, difference};
    use proptest::prelude::*;

    fn compare(test: &Estimate, control: &Estimate, method: Method) -> (Difference, Relative) {
        one_sided(test, control, method, Alternative::TwoSided)
    }

    fn one_sided(
        test: &Estimate,
        control: &Estimate,
        method: Method,
        alternative: Alternative,
    ) -> (Difference, Relative) {
        let absolute = difference(test, control, Level::DEFAULT, alternative);
        (absolute, relative(test, control, &absolute, method))
    }

    #[test]
    fn degenerate_groups_give_what_exists_and_name_what_does_not() {
        type Row<'a> = (&'a str, &'a [f64], &'a [f64], Defined, Undefined);
        let rows: [Row; 5] = [
            (
                "control mean zero",
                &[1.0, 2.0],
                &[0.0, 0.0],
                Err(Undefined::CONTROL_MEAN_ZERO),
                Undefined::CONTROL_MEAN_ZERO,
            ),
            ("zero variance in both", &[3.0, 3.0], &[2.0, 2.0], Ok(0.5), Undefined::ZERO_VARIANCE),
            ("one test unit", &[3.0], &[1.0, 3.0], Ok(0.5), Undefined::TOO_FEW_UNITS),
            ("no test unit", &[], &[1.0, 2.0], Err(Undefined::NO_UNITS), Undefined::NO_UNITS),
            ("control mean near zero", &[1.0, 2.0], &[-1.0, 2.0], Ok(2.0), Undefined::UNBOUNDED),
        ];
        for (what, test, control, delta, undefined) in rows {
            let moments = |values: &[f64]| Moments::from_iter(values.iter().copied()).estimate();
            let (_, found) = compare(&moments(test), &moments(control), Method::Fieller);
            assert_eq!((found.delta, found.ci), (delta, Err(undefined)), "{what}");
        }
    }

    #[test]
    fn a_negative_control_mean_keeps_the_ends_in_order() {
        let estimate = |mean: f64| Estimate { n: 1000, mean: Ok(mean), variance: Ok(0.01) };
        for method in Method::ALL {
            let (_, found) = compare(&estimate(-3.0), &estimate(-2.0), method);
            let ci = found.ci.unwrap();
            assert!(ci.low.unwrap() < 0.5 && 0.5 < ci.high.unwrap(), "{method:?} {ci:?}");
        }
    }

    #[test]
    fn a_one_sided_interval_opens_to_the_side_that_the_lift_goes() {
        let estimate = |mean: f64| Estimate { n: 1000, mean: Ok(mean), variance: Ok(0.01) };
        for method in Method::ALL {
            // Both are rises of the mean by 1, which the test for greater finds.
            for (test, control, inside, outside) in [(3.0, 2.0, 1e9, 0.0), (-1.0, -2.0, -1e9, 0.0)] {
                let (absolute, found) = one_sided(&estimate(test), &estimate(control), method, Alternative::Greater);
                assert!(absolute.inference.unwrap().p < 1e-6);
                let ci = found.ci.unwrap();
                assert!(ci.contains(inside) && !ci.contains(outside), "{method:?} {ci:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn fieller_leaves_out_zero_exactly_when_the_absolute_test_rejects(
            control_mean in prop_oneof![-50.0f64..-0.01, 0.01f64..50.0],
            shift in -4.0f64..4.0,
            test_error in 0.001f64..2.0,
            control_error in 0.001f64..2.0,
            test_n in 3u64..5000,
            control_n in 3u64..5000,
            alternative in
                prop_oneof![Just(Alternative::TwoSided), Just(Alternative::Greater), Just(Alternative::Less)],
        ) {
            let estimate = |n, mean, error: f64| Estimate { n, mean: Ok(mean), variance: Ok(error * error) };
            let test = estimate(test_n, control_mean + shift * test_error, test_error);
            let control = estimate(control_n, control_mean, control_error);
            let (absolute, found) = one_sided(&test, &control, Method::Fieller, alternative);
            let inference = absolute.inference.unwrap();
            // Within rounding of the border either answer is right.
            prop_assume!((inference.statistic.abs() - inference.critical).abs() > 1e-9);
            match found.ci {
                Ok(ci) => prop_assert_eq!(!ci.contains(0.0), !inference.ci.contains(0.0)),
                Err(undefined) => prop_assert_eq!(undefined, Undefined::UNBOUNDED),
            }
            prop_assert_eq!(inference.p < Level::DEFAULT.alpha(), !inference.ci.contains(0.0));
        }
    }
}
