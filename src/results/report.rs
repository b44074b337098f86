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
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the report's form. Names are added without changing it; it changes when one goes or means another thing.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form: 1. Names are added without changing it; it changes when one goes or means another thing.
    pub version: u32,
    pub kind: QuestionKind,
    /// The ID of the experiment or gate.
    pub name: String,
    /// Whose ID is randomised: `userID`, `stableID` or a custom ID type.
    pub id_type: String,
    pub as_of: AsOf,
    pub window: Window,
    pub options: Used,
    /// An experiment's analysis, or that of the only rule in question; absent where `rules` has several.
    #[serde(flatten)]
    pub analysis: Option<Analysis>,
    /// The analyses of several rules of a gate; absent where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Analysis>,
}

/// Up to which event the log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsOf {
    /// The last event's place; null in an empty log.
    pub sequence: Option<u64>,
    /// When it was received, in milliseconds since the epoch; null in an empty log.
    pub time: Option<i64>,
}

/// From when to when exposures and events count, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Null where it is open: from the first event on.
    pub start: Option<i64>,
    /// Exclusive if it was set; otherwise the receipt of the last event, which counts. Null in an empty log.
    pub end: Option<i64>,
}

/// The options that the report was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Used {
    /// The level of the confidence intervals, above 0.5 and below 1.
    pub level: f64,
    /// What becomes of units that met more than one group.
    pub crossovers: Crossovers,
    /// How intervals of relative differences are found.
    pub relative: Method,
    /// From when on a unit's events count.
    pub join: Join,
    /// The percentile above which unit totals are cut, for the variant `winsorized`; 0 is none.
    pub winsorize: f64,
    /// Whether there is a variant `cuped`.
    pub cuped: bool,
    /// How many days of 24 hours before a unit's exposure CUPED looks at, 1 to 90.
    pub cuped_days: u32,
    /// What is tested for.
    pub alternative: Tested,
    /// Whether looking early is made up for: as asked for, or as the experiment says until its planned end.
    pub sequential: bool,
    /// The power for which the smallest detectable effect is told, at least 0.5 and below 1.
    pub power: f64,
    /// The environment whose exposures and events count.
    pub environment: String,
    /// As it was asked for, in milliseconds since the epoch; null where it was not.
    pub start: Option<i64>,
    /// As it was asked for, in milliseconds since the epoch, exclusive; null where it was not.
    pub end: Option<i64>,
    /// Only units that were first exposed from this moment on take part, in milliseconds since the epoch; null for no bound.
    pub exposed_from: Option<i64>,
    /// Only units that were first exposed before this moment take part, in milliseconds since the epoch; null for no bound.
    pub exposed_until: Option<i64>,
    /// What else a unit must meet to take part, in words; all must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// Names that were asked for beside the scorecard: of events, then of metrics.
    pub metrics: Vec<String>,
    /// How results are laid out over time; null for the whole period only.
    pub view: Option<View>,
    /// By what units or events are told apart, such as `user.country`; null for no break-down.
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
            exposed_from: ms(options.units.exposed_from),
            exposed_until: ms(options.units.exposed_until),
            filters: options.units.words(),
            metrics: names(options),
            view: options.view,
            breakdown: options.breakdown.as_ref().map(Breakdown::to_string),
            balance: options.sides,
            stage: (options.stage != StageChoice::Usual).then(|| options.stage.to_string()),
        }
    }
}

/// A name may be one of an event and of a metric.
fn names(options: &Options) -> Vec<String> {
    let defined = options.defined.iter().filter(|name| !options.metrics.contains(name));
    options.metrics.iter().chain(defined).cloned().collect()
}

impl Default for Used {
    fn default() -> Used {
        Used::of(&Options::default(), false)
    }
}

/// Groups compared with one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The rule of a gate; absent for an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleSummary>,
    /// In the order of the experiment's groups; of a rule: Fail, then Pass.
    pub groups: Vec<GroupSummary>,
    /// Units that met more than one group, whatever was done with them.
    pub crossovers: u64,
    /// Units that an override reached first; they take no part.
    pub overridden: u64,
    /// Units that met the gate's rule first in another stage than those of this analysis; they take no part. Absent if there
    /// are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_stages: u64,
    /// Units that take no part because of a filter, counted once crossovers and overrides are dealt with; absent if none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
    /// Exposures that did not count, by the word of their `NotCounted`. Together with those of the groups: all exposures.
    pub not_counted: BTreeMap<String, u64>,
    pub srm: Srm,
    /// What makes the results trustworthy, or not.
    pub health: Vec<Check>,
    /// Numbers behind `health`.
    #[serde(default)]
    pub evidence: Evidence,
    /// The scorecard in its order, then further metrics.
    pub metrics: Vec<Metric>,
    /// With a view: how many units of each group were exposed for the first time on each day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposure_days: Vec<ExposureDay>,
    /// With a break-down: the parts, the largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
}

