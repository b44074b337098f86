//! Statsig's door in every encoding: recorded requests of its SDKs are taken however they are packed, stored once, and
//! shown as they were sent.

use super::{SUCCESS, list, rows, status};
use crate::running::{CLIENT_KEY, SERVER_KEY, Server, gzip, project, reversed_base64, zstd};
use serde_json::{Map, Value, json};

/// The recorded requests of one SDK.
fn recorded(sdk: &str) -> Vec<Value> {
    let path = format!("{}/tests/it/captures/{sdk}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a capture");
    text.lines().map(|line| serde_json::from_str(line).expect("a capture")).collect()
}

/// A way to pack a body: what is added to the query, the header, and the packing.
struct Packing {
    query: &'static str,
    header: Option<&'static str>,
    pack: fn(&[u8]) -> Vec<u8>,
}

const PACKINGS: [Packing; 10] = [
    Packing { query: "", header: None, pack: <[u8]>::to_vec },
    Packing { query: "", header: Some("gzip"), pack: |body| gzip(body) },
    Packing { query: "", header: Some("zstd"), pack: |body| zstd(body) },
    Packing { query: "gz=1", header: None, pack: |body| gzip(body) },
    Packing { query: "se=1", header: None, pack: |body| reversed_base64(body) },
    // Without a label, with the wrong one, and twice packed.
    Packing { query: "", header: None, pack: |body| zstd(body) },
    Packing { query: "gz=1", header: Some("gzip"), pack: |body| gzip(body) },
    Packing { query: "", header: Some("gzip"), pack: |body| zstd(body) },
    Packing { query: "gz=1&se=1", header: None, pack: |body| gzip(reversed_base64(body)) },
    Packing { query: "gz=1&se=1", header: None, pack: |body| reversed_base64(gzip(body)) },
];

/// Sends a recorded request with its own headers and query, packed anew; its key goes where the SDK puts it.
fn send(server: &Server, request: &Value, packing: &Packing) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let fields = |name: &str| -> Vec<(String, String)> {
        let entries = request[name].as_object().expect("an object").iter();
        entries.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    let mut query: Vec<String> = fields("query").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = fields("headers");
    headers.retain(|(name, _)| name != "content-encoding");
    headers.extend(packing.header.map(|encoding| ("content-encoding".to_owned(), encoding.to_owned())));
    match query.is_empty() {
        true => headers.push(("statsig-api-key".to_owned(), SERVER_KEY.to_owned())),
        false => query.insert(0, format!("k={CLIENT_KEY}")),
    }
    query.extend((!packing.query.is_empty()).then(|| packing.query.to_owned()));
    let path = format!("{}?{}", text(&request["path"]), query.join("&"));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = (packing.pack)(request["body"].to_string().as_bytes());
    let answer = server.ask("POST", &path, &headers, body);
    let what = format!("{path} {:?}", packing.header);
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS), "{what}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
}

/// What the recordings are about, as far as a catalog can have it.
fn with_recorded_subjects() -> Value {
    let mut project = project();
    let rule = |id: &str, percentage: f64| json!({"id": id, "name": id, "passPercentage": percentage, "conditions": [{"type": "public"}]});
    let group = |id: &str| json!({"id": id, "name": id, "size": 50});
    project["unitIdTypes"] = json!([{"name": "companyID"}]);
    project["gates"] = json!([
        {"name": "checkout_gate", "rules": [rule("rule_beta", 100.0), rule("rule_half", 50.0)]},
        {"name": "tiny_gate", "rules": [rule("rule_tiny", 0.37)]},
        {"name": "company_gate", "idType": "companyID", "rules": [rule("rule_co", 30.0)]},
        {"name": "list_gate", "rules": [rule("rule_list", 100.0)]},
    ]);
    project["holdouts"] = json!([{"name": "exp_holdout", "passPercentage": 10}]);
    project["layers"] = json!([{"name": "checkout_layer", "idType": "userID"}]);
    project["experiments"] = json!([
        {"name": "button_color", "status": "active", "groups": [group("grp_ctrl"), group("grp_test")]},
        {"name": "layered_exp", "status": "active", "layerID": "checkout_layer", "groups": [group("le_ctrl"), group("le_test")]},
        {"name": "unstarted_exp", "groups": [group("us_ctrl"), group("us_test")]},
    ]);
    project["dynamicConfigs"] = json!([{"name": "banner_config", "rules": []}]);
    project
}

