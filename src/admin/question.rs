//! Results: what the catalog says of an experiment or gate becomes a question, the log answers it.

use super::metric::choice;
use super::rollout::{Standing, history, stages};
use super::{Admin, AdminError};
use crate::catalog::{Analysis, Catalog, Experiment, Gate, MetricRef, MetricType, UserMetric};
use crate::evaluate::{djb2, sha256_base64};
use crate::event::{Outcome, Timestamp};
use crate::results::{
    self, Check, Corrections, Design, Group, MetricChoice, Options, Question, Report, ResultsError, Role, Rule,
};
use crate::stats::{Balanced, Level};
use crate::store::{Snapshot, Terms};
use std::sync::Arc;

/// What a report is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Experiment(String),
    /// Every rule with an analysable split, or one rule.
    Gate {
        name: String,
        rule: Option<String>,
    },
}

/// A report that is asked for, with its options as a query string or command line gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsQuery {
    pub subject: Subject,
    pub options: Vec<(String, String)>,
}

impl Admin {
    pub fn results(&self, query: &ResultsQuery) -> Result<Report, AdminError> {
        let state = self.state();
        let catalog = &state.catalog;
        let (question, options) = asked(catalog, &self.store().snapshot()?, &query.subject, &query.options)?;
        let untold = match &query.subject {
            Subject::Experiment(name) => catalog.experiment(name).map(|experiment| {
                let lists = [&experiment.primary_metrics, &experiment.secondary_metrics, &experiment.other_metrics];
                without_definition(catalog, lists.into_iter().flatten())
            }),
            Subject::Gate { name, .. } => {
                catalog.gate(name).map(|gate| without_definition(catalog, &gate.monitoring_metrics))
            }
        };
        self.concluded(&question, &options, &untold.unwrap_or_default())
    }

    /// The report on a question. `untold` are lines of the scorecard that are no metric to results.
    pub(super) fn concluded(
        &self,
        question: &Question,
        options: &Options,
        untold: &[String],
    ) -> Result<Report, AdminError> {
        let report = self.reports().report(&self.log()?, question, options);
        let mut report = report.map(Arc::unwrap_or_clone).map_err(|error| match error {
            ResultsError::Log(error) => AdminError::broken("log", &error),
            other => AdminError::refused(other.code(), other.to_string()),
        })?;
        let duplicates = self.duplicates()?;
        for analysis in report.analysis.iter_mut().chain(&mut report.rules) {
            analysis.health.push(duplicates.clone());
            let is_there = |wanted: &&MetricChoice| {
                analysis.metrics.iter().any(|metric| metric.name == wanted.name && metric.kind == wanted.kind)
            };
            let missing = question.metrics.iter().filter(|wanted| !is_there(wanted));
            let missing = missing.map(|wanted| format!("{} ({})", wanted.name, word(wanted.kind)));
            let missing: Vec<String> = untold.iter().cloned().chain(missing).collect();
            if !missing.is_empty() {
                analysis.health.push(not_computed(&missing));
            }
        }
        Ok(report)
    }
}

/// An experiment or gate as a question, and the options of its report.
pub(super) fn asked(
    catalog: &Catalog,
    snapshot: &Snapshot,
    subject: &Subject,
    asked: &[(String, String)],
) -> Result<(Question, Options), AdminError> {
    let (mut question, mut options) = match subject {
        Subject::Experiment(name) => {
            let experiment = catalog.experiment(name).ok_or_else(|| AdminError::not_found("experiment", name))?;
            let level = Level::new(experiment.default_confidence_interval.level()).unwrap_or(Level::DEFAULT);
            (of_experiment(catalog, experiment), options(&experiment.analysis, level, asked)?)
        }
        Subject::Gate { name, rule } => {
            let gate = catalog.gate(name).ok_or_else(|| AdminError::not_found("gate", name))?;
            let options = options(&gate.analysis, Level::DEFAULT, asked)?;
            let history = history(snapshot, gate)?;
            (of_gate(catalog, gate, &history, rule.as_deref())?, options)
        }
    };
    beside(catalog, snapshot.terms(), &mut question, &mut options)?;
    Ok((question, options))
}

