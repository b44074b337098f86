//! CUPED: means adjusted by what the same units did before their exposure, which takes out the part of the variance that
//! was there already. Does not know what the covariate is, nor over which days it was gathered.
//!
//! After Deng, Xu, Kohavi, Walker, "Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
//! Data" (2013), with the choices of Statsig's page on CUPED where it has them. Units without earlier data have covariate 0.

use super::compensated::Compensated;
use super::ratio::{linearised, ratio, ratio_of_sums};
use super::{CoMoments, Defined, Estimate, Undefined, finite};

/// An adjusted result is used for more units than this, over both groups.
pub const CUPED_MIN_UNITS: u64 = 100;
/// An adjusted result is used if more than this share of the units has earlier data.
pub const CUPED_MIN_PRE_SHARE: f64 = 0.05;

/// Both groups, adjusted with one coefficient. Compare them with `difference` and `relative` as any others; the lift is
/// then relative to the adjusted control mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// By how much the value moves with the covariate: covariance over the covariate's variance, of all units together.
    pub theta: f64,
    /// Centred on the covariate's mean over both groups, so that the groups' total stays what it was.
    pub test: Estimate,
    pub control: Estimate,
    /// Between value and covariate, of all units together; -1 to 1.
    pub correlation: Defined,
    /// The part of the difference's variance that the adjustment took away; 1 - correlation² is left of it where the groups
    /// are alike. Below 0 if the adjustment made it worse.
    pub variance_reduction: Defined,
}

impl Undefined {
    /// CUPED needs more than `CUPED_MIN_UNITS` units.
    pub const CUPED_TOO_FEW_UNITS: Undefined = Undefined { reason: "cuped_too_few_units" };
    /// CUPED needs more than `CUPED_MIN_PRE_SHARE` of the units to have earlier data.
    pub const CUPED_TOO_FEW_PRE_VALUES: Undefined = Undefined { reason: "cuped_too_few_pre_values" };
    /// The adjustment does not lower the variance.
    pub const CUPED_NO_REDUCTION: Undefined = Undefined { reason: "cuped_no_reduction" };
    /// A group's denominators before the exposure sum to 0, so there is no earlier ratio.
    pub const CUPED_ZERO_PRE_DENOMINATOR: Undefined = Undefined { reason: "cuped_zero_pre_denominator" };
}

/// Adjusts the means of variable 0 by the covariate, variable 1, over the units of both groups. Without any spread of the
/// covariate the means stay as they are (theta is 0). An error if a group has no unit.
pub fn cuped(test: &CoMoments<2>, control: &CoMoments<2>) -> Result<Adjusted, Undefined> {
    let all = together(test, control)?;
    let spread = all.variance(1)?;
    let theta = if spread == 0.0 { 0.0 } else { finite(all.covariance(0, 1)? / spread)? };
    let centre = all.exact_mean(1)?;
    let arm = |group: &CoMoments<2>| -> Result<Estimate, Undefined> {
        if theta == 0.0 {
            return Ok(group.estimate(0));
        }
        let weights = [Compensated::from(1.0), Compensated::from(-theta)];
        let mean = group.exact_mean(0)? - (group.exact_mean(1)? - centre).times(theta);
        Ok(estimate(group, mean.value(), group.combined_variance(weights)))
    };
    let (test_arm, control_arm) = (arm(test)?, arm(control)?);
    Ok(Adjusted {
        theta,
        test: test_arm,
        control: control_arm,
        correlation: correlation(all.covariance(0, 1), all.variance(0), all.variance(1)),
        variance_reduction: reduction([test.estimate(0), control.estimate(0)], [test_arm, control_arm]),
    })
}

