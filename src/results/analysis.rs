//! From what was gathered to the analysis of one split: units, metrics, strata, days, corrections for many tests. Reads no
//! log.

use super::calendar::{DAY, day_of, start_of};
use super::carried::{Carried, Computed};
use super::compare::{Manner, Part};
use super::definition::{EventName, Quantity};
use super::evidence::Evidence;
use super::filter::UnitFilter;
use super::gather::Gathered;
use super::health;
use super::options::{Breakdown, Options, Sides};
use super::plan::{Makes, Plan};
use super::question::{Design, MetricChoice, Question, Role, Split};
use super::report::{
    Analysis, Corrected, ExposureDay, Impacts, Metric, Point, RuleSummary, Step, Stratum, group_summaries, srm,
};
use super::series::{Days, series};
use super::strata::NO_TEXT;
use super::tally::{Classes, Clockwork, Sums, Tally, Wanted, tally};
use super::units::{Exposures, Member, Units};
use crate::stats::{self, Bonferroni, Level, Scope, Scorecard, Undefined};
use crate::store::Terms;
use std::collections::BTreeMap;

/// The most parts of a break-down that are told apart; the smaller ones are one part.
pub const MAX_STRATA: usize = 10;

impl Undefined {
    /// The metric's total over all units is not known: only exposed units were gathered, to save memory.
    const TOTAL_UNKNOWN: Undefined = Undefined { reason: "total_unknown" };
}

/// What all analyses of a report share.
pub(super) struct Scene<'a> {
    pub question: &'a Question,
    pub options: &'a Options,
    pub terms: &'a Terms,
    pub gathered: &'a Gathered,
    pub metrics: &'a [MetricChoice],
    pub clock: Clockwork,
    pub sequential: bool,
    /// When the log's last event was received.
    pub as_of: Option<i64>,
}

