//! Winsorisation: the threshold above which a metric's largest unit totals are cut. Does not cut.

/// Statsig's default percentile.
pub const DEFAULT_WINSOR_PERCENTILE: f64 = 99.9;

/// The value at the percentile (above 0, at most 100) of the units' totals: by nearest rank, the ⌈p·m⌉-th smallest of m
/// values, so always one of them. Everything above it is to be replaced by it. `None` for another percentile, or without
/// values. Takes time proportional to m, and leaves the values in another order.
///
/// As Statsig documents under winsorization: pass totals summed per unit, without zeros (and, for numerator and denominator
/// of a ratio, each by itself); only the upper end is cut. Pass all groups together, as thresholds of their own would bias
/// the comparison. The pre-exposure covariate is cut by the threshold of the values it adjusts.
///
/// Nearest rank is this project's choice; below 1,000 values the 99.9th percentile is then the largest, and nothing is cut.
pub fn threshold(nonzero_values: &mut [f64], percentile: f64) -> Option<f64> {
    if !(percentile > 0.0 && percentile <= 100.0) || nonzero_values.is_empty() {
        return None;
    }
    // In millionths of a percent, so that 99.9 % of 1,000 is 999 and not a rounding error more.
    let millionths = ((percentile * 1e6).round() as u128).max(1);
    let rank = (millionths * nonzero_values.len() as u128).div_ceil(100_000_000);
    let at = usize::try_from(rank).ok()?.checked_sub(1)?;
    let (_, &mut threshold, _) = nonzero_values.select_nth_unstable_by(at, f64::total_cmp);
    Some(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_value_of_the_nearest_rank() {
        for (count, percentile, rank) in [
            (1, 99.9, 1),
            (999, 99.9, 999),
            (1000, 99.9, 999),
            (1001, 99.9, 1000),
            (2000, 99.9, 1998),
            (100_000, 99.99, 99_990),
            (10, 50.0, 5),
            (11, 50.0, 6),
            (10, 100.0, 10),
            (10, 1e-9, 1),
        ] {
            // Upside down, to be sorted.
            let mut values: Vec<f64> = (1..=count).rev().map(f64::from).collect();
            assert_eq!(threshold(&mut values, percentile), Some(f64::from(rank)), "{percentile} of {count}");
        }
    }

    #[test]
    fn negative_totals_are_ranked_as_they_are() {
        assert_eq!(threshold(&mut [3.0, -5.0, -1.0, 2.0], 75.0), Some(2.0));
        assert_eq!(threshold(&mut [-3.0, -5.0], 50.0), Some(-5.0));
    }

    #[test]
    fn nothing_to_rank_or_no_percentile_is_no_threshold() {
        assert_eq!(threshold(&mut [], 99.9), None);
        for percentile in [0.0, -1.0, 100.1, f64::NAN] {
            assert_eq!(threshold(&mut [1.0], percentile), None, "{percentile}");
        }
    }
}
