//! Moments of several numbers per unit: how many units, how much, how spread and how they move together. Merging and
//! removing are exact enough that the order in which values come and go shows below 1e-12 at most. Knows nothing of groups
//! or metrics.

use super::compensated::Compensated;
use super::{Defined, Estimate, Undefined, finite};

/// n, and per variable the sum and the sums of products with the others, all with about 32 digits. Values must be finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoMoments<const N: usize> {
    n: u64,
    sums: [Compensated; N],
    /// `products[i][j]` with `i <= j`; the rest stays 0.
    products: [[Compensated; N]; N],
    /// Sums of the values' fingerprints, by which equal values are told from nearly equal ones.
    prints: [u128; N],
    /// The largest sum of squares from which a value was removed: what the digits lost by removing are relative to.
    removed_from: [f64; N],
}

impl<const N: usize> Default for CoMoments<N> {
    fn default() -> CoMoments<N> {
        CoMoments {
            n: 0,
            sums: [Compensated::default(); N],
            products: [[Compensated::default(); N]; N],
            prints: [0; N],
            removed_from: [0.0; N],
        }
    }
}

impl<const N: usize> CoMoments<N> {
    /// Scatter below this part of what was once there has lost too many digits to removing.
    const WORN: f64 = 1e-17;
    /// A combination of variables that scatters less than this part of their squares is constant up to the rounding of the
    /// values themselves: 1e-14 in a value.
    const ROUNDING: f64 = 1e-28;

    /// Adds one unit.
    pub fn push(&mut self, values: [f64; N]) {
        self.n += 1;
        for (i, &value) in values.iter().enumerate() {
            self.sums[i] = self.sums[i].plus(value);
            self.prints[i] += u128::from(print(value));
            for (product, &other) in self.products[i].iter_mut().zip(&values).skip(i) {
                *product = *product + Compensated::product(value, other);
            }
        }
    }

    /// Adds `times` units that have the same values; what zeros are added by.
    pub fn push_times(&mut self, values: [f64; N], times: u64) {
        let factor = times as f64;
        self.n += times;
        for (i, &value) in values.iter().enumerate() {
            self.sums[i] = self.sums[i] + Compensated::product(value, factor);
            self.prints[i] += u128::from(print(value)) * u128::from(times);
            for (product, &other) in self.products[i].iter_mut().zip(&values).skip(i) {
                *product = *product + Compensated::product(value, other).times(factor);
            }
        }
    }

    /// Takes out a unit that was pushed with these values; afterwards it is as if it had never been there, up to `worn`.
    ///
    /// Panics if there is no unit.
    pub fn remove(&mut self, values: [f64; N]) {
        self.n = self.n.checked_sub(1).expect("only a unit that was pushed is removed");
        if self.n == 0 {
            *self = CoMoments::default();
            return;
        }
        for (i, &value) in values.iter().enumerate() {
            self.mark_removal(i);
            self.sums[i] = self.sums[i].plus(-value);
            self.prints[i] = self.prints[i].wrapping_sub(u128::from(print(value)));
            for (product, &other) in self.products[i].iter_mut().zip(&values).skip(i) {
                *product = *product - Compensated::product(value, other);
            }
        }
    }

    /// Whether removing took so many digits that the rest should be folded anew: a removed value was beyond all measure
    /// larger (about 3e8 times) than what is left is spread. Never true without `remove`.
    pub fn worn(&self) -> bool {
        (0..N).any(|i| {
            let was = self.removed_from[i];
            was.is_infinite() || was > 0.0 && !self.constant(i) && self.scatter(i, i).value() < was * Self::WORN
        })
    }

    /// Before something is removed: what its squares are relative to. What overflowed does not come back by subtracting.
    fn mark_removal(&mut self, variable: usize) {
        let squares = self.products[variable][variable].value();
        let squares = if squares.is_finite() { squares } else { f64::INFINITY };
        self.removed_from[variable] = self.removed_from[variable].max(squares);
    }

    /// Adds all units of another part of the same group.
    pub fn merge(&mut self, other: &CoMoments<N>) {
        self.n += other.n;
        for i in 0..N {
            self.sums[i] = self.sums[i] + other.sums[i];
            self.prints[i] += other.prints[i];
            self.removed_from[i] = self.removed_from[i].max(other.removed_from[i]);
            for j in i..N {
                self.products[i][j] = self.products[i][j] + other.products[i][j];
            }
        }
    }

