//! ID lists as server SDKs read them: which there are, their files by ranges, and what fills them: the project file, the
//! console API, and audiences of Segment's Engage.

use super::{SUCCESS, rows};
use crate::running::{Answer, CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, VIEWER_KEY, project, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EDITOR_KEY: &str = "console-it0000000000000000000003";

/// Lines as anybody makes them with SHA-256 and base64.
fn line(operation: char, id: &str) -> String {
    format!("{operation}{}\n", hash8(id))
}

fn hash8(id: &str) -> String {
    use base64::Engine;
    use sha2::Digest;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(id))[..8].to_owned()
}

fn lines(lines: &[(char, &str)]) -> String {
    lines.iter().map(|(operation, id)| line(*operation, id)).collect()
}

fn with_lists(vips: &[&str]) -> Value {
    let mut project = project();
    project["keys"]
        .as_array_mut()
        .expect("keys")
        .push(json!({"description": "team", "type": "CONSOLE", "key": EDITOR_KEY, "role": "editor"}));
    project["unitIdTypes"] = json!([{"name": "companyID"}, {"name": "segmentAnonymousId"}]);
    project["integrations"] = json!({"segment": {"incoming": {
        "isEnabled": true, "mapIdentifiers": [{"field": "anonymousId", "idType": "segmentAnonymousId"}],
    }}});
    project["segments"] = json!([
        {"id": "vips", "name": "Our best", "type": "id_list", "ids": vips},
        {"id": "big_spenders", "name": "big_spenders", "type": "id_list"},
        {"id": "visitors", "name": "visitors", "type": "id_list", "idType": "segmentAnonymousId"},
        {"id": "firms", "name": "firms", "type": "id_list", "idType": "companyID"},
        {"id": "by_rule", "name": "by_rule", "type": "rule_based", "rules": []},
    ]);
    project
}

fn id_lists(server: &Server) -> Value {
    let answer = server.post("/v1/get_id_lists", "{}");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.body);
    answer.json()
}

/// The path of a list's file.
fn path(list: &Value) -> String {
    let url = list["url"].as_str().expect("an address");
    let path = url.strip_prefix("http://weir").expect("it begins with the host that was asked");
    assert_eq!(path, format!("/v1/id_lists/{}", list["fileID"].as_str().expect("a file ID")));
    path.to_owned()
}

fn read(server: &Server, path: &str, from: usize) -> Answer {
    server.ask("GET", path, &[("range", &format!("bytes={from}-"))], "")
}

