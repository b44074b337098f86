//! The OpenAPI 3.1 document of the console API, written from the table that routes its requests and from the types that
//! read and write its JSON. Holds no data of the project, so that no key is needed to read it.

use crate::admin::{
    Applied, AuditRow, DeadLetterDetail, EventRow, GroupExposures, ItemMetadata, KeyInfo, LetterCount, MetricPreview,
    MetricValue, Moved, NameRow, Replay, Selected, Selection, Status, ValveName,
};
use crate::catalog::{ProjectFile, definitions};
use crate::export::{Attempt, DeadLetter, DestinationStatus};
use crate::http::reply::Reply;
use crate::http::route::Verb;
use crate::http::route::console::{Answer, Call, Endpoint, TABLE};
use crate::results::{COLUMNS, Report};
use crate::store::RejectedSample;
use hyper::StatusCode;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document, written once.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

pub(super) fn reply() -> Reply {
    Reply::json(StatusCode::OK, DOCUMENT.as_bytes())
}

/// Schemas of items: what the type says, and beside it what answers tell of the item.
const ITEMS: [&str; 13] = [
    "Gate",
    "DynamicConfig",
    "Experiment",
    "Layer",
    "Holdout",
    "Segment",
    "Metric",
    "Exploration",
    "IdType",
    "Settings",
    "Incoming",
    "SegmentOutgoing",
    "WebhookOutgoing",
];

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in TABLE.iter() {
        let path = paths.entry(format!("/console/v1/{}", endpoint.path)).or_insert_with(|| json!({}));
        path[method(endpoint.verb)] = operation(endpoint);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir console API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Reads and changes what a Weir project has set, and reads what it measured. Shapes and names \
                are those of Statsig's Console API where it has the thing. `x-role` is the least role of a console key.",
        },
        "security": [{"consoleKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"consoleKey": {"type": "apiKey", "in": "header", "name": "statsig-api-key"}},
            "schemas": schemas(),
        },
    })
}

fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
        Verb::Put => "put",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn operation(endpoint: &Endpoint) -> Value {
    let named = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        named.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    let paging: &[(&str, &str)] = match &endpoint.answer {
        Answer::Pages(_) | Answer::Paged(_) => {
            &[("limit", "Items a page, 1 to 1000; 100 if left out"), ("page", "The page, from 1 on")]
        }
        _ => &[],
    };
    for (name, description) in paging.iter().chain(endpoint.query) {
        let schema = match *name {
            "limit" | "page" => json!({"type": "integer", "minimum": 1}),
            "before" | "after" => json!({"type": "integer", "minimum": 0}),
            _ => json!({"type": "string"}),
        };
        parameters.push(json!({"name": name, "in": "query", "description": description, "schema": schema}));
    }
    let changes_item = matches!(endpoint.call, Call::Change(..) | Call::SelectNames) && endpoint.path.contains("{id}");
    if changes_item {
        let description = "The version that the change was thought out for; another is refused with version_conflict";
        let schema = json!({"type": "string"});
        parameters.push(json!({"name": "If-Match", "in": "header", "description": description, "schema": schema}));
    }
    let (kind, schema) = answered(&endpoint.answer);
    let mut content = json!({kind: {"schema": schema}});
    if endpoint.answer == Answer::Bare("Report".into()) {
        content["text/csv"] = json!({"schema": {"type": "string", "description": csv_columns()}});
    }
    let mut operation = json!({
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split('/').next()],
        "parameters": parameters,
        "responses": {
            endpoint.status.to_string(): {"description": "Done", "content": content},
            "default": {
                "description": "Refused or failed; `code` says why",
                "content": {"application/json": {"schema": reference("Error")}},
            },
        },
    });
    match endpoint.role {
        Some(role) => operation["x-role"] = serde_json::to_value(role).unwrap_or_default(),
        None => operation["security"] = json!([]),
    }
    if let Some(request) = &endpoint.request {
        let required = endpoint.verb != Verb::Delete && request != "Abandonment";
        operation["requestBody"] =
            json!({"required": required, "content": {"application/json": {"schema": reference(request)}}});
    }
    operation
}

