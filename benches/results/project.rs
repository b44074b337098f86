//! What is asked: an experiment with a scorecard of 20 metrics, each beside the SQL that says the same where SQL says it simply.

use crate::shop::Scale;
use serde::Serialize;
use serde_json::{Value, json};
use weir::event::Timestamp;

pub const EXPERIMENT: &str = "checkout";
/// ID and name; the first is control.
pub const GROUPS: [(&str, &str); 2] = [("one_page", "Control"), ("two_pages", "Test")];
pub const SERVER_KEY: &str = "secret-resultsbench00000000000";
pub const CONSOLE_KEY: &str = "console-resultsbench0000000000";

/// Metrics of the shorter scorecard: one of each type that SQL says simply.
pub const FEW: usize = 5;

/// One line of the scorecard.
pub struct Line {
    pub name: &'static str,
    pub kind: &'static str,
    /// What the project file says beside name and type; `None` for what every event name has.
    definition: Option<Value>,
    pub sql: Option<Sql>,
}

/// What the yardstick makes of a unit's events `e` from its first exposure on.
#[derive(Debug, Clone, Serialize)]
pub struct Sql {
    numerator: String,
    /// With one the metric is a ratio over the units whose denominator is not 0.
    denominator: Option<String>,
}

impl Sql {
    fn one(numerator: &str) -> Option<Sql> {
        Some(Sql { numerator: numerator.to_owned(), denominator: None })
    }

    fn ratio(numerator: &str, denominator: &str) -> Option<Sql> {
        Some(Sql { numerator: numerator.to_owned(), denominator: Some(denominator.to_owned()) })
    }
}

const VIEW: &str = "segment::Product Viewed";
const ADD: &str = "segment::Product Added";
const CHECKOUT: &str = "segment::Checkout Started";
const ORDER: &str = "segment::Order Completed";

