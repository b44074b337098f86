//! Metrics of every type: made, previewed, measured by, kept while in use, removed; and what is refused of them.

use super::*;
use crate::running::SERVER_KEY;

/// One of each type that can be defined, by its type.
fn one_of_each() -> Vec<Value> {
    let with = |mut base: Value, fields: Value| {
        for (name, value) in fields.as_object().expect("fields") {
            base[name] = value.clone();
        }
        base
    };
    let order = |fields: Value| with(json!({"name": "segment::Order"}), fields);
    let metric = |kind: &str, fields: Value| with(json!({"name": kind, "type": kind}), fields);
    let large = json!([{"type": "value", "condition": ">=", "values": ["10"]}]);
    vec![
        metric("event_count_custom", json!({"cap": 3.0, "metricEvents": [order(json!({"criteria": large}))]})),
        metric(
            "event_user",
            json!({"rollupTimeWindow": "custom", "customRollUpStart": 0.0, "customRollUpEnd": 6.0,
                "metricEvents": [order(json!({}))]}),
        ),
        metric("sum", json!({"directionality": "increase", "metricEvents": [order(json!({"type": "value"}))]})),
        metric("mean", json!({"metricEvents": [order(json!({"type": "metadata", "metadataKey": "tax"}))]})),
        metric(
            "ratio",
            json!({"metricEvents": [
                order(json!({"type": "value"})),
                {"name": "segment::View", "type": "count_distinct", "metadataKey": "sku"}]}),
        ),
        metric(
            "funnel",
            json!({"funnelCountDistinct": "users", "funnelOrder": "within_window", "funnelCalculationWindow": 2.5,
                "funnelEventList": [
                    {"name": "segment::View", "type": "event_user"},
                    {"name": "event_user", "type": "event_user",
                        "criteria": [{"type": "user", "column": "country", "condition": "in", "values": ["CA"]}]}]}),
        ),
        metric(
            "composite_sum",
            json!({"metricComponentMetrics": [
                {"name": "sum", "type": "sum"}, {"name": "segment::View", "type": "event_count"}]}),
        ),
    ]
}

