//! The report: one experiment's or gate's results as plain data. Page, JSON and command line show this same document. A
//! number that does not exist is null, with a `reason` beside it. Assembles; computes nothing itself.

use super::accumulate::{Total, Totals};
use super::metric::Chosen;
use super::options::{Crossovers, Join, Options};
use super::question::{MetricKind, Question, QuestionKind, Role, Split};
use super::units::Units;
use super::{Log, Period, health};
use crate::event::Timestamp;
use crate::stats::{self, Alternative, Balanced, Interval, Method, Moments, Test, Undefined};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the report's form; names are added without changing it.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub kind: QuestionKind,
    pub name: String,
    pub id_type: String,
    pub as_of: AsOf,
    pub window: Window,
    pub options: Used,
    /// An experiment's analysis, or that of the only rule in question; absent where `rules` has several.
    #[serde(flatten)]
    pub analysis: Option<Analysis>,
    /// The analyses of several rules of a gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Analysis>,
}

/// Up to which event the log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// The last event's place; null in an empty log.
    pub sequence: Option<u64>,
    /// When it was received, in milliseconds since the epoch.
    pub time: Option<i64>,
}

/// In milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Null where it is open: from the first event on.
    pub start: Option<i64>,
    /// Exclusive if it was set; otherwise the receipt of the last event.
    pub end: Option<i64>,
}

/// The options that the report was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Used {
    pub level: f64,
    pub crossovers: Crossovers,
    pub relative: Method,
    pub join: Join,
    /// The percentile above which values are cut; 0 is none, the only one that is computed.
    pub winsorize: f64,
    /// Whether values are adjusted by those before the exposure; that is not computed, so always false.
    pub cuped: bool,
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub metrics: Vec<String>,
}

/// Groups compared with one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The rule of a gate; absent for an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleSummary>,
    pub groups: Vec<GroupSummary>,
    /// Units that met more than one group, whatever was done with them.
    pub crossovers: u64,
    /// Units that an override reached first; they take no part.
    pub overridden: u64,
    /// Exposures that did not count, by the word of their `NotCounted`. Together with those of the groups: all exposures.
    pub not_counted: BTreeMap<String, u64>,
    pub srm: Srm,
    pub health: Vec<Check>,
    pub metrics: Vec<Metric>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSummary {
    pub id: String,
    pub name: String,
    pub pass_percentage: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    pub name: String,
    pub id: String,
    pub control: bool,
    /// As configured.
    pub size: f64,
    pub units: u64,
    /// Exposures that counted.
    pub exposures: u64,
}

/// Sample ratio mismatch: whether the groups have the configured sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Srm {
    pub chi2: Option<f64>,
    pub dof: Option<u64>,
    pub p: Option<f64>,
    pub status: Option<Balanced>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One thing that makes results trustworthy, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub check: String,
    pub status: Balanced,
    pub detail: String,
    /// What to do; null where nothing is wrong.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: MetricKind,
    pub role: Role,
    pub groups: Vec<MetricGroup>,
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricGroup {
    pub name: String,
    pub units: u64,
    pub sum: Option<f64>,
    pub mean: Option<f64>,
    /// Of the units' values, with n - 1.
    pub variance: Option<f64>,
    /// Of the mean.
    pub standard_error: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The test group's name.
    pub group: String,
    /// The control group's name.
    pub control: String,
    /// `plain`: unit totals as they are.
    pub variant: String,
    pub absolute: Absolute,
    pub relative: Lift,
    /// Null: no sequential test was asked for.
    pub sequential: (),
    /// Null: no correction for many tests was asked for.
    pub adjusted: (),
}

/// Test mean minus control mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Absolute {
    pub delta: Option<f64>,
    pub standard_error: Option<f64>,
    pub ci: Option<[f64; 2]>,
    /// Two-sided.
    pub p: Option<f64>,
    pub test: Option<Test>,
    /// Welch's degrees of freedom, also where the test is z.
    pub dof: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The difference as a fraction of the control mean. Its p-value is the absolute one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    pub delta: Option<f64>,
    pub ci: Option<[f64; 2]>,
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Report {
    /// Every analysis of the report, one or several.
    pub fn analyses(&self) -> impl Iterator<Item = &Analysis> {
        self.analysis.iter().chain(&self.rules)
    }
}

pub(super) fn report<L: Log + ?Sized>(
    log: &L,
    question: &Question,
    options: &Options,
    period: &Period,
    mut analyses: Vec<Analysis>,
) -> Report {
    let analysis = if analyses.len() == 1 { analyses.pop() } else { None };
    let ms = |time: Option<Timestamp>| time.map(|time| time.0);
    Report {
        version: VERSION,
        kind: question.kind(),
        name: question.name.clone(),
        id_type: question.id_type.clone(),
        as_of: AsOf { sequence: log.next_sequence().0.checked_sub(1), time: ms(log.as_of_time()) },
        window: Window { start: ms(period.start), end: ms(period.end) },
        options: Used {
            level: options.level.get(),
            crossovers: options.crossovers,
            relative: options.relative,
            join: options.join,
            winsorize: 0.0,
            cuped: false,
            start: ms(options.start),
            end: ms(options.end),
            metrics: options.metrics.clone(),
        },
        analysis,
        rules: analyses,
    }
}

