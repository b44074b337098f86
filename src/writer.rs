//! The one who writes: a bounded channel and the single thread that turns what is queued into commits. Everybody else
//! hands it commands and waits for its answer; nobody else changes the store.
//!
//! There is no linger timer: while one commit waits for the disk the next one gathers in the queue, so the disk itself sets
//! the pace. A commit that failed poisons the writer: it takes nothing more and the process must end, because what the disk
//! holds after a failed fsync is unknown.

mod queue;
mod quiet;
#[cfg(test)]
mod tests;
mod worker;

use crate::clock::Clock;
use crate::event::{Outcome, Sequence, Source};
use crate::meters::Meters;
use crate::store::{
    Appender, Applied, Change, CommitError, DocumentChange, Job, NewColumn, Prepared, Store, Submission,
};
use queue::{Queue, State};
use quiet::Quiet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

pub use worker::step_back;

/// What became of a submission, told after the commit that holds it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub stored: u64,
    pub duplicates: u64,
    /// The log's next free sequence after the commit.
    pub next: Sequence,
}

/// Why the writer did not take a submission. Nothing of it was stored, unless a commit failed: then nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue stayed full for as long as we wait. 503 with Retry-After.
    #[error("the write queue is full")]
    Overloaded,
    /// The disk has no room for it. 507 with Retry-After; goes on by itself when room returns.
    #[error("the disk has no room for more events")]
    NoRoom,
    /// The process is stopping. 503.
    #[error("the server is stopping")]
    Stopping,
    /// A commit failed; the process is about to exit. 503.
    #[error("a write to disk failed; the server must be restarted")]
    Poisoned,
}

/// The writer's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Submissions that may wait.
    pub queue_messages: usize,
    /// Bytes of submissions that may wait.
    pub queue_bytes: usize,
    /// A commit stops gathering at this size, so that its answer does not take too long.
    pub commit_bytes: usize,
    /// Free bytes of the disk below which events are refused, so that changes and readers still find room.
    pub reserve_bytes: u64,
    /// Text bytes that may wait to be sealed. Beyond it nothing is taken from the queue until sealing has caught up, so that a
    /// burst is taken at full speed and a lasting flood at the speed of sealing.
    pub unsealed_bytes: u64,
    /// How long nothing must arrive before small tails are sealed.
    pub quiet: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue_messages: 4096,
            queue_bytes: 48 << 20,
            commit_bytes: 4 << 20,
            reserve_bytes: 64 << 20,
            unsealed_bytes: 256 << 20,
            quiet: Duration::from_secs(2),
        }
    }
}

/// Tells the free bytes of the disk that holds the store; `None` where they cannot be told.
pub type FreeBytes = Box<dyn Fn() -> Option<u64> + Send>;

enum Command {
    Append { submission: Submission, reply: oneshot::Sender<Answer>, _room: OwnedSemaphorePermit },
    Documents { documents: Vec<DocumentChange>, note: Option<Submission>, reply: oneshot::Sender<Answer> },
    Prepared { prepared: Prepared, taken: flume::Sender<()> },
    Columns { columns: Vec<NewColumn>, _room: OwnedSemaphorePermit },
    JobFailed,
    Stop,
}

impl Command {
    /// What it brings weighs, where that can be much.
    fn bytes(&self) -> usize {
        match self {
            Command::Append { submission, .. } => submission.bytes(),
            Command::Columns { columns, .. } => columns.iter().map(NewColumn::bytes).sum(),
            _ => 0,
        }
    }
}

type Answer = Result<Receipt, Unavailable>;

/// Hands commands to the writer. Cheap to clone, usable from any thread and any async runtime.
#[derive(Clone)]
pub struct Handle {
    queue: Queue,
    committed: watch::Receiver<Sequence>,
    meters: Arc<Meters>,
}

/// A submission that is queued; resolves when its commit is on disk.
pub struct Pending(oneshot::Receiver<Answer>, Queue);

impl Pending {
    pub async fn wait(self) -> Answer {
        // A dropped reply means that the thread is gone before it answered.
        self.0.await.unwrap_or_else(|_| Err(self.1.refusal()))
    }
}

impl Handle {
    /// Waits for room in the queue, for as long as the caller lets it (drop the future to give up), and queues a submission.
    pub async fn enqueue(&self, submission: Submission) -> Result<Pending, Unavailable> {
        self.queue.check()?;
        let room = self.queue.room(submission.bytes()).await?;
        self.queue.check()?;
        let (reply, pending) = oneshot::channel();
        self.queue.send_async(Command::Append { submission, reply, _room: room }).await?;
        Ok(Pending(pending, self.queue.clone()))
    }

