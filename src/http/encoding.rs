//! What a request says about its body's encoding, and undoing it. Pure: headers, query and bytes in, bytes or a refusal out.

use super::auth::BASE64;
use super::body::BodyRefusal;
use super::inflate::Compression;
use super::limits::BodyLimits;
use super::query;
use base64::Engine;
use hyper::header::{CONTENT_ENCODING, HeaderMap};

/// How a body says it is encoded. What it says about compression is only needed for bodies whose first bytes do not tell:
/// some browser SDKs announce none, and some senders announce another than they use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Encoding {
    compression: Option<Compression>,
    /// Base64, the last character first: so Statsig's browser SDKs hide their requests from filters.
    reversed: bool,
}

impl Encoding {
    /// By the header alone.
    pub fn of(headers: &HeaderMap) -> Result<Encoding, BodyRefusal> {
        let mut encoding = Encoding::default();
        for value in headers.get_all(CONTENT_ENCODING) {
            for word in value.to_str().unwrap_or("?").split(',').map(str::trim) {
                let compression = match word.to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Compression::Gzip,
                    "zstd" => Compression::Zstd,
                    _ => return Err(BodyRefusal::UnsupportedEncoding),
                };
                if encoding.compression.replace(compression).is_some() {
                    return Err(BodyRefusal::UnsupportedEncoding);
                }
            }
        }
        Ok(encoding)
    }

    /// By the header and by the query: `gz=1` says gzip where no header does, `se=1` reversed base64.
    pub fn of_statsig(headers: &HeaderMap, query: Option<&str>) -> Result<Encoding, BodyRefusal> {
        let said = |name: &str| query::value(query, name).is_some_and(|value| value == "1");
        let mut encoding = Encoding::of(headers)?;
        if said("gz") {
            encoding.compression.get_or_insert(Compression::Gzip);
        }
        Ok(Encoding { reversed: said("se"), ..encoding })
    }

    /// What the body is once decoded; `None` if it is that already.
    pub fn decode(self, body: &[u8], limits: &BodyLimits) -> Result<Option<Vec<u8>>, BodyRefusal> {
        if body.is_empty() {
            return Ok(None);
        }
        if !self.reversed {
            let compression = Compression::by_magic(body).or(self.compression);
            return compression.map(|compression| compression.inflate(body, limits)).transpose();
        }
        // No SDK both reverses and compresses, but a sender may do either first. Compressed twice is no encoding.
        let inflated = Compression::by_magic(body).map(|outer| outer.inflate(body, limits)).transpose()?;
        let Some(turned) = turn(inflated.as_deref().unwrap_or(body))? else { return Ok(inflated) };
        let decoded = match Compression::by_magic(&turned) {
            Some(inner) if inflated.is_none() => inner.inflate(&turned, limits)?,
            _ => text(turned),
        };
        match decoded.len() > limits.inflated_bytes {
            true => Err(BodyRefusal::TooLargeInflated { limit: limits.inflated_bytes }),
            false => Ok(Some(decoded)),
        }
    }
}

/// Undoes reversed base64; `None` for what is JSON as it stands.
fn turn(body: &[u8]) -> Result<Option<Vec<u8>>, BodyRefusal> {
    let body = body.trim_ascii();
    // Neither can begin base64. A browser without an encoder of its own sends plain JSON.
    if body.is_empty() || body.starts_with(b"{") || body.starts_with(b"[") {
        return Ok(None);
    }
    let turned: Vec<u8> = body.iter().rev().copied().collect();
    BASE64.decode(turned).map(Some).map_err(|_| BodyRefusal::BadBase64)
}

