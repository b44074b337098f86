//! From units' numbers to moments by class: the groups of a split, or groups times strata. Compares nothing.

use super::calendar::{DAY, Span, day_of, start_of};
use super::definition::FunnelCounts;
use super::entries::Walk;
use super::funnel::Room;
use super::options::{Join, Options};
use super::plan::{Makes, Plan};
use super::question::Split;
use super::units::{Member, Units};
use crate::stats::{self, CoMoments};
use std::cell::RefCell;

/// When a unit's events count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clockwork {
    pub join: Join,
    /// The first moment that counts, and the first that no longer does.
    pub start: i64,
    pub until: i64,
    /// How far the days before the exposure reach back.
    pub look_back: i64,
}

impl Clockwork {
    pub fn new(options: &Options, start: Option<i64>, until: i64) -> Clockwork {
        let look_back = i64::from(options.cuped_days) * DAY;
        Clockwork { join: options.join, start: start.unwrap_or(i64::MIN), until, look_back }
    }

    /// The part of it that lies in the stages of a split.
    pub fn within(&self, split: &Split) -> Clockwork {
        let Some(stages) = &split.stages else { return *self };
        let (start, end) = stages.period();
        Clockwork {
            start: start.map_or(self.start, |start| start.0.max(self.start)),
            until: self.until.min(end.0),
            ..*self
        }
    }

    /// From when on a member's events count.
    pub fn from(&self, member: &Member) -> i64 {
        match self.join {
            Join::Timestamp => member.since.0,
            Join::Date => start_of(day_of(member.since.0)).max(self.start),
        }
    }

    /// All of a member's time.
    pub fn after(&self, member: &Member) -> Span {
        let until = self.until.min(member.until.0);
        Span { since: member.since.0, from: self.from(member), until, known: until }
    }

    /// The days before its exposure, as if it had been exposed at their begin.
    pub fn before(&self, member: &Member) -> Span {
        let until = match self.join {
            Join::Timestamp => member.since.0,
            Join::Date => start_of(day_of(member.since.0)),
        };
        Span { since: until - self.look_back, from: until - self.look_back, until, known: until }
    }
}

/// Moments of each class.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sums {
    /// One number a unit.
    One(Vec<CoMoments<1>>),
    /// Numerator and denominator.
    Two(Vec<CoMoments<2>>),
}

/// The same with the covariates of before the exposure behind them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SumsBefore {
    One(Vec<CoMoments<2>>),
    Two(Vec<CoMoments<4>>),
}

/// What a metric came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    pub plain: Sums,
    pub winsorized: Option<Winsorized>,
    pub cuped: Option<SumsBefore>,
    /// What was before the exposure by itself, of all units, or of a ratio of those that took part then.
    pub before: Option<Sums>,
    /// By class: units with anything before their exposure.
    pub with_before: Vec<u64>,
    /// Of a funnel: each step but the first, over the one before it.
    pub steps: Vec<Vec<CoMoments<2>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Winsorized {
    /// Above these numbers everything is cut: of the number, or of numerator and denominator. `None`: nothing to cut.
    pub caps: [Option<f64>; 2],
    pub sums: Sums,
    pub cuped: Option<SumsBefore>,
}

impl Tally {
    /// Puts in what other units came to, or takes it out again. `false` where that cannot be done: nothing is changed then, or
    /// too many digits were lost.
    pub fn shift(&mut self, by: &Tally, way: Way) -> bool {
        if self.winsorized.is_some() || by.winsorized.is_some() || self.steps.len() != by.steps.len() {
            return false;
        }
        for (count, part) in self.with_before.iter_mut().zip(&by.with_before) {
            *count = match way {
                Way::In => *count + part,
                Way::Out => *count - part,
            };
        }
        let mut sound = shift_sums(&mut self.plain, &by.plain, way);
        if let (Some(sums), Some(by)) = (&mut self.before, &by.before) {
            sound &= shift_sums(sums, by, way);
        }
        sound &= match (&mut self.cuped, &by.cuped) {
            (Some(SumsBefore::One(sums)), Some(SumsBefore::One(by))) => shift_all(sums, by, way),
            (Some(SumsBefore::Two(sums)), Some(SumsBefore::Two(by))) => shift_all(sums, by, way),
            (None, None) => true,
            _ => false,
        };
        for (step, by) in self.steps.iter_mut().zip(&by.steps) {
            sound &= shift_all(step, by, way);
        }
        sound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

fn shift_sums(sums: &mut Sums, by: &Sums, way: Way) -> bool {
    match (sums, by) {
        (Sums::One(sums), Sums::One(by)) => shift_all(sums, by, way),
        (Sums::Two(sums), Sums::Two(by)) => shift_all(sums, by, way),
        _ => false,
    }
}

fn shift_all<const N: usize>(sums: &mut [CoMoments<N>], by: &[CoMoments<N>], way: Way) -> bool {
    for (sums, by) in sums.iter_mut().zip(by) {
        match way {
            Way::In => sums.merge(by),
            Way::Out => sums.take_out(by),
        }
    }
    way == Way::Out || !sums.iter().any(CoMoments::worn)
}

/// Which variants are wanted beside the plain one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    pub winsorize: Option<f64>,
    pub cuped: bool,
    /// What was before the exposure by itself.
    pub before: bool,
}

/// Who belongs to which class.
pub(super) struct Classes<'a> {
    pub units: &'a Units,
    /// By class: how many units.
    pub sizes: Vec<u64>,
    pub of: &'a dyn Fn(u32, &Member) -> Option<usize>,
}

