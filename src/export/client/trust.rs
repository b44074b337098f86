//! Whose certificates are believed: the system's authorities, and those of one more file. Asks nobody and sends nothing.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Why a file of authorities is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("--export-ca: cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("--export-ca: {path} is not a PEM file of certificates: {problem}")]
    Malformed { path: PathBuf, problem: String },
}

/// The authorities. The system's are read when they are first needed: most commands send nothing.
#[derive(Debug, Default)]
pub struct Trust {
    added: Vec<CertificateDer<'static>>,
    roots: OnceLock<Arc<RootCertStore>>,
}

impl Trust {
    /// The system's authorities, and those of a PEM file.
    pub fn load(file: Option<&Path>) -> Result<Trust, TrustError> {
        let Some(path) = file else { return Ok(Trust::default()) };
        let text = std::fs::read(path).map_err(|source| TrustError::Unreadable { path: path.to_owned(), source })?;
        let malformed = |problem: String| TrustError::Malformed { path: path.to_owned(), problem };
        let added = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let added = added.map_err(|error| malformed(error.to_string()))?;
        if added.is_empty() {
            return Err(malformed("it holds no certificate".to_owned()));
        }
        let mut tried = RootCertStore::empty();
        for certificate in &added {
            tried.add(certificate.clone()).map_err(|error| malformed(error.to_string()))?;
        }
        Ok(Trust { added, roots: OnceLock::new() })
    }

    fn roots(&self) -> &Arc<RootCertStore> {
        self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "some of the system's certificate authorities could not be read");
            }
            // A system's list may hold what rustls does not take; the rest is good.
            roots.add_parsable_certificates(found.certs);
            for certificate in &self.added {
                // Tried when it was read.
                let _ = roots.add(certificate.clone());
            }
            Arc::new(roots)
        })
    }

    /// Whether any certificate can be believed.
    pub fn has_roots(&self) -> bool {
        !self.roots().is_empty()
    }

    pub(super) fn config(&self) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(self.roots().clone())
            .with_no_client_auth()
    }
}