/// First exposures of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExposureDay {
    /// Its first moment, in milliseconds since the epoch.
    pub start: i64,
    /// In the order of `groups`.
    pub units: Vec<u64>,
}

/// A part of a break-down: what a part of the units, or of the events, came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stratum {
    /// The text that they share; null where they have none, and of the part of all the smaller ones.
    pub value: Option<String>,
    /// Whether this is the part of all the smaller ones.
    pub other: bool,
    /// In the order of the analysis' groups. Absent where events, and not units, are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<u64>,
    /// Of the part's units. Absent where events, and not units, are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srm: Option<Srm>,
    /// As those of the analysis.
    pub metrics: Vec<Metric>,
}

/// A rule of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleSummary {
    pub id: String,
    pub name: String,
    /// As it is now, 0 to 100.
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooled {
    Pooled,
}

/// A group and how many are in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupSummary {
    pub name: String,
    /// What exposures call it; of a rule `pass` or `fail`.
    pub id: String,
    /// Whether the others are compared with it.
    pub control: bool,
    /// As configured, in percent.
    pub size: f64,
    /// Units that take part.
    pub units: u64,
    /// Units that are left out so that both sides of a gate's rule are of equal size; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unused: u64,
    /// Exposures that counted.
    pub exposures: u64,
}

/// Sample ratio mismatch: whether the groups have the configured sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Srm {
    /// The chi-square statistic of the units against the sizes. Null where nobody was exposed, like the following.
    pub chi2: Option<f64>,
    /// Groups with a size, less one.
    pub dof: Option<u64>,
    /// 0 to 1.
    pub p: Option<f64>,
    /// `warning` below 0.01; `alert` below 0.001 if a share is off by 0.1 % of all units or more.
    pub status: Option<Balanced>,
    /// Why the numbers are null; absent if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where `status` is not ok: the parts in which it is off while the rest is fine, the clearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<Suspect>,
}

/// One thing that makes results trustworthy, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at, such as `srm` or `units_match`; stable, for programs.
    pub check: String,
    pub status: Balanced,
    /// What was found, for people.
    pub detail: String,
    /// What to do; null where nothing is wrong.
    pub remedy: Option<String>,
}

/// A metric and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// Its name, or that of its event; together with the type it tells metrics apart.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: MetricKind,
    pub role: Role,
    /// Which way is better; null where nobody has said.
    pub direction: Option<Direction>,
    /// In the order of the analysis' groups.
    pub groups: Vec<MetricGroup>,
    /// Each group but control with control: by variant, then in the order of the groups.
    pub comparisons: Vec<Comparison>,
    /// Of a funnel: each step but the first, as a share of the one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// With a view: the metric by day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Point>,
}

/// A step of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The event of the step.
    pub event: String,
    /// In the order of the analysis' groups: those who took the step as a share of those who took the one before.
    pub groups: Vec<MetricGroup>,
    /// Of those shares; variant `plain` only.
    pub comparisons: Vec<Comparison>,
}

/// One day of a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// `cumulative` and `daily`: the first moment of the UTC day, in milliseconds since the epoch. `days_since_exposure`: how
    /// many days lie between the exposure and the begin of this one.
    pub day: i64,
    /// In the order of the analysis' groups.
    pub groups: Vec<MetricGroup>,
    /// Variant `plain` only.
    pub comparisons: Vec<Comparison>,
}

/// A metric in one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricGroup {
    /// The group's name.
    pub name: String,
    /// Units that take part. Of ratios, means and funnels: those that have a denominator (participating units).
    pub units: u64,
    /// The units' values together, in the metric's unit; of one number over another its numerator.
    pub sum: Option<f64>,
    /// Of ratios, means and funnels: what the sum is divided by. Absent for other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<f64>,
    /// The sum over the units, or over the denominator. Null without units.
    pub mean: Option<f64>,
    /// Of the units' values, with n - 1; of a ratio: n times the variance of the ratio. Null below two units.
    pub variance: Option<f64>,
    /// Of the mean: the square root of variance over units. Null below two units.
    pub standard_error: Option<f64>,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Low and high end of an interval; an end that is null is open.
pub type Ends = [Option<f64>; 2];

/// A test group beside control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The smallest effect that so many units find. Null below two units in a group.
    pub mde: Option<Detectable>,
    /// Of variants that are adjusted; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuped: Option<CupedUse>,
    /// Of variants that are cut; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winsorized: Option<Winsor>,
    /// Of plain counts, sums, ratios and means that were asked for; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<Impacts>,
}

