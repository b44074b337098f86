//! Units by number: each unit's hash gets the next number when it is met first. Knows no exposure and no event.

use hashbrown::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// So many units are looked up before any of them is used: the processor then waits for memory once for several of them,
/// which halves the time of a scan over a million units.
const LOOKED_UP_AT_ONCE: usize = 128;

/// Says that a row has no unit that counts.
pub(super) const NOBODY: u32 = u32::MAX;

/// A unit's hash is a keyed SipHash already, so hashing it again would gain nothing.
#[derive(Debug, Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers of 64 bits are hashed");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Roster {
    numbers: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
}

impl Roster {
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of a unit, new or known.
    pub fn number(&mut self, hash: u64) -> u32 {
        let next = u32::try_from(self.numbers.len()).ok().filter(|next| *next != NOBODY);
        let next = next.expect("2^32 units need more memory than any box has");
        *self.numbers.entry(hash).or_insert(next)
    }

    /// The number of a unit that has one.
    pub fn find(&self, hash: u64) -> Option<u32> {
        self.numbers.get(&hash).copied()
    }

    /// By number: the hash of each unit.
    pub fn hashes(&self) -> Vec<u64> {
        let mut hashes = vec![0; self.numbers.len()];
        self.numbers.iter().for_each(|(&hash, &number)| hashes[number as usize] = hash);
        hashes
    }

    /// The numbers of units, `NOBODY` for a hash of 0; new ones get one if `enter` says so and are nobody otherwise.
    pub fn numbers(&mut self, hashes: &[u64], enter: bool, into: &mut Vec<u32>) {
        for part in hashes.chunks(LOOKED_UP_AT_ONCE) {
            let first = into.len();
            into.extend(part.iter().map(|hash| self.numbers.get(hash).copied().unwrap_or(NOBODY)));
            for (number, &hash) in into[first..].iter_mut().zip(part) {
                if *number == NOBODY && hash != 0 && enter {
                    *number = self.number(hash);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_keeps_its_number_and_no_unit_has_none() {
        let mut roster = Roster::default();
        let mut found = Vec::new();
        roster.numbers(&[7, 0, 9, 7, u64::MAX], true, &mut found);
        assert_eq!(found, [0, NOBODY, 1, 0, 2]);
        assert_eq!(roster.hashes(), [7, 9, u64::MAX]);
        found.clear();
        roster.numbers(&[9, 5, 0], false, &mut found);
        assert_eq!((found.as_slice(), roster.len()), ([1, NOBODY, NOBODY].as_slice(), 3));
    }
}
