//! Reports in the shapes of Statsig's Console API. Its documents spell the fields of a metric in two ways; both are given.
//! Percentages are in percent, `Std` is the standard error of a mean. Computes nothing of its own.

use super::question::{ResultsQuery, Subject, asked, word};
use super::{Admin, AdminError};
use crate::catalog::Catalog;
use crate::event::Timestamp;
use crate::results::{Analysis, Comparison, Direction, Ends, Impacts, Metric, Report, Role, SERIES_DAYS, View};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

const DAY_MS: i64 = 86_400_000;

/// What is asked, as the query string says it.
#[derive(Debug, Clone, Default)]
pub struct PulseQuery {
    /// The ID of the control group, which must be that of the experiment.
    pub control: Option<String>,
    /// The ID of the test group; the first one without.
    pub test: Option<String>,
    /// `true` or `false`: whether to adjust by what was before the exposure; as the experiment or gate has it without.
    pub cuped: Option<String>,
    /// The level of the intervals in percent, above 50 and below 100.
    pub confidence: Option<String>,
    /// The last UTC day that counts, such as 2026-11-23.
    pub date: Option<String>,
}

/// Units of one group by the day of their first exposure.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GroupExposures {
    /// The ID of the group.
    #[serde(rename = "groupID")]
    pub group_id: String,
    #[serde(rename = "groupName")]
    pub group_name: String,
    /// From the day of the first exposure to the last one that counts; the last 400 of them.
    pub results: Vec<DayExposures>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct DayExposures {
    /// The UTC day, such as 2026-11-23.
    pub date: String,
    /// Units that take part and were exposed by its end.
    pub exposures: u64,
}

impl Admin {
    /// The scorecard of one test group: of an experiment by primary and secondary metrics, of a gate's rule its monitoring
    /// metrics.
    pub fn pulse_results(&self, subject: &Subject, query: &PulseQuery) -> Result<Value, AdminError> {
        let options = options(query)?;
        let report = self.results(&ResultsQuery { subject: subject.clone(), options })?;
        let analysis = report.analyses().next();
        let analysis = analysis.ok_or_else(|| AdminError::refused("nothing_to_compare", "there are no groups"))?;
        let test = test_group(analysis, query)?;
        let cuped = query.cuped.as_deref() != Some("false");
        let of = |role: Role| -> Vec<Value> {
            let metrics = analysis.metrics.iter().filter(|metric| metric.role == role);
            metrics.filter_map(|metric| Some(row(metric, shown(metric, test, cuped)?))).collect()
        };
        let last = report.window.end.map(|end| end - i64::from(report.options.end.is_some()));
        let mut data = json!({ "ds": last.map(date) });
        match subject {
            Subject::Experiment(_) => {
                data["primaryMetrics"] = of(Role::Primary).into();
                data["secondaryMetrics"] = of(Role::Secondary).into();
            }
            Subject::Gate { .. } => data["monitoringMetrics"] = of(Role::Monitoring).into(),
        }
        Ok(data)
    }

    /// How many units each group had by the end of each day.
    pub fn cumulative_exposures(&self, name: &str) -> Result<Vec<GroupExposures>, AdminError> {
        let state = self.state();
        let catalog: &Catalog = &state.catalog;
        let subject = Subject::Experiment(name.to_owned());
        let (mut question, mut options) = asked(catalog, &self.store().snapshot()?, &subject, &[])?;
        question.metrics.clear();
        options.automatic = false;
        options.view = Some(View::Daily);
        let report = self.concluded(&question, &options, &[])?;
        Ok(report.analysis.as_ref().map(|analysis| by_day(analysis, &report)).unwrap_or_default())
    }
}