pub(super) fn analysis(
    question: &Question,
    split: &Split,
    units: &Units,
    totals: &Totals,
    chosen: &Chosen,
    options: &Options,
) -> Analysis {
    let weights: Vec<f64> = split.groups.iter().map(|group| group.size).collect();
    let balance = stats::balance(&units.sizes, Some(&weights));
    let groups = split.groups.iter().enumerate().map(|(at, group)| GroupSummary {
        name: group.name.clone(),
        id: group.id.clone(),
        control: at == split.control,
        size: group.size,
        units: units.sizes[at],
        exposures: units.exposures[at],
    });
    let metrics = chosen.iter().map(|(metric, slot)| Metric {
        name: metric.name.clone(),
        kind: metric.kind,
        role: metric.role,
        groups: metric_groups(split, moments(&totals.events[slot], metric.kind)),
        comparisons: comparisons(split, moments(&totals.events[slot], metric.kind), options),
    });
    Analysis {
        rule: split.rule.as_ref().map(|rule| RuleSummary {
            id: rule.id.clone(),
            name: rule.name.clone(),
            pass_percentage: rule.pass_percentage,
        }),
        groups: groups.collect(),
        crossovers: units.crossovers,
        overridden: units.overridden,
        not_counted: units.not_counted.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect(),
        srm: match &balance {
            Ok(found) => Srm {
                chi2: Some(found.chi2),
                dof: Some(found.dof),
                p: Some(found.p),
                status: Some(found.status),
                reason: None,
            },
            Err(why) => Srm { chi2: None, dof: None, p: None, status: None, reason: Some(why.reason.to_owned()) },
        },
        health: health::checks(question, split, units, totals, chosen, &balance),
        metrics: metrics.collect(),
    }
}

fn moments(total: &Total, kind: MetricKind) -> &[Moments] {
    match kind {
        MetricKind::EventUser => &total.users,
        _ => &total.count,
    }
}

/// Gathers what exists and the reason of the first number that does not.
#[derive(Default)]
struct Reason(Option<&'static str>);

impl Reason {
    fn keep<T>(&mut self, found: Result<T, Undefined>) -> Option<T> {
        found.map_err(|why| self.0.get_or_insert(why.reason)).ok()
    }

    fn text(self) -> Option<String> {
        self.0.map(str::to_owned)
    }
}

fn metric_groups(split: &Split, moments: &[Moments]) -> Vec<MetricGroup> {
    let of = |name: &str, moments: &Moments| {
        let mut reason = Reason::default();
        MetricGroup {
            name: name.to_owned(),
            units: moments.n(),
            sum: reason.keep(moments.sum()),
            mean: reason.keep(moments.mean()),
            variance: reason.keep(moments.variance()),
            standard_error: reason.keep(moments.variance_of_mean().map(f64::sqrt)),
            reason: reason.text(),
        }
    };
    split.groups.iter().zip(moments).map(|(group, moments)| of(&group.name, moments)).collect()
}

fn comparisons(split: &Split, moments: &[Moments], options: &Options) -> Vec<Comparison> {
    let control = moments[split.control].estimate();
    let tests = split.groups.iter().zip(moments).enumerate().filter(|(at, _)| *at != split.control);
    tests
        .map(|(_, (group, moments))| {
            let test = moments.estimate();
            let difference = stats::difference(&test, &control, options.level, Alternative::TwoSided);
            let lift = stats::relative(&test, &control, &difference, options.relative);
            Comparison {
                group: group.name.clone(),
                control: split.groups[split.control].name.clone(),
                variant: "plain".to_owned(),
                absolute: Absolute::from(difference),
                relative: Lift::from(lift),
                sequential: (),
                adjusted: (),
            }
        })
        .collect()
}

/// Both ends; a two-sided interval has them.
fn ends(interval: Interval) -> Option<[f64; 2]> {
    Some([interval.low?, interval.high?])
}

impl From<stats::Difference> for Absolute {
    fn from(found: stats::Difference) -> Absolute {
        let mut reason = Reason::default();
        let delta = reason.keep(found.delta);
        let standard_error = reason.keep(found.standard_error);
        let inference = reason.keep(found.inference);
        Absolute {
            delta,
            standard_error,
            ci: inference.and_then(|inference| ends(inference.ci)),
            p: inference.map(|inference| inference.p),
            test: inference.map(|inference| inference.test),
            dof: inference.map(|inference| inference.dof),
            reason: reason.text(),
        }
    }
}

impl From<stats::Relative> for Lift {
    fn from(found: stats::Relative) -> Lift {
        let mut reason = Reason::default();
        Lift {
            delta: reason.keep(found.delta),
            ci: reason.keep(found.ci).and_then(ends),
            method: found.method,
            reason: reason.text(),
        }
    }
}
