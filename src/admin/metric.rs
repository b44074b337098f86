//! What a metric of the catalog is to results: every type becomes a definition by which they compute. Computes nothing.

use crate::catalog::{
    self, Catalog, CriterionCondition, CriterionType, DEFAULT_FUNNEL_WINDOW_DAYS, FunnelCount, FunnelStep, Metric,
    MetricEvent, MetricEventType, MetricRef, MetricType, RollupTimeWindow, UserMetric,
};
use crate::results::{
    Criterion, CriterionOf, CriterionTest, Definition, Direction, EventName, EventSource, Funnel, FunnelCounts,
    FunnelOrder, Measure, MetricChoice, MetricKind, Quantity, Role, Taken,
};

const DAY_MS: f64 = 86_400_000.0;

/// A scorecard's line, or why it has no definition.
pub(super) fn choice(catalog: &Catalog, metric: &MetricRef, role: Role) -> Result<MetricChoice, String> {
    let definition = definition(catalog, &metric.name, metric.kind)?;
    let defined = catalog.metric(&metric.name, metric.kind);
    let direction = metric.direction.or(defined.and_then(|defined| defined.directionality));
    let kind = kind(metric.kind)?;
    Ok(MetricChoice {
        name: metric.name.clone(),
        kind,
        definition,
        role,
        direction: direction.map(way),
        hypothesis: metric.hypothesized_value.map(|percent| percent / 100.0),
    })
}

/// What an exploration asks for: a metric by its name and type, or one that is defined there.
pub(super) fn explored(catalog: &Catalog, metric: &Metric) -> Result<MetricChoice, String> {
    if let Some(named) = metric.as_reference() {
        return choice(catalog, &named, Role::Explored);
    }
    Ok(MetricChoice {
        name: metric.name.clone(),
        kind: kind(metric.kind)?,
        definition: of_metric(catalog, metric)?,
        role: Role::Explored,
        direction: metric.directionality.map(way),
        hypothesis: None,
    })
}

fn way(direction: catalog::Direction) -> Direction {
    match direction {
        catalog::Direction::Increase => Direction::Increase,
        catalog::Direction::Decrease => Direction::Decrease,
    }
}

/// How a metric is computed: one that is defined, or that every event name or ID type has.
pub(super) fn definition(catalog: &Catalog, name: &str, kind: MetricType) -> Result<Definition, String> {
    let of_event = || Measure::of(EventSource::named(name));
    Ok(match (kind, catalog.metric(name, kind)) {
        (MetricType::EventCount, _) => Definition::PerUnit(Quantity::Count(of_event())),
        (MetricType::EventDau, _) => Definition::PerUnit(Quantity::DayShare(of_event())),
        (MetricType::User, _) => match UserMetric::named(name) {
            Some(metric) => of_user(metric),
            None => return Err("there is no user metric of this name".to_owned()),
        },
        (_, Some(metric)) => match catalog.mistake_in(metric) {
            Some(mistake) => return Err(mistake.to_string()),
            None => of_metric(catalog, metric)?,
        },
        (MetricType::EventUser, None) => Definition::PerUnit(Quantity::Any(of_event())),
        (_, None) => return Err("no metric of this name and type is defined".to_owned()),
    })
}

fn kind(kind: MetricType) -> Result<MetricKind, String> {
    Ok(match kind {
        MetricType::EventCount => MetricKind::EventCount,
        MetricType::EventDau => MetricKind::EventDau,
        MetricType::EventUser => MetricKind::EventUser,
        MetricType::EventCountCustom => MetricKind::EventCountCustom,
        MetricType::Sum => MetricKind::Sum,
        MetricType::Mean => MetricKind::Mean,
        MetricType::Ratio => MetricKind::Ratio,
        MetricType::Funnel => MetricKind::Funnel,
        MetricType::CompositeSum => MetricKind::CompositeSum,
        MetricType::User => MetricKind::User,
        MetricType::Composite => return Err("nobody outside Statsig knows what this type computes".to_owned()),
    })
}

fn of_user(metric: UserMetric) -> Definition {
    let source = EventSource { event: EventName::Any, taken: Taken::Occurrence, criteria: Vec::new() };
    let measure = Measure::of(source);
    match metric {
        UserMetric::Dau => Definition::PerUnit(Quantity::DayShare(measure)),
        UserMetric::Wau => Definition::PerUnit(Quantity::RollingShare { measure, days: 7 }),
        UserMetric::Mau28Day => Definition::PerUnit(Quantity::RollingShare { measure, days: 28 }),
        UserMetric::NewDau => Definition::PerUnit(Quantity::New(measure)),
        UserMetric::Retention { day } => Definition::Ratio(
            Quantity::Returned { measure: measure.clone(), day },
            Quantity::Returnable { measure, day },
        ),
    }
}