fn options(query: &PulseQuery) -> Result<Vec<(String, String)>, AdminError> {
    let refused = |message: &str| AdminError::refused("invalid_query", message);
    let mut options = vec![("metrics".to_owned(), String::new())];
    match query.cuped.as_deref() {
        None => {}
        Some(asked @ ("true" | "false")) => options.push(("cuped".to_owned(), asked.to_owned())),
        Some(_) => return Err(refused("cuped must be true or false")),
    }
    if let Some(text) = &query.confidence {
        let percent = text.trim().parse::<f64>().ok().filter(|percent| *percent > 50.0 && *percent < 100.0);
        let percent = percent.ok_or_else(|| refused("confidence must be above 50 and below 100, such as 95"))?;
        options.push(("level".to_owned(), (percent / 100.0).to_string()));
    }
    if let Some(text) = &query.date {
        let day = Some(text).filter(|text| text.len() == "2026-11-23".len());
        let day = day.and_then(|text| Timestamp::parse_iso(text));
        let day = day.ok_or_else(|| refused("date must be a UTC day such as 2026-11-23"))?;
        options.push(("end".to_owned(), (day.0 + DAY_MS).to_string()));
    }
    Ok(options)
}

/// The name of the test group.
fn test_group<'a>(analysis: &'a Analysis, query: &PulseQuery) -> Result<&'a str, AdminError> {
    let control = analysis.groups.iter().find(|group| group.control);
    if let (Some(wanted), Some(control)) = (&query.control, control)
        && *wanted != control.id
    {
        let message = format!("control must be {:?}: groups are compared with the experiment's control", control.id);
        return Err(AdminError::refused("invalid_query", message));
    }
    let mut tests = analysis.groups.iter().filter(|group| !group.control);
    let found = match &query.test {
        Some(wanted) => tests.find(|group| group.id == *wanted),
        None => tests.next(),
    };
    let known = || analysis.groups.iter().filter(|group| !group.control).map(|group| group.id.as_str());
    let wrong = || format!("test must be the ID of a test group: {}", known().collect::<Vec<_>>().join(", "));
    found.map(|group| group.name.as_str()).ok_or_else(|| AdminError::refused("invalid_query", wrong()))
}

/// The comparison that is shown: the most adjusted one that has a number. One adjusted by what was before the exposure is
/// passed over where Statsig would not use it either.
fn shown<'m>(metric: &'m Metric, test: &str, cuped: bool) -> Option<&'m Comparison> {
    let variants: &[&str] =
        if cuped { &["winsorized_cuped", "cuped", "winsorized", "plain"] } else { &["winsorized", "plain"] };
    let of = |variant: &&str| metric.comparisons.iter().find(|it| it.variant == *variant && it.group == test);
    let is_usable = |it: &&Comparison| it.absolute.delta.is_some() && it.cuped.as_ref().is_none_or(|it| it.eligible);
    variants.iter().filter_map(of).find(is_usable).or_else(|| of(&"plain"))
}

/// Half the length of an interval.
fn half(ends: Option<Ends>) -> Option<f64> {
    match ends {
        Some([Some(low), Some(high)]) => Some((high - low) / 2.0),
        _ => None,
    }
}

fn bounds(ends: Option<Ends>) -> Value {
    ends.map_or(Value::Null, |[lower, upper]| json!({"lower": lower, "upper": upper}))
}