/// Why a recorded exposure does not count; none does, because they were recorded in development.
fn why(name: &str, metadata: &Value) -> &'static str {
    let field = |name: &str| metadata[name].as_str().unwrap_or_default();
    let about = match name {
        "statsig::gate_exposure" => field("gate"),
        "statsig::layer_exposure" if field("isExplicitParameter") == "false" => return "no_experiment",
        "statsig::layer_exposure" => "layered_exp",
        _ => field("config"),
    };
    match (about, field("ruleID")) {
        ("banner_config", _) => "no_experiment",
        ("list_gate", _) => "nothing_to_compare",
        ("checkout_gate", "rule_beta") => "nothing_to_compare",
        ("checkout_gate" | "tiny_gate" | "company_gate" | "button_color" | "layered_exp" | "unstarted_exp", rule) => {
            match rule {
                "exp_holdout" => "held_out",
                "prestart" => "not_started",
                "layerAssignment" => "not_allocated",
                "default" => "no_rule",
                _ => "non_production",
            }
        }
        _ => "not_in_catalog",
    }
}

/// As the API shows values: text as it is, anything else as JSON, null not at all.
fn shown(values: &Value) -> Value {
    let entries = values.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Value::Object(entries.map(|(name, value)| (name.clone(), json!(text(value)))).collect::<Map<_, _>>())
}

/// The names that the recorded hashes stand for.
fn named(hash: &Value) -> Value {
    match hash.as_str() {
        Some("2404062244") => json!("checkout_gate"),
        Some("3963277837") => json!("exp_holdout"),
        Some("2970366734") => json!("layered_exp"),
        _ => hash.clone(),
    }
}

fn assert_shown_as_sent(row: &Value, event: &Value, body: &Value, client_time: i64) {
    let (user, name) = (&event["user"], event["eventName"].as_str().expect("a name"));
    assert_eq!((&row["name"], &row["source"]), (&event["eventName"], &json!("statsig")));
    assert_eq!(&row["raw"], event);
    let of = |value: &Value| value.as_str().filter(|id| !id.is_empty()).map(|id| json!(id));
    let units = [
        ("userID", of(&user["userID"])),
        ("companyID", of(&user["customIDs"]["companyID"])),
        ("stableID", of(&body["statsigMetadata"]["stableID"])),
    ];
    let units: Map<String, Value> =
        units.into_iter().filter_map(|(id_type, id)| Some((id_type.to_owned(), id?))).collect();
    assert_eq!(row["units"], Value::Object(units));
    assert_eq!(row["value"].as_f64(), event["value"].as_f64());
    assert_eq!(row["environment"], user["statsigEnvironment"]["tier"]);
    for (field, value) in user.as_object().expect("a user").iter().filter(|(_, value)| !value.is_null()) {
        assert_eq!(&row["user"][field], value, "{field}");
    }
    // Told by our clock, the event is as old as it was by the sender's.
    let time: i64 = row["timestamp"].as_str().and_then(|ms| ms.parse().ok()).expect("milliseconds");
    assert_eq!(
        row["receivedAt"].as_i64().expect("milliseconds") - time,
        client_time - event["time"].as_i64().expect("milliseconds")
    );
    let mut metadata = shown(&event["metadata"]);
    if !name.ends_with("_exposure") {
        assert_eq!((&row["metadata"], &row["kind"]), (&metadata, &json!("custom")));
        assert_eq!((row.get("counts"), row.get("why"), row.get("secondaryExposures")), (None, None, None));
        return;
    }
    if let Some(allocated) = metadata.get_mut("allocatedExperiment") {
        *allocated = named(allocated);
    }
    assert_eq!((&row["metadata"], &row["kind"]), (&metadata, &json!(name.trim_start_matches("statsig::"))));
    let mut secondary = event["secondaryExposures"].as_array().cloned().unwrap_or_default();
    for exposure in &mut secondary {
        exposure["gate"] = named(&exposure["gate"]);
    }
    assert_eq!(row.get("secondaryExposures"), (!secondary.is_empty()).then_some(&json!(secondary)));
    assert_eq!((&row["counts"], &row["why"]), (&json!(false), &json!(why(name, &event["metadata"]))), "{event}");
}

