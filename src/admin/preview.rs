//! Values of metrics by day: of a definition before it is made, and of any metric afterwards. Reads, makes nothing.

use super::metric::definition;
use super::{Admin, AdminError};
use crate::catalog::{Catalog, ItemKind, MetricType};
use crate::event::{Timestamp, USER_ID};
use crate::results::{self, PreviewError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Days of a preview, today among them.
pub const PREVIEW_DAYS: i64 = 7;
/// Days that one call for values may ask for.
pub const MAX_VALUE_DAYS: i64 = 92;

const DAY_MS: i64 = 86_400_000;

/// A definition that could be made, and what it gives for the last seven days.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricPreview {
    /// The definition as it would be stored.
    pub metric: Value,
    /// The ID type of the units.
    pub unit_type: String,
    /// The last 7 UTC days, oldest first; the last is not over.
    pub values: Vec<MetricValue>,
}

/// A metric on one day, over all units of an ID type, exposed to anything or not, in production.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricValue {
    pub metric_name: String,
    pub metric_type: MetricType,
    /// The ID type of the units.
    pub unit_type: String,
    /// The UTC day, such as 2026-11-23.
    pub date: String,
    /// Units that have any event of the metric on the day.
    pub units: u64,
    /// The total of the day's units, or how many of them have it; of a ratio, mean or funnel numerator over denominator,
    /// and null where that is 0.
    pub value: Option<f64>,
    /// Null where the metric is not one number over another.
    pub numerator: Option<f64>,
    /// Null where the metric is not one number over another.
    pub denominator: Option<f64>,
}

/// Which values are wanted, as a query string says it.
#[derive(Debug, Clone, Default)]
pub struct MetricValuesQuery {
    pub metric_name: Option<String>,
    pub metric_type: Option<String>,
    /// The first day, such as 2026-11-23.
    pub date: Option<String>,
    /// The last day; the first if `None`.
    pub end_date: Option<String>,
    /// Only for this ID type.
    pub unit_type: Option<String>,
}

impl Admin {
    /// Checks a metric's definition as if it were made, and computes it.
    pub fn preview_metric(&self, body: &str, unit_type: Option<&str>) -> Result<MetricPreview, AdminError> {
        let (after, item, metric) = self.tried(ItemKind::Metric, body)?;
        let found = after.metrics().iter().find(|metric| metric.id() == item.id);
        let found = found.ok_or_else(|| AdminError::not_found("metric", &item.id))?;
        let unit_types = unit_types(&after, &found.name, found.kind, unit_type)?;
        let unit_type = unit_types.into_iter().next().unwrap_or_else(|| USER_ID.to_owned());
        let today = self.now().day();
        let days = (today + 1 - PREVIEW_DAYS, today);
        let values = self.values(&after, &found.name, found.kind, &unit_type, days)?;
        Ok(MetricPreview { metric, unit_type, values })
    }

    /// The values of a metric that is defined, or that every event name or ID type has: by ID type, then by day.
    pub fn metric_values(&self, query: &MetricValuesQuery) -> Result<Vec<MetricValue>, AdminError> {
        let (Some(name), Some(kind)) = (&query.metric_name, &query.metric_type) else {
            let message = "metricName and metricType must be given: values are computed when they are asked for";
            return Err(AdminError::refused("invalid_query", message));
        };
        let known = serde_json::from_value::<MetricType>(kind.as_str().into());
        let kind = known
            .map_err(|_| AdminError::refused("invalid_query", format!("metricType: there is no type {kind:?}")))?;
        let first = day("date", query.date.as_deref())?;
        let last = query.end_date.as_deref().map_or(Ok(first), |text| day("endDate", Some(text)))?;
        if last < first || last - first >= MAX_VALUE_DAYS {
            let message = format!("endDate must be date or up to {} days after it", MAX_VALUE_DAYS - 1);
            return Err(AdminError::refused("invalid_query", message));
        }
        let state = self.state();
        let mut values = Vec::new();
        for unit_type in unit_types(&state.catalog, name, kind, query.unit_type.as_deref())? {
            values.extend(self.values(&state.catalog, name, kind, &unit_type, (first, last))?);
        }
        Ok(values)
    }

    fn values(
        &self,
        catalog: &Catalog,
        name: &str,
        kind: MetricType,
        unit_type: &str,
        (first, last): (i64, i64),
    ) -> Result<Vec<MetricValue>, AdminError> {
        let Ok(definition) = definition(catalog, name, kind) else {
            return Err(AdminError::not_found("metric", &format!("{name}::{}", super::question::word(kind))));
        };
        let log = self.log()?;
        let (from, until) = (Timestamp(first * DAY_MS), Timestamp((last + 1) * DAY_MS));
        let days = results::preview(&log, &definition, unit_type, from, until).map_err(|error| match error {
            PreviewError::Log(error) => AdminError::broken("log", &error),
            other => AdminError::refused("too_large", other.to_string()),
        })?;
        let row = |day: results::PreviewDay| MetricValue {
            metric_name: name.to_owned(),
            metric_type: kind,
            unit_type: unit_type.to_owned(),
            date: day.day.to_string().chars().take(10).collect(),
            units: day.units,
            value: day.value,
            numerator: day.denominator.map(|_| day.numerator),
            denominator: day.denominator,
        };
        Ok(days.into_iter().map(row).collect())
    }
}

/// The ID types that a metric is computed for: those of its definition; every one for what needs none, `userID` unless
/// another is asked for.
fn unit_types(
    catalog: &Catalog,
    name: &str,
    kind: MetricType,
    wanted: Option<&str>,
) -> Result<Vec<String>, AdminError> {
    let defined = catalog.metric(name, kind);
    let Some(wanted) = wanted else {
        return Ok(defined.map_or_else(|| vec![USER_ID.to_owned()], |metric| metric.unit_types.clone()));
    };
    let known: Vec<&str> = match defined {
        Some(metric) => metric.unit_types.iter().map(String::as_str).collect(),
        None => catalog.id_types().iter().map(|it| it.name.as_str()).collect(),
    };
    if !known.contains(&wanted) {
        let message = format!("unitType {wanted:?} is none that the metric is computed for: {}", known.join(", "));
        return Err(AdminError::refused("invalid_query", message));
    }
    Ok(vec![wanted.to_owned()])
}

/// A UTC day as a number.
fn day(name: &str, text: Option<&str>) -> Result<i64, AdminError> {
    let day = text.filter(|text| text.len() == "2026-11-23".len()).and_then(Timestamp::parse_iso);
    let wrong = || AdminError::refused("invalid_query", format!("{name} must be a UTC day such as 2026-11-23"));
    day.map(Timestamp::day).ok_or_else(wrong)
}