    /// Takes out all units of a part that was merged or pushed; the counterpart of `merge`, exact up to `worn`.
    ///
    /// Panics if the part has more units than there are.
    pub fn take_out(&mut self, part: &CoMoments<N>) {
        self.n = self.n.checked_sub(part.n).expect("only units that were put in are taken out");
        if self.n == 0 {
            *self = CoMoments::default();
            return;
        }
        for i in 0..N {
            self.mark_removal(i);
            self.sums[i] = self.sums[i] - part.sums[i];
            self.prints[i] = self.prints[i].wrapping_sub(part.prints[i]);
            for j in i..N {
                self.products[i][j] = self.products[i][j] - part.products[i][j];
            }
        }
    }

    /// The moments of some of the variables, in the order named.
    pub fn part<const M: usize>(&self, variables: [usize; M]) -> CoMoments<M> {
        let mut part = CoMoments { n: self.n, ..CoMoments::default() };
        for (to, from) in variables.into_iter().enumerate() {
            part.sums[to] = self.sums[from];
            part.prints[to] = self.prints[from];
            part.removed_from[to] = self.removed_from[from];
            for (other, from_other) in variables.into_iter().enumerate().skip(to) {
                part.products[to][other] = self.product(from, from_other);
            }
        }
        part
    }

    pub fn n(&self) -> u64 {
        self.n
    }

    /// The total of a variable over all units; 0 without any.
    pub fn sum(&self, variable: usize) -> Defined {
        finite(self.sums[variable].value())
    }

    pub fn mean(&self, variable: usize) -> Defined {
        finite(self.exact_mean(variable)?.value())
    }

    /// Sample variance over the units, with n - 1. Exactly 0 if and only if all values are equal.
    pub fn variance(&self, variable: usize) -> Defined {
        let n = self.two_units()?;
        let mean = self.mean(variable)?;
        if self.constant(variable) {
            return Ok(0.0);
        }
        let scatter = finite(self.scatter(variable, variable).value())?;
        // Where cancellation left less: two different values around this mean scatter at least that much.
        let least = (mean * f64::EPSILON / 2.0).powi(2) / 2.0;
        finite(scatter.max(least).max(f64::MIN_POSITIVE) / (n - 1) as f64)
    }

    /// Sample covariance over the units, with n - 1. Exactly 0 where either variable is constant.
    pub fn covariance(&self, i: usize, j: usize) -> Defined {
        let n = self.two_units()?;
        if self.constant(i) || self.constant(j) {
            return Ok(0.0);
        }
        finite(self.scatter(i, j).value() / (n - 1) as f64)
    }

    /// What a comparison needs of a variable: its mean, and the variance of that mean, s²/n.
    pub fn estimate(&self, variable: usize) -> Estimate {
        let variance = self.variance(variable).map(|variance| variance / self.n as f64);
        Estimate { n: self.n, mean: self.mean(variable), variance }
    }

    /// Sample variance of the sum of the variables, each times its weight. Exactly 0 where that sum is the same for all
    /// units up to rounding of their values.
    pub(super) fn combined_variance(&self, weights: [Compensated; N]) -> Defined {
        let n = self.two_units()?;
        let scatter = finite(self.combined_scatter(weights, weights).value())?;
        let squares: f64 = (0..N).map(|i| (weights[i] * weights[i] * self.products[i][i]).value()).sum();
        Ok(if scatter <= squares * Self::ROUNDING { 0.0 } else { scatter / (n - 1) as f64 })
    }

    /// Sample covariance of two weighted sums of the variables.
    pub(super) fn combined_covariance(&self, left: [Compensated; N], right: [Compensated; N]) -> Defined {
        let n = self.two_units()?;
        finite(self.combined_scatter(left, right).value() / (n - 1) as f64)
    }

    pub(super) fn exact_mean(&self, variable: usize) -> Result<Compensated, Undefined> {
        if self.n == 0 {
            return Err(Undefined::NO_UNITS);
        }
        Ok(self.sums[variable].divided_by(self.n as f64))
    }

    pub(super) fn exact_sum(&self, variable: usize) -> Compensated {
        self.sums[variable]
    }

