//! The ratio of two totals as an estimate that is compared like a mean: its variance by the delta method. Knows nothing of
//! which units take part.

use super::compensated::Compensated;
use super::{CoMoments, Estimate, Undefined, finite};

/// Total of variable 0 over total of variable 1, over the units that were pushed; Statsig pushes those whose denominator is
/// not 0 ("participating units"). Adding units that have 0 and 0 changes the ratio not at all and its variance by less than
/// one part in n.
///
/// The variance is that of X - R·Y over the units, divided by n and the squared mean of Y: the first-order (delta method)
/// variance of Statsig's page on the delta method, and of Deng, Knoblich, Lu, "Applying the Delta Method in Metric
/// Analytics" (2018). It is found with about 32 digits, as nearly proportional totals cancel, and is exactly 0 where all
/// units have the same ratio up to the rounding of their totals.
///
/// Without a unit, or where the denominators' total is 0, there is no ratio; with one unit no variance.
pub fn ratio(moments: &CoMoments<2>) -> Estimate {
    match ratio_of_sums(moments, 0, 1) {
        Ok(ratio) => {
            let variance = linearised(moments, 0, 1)
                .and_then(|weights| moments.combined_variance(weights))
                .and_then(|variance| finite(variance / moments.n() as f64));
            Estimate { n: moments.n(), mean: finite(ratio.value()), variance }
        }
        Err(reason) => Estimate { n: moments.n(), mean: Err(reason), variance: Err(reason) },
    }
}

/// The total of one variable over the total of another, with all its digits.
pub(super) fn ratio_of_sums<const N: usize>(
    moments: &CoMoments<N>,
    numerator: usize,
    denominator: usize,
) -> Result<Compensated, Undefined> {
    if moments.n() == 0 {
        return Err(Undefined::NO_UNITS);
    }
    let below = moments.exact_sum(denominator);
    if below.value() == 0.0 {
        return Err(Undefined::ZERO_DENOMINATOR);
    }
    Ok(moments.exact_sum(numerator) / below)
}

/// The weights with which a unit's values add up to its part in the ratio: (X - R·Y) / mean of Y.
pub(super) fn linearised<const N: usize>(
    moments: &CoMoments<N>,
    numerator: usize,
    denominator: usize,
) -> Result<[Compensated; N], Undefined> {
    let ratio = ratio_of_sums(moments, numerator, denominator)?;
    let one_unit = Compensated::from(1.0) / moments.exact_mean(denominator)?;
    let mut weights = [Compensated::default(); N];
    weights[numerator] = one_unit;
    weights[denominator] = -(ratio * one_unit);
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Defined;
    use crate::stats::draw::close;
    use proptest::prelude::*;

    #[test]
    fn degenerate_groups_give_what_exists_and_name_what_does_not() {
        type Row<'a> = (&'a str, &'a [[f64; 2]], Defined, Defined);
        let rows: [Row; 6] = [
            ("no unit", &[], Err(Undefined::NO_UNITS), Err(Undefined::NO_UNITS)),
            ("one unit", &[[3.0, 2.0]], Ok(1.5), Err(Undefined::TOO_FEW_UNITS)),
            (
                "no denominator",
                &[[3.0, 0.0], [1.0, 0.0]],
                Err(Undefined::ZERO_DENOMINATOR),
                Err(Undefined::ZERO_DENOMINATOR),
            ),
            (
                "denominators that cancel",
                &[[3.0, 1.0], [1.0, -1.0]],
                Err(Undefined::ZERO_DENOMINATOR),
                Err(Undefined::ZERO_DENOMINATOR),
            ),
            ("nothing of anything", &[[0.0, 1.0], [0.0, 2.0]], Ok(0.0), Ok(0.0)),
            ("the same ratio everywhere", &[[0.1, 1.0], [0.3, 3.0], [0.7, 7.0]], Ok(0.1), Ok(0.0)),
        ];
        for (what, units, mean, variance) in rows {
            let found = ratio(&units.iter().copied().collect());
            assert_eq!((found.n, found.variance), (units.len() as u64, variance), "{what}");
            assert_eq!(found.mean.map(|mean| (mean * 1e15).round()), mean.map(|mean| (mean * 1e15).round()), "{what}");
        }
    }

    #[test]
    fn nearly_proportional_totals_keep_the_digits_of_their_difference() {
        // X = Y + (-1)^i / 1000 beside values of a million: the squares agree in all digits of a double.
        let noise = |i: u32| if i.is_multiple_of(2) { 1e-3 } else { -1e-3 };
        let base = |i: u32| 1e6 * f64::from(i % 7 + 1);
        let pairs = CoMoments::from_iter((0..7000).map(|i| [base(i) + noise(i), base(i)]));
        let found = ratio(&pairs).variance.unwrap();
        let expected = 1e-6 * 7000.0 / 6999.0 / 4e6f64.powi(2) / 7000.0;
        assert!(close(found, expected, 1e-6), "{found} {expected}");
    }

    proptest! {
        #[test]
        fn a_ratio_to_one_each_is_the_mean(values in prop::collection::vec(-1e6f64..1e6, 2..100)) {
            let moments = CoMoments::from_iter(values.iter().map(|&value| [value, 1.0]));
            let (found, expected) = (ratio(&moments), moments.estimate(0));
            prop_assert!(close(found.mean.unwrap(), expected.mean.unwrap(), 1e-15));
            prop_assert!(close(found.variance.unwrap(), expected.variance.unwrap(), 1e-12));
        }
    }
}