/// Adjusts the ratios of variables 0 and 1 by the earlier ratios of variables 2 and 3, each linearised around the totals:
/// for the coefficient around those of both groups together, for a group's variance around its own. An error if a group has
/// no unit, or a total that is divided by is 0.
pub fn cuped_ratio(test: &CoMoments<4>, control: &CoMoments<4>) -> Result<Adjusted, Undefined> {
    let all = together(test, control)?;
    let before = |group: &CoMoments<4>| ratio_of_sums(group, 2, 3).map_err(|_| Undefined::CUPED_ZERO_PRE_DENOMINATOR);
    let centre = before(&all)?;
    let (value, covariate) = (linearised(&all, 0, 1)?, linearised(&all, 2, 3)?);
    let spread = all.combined_variance(covariate)?;
    let joint = all.combined_covariance(value, covariate)?;
    let theta = if spread == 0.0 { 0.0 } else { finite(joint / spread)? };
    let arm = |group: &CoMoments<4>| -> Result<Estimate, Undefined> {
        if theta == 0.0 {
            return Ok(ratio(&group.part([0, 1])));
        }
        let mean = ratio_of_sums(group, 0, 1)? - (before(group)? - centre).times(theta);
        let (mut weights, covariate) = (linearised(group, 0, 1)?, linearised(group, 2, 3)?);
        for (weight, of_covariate) in weights.iter_mut().zip(covariate) {
            *weight = *weight - of_covariate.times(theta);
        }
        Ok(estimate(group, mean.value(), group.combined_variance(weights)))
    };
    let (test_arm, control_arm) = (arm(test)?, arm(control)?);
    let plain = [ratio(&test.part([0, 1])), ratio(&control.part([0, 1]))];
    Ok(Adjusted {
        theta,
        test: test_arm,
        control: control_arm,
        correlation: correlation(Ok(joint), all.combined_variance(value), Ok(spread)),
        variance_reduction: reduction(plain, [test_arm, control_arm]),
    })
}

/// Whether Statsig would use the adjusted result: more than 100 units, more than 5 % of them with earlier data
/// (`with_pre_values`, over both groups), and a lower variance. The error is the first of these that fails.
pub fn eligibility(adjusted: &Adjusted, with_pre_values: u64) -> Result<(), Undefined> {
    let units = adjusted.test.n + adjusted.control.n;
    if units <= CUPED_MIN_UNITS {
        return Err(Undefined::CUPED_TOO_FEW_UNITS);
    }
    if with_pre_values as f64 <= CUPED_MIN_PRE_SHARE * units as f64 {
        return Err(Undefined::CUPED_TOO_FEW_PRE_VALUES);
    }
    match adjusted.variance_reduction {
        Ok(reduction) if reduction > 0.0 => Ok(()),
        _ => Err(Undefined::CUPED_NO_REDUCTION),
    }
}

fn together<const N: usize>(test: &CoMoments<N>, control: &CoMoments<N>) -> Result<CoMoments<N>, Undefined> {
    if test.n() == 0 || control.n() == 0 {
        return Err(Undefined::NO_UNITS);
    }
    let mut all = *test;
    all.merge(control);
    Ok(all)
}

fn estimate<const N: usize>(group: &CoMoments<N>, mean: f64, variance: Defined) -> Estimate {
    let n = group.n();
    Estimate { n, mean: finite(mean), variance: variance.and_then(|variance| finite(variance / n as f64)) }
}

fn correlation(covariance: Defined, one: Defined, other: Defined) -> Defined {
    let scale = one?.sqrt() * other?.sqrt();
    if scale == 0.0 {
        return Err(Undefined::ZERO_VARIANCE);
    }
    Ok(finite(covariance? / scale)?.clamp(-1.0, 1.0))
}

fn reduction(plain: [Estimate; 2], adjusted: [Estimate; 2]) -> Defined {
    let whole = |of: [Estimate; 2]| -> Defined { finite(of[0].variance? + of[1].variance?) };
    let plain = whole(plain)?;
    if plain == 0.0 {
        return Err(Undefined::ZERO_VARIANCE);
    }
    finite(1.0 - whole(adjusted)? / plain)
}

#[cfg(test)]
mod tests;