/// What the table of a report has in each column.
fn csv_columns() -> String {
    let columns = COLUMNS.iter().map(|column| format!("{}: {}", column.name, column.meaning));
    format!(
        "A row for each comparison of each metric, after a row of names; undefined numbers are empty. Columns: {}.",
        columns.collect::<Vec<_>>().join(". ")
    )
}

/// The media type and schema of an answer.
fn answered(answer: &Answer) -> (&'static str, Value) {
    let wrapped = |data: Value, pagination: Option<&str>| {
        let mut schema = json!({
            "type": "object",
            "properties": {"message": {"type": "string"}, "data": data},
            "required": ["message", "data"],
        });
        if let Some(pagination) = pagination {
            schema["properties"]["pagination"] = reference(pagination);
            schema["required"] = json!(["message", "data", "pagination"]);
        }
        schema
    };
    let list = |of: &str| json!({"type": "array", "items": reference(of)});
    match answer {
        Answer::Data(of) => ("application/json", wrapped(reference(of), None)),
        Answer::All(of) => ("application/json", wrapped(list(of), None)),
        Answer::Pages(of) => ("application/json", wrapped(list(of), Some("Pages"))),
        Answer::Paged(of) => ("application/json", wrapped(reference(of), Some("Pages"))),
        Answer::Endless(of) => ("application/json", wrapped(list(of), Some("Endless"))),
        Answer::Bare(of) => ("application/json", reference(of)),
        Answer::Stream => ("text/event-stream", json!({"type": "string"})),
    }
}

fn schemas() -> Map<String, Value> {
    // Those of the catalog name each other below `$defs`.
    let text = definitions().to_string().replace("#/$defs/", "#/components/schemas/");
    let mut schemas: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .for_serialize()
        .into_generator();
    for (name, schema) in [
        ("Event", generator.root_schema_for::<EventRow>()),
        ("EventName", generator.root_schema_for::<NameRow>()),
        ("Rejected", generator.root_schema_for::<RejectedSample>()),
        ("ServerStatus", generator.root_schema_for::<Status>()),
        ("Applied", generator.root_schema_for::<Applied>()),
        ("Key", generator.root_schema_for::<KeyInfo>()),
        ("ValveName", generator.root_schema_for::<ValveName>()),
        ("Selection", generator.root_schema_for::<Selection>()),
        ("Selected", generator.root_schema_for::<Selected>()),
        ("AuditRow", generator.root_schema_for::<AuditRow>()),
        ("MetricPreview", generator.root_schema_for::<MetricPreview>()),
        ("MetricValue", generator.root_schema_for::<MetricValue>()),
        ("GroupExposures", generator.root_schema_for::<GroupExposures>()),
        ("Destination", generator.root_schema_for::<DestinationStatus>()),
        ("Attempt", generator.root_schema_for::<Attempt>()),
        ("DeadLetter", generator.root_schema_for::<DeadLetter>()),
        ("DeadLetterDetail", generator.root_schema_for::<DeadLetterDetail>()),
        ("Moved", generator.root_schema_for::<Moved>()),
        ("LetterCount", generator.root_schema_for::<LetterCount>()),
        ("Replay", generator.root_schema_for::<Replay>()),
        ("ItemMetadata", generator.root_schema_for::<ItemMetadata>()),
    ] {
        let mut schema = schema.to_value();
        for noise in ["$schema", "title", "$defs", "components"] {
            if let Some(fields) = schema.as_object_mut() {
                fields.remove(noise);
            }
        }
        schemas.insert(name.to_owned(), schema);
    }
    schemas.extend(generator.take_definitions(true));
    for name in ITEMS {
        let item = with_metadata(&schemas[name], name, &schemas["ItemMetadata"]);
        let mut patch = item.clone();
        if let Some(fields) = patch.as_object_mut() {
            fields.remove("required");
        }
        schemas.insert(format!("{name}Patch"), patch);
        schemas.insert(name.to_owned(), item);
    }
    schemas.remove("ItemMetadata");
    let mut rule = schemas["Rule"].clone();
    if let Some(fields) = rule.as_object_mut() {
        fields.remove("required");
    }
    schemas.insert("RulePatch".into(), rule);
    let parts = ["Incoming", "SegmentOutgoing", "WebhookOutgoing"];
    schemas.insert("Integration".into(), json!({"anyOf": parts.map(reference)}));
    schemas.insert("IntegrationPatch".into(), json!({"anyOf": parts.map(|part| reference(&format!("{part}Patch")))}));
    let mut of_gate = schemas["Explore"].clone();
    of_gate["properties"]["rule"] = schemas["Explored"]["properties"]["rule"].clone();
    schemas.insert("ExploreGate".into(), of_gate);
    schemas.extend(report());
    if let Value::Object(by_hand) = by_hand() {
        schemas.extend(by_hand);
    }
    schemas
}