/// A list's whole file.
fn file(server: &Server, list: &str) -> String {
    let lists = id_lists(server);
    let answer = server.ask("GET", &path(&lists[list]), &[], "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(lists[list]["size"], answer.body.len(), "{lists}");
    answer.body
}

fn apply(server: &Server, query: &str, project: &Value) {
    let key = ("statsig-api-key", CONSOLE_KEY);
    let answer = server.ask("POST", &format!("/console/v1/project{query}"), &[key], project.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn edit(server: &Server, method: &str, list: &str, body: &str) -> Answer {
    server.ask(method, &format!("/console/v1/segments/{list}/id_list"), &[("statsig-api-key", EDITOR_KEY)], body)
}

#[test]
fn an_sdk_reads_a_list_on_from_where_it_stands() {
    let mut server = Server::start(&with_lists(&["u1", "u2"]));
    let lists = id_lists(&server);
    let names: Vec<&String> = lists.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["big_spenders", "firms", "vips", "visitors"], "rules are no list");
    let vips = &lists["vips"];
    assert_eq!((&vips["name"], &vips["size"]), (&json!("vips"), &json!(20)), "{vips}");
    assert!(vips["creationTime"].as_i64().is_some_and(|ms| ms > 1_700_000_000_000), "{vips}");
    let file = path(vips);
    let whole = lines(&[('+', "u1"), ('+', "u2")]);
    let answer = server.ask("GET", &file, &[], "");
    assert_eq!((answer.status, answer.body.as_str()), (200, whole.as_str()));
    assert_eq!((answer.header("accept-ranges"), answer.header("content-length")), (Some("bytes"), Some("20")));
    let answer = read(&server, &file, 0);
    assert_eq!((answer.status, answer.body.as_str()), (206, whole.as_str()));
    assert_eq!((answer.header("content-range"), answer.header("content-length")), (Some("bytes 0-19/20"), Some("20")));
    // Nothing new: SDKs compare sizes and do not ask; who does is told the size.
    let answer = read(&server, &file, 20);
    assert_eq!((answer.status, answer.code().as_str()), (416, "range_not_satisfiable"));
    assert_eq!(answer.header("content-range"), Some("bytes */20"));
    // An empty list is there, and its file can be read from the beginning.
    let answer = read(&server, &path(&lists["firms"]), 0);
    assert_eq!((answer.status, answer.body.as_str(), answer.header("content-length")), (200, "", Some("0")));

    assert_eq!(edit(&server, "PATCH", "vips", r#"{"ids":["u3","u1"]}"#).status, 200);
    assert_eq!(edit(&server, "DELETE", "vips", r#"["u1"]"#).status, 200);
    let more = lines(&[('+', "u3"), ('-', "u1")]);
    for _ in 0..2 {
        let now = id_lists(&server)["vips"].clone();
        assert_eq!(
            (&now["size"], &now["fileID"], &now["creationTime"]),
            (&json!(40), &vips["fileID"], &vips["creationTime"])
        );
        let answer = read(&server, &file, 20);
        assert_eq!((answer.status, answer.body.as_str()), (206, more.as_str()));
        assert_eq!(answer.header("content-range"), Some("bytes 20-39/40"));
        let answer = server.ask("GET", &file, &[("range", "bytes=10-19")], "");
        assert_eq!((answer.status, answer.body), (206, line('+', "u2")));
        server.kill();
        server.restart();
    }
    let head = server.connect().ask("HEAD", &file, &[], b"").expect("an answer");
    assert_eq!((head.status, head.header("content-length")), (200, Some("40")));
    // A GET is as good, and a proxy's word about the address counts.
    let through =
        [("statsig-api-key", SERVER_KEY), ("x-forwarded-proto", "https"), ("x-forwarded-host", "weir.example.com")];
    let answer = server.ask("GET", "/v1/get_id_lists", &through, "").json();
    let url = answer["vips"]["url"].as_str().expect("an address");
    assert_eq!(url, format!("https://weir.example.com{file}"));
    let output = server.stop();
    assert!(output.success());
    let output = server.command(&["check", "--data", "data", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((&report["problems"], &report["members"]), (&json!([]), &json!(2)), "{report}");
}

#[test]
fn only_a_server_key_tells_where_the_lists_are() {
    let server = Server::start(&with_lists(&["u1"]));
    let file = path(&id_lists(&server)["vips"]);
    let ask = |method: &str, path: &str, key: Option<&str>| {
        let header = key.map(|key| ("statsig-api-key", key));
        let answer = server.ask(method, path, header.as_slice(), "");
        (answer.status, if answer.status < 400 { String::new() } else { answer.code() })
    };
    for method in ["POST", "GET"] {
        for (key, expected) in [
            (Some(SERVER_KEY), (200, "")),
            (Some(CLIENT_KEY), (403, "key_not_allowed")),
            (Some(CONSOLE_KEY), (403, "key_not_allowed")),
            (Some("secret-nobody0000000000000000"), (401, "unknown_key")),
            (None, (401, "missing_key")),
        ] {
            let (status, code) = ask(method, "/v1/get_id_lists", key);
            assert_eq!((status, code.as_str()), expected, "{method} {key:?}");
        }
    }
    // The file's address is enough; a key that may not read it is refused all the same.
    for (path, key, expected) in [
        (file.as_str(), None, (200, "")),
        (&file, Some(SERVER_KEY), (200, "")),
        (&file, Some(CLIENT_KEY), (403, "key_not_allowed")),
        (&file, Some("client-nobody0000000000000000"), (401, "unknown_key")),
        ("/v1/id_lists/vips", None, (404, "not_found")),
        ("/v1/id_lists/00000000000000000000000000000000", Some(SERVER_KEY), (404, "not_found")),
    ] {
        let (status, code) = ask("GET", path, key);
        assert_eq!((status, code.as_str()), expected, "{path} {key:?}");
    }
    let answer = server.ask("POST", &format!("/v1/get_id_lists?k={CLIENT_KEY}"), &[], "{}");
    assert_eq!(answer.status, 403);
}

#[test]
fn what_changes_in_the_project_file_is_appended_and_other_ids_stay() {
    let server = Server::start(&with_lists(&["u1", "u2"]));
    assert_eq!(edit(&server, "PATCH", "vips", "by-hand\n\n  other \r\n").status, 200);
    let before = id_lists(&server)["vips"].clone();
    apply(&server, "", &with_lists(&["u2", "u3"]));
    let expected = lines(&[('+', "u1"), ('+', "u2"), ('+', "by-hand"), ('+', "other"), ('-', "u1"), ('+', "u3")]);
    assert_eq!(file(&server, "vips"), expected);
    // The same again, or a change of something else, adds nothing.
    let mut described = with_lists(&["u2", "u3"]);
    described["segments"][0]["description"] = json!("who buys most");
    apply(&server, "", &described);
    apply(&server, "?dryRun=1", &with_lists(&[]));
    assert_eq!(file(&server, "vips"), expected);
    assert_eq!(id_lists(&server)["vips"]["fileID"], before["fileID"]);
    // To change a list is no change of the catalog.
    let changes = rows(&server, "name=statsig::config_change&limit=1000");
    let about = |change: &&Value| change["metadata"]["name"] == "vips";
    assert_eq!(changes.iter().filter(about).count(), 3, "made, other IDs in its document, described");

    // Gone with its segment, and another list when it comes again.
    let mut without = described.clone();
    without["segments"].as_array_mut().expect("segments").remove(0);
    apply(&server, "?prune=true", &without);
    assert_eq!(id_lists(&server).get("vips"), None);
    assert_eq!(server.ask("GET", &path(&before), &[], "").status, 404);
    apply(&server, "", &with_lists(&["u9"]));
    let again = id_lists(&server)["vips"].clone();
    assert_ne!(again["fileID"], before["fileID"]);
    assert!(again["creationTime"].as_i64() > before["creationTime"].as_i64(), "{again} {before}");
    assert_eq!(file(&server, "vips"), line('+', "u9"));
    // IDs of another type are other units.
    let mut typed = with_lists(&["u9"]);
    typed["segments"][0]["idType"] = json!("companyID");
    apply(&server, "", &typed);
    let other = id_lists(&server)["vips"].clone();
    assert_ne!(other["fileID"], again["fileID"]);
    assert_eq!(file(&server, "vips"), line('+', "u9"));
}

#[test]
fn a_person_sees_and_changes_who_is_in_a_list() {
    let server = Server::start(&with_lists(&["u1", "u2", "u3"]));
    let page = |query: &str| {
        let path = format!("/console/v1/segments/vips/id_list{query}");
        let answer = server.ask("GET", &path, &[("statsig-api-key", VIEWER_KEY)], "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let ids = |page: &Value| -> Vec<String> {
        page["data"]["ids"].as_array().expect("IDs").iter().map(|id| id.as_str().expect("text").to_owned()).collect()
    };
    let all = page("");
    assert_eq!((&all["data"]["name"], &all["data"]["count"]), (&json!("Our best"), &json!(3)), "{all}");
    assert_eq!(ids(&all).into_iter().collect::<BTreeSet<_>>(), ["u1", "u2", "u3"].map(str::to_owned).into());
    let path = "/console/v1/segments/vips/id_list";
    let first = page("?limit=2");
    assert_eq!(
        first["pagination"],
        json!({"itemsPerPage": 2, "pageNumber": 1, "totalItems": 3, "nextPage": format!("{path}?page=2&limit=2"),
            "previousPage": null, "all": path})
    );
    let second = page("?limit=2&page=2");
    assert_eq!(second["pagination"]["previousPage"], format!("{path}?page=1&limit=2"));
    assert_eq!(second["pagination"]["nextPage"], json!(null));
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&all));
    assert_eq!(ids(&page("?limit=2&page=3")), Vec::<String>::new());

    // By ID or by name, in each shape.
    for (list, body, count) in
        [("vips", r#"{"ids":["a","b"]}"#, 5), ("Our%20best", r#"["b", 42]"#, 6), ("vips", "c\nd e\n", 8)]
    {
        let answer = edit(&server, "PATCH", list, body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["data"], json!({"name": "Our best", "count": count}), "{body}");
    }
    assert_eq!(edit(&server, "DELETE", "vips", r#"{"ids":["d e","42","nobody"]}"#).json()["data"]["count"], 6);
    assert!(ids(&page("")).iter().all(|id| id != "42" && id != "d e"));

    let long = "x".repeat(513);
    let many = vec!["x"; 100_001];
    for (method, list, body, expected) in [
        ("PATCH", "nobody", "a".to_owned(), (404, "not_found")),
        ("PATCH", "by_rule", "a".to_owned(), (400, "not_an_id_list")),
        ("DELETE", "by_rule", "a".to_owned(), (400, "not_an_id_list")),
        ("PATCH", "vips", String::new(), (400, "invalid_ids")),
        ("PATCH", "vips", "[]".to_owned(), (400, "invalid_ids")),
        ("PATCH", "vips", r#"[""]"#.to_owned(), (400, "invalid_ids")),
        ("PATCH", "vips", r#"["a""#.to_owned(), (400, "invalid_ids")),
        ("PATCH", "vips", r#"{"id":["a"]}"#.to_owned(), (400, "invalid_ids")),
        ("PATCH", "vips", r#"[{"a":1}]"#.to_owned(), (400, "invalid_ids")),
        ("PATCH", "vips", long.clone(), (400, "id_too_long")),
        ("PATCH", "vips", many.join("\n"), (413, "too_many_ids")),
        ("DELETE", "vips", json!(many).to_string(), (413, "too_many_ids")),
    ] {
        let answer = edit(&server, method, list, &body);
        let shown: String = body.chars().take(30).collect();
        assert_eq!((answer.status, answer.code().as_str()), expected, "{method} {list} {shown}");
    }
    assert_eq!(edit(&server, "PATCH", "vips", &long[1..]).status, 200);
    assert_eq!(edit(&server, "DELETE", "vips", &many[1..].join("\n")).status, 200);
    for (method, key, expected) in [
        ("PATCH", VIEWER_KEY, (403, "role_not_allowed")),
        ("DELETE", VIEWER_KEY, (403, "role_not_allowed")),
        ("PATCH", SERVER_KEY, (403, "key_not_allowed")),
        ("GET", CLIENT_KEY, (403, "key_not_allowed")),
    ] {
        let answer = server.ask(method, path, &[("statsig-api-key", key)], "a");
        assert_eq!((answer.status, answer.code().as_str()), expected, "{method} {key}");
    }
    for (query, code) in [("?limit=0", "invalid_limit"), ("?limit=1001", "invalid_limit"), ("?page=0", "invalid_page")]
    {
        let answer = server.get(&format!("{path}{query}"));
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{query}");
    }
}

#[test]
fn a_segment_that_is_changed_by_the_api_takes_its_list_along() {
    let server = Server::start(&with_lists(&["u1"]));
    let ask = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = server.ask(method, &format!("/console/v1/{path}"), &[("statsig-api-key", EDITOR_KEY)], body);
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {}", answer.body);
    };
    ask("POST", "segments", json!({"name": "friends", "type": "id_list", "ids": ["a", "b"]}));
    let made = id_lists(&server)["friends"].clone();
    assert_eq!(edit(&server, "PATCH", "friends", r#"["c"]"#).status, 200);
    ask("PATCH", "segments/friends", json!({"ids": ["b", "d"]}));
    ask("PATCH", "segments/friends", json!({"description": "of ours"}));
    let expected = lines(&[('+', "a"), ('+', "b"), ('+', "c"), ('-', "a"), ('+', "d")]);
    assert_eq!(file(&server, "friends"), expected);
    assert_eq!(id_lists(&server)["friends"]["fileID"], made["fileID"]);
    assert_eq!(file(&server, "vips"), line('+', "u1"), "others stay");
    ask("DELETE", "segments/friends", Value::Null);
    assert_eq!(id_lists(&server).get("friends"), None);
    ask("POST", "segments", json!({"name": "friends", "type": "id_list"}));
    let again = id_lists(&server)["friends"].clone();
    assert!(again["fileID"] != made["fileID"] && again["creationTime"].as_i64() > made["creationTime"].as_i64());
    assert_eq!(file(&server, "friends"), "");
}

#[test]
fn an_audience_of_segments_fills_the_list_of_its_key() {
    let mut server = Server::start(&with_lists(&[]));
    let send = |server: &Server, path: &str, body: Value| {
        let answer = server.post(path, body.to_string());
        assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    };
    let identify = |user: &str, message: &str, traits: Value| json!({"type": "identify", "userId": user, "messageId": message, "traits": traits});
    let track = |event: &str, user: &str, message: &str, key: &str| {
        json!({"type": "track", "event": event, "userId": user, "messageId": message,
            "properties": {"audience_key": key, key: event == "Audience Entered"}})
    };
    send(&server, "/v1/identify", identify("u1", "m1", json!({"big_spenders": true, "plan": "pro", "vips": "yes"})));
    let mut expected = line('+', "u1");
    assert_eq!(file(&server, "big_spenders"), expected);
    assert_eq!(file(&server, "vips"), "", "only true and false count");
    send(&server, "/v1/track", track("Audience Entered", "u2", "m2", "big_spenders"));
    send(&server, "/v1/track", track("Audience Exited", "u1", "m3", "big_spenders"));
    expected += &lines(&[('+', "u2"), ('-', "u1")]);
    assert_eq!(file(&server, "big_spenders"), expected);
    // What was sent before changes nothing when it is sent again, nor does what is no news.
    send(&server, "/v1/identify", identify("u1", "m1", json!({"big_spenders": true})));
    send(&server, "/v1/track", track("Audience Entered", "u2", "m4", "big_spenders"));
    send(&server, "/v1/track", track("Audience Entered", "u2", "m5", "no_such_list"));
    send(&server, "/v1/track", track("Audience Left", "u2", "m6", "big_spenders"));
    // Traits of another kind of call, and properties of another, say nothing.
    send(&server, "/v1/group", json!({"userId": "u3", "groupId": "g", "traits": {"big_spenders": true}}));
    send(&server, "/v1/page", json!({"userId": "u3", "properties": {"audience_key": "big_spenders"}}));
    send(&server, "/v1/track", json!({"userId": "u3", "event": "e", "traits": {"big_spenders": true}}));
    assert_eq!(file(&server, "big_spenders"), expected);
    // A batch, in its order; a webhook alike.
    send(
        &server,
        "/v1/batch",
        json!({"batch": [
            identify("u4", "m7", json!({"big_spenders": true})),
            identify("u4", "m8", json!({"big_spenders": false})),
            identify("u5", "m9", json!({"big_spenders": false})),
            track("Audience Entered", "u5", "m10", "big_spenders"),
        ]}),
    );
    send(&server, "/v1/webhooks/segment_webhook", identify("u6", "m11", json!({"big_spenders": true})));
    expected += &lines(&[('+', "u4"), ('-', "u4"), ('+', "u5"), ('+', "u6")]);
    assert_eq!(file(&server, "big_spenders"), expected);
    // A list of another ID type takes the unit of that type, and nobody where there is none.
    let traits = json!({"visitors": true, "firms": true});
    send(&server, "/v1/identify", json!({"userId": "u7", "anonymousId": "anon-7", "traits": traits}));
    assert_eq!((file(&server, "visitors"), file(&server, "firms")), (line('+', "anon-7"), String::new()));
    let custom = json!({"audience_key": "firms", "statsigCustomIDs": ["companyID", "c1"]});
    send(&server, "/v1/track", json!({"event": "Audience Entered", "userId": "u7", "properties": custom}));
    assert_eq!(file(&server, "firms"), line('+', "c1"));
    // An event that is refused changes nothing.
    let long = "m".repeat(101);
    let refused = server.post("/v1/identify", identify("u8", &long, json!({"big_spenders": true})).to_string());
    assert_eq!(refused.status, 400);
    assert_eq!(file(&server, "big_spenders"), expected);
    // It is in the log as what it was, and in the list after a restart.
    assert_eq!(rows(&server, "name=segment::identify&unit=u1").len(), 1);
    server.kill();
    server.restart();
    assert_eq!(file(&server, "big_spenders"), expected);
    let page = server.get("/console/v1/segments/big_spenders/id_list").json();
    assert_eq!(page["data"]["count"], 3, "{page}");
    until("the meters tell of it", || server.get("/metrics").body.contains("weir_list_members 5\n"));
}

#[test]
fn an_audience_that_is_not_logged_changes_no_list() {
    let mut project = with_lists(&[]);
    project["integrations"]["segment"]["incoming"]["events"] = json!({"identify": false});
    let server = Server::start(&project);
    let identify = json!({"userId": "u1", "traits": {"big_spenders": true}});
    assert_eq!(server.post("/v1/identify", identify.to_string()).status, 200);
    assert_eq!(file(&server, "big_spenders"), "");
}