fn of_metric(catalog: &Catalog, metric: &Metric) -> Result<Definition, String> {
    let events = &metric.metric_events;
    let measure = || Ok::<_, String>(Measure { sources: sources(events)?, cap_per_day: metric.cap });
    Ok(match metric.kind {
        MetricType::EventCountCustom => {
            let distinct = events.iter().all(|event| event.kind == MetricEventType::CountDistinct);
            Definition::PerUnit(if distinct { Quantity::Distinct(measure()?) } else { Quantity::Count(measure()?) })
        }
        MetricType::EventUser => Definition::PerUnit(match metric.rollup_time_window {
            None | Some(RollupTimeWindow::Max) => Quantity::Any(measure()?),
            Some(RollupTimeWindow::DailyParticipationRate) => Quantity::DayShare(measure()?),
            Some(RollupTimeWindow::Custom) => {
                let start = metric.custom_roll_up_start.unwrap_or(0.0);
                let last = metric.custom_roll_up_end.ok_or("its window has no end")?;
                Quantity::AnyWithin { measure: measure()?, start, end: last + 1.0 }
            }
        }),
        MetricType::Sum => Definition::PerUnit(Quantity::Sum(measure()?)),
        MetricType::Mean => Definition::Ratio(Quantity::Sum(measure()?), Quantity::Valued(measure()?)),
        MetricType::Ratio => match events.as_slice() {
            [numerator, denominator] => Definition::Ratio(side(numerator)?, side(denominator)?),
            _ => return Err("it has not two events".to_owned()),
        },
        MetricType::Funnel => Definition::Funnel(funnel(catalog, metric)?),
        MetricType::CompositeSum => {
            let parts = metric.metric_component_metrics.iter();
            let parts = parts.map(|part| match definition(catalog, &part.name, part.kind)? {
                Definition::PerUnit(quantity) => Ok(quantity),
                _ => Err(format!("{} has no sum", part.name)),
            });
            Definition::PerUnit(Quantity::SumOf(parts.collect::<Result<_, String>>()?))
        }
        MetricType::EventCount | MetricType::EventDau | MetricType::User | MetricType::Composite => {
            return Err("no definition may have this type".to_owned());
        }
    })
}

/// One side of a ratio.
fn side(event: &MetricEvent) -> Result<Quantity, String> {
    let measure = Measure::of(source(event)?);
    Ok(match event.kind {
        MetricEventType::Count => Quantity::Count(measure),
        MetricEventType::CountDistinct => Quantity::Distinct(measure),
        MetricEventType::Value | MetricEventType::Metadata => Quantity::Sum(measure),
    })
}

fn funnel(catalog: &Catalog, metric: &Metric) -> Result<Funnel, String> {
    let days = metric.funnel_calculation_window.unwrap_or(DEFAULT_FUNNEL_WINDOW_DAYS);
    let steps = metric.funnel_event_list.iter().map(|it| step(catalog, it));
    Ok(Funnel {
        steps: steps.collect::<Result<_, _>>()?,
        order: match metric.funnel_order.unwrap_or_default() {
            catalog::FunnelOrder::WithinWindow => FunnelOrder::Within((days * DAY_MS).round() as i64),
            catalog::FunnelOrder::UnorderedDaily => FunnelOrder::UnorderedDaily,
        },
        counts: match metric.funnel_count_distinct.unwrap_or_default() {
            FunnelCount::Users => FunnelCounts::Units,
            FunnelCount::Events => FunnelCounts::Events,
        },
    })
}

fn step(catalog: &Catalog, step: &FunnelStep) -> Result<EventSource, String> {
    let own = criteria(&step.criteria)?;
    let Some(metric) = catalog.metric_of_step(step) else {
        return Ok(EventSource { criteria: own, ..EventSource::named(&step.name) });
    };
    let [event] = metric.metric_events.as_slice() else { return Err(format!("{} has not one event", step.name)) };
    let mut source = source(event)?;
    source.criteria.extend(own);
    Ok(source)
}

fn sources(events: &[MetricEvent]) -> Result<Vec<EventSource>, String> {
    events.iter().map(source).collect()
}

fn source(event: &MetricEvent) -> Result<EventSource, String> {
    let key = || event.metadata_key.clone().ok_or_else(|| format!("{} lacks its metadata key", event.name));
    Ok(EventSource {
        event: EventName::Named(event.name.clone()),
        taken: match event.kind {
            MetricEventType::Count => Taken::Occurrence,
            MetricEventType::CountDistinct => Taken::Text(key()?),
            MetricEventType::Value => Taken::Value,
            MetricEventType::Metadata => Taken::Metadata(key()?),
        },
        criteria: criteria(&event.criteria)?,
    })
}

fn criteria(criteria: &[catalog::Criterion]) -> Result<Vec<Criterion>, String> {
    criteria.iter().map(criterion).collect()
}

pub(super) fn criterion(criterion: &catalog::Criterion) -> Result<Criterion, String> {
    use CriterionCondition as Condition;
    let column = || criterion.column.clone().ok_or("a criterion lacks its column");
    let values = || criterion.values.clone();
    let number = || {
        let number = criterion.values.first().and_then(|text| text.trim().parse::<f64>().ok());
        number.ok_or("a criterion lacks its number")
    };
    Ok(Criterion {
        of: match criterion.kind {
            CriterionType::Value => CriterionOf::Value,
            CriterionType::Metadata => CriterionOf::Metadata(column()?),
            CriterionType::User => CriterionOf::User(column()?),
            CriterionType::UserCustom => CriterionOf::UserCustom(column()?),
        },
        test: match criterion.condition {
            Condition::In | Condition::Equal => CriterionTest::In(values()),
            Condition::NotIn => CriterionTest::NotIn(values()),
            Condition::Greater => CriterionTest::Greater(number()?),
            Condition::Less => CriterionTest::Less(number()?),
            Condition::GreaterOrEqual => CriterionTest::GreaterOrEqual(number()?),
            Condition::LessOrEqual => CriterionTest::LessOrEqual(number()?),
            Condition::IsNull => CriterionTest::IsNull,
            Condition::NonNull => CriterionTest::NonNull,
            Condition::Contains => CriterionTest::Contains(values()),
            Condition::NotContains => CriterionTest::NotContains(values()),
            Condition::StartsWith => CriterionTest::StartsWith(values()),
            Condition::EndsWith => CriterionTest::EndsWith(values()),
            Condition::IsTrue => CriterionTest::IsTrue,
            Condition::IsFalse => CriterionTest::IsFalse,
        },
        missing_passes: criterion.null_vacuous_override,
    })
}

#[cfg(test)]
mod tests;