impl Scene<'_> {
    /// The analysis of one split, and what it leaves for the next report; `None` if its exposures were not gathered. `before` is
    /// what the report before left.
    pub fn analysis(&self, split: &Split, before: Option<Carried>) -> Option<(Analysis, Carried)> {
        let exposures = self.gathered.exposures(split.rule_id())?;
        let units = self.units(split, exposures);
        let scene = Scene { clock: self.clock.within(split), ..*self };
        // A draw or a filter of units may come out differently for everybody.
        let before = before.filter(|_| split.stages.is_none() && self.options.units == UnitFilter::default());
        let (analysis, computed) = scene.of_units(split, &units, before);
        Some((analysis, Carried::new(&scene, units, computed)))
    }

    /// Who takes part in a split.
    pub fn units(&self, split: &Split, exposures: &Exposures) -> Units {
        let draws = split.stages.as_ref().is_some_and(|stages| stages.sides == Sides::Balanced);
        let hashes = if draws { self.gathered.hashes() } else { Vec::new() };
        let mut units = exposures.settle(split, self.options.crossovers, self.gathered.ahead(), &hashes);
        if let Some(sieve) = self.gathered.sieve(&self.options.units) {
            units.keep(|unit, since| sieve.lets_through(unit, since));
        }
        units
    }

    fn of_units(&self, split: &Split, units: &Units, before: Option<Carried>) -> (Analysis, Vec<Computed>) {
        let by_group = |_: u32, member: &Member| member.group();
        let classes = Classes { units, sizes: units.sizes.clone(), of: &by_group };
        let wanted = |choice: &MetricChoice| Wanted { before: health::before(choice.role), ..self.wanted() };
        let mut before = before;
        let mut compute = |choice: &MetricChoice| {
            let (wanted, groups) = (wanted(choice), split.groups.len());
            let onward = before.as_mut().and_then(|before| before.onward(self, choice, units, groups, wanted));
            onward.unwrap_or_else(|| Computed::anew(self, choice, &classes, wanted))
        };
        let mut computed: Vec<Computed> = self.metrics.iter().map(&mut compute).collect();
        let whole = Part { first: 0 };
        let mut metrics: Vec<Metric> =
            computed.iter().map(|of| self.metric(split, &of.plan, &of.choice, &of.tally, whole)).collect();
        self.add_impacts(split, units, &mut computed, &mut metrics);
        self.correct(split, &computed, &mut metrics);
        let mut exposure_days = Vec::new();
        if let Some(view) = self.options.view {
            let days = Days::new(view, &classes, &self.clock);
            exposure_days = self.exposure_days(units);
            for (of, metric) in computed.iter().zip(&mut metrics) {
                metric.series = days.as_ref().map_or_else(Vec::new, |days| self.points(split, of, &classes, days));
            }
        }
        let (srm, balance) = srm(&units.sizes, split);
        let before = computed.iter().filter_map(|of| Some((&of.choice, of.tally.before.as_ref()?)));
        let mut evidence = Evidence { pre_experiment: health::compare(split, before), ..Evidence::default() };
        let subject = health::Subject { scene: self, split, units, metrics: &metrics, balance: &balance };
        let analysis = Analysis {
            rule: RuleSummary::of(split),
            groups: group_summaries(split, units),
            crossovers: units.crossovers,
            overridden: units.overridden,
            other_stages: units.other_stages,
            filtered: units.filtered,
            not_counted: units.not_counted.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect(),
            health: subject.checks(&mut evidence),
            evidence,
            strata: self.strata(split, units),
            srm,
            metrics,
            exposure_days,
        };
        (analysis, computed)
    }

    /// The variants that were asked for.
    fn wanted(&self) -> Wanted {
        Wanted { winsorize: self.options.winsorize, cuped: self.options.cuped, before: false }
    }

    fn manner<'a>(&'a self, split: &'a Split, choice: &MetricChoice) -> Manner<'a> {
        Manner { split, options: self.options, direction: choice.direction, sequential: self.sequential }
    }

    fn metric(&self, split: &Split, plan: &Plan, choice: &MetricChoice, tally: &Tally, part: Part) -> Metric {
        let manner = self.manner(split, choice);
        let step = |(nth, sums): (usize, &Vec<stats::CoMoments<2>>)| {
            let sums = Sums::Two(sums.clone());
            let event = match &plan.makes {
                Makes::Funnel(steps) => plan.sources[steps.places[nth + 1]].event.to_string(),
                _ => String::new(),
            };
            Step { event, groups: manner.groups(&sums, part), comparisons: manner.plain(&sums, part) }
        };
        Metric {
            name: choice.name.clone(),
            kind: choice.kind,
            role: choice.role,
            direction: choice.direction,
            groups: manner.groups(&tally.plain, part),
            comparisons: manner.variants(tally, part),
            steps: tally.steps.iter().enumerate().map(step).collect(),
            series: Vec::new(),
        }
    }

    /// Counts, sums, ratios and means of the scorecard tell what a difference means for the metric as a whole.
    fn add_impacts(&self, split: &Split, units: &Units, computed: &mut [Computed], metrics: &mut [Metric]) {
        let Some(first) = units.all().map(|(_, member)| member.since.0).min() else { return };
        let start = if self.clock.start == i64::MIN { first } else { self.clock.start };
        let days = (self.clock.until - start) as f64 / DAY as f64;
        for (of, metric) in computed.iter_mut().zip(metrics).filter(|(of, _)| of.choice.role != Role::Other) {
            let has_impact = match &of.plan.makes {
                Makes::PerUnit(Quantity::Count(_) | Quantity::Sum(_) | Quantity::SumOf(_)) | Makes::Ratio(..) => true,
                Makes::PerUnit(_) | Makes::Funnel(_) => false,
            };
            if !has_impact {
                continue;
            }
            let totals = match self.gathered.is_exposed_only() {
                true => Err(Undefined::TOTAL_UNKNOWN),
                false => of.totals(self, start),
            };
            let manner = self.manner(split, &of.choice);
            for comparison in metric.comparisons.iter_mut().filter(|comparison| comparison.variant == "plain") {
                let Some(at) = split.groups.iter().position(|group| group.name == comparison.group) else { continue };
                let allocated = self.question.allocation * split.share(at, start, self.clock.until);
                let scope = |factor| Scope { test_units: units.sizes[at] + units.unused[at], days, factor };
                let of_all = |scope| manner.impact(&of.tally.plain, at, &units.sizes, totals, scope);
                let projected = match stats::launch_factor([allocated]) {
                    Ok(factor) => of_all(scope(factor)),
                    Err(why) => stats::Impact::undefined(why).into(),
                };
                comparison.impact = Some(Impacts { topline: of_all(scope(1.0)), projected });
            }
        }
    }

    fn points(&self, split: &Split, of: &Computed, classes: &Classes<'_>, days: &Days) -> Vec<Point> {
        let walk = || of.plan.walk(|source| self.gathered.entries(source, self.terms));
        let manner = Manner { sequential: false, ..self.manner(split, &of.choice) };
        let point = |(day, sums): (i64, Sums)| Point {
            day: days.label(day),
            groups: manner.groups(&sums, Part { first: 0 }),
            comparisons: manner.plain(&sums, Part { first: 0 }),
        };
        (days.first..).zip(series(&of.plan, walk, classes, &self.clock, days)).map(point).collect()
    }

    fn exposure_days(&self, units: &Units) -> Vec<ExposureDay> {
        let mut days: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (_, member) in units.all() {
            if let Some(group) = member.group() {
                days.entry(day_of(member.since.0)).or_insert_with(|| vec![0; units.sizes.len()])[group] += 1;
            }
        }
        days.into_iter().map(|(day, units)| ExposureDay { start: start_of(day), units }).collect()
    }

    /// The parts of a break-down.
    fn strata(&self, split: &Split, units: &Units) -> Vec<Stratum> {
        match &self.options.breakdown {
            None => Vec::new(),
            Some(Breakdown::Unit(..)) => self.unit_strata(split, units),
            Some(Breakdown::Event(_)) => self.event_strata(split, units),
        }
    }

    fn unit_strata(&self, split: &Split, units: &Units) -> Vec<Stratum> {
        let Some(strata) = self.gathered.strata() else { return Vec::new() };
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        for (unit, _) in units.all() {
            *sizes.entry(strata.of(unit)).or_default() += 1;
        }
        let parts = Parts::largest(sizes, |code| strata.text(code));
        let groups = split.groups.len();
        let of = |unit: u32, member: &Member| member.group().map(|group| parts.place(strata.of(unit)) * groups + group);
        let mut classes = Classes { units, sizes: vec![0; parts.len() * groups], of: &of };
        for (unit, member) in units.all() {
            if let Some(class) = of(unit, member) {
                classes.sizes[class] += 1;
            }
        }
        let wanted = self.wanted();
        let computed: Vec<Computed> =
            self.metrics.iter().map(|choice| Computed::anew(self, choice, &classes, wanted)).collect();
        let stratum = |(place, (value, other)): (usize, (Option<String>, bool))| {
            let part = Part { first: place * groups };
            let sizes = &classes.sizes[part.first..part.first + groups];
            let metric = |of: &Computed| self.metric(split, &of.plan, &of.choice, &of.tally, part);
            Stratum {
                value,
                other,
                units: sizes.to_vec(),
                srm: Some(srm(sizes, split).0),
                metrics: computed.iter().map(metric).collect(),
            }
        };
        parts.values().into_iter().enumerate().map(stratum).collect()
    }

    /// Each metric once for each text of its events.
    fn event_strata(&self, split: &Split, units: &Units) -> Vec<Stratum> {
        let parts = Parts::largest(self.gathered.label_sizes(), |code| self.gathered.label(code));
        let by_group = |_: u32, member: &Member| member.group();
        let classes = Classes { units, sizes: units.sizes.clone(), of: &by_group };
        let wanted = self.wanted();
        let stratum = |(place, (value, other)): (usize, (Option<String>, bool))| {
            let picked = self.gathered.picked(|label| parts.place(label) == place);
            let metric = |choice: &MetricChoice| {
                let plan = Plan::of(&choice.definition);
                let walk = || plan.walk(|source| picked.entries(source));
                let tally = tally(&plan, walk, &classes, &self.clock, wanted);
                self.metric(split, &plan, choice, &tally, Part { first: 0 })
            };
            // Of any event whatever its name no text is gathered.
            let has_texts = |choice: &&MetricChoice| {
                choice.definition.sources().iter().all(|source| source.event != EventName::Any)
            };
            let metrics = self.metrics.iter().filter(has_texts).map(metric).collect();
            Stratum { value, other, units: Vec::new(), srm: None, metrics }
        };
        parts.values().into_iter().enumerate().map(stratum).collect()
    }

    /// Makes up for many tests: within each variant, over the primary and secondary metrics.
    fn correct(&self, split: &Split, computed: &[Computed], metrics: &mut [Metric]) {
        let asked = &self.question.corrections;
        let rate = self.options.level.alpha();
        // Metric and comparison, by variant.
        let mut families: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, metric) in metrics.iter().enumerate().filter(|(_, metric)| is_scored(metric.role)) {
            for (nth, comparison) in metric.comparisons.iter().enumerate() {
                families.entry(comparison.variant.clone()).or_default().push((at, nth));
            }
        }
        let mut found: Vec<Correction> = Vec::new();
        for members in families.values() {
            let p = |&(at, nth): &(usize, usize)| metrics[at].comparisons[nth].absolute.p;
            if asked.bonferroni_groups || asked.bonferroni_metrics {
                let count = |role: Role| {
                    let has_role = |(at, _): &&(usize, usize)| metrics[*at].role == role;
                    let mut places: Vec<usize> = members.iter().filter(has_role).map(|(at, _)| *at).collect();
                    places.dedup();
                    places.len() as u64
                };
                let (primary, secondary) = (count(Role::Primary), count(Role::Secondary));
                let even = primary as f64 / (primary + secondary) as f64;
                let primary_share = asked.primary_share.unwrap_or(even);
                let arms = if asked.bonferroni_groups { split.groups.len() as u64 - 1 } else { 1 };
                let scorecard = Scorecard { primary, secondary, primary_share };
                let alphas = Bonferroni { arms, metrics: asked.bonferroni_metrics.then_some(scorecard) }.alphas(rate);
                for member in members {
                    let alpha = if metrics[member.0].role == Role::Primary { alphas.primary } else { alphas.secondary };
                    let p = alpha.zip(p(member)).map(|(alpha, p)| stats::bonferroni(p, rate, alpha));
                    found.push(Correction { metric: member.0, nth: member.1, method: "bonferroni", alpha, p });
                }
            } else if asked.benjamini_hochberg_groups || asked.benjamini_hochberg_metrics {
                let mut by_family: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
                for &(at, nth) in members {
                    let (metric, comparison) = (&metrics[at], &metrics[at].comparisons[nth]);
                    if asked.benjamini_hochberg_primary_only && metric.role != Role::Primary {
                        continue;
                    }
                    let family = match (asked.benjamini_hochberg_groups, asked.benjamini_hochberg_metrics) {
                        (true, true) => String::new(),
                        (true, false) => at.to_string(),
                        _ => comparison.group.clone(),
                    };
                    by_family.entry(family).or_default().push((at, nth));
                }
                for family in by_family.values() {
                    let discoveries = stats::benjamini_hochberg(&family.iter().map(p).collect::<Vec<_>>(), rate);
                    let alpha = Some(discoveries.alpha);
                    for (&(metric, nth), p) in family.iter().zip(discoveries.p) {
                        found.push(Correction { metric, nth, method: "benjamini_hochberg", alpha, p });
                    }
                }
            }
        }
        for Correction { metric: at, nth, method, alpha, p } in found {
            let manner = self.manner(split, &computed[at].choice);
            let comparison = &mut metrics[at].comparisons[nth];
            let level = alpha.and_then(Level::of_alpha);
            let whole = Part { first: 0 };
            let [ci, relative_ci] =
                level.map_or([None, None], |level| manner.at_level(&computed[at].tally, comparison, whole, level));
            comparison.adjusted = Some(Corrected { method: method.to_owned(), alpha, p, ci, relative_ci });
        }
    }
}