#[test]
fn a_metric_of_each_type_lives_from_its_definition_to_its_removal() {
    let server = Server::start(&project());
    let document = server.get("/console/v1/openapi.json").json();
    let metrics = one_of_each();
    for metric in &metrics {
        let id = format!("{0}::{0}", metric["type"].as_str().unwrap());
        // Tried first: checked, answered, and not made.
        let mut tried = metric.clone();
        tried["dryRun"] = json!(true);
        let answer = ask(&server, "POST", "metrics", &tried);
        assert_eq!((answer.status, answer.json()["data"]["dryRun"].clone()), (200, json!(true)), "{}", answer.body);
        assert_eq!(refused(&server, "GET", &format!("metrics/{id}"), &Value::Null).0, 404, "{id}");
        let made = done(&server, "POST", "metrics", metric);
        for (field, value) in metric.as_object().unwrap() {
            let holds = if value.is_array() { made[field].as_array().is_some() } else { made[field] == *value };
            assert!(holds, "{field} of {made}");
            assert!(document["components"]["schemas"]["Metric"]["properties"][field].is_object(), "{field}");
        }
        let tagged = done(&server, "PATCH", &format!("metrics/{id}"), &json!({"tags": ["core"], "dryRun": false}));
        assert_eq!((&tagged["tags"], &tagged["version"]), (&json!(["core"]), &json!(2)));
        tried["tags"] = json!(["other"]);
        let answer = ask(&server, "PUT", &format!("metrics/{id}"), &tried);
        assert_eq!((answer.status, answer.json()["data"]["tags"].clone()), (200, json!(["other"])));
        let answer = ask(&server, "PATCH", &format!("metrics/{id}"), &json!({"tags": ["core"], "dryRun": true}));
        assert!(answer.body.contains("Nothing was changed"), "one without a change: {}", answer.body);
        assert_eq!(read(&server, &format!("metrics/{id}")), tagged, "a dry run changes nothing");
    }
    let mut scorecard: Vec<Value> =
        metrics.iter().map(|metric| json!({"name": metric["name"], "type": metric["type"]})).collect();
    for name in ["dau", "wau", "mau_28day", "new_dau", "d1_retention_rate", "d28_retention_rate"] {
        scorecard.push(json!({"name": name, "type": "user"}));
    }
    for kind in ["event_count", "event_dau", "event_user"] {
        scorecard.push(json!({"name": "segment::Anything", "type": kind}));
    }
    let experiment = json!({"name": "e", "status": "active", "groups": groups(), "primaryMetrics": scorecard});
    done(&server, "POST", "experiments", &experiment);
    let report = ask(&server, "GET", "experiments/e/results", &Value::Null).json();
    let health = report["health"].as_array().expect("checks");
    assert!(!health.iter().any(|check| check["check"] == "metrics_computed"), "{health:?}");
    for wanted in &scorecard {
        let rows = report["metrics"].as_array().expect("metrics");
        let is_meant = |row: &&Value| row["name"] == wanted["name"] && row["type"] == wanted["type"];
        let row = rows.iter().find(is_meant).unwrap_or_else(|| panic!("{wanted} is not reported"));
        assert_eq!(row["role"], "primary", "{wanted}");
    }
    // What is in use stays, an event_user too, which every event name has anyway.
    for metric in &metrics {
        let path = format!("metrics/{0}::{0}", metric["type"].as_str().unwrap());
        let answer = ask(&server, "DELETE", &path, &Value::Null);
        assert_eq!((answer.status, answer.code()), (409, "in_use".to_owned()), "{path}");
        let told = places(&answer);
        assert!(told.iter().any(|place| place.starts_with("experiments[\"e\"].primaryMetrics[")), "{told:?}");
    }
    let answer = ask(&server, "PATCH", "metrics/sum::sum", &json!({"unitTypes": ["stableID"]}));
    assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{}", answer.body);
    assert!(places(&answer).contains(&"experiments[\"e\"].primaryMetrics[2].name".to_owned()), "{}", answer.body);
    done(&server, "DELETE", "experiments/e", &Value::Null);
    for (kind, user) in [
        ("sum", "metrics[\"composite_sum::composite_sum\"].metricComponentMetrics[0].name"),
        ("event_user", "metrics[\"funnel::funnel\"].funnelEventList[1].name"),
    ] {
        let answer = ask(&server, "DELETE", &format!("metrics/{kind}::{kind}"), &Value::Null);
        assert_eq!((answer.status, places(&answer)), (409, vec![user.to_owned()]), "{}", answer.body);
    }
    for metric in metrics.iter().rev() {
        done(&server, "DELETE", &format!("metrics/{0}::{0}", metric["type"].as_str().unwrap()), &Value::Null);
    }
    assert_eq!(read(&server, "metrics"), json!([]));
}

#[test]
fn what_cannot_be_computed_is_refused_with_its_place() {
    let mut project = project();
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["metrics"] = json!([{"name": "sales", "type": "sum", "metricEvents": [{"name": "e", "type": "value"}]}]);
    let server = Server::start(&project);
    let event = json!([{"name": "e"}]);
    let steps = json!([{"name": "a"}, {"name": "b"}]);
    let of_company =
        |list: Value| json!({"name": "x", "idType": "companyID", "groups": groups(), "otherMetrics": list});
    for (path, body, place) in [
        ("metrics", json!({"name": "x", "type": "composite", "metricComponentMetrics": []}), "type"),
        ("metrics", json!({"name": "dau", "type": "user"}), "type"),
        ("metrics", json!({"name": "x", "type": "event_dau", "metricEvents": event}), "type"),
        ("metrics", json!({"name": "x", "type": "percentile"}), "type"),
        ("metrics", json!({"name": "x", "type": "sum", "metricEvents": event}), "metricEvents[0].type"),
        ("metrics", json!({"name": "x", "type": "event_user", "metricEvents": event, "cap": 1}), "cap"),
        ("metrics", json!({"name": "x", "type": "event_count_custom", "metricEvents": event, "cap": -1}), "cap"),
        (
            "metrics",
            json!({"name": "x", "type": "event_user", "metricEvents": event, "rollupTimeWindow": "custom"}),
            "customRollUpEnd",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "event_user", "metricEvents": event, "rollupTimeWindow": "weekly"}),
            "rollupTimeWindow",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "funnel", "funnelEventList": steps, "funnelCalculationWindow": 400}),
            "funnelCalculationWindow",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "funnel", "funnelEventList": steps, "funnelOrder": "any"}),
            "funnelOrder",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "event_user", "metricEvents": [{"name": "e",
                "criteria": [{"type": "value", "condition": ">", "values": ["ten"]}]}]}),
            "metricEvents[0].criteria[0].values",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "event_user", "metricEvents": [{"name": "e",
                "criteria": [{"type": "metadata", "column": "k", "condition": "sql_filter", "values": ["1=1"]}]}]}),
            "metricEvents[0].criteria[0].condition",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "composite_sum",
                "metricComponentMetrics": [{"name": "d7_retention_rate", "type": "user"}]}),
            "metricComponentMetrics[0].type",
        ),
        (
            "metrics",
            json!({"name": "x", "type": "composite_sum", "metricComponentMetrics": [{"name": "gone", "type": "sum"}]}),
            "metricComponentMetrics[0].name",
        ),
        ("experiments", of_company(json!([{"name": "sales", "type": "sum"}])), "otherMetrics[0].name"),
        ("experiments", of_company(json!([{"name": "monthly", "type": "user"}])), "otherMetrics[0].name"),
        ("gates", json!({"name": "x", "analysis": {"level": 0.3}}), "analysis.level"),
        ("experiments", json!({"name": "x", "groups": groups(), "analysis": {"cuped": "yes"}}), "analysis.cuped"),
    ] {
        let answer = ask(&server, "POST", path, &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{path} {body}");
        assert_eq!(places(&answer), [place], "{path} {body}: {}", answer.body);
    }
    // What every event name or ID type has fits any ID type.
    let automatic = json!([{"name": "dau", "type": "user"}, {"name": "e", "type": "event_dau"}]);
    assert_eq!(done(&server, "POST", "experiments", &of_company(automatic))["idType"], "companyID");
}

