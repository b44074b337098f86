//! A sorted run of message fingerprints and the filter in front of it: how they lie in parts, how one is searched, how
//! several become one. Pure; who keeps and drops runs is `dedupe`'s business.

use super::block::{Damage, fixed};

/// Fingerprints in one stored part: 65,408 bytes, just under a power of two with the row around it.
pub(super) const PART_KEYS: usize = 4088;
/// Bytes of a filter's stored part.
pub(super) const FILTER_PART_BYTES: usize = 65_408;
/// Sixteen bits a key: about one false alarm in two thousand look-ups.
const FILTER_BITS_PER_KEY: usize = 16;
const WORDS: usize = 8;
const KEY_BYTES: usize = 16;

/// A split block Bloom filter (as in Apache Parquet): one key touches one block of 256 bits, so a look-up costs one cache miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u32>,
}

/// Odd multipliers, one a word of a block; Parquet's published constants.
const SALT: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

impl Filter {
    pub fn with_capacity(keys: usize) -> Filter {
        let blocks = (keys * FILTER_BITS_PER_KEY).div_ceil(WORDS * 32).max(1);
        Filter { words: vec![0; blocks * WORDS] }
    }

    fn block(&self, key: u128) -> usize {
        let blocks = (self.words.len() / WORDS) as u128;
        (((key >> 64) * blocks) >> 64) as usize * WORDS
    }

    pub fn insert(&mut self, key: u128) {
        let at = self.block(key);
        for (word, salt) in self.words[at..at + WORDS].iter_mut().zip(SALT) {
            *word |= 1 << ((key as u32).wrapping_mul(salt) >> 27);
        }
    }

    /// False means surely absent.
    pub fn may_contain(&self, key: u128) -> bool {
        let at = self.block(key);
        self.words[at..at + WORDS]
            .iter()
            .zip(SALT)
            .all(|(word, salt)| word & (1 << ((key as u32).wrapping_mul(salt) >> 27)) != 0)
    }

    pub fn parts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.words.chunks(FILTER_PART_BYTES / 4).map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    pub fn from_parts<'a>(keys: u64, parts: impl Iterator<Item = &'a [u8]>) -> Option<Filter> {
        let mut filter = Filter::with_capacity(usize::try_from(keys).ok()?);
        let expected = filter.words.len();
        filter.words.clear();
        for part in parts {
            let (words, rest) = part.as_chunks::<4>();
            filter.words.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
            if !rest.is_empty() {
                return None;
            }
        }
        (filter.words.len() == expected).then_some(filter)
    }
}

/// What is stored of a run beside its keys and its filter.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct RunMeta {
    /// 0: the keys of one sealing, also held in memory. 1 and 2: merged, behind a filter.
    pub level: u8,
    pub keys: u64,
    /// The sequences that it covers.
    pub first: u64,
    pub end: u64,
    /// When its newest event was received, in ms: what its expiry goes by.
    pub newest: i64,
    pub oldest: i64,
    /// The first key of each part.
    pub fence: Vec<u128>,
}

impl RunMeta {
    pub fn encode(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, fixed()).expect("writing to memory cannot fail")
    }

    pub fn decode(bytes: &[u8], run: u64) -> Result<RunMeta, Damage> {
        let (meta, _) = bincode::decode_from_slice(bytes, fixed()).map_err(|error| Damage {
            what: "run",
            first: run,
            why: error.to_string(),
        })?;
        Ok(meta)
    }

    /// The part that would hold this key.
    pub fn part_of(&self, key: u128) -> Option<u32> {
        let after = self.fence.partition_point(|first| *first <= key);
        after.checked_sub(1).map(|part| part as u32)
    }
}

pub(super) fn encode_part(keys: &[u128]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.to_le_bytes()).collect()
}

pub(super) fn decode_part(bytes: &[u8], run: u64) -> Result<Vec<u128>, Damage> {
    let (keys, rest) = bytes.as_chunks::<KEY_BYTES>();
    if !rest.is_empty() {
        return Err(Damage { what: "run", first: run, why: "a key is cut short".into() });
    }
    Ok(keys.iter().map(|key| u128::from_le_bytes(*key)).collect())
}

pub(super) fn part_contains(bytes: &[u8], key: u128) -> bool {
    let (keys, _) = bytes.as_chunks::<KEY_BYTES>();
    keys.binary_search_by(|probe| u128::from_le_bytes(*probe).cmp(&key)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u64, seed: u64) -> Vec<u128> {
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        (0..count).map(|_| (u128::from(next()) << 64) | u128::from(next())).collect()
    }

    #[test]
    fn the_filter_never_denies_a_key_it_holds_and_seldom_cries_wolf() {
        let held = keys(100_000, 1);
        let mut filter = Filter::with_capacity(held.len());
        held.iter().for_each(|&key| filter.insert(key));
        assert!(held.iter().all(|&key| filter.may_contain(key)));
        let alarms = keys(100_000, 2).into_iter().filter(|&key| filter.may_contain(key)).count();
        assert!(alarms < 200, "{alarms} false alarms in 100,000");

        let parts: Vec<_> = filter.parts().collect();
        let back = Filter::from_parts(held.len() as u64, parts.iter().map(Vec::as_slice));
        assert_eq!(back.as_ref(), Some(&filter));
        assert_eq!(Filter::from_parts(held.len() as u64, parts.iter().skip(1).map(Vec::as_slice)), None);
    }

    #[test]
    fn a_run_is_searched_by_its_fence() {
        let mut sorted = keys(3 * PART_KEYS as u64 + 5, 3);
        sorted.sort_unstable();
        let parts: Vec<_> = sorted.chunks(PART_KEYS).map(encode_part).collect();
        let fence = sorted.chunks(PART_KEYS).map(|part| part[0]).collect();
        let meta = RunMeta { level: 1, keys: sorted.len() as u64, first: 0, end: 9, newest: 0, oldest: 0, fence };
        assert_eq!(RunMeta::decode(&meta.encode(), 0).unwrap(), meta);
        let holds = |key| meta.part_of(key).is_some_and(|part| part_contains(&parts[part as usize], key));
        assert!(sorted.iter().all(|&key| holds(key)));
        assert!(!holds(0) && !holds(u128::MAX) && !holds(sorted[9] + 1));
        assert_eq!(decode_part(&parts[1], 0).unwrap(), sorted[PART_KEYS..2 * PART_KEYS]);
    }
}