/// One unit's numbers in one class.
struct Sample<const K: usize> {
    class: usize,
    after: [f64; K],
    before: [f64; K],
}

/// Computes a plan over the units that take part. `walk` must be fresh.
pub(super) fn tally<'a>(
    plan: &Plan,
    walk: impl Fn() -> Walk<'a>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    wanted: Wanted,
) -> Tally {
    match &plan.makes {
        Makes::PerUnit(quantity) => {
            let wanted = Wanted {
                winsorize: wanted.winsorize.filter(|_| quantity.has_tail()),
                cuped: wanted.cuped && quantity.has_covariate(),
                before: wanted.before && quantity.has_covariate(),
            };
            one(walk(), classes, clock, wanted, |walk, span| [quantity.of(walk, span)])
        }
        Makes::Ratio(numerator, denominator) => {
            let wanted = Wanted {
                winsorize: wanted.winsorize.filter(|_| numerator.has_tail() || denominator.has_tail()),
                cuped: wanted.cuped && numerator.has_covariate() && denominator.has_covariate(),
                before: wanted.before && numerator.has_covariate() && denominator.has_covariate(),
            };
            let of = |walk: &Walk<'_>, span: &Span| [numerator.of(walk, span), denominator.of(walk, span)];
            two(walk(), classes, clock, wanted, of, |_| {})
        }
        Makes::Funnel(steps) => {
            let last = steps.places.len() - 1;
            // Of units, a funnel says yes or no: there is nothing to cut.
            let winsorize = wanted.winsorize.filter(|_| steps.counts == FunnelCounts::Events);
            let wanted = Wanted { winsorize, ..wanted };
            let count = classes.sizes.len();
            let room = RefCell::new(Room::default());
            // Steps are asked of a unit's time after its exposure as often as the whole is, and once for both.
            let mut each: Vec<Vec<CoMoments<2>>> = vec![vec![CoMoments::default(); count]; last];
            let taken = RefCell::new(Vec::new());
            let of = |walk: &Walk<'_>, span: &Span| {
                let mut room = room.borrow_mut();
                let found = steps.of(walk, span, &mut room);
                taken.borrow_mut().clear();
                taken.borrow_mut().extend_from_slice(found);
                [found[last], found[0]]
            };
            let whole = two(walk(), classes, clock, wanted, of, |class| {
                let taken = taken.borrow();
                for (pair, sums) in taken.windows(2).zip(&mut each) {
                    if pair[0] != 0.0 {
                        sums[class].push([pair[1], pair[0]]);
                    }
                }
            });
            Tally { steps: each, ..whole }
        }
    }
}