fn track(server: &Server, event: &str, user: &str, time: Option<&str>, value: Option<f64>) {
    let mut call = json!({"type": "track", "event": event, "userId": user, "properties": {}});
    if let Some(time) = time {
        call["timestamp"] = json!(time);
    }
    if let Some(value) = value {
        call["properties"]["value"] = json!(value);
    }
    let answer = server.post("/v1/batch", json!({"batch": [call]}).to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_metric_shows_its_values_by_day() {
    let mut project = project();
    let order = |kind: &str| json!({"name": "segment::Order", "type": kind});
    project["metrics"] = json!([
        {"name": "income", "type": "sum", "metricEvents": [order("value")]},
        {"name": "capped", "type": "sum", "cap": 15, "metricEvents": [order("value")]},
        {"name": "basket", "type": "mean", "metricEvents": [order("value")]},
        {"name": "per_view", "type": "ratio", "metricEvents": [order("count"), {"name": "segment::View"}]},
    ]);
    let server = Server::start(&project);
    for (event, user, time, value) in [
        ("Order", "u1", "2026-01-01T00:00:00Z", Some(10.0)),
        ("Order", "u1", "2026-01-01T23:59:59.999Z", Some(20.0)),
        ("Order", "u2", "2026-01-01T12:00:00Z", None),
        ("View", "u3", "2026-01-01T12:00:00Z", None),
        ("Order", "u2", "2026-01-03T00:00:00Z", Some(-4.0)),
        ("Order", "u1", "2026-01-04T00:00:00Z", Some(1000.0)),
    ] {
        track(&server, event, user, Some(time), value);
    }
    let values = |name: &str, kind: &str| -> Vec<Value> {
        let name = name.replace(':', "%3A");
        let days = "date=2026-01-01&endDate=2026-01-03";
        let path = format!("metrics/values?metricName={name}&metricType={kind}&{days}");
        let rows = read(&server, &path).as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["metricType"] == kind && row["unitType"] == "userID"), "{rows:?}");
        let fields = ["date", "units", "value", "numerator", "denominator"];
        rows.iter().map(|row| fields.iter().map(|field| row[*field].clone()).collect()).collect()
    };
    let plain = |first: (u64, f64), third: (u64, f64)| {
        vec![
            json!(["2026-01-01", first.0, first.1, null, null]),
            json!(["2026-01-02", 0, 0.0, null, null]),
            json!(["2026-01-03", third.0, third.1, null, null]),
        ]
    };
    assert_eq!(values("income", "sum"), plain((2, 30.0), (1, -4.0)));
    assert_eq!(values("capped", "sum"), plain((2, 15.0), (1, -4.0)), "of each unit's day 15 at most");
    assert_eq!(values("segment::Order", "event_count"), plain((2, 3.0), (1, 1.0)));
    assert_eq!(values("segment::Order", "event_user"), plain((2, 2.0), (1, 1.0)));
    assert_eq!(values("segment::Order", "event_dau"), plain((2, 2.0), (1, 1.0)));
    assert_eq!(values("dau", "user"), plain((3, 3.0), (1, 1.0)));
    assert_eq!(values("segment::Nothing", "event_count"), plain((0, 0.0), (0, 0.0)));
    assert_eq!(
        values("basket", "mean"),
        [
            json!(["2026-01-01", 2, 15.0, 30.0, 2.0]),
            json!(["2026-01-02", 0, null, 0.0, 0.0]),
            json!(["2026-01-03", 1, -4.0, -4.0, 1.0]),
        ],
        "an order without a value is none of the mean's"
    );
    assert_eq!(
        values("per_view", "ratio"),
        [
            json!(["2026-01-01", 3, 3.0, 3.0, 1.0]),
            json!(["2026-01-02", 0, null, 0.0, 0.0]),
            json!(["2026-01-03", 1, null, 1.0, 0.0]),
        ]
    );
    for (query, words) in [
        ("metricType=sum&date=2026-01-01", "metricName"),
        ("metricName=income&date=2026-01-01", "metricType"),
        ("metricName=income&metricType=median&date=2026-01-01", "no type"),
        ("metricName=income&metricType=sum", "date must be"),
        ("metricName=income&metricType=sum&date=2026-13-01", "date must be"),
        ("metricName=income&metricType=sum&date=1767225600", "date must be"),
        ("metricName=income&metricType=sum&date=2026-01-01&endDate=2025-12-31", "up to 91 days"),
        ("metricName=income&metricType=sum&date=2026-01-01&endDate=2026-04-03", "up to 91 days"),
        ("metricName=income&metricType=sum&date=2026-01-01&unitType=stableID", "computed for: userID"),
        ("metricName=dau&metricType=user&date=2026-01-01&unitType=teamID", "userID, stableID"),
    ] {
        let answer = ask(&server, "GET", &format!("metrics/values?{query}"), &Value::Null);
        assert_eq!((answer.status, answer.code()), (400, "invalid_query".to_owned()), "{query}");
        assert!(answer.body.contains(words), "{query}: {}", answer.body);
    }
    let longest = "metrics/values?metricName=income&metricType=sum&date=2026-01-01&endDate=2026-04-02";
    assert_eq!(read(&server, longest).as_array().unwrap().len(), 92);
    for (name, kind) in [("outcome", "sum"), ("income", "mean"), ("l28", "user")] {
        let path = format!("metrics/values?metricName={name}&metricType={kind}&date=2026-01-01");
        assert_eq!(refused(&server, "GET", &path, &Value::Null), (404, "not_found".to_owned()), "{name}");
    }
}

