//! The difference of two means and its test: z, or Welch's t where there are few degrees of freedom. Formulas and the choice
//! between them follow Statsig's documentation of p-values and confidence intervals.

use super::{Defined, Estimate, Interval, Level, Undefined, finite};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Below this many Welch degrees of freedom Student's t replaces the normal distribution.
pub const STUDENT_BELOW_DOF: f64 = 100.0;

/// Which distribution the p-value and the interval are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    Z,
    WelchT,
}

impl Test {
    pub fn as_str(self) -> &'static str {
        match self {
            Test::Z => "z",
            Test::WelchT => "welch_t",
        }
    }

    /// The distribution for this many Welch degrees of freedom.
    fn for_dof(dof: f64) -> Test {
        if dof < STUDENT_BELOW_DOF { Test::WelchT } else { Test::Z }
    }

    /// Probability of a statistic at least this far from zero, on both sides. From the survival function, so that tiny
    /// values keep their digits.
    fn two_sided_p(self, statistic: f64, dof: f64) -> f64 {
        let distance = statistic.abs();
        (2.0 * match self {
            Test::Z => Normal::standard().sf(distance),
            Test::WelchT => student(dof).sf(distance),
        })
        .min(1.0)
    }

    /// The statistic that is exceeded, on both sides together, with probability alpha.
    fn critical(self, level: Level, dof: f64) -> f64 {
        let tail = level.alpha() / 2.0;
        match self {
            Test::Z => -Normal::standard().inverse_cdf(tail),
            Test::WelchT => -student(dof).inverse_cdf(tail),
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
    /// Two-sided.
    pub p: f64,
    pub ci: Interval,
}

/// Test mean minus control mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    pub delta: Defined,
    pub standard_error: Defined,
    pub inference: Result<Inference, Undefined>,
}

/// Compares two means.
pub fn difference(test: &Estimate, control: &Estimate, level: Level) -> Difference {
    let both = |a: Defined, b: Defined, of: fn(f64, f64) -> f64| finite(of(a?, b?));
    let delta = both(test.mean, control.mean, |t, c| t - c);
    let standard_error = delta.and_then(|_| both(test.variance, control.variance, |t, c| (t + c).sqrt()));
    Difference { delta, standard_error, inference: infer(delta, standard_error, test, control, level) }
}

fn infer(
    delta: Defined,
    standard_error: Defined,
    test: &Estimate,
    control: &Estimate,
    level: Level,
) -> Result<Inference, Undefined> {
    let (delta, standard_error) = (delta?, standard_error?);
    if standard_error == 0.0 {
        return Err(Undefined::ZERO_VARIANCE);
    }
    let dof = welch_dof(test, control)?;
    let kind = Test::for_dof(dof);
    let statistic = finite(delta / standard_error)?;
    let critical = kind.critical(level, dof);
    Ok(Inference {
        test: kind,
        dof,
        statistic,
        critical,
        p: kind.two_sided_p(statistic, dof),
        ci: Interval::around(delta, critical * standard_error)?,
    })
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
        difference(&moments(test), &moments(control), Level::DEFAULT)
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
        assert_eq!((Test::for_dof(99.999), Test::for_dof(100.0)), (Test::WelchT, Test::Z));
    }

    #[test]
    fn tiny_variances_do_not_underflow() {
        let tiny = |mean: f64| Estimate { n: 1000, mean: Ok(mean), variance: Ok(1e-300) };
        let inference = difference(&tiny(1e-150), &tiny(0.0), Level::DEFAULT).inference.unwrap();
        assert!((inference.dof - 1998.0).abs() < 1e-6 && inference.p > 0.0 && inference.p < 1.0);
    }
}