/// The report and its parts. Words such as `Metric` mean another thing in the catalog, so the parts' names begin with `Report`.
fn report() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .for_serialize()
        .into_generator();
    let mut whole = generator.root_schema_for::<Report>().to_value();
    for noise in ["$schema", "title", "components"] {
        whole.as_object_mut().and_then(|fields| fields.remove(noise));
    }
    let mut schemas = Map::from_iter([("Report".to_owned(), whole)]);
    schemas.extend(generator.take_definitions(true).into_iter().map(|(name, part)| (format!("Report{name}"), part)));
    let text = Value::Object(schemas).to_string();
    let text = text.replace("\"#/components/schemas/", "\"#/components/schemas/Report");
    serde_json::from_str(&text).unwrap_or_default()
}

/// A type's schema with what answers have beside the document; requests may send it back.
fn with_metadata(schema: &Value, name: &str, metadata: &Value) -> Value {
    let mut item = schema.clone();
    let mut read_only: Map<String, Value> = metadata["properties"].as_object().cloned().unwrap_or_default();
    match name {
        "Gate" => {
            let words = ["In Progress", "Launched", "Disabled", "Archived"];
            let description = "How the gate stands, as its switches and rules have it.";
            read_only.insert("status".into(), json!({"enum": words, "description": description}));
        }
        "IdType" | "Metric" | "Incoming" | "SegmentOutgoing" | "WebhookOutgoing" => {
            let description = "What paths call it.";
            read_only.insert("id".into(), json!({"type": "string", "description": description}));
        }
        _ => {}
    }
    for (field, mut property) in read_only {
        property["readOnly"] = true.into();
        item["properties"][field] = property;
    }
    item
}

