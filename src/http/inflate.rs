//! Undoes gzip and zstd, bounded: a small body must not become a huge one. Pure: bytes in, bytes or a refusal out.

use super::body::BodyRefusal;
use super::limits::BodyLimits;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, ErrorKind, Read};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The end of what a frame that carries no content begins with (RFC 8878, 3.1.2); the first byte is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

impl Compression {
    /// What the first bytes tell. No JSON begins like this.
    pub fn by_magic(body: &[u8]) -> Option<Compression> {
        match body {
            _ if body.starts_with(&GZIP_MAGIC) => Some(Compression::Gzip),
            _ if body.starts_with(&ZSTD_MAGIC) => Some(Compression::Zstd),
            _ => None,
        }
    }

    pub fn inflate(self, body: &[u8], limits: &BodyLimits) -> Result<Vec<u8>, BodyRefusal> {
        match self {
            Compression::Gzip => gunzip(body, limits),
            Compression::Zstd => unzstd(body, limits),
        }
    }
}

/// All members of a gzip file (RFC 1952), one after the other.
fn gunzip(compressed: &[u8], limits: &BodyLimits) -> Result<Vec<u8>, BodyRefusal> {
    // A proxy that inflated the body and kept the label; the decoder would take a short one for a truncated header.
    if !compressed.starts_with(&GZIP_MAGIC) {
        return Err(BodyRefusal::BadGzip);
    }
    let damage = [BodyRefusal::TruncatedGzip, BodyRefusal::BadGzip];
    bounded(MultiGzDecoder::new(compressed), compressed.len(), limits, damage)
}

/// All frames of a zstd stream (RFC 8878), one after the other.
fn unzstd(compressed: &[u8], limits: &BodyLimits) -> Result<Vec<u8>, BodyRefusal> {
    let skippable = |magic: &[u8; 4]| magic[0] & 0xf0 == 0x50 && magic[1..] == ZSTD_SKIPPABLE;
    if !compressed.first_chunk().is_some_and(|magic| *magic == ZSTD_MAGIC || skippable(magic)) {
        return Err(BodyRefusal::BadZstd);
    }
    let decoder = || -> io::Result<_> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
        decoder.window_log_max(BodyLimits::ZSTD_WINDOW_LOG)?;
        Ok(decoder)
    };
    let decoder = decoder().map_err(|_| BodyRefusal::BadZstd)?;
    bounded(decoder, compressed.len(), limits, [BodyRefusal::TruncatedZstd, BodyRefusal::BadZstd])
}