/// Metrics of the catalog that are asked for by name become lines beside the scorecard; what remains are names of events.
fn beside(catalog: &Catalog, terms: &Terms, question: &mut Question, options: &mut Options) -> Result<(), AdminError> {
    let is_event = |name: &str| terms.names.find(name).is_some();
    for wanted in std::mem::take(&mut options.metrics) {
        // A name with a comma in it is one name where there is one.
        let is_whole = is_event(&wanted) || !metrics_named(catalog, &wanted).is_empty();
        let names: Vec<&str> = if is_whole { vec![&wanted] } else { wanted.split(',').map(str::trim).collect() };
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let of_other_units = |metric: &MetricRef| {
                let defined = catalog.metric(&metric.name, metric.kind);
                defined.filter(|metric| !metric.unit_types.contains(&question.id_type))
            };
            let (other, fitting): (Vec<_>, Vec<_>) =
                metrics_named(catalog, name).into_iter().partition(|metric| of_other_units(metric).is_some());
            if let (true, false, Some(other)) =
                (fitting.is_empty(), is_event(name), other.first().and_then(of_other_units))
            {
                let (needed, computed) = (&question.id_type, other.unit_types.join(", "));
                let message = format!(
                    "`metrics`: {name} is computed for {computed}, and {} needs {needed}; add {needed} to the unitTypes of the metric",
                    question.name
                );
                return Err(AdminError::refused("invalid_option", message));
            }
            if fitting.is_empty() || is_event(name) {
                options.metrics.push(name.to_owned());
            }
            if !fitting.is_empty() {
                options.defined.push(name.to_owned());
                // Otherwise the event names of most volume would be reported, as without any name.
                options.automatic = false;
            }
            for metric in fitting {
                let choice = choice(catalog, &metric, Role::Other);
                question
                    .metrics
                    .push(choice.map_err(|why| AdminError::refused("invalid_option", format!("{name}: {why}")))?);
            }
        }
    }
    Ok(())
}

/// The metrics that a name means: those that are defined under it, of whatever type, or the one of a name and type.
fn metrics_named(catalog: &Catalog, name: &str) -> Vec<MetricRef> {
    let of = |name: &str, kind| MetricRef { name: name.to_owned(), kind, direction: None, hypothesized_value: None };
    let defined = catalog.metrics().iter().filter(|metric| metric.name == name || metric.id() == name);
    let mut found: Vec<MetricRef> = defined.map(|metric| of(&metric.name, metric.kind)).collect();
    let automatic = name.rsplit_once("::").and_then(|(name, kind)| {
        let kind = serde_json::from_value::<MetricType>(kind.into()).ok()?;
        let is_there = if kind == MetricType::User { UserMetric::named(name).is_some() } else { kind.is_automatic() };
        is_there.then(|| of(name, kind))
    });
    if found.is_empty() {
        found.extend(automatic);
    }
    found
}

impl Admin {
    /// There is no count of duplicates by experiment, so all reports of a project share this check.
    fn duplicates(&self) -> Result<Check, AdminError> {
        let snapshot = self.store().snapshot()?;
        let totals = snapshot.totals()?;
        let is_duplicate = |outcome: u8| Outcome::from_code(outcome) == Some(Outcome::Duplicate);
        let duplicates = totals.iter().filter(|((_, outcome, _), _)| is_duplicate(*outcome)).map(|(_, count)| count);
        Ok(results::duplicates(duplicates.sum(), snapshot.next_sequence().0))
    }
}

/// The options of a report: what the request says, then what the analysis of the experiment or gate says, then the level.
fn options(analysis: &Analysis, level: Level, asked: &[(String, String)]) -> Result<Options, AdminError> {
    let set = analysis.options();
    let set = set.iter().filter(|(name, _)| Options::NAMES.contains(&name.as_str()));
    let set = set.filter(|(name, _)| !asked.iter().any(|(asked, _)| asked == name));
    let pairs: Vec<(&str, &str)> = set.chain(asked).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let has_level = pairs.iter().any(|(name, _)| *name == "level");
    let mut options = Options::parse(pairs).map_err(|error| AdminError::refused(error.code, error.message.clone()))?;
    if !has_level {
        options.level = level;
    }
    Ok(options)
}

/// A scorecard's line must not vanish without a word.
fn not_computed(metrics: &[String]) -> Check {
    Check {
        check: "metrics_computed".to_owned(),
        status: Balanced::Warning,
        detail: format!("not computed: {}", metrics.join(", ")),
        remedy: Some(
            "mend the metric's definition, or name another on the scorecard; every event name has event_count and event_user"
                .to_owned(),
        ),
    }
}

/// The lines of a scorecard that are no metric to results, and why.
fn without_definition<'a>(catalog: &Catalog, metrics: impl IntoIterator<Item = &'a MetricRef>) -> Vec<String> {
    let why = |metric: &MetricRef| {
        let why = choice(catalog, metric, Role::Other).err()?;
        Some(format!("{} ({}: {why})", metric.name, word(metric.kind)))
    };
    metrics.into_iter().filter_map(why).collect()
}

/// The word of the API.
pub(super) fn word(kind: impl serde::Serialize) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn of_experiment(catalog: &Catalog, experiment: &Experiment) -> Question {
    let mut metrics = Vec::new();
    for (list, role) in [
        (&experiment.primary_metrics, Role::Primary),
        (&experiment.secondary_metrics, Role::Secondary),
        (&experiment.other_metrics, Role::Other),
    ] {
        metrics.extend(list.iter().filter_map(|metric| choice(catalog, metric, role).ok()));
    }
    let control = experiment.control().map(|group| group.id.clone());
    let groups = experiment
        .groups
        .iter()
        .map(|group| Group { id: group.id.clone(), name: group.name.clone(), size: group.size })
        .collect();
    Question {
        name: experiment.id.clone(),
        aliases: aliases(&experiment.id, &experiment.name),
        holdouts: holdouts(catalog),
        id_type: experiment.id_type.clone(),
        design: Design::Experiment { groups, control },
        start: experiment.start_time.map(|start| start.0),
        end: experiment.end_time.map(|end| end.0),
        planned_end: planned_end(experiment),
        sequential: experiment.sequential_testing,
        target_units: experiment.target_exposures,
        corrections: corrections(experiment),
        allocation: experiment.allocation / 100.0,
        metrics,
    }
}

