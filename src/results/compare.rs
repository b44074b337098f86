//! From moments to the numbers of a report: groups, comparisons and what was asked for beside them. The formulas are those
//! of `stats`.

use super::options::Options;
use super::question::{Direction, Split};
use super::report::{
    Absolute, Comparison, CupedUse, Detectable, Ends, ImpactNumbers, Lift, MetricGroup, Reason, SequentialTest, Winsor,
};
use super::tally::{Sums, SumsBefore, Tally};
use crate::stats::{self, Alternative, CoMoments, Defined, Difference, Estimate, Impact, Interval, Level, Undefined};

/// The groups of one stratum among the classes: as many as the split has, from a place on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub first: usize,
}

/// How comparisons are made.
pub(super) struct Manner<'a> {
    pub split: &'a Split,
    pub options: &'a Options,
    pub direction: Option<Direction>,
    /// Whether looking early is made up for.
    pub sequential: bool,
}

impl Manner<'_> {
    fn alternative(&self) -> Alternative {
        self.options.alternative.of(self.direction)
    }

    fn tests(&self) -> impl Iterator<Item = usize> {
        let control = self.split.control;
        (0..self.split.groups.len()).filter(move |at| *at != control)
    }

    fn name(&self, at: usize) -> String {
        self.split.groups[at].name.clone()
    }

    /// The groups of a metric.
    pub fn groups(&self, sums: &Sums, part: Part) -> Vec<MetricGroup> {
        (0..self.split.groups.len()).map(|at| group(self.name(at), &Numbers::of(sums, part.first + at))).collect()
    }

    /// Every test group against control, by the plain numbers.
    pub fn plain(&self, sums: &Sums, part: Part) -> Vec<Comparison> {
        let control = Numbers::of(sums, part.first + self.split.control).estimate;
        let compare = |at| self.compare(at, "plain", &Numbers::of(sums, part.first + at).estimate, &control);
        self.tests().map(compare).collect()
    }

    /// Every test group against control, by each variant of its numbers.
    pub fn variants(&self, tally: &Tally, part: Part) -> Vec<Comparison> {
        let mut all = Vec::new();
        for at in self.tests() {
            let control = part.first + self.split.control;
            let pair = [part.first + at, control];
            let plain = |sums: &Sums, variant: &str, carries_groups: bool| {
                let numbers = pair.map(|class| Numbers::of(sums, class));
                let mut comparison = self.compare(at, variant, &numbers[0].estimate, &numbers[1].estimate);
                if carries_groups {
                    let names = [self.name(at), self.name(self.split.control)];
                    comparison.groups =
                        Some(names.into_iter().zip(&numbers).map(|(name, of)| group(name, of)).collect());
                }
                comparison
            };
            all.push(plain(&tally.plain, "plain", false));
            if let Some(winsorized) = &tally.winsorized {
                let mut comparison = plain(&winsorized.sums, "winsorized", true);
                comparison.winsorized = Some(self.winsor(&winsorized.caps, &winsorized.sums));
                all.push(comparison);
            }
            let with_before = pair.iter().map(|class| tally.with_before[*class]).sum();
            if let Some(before) = &tally.cuped {
                all.push(self.adjusted(at, "cuped", before, pair, with_before));
            }
            if let Some(winsorized) = &tally.winsorized
                && let Some(before) = &winsorized.cuped
            {
                let mut comparison = self.adjusted(at, "winsorized_cuped", before, pair, with_before);
                comparison.winsorized = Some(self.winsor(&winsorized.caps, &winsorized.sums));
                all.push(comparison);
            }
        }
        all
    }

    fn winsor(&self, caps: &[Option<f64>; 2], sums: &Sums) -> Winsor {
        Winsor {
            percentile: self.options.winsorize.unwrap_or(1.0),
            cap: caps[0],
            denominator_cap: matches!(sums, Sums::Two(_)).then_some(caps[1]).flatten(),
        }
    }

    /// By numbers adjusted for what was before the exposure.
    fn adjusted(
        &self,
        at: usize,
        variant: &str,
        before: &SumsBefore,
        [test, control]: [usize; 2],
        with_before: u64,
    ) -> Comparison {
        let adjusted = match before {
            SumsBefore::One(sums) => stats::cuped(&sums[test], &sums[control]),
            SumsBefore::Two(sums) => stats::cuped_ratio(&sums[test], &sums[control]),
        };
        let estimates = match &adjusted {
            Ok(adjusted) => [adjusted.test, adjusted.control],
            Err(why) => [Estimate { n: 0, mean: Err(*why), variance: Err(*why) }; 2],
        };
        let mut comparison = self.compare(at, variant, &estimates[0], &estimates[1]);
        let names = [self.name(at), self.name(self.split.control)];
        comparison.groups = Some(
            names
                .into_iter()
                .zip(estimates)
                .map(|(name, estimate)| group(name, &Numbers::of_estimate(estimate)))
                .collect(),
        );
        let mut reason = Reason::default();
        let eligible = adjusted.as_ref().map_err(|why| *why).and_then(|it| stats::eligibility(it, with_before));
        let number = |of: fn(&stats::Adjusted) -> Defined| adjusted.as_ref().ok().and_then(|it| of(it).ok());
        comparison.cuped = Some(CupedUse {
            theta: number(|it| Ok(it.theta)),
            correlation: number(|it| it.correlation),
            variance_reduction: number(|it| it.variance_reduction),
            units_with_before: with_before,
            eligible: eligible.is_ok(),
            reason: reason.keep(eligible).map_or_else(|| reason.text(), |()| None),
        });
        comparison
    }

    fn compare(&self, at: usize, variant: &str, test: &Estimate, control: &Estimate) -> Comparison {
        let options = self.options;
        let absolute = stats::difference(test, control, options.level, self.alternative());
        let relative = stats::relative(test, control, &absolute, options.relative);
        let sequential = self.sequential.then(|| self.sequential_test(test, control, &absolute));
        Comparison {
            group: self.name(at),
            control: self.name(self.split.control),
            variant: variant.to_owned(),
            groups: None,
            mde: Some(detectable(&absolute, control, options, self.alternative())),
            absolute: Absolute::from(absolute),
            relative: Lift::from(relative),
            sequential,
            adjusted: None,
            cuped: None,
            winsorized: None,
            impact: None,
        }
    }

    fn sequential_test(&self, test: &Estimate, control: &Estimate, absolute: &Difference) -> SequentialTest {
        let found = stats::sequential(absolute, test, control, self.options.level, self.alternative());
        let mut reason = Reason::default();
        let found = reason.keep(found);
        let lift =
            found.map(|found| stats::relative_at(test, control, absolute, found.critical, self.options.relative).ci);
        SequentialTest {
            ci: found.map(|found| ends(found.ci)),
            p: found.map(|found| found.p),
            relative_ci: lift.and_then(|ci| reason.keep(ci)).map(ends),
            reason: reason.text(),
        }
    }

    /// The intervals of a comparison at another level, which corrects for many tests.
    pub fn at_level(&self, tally: &Tally, comparison: &Comparison, part: Part, level: Level) -> [Option<Ends>; 2] {
        let Some(at) = self.split.groups.iter().position(|group| group.name == comparison.group) else {
            return [None, None];
        };
        let pair = [part.first + at, part.first + self.split.control];
        let of = |sums: &Sums| Some(pair.map(|class| Numbers::of(sums, class).estimate));
        let adjusted = |before: &SumsBefore| {
            let [test, control] = pair;
            let adjusted = match before {
                SumsBefore::One(sums) => stats::cuped(&sums[test], &sums[control]),
                SumsBefore::Two(sums) => stats::cuped_ratio(&sums[test], &sums[control]),
            };
            adjusted.ok().map(|adjusted| [adjusted.test, adjusted.control])
        };
        let winsorized = tally.winsorized.as_ref();
        let estimates = match comparison.variant.as_str() {
            "plain" => of(&tally.plain),
            "winsorized" => winsorized.and_then(|winsorized| of(&winsorized.sums)),
            "cuped" => tally.cuped.as_ref().and_then(adjusted),
            _ => winsorized.and_then(|winsorized| winsorized.cuped.as_ref()).and_then(adjusted),
        };
        let Some([test, control]) = estimates else { return [None, None] };
        let absolute = stats::difference(&test, &control, level, self.alternative());
        let relative = stats::relative(&test, &control, &absolute, self.options.relative);
        [absolute.inference.ok().map(|found| ends(found.ci)), relative.ci.ok().map(ends)]
    }

    /// What a difference means for the metric as a whole. `totals` is over all units, exposed or not.
    pub fn impact(
        &self,
        sums: &Sums,
        at: usize,
        sizes: &[u64],
        totals: Result<[f64; 2], Undefined>,
        scope: stats::Scope,
    ) -> ImpactNumbers {
        let control = self.split.control;
        let impact = match sums {
            Sums::One(sums) => {
                let [test, control] = [at, control].map(|class| sums[class].estimate(0));
                let absolute = stats::difference(&test, &control, self.options.level, self.alternative());
                stats::impact(&absolute, totals.map(|totals| totals[0]), scope)
            }
            Sums::Two(sums) => {
                let all = |class: usize| {
                    let mut all: CoMoments<2> = sums[class];
                    all.push_times([0.0; 2], sizes[class] - all.n());
                    all
                };
                match totals {
                    Ok(totals) => stats::ratio_impact(
                        &all(at),
                        &all(control),
                        totals,
                        scope,
                        self.options.level,
                        self.alternative(),
                    ),
                    Err(why) => Impact::undefined(why),
                }
            }
        };
        ImpactNumbers::from(impact)
    }
}