#[test]
fn a_recorded_request_is_taken_in_every_packing_and_stored_once_as_it_was_sent() {
    let server = Server::start(&with_recorded_subjects());
    let mut seen = 0;
    for sdk in ["statsig-node-legacy", "statsig-py-core", "statsig-js-client", "statsig-js-client-browser"] {
        for request in recorded(sdk) {
            let events = request["body"]["events"].as_array().expect("a list");
            let internal = |event: &&Value| event["eventName"] == "statsig::diagnostics";
            let kept: Vec<&Value> = events.iter().filter(|event| !internal(event)).collect();
            let before = status(&server);
            PACKINGS.iter().for_each(|packing| send(&server, &request, packing));
            let after = status(&server);
            let grown = |field: &str| after[field].as_u64().unwrap() - before[field].as_u64().unwrap();
            let (times, kept_count) = (PACKINGS.len() as u64, kept.len() as u64);
            assert_eq!(
                ["stored", "duplicate", "rejected"].map(grown),
                [kept_count, (times - 1) * kept_count, 0],
                "{sdk}"
            );
            assert_eq!(grown("filtered"), times * (events.len() as u64 - kept_count), "{sdk}");

            let client_time = request["query"].get("t").unwrap_or(&request["headers"]["statsig-client-time"]);
            let client_time = client_time.as_str().and_then(|ms| ms.parse().ok()).expect("the sender's clock");
            let mut stored = rows(&server, &format!("limit={}&source=statsig", kept.len()));
            stored.reverse();
            for (row, event) in stored.iter().zip(&kept) {
                assert_shown_as_sent(row, event, &request["body"], client_time);
            }
            seen += kept.len();
        }
    }
    assert_eq!(seen, 171);
    let filtered = list(&json!({"data": status(&server)["notStored"]}));
    let filtered: Vec<&Value> = filtered.iter().filter(|row| row["outcome"] == "filtered").collect();
    assert!(filtered.iter().all(|row| row["reason"] == "sdk_internal"), "{filtered:?}");
}

#[test]
fn what_cannot_be_unpacked_is_refused_and_the_next_body_is_taken() {
    let server = Server::start(&project());
    let body = br#"{"events":[{"eventName":"e","user":{"userID":"u"}}]}"#;
    let bomb = vec![b' '; 5 << 20];
    let (zipped, frame, turned) = (gzip(body), zstd(body), reversed_base64(body));
    let mut connection = server.connect();
    let table: [(&str, &str, &[u8], u16, &str); 17] = [
        ("", "zstd", body, 400, "bad_zstd"),
        ("", "zstd", &frame[..frame.len() - 1], 400, "bad_zstd"),
        ("", "", &frame[..frame.len() - 1], 400, "bad_zstd"),
        ("", "zstd", &[&frame[..], b"{}"].concat(), 400, "bad_zstd"),
        ("gz=1", "", body, 400, "bad_gzip"),
        ("gz=1", "", &zipped[..20], 400, "bad_gzip"),
        ("se=1", "", b"garbage!", 400, "bad_base64"),
        ("se=1", "", &turned[..turned.len() - 3], 400, "bad_base64"),
        ("se=1", "", &reversed_base64(b"garbage!"), 400, "malformed_json"),
        ("", "", &turned, 400, "malformed_json"),
        ("", "br", body, 415, "unsupported_encoding"),
        ("", "gzip, zstd", &frame, 415, "unsupported_encoding"),
        ("", "gzip", &gzip(&bomb), 413, "inflates_too_much"),
        ("", "zstd", &zstd(&bomb), 413, "inflates_too_much"),
        ("gz=1", "", &gzip(&bomb), 413, "inflates_too_much"),
        ("se=1", "", &reversed_base64(zstd(&bomb)), 413, "inflates_too_much"),
        ("se=1", "", &reversed_base64(&bomb[..4 << 20]), 413, "body_too_large"),
    ];
    for (query, encoding, sent, status, code) in table {
        for path in ["/v1/log_event", "/v1/rgstr"] {
            let path = format!("{path}?k={CLIENT_KEY}&{query}");
            let headers = [("content-encoding", encoding)];
            let headers = if encoding.is_empty() { &[][..] } else { &headers };
            let answer = connection.ask("POST", &path, headers, sent).expect("an answer");
            assert_eq!(
                (answer.status, answer.code()),
                (status, code.to_owned()),
                "{query:?} {encoding:?} {}",
                sent.len()
            );
            if answer.header("connection") == Some("close") {
                connection = server.connect();
            }
        }
    }
    let answer = connection.ask("POST", &format!("/v1/rgstr?k={CLIENT_KEY}"), &[], body).expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    // Two frames are one body, and text beyond ASCII comes through a browser's own base64.
    let halves = [zstd(&body[..20]), zstd(&body[20..])].concat();
    assert_eq!(server.ask("POST", &format!("/v1/rgstr?k={CLIENT_KEY}"), &[], halves).status, 202);
    let latin: Vec<u8> = r#"{"events":[{"eventName":"e","user":{"userID":"Zoë"}}]}"#.chars().map(|c| c as u8).collect();
    let answer = server.ask("POST", &format!("/v1/rgstr?k={CLIENT_KEY}&se=1"), &[], reversed_base64(latin));
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!((rows(&server, "unit=u").len(), rows(&server, "unit=Zo%C3%AB").len()), (2, 1));
    // The query's encodings are Statsig's: elsewhere they are a query like any other.
    let track = r#"{"event":"e","userId":"plain"}"#;
    for (sent, status) in [(track.as_bytes().to_vec(), 200), (reversed_base64(track), 400)] {
        assert_eq!(server.ask("POST", &format!("/v1/t?k={CLIENT_KEY}&se=1"), &[], sent).status, status);
    }
}

