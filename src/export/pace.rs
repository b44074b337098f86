//! How long to wait before the next attempt: exponential backoff with full jitter. Knows no clock and makes no randomness.

use std::time::Duration;

/// What the wait before the first repetition is at most.
pub const BASE: Duration = Duration::from_millis(500);

/// Grows with each attempt up to a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub base: Duration,
    pub ceiling: Duration,
}

impl Pace {
    /// The wait after so many failed attempts (1 after the first): between nothing and `min(ceiling, base * 2^(failed - 1))`,
    /// so that many senders whom the same outage stopped do not come back at the same moment. `random` is any number.
    pub fn wait(&self, failed: u32, random: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failed.saturating_sub(1));
        let bound = self.base.saturating_mul(doubled).min(self.ceiling);
        bound.mul_f64(f64::from(random) / f64::from(u32::MAX)).min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_lies_between_nothing_and_a_bound_that_doubles_up_to_the_ceiling() {
        let pace = Pace { base: BASE, ceiling: Duration::from_secs(60) };
        for (failed, bound_ms) in
            [(0, 500), (1, 500), (2, 1_000), (3, 2_000), (7, 32_000), (8, 60_000), (33, 60_000), (u32::MAX, 60_000)]
        {
            let bound = Duration::from_millis(bound_ms);
            assert_eq!(pace.wait(failed, 0), Duration::ZERO, "{failed}");
            assert_eq!(pace.wait(failed, u32::MAX), bound, "{failed}");
            let middle = pace.wait(failed, u32::MAX / 2);
            assert!(middle > bound.mul_f64(0.49) && middle < bound.mul_f64(0.51), "{failed}: {middle:?}");
        }
        let short = Pace { base: BASE, ceiling: Duration::from_millis(10) };
        assert_eq!(short.wait(1, u32::MAX), Duration::from_millis(10), "the ceiling bounds the first wait too");
    }
}
