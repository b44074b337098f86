//! Moments of a group's unit values: `CoMoments` of one variable, under plain names. Knows nothing of groups or metrics.

use super::comoments::CoMoments;
use super::{Defined, Estimate};

/// How many units, how much they have, how it is spread. Values must be finite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments(CoMoments<1>);

impl Moments {
    /// Adds one unit's value.
    pub fn push(&mut self, value: f64) {
        self.0.push([value]);
    }

    /// Adds `times` units that have the same value; what zeros are added by.
    pub fn push_times(&mut self, value: f64, times: u64) {
        self.0.push_times([value], times);
    }

    /// Takes out a unit that was pushed with this value; see `CoMoments::remove`.
    ///
    /// Panics if there is no unit.
    pub fn remove(&mut self, value: f64) {
        self.0.remove([value]);
    }

    /// Whether removing took so many digits that the rest should be folded anew; see `CoMoments::worn`.
    pub fn worn(&self) -> bool {
        self.0.worn()
    }

    /// Adds all units of another part of the same group.
    pub fn merge(&mut self, other: &Moments) {
        self.0.merge(&other.0);
    }

    pub fn n(&self) -> u64 {
        self.0.n()
    }

    /// The total over all units; 0 without any.
    pub fn sum(&self) -> Defined {
        self.0.sum(0)
    }

    pub fn mean(&self) -> Defined {
        self.0.mean(0)
    }

    /// Sample variance of the units, with n - 1. Exactly 0 if and only if all values are equal.
    pub fn variance(&self) -> Defined {
        self.0.variance(0)
    }

    /// Variance of the mean: s²/n.
    pub fn variance_of_mean(&self) -> Defined {
        self.estimate().variance
    }

    /// What a comparison needs of this group.
    pub fn estimate(&self) -> Estimate {
        self.0.estimate(0)
    }
}

impl From<CoMoments<1>> for Moments {
    fn from(moments: CoMoments<1>) -> Moments {
        Moments(moments)
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Moments {
        Moments(values.into_iter().map(|value| [value]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Undefined;
    use crate::stats::draw::close;
    use proptest::prelude::*;

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
