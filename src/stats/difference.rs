//! The difference of two means and its test: z, or Welch's t where there are few degrees of freedom. Formulas and the choice
//! between them follow Statsig's documentation of p-values and confidence intervals.

use super::{Alternative, Defined, Estimate, Interval, Level, Undefined, finite};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Below this many Welch degrees of freedom Student's t replaces the normal distribution.
pub const STUDENT_BELOW_DOF: f64 = 100.0;

/// Which distribution the p-value and the interval are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The normal distribution: from 100 degrees of freedom on.
    Z,
    /// Student's t with Welch's degrees of freedom: below 100 of them.
    WelchT,
}

impl Test {
    pub fn as_str(self) -> &'static str {
        match self {
            Test::Z => "z",
            Test::WelchT => "welch_t",
        }
    }

    /// Probability of a statistic that lies further out, on one side.
    pub(super) fn survival(self, statistic: f64, dof: f64) -> f64 {
        match self {
            Test::Z => Normal::standard().sf(statistic),
            Test::WelchT => student(dof).sf(statistic),
        }
    }

    /// The statistic that is exceeded with the probability of one tail.
    pub(super) fn critical(self, tail: f64, dof: f64) -> f64 {
        match self {
            Test::Z => normal_critical(tail),
            Test::WelchT => -student(dof).inverse_cdf(tail),
        }
    }
}

/// The standard normal number that is exceeded with this probability.
pub(super) fn normal_critical(tail: f64) -> f64 {
    -Normal::standard().inverse_cdf(tail)
}

/// Probability that a standard normal number is greater.
pub(super) fn normal_survival(number: f64) -> f64 {
    Normal::standard().sf(number)
}

/// Which test is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestRule {
    /// Welch's t below `STUDENT_BELOW_DOF` degrees of freedom, z from there: Statsig's rule.
    #[default]
    ByDof,
    Z,
    WelchT,
}

impl TestRule {
    fn test(self, dof: f64) -> Test {
        match self {
            TestRule::ByDof if dof < STUDENT_BELOW_DOF => Test::WelchT,
            TestRule::ByDof | TestRule::Z => Test::Z,
            TestRule::WelchT => Test::WelchT,
        }
    }
}

fn student(dof: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, dof).expect("Welch's degrees of freedom are positive: both groups have two units")
}

/// The test of a difference: all of it exists or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inference {
    pub test: Test,
    /// Welch's degrees of freedom, also where the z test is used.
    pub dof: f64,
    /// delta / standard error.
    pub statistic: f64,
    /// The statistic that the interval reaches to.
    pub critical: f64,
    /// Of the alternative that was asked for.
    pub p: f64,
    pub ci: Interval,
}

/// Test mean minus control mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    pub delta: Defined,
    pub standard_error: Defined,
    pub inference: Result<Inference, Undefined>,
    pub alternative: Alternative,
}

/// Compares two means, by Statsig's choice of the test.
pub fn difference(test: &Estimate, control: &Estimate, level: Level, alternative: Alternative) -> Difference {
    difference_by(TestRule::default(), test, control, level, alternative)
}

/// Compares two means by a test of one's own choice.
pub fn difference_by(
    rule: TestRule,
    test: &Estimate,
    control: &Estimate,
    level: Level,
    alternative: Alternative,
) -> Difference {
    let both = |a: Defined, b: Defined, of: fn(f64, f64) -> f64| finite(of(a?, b?));
    let delta = both(test.mean, control.mean, |t, c| t - c);
    let standard_error = delta.and_then(|_| both(test.variance, control.variance, |t, c| (t + c).sqrt()));
    let infer = || {
        let (delta, standard_error) = (delta?, standard_error?);
        if standard_error == 0.0 {
            return Err(Undefined::ZERO_VARIANCE);
        }
        let dof = welch_dof(test, control)?;
        let test = rule.test(dof);
        let statistic = finite(delta / standard_error)?;
        let critical = test.critical(alternative.tail(level.alpha()), dof);
        Ok(Inference {
            test,
            dof,
            statistic,
            critical,
            p: alternative.p(statistic, |statistic| test.survival(statistic, dof)),
            ci: Interval::around(delta, critical * standard_error, alternative)?,
        })
    };
    Difference { delta, standard_error, inference: infer(), alternative }
}

