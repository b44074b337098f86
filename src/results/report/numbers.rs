//! A metric in a report: its groups, its comparisons by each variant, its steps and days. Computes nothing.

use crate::results::compare::ends;
use crate::results::question::{Direction, MetricKind, Role};
use crate::stats::{self, Alternative, Method, Test, Undefined};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// Gathers what exists and the reason of the first number that does not.
#[derive(Default)]
pub(in crate::results) struct Reason(Option<&'static str>);

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
