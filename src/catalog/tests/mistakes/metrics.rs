//! What is wrong with metrics, with what names them, and with how results are to be computed.

use super::*;

#[test]
fn each_mistake_of_a_metric_is_listed_with_its_place() {
    are_told(&[
        (
            |d| drop(d["metrics"][3]["metricEvents"].as_array_mut().unwrap().pop()),
            "metrics[3].metricEvents",
            "numerator and denominator",
        ),
        (
            |d| d["metrics"][0]["metricEvents"][0]["type"] = json!("count"),
            "metrics[0].metricEvents[0].type",
            "value or metadata",
        ),
        (
            |d| drop(d["metrics"][0]["metricEvents"][0].as_object_mut().unwrap().remove("metadataKey")),
            "metrics[0].metricEvents[0].metadataKey",
            "missing",
        ),
        (|d| criterion(d)["condition"] = json!("~"), "metrics[3].metricEvents[1].criteria[0].condition", "one of in"),
        (|d| criterion(d)["condition"] = json!(">"), "metrics[3].metricEvents[1].criteria[0].values", "one number"),
        (
            |d| criterion(d)["condition"] = json!("is_null"),
            "metrics[3].metricEvents[1].criteria[0].values",
            "takes none",
        ),
        (
            |d| drop(criterion(d).as_object_mut().unwrap().remove("column")),
            "metrics[3].metricEvents[1].criteria[0].column",
            "missing",
        ),
        (|d| d["metrics"][0]["type"] = json!("event_count"), "metrics[0].type", "every event name has"),
        (|d| d["metrics"][2]["customRollUpEnd"] = json!(3), "metrics[2].rollupTimeWindow", "must be custom"),
        (|d| d["metrics"][2]["rollupTimeWindow"] = json!("custom"), "metrics[2].customRollUpEnd", "customRollUpStart"),
        (|d| d["metrics"][2]["type"] = json!("funnel"), "metrics[2].funnelEventList", "at least 2"),
        (|d| d["metrics"][0]["type"] = json!("user"), "metrics[0].type", "dau, wau, mau_28day, new_dau"),
        (|d| d["metrics"][0]["type"] = json!("composite"), "metrics[0].type", "does not publish"),
        (|d| d["metrics"][0]["dryRun"] = json!(true), "metrics[0].dryRun", "console API"),
        (|d| d["metrics"][0]["unitTypes"] = json!([]), "metrics[0].unitTypes", "at least one"),
        (|d| d["metrics"][0]["funnelOrder"] = json!("within_window"), "metrics[0].funnelOrder", "not for the type sum"),
        (
            |d| d["metrics"][0]["funnelCalculationWindow"] = json!(1),
            "metrics[0].funnelCalculationWindow",
            "not for the type sum",
        ),
        (
            |d| d["metrics"][0]["funnelCountDistinct"] = json!("users"),
            "metrics[0].funnelCountDistinct",
            "not for the type sum",
        ),
        (|d| d["metrics"][1]["cap"] = json!(1), "metrics[1].cap", "event_count_custom and sum"),
        (|d| d["metrics"][4]["cap"] = json!(0), "metrics[4].cap", "more than 0"),
        (|d| d["metrics"][5]["cap"] = json!(1), "metrics[5].cap", "count_distinct"),
        (
            |d| d["metrics"][0]["rollupTimeWindow"] = json!("daily_participation_rate"),
            "metrics[0].rollupTimeWindow",
            "event_user",
        ),
        (|d| d["metrics"][7]["customRollUpEnd"] = json!(0.5), "metrics[7].customRollUpEnd", "whole days"),
        (|d| d["metrics"][7]["customRollUpStart"] = json!(7), "metrics[7].customRollUpEnd", "customRollUpStart"),
        (
            |d| d["metrics"][2]["metricEvents"][0]["type"] = json!("value"),
            "metrics[2].metricEvents[0].type",
            "needs count",
        ),
        (
            |d| d["metrics"][4]["metricEvents"][0]["type"] = json!("value"),
            "metrics[4].metricEvents[0].type",
            "define a sum",
        ),
        (
            |d| {
                d["metrics"][4]["metricEvents"] = json!([{"name": "a"},
                {"name": "b", "type": "count_distinct", "metadataKey": "k"}])
            },
            "metrics[4].metricEvents[1].type",
            "in one way",
        ),
        (
            |d| {
                d["metrics"][0]["metricEvents"][0]["criteria"] =
                    json!([{"type": "value", "condition": "contains", "values": ["1"]}])
            },
            "metrics[0].metricEvents[0].criteria[0].condition",
            "a value is a number",
        ),
        (
            |d| {
                d["metrics"][0]["metricEvents"][0]["criteria"] =
                    json!([{"type": "value", "condition": "in", "values": ["1", "one"]}])
            },
            "metrics[0].metricEvents[0].criteria[0].values[1]",
            "no number",
        ),
        (
            |d| {
                d["metrics"][0]["metricEvents"][0]["criteria"] =
                    json!([{"type": "user", "column": "country", "condition": "=", "values": []}])
            },
            "metrics[0].metricEvents[0].criteria[0].values",
            "at least one",
        ),
        // It is compared to the letter.
        (
            |d| {
                d["metrics"][0]["metricEvents"][0]["criteria"] =
                    json!([{"type": "value", "condition": "=", "values": [" 1"]}])
            },
            "metrics[0].metricEvents[0].criteria[0].values[0]",
            "no number",
        ),
        (
            |d| {
                d["metrics"][0]["metricEvents"][0]["criteria"] =
                    json!([{"type": "user", "column": "country", "condition": "non_null", "nullVacuousOverride": true}])
            },
            "metrics[0].metricEvents[0].criteria[0].nullVacuousOverride",
            "non_null is to keep out",
        ),
        (
            |d| d["metrics"][8]["funnelCalculationWindow"] = json!(0),
            "metrics[8].funnelCalculationWindow",
            "at most 366",
        ),
        (
            |d| d["metrics"][9]["funnelCalculationWindow"] = json!(1),
            "metrics[9].funnelCalculationWindow",
            "unordered_daily",
        ),
        (
            |d| d["metrics"][8]["funnelEventList"][0]["type"] = json!("sum"),
            "metrics[8].funnelEventList[0].type",
            "event_count_custom",
        ),
        (
            |d| d["metrics"][8]["funnelEventList"][1]["criteria"][0]["column"] = json!(" "),
            "metrics[8].funnelEventList[1].criteria[0].column",
            "a key or field",
        ),
        (
            |d| d["metrics"][9]["funnelEventList"][0]["name"] = json!("boots"),
            "metrics[9].funnelEventList[0].name",
            "unknown metric",
        ),
        (
            |d| d["metrics"][9]["funnelEventList"][0]["name"] = json!("categories_seen"),
            "metrics[9].funnelEventList[0].name",
            "counts one",
        ),
        (
            |d| d["metrics"][9]["unitTypes"] = json!(["companyID"]),
            "metrics[9].funnelEventList[0].name",
            "add companyID to the unitTypes",
        ),
        (
            |d| d["metrics"][10]["metricComponentMetrics"][0] = json!({"name": "checkout", "type": "funnel"}),
            "metrics[10].metricComponentMetrics[0].type",
            "has no sum",
        ),
        (
            |d| d["metrics"][10]["metricComponentMetrics"][0] = json!({"name": "d1_retention_rate", "type": "user"}),
            "metrics[10].metricComponentMetrics[0].type",
            "has no sum",
        ),
        (
            |d| d["metrics"][10]["metricComponentMetrics"][0]["name"] = json!("boots"),
            "metrics[10].metricComponentMetrics[0].name",
            "unknown metric",
        ),
        (
            |d| d["metrics"][10]["unitTypes"] = json!(["userID", "companyID"]),
            "metrics[10].metricComponentMetrics[0].name",
            "is computed for userID, and this metric needs companyID",
        ),
        (
            |d| d["experiments"][0]["otherMetrics"][3]["name"] = json!("l28"),
            "experiments[0].otherMetrics[3].name",
            "must be one of dau, wau",
        ),
        (
            |d| d["experiments"][0]["otherMetrics"][0] = json!({"name": "mix", "type": "composite"}),
            "experiments[0].otherMetrics[0].name",
            "does not publish",
        ),
        (
            |d| d["experiments"][0]["idType"] = json!("companyID"),
            "experiments[0].primaryMetrics[0].name",
            "is computed for userID, and this experiment needs companyID",
        ),
        (
            |d| {
                d["gates"][0]["idType"] = json!("companyID");
                d["gates"][0]["monitoringMetrics"] = json!([{"name": "revenue", "type": "sum"}]);
            },
            "gates[0].monitoringMetrics[0].name",
            "this gate needs companyID",
        ),
    ]);
}

