//! Metrics: that each has what its type needs, and nothing that its type has no use for.

use super::criterion::criteria;
use super::nesting::MAX_DEPTH;
use super::{Check, says};
use crate::catalog::metric::{
    FunnelOrder, Metric, MetricEvent, MetricEventType, MetricRef, MetricType, RollupTimeWindow, metric_id,
};
use crate::catalog::mistake::one_of;
use crate::catalog::rule::word;
use crate::catalog::user_metric::UserMetric;
use std::collections::BTreeMap;

/// The longest window of a funnel, in days.
pub const MAX_FUNNEL_WINDOW_DAYS: f64 = 366.0;
/// The most events that a metric counts: each is looked for in the whole log and walked through for every unit.
pub const MAX_METRIC_EVENTS: usize = 100;
/// The most steps of a funnel.
pub const MAX_FUNNEL_STEPS: usize = 50;
/// The most metrics that a composite adds up, with those that its parts add up: sums of sums would double at every level.
pub const MAX_COMPOSITE_PARTS: usize = 100;

pub(super) fn check(check: &mut Check) {
    for it in &check.contents.metrics {
        let (place, metric) = (&it.place, &it.value);
        if metric.unit_types.is_empty() && undefinable(metric.kind).is_none() {
            check.wrong(format!("{place}.unitTypes"), "is empty; must name at least one ID type");
        }
        definition(check, place, metric);
    }
}

/// Checks a definition, whether the catalog has it or it is used in one place only.
pub(super) fn definition(check: &mut Check, place: &str, metric: &Metric) {
    if metric.dry_run {
        check.wrong(format!("{place}.dryRun"), "is only for calls of the console API; remove it");
    }
    if let Some(message) = undefinable(metric.kind) {
        return check.wrong(format!("{place}.type"), message);
    }
    for (index, id_type) in metric.unit_types.iter().enumerate() {
        check.id_type(&format!("{place}.unitTypes[{index}]"), id_type);
    }
    parts(check, place, metric);
    for (index, event) in metric.metric_events.iter().enumerate() {
        self::event(check, &format!("{place}.metricEvents[{index}]"), metric.kind, event);
    }
    counted_alike(check, place, metric);
    components(check, place, metric);
    steps(check, place, metric);
    cap(check, place, metric);
    window(check, place, metric);
    funnel(check, place, metric);
}

/// Why no definition may have this type.
fn undefinable(kind: MetricType) -> Option<String> {
    match kind {
        MetricType::EventCount | MetricType::EventDau => Some(format!(
            "{} is a type that every event name has; define event_count_custom or event_user instead",
            word(kind)
        )),
        MetricType::User => Some(format!(
            "user is a type that every ID type has: name {} without defining it, and remove this",
            one_of(UserMetric::names())
        )),
        MetricType::Composite => Some(says::NO_COMPOSITE.to_owned()),
        _ => None,
    }
}

/// The list that the metric's type is made of has as many entries as it needs; the other lists are empty.
fn parts(check: &mut Check, place: &str, metric: &Metric) {
    let (events, components, steps) =
        (metric.metric_events.len(), metric.metric_component_metrics.len(), metric.funnel_event_list.len());
    let (field, count, least, most) = match metric.kind {
        MetricType::Ratio => ("metricEvents", events, 2, 2),
        MetricType::Funnel => ("funnelEventList", steps, 2, MAX_FUNNEL_STEPS),
        MetricType::CompositeSum => ("metricComponentMetrics", components, 1, MAX_COMPOSITE_PARTS),
        _ => ("metricEvents", events, 1, MAX_METRIC_EVENTS),
    };
    let kind = word(metric.kind);
    if count < least || count > most {
        let wanted = match (least, most) {
            (2, 2) => "exactly two entries: numerator and denominator".to_string(),
            (least, most) => format!("at least {least} and at most {most}"),
        };
        check.wrong(format!("{place}.{field}"), format!("has {count} entries; the type {kind} needs {wanted}"));
    }
    for (other, count) in [("metricEvents", events), ("metricComponentMetrics", components), ("funnelEventList", steps)]
    {
        if other != field && count > 0 {
            check.wrong(format!("{place}.{other}"), format!("is not for the type {kind}; remove it"));
        }
    }
}

