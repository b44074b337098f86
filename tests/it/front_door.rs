//! The front door over real sockets: deadlines, bounds, encodings, panics, the end.

mod house;

use crate::running::{PATIENCE, gzip, until};
use house::{Client, House, Setting, chunk, open};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use weir::http::{BindError, BodyLimits, Deadlines, Listen, serve};

/// A deadline that a test waits for.
const SHORT: Duration = Duration::from_millis(150);

#[test]
fn success_is_exactly_what_sdks_expect_and_the_connection_goes_on() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    for _ in 0..3 {
        let answer = client.post("", b"{}").answer();
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(house.meters.connections_accepted.get(), 1);
}

#[test]
fn headers_that_do_not_come_end_the_connection() {
    let deadlines = Deadlines { header: SHORT, ..Deadlines::default() };
    let house = open(Setting { deadlines, ..Setting::default() });
    let begun = Instant::now();
    assert_eq!(Client::to(&house).rest(), "", "nothing was sent at all");
    assert_eq!(Client::to(&house).send("POST /v1/track HTTP/1.1\r\nhost:").rest(), "", "half of the headers");
    assert!(begun.elapsed() >= 2 * SHORT);
    // The second request of a connection has the same deadline as the first.
    let mut client = Client::to(&house);
    assert_eq!(client.post("", b"{}").answer().status, 200);
    assert_eq!(client.send("POST /v1/tr").rest(), "");
    assert_eq!(house.meters.timeouts_header.get(), 3);
    until("the connections are counted out", || house.meters.connections_open.get() == 0);
}

#[test]
fn an_idle_connection_ends_after_its_own_deadline() {
    let deadlines = Deadlines { idle: SHORT, ..Deadlines::default() };
    let house = open(Setting { deadlines, ..Setting::default() });
    let mut client = Client::to(&house);
    assert_eq!(client.post("", b"{}").answer().status, 200);
    assert_eq!(client.rest(), "");
    assert_eq!((house.meters.timeouts_idle.get(), house.meters.timeouts_header.get()), (1, 0));
}

#[test]
fn a_client_that_does_not_read_its_answer_is_let_go() {
    let deadlines = Deadlines { write: SHORT, ..Deadlines::default() };
    let house = open(Setting { deadlines, ..Setting::default() });
    let mut client = Client::to(&house);
    client.send("GET /flood HTTP/1.1\r\nhost: x\r\n\r\n");
    until("the connection is cut", || house.meters.timeouts_write.get() == 1);
}

#[test]
fn headers_over_the_bound_are_refused() {
    let house = open(Setting::default());
    for (bytes, status) in [(15 << 10, "200"), (17 << 10, "431")] {
        let mut client = Client::to(&house);
        let padding = "x".repeat(bytes);
        client
            .send(format!("POST /v1/track HTTP/1.1\r\nhost: x\r\npadding: {padding}\r\ncontent-length: 2\r\n\r\n{{}}"));
        assert_eq!(&client.head()[9..12], status, "{bytes} bytes");
    }
}

#[test]
fn a_body_that_crawls_is_refused_and_a_slow_but_steady_one_is_not() {
    let window = 4 * SHORT;
    let body = BodyLimits { window, ..BodyLimits::default() };
    let house = open(Setting { body, ..Setting::default() });
    let mut client = Client::to(&house);
    let answer = client.send("POST /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n{").answer();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(house.meters.timeouts_body.get(), 1);

    // Far slower than any network, but on the way: three windows pass.
    let mut client = Client::to(&house);
    client.send("POST /v1/track HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n");
    let begun = Instant::now();
    while begun.elapsed() < 3 * window {
        client.send(chunk(1024));
        thread::park_timeout(window / 50);
    }
    assert_eq!(client.send("1\r\n}\r\n0\r\n\r\n").answer().status, 200);
}

