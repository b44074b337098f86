//! Requests recorded from real SDKs, every event field by field.

use super::*;
use crate::event::{Basis, Subject};
use serde_json::Value;

/// The recorded requests of one SDK: a JSON document a line.
pub(super) fn captured(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/it/captures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[test]
fn every_event_of_segments_sdks_is_kept_as_it_was_sent() {
    let mut seen = 0;
    for (sdk, events) in
        [("ajs-next-chromium", 7), ("analytics-node-legacy", 30), ("segment-node", 30), ("segment-python", 30)]
    {
        let mut count = 0;
        for request in captured(sdk) {
            let body = &request["body"];
            let call = match request["path"].as_str().unwrap() {
                "/v1/batch" => Call::Many,
                "/v1/i" => Call::One(Kind::Identify),
                "/v1/t" => Call::One(Kind::Track),
                "/v1/p" => Call::One(Kind::Page),
                "/v1/s" => Call::One(Kind::Screen),
                "/v1/g" => Call::One(Kind::Group),
                "/v1/a" => Call::One(Kind::Alias),
                path => panic!("{path}"),
            };
            let sent = Timestamp::parse_iso(text(body, "sentAt").unwrap()).unwrap();
            let arrival = Arrival::new(Timestamp(sent.0 + 500), 1);
            let mut rules = rules();
            rules.client_keys.insert("test_write_key".into());
            let intake = super::super::segment(body.to_string().as_bytes(), call, &arrival, &rules, batch()).unwrap();
            assert_eq!(intake.rejected, []);
            let items = match body.get("batch") {
                Some(items) => items.as_array().unwrap().clone(),
                None => vec![body.clone()],
            };
            let events = intake.submission.batch.pushed();
            assert_eq!((events.len(), intake.received), (items.len(), items.len() as u64));
            assert_eq!(intake.write_key.as_deref(), text(body, "writeKey"));
            for (item, event) in items.iter().zip(&events) {
                count += 1;
                let kind = Kind::from_word(text(item, "type").unwrap()).unwrap();
                let name = match kind {
                    Kind::Track => format!("segment::{}", text(item, "event").unwrap()),
                    Kind::Page | Kind::Screen => format!("segment::{kind}:{}", text(item, "name").unwrap()),
                    _ => format!("segment::{kind}"),
                };
                let mut expected = Vec::new();
                expected.extend(text(item, "userId").map(|id| ("userID", id)));
                expected.extend(text(item, "anonymousId").map(|id| ("segmentAnonymousId", id)));
                assert_eq!((event.kind, &event.name), (kind, &name));
                assert_eq!(units(event), expected);
                assert_eq!(event.message_id, text(item, "messageId").unwrap());
                assert_eq!(Some(event.time), Timestamp::parse_iso(text(item, "timestamp").unwrap()));
                assert_eq!(event.environment, "production");
                let value = item.get("properties").and_then(|properties| properties.get("value"));
                assert_eq!(event.value, value.and_then(Value::as_f64));
                assert_eq!(&serde_json::from_str::<Value>(&event.raw).unwrap(), item);
                assert_eq!(event.shared, None);
            }
        }
        assert_eq!(count, events, "{sdk}");
        seen += count;
    }
    assert_eq!(seen, 97);
}

#[test]
fn every_event_of_statsigs_sdks_is_kept_as_it_was_sent() {
    for (sdk, kept, internal, exposures) in [
        ("statsig-node-legacy", 39, 1, 36),
        ("statsig-py-core", 40, 0, 37),
        ("statsig-js-client", 37, 2, 34),
        ("statsig-js-client-browser", 55, 3, 51),
    ] {
        let (mut events_kept, mut filtered, mut exposed) = (0, 0, 0);
        for request in captured(sdk) {
            let body = &request["body"];
            let (query, headers) = (&request["query"], &request["headers"]);
            let client_time = text(headers, "statsig-client-time").or(text(query, "t")).unwrap();
            let client_time = Timestamp(client_time.parse().unwrap());
            let arrival = Arrival {
                client_time: Some(client_time),
                session: text(headers, "statsig-server-session-id").or(text(query, "sid")).map(Into::into),
                ..Arrival::new(Timestamp(client_time.0 + 40), 1)
            };
            let bytes = body.to_string();
            let intake = statsig_log_event(bytes.as_bytes(), &arrival, &rules(), batch()).unwrap();
            assert_eq!(intake.rejected, []);
            assert_conserved(&intake);
            for (tally, count) in &intake.submission.tallies {
                assert_eq!((tally.reason, tally.name.as_str()), ("sdk_internal", "statsig::diagnostics"));
                filtered += count;
            }
            let wanted = body["events"].as_array().unwrap().iter();
            let wanted: Vec<&Value> =
                wanted.filter(|event| text(event, "eventName") != Some("statsig::diagnostics")).collect();
            let events = intake.submission.batch.pushed();
            events_kept += events.len();
            assert_eq!(events.len(), wanted.len());
            for (item, event) in wanted.iter().zip(&events) {
                let metadata = &item["metadata"];
                let of = |kind, name: &str, value: Option<&str>, allocated: Option<&str>| {
                    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
                    let name = owned(text(metadata, name));
                    let rule = owned(text(metadata, "ruleID"));
                    let basis = match text(metadata, "reason").unwrap() {
                        reason if reason.ends_with("Unrecognized") => Basis::Unrecognized,
                        _ => Basis::Rules,
                    };
                    Some(Subject { kind, name, rule, value: owned(value), allocated: owned(allocated), basis })
                };
                let name = text(item, "eventName").unwrap();
                let subject = match name {
                    "statsig::gate_exposure" => of(Kind::GateExposure, "gate", text(metadata, "gateValue"), None),
                    "statsig::config_exposure" => of(Kind::ConfigExposure, "config", None, None),
                    "statsig::layer_exposure" => {
                        of(Kind::LayerExposure, "config", None, text(metadata, "allocatedExperiment"))
                    }
                    _ => None,
                };
                exposed += usize::from(subject.is_some());
                assert_eq!((event.name.as_str(), &event.subject), (name, &subject));
                let user = &item["user"];
                let mut expected = Vec::new();
                expected.extend(text(user, "userID").filter(|id| !id.is_empty()).map(|id| ("userID", id)));
                expected.extend(text(&user["customIDs"], "companyID").map(|id| ("companyID", id)));
                expected.extend(text(&body["statsigMetadata"], "stableID").map(|id| ("stableID", id)));
                assert_eq!(units(event), expected);
                assert_eq!(Some(event.time.0), item["time"].as_i64());
                assert_eq!(event.value, item["value"].as_f64());
                assert_eq!(event.environment, "development");
                assert_eq!(&serde_json::from_str::<Value>(&event.raw).unwrap(), *item);
                let shared: Value = serde_json::from_str(event.shared.as_deref().unwrap()).unwrap();
                assert_eq!(shared["statsigMetadata"], body["statsigMetadata"]);
            }
            // A retry of the same body is the same messages.
            let retry = Arrival { received: Timestamp(client_time.0 + 5_000), body_id: 2, ..arrival };
            let again = statsig_log_event(bytes.as_bytes(), &retry, &rules(), batch()).unwrap();
            let ids = |events: &[Pushed]| events.iter().map(|event| event.message_id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&events), ids(&again.submission.batch.pushed()));
        }
        assert_eq!((events_kept, filtered, exposed), (kept, internal, exposures), "{sdk}");
    }
}