/// What has no type of its own, or a type that writes itself.
fn by_hand() -> Value {
    let text = json!({"type": "string"});
    let project: Value =
        serde_json::from_str(&ProjectFile::schema().replace("#/$defs/", "#/components/schemas/")).unwrap_or_default();
    json!({
        "Project": {
            "type": "object",
            "description": project["description"],
            "additionalProperties": false,
            "properties": project["properties"],
        },
        "OpenApi": {"type": "object", "description": "An OpenAPI document."},
        "Rules": {"type": "array", "items": reference("Rule")},
        "Ids": {
            "type": "object",
            "additionalProperties": false,
            "properties": {"ids": {"type": "array", "items": {"type": ["string", "integer"]}}},
            "required": ["ids"],
        },
        "IdList": {
            "type": "object",
            "properties": {
                "name": text,
                "count": {"type": "integer", "description": "IDs in the list."},
                "ids": {"type": "array", "items": text, "description": "A page of them; not where the list was changed."},
            },
            "required": ["name", "count"],
        },
        "EnvironmentList": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "environments": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "description": "What users and rules call it."},
                        "isProduction": {"type": "boolean", "readOnly": true},
                    },
                    "required": ["name"],
                }},
                "version": {"type": "integer", "readOnly": true},
                "lastModifierName": {"type": ["string", "null"], "readOnly": true},
                "lastModifiedTime": {"type": ["integer", "null"], "readOnly": true},
                "creatorName": {"type": ["string", "null"], "readOnly": true},
                "createdTime": {"type": ["integer", "null"], "readOnly": true},
            },
            "required": ["environments"],
        },
        "Decision": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "id": {"type": "string", "description": "The ID of the group that everyone gets."},
                "decisionReason": {"type": "string", "description": "Why it was decided so."},
                "removeTargeting": {"type": "boolean", "description": "Whether the targeting gate no longer counts."},
            },
            "required": ["id"],
        },
        "Abandonment": {
            "type": "object",
            "additionalProperties": false,
            "properties": {"decisionReason": {"type": "string", "description": "Why it was abandoned."}},
        },
        "NewKey": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "description": {"type": "string", "description": "What the key is for."},
                "type": reference("KeyType"),
                "role": reference("Role"),
            },
            "required": ["description", "type"],
        },
        "SignInLink": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "To be opened on the server's address; it works once."},
                "expiresAt": text,
            },
            "required": ["path", "expiresAt"],
        },
        "PulseResults": {
            "type": "object",
            "description": "An experiment has primaryMetrics and secondaryMetrics, a gate's rule monitoringMetrics.",
            "properties": {
                "ds": {"type": ["string", "null"], "description": "The last UTC day that counts."},
                "primaryMetrics": {"type": "array", "items": reference("PulseMetric")},
                "secondaryMetrics": {"type": "array", "items": reference("PulseMetric")},
                "monitoringMetrics": {"type": "array", "items": reference("PulseMetric")},
            },
            "required": ["ds"],
        },
        "PulseMetric": {
            "type": "object",
            "description": "One metric of a test group beside control. Numbers whose names begin with percent are in percent, \
                Std is the standard error of the mean, Delta half the length of an interval. Each number is also there \
                under Statsig's other spelling of it, such as test_mean; absoluteChange is value. An undefined number is \
                null. The most adjusted variant that has a number is shown, by cuped only where Statsig would; variant names it.",
            "properties": {
                "metricID": {"type": "string", "description": "name::type"},
                "metricName": text,
                "directionality": {"enum": ["increase", "decrease"], "description": "increase where nobody has said."},
                "absoluteChange": {"type": ["number", "null"]},
                "confidenceIntervalDelta": {"type": ["number", "null"]},
                "confidenceInterval": reference("PulseInterval"),
                "percentChange": {"type": ["number", "null"]},
                "percentConfidenceIntervalDelta": {"type": ["number", "null"]},
                "percentConfidenceInterval": reference("PulseInterval"),
                "percentSequentialTestingConfidenceIntervalDelta": {"type": ["number", "null"]},
                "percentSequentialTestingConfidenceInterval": reference("PulseInterval"),
                "testMean": {"type": ["number", "null"]},
                "controlMean": {"type": ["number", "null"]},
                "testStd": {"type": ["number", "null"]},
                "controlStd": {"type": ["number", "null"]},
                "testUnits": {"type": ["integer", "null"]},
                "controlUnits": {"type": ["integer", "null"]},
                "pValue": {"type": ["number", "null"]},
                "variant": text,
            },
            "required": ["metricID", "metricName", "directionality"],
        },
        "PulseInterval": {
            "type": ["object", "null"],
            "properties": {"lower": {"type": ["number", "null"]}, "upper": {"type": ["number", "null"]}},
        },
        "Pages": {
            "type": "object",
            "properties": {
                "itemsPerPage": {"type": "integer"},
                "pageNumber": {"type": "integer"},
                "totalItems": {"type": "integer"},
                "nextPage": {"type": ["string", "null"], "description": "The path of the next page."},
                "previousPage": {"type": ["string", "null"], "description": "The path of the page before."},
                "all": {"type": "string", "description": "The path of the list."},
            },
            "required": ["itemsPerPage", "pageNumber", "totalItems", "nextPage", "previousPage", "all"],
        },
        "Endless": {
            "type": "object",
            "properties": {
                "itemsPerPage": {"type": "integer"},
                "next": {"type": ["integer", "null"], "description": "To be passed back as `before`, or as `after` in a list that goes forward."},
            },
            "required": ["itemsPerPage", "next"],
        },
        "Error": {
            "type": "object",
            "properties": {
                "success": {"const": false},
                "code": {"type": "string", "description": "Stable; README lists them."},
                "message": {"type": "string", "description": "Says what to do."},
                "error": {"type": "string", "description": "The message again."},
                "mistakes": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"place": text, "message": text},
                    "required": ["place", "message"],
                }},
            },
            "required": ["success", "code", "message", "error"],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::{Place, Resolved, Route};
    use hyper::Method;
    use std::collections::BTreeSet;

    fn operations(document: &Value) -> Vec<(String, Method, String)> {
        let mut found = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                found.push((path.clone(), method, operation["operationId"].as_str().unwrap().to_owned()));
            }
        }
        found
    }

    #[test]
    fn what_is_documented_is_routed_and_what_is_routed_is_documented() {
        let document = document();
        let documented = operations(&document);
        for (template, method, operation) in &documented {
            let path = template.replace(['{', '}'], "");
            match Place::at(&path).resolve(method) {
                Resolved::Route(Route::Console(called)) => assert_eq!(&called.endpoint.operation, operation, "{path}"),
                other => panic!("{method} {path} is documented and leads to {other:?}"),
            }
        }
        let documented: BTreeSet<&String> = documented.iter().map(|(_, _, operation)| operation).collect();
        let routed: BTreeSet<&String> = TABLE.iter().map(|endpoint| &endpoint.operation).collect();
        assert_eq!(documented, routed);
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
        let document = document();
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let named: BTreeSet<&str> =
            text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        for name in &named {
            assert!(schemas.contains_key(*name), "there is no schema {name}");
        }
        assert!(!text.contains("#/$defs/"), "a reference leads out of the document");
        for name in schemas.keys() {
            assert!(named.contains(name.as_str()), "{name} is never used");
        }
    }

    #[test]
    fn no_description_speaks_of_the_source_code() {
        assert!(!document().to_string().contains("See the module"));
    }

    #[test]
    fn no_schema_takes_the_name_of_one_of_the_catalog() {
        let document = document();
        let text = definitions().to_string().replace("#/$defs/", "#/components/schemas/");
        let catalog: Map<String, Value> = serde_json::from_str(&text).unwrap();
        // Items are shown with what is known of them beside.
        for (name, schema) in catalog.iter().filter(|(name, _)| !ITEMS.contains(&name.as_str())) {
            assert_eq!(&document["components"]["schemas"][name], schema, "{name}");
        }
    }

    #[test]
    fn schemas_say_what_a_person_needs_to_write_an_item() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Gate"]["required"], json!(["name"]));
        assert!(schemas["GatePatch"].get("required").is_none());
        let gate = &schemas["Gate"]["properties"];
        assert_eq!((&gate["version"]["readOnly"], gate["rules"].get("readOnly")), (&json!(true), None));
        assert!(schemas["Experiment"]["properties"]["status"].get("readOnly").is_none());
        let operation = &document["paths"]["/console/v1/gates/{id}/rules/{ruleID}"]["patch"];
        assert_eq!((&operation["x-role"], &operation["parameters"][1]["name"]), (&json!("editor"), &json!("ruleID")));
        assert_eq!(document["paths"]["/console/v1/openapi.json"]["get"]["security"], json!([]));
    }
}