#[test]
fn a_definition_is_previewed_without_being_made() {
    let server = Server::start(&with_editor());
    // Without a time of their own events happen when they come; the preview ends with that day or the next.
    for (user, value) in [("u1", Some(5.0)), ("u1", Some(7.0)), ("u2", None)] {
        track(&server, "Order", user, None, value);
    }
    track(&server, "Order", "u1", Some("2026-01-01T00:00:00Z"), Some(1000.0));
    let metric = json!({"name": "income", "type": "sum", "dryRun": true, "unitTypes": ["userID", "stableID"],
        "metricEvents": [{"name": "segment::Order", "type": "value"}]});
    let path = "metrics/preview";
    let preview = done(&server, "POST", path, &metric);
    assert_eq!((&preview["metric"]["name"], preview["metric"].get("dryRun")), (&json!("income"), None));
    assert_eq!(preview["unitType"], "userID");
    let days = |preview: &Value| -> Vec<Value> { preview["values"].as_array().unwrap().clone() };
    let total = |preview: &Value| days(preview).iter().map(|day| day["value"].as_f64().unwrap()).sum::<f64>();
    assert_eq!((days(&preview).len(), total(&preview)), (7, 12.0));
    let dates: Vec<String> = days(&preview).iter().map(|day| day["date"].as_str().unwrap().to_owned()).collect();
    assert!(dates.is_sorted() && dates[0].len() == 10, "{dates:?}");
    let by_stable_id = done(&server, "POST", &format!("{path}?unitType=stableID"), &metric);
    assert_eq!((&by_stable_id["unitType"], total(&by_stable_id)), (&json!("stableID"), 0.0));
    assert_eq!(read(&server, "metrics"), json!([]));
    // One that is there can be tried otherwise, as it was read.
    let mut made = done(
        &server,
        "POST",
        "metrics",
        &json!({"name": "income", "type": "sum",
        "metricEvents": [{"name": "segment::Nothing", "type": "value"}]}),
    );
    assert_eq!(total(&done(&server, "POST", path, &made)), 0.0);
    made["metricEvents"][0]["name"] = json!("segment::Order");
    assert_eq!(total(&done(&server, "POST", path, &made)), 12.0);
    assert_eq!(read(&server, "metrics")[0]["metricEvents"][0]["name"], "segment::Nothing");
    for (body, place) in [
        (json!({"name": "x", "type": "sum", "metricEvents": [{"name": "e"}]}), "metricEvents[0].type"),
        (json!({"name": "x", "type": "event_count"}), "type"),
        (json!({"type": "sum"}), "name"),
    ] {
        let answer = ask(&server, "POST", path, &body);
        assert_eq!((answer.status, answer.code()), (400, "invalid_item".to_owned()), "{body}");
        assert_eq!(places(&answer), [place], "{body}");
    }
    assert_eq!(refused(&server, "POST", &format!("{path}?unitType=x"), &made), (400, "invalid_query".to_owned()));
    assert_eq!(ask_by(&server, EDITOR_KEY, "POST", path, &made).status, 200);
    assert!(ask_by(&server, SERVER_KEY, "POST", path, &made).status >= 400);
}

