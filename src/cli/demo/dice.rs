//! Chance that can be repeated: a small generator, seeded by number. Never reads the machine's randomness.

/// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): good enough for a simulation, and
/// a stream of its own for every visitor costs nothing.
#[derive(Debug, Clone)]
pub struct Dice(u64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// The stream of one thing (`of`) in a simulation.
    pub fn seeded(seed: u64, of: u64) -> Dice {
        let mut dice = Dice(seed);
        let base = dice.next();
        Dice(base ^ of.wrapping_mul(GAMMA))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
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
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
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
    fn it_agrees_with_the_published_generator() {
        // The first values for the seed 1234567, as published with the reference implementation.
        let mut dice = Dice(1_234_567);
        assert_eq!([dice.next(), dice.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

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