/// Hands out the numbers of each unit that has any.
fn samples<const K: usize>(
    mut walk: Walk<'_>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    with_before: bool,
    of: impl Fn(&Walk<'_>, &Span) -> [f64; K],
    mut each: impl FnMut(Sample<K>),
) {
    while let Some(unit) = walk.advance() {
        for member in classes.units.memberships(unit) {
            let Some(class) = (classes.of)(unit, member) else { continue };
            let earlier = clock.before(member);
            let has_before = with_before && walk.begins_before(earlier.until);
            let before = if has_before { of(&walk, &earlier) } else { [0.0; K] };
            each(Sample { class, after: of(&walk, &clock.after(member)), before });
        }
    }
}

fn one(
    walk: Walk<'_>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    wanted: Wanted,
    of: impl Fn(&Walk<'_>, &Span) -> [f64; 1],
) -> Tally {
    let count = classes.sizes.len();
    let mut plain = vec![CoMoments::<1>::default(); count];
    let mut cuped = wanted.cuped.then(|| vec![CoMoments::<2>::default(); count]);
    let mut earlier = wanted.before.then(|| vec![CoMoments::<1>::default(); count]);
    let mut with_before = vec![0u64; count];
    // Most units that have anything have one of it: these are counted, and added together.
    let mut ones = vec![0u64; count];
    let mut kept: Vec<Sample<1>> = Vec::new();
    samples(walk, classes, clock, wanted.cuped || wanted.before, of, |sample| {
        let Sample { class, after: [after], before: [before] } = sample;
        if after == 0.0 && before == 0.0 {
            return;
        }
        if after == 1.0 {
            ones[class] += 1;
        } else {
            plain[class].push([after]);
        }
        if before != 0.0 {
            with_before[class] += 1;
            if let Some(earlier) = &mut earlier {
                earlier[class].push([before]);
            }
        }
        if let Some(cuped) = &mut cuped {
            cuped[class].push([after, before]);
        }
        if wanted.winsorize.is_some() {
            kept.push(sample);
        }
    });
    plain.iter_mut().zip(ones).for_each(|(sums, ones)| sums.push_times([1.0], ones));
    let winsorized = wanted.winsorize.map(|percentile| {
        let mut values: Vec<f64> = kept.iter().map(|sample| sample.after[0]).filter(|value| *value != 0.0).collect();
        let cap = stats::threshold(&mut values, percentile * 100.0);
        let cut = |value: f64| cap.map_or(value, |cap| value.min(cap));
        let mut sums = vec![CoMoments::<1>::default(); count];
        let mut before = wanted.cuped.then(|| vec![CoMoments::<2>::default(); count]);
        for sample in &kept {
            sums[sample.class].push([cut(sample.after[0])]);
            if let Some(before) = &mut before {
                before[sample.class].push([cut(sample.after[0]), cut(sample.before[0])]);
            }
        }
        fill(&mut sums, &classes.sizes);
        before.iter_mut().for_each(|before| fill(before, &classes.sizes));
        Winsorized { caps: [cap, None], sums: Sums::One(sums), cuped: before.map(SumsBefore::One) }
    });
    fill(&mut plain, &classes.sizes);
    cuped.iter_mut().for_each(|cuped| fill(cuped, &classes.sizes));
    earlier.iter_mut().for_each(|earlier| fill(earlier, &classes.sizes));
    Tally {
        plain: Sums::One(plain),
        winsorized,
        cuped: cuped.map(SumsBefore::One),
        before: earlier.map(Sums::One),
        with_before,
        steps: Vec::new(),
    }
}

/// Adds zeros for the units of each class that have nothing.
pub(super) fn fill<const N: usize>(sums: &mut [CoMoments<N>], sizes: &[u64]) {
    for (sums, &size) in sums.iter_mut().zip(sizes) {
        sums.push_times([0.0; N], size - sums.n());
    }
}

/// Of ratios, over the units that have a denominator. `after` is told the class of each unit right after its time behind the
/// exposure was asked for.
fn two(
    walk: Walk<'_>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    wanted: Wanted,
    of: impl Fn(&Walk<'_>, &Span) -> [f64; 2],
    mut after: impl FnMut(usize),
) -> Tally {
    let count = classes.sizes.len();
    let mut plain = vec![CoMoments::<2>::default(); count];
    let mut cuped = wanted.cuped.then(|| vec![CoMoments::<4>::default(); count]);
    let mut earlier = wanted.before.then(|| vec![CoMoments::<2>::default(); count]);
    let mut with_before = vec![0u64; count];
    let mut kept: Vec<Sample<2>> = Vec::new();
    samples(walk, classes, clock, wanted.cuped || wanted.before, of, |sample| {
        after(sample.class);
        let Sample { class, after, before } = sample;
        if let Some(earlier) = &mut earlier
            && before[1] != 0.0
        {
            earlier[class].push(before);
        }
        if after[1] == 0.0 {
            return;
        }
        plain[class].push(after);
        with_before[class] += u64::from(before[1] != 0.0);
        if let Some(cuped) = &mut cuped {
            cuped[class].push([after[0], after[1], before[0], before[1]]);
        }
        if wanted.winsorize.is_some() {
            kept.push(sample);
        }
    });
    let winsorized = wanted.winsorize.map(|percentile| {
        let caps = [0, 1].map(|part| {
            let of_part = kept.iter().map(|sample| sample.after[part]);
            let mut values: Vec<f64> = of_part.filter(|value| *value != 0.0).collect();
            stats::threshold(&mut values, percentile * 100.0)
        });
        let cut = |values: [f64; 2]| [0, 1].map(|part| caps[part].map_or(values[part], |cap| values[part].min(cap)));
        let mut sums = vec![CoMoments::<2>::default(); count];
        let mut before = wanted.cuped.then(|| vec![CoMoments::<4>::default(); count]);
        for sample in &kept {
            let after = cut(sample.after);
            sums[sample.class].push(after);
            if let Some(before) = &mut before {
                let earlier = cut(sample.before);
                before[sample.class].push([after[0], after[1], earlier[0], earlier[1]]);
            }
        }
        Winsorized { caps, sums: Sums::Two(sums), cuped: before.map(SumsBefore::Two) }
    });
    Tally {
        plain: Sums::Two(plain),
        winsorized,
        cuped: cuped.map(SumsBefore::Two),
        before: earlier.map(Sums::Two),
        with_before,
        steps: Vec::new(),
    }
}