#[test]
fn an_experiment_is_analysed_as_its_analysis_says_unless_the_request_says_otherwise() {
    let mut project = project();
    let analysis = json!({"level": 0.9, "crossovers": "first", "relative": "delta"});
    project["experiments"] = json!([
        {"name": "e", "groups": groups(), "analysis": analysis, "defaultConfidenceInterval": "99"},
        {"name": "plain", "groups": groups(), "defaultConfidenceInterval": "99"},
    ]);
    project["gates"] = json!([{"name": "g", "rules": [everyone("r", 50.0)], "analysis": {"level": 0.8}}]);
    let server = Server::start(&project);
    let options = |path: &str| ask(&server, "GET", path, &Value::Null).json()["options"].clone();
    let found = options("experiments/e/results");
    assert_eq!(
        (&found["level"], &found["crossovers"], &found["relative"]),
        (&json!(0.9), &json!("first"), &json!("delta"))
    );
    let found = options("experiments/e/results?level=0.95&crossovers=both");
    assert_eq!(
        (&found["level"], &found["crossovers"], &found["relative"]),
        (&json!(0.95), &json!("both"), &json!("delta"))
    );
    assert_eq!(options("experiments/plain/results")["level"], 0.99);
    assert_eq!(options("gates/g/results")["level"], 0.8);
    assert_eq!(options("gates/g/results?level=0.7")["level"], 0.7);
}

/// When the units of the next test met their group.
const EXPOSED: i64 = 1_767_225_600_000;