/// Test mean minus control mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Absolute {
    /// In the metric's unit. Null where a group has no mean.
    pub delta: Option<f64>,
    /// Of `delta`. Null below two units in a group.
    pub standard_error: Option<f64>,
    /// At the report's level; an end is open (null) if the test is one-sided. Null without variance.
    pub ci: Option<Ends>,
    /// 0 to 1. Null without variance.
    pub p: Option<f64>,
    /// What `p` and `ci` are for: `two_sided`, `greater` or `less`.
    #[serde(default)]
    pub alternative: Alternative,
    /// Null without variance.
    pub test: Option<Test>,
    /// Welch's degrees of freedom, also where the test is z. Null without variance.
    pub dof: Option<f64>,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The difference as a fraction of the control mean. Its p-value is the absolute one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lift {
    /// A fraction: 0.05 is 5 % more. Null where the control mean is 0.
    pub delta: Option<f64>,
    /// At the report's level, as fractions. Null where it has no ends: the control mean may be 0.
    pub ci: Option<Ends>,
    pub method: Method,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A test that holds however often one looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SequentialTest {
    /// Of the absolute difference, at the report's level. Null where the fixed one is.
    pub ci: Option<Ends>,
    /// 0 to 1. Null where the fixed one is.
    pub p: Option<f64>,
    /// Of the relative difference, as fractions. Null where the fixed one is.
    pub relative_ci: Option<Ends>,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A test after correction for many tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Corrected {
    /// `bonferroni` or `benjamini_hochberg`.
    pub method: String,
    /// The error rate that is left for this test; null if none is.
    pub alpha: Option<f64>,
    /// To be compared with the error rate of the report: 1 - `level`. Null where the test has none.
    pub p: Option<f64>,
    /// Of the absolute difference, at 1 - `alpha`. Null without `alpha` or variance.
    pub ci: Option<Ends>,
    /// Of the relative difference, as fractions, at 1 - `alpha`. Null without `alpha` or where the plain one is.
    pub relative_ci: Option<Ends>,
}

/// The smallest effect that an experiment of this size finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detectable {
    /// How often it finds it, at least 0.5 and below 1.
    pub power: f64,
    /// In the metric's unit. Null without variance.
    pub absolute: Option<f64>,
    /// As a fraction of the control mean. Null where that is 0.
    pub relative: Option<f64>,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the adjustment came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CupedUse {
    /// By what the covariate is multiplied. Null if no unit has anything before its exposure.
    pub theta: Option<f64>,
    /// Of value and covariate, -1 to 1. Null likewise.
    pub correlation: Option<f64>,
    /// The part of the variance that it took away, at most 1. Null likewise.
    pub variance_reduction: Option<f64>,
    /// Units of both groups that have anything before their exposure.
    pub units_with_before: u64,
    /// Whether Statsig would use it: enough units, enough of them with something before, and less variance.
    pub eligible: bool,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How totals were cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Winsor {
    /// Above 0.5 and below 1.
    pub percentile: f64,
    /// The percentile by nearest rank of all groups' totals that are not 0; of ratios that of the numerator. Null: all are 0.
    pub cap: Option<f64>,
    /// Of ratios the cap of the denominator. Null or absent: all are 0, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator_cap: Option<f64>,
}

/// What a difference means for the metric as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Impacts {
    /// In the period, by the units that were in the test group.
    pub topline: ImpactNumbers,
    /// If all units had been in the test group.
    pub projected: ImpactNumbers,
}

/// A difference of the metric over all units, exposed or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImpactNumbers {
    /// Per day for counts and sums; of the ratio itself for ratios. Null where the difference or the total is not known.
    pub absolute: Option<f64>,
    /// At the report's level. Null likewise.
    pub absolute_ci: Option<Ends>,
    /// A fraction of what the metric would be without the experiment. Null likewise, and where that is 0.
    pub relative: Option<f64>,
    /// As fractions, at the report's level. Null likewise.
    pub relative_ci: Option<Ends>,
    /// Why the first of the numbers that are null is so; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Report {
    /// Every analysis of the report, one or several.
    pub fn analyses(&self) -> impl Iterator<Item = &Analysis> {
        self.analysis.iter().chain(&self.rules)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
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

impl Report {
    /// About how much memory it takes: its numbers of groups and comparisons, by day and by part.
    pub(super) fn bytes(&self) -> usize {
        let of = |groups: &[MetricGroup], comparisons: &[Comparison]| {
            let own = comparisons.iter().filter_map(|comparison| comparison.groups.as_deref());
            size_of_val(groups) + size_of_val(comparisons) + own.map(size_of_val).sum::<usize>()
        };
        let of_metric = |metric: &Metric| {
            let series = metric.series.iter().map(|point| size_of::<Point>() + of(&point.groups, &point.comparisons));
            let steps = metric.steps.iter().map(|step| of(&step.groups, &step.comparisons));
            size_of::<Metric>() + of(&metric.groups, &metric.comparisons) + series.chain(steps).sum::<usize>()
        };
        let of_analysis = |analysis: &Analysis| {
            let strata = analysis.strata.iter().flat_map(|stratum| &stratum.metrics);
            size_of::<Analysis>() + analysis.metrics.iter().chain(strata).map(of_metric).sum::<usize>()
        };
        self.analysis.iter().chain(&self.rules).map(of_analysis).sum()
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
