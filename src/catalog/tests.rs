//! The catalog as a person meets it: lookups, defaults, the schema; mistakes and plans have files of their own. Reads
//! only committed files.

mod edits;
mod mistakes;
mod plans;

use super::*;
use crate::event::Timestamp;
use serde_json::{Value, json};

const EXAMPLE: &str = include_str!("../../data/project.example.json");
const SCHEMA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/project.schema.json");
const AT: Timestamp = Timestamp(1_795_438_699_353);
const FORCE: ApplyOptions = ApplyOptions { force: true, prune: false };
const PRUNE: ApplyOptions = ApplyOptions { force: false, prune: true };
const PLAIN: ApplyOptions = ApplyOptions { force: false, prune: false };

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn file(document: &Value) -> ProjectFile {
    ProjectFile::parse(&document.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn applied(file: &ProjectFile) -> Catalog {
    let new = Catalog::default();
    new.after(&new.plan(file, PLAIN), "first", AT).unwrap()
}

#[test]
fn the_schema_file_is_what_the_types_say() {
    let schema = ProjectFile::schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA_FILE, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(SCHEMA_FILE).unwrap_or_default();
    assert!(
        committed == schema,
        "data/project.schema.json is out of date: run UPDATE_SCHEMA=1 cargo test --lib catalog"
    );
}

#[test]
fn every_field_of_the_schema_tells_a_person_what_it_is() {
    let schema: Value = serde_json::from_str(&ProjectFile::schema()).unwrap();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for (field, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{field} has no description");
        }
        let closed = definition["additionalProperties"] == json!(false);
        assert!(closed || definition["type"] != "object", "{name} takes unknown fields");
    }
    assert!(schema["properties"].as_object().unwrap().values().all(|section| section["description"].is_string()));
    let names = schema["$defs"]["MetricRef"]["properties"]["name"]["description"].as_str().unwrap();
    assert!(UserMetric::names().all(|name| names.contains(name)), "{names}");
}

#[test]
fn the_example_becomes_a_catalog_and_a_second_apply_is_empty() {
    let file = file(&example());
    let new = Catalog::default();
    let plan = new.plan(&file, PLAIN);
    assert_eq!(plan.create.len(), 2 + 1 + 1 + 5 + 2 + 1 + 1 + 1 + 1 + 2 + 11 + 1, "{plan:#?}");
    let catalog = new.after(&plan, "first", AT).unwrap();
    for options in [PLAIN, FORCE, PRUNE] {
        let again = catalog.plan(&file, options);
        assert!(again.is_empty() && again.kept.is_empty(), "{again:#?}");
        assert_eq!(again.unchanged.len(), plan.create.len());
    }
    let stored: Vec<Item> =
        serde_json::from_str(&serde_json::to_string(&catalog.items().collect::<Vec<_>>()).unwrap()).unwrap();
    let reopened = Catalog::from_items(stored).unwrap();
    assert!(reopened.plan(&file, PLAIN).is_empty());
    assert!(catalog.items().all(|item| item.version == 1 && item.author == "first" && item.time == AT));
}

#[test]
fn a_catalog_answers_by_name_and_by_id() {
    let mut document = example();
    document["experiments"][0]["id"] = json!("exp_1");
    let catalog = applied(&file(&document));
    let experiment = catalog.experiment("button_color").unwrap();
    assert_eq!(catalog.experiment("exp_1"), Some(experiment));
    assert_eq!(experiment.control().unwrap().name, "Control");
    assert_eq!(experiment.start_time, Some(Instant(Timestamp(1_790_812_800_000))));
    assert_eq!(experiment.default_confidence_interval.level(), 0.95);
    assert_eq!(catalog.experiment("shipping_copy").unwrap().layer_id.as_deref(), Some("checkout_layer"));
    assert_eq!(catalog.gate("new_checkout").unwrap().rules[0].pass_percentage, 50.0);
    assert_eq!(catalog.gate("checkout_layer"), None);
    assert_eq!(catalog.metric("revenue", MetricType::Sum).unwrap().unit_types, ["userID"]);
    assert_eq!(catalog.metric("revenue", MetricType::Mean), None);
    let id_types: Vec<_> = catalog.id_types().iter().map(|it| &*it.name).collect();
    assert_eq!(id_types, ["userID", "stableID", "companyID", "segmentAnonymousId"]);
    assert_eq!(catalog.id_type("COMPANYid"), Some("companyID"));
    let incoming = &catalog.integrations().segment.incoming;
    let takes = |name: &str| passes(&incoming.events, incoming.include_new_events, name);
    assert!(takes("Order Completed") && !takes("Debug Ping"));
    let outgoing = catalog.integrations().segment.outgoing.chosen();
    assert!(!passes(outgoing.events, outgoing.include_new_events, "noisy_event"));
    assert!(!catalog.integrations().rudderstack.incoming.is_enabled);
}

#[test]
fn a_new_project_has_what_it_needs_to_take_events() {
    let new = Catalog::default();
    assert_eq!(new.environments(), ["production", "staging", "development"]);
    assert_eq!((new.settings().event_prefix.as_str(), new.settings().deduplication_hours), ("segment::", None));
    let all = new.integrations();
    assert!(all.segment.incoming.is_enabled && all.webhook.incoming.is_enabled && all.rudderstack.incoming.is_enabled);
    assert!(!all.segment.outgoing.is_enabled && !all.webhook.outgoing.is_enabled);
    assert_eq!(file(&json!({})).keys(), []);
}

#[test]
fn fields_that_are_left_out_have_their_defaults_and_spelling_them_out_is_no_change() {
    let short = file(&json!({
        "gates": [{"name": "g", "rules": [{"name": "r", "passPercentage": 5, "conditions": [{"type": "public"}]}]}],
        "experiments": [{"name": "e", "groups": [{"name": "a", "size": 50}, {"name": "b", "size": 50}]}],
    }));
    let catalog = applied(&short);
    assert_eq!(catalog.gate("g").unwrap().rules[0].id, "r");
    assert_eq!(catalog.experiment("e").unwrap().status, Status::Setup);
    let long = file(&json!({
        "gates": [{"id": "g", "name": "g", "isEnabled": true, "idType": "userID", "description": null, "tags": [],
            "rules": [{"id": "r", "name": "r", "passPercentage": 5.0,
                "conditions": [{"type": "public", "operator": null}]}]}],
        "experiments": [{"name": "e", "allocation": 100, "status": "setup", "sequentialTesting": false, "layerID": null,
            "groups": [{"name": "a", "size": 50, "parameterValues": {}}, {"name": "b", "id": "b", "size": 50}]}],
    }));
    assert!(catalog.plan(&long, PLAIN).is_empty());
}

#[test]
fn the_analysis_of_an_experiment_speaks_the_words_of_a_reports_options() {
    let catalog = applied(&file(&example()));
    let options = catalog.experiment("button_color").unwrap().analysis.options();
    let options: Vec<_> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        options.join("&"),
        "alternative=two_sided&crossovers=exclude&cuped=true&cupedDays=7&join=timestamp&power=0.8&primaryAlphaShare=0.8&\
         relative=fieller&winsorize=0.999"
    );
    assert_eq!(catalog.experiment("shipping_copy").unwrap().analysis.options(), []);
}