#[test]
fn each_mistake_of_an_analysis_is_listed_with_its_place() {
    are_told(&[
        (|d| analysis(d)["level"] = json!(1), "experiments[0].analysis.level", "less than 1"),
        (|d| analysis(d)["winsorize"] = json!(0.5), "experiments[0].analysis.winsorize", "0 for none"),
        (|d| analysis(d)["crossovers"] = json!("keep"), "experiments[0].analysis.crossovers", "exclude, first, both"),
        (|d| analysis(d)["join"] = json!("day"), "experiments[0].analysis.join", "timestamp, date"),
        (|d| analysis(d)["relative"] = json!("log"), "experiments[0].analysis.relative", "fieller, delta"),
        (|d| analysis(d)["alternative"] = json!("upwards"), "experiments[0].analysis.alternative", "one_sided"),
        (|d| analysis(d)["cuped"] = json!(false), "experiments[0].analysis.cupedDays", "no effect"),
        (|d| analysis(d)["power"] = json!(0), "experiments[0].analysis.power", "more than 0.5"),
        (|d| analysis(d)["primaryAlphaShare"] = json!(1), "experiments[0].analysis.primaryAlphaShare", "less than 1"),
        (
            |d| d["experiments"][0]["bonferroniCorrectionPerMetric"] = json!(false),
            "experiments[0].analysis.primaryAlphaShare",
            "bonferroniCorrectionPerMetric",
        ),
        (
            |d| d["gates"][0]["analysis"] = json!({"primaryAlphaShare": 0.5}),
            "gates[0].analysis.primaryAlphaShare",
            "no effect",
        ),
    ]);
}