/// The mean of a class, or its ratio.
pub(super) fn estimate(sums: &Sums, class: usize) -> Estimate {
    Numbers::of(sums, class).estimate
}

/// What a report tells of one group.
struct Numbers {
    estimate: Estimate,
    /// Of the units' values.
    variance: Defined,
    /// The total, and of ratios that of the denominator.
    sum: Option<Defined>,
    denominator: Option<Defined>,
}

impl Numbers {
    fn of(sums: &Sums, class: usize) -> Numbers {
        match sums {
            Sums::One(sums) => {
                let (estimate, variance) = (sums[class].estimate(0), sums[class].variance(0));
                Numbers { estimate, variance, sum: Some(sums[class].sum(0)), denominator: None }
            }
            Sums::Two(sums) => {
                let [sum, denominator] = [0, 1].map(|part| Some(sums[class].sum(part)));
                Numbers { sum, denominator, ..Numbers::of_estimate(stats::ratio(&sums[class])) }
            }
        }
    }

    /// Without totals: a ratio's or an adjusted mean's variance is that of its mean, times the units.
    fn of_estimate(estimate: Estimate) -> Numbers {
        let variance = estimate.variance.and_then(|variance| {
            let variance = variance * estimate.n as f64;
            if variance.is_finite() { Ok(variance) } else { Err(Undefined::OVERFLOW) }
        });
        Numbers { estimate, variance, sum: None, denominator: None }
    }
}

fn group(name: String, numbers: &Numbers) -> MetricGroup {
    let mut reason = Reason::default();
    let estimate = &numbers.estimate;
    MetricGroup {
        name,
        units: estimate.n,
        sum: numbers.sum.and_then(|sum| reason.keep(sum)),
        denominator: numbers.denominator.and_then(|sum| reason.keep(sum)),
        mean: reason.keep(estimate.mean),
        variance: reason.keep(numbers.variance),
        standard_error: reason.keep(estimate.variance.map(f64::sqrt)),
        reason: reason.text(),
    }
}

fn detectable(absolute: &Difference, control: &Estimate, options: &Options, alternative: Alternative) -> Detectable {
    let mut reason = Reason::default();
    let effect = absolute.standard_error.and_then(|error| match error {
        0.0 => Err(Undefined::ZERO_VARIANCE),
        error => stats::detectable(error, options.level, alternative, options.power),
    });
    Detectable {
        power: options.power.get(),
        absolute: reason.keep(effect),
        relative: reason.keep(effect.and_then(|effect| stats::relative_effect(effect, control.mean?))),
        reason: reason.text(),
    }
}

pub(super) fn ends(interval: Interval) -> Ends {
    [interval.low, interval.high]
}
