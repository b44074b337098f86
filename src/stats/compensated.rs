//! A sum that keeps about 32 digits, so that the order of adding does not show in a double. Not a general number type.
//!
//! The unevaluated sum of two doubles, after T. J. Dekker, "A floating-point technique for extending the available
//! precision" (1971).

use std::ops::{Add, Div, Mul, Neg, Sub};

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
        // Two numbers of 24 bits have a product of 48. Counts and small amounts are such, and a fused multiplication is a
        // call into the C library on machines that may lack it.
        if f64::from(a as f32) == a && f64::from(b as f32) == b {
            return Compensated { high, low: 0.0 };
        }
        Compensated { high, low: a.mul_add(b, -high) }
    }

    /// Adds a double, at half the work of adding a sum.
    pub fn plus(self, number: f64) -> Compensated {
        let sum = Self::two_sum(self.high, number);
        Self::quick_sum(sum.high, sum.low + self.low)
    }

    pub fn times(self, factor: f64) -> Compensated {
        let product = Self::product(self.high, factor);
        Self::quick_sum(product.high, self.low.mul_add(factor, product.low))
    }

    pub fn divided_by(self, divisor: f64) -> Compensated {
        self / Compensated::from(divisor)
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

impl Neg for Compensated {
    type Output = Compensated;

    fn neg(self) -> Compensated {
        Compensated { high: -self.high, low: -self.low }
    }
}

impl Sub for Compensated {
    type Output = Compensated;

    fn sub(self, other: Compensated) -> Compensated {
        self + -other
    }
}

impl Mul for Compensated {
    type Output = Compensated;

    fn mul(self, other: Compensated) -> Compensated {
        let product = Self::product(self.high, other.high);
        let cross = self.high * other.low + self.low * other.high;
        Self::quick_sum(product.high, product.low + cross)
    }
}

impl Div for Compensated {
    type Output = Compensated;

    fn div(self, divisor: Compensated) -> Compensated {
        let first = self.high / divisor.high;
        let rest = self - divisor.times(first);
        let second = rest.high / divisor.high;
        let rest = rest - divisor.times(second);
        let quotient = Self::quick_sum(first, second);
        Self::quick_sum(quotient.high, quotient.low + rest.high / divisor.high)
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
    fn a_double_is_added_as_a_sum_is() {
        let mut sum = Compensated::default();
        let numbers = [1e16, 0.1, -1e16, 3e-17, 1e300, -1e300, 0.7];
        for number in numbers {
            assert_eq!(sum.plus(number), sum + Compensated::from(number));
            sum = sum.plus(number);
        }
        assert!((sum.value() - 0.8).abs() < 1e-15);
    }

    #[test]
    fn products_squares_and_quotients_keep_what_a_double_drops() {
        let tenth = Compensated::from(1.0).divided_by(10.0);
        assert!((tenth.times(10.0) - Compensated::from(1.0)).value().abs() < 1e-31);
        let number = Compensated::from(1e9 + 1e-3);
        let square = number * number;
        assert_eq!(square.value(), (1e9 + 1e-3) * (1e9 + 1e-3));
        assert_ne!((square - Compensated::from(square.value())).value(), 0.0);
        let third = Compensated::from(1.0) / Compensated::from(3.0);
        let root = third * Compensated::from(7.0);
        assert!((root / third - Compensated::from(7.0)).value().abs() < 1e-30);
    }
}
