//! A document that many SDKs download again and again: written and compressed once, kept as bytes.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;

/// One document, ready to be sent.
#[derive(Debug, Clone)]
pub struct Download {
    pub json: Bytes,
    pub gzip: Bytes,
    /// The weak entity tag, with its quotes: the same for the document and its compressed form.
    pub tag: String,
}

impl Download {
    pub(super) fn new(json: Vec<u8>) -> Download {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(&json).and_then(|()| encoder.finish());
        let gzip = written.expect("a Vec takes everything").into();
        Download { tag: format!("W/\"{}\"", fingerprint(&json)), json: json.into(), gzip }
    }
}

/// Sixteen hexadecimal digits that stand for the content.
pub(super) fn fingerprint(content: &[u8]) -> String {
    Sha256::digest(content)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
