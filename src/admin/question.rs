//! Results: what the catalog says of an experiment or gate becomes a question, the log answers it.

use super::{Admin, AdminError};
use crate::catalog::{Catalog, Experiment, Gate, Metric, MetricEventType, MetricRef, MetricType, RollupTimeWindow};
use crate::evaluate::{djb2, sha256_base64};
use crate::ingest;
use crate::results::{
    self, Check, Definition, Design, EventSource, Group, Measure, MetricChoice, MetricKind, Options, Quantity,
    Question, Report, ResultsError, Role, Rule, StoredLog,
};
use crate::stats::{Balanced, Level};

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
        let pairs = query.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut options =
            Options::parse(pairs).map_err(|error| AdminError::refused(error.code, error.message.clone()))?;
        let state = self.state();
        let catalog = &state.catalog;
        let (question, left_out) = match &query.subject {
            Subject::Experiment(name) => {
                let experiment = catalog.experiment(name).ok_or_else(|| AdminError::not_found("experiment", name))?;
                let level = experiment.default_confidence_interval.level();
                if !query.options.iter().any(|(name, _)| name == "level") {
                    options.level = Level::new(level).unwrap_or(Level::DEFAULT);
                }
                let lists = [&experiment.primary_metrics, &experiment.secondary_metrics, &experiment.other_metrics];
                (of_experiment(catalog, experiment), left_out(catalog, lists.into_iter().flatten()))
            }
            Subject::Gate { name, rule } => {
                let gate = catalog.gate(name).ok_or_else(|| AdminError::not_found("gate", name))?;
                (of_gate(catalog, gate, rule.as_deref())?, left_out(catalog, &gate.monitoring_metrics))
            }
        };
        let writer = self.writer().clone();
        let log = StoredLog::new(self.store().snapshot()?, ingest::field, move |columns| writer.keep(columns));
        let report = log.map_err(ResultsError::from).and_then(|log| results::conclude(&log, &question, &options));
        let mut report = report.map_err(|error| match error {
            ResultsError::Log(error) => AdminError::broken("log", &error),
            other => AdminError::refused(other.code(), other.to_string()),
        })?;
        if !left_out.is_empty() {
            let check = not_computed(&left_out);
            for analysis in report.analysis.iter_mut().chain(&mut report.rules) {
                analysis.health.push(check.clone());
            }
        }
        Ok(report)
    }
}

/// A scorecard's line must not vanish without a word.
fn not_computed(metrics: &[&MetricRef]) -> Check {
    let names: Vec<String> = metrics.iter().map(|metric| format!("{} ({})", metric.name, word(metric.kind))).collect();
    Check {
        check: "metrics_computed".to_owned(),
        status: Balanced::Warning,
        detail: format!(
            "not computed, because results know no metric of this type or filter yet: {}",
            names.join(", ")
        ),
        remedy: Some("put event_count or event_user metrics on the scorecard; every event name has both".to_owned()),
    }
}

fn word(kind: MetricType) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn of_experiment(catalog: &Catalog, experiment: &Experiment) -> Question {
    let mut metrics = Vec::new();
    for (list, role) in [
        (&experiment.primary_metrics, Role::Primary),
        (&experiment.secondary_metrics, Role::Secondary),
        (&experiment.other_metrics, Role::Other),
    ] {
        metrics.extend(list.iter().filter_map(|metric| choice(catalog, metric, role)));
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
        metrics,
    }
}

pub(super) fn of_gate(catalog: &Catalog, gate: &Gate, rule: Option<&str>) -> Result<Question, AdminError> {
    let rules: Vec<Rule> = gate
        .rules
        .iter()
        .map(|rule| Rule { id: rule.id.clone(), name: rule.name.clone(), pass_percentage: rule.pass_percentage })
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
        metrics: gate
            .monitoring_metrics
            .iter()
            .filter_map(|metric| choice(catalog, metric, Role::Monitoring))
            .collect(),
    })
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

fn left_out<'a>(catalog: &Catalog, metrics: impl IntoIterator<Item = &'a MetricRef>) -> Vec<&'a MetricRef> {
    metrics.into_iter().filter(|metric| choice(catalog, metric, Role::Other).is_none()).collect()
}

/// What a scorecard's line counts, where it is something that results compute: events of one name, without a filter.
fn choice(catalog: &Catalog, metric: &MetricRef, role: Role) -> Option<MetricChoice> {
    let (event, kind) = match metric.kind {
        MetricType::EventCount => (metric.name.clone(), MetricKind::EventCount),
        MetricType::EventDau => return None,
        kind => match catalog.metric(&metric.name, kind) {
            Some(defined) => plain(defined)?,
            None if kind == MetricType::EventUser => (metric.name.clone(), MetricKind::EventUser),
            None => return None,
        },
    };
    let measure = Measure::of(EventSource::named(&event));
    let definition = Definition::PerUnit(match kind {
        MetricKind::EventUser => Quantity::Any(measure),
        _ => Quantity::Count(measure),
    });
    Some(MetricChoice { name: metric.name.clone(), kind, definition, role, direction: None })
}

fn plain(metric: &Metric) -> Option<(String, MetricKind)> {
    let [event] = metric.metric_events.as_slice() else { return None };
    if event.kind != MetricEventType::Count || !event.criteria.is_empty() {
        return None;
    }
    let kind = match metric.kind {
        MetricType::EventCountCustom => MetricKind::EventCount,
        MetricType::EventUser if metric.rollup_time_window == Some(RollupTimeWindow::Max) => MetricKind::EventUser,
        _ => return None,
    };
    Some((event.name.clone(), kind))
}