#[test]
fn a_body_has_a_deadline_as_a_whole() {
    let body = BodyLimits { window: SHORT / 3, time: SHORT, ..BodyLimits::default() };
    let house = open(Setting { body, ..Setting::default() });
    let mut client = Client::to(&house);
    client.send("POST /v1/track HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut sender = client.0.get_ref().try_clone().expect("a second handle");
    let feeding = thread::spawn(move || {
        while sender.write_all(&chunk(4096)).is_ok() {
            thread::park_timeout(SHORT / 50);
        }
    });
    let answer = client.answer();
    assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"));
    client.0.get_ref().shutdown(Shutdown::Both).expect("the socket is ours");
    feeding.join().expect("it ends with the connection");
}

#[test]
fn one_connection_too_many_is_told_so_and_may_come_back() {
    let house = open(Setting { connections: Some(2), ..Setting::default() });
    let mut first = Client::to(&house);
    let mut second = Client::to(&house);
    assert_eq!(first.post("", b"{}").answer().status, 200);
    assert_eq!(second.post("", b"{}").answer().status, 200);
    let answer = Client::to(&house).post("", &[b' '; 100_000]).answer();
    assert_eq!((answer.status, answer.code().as_str()), (503, "too_many_connections"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(house.meters.connections_refused.get(), 1);
    drop(first);
    until("a place is free", || house.meters.connections_open.get() == 1);
    assert_eq!(Client::to(&house).post("", b"{}").answer().status, 200);
}

#[test]
fn gzip_is_read_however_it_is_labelled() {
    let house = open(Setting::default());
    let whole = gzip(b"{\"batch\":[]}");
    let joined = [gzip(b"{\"batch\""), gzip(b":[]}")].concat();
    for (headers, body) in [
        ("content-encoding: gzip\r\n", &whole),
        ("content-encoding: gzip\r\n", &joined),
        ("", &whole),
        ("content-encoding: identity\r\ncontent-type: text/plain\r\n", &whole),
        ("content-type: application/x-www-form-urlencoded\r\n", &joined),
    ] {
        let answer = Client::to(&house).post(headers, body).answer();
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"success":true}"#), "{headers}");
    }
    assert_eq!(house.meters.inflated_bytes.get(), 5 * 12);
    assert_eq!(house.meters.body_memory.get(), 0);
}

#[test]
fn what_cannot_be_decoded_is_refused_with_its_reason() {
    let house = open(Setting::default());
    let whole = gzip(b"{\"batch\":[]}");
    let bomb = gzip(vec![b' '; 5 << 20]);
    for (headers, body, status, code) in [
        ("content-encoding: gzip\r\n", &whole[..20], 400, "bad_gzip"),
        ("", &whole[..20], 400, "bad_gzip"),
        ("content-encoding: gzip\r\n", b"{}", 400, "bad_gzip"),
        ("content-encoding: gzip\r\n", &bomb, 413, "inflates_too_much"),
        ("", &bomb, 413, "inflates_too_much"),
        ("content-encoding: br\r\n", b"{}", 415, "unsupported_encoding"),
        ("content-encoding: deflate\r\n", b"{}", 415, "unsupported_encoding"),
        ("content-encoding: zstd\r\n", b"{}", 400, "bad_zstd"),
        ("content-encoding: statsig-br\r\n", b"{}", 415, "unsupported_encoding"),
        ("content-encoding: gzip, gzip\r\n", &whole, 415, "unsupported_encoding"),
    ] {
        let answer = Client::to(&house).post(headers, body).answer();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{headers} {} bytes", body.len());
    }
    // A refusal after the whole body was read leaves the connection open.
    let mut client = Client::to(&house);
    assert_eq!(client.post("", &whole[..20]).answer().status, 400);
    assert_eq!(client.post("", &whole).answer().status, 200);
}

#[test]
fn a_body_at_the_limit_is_taken_and_one_over_it_gets_an_answer_it_can_read() {
    let limit = 64 << 10;
    let body = BodyLimits { bytes: limit, ..BodyLimits::default() };
    let house = open(Setting { body, ..Setting::default() });
    let answer = Client::to(&house).post("", &vec![b' '; limit]).answer();
    assert_eq!((answer.status, answer.body.as_str()), (200, "65536"));
    // Far more than the sockets hold: a client that first sends everything must not be cut off before it reads.
    for bytes in [limit + 1, 20 << 20] {
        let answer = Client::to(&house).post("", &vec![b' '; bytes]).answer();
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"), "{bytes} bytes");
        assert_eq!(answer.header("connection"), Some("close"));

        let mut client = Client::to(&house);
        client.send("POST /v1/track HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(chunk(bytes)).send("0\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"), "{bytes} bytes, chunked");
    }
}

#[test]
fn bodies_are_read_without_a_length() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    client.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("5\r\n    x\r\n").send("3;extension=1\r\nabc\r\n0\r\ntrailer: 1\r\n\r\n");
    assert_eq!(client.answer().body, "8");
    assert_eq!(client.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\n\r\n").answer().body, "0");
}

#[test]
fn a_client_that_asks_first_sends_its_body_only_when_it_is_wanted() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    client.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("{}").answer().status, 200);

    client.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n");
    assert_eq!(client.answer().status, 413);
    let mut client = Client::to(&house);
    client.send("POST /v1/nothing HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(client.answer().status, 404);
}

#[test]
fn a_body_that_breaks_off_is_not_taken_for_a_whole_one() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    client.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{}");
    client.0.get_ref().shutdown(Shutdown::Write).expect("the socket is ours");
    let rest = client.rest();
    assert!(!rest.contains(" 200 "), "{rest}");
    assert_eq!(house.meters.body_bytes.get(), 0);
}

#[test]
fn bodies_share_a_bound_on_memory() {
    let body = BodyLimits { memory_bytes: 100_000, ..BodyLimits::default() };
    let house = open(Setting { body, ..Setting::default() });
    let mut first = Client::to(&house);
    first.send("POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n").send(vec![b' '; 59_999]);
    until("the first body is held", || house.meters.body_memory.get() == 59_999);
    let answer = Client::to(&house).post("", &vec![b' '; 60_000]).answer();
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(first.send(" ").answer().body, "60000");
    assert_eq!(Client::to(&house).post("", &vec![b' '; 60_000]).answer().status, 200);
    until("nothing is held any more", || house.meters.body_memory.get() == 0);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    let requests: String = (1..=40)
        .map(|n| format!("POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: {n}\r\n\r\n{}", " ".repeat(n)))
        .collect();
    client.send(requests);
    for n in 1..=40 {
        assert_eq!(client.answer().body, n.to_string());
    }
}

#[test]
fn a_client_that_has_said_everything_still_gets_its_answer() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    client.post("", b"{}");
    client.0.get_ref().shutdown(Shutdown::Write).expect("the socket is ours");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.rest(), "");
}