    /// Changes the catalog, keys, ID types or ID lists, with the events that tell of it, in one transaction. Blocks until it is on disk.
    pub fn change(&self, documents: Vec<DocumentChange>, note: Option<Submission>) -> Answer {
        self.queue.check()?;
        let (reply, pending) = oneshot::channel();
        self.queue.send(Command::Documents { documents, note, reply })?;
        pending.blocking_recv().unwrap_or_else(|_| Err(self.queue.refusal()))
    }

    /// The same for who must not block, and without events. Waits until it is on disk.
    pub async fn record(&self, documents: Vec<DocumentChange>) -> Answer {
        self.queue.check()?;
        let (reply, pending) = oneshot::channel();
        self.queue.send_async(Command::Documents { documents, note: None, reply }).await?;
        Pending(pending, self.queue.clone()).wait().await
    }

    /// Has columns of fields kept that a reader worked out, some time. Does not wait: they give way to events, and where the queue
    /// is half full, in messages or in bytes, they are thrown away. The next reader works them out again.
    pub fn keep(&self, columns: Vec<NewColumn>) {
        let bytes = columns.iter().map(NewColumn::bytes).sum();
        if self.queue.check().is_ok()
            && let Some(_room) = self.queue.spare_room(bytes)
        {
            self.queue.try_send(Command::Columns { columns, _room });
        }
    }

    /// Whether the writer takes submissions.
    pub fn is_running(&self) -> bool {
        self.queue.state() == State::Running
    }

    /// Changes whenever a commit with new events has reached the disk; holds the log's end.
    pub fn committed(&self) -> watch::Receiver<Sequence> {
        self.committed.clone()
    }

    /// Submissions in the queue.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Brings the queue's gauges up to date; called when they are read.
    pub fn measure(&self) {
        self.meters.queue_submissions.set(self.queue.len() as u64);
        self.meters.queue_bytes.set(self.queue.bytes() as u64);
    }
}

/// The writing thread, as its owner sees it.
pub struct Writing {
    thread: JoinHandle<Result<(), CommitError>>,
    worker: JoinHandle<()>,
    queue: Queue,
    failed: watch::Receiver<bool>,
}

impl Writing {
    /// Resolves when a commit has failed or the thread has died: the process must end.
    pub async fn failed(&self) {
        let mut failed = self.failed.clone();
        // An error means that the thread dropped its end, which it does only when it is over.
        while !*failed.borrow_and_update() {
            if failed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes nothing new, commits what is queued, and ends the thread. Blocks.
    pub fn stop(self) -> Result<(), CommitError> {
        self.queue.advance(State::Stopping);
        // The thread may be gone already; then joining tells why.
        let _ = self.queue.send(Command::Stop);
        let result = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if self.worker.join().is_err() {
            tracing::error!("the sealing thread panicked");
        }
        result
    }
}

/// Starts the writing thread and its worker.
pub fn start(
    store: Store,
    appender: Appender,
    limits: Limits,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    free_bytes: FreeBytes,
) -> std::io::Result<(Handle, Writing)> {
    let queue = Queue::new(&limits);
    let (announce, committed) = watch::channel(appender.next());
    let (fail, failed) = watch::channel(false);
    let handle = Handle { queue: queue.clone(), committed, meters: meters.clone() };
    let (jobs, job_queue) = flume::bounded::<Job>(1);
    let worker = worker::start(store, job_queue, queue.clone())?;
    let thread = std::thread::Builder::new().name("weir-writer".into()).spawn({
        let queue = queue.clone();
        move || {
            let mut writer = Writer {
                appender,
                limits,
                clock,
                meters,
                free_bytes,
                announce,
                jobs,
                held: VecDeque::new(),
                retry_after: None,
            };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run(queue.commands())));
            if matches!(result, Ok(Ok(()))) {
                queue.end(State::Stopped);
            } else {
                queue.end(State::Poisoned);
                let _ = fail.send(true);
            }
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }
    })?;
    Ok((handle, Writing { thread, worker, queue, failed }))
}

/// A change of the catalog or an empty commit may dip into the reserve, but leaves this part of it: it must not meet a full disk.
const LAST_RESERVE: u64 = 8;
/// How long submissions wait for sealing to catch up by one piece.
const CATCH_UP: Duration = Duration::from_secs(5);
/// How long a failed job is left alone before it is tried again.
const JOB_RETRY: Duration = Duration::from_secs(30);

struct Writer {
    appender: Appender,
    limits: Limits,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    free_bytes: FreeBytes,
    announce: watch::Sender<Sequence>,
    jobs: flume::Sender<Job>,
    /// Submissions that wait until sealing has caught up.
    held: VecDeque<Command>,
    retry_after: Option<Instant>,
}

