//! Power: which effects a comparison can find, and how many units it takes. Plans only; says nothing about a result.
//!
//! With the normal distribution and without the far tail of a two-sided test, as Statsig's page on power analysis does.

use super::difference::{normal_critical, normal_survival};
use super::{Alternative, Defined, Level, Undefined, finite};

/// The probability of finding an effect that is there, at least 0.5 and below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power(f64);

impl Power {
    pub const DEFAULT: Power = Power(0.8);

    /// `None` unless the number is at least 0.5 and below 1.
    pub fn new(power: f64) -> Option<Power> {
        (0.5..1.0).contains(&power).then_some(Power(power))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl Undefined {
    /// No number of units finds no effect, nor one that the alternative does not look for.
    pub const NO_EFFECT: Undefined = Undefined { reason: "no_effect_to_find" };
}

/// The smallest effect (of a difference with this standard error, in its unit) that is found with this power. As large to
/// either side; always positive.
pub fn detectable(standard_error: f64, level: Level, alternative: Alternative, power: Power) -> Defined {
    finite(reach(level, alternative, power) * standard_error)
}

/// An effect as a fraction of the control mean.
pub fn relative_effect(effect: f64, control_mean: f64) -> Defined {
    if control_mean == 0.0 {
        return Err(Undefined::CONTROL_MEAN_ZERO);
    }
    finite(effect / control_mean.abs())
}

/// Standard errors from 0 to an effect that is found with this power.
fn reach(level: Level, alternative: Alternative, power: Power) -> f64 {
    normal_critical(alternative.tail(level.alpha())) + normal_critical(1.0 - power.get())
}

/// A comparison of two groups whose units have the same variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    variance: f64,
    test_share: f64,
    level: Level,
    alternative: Alternative,
}

impl Plan {
    /// `variance` is that of a unit's value (for a ratio: n times the variance of the ratio), `test_share` the part of the
    /// units of both groups that test gets. `None` unless the variance is positive and the share above 0 and below 1.
    pub fn new(variance: f64, test_share: f64, level: Level, alternative: Alternative) -> Option<Plan> {
        let usable = variance > 0.0 && variance.is_finite() && test_share > 0.0 && test_share < 1.0;
        usable.then_some(Plan { variance, test_share, level, alternative })
    }

    /// The variance of the difference, times the units of both groups.
    fn variance_of_one(&self) -> f64 {
        self.variance / self.test_share + self.variance / (1.0 - self.test_share)
    }

    /// The smallest effect that `units`, of both groups together, find with this power.
    pub fn detectable(&self, units: u64, power: Power) -> Defined {
        if units == 0 {
            return Err(Undefined::NO_UNITS);
        }
        detectable((self.variance_of_one() / units as f64).sqrt(), self.level, self.alternative, power)
    }

    /// The least number of units, of both groups together, that find this effect with this power.
    pub fn units(&self, effect: f64, power: Power) -> Result<u64, Undefined> {
        let towards = self.towards(effect);
        if towards.is_nan() || towards <= 0.0 {
            return Err(Undefined::NO_EFFECT);
        }
        let reach = reach(self.level, self.alternative, power) / towards;
        let units = finite((reach * reach * self.variance_of_one()).ceil())?;
        // Beyond that, doubles no longer tell one unit from the next.
        if units < (1u64 << 53) as f64 { Ok(units as u64) } else { Err(Undefined::OVERFLOW) }
    }

    /// The probability that `units`, of both groups together, find this effect.
    pub fn power(&self, units: u64, effect: f64) -> Defined {
        if units == 0 {
            return Err(Undefined::NO_UNITS);
        }
        let standard_error = (self.variance_of_one() / units as f64).sqrt();
        let statistic = finite(self.towards(effect) / standard_error)?;
        Ok(normal_survival(normal_critical(self.alternative.tail(self.level.alpha())) - statistic))
    }

