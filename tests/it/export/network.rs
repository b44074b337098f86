//! What becomes of events when the network fails: connections refused, reset, cut, silent or slow, and certificates that prove
//! nothing.

use super::fake::{Fake, Fault};
use super::segment::{judge, segment};
use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// Tries that end soon where nobody replies.
const SHORT: [&str; 4] = ["--export-timeout", "400ms", "--export-backoff", "20ms"];

#[test]
fn nothing_is_lost_by_a_connection_that_fails() {
    let fake = segment();
    let server = Server::start_with(&exporting(&fake), &SHORT);
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::BlackHole,
        Fault::Silence,
        Fault::CutReply,
        Fault::Trickle,
        Fault::Garbage,
    ];
    // Of a reply that breaks off its head has said already that the events were taken.
    let fails = |fault: &&Fault| **fault != Fault::CutReply;
    // One at a time, then all of them one after the other.
    for (round, fault) in faults.iter().enumerate() {
        let known = attempts(&server, "segment").len();
        fake.script([fault.clone()]);
        let from = round as u64 * 20;
        log_orders(&server, from..from + 20);
        until("the fault came", || fake.scripted() == 0);
        drained(&server, "segment");
        let told = attempts(&server, "segment");
        let mut new = told[..told.len() - known].iter();
        let failed = new.find(|attempt| attempt["outcome"] == "again");
        let in_words = failed.and_then(|attempt| attempt["error"].as_str()).is_some_and(|error| error.len() > 10);
        assert!(in_words || !fails(&fault), "{fault:?}: {told:?}");
    }
    let failing: Vec<Fault> = faults.iter().filter(fails).cloned().collect();
    fake.script(failing.iter().cloned().cycle().take(3 * failing.len()));
    log_orders(&server, 140..200);
    until("the faults came", || fake.scripted() == 0);
    counted(&server, "segment", 200, 0);
    assert_got(&fake, 0..200);
    assert!(fake.books().repeats > 0, "what was taken without a reply is sent again under the same ID");
    let bad = attempts(&server, "segment").iter().filter(|attempt| attempt["outcome"] == "again").count();
    assert!(bad >= 4 * failing.len(), "{bad}");
}

#[test]
fn nothing_is_lost_while_nobody_listens() {
    let mut fake = Fake::closed(judge(), None);
    let server = start(&fake);
    log_orders(&server, 0..30);
    until("it has failed some times", || attempts(&server, "segment").len() > 3);
    let told = status(&server, "segment");
    let message = told["lastError"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("refused") && told["lastError"]["status"].is_null(), "{told}");
    assert_eq!(told["lag"]["events"], 30);
    fake.open();
    drained(&server, "segment");
    assert_got(&fake, 0..30);
}

/// An authority, as PEM, and the set-up of a server whose certificate it signed for a name.
fn certified(name: &str) -> (String, Arc<ServerConfig>) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("its own key");
    (authority.pem(), Arc::new(config))
}

/// A server that trusts an authority, beside the system's.
fn trusting(fake: &Fake, authority: Option<&str>) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("authority.pem");
    let mut flags = BRISK.to_vec();
    if let Some(pem) = authority {
        std::fs::write(&file, pem).expect("a file");
        flags.extend(["--export-ca", file.to_str().expect("UTF-8")]);
    }
    (Server::start_with(&exporting(fake), &flags), folder)
}

#[test]
fn only_who_proves_to_be_the_one_gets_anything() {
    let (authority, config) = certified("127.0.0.1");
    let (other_authority, _) = certified("127.0.0.1");
    let (elsewhere_authority, elsewhere) = certified("segment.example.com");
    for (what, trusted, config) in [
        ("an authority that nobody knows", None, &config),
        ("another authority of the same name", Some(&other_authority), &config),
        ("a certificate for another host", Some(&elsewhere_authority), &elsewhere),
    ] {
        let fake = Fake::start(judge(), Some(config.clone()));
        let (server, _folder) = trusting(&fake, trusted.map(String::as_str));
        log_orders(&server, 0..3);
        until("it has failed twice", || attempts(&server, "segment").len() >= 2);
        let told = status(&server, "segment");
        let message = told["lastError"]["message"].as_str().unwrap_or_default().to_lowercase();
        assert!(message.contains("certificate"), "{what}: {told}");
        assert_eq!((&told["forwarded"], &told["lag"]["events"]), (&json!(0), &json!(3)), "{what}: {told}");
        assert!(fake.books().received.is_empty(), "{what}");
        assert!(dead_letters(&server, "segment").is_empty(), "{what}");
    }
    let fake = Fake::start(judge(), Some(config));
    let (server, _folder) = trusting(&fake, Some(&authority));
    log_orders(&server, 0..3);
    drained(&server, "segment");
    assert_got(&fake, 0..3);
}

#[test]
fn a_file_of_authorities_that_is_none_ends_the_start() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("none.pem"), "no certificate").expect("a file");
    for file in ["none.pem", "missing.pem"] {
        let line = ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--export-ca", file];
        let ended = crate::running::weir(folder.path()).args(line).output().expect("weir starts");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && told.contains(file), "{told}");
    }
}