fn criterion(document: &mut Value) -> &mut Value {
    &mut document["metrics"][3]["metricEvents"][1]["criteria"][0]
}

fn analysis(document: &mut Value) -> &mut Value {
    &mut document["experiments"][0]["analysis"]
}

#[test]
fn numbers_of_metrics_and_analyses_are_taken_up_to_their_limits() {
    let metric = |fields: Value| {
        let mut metric = json!({"name": "m", "type": "event_user", "metricEvents": [{"name": "e"}]});
        fields.as_object().unwrap().iter().for_each(|(name, value)| metric[name] = value.clone());
        mistakes(&json!({"metrics": [metric]})).len()
    };
    let window = |start: f64, end: f64| {
        metric(json!({"rollupTimeWindow": "custom", "customRollUpStart": start, "customRollUpEnd": end}))
    };
    assert_eq!((window(0.0, 0.0), window(3650.0, 3650.0), window(0.0, 3651.0), window(1.0, 0.0)), (0, 0, 1, 1));
    let funnel = |days: f64| {
        let steps = json!([{"name": "a"}, {"name": "b"}]);
        let funnel = json!({"name": "f", "type": "funnel", "funnelEventList": steps, "funnelCalculationWindow": days});
        mistakes(&json!({"metrics": [funnel]})).len()
    };
    assert_eq!((funnel(1e-3), funnel(366.0), funnel(0.0), funnel(366.1), funnel(-1.0)), (0, 0, 1, 1, 1));
    let cap = |cap: f64| metric(json!({"type": "event_count_custom", "cap": cap}));
    assert_eq!((cap(0.1), cap(1e12), cap(0.0), cap(-1.0)), (0, 0, 1, 1));
    let many = |field: &str, most: usize, of: &dyn Fn(usize) -> Value, mut metric: Value| {
        [most, most + 1].map(|count| {
            metric[field] = (0..count).map(of).collect();
            mistakes(&json!({"metrics": [metric]})).len()
        })
    };
    let named = |nth: usize| json!({"name": format!("e{nth}")});
    let count = json!({"name": "m", "type": "event_count_custom"});
    assert_eq!(many("metricEvents", 100, &named, count), [0, 1]);
    assert_eq!(many("funnelEventList", 50, &named, json!({"name": "m", "type": "funnel"})), [0, 1]);
    let part = |nth: usize| json!({"name": format!("e{nth}"), "type": "event_count"});
    assert_eq!(many("metricComponentMetrics", 100, &part, json!({"name": "m", "type": "composite_sum"})), [0, 1]);
    let filtered = |criteria: usize, values: usize| {
        let values: Vec<String> = (0..values).map(|nth| nth.to_string()).collect();
        let criterion = json!({"type": "value", "condition": "in", "values": values});
        metric(json!({"metricEvents": [{"name": "e", "criteria": vec![criterion; criteria]}]}))
    };
    assert_eq!((filtered(20, 1), filtered(21, 1), filtered(1, 1000), filtered(1, 1001)), (0, 1, 0, 1));
    let analysis =
        |name: &str, number: f64| mistakes(&json!({"gates": [{"name": "g", "analysis": {name: number}}]})).len();
    for (name, fine, wrong) in [
        ("level", [0.51, 0.999], [0.5, 1.0]),
        ("winsorize", [0.0, 0.9999], [0.5, 1.0]),
        ("power", [0.51, 0.99], [0.5, 1.0]),
    ] {
        assert_eq!(
            (fine.map(|number| analysis(name, number)), wrong.map(|number| analysis(name, number))),
            ([0, 0], [1, 1]),
            "{name}"
        );
    }
    let days = |days: i64| mistakes(&json!({"gates": [{"name": "g", "analysis": {"cupedDays": days}}]})).len();
    assert_eq!((days(1), days(90), days(0), days(91)), (0, 0, 1, 1));
}

