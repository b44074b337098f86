//! Which encoding a body has, and gzip, bounded. Pure: bytes in, bytes or a refusal out.

use super::body::BodyRefusal;
use super::limits::BodyLimits;
use flate2::bufread::MultiGzDecoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use std::io::{ErrorKind, Read};

/// How a body says it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Not encoded, or gzip that nobody announced: some browser SDKs send it so, and its first bytes tell.
    Unlabelled,
    Gzip,
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Encoding, BodyRefusal> {
        let mut encoding = Encoding::Unlabelled;
        for value in headers.get_all(CONTENT_ENCODING) {
            for word in value.to_str().unwrap_or("?").split(',').map(str::trim) {
                if word.is_empty() || word.eq_ignore_ascii_case("identity") {
                    continue;
                }
                let gzip = word.eq_ignore_ascii_case("gzip") || word.eq_ignore_ascii_case("x-gzip");
                if !gzip || encoding == Encoding::Gzip {
                    return Err(BodyRefusal::UnsupportedEncoding);
                }
                encoding = Encoding::Gzip;
            }
        }
        Ok(encoding)
    }

    /// What the body is once decoded; `None` if it is that already.
    pub(super) fn decode(self, body: &[u8], limits: &BodyLimits) -> Result<Option<Vec<u8>>, BodyRefusal> {
        if body.is_empty() || (self == Encoding::Unlabelled && !body.starts_with(&GZIP_MAGIC)) {
            return Ok(None);
        }
        gunzip(body, limits).map(Some)
    }
}

/// All members of a gzip file (RFC 1952), one after the other.
fn gunzip(compressed: &[u8], limits: &BodyLimits) -> Result<Vec<u8>, BodyRefusal> {
    // A proxy that inflated the body and kept the label; the decoder would take a short one for a truncated header.
    if !compressed.starts_with(&GZIP_MAGIC) {
        return Err(BodyRefusal::BadGzip);
    }
    let bound = limits.inflated_bound(compressed.len());
    // JSON of events mostly shrinks to between an eighth and a fourth.
    let mut inflated = Vec::with_capacity(bound.min(compressed.len().saturating_mul(8)));
    // One byte more than allowed tells a full body from one that goes on.
    let mut decoder = MultiGzDecoder::new(compressed).take(bound as u64 + 1);
    match decoder.read_to_end(&mut inflated) {
        Ok(_) if inflated.len() <= bound => Ok(inflated),
        Ok(_) if bound == limits.inflated_bytes => Err(BodyRefusal::TooLargeInflated { limit: bound }),
        Ok(_) => Err(BodyRefusal::InflatesTooMuch),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(BodyRefusal::TruncatedGzip),
        Err(_) => Err(BodyRefusal::BadGzip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use hyper::header::HeaderValue;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    fn limits(inflated_bytes: usize) -> BodyLimits {
        BodyLimits { inflated_bytes, ..BodyLimits::default() }
    }

    #[test]
    fn encodings_are_told_apart_and_the_unknown_refused() {
        let table: [(&[&'static str], Result<Encoding, BodyRefusal>); 10] = [
            (&[], Ok(Encoding::Unlabelled)),
            (&[""], Ok(Encoding::Unlabelled)),
            (&["identity"], Ok(Encoding::Unlabelled)),
            (&["gzip"], Ok(Encoding::Gzip)),
            (&["GZip, identity"], Ok(Encoding::Gzip)),
            (&["x-gzip"], Ok(Encoding::Gzip)),
            (&["gzip", "gzip"], Err(BodyRefusal::UnsupportedEncoding)),
            (&["deflate"], Err(BodyRefusal::UnsupportedEncoding)),
            (&["gzip, br"], Err(BodyRefusal::UnsupportedEncoding)),
            (&["zstd"], Err(BodyRefusal::UnsupportedEncoding)),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(Encoding::of(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn gzip_is_inflated_whether_or_not_it_is_announced() {
        let body = gzip(b"{\"a\":1}");
        for encoding in [Encoding::Gzip, Encoding::Unlabelled] {
            assert_eq!(encoding.decode(&body, &limits(100)), Ok(Some(b"{\"a\":1}".to_vec())));
        }
        assert_eq!(Encoding::Unlabelled.decode(b"{}", &limits(100)), Ok(None));
        assert_eq!(Encoding::Gzip.decode(b"", &limits(100)), Ok(None));
        assert_eq!(Encoding::Gzip.decode(b"{}", &limits(100)), Err(BodyRefusal::BadGzip));
    }

    #[test]
    fn members_are_joined_and_damage_is_noticed() {
        let mut joined = gzip(b"one ");
        joined.extend(gzip(b"two"));
        assert_eq!(Encoding::Gzip.decode(&joined, &limits(100)), Ok(Some(b"one two".to_vec())));

        let whole = gzip(b"a body that is long enough to be cut anywhere");
        for cut in 2..whole.len() {
            assert_eq!(
                Encoding::Unlabelled.decode(&whole[..cut], &limits(100)),
                Err(BodyRefusal::TruncatedGzip),
                "cut at {cut}"
            );
        }
        let mut flipped = whole.clone();
        let checksum = flipped.len() - 8;
        flipped[checksum] ^= 1;
        assert_eq!(Encoding::Gzip.decode(&flipped, &limits(100)), Err(BodyRefusal::BadGzip));
        let mut trailed = whole;
        trailed.extend(b"not a member");
        assert_eq!(Encoding::Gzip.decode(&trailed, &limits(100)), Err(BodyRefusal::BadGzip));
    }

    #[test]
    fn a_body_may_inflate_to_the_limit_and_not_a_byte_further() {
        let body = gzip(&[b'x'; 1000]);
        assert_eq!(Encoding::Gzip.decode(&body, &limits(1000)).map(|body| body.map(|b| b.len())), Ok(Some(1000)));
        assert_eq!(Encoding::Gzip.decode(&body, &limits(999)), Err(BodyRefusal::TooLargeInflated { limit: 999 }));
    }

    #[test]
    fn the_ratio_is_bounded_once_a_body_is_large() {
        let free = BodyLimits::INFLATE_FREE_BYTES;
        let roomy = limits(64 << 20);
        let allowed = gzip(&vec![b'x'; free]);
        assert!(allowed.len() * BodyLimits::INFLATE_RATIO < free, "the ratio alone would have refused it");
        assert_eq!(Encoding::Gzip.decode(&allowed, &roomy).map(|body| body.map(|b| b.len())), Ok(Some(free)));
        let bomb = gzip(&vec![b'x'; free + 1]);
        assert_eq!(Encoding::Gzip.decode(&bomb, &roomy), Err(BodyRefusal::InflatesTooMuch));
    }
}
