//! What the client makes of destinations that answer well, badly or not at all.

use super::sink::{Answer, Sink};
use crate::export::client::{Client, Failure, REPLY_BYTES, Reply};
use crate::export::{Call, Trust, TrustError};
use hyper::{HeaderMap, StatusCode};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn call(url: &str) -> Call {
    Call { uri: url.parse().expect("a URL"), headers: HeaderMap::new(), body: "[1,2]".into() }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn post(trust: Trust, url: &str) -> Result<Reply, Failure> {
    let deadline = Duration::from_secs(10);
    run(async { Client::new(Arc::new(trust), deadline).post(&call(url), 1).await })
}

#[test]
fn a_connection_is_kept_and_repetitions_are_told() {
    let sink = Sink::start(|_| Answer::Say(200, "", b"{\"success\":true}".to_vec()));
    run(async {
        let client = Client::new(Arc::default(), Duration::from_secs(10));
        for attempt in [1, 2, 3] {
            let reply = client.post(&call(&format!("http://{}/v1/batch?secret=s", sink.address)), attempt).await;
            let reply = reply.expect("it answers");
            assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"{\"success\":true}"[..]));
        }
    });
    let requests = sink.requests();
    let counts: Vec<_> = requests.iter().map(|request| request.header("x-retry-count")).collect();
    assert_eq!(counts, [None, Some("1"), Some("2")]);
    for request in &requests {
        assert!(request.head.starts_with("POST /v1/batch?secret=s HTTP/1.1\n"), "{}", request.head);
        assert_eq!((request.connection, &request.body[..]), (0, &b"[1,2]"[..]));
    }
}

#[test]
fn a_reply_is_read_up_to_a_bound() {
    for bytes in [REPLY_BYTES - 1, REPLY_BYTES, REPLY_BYTES + 1, 4 * REPLY_BYTES] {
        let sink = Sink::start(move |_| Answer::Say(400, "", vec![b'x'; bytes]));
        let reply = post(Trust::default(), &format!("http://{}/", sink.address)).expect("it answers");
        assert_eq!((reply.status.as_u16(), reply.body.len()), (400, bytes.min(REPLY_BYTES)));
    }
}

#[test]
fn what_was_taken_is_taken_though_the_rest_of_the_reply_never_comes() {
    let sink = Sink::start(|_| Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()));
    let reply = post(Trust::default(), &format!("http://{}/", sink.address)).expect("the head came");
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"half"[..]));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Sink::start(|_| Answer::status(200));
    let to = format!("HTTP/1.1 307 Moved\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
    let sink = Sink::start(move |_| Answer::Raw(to.clone().into_bytes()));
    let reply = post(Trust::default(), &format!("http://{}/", sink.address)).expect("it answers");
    assert_eq!((reply.status.as_u16(), elsewhere.requests().len()), (307, 0));
}

#[test]
fn a_failure_says_what_happened_and_where_but_no_secret() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let cut = Sink::start(|_| Answer::Raw(b"HTTP/1.1 400 No\r\ncontent-length: 10\r\n\r\nhalf".to_vec()));
    let silent = Sink::start(|_| Answer::Close);
    let other = Sink::start(|_| Answer::Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()));
    for (at, code, says) in [
        (closed.to_string(), "connection_refused", "refused the connection"),
        (silent.address.to_string(), "connection_lost", "closed the connection"),
        (cut.address.to_string(), "connection_lost", "closed the connection"),
        (other.address.to_string(), "no_http", "is not HTTP"),
        ("nowhere.invalid".to_owned(), "name_not_found", "could not be found"),
    ] {
        let failure = post(Trust::default(), &format!("http://user:pass@{at}/path?secret=s")).expect_err("no reply");
        assert_eq!(failure.code, code, "{at}: {failure}");
        assert!(failure.message.contains(says) && failure.message.contains(&at), "{failure}");
        for hidden in ["pass", "path", "secret"] {
            assert!(!failure.message.contains(hidden), "{failure}");
        }
    }
}

