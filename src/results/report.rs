//! The report: one experiment's or gate's results as plain data. Page, JSON and command line show this same document. A
//! number that does not exist is null, with a `reason` beside it. Computes nothing.

use super::compare::ends;
use super::evidence::{Evidence, Suspect};
use super::options::{Breakdown, Crossovers, Join, Options, Sides, StageChoice, Tested, View};

use super::question::{Direction, Group, MetricKind, QuestionKind, Role, Split};
use super::stages::Stage;
use super::units::Units;
use crate::event::Timestamp;
use crate::stats::{self, Alternative, Balance, Balanced, Method, Test, Undefined};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the report's form; names are added without changing it.
pub(super) const VERSION: u32 = 1;

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
#[serde(rename_all = "camelCase", default)]
pub struct Used {
    pub level: f64,
    pub crossovers: Crossovers,
    pub relative: Method,
    pub join: Join,
    /// The percentile above which unit totals are cut, for the variant `winsorized`; 0 is none.
    pub winsorize: f64,
    /// Whether there is a variant `cuped`.
    pub cuped: bool,
    pub cuped_days: u32,
    pub alternative: Tested,
    /// Whether looking early is made up for: as asked for, or as the experiment says until its planned end.
    pub sequential: bool,
    pub power: f64,
    pub environment: String,
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub metrics: Vec<String>,
    pub view: Option<View>,
    /// As it was asked for: `user.country`.
    pub breakdown: Option<String>,
    /// Of a gate: which sides were asked for.
    pub balance: Option<Sides>,
    /// Of a gate: which stages were asked for, a number or `all`.
    pub stage: Option<String>,
}

impl Used {
    /// What was asked for. Whether looking early is made up for shows only beside the log.
    pub(super) fn of(options: &Options, sequential: bool) -> Used {
        let ms = |time: Option<Timestamp>| time.map(|time| time.0);
        Used {
            level: options.level.get(),
            crossovers: options.crossovers,
            relative: options.relative,
            join: options.join,
            winsorize: options.winsorize.unwrap_or(0.0),
            cuped: options.cuped,
            cuped_days: options.cuped_days,
            alternative: options.alternative,
            sequential,
            power: options.power.get(),
            environment: options.environment.clone(),
            start: ms(options.start),
            end: ms(options.end),
            metrics: options.metrics.clone(),
            view: options.view,
            breakdown: options.breakdown.as_ref().map(Breakdown::to_string),
            balance: options.sides,
            stage: (options.stage != StageChoice::Usual).then(|| options.stage.to_string()),
        }
    }
}

impl Default for Used {
    fn default() -> Used {
        Used::of(&Options::default(), false)
    }
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
    /// Units that met the gate's rule first in another stage than those of this analysis; they take no part. Absent if there
    /// are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_stages: u64,
    /// Exposures that did not count, by the word of their `NotCounted`. Together with those of the groups: all exposures.
    pub not_counted: BTreeMap<String, u64>,
    pub srm: Srm,
    pub health: Vec<Check>,
    /// Numbers behind `health`.
    #[serde(default)]
    pub evidence: Evidence,
    pub metrics: Vec<Metric>,
    /// With a view: how many units of each group were exposed for the first time on each day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposure_days: Vec<ExposureDay>,
    /// With a break-down: the parts, the largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
}

/// First exposures of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExposureDay {
    /// Its first moment, in milliseconds since the epoch.
    pub start: i64,
    /// In the order of `groups`.
    pub units: Vec<u64>,
}

/// What a part of the units, or of the events, came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stratum {
    /// The text that they share; null where they have none. `other` tells whether it stands for all the smaller parts.
    pub value: Option<String>,
    pub other: bool,
    /// In the order of the analysis' groups. Absent where events, and not units, are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srm: Option<Srm>,
    pub metrics: Vec<Metric>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSummary {
    pub id: String,
    pub name: String,
    /// As it is now.
    pub pass_percentage: f64,
    /// How the rule was rolled out: a stage for each time that its pass percentage changed.
    #[serde(default)]
    pub stages: Vec<StageSummary>,
    /// The stages that this analysis is about.
    #[serde(default)]
    pub stage: AnalysedStage,
    /// Whether the larger side was cut down to the size of the smaller one.
    #[serde(default)]
    pub balance: Sides,
}

