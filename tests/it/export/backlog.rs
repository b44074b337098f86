//! A backlog: it survives a restart, does not hold up the start, and drains within bounded memory.

use super::fake::{Fake, Fault};
use super::segment::judge;
use super::*;
use std::time::{Duration, Instant};

/// The bench does the same with a million.
const BACKLOG: u64 = 50_000;
const READY_WITHIN: Duration = Duration::from_secs(5);
/// What draining may add to the memory of a server. The backlog is more than that, as JSON: 30 MB twice or so.
const MORE_MEMORY: u64 = 48 << 20;

/// The most memory a server has had, in bytes.
fn high_water(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak is in it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}

#[test]
fn a_backlog_survives_a_restart_and_drains_in_little_memory() {
    let mut fake = Fake::closed(judge(), None);
    let mut server = start(&fake);
    log_orders(&server, 0..BACKLOG);
    assert_eq!(status(&server, "segment")["lag"]["events"], BACKLOG);
    assert!(server.stop().success(), "{}", server.logged());
    let begun = Instant::now();
    server.restart();
    let ready = begun.elapsed();
    assert!(ready < READY_WITHIN, "{ready:?}");
    assert_eq!(status(&server, "segment")["lag"]["events"], BACKLOG);
    let before = high_water(&server);
    // A batch in the middle fails now and then.
    fake.script((0..8).map(|nth| if nth % 4 == 3 { Fault::status(503) } else { Fault::ResetBefore }));
    fake.open();
    drained(&server, "segment");
    let after = high_water(&server);
    println!("ready in {ready:?}, drained by {:?}, peak {before} -> {after} bytes", begun.elapsed());
    assert_got(&fake, 0..BACKLOG);
    assert_eq!(fake.books().repeats, 0);
    assert!(after < before + MORE_MEMORY, "{before} -> {after}");
}
