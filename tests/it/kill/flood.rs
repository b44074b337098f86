//! A flood of duplicates: every event sent ten times at the same time, over every route, before and after restarts.

use super::assert_sound;
use super::dice::Dice;
use super::oracle::{Oracle, read_log};
use super::parcel::{Item, Parcel, item, pack};
use crate::running::{Connection, SERVER_KEY, Server, project};
use std::thread;
use std::time::Instant;

/// How often each event is sent, in all.
const TIMES: usize = 10;
const EVENTS: usize = 400;
const THREADS: usize = 8;

#[test]
fn an_event_that_is_sent_ten_times_is_stored_once() {
    let mut dice = Dice::new();
    let mut server = Server::start(&project());
    let sources = ["segment", "segment", "rudderstack", "statsig", "webhook"];
    let items: Vec<Item> =
        (0..EVENTS).map(|n| item(sources[n % sources.len()], format!("flood-{n}"), &mut dice)).collect();
    let oracle = Oracle::default();
    // Each event is first of all something that may be stored by itself.
    items.iter().for_each(|item| oracle.sending(&pack(vec![item.clone()], SERVER_KEY, &mut dice)));

    // Three floods; after the first the server is killed, after the second stopped in good order.
    for (round, times) in [4, 3, TIMES - 7].into_iter().enumerate() {
        let begun = Instant::now();
        let mut shares: Vec<Vec<Parcel>> = (0..THREADS).map(|_| Vec::new()).collect();
        for _ in 0..times {
            for parcel in parcels(&items, &mut dice) {
                shares[dice.below(THREADS)].push(parcel);
            }
        }
        thread::scope(|scope| {
            for mut share in shares {
                dice.shuffle(&mut share);
                let (oracle, address) = (&oracle, server.address);
                scope.spawn(move || {
                    let mut connection = Connection::to(address).expect("the server listens");
                    for parcel in share {
                        connection.send(&parcel.request()).expect("the server listens");
                        let answer = connection.answer("POST").expect("an answer");
                        assert!(matches!(answer.status, 200 | 202), "{}: {}", parcel.path, answer.body);
                        oracle.acknowledged(&parcel);
                    }
                });
            }
        });
        println!("flood {round}: {times} x {EVENTS} events in {:?}", begun.elapsed());
        match round {
            0 => server.kill(),
            _ => assert!(server.stop().success(), "{}", server.logged()),
        }
        assert_sound(&server);
        server.restart();
        oracle.compare(&server);
    }
    let figures = oracle.figures();
    assert_eq!((figures.acknowledged, figures.resent), (EVENTS as u64, (EVENTS * (TIMES - 1)) as u64));
    let stored = read_log(&server).into_iter().filter(|row| row.source != "console").count();
    assert_eq!(stored, EVENTS);
}

/// Every event once, in requests of different sizes and on different routes.
fn parcels(items: &[Item], dice: &mut Dice) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    for source in ["segment", "rudderstack", "statsig", "webhook"] {
        let mut rest: Vec<Item> = items.iter().filter(|item| item.source == source).cloned().collect();
        dice.shuffle(&mut rest);
        while !rest.is_empty() {
            let size = if dice.once_in(2) { 1 } else { 1 + dice.below(40) };
            let taken = rest.split_off(rest.len() - size.min(rest.len()));
            parcels.push(pack(taken, SERVER_KEY, dice));
        }
    }
    parcels
}
