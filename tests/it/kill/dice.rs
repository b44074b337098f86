//! Chance that can be repeated: every random choice of these tests comes from one printed seed.

use crate::faults::random::Random;
use std::hash::{BuildHasher, Hasher, RandomState};

pub struct Dice(Random);

impl Dice {
    /// Dice for a whole test. `WEIR_TEST_SEED` repeats an earlier run.
    pub fn new() -> Dice {
        let seed = match std::env::var("WEIR_TEST_SEED") {
            Ok(text) => text.parse().expect("WEIR_TEST_SEED is a whole number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        println!("WEIR_TEST_SEED={seed}");
        Dice(Random::new(seed))
    }

    /// Dice for one of several threads.
    pub fn fork(&mut self) -> Dice {
        Dice(Random::new(self.next()))
    }

    pub fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// From 0 up to `bound - 1`; 0 where there is nothing to choose from.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound.max(1) as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        from[self.below(from.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}
