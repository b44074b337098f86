//! Chance that can be repeated: what a simulation draws, from a stream of its own for everything it draws for. Never reads
//! the machine's randomness.

use crate::cli::random::{Random, mix};

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Dice(Random);

impl Dice {
    /// The stream of one thing (`of`) in a simulation. Streams of neighbours have nothing in common, because the generator's
    /// states are mixed rather than counted up.
    pub fn seeded(seed: u64, of: u64) -> Dice {
        Dice(Random::new(mix(mix(seed).wrapping_add(of))))
    }

    pub fn next(&mut self) -> u64 {
        self.0.draw()
    }

    /// Uniform in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// Uniform in 0..n; n must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    /// Uniform in low..=high.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.fraction()).ln()
    }

    /// In the form of a version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_gives_is_in_range_and_about_right() {
        let mut dice = Dice::seeded(1, 2);
        let n = 100_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..n).map(|_| draw()).sum::<f64>() / f64::from(n);
        // Four standard errors of the mean of a uniform and of an exponential.
        assert!((mean(&mut || dice.fraction()) - 0.5).abs() < 4.0 * 0.2887 / f64::from(n).sqrt());
        assert!((mean(&mut || dice.exponential(3.0)) - 3.0).abs() < 4.0 * 3.0 / f64::from(n).sqrt());
        assert!((0..1000).all(|_| (2..=4).contains(&dice.between(2, 4))));
        assert_eq!(dice.uuid().len(), 36);
    }
}
