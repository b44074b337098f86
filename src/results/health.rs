//! Whether the results can be trusted: what is missing or odd in the data, and what to do about it. Judges; changes no
//! number. Each check has a name that stays, and is made of counts that do not depend on the log's order.

mod arrival;
mod bias;
mod exposures;
mod progress;
mod suspects;
mod units;

pub use arrival::duplicates;
pub(super) use bias::{before, compare};
pub(super) use suspects::name_suspects;

use super::analysis::Scene;
use super::calendar::DAY;
use super::census::Newest;
use super::evidence::Evidence;
use super::question::{Group, Role, Split};
use super::report::{Check, Metric};
use super::units::Units;
use crate::stats::{Balance, Balanced, Undefined};

/// What the checks of one split look at.
pub(super) struct Subject<'a> {
    pub scene: &'a Scene<'a>,
    pub split: &'a Split,
    pub units: &'a Units,
    pub metrics: &'a [Metric],
    pub balance: &'a Result<Balance, Undefined>,
}

impl Subject<'_> {
    /// All checks. `evidence` has what was compared before the exposure; the rest is added.
    pub fn checks(&self, evidence: &mut Evidence) -> Vec<Check> {
        let survey = self.survey();
        evidence.units_match = self.units_match(&survey);
        evidence.arrival = self.arrival(&survey);
        evidence.progress = self.progress(&survey);
        let always = [
            self.exposures(),
            self.units_match_check(&evidence.units_match),
            sample_ratio(self.split, self.units, self.balance),
            self.crossovers(),
            self.late_events(&evidence.arrival),
            self.clock(&evidence.arrival),
            self.enough_data(),
            self.run_length(&evidence.progress),
        ];
        let sometimes = [
            self.detectable_effect(&evidence.progress),
            self.peeking(),
            bias::check_bias(&evidence.pre_experiment, self.scene.options.cuped_days),
            self.silent_metrics(),
        ];
        always.into_iter().chain(sometimes.into_iter().flatten()).collect()
    }

    /// One pass over the units that take part, for all checks together.
    fn survey(&self) -> Survey {
        let (gathered, census) = (self.scene.gathered, self.scene.gathered.census());
        let mut survey = Survey::default();
        let recent = self.now().saturating_sub((progress::WEEK_DAYS * DAY as f64) as i64);
        for (unit, member) in self.units.each() {
            let events = gathered.events_of(unit);
            survey.units += 1;
            survey.matched += u64::from(events > 0);
            survey.events += u64::from(events);
            survey.recent += u64::from(member.since.0 >= recent);
            survey.first = Some(survey.first.map_or(member.since.0, |first| first.min(member.since.0)));
        }
        // Few units have late events, so these are looked up among the units and not the other way round.
        for (unit, late) in census.late().filter(|(unit, _)| self.units.memberships(*unit).next().is_some()) {
            debug_assert!(gathered.events_of(unit) > 0);
            survey.late += late.events;
            survey.newest = survey.newest.max(Some(late.newest));
        }
        survey
    }

    /// Metrics that somebody chose and that no exposed unit has.
    fn silent_metrics(&self) -> Option<Check> {
        let is_silent = |metric: &&Metric| metric.groups.iter().all(|group| group.sum == Some(0.0));
        let chosen = self.metrics.iter().filter(|metric| metric.role != Role::Other);
        let mut silent: Vec<&str> = chosen.filter(is_silent).map(|metric| metric.name.as_str()).collect();
        silent.dedup();
        let any_units = self.units.sizes.iter().any(|size| *size > 0);
        (any_units && !silent.is_empty()).then(|| {
            check(
                "metrics",
                Balanced::Warning,
                format!("no unit in the experiment had: {}", silent.join(", ")),
                "Check the names: they count as they are stored, prefix included, such as `segment::Order Completed`.",
            )
        })
    }
}

/// The units that take part, each counted once whatever groups it is in, and their events in the period.
#[derive(Default)]
struct Survey {
    units: u64,
    matched: u64,
    /// Exposed for the first time in the last week.
    recent: u64,
    /// The first exposure of all.
    first: Option<i64>,
    events: u64,
    late: u64,
    newest: Option<Newest>,
}

fn check(check: &str, status: Balanced, detail: String, remedy: &str) -> Check {
    let remedy = (status != Balanced::Ok).then(|| remedy.to_owned());
    Check { check: check.to_owned(), status, detail, remedy }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A part of a whole, 0 of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Units by group, in words.
fn by_group(split: &Split, units: &[u64]) -> String {
    let of = |(group, units): (&Group, &u64)| format!("{} {units}", group.name);
    split.groups.iter().zip(units).map(of).collect::<Vec<_>>().join(", ")
}

fn sample_ratio(split: &Split, units: &Units, balance: &Result<Balance, Undefined>) -> Check {
    let sizes = || {
        let size = |(group, units): (&Group, &u64)| format!("{} {units} (size {})", group.name, group.size);
        split.groups.iter().zip(&units.sizes).map(size).collect::<Vec<_>>().join(", ")
    };
    let (status, detail) = match balance {
        Ok(found) => {
            (found.status, format!("{}: p {:.2e}, off by {} at most", sizes(), found.p, percent(found.deviation)))
        }
        Err(why) if *why == Balance::UNEXPECTED_UNITS => {
            (Balanced::Alert, format!("{}: a group that should get nobody has units", sizes()))
        }
        Err(why) => (Balanced::Ok, format!("cannot be told: {}", why.reason.replace('_', " "))),
    };
    let remedy = "Do not trust these results before the cause is known: exposures lost or logged unevenly between groups, \
                  sizes changed while it ran, or a redirect or crash in one group.";
    check("srm", status, detail, remedy)
}
