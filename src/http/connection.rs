//! One connection from its first byte to its last: hyper serves it, this task watches its deadlines and the server's end.
//! A panic in a request costs that request alone.

use super::limits::{HEADER_BYTES, READ_BUFFER_BYTES};
use super::reply::{Reply, ReplyBody};
use super::route::Place;
use super::waiting::{Busy, Waiting, Watch, Watched};
use super::{App, cors};
use crate::meters::Meters;
use futures_util::FutureExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

/// How every connection speaks HTTP.
pub(super) fn protocol() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        // A client may end its side after its last request; it still gets its answer.
        .half_close(true)
        // The deadlines are `Watch`'s.
        .header_read_timeout(None)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(READ_BUFFER_BYTES);
    protocol
}

/// Serves one connection until it ends, a deadline passes, or the server has stopped and its last answer is out.
pub(super) async fn serve<A: App>(
    protocol: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    watch: Rc<Watch>,
    app: Arc<A>,
    meters: Arc<Meters>,
    mut stop: Receiver<Option<Instant>>,
) {
    let service = service_fn(|request| {
        let busy = Busy::begin(watch.clone());
        answer(app.clone(), request, peer, busy, &meters)
    });
    let socket = TokioIo::new(Watched::new(stream, watch.clone()));
    let mut connection = pin!(protocol.serve_connection(socket, service));
    let mut look = pin!(sleep_until(watch.next_look(Instant::now())));
    loop {
        tokio::select! {
            biased;
            // Before the connection: an answer that becomes ready at the same moment must say that it is the last.
            () = stopped(&mut stop), if !watch.is_stopping() => {
                watch.stop();
                connection.as_mut().graceful_shutdown();
            }
            // An error here is the client's: it went away or does not speak HTTP. hyper has answered what can be answered.
            _ = connection.as_mut() => return,
            () = look.as_mut() => {
                let now = Instant::now();
                if let Some(waiting) = watch.overdue(now) {
                    count_overdue(waiting, &meters);
                    return;
                }
                look.as_mut().reset(watch.next_look(now));
            }
        }
    }
}

/// Waits for the order to stop; a server that is gone counts as one.
pub(super) async fn stopped(stop: &mut Receiver<Option<Instant>>) {
    let _ = stop.wait_for(Option::is_some).await;
}

fn count_overdue(waiting: Waiting, meters: &Meters) {
    match waiting {
        Waiting::FirstByte | Waiting::Header => meters.timeouts_header.increment(),
        Waiting::NextRequest => meters.timeouts_idle.increment(),
        Waiting::Reader => meters.timeouts_write.increment(),
        // It got its answer and only did not close in time; nothing was lost.
        Waiting::Close | Waiting::Nothing => {}
    }
}

async fn answer<A: App>(
    app: Arc<A>,
    request: Request<Incoming>,
    peer: SocketAddr,
    busy: Busy,
    meters: &Meters,
) -> Result<Response<Answering>, Infallible> {
    let origin = request.headers().get(ORIGIN).filter(|_| Place::at(request.uri().path()).cors).cloned();
    let has_body = !request.body().is_end_stream();
    // The handler's state is dropped with its panic; what it shares are atomics and channels, which have no half-way.
    let response = AssertUnwindSafe(async { app.respond(request, peer).await }).catch_unwind().await;
    let response = response.unwrap_or_else(|_| {
        meters.panics.increment();
        let mut reply = Reply::internal_error().closing();
        if let Some(origin) = origin {
            cors::apply(&HeaderMap::from_iter([(ORIGIN, origin)]), reply.headers_mut());
        }
        reply.into()
    });
    // Who succeeds has read its body; who fails may have failed before that.
    busy.answered(!has_body || response.status().is_success());
    Ok(response.map(|body| Answering { body, busy }))
}

/// An answer's body; the request counts as being answered until hyper lets go of it.
struct Answering {
    body: ReplyBody,
    busy: Busy,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.busy.server_is_stopping() {
            self.body.end_stream();
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
