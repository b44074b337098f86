//! What is told of changes: an event for each, versions, the audit log; and how changes go together with project files.

use super::*;
use crate::contract::rows;

fn told(server: &Server) -> Value {
    rows(server, "name=statsig::config_change&limit=1").remove(0)
}

fn apply(server: &Server, query: &str, project: &Value) -> Value {
    done(server, "POST", &format!("project{query}"), project)
}

#[test]
fn each_change_is_one_event_that_tells_who_what_and_how() {
    let server = Server::start(&with_editor());
    let before = rows(&server, "name=statsig::config_change").len();
    let answer = ask_by(&server, EDITOR_KEY, "POST", "gates", &json!({"name": "g", "rules": [everyone("r", 5.0)]}));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let event = told(&server);
    assert_eq!((&event["source"], &event["kind"]), (&json!("console"), &json!("config_change")));
    assert_eq!((&event["environment"], &event["user"]["name"]), (&json!("production"), &json!("editing")));
    let metadata = json!({"type": "gate", "name": "g", "action": "created", "author": "editing", "version": "1",
        "description": "gate g created"});
    assert_eq!(event["metadata"], metadata);
    done(&server, "PATCH", "gates/g", &json!({"isEnabled": false, "description": "off for now"}));
    let event = told(&server);
    let changes = json!({
        "description": {"from": null, "to": "off for now"},
        "isEnabled": {"from": true, "to": false},
    });
    assert_eq!(event["raw"]["metadata"]["changes"], changes);
    assert_eq!(event["metadata"]["description"], "gate g updated: description, isEnabled");
    assert_eq!((&event["metadata"]["author"], &event["metadata"]["version"]), (&json!("automation"), &json!("2")));
    // A rule for one environment concerns that environment.
    let mut rule = everyone("s", 5.0);
    rule["environments"] = json!(["staging"]);
    done(&server, "POST", "gates/g/rules", &rule);
    assert_eq!(told(&server)["raw"]["metadata"]["environments"], json!(["staging"]));
    // What changes nothing is told to nobody, and neither is what was refused.
    done(&server, "PATCH", "gates/g", &json!({"isEnabled": false}));
    assert_eq!(ask(&server, "PATCH", "gates/g", &json!({"idType": "x"})).status, 400);
    assert_eq!(rows(&server, "name=statsig::config_change").len(), before + 3);
    done(&server, "DELETE", "gates/g", &Value::Null);
    let event = told(&server);
    assert_eq!((&event["metadata"]["action"], &event["metadata"]["version"]), (&json!("removed"), &json!("0")));
    // What nobody has set before is changed from its default.
    done(&server, "PATCH", "settings", &json!({"eventPrefix": "s::"}));
    let event = told(&server);
    assert_eq!(event["metadata"]["description"], "settings created: eventPrefix");
    assert_eq!(event["raw"]["metadata"]["changes"], json!({"eventPrefix": {"from": "segment::", "to": "s::"}}));
    // A long value is told by its size.
    done(&server, "POST", "layers", &json!({"name": "l", "idType": "userID", "description": "x".repeat(5000)}));
    done(&server, "PATCH", "layers/l", &json!({"description": "short"}));
    let changes = told(&server)["raw"]["metadata"]["changes"]["description"].clone();
    assert_eq!(changes["to"], "short");
    assert!(changes["from"].as_str().unwrap().starts_with("(5002 bytes"), "{changes}");
}

#[test]
fn the_audit_log_lists_changes_newest_first() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    done(&server, "PUT", "gates/g/disable", &Value::Null);
    done(&server, "DELETE", "gates/g", &Value::Null);
    let page = ask(&server, "GET", "audit_logs?limit=2", &Value::Null).json();
    let first = &page["data"][1];
    assert_eq!(page["data"][0]["actionType"], "gate_removed");
    assert_eq!((&first["actionType"], &first["updatedBy"]), (&json!("gate_updated"), &json!("automation")));
    assert_eq!((&first["type"], &first["name"], &first["version"]), (&json!("gate"), &json!("g"), &json!(2)));
    assert_eq!(first["changes"], json!({"isEnabled": {"from": true, "to": false}}));
    assert_eq!(first["changeLog"], "gate g updated: isEnabled");
    let next = page["pagination"]["next"].as_u64().expect("there is more");
    let rest = ask(&server, "GET", &format!("audit_logs?limit=2&before={next}"), &Value::Null).json();
    assert_eq!(rest["data"][0]["actionType"], "gate_created");
    for (query, code) in [("limit=0", "invalid_limit"), ("limit=1001", "invalid_limit"), ("before=x", "invalid_query")]
    {
        assert_eq!(refused(&server, "GET", &format!("audit_logs?{query}"), &Value::Null), (400, code.to_owned()));
    }
    // No event that a sender makes is taken for a change.
    let body = json!({"events": [{"eventName": "statsig::config_change", "user": {"userID": "u"}, "metadata": {"name": "fake"}}]});
    server.post("/v1/log_event", body.to_string());
    assert_eq!(read(&server, "audit_logs?limit=1")[0]["actionType"], "gate_removed");
}