/// The scorecard; its first `FEW` lines are the shorter one.
pub fn scorecard() -> Vec<Line> {
    let automatic = |name, kind, sql| Line { name, kind, definition: None, sql };
    let of = |event: Value| json!({"metricEvents": [event]});
    let shoes = || json!([{"type": "metadata", "column": "category", "condition": "in", "values": ["shoes"]}]);
    let defined = |name, kind, definition, sql| Line { name, kind, definition: Some(definition), sql };
    let once = |event: Value, window: &str| json!({"metricEvents": [event], "rollupTimeWindow": window});
    let revenue = || json!({"name": ORDER, "type": "metadata", "metadataKey": "revenue"});
    let value = || json!({"name": VIEW, "type": "value"});
    let count = |name: &str| json!({"name": name, "type": "count"});
    let shoe = |name: &str| json!({"name": name, "type": "count", "criteria": shoes()});
    let few: [Line; FEW] = [
        automatic(VIEW, "event_count", Sql::one("count(*) FILTER (e.name = 'Product Viewed')")),
        automatic(ORDER, "event_user", Sql::one("max(CASE WHEN e.name = 'Order Completed' THEN 1 ELSE 0 END)")),
        defined(
            "revenue",
            "sum",
            of(revenue()),
            Sql::one("coalesce(sum(e.revenue) FILTER (e.name = 'Order Completed'), 0)"),
        ),
        defined(
            "average_order",
            "mean",
            of(revenue()),
            Sql::ratio(
                "coalesce(sum(e.revenue) FILTER (e.name = 'Order Completed'), 0)",
                "count(e.revenue) FILTER (e.name = 'Order Completed')",
            ),
        ),
        defined(
            "orders_per_view",
            "ratio",
            json!({"metricEvents": [count(ORDER), count(VIEW)]}),
            Sql::ratio("count(*) FILTER (e.name = 'Order Completed')", "count(*) FILTER (e.name = 'Product Viewed')"),
        ),
    ];
    let more = [
        automatic(ORDER, "event_count", Sql::one("count(*) FILTER (e.name = 'Order Completed')")),
        automatic(ADD, "event_count", Sql::one("count(*) FILTER (e.name = 'Product Added')")),
        automatic(CHECKOUT, "event_count", Sql::one("count(*) FILTER (e.name = 'Checkout Started')")),
        automatic(CHECKOUT, "event_user", Sql::one("max(CASE WHEN e.name = 'Checkout Started' THEN 1 ELSE 0 END)")),
        automatic(VIEW, "event_dau", None),
        automatic(ORDER, "event_dau", None),
        defined(
            "value_viewed",
            "sum",
            of(value()),
            Sql::one("coalesce(sum(e.value) FILTER (e.name = 'Product Viewed'), 0)"),
        ),
        defined(
            "average_viewed",
            "mean",
            of(value()),
            Sql::ratio(
                "coalesce(sum(e.value) FILTER (e.name = 'Product Viewed'), 0)",
                "count(e.value) FILTER (e.name = 'Product Viewed')",
            ),
        ),
        defined(
            "revenue_per_checkout",
            "ratio",
            json!({"metricEvents": [revenue(), count(CHECKOUT)]}),
            Sql::ratio(
                "coalesce(sum(e.revenue) FILTER (e.name = 'Order Completed'), 0)",
                "count(*) FILTER (e.name = 'Checkout Started')",
            ),
        ),
        defined(
            "shoes_viewed",
            "event_count_custom",
            of(shoe(VIEW)),
            Sql::one("count(*) FILTER (e.name = 'Product Viewed' AND e.category = 'shoes')"),
        ),
        defined(
            "shoes_ordered",
            "event_user",
            once(shoe(ORDER), "max"),
            Sql::one("max(CASE WHEN e.name = 'Order Completed' AND e.category = 'shoes' THEN 1 ELSE 0 END)"),
        ),
        defined(
            "large_orders",
            "event_count_custom",
            of(
                json!({"name": ORDER, "type": "count", "criteria": [{"type": "value", "condition": ">", "values": ["20"]}]}),
            ),
            Sql::one("count(*) FILTER (e.name = 'Order Completed' AND e.revenue > 20)"),
        ),
        defined(
            "ordered_within_7_days",
            "event_user",
            json!({"metricEvents": [count(ORDER)], "rollupTimeWindow": "custom", "customRollUpStart": 0, "customRollUpEnd": 6}),
            Sql::one("max(CASE WHEN e.name = 'Order Completed' AND e.time < f.t0 + 7 * 86400000 THEN 1 ELSE 0 END)"),
        ),
        defined("ordered_daily", "event_user", once(count(ORDER), "daily_participation_rate"), None),
        defined(
            "purchase",
            "funnel",
            json!({
                "funnelEventList": [{"name": VIEW}, {"name": ADD}, {"name": CHECKOUT}, {"name": ORDER}],
                "funnelCountDistinct": "users",
            }),
            None,
        ),
    ];
    few.into_iter().chain(more).collect()
}

/// The project file with the first `metrics` lines on the scorecard.
pub fn project(scale: &Scale, metrics: usize) -> Value {
    let mut scorecard = scorecard();
    let definitions: Vec<Value> = scorecard
        .iter()
        .filter_map(|line| {
            let mut metric = line.definition.clone()?;
            metric["name"] = line.name.into();
            metric["type"] = line.kind.into();
            Some(metric)
        })
        .collect();
    scorecard.truncate(metrics);
    let lines: Vec<Value> =
        scorecard.iter().map(|line| json!({"name": line.name, "type": line.kind, "direction": "increase"})).collect();
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name, "size": 50, "parameterValues": {"pages": id}}))
        .collect();
    json!({
        "keys": [
            {"description": "bench", "type": "SERVER", "key": SERVER_KEY},
            {"description": "bench reader", "type": "CONSOLE", "key": CONSOLE_KEY, "role": "admin"},
        ],
        "experiments": [{
            "id": EXPERIMENT, "name": EXPERIMENT, "idType": "userID", "status": "active", "allocation": 100,
            "startTime": Timestamp(scale.start).to_string(), "duration": 42,
            "groups": groups, "controlGroupID": GROUPS[0].0,
            "primaryMetrics": lines[..1], "secondaryMetrics": lines[1..],
        }],
        "metrics": definitions,
    })
}
