//! What is asked: an experiment or a gate with its groups, period and scorecard. Plain data, filled in from the catalog by
//! whoever asks; knows nothing of the log.

use super::ResultsError;
use super::definition::Definition;
use super::options::{Options, StageChoice};
use super::stages::{Stage, Stages};
use super::standing::NotCounted;
use crate::event::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment or gate to be concluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// As the report calls it.
    pub name: String,
    /// What else exposures may call it: its name beside its ID, and the hashes of both, under which browsers know it.
    pub aliases: Vec<String>,
    /// The rule IDs under which Statsig holds units out: the IDs of holdouts. Ours begin with `holdout:`.
    pub holdouts: Vec<String>,
    /// Whose ID is randomised, such as `userID`.
    pub id_type: String,
    pub design: Design,
    /// The first moment that counts; open without.
    pub start: Option<Timestamp>,
    /// The first moment that no longer counts; without it the newest event is the last that counts.
    pub end: Option<Timestamp>,
    /// Until when one is told not to decide: intervals hold however often one looks, if `sequential`.
    pub planned_end: Option<Timestamp>,
    pub sequential: bool,
    /// How many units it is meant to reach.
    pub target_units: Option<u64>,
    pub corrections: Corrections,
    /// The part of all units that takes part, above 0 and at most 1.
    pub allocation: f64,
    /// The scorecard, in the order of the report.
    pub metrics: Vec<MetricChoice>,
}

/// How many tests at once are made up for. Families are of primary and secondary metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Corrections {
    /// The error rate is divided among the groups that are compared with control.
    pub bonferroni_groups: bool,
    /// The error rate is divided among the metrics.
    pub bonferroni_metrics: bool,
    /// The part of the error rate that all primary metrics have together; the same for each metric without.
    pub primary_share: Option<f64>,
    /// The false discovery rate is controlled over groups.
    pub benjamini_hochberg_groups: bool,
    /// The false discovery rate is controlled over metrics.
    pub benjamini_hochberg_metrics: bool,
    /// The false discovery rate is controlled for primary metrics only.
    pub benjamini_hochberg_primary_only: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Design {
    Experiment {
        groups: Vec<Group>,
        /// The control group's ID; without one (or with an unknown one) the first group is control.
        control: Option<String>,
    },
    /// Rules that always passed nobody or everybody have nothing to compare and are left out.
    Gate {
        /// All of the gate, so that exposures to the others are told apart from those to none.
        rules: Vec<Rule>,
        /// The ID of the only one in question.
        only: Option<String>,
    },
}

/// One group of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The rule ID that its exposures carry.
    pub id: String,
    pub name: String,
    /// Its part of the experiment, in percent or any other unit: only the proportions count.
    pub size: f64,
}

/// One rule of a gate: units that it passes are compared with units that met it and failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: String,
    pub name: String,
    /// As it is now, 0 to 100.
    pub pass_percentage: f64,
    /// What it was when, the first stage first, each beginning where the one before it ends. None: always as it is now.
    pub stages: Vec<Stage>,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricChoice {
    /// As the report calls it; together with `kind` it tells metrics apart.
    pub name: String,
    pub kind: MetricKind,
    pub definition: Definition,
    pub role: Role,
    /// Which way is better; `None` where nobody has said.
    pub direction: Option<Direction>,
    /// The effect that somebody expects, as a fraction of the control mean.
    pub hypothesis: Option<f64>,
}

/// The type of a metric, as the catalog and the report call it. It tells how to read the numbers; `Definition` says how they
/// are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// How many events of one name.
    EventCount,
    /// On which share of its days in the experiment a unit had the event.
    EventDau,
    /// Whether a unit had the event: once, by day, or in a window after its exposure.
    EventUser,
    /// How many events that meet filters.
    EventCountCustom,
    /// The sum of a value.
    Sum,
    /// The average of a value over events.
    Mean,
    /// One number over another.
    Ratio,
    /// How many get from one event to the next.
    Funnel,
    /// The sum of several metrics.
    CompositeSum,
    /// User accounting: `dau`, `wau`, `d7_retention_rate` and their like.
    User,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// On an experiment's scorecard, what decides.
    Primary,
    /// On an experiment's scorecard, beside it.
    Secondary,
    /// On a gate's scorecard.
    Monitoring,
    /// Asked for by an exploration.
    Explored,
    /// Not on the scorecard.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    Experiment,
    Gate,
}

