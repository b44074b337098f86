//! Quantiles of event values as estimates that are compared like means. Events of a unit are alike, so their number
//! overstates what is known; the variance is widened by how they cluster. Takes ranked values and counts per unit as given.
//!
//! After Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics" (2018), section 4, by way of Statsig's page on
//! percentile metrics and GrowthBook's on quantile testing.

use super::difference::normal_critical;
use super::ratio::ratio;
use super::{CoMoments, Defined, Estimate, Undefined, finite};

/// A quantile, above 0 and below 1; 0.5 is the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile(f64);

/// The values at a quantile and at the ends of its interval for independent events, at 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    pub events: u64,
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

impl Undefined {
    /// So near to an end of so few values that the quantile's interval is not among them.
    pub const QUANTILE_TOO_FEW_EVENTS: Undefined = Undefined { reason: "quantile_too_few_events" };
}

/// The tail beyond one end of the interval that `Ranked` holds.
const TAIL: f64 = 0.025;

impl Quantile {
    /// `None` unless the number is above 0 and below 1.
    pub fn new(quantile: f64) -> Option<Quantile> {
        (quantile > 0.0 && quantile < 1.0).then_some(Quantile(quantile))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    /// The value by nearest rank, ⌈q·n⌉, and those at the ranks of the ends, q ± z·√(q(1-q)/n). An error without a value, or
    /// where an end lies outside all of them. Takes time proportional to n, and leaves the values in another order.
    pub fn rank(self, values: &mut [f64]) -> Result<Ranked, Undefined> {
        let n = values.len() as f64;
        if values.is_empty() {
            return Err(Undefined::NO_UNITS);
        }
        let half = normal_critical(TAIL) * (self.0 * (1.0 - self.0) / n).sqrt();
        if self.0 - half <= 0.0 || self.0 + half >= 1.0 {
            return Err(Undefined::QUANTILE_TOO_FEW_EVENTS);
        }
        let mut at = |share: f64| {
            let rank = ((share * n).ceil().max(1.0) as usize).min(values.len());
            *values.select_nth_unstable_by(rank - 1, f64::total_cmp).1
        };
        Ok(Ranked { events: n as u64, low: at(self.0 - half), value: at(self.0), high: at(self.0 + half) })
    }

    /// The quantile with its variance. `units` has, per unit with any event, how many of its events are at most
    /// `ranked.value` (variable 0), and how many it has (variable 1). n is the number of units, as they are independent.
    ///
    /// ((high - low)/2z)² is the variance for independent events; it is multiplied by how many times more the share of
    /// events below the quantile varies between such units than between as many independent events.
    pub fn estimate(self, ranked: &Ranked, units: &CoMoments<2>) -> Estimate {
        let variance = || -> Defined {
            let clustered = ratio(units).variance?;
            let independent = self.0 * (1.0 - self.0) / ranked.events as f64;
            let spread = (ranked.high - ranked.low) / (2.0 * normal_critical(TAIL));
            finite(spread * spread * (clustered / independent))
        };
        Estimate { n: units.n(), mean: finite(ranked.value), variance: variance() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::draw::{Draw, close};
    use crate::stats::{Alternative, Level, Moments, difference};

    const MEDIAN: Quantile = Quantile(0.5);

    #[test]
    fn a_quantile_lies_between_none_and_all() {
        for (quantile, accepted) in [(0.0, false), (1e-9, true), (0.999, true), (1.0, false), (f64::NAN, false)] {
            assert_eq!(Quantile::new(quantile).is_some(), accepted, "{quantile}");
        }
    }

    #[test]
    fn the_values_are_those_of_the_ranks() {
        let mut values: Vec<f64> = (1..=1000).rev().map(f64::from).collect();
        let ranked = MEDIAN.rank(&mut values).unwrap();
        // 1000·(0.5 ± 0.03099).
        assert_eq!(ranked, Ranked { events: 1000, low: 470.0, value: 500.0, high: 531.0 });
        let ranked = Quantile(0.99).rank(&mut values).unwrap();
        assert_eq!(ranked, Ranked { events: 1000, low: 984.0, value: 990.0, high: 997.0 });
    }

    #[test]
    fn too_few_values_for_an_interval_say_so() {
        assert_eq!(MEDIAN.rank(&mut []), Err(Undefined::NO_UNITS));
        // z²·q/(1-q) is 3.84 for the median and 380.3 for the 99th percentile.
        for (quantile, most) in [(MEDIAN, 3), (Quantile(0.99), 380)] {
            let mut values: Vec<f64> = (0..=most).map(f64::from).collect();
            assert!(quantile.rank(&mut values).is_ok());
            values.pop();
            values.truncate(most as usize);
            assert_eq!(quantile.rank(&mut values), Err(Undefined::QUANTILE_TOO_FEW_EVENTS), "{most}");
        }
        let ranked = MEDIAN.rank(&mut [1.0, 2.0, 3.0, 4.0]).unwrap();
        let one = MEDIAN.estimate(&ranked, &CoMoments::from_iter([[2.0, 4.0]]));
        assert_eq!((one.mean, one.variance), (Ok(2.0), Err(Undefined::TOO_FEW_UNITS)));
    }

    /// A group's median with units that have several events around a level of their own.
    fn median(draw: &mut Draw, units: usize) -> Estimate {
        let own: Vec<Vec<f64>> = (0..units)
            .map(|_| {
                let (events, level) = (1 + draw.bits() % 6, draw.normal());
                (0..events).map(|_| (level + 0.5 * draw.normal()).exp()).collect()
            })
            .collect();
        let ranked = MEDIAN.rank(&mut own.concat()).unwrap();
        let below = |events: &[f64]| events.iter().filter(|value| **value <= ranked.value).count() as f64;
        let counts = own.iter().map(|events| [below(events), events.len() as f64]).collect();
        MEDIAN.estimate(&ranked, &counts)
    }

    #[test]
    fn events_of_a_unit_are_not_counted_as_independent() {
        let experiments = 1000;
        let (mut medians, mut promised) = (Moments::default(), Moments::default());
        let mut positives = 0;
        for seed in 0..experiments {
            let mut draw = Draw::new(seed);
            let (test, control) = (median(&mut draw, 150), median(&mut draw, 150));
            medians.push(test.mean.unwrap());
            promised.push(test.variance.unwrap());
            let found = difference(&test, &control, Level::DEFAULT, Alternative::TwoSided);
            positives += u64::from(found.inference.unwrap().p < 0.05);
        }
        println!("seeds 0 to {}: {positives} of {experiments} positive", experiments - 1);
        // The variance of 1,000 medians is uncertain by 4.5 %; order statistics of few events are rough besides.
        assert!(close(promised.mean().unwrap(), medians.variance().unwrap(), 0.2));
        assert!((25..=80).contains(&positives), "{positives} false positives");
    }
}
