//! The Bayesian reading of a difference or a lift: how likely test is better, and what a wrong choice would cost. For a
//! normal likelihood and a normal prior, or none, as GrowthBook documents it. Does not choose a prior.

use super::difference::{normal_critical, normal_survival};
use super::{Alternative, Defined, Interval, Level, Undefined, finite};
use std::f64::consts::PI;

/// What is believed of an effect beforehand: normal, with this mean and a positive variance, in the unit of the effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    mean: f64,
    variance: f64,
}

impl Prior {
    /// `None` unless the mean is finite and the variance positive and finite.
    pub fn new(mean: f64, variance: f64) -> Option<Prior> {
        (mean.is_finite() && variance > 0.0 && variance.is_finite()).then_some(Prior { mean, variance })
    }
}

/// What is believed of the effect afterwards: normal, with this mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    pub mean: f64,
    pub standard_deviation: f64,
    /// The probability that the effect is above 0; for a metric whose fall is good, 1 less this is the chance to win.
    pub above_zero: f64,
    /// The effect lies in it with the level's probability.
    pub ci: Interval,
    /// What is lost on average by keeping control: the expected effect where it is above 0, in its unit.
    pub risk_of_control: f64,
    /// What is lost on average by taking test: the expected effect where it is below 0, as a positive number.
    pub risk_of_test: f64,
}

/// Combines an effect (a difference, or a lift) and its variance with a prior; without one only the data speak. Undefined
/// where the effect or its variance is, or where the variance is 0.
pub fn posterior(
    effect: Defined,
    variance: Defined,
    prior: Option<Prior>,
    level: Level,
) -> Result<Posterior, Undefined> {
    let (effect, variance) = (effect?, variance?);
    if variance == 0.0 {
        return Err(Undefined::ZERO_VARIANCE);
    }
    let (mean, variance) = match prior {
        None => (effect, variance),
        Some(prior) => {
            // Precisions add; written as shares, so that neither overflows.
            let of_prior = variance / (variance + prior.variance);
            (effect + (prior.mean - effect) * of_prior, prior.variance * of_prior)
        }
    };
    let deviation = finite(variance.sqrt())?;
    let distance = finite(mean / deviation)?;
    let density = (-distance * distance / 2.0).exp() / (2.0 * PI).sqrt();
    let critical = normal_critical(Alternative::TwoSided.tail(level.alpha()));
    // The rest of a difference of nearly equal numbers may be below 0 by rounding; a loss is not.
    let risk = |distance: f64| deviation * (density + distance * normal_survival(-distance)).max(0.0);
    Ok(Posterior {
        mean: finite(mean)?,
        standard_deviation: deviation,
        above_zero: normal_survival(-distance),
        ci: Interval::around(mean, critical * deviation, Alternative::TwoSided)?,
        risk_of_control: risk(distance),
        risk_of_test: risk(-distance),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::draw::close;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_defined_says_why() {
        let of = |effect, variance| posterior(effect, variance, None, Level::DEFAULT).err();
        let few = Undefined::TOO_FEW_UNITS;
        assert_eq!(of(Ok(1.0), Err(few)), Some(few));
        assert_eq!(of(Err(Undefined::CONTROL_MEAN_ZERO), Ok(1.0)), Some(Undefined::CONTROL_MEAN_ZERO));
        assert_eq!(of(Ok(1.0), Ok(0.0)), Some(Undefined::ZERO_VARIANCE));
        for (mean, variance) in [(f64::NAN, 1.0), (0.0, 0.0), (0.0, -1.0), (0.0, f64::INFINITY)] {
            assert_eq!(Prior::new(mean, variance), None);
        }
    }

    proptest! {
        #[test]
        fn the_prior_draws_the_effect_to_itself_and_makes_it_surer(
            effect in -5.0f64..5.0,
            variance in 1e-4f64..10.0,
            mean in -5.0f64..5.0,
            prior_variance in 1e-4f64..10.0,
        ) {
            let prior = Prior::new(mean, prior_variance);
            let found = posterior(Ok(effect), Ok(variance), prior, Level::DEFAULT).unwrap();
            prop_assert!(effect.min(mean) - 1e-12 <= found.mean && found.mean <= effect.max(mean) + 1e-12);
            prop_assert!(found.standard_deviation < variance.min(prior_variance).sqrt());
            prop_assert!(found.risk_of_test >= 0.0 && found.risk_of_control >= 0.0);
            // The effect is what one may lose less what the other may.
            prop_assert!((found.risk_of_control - found.risk_of_test - found.mean).abs() < 1e-12);
            let vague = posterior(Ok(effect), Ok(variance), Prior::new(mean, 1e30), Level::DEFAULT).unwrap();
            let plain = posterior(Ok(effect), Ok(variance), None, Level::DEFAULT).unwrap();
            prop_assert!(close(vague.standard_deviation, plain.standard_deviation, 1e-12));
            prop_assert!((vague.above_zero - plain.above_zero).abs() < 1e-12);
        }
    }
}