/// Groups that are compared with one another: an experiment's, or the two sides of one rule of a gate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    pub rule: Option<Rule>,
    pub groups: Vec<Group>,
    /// A place in `groups`.
    pub control: usize,
    /// Of a gate's rule.
    pub stages: Option<Stages>,
}

/// The side of a gate's rule that a `gateValue` of "true" belongs to, by place in `Split::groups`.
pub(super) const FAIL: usize = 0;
pub(super) const PASS: usize = 1;

impl Question {
    pub fn kind(&self) -> QuestionKind {
        match self.design {
            Design::Experiment { .. } => QuestionKind::Experiment,
            Design::Gate { .. } => QuestionKind::Gate,
        }
    }

    /// Whether exposures mean this by a name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// What can be compared, whatever the options: an experiment, or each rule that has a stage to analyse.
    pub(super) fn all_splits(&self) -> Result<Vec<Split>, ResultsError> {
        self.splits(&Options::default())
    }

    /// What is compared; never empty, and each with two groups at least.
    pub(super) fn splits(&self, options: &Options) -> Result<Vec<Split>, ResultsError> {
        let splits: Vec<Split> = match &self.design {
            Design::Experiment { groups, control } => {
                let place = |control: &String| groups.iter().position(|group| group.id == *control);
                let control = control.as_ref().and_then(place).unwrap_or(0);
                if options.stage != StageChoice::Usual || options.sides.is_some() {
                    let name = if options.sides.is_some() { "balance" } else { "stage" };
                    return Err(ResultsError::OfGates(name));
                }
                let split = Split { rule: None, groups: groups.clone(), control, stages: None };
                if groups.len() < 2 { Vec::new() } else { vec![split] }
            }
            Design::Gate { rules, only } => {
                let wanted = |rule: &&Rule| only.as_ref().is_none_or(|only| rule.id == *only);
                let of_rule = |rule: &Rule| {
                    let stages = Stages::of(&self.name, rule, options).into_iter();
                    stages.map(|stages| Split::of_rule(rule, stages)).collect::<Vec<_>>()
                };
                rules.iter().filter(wanted).flat_map(of_rule).collect()
            }
        };
        if splits.is_empty() {
            return Err(ResultsError::NothingToCompare(match self.kind() {
                QuestionKind::Experiment => {
                    format!("experiment `{}` has fewer than two groups; give it a control and a test group", self.name)
                }
                QuestionKind::Gate if options.stage != StageChoice::Usual => format!(
                    "gate `{}` has no rule with a stage {} that passes some units and fails others in this period; leave out `stage` to see which stages there are",
                    self.name, options.stage
                ),
                QuestionKind::Gate => format!(
                    "gate `{}` has no rule that passes some units and fails others; set a pass percentage above 0 and below 100",
                    self.name
                ),
            }));
        }
        Ok(splits)
    }
}

impl Split {
    fn of_rule(rule: &Rule, stages: Stages) -> Split {
        let group = |id: &str, name: &str, size: f64| Group { id: id.to_owned(), name: name.to_owned(), size };
        let sizes = stages.sizes();
        let mut groups = vec![group("fail", "Fail", sizes[FAIL])];
        groups.insert(PASS, group("pass", "Pass", sizes[PASS]));
        Split { rule: Some(rule.clone()), groups, control: FAIL, stages: Some(stages) }
    }

    pub fn rule_id(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.id.as_str())
    }

    /// The place of the stage that a moment lies in; there is one where there are none.
    pub fn stage_at(&self, time: Timestamp) -> usize {
        self.stages.as_ref().map_or(0, |stages| stages.at(time))
    }

    /// What being in a stage is to an exposure to a group.
    pub fn stage_standing(&self, at: usize) -> Result<(), NotCounted> {
        self.stages.as_ref().map_or(Ok(()), |stages| stages.standing(at))
    }

    /// The part of all units that a group gets, from one moment to another, if all units take part.
    pub fn share(&self, group: usize, from: i64, until: i64) -> f64 {
        match &self.stages {
            Some(stages) if group == PASS => stages.passing(from, until),
            Some(stages) => 1.0 - stages.passing(from, until),
            None => self.groups[group].size / self.groups.iter().map(|group| group.size).sum::<f64>(),
        }
    }
}