impl Writer {
    fn run(&mut self, commands: &flume::Receiver<Command>) -> Result<(), CommitError> {
        let mut quiet = Quiet::new(self.limits.quiet);
        self.measure();
        self.give_work(true);
        loop {
            let Some(first) = self.next(commands, quiet.wait()) else {
                if quiet.is_dirty() && self.has_last_reserve() {
                    self.appender.settle()?;
                    quiet.settled();
                }
                self.give_work(true);
                continue;
            };
            let (gathered, stop) = self.gather(first, commands);
            if self.commit(gathered)? {
                quiet.touched();
            }
            if stop {
                // On a full disk the next opening takes longer instead.
                return if self.has_last_reserve() { self.appender.settle() } else { Ok(()) };
            }
            self.give_work(false);
        }
    }

    /// The next command, or `None` when none came for so long.
    fn next(&mut self, commands: &flume::Receiver<Command>, wait: Duration) -> Option<Command> {
        while self.is_behind() {
            match commands.recv_timeout(CATCH_UP) {
                Ok(append @ Command::Append { .. }) => self.held.push_back(append),
                Ok(other) => return Some(other),
                // Sealing does not get on; the clients need not wait for it any longer.
                Err(_) => break,
            }
        }
        // The queue itself holds a sender, so it is never disconnected.
        self.held.pop_front().or_else(|| commands.recv_timeout(wait).ok())
    }

    fn is_behind(&self) -> bool {
        self.appender.job_is_running() && self.appender.unsealed_bytes() > self.limits.unsealed_bytes
    }

    /// Takes what is queued, up to a commit's size; after a stop, all of it.
    fn gather(&mut self, first: Command, commands: &flume::Receiver<Command>) -> (Vec<Command>, bool) {
        let mut gathered = Vec::new();
        let mut bytes = 0;
        let mut stop = false;
        let mut next = Some(first);
        while let Some(command) = next {
            bytes += command.bytes();
            stop |= matches!(command, Command::Stop);
            gathered.push(command);
            let more = stop || (bytes < self.limits.commit_bytes && !self.is_behind());
            next = if more { self.held.pop_front().or_else(|| commands.try_recv().ok()) } else { None };
        }
        (gathered, stop)
    }

    /// Whether there was anything to commit.
    fn commit(&mut self, commands: Vec<Command>) -> Result<bool, CommitError> {
        let weigh = |columns| {
            let is_wanted = |it: &&Command| matches!(it, Command::Columns { .. }) == columns;
            commands.iter().filter(is_wanted).map(Command::bytes).sum::<usize>() as u64
        };
        let (bytes, of_columns) = (weigh(false), weigh(true));
        let room = self.has_room(bytes);
        // Columns must not take the room of events.
        let room_for_columns = of_columns > 0 && self.has_room(bytes + of_columns);
        if !room {
            self.meters.commits_no_room.increment();
        }
        let mut changes = Vec::with_capacity(commands.len());
        let mut waiting = Vec::with_capacity(commands.len());
        // Held until the commit is over: what is being written still fills the queue.
        let mut rooms = Vec::with_capacity(commands.len());
        let mut job_failed = false;
        for command in commands {
            match command {
                Command::Append { submission, reply, _room } if room => {
                    rooms.push(_room);
                    let refused = Refused::of(&submission);
                    changes.push(Change::Append(Box::new(submission)));
                    waiting.push(Waiting::Reply(reply, refused));
                }
                // Nobody may be left to hear it: the client can be gone.
                Command::Append { reply, .. } => {
                    let _ = reply.send(Err(Unavailable::NoRoom));
                }
                Command::Documents { documents, reply, .. } if !self.has_room_for(&documents) => {
                    let _ = reply.send(Err(Unavailable::NoRoom));
                }
                Command::Documents { documents, note, reply } => {
                    changes.push(Change::Documents(documents));
                    waiting.push(Waiting::Silent);
                    let submission = note.unwrap_or_else(|| Submission::empty(self.appender.new_batch()));
                    let refused = Refused::of(&submission);
                    changes.push(Change::Append(Box::new(submission)));
                    waiting.push(Waiting::Reply(reply, refused));
                }
                Command::Prepared { prepared, taken } if room => {
                    if matches!(prepared, Prepared::Seal(_)) {
                        self.meters.blocks_sealed.increment();
                    }
                    changes.push(prepared.into());
                    waiting.push(Waiting::Worker(taken));
                }
                Command::Columns { columns, _room } if room_for_columns => {
                    rooms.push(_room);
                    changes.push(Change::KeepColumns(columns));
                    waiting.push(Waiting::Silent);
                }
                // The next reader works them out again.
                Command::Columns { .. } => {}
                // Dropping `taken` tells the worker that its work was not wanted.
                Command::Prepared { .. } | Command::JobFailed => job_failed = true,
                Command::Stop => {}
            }
        }
        let something = !changes.is_empty();
        if something {
            self.put(changes, waiting)?;
        }
        // Only now: the piece before the one that failed may have been in this commit.
        if job_failed {
            self.job_failed();
        }
        Ok(something)
    }

