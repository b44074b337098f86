//! How senders come in: paths, keys, encodings, browsers. What they send is taken as Segment and Statsig take it.

use super::{SUCCESS, only, rows, status};
use crate::running::{CLIENT_KEY, CONSOLE_KEY, Connection, SERVER_KEY, Server, VIEWER_KEY, gzip, project};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

fn basic(text: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

#[test]
fn every_path_of_segment_and_its_alias_takes_its_kind_of_event() {
    let server = Server::start(&project());
    let mut units = 0;
    for (paths, fields, kind, name) in [
        (["track", "t"], r#""event":"Signed Up""#, "track", "segment::Signed Up"),
        (["identify", "i"], r#""traits":{"plan":"pro"}"#, "identify", "segment::identify"),
        (["page", "p"], r#""name":"Home""#, "page", "segment::page:Home"),
        (["screen", "s"], r#""name":"Main""#, "screen", "segment::screen:Main"),
        (["group", "g"], r#""groupId":"g1""#, "group", "segment::group"),
        (["alias", "a"], r#""previousId":"old""#, "alias", "segment::alias"),
    ] {
        for path in paths {
            units += 1;
            let unit = format!("path-{units}");
            let answer = server.post(&format!("/v1/{path}"), format!(r#"{{"userId":"{unit}",{fields}}}"#));
            assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let row = only(&server, &unit);
            assert_eq!((&row["kind"], &row["name"]), (&json!(kind), &json!(name)), "{path}");
        }
    }
    for path in ["batch", "b", "import", "import/"] {
        units += 1;
        let unit = format!("path-{units}");
        let event = format!(r#"{{"type":"track","event":"Signed Up","userId":"{unit}"}}"#);
        let answer = server.post(&format!("/v1/{path}"), format!(r#"{{"batch":[{event}]}}"#));
        assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{path}");
        assert_eq!(only(&server, &unit)["name"], "segment::Signed Up", "{path}");
    }
    // What SDKs say of themselves is taken and dropped; it carries no key.
    let before = status(&server);
    let answer = server.ask("POST", "/v1/m", &[("content-type", "text/plain")], r#"{"series":[{"type":"Counter"}]}"#);
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    assert_eq!(status(&server)["received"], before["received"]);
    for (method, path, refused) in
        [("GET", "/v1/track", 405), ("PUT", "/v1/batch", 405), ("POST", "/v1/tracks", 404), ("POST", "/v2/track", 404)]
    {
        assert_eq!(server.ask(method, path, &[], "").status, refused, "{method} {path}");
    }
}

#[test]
fn a_key_is_asked_for_before_a_body_is_judged() {
    let server = Server::start_with(&project(), &["--events-per-body", "1"]);
    let event = r#"{"type":"track","event":"e","userId":"u"}"#;
    let keyed = |key: &str| format!(r#"{{"batch":[{event},{event}],"writeKey":"{key}"}}"#);
    let before = super::status(&server)["rejected"].clone();
    for (path, body, status, code) in [
        ("/v1/track", "{\"event\":".to_owned(), 401, "missing_key"),
        ("/v1/batch", "[]".to_owned(), 401, "missing_key"),
        ("/v1/log_event", "{}".to_owned(), 401, "missing_key"),
        ("/v1/batch", format!(r#"{{"batch":[{event},{event}]}}"#), 401, "missing_key"),
        ("/v1/batch", keyed(""), 401, "missing_key"),
        ("/v1/batch", keyed("secret-not000000000000000000000001"), 401, "unknown_key"),
        ("/v1/batch", keyed(CONSOLE_KEY), 403, "key_not_allowed"),
    ] {
        let answer = server.ask("POST", path, &[], &body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}");
    }
    assert_eq!(super::status(&server)["rejected"], before, "a stranger's body counts for nothing");
    let answer = server.ask("POST", "/v1/batch", &[], keyed(CLIENT_KEY));
    assert_eq!((answer.status, answer.code()), (413, "too_many_events".to_owned()));
    assert_eq!(super::status(&server)["rejected"].as_u64(), before.as_u64().map(|n| n + 1));
}

#[test]
fn a_key_is_taken_from_wherever_senders_put_it() {
    let server = Server::start(&project());
    let wrong = "secret-not000000000000000000000001";
    let (colon, bare) = (basic(&format!("{SERVER_KEY}:")), basic(SERVER_KEY));
    let with_password = basic(&format!("{CLIENT_KEY}:x"));
    let (unknown, console) = (basic(&format!("{wrong}:")), basic(&format!("{CONSOLE_KEY}:")));
    let in_body = |key: &str| format!(r#""writeKey":"{key}""#);
    let none = String::new;
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], String, u16, &'a str);
    let table: &[Case<'_>] = &[
        ("Basic", &[("authorization", &colon)], none(), 200, ""),
        ("Basic without a colon", &[("authorization", &bare)], none(), 200, ""),
        ("Basic with a password", &[("authorization", &with_password)], none(), 200, ""),
        ("X-Write-Key", &[("x-write-key", SERVER_KEY)], none(), 200, ""),
        ("X-Write-Key beside a masked one", &[("x-write-key", SERVER_KEY)], in_body("secret:***"), 200, ""),
        ("statsig-api-key", &[("STATSIG-API-KEY", SERVER_KEY)], none(), 200, ""),
        ("client key", &[("statsig-api-key", CLIENT_KEY)], none(), 200, ""),
        ("body", &[], in_body(CLIENT_KEY), 200, ""),
        ("body, secret", &[], in_body(SERVER_KEY), 200, ""),
        ("both, agreeing", &[("authorization", &colon)], in_body(SERVER_KEY), 200, ""),
        ("both, the header is right", &[("authorization", &colon)], in_body(wrong), 200, ""),
        ("both, the header is wrong", &[("authorization", &unknown)], in_body(SERVER_KEY), 401, "unknown_key"),
        ("an empty user name, and the body", &[("authorization", "Basic Og==")], in_body(SERVER_KEY), 200, ""),
        ("none", &[], none(), 401, "missing_key"),
        ("empty in the body", &[], in_body(""), 401, "missing_key"),
        ("unknown in a header", &[("statsig-api-key", wrong)], none(), 401, "unknown_key"),
        ("unknown in the body", &[], in_body(wrong), 401, "unknown_key"),
        ("unreadable", &[("authorization", "Basic !!!")], in_body(SERVER_KEY), 401, "malformed_key"),
        ("console key", &[("authorization", &console)], none(), 403, "key_not_allowed"),
        ("console key in the body", &[], in_body(CONSOLE_KEY), 403, "key_not_allowed"),
    ];
    let mut taken = 0;
    for (what, headers, in_body, expected, code) in table {
        // The key is the last of the document, as mobile SDKs write it.
        let comma = if in_body.is_empty() { "" } else { "," };
        for (path, body) in [
            ("/v1/t", format!(r#"{{"event":"e","userId":"u"{comma}{in_body}}}"#)),
            ("/v1/b", format!(r#"{{"batch":[{{"type":"track","event":"e","userId":"u"}}]{comma}{in_body}}}"#)),
            ("/v1/b", format!(r#"{{"batch":[{{"type":"track","event":"e","userId":"u"{comma}{in_body}}}]}}"#)),
        ] {
            let answer = server.ask("POST", path, headers, &body);
            assert_eq!(answer.status, *expected, "{what}: {body} {}", answer.body);
            match code.is_empty() {
                true => assert_eq!(answer.body, SUCCESS, "{what}"),
                false => assert_eq!(answer.code(), *code, "{what}"),
            }
            taken += usize::from(*expected == 200);
        }
    }
    assert_eq!(rows(&server, "unit=u&limit=1000").len(), taken);
    assert_eq!(status(&server)["rejected"], 0, "strangers are not counted among the project's events");
}

#[test]
fn a_mobile_sdk_sends_gzip_in_chunks_with_its_key_at_the_end() {
    let server = Server::start(&project());
    let event = r#"{"type":"track","event":"Opened","userId":"phone","messageId":"m-1"}"#;
    let body = gzip(format!(r#"{{"batch":[{event}],"sentAt":"2026-01-01T00:00:00Z","writeKey":"{CLIENT_KEY}"}}"#));
    let mut connection = server.connect();
    let head = "POST /v1/b HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\n\
                transfer-encoding: chunked\r\n\r\n";
    connection.send(head.as_bytes()).unwrap();
    for part in body.chunks(40) {
        connection.send(format!("{:x}\r\n", part.len()).as_bytes()).unwrap();
        connection.send(part).unwrap();
        connection.send(b"\r\n").unwrap();
    }
    connection.send(b"0\r\n\r\n").unwrap();
    let answer = connection.answer("POST").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    assert_eq!(only(&server, "phone")["messageId"], "m-1");
}

#[test]
fn the_content_type_says_nothing_and_gzip_is_known_by_itself() {
    let server = Server::start(&project());
    let body = r#"{"event":"e","userId":"u"}"#;
    let packed = gzip(body);
    let mut taken = 0;
    for kind in
        ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ""]
    {
        for (sent, encoding) in [(body.as_bytes(), None), (&packed, Some("gzip")), (&packed, None)] {
            let mut headers = vec![("content-type", kind), ("statsig-api-key", SERVER_KEY)];
            headers.extend(encoding.map(|encoding| ("content-encoding", encoding)));
            let answer = server.ask("POST", "/v1/t", &headers, sent);
            assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS), "{kind:?} {encoding:?}");
            taken += 1;
        }
    }
    assert_eq!(rows(&server, "unit=u").len(), taken);
    for (sent, encoding, status, code) in [
        (body.as_bytes(), "gzip", 400, "bad_gzip"),
        (&packed[..20], "gzip", 400, "bad_gzip"),
        (body.as_bytes(), "deflate", 415, "unsupported_encoding"),
    ] {
        let headers = [("content-encoding", encoding), ("statsig-api-key", SERVER_KEY)];
        let answer = server.ask("POST", "/v1/t", &headers, sent);
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()));
    }
}

#[test]
fn a_browser_may_send_from_any_page_and_read_every_answer() {
    let server = Server::start(&project());
    let origin = ("origin", "https://shop.example");
    let readable = |answer: &crate::running::Answer, what: &str| {
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"), "{what}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"), "{what}");
    };
    let settings = format!("/v1/projects/{CLIENT_KEY}/settings");
    for path in [
        "/v1/track",
        "/v1/t",
        "/v1/i",
        "/v1/p",
        "/v1/s",
        "/v1/g",
        "/v1/a",
        "/v1/b",
        "/v1/batch",
        "/v1/import/",
        "/v1/m",
        "/v1/log_event",
        "/v1/rgstr",
        "/v1/webhooks/segment_webhook",
        &settings,
    ] {
        let asked =
            [origin, ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
        let answer = server.ask("OPTIONS", path, &asked, "");
        assert_eq!(answer.status, 204, "{path}");
        readable(&answer, path);
        let allowed = answer.header("access-control-allow-headers").expect("a list");
        for name in ["authorization", "content-type", "x-retry-count", "statsig-api-key"] {
            assert!(allowed.split(", ").any(|header| header == name), "{path}: {name} is not in {allowed}");
        }
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, OPTIONS"), "{path}");
        assert_eq!(answer.header("access-control-max-age"), Some("7200"), "{path}");
    }
    let key = ("statsig-api-key", CLIENT_KEY);
    let large = "x".repeat((4 << 20) + 1);
    for (headers, body, status) in [
        (&[origin, key][..], r#"{"event":"e","userId":"u"}"#, 200),
        (&[origin, key], "{", 400),
        (&[origin], r#"{"event":"e","userId":"u"}"#, 401),
        (&[origin, ("statsig-api-key", VIEWER_KEY)], "{}", 403),
        (&[origin, key], &large, 413),
    ] {
        let answer = server.ask("POST", "/v1/t", headers, body);
        assert_eq!(answer.status, status);
        readable(&answer, &status.to_string());
    }
    assert_eq!(server.ask("GET", "/v1/t", &[origin], "").header("access-control-allow-origin"), Some(origin.1));
    let console = server.ask("GET", "/console/v1/events", &[origin, ("statsig-api-key", CONSOLE_KEY)], "");
    assert_eq!((console.status, console.header("access-control-allow-origin")), (200, None));
}

#[test]
fn a_browser_that_is_turned_away_can_read_when_to_come_back() {
    let server = Server::start_with(&project(), &["--connections", "1"]);
    let mut first = server.connect();
    assert_eq!(first.ask("GET", "/health/live", &[], b"").unwrap().status, 200);
    let answer = Connection::to(server.address).unwrap().answer("POST").unwrap();
    assert_eq!((answer.status, answer.code()), (503, "too_many_connections".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"));
}

#[test]
fn analytics_js_gets_the_settings_without_which_it_sends_nothing() {
    let server = Server::start(&project());
    let ask = |key: &str| server.ask("GET", &format!("/v1/projects/{key}/settings"), &[("origin", "null")], "");
    for key in [CLIENT_KEY, SERVER_KEY] {
        let answer = ask(key);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
        let document = answer.json();
        let integrations = document["integrations"].as_object().expect("integrations");
        assert_eq!(integrations.keys().collect::<Vec<_>>(), ["Segment.io"], "others would be loaded from elsewhere");
        assert_eq!(integrations["Segment.io"]["apiKey"], key);
        assert_eq!(document["plan"]["track"]["__default"]["enabled"], true);
    }
    for (key, status, code) in
        [("nobody", 401, "unknown_key"), ("%zz", 401, "unknown_key"), (CONSOLE_KEY, 403, "key_not_allowed")]
    {
        let answer = ask(key);
        assert_eq!((answer.status, answer.code()), (status, code.to_owned()), "{key}");
    }
}