/// A time during which a rule passed the same part of its units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageSummary {
    /// In milliseconds since the epoch; null for the first stage.
    pub start: Option<i64>,
    /// Exclusive; null for the last stage.
    pub end: Option<i64>,
    /// 0 also while the gate was switched off.
    pub pass_percentage: f64,
    /// Whether this analysis is about it.
    pub used: bool,
}

/// The stages that an analysis is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnalysedStage {
    /// One, by its number; the first is 1.
    One(usize),
    Several(Pooled),
}

impl Default for AnalysedStage {
    fn default() -> AnalysedStage {
        AnalysedStage::One(1)
    }
}

/// Several stages that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooled {
    Pooled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    pub name: String,
    pub id: String,
    pub control: bool,
    /// As configured.
    pub size: f64,
    pub units: u64,
    /// Units that are left out so that both sides of a gate's rule are of equal size; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unused: u64,
    /// Exposures that counted.
    pub exposures: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// Where `status` is not ok: the parts in which it is off while the rest is fine, the clearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<Suspect>,
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
    /// Which way is better, where somebody has said.
    pub direction: Option<Direction>,
    pub groups: Vec<MetricGroup>,
    pub comparisons: Vec<Comparison>,
    /// Of a funnel: each step but the first, as a share of the one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// With a view: the metric by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Point>,
}

/// A step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The event of the step.
    pub event: String,
    pub groups: Vec<MetricGroup>,
    pub comparisons: Vec<Comparison>,
}

/// One day of a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// `cumulative` and `daily`: the first moment of the UTC day, in milliseconds since the epoch. `days_since_exposure`: how
    /// many days lie between the exposure and the begin of this one.
    pub day: i64,
    pub groups: Vec<MetricGroup>,
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricGroup {
    pub name: String,
    /// Of ratios and means: those that have a denominator (participating units).
    pub units: u64,
    pub sum: Option<f64>,
    /// Of ratios and means: what the sum is divided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<f64>,
    pub mean: Option<f64>,
    /// Of the units' values, with n - 1; of a ratio: n times the variance of the ratio.
    pub variance: Option<f64>,
    /// Of the mean.
    pub standard_error: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Low and high end of an interval; an end that is null is open.
pub type Ends = [Option<f64>; 2];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The test group's name.
    pub group: String,
    /// The control group's name.
    pub control: String,
    /// `plain`: unit totals as they are. `winsorized`: cut above a percentile. `cuped`: adjusted by what was before the
    /// exposure. `winsorized_cuped`: cut, then adjusted.
    pub variant: String,
    /// Of variants that are not plain: the test group's and the control group's numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<MetricGroup>>,
    pub absolute: Absolute,
    pub relative: Lift,
    /// Null: looking early is not made up for.
    pub sequential: Option<SequentialTest>,
    /// Null: no correction for many tests was asked for.
    pub adjusted: Option<Corrected>,
    pub mde: Option<Detectable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuped: Option<CupedUse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorized: Option<Winsor>,
    /// Of counts, sums, ratios and means on the scorecard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impacts>,
}

