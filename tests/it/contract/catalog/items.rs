//! Each kind of item through its life, page by page, and across restarts.

use super::*;
use std::collections::BTreeSet;

/// Collection, a new item, its ID, a change of one field.
fn kinds() -> Vec<(&'static str, Value, &'static str, (&'static str, Value))> {
    let condition = json!({"type": "country", "operator": "any", "targetValue": ["CA"]});
    vec![
        ("gates", json!({"name": "g", "rules": [everyone("r", 10.0)]}), "g", ("description", json!("a gate"))),
        (
            "dynamic_configs",
            json!({"name": "c", "defaultValue": {"text": "Hello"}}),
            "c",
            ("defaultValue", json!({"text": "Good day"})),
        ),
        ("experiments", json!({"name": "e", "groups": groups()}), "e", ("hypothesis", json!("green is better"))),
        ("layers", json!({"name": "l", "idType": "userID"}), "l", ("description", json!("a layer"))),
        ("holdouts", json!({"name": "h", "passPercentage": 2}), "h", ("passPercentage", json!(3.5))),
        (
            "segments",
            json!({"name": "s", "type": "rule_based",
                "rules": [{"name": "ca", "passPercentage": 100, "conditions": [condition]}]}),
            "s",
            ("tags", json!(["north"])),
        ),
        (
            "metrics",
            json!({"name": "revenue", "type": "sum",
                "metricEvents": [{"name": "segment::Order", "type": "metadata", "metadataKey": "revenue"}]}),
            "revenue::sum",
            ("directionality", json!("increase")),
        ),
        (
            "explorations",
            json!({"name": "x", "of": {"experiment": "e"}, "explore": {"metrics": [{"name": "signup", "type": "event_user", "unitTypes": ["userID"]}]}}),
            "x",
            ("description", json!("who signs up")),
        ),
        ("unit_id_types", json!({"name": "companyID"}), "companyID", ("description", json!("a company"))),
    ]
}

#[test]
fn every_kind_is_made_read_changed_replaced_listed_and_removed() {
    let mut server = Server::start(&project());
    let document = server.get("/console/v1/openapi.json").json();
    for (collection, new, id, (field, value)) in kinds() {
        let item = format!("{collection}/{id}");
        assert_eq!(refused(&server, "GET", &item, &Value::Null), (404, "not_found".to_owned()), "{item}");
        let before = read(&server, collection).as_array().unwrap().len();
        let answer = ask(&server, "POST", collection, &new);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let made = answer.json()["data"].clone();
        assert_eq!((&made["id"], &made["version"]), (&json!(id), &json!(1)), "{made}");
        assert_eq!((&made["lastModifierName"], &made["creatorName"]), (&json!("automation"), &json!("automation")));
        let time = made["createdTime"].as_i64().expect("milliseconds");
        assert!(time > 1_700_000_000_000 && made["lastModifiedTime"] == time, "{made}");
        for (name, value) in new.as_object().unwrap() {
            assert!(made[name] == *value || value.is_array() || value.is_number(), "{name} of {made}");
        }
        assert_eq!(read(&server, &item), made);
        // Every field of the answer is documented.
        let schema = document["paths"][format!("/console/v1/{collection}")]["post"]["requestBody"]["content"]
            ["application/json"]["schema"]["$ref"]
            .as_str()
            .expect("a schema")
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        for name in made.as_object().unwrap().keys() {
            let known = &document["components"]["schemas"][&schema]["properties"][name];
            assert!(known.is_object(), "{schema}.{name} is not documented");
        }

        let changed = done(&server, "PATCH", &item, &json!({field: value}));
        assert_eq!((&changed[field], &changed["version"]), (&value, &json!(2)), "{changed}");
        // Sending back what was read is no change, be it as a whole or in part.
        for method in ["PATCH", "PUT", "POST"] {
            assert_eq!(done(&server, method, &item, &changed), changed, "{method} {item}");
        }
        let replaced = done(&server, "PUT", &item, &new);
        assert_eq!((&replaced["version"], &replaced["createdTime"]), (&json!(3), &made["createdTime"]));
        for name in made.as_object().unwrap().keys().filter(|name| !name.starts_with("last") && *name != "version") {
            assert_eq!(replaced[name], made[name], "{item}: {name}");
        }
        let listed = ask(&server, "GET", collection, &Value::Null).json();
        let ids: BTreeSet<&str> =
            listed["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert!(ids.contains(id) && ids.len() == before + 1, "{ids:?}");
        assert_eq!(listed["pagination"]["totalItems"], before + 1);
        // All of it is on disk.
        server.kill();
        server.restart();
        assert_eq!(read(&server, &item), replaced);
        assert_eq!(done(&server, "DELETE", &item, &Value::Null)["id"], id);
        for method in ["GET", "DELETE", "PATCH", "PUT"] {
            assert_eq!(refused(&server, method, &item, &json!({})), (404, "not_found".to_owned()), "{method} {item}");
        }
        // Made again it goes on counting, so that its history stays whole.
        assert_eq!(done(&server, "POST", collection, &new)["version"], 5, "{item}");
        let versions = read(&server, &format!("{item}/versions"));
        let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|it| it["version"].clone()).collect();
        assert_eq!(numbers, [5, 4, 3, 2, 1], "{versions}");
        assert_eq!((&versions[1]["removed"], &versions[3][field]), (&json!(true), &value));
    }
}

#[test]
fn lists_come_in_numbered_pages() {
    let server = Server::start(&project());
    for n in 0..5 {
        done(&server, "POST", "gates", &json!({"name": format!("gate_{n}")}));
    }
    let page = |query: &str| ask(&server, "GET", &format!("gates{query}"), &Value::Null).json();
    let names = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let path = |page: u32| json!(format!("/console/v1/gates?page={page}&limit=2"));
    let mut at = json!("/console/v1/gates?limit=2");
    let mut seen = Vec::new();
    for number in 1..=3 {
        let page = server.get(at.as_str().unwrap()).json();
        seen.extend(names(&page));
        let told = &page["pagination"];
        assert_eq!(told["itemsPerPage"], 2);
        assert_eq!((&told["pageNumber"], &told["totalItems"]), (&json!(number), &json!(5)));
        let (next, previous) = (number < 3, number > 1);
        assert_eq!(told["nextPage"], if next { path(number + 1) } else { Value::Null });
        assert_eq!(told["previousPage"], if previous { path(number - 1) } else { Value::Null });
        assert_eq!(told["all"], "/console/v1/gates");
        at = told["nextPage"].clone();
    }
    assert_eq!(seen, ["gate_0", "gate_1", "gate_2", "gate_3", "gate_4"]);
    assert_eq!(names(&page("")).len(), 5);
    let beyond = page("?page=9&limit=2");
    assert_eq!((names(&beyond).len(), &beyond["pagination"]["nextPage"]), (0, &Value::Null));
    assert_eq!(names(&page("?limit=1000")).len(), 5);
    for (query, code) in [
        ("?limit=0", "invalid_limit"),
        ("?limit=1001", "invalid_limit"),
        ("?limit=x", "invalid_query"),
        ("?page=0", "invalid_page"),
        ("?page=-1", "invalid_query"),
    ] {
        assert_eq!(refused(&server, "GET", &format!("gates{query}"), &Value::Null), (400, code.to_owned()), "{query}");
    }
    assert_eq!(names(&page("?page=18446744073709551615")).len(), 0);
}

#[test]
fn what_is_there_from_the_start_is_changed_and_goes_back_to_its_defaults() {
    let mut server = Server::start(&project());
    let ids = |server: &Server, path: &str| -> Vec<Value> {
        read(server, path).as_array().unwrap().iter().map(|it| it["id"].clone()).collect()
    };
    assert_eq!(ids(&server, "unit_id_types"), ["userID", "stableID"]);
    let parts =
        ["segment.incoming", "segment.outgoing", "rudderstack.incoming", "webhook.incoming", "webhook.outgoing"];
    assert_eq!(ids(&server, "integrations"), parts);
    let environments = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({"name": name, "isProduction": *name == "production"})).collect()
    };
    let new = read(&server, "environments");
    assert_eq!(new["environments"], environments(&["production", "staging", "development"]));
    assert_eq!((&new["version"], &new["lastModifierName"]), (&json!(0), &Value::Null));
    let wanted = json!({"environments": [{"name": "production"}, {"name": "qa"}], "version": 0});
    let set = done(&server, "POST", "environments", &wanted);
    assert_eq!((&set["environments"], &set["version"]), (&environments(&["production", "qa"]), &json!(1)));
    assert_eq!(done(&server, "PUT", "environments", &set), set);

    assert_eq!(read(&server, "settings")["eventPrefix"], "segment::");
    let set = done(&server, "PATCH", "settings", &json!({"eventPrefix": "s::", "deduplicationHours": 48}));
    assert_eq!((&set["eventPrefix"], &set["deduplicationHours"]), (&json!("s::"), &json!(48)));
    let set = done(&server, "PATCH", "settings", &json!({"deduplicationHours": null}));
    assert_eq!((&set["eventPrefix"], set.get("deduplicationHours"), &set["version"]), (&json!("s::"), None, &json!(2)));
    assert_eq!(done(&server, "PUT", "settings", &json!({}))["eventPrefix"], "segment::");

    let incoming = "integrations/rudderstack.incoming";
    assert_eq!(done(&server, "PATCH", incoming, &json!({"isEnabled": false}))["isEnabled"], false);
    server.kill();
    server.restart();
    assert_eq!(read(&server, incoming)["isEnabled"], false);
    assert_eq!(read(&server, "environments")["environments"], environments(&["production", "qa"]));
    assert_eq!(done(&server, "DELETE", incoming, &Value::Null)["isEnabled"], false, "as it was");
    assert_eq!(read(&server, incoming)["isEnabled"], true);
    assert_eq!(done(&server, "DELETE", incoming, &Value::Null)["isEnabled"], true, "it has its defaults already");
    for path in ["environments", "settings", incoming] {
        assert!(!read(&server, &format!("{path}/versions")).as_array().unwrap().is_empty(), "{path}");
    }
}

