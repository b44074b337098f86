//! Arithmetic of inference: moments of a group, differences of means, relative lift, sample ratio. Pure: no I/O, no event
//! and no report. A number that the data do not define is an `Undefined` with its reason, never NaN and never zero.
//!
//! The seam is `Estimate`: a group's mean with the variance of that mean. Whatever produces one (unit totals, a ratio, an
//! adjusted mean) is compared by the same `difference` and `relative`.

mod balance;
mod comoments;
mod compensated;
mod difference;
mod moments;
mod relative;

pub use balance::{ALERT_P, Balance, Balanced, MIN_ALERT_DEVIATION, WARNING_P, balance};
pub use comoments::CoMoments;
pub use difference::{Difference, Inference, STUDENT_BELOW_DOF, Test, difference};
pub use moments::Moments;
pub use relative::{Method, Relative, relative};

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

/// A confidence level, above 0.5 and below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(f64);

impl Level {
    pub const DEFAULT: Level = Level(0.95);

    /// `None` unless the number is above 0.5 and below 1.
    pub fn new(level: f64) -> Option<Level> {
        (level > 0.5 && level < 1.0).then_some(Level(level))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    /// The two-sided error rate.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }
}

/// The ends of a confidence interval, `low <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// The interval around `middle`.
    fn around(middle: f64, half: f64) -> Result<Interval, Undefined> {
        Ok(Interval { low: finite(middle - half)?, high: finite(middle + half)? })
    }

    pub fn contains(&self, number: f64) -> bool {
        self.low <= number && number <= self.high
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
mod draw;
#[cfg(test)]
mod reference;
