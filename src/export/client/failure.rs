//! Why there was no reply, told so that a person knows where to look. Names a host, never a whole address.

use rustls::{CertificateError, Error as TlsError};
use std::error::Error;
use std::io;
use std::time::Duration;

/// No reply came. `code` is stable; `message` is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
}

impl Failure {
    pub(super) fn timed_out(host: &str, deadline: Duration) -> Failure {
        let message = format!("{host} did not answer within {} (--export-timeout)", crate::export::seconds(deadline));
        Failure { code: "timed_out", message }
    }

    pub(super) fn no_roots() -> Failure {
        let message = "this system has no certificate authorities, so that no https destination can be trusted: install \
                       its package of them (ca-certificates), or name a file with --export-ca, and start Weir again";
        Failure { code: "no_authorities", message: message.to_owned() }
    }

    /// What went wrong beneath an error of the HTTP client.
    pub(super) fn of(host: &str, error: &(dyn Error + 'static)) -> Failure {
        let causes = causes(error);
        let tls = causes.iter().find_map(|cause| cause.downcast_ref::<TlsError>());
        if let Some(tls) = tls {
            return of_tls(host, tls);
        }
        // The client's own error for this has no type that can be named.
        let is_of_name = causes.iter().any(|cause| cause.to_string() == "dns error");
        let last = causes.last().map_or_else(|| error.to_string(), |cause| cause.to_string());
        if is_of_name {
            let message = format!("the name of {host} could not be found: {last}");
            return Failure { code: "name_not_found", message };
        }
        let kind = causes.iter().rev().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        let is_incomplete = causes
            .iter()
            .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
            .any(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
        let is_no_http = causes
            .iter()
            .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
            .any(|error| error.is_parse() && !error.is_incomplete_message());
        let (code, message) = match kind {
            Some(io::ErrorKind::ConnectionRefused) => {
                ("connection_refused", format!("{host} refused the connection: nothing listens there"))
            }
            Some(io::ErrorKind::TimedOut) => ("timed_out", format!("{host} could not be reached in time")),
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                ("unreachable", format!("{host} could not be reached: {last}"))
            }
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => ("connection_lost", format!("{host} closed the connection before its reply was whole")),
            _ if is_incomplete => {
                ("connection_lost", format!("{host} closed the connection before its reply was whole"))
            }
            _ if is_no_http => ("no_http", format!("what {host} replied is not HTTP: {last}")),
            _ => ("failed", format!("the request to {host} failed: {last}")),
        };
        Failure { code, message }
    }
}

fn of_tls(host: &str, error: &TlsError) -> Failure {
    let message = match error {
        // The signature is bad where an authority that is trusted has the name of the one that signed.
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => format!(
            "the certificate of {host} is not from an authority that is trusted here; name the authority's file with \
             --export-ca if it should be"
        ),
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("the certificate of {host} is for another name; the address is wrong, or somebody stands between"),
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("the certificate of {host} has expired")
        }
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            format!("the certificate of {host} is not valid yet; is this machine's clock right?")
        }
        TlsError::InvalidCertificate(other) => format!("the certificate of {host} is not valid: {other}"),
        other => return Failure { code: "tls", message: format!("no TLS with {host}: {other}") },
    };
    Failure { code: "certificate", message }
}

/// An error and all that is beneath it, outermost first. An I/O error that wraps another names that one's source as its own,
/// so it is opened here.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut causes = vec![error];
    let mut at = error;
    loop {
        let wrapped = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next = match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => at.source(),
        };
        match next {
            Some(next) => {
                causes.push(next);
                at = next;
            }
            None => return causes,
        }
    }
}