fn event(check: &mut Check, place: &str, metric: MetricType, event: &MetricEvent) {
    use MetricEventType::{Count, CountDistinct, Metadata, Value};
    if event.name.trim().is_empty() {
        check.wrong(format!("{place}.name"), "is empty; must name an event, with its prefix");
    }
    let (fitting, wanted): (&[MetricEventType], _) = match metric {
        MetricType::Sum | MetricType::Mean => (&[Value, Metadata], "needs value or metadata"),
        MetricType::EventUser => (&[Count], "needs count, which may be left out"),
        MetricType::EventCountCustom => {
            (&[Count, CountDistinct], "needs count or count_distinct; to add values up define a sum")
        }
        _ => (&[Count, CountDistinct, Value, Metadata], ""),
    };
    if !fitting.contains(&event.kind) {
        let message = format!("is {}; the type {} {wanted}", word(event.kind), word(metric));
        check.wrong(format!("{place}.type"), message);
    }
    let needs_key = matches!(event.kind, Metadata | CountDistinct);
    match &event.metadata_key {
        Some(key) if needs_key && !key.trim().is_empty() => {}
        None if !needs_key => {}
        _ if needs_key => {
            check.wrong(format!("{place}.metadataKey"), format!("is missing; {} needs one", word(event.kind)))
        }
        _ => check.wrong(format!("{place}.metadataKey"), format!("is not for {}; remove it", word(event.kind))),
    }
    criteria(check, &format!("{place}.criteria"), &event.criteria);
}

/// A count is of events or of different values: the two have no sum.
fn counted_alike(check: &mut Check, place: &str, metric: &Metric) {
    let events = &metric.metric_events;
    if metric.kind == MetricType::EventCountCustom
        && let Some(other) = events.iter().position(|event| event.kind != events[0].kind)
    {
        let message = format!(
            "is {}, another before it {}; count all in one way",
            word(events[other].kind),
            word(events[0].kind)
        );
        check.wrong(format!("{}.metricEvents[{other}].type", place), message);
    }
}

/// What a composite adds up is there, has a sum, and is computed for its ID types.
fn components(check: &mut Check, place: &str, metric: &Metric) {
    let place = format!("{place}.metricComponentMetrics");
    for (index, part) in metric.metric_component_metrics.iter().enumerate() {
        let is_ratio = match part.kind {
            MetricType::Ratio | MetricType::Mean | MetricType::Funnel => true,
            MetricType::User => UserMetric::named(&part.name).is_some_and(UserMetric::is_ratio),
            _ => false,
        };
        if is_ratio {
            let message = format!(
                "{} of type {} is one number over another and has no sum; name metrics that count or add up",
                part.name,
                word(part.kind)
            );
            check.wrong(format!("{place}[{index}].type"), message);
        }
    }
    check.metrics(&place, &metric.metric_component_metrics, &metric.unit_types, "this metric");
    let listed = metric.metric_component_metrics.len();
    if listed == 0 || listed > MAX_COMPOSITE_PARTS {
        return;
    }
    let metrics = check.contents.metrics.iter().map(|it| (it.value.id(), &it.value)).collect();
    let all = added_up(&metrics, metric, &mut BTreeMap::new(), MAX_DEPTH);
    if all > MAX_COMPOSITE_PARTS {
        let message = format!("add up {all} metrics, with those of their parts; must be at most {MAX_COMPOSITE_PARTS}");
        check.wrong(place, message);
    }
}

/// How many metrics a metric adds up: itself, unless it is made of others. Circles and what lies too deep are told elsewhere.
fn added_up(
    metrics: &BTreeMap<String, &Metric>,
    metric: &Metric,
    known: &mut BTreeMap<String, usize>,
    depth: usize,
) -> usize {
    let of = |part: &MetricRef| {
        let id = metric_id(&part.name, part.kind);
        let Some(metric) = metrics.get(&id).filter(|_| depth > 0) else { return 1 };
        if let Some(all) = known.get(&id) {
            return *all;
        }
        known.insert(id.clone(), 1);
        let all = added_up(metrics, metric, known, depth - 1);
        known.insert(id, all);
        all
    };
    let parts = &metric.metric_component_metrics;
    if parts.is_empty() { 1 } else { parts.iter().map(of).fold(0, usize::saturating_add) }
}

