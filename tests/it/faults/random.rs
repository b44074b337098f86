//! Repeatable randomness for the fault tests, and the loop that runs many seeds and names the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// SplitMix64: small, and every seed gives another sequence.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 up to `bound - 1`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// Runs `count` seeds, or those that the environment names.
pub fn seeds(count: u64, mut run: impl FnMut(u64)) {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let range = match setting("WEIR_FAULTS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("WEIR_FAULTS_SEEDS").unwrap_or(count),
    };
    for seed in range {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("failed with seed {seed}; run it again with WEIR_FAULTS_SEED={seed}");
            resume_unwind(panic);
        }
    }
}
