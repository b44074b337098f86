//! Many tests at once: how small each one's error rate must be, and its p-value after correction. Does not know what is
//! tested, nor which tests form a family.
//!
//! Rules of Statsig's pages on the Bonferroni correction and the Benjamini-Hochberg procedure. Error rates (`alpha`) lie
//! above 0 and below 0.5; `Level::of_alpha` makes the level of an interval of one.

/// How the error rate of a scorecard is divided among its tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bonferroni {
    /// Groups that are each compared with control; 1 or 0 divides nothing.
    pub arms: u64,
    /// `None` does not divide among metrics.
    pub metrics: Option<Scorecard>,
}

/// The metrics that share an error rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scorecard {
    pub primary: u64,
    pub secondary: u64,
    /// The part of the error rate that all primary metrics have together, 0 to 1; the secondary ones have the rest. A part
    /// without any metric is spent on nothing.
    pub primary_share: f64,
}

/// The error rate of one test; `None` where nothing is left for it, so that it cannot find anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alphas {
    pub primary: Option<f64>,
    pub secondary: Option<f64>,
}

impl Bonferroni {
    /// Divides the error rate of the whole family.
    pub fn alphas(&self, family: f64) -> Alphas {
        let arm = family / self.arms.max(1) as f64;
        let Some(metrics) = self.metrics else {
            return Alphas { primary: Some(arm), secondary: Some(arm) };
        };
        let share = metrics.primary_share.clamp(0.0, 1.0);
        let each = |share: f64, count: u64| Some(arm * share / count.max(1) as f64).filter(|alpha| *alpha > 0.0);
        Alphas { primary: each(share, metrics.primary), secondary: each(1.0 - share, metrics.secondary) }
    }
}

/// The p-value that compares with `family` as `p` does with the test's own `alpha`: p·family/alpha, at most 1.
pub fn bonferroni(p: f64, family: f64, alpha: f64) -> f64 {
    (p * (family / alpha)).min(1.0)
}

/// A family of tests after the Benjamini-Hochberg procedure.
#[derive(Debug, Clone, PartialEq)]
pub struct Discoveries {
    /// The error rate for every test of the family and for its interval: the largest rank·rate/m that is at least the
    /// p-value of its rank. Where no test is found, rate/m, which is below every p-value.
    pub alpha: f64,
    /// In the order given; at most the false discovery rate exactly where the test is found, that is where its own p-value
    /// is at most `alpha`.
    pub p: Vec<Option<f64>>,
}

/// Benjamini, Hochberg, "Controlling the False Discovery Rate" (1995): among the tests that are found at most `rate` are
/// false on average, if they are independent or depend on one another positively. A test without p-value was not made: it
/// does not count in m and stays without.
pub fn benjamini_hochberg(p_values: &[Option<f64>], rate: f64) -> Discoveries {
    let mut order: Vec<(f64, usize)> = p_values.iter().enumerate().filter_map(|(at, p)| Some(((*p)?, at))).collect();
    order.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let m = order.len().max(1) as f64;
    let (mut alpha, mut least) = (None, 1.0f64);
    let mut adjusted = vec![None; p_values.len()];
    for (below, &(p, at)) in order.iter().enumerate().rev() {
        let rank = (below + 1) as f64;
        least = least.min(p * (m / rank));
        adjusted[at] = Some(least);
        if alpha.is_none() && p <= rank * rate / m {
            alpha = Some(rank * rate / m);
        }
    }
    Discoveries { alpha: alpha.unwrap_or(rate / m), p: adjusted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_error_rate_is_divided_as_documented() {
        let metrics = |primary, secondary, primary_share| Some(Scorecard { primary, secondary, primary_share });
        for (arms, metrics, primary, secondary) in [
            (1, None, Some(0.05), Some(0.05)),
            (0, None, Some(0.05), Some(0.05)),
            (2, None, Some(0.025), Some(0.025)),
            (1, metrics(2, 4, 0.6), Some(0.015), Some(0.005)),
            (2, metrics(2, 4, 0.6), Some(0.0075), Some(0.0025)),
            (1, metrics(2, 4, 1.0), Some(0.025), None),
            (1, metrics(2, 4, 0.0), None, Some(0.0125)),
            (1, metrics(0, 4, 0.6), Some(0.03), Some(0.005)),
        ] {
            let found = Bonferroni { arms, metrics }.alphas(0.05);
            let rounded = |alpha: Option<f64>| alpha.map(|alpha| (alpha * 1e12).round());
            assert_eq!(
                (rounded(found.primary), rounded(found.secondary)),
                (rounded(primary), rounded(secondary)),
                "{arms} {metrics:?}"
            );
        }
        assert_eq!((bonferroni(0.25, 0.5, 0.125), bonferroni(0.5, 0.5, 0.125)), (1.0, 1.0));
        assert_eq!(bonferroni(0.01, 0.05, 0.05), 0.01);
    }

    #[test]
    fn tests_that_were_not_made_do_not_count() {
        let found = benjamini_hochberg(&[None, Some(0.02), None, Some(0.04)], 0.05);
        assert_eq!(found, Discoveries { alpha: 0.05, p: vec![None, Some(0.04), None, Some(0.04)] });
        assert_eq!(benjamini_hochberg(&[None], 0.05), Discoveries { alpha: 0.05, p: vec![None] });
        assert_eq!(benjamini_hochberg(&[], 0.05), Discoveries { alpha: 0.05, p: vec![] });
    }

    proptest! {
        #[test]
        fn a_test_is_found_by_its_own_p_exactly_if_by_the_adjusted_one(
            p_values in prop::collection::vec(prop::option::of(prop_oneof![0.0f64..0.01, 0.0f64..1.0]), 0..40),
            rate in 0.001f64..0.4,
        ) {
            let found = benjamini_hochberg(&p_values, rate);
            for (p, adjusted) in p_values.iter().zip(&found.p) {
                prop_assert_eq!(p.is_some(), adjusted.is_some());
                if let (Some(p), Some(adjusted)) = (p, adjusted) {
                    prop_assume!((adjusted - rate).abs() > 1e-12);
                    prop_assert!(adjusted >= p);
                    prop_assert_eq!(*p <= found.alpha, *adjusted <= rate);
                }
            }
        }
    }
}
