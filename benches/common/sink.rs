//! The bare sink: a hyper server that reads and throws away each body and gives the answer it was made for. It accepts as Weir does too,
//! one current-thread runtime a core on a shared port, so that what differs is Weir's own work.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;

/// What every request gets.
#[derive(Clone)]
struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Weir's to an event.
    fn success() -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Answer { headers, body: Bytes::from_static(br#"{"success":true}"#) }
    }

    /// One that was recorded, as it went over the wire. hyper adds date and length.
    fn recorded(wire: Vec<u8>) -> anyhow::Result<Answer> {
        let wire = Bytes::from(wire);
        let end = memchr::memmem::find(&wire, b"\r\n\r\n").context("the recorded answer has no end of its head")?;
        let mut headers = HeaderMap::new();
        for line in std::str::from_utf8(&wire[..end])?.split("\r\n").skip(1) {
            let (name, value) = line.split_once(':').context("a header without a colon")?;
            if !name.eq_ignore_ascii_case("date") && !name.eq_ignore_ascii_case("content-length") {
                headers.append(HeaderName::try_from(name)?, value.trim().parse()?);
            }
        }
        Ok(Answer { headers, body: wire.slice(end + 4..) })
    }
}

/// Serves until it is killed; prints its address as `weir serve` does. `recorded` holds the answer to give.
pub fn serve(recorded: Option<&Path>) -> anyhow::Result<()> {
    let answer = match recorded {
        None => Answer::success(),
        Some(path) => Answer::recorded(std::fs::read(path)?)?,
    };
    let cores = std::thread::available_parallelism().context("cannot count the cores")?.get();
    let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..cores {
        listeners.push(listen(address)?);
    }
    println!("listening on http://{address}");
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let answer = answer.clone();
            std::thread::spawn(move || accept(listener, answer))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    Ok(())
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn accept(listener: TcpListener, answer: Answer) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let answer = Rc::new(answer);
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer = answer.clone();
            let service = service_fn(move |request| discard(request, answer.clone()));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks off is the generator ending its run.
            tokio::task::spawn_local(async { drop(connection.await) });
        }
    })
}

async fn discard(request: Request<Incoming>, answer: Rc<Answer>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let mut response = Response::new(Full::new(answer.body.clone()));
    response.headers_mut().clone_from(&answer.headers);
    Ok(response)
}
