//! How long requests took: a log-linear histogram (the idea of HdrHistogram), exact to one part in 128. Keeps counts only,
//! so that a run of any length takes the same memory.

use std::time::Duration;

/// Values up to this are exact; above it each power of two is cut into this many equal buckets.
const STEPS: u64 = 128;
const STEP_BITS: u32 = STEPS.ilog2();
const BUCKETS: usize = (u64::BITS - STEP_BITS + 1) as usize * STEPS as usize;

/// Counts durations in nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a duration; one beyond 584 years counts as that.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The exact longest one; zero without any.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The least duration that at least the part `q` (0 to 1) of all do not exceed, at most 1/128 too long and never longer
    /// than the longest; zero without any.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((q.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper(index).min(self.max));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a value: its leading `STEP_BITS` + 1 bits, after its magnitude.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - (value | STEPS).leading_zeros()).saturating_sub(STEP_BITS + 1);
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    let mantissa = index - shift * STEPS;
    (mantissa << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::random::Random;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_follow_each_other() {
        for value in (0..5_000).chain([1 << 20, (1 << 20) + 12_345, u64::MAX / 3, u64::MAX - 1, u64::MAX]) {
            let index = bucket(value);
            assert!(index < BUCKETS, "{value}");
            assert!(upper(index) >= value && upper(index) - value <= value / STEPS, "{value}: {}", upper(index));
            assert!(index == 0 || upper(index - 1) < value, "{value}");
        }
    }

    #[test]
    fn quantiles_are_within_one_part_in_128_of_the_sorted_values() {
        let mut random = Random::new(11);
        let mut values: Vec<u64> =
            (0..50_000).map(|_| 1 + random.below(1 << (10 + random.clone().below(25)))).collect();
        let mut whole = Histogram::default();
        let mut halves = [Histogram::default(), Histogram::default()];
        for (n, value) in values.iter().enumerate() {
            whole.record(Duration::from_nanos(*value));
            halves[n % 2].record(Duration::from_nanos(*value));
        }
        let [mut merged, other] = halves;
        merged.merge(&other);
        values.sort_unstable();
        for q in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((q * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            let got = whole.quantile(q).as_nanos() as f64;
            assert!((exact..=exact * (1.0 + 1.0 / 128.0)).contains(&got), "{q}: {got} for {exact}");
            assert_eq!(whole.quantile(q), merged.quantile(q));
        }
        assert_eq!(whole.max().as_nanos(), u128::from(values[values.len() - 1]));
        assert_eq!(merged.count(), 50_000);
    }

    #[test]
    fn without_any_value_all_is_zero() {
        assert_eq!(Histogram::default().quantile(0.99), Duration::ZERO);
        assert_eq!(Histogram::default().max(), Duration::ZERO);
    }
}
