//! What a connection waits for, and since when: the state behind its deadlines, and the socket that keeps it. Knows bytes,
//! not HTTP.
//!
//! hyper has one timer for headers and for idle connections alike, made anew for every request. Here a connection has one
//! timer that is looked at now and then, and each kind of waiting has its own deadline.

use super::limits::{Deadlines, LINGER_BYTES};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What the other side owes us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing was sent since the connection was opened.
    FirstByte,
    /// The rest of the headers.
    Header,
    /// Nothing: a request is being answered. Its body has deadlines of its own.
    Nothing,
    NextRequest,
    /// Reading what we write.
    Reader,
    /// Closing its side.
    Close,
}

/// Shared by a connection's socket, its requests and the task that drives it; all on one thread.
#[derive(Debug)]
pub(super) struct Watch {
    deadlines: Deadlines,
    waiting: Cell<Waiting>,
    since: Cell<Instant>,
    /// Since when the client has not taken what we wrote.
    stalled: Cell<Option<Instant>>,
    stopping: Cell<bool>,
    /// Whether the client may be sending still when we close: then the connection lingers.
    lingers: Cell<bool>,
}

impl Watch {
    pub(super) fn new(deadlines: Deadlines) -> Rc<Watch> {
        Rc::new(Watch {
            deadlines,
            waiting: Cell::new(Waiting::FirstByte),
            since: Cell::new(Instant::now()),
            stalled: Cell::new(None),
            stopping: Cell::new(false),
            lingers: Cell::new(true),
        })
    }

    fn wait_for(&self, what: Waiting) {
        self.waiting.set(what);
        self.since.set(Instant::now());
    }

    /// The server is stopping: streams end, and an idle connection, on which nothing is on its way, ends at once.
    pub(super) fn stop(&self) {
        self.stopping.set(true);
        if self.is_idle() {
            self.lingers.set(false);
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// No request is being answered and none is arriving.
    fn is_idle(&self) -> bool {
        matches!(self.waiting.get(), Waiting::FirstByte | Waiting::NextRequest)
    }

    /// What the other side has owed us for too long.
    pub(super) fn overdue(&self, now: Instant) -> Option<Waiting> {
        if self.stalled.get().is_some_and(|since| now >= since + self.deadlines.write) {
            return Some(Waiting::Reader);
        }
        let limit = match self.waiting.get() {
            Waiting::FirstByte | Waiting::Header => self.deadlines.header,
            Waiting::NextRequest => self.deadlines.idle,
            Waiting::Close => self.deadlines.linger,
            Waiting::Nothing | Waiting::Reader => return None,
        };
        (now >= self.since.get() + limit).then_some(self.waiting.get())
    }

    /// When to look again. Never later than the shortest deadline from now, so that a deadline that begins to run in
    /// between is met.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        let Deadlines { header, idle, write, linger } = self.deadlines;
        let soonest = now + header.min(idle).min(write).min(linger);
        let running = [
            self.stalled.get().map(|since| since + write),
            match self.waiting.get() {
                Waiting::FirstByte | Waiting::Header => Some(self.since.get() + header),
                Waiting::NextRequest => Some(self.since.get() + idle),
                Waiting::Close => Some(self.since.get() + linger),
                Waiting::Nothing | Waiting::Reader => None,
            },
        ];
        running.into_iter().flatten().fold(soonest, Instant::min)
    }
}

/// A request is being answered for as long as this lives: from its headers to the last byte of the answer's body.
#[derive(Debug)]
pub(super) struct Busy(Rc<Watch>);

impl Busy {
    pub(super) fn begin(watch: Rc<Watch>) -> Busy {
        watch.wait_for(Waiting::Nothing);
        Busy(watch)
    }

    /// The answer is known, and whether all that the client sent for it was read.
    pub(super) fn answered(&self, all_was_read: bool) {
        self.0.lingers.set(!all_was_read);
    }

    pub(super) fn server_is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait_for(Waiting::NextRequest);
    }
}

/// A socket that keeps its `Watch` up to date, and that closes gently: it sends its end first and discards what still
/// comes, because closing a socket with unread bytes resets it, and a client that is reset may never see the answer.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    watch: Rc<Watch>,
    discarded: usize,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, watch: Rc<Watch>) -> Watched {
        Watched { stream, watch, discarded: 0 }
    }

    fn note_write<T>(&self, poll: Poll<T>) -> Poll<T> {
        match (poll.is_pending(), self.watch.stalled.get()) {
            (true, None) => self.watch.stalled.set(Some(Instant::now())),
            (false, Some(_)) => self.watch.stalled.set(None),
            _ => {}
        }
        poll
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.watch.is_idle() && buf.filled().len() > before {
            self.watch.wait_for(Waiting::Header);
            self.watch.lingers.set(true);
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watch.waiting.get() != Waiting::Close {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.watch.wait_for(Waiting::Close);
        }
        let mut scrap = [0; 4096];
        while self.watch.lingers.get() && self.discarded < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scrap);
            // An error ends the connection as well as its end does.
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)).is_err() || buf.filled().is_empty() {
                break;
            }
            self.discarded += buf.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadlines() -> Deadlines {
        Deadlines { header: 10 * SECOND, idle: 75 * SECOND, write: 30 * SECOND, linger: 3 * SECOND }
    }

    #[test]
    fn each_kind_of_waiting_has_its_own_deadline() {
        for (waiting, limit) in [
            (Waiting::FirstByte, 10 * SECOND),
            (Waiting::Header, 10 * SECOND),
            (Waiting::NextRequest, 75 * SECOND),
            (Waiting::Close, 3 * SECOND),
        ] {
            let watch = Watch::new(deadlines());
            watch.wait_for(waiting);
            let since = watch.since.get();
            assert_eq!(watch.overdue(since + limit - Duration::from_millis(1)), None, "{waiting:?}");
            assert_eq!(watch.overdue(since + limit), Some(waiting), "{waiting:?}");
        }
    }

    #[test]
    fn an_answer_may_take_its_time_unless_nobody_reads_it() {
        let watch = Watch::new(deadlines());
        let busy = Busy::begin(watch.clone());
        let now = Instant::now();
        assert_eq!(watch.overdue(now + 3600 * SECOND), None);
        watch.stalled.set(Some(now));
        assert_eq!(watch.overdue(now + 29 * SECOND), None);
        assert_eq!(watch.overdue(now + 30 * SECOND), Some(Waiting::Reader));
        drop(busy);
        assert!(watch.is_idle());
    }

    #[test]
    fn the_next_look_comes_before_any_deadline_can_pass() {
        let watch = Watch::new(deadlines());
        let since = watch.since.get();
        assert_eq!(watch.next_look(since), since + 3 * SECOND, "the shortest deadline could begin at any time");
        assert_eq!(watch.next_look(since + 9 * SECOND), since + 10 * SECOND, "the headers are due");
    }
}