/// What many tests at once make of one comparison.
struct Correction {
    metric: usize,
    nth: usize,
    method: &'static str,
    alpha: Option<f64>,
    p: Option<f64>,
}

fn is_scored(role: Role) -> bool {
    matches!(role, Role::Primary | Role::Secondary)
}

/// Which codes are told apart.
struct Parts {
    /// The code of each part, the largest first.
    codes: Vec<(u32, Option<String>)>,
    /// Whether the smaller ones are one part behind them.
    others: bool,
}

impl Parts {
    /// Equal ones in the order of their text, so that the order of the log does not show.
    fn largest<'a>(sizes: BTreeMap<u32, u64>, text: impl Fn(u32) -> Option<&'a str>) -> Parts {
        let mut all: Vec<(u32, u64)> = sizes.into_iter().collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| text(a.0).cmp(&text(b.0))));
        let others = all.len() > MAX_STRATA;
        all.truncate(MAX_STRATA);
        let named = |(code, _)| (code, if code == NO_TEXT { None } else { text(code).map(str::to_owned) });
        Parts { codes: all.into_iter().map(named).collect(), others }
    }

    fn len(&self) -> usize {
        self.codes.len() + usize::from(self.others)
    }

    fn place(&self, code: u32) -> usize {
        self.codes.iter().position(|(known, _)| *known == code).unwrap_or(self.codes.len())
    }

    /// The text of each part, and whether it is that of the smaller ones.
    fn values(&self) -> Vec<(Option<String>, bool)> {
        let named = self.codes.iter().map(|(_, value)| (value.clone(), false));
        named.chain(self.others.then_some((None, true))).collect()
    }
}

/// Whether looking early is made up for: as asked for, or as the experiment says until its planned end.
pub(super) fn is_sequential(question: &Question, options: &Options, as_of: Option<i64>) -> bool {
    let is_running = || match (question.planned_end, as_of) {
        (Some(planned), Some(now)) => now < planned.0,
        _ => true,
    };
    let is_experiment = matches!(question.design, Design::Experiment { .. });
    options.sequential.unwrap_or_else(|| is_experiment && question.sequential && is_running())
}
