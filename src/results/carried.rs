//! What one report leaves for the next one of the same question: each metric's sums, from which the units that changed are
//! taken out as they were and put in again as they are. Decides nothing of what a metric is.

use super::analysis::Scene;
use super::calendar::{Span, day_of};
use super::plan::{Makes, Plan};
use super::question::MetricChoice;
use super::tally::{Classes, Clockwork, Tally, Wanted, Way, tally};
use super::units::{Member, Units};
use crate::stats::{CoMoments, Undefined};

/// What one split's analysis leaves.
pub(super) struct Carried {
    /// The reading that it is made of.
    reading: u32,
    clock: Clockwork,
    units: Units,
    metrics: Vec<Computed>,
}

/// A metric with what it came to.
pub(super) struct Computed {
    pub choice: MetricChoice,
    pub plan: Plan,
    pub tally: Tally,
    wanted: Wanted,
    totals: Option<Totals>,
}

/// A metric's numbers over all units, exposed or not, from a moment on.
#[derive(Clone, Copy)]
struct Totals {
    start: i64,
    sums: CoMoments<2>,
}

impl Computed {
    /// From all units.
    pub fn anew(scene: &Scene<'_>, choice: &MetricChoice, classes: &Classes<'_>, wanted: Wanted) -> Computed {
        let plan = Plan::of(&choice.definition);
        let walk = || plan.walk(|source| scene.gathered.entries(source, scene.terms));
        let tally = tally(&plan, walk, classes, &scene.clock, wanted);
        Computed { choice: choice.clone(), plan, tally, wanted, totals: None }
    }

    /// The metric's numbers over all units, exposed or not, from a moment on: of a ratio its two parts.
    pub fn totals(&mut self, scene: &Scene<'_>, start: i64) -> Result<[f64; 2], Undefined> {
        let known = self.totals.filter(|totals| totals.start == start);
        let totals = match known {
            Some(totals) => totals,
            None => {
                let walk = self.plan.walk(|source| scene.gathered.entries(source, scene.terms));
                Totals { start, sums: total(&self.plan, walk, start, scene.clock.until) }
            }
        };
        self.totals = Some(totals);
        Ok([totals.sums.sum(0)?, totals.sums.sum(1)?])
    }
}

fn total(plan: &Plan, mut walk: super::entries::Walk<'_>, start: i64, until: i64) -> CoMoments<2> {
    let span = Span { since: start, from: start, until, known: until };
    let mut sums = CoMoments::<2>::default();
    while walk.advance().is_some() {
        match &plan.makes {
            Makes::PerUnit(quantity) => sums.push([quantity.of(&walk, &span), 0.0]),
            Makes::Ratio(numerator, denominator) => {
                sums.push([numerator.of(&walk, &span), denominator.of(&walk, &span)]);
            }
            Makes::Funnel(_) => {}
        }
    }
    sums
}

impl Carried {
    pub fn new(scene: &Scene<'_>, units: Units, metrics: Vec<Computed>) -> Carried {
        Carried { reading: scene.gathered.last_reading(), clock: scene.clock, units, metrics }
    }

    pub fn bytes(&self) -> usize {
        self.units.bytes()
    }

    /// A metric as it is now, if it can be told from what it was: its sums are taken away from here.
    pub fn onward(
        &mut self,
        scene: &Scene<'_>,
        choice: &MetricChoice,
        units: &Units,
        groups: usize,
        wanted: Wanted,
    ) -> Option<Computed> {
        let at = self.metrics.iter().position(|known| known.choice == *choice && known.wanted == wanted)?;
        // Numbers that are shares of days change for everybody with the day of the last moment that counts; those that wait for
        // a day to be over, with the first moment after it.
        let days = |clock: &Clockwork| [day_of(clock.until - 1), day_of(clock.until)];
        if days(&self.clock) != days(&scene.clock) || self.clock.start != scene.clock.start {
            return None;
        }
        let (reading, gathered) = (self.reading, scene.gathered);
        let sources = &self.metrics[at].plan.sources;
        let dirty = gathered.dirty(sources, scene.terms, reading, self.clock.until)?;
        let mut computed = self.metrics.swap_remove(at);
        let of_group = |_: u32, member: &Member| member.group();
        let entries = |source: &_| gathered.entries(source, scene.terms);
        let (before, after) = (Clockwork { ..self.clock }, scene.clock);
        let of = |units: &Units, clock: &Clockwork, up_to: u32| {
            let mut sizes = vec![0; groups];
            for group in dirty.iter().flat_map(|unit| units.memberships(*unit)).filter_map(Member::group) {
                sizes[group] += 1;
            }
            let classes = Classes { units, sizes, of: &of_group };
            tally(&computed.plan, || computed.plan.walk(entries).among(&dirty, up_to), &classes, clock, wanted)
        };
        let (was, is) = (of(&self.units, &before, reading), of(units, &after, super::entries::EVER));
        if let Some(totals) = &mut computed.totals {
            let walk = || computed.plan.walk(entries);
            totals.sums.take_out(&total(&computed.plan, walk().among(&dirty, reading), totals.start, before.until));
            totals.sums.merge(&total(
                &computed.plan,
                walk().among(&dirty, super::entries::EVER),
                totals.start,
                after.until,
            ));
        }
        (computed.tally.shift(&was, Way::Out) && computed.tally.shift(&is, Way::In)).then_some(computed)
    }
}
