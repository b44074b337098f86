//! Killed at any moment, above all between what the other side took and the note of it: afterwards each has had every event
//! that is in the log and that it should get, in order, and no other.

use super::fake::{Fake, Fault};
use super::hook::{SIGNING_SECRET, receiver};
use super::segment::segment;
use super::*;
use crate::kill::assert_sound;
use crate::kill::dice::Dice;
use crate::kill::oracle::read_log;
use crate::kill::producer::{Desk, Producer};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

const PRODUCERS: usize = 3;
const KILLS: u32 = 25;

#[test]
fn every_event_goes_out_whenever_the_server_is_killed() {
    let mut dice = Dice::new();
    let (segment, webhook) = (segment(), receiver());
    let mut project = exporting(&segment);
    project["integrations"]["webhook"] = json!({"outgoing": {"isEnabled": true, "url": webhook.url(),
        "signingSecret": SIGNING_SECRET, "configChanges": false}});
    let mut server = Server::start_with(&project, &BRISK);
    let desk = Desk::default();
    let begun = Instant::now();
    let mut resent = 0;
    thread::scope(|scope| {
        let _closing = desk.close_at_end();
        for n in 0..PRODUCERS {
            let producer = Producer::new(&desk, format!("x{n}"), dice.fork());
            scope.spawn(move || producer.run());
        }
        for _ in 0..KILLS {
            desk.open_at(Some(server.address));
            let requests = |fake: &Fake| fake.books().received.len();
            let enough = [&segment, &webhook].map(|fake| requests(fake) + 1 + dice.below(3));
            if dice.once_in(3) {
                // What was taken without a reply is all the more not noted yet.
                segment.script([Fault::ResetAfter]);
                webhook.script([Fault::status(503), Fault::Silence]);
            }
            until("both were sent something", || requests(&segment) >= enough[0] && requests(&webhook) >= enough[1]);
            thread::park_timeout(Duration::from_micros(dice.below(15_000) as u64));
            server.kill();
            desk.open_at(None);
            resent = segment.books().repeats + webhook.books().repeats;
            server.restart();
        }
        desk.open_at(Some(server.address));
    });
    for destination in ["segment", "webhook"] {
        let told = drained(&server, destination);
        assert_eq!((&told["deadLettered"], &told["pause"]), (&json!(0), &Value::Null), "{told}");
    }
    desk.oracle.compare(&server);
    let log = read_log(&server);
    let owed = |sources: &[&str]| -> BTreeSet<u64> {
        log.iter().filter(|row| sources.contains(&row.source.as_str())).map(|row| row.sequence).collect()
    };
    for (fake, owed) in [(&segment, owed(&["statsig", "webhook"])), (&webhook, owed(&["statsig"]))] {
        let books = fake.books();
        books.assert_clean();
        let got: BTreeSet<u64> = books.taken.iter().map(|sent| sent.sequence()).collect();
        let (lost, strange): (Vec<_>, Vec<_>) = (owed.difference(&got).collect(), got.difference(&owed).collect());
        assert!(lost.is_empty() && strange.is_empty(), "of {}: lost {lost:?}, unknown {strange:?}", owed.len());
        assert!(owed.len() > KILLS as usize, "{}", owed.len());
    }
    println!(
        "{KILLS} kills: {} events in the log, {} and {} taken, {resent} repeated, {:?}",
        log.len(),
        segment.books().taken.len(),
        webhook.books().taken.len(),
        begun.elapsed()
    );
    assert!(resent > 0, "nothing was ever sent twice: the test shows less than it says");
    assert!(server.stop().success(), "{}", server.logged());
    assert_sound(&server);
}
