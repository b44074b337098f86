//! Power cuts at random moments, also while the store recovers from the one before.

use super::disk::Disk;
use super::life::{Life, options};
use super::oracle::{Contents, Oracle};
use super::random::{Random, seeds};
use weir::store::Options;

/// A store that is opened on what a cut left. `cuts` more come while it recovers.
fn recover(disk: &mut Disk, options: Options, cuts: u64, oracle: &mut Oracle, random: &mut Random) -> Life {
    for _ in 0..cuts {
        disk.cut_after(random.below(40));
        match Life::begin(disk, options) {
            Ok(life) => {
                disk.cut_after(0);
                drop(life);
            }
            Err(error) => assert!(disk.is_off(), "a sound disk does not open: {error}"),
        }
        *disk = cut(disk, oracle, random);
    }
    Life::begin(disk, options).unwrap_or_else(|error| panic!("does not reopen: {error}"))
}

fn cut(disk: &Disk, oracle: &Oracle, random: &mut Random) -> Disk {
    let mut image = disk.after_cut(random);
    // A new store gets its name only when it is whole, so what was cut short before is not found again.
    let owed = &oracle.owed;
    let nothing_owed = *owed == Contents::default();
    if nothing_owed && !image.starts_with(b"redb") {
        image.clear();
    }
    Disk::holding(image)
}

fn run(seed: u64, recoveries: u64) {
    let mut random = Random::new(seed);
    let options = options(&mut random);
    let mut oracle = Oracle::default();
    let mut disk = Disk::default();
    for _ in 0..1 + random.below(3) {
        let cuts = if recoveries == 0 { 0 } else { random.below(recoveries + 1) };
        let mut life = recover(&mut disk, options, cuts, &mut oracle, &mut random);
        oracle.verify(&life.store);
        disk.cut_after(1 + random.below(250));
        let steps = 5 + random.below(20);
        let _ = life.live(steps, &mut oracle, &mut random);
        // Whether it came to an end or not: nobody closes a store when the power goes.
        disk.cut_after(0);
        drop(life);
        disk = cut(&disk, &oracle, &mut random);
    }
    let mut life = recover(&mut disk, options, recoveries, &mut oracle, &mut random);
    oracle.verify(&life.store);
    life.repeat_all(&mut oracle).expect("the power is on");
    life.live(6, &mut oracle, &mut random).expect("the power is on");
    life.finish(&mut oracle, &mut random).expect("the power is on");
    life.repeat_all(&mut oracle).expect("the power is on");
    oracle.verify(&life.store);
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    seeds(1000, |seed| run(seed, 0));
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_again_during_recovery() {
    seeds(200, |seed| run(seed, 3));
}
