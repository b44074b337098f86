//! Keys and sessions: made, listed, revoked, and never told to anybody but the one who asked for them.

use super::{SUCCESS, list, only, rows};
use crate::running::{Answer, CLIENT_KEY, CONSOLE_KEY, SERVER_KEY, Server, VIEWER_KEY, project};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const ADMIN: (&str, &str) = ("statsig-api-key", CONSOLE_KEY);

fn create(server: &Server, wanted: &Value) -> Answer {
    server.ask("POST", "/console/v1/keys", &[ADMIN], wanted.to_string())
}

fn send(server: &Server, key: &str) -> u16 {
    server.ask("POST", "/v1/track", &[("statsig-api-key", key)], r#"{"event":"e","userId":"u"}"#).status
}

#[test]
fn a_key_works_from_the_moment_it_is_made_until_it_is_revoked() {
    let mut server = Server::start(&project());
    for (kind, prefix, takes) in [("SERVER", "secret-", 200), ("CLIENT", "client-", 200), ("CONSOLE", "console-", 403)]
    {
        let answer = create(&server, &json!({"description": "for the test", "type": kind}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let made = answer.json()["data"].clone();
        let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        assert!(text.starts_with(prefix) && text.len() > 30, "{text}");
        assert_eq!(send(&server, text), takes, "{kind}");
        let listed = list(&server.get("/console/v1/keys").json());
        let row = listed.iter().find(|row| row["id"] == id).expect("it is listed");
        assert_eq!(row.get("key").is_some(), kind == "CLIENT", "only a client key's text is shown: {row}");
        assert_eq!((&row["description"], &row["type"]), (&json!("for the test"), &json!(kind)));
        // It outlives the process.
        server.kill();
        server.restart();
        assert_eq!(send(&server, text), takes, "{kind}");
        let revoked = server.ask("DELETE", &format!("/console/v1/keys/{id}"), &[ADMIN], "");
        assert_eq!(revoked.status, 200, "{}", revoked.body);
        assert!(!revoked.body.contains(text) || kind == "CLIENT");
        assert_eq!(send(&server, text), 401, "{kind}");
        let again = server.ask("DELETE", &format!("/console/v1/keys/{id}"), &[ADMIN], "");
        assert_eq!((again.status, again.code()), (404, "not_found".to_owned()));
    }
    let listed = server.get("/console/v1/keys").body;
    for secret in [SERVER_KEY, CONSOLE_KEY, VIEWER_KEY, "hash"] {
        assert!(!listed.contains(secret), "{listed}");
    }
    for (wanted, word) in [
        (json!({"description": "x"}), "type"),
        (json!({"description": "x", "type": "ROOT"}), "ROOT"),
        (json!({"description": " ", "type": "SERVER"}), "description"),
        (json!({"description": "x", "type": "SERVER", "role": "admin"}), "role"),
        (json!({"description": "x", "type": "SERVER", "key": "secret-mine"}), "key"),
        (json!(["x", "SERVER", null]), "object"),
    ] {
        let answer = create(&server, &wanted);
        assert_eq!((answer.status, answer.code()), (400, "invalid_key".to_owned()), "{wanted}");
        assert!(answer.json()["message"].as_str().unwrap().contains(word), "{}", answer.body);
    }
}

#[test]
fn no_secret_is_in_the_log_or_in_the_file() {
    let mut server = Server::start_with(&project(), &["--log-level", "trace"]);
    let made = create(&server, &json!({"description": "made", "type": "SERVER"})).json()["data"]["key"].clone();
    let made = made.as_str().expect("a key");
    let wrong = "secret-wrong0000000000000000000001";
    for key in [SERVER_KEY, made] {
        for body in [
            format!(r#"{{"event":"e","userId":"inside","writeKey":"{key}"}}"#),
            format!(r#"{{"batch":[{{"type":"track","event":"e","userId":"inside","writeKey":"{key}"}}]}}"#),
            // A bad event is kept to look at, and a bad body too.
            format!(r#"{{"batch":[{{"type":"track","userId":"inside","writeKey":"{key}"}}],"writeKey":"{key}"}}"#),
        ] {
            let path = if body.contains("batch") { "/v1/batch" } else { "/v1/track" };
            assert_eq!(server.ask("POST", path, &[], &body).status, 200, "{body}");
        }
        let broken = format!(r#"{{"writeKey":"{key}","event":"e" "#);
        assert_eq!(server.post("/v1/track", broken).status, 400);
        let hook = format!(r#"{{"user":{{"userID":"hook"}},"event":"e","writeKey":"{key}"}}"#);
        assert_eq!(server.post("/v1/webhooks/event_webhook", hook).status, 200);
    }
    assert_eq!(send(&server, wrong), 401);
    // SDKs put their key into the path.
    for (key, status) in [(SERVER_KEY, 200), (made, 200), (wrong, 401)] {
        for version in ["v1", "v2"] {
            let path = format!("/{version}/download_config_specs/{key}.json");
            assert_eq!(server.ask("GET", &path, &[], "").status, status);
        }
    }
    for row in rows(&server, "unit=inside") {
        assert_eq!(row["raw"]["writeKey"], "", "{row}");
    }
    let shown = ["/console/v1/events", "/console/v1/rejected", "/console/v1/status", "/metrics"]
        .map(|path| server.get(path).body)
        .concat();
    assert!(shown.contains("inside"));
    let token = server.data().join("weir.token");
    let mode = fs::metadata(&token).expect("a running server leaves it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner may read it");
    let token = fs::read_to_string(token).expect("its owner reads it");
    let token = serde_json::from_str::<Value>(&token).unwrap()["token"].as_str().unwrap().to_owned();
    let command = server.command(&["keys"]);
    assert!(command.status.success(), "{command:?}");
    let link = String::from_utf8(server.command(&["keys", "link"]).stdout).unwrap();
    let one_time = link.trim().rsplit_once("token=").expect("a link").1.to_owned();
    let secrets = [SERVER_KEY, CONSOLE_KEY, VIEWER_KEY, made, wrong, &token, &one_time];
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is shown");
        assert!(!command.stdout.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is listed");
    }
    assert!(server.stop().success());
    let log = server.logged();
    assert!(log.contains("key made"), "{log}");
    let file = fs::read(server.data().join("weir.redb")).expect("the store");
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(memchr::memmem::find(&file, secret.as_bytes()).is_none(), "{secret} is in the file");
    }
    assert!(!log.contains(CLIENT_KEY), "{log}");
    assert!(!server.data().join("weir.token").exists(), "it leaves with the server");
}

#[test]
fn a_client_key_is_public_and_may_stay_in_its_events() {
    let server = Server::start(&project());
    let body = format!(r#"{{"event":"e","userId":"u","writeKey":"{CLIENT_KEY}"}}"#);
    assert_eq!(server.ask("POST", "/v1/track", &[], &body).body, SUCCESS);
    assert_eq!(only(&server, "u")["raw"], serde_json::from_str::<Value>(&body).unwrap());
}

/// The path of a console link.
fn path_of(link: &str) -> String {
    let from = link.find("/session?token=").unwrap_or_else(|| panic!("no link in {link}"));
    link[from..].split_whitespace().next().expect("a path").to_owned()
}

#[test]
fn a_console_link_signs_in_once() {
    let server = Server::start(&project());
    let own = server.command(&["keys", "link"]);
    assert!(own.status.success(), "{own:?}");
    let told = String::from_utf8(own.stdout).unwrap();
    assert!(told.starts_with(&format!("http://{}/session?token=", server.address)), "{told}");
    let asked = server.ask("POST", "/console/v1/link", &[ADMIN], "").json()["data"].clone();
    assert!(asked["expiresAt"].as_str().is_some_and(|time| time.ends_with('Z')), "{asked}");
    let links = [server.greeting(), told, asked["path"].as_str().unwrap().to_owned()];
    for link in links {
        let path = path_of(&link);
        // A mail scanner's look does not use it up.
        let looked = server.ask("HEAD", &path, &[], "");
        assert_eq!((looked.status, looked.header("set-cookie")), (204, None));
        let first = server.ask("GET", &path, &[], "");
        assert_eq!((first.status, first.header("location")), (303, Some("/")));
        let cookie = first.header("set-cookie").expect("a cookie");
        for word in ["; HttpOnly", "; SameSite=", "; Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let secret = path.rsplit_once('=').unwrap().1;
        assert!(!cookie.contains(secret), "the token in the address is not the session");
        let second = server.ask("GET", &path, &[], "");
        assert_eq!((second.status, second.header("set-cookie")), (401, None));

        let cookie = ("cookie", cookie.as_str());
        let page = server.ask("GET", "/", &[("cookie", "other=1"), cookie], "");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.body.contains("Log stream"));
        strict(&page);
        for path in ["/console/v1/status", "/console/v1/gates", "/console/v1/audit_logs"] {
            assert_eq!(server.ask("GET", path, &[cookie], "").status, 200, "the page may read {path}");
        }
        // No other site can make a browser change anything: a cookie does not suffice.
        for (method, path) in [
            ("POST", "/console/v1/project"),
            ("POST", "/console/v1/keys"),
            ("POST", "/console/v1/link"),
            ("DELETE", "/console/v1/keys/x"),
            ("POST", "/console/v1/gates"),
            ("PATCH", "/console/v1/settings"),
            ("PUT", "/console/v1/integrations/segment.incoming"),
        ] {
            let answer = server.ask(method, path, &[cookie], "{}");
            assert_eq!((answer.status, answer.code()), (401, "missing_key".to_owned()), "{method} {path}");
        }
        assert_eq!(server.ask("POST", "/v1/track", &[cookie], r#"{"event":"e","userId":"u"}"#).status, 401);
    }
    for headers in [&[][..], &[("cookie", "weir_session=00000000000000000000000000000000")]] {
        let page = server.ask("GET", "/", headers, "");
        assert_eq!(page.status, 401);
        assert!(page.body.contains("weir keys link") && !page.body.contains("Log stream"), "{}", page.body);
        strict(&page);
        assert_eq!(server.ask("GET", "/console/v1/events", headers, "").status, 401);
    }
    assert_eq!(server.ask("GET", "/session", &[], "").status, 401);
}

/// A page that runs nothing but what we put there, nowhere but in a window of its own.
fn strict(page: &Answer) {
    let policy = page.header("content-security-policy").expect("a policy");
    for rule in
        ["default-src 'none'", "script-src 'nonce-", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe-"), "{policy}");
    let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
    assert!(page.body.contains(&format!("nonce=\"{nonce}\"")), "the policy's nonce is the page's");
    for (header, value) in
        [("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
    {
        assert_eq!(page.header(header), Some(value), "{header}");
    }
}

#[test]
fn the_first_start_makes_keys_and_says_how_to_begin() {
    let mut server = Server::start(&json!({}));
    let printed = server.greeting();
    let key = |word: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("new key {word}: "))).expect("a key");
        line.trim().to_owned()
    };
    let (secret, client, console) = (key("server"), key("browser"), key("automation"));
    assert_eq!((send(&server, &secret), send(&server, &client)), (200, 200));
    let status = server.ask("GET", "/console/v1/status", &[("statsig-api-key", &console)], "");
    assert_eq!(status.status, 200);
    assert!(printed.contains(&format!("curl -u {client}: ")), "{printed}");
    assert!(printed.starts_with(&format!("listening on http://{}\n", server.address)), "{printed}");
    assert!(server.stop().success());
    server.restart();
    let printed = server.greeting();
    assert!(!printed.contains("new key") && !printed.contains(&secret), "secrets are shown once: {printed}");
    assert_eq!(send(&server, &secret), 200);
}
