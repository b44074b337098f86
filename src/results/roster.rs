//! Units by number: each unit's hash gets the next number when it is met first, and how many events it has is counted beside
//! it. Knows no exposure, and of an event only whose it is.

/// So many units are looked up before any of them is used: the processor then waits for memory once for several of them,
/// which halves the time of a scan over a million units.
const LOOKED_UP_AT_ONCE: usize = 128;

/// Says that a row has no unit that counts.
pub(super) const NOBODY: u32 = u32::MAX;

/// See the module. A table with open addressing, made by hand because a scan spends much of its time waiting for it: a hash is
/// a keyed SipHash already, so it needs no other; and as a slot has but four bytes, few of them are out of the cache.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// A unit stands where the low bits of its hash say or, where others stand, in the next free slot behind: its number,
    /// and in the bits that numbers leave free some others of its hash, so that hardly ever another unit is looked at. Their
    /// number is a power of two, or 0, and no more than half of them are taken.
    slots: Vec<u32>,
    /// By number.
    units: Vec<Unit>,
}

/// What a look-up reads and what is counted right after it lie together.
#[derive(Debug, Clone, Copy)]
struct Unit {
    hash: u64,
    events: u32,
}

const FEWEST_SLOTS: usize = 64;
const FREE: u32 = u32::MAX;

impl Roster {
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// The number of a unit, new or known.
    pub fn number(&mut self, hash: u64) -> u32 {
        if self.slots.len() < 2 * (self.units.len() + 1) {
            self.grow();
        }
        match self.look_up(hash) {
            Ok(number) => number,
            Err(at) => {
                let next = u32::try_from(self.units.len()).ok().filter(|next| *next < NOBODY / 2);
                let next = next.expect("2^31 units need more memory than any box has");
                self.slots[at] = next | self.mark(hash);
                self.units.push(Unit { hash, events: 0 });
                next
            }
        }
    }

    /// The number of a unit that has one.
    pub fn find(&self, hash: u64) -> Option<u32> {
        if self.slots.is_empty() { None } else { self.look_up(hash).ok() }
    }

    /// The number of a unit, or the free slot where it would stand. There must be slots.
    fn look_up(&self, hash: u64) -> Result<u32, usize> {
        let last = self.slots.len() - 1;
        let mark = self.mark(hash);
        let mut at = hash as usize & last;
        loop {
            let slot = self.slots[at];
            if slot == FREE {
                return Err(at);
            }
            let number = slot & last as u32;
            if slot - number == mark && self.units[number as usize].hash == hash {
                return Ok(number);
            }
            at = (at + 1) & last;
        }
    }

    /// The bits of a hash that stand in its slot, above those of a number.
    fn mark(&self, hash: u64) -> u32 {
        (hash >> 32) as u32 & !(self.slots.len() - 1) as u32
    }

    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(FEWEST_SLOTS);
        // The old ones go first, so that both are never there at once.
        self.slots = Vec::new();
        self.slots = vec![FREE; slots];
        for number in 0..self.units.len() {
            let hash = self.units[number].hash;
            let mut at = hash as usize & (slots - 1);
            while self.slots[at] != FREE {
                at = (at + 1) & (slots - 1);
            }
            self.slots[at] = number as u32 | self.mark(hash);
        }
    }

    /// Counts an event of a unit.
    pub fn count(&mut self, number: u32) {
        self.units[number as usize].events += 1;
    }

    /// How many events of a unit were counted.
    pub fn events(&self, number: u32) -> u32 {
        self.units.get(number as usize).map_or(0, |unit| unit.events)
    }

    /// By number: the hash of each unit.
    pub fn hashes(&self) -> Vec<u64> {
        self.units.iter().map(|unit| unit.hash).collect()
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice()) + self.units.capacity() * size_of::<Unit>()
    }

    /// The numbers of units, `NOBODY` for a hash of 0; new ones get one if `enter` says so and are nobody otherwise.
    pub fn numbers(&mut self, hashes: &[u64], enter: bool, into: &mut Vec<u32>) {
        for part in hashes.chunks(LOOKED_UP_AT_ONCE) {
            let first = into.len();
            // Where a unit stands decides how the look-up goes on, so without this each would be waited for by itself.
            let place = |hash: &u64| self.slots.get(*hash as usize & self.slots.len().wrapping_sub(1));
            std::hint::black_box(part.iter().filter_map(place).fold(0, |all, slot| all ^ slot));
            into.extend(part.iter().map(|hash| self.find(*hash).unwrap_or(NOBODY)));
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

    #[test]
    fn events_are_counted_by_unit() {
        let mut roster = Roster::default();
        let unit = roster.number(5);
        let other = roster.number(6);
        [unit, other, unit].into_iter().for_each(|number| roster.count(number));
        (7..2000).for_each(|hash| assert!(roster.number(hash) > other));
        assert_eq!([unit, other, other + 1, NOBODY].map(|number| roster.events(number)), [2, 1, 0, 0]);
    }

    /// Hashes that all want the same slot, and that want the last one, stand behind one another through every growth.
    #[test]
    fn units_keep_their_numbers_however_their_hashes_fall() {
        for step in [1, 1 << 20, 1 << 32, 1 << 52] {
            let mut roster = Roster::default();
            assert_eq!(roster.find(step), None);
            let hashes: Vec<u64> = (1..1000).map(|nth: u64| nth.wrapping_mul(step).wrapping_sub(1)).collect();
            for (number, hash) in (0..).zip(&hashes) {
                assert_eq!(roster.number(*hash), number, "step {step}");
            }
            assert!(roster.slots.len() >= 2 * roster.len());
            for (number, hash) in (0..).zip(&hashes) {
                assert_eq!((roster.find(*hash), roster.number(*hash)), (Some(number), number), "step {step}");
            }
            assert_eq!((roster.hashes(), roster.find(u64::MAX / 3)), (hashes, None));
        }
    }
}