/// Reads a decoder to its end, unless that is too far. `damage`: what to say of a body that ends too early, and of one that
/// is not what it should be.
fn bounded(
    decoder: impl Read,
    compressed: usize,
    limits: &BodyLimits,
    [truncated, bad]: [BodyRefusal; 2],
) -> Result<Vec<u8>, BodyRefusal> {
    let bound = limits.inflated_bound(compressed);
    // JSON of events mostly shrinks to between an eighth and a fourth.
    let mut inflated = Vec::with_capacity(bound.min(compressed.saturating_mul(8)));
    // One byte more than allowed tells a full body from one that goes on.
    match decoder.take(bound as u64 + 1).read_to_end(&mut inflated) {
        Ok(_) if inflated.len() <= bound => Ok(inflated),
        Ok(_) if bound == limits.inflated_bytes => Err(BodyRefusal::TooLargeInflated { limit: bound }),
        Ok(_) => Err(BodyRefusal::InflatesTooMuch),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(truncated),
        Err(_) => Err(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    /// As a stream: without the content's size in the header, with a checksum at the end.
    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("a level");
        encoder.include_checksum(true).expect("an option");
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    struct Case {
        compression: Compression,
        pack: fn(&[u8]) -> Vec<u8>,
        truncated: BodyRefusal,
        bad: BodyRefusal,
        /// Bytes at the end over which a flipped bit is noticed only by the checksum.
        checksum: usize,
    }

    const CASES: [Case; 2] = [
        Case {
            compression: Compression::Gzip,
            pack: gzip,
            truncated: BodyRefusal::TruncatedGzip,
            bad: BodyRefusal::BadGzip,
            checksum: 8,
        },
        Case {
            compression: Compression::Zstd,
            pack: zstd,
            truncated: BodyRefusal::TruncatedZstd,
            bad: BodyRefusal::BadZstd,
            checksum: 4,
        },
    ];

    fn limits(inflated_bytes: usize) -> BodyLimits {
        BodyLimits { inflated_bytes, ..BodyLimits::default() }
    }

    #[test]
    fn parts_are_joined_and_damage_is_noticed() {
        for case in CASES {
            let inflate = |body: &[u8]| case.compression.inflate(body, &limits(100));
            let what = case.compression;
            let joined = [(case.pack)(b"one "), (case.pack)(b""), (case.pack)(b"two")].concat();
            assert_eq!(inflate(&joined), Ok(b"one two".to_vec()), "{what:?}");

            let whole = (case.pack)(b"a body that is long enough to be cut anywhere");
            assert_eq!(Compression::by_magic(&whole), Some(what));
            for cut in 4..whole.len() {
                assert_eq!(inflate(&whole[..cut]), Err(case.truncated), "{what:?} cut at {cut}");
            }
            let mut flipped = whole.clone();
            let checksum = flipped.len() - case.checksum;
            flipped[checksum] ^= 1;
            assert_eq!(inflate(&flipped), Err(case.bad), "{what:?}");
            let mut trailed = whole;
            trailed.extend(b"not a part of it");
            assert_eq!(inflate(&trailed), Err(case.bad), "{what:?}");
            for plain in [&b"{}"[..], b"{\"events\":[]}", b"x", b""] {
                assert_eq!(inflate(plain), Err(case.bad), "{what:?} {plain:?}");
            }
        }
    }

    #[test]
    fn a_body_may_inflate_to_the_limit_and_not_a_byte_further() {
        for case in CASES {
            let body = (case.pack)(&[b'x'; 1000]);
            let length = |limit| case.compression.inflate(&body, &limits(limit)).map(|body| body.len());
            assert_eq!(length(1000), Ok(1000));
            assert_eq!(length(999), Err(BodyRefusal::TooLargeInflated { limit: 999 }));
        }
    }

    #[test]
    fn the_ratio_is_bounded_once_a_body_is_large() {
        let free = BodyLimits::INFLATE_FREE_BYTES;
        let roomy = limits(64 << 20);
        for case in CASES {
            let length = |body: &[u8]| case.compression.inflate(body, &roomy).map(|body| body.len());
            let allowed = (case.pack)(&vec![b'x'; free]);
            assert!(allowed.len() * BodyLimits::INFLATE_RATIO < free, "the ratio alone would have refused it");
            assert_eq!(length(&allowed), Ok(free), "{:?}", case.compression);
            for over in [free + 1, 16 * free] {
                let bomb = (case.pack)(&vec![b'x'; over]);
                assert_eq!(length(&bomb), Err(BodyRefusal::InflatesTooMuch), "{:?} {over}", case.compression);
            }
            // Many small ones are a large one.
            let parts = (case.pack)(&vec![b'x'; free / 4]).repeat(5);
            assert_eq!(length(&parts), Err(BodyRefusal::InflatesTooMuch), "{:?}", case.compression);
        }
    }

    #[test]
    fn a_zstd_frame_may_ask_for_the_largest_window_and_none_over_it() {
        let framed = |window_log: u32| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("a level");
            encoder.window_log(window_log).expect("an option");
            encoder.write_all(b"{}").expect("a Vec takes everything");
            // Without this the frame says that it needs no more than its content.
            encoder.flush().expect("a Vec takes everything");
            encoder.finish().expect("a Vec takes everything")
        };
        let limit = BodyLimits::ZSTD_WINDOW_LOG;
        assert_eq!(Compression::Zstd.inflate(&framed(limit), &limits(100)), Ok(b"{}".to_vec()));
        assert_eq!(Compression::Zstd.inflate(&framed(limit + 1), &limits(100)), Err(BodyRefusal::BadZstd));
    }

    #[test]
    fn frames_without_content_say_nothing() {
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let body = [skippable.clone(), zstd(b"one"), skippable.clone()].concat();
        assert_eq!(Compression::Zstd.inflate(&body, &limits(100)), Ok(b"one".to_vec()));
        assert_eq!(Compression::by_magic(&skippable), None, "a label is needed for these");
    }
}
