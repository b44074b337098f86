//! From the catalog's words to what results compute, one row a type.

use super::*;
use crate::catalog::{ApplyOptions, ProjectFile};
use crate::event::Timestamp;
use serde_json::{Value, json};

fn catalog(document: &Value) -> Catalog {
    let file = ProjectFile::parse(&document.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let new = Catalog::default();
    let plan = new.plan(&file, ApplyOptions { force: false, prune: false });
    new.after(&plan, "test", Timestamp(0)).expect("a catalog")
}

fn source(name: &str, taken: Taken) -> EventSource {
    EventSource { taken, ..EventSource::named(name) }
}

fn measure(name: &str, taken: Taken) -> Measure {
    Measure::of(source(name, taken))
}

fn happened(name: &str) -> Measure {
    measure(name, Taken::Occurrence)
}

fn anything() -> Measure {
    Measure::of(EventSource { event: EventName::Any, taken: Taken::Occurrence, criteria: Vec::new() })
}

fn key(name: &str) -> String {
    name.to_owned()
}

#[test]
fn every_type_has_its_definition() {
    use Definition::{PerUnit, Ratio};
    use Quantity::{
        Any, AnyWithin, Count, DayShare, Distinct, New, Returnable, Returned, RollingShare, Sum, SumOf, Valued,
    };
    let steps = || vec![source("view", Taken::Occurrence), source("buy", Taken::Occurrence)];
    let rows: Vec<(Value, Definition)> = vec![
        (json!({"type": "event_count_custom", "metricEvents": [{"name": "buy"}]}), PerUnit(Count(happened("buy")))),
        (
            json!({"type": "event_count_custom", "cap": 5, "metricEvents": [{"name": "buy"}, {"name": "rent"}]}),
            PerUnit(Count(Measure {
                sources: vec![source("buy", Taken::Occurrence), source("rent", Taken::Occurrence)],
                cap_per_day: Some(5.0),
            })),
        ),
        (
            json!({"type": "event_count_custom",
                "metricEvents": [{"name": "view", "type": "count_distinct", "metadataKey": "sku"}]}),
            PerUnit(Distinct(measure("view", Taken::Text(key("sku"))))),
        ),
        (json!({"type": "event_user", "metricEvents": [{"name": "buy"}]}), PerUnit(Any(happened("buy")))),
        (
            json!({"type": "event_user", "rollupTimeWindow": "max", "metricEvents": [{"name": "buy"}]}),
            PerUnit(Any(happened("buy"))),
        ),
        (
            json!({"type": "event_user", "rollupTimeWindow": "daily_participation_rate", "metricEvents": [{"name": "buy"}]}),
            PerUnit(DayShare(happened("buy"))),
        ),
        (
            // Days 1 to 6 are the hours 24 to 168.
            json!({"type": "event_user", "rollupTimeWindow": "custom", "customRollUpStart": 1, "customRollUpEnd": 6,
                "metricEvents": [{"name": "buy"}]}),
            PerUnit(AnyWithin { measure: happened("buy"), start: 1.0, end: 7.0 }),
        ),
        (
            json!({"type": "event_user", "rollupTimeWindow": "custom", "customRollUpEnd": 0, "metricEvents": [{"name": "buy"}]}),
            PerUnit(AnyWithin { measure: happened("buy"), start: 0.0, end: 1.0 }),
        ),
        (
            json!({"type": "sum", "metricEvents": [{"name": "buy", "type": "value"}]}),
            PerUnit(Sum(measure("buy", Taken::Value))),
        ),
        (
            json!({"type": "sum", "cap": 0.5, "metricEvents": [{"name": "buy", "type": "metadata", "metadataKey": "tax"}]}),
            PerUnit(Sum(Measure { cap_per_day: Some(0.5), ..measure("buy", Taken::Metadata(key("tax"))) })),
        ),
        (
            json!({"type": "mean", "metricEvents": [{"name": "buy", "type": "value"}]}),
            Ratio(Sum(measure("buy", Taken::Value)), Valued(measure("buy", Taken::Value))),
        ),
        (
            json!({"type": "mean", "metricEvents": [{"name": "buy", "type": "metadata", "metadataKey": "tax"}]}),
            Ratio(
                Sum(measure("buy", Taken::Metadata(key("tax")))),
                Valued(measure("buy", Taken::Metadata(key("tax")))),
            ),
        ),
        (
            json!({"type": "ratio", "metricEvents": [{"name": "buy", "type": "value"}, {"name": "view", "type": "count"}]}),
            Ratio(Sum(measure("buy", Taken::Value)), Count(happened("view"))),
        ),
        (
            json!({"type": "ratio", "metricEvents": [
                {"name": "view", "type": "count_distinct", "metadataKey": "sku"},
                {"name": "buy", "type": "metadata", "metadataKey": "tax"}]}),
            Ratio(Distinct(measure("view", Taken::Text(key("sku")))), Sum(measure("buy", Taken::Metadata(key("tax"))))),
        ),
        (
            json!({"type": "funnel", "funnelEventList": [{"name": "view"}, {"name": "buy", "type": "event_dau"}]}),
            Definition::Funnel(Funnel {
                steps: steps(),
                order: FunnelOrder::Within(86_400_000),
                counts: FunnelCounts::Units,
            }),
        ),
        (
            json!({"type": "funnel", "funnelCountDistinct": "events", "funnelCalculationWindow": 0.5,
                "funnelEventList": [{"name": "view", "type": "event_count"}, {"name": "buy", "type": "event_user"}]}),
            Definition::Funnel(Funnel {
                steps: steps(),
                order: FunnelOrder::Within(43_200_000),
                counts: FunnelCounts::Events,
            }),
        ),
        (
            json!({"type": "funnel", "funnelOrder": "unordered_daily", "funnelEventList": [
                {"name": "view"},
                {"name": "costly", "type": "event_count_custom",
                    "criteria": [{"type": "user", "column": "country", "condition": "=", "values": ["CA", "FR"]}]}]}),
            Definition::Funnel(Funnel {
                steps: vec![
                    source("view", Taken::Occurrence),
                    EventSource {
                        criteria: vec![
                            Criterion {
                                of: CriterionOf::Value,
                                test: CriterionTest::Greater(100.0),
                                missing_passes: false,
                            },
                            Criterion {
                                of: CriterionOf::User(key("country")),
                                test: CriterionTest::In(vec![key("CA"), key("FR")]),
                                missing_passes: false,
                            },
                        ],
                        ..EventSource::named("buy")
                    },
                ],
                order: FunnelOrder::UnorderedDaily,
                counts: FunnelCounts::Units,
            }),
        ),
        (
            json!({"type": "composite_sum", "metricComponentMetrics": [
                {"name": "income", "type": "sum"}, {"name": "buy", "type": "event_count"}]}),
            PerUnit(SumOf(vec![Sum(measure("buy", Taken::Value)), Count(happened("buy"))])),
        ),
    ];
    for (mut metric, expected) in rows {
        metric["name"] = json!("it");
        let kind: MetricType = serde_json::from_value(metric["type"].clone()).unwrap();
        let catalog = catalog(&json!({"metrics": [
            metric,
            {"name": "income", "type": "sum", "metricEvents": [{"name": "buy", "type": "value"}]},
            {"name": "costly", "type": "event_count_custom", "metricEvents": [{"name": "buy",
                "criteria": [{"type": "value", "condition": ">", "values": [" 100 "]}]}]},
        ]}));
        assert_eq!(definition(&catalog, "it", kind), Ok(expected), "{metric}");
    }
    let nothing = catalog(&json!({}));
    for (name, kind, expected) in [
        ("buy", MetricType::EventCount, PerUnit(Count(happened("buy")))),
        ("buy", MetricType::EventDau, PerUnit(DayShare(happened("buy")))),
        ("buy", MetricType::EventUser, PerUnit(Any(happened("buy")))),
        ("dau", MetricType::User, PerUnit(DayShare(anything()))),
        ("wau", MetricType::User, PerUnit(RollingShare { measure: anything(), days: 7 })),
        ("mau_28day", MetricType::User, PerUnit(RollingShare { measure: anything(), days: 28 })),
        ("new_dau", MetricType::User, PerUnit(New(anything()))),
        (
            "d14_retention_rate",
            MetricType::User,
            Ratio(Returned { measure: anything(), day: 14 }, Returnable { measure: anything(), day: 14 }),
        ),
    ] {
        assert_eq!(definition(&nothing, name, kind), Ok(expected), "{name}");
    }
    for name in UserMetric::names() {
        assert!(definition(&nothing, name, MetricType::User).is_ok(), "{name}");
    }
}

#[test]
fn every_condition_has_its_test() {
    use CriterionTest::*;
    let texts = || vec![key("a"), key("b")];
    let rows = [
        ("in", json!(["a", "b"]), In(texts())),
        ("not_in", json!(["a", "b"]), NotIn(texts())),
        ("=", json!(["a", "b"]), In(texts())),
        (">", json!(["-1.5"]), Greater(-1.5)),
        ("<", json!(["1e3"]), Less(1000.0)),
        (">=", json!(["0"]), GreaterOrEqual(0.0)),
        ("<=", json!(["7"]), LessOrEqual(7.0)),
        ("is_null", json!([]), IsNull),
        ("non_null", json!([]), NonNull),
        ("contains", json!(["a", "b"]), Contains(texts())),
        ("not_contains", json!(["a", "b"]), NotContains(texts())),
        ("starts_with", json!(["a", "b"]), StartsWith(texts())),
        ("ends_with", json!(["a", "b"]), EndsWith(texts())),
        ("is_true", json!([]), IsTrue),
        ("is_false", json!([]), IsFalse),
    ];
    for (condition, values, test) in rows {
        for (kind, of) in [
            ("metadata", CriterionOf::Metadata(key("k"))),
            ("user", CriterionOf::User(key("k"))),
            ("user_custom", CriterionOf::UserCustom(key("k"))),
        ] {
            // An event without the text is what non_null is to keep out.
            let missing_passes = kind == "user" && condition != "non_null";
            let written = json!({"type": kind, "column": "k", "condition": condition, "values": values,
                "nullVacuousOverride": missing_passes});
            let catalog = catalog(&json!({"metrics": [{"name": "m", "type": "event_user",
                "metricEvents": [{"name": "e", "criteria": [written]}]}]}));
            let expected = Criterion { of, test: test.clone(), missing_passes };
            let measure = Measure::of(EventSource { criteria: vec![expected], ..EventSource::named("e") });
            let found = definition(&catalog, "m", MetricType::EventUser);
            assert_eq!(found, Ok(Definition::PerUnit(Quantity::Any(measure))), "{written}");
        }
    }
}

#[test]
fn the_direction_of_a_scorecard_goes_before_that_of_the_metric() {
    let catalog = catalog(&json!({"metrics": [{"name": "m", "type": "sum", "directionality": "decrease",
        "metricEvents": [{"name": "e", "type": "value"}]}]}));
    let direction = |name: &str, kind, direction| {
        let metric = MetricRef { name: key(name), kind, direction, hypothesized_value: None };
        choice(&catalog, &metric, Role::Primary).unwrap().direction
    };
    assert_eq!(direction("m", MetricType::Sum, None), Some(Direction::Decrease));
    assert_eq!(direction("m", MetricType::Sum, Some(catalog::Direction::Increase)), Some(Direction::Increase));
    assert_eq!(direction("e", MetricType::EventCount, None), None);
    assert_eq!(direction("e", MetricType::EventCount, Some(catalog::Direction::Decrease)), Some(Direction::Decrease));
}

#[test]
fn what_nobody_defined_is_told_and_not_guessed() {
    let nothing = catalog(&json!({}));
    for (name, kind, why) in [
        ("m", MetricType::Sum, "no metric of this name"),
        ("l28", MetricType::User, "no user metric"),
        ("m", MetricType::Composite, "no metric of this name"),
    ] {
        let metric = MetricRef { name: key(name), kind, direction: None, hypothesized_value: None };
        assert!(choice(&nothing, &metric, Role::Other).unwrap_err().contains(why), "{name}");
    }
}
