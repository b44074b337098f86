//! What an evaluation takes by itself: on one core, without HTTP.

use super::project::{self, LIST, MEMBERS};
use super::report::Timed;
use anyhow::Context;
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use weir::clock::{Clock, SystemClock};
use weir::evaluate::{Evaluation, User};
use weir::sdk::{self, Asked, Release};
use weir::store::{Change, DocumentChange, ListChange, Options, Store};

/// Users who take turns, so that no evaluation finds the one before in the caches.
const USERS: usize = 4096;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(100);
/// Calls between two looks at the clock.
const CALLS: usize = 64;
/// IDs in one commit.
const IDS: usize = 100_000;

/// A store whose list holds every second of twice as many users.
fn lists(folder: &Path) -> anyhow::Result<Store> {
    let path = folder.join("lists.redb");
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let (store, mut appender) = Store::open(&path, Options::default(), [7; 32])?;
    let now = SystemClock.now();
    let mut commit = |change| appender.commit(vec![Change::Documents(vec![DocumentChange::List(change)])], now);
    commit(ListChange::Begin { list: LIST.to_owned() })?;
    for first in (0..MEMBERS).step_by(IDS) {
        let add = (first..first + IDS).map(|n| project::id(2 * n)).collect();
        commit(ListChange::Members { list: LIST.to_owned(), add, remove: Vec::new() })?;
    }
    drop(appender);
    std::fs::remove_file(&path)?;
    anyhow::ensure!(store.lists().count() > MEMBERS as u64 * 99 / 100, "the list holds {}", store.lists().count());
    Ok(store)
}

pub fn measure(folder: &Path) -> anyhow::Result<Vec<Timed>> {
    let store = lists(folder)?;
    let now = SystemClock.now();
    let release = Release::new(&project::catalog()?, now);
    // Spread over all who could be in the list.
    let documents: Vec<Value> = (0..USERS).map(|n| project::user(n * (2 * MEMBERS / USERS) + n % 2)).collect();
    let users: Vec<User> = documents.iter().map(User::from_json).collect();
    let body = |user: &Value| {
        let metadata = json!({"sdkType": "bench", "exposureLoggingDisabled": true});
        json!({"user": user, "gateName": "half", "hash": "djb2", "statsigMetadata": metadata}).to_string().into_bytes()
    };
    let bodies: Vec<Vec<u8>> = documents.iter().map(body).collect();
    let evaluate = |n: usize| release.specs.evaluate(&users[n], store.lists(), now);
    let mut found = Vec::new();
    let mut gate = |what: &'static str, name: &'static str| {
        found.push(timed(what, |n| {
            black_box(evaluate(n).gate(black_box(name)).value);
        }));
    };
    gate("gate, everyone", "simple");
    gate("gate, 50 %", "half");
    gate("gate, five conditions and 50 %", "several");
    gate("gate, ID list of a million", "listed");
    found.push(timed("experiment", |n| {
        black_box(evaluate(n).config(black_box("alone")).rule_id);
    }));
    found.push(timed("layer: holdout, targeting, experiment", |n| {
        black_box(evaluate(n).layer(black_box("shop")).rule_id);
    }));
    let asked = |n: usize| Asked::read(&bodies[n]);
    let with = |asked: &Asked<'_>, ask: &dyn Fn(&Asked<'_>, &mut Evaluation<'_, '_>)| {
        ask(asked, &mut release.specs.evaluate(&asked.user, store.lists(), now));
    };
    asked(0).context("a body of the bench cannot be read")?;
    found.push(timed("check_gate, from body to answer", |n| {
        let Ok(asked) = asked(n) else { return };
        with(&asked, &|asked, evaluation| {
            let _ = black_box(sdk::check_gate(asked, evaluation));
        });
    }));
    found.push(timed("initialize, from body to answer", |n| {
        let Ok(asked) = asked(n) else { return };
        with(&asked, &|asked, evaluation| {
            let _ = black_box(sdk::initialize(asked, &release, evaluation));
        });
    }));
    Ok(found)
}

/// The time of one call, in ns, in each round; the first round only warms up.
fn timed(what: &'static str, mut call: impl FnMut(usize)) -> Timed {
    let mut next = 0;
    let mut round = || {
        let (started, mut calls) = (Instant::now(), 0);
        loop {
            for _ in 0..CALLS {
                call(next % USERS);
                next += 1;
            }
            calls += CALLS;
            let took = started.elapsed();
            if took >= ROUND {
                return took.as_secs_f64() * 1e9 / calls as f64;
            }
        }
    };
    round();
    let timed = Timed { what, nanos: (0..ROUNDS).map(|_| round()).collect() };
    eprintln!("{what:<40} {:>9.0} ns", timed.median().unwrap_or(f64::NAN));
    timed
}