fn steps(check: &mut Check, place: &str, metric: &Metric) {
    for (index, step) in metric.funnel_event_list.iter().enumerate() {
        let place = format!("{place}.funnelEventList[{index}]");
        if step.name.trim().is_empty() {
            check.wrong(format!("{place}.name"), "is empty; must name an event");
            continue;
        }
        criteria(check, &format!("{place}.criteria"), &step.criteria);
        let all = check.contents;
        let known = |name: &str, kind| all.metrics.iter().find(|it| it.value.id() == metric_id(name, kind));
        let Some((name, kind)) = step.metric(|name, kind| known(name, kind).is_some()) else { continue };
        let named = MetricRef { name: name.to_owned(), kind, direction: None, hypothesized_value: None };
        check.metric(&format!("{place}.name"), &named, &metric.unit_types, "this funnel");
        let events = known(name, kind).map(|it| it.value.metric_events.as_slice());
        if let Some(events) = events
            && !matches!(events, [MetricEvent { kind: MetricEventType::Count, .. }])
        {
            let message = format!("{name} has {} events; a step needs a metric that counts one", events.len());
            check.wrong(format!("{place}.name"), message);
        }
    }
}

fn cap(check: &mut Check, place: &str, metric: &Metric) {
    let place = format!("{place}.cap");
    let Some(cap) = metric.cap else { return };
    let distinct = metric.metric_events.iter().any(|event| event.kind == MetricEventType::CountDistinct);
    if !matches!(metric.kind, MetricType::EventCountCustom | MetricType::Sum) {
        check.wrong(
            place,
            format!("is not for the type {}; only event_count_custom and sum have one", word(metric.kind)),
        );
    } else if distinct {
        check.wrong(place, "is not for count_distinct; remove it");
    } else if cap <= 0.0 {
        check.wrong(place, "must be more than 0");
    }
}

fn window(check: &mut Check, place: &str, metric: &Metric) {
    let bounds = [("customRollUpStart", metric.custom_roll_up_start), ("customRollUpEnd", metric.custom_roll_up_end)];
    match metric.rollup_time_window {
        None | Some(RollupTimeWindow::Max) => {}
        Some(window) if metric.kind != MetricType::EventUser => {
            let message = format!("{} is only for the type event_user; remove it or use max", word(window));
            return check.wrong(format!("{place}.rollupTimeWindow"), message);
        }
        Some(_) => {}
    }
    if metric.rollup_time_window != Some(RollupTimeWindow::Custom) {
        if bounds.iter().any(|(_, day)| day.is_some()) {
            let message = "must be custom when customRollUpStart or customRollUpEnd is given";
            check.wrong(format!("{place}.rollupTimeWindow"), message);
        }
        return;
    }
    for (field, day) in bounds {
        if day.is_some_and(|day| day.fract() != 0.0) {
            check.wrong(format!("{place}.{field}"), "must be whole days");
        }
    }
    let start = metric.custom_roll_up_start.unwrap_or(0.0);
    if metric.custom_roll_up_end.is_none_or(|end| end < start) {
        let message = format!(
            "must be the last day after exposure that counts, and not before customRollUpStart, which is {start}"
        );
        check.wrong(format!("{place}.customRollUpEnd"), message);
    }
}

fn funnel(check: &mut Check, place: &str, metric: &Metric) {
    if metric.kind != MetricType::Funnel {
        for (field, is_there) in [
            ("funnelCountDistinct", metric.funnel_count_distinct.is_some()),
            ("funnelOrder", metric.funnel_order.is_some()),
            ("funnelCalculationWindow", metric.funnel_calculation_window.is_some()),
        ] {
            if is_there {
                let message = format!("is not for the type {}; remove it", word(metric.kind));
                check.wrong(format!("{place}.{field}"), message);
            }
        }
        return;
    }
    let Some(days) = metric.funnel_calculation_window else { return };
    let place = format!("{place}.funnelCalculationWindow");
    if metric.funnel_order == Some(FunnelOrder::UnorderedDaily) {
        check.wrong(place, "is not for unordered_daily, whose window is the day; remove it");
    } else if days <= 0.0 || days > MAX_FUNNEL_WINDOW_DAYS {
        check.wrong(place, format!("is {days} days; must be more than 0 and at most {MAX_FUNNEL_WINDOW_DAYS}"));
    }
}