#[test]
fn a_panic_costs_one_request() {
    let house = open(Setting::default());
    let mut other = Client::to(&house);
    assert_eq!(other.post("", b"{}").answer().status, 200);
    for _ in 0..3 {
        let answer = Client::to(&house).send("POST /panic HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").answer();
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal_error"));
    }
    // A page that called from elsewhere may read the answer, and only where it might have called.
    for (path, shown) in [("/v1/page", Some("https://shop.test")), ("/panic", None)] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\norigin: https://shop.test\r\ncontent-length: 0\r\n\r\n");
        let answer = Client::to(&house).send(&head).answer();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (500, shown));
    }
    assert_eq!(house.meters.panics.get(), 5);
    assert_eq!(other.post("", b"{}").answer().status, 200, "its connection did not notice");
    assert_eq!(Client::to(&house).post("", b"{}").answer().status, 200);
}

#[test]
fn unknown_paths_and_methods_are_answered_as_errors() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    let answer = client.send("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").answer();
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    let answer = client.send("PUT /v1/track HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
}

#[test]
fn a_server_that_stops_lets_the_last_answer_out() {
    let house = open(Setting::default());
    let mut idle = Client::to(&house);
    assert_eq!(idle.post("", b"{}").answer().status, 200);
    let mut fresh = Client::to(&house);
    let mut busy = Client::to(&house);
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut reading = Client::to(&house);
    reading.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
    for _ in 0..2 {
        house.entered.recv_timeout(PATIENCE).expect("the request reached the application");
    }
    until("all are accepted", || house.meters.connections_open.get() == 4);

    let House { serving, app, .. } = house;
    let address = serving.address();
    let stopping = thread::spawn(move || serving.stop(PATIENCE));
    assert_eq!(idle.rest(), "", "an idle connection ends at once");
    assert_eq!(fresh.rest(), "");
    assert!(reading.rest().ends_with("data: 1\n\n\r\n0\r\n\r\n"), "a stream ends in order");
    until("nobody accepts any more", || TcpStream::connect(address).is_err());
    app.release.notify_one();
    let answer = busy.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    drop(busy);
    assert_eq!(stopping.join().expect("no panic"), 0, "nothing was cut off");
}

