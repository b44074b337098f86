//! Message ids that no other event of this process, and practically of no other process, has. Never repeats for a repeated
//! seed: a second run with the same seed would otherwise send nothing but duplicates.

use crate::cli::random::mix;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids are reserved in blocks so that the threads do not share a cache line for each event.
const BLOCK: u64 = 1 << 16;
const MASK: u64 = (1 << 60) - 1;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);

/// A thread's supply of UUIDs (version 4 by their look).
#[derive(Debug)]
pub struct MessageIds {
    nonce: u64,
    next: u64,
    end: u64,
}

impl MessageIds {
    /// `nonce` sets processes apart: a random word in earnest, anything in tests.
    pub fn new(nonce: u64) -> MessageIds {
        MessageIds { nonce, next: 0, end: 0 }
    }

    /// The two halves of a UUID. The upper one carries a counter of the process through a bijection of its 60 free bits,
    /// which makes it unique; the lower one carries the process.
    pub fn uuid(&mut self) -> (u64, u64) {
        if self.next == self.end {
            self.next = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            self.end = self.next + BLOCK;
        }
        let counter = self.next;
        self.next += 1;
        // An odd factor and a shift-xor are each invertible modulo 2^60, so distinct counters stay distinct.
        let word = counter.wrapping_mul(0x9E37_79B9_7F4A_7C15) & MASK;
        let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9) & MASK;
        let word = word ^ (word >> 27);
        let upper = (word >> 12) << 16 | 0x4000 | word & 0xFFF;
        let lower = mix(self.nonce ^ counter) & !(0b11 << 62) | 0b10 << 62;
        (upper, lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_comes_twice_on_any_thread_whatever_the_nonce() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let mut ids = MessageIds::new(1);
                    (0..200_000).map(|_| ids.uuid()).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for (upper, lower) in thread.join().unwrap() {
                assert_eq!((upper >> 12) & 0xF, 4, "not a version 4 UUID");
                assert_eq!(lower >> 62, 0b10, "not the RFC 9562 variant");
                assert!(seen.insert(upper), "the upper half came twice");
            }
        }
    }
}