    /// Commits changes and tells those who wait for them.
    fn put(&mut self, changes: Vec<Change>, waiting: Vec<Waiting>) -> Result<(), CommitError> {
        let started = Instant::now();
        let answers = match self.appender.commit(changes, self.clock.now()) {
            Ok(answers) => answers,
            Err(error) => {
                self.meters.commits_failed.increment();
                for waiting in waiting {
                    if let Waiting::Reply(reply, _) = waiting {
                        let _ = reply.send(Err(Unavailable::Poisoned));
                    }
                }
                return Err(error);
            }
        };
        self.meters.commit_seconds.observe(started.elapsed());
        self.meters.commits_done.increment();
        self.measure();
        let next = self.appender.next();
        self.announce.send_if_modified(|end| std::mem::replace(end, next) != next);
        for (waiting, applied) in waiting.into_iter().zip(answers) {
            self.meters.list_members_refused.add(applied.unlisted);
            self.answer(waiting, applied);
        }
        Ok(())
    }

    fn answer(&self, waiting: Waiting, applied: Applied) {
        match waiting {
            Waiting::Reply(reply, refused) => {
                self.meters.events_stored.add(applied.stored);
                self.meters.events_duplicate.add(applied.duplicates);
                self.meters.events_filtered.add(refused.filtered);
                self.meters.events_rejected.add(refused.rejected);
                for (source, reason, count) in refused.by_reason {
                    if let Some(counter) = self.meters.kept_out(source, reason) {
                        counter.add(count);
                    }
                }
                let all = applied.stored + applied.duplicates + refused.filtered + refused.rejected;
                self.meters.events_received.add(all);
                // The client may have hung up meanwhile; its events are stored all the same.
                let _ = reply.send(Ok(Receipt {
                    stored: applied.stored,
                    duplicates: applied.duplicates,
                    next: Sequence(applied.next),
                }));
            }
            Waiting::Worker(taken) => {
                // A worker that is gone needs no answer.
                let _ = taken.send(());
            }
            Waiting::Silent => {}
        }
    }

    fn has_room(&self, bytes: u64) -> bool {
        // A commit writes its tail and a few pages; redb may grow the file by as much again.
        self.has_free(self.limits.reserve_bytes + 2 * bytes)
    }

    fn has_room_for(&self, documents: &[DocumentChange]) -> bool {
        let lasting: usize = documents.iter().map(DocumentChange::lasting_bytes).sum();
        self.has_last_reserve() && (lasting == 0 || self.has_room(lasting as u64))
    }

    fn has_last_reserve(&self) -> bool {
        self.has_free(self.limits.reserve_bytes / LAST_RESERVE)
    }

    fn has_free(&self, bytes: u64) -> bool {
        (self.free_bytes)().is_none_or(|free| free >= bytes)
    }

    fn job_failed(&mut self) {
        self.appender.job_failed();
        self.retry_after = Some(Instant::now() + JOB_RETRY);
    }

    fn give_work(&mut self, quiet: bool) {
        if self.retry_after.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if let Some(job) = self.appender.next_job(quiet) {
            // There is one job at a time, so there is room; a worker that died takes none.
            if self.jobs.try_send(job).is_err() {
                self.job_failed();
            }
        }
    }

    fn measure(&self) {
        self.meters.tail_bytes.set(self.appender.unsealed_bytes());
        self.meters.dedupe_keys.set(self.appender.dedupe_keys());
        self.meters.list_members.set(self.appender.list_members());
        let window = self.appender.dedupe_window_ms(self.clock.now());
        self.meters.dedupe_window_seconds.set(u64::try_from(window / 1000).unwrap_or(0));
    }
}

enum Waiting {
    Reply(oneshot::Sender<Answer>, Refused),
    Worker(flume::Sender<()>),
    Silent,
}

/// Events of a submission that were never meant to be stored.
struct Refused {
    filtered: u64,
    rejected: u64,
    /// The same by source and reason.
    by_reason: Vec<(Source, &'static str, u64)>,
}

impl Refused {
    fn of(submission: &Submission) -> Refused {
        let sum = |outcome| {
            submission.tallies.iter().filter(|(tally, _)| tally.outcome == outcome).map(|(_, count)| count).sum()
        };
        let by_reason = submission.tallies.iter().map(|(tally, count)| (tally.source, tally.reason, *count));
        Refused { filtered: sum(Outcome::Filtered), rejected: sum(Outcome::Rejected), by_reason: by_reason.collect() }
    }
}