    fn two_units(&self) -> Result<u64, Undefined> {
        match self.n {
            0 => Err(Undefined::NO_UNITS),
            1 => Err(Undefined::TOO_FEW_UNITS),
            n => Ok(n),
        }
    }

    /// Whether all units have the same value. If they have, it is the mean, to the last digit; so all fingerprints are its.
    fn constant(&self, variable: usize) -> bool {
        self.mean(variable).is_ok_and(|mean| self.prints[variable] == u128::from(print(mean)) * u128::from(self.n))
    }

    fn product(&self, i: usize, j: usize) -> Compensated {
        self.products[i.min(j)][i.max(j)]
    }

    /// The sum over the units of products of distances from the means.
    fn scatter(&self, i: usize, j: usize) -> Compensated {
        self.product(i, j) - (self.sums[i] * self.sums[j]).divided_by(self.n as f64)
    }

    fn combined_scatter(&self, left: [Compensated; N], right: [Compensated; N]) -> Compensated {
        let mut whole = Compensated::default();
        for (i, &of_left) in left.iter().enumerate() {
            for (j, &of_right) in right.iter().enumerate() {
                whole = whole + of_left * of_right * self.scatter(i, j);
            }
        }
        whole
    }
}

impl<const N: usize> FromIterator<[f64; N]> for CoMoments<N> {
    fn from_iter<I: IntoIterator<Item = [f64; N]>>(units: I) -> CoMoments<N> {
        let mut moments = CoMoments::default();
        for values in units {
            moments.push(values);
        }
        moments
    }
}