#[test]
fn a_browser_may_send_what_statsigs_sdk_sends() {
    let server = Server::start(&project());
    let origin = ("origin", "https://shop.example");
    let headers = "content-type,statsig-api-key,statsig-client-time,statsig-event-count,statsig-retry-count,\
                   statsig-sdk-type,statsig-sdk-version,statsig-server-session-id";
    for path in ["/v1/rgstr", "/v1/log_event"] {
        let asked = [origin, ("access-control-request-method", "POST"), ("access-control-request-headers", headers)];
        let answer = server.ask("OPTIONS", &format!("{path}?k={CLIENT_KEY}&st=javascript-client&gz=1"), &asked, "");
        assert_eq!(answer.status, 204);
        let allowed = answer.header("access-control-allow-headers").expect("a list");
        for name in headers.split(',') {
            assert!(allowed.split(", ").any(|header| header == name), "{name} is not in {allowed}");
        }
        // A beacon asks nothing before: it has no header of its own, and its key is in the query.
        let beacon = [origin, ("content-type", "text/plain;charset=UTF-8")];
        let body = r#"{"events":[{"eventName":"left","user":{"userID":"u"}}],"statsigMetadata":{"stableID":"s"}}"#;
        let answer =
            server.ask("POST", &format!("{path}?k={CLIENT_KEY}&st=javascript-client&sv=3&ec=1"), &beacon, body);
        assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1));
    }
    assert_eq!(rows(&server, "unit=s").len(), 2);
}

#[test]
fn the_http_api_may_say_the_user_once_and_the_time_in_words() {
    let server = Server::start(&project());
    let body = r#"{"events":[{"eventName":"a","time":"2026-01-01T00:00:00Z"},{"eventName":"b","time":1767225600000,
        "user":{"userID":"own","customIDs":{"stableid":"lower"}}}],"user":{"userID":"shared"},"statsigMetadata":{"stableID":"s"}}"#;
    let answer = server.post("/v1/log_event", body);
    assert_eq!((answer.status, answer.body.as_str()), (202, SUCCESS));
    for (unit, name, stable_id) in [("shared", "a", "s"), ("own", "b", "lower")] {
        let row = super::only(&server, unit);
        assert_eq!((&row["name"], &row["timestamp"]), (&json!(name), &json!("1767225600000")));
        assert_eq!(row["units"]["stableID"], stable_id);
    }
    // One bad event is refused by itself, and told by its place.
    let body = r#"{"events":[{"eventName":"good","user":{"userID":"u"}},{"eventName":"statsig::gate_exposure","metadata":{}},{"eventName":7}]}"#;
    let answer = server.post("/v1/log_event", body);
    assert_eq!((answer.status, &answer.json()["success"]), (202, &json!(true)));
    let codes: Vec<Value> = answer.json()["rejected"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| json!([row["index"], row["code"]]))
        .collect();
    assert_eq!(codes, [json!([1, "invalid_exposure"]), json!([2, "missing_event_name"])]);
    assert_eq!(rows(&server, "unit=u").len(), 1);
}