#[test]
fn a_secret_is_kept_and_never_shown() {
    let server = Server::start_with(&project(), &["--log-level", "trace"]);
    let outgoing = "integrations/segment.outgoing";
    let (first, second) = ("first-write-key-of-a-source", "second-write-key-of-a-source");
    let set = done(&server, "PATCH", outgoing, &json!({"writeKey": first, "isEnabled": true}));
    assert_eq!(set["writeKey"], "(hidden)");
    // Sent back as it was read it stays; an enabled integration would be refused without it.
    assert_eq!(done(&server, "PUT", outgoing, &set), set);
    let changed = done(&server, "PATCH", outgoing, &json!({"writeKey": second}));
    assert_eq!((&changed["version"], &changed["writeKey"]), (&json!(2), &json!("(hidden)")));
    let hidden = json!({"from": "(hidden)", "to": "(hidden)"});
    assert_eq!(told(&server)["raw"]["metadata"]["changes"], json!({"writeKey": hidden}));
    // An address of one's own often has a token in it.
    let third = "token-of-a-hook";
    let hook = json!({"url": format!("https://example.com/hook/{third}?t={third}"), "signingSecret": first});
    let set = done(&server, "PUT", "integrations/webhook.outgoing", &hook);
    assert_eq!(set["url"], "https://example.com/(hidden)");
    assert_eq!(done(&server, "PUT", "integrations/webhook.outgoing", &set), set);
    let elsewhere = json!({"url": "https://elsewhere.example/(hidden)"});
    assert_eq!(ask(&server, "PATCH", "integrations/webhook.outgoing", &elsewhere).status, 400, "of another host");
    done(&server, "PATCH", "integrations/webhook.outgoing", &json!({"url": format!("https://example.com/{second}")}));
    assert_eq!(ask(&server, "PATCH", outgoing, &json!({"writeKey": null})).status, 400, "it is enabled");
    let paths = [
        "integrations",
        outgoing,
        "integrations/segment.outgoing/versions",
        "integrations/webhook.outgoing",
        "audit_logs",
        "events",
    ];
    let shown = paths.map(|path| ask(&server, "GET", path, &Value::Null).body).concat() + &server.logged();
    assert!(shown.contains("https://example.com/(hidden)"));
    for secret in [first, second, third] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

#[test]
fn what_was_changed_here_stands_until_a_project_file_is_forced() {
    let mut file = project();
    file["gates"] = json!([{"name": "g", "rules": [everyone("r", 5.0)]}, {"name": "untouched"}]);
    let mut server = Server::start(&file);
    done(&server, "PATCH", "gates/g/rules/r", &json!({"passPercentage": 80.0}));
    done(&server, "POST", "layers", &json!({"name": "l", "idType": "userID"}));
    let percentage = |server: &Server| read(server, "gates/g")["rules"][0]["passPercentage"].clone();
    let outcome = apply(&server, "", &file);
    assert_eq!(outcome["updated"], json!([]), "{outcome}");
    let kept: Vec<&str> =
        outcome["kept"].as_array().unwrap().iter().map(|kept| kept["item"].as_str().unwrap()).collect();
    assert_eq!(kept, ["gate g", "layer l"], "{outcome}");
    // The file at the next start changes nothing either.
    server.kill();
    server.restart();
    assert_eq!(percentage(&server), 80.0);
    assert_eq!(apply(&server, "?prune=true", &file)["removed"], json!([]), "what was made here is not pruned");
    // A file that says the same takes over again.
    file["gates"][0]["rules"][0]["passPercentage"] = json!(80);
    assert_eq!(apply(&server, "", &file)["kept"].as_array().unwrap().len(), 1);
    file["gates"][0]["rules"][0]["passPercentage"] = json!(90);
    assert_eq!(apply(&server, "", &file)["updated"], json!(["gate g"]));
    assert_eq!(told(&server)["raw"]["metadata"]["changes"]["rules"]["to"][0]["passPercentage"], 90.0);
    done(&server, "DELETE", "gates/untouched", &Value::Null);
    assert_eq!(apply(&server, "", &file)["created"], json!(["gate untouched"]));
    assert_eq!(read(&server, "gates/untouched")["version"], 3, "made, removed, made again");
    done(&server, "PUT", "gates/g/disable", &Value::Null);
    let forced = apply(&server, "?force=true&prune=true", &file);
    assert_eq!((&forced["updated"], &forced["removed"]), (&json!(["gate g"]), &json!(["layer l"])));
    assert_eq!(read(&server, "gates/g")["isEnabled"], true);
}

#[test]
fn changes_at_the_same_time_are_made_one_after_the_other() {
    let server = Server::start(&project());
    done(&server, "POST", "gates", &json!({"name": "g"}));
    const WRITERS: usize = 4;
    const EACH: usize = 5;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let server = &server;
            scope.spawn(move || {
                for n in 0..EACH {
                    let rule = everyone(&format!("r{writer}-{n}"), 1.0);
                    assert_eq!(ask(server, "POST", "gates/g/rules", &rule).status, 201);
                }
            });
        }
    });
    let gate = read(&server, "gates/g");
    assert_eq!(gate["rules"].as_array().unwrap().len(), WRITERS * EACH, "none is lost");
    assert_eq!(gate["version"], 1 + WRITERS * EACH);
}
