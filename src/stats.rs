//! Arithmetic of inference: moments of a group, differences of means, relative lift, ratios, adjustment by what was before,
//! looking early, many tests, power, impact, sample ratio. Pure: no I/O, no event and no report. A number that the data do
//! not define is an `Undefined` with its reason, never NaN and never zero.
//!
//! The seam is `Estimate`: a group's mean with the variance of that mean. Whatever produces one (unit totals, a ratio, an
//! adjusted mean) is compared by the same `difference` and `relative`.

mod balance;
mod bayes;
mod comoments;
mod compensated;
mod cuped;
mod difference;
mod impact;
mod moments;
mod multiplicity;
mod power;
mod quantile;
mod ratio;
mod relative;
mod sequential;
mod winsor;

pub use balance::{ALERT_P, Balance, Balanced, MIN_ALERT_DEVIATION, WARNING_P, balance, same_shares};
pub use bayes::{Posterior, Prior, posterior};
pub use comoments::CoMoments;
pub use cuped::{Adjusted, CUPED_MIN_PRE_SHARE, CUPED_MIN_UNITS, cuped, cuped_ratio, eligibility};
pub use difference::{Difference, Inference, STUDENT_BELOW_DOF, Test, TestRule, difference, difference_by};
pub use impact::{Impact, Scope, impact, launch_factor, ratio_impact};
pub use moments::Moments;
pub use multiplicity::{Alphas, Bonferroni, Discoveries, Scorecard, benjamini_hochberg, bonferroni};
pub use power::{Plan, Power, detectable, relative_effect};
pub use quantile::{Quantile, Ranked};
pub use ratio::ratio;
pub use relative::{Method, Relative, relative, relative_at, relative_variance};
pub use sequential::{Sequential, sequential};
pub use winsor::{DEFAULT_WINSOR_PERCENTILE, threshold};

/// Why a number does not exist. The reason is a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undefined {
    pub reason: &'static str,
}

impl Undefined {
    /// The group has no unit.
    pub const NO_UNITS: Undefined = Undefined { reason: "no_units" };
    /// A variance needs two units.
    pub const TOO_FEW_UNITS: Undefined = Undefined { reason: "too_few_units" };
    /// All units of both groups have the same value, so there is nothing to test against.
    pub const ZERO_VARIANCE: Undefined = Undefined { reason: "zero_variance" };
    /// A change relative to zero does not exist.
    pub const CONTROL_MEAN_ZERO: Undefined = Undefined { reason: "control_mean_zero" };
    /// A ratio whose denominators sum to 0 does not exist.
    pub const ZERO_DENOMINATOR: Undefined = Undefined { reason: "zero_denominator" };
    /// The control mean is not significantly away from zero, so Fieller's interval has no end.
    pub const UNBOUNDED: Undefined = Undefined { reason: "unbounded" };
    /// The values are so large that their squares leave the range of a double.
    pub const OVERFLOW: Undefined = Undefined { reason: "overflow" };
}

/// A number, or why there is none.
pub type Defined = Result<f64, Undefined>;

/// Keeps infinities and NaN out of results.
fn finite(number: f64) -> Defined {
    if number.is_finite() { Ok(number) } else { Err(Undefined::OVERFLOW) }
}

/// A confidence level, above 0.5 and below 1, with its error rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    level: f64,
    alpha: f64,
}

impl Level {
    pub const DEFAULT: Level = Level { level: 0.95, alpha: 0.05 };

    /// `None` unless the number is above 0.5 and below 1.
    pub fn new(level: f64) -> Option<Level> {
        (level > 0.5 && level < 1.0).then_some(Level { level, alpha: 1.0 - level })
    }

    /// The level of an error rate, above 0 and below 0.5; what a correction for many tests leaves of one.
    pub fn of_alpha(alpha: f64) -> Option<Level> {
        (alpha > 0.0 && alpha < 0.5).then_some(Level { level: 1.0 - alpha, alpha })
    }

    pub fn get(self) -> f64 {
        self.level
    }

    /// The error rate, of both sides together where there are two.
    pub fn alpha(self) -> f64 {
        self.alpha
    }
}

/// What is tested for: any change, or one to one side only. The interval of a one-sided test is open on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// Any change.
    #[default]
    TwoSided,
    /// Test is greater than control.
    Greater,
    /// Test is less than control.
    Less,
}

impl Alternative {
    pub fn as_str(self) -> &'static str {
        match self {
            Alternative::TwoSided => "two_sided",
            Alternative::Greater => "greater",
            Alternative::Less => "less",
        }
    }

    /// What it is after all numbers change their sign.
    fn mirrored(self) -> Alternative {
        match self {
            Alternative::TwoSided => Alternative::TwoSided,
            Alternative::Greater => Alternative::Less,
            Alternative::Less => Alternative::Greater,
        }
    }

    /// The share of the error rate that lies beyond one end.
    fn tail(self, alpha: f64) -> f64 {
        match self {
            Alternative::TwoSided => alpha / 2.0,
            Alternative::Greater | Alternative::Less => alpha,
        }
    }

    /// Probability of a statistic at least this extreme, of a symmetric distribution with this survival function. From the
    /// survival function, so that tiny values keep their digits.
    fn p(self, statistic: f64, survival: impl Fn(f64) -> f64) -> f64 {
        match self {
            Alternative::TwoSided => (2.0 * survival(statistic.abs())).min(1.0),
            Alternative::Greater => survival(statistic),
            Alternative::Less => survival(-statistic),
        }
    }
}

/// The ends of a confidence interval, `low <= high`. An end that is missing is open: the interval has none on that side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Interval {
    /// The interval around `middle`, open where the alternative lies.
    fn around(middle: f64, half: f64, alternative: Alternative) -> Result<Interval, Undefined> {
        let (low, high) = (finite(middle - half)?, finite(middle + half)?);
        Ok(match alternative {
            Alternative::TwoSided => Interval { low: Some(low), high: Some(high) },
            Alternative::Greater => Interval { low: Some(low), high: None },
            Alternative::Less => Interval { low: None, high: Some(high) },
        })
    }

    pub fn contains(&self, number: f64) -> bool {
        self.low.is_none_or(|low| low <= number) && self.high.is_none_or(|high| number <= high)
    }
}

/// A group's mean with the variance of that mean: all that a comparison needs of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Units behind the mean.
    pub n: u64,
    pub mean: Defined,
    /// Variance of the mean itself, s²/n; not of the units.
    pub variance: Defined,
}

#[cfg(test)]
mod calibration;
#[cfg(test)]
mod draw;
#[cfg(test)]
mod reference;
