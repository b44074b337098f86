//! A sum that keeps about 32 digits, so that the order of adding does not show in a double. Not a general number type.
//!
//! The unevaluated sum of two doubles, after T. J. Dekker, "A floating-point technique for extending the available
//! precision" (1971).

use std::ops::{Add, Sub};

/// `high + low`, with `low` below half a unit in the last place of `high`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Compensated {
    high: f64,
    low: f64,
}

impl Compensated {
    fn two_sum(a: f64, b: f64) -> Compensated {
        let high = a + b;
        let part = high - a;
        Compensated { high, low: (a - (high - part)) + (b - part) }
    }

    /// `a + b` where |a| >= |b|.
    fn quick_sum(a: f64, b: f64) -> Compensated {
        let high = a + b;
        Compensated { high, low: b - (high - a) }
    }

    /// The exact product of two doubles.
    pub fn product(a: f64, b: f64) -> Compensated {
        let high = a * b;
        Compensated { high, low: a.mul_add(b, -high) }
    }

    pub fn times(self, factor: f64) -> Compensated {
        let product = Self::product(self.high, factor);
        Self::quick_sum(product.high, self.low.mul_add(factor, product.low))
    }

    pub fn square(self) -> Compensated {
        let product = Self::product(self.high, self.high);
        Self::quick_sum(product.high, (2.0 * self.high).mul_add(self.low, product.low))
    }

    pub fn divided_by(self, divisor: f64) -> Compensated {
        let first = self.high / divisor;
        let rest = self - Self::product(first, divisor);
        Self::quick_sum(first, rest.high / divisor)
    }

    /// The nearest double; not finite if the sum left the range of doubles.
    pub fn value(self) -> f64 {
        self.high
    }
}

impl From<f64> for Compensated {
    fn from(number: f64) -> Compensated {
        Compensated { high: number, low: 0.0 }
    }
}

impl Add for Compensated {
    type Output = Compensated;

    fn add(self, other: Compensated) -> Compensated {
        let high = Self::two_sum(self.high, other.high);
        let low = Self::two_sum(self.low, other.low);
        let sum = Self::quick_sum(high.high, high.low + low.high);
        Self::quick_sum(sum.high, sum.low + low.low)
    }
}

impl Sub for Compensated {
    type Output = Compensated;

    fn sub(self, other: Compensated) -> Compensated {
        self + Compensated { high: -other.high, low: -other.low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_terms_survive_beside_large_ones() {
        let mut sum = Compensated::from(1e16);
        for _ in 0..1000 {
            sum = sum + Compensated::from(0.001);
        }
        assert!(((sum - Compensated::from(1e16)).value() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn products_squares_and_quotients_keep_what_a_double_drops() {
        let tenth = Compensated::from(1.0).divided_by(10.0);
        assert!((tenth.times(10.0) - Compensated::from(1.0)).value().abs() < 1e-31);
        let square = Compensated::from(1e9 + 1e-3).square();
        assert_eq!(square.value(), (1e9 + 1e-3) * (1e9 + 1e-3));
        assert_ne!((square - Compensated::from(square.value())).value(), 0.0);
    }
}