/// A browser's `btoa` takes text of Latin-1 only and writes a byte for each character; everything else encodes UTF-8.
fn text(bytes: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => text.into_bytes(),
        Err(latin) => latin.as_bytes().iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use std::hash::{BuildHasher, Hasher, RandomState};
    use std::io::Write;

    const PLAIN: Encoding = Encoding { compression: None, reversed: false };
    const GZIP: Encoding = Encoding { compression: Some(Compression::Gzip), reversed: false };
    const ZSTD: Encoding = Encoding { compression: Some(Compression::Zstd), reversed: false };
    const TURNED: Encoding = Encoding { compression: None, reversed: true };
    const BOTH: Encoding = Encoding { compression: Some(Compression::Gzip), reversed: true };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).expect("a Vec takes everything")
    }

    fn turned(bytes: &[u8]) -> Vec<u8> {
        BASE64.encode(bytes).into_bytes().into_iter().rev().collect()
    }

    fn limits(inflated_bytes: usize) -> BodyLimits {
        BodyLimits { inflated_bytes, ..BodyLimits::default() }
    }

    #[test]
    fn encodings_are_told_apart_and_the_unknown_refused() {
        let unsupported = Err(BodyRefusal::UnsupportedEncoding);
        let table: [(&[&'static str], &str, Result<Encoding, BodyRefusal>); 20] = [
            (&[], "", Ok(PLAIN)),
            (&[""], "", Ok(PLAIN)),
            (&["identity"], "", Ok(PLAIN)),
            (&["gzip"], "", Ok(GZIP)),
            (&["GZip, identity"], "", Ok(GZIP)),
            (&["x-gzip"], "", Ok(GZIP)),
            (&["zstd"], "", Ok(ZSTD)),
            (&["Zstd"], "k=client-1", Ok(ZSTD)),
            (&["gzip", "gzip"], "", unsupported),
            (&["gzip, zstd"], "", unsupported),
            (&["deflate"], "", unsupported),
            (&["br"], "gz=1", unsupported),
            (&["statsig-br"], "", unsupported),
            (&["gzip, br"], "", unsupported),
            (&[], "k=client-1&gz=1", Ok(GZIP)),
            (&["gzip"], "gz=1", Ok(GZIP)),
            (&["zstd"], "gz=1", Ok(ZSTD)),
            (&[], "se=1&st=javascript-client", Ok(TURNED)),
            (&[], "gz=1&se=1", Ok(BOTH)),
            (&[], "gz=0&se=true", Ok(PLAIN)),
        ];
        for (values, query, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(Encoding::of_statsig(&headers, Some(query)), expected, "{values:?} {query}");
            if query.is_empty() {
                assert_eq!(Encoding::of(&headers), expected, "{values:?}");
            }
        }
    }

    #[test]
    fn a_body_is_decoded_by_what_it_is_more_than_by_what_it_says() {
        let body = r#"{"a":"né"}"#.as_bytes();
        let latin = b"{\"a\":\"n\xe9\"}";
        for (encoding, sent) in [
            (GZIP, gzip(body)),
            (ZSTD, zstd(body)),
            // Without a label, and with the wrong one.
            (PLAIN, gzip(body)),
            (PLAIN, zstd(body)),
            (GZIP, zstd(body)),
            (ZSTD, gzip(body)),
            (TURNED, turned(body)),
            (TURNED, turned(latin)),
            (TURNED, [b" ", &turned(body)[..], b"\r\n"].concat()),
            (TURNED, turned(body).into_iter().filter(|byte| *byte != b'=').collect()),
            // Both, in either order.
            (BOTH, gzip(&turned(body))),
            (BOTH, turned(&gzip(body))),
            (BOTH, turned(&zstd(body))),
            (BOTH, turned(body)),
            (BOTH, gzip(body)),
        ] {
            assert_eq!(encoding.decode(&sent, &limits(100)), Ok(Some(body.to_vec())), "{encoding:?} {sent:?}");
        }
        for (encoding, sent) in
            [(PLAIN, &b"{}"[..]), (TURNED, b"{}"), (TURNED, b" [1]"), (BOTH, b"{}"), (GZIP, b""), (TURNED, b"")]
        {
            assert_eq!(encoding.decode(sent, &limits(100)), Ok(None), "{encoding:?} {sent:?}");
        }
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let (zipped, base64) = (gzip(b"{\"events\":[]}"), turned(b"{\"events\":[]}"));
        for (encoding, sent, refusal) in [
            (GZIP, &b"{}"[..], BodyRefusal::BadGzip),
            (ZSTD, b"{}", BodyRefusal::BadZstd),
            (PLAIN, &zipped[..12], BodyRefusal::TruncatedGzip),
            (PLAIN, &zstd(b"{\"events\":[]}")[..12], BodyRefusal::TruncatedZstd),
            (TURNED, b"garbage!", BodyRefusal::BadBase64),
            (TURNED, b"eyJldmVudHMiOltdfQ==", BodyRefusal::BadBase64),
            (TURNED, &base64[..base64.len() - 3], BodyRefusal::BadBase64),
            (TURNED, &[0xff; 8], BodyRefusal::BadBase64),
            (BOTH, &turned(&zipped[..12]), BodyRefusal::TruncatedGzip),
            (BOTH, &gzip(b"garbage!"), BodyRefusal::BadBase64),
        ] {
            assert_eq!(encoding.decode(sent, &limits(100)), Err(refusal), "{encoding:?} {sent:?}");
        }
    }

    #[test]
    fn a_body_may_be_decoded_to_the_limit_and_not_a_byte_further() {
        let too_large = |limit| Err(BodyRefusal::TooLargeInflated { limit });
        let length = |sent: &[u8], limit| TURNED.decode(sent, &limits(limit)).map(|body| body.map(|b| b.len()));
        let body = turned(&[b'x'; 1000]);
        assert_eq!((length(&body, 1000), length(&body, 999)), (Ok(Some(1000)), too_large(999)));
        // Two bytes of UTF-8 for each byte of Latin-1.
        let latin = turned(&[0xe9; 500]);
        assert_eq!((length(&latin, 1000), length(&latin, 999)), (Ok(Some(1000)), too_large(999)));
        let free = BodyLimits::INFLATE_FREE_BYTES;
        for sent in [turned(&gzip(&vec![b'x'; free + 1])), gzip(&vec![b'x'; free + 1])] {
            assert_eq!(TURNED.decode(&sent, &limits(64 << 20)), Err(BodyRefusal::InflatesTooMuch));
        }
        // What was compressed twice is inflated once.
        let twice = gzip(&turned(&gzip(b"{}")));
        let decoded = TURNED.decode(&twice, &limits(1000)).expect("text of some kind").expect("decoded");
        assert_ne!(decoded, b"{}");
    }

    #[test]
    fn no_bytes_panic_whatever_they_claim_to_be() {
        let seed = std::env::var("WEIR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("WEIR_TEST_SEED={seed}");
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let json = br#"{"events":[{"eventName":"x","user":{"userID":"u"}}]}"#.repeat(20);
        let seeds = [gzip(&json), zstd(&json), turned(&json), turned(&gzip(&json)), gzip(&turned(&json)), json];
        let bounds = limits(4096);
        let mut outcomes = [0; 2];
        for _ in 0..5_000 {
            let mut body = seeds[random() % seeds.len()].clone();
            for _ in 0..random() % 4 {
                let at = random() % body.len();
                match random() % 3 {
                    0 => body[at] = random() as u8,
                    1 => body.truncate(at + 1),
                    _ => body.extend_from_within(at..),
                }
            }
            for encoding in [PLAIN, GZIP, ZSTD, TURNED, BOTH] {
                match encoding.decode(&body, &bounds) {
                    Ok(decoded) => {
                        assert!(decoded.is_none_or(|decoded| decoded.len() <= bounds.inflated_bytes));
                        outcomes[0] += 1;
                    }
                    Err(refusal) => {
                        assert!(refusal.status().is_client_error(), "{refusal}");
                        outcomes[1] += 1;
                    }
                }
            }
        }
        assert!(outcomes.iter().all(|count| *count > 500), "the bodies were not varied enough: {outcomes:?}");
    }
}
