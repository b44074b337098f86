//! The report: one experiment's or gate's results as plain data. Page, JSON and command line show this same document. A
//! number that does not exist is null, with a `reason` beside it. Computes nothing.

mod numbers;

pub(super) use numbers::Reason;
pub use numbers::{
    Absolute, Comparison, Corrected, CupedUse, Detectable, Ends, ImpactNumbers, Impacts, Lift, Metric, MetricGroup,
    Point, SequentialTest, Step, Winsor,
};

use super::evidence::{Evidence, Suspect};
use super::options::{Breakdown, Crossovers, Join, Options, Sides, StageChoice, Tested, View};
use super::question::{Group, QuestionKind, Split};
use super::stages::Stage;
use super::units::Units;
use crate::event::Timestamp;
use crate::stats::{self, Balance, Balanced, Method, Undefined};
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