    /// The effect, positive if it is one that the alternative looks for.
    fn towards(&self, effect: f64) -> f64 {
        match self.alternative {
            Alternative::TwoSided => effect.abs(),
            Alternative::Greater => effect,
            Alternative::Less => -effect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(variance: f64, test_share: f64, alternative: Alternative) -> Option<Plan> {
        Plan::new(variance, test_share, Level::DEFAULT, alternative)
    }

    #[test]
    fn a_plan_needs_a_spread_and_two_groups() {
        for (variance, share, accepted) in [
            (1.0, 0.5, true),
            (0.0, 0.5, false),
            (-1.0, 0.5, false),
            (f64::NAN, 0.5, false),
            (f64::INFINITY, 0.5, false),
            (1.0, 0.0, false),
            (1.0, 1e-9, true),
            (1.0, 1.0, false),
            (1.0, f64::NAN, false),
        ] {
            assert_eq!(plan(variance, share, Alternative::TwoSided).is_some(), accepted, "{variance} {share}");
        }
        for (power, accepted) in [(0.499, false), (0.5, true), (0.999, true), (1.0, false), (f64::NAN, false)] {
            assert_eq!(Power::new(power).is_some(), accepted, "{power}");
        }
    }

    #[test]
    fn what_cannot_be_planned_says_why() {
        let both = plan(1.0, 0.5, Alternative::TwoSided).unwrap();
        assert_eq!(both.detectable(0, Power::DEFAULT), Err(Undefined::NO_UNITS));
        assert_eq!(both.power(0, 1.0), Err(Undefined::NO_UNITS));
        assert_eq!(both.units(0.0, Power::DEFAULT), Err(Undefined::NO_EFFECT));
        assert_eq!(both.units(f64::NAN, Power::DEFAULT), Err(Undefined::NO_EFFECT));
        assert_eq!(both.units(1e-300, Power::DEFAULT), Err(Undefined::OVERFLOW));
        assert_eq!(both.units(1e-8, Power::DEFAULT), Err(Undefined::OVERFLOW));
        assert!(both.units(-0.1, Power::DEFAULT).is_ok());
        let less = plan(1.0, 0.5, Alternative::Less).unwrap();
        assert_eq!(less.units(0.1, Power::DEFAULT), Err(Undefined::NO_EFFECT));
        assert_eq!(less.units(-0.1, Power::DEFAULT), Ok(2474));
        assert!(less.power(1000, 0.1).unwrap() < 0.05);
        assert_eq!(relative_effect(0.5, 0.0), Err(Undefined::CONTROL_MEAN_ZERO));
        assert_eq!(relative_effect(0.5, -2.0), Ok(0.25));
    }

    proptest! {
        #[test]
        fn units_effect_and_power_invert_one_another(
            variance in 1e-6f64..1e6,
            share in 0.01f64..0.99,
            level in 0.51f64..0.9999,
            power in 0.5f64..0.999,
            units in 100u64..1_000_000_000,
            alternative in
                prop_oneof![Just(Alternative::TwoSided), Just(Alternative::Greater), Just(Alternative::Less)],
        ) {
            let plan = Plan::new(variance, share, Level::new(level).unwrap(), alternative).unwrap();
            let power = Power::new(power).unwrap();
            let effect = plan.detectable(units, power).unwrap() * if alternative == Alternative::Less { -1.0 } else { 1.0 };
            prop_assert!((plan.power(units, effect).unwrap() - power.get()).abs() < 1e-9);
            let needed = plan.units(effect * (1.0 - 1e-12), power).unwrap();
            prop_assert!(needed.abs_diff(units) <= 1 + units / 100_000_000, "{} {}", needed, units);
            let needed = plan.units(effect / 3.0, power).unwrap();
            prop_assert!(plan.power(needed, effect / 3.0).unwrap() > power.get() - 1e-9);
            prop_assert!(plan.power(needed - 1, effect / 3.0).unwrap() < power.get() + 1e-9);
        }
    }
}