#[test]
fn the_examples_of_the_readme_are_metrics_of_their_types() {
    let rows = include_str!("../../README.md").lines().filter_map(|line| {
        let (kind, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        let (_, example) = rest.rsplit_once("| `{\"")?;
        let mut metric: Value = serde_json::from_str(&format!("{{\"{}", example.strip_suffix("` |")?)).ok()?;
        (metric["name"], metric["type"]) = (json!(format!("my_{kind}")), json!(kind));
        Some(metric)
    });
    let mut metrics: Vec<Value> = rows.collect();
    let shown: Vec<_> = metrics.iter().map(|metric| metric["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, ["event_count_custom", "event_user", "sum", "mean", "ratio", "funnel", "composite_sum"]);
    metrics.push(json!({"name": "shoe_views", "type": "event_count_custom", "metricEvents": [{"name": "e"}]}));
    assert_eq!(applied(&file(&json!({"metrics": metrics}))).metrics().len(), 8);
}

#[test]
fn a_catalog_tells_what_names_a_metric() {
    let mut document = example();
    document["gates"][0]["monitoringMetrics"] = json!([{"name": "conversion", "type": "event_user"}]);
    document["metrics"][8]["funnelEventList"][0]["name"] = json!("conversion");
    let catalog = applied(&file(&document));
    for (name, kind, places) in [
        ("revenue", MetricType::Sum, &["experiments[\"button_color\"].primaryMetrics[0].name"][..]),
        (
            "shoe_views",
            MetricType::EventCountCustom,
            &[
                "metrics[\"checkout_by_day::funnel\"].funnelEventList[0].name",
                "metrics[\"actions::composite_sum\"].metricComponentMetrics[0].name",
            ],
        ),
        (
            "conversion",
            MetricType::EventUser,
            &[
                "metrics[\"checkout::funnel\"].funnelEventList[0].name",
                "gates[\"new_checkout\"].monitoringMetrics[0].name",
            ],
        ),
        ("orders_per_view", MetricType::Ratio, &[]),
    ] {
        assert_eq!(catalog.uses_of_metric(name, kind), places, "{name}");
    }
}

#[test]
fn what_statsigs_api_has_and_weir_does_not_use_is_kept() {
    let gate = json!({
        "id": "g", "name": "g", "idType": "userID", "isEnabled": true, "type": "TEMPORARY", "measureMetricLifts": true,
        "tags": ["core"], "rules": [{"id": "r", "baseID": "rb", "name": "r", "passPercentage": 5.0,
            "conditions": [{"type": "custom_field", "field": "plan", "operator": "any", "targetValue": ["pro"]}],
            "pendingAutomatedRollouts": [{"time": "2026-10-01T00:00:00.000Z", "passPercent": 10.0}]}]
    });
    let catalog = applied(&file(&json!({"gates": [gate]})));
    assert_eq!(catalog.item(ItemKind::Gate, "g").unwrap().document, gate);
}

fn named(item: &mut Value, name: &str) {
    item["id"] = json!(name);
    item["name"] = json!(name);
}

/// Appends a copy of an element with a change.
fn push(document: &mut Value, section: &str, index: usize, change: impl Fn(&mut Value)) {
    let mut copy = document[section][index].clone();
    change(&mut copy);
    document[section].as_array_mut().unwrap().push(copy);
}
