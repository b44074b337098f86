//! Asked to stop: what is under way is finished, what was acknowledged is stored, and the next start is quick.

use super::dice::Dice;
use super::oracle::read_down_to;
use super::producer::{Desk, Producer};
use super::{READY_WITHIN, assert_sound};
use crate::running::{Connection, SERVER_KEY, Server, project, until};
use std::collections::HashSet;
use std::fmt::Write;
use std::thread;
use std::time::Instant;

/// Events in the store that is started again.
const EVENTS: usize = 200_000;
const A_BODY: usize = 2_500;
const THREADS: usize = 4;
/// Sealing leaves a part of a block in tails.
const SEALED_BUT: u64 = 16 << 20;

#[test]
fn a_server_that_is_asked_to_stop_finishes_what_it_began() {
    let mut dice = Dice::new();
    let mut server = Server::start(&project());
    let desk = Desk::default();
    for _ in 0..4 {
        desk.open_at(Some(server.address));
        thread::scope(|scope| {
            let _closing = desk.close_at_end();
            for _ in 0..THREADS {
                let producer = Producer::new(&desk, format!("s{:x}", dice.next()), dice.fork());
                scope.spawn(move || producer.run());
            }
            let enough = desk.oracle.figures().acknowledged + 300 + dice.below(600) as u64;
            until("enough is acknowledged", || desk.oracle.figures().acknowledged > enough);
            server.ask_to_stop();
            let ended = server.await_end();
            assert!(ended.success(), "{ended}: {}", server.logged());
            assert!(!server.data().join("weir.token").exists(), "its token file is gone");
        });
        assert_sound(&server);
        server.restart();
        desk.oracle.compare(&server);
        desk.reopen();
    }
    println!("asked to stop four times under load: {:?}", desk.oracle.figures());
}

#[test]
fn a_large_store_is_ready_again_soon() {
    let mut server = Server::start(&project());
    let begun = Instant::now();
    let address = server.address;
    thread::scope(|scope| {
        for share in 0..THREADS {
            scope.spawn(move || {
                let mut connection = Connection::to(address).expect("the server listens");
                for body in (0..EVENTS / A_BODY).filter(|body| body % THREADS == share) {
                    let text = body_of(body * A_BODY..(body + 1) * A_BODY);
                    let key = [("statsig-api-key", SERVER_KEY)];
                    let answer = connection.ask("POST", "/v1/batch", &key, text.as_bytes()).expect("an answer");
                    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
                }
            });
        }
    });
    let filled = begun.elapsed();
    let of_start = read_down_to(&server, EVENTS as u64).len() as u64;
    for how in ["killed", "asked to stop", "sealed and killed"] {
        if how == "sealed and killed" {
            until("most of it is sealed", || unsealed_bytes(&server) < SEALED_BUT);
        }
        let begun = Instant::now();
        match how {
            "killed" | "sealed and killed" => server.kill(),
            _ => assert!(server.stop().success(), "{}", server.logged()),
        }
        let stopped = begun.elapsed();
        server.restart();
        let gap = begun.elapsed();
        let bytes = server.data().join("weir.redb").metadata().expect("the store's file").len();
        println!("{EVENTS} events ({bytes} bytes, in {filled:?}), {how}: gone after {stopped:?}, back after {gap:?}");
        assert!(gap < READY_WITHIN, "{how}: {gap:?}");
        // The log ends where it ended, and its last events are those that were sent.
        let last = read_down_to(&server, EVENTS as u64 + of_start - 5_000);
        assert_eq!(last.len(), 5_000, "{how}");
        assert_eq!(last[0].sequence, EVENTS as u64 + of_start - 1, "{how}");
        let ids: HashSet<&str> = last.iter().map(|row| row.message_id.as_str()).collect();
        assert_eq!(ids.len(), last.len(), "{how}");
        // What was sent before the start is known after it.
        let again = server.post("/v1/batch", body_of(0..A_BODY));
        assert_eq!(again.status, 200, "{}", again.body);
        assert_eq!(read_down_to(&server, EVENTS as u64 + of_start).len(), 0, "{how}: duplicates were stored");
    }
    assert!(server.stop().success());
    assert_sound(&server);
}

fn unsealed_bytes(server: &Server) -> u64 {
    let metrics = server.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("weir_tail_bytes "));
    line.and_then(|digits| digits.parse().ok()).expect("the gauge of tails")
}

fn body_of(numbers: std::ops::Range<usize>) -> String {
    let mut body = String::from(r#"{"batch":["#);
    for number in numbers.clone() {
        let comma = if number == numbers.start { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"type":"track","event":"Viewed","userId":"u{}","messageId":"large-{number}","timestamp":"2026-11-23T12:58:19.353Z","properties":{{"price":{number}.5,"sku":"{:x}"}}}}"#,
            number % 10_007,
            number * 2_654_435_761
        )
        .expect("a String takes everything");
    }
    body.push_str("]}");
    body
}
