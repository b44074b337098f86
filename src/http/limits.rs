//! The limits and deadlines of the front door, each with its default. Only numbers: whoever enforces one says how.

use std::time::Duration;

/// How long each thing may take that depends on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From the opening of a connection, or from the first byte of a further request, to the end of its headers.
    pub header: Duration,
    /// Between the end of an answer and the first byte of the next request. Longer than the ten seconds between the
    /// flushes of most SDKs, so that they find their connection open.
    pub idle: Duration,
    /// How long an answer may wait for a client that does not read.
    pub write: Duration,
    /// How long a closed connection goes on discarding what the client still sends, so that the client can read the
    /// answer instead of finding its connection reset.
    pub linger: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(3),
        }
    }
}

/// Bytes discarded at most while a closed connection lingers.
pub const LINGER_BYTES: usize = 32 << 20;

/// Connections over the bound that are told so at the same time on one thread; others are closed without a word.
pub const TURNED_AWAY_AT_ONCE: usize = 64;

/// The wait after the system had no file descriptor or memory left for a connection.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Connections that wait in the system's queue to be accepted.
pub const BACKLOG: i32 = 1024;

/// Connections over all threads.
pub const CONNECTIONS: usize = 4096;

/// Questions to the store that run at the same time for each thread of the door; more wait. A report may hold a lot of
/// memory while it is computed.
pub const BLOCKING_THREADS: usize = 8;

/// Bytes of a request's first line and headers. An answer to more is 431.
pub const HEADER_BYTES: usize = 16 << 10;

/// Bytes read ahead from a connection at most; hyper's own default is about 400 KiB, which thousands of connections
/// could fill.
pub const READ_BUFFER_BYTES: usize = 128 << 10;

/// What a body may weigh and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// As it comes over the wire.
    pub bytes: usize,
    /// After inflating.
    pub inflated_bytes: usize,
    /// The whole body has to be here within this time.
    pub time: Duration,
    /// Within each of these windows at least `BodyLimits::WINDOW_BYTES` have to come.
    pub window: Duration,
    /// Bodies of all requests together, as they are held in memory. Beyond it a request is answered 503.
    pub memory_bytes: usize,
}

impl BodyLimits {
    /// For bodies of at most so many bytes, be it over the wire or after inflating, which have to be here within `time`. One
    /// of them always fits into the memory, compressed and inflated.
    pub fn for_bodies(bytes: usize, time: Duration) -> BodyLimits {
        let default = BodyLimits::default();
        let memory_bytes = default.memory_bytes.max(bytes.saturating_mul(2));
        BodyLimits { bytes, inflated_bytes: bytes, time, memory_bytes, ..default }
    }

    /// About 400 bytes a second with the default window: slower than any network that can carry an event, faster than
    /// somebody who wants to occupy us.
    pub const WINDOW_BYTES: usize = 2048;

    /// Inflated bytes for each compressed one. Batches of like events reach about 50.
    pub const INFLATE_RATIO: usize = 200;

    /// Up to here the ratio does not matter.
    pub const INFLATE_FREE_BYTES: usize = 1 << 20;

    /// The largest window that a zstd frame may ask for, as a power of two: 8 MiB, which RFC 8878 wants every decoder to
    /// support. zstd reserves it before the first byte comes out, so a tiny body could ask for 128 MiB.
    pub const ZSTD_WINDOW_LOG: u32 = 23;

    /// What a compressed body of this size may inflate to.
    pub fn inflated_bound(&self, compressed: usize) -> usize {
        let by_ratio = compressed.saturating_mul(Self::INFLATE_RATIO).max(Self::INFLATE_FREE_BYTES);
        self.inflated_bytes.min(by_ratio)
    }
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 4 << 20,
            inflated_bytes: 4 << 20,
            time: Duration::from_secs(30),
            window: Duration::from_secs(5),
            memory_bytes: 128 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_body_fits_into_the_memory_for_bodies() {
        for (bytes, memory) in [(1 << 10, 128 << 20), (64 << 20, 128 << 20), ((64 << 20) + 1, (128 << 20) + 2)] {
            let limits = BodyLimits::for_bodies(bytes, Duration::from_secs(7));
            assert_eq!((limits.bytes, limits.inflated_bytes, limits.memory_bytes), (bytes, bytes, memory));
            assert_eq!(limits.time, Duration::from_secs(7));
        }
    }
}
