//! Starting, stopping, being killed, starting again: what was acknowledged is there, and there is one server a store.

use super::{SUCCESS, rows};
use crate::running::{Connection, SERVER_KEY, Server, project, until, weir};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn send(server: &Server, id: &str) {
    let answer = server.post("/v1/track", format!(r#"{{"userId":"u1","event":"Signed Up","messageId":"{id}"}}"#));
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
}

#[test]
fn what_was_acknowledged_is_there_after_a_stop_and_after_a_kill() {
    let mut server = Server::start(&project());
    send(&server, "m-1");
    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    send(&server, "m-2");
    // A repetition is known after both ends.
    send(&server, "m-1");
    server.kill();
    server.restart();
    send(&server, "m-2");
    let ids: Vec<_> = rows(&server, "name=segment::Signed%20Up").iter().map(|row| row["messageId"].clone()).collect();
    assert_eq!(ids, ["m-2", "m-1"]);
}

#[test]
fn what_was_acknowledged_while_the_server_stopped_is_stored() {
    let mut server = Server::start(&project());
    let sent = AtomicU64::new(0);
    let address = server.address;
    let acknowledged: Vec<String> = thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let sent = &sent;
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    let mut connection = Connection::to(address).unwrap();
                    for nth in 0.. {
                        let id = format!("m-{sender}-{nth}");
                        let body = format!(r#"{{"userId":"u","event":"e","messageId":"{id}"}}"#);
                        let asked =
                            connection.ask("POST", "/v1/track", &[("statsig-api-key", SERVER_KEY)], body.as_bytes());
                        match asked {
                            Ok(answer) if answer.status == 200 => acknowledged.push(id),
                            Ok(answer) => assert_eq!((answer.status, answer.code()), (503, "stopping".to_owned())),
                            // Closed between two requests: not acknowledged.
                            Err(_) => break,
                        }
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            })
            .collect();
        until("events are on their way", || sent.load(Ordering::Relaxed) > 100);
        let begun = Instant::now();
        assert_eq!(server.stop().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect()
    });
    assert!(acknowledged.len() > 100);
    server.restart();
    let (mut stored, mut before) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/console/v1/events?unit=u&limit=1000{before}")).json();
        stored.extend(super::list(&page).iter().map(|row| row["messageId"].as_str().unwrap().to_owned()));
        match page["pagination"]["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    let different: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(different.len(), stored.len(), "none is there twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !different.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_request_that_has_begun_is_finished_before_the_server_is_gone() {
    let mut server = Server::start(&project());
    let body = r#"{"userId":"late","event":"e"}"#;
    let mut connection = server.connect();
    let head = format!(
        "POST /v1/track HTTP/1.1\r\nhost: x\r\nstatsig-api-key: {SERVER_KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head.as_bytes()).unwrap();
    connection.send(&body.as_bytes()[..10]).unwrap();
    // Another's answer says that this one's first part has arrived as well.
    send(&server, "m-1");
    server.ask_to_stop();
    until("it accepts no more", || Connection::to(server.address).is_err());
    connection.send(&body.as_bytes()[10..]).unwrap();
    let answer = connection.answer("POST").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, SUCCESS));
    assert_eq!(server.await_end().code(), Some(0));
    server.restart();
    assert_eq!(rows(&server, "unit=late").len(), 1);
}

#[test]
fn a_second_server_on_the_same_data_or_port_is_told_why_not() {
    let server = Server::start(&project());
    let port = server.address.to_string();
    for (line, words) in [
        (["serve", "--data", "data", "--listen", "127.0.0.1:0"], "weir.redb"),
        (["serve", "--data", "other", "--listen", &port], "another program listens on"),
    ] {
        let output = weir(server.folder()).args(line).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        let told = error.lines().last().unwrap_or_default();
        assert!(told.starts_with("weir: ") && told.contains(words), "{error}");
        assert!(!String::from_utf8(output.stdout).unwrap().contains("listening"), "{line:?}");
    }
    // The first is not disturbed, and commands still find it.
    send(&server, "m-1");
    assert!(server.command(&["keys", "link"]).status.success());
}