/// A number's fingerprint: its bits, scattered so that sums of different numbers' prints do not meet by accident. 0 has
/// print 0, of either sign. The scattering is that of SplitMix64 (Steele, Lea, Flood, 2014).
fn print(value: f64) -> u64 {
    let mut bits = (value + 0.0).to_bits();
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::draw::close;
    use proptest::prelude::*;

    #[test]
    fn what_is_missing_is_named() {
        let none = CoMoments::<2>::default();
        assert_eq!((none.sum(0), none.mean(0), none.variance(1)), (Ok(0.0), NONE, NONE));
        assert_eq!((none.covariance(0, 1), none.estimate(0).variance), (NONE, NONE));
        let one = CoMoments::from_iter([[3.0, 4.0]]);
        assert_eq!((one.mean(1), one.covariance(0, 1)), (Ok(4.0), Err(Undefined::TOO_FEW_UNITS)));
        let huge = CoMoments::from_iter([[1e200, 1.0], [-1e200, 2.0]]);
        assert_eq!((huge.mean(0), huge.variance(0)), (Ok(0.0), Err(Undefined::OVERFLOW)));
        assert_eq!(CoMoments::from_iter([[1e308], [1e308]]).variance(0), Err(Undefined::OVERFLOW));
    }

    const NONE: Defined = Err(Undefined::NO_UNITS);

    #[test]
    fn equal_values_have_no_variance_and_unequal_ones_do() {
        for value in [0.1, 0.0, -0.0, 1e-310, 1e140, -7.0] {
            let mut equal = CoMoments::<1>::default();
            equal.push_times([value], 100_003);
            equal.push([value]);
            assert_eq!(equal.variance(0), Ok(0.0), "{value}");
            equal.push([value + f64::EPSILON * value.abs().max(f64::MIN_POSITIVE)]);
            assert!(equal.variance(0).unwrap() > 0.0, "{value}");
        }
        let opposite = CoMoments::from_iter([[1.0], [-1.0]]);
        assert_eq!(opposite.variance(0), Ok(2.0));
        let tiny = CoMoments::from_iter([[1e-200], [2e-200]]);
        assert!(tiny.variance(0).unwrap() > 0.0);
    }

    #[test]
    fn a_constant_variable_moves_with_nothing() {
        let units = (0..1000).map(|i| [0.1, f64::from(i) * 0.7]);
        let moments = CoMoments::from_iter(units);
        assert_eq!((moments.variance(0), moments.covariance(0, 1)), (Ok(0.0), Ok(0.0)));
    }

    #[test]
    fn a_sum_that_is_the_same_for_all_units_has_no_variance() {
        let moments = CoMoments::from_iter((1..1000).map(|i| [0.3 * f64::from(i), 0.1 * f64::from(i)]));
        let weights = |of_second: f64| [Compensated::from(1.0), Compensated::from(of_second)];
        assert_eq!(moments.combined_variance(weights(-3.0)), Ok(0.0));
        assert!(moments.combined_variance(weights(-3.0 + 1e-9)).unwrap() > 0.0);
    }

    #[test]
    fn a_value_beyond_measure_wears_the_moments_and_an_ordinary_one_does_not() {
        let rest: CoMoments<1> = (0..100).map(|i| [f64::from(i)]).collect();
        for (removed, worn) in [(1e9, false), (1e13, true)] {
            let mut moments = rest;
            moments.push([removed]);
            assert!(!moments.worn());
            moments.remove([removed]);
            assert_eq!(moments.worn(), worn, "{removed}");
            if !worn {
                assert!(close(moments.variance(0).unwrap(), rest.variance(0).unwrap(), 1e-12));
            }
        }
    }

    #[test]
    fn a_value_whose_square_overflows_wears_the_moments() {
        let rest: CoMoments<1> = (0..100).map(|i| [f64::from(i)]).collect();
        let mut one_by_one = rest;
        one_by_one.push([1e200]);
        let mut at_once = one_by_one;
        one_by_one.remove([1e200]);
        at_once.take_out(&CoMoments::from_iter([[1e200]]));
        assert_eq!([one_by_one.worn(), at_once.worn()], [true; 2]);
    }

    #[test]
    fn what_all_units_had_before_one_changed_is_constant_again() {
        let mut moments = CoMoments::<1>::default();
        moments.push_times([0.7], 1000);
        moments.push([3e5]);
        assert!(moments.variance(0).unwrap() > 0.0);
        moments.remove([3e5]);
        assert_eq!((moments.variance(0), moments.mean(0)), (Ok(0.0), Ok(0.7)));
        for _ in 0..1000 {
            moments.remove([0.7]);
        }
        assert_eq!(moments, CoMoments::default());
    }

    fn units() -> impl Strategy<Value = Vec<[f64; 2]>> {
        let value = || (-1e3f64..1e3, -3i32..3).prop_map(|(base, power)| base * 10f64.powi(power));
        prop::collection::vec((value(), value()).prop_map(|(a, b)| [a, b]), 4..120)
    }

    /// The same to 1e-12: variances relative to themselves, the covariance relative to what it can be at most.
    fn same(a: &CoMoments<2>, b: &CoMoments<2>) -> Result<(), TestCaseError> {
        prop_assert_eq!(a.n(), b.n());
        for i in 0..2 {
            prop_assert!(close(a.variance(i).unwrap(), b.variance(i).unwrap(), 1e-12));
            let spread = a.variance(i).unwrap().sqrt();
            prop_assert!((a.mean(i).unwrap() - b.mean(i).unwrap()).abs() <= 1e-12 * spread);
        }
        let most = (a.variance(0).unwrap() * a.variance(1).unwrap()).sqrt();
        prop_assert!((a.covariance(0, 1).unwrap() - b.covariance(1, 0).unwrap()).abs() <= 1e-12 * most);
        Ok(())
    }

    proptest! {
        #[test]
        fn the_order_of_units_and_of_merging_does_not_show(units in units(), rotate in 0usize..200, cut in 1usize..50) {
            let whole = CoMoments::from_iter(units.iter().copied());
            let mut moved = units.clone();
            moved.rotate_left(rotate % units.len());
            moved.reverse();
            let mut merged = CoMoments::default();
            for part in moved.chunks(cut) {
                let mut left = CoMoments::from_iter(part.iter().copied());
                left.merge(&merged);
                merged = left;
            }
            same(&whole, &merged)?;
        }

        #[test]
        fn removing_undoes_pushing(units in units(), others in units()) {
            let whole = CoMoments::from_iter(units.iter().copied());
            let mut changed = CoMoments::from_iter(others.iter().chain(&units).copied());
            others.iter().for_each(|&values| changed.remove(values));
            prop_assert!(!changed.worn());
            same(&whole, &changed)?;
        }

        #[test]
        fn a_part_is_what_was_pushed_of_it(units in units()) {
            let swapped = CoMoments::from_iter(units.iter().copied()).part([1, 0]);
            let expected = CoMoments::from_iter(units.iter().map(|&[a, b]| [b, a]));
            prop_assert_eq!(swapped, expected);
        }
    }
}