/// Test mean minus control mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Absolute {
    pub delta: Option<f64>,
    pub standard_error: Option<f64>,
    pub ci: Option<Ends>,
    pub p: Option<f64>,
    /// What `p` and `ci` are for: `two_sided`, `greater` or `less`.
    #[serde(default)]
    pub alternative: Alternative,
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
    pub ci: Option<Ends>,
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A test that holds however often one looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SequentialTest {
    /// Of the absolute difference.
    pub ci: Option<Ends>,
    pub p: Option<f64>,
    pub relative_ci: Option<Ends>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A test after correction for many tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Corrected {
    /// `bonferroni` or `benjamini_hochberg`.
    pub method: String,
    /// The error rate that is left for this test; null if none is.
    pub alpha: Option<f64>,
    /// To be compared with the error rate of the report: 1 - `level`.
    pub p: Option<f64>,
    /// Of the absolute difference, at 1 - `alpha`.
    pub ci: Option<Ends>,
    pub relative_ci: Option<Ends>,
}

/// The smallest effect that an experiment of this size finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// How often it finds it.
    pub power: f64,
    pub absolute: Option<f64>,
    /// As a fraction of the control mean.
    pub relative: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the adjustment came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CupedUse {
    pub theta: Option<f64>,
    pub correlation: Option<f64>,
    /// The part of the variance that it took away.
    pub variance_reduction: Option<f64>,
    /// Units of both groups that have anything before their exposure.
    pub units_with_before: u64,
    /// Whether Statsig would use it: enough units, enough of them with something before, and less variance.
    pub eligible: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How totals were cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Winsor {
    pub percentile: f64,
    /// The percentile by nearest rank of all groups' totals that are not 0; of ratios that of the numerator. Null: all are 0.
    pub cap: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator_cap: Option<f64>,
}

/// What a difference means for the metric as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impacts {
    /// In the period, by the units that were in the test group.
    pub topline: ImpactNumbers,
    /// If all units had been in the test group.
    pub projected: ImpactNumbers,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImpactNumbers {
    /// Per day for counts and sums; of the ratio itself for ratios.
    pub absolute: Option<f64>,
    pub absolute_ci: Option<Ends>,
    /// A fraction of what the metric would be without the experiment.
    pub relative: Option<f64>,
    pub relative_ci: Option<Ends>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Report {
    /// Every analysis of the report, one or several.
    pub fn analyses(&self) -> impl Iterator<Item = &Analysis> {
        self.analysis.iter().chain(&self.rules)
    }
}

pub(super) fn srm(sizes: &[u64], split: &Split) -> (Srm, Result<Balance, Undefined>) {
    let weights: Vec<f64> = split.groups.iter().map(|group| group.size).collect();
    let balance = stats::balance(sizes, Some(&weights));
    let srm = match &balance {
        Ok(found) => Srm {
            chi2: Some(found.chi2),
            dof: Some(found.dof),
            p: Some(found.p),
            status: Some(found.status),
            reason: None,
            suspects: Vec::new(),
        },
        Err(why) => Srm {
            chi2: None,
            dof: None,
            p: None,
            status: None,
            reason: Some(why.reason.to_owned()),
            suspects: Vec::new(),
        },
    };
    (srm, balance)
}

pub(super) fn group_summaries(split: &Split, units: &Units) -> Vec<GroupSummary> {
    let of = |(at, group): (usize, &Group)| GroupSummary {
        name: group.name.clone(),
        id: group.id.clone(),
        control: at == split.control,
        size: group.size,
        units: units.sizes[at],
        unused: units.unused[at],
        exposures: units.exposures[at],
    };
    split.groups.iter().enumerate().map(of).collect()
}

impl RuleSummary {
    /// `None` for an experiment.
    pub(super) fn of(split: &Split) -> Option<RuleSummary> {
        let (rule, stages) = (split.rule.as_ref()?, split.stages.as_ref()?);
        let ms = |time: Option<Timestamp>| time.map(|time| time.0);
        let summary = |(at, stage): (usize, &Stage)| StageSummary {
            start: ms(stage.start),
            end: ms(stage.end),
            pass_percentage: stage.pass_percentage,
            used: stages.chosen.contains(&at),
        };
        let one = AnalysedStage::One(stages.chosen.start + 1);
        Some(RuleSummary {
            id: rule.id.clone(),
            name: rule.name.clone(),
            pass_percentage: rule.pass_percentage,
            stages: stages.all.iter().enumerate().map(summary).collect(),
            stage: if stages.is_pooled() { AnalysedStage::Several(Pooled::Pooled) } else { one },
            balance: stages.sides,
        })
    }
}

/// Gathers what exists and the reason of the first number that does not.
#[derive(Default)]
pub(super) struct Reason(Option<&'static str>);

impl Reason {
    pub fn keep<T>(&mut self, found: Result<T, Undefined>) -> Option<T> {
        found.map_err(|why| self.0.get_or_insert(why.reason)).ok()
    }

    pub fn text(self) -> Option<String> {
        self.0.map(str::to_owned)
    }
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
            ci: inference.map(|inference| ends(inference.ci)),
            p: inference.map(|inference| inference.p),
            alternative: found.alternative,
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
            ci: reason.keep(found.ci).map(ends),
            method: found.method,
            reason: reason.text(),
        }
    }
}

impl From<stats::Impact> for ImpactNumbers {
    fn from(found: stats::Impact) -> ImpactNumbers {
        let mut reason = Reason::default();
        ImpactNumbers {
            absolute: reason.keep(found.absolute),
            absolute_ci: reason.keep(found.absolute_ci).map(ends),
            relative: reason.keep(found.relative),
            relative_ci: reason.keep(found.relative_ci).map(ends),
            reason: reason.text(),
        }
    }
}
