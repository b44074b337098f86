//! Sample ratio: do the groups have the sizes that were configured? Pearson's chi-square test; thresholds as Statsig
//! documents them. Knows groups only by their place.

use super::{Defined, Undefined, finite};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Below this p-value the groups are suspicious.
pub const WARNING_P: f64 = 0.01;
/// Below this p-value they are wrong, if the deviation matters as well.
pub const ALERT_P: f64 = 0.001;
/// The smallest deviation of a group's share that can be an alert: 0.1 percentage points.
pub const MIN_ALERT_DEVIATION: f64 = 0.001;

/// The verdict on the groups' sizes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Balanced {
    /// Nothing speaks against the results.
    Ok,
    /// It deserves a look.
    Warning,
    /// The results are not to be trusted before the cause is known.
    Alert,
}

/// The chi-square test of the groups' sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balance {
    pub chi2: f64,
    /// Groups with a share, less one.
    pub dof: u64,
    pub p: f64,
    /// The largest distance between a group's share of the units and its configured share, as a fraction.
    pub deviation: f64,
    pub status: Balanced,
}

impl Balance {
    /// The weights do not allow a test: less than two groups have a share.
    pub const ONE_GROUP: Undefined = Undefined { reason: "fewer_than_two_groups" };
    /// A group that should get nobody got units.
    pub const UNEXPECTED_UNITS: Undefined = Undefined { reason: "units_in_group_of_size_zero" };
}

/// Tests observed unit counts against weights (of any sum), or against equal shares without weights. A missing or
/// unusable weight (negative, not finite) counts as 0; a group of weight 0 takes no part if it has no units.
pub fn balance(observed: &[u64], weights: Option<&[f64]>) -> Result<Balance, Undefined> {
    let weight = |group: usize| match weights {
        None => 1.0,
        Some(weights) => {
            weights.get(group).copied().filter(|weight| weight.is_finite() && *weight > 0.0).unwrap_or(0.0)
        }
    };
    let groups: Vec<(f64, f64)> = observed.iter().enumerate().map(|(at, &units)| (units as f64, weight(at))).collect();
    let units: f64 = groups.iter().map(|group| group.0).sum();
    let weights: f64 = groups.iter().map(|group| group.1).sum();
    let shared = groups.iter().filter(|group| group.1 > 0.0).count() as u64;
    if shared < 2 {
        return Err(Balance::ONE_GROUP);
    }
    if units == 0.0 {
        return Err(Undefined::NO_UNITS);
    }
    if groups.iter().any(|&(units, weight)| weight == 0.0 && units > 0.0) {
        return Err(Balance::UNEXPECTED_UNITS);
    }
    let (mut chi2, mut deviation) = (0.0, 0.0f64);
    for &(observed, weight) in groups.iter().filter(|group| group.1 > 0.0) {
        let share = weight / weights;
        chi2 += (observed - units * share).powi(2) / (units * share);
        deviation = deviation.max((observed / units - share).abs());
    }
    let dof = shared - 1;
    let chi2 = finite(chi2)?;
    let p = ChiSquared::new(dof as f64).expect("at least one degree of freedom").sf(chi2);
    let status = match p {
        p if p < ALERT_P && deviation >= MIN_ALERT_DEVIATION => Balanced::Alert,
        p if p < WARNING_P => Balanced::Warning,
        _ => Balanced::Ok,
    };
    Ok(Balance { chi2, dof, p, deviation, status })
}

/// The p-value of Pearson's test that two sets of units are divided among the groups in the same way, whatever the sizes that
/// were configured. Groups without any unit take no part.
pub fn same_shares(one: &[u64], other: &[u64]) -> Defined {
    let groups: Vec<[f64; 2]> = one.iter().zip(other).map(|(&a, &b)| [a as f64, b as f64]).collect();
    let groups: Vec<[f64; 2]> = groups.into_iter().filter(|[a, b]| a + b > 0.0).collect();
    if groups.len() < 2 {
        return Err(Balance::ONE_GROUP);
    }
    let totals = [0, 1].map(|set: usize| groups.iter().map(|group| group[set]).sum::<f64>());
    if totals.contains(&0.0) {
        return Err(Undefined::NO_UNITS);
    }
    let all = totals[0] + totals[1];
    let mut chi2 = 0.0;
    for group in &groups {
        for (observed, total) in group.iter().zip(&totals) {
            let expected = (group[0] + group[1]) * total / all;
            chi2 += (observed - expected).powi(2) / expected;
        }
    }
    let dof = (groups.len() - 1) as f64;
    Ok(ChiSquared::new(dof).expect("at least one degree of freedom").sf(finite(chi2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against scipy.stats.chi2_contingency without correction.
    #[test]
    fn equal_shares_are_told_from_different_ones() {
        for (one, other, p) in [
            (vec![50u64, 50], vec![500u64, 500], 1.0),
            (vec![10, 30], vec![40, 20], 4.455_71e-5),
            (vec![10, 30, 5], vec![40, 20, 10], 1.997_35e-4),
            (vec![10, 0, 30], vec![40, 0, 20], 4.455_71e-5),
        ] {
            let found = same_shares(&one, &other).unwrap();
            assert!((found / p - 1.0).abs() < 1e-5, "{one:?} {other:?}: {found:e}");
        }
        assert_eq!(same_shares(&[5, 0], &[7, 0]), Err(Balance::ONE_GROUP));
        assert_eq!(same_shares(&[0, 0], &[7, 1]), Err(Undefined::NO_UNITS));
    }

    #[test]
    fn the_verdict_follows_p_and_deviation() {
        let rows: [(&[u64], &[f64], Balanced); 7] = [
            (&[500, 500], &[50.0, 50.0], Balanced::Ok),
            (&[1000, 1100], &[50.0, 50.0], Balanced::Ok),      // p 0.029
            (&[1000, 1130], &[50.0, 50.0], Balanced::Warning), // p 0.0049
            (&[1000, 1160], &[50.0, 50.0], Balanced::Alert),   // p 0.00057
            (&[1000, 1160], &[1.0, 1.16], Balanced::Ok),
            (&[10_000_000, 10_020_000], &[1.0, 1.0], Balanced::Warning), // p 8e-6, but 0.05 points
            (&[10_000_000, 10_060_000], &[1.0, 1.0], Balanced::Alert),   // 0.15 points
        ];
        for (observed, weights, status) in rows {
            let found = balance(observed, Some(weights)).unwrap();
            assert_eq!(found.status, status, "{observed:?} {found:?}");
        }
        assert_eq!(balance(&[10, 10, 10], None).unwrap().dof, 2);
    }

    #[test]
    fn sizes_that_allow_no_test_say_why() {
        assert_eq!(balance(&[5], None), Err(Balance::ONE_GROUP));
        assert_eq!(balance(&[], None), Err(Balance::ONE_GROUP));
        assert_eq!(balance(&[5, 5], Some(&[100.0, 0.0])), Err(Balance::ONE_GROUP));
        assert_eq!(balance(&[5, 5], Some(&[f64::NAN, -1.0])), Err(Balance::ONE_GROUP));
        assert_eq!(balance(&[0, 0], None), Err(Undefined::NO_UNITS));
        assert_eq!(balance(&[5, 5, 1], Some(&[50.0, 50.0, 0.0])), Err(Balance::UNEXPECTED_UNITS));
        assert_eq!(balance(&[5, 5, 0], Some(&[50.0, 50.0, 0.0])).unwrap().dof, 1);
    }
}
