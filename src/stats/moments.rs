//! Moments of a group's unit values: how many, how much, how spread. Merging is exact enough that the order in which
//! values and parts arrive shows below 1e-12 at most. Knows nothing of groups or metrics.

use super::compensated::Compensated;
use super::{Defined, Estimate, Undefined, finite};

/// n, the sum and the sum of squares, both with about 32 digits, and the extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    n: u64,
    sum: Compensated,
    squares: Compensated,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments {
            n: 0,
            sum: Compensated::default(),
            squares: Compensated::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    /// Adds one unit's value.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        self.sum = self.sum + Compensated::from(value);
        self.squares = self.squares + Compensated::product(value, value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds `times` units that have the same value; what zeros are added by.
    pub fn push_times(&mut self, value: f64, times: u64) {
        if times == 0 {
            return;
        }
        self.n += times;
        self.sum = self.sum + Compensated::product(value, times as f64);
        self.squares = self.squares + Compensated::product(value, value).times(times as f64);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all units of another part of the same group.
    pub fn merge(&mut self, other: &Moments) {
        self.n += other.n;
        self.sum = self.sum + other.sum;
        self.squares = self.squares + other.squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// The total over all units; 0 without any.
    pub fn sum(&self) -> Defined {
        finite(self.sum.value())
    }

    pub fn mean(&self) -> Defined {
        if self.n == 0 {
            return Err(Undefined::NO_UNITS);
        }
        finite(self.sum.divided_by(self.n as f64).value())
    }

    /// Sample variance of the units, with n - 1. Exactly 0 if and only if all values are equal.
    pub fn variance(&self) -> Defined {
        match self.n {
            0 => Err(Undefined::NO_UNITS),
            1 => Err(Undefined::TOO_FEW_UNITS),
            _ if self.min == self.max => Ok(0.0),
            n => {
                let scatter = (self.squares - self.sum.square().divided_by(n as f64)).value();
                // Two values that far apart scatter at least this much, whatever cancellation left of the difference.
                let range = self.max - self.min;
                finite(finite(scatter)?.max(range * range / 2.0) / (n - 1) as f64)
            }
        }
    }

    /// Variance of the mean: s²/n.
    pub fn variance_of_mean(&self) -> Defined {
        Ok(self.variance()? / self.n as f64)
    }

    /// What a comparison needs of this group.
    pub fn estimate(&self) -> Estimate {
        Estimate { n: self.n, mean: self.mean(), variance: self.variance_of_mean() }
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Moments {
        let mut moments = Moments::default();
        for value in values {
            moments.push(value);
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs())
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = Moments::default();
        assert_eq!(
            (none.sum(), none.mean(), none.variance()),
            (Ok(0.0), Err(Undefined::NO_UNITS), Err(Undefined::NO_UNITS))
        );
        let one = Moments::from_iter([3.0]);
        assert_eq!((one.mean(), one.variance()), (Ok(3.0), Err(Undefined::TOO_FEW_UNITS)));
        let huge = Moments::from_iter([1e200, -1e200]);
        assert_eq!((huge.mean(), huge.variance()), (Ok(0.0), Err(Undefined::OVERFLOW)));
    }

    #[test]
    fn equal_values_have_no_variance_and_unequal_ones_do() {
        let mut equal = Moments::default();
        (0..100_003).for_each(|_| equal.push(0.1));
        assert_eq!(equal.variance(), Ok(0.0));
        let mut almost = Moments::from_iter([1.0; 1000]);
        almost.push(1.0 + f64::EPSILON);
        assert!(almost.variance().unwrap() > 0.0);
    }

    #[test]
    fn zeros_in_bulk_are_zeros_one_by_one() {
        let mut bulk = Moments::from_iter([1.5, 2.5]);
        bulk.push_times(0.0, 1000);
        bulk.push_times(0.1, 7);
        bulk.push_times(9.0, 0);
        let single: Moments = [1.5, 2.5].into_iter().chain([0.0; 1000]).chain([0.1; 7]).collect();
        assert_eq!((bulk.n(), bulk.sum()), (single.n(), single.sum()));
        assert!(close(bulk.variance().unwrap(), single.variance().unwrap(), 1e-15));
    }

    proptest! {
        #[test]
        fn the_order_of_values_and_of_merging_does_not_show(
            values in prop::collection::vec((-1e12f64..1e12, -12i32..12), 4..200),
            rotate in 0usize..200,
            cut in 1usize..50,
        ) {
            let values: Vec<f64> = values.into_iter().map(|(base, power)| base * 10f64.powi(power)).collect();
            let whole = Moments::from_iter(values.iter().copied());
            let mut moved = values.clone();
            moved.rotate_left(rotate % values.len());
            moved.reverse();
            let mut merged = Moments::default();
            for part in moved.chunks(cut) {
                let mut left = Moments::from_iter(part.iter().copied());
                left.merge(&merged);
                merged = left;
            }
            prop_assert_eq!(whole.n(), merged.n());
            let scale = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
            prop_assert!((whole.mean().unwrap() - merged.mean().unwrap()).abs() <= 1e-12 * scale * 1e-12);
            prop_assert!(close(whole.variance().unwrap(), merged.variance().unwrap(), 1e-12));
        }
    }
}