#[test]
fn what_is_defined_is_what_a_report_computes() {
    let mut project = project();
    let country = json!([{"type": "user", "column": "country", "condition": "=", "values": ["CA", "FR"]}]);
    let key = |key: &str| json!({"name": "segment::Order", "type": "metadata", "metadataKey": key});
    project["metrics"] = json!([
        {"name": "tax", "type": "sum", "metricEvents": [key("tax")]},
        {"name": "capped", "type": "event_count_custom", "cap": 1, "metricEvents": [{"name": "segment::Order"}]},
        {"name": "large", "type": "event_user", "metricEvents": [{"name": "segment::Order",
            "criteria": [{"type": "value", "condition": ">=", "values": ["10"]}]}]},
        {"name": "abroad", "type": "event_count_custom", "metricEvents": [{"name": "logged", "criteria": country}]},
        {"name": "second_day", "type": "event_user", "rollupTimeWindow": "custom", "customRollUpStart": 1,
            "customRollUpEnd": 1, "metricEvents": [{"name": "segment::Order"}]},
        {"name": "basket", "type": "mean", "metricEvents": [{"name": "segment::Order", "type": "value"}]},
        {"name": "goods", "type": "ratio", "metricEvents": [
            {"name": "segment::Order", "type": "count_distinct", "metadataKey": "sku"}, {"name": "segment::Order"}]},
        {"name": "bought", "type": "funnel", "funnelEventList": [{"name": "segment::View"}, {"name": "segment::Order"}]},
        {"name": "all", "type": "composite_sum", "metricComponentMetrics": [
            {"name": "tax", "type": "sum"}, {"name": "segment::View", "type": "event_count"}]},
    ]);
    let scorecard: Vec<Value> = project["metrics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|metric| json!({"name": metric["name"], "type": metric["type"]}))
        .collect();
    project["experiments"] = json!([{"name": "e", "status": "active", "groups": groups(), "primaryMetrics": scorecard,
        "otherMetrics": [{"name": "segment::Order", "type": "event_dau"}, {"name": "dau", "type": "user"}]}]);
    let server = Server::start(&project);
    let mut logged: Vec<Value> = ["u1", "u2", "u3", "u4"]
        .iter()
        .enumerate()
        .map(|(nth, user)| {
            let rule = if nth < 2 { "test" } else { "control" };
            json!({"eventName": "statsig::config_exposure", "time": EXPOSED, "user": {"userID": user},
                "metadata": {"config": "e", "ruleID": rule}})
        })
        .collect();
    for (user, country) in [("u1", "CA"), ("u1", "FR"), ("u1", "DE"), ("u2", "CA"), ("u3", "DE")] {
        logged.push(json!({"eventName": "logged", "time": EXPOSED + 5, "user": {"userID": user, "country": country}}));
    }
    assert_eq!(server.post("/v1/log_event", json!({"events": logged}).to_string()).status, 202);
    let order = |user: &str, time: &str, properties: Value| json!({"type": "track", "event": "Order", "userId": user, "timestamp": time, "properties": properties});
    let view = |user: &str, time: &str| json!({"type": "track", "event": "View", "userId": user, "timestamp": time});
    let batch = json!([
        view("u1", "2026-01-01T01:00:00Z"),
        order("u1", "2026-01-01T02:00:00Z", json!({"value": 30, "tax": "4.5", "sku": "a"})),
        order("u1", "2026-01-01T03:00:00Z", json!({"value": 5, "tax": "none", "sku": "a"})),
        order("u1", "2026-01-02T03:00:00Z", json!({"tax": 0.5, "sku": "b"})),
        order("u2", "2026-01-01T04:00:00Z", json!({"value": 7, "sku": "a"})),
        view("u2", "2026-01-01T05:00:00Z"),
        view("u3", "2026-01-01T05:00:00Z"),
    ]);
    assert_eq!(server.post("/v1/batch", json!({ "batch": batch }).to_string()).status, 200);
    let report = ask(&server, "GET", "experiments/e/results?end=2026-01-03", &Value::Null).json();
    let health = report["health"].as_array().expect("checks");
    assert!(!health.iter().any(|check| check["check"] == "metrics_computed"), "{health:?}");
    let sides = |name: &str| -> Vec<Value> {
        let rows = report["metrics"].as_array().expect("metrics");
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {rows:?}"));
        let groups = row["groups"].as_array().expect("groups").iter();
        groups.map(|group| json!([group["units"], group["mean"]])).collect()
    };
    // Of each group the units that take part and the mean; by hand, control first.
    for (name, expected) in [
        ("tax", json!([[2, 0.0], [2, 2.5]])),
        ("capped", json!([[2, 0.0], [2, 1.5]])),
        ("large", json!([[2, 0.0], [2, 0.5]])),
        ("abroad", json!([[2, 0.0], [2, 1.5]])),
        ("second_day", json!([[2, 0.0], [2, 0.5]])),
        ("basket", json!([[0, null], [2, 14.0]])),
        ("goods", json!([[0, null], [2, 0.75]])),
        ("bought", json!([[1, 0.0], [2, 0.5]])),
        ("all", json!([[2, 0.5], [2, 3.5]])),
        ("segment::Order", json!([[2, 0.0], [2, 0.75]])),
        ("dau", json!([[2, 0.25], [2, 0.75]])),
    ] {
        assert_eq!(json!(sides(name)), expected, "{name}");
    }
    // The same definitions by day, over all units.
    for (name, kind, expected) in [
        ("large", "event_user", json!([1.0, 0.0])),
        ("abroad", "event_count_custom", json!([3.0, 0.0])),
        ("goods", "ratio", json!([2.0 / 3.0, 1.0])),
        ("bought", "funnel", json!([1.0 / 3.0, null])),
        ("all", "composite_sum", json!([7.5, 0.5])),
        ("wau", "user", json!([3.0, 3.0])),
        ("new_dau", "user", json!([3.0, 0.0])),
    ] {
        let path = format!("metrics/values?metricName={name}&metricType={kind}&date=2026-01-01&endDate=2026-01-02");
        let values: Vec<Value> =
            read(&server, &path).as_array().expect("days").iter().map(|day| day["value"].clone()).collect();
        assert_eq!(json!(values), expected, "{name}");
    }
}
