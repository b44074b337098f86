//! The OpenAPI document: the program answers wherever it says, and asks for the role that it says.

use super::*;
use crate::running::{CLIENT_KEY, SERVER_KEY, VIEWER_KEY};

/// Method, path and least role of every operation; no role for what needs no key.
fn operations(server: &Server) -> Vec<(String, String, Option<String>)> {
    let answer = server.ask("GET", "/console/v1/openapi.json", &[], "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("an object") {
        for (method, operation) in methods.as_object().expect("an object") {
            let role = operation["x-role"].as_str().map(str::to_owned);
            operations.push((method.to_uppercase(), path.clone(), role));
        }
    }
    operations
}

#[test]
fn the_program_answers_wherever_its_document_says_and_only_to_whom_it_says() {
    let server = Server::start(&with_editor());
    let operations = operations(&server);
    assert!(operations.len() > 100, "{operations:?}");
    let mut roles = std::collections::BTreeMap::<&str, usize>::new();
    for (method, template, role) in &operations {
        let path = template.replace(['{', '}'], "");
        let ask = |key: &str| {
            let headers: &[(&str, &str)] = if key.is_empty() { &[] } else { &[("statsig-api-key", key)] };
            server.ask(method, &path, headers, "")
        };
        let Some(role) = role else {
            assert_eq!(ask("").status, 200, "{method} {path}");
            continue;
        };
        *roles.entry(role).or_default() += 1;
        let none = ask("");
        assert_eq!((none.status, none.code()), (401, "missing_key".to_owned()), "{method} {path}");
        for key in [CLIENT_KEY, SERVER_KEY] {
            let answer = ask(key);
            assert_eq!((answer.status, answer.code()), (403, "key_not_allowed".to_owned()), "{method} {path}");
        }
        let ranks = ["viewer", "editor", "admin"];
        let needed = ranks.iter().position(|rank| rank == role).expect("a role");
        for (rank, key) in [VIEWER_KEY, EDITOR_KEY, CONSOLE_KEY].into_iter().enumerate() {
            let answer = ask(key);
            if rank < needed {
                assert_eq!((answer.status, answer.code()), (403, "role_not_allowed".to_owned()), "{method} {path}");
            } else {
                assert!(![401, 403, 405, 500].contains(&answer.status), "{method} {path}: {}", answer.body);
                // An unknown path would be told apart from an unknown item by these words.
                assert!(!answer.body.contains("there is nothing at this path"), "{method} {path}");
            }
        }
    }
    assert!(roles["viewer"] > 30 && roles["editor"] > 50 && roles["admin"] > 10, "{roles:?}");
}