/// `history` tells how the gate's rules were rolled out; without any they were always as they are now.
pub(super) fn of_gate(
    catalog: &Catalog,
    gate: &Gate,
    history: &[Standing],
    rule: Option<&str>,
) -> Result<Question, AdminError> {
    let rules: Vec<Rule> = gate
        .rules
        .iter()
        .map(|rule| Rule {
            id: rule.id.clone(),
            name: rule.name.clone(),
            pass_percentage: rule.pass_percentage,
            stages: stages(history, &rule.id),
        })
        .collect();
    if let Some(wanted) = rule
        && !rules.iter().any(|rule| rule.id == wanted)
    {
        return Err(AdminError::not_found("rule", wanted));
    }
    Ok(Question {
        name: gate.id.clone(),
        aliases: aliases(&gate.id, &gate.name),
        holdouts: holdouts(catalog),
        id_type: gate.id_type.clone(),
        design: Design::Gate { rules, only: rule.map(str::to_owned) },
        start: None,
        end: None,
        planned_end: None,
        sequential: false,
        target_units: None,
        corrections: Corrections::default(),
        allocation: 1.0,
        metrics: gate
            .monitoring_metrics
            .iter()
            .filter_map(|metric| choice(catalog, metric, Role::Monitoring).ok())
            .collect(),
    })
}

/// The end of the days that the experiment is meant to run.
fn planned_end(experiment: &Experiment) -> Option<Timestamp> {
    let (start, days) = (experiment.start_time?.0, experiment.duration?);
    Some(Timestamp(start.0 + i64::from(days) * 24 * 60 * 60 * 1000))
}

fn corrections(experiment: &Experiment) -> Corrections {
    Corrections {
        bonferroni_groups: experiment.bonferroni_correction,
        bonferroni_metrics: experiment.bonferroni_correction_per_metric,
        primary_share: experiment.analysis.primary_alpha_share,
        benjamini_hochberg_groups: experiment.benjamini_hochberg_per_variant,
        benjamini_hochberg_metrics: experiment.benjamini_hochberg_per_metric,
        benjamini_hochberg_primary_only: experiment.benjamini_primary_metrics_only,
    }
}

/// What exposures may call something beside its ID. Intake has put names in the place of hashes it knew; what came before
/// the catalog had the name still carries the hash.
fn aliases(id: &str, name: &str) -> Vec<String> {
    let mut aliases = vec![djb2(id), sha256_base64(id)];
    if name != id {
        aliases.extend([name.to_owned(), djb2(name), sha256_base64(name)]);
    }
    aliases
}

fn holdouts(catalog: &Catalog) -> Vec<String> {
    catalog.holdouts().iter().flat_map(|holdout| [holdout.id.clone(), holdout.name.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The catalog cannot name the words of results; they must not drift apart.
    #[test]
    fn every_word_of_an_analysis_is_an_option_of_a_report() {
        let schema = crate::catalog::definitions();
        let words = |name: &str| -> Vec<Value> {
            let words = &schema[name];
            let listed = words["enum"].as_array().cloned().unwrap_or_default();
            let told = words["oneOf"].as_array().into_iter().flatten();
            listed.into_iter().chain(told.map(|word| word["const"].clone())).collect()
        };
        let numbers =
            [("level", json!(0.9)), ("winsorize", json!(0.0)), ("winsorize", json!(0.999)), ("power", json!(0.51))];
        let days = [json!(1), json!(90)].map(|days| ("cupedDays", days));
        let mut rows: Vec<(&str, Value)> = numbers.into_iter().chain(days).collect();
        rows.extend([json!(true), json!(false)].map(|is| ("cuped", is)));
        for (name, option) in
            [("Crossovers", "crossovers"), ("Join", "join"), ("Relative", "relative"), ("Alternative", "alternative")]
        {
            assert!(words(name).len() > 1, "{name}: {}", schema[name]);
            rows.extend(words(name).into_iter().map(|word| (option, word)));
        }
        for (option, value) in rows {
            let analysis: Analysis = serde_json::from_value(json!({ option: value })).expect("an analysis");
            let read = options(&analysis, Level::DEFAULT, &[]);
            assert!(read.is_ok(), "{option}={value}: {read:?}");
            assert!(Options::NAMES.contains(&option), "{option} would be left out");
        }
        let known = schema["Analysis"]["properties"].as_object().expect("fields").keys();
        // The share of the primary metrics is part of the question.
        let left_out: Vec<&String> = known.filter(|name| !Options::NAMES.contains(&name.as_str())).collect();
        assert_eq!(left_out, ["primaryAlphaShare"]);
    }
}
