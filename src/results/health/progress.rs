//! How far the experiment has come: whether there are units enough for what is to be found, whether a full week is over, and
//! whether somebody looks too early.

use super::{Subject, Survey, check};
use crate::results::calendar::DAY;
use crate::results::evidence::Progress;
use crate::results::question::{MetricChoice, QuestionKind, Role};
use crate::results::report::{Check, Metric};
use crate::stats::Balanced;

/// Groups smaller than this say little.
pub const FEW_UNITS: u64 = 100;
/// An effect on a primary metric that must be larger than this to be found is hardly ever there.
pub const LARGE_EFFECT: f64 = 0.5;
/// How many come in a day is not told before so many days are over: nights and days differ.
pub const PACE_DAYS: f64 = 1.0;
/// Weekdays even out over so many days.
pub const WEEK_DAYS: f64 = 7.0;

impl Subject<'_> {
    /// The end of what was read, or of the period if that comes first.
    pub(super) fn now(&self) -> i64 {
        self.scene.clock.until.min(self.scene.as_of.map_or(i64::MAX, |as_of| as_of.saturating_add(1)))
    }

    pub(super) fn progress(&self, survey: &Survey) -> Progress {
        let Some(first) = survey.first else { return Progress::default() };
        let days = self.now().saturating_sub(first).max(0) as f64 / DAY as f64;
        let units_per_day = (days >= PACE_DAYS).then(|| survey.recent as f64 / days.min(WEEK_DAYS));
        Progress { days: Some(days), units_per_day }
    }

    pub(super) fn enough_data(&self) -> Check {
        let groups = self.split.groups.iter().zip(&self.units.sizes);
        let smallest = groups.filter(|(group, _)| group.size > 0.0).min_by_key(|(_, units)| **units);
        let (name, size) = smallest.map_or(("", 0), |(group, units)| (group.name.as_str(), *units));
        let status = if size < FEW_UNITS { Balanced::Warning } else { Balanced::Ok };
        let detail = format!("the smallest group, {name}, has {size} units");
        let remedy = "Wait for more units: small samples decide little, and only large effects show.";
        check("enough_data", status, detail, remedy)
    }

    /// Says how long it has run; that less than a week is little is for information.
    pub(super) fn run_length(&self, progress: &Progress) -> Check {
        let detail = match progress.days {
            None => "nobody was exposed yet".to_owned(),
            Some(days) if days < WEEK_DAYS => {
                format!("it has run {days:.1} days: less than a full week, so weekdays do not even out yet")
            }
            Some(days) => format!("it has run {days:.1} days"),
        };
        check("run_length", Balanced::Ok, detail, "")
    }

    /// Which effects on the primary metrics can be found, and when smaller ones will be.
    pub(super) fn detectable_effect(&self, progress: &Progress) -> Option<Check> {
        let primary = self.metrics.iter().filter(|metric| metric.role == Role::Primary);
        let mut told = Vec::new();
        let mut status = Balanced::Ok;
        for metric in primary {
            let Some(effect) = smallest_effect(metric) else { continue };
            let hoped = self.hoped(metric);
            let target = hoped.unwrap_or(LARGE_EFFECT);
            let mut text = format!("{} {}", metric.name, whole_percent(effect));
            if let Some(hoped) = hoped {
                text.push_str(&format!(" (hoped for: {})", whole_percent(hoped)));
            }
            if effect > target {
                status = Balanced::Warning;
                text.push_str(&self.outlook(progress, effect, target));
            }
            told.push(text);
        }
        (!told.is_empty()).then(|| {
            check(
                "detectable_effect",
                status,
                format!("the smallest effects that are likely to be found: {}", told.join("; ")),
                "Let it run longer or give it more units; `cuped=true` and `winsorize=0.999` narrow intervals. That nothing \
                 was found does not yet say that there is nothing.",
            )
        })
    }

    /// What somebody expects of a metric, as a fraction of its control mean.
    fn hoped(&self, metric: &Metric) -> Option<f64> {
        let is_it = |choice: &&MetricChoice| choice.name == metric.name && choice.kind == metric.kind;
        let hoped = self.scene.metrics.iter().find(is_it)?.hypothesis?;
        (hoped != 0.0).then(|| hoped.abs())
    }

    /// When an effect will be found, if units keep coming as they do.
    fn outlook(&self, progress: &Progress, effect: f64, target: f64) -> String {
        let units: u64 = self.units.sizes.iter().sum();
        let Some(pace) = progress.units_per_day.filter(|pace| *pace > 0.0) else { return String::new() };
        // The smallest effect shrinks with the square root of the units.
        let needed = units as f64 * (effect / target).powi(2);
        let days = (needed - units as f64) / pace;
        let mut text = format!(
            ", for {} about {needed:.0} units are needed: at the present {pace:.0} a day in {days:.0} days",
            whole_percent(target)
        );
        let left = self.scene.question.planned_end.map(|end| (end.0 - self.now()) as f64 / DAY as f64);
        if let Some(left) = left.filter(|left| *left > 0.0) {
            let by_then = units as f64 + pace * left;
            let then = effect * (units as f64 / by_then).sqrt();
            text.push_str(&format!(", by the planned end in {left:.0} days {}", whole_percent(then)));
        }
        if let Some(target) = self.scene.question.target_units {
            text.push_str(&format!(", {units} of the {target} planned units are there"));
        }
        text
    }

    /// A fixed-horizon test is made once. Told of experiments that run.
    pub(super) fn peeking(&self) -> Option<Check> {
        let (question, scene) = (self.scene.question, self.scene);
        let is_over = scene.clock.until <= scene.as_of.unwrap_or(i64::MIN);
        let is_planned_over = question.planned_end.is_some_and(|end| end.0 <= self.now());
        if question.kind() != QuestionKind::Experiment || is_over || is_planned_over {
            return None;
        }
        if scene.sequential {
            let detail = "it still runs; the sequential intervals and p-values hold however often one looks".to_owned();
            return Some(check("peeking", Balanced::Ok, detail, ""));
        }
        let alpha = scene.options.level.alpha();
        let scored = self.metrics.iter().filter(|metric| matches!(metric.role, Role::Primary | Role::Secondary));
        let is_significant = |metric: &&Metric| {
            let p = |comparison: &crate::results::report::Comparison| match &comparison.adjusted {
                Some(adjusted) => adjusted.p,
                None => comparison.absolute.p,
            };
            metric.comparisons.iter().filter_map(p).any(|p| p < alpha)
        };
        let significant: Vec<&str> = scored.filter(is_significant).map(|metric| metric.name.as_str()).collect();
        let mut detail = "it still runs, and p-values are for one look at the end: they are no ground for stopping \
                          early"
            .to_owned();
        let misleads = question.planned_end.is_some() && !significant.is_empty();
        if misleads {
            detail.push_str(&format!("; significant at present: {}", significant.join(", ")));
        }
        let status = if misleads { Balanced::Warning } else { Balanced::Ok };
        let remedy = "Wait for the planned end, or ask with `sequential=true` (`sequentialTesting` of the experiment) for \
                      intervals that hold however often one looks.";
        Some(check("peeking", status, detail, remedy))
    }
}

/// The smallest effect that any variant of a metric's comparisons is likely to find, of the group for which it is largest.
fn smallest_effect(metric: &Metric) -> Option<f64> {
    let groups: std::collections::BTreeSet<&str> =
        metric.comparisons.iter().map(|comparison| comparison.group.as_str()).collect();
    let of_group = |group: &str| {
        let own = metric.comparisons.iter().filter(|comparison| comparison.group == group);
        own.filter_map(|comparison| comparison.mde.as_ref()?.relative).min_by(f64::total_cmp)
    };
    groups.into_iter().filter_map(of_group).max_by(f64::total_cmp)
}

fn whole_percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}
