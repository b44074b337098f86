//! What the server survives: being killed, being asked to stop, floods, damaged bodies, a full disk, no file descriptors. The
//! pass line is always the same: what was acknowledged is stored once and unchanged, and nothing else is.
//!
//! A kill proves nothing about fsync, because the system keeps what was written; the tests of the room `store` do that.

pub mod dice;
mod flood;
mod malformed;
pub mod oracle;
pub mod parcel;
pub mod producer;
mod starved;
mod stopped;

use crate::running::{Server, project, until};
use dice::Dice;
use producer::{Desk, Producer};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

/// Enough senders that a queue of one is full now and then.
const PRODUCERS: usize = 8;
/// Kills under load.
const KILLS: u32 = 30;
/// What a restart may take, on a machine that does much else. A quiet one needs a fiftieth.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// A small queue that nobody waits for, so that some requests are turned away.
const SMALL_QUEUE: [&str; 4] = ["--queue-messages", "1", "--enqueue-wait", "0ms"];

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let mut dice = Dice::new();
    let mut server = Server::start_with(&project(), &SMALL_QUEUE);
    let desk = Desk::default();
    let begun = Instant::now();
    let (mut starts, mut killed_at_start) = (Vec::new(), 0);
    thread::scope(|scope| {
        let _closing = desk.close_at_end();
        for n in 0..PRODUCERS {
            let producer = Producer::new(&desk, format!("p{n}"), dice.fork());
            scope.spawn(move || producer.run());
        }
        for kill in 1..=KILLS {
            desk.open_at(Some(server.address));
            let enough = desk.oracle.figures().acknowledged + dice.below(1_500) as u64;
            until("enough is acknowledged", || desk.oracle.figures().acknowledged > enough);
            thread::park_timeout(Duration::from_micros(dice.below(20_000) as u64));
            server.kill();
            desk.open_at(None);
            // Now and then also while it recovers.
            while dice.once_in(3) {
                server.launch();
                thread::park_timeout(Duration::from_millis(dice.below(60) as u64));
                server.kill();
                killed_at_start += 1;
            }
            let start = Instant::now();
            server.restart();
            starts.push(start.elapsed());
            if kill % 9 == 0 {
                desk.oracle.compare(&server);
            }
        }
        desk.open_at(Some(server.address));
        let enough = desk.oracle.figures().acknowledged + 500;
        until("it takes events as before", || desk.oracle.figures().acknowledged > enough);
    });
    let produced = begun.elapsed();
    desk.oracle.compare(&server);
    let figures = desk.oracle.figures();
    assert!(server.stop().success(), "{}", server.logged());
    let told = assert_sound(&server);
    starts.sort();
    let (median, slowest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    println!(
        "{KILLS} kills under load and {killed_at_start} while starting; {figures:?}, {} answers 503, {} requests without an \
         answer; ready again after {median:?} (median), {slowest:?} (slowest); {produced:?} of load, {:?} in all; {told}",
        desk.turned_away.load(Relaxed),
        desk.unanswered.load(Relaxed),
        begun.elapsed(),
    );
    assert!(slowest < READY_WITHIN, "{slowest:?}");
    assert!(desk.turned_away.load(Relaxed) > 0, "the queue was never full: the test shows less than it says");
    assert!(figures.resent > 0 && figures.acknowledged > u64::from(KILLS) * 100, "{figures:?}");
}

#[test]
fn a_server_that_is_killed_while_it_makes_its_store_starts_again() {
    let mut dice = Dice::new();
    let mut server = Server::start(&project());
    let mut made = Vec::new();
    for _ in 0..20 {
        server.kill();
        std::fs::remove_dir_all(server.data()).expect("a directory of ours");
        server.launch();
        thread::park_timeout(Duration::from_micros(dice.below(60_000) as u64));
        server.kill();
        made.push(server.data().join("weir.redb").metadata().map_or(0, |file| file.len()));
        server.restart();
        let answer = server.post("/v1/track", r#"{"event":"x","userId":"u"}"#);
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    println!("bytes that were there when it was killed: {made:?}");
    assert!(server.stop().success(), "{}", server.logged());
    assert_sound(&server);
}

/// `weir check` finds nothing wrong with a stopped server's store.
pub fn assert_sound(server: &Server) -> String {
    let check = server.command(&["check", "--data", "data"]);
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    let logged = server.logged();
    assert!(!logged.contains("panicked"), "{logged}");
    assert!(check.status.success() && told.starts_with("sound: "), "{told}{}", String::from_utf8_lossy(&check.stderr));
    assert!(told.contains(" 0 messages stored twice"), "{told}");
    told
}
