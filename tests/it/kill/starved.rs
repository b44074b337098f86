//! Too little of what a server needs: no room in its file, no file descriptors.

use super::assert_sound;
use super::dice::Dice;
use super::oracle::{Oracle, read_log};
use super::parcel::{Item, pack};
use super::producer::is_hang;
use crate::running::{Answer, Connection, SERVER_KEY, Server, project, until};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

/// The store may not grow over this (512 bytes each; twice that where the shell counts in KiB).
const FILE_BLOCKS: u32 = 24_576;
/// File descriptors, those of the store and the listening sockets among them.
const DESCRIPTORS: usize = 64;
const CLIENTS: usize = 200;

#[test]
fn a_write_that_fails_is_never_acknowledged() {
    // Where the system's signal is ignored the write fails; where it is not, the signal ends the process.
    for (trap, ends_by_itself) in [("trap '' XFSZ; ", true), ("", false)] {
        let mut dice = Dice::new();
        let mut server = Server::start(&project());
        assert!(server.stop().success());
        server.limit(Some(&format!("{trap}ulimit -f {FILE_BLOCKS}")));
        server.restart();
        let oracle = Oracle::default();
        let (failed, refused) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for n in 0..3 {
                let (oracle, failed, refused, address) = (&oracle, &failed, &refused, server.address);
                let mut dice = dice.fork();
                scope.spawn(move || {
                    let mut connection = Connection::to(address).expect("the server listens");
                    for count in 0.. {
                        let items =
                            (0..10).map(|place| large(format!("full-{n}-{count}-{place}"), &mut dice)).collect();
                        let parcel = pack(items, SERVER_KEY, &mut dice);
                        oracle.sending(&parcel);
                        let had_failed = failed.load(SeqCst);
                        match connection.send(&parcel.request()).and_then(|()| connection.answer("POST")) {
                            Ok(answer) if answer.status == 200 => {
                                assert!(!had_failed, "a success after a failure");
                                oracle.acknowledged(&parcel);
                            }
                            Ok(answer) => {
                                assert_eq!((answer.status, answer.code().as_str()), (503, "write_failed"));
                                assert!(!answer.body.contains("nothing was stored"), "nobody knows: {}", answer.body);
                                failed.store(true, SeqCst);
                                refused.fetch_add(1, SeqCst);
                            }
                            Err(error) => {
                                assert!(!is_hang(&error), "no answer in time");
                                failed.store(true, SeqCst);
                                return;
                            }
                        }
                    }
                });
            }
        });
        let ended = server.await_end();
        let refused = refused.load(SeqCst);
        println!("{trap}{ended}; {:?}, {refused} requests refused", oracle.figures());
        assert!(oracle.figures().acknowledged > 0);
        if ends_by_itself {
            assert_eq!(ended.code(), Some(1), "{ended}");
            assert!(server.logged().contains("a write to disk failed, so the server stopped"), "{}", server.logged());
        } else {
            assert!(!ended.success(), "{ended}");
        }
        server.limit(None);
        server.restart();
        oracle.compare(&server);
        assert!(server.stop().success(), "{}", server.logged());
        assert_sound(&server);
    }
}

/// An event that fills a file, however it is compressed.
fn large(id: String, dice: &mut Dice) -> Item {
    let filling: String = (0..1_000).map(|_| format!("{:016x}", dice.next())).collect();
    let raw = format!(
        r#"{{"type":"track","event":"large","userId":"u","messageId":"{id}","properties":{{"f":"{filling}"}}}}"#
    );
    Item::track(id, raw)
}

#[test]
fn a_server_without_file_descriptors_waits_and_goes_on() {
    let mut server = Server::start(&project());
    server.limit(Some(&format!("ulimit -n {DESCRIPTORS}")));
    server.restart();

    // More connections than it can hold, none of which says anything.
    let idle: Vec<Connection> = (0..CLIENTS).map(|_| server.connect()).collect();
    until("it has run out of file descriptors", || server.logged().contains("cannot accept connections"));
    drop(idle);
    let begun = Instant::now();
    until("it answers again", || server.get("/health/ready").status == 200);
    let recovered = begun.elapsed();

    // And more that all want something at the same time: those that are let in make room for the others.
    let begun = Instant::now();
    let mut clients: Vec<Connection> = (0..CLIENTS).map(|_| server.connect()).collect();
    thread::scope(|scope| {
        for (number, client) in clients.drain(..).enumerate() {
            scope.spawn(move || {
                let answer = ask_and_close(client, number);
                let answer = answer.unwrap_or_else(|error| panic!("client {number}: {error}"));
                assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
            });
        }
    });
    println!("back {recovered:?} after {CLIENTS} idle clients left; {CLIENTS} at once served in {:?}", begun.elapsed());
    let stored = read_log(&server).iter().filter(|row| row.message_id.starts_with("starved-")).count();
    assert_eq!(stored, CLIENTS);
    assert!(server.stop().success(), "{}", server.logged());
    assert_sound(&server);
}

fn ask_and_close(mut client: Connection, number: usize) -> io::Result<Answer> {
    let body = format!(r#"{{"event":"starved","userId":"u{number}","messageId":"starved-{number}"}}"#);
    let headers = [("statsig-api-key", SERVER_KEY), ("connection", "close")];
    client.ask("POST", "/v1/track", &headers, body.as_bytes())
}