#[test]
fn a_server_that_stops_does_not_wait_for_ever() {
    let house = open(Setting::default());
    let mut busy = Client::to(&house);
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n");
    house.entered.recv_timeout(PATIENCE).expect("the request reached the application");
    assert_eq!(house.serving.stop(SHORT), 1);
    assert_eq!(busy.rest(), "");
}

#[test]
fn a_port_belongs_to_one_server() {
    let house = open(Setting::default());
    let address = house.serving.address();
    let again = |threads| {
        let listen = Listen { threads, ..Listen::on(address) };
        serve(listen, house.app.clone(), house.meters.clone())
    };
    for threads in [1, 2] {
        let refusal = again(threads).expect_err("the port is taken");
        assert!(matches!(refusal, BindError::InUse(taken) if taken == address), "{refusal}");
        assert!(refusal.to_string().contains("another program listens"), "{refusal}");
    }
    // One that listens alone keeps others out as well, and a port is free as soon as its server has stopped.
    let alone = open(Setting::default());
    let address = alone.serving.address();
    let mut client = Client::to(&alone);
    assert_eq!(client.post("", b"{}").answer().status, 200);
    alone.serving.stop(PATIENCE);
    let again = serve(Listen::on(address), alone.app.clone(), alone.meters.clone()).expect("the port is free");
    assert_eq!(again.address(), address);
}

#[test]
fn connections_reach_every_thread() {
    let house = open(Setting::default());
    let mut clients: Vec<Client> = (0..32).map(|_| Client::to(&house)).collect();
    let ask = |client: &mut Client| client.send("GET /thread HTTP/1.1\r\nhost: x\r\n\r\n").answer().body;
    let threads: BTreeSet<String> = clients.iter_mut().map(ask).collect();
    // The system chooses; that it chooses one of two threads for all has a chance of 2^-31.
    assert_eq!(threads.into_iter().collect::<Vec<_>>(), ["weir-http-0", "weir-http-1"]);
}

#[test]
fn browsers_may_call_the_event_paths_from_any_page() {
    let house = open(Setting::default());
    let mut client = Client::to(&house);
    for path in ["/v1/t", "/v1/batch", "/v1/m", "/v1/rgstr", "/v1/projects/k/settings"] {
        let answer = client
            .send(format!(
                "OPTIONS {path} HTTP/1.1\r\nhost: x\r\norigin: https://shop.example\r\n\
                 access-control-request-method: POST\r\naccess-control-request-private-network: true\r\n\
                 access-control-request-headers: authorization,statsig-event-count\r\n\r\n"
            ))
            .answer();
        assert_eq!(answer.status, 204, "{path}");
        for (name, value) in [
            ("access-control-allow-origin", "https://shop.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, POST, OPTIONS"),
            ("access-control-max-age", "7200"),
            ("access-control-allow-private-network", "true"),
            ("vary", "origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let allowed = answer.header("access-control-allow-headers").expect("the header");
        let allowed: Vec<&str> = allowed.split(", ").collect();
        for name in ["authorization", "content-type", "x-retry-count", "statsig-api-key", "statsig-event-count"] {
            assert!(allowed.contains(&name), "{name}");
        }
    }
    // Answers and errors alike may be read by the page, the wait included.
    for body in [&b"{}"[..], &gzip(b"{}")[..8]] {
        let answer = client.post("origin: https://shop.example\r\n", body).answer();
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
        assert_eq!(answer.header("access-control-expose-headers"), Some("retry-after"));
        assert_eq!(answer.header("vary"), Some("origin"));
    }
    // Without an origin no browser asks, and the console is not for other pages.
    assert_eq!(client.post("", b"{}").answer().header("access-control-allow-origin"), None);
    let ask = "OPTIONS /console/v1/events HTTP/1.1\r\nhost: x\r\norigin: https://shop.example\r\n\r\n";
    let answer = client.send(ask).answer();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}
