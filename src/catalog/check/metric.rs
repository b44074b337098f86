//! Metrics: that each has what its type needs.

use super::Check;
use crate::catalog::contents::Placed;
use crate::catalog::metric::{
    CriterionType, CriterionValues, Metric, MetricEvent, MetricEventType, MetricType, RollupTimeWindow,
};
use crate::catalog::rule::word;

pub(super) fn check(check: &mut Check) {
    for it in &check.contents.metrics {
        let (place, metric) = (&it.place, &it.value);
        if !metric.kind.is_definable() {
            let message =
                format!("{} is a type that every event name has; define event_count_custom instead", word(metric.kind));
            check.wrong(format!("{place}.type"), message);
        }
        if metric.unit_types.is_empty() {
            check.wrong(format!("{place}.unitTypes"), "is empty; must name at least one ID type");
        }
        for (index, id_type) in metric.unit_types.iter().enumerate() {
            check.id_type(&format!("{place}.unitTypes[{index}]"), id_type);
        }
        parts(check, it);
        for (index, event) in metric.metric_events.iter().enumerate() {
            self::event(check, &format!("{place}.metricEvents[{index}]"), metric.kind, event);
        }
        check.metrics(&format!("{place}.metricComponentMetrics"), &metric.metric_component_metrics);
        window(check, it);
    }
}

/// The list that the metric's type is made of has as many entries as it needs; the other lists are empty.
fn parts(check: &mut Check, it: &Placed<Metric>) {
    let metric = &it.value;
    let (events, components, steps) =
        (metric.metric_events.len(), metric.metric_component_metrics.len(), metric.funnel_event_list.len());
    let (field, count, least, most) = match metric.kind {
        MetricType::Ratio => ("metricEvents", events, 2, 2),
        MetricType::Funnel => ("funnelEventList", steps, 2, usize::MAX),
        MetricType::Composite | MetricType::CompositeSum => ("metricComponentMetrics", components, 1, usize::MAX),
        _ => ("metricEvents", events, 1, usize::MAX),
    };
    let kind = word(metric.kind);
    if count < least || count > most {
        let wanted = match (least, most) {
            (2, 2) => "exactly two entries: numerator and denominator".to_string(),
            (least, _) => format!("at least {least}"),
        };
        check.wrong(format!("{}.{field}", it.place), format!("has {count} entries; the type {kind} needs {wanted}"));
    }
    for (other, count) in [("metricEvents", events), ("metricComponentMetrics", components), ("funnelEventList", steps)]
    {
        if other != field && count > 0 {
            check.wrong(format!("{}.{other}", it.place), format!("is not for the type {kind}; remove it"));
        }
    }
    for (index, step) in metric.funnel_event_list.iter().enumerate() {
        if step.name.trim().is_empty() {
            check.wrong(format!("{}.funnelEventList[{index}].name", it.place), "is empty; must name an event");
        }
    }
}

fn event(check: &mut Check, place: &str, metric: MetricType, event: &MetricEvent) {
    if event.name.trim().is_empty() {
        check.wrong(format!("{place}.name"), "is empty; must name an event, with its prefix");
    }
    let needs_number = matches!(metric, MetricType::Sum | MetricType::Mean);
    if needs_number && !matches!(event.kind, MetricEventType::Value | MetricEventType::Metadata) {
        let message = format!("is {}; the type {} needs value or metadata", word(event.kind), word(metric));
        check.wrong(format!("{place}.type"), message);
    }
    let needs_key = matches!(event.kind, MetricEventType::Metadata | MetricEventType::CountDistinct);
    match &event.metadata_key {
        Some(key) if needs_key && !key.trim().is_empty() => {}
        None if !needs_key => {}
        _ if needs_key => {
            check.wrong(format!("{place}.metadataKey"), format!("is missing; {} needs one", word(event.kind)))
        }
        _ => check.wrong(format!("{place}.metadataKey"), format!("is not for {}; remove it", word(event.kind))),
    }
    for (index, criterion) in event.criteria.iter().enumerate() {
        let place = format!("{place}.criteria[{index}]");
        if criterion.kind != CriterionType::Value
            && criterion.column.as_ref().is_none_or(|column| column.trim().is_empty())
        {
            check
                .wrong(format!("{place}.column"), format!("is missing; {} needs a key or field", word(criterion.kind)));
        }
        let condition = word(criterion.condition);
        match (criterion.condition.values(), &*criterion.values) {
            (CriterionValues::None, []) => {}
            (CriterionValues::None, _) => {
                check.wrong(format!("{place}.values"), format!("{condition} takes none; remove them"))
            }
            (CriterionValues::Some, []) => {
                check.wrong(format!("{place}.values"), format!("{condition} needs at least one"))
            }
            (CriterionValues::Some, _) => {}
            (CriterionValues::OneNumber, [one]) if one.trim().parse::<f64>().is_ok_and(f64::is_finite) => {}
            (CriterionValues::OneNumber, _) => {
                check.wrong(format!("{place}.values"), format!("{condition} needs one number"))
            }
        }
    }
}

fn window(check: &mut Check, it: &Placed<Metric>) {
    let (place, metric) = (&it.place, &it.value);
    match (metric.rollup_time_window, metric.custom_roll_up_start, metric.custom_roll_up_end) {
        (Some(RollupTimeWindow::Custom), start, Some(end)) if start.unwrap_or(0.0) < end => {}
        (Some(RollupTimeWindow::Custom), ..) => {
            check.wrong(
                format!("{place}.customRollUpEnd"),
                "must be more than customRollUpStart, in days after exposure",
            );
        }
        (_, None, None) => {}
        _ => check.wrong(
            format!("{place}.rollupTimeWindow"),
            "must be custom when customRollUpStart or customRollUpEnd is given",
        ),
    }
}