/// V² / (Vt²/(nt-1) + Vc²/(nc-1)), written with shares of V so that tiny variances do not underflow.
fn welch_dof(test: &Estimate, control: &Estimate) -> Defined {
    let (test_variance, control_variance) = (test.variance?, control.variance?);
    let whole = test_variance + control_variance;
    let part = |variance: f64, n: u64| (variance / whole).powi(2) / (n - 1) as f64;
    finite(1.0 / (part(test_variance, test.n) + part(control_variance, control.n)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Moments;

    fn compare(test: &[f64], control: &[f64]) -> Difference {
        let moments = |values: &[f64]| Moments::from_iter(values.iter().copied()).estimate();
        difference(&moments(test), &moments(control), Level::DEFAULT, Alternative::TwoSided)
    }

    #[test]
    fn degenerate_groups_give_what_exists_and_name_what_does_not() {
        type Row<'a> = (&'a str, &'a [f64], &'a [f64], Defined, Defined, Option<Undefined>);
        let rows: [Row; 7] = [
            ("zero variance in both", &[3.0, 3.0], &[1.0, 1.0], Ok(2.0), Ok(0.0), Some(Undefined::ZERO_VARIANCE)),
            ("zero variance in one", &[3.0, 3.0], &[1.0, 2.0], Ok(1.5), Ok(0.5), None),
            ("control mean zero", &[1.0, 2.0], &[0.0, 0.0], Ok(1.5), Ok(0.5), None),
            (
                "one test unit",
                &[1.0],
                &[1.0, 2.0],
                Ok(-0.5),
                Err(Undefined::TOO_FEW_UNITS),
                Some(Undefined::TOO_FEW_UNITS),
            ),
            (
                "one control unit",
                &[1.0, 2.0],
                &[1.0],
                Ok(0.5),
                Err(Undefined::TOO_FEW_UNITS),
                Some(Undefined::TOO_FEW_UNITS),
            ),
            (
                "no control unit",
                &[1.0, 2.0],
                &[],
                Err(Undefined::NO_UNITS),
                Err(Undefined::NO_UNITS),
                Some(Undefined::NO_UNITS),
            ),
            ("no unit at all", &[], &[], Err(Undefined::NO_UNITS), Err(Undefined::NO_UNITS), Some(Undefined::NO_UNITS)),
        ];
        for (what, test, control, delta, standard_error, undefined) in rows {
            let found = compare(test, control);
            assert_eq!((found.delta, found.standard_error), (delta, standard_error), "{what}");
            assert_eq!(found.inference.err(), undefined, "{what}");
        }
    }

    #[test]
    fn student_is_used_below_a_hundred_degrees_of_freedom_and_not_at_it() {
        for (n, test) in [(50, Test::WelchT), (52, Test::Z)] {
            let group = |shift: f64| -> Vec<f64> { (0..n).map(|i| shift + (i % 2) as f64).collect() };
            let inference = compare(&group(0.1), &group(0.0)).inference.unwrap();
            // Equal groups have 2(n-1) degrees of freedom: 98 and 102.
            assert!((inference.dof - 2.0 * (n - 1) as f64).abs() < 1e-9);
            assert_eq!(inference.test, test);
        }
        let by_dof = TestRule::default();
        assert_eq!((by_dof.test(99.999), by_dof.test(100.0)), (Test::WelchT, Test::Z));
        assert_eq!((TestRule::Z.test(1.0), TestRule::WelchT.test(1e6)), (Test::Z, Test::WelchT));
    }

    #[test]
    fn the_two_sides_share_the_probability_and_each_has_one_end() {
        let (test, control) = ([1.0, 2.0, 4.0, 3.5], [1.0, 0.5, 2.0, 1.0, 1.5]);
        let estimate = |values: &[f64]| Moments::from_iter(values.iter().copied()).estimate();
        let at = |level: f64, alternative| {
            let level = Level::new(level).unwrap();
            difference(&estimate(&test), &estimate(&control), level, alternative).inference.unwrap()
        };
        let [both, greater, less] =
            [Alternative::TwoSided, Alternative::Greater, Alternative::Less].map(|alternative| at(0.95, alternative));
        assert!((greater.p + less.p - 1.0).abs() < 1e-12 && greater.p < 0.5);
        assert!((both.p - 2.0 * greater.p).abs() < 1e-12);
        assert_eq!((greater.ci.high, less.ci.low), (None, None));
        // One side at 95 % ends where both sides at 90 % do.
        let wide = at(0.9, Alternative::TwoSided).ci;
        assert!((greater.ci.low.unwrap() - wide.low.unwrap()).abs() < 1e-9);
        assert!((less.ci.high.unwrap() - wide.high.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn tiny_variances_do_not_underflow() {
        let tiny = |mean: f64| Estimate { n: 1000, mean: Ok(mean), variance: Ok(1e-300) };
        let inference = difference(&tiny(1e-150), &tiny(0.0), Level::DEFAULT, Alternative::TwoSided).inference.unwrap();
        assert!((inference.dof - 1998.0).abs() < 1e-6 && inference.p > 0.0 && inference.p < 1.0);
    }
}