#[test]
fn an_attempt_ends_at_its_deadline() {
    let dripping = Sink::start(|_| Answer::Hang);
    let unread = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for address in [dripping.address, unread.local_addr().expect("it is bound")] {
        let result = run(async {
            Client::new(Arc::default(), Duration::from_millis(150)).post(&call(&format!("http://{address}/")), 1).await
        });
        let failure = result.expect_err("it says nothing");
        assert_eq!(failure.code, "timed_out");
        assert_eq!(failure.message, format!("{address} did not answer within 150 ms (--export-timeout)"));
    }
}

/// What a TLS server has with a certificate for `name`, and that.
fn tls_config(name: &str) -> (Arc<rustls::ServerConfig>, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let pem = cert.pem();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a key of the certificate");
    (Arc::new(config), pem)
}

/// Answers every TLS request 204, with a certificate for `name`.
fn tls_sink(name: &str) -> (SocketAddr, String) {
    let (config, pem) = tls_config(name);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        // One request; the test asks once.
        let Ok((stream, _)) = listener.accept() else { return };
        let connection = rustls::ServerConnection::new(config).expect("a connection");
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut read = [0; 4096];
        if stream.read(&mut read).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            let _ = stream.read(&mut read);
        }
    });
    (address, pem)
}

fn trusting(pem: &str) -> Trust {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), pem).expect("it is written");
    Trust::load(Some(file.path())).expect("a certificate")
}

#[test]
fn a_certificate_counts_if_its_authority_and_name_are_right() {
    let (address, pem) = tls_sink("localhost");
    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(post(trusting(&pem), &url).expect("it is trusted").status, 204);

    let (address, pem) = tls_sink("elsewhere.example");
    let url = format!("https://localhost:{}/", address.port());
    let failure = post(trusting(&pem), &url).expect_err("another name");
    assert_eq!(failure.code, "certificate");
    assert!(failure.message.contains("is for another name"), "{failure}");

    let (address, _) = tls_sink("localhost");
    let (_, other) = tls_sink("localhost");
    let url = format!("https://localhost:{}/", address.port());
    let failure = post(trusting(&other), &url).expect_err("another authority");
    assert_eq!(failure.code, "certificate");
    assert!(failure.message.contains("--export-ca"), "{failure}");

    let plain = Sink::start(|_| Answer::status(200));
    let (_, pem) = tls_sink("localhost");
    let failure = post(trusting(&pem), &format!("https://localhost:{}/", plain.address.port())).expect_err("no TLS");
    assert!(["tls", "connection_lost"].contains(&failure.code), "{failure}");
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_told_by_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.pem");
    assert!(matches!(Trust::load(Some(&missing)), Err(TrustError::Unreadable { path, .. }) if path == missing));
    let file = folder.path().join("ca.pem");
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "no certificate", damaged, "-----BEGIN CERTIFICATE-----\n"] {
        std::fs::write(&file, text).expect("it is written");
        let error = Trust::load(Some(&file)).expect_err(text).to_string();
        assert!(error.contains("ca.pem is not a PEM file of certificates"), "{text}: {error}");
    }
}

#[test]
fn a_destination_that_reads_nothing_keeps_no_connection() {
    let (config, pem) = tls_config("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("it is bound").port());
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut connection = rustls::ServerConnection::new(config).expect("a connection");
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).expect("a handshake");
        }
        let _ = ended.recv();
    });
    run(async {
        let client = Client::new(Arc::new(trusting(&pem)), Duration::from_millis(500));
        // More than what lies between the two can hold.
        let call = Call { body: vec![b'x'; 32 << 20].into(), ..call(&url) };
        assert_eq!(client.post(&call, 1).await.expect_err("no reply").code, "timed_out");
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            assert!(Instant::now() < deadline, "the connection is still open");
            tokio::task::yield_now().await;
        }
    });
    end.send(()).expect("the server waits");
    server.join().expect("it ends in good order");
}