fn row(metric: &Metric, comparison: &Comparison) -> Value {
    let percent = |fraction: Option<f64>| fraction.map(|fraction| fraction * 100.0);
    let in_percent = |ends: Option<Ends>| ends.map(|ends| ends.map(percent));
    let groups = comparison.groups.as_deref().unwrap_or(&metric.groups);
    let group = |name: &str| groups.iter().find(|group| group.name == name);
    let (test, control) = (group(&comparison.group), group(&comparison.control));
    let (absolute, relative) = (&comparison.absolute, &comparison.relative);
    let sequential = comparison.sequential.as_ref();
    let relative_sequential = in_percent(sequential.and_then(|it| it.relative_ci));
    let kind = word(metric.kind);
    let mut fields = Map::new();
    fields.insert("metricID".into(), format!("{}::{kind}", metric.name).into());
    fields.insert("metricName".into(), metric.name.clone().into());
    fields.insert("directionality".into(), json!(metric.direction.unwrap_or(Direction::Increase)));
    // Each under both of its names.
    for (names, value) in [
        (["absoluteChange", "value"], json!(absolute.delta)),
        (["confidenceIntervalDelta", "confidence_interval_delta"], json!(half(absolute.ci))),
        (["confidenceInterval", "confidence_interval"], bounds(absolute.ci)),
        (["percentChange", "percent_change"], json!(percent(relative.delta))),
        (["percentConfidenceIntervalDelta", "percent_confidence_interval_delta"], json!(half(in_percent(relative.ci)))),
        (["percentConfidenceInterval", "percent_confidence_interval"], bounds(in_percent(relative.ci))),
        (
            ["percentSequentialTestingConfidenceIntervalDelta", "percent_sequential_testing_confidence_interval_delta"],
            json!(half(relative_sequential)),
        ),
        (
            ["percentSequentialTestingConfidenceInterval", "percent_sequential_testing_confidence_interval"],
            bounds(relative_sequential),
        ),
        (["testMean", "test_mean"], json!(test.and_then(|group| group.mean))),
        (["controlMean", "control_mean"], json!(control.and_then(|group| group.mean))),
        (["testStd", "test_std"], json!(test.and_then(|group| group.standard_error))),
        (["controlStd", "control_std"], json!(control.and_then(|group| group.standard_error))),
        (["testUnits", "test_units"], json!(test.map(|group| group.units))),
        (["controlUnits", "control_units"], json!(control.map(|group| group.units))),
        (["pValue", "p_value"], json!(absolute.p)),
    ] {
        names.into_iter().for_each(|name| drop(fields.insert(name.to_owned(), value.clone())));
    }
    let ci = sequential.and_then(|it| it.ci);
    fields.insert("sequentialTestingConfidenceIntervalDelta".into(), json!(half(ci)));
    fields.insert("sequentialTestingConfidenceInterval".into(), bounds(ci));
    if let Some(Impacts { topline, projected }) = &comparison.impact {
        for (name, value) in [
            ("absoluteToplineImpact", topline.absolute),
            ("absoluteToplineImpactDelta", half(topline.absolute_ci)),
            ("relativeToplineImpact", percent(topline.relative)),
            ("relativeToplineImpactDelta", half(in_percent(topline.relative_ci))),
            ("projectedAbsoluteToplineImpact", projected.absolute),
            ("projectedAbsoluteToplineImpactDelta", half(projected.absolute_ci)),
            ("projectedRelativeToplineImpact", percent(projected.relative)),
            ("projectedRelativeToplineImpactDelta", half(in_percent(projected.relative_ci))),
        ] {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    fields.insert("variant".into(), comparison.variant.clone().into());
    Value::Object(fields)
}

fn by_day(analysis: &Analysis, report: &Report) -> Vec<GroupExposures> {
    let days = &analysis.exposure_days;
    let Some(first) = days.first().map(|day| day.start) else { return Vec::new() };
    // An end that was set is exclusive, and may lie years ahead; so may a day of which a sender says that it was its.
    let last = report.window.end.map_or(first, |end| end - 1).max(first);
    let last = report.as_of.time.map_or(last, |now| last.min(now)).max(first);
    let begin = first.max(last - last.rem_euclid(DAY_MS) - (SERIES_DAYS - 1) * DAY_MS);
    let of_group = |(at, group): (usize, &crate::results::GroupSummary)| {
        let (mut seen, mut next) = (0, days.iter().peekable());
        let mut results = Vec::new();
        for start in (begin..=last).step_by(DAY_MS as usize) {
            while let Some(day) = next.next_if(|day| day.start <= start) {
                seen += day.units[at];
            }
            results.push(DayExposures { date: date(start), exposures: seen });
        }
        GroupExposures { group_id: group.id.clone(), group_name: group.name.clone(), results }
    };
    analysis.groups.iter().enumerate().map(of_group).collect()
}

/// The UTC day of a moment.
fn date(ms: i64) -> String {
    Timestamp(ms).to_string().chars().take(10).collect()
}
