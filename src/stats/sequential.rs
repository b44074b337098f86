//! Intervals and p-values that stay valid however often one looks: Statsig's mixture sequential probability ratio test.
//! Does not know when an experiment is planned to end; from then on the ordinary test holds.
//!
//! After Statsig's page on frequentist sequential testing, which follows Zhao, Chen, Grinberg, Li, Lu, Kohlmeier, Zhang,
//! Zhu, Chen, "Safely and Quickly Deploying New Features with a Staged Rollout Framework Using Sequential Test and Adaptive
//! Experimental Design" (arXiv 1905.10493).

use super::difference::normal_critical;
use super::{Alternative, Difference, Estimate, Interval, Level, Undefined, finite};

/// The sequential counterpart of `Inference`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sequential {
    /// Standard errors that the interval reaches to. Hand it to `relative_at` for the interval of the lift: Statsig has
    /// published no other formula for that, and with it Fieller's interval leaves out 0 exactly when this test rejects.
    pub critical: f64,
    /// How many times wider than the interval of the ordinary test; above 1.
    pub inflation: f64,
    /// Below the error rate exactly if `ci` leaves out 0.
    pub p: f64,
    pub ci: Interval,
}

/// The sequential test of a difference between the means of `test` and `control`, plain, ratio or adjusted: V is its
/// variance, and the spread of the assumed effects is τ = z²·(s²t + s²c)/(nt + nc), with s² = n times a mean's variance.
/// For one side, with the whole error rate there. Undefined where the ordinary test is.
///
/// The formula gives how many times further than z to reach. Where the ordinary test is Welch's t, with few units, as many
/// times further than its own critical value: with z there, which the page does not leave, the first looks find too much.
pub fn sequential(
    absolute: &Difference,
    test: &Estimate,
    control: &Estimate,
    level: Level,
    alternative: Alternative,
) -> Result<Sequential, Undefined> {
    let (delta, standard_error, ordinary) = (absolute.delta?, absolute.standard_error?, absolute.inference?);
    let tail = alternative.tail(level.alpha());
    let z = normal_critical(tail);
    let (test_variance, control_variance) = (test.variance?, control.variance?);
    // In parts of V, which then cancels; so tiny variances do not underflow.
    let whole = test_variance + control_variance;
    let spread = (test_variance / whole) * test.n as f64 + (control_variance / whole) * control.n as f64;
    let tau = z * z * spread / (test.n + control.n) as f64;
    // Z*² = (V+τ)/τ · (-2 ln tail - ln(V/(V+τ))), for V = 1.
    let inflation = finite(((1.0 + tau) / tau * (tau.ln_1p() - 2.0 * tail.ln())).sqrt() / z)?;
    let critical = finite(inflation * ordinary.test.critical(tail, ordinary.dof))?;
    Ok(Sequential {
        critical,
        inflation,
        p: alternative.p(ordinary.statistic / inflation, |far| ordinary.test.survival(far, ordinary.dof)),
        ci: Interval::around(delta, critical * standard_error, alternative)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Method, difference, relative_at};
    use proptest::prelude::*;

    fn of(test: &Estimate, control: &Estimate, alternative: Alternative) -> Result<Sequential, Undefined> {
        let absolute = difference(test, control, Level::DEFAULT, alternative);
        sequential(&absolute, test, control, Level::DEFAULT, alternative)
    }

    #[test]
    fn equal_groups_reach_to_the_same_number_of_standard_errors_whatever_their_size() {
        for (n, variance) in [(100, 1.0), (1_000_000, 1e-300), (50_000, 1e250)] {
            let arm = Estimate { n, mean: Ok(0.0), variance: Ok(variance) };
            let found = of(&arm, &arm, Alternative::TwoSided).unwrap();
            assert!((found.critical - 3.5845).abs() < 1e-4 && (found.inflation - 1.8289).abs() < 1e-4, "{found:?}");
            assert_eq!(found.p, 1.0);
        }
    }

    #[test]
    fn few_units_reach_as_many_times_further_as_many_units_do() {
        let arm = Estimate { n: 3, mean: Ok(0.0), variance: Ok(1.0) };
        let test = Estimate { mean: Ok(20.0), ..arm };
        for alternative in [Alternative::TwoSided, Alternative::Greater, Alternative::Less] {
            let ordinary = difference(&test, &arm, Level::DEFAULT, alternative).inference.unwrap();
            let found = of(&test, &arm, alternative).unwrap();
            assert_eq!(found.critical, found.inflation * ordinary.critical);
            assert!(found.p > ordinary.p || alternative == Alternative::Less, "{found:?} {ordinary:?}");
        }
    }

    #[test]
    fn degenerate_groups_name_what_is_missing() {
        let arm = Estimate { n: 5, mean: Ok(1.0), variance: Ok(0.5) };
        let level = Estimate { variance: Ok(0.0), ..arm };
        let one = Estimate { n: 1, variance: Err(Undefined::TOO_FEW_UNITS), ..arm };
        let none = Estimate { n: 0, mean: Err(Undefined::NO_UNITS), variance: Err(Undefined::NO_UNITS) };
        for (test, control, expected) in [
            (level, level, Some(Undefined::ZERO_VARIANCE)),
            (one, arm, Some(Undefined::TOO_FEW_UNITS)),
            (arm, one, Some(Undefined::TOO_FEW_UNITS)),
            (arm, none, Some(Undefined::NO_UNITS)),
            (arm, level, None),
        ] {
            assert_eq!(of(&test, &control, Alternative::TwoSided).err(), expected, "{test:?} {control:?}");
        }
    }

    proptest! {
        #[test]
        fn p_and_both_intervals_agree_on_zero(
            control_mean in prop_oneof![-50.0f64..-0.01, 0.01f64..50.0],
            shift in -8.0f64..8.0,
            errors in (0.001f64..2.0, 0.001f64..2.0),
            n in (2u64..5000, 2u64..5000),
            alternative in
                prop_oneof![Just(Alternative::TwoSided), Just(Alternative::Greater), Just(Alternative::Less)],
        ) {
            let estimate = |n, mean, error: f64| Estimate { n, mean: Ok(mean), variance: Ok(error * error) };
            let test = estimate(n.0, control_mean + shift * errors.0, errors.0);
            let control = estimate(n.1, control_mean, errors.1);
            let absolute = difference(&test, &control, Level::DEFAULT, alternative);
            let found = sequential(&absolute, &test, &control, Level::DEFAULT, alternative).unwrap();
            let statistic = absolute.delta.unwrap() / absolute.standard_error.unwrap();
            prop_assume!((statistic.abs() - found.critical).abs() > 1e-9);
            prop_assert!(found.inflation > 1.0);
            prop_assert_eq!(found.p < Level::DEFAULT.alpha(), !found.ci.contains(0.0));
            let lift = relative_at(&test, &control, &absolute, found.critical, Method::Fieller);
            match lift.ci {
                Ok(ci) => prop_assert_eq!(ci.contains(0.0), found.ci.contains(0.0)),
                Err(undefined) => prop_assert_eq!(undefined, Undefined::UNBOUNDED),
            }
        }
    }
}