#[test]
fn a_metric_is_read_by_its_name_and_type_and_anything_by_its_name() {
    let server = Server::start(&project());
    let event = json!([{"name": "segment::Order Completed"}]);
    let metric = json!({"name": "orders made", "type": "event_count_custom", "metricEvents": event});
    done(&server, "POST", "metrics", &metric);
    for path in ["metrics/orders%20made/event_count_custom", "metrics/orders%20made::event_count_custom"] {
        assert_eq!(read(&server, path)["name"], "orders made", "{path}");
    }
    assert_eq!(read(&server, "metrics/list").as_array().unwrap().len(), 1);
    done(&server, "POST", "gates", &json!({"id": "g1", "name": "new checkout"}));
    assert_eq!(read(&server, "gates/new%20checkout")["id"], "g1");
    assert_eq!(done(&server, "PATCH", "gates/g1", &json!({"name": "checkout"}))["id"], "g1");
    assert_eq!(refused(&server, "GET", "gates/new%20checkout", &Value::Null).0, 404);
    assert_eq!(read(&server, "unit_id_types/USERID")["id"], "userID", "as SDKs find it");
}

#[test]
fn a_value_as_deep_as_it_may_be_is_read_again_wherever_it_stands() {
    let mut server = Server::start(&project());
    // The document, the field, and what is inside.
    let nested = |levels: usize| (2..levels).fold(json!([]), |value, _| json!([value]));
    let config = |levels: usize| json!({"name": "deep", "defaultValue": {"a": nested(levels - 1)}});
    assert_eq!(refused(&server, "POST", "dynamic_configs", &config(65)), (400, "invalid_item".to_owned()));
    let made = done(&server, "POST", "dynamic_configs", &config(64));
    // A rule's body stands two levels deeper in its config.
    let rule =
        json!({"name": "r", "passPercentage": 1, "conditions": [{"type": "public"}], "returnValue": {"a": nested(63)}});
    done(&server, "POST", "dynamic_configs/deep/rules", &rule);
    done(&server, "PATCH", "dynamic_configs/deep", &json!({"defaultValue": {}}));
    server.restart();
    assert_eq!(read(&server, "dynamic_configs/deep/rules/r")["returnValue"], rule["returnValue"]);
    assert_eq!(read(&server, "dynamic_configs/deep/versions")[2]["defaultValue"], made["defaultValue"]);
    assert_eq!(read(&server, "audit_logs")[0]["changes"]["defaultValue"]["from"], made["defaultValue"]);
    done(&server, "POST", "gates", &json!({"name": "after"}));
}
