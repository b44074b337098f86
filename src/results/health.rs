//! Whether the results can be trusted: what is missing or odd in the data, and what to do about it. Judges; changes no
//! number.

use super::analysis::Scene;
use super::question::{Question, QuestionKind, Role, Split};
use super::report::{Check, Metric};
use super::units::Units;
use crate::stats::{Balance, Balanced, Undefined};

/// A larger share of crossovers than this deserves a look.
pub const CROSSOVERS_WARNING: f64 = 0.001;
/// A larger share than this makes results doubtful.
pub const CROSSOVERS_ALERT: f64 = 0.01;
/// Groups smaller than this say little.
pub const FEW_UNITS: u64 = 100;
/// If fewer exposed units than this share have any event, the IDs of exposures and events may not be the same.
pub const UNMATCHED_WARNING: f64 = 0.05;

pub(super) fn checks(
    scene: &Scene<'_>,
    split: &Split,
    units: &Units,
    metrics: &[Metric],
    balance: &Result<Balance, Undefined>,
) -> Vec<Check> {
    let question = scene.question;
    let mut checks = vec![
        exposures(question, split, units),
        units_match(question, units, matched(scene, units)),
        sample_ratio(split, units, balance),
        crossovers(units),
        enough_data(split, units),
    ];
    checks.extend(silent_metrics(units, metrics));
    checks
}

/// Units that take part and have any event at all, at any time in the period.
fn matched(scene: &Scene<'_>, units: &Units) -> u64 {
    let mut last = None;
    let mut matched = 0;
    for (unit, _) in units.all() {
        matched += u64::from(last.replace(unit) != Some(unit) && scene.gathered.has_events(unit));
    }
    matched
}

fn check(check: &str, status: Balanced, detail: String, remedy: &str) -> Check {
    let remedy = (status != Balanced::Ok).then(|| remedy.to_owned());
    Check { check: check.to_owned(), status, detail, remedy }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn exposures(question: &Question, split: &Split, units: &Units) -> Check {
    let counted: u64 = units.exposures.iter().sum();
    let dropped: u64 = units.not_counted.values().sum();
    let empty: Vec<&str> = split
        .groups
        .iter()
        .zip(&units.exposures)
        .filter(|&(group, &exposures)| exposures == 0 && group.size > 0.0)
        .map(|(group, _)| group.name.as_str())
        .collect();
    let mut detail = format!("{counted} exposures count");
    if dropped > 0 {
        let reasons: Vec<String> =
            units.not_counted.iter().map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
        detail.push_str(&format!(", {dropped} do not ({})", reasons.join(", ")));
    }
    if !empty.is_empty() {
        detail.push_str(&format!("; none for {}", empty.join(", ")));
    }
    let status = if empty.is_empty() { Balanced::Ok } else { Balanced::Alert };
    let what = match question.kind() {
        QuestionKind::Experiment => "experiment",
        QuestionKind::Gate => "gate",
    };
    let remedy = format!(
        "Check that the application asks for {what} `{}` and sends its exposures here, in production, with a {}.",
        question.name, question.id_type
    );
    check("exposures", status, detail, &remedy)
}

fn units_match(question: &Question, units: &Units, matched: u64) -> Check {
    let all: u64 = units.sizes.iter().sum();
    let share = if all == 0 { 0.0 } else { matched as f64 / all as f64 };
    let status = match matched {
        _ if all == 0 => Balanced::Ok,
        0 => Balanced::Alert,
        _ if share < UNMATCHED_WARNING => Balanced::Warning,
        _ => Balanced::Ok,
    };
    let detail = match all {
        0 => "no units yet".to_owned(),
        _ => format!("{} of {all} units ({}) have any event", matched, percent(share)),
    };
    let remedy = format!(
        "Check that events carry the same {} as exposures: the same value, in the field that is mapped to it.",
        question.id_type
    );
    check("units_match", status, detail, &remedy)
}

fn sample_ratio(split: &Split, units: &Units, balance: &Result<Balance, Undefined>) -> Check {
    let sizes = || {
        let size = |(group, units): (&super::Group, &u64)| format!("{} {units} (size {})", group.name, group.size);
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

fn crossovers(units: &Units) -> Check {
    let exposed = units.exposed;
    let share = if exposed == 0 { 0.0 } else { units.crossovers as f64 / exposed as f64 };
    let status = match share {
        share if share > CROSSOVERS_ALERT => Balanced::Alert,
        share if share > CROSSOVERS_WARNING => Balanced::Warning,
        _ => Balanced::Ok,
    };
    let detail =
        format!("{} of {exposed} exposed units ({}) met more than one group", units.crossovers, percent(share));
    let remedy = "Check that a unit keeps its ID, and that sizes, salt and targeting stayed the same while it ran.";
    check("crossovers", status, detail, remedy)
}

fn enough_data(split: &Split, units: &Units) -> Check {
    let smallest =
        split.groups.iter().zip(&units.sizes).filter(|(group, _)| group.size > 0.0).min_by_key(|(_, units)| **units);
    let (name, size) = smallest.map_or(("", 0), |(group, units)| (group.name.as_str(), *units));
    let status = if size < FEW_UNITS { Balanced::Warning } else { Balanced::Ok };
    let detail = format!("the smallest group, {name}, has {size} units");
    check(
        "enough_data",
        status,
        detail,
        "Wait for more units: small samples decide little, and only large effects show.",
    )
}

/// Metrics that somebody chose and that no exposed unit has.
fn silent_metrics(units: &Units, metrics: &[Metric]) -> Option<Check> {
    let is_silent = |metric: &&Metric| metric.groups.iter().all(|group| group.sum == Some(0.0));
    let chosen = metrics.iter().filter(|metric| metric.role != Role::Other);
    let mut silent: Vec<&str> = chosen.filter(is_silent).map(|metric| metric.name.as_str()).collect();
    silent.dedup();
    let any_units = units.sizes.iter().any(|size| *size > 0);
    (any_units && !silent.is_empty()).then(|| {
        check(
            "metrics",
            Balanced::Warning,
            format!("no unit in the experiment had: {}", silent.join(", ")),
            "Check the names: they count as they are stored, prefix included, such as `segment::Order Completed`.",
        )
    })
}
