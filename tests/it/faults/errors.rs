//! A disk that fails once, at every place where it can: nothing is acknowledged afterwards, and nothing acknowledged is lost.

use super::disk::{Call, Disk, Fault};
use super::oracle::Oracle;
use super::random::Random;
use super::threads::{House, ends, wait};
use std::io::ErrorKind;
use std::time::Duration;
use weir::store::{DedupeLimits, Options, Store};
use weir::writer::{Limits, Unavailable};

const SUBMISSIONS: u64 = 12;

fn options() -> Options {
    let dedupe = DedupeLimits { epoch_keys: 10, fanout: 2, ..DedupeLimits::default() };
    Options { block_bytes: 2 << 10, cache_bytes: 1 << 20, quiet_tails: 2, dedupe, ..Options::default() }
}

fn limits() -> Limits {
    Limits { quiet: Duration::from_millis(1), ..Limits::default() }
}

/// A small load over a disk with a fault; true if the fault was reached.
fn run(fault: Fault) -> bool {
    let disk = Disk::default();
    let house = House::open(&disk, options(), limits()).expect("a sound disk opens");
    disk.fail(fault);
    let mut oracle = Oracle::default();
    let mut failed = None;
    for number in 0..SUBMISSIONS {
        let numbers = number * 3..number * 3 + 3;
        let before = disk.faulted();
        match house.submit(house.submission(numbers.clone())) {
            Ok(receipt) => {
                assert!(failed.is_none() && !before, "{fault:?}: a success after the error");
                assert_eq!(receipt.stored, 3);
                oracle.owed.log.extend(numbers);
            }
            Err(refusal) => {
                assert_eq!(refusal, Unavailable::Poisoned, "{fault:?}");
                let mut perhaps = oracle.owed.clone();
                perhaps.log.extend(numbers);
                // Only the first one may have got through; those after it were never written.
                oracle.perhaps.get_or_insert(perhaps);
                failed.get_or_insert(number);
            }
        }
    }
    let House { store, handle, writing, .. } = house;
    let faulted = disk.faulted();
    if failed.is_some() {
        assert!(faulted);
        wait(writing.failed());
        assert!(!handle.is_running());
    }
    let stopped = ends("the writer stops", move || writing.stop());
    assert_eq!(stopped.is_err(), disk.faulted(), "{fault:?}: {stopped:?}");
    let late = house_is_closed(&handle, &store);
    assert_eq!(late, if stopped.is_err() { Unavailable::Poisoned } else { Unavailable::Stopping });
    drop((store, handle));
    if disk.faulted() {
        assert_eq!(disk.changes_after_fault(), 0, "{fault:?}: written after the error");
    }
    let seed = fault.nth;
    for image in
        [disk.all_written(), disk.after_cut(&mut Random::new(seed)), disk.after_cut(&mut Random::new(seed + 1))]
    {
        let (store, _appender) = Store::open_on(Disk::holding(image), options(), [7; 32])
            .unwrap_or_else(|error| panic!("{fault:?}: does not reopen: {error}"));
        let mut oracle = Oracle { owed: oracle.owed.clone(), perhaps: oracle.perhaps.clone(), ..Oracle::default() };
        oracle.verify(&store);
    }
    disk.faulted()
}

fn house_is_closed(handle: &weir::writer::Handle, store: &Store) -> Unavailable {
    let submission = weir::store::Submission::empty(store.new_batch());
    match wait(handle.enqueue(submission)) {
        Ok(_) => panic!("a stopped writer takes nothing"),
        Err(refusal) => refusal,
    }
}

/// Fails every call of a kind in turn, until a load is over before its turn comes.
fn each(call: Call, kinds: &[ErrorKind]) {
    for &kind in kinds {
        for nth in 0.. {
            if !run(Fault { call, nth, kind }) {
                assert!(nth > 0, "no {call:?} was ever made");
                break;
            }
        }
    }
}

#[test]
fn no_success_after_a_failed_sync() {
    each(Call::Sync, &[ErrorKind::Other]);
}

#[test]
fn no_success_after_a_failed_write() {
    each(Call::Write, &[ErrorKind::Other, ErrorKind::StorageFull]);
}

#[test]
fn no_success_after_a_file_that_could_not_grow() {
    each(Call::SetLen, &[ErrorKind::StorageFull]);
}