/// Each level has twice what the one below it has; without a bound a report would have to add up all of them.
#[test]
fn sums_of_sums_are_bounded_by_what_they_come_to() {
    let sums = |levels: usize| -> Vec<Value> {
        let sum = |level: usize| {
            let below = match level {
                0 => json!({"name": "e", "type": "event_count"}),
                level => json!({"name": format!("s{}", level - 1), "type": "composite_sum"}),
            };
            json!({"name": format!("s{level}"), "type": "composite_sum", "metricComponentMetrics": [below, below]})
        };
        (0..levels).map(sum).collect()
    };
    assert_eq!(mistakes(&json!({"metrics": sums(6)})), [], "2 to the 6th is 64");
    let found = mistakes(&json!({"metrics": sums(30)}));
    assert_eq!(found.len(), 24);
    assert_eq!(found[0].place, "metrics[6].metricComponentMetrics");
    assert!(found[0].message.contains("add up 128 metrics"), "{}", found[0].message);
    let explored = json!({"name": "x", "of": {"gate": "g"}, "explore": {"metrics": [
        {"name": "sum", "type": "composite_sum", "metricComponentMetrics": [
            {"name": "s5", "type": "composite_sum"}, {"name": "s5", "type": "composite_sum"}]}]}});
    let found = mistakes(&json!({"metrics": sums(6), "gates": [{"name": "g"}], "explorations": [explored]}));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, "explorations[0].explore.metrics[0].metricComponentMetrics");
}
