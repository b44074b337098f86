//! The bounded way to the writer: in messages, in bytes, and closed for good when the writer ends. Runs no thread and knows
//! nothing of what it carries.

use super::{Command, Limits, Unavailable};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the writer is doing, in the order in which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum State {
    Running,
    /// Takes nothing new; what is queued is still committed.
    Stopping,
    /// Everything queued has been committed and the thread is over.
    Stopped,
    /// A commit failed. Nothing is taken and nothing that is queued is committed.
    Poisoned,
}

/// Room in the queue is counted in pieces of this size, because a semaphore counts in 32 bits.
const ROOM_UNIT: usize = 1024;

/// Clones share one queue.
#[derive(Clone)]
pub(super) struct Queue {
    sender: flume::Sender<Command>,
    /// The writer's end. Held by the senders too, because a channel keeps what is queued for as long as anybody can send: who
    /// sends too late throws it away himself, and whoever waits for an answer learns that there will be none.
    receiver: flume::Receiver<Command>,
    room: Arc<Semaphore>,
    room_units: usize,
    state: Arc<AtomicU8>,
}

impl Queue {
    pub fn new(limits: &Limits) -> Queue {
        let (sender, receiver) = flume::bounded(limits.queue_messages);
        let room_units = limits.queue_bytes.div_ceil(ROOM_UNIT);
        Queue {
            sender,
            receiver,
            room: Arc::new(Semaphore::new(room_units)),
            room_units,
            state: Arc::new(AtomicU8::new(State::Running as u8)),
        }
    }

    pub fn commands(&self) -> &flume::Receiver<Command> {
        &self.receiver
    }

    /// Room for so many bytes, as soon as there is some. What is larger than the queue goes in alone.
    pub async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Unavailable> {
        let units = bytes.div_ceil(ROOM_UNIT).clamp(1, self.room_units) as u32;
        self.room.clone().acquire_many_owned(units).await.map_err(|_| self.refusal())
    }

    /// Room for so many bytes of what can do without, if that leaves half of the queue free.
    pub fn spare_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(ROOM_UNIT).max(1);
        let is_spare = units + self.room_units / 2 <= self.room.available_permits()
            && 2 * self.sender.len() <= self.sender.capacity().unwrap_or(usize::MAX);
        if !is_spare {
            return None;
        }
        self.room.clone().try_acquire_many_owned(u32::try_from(units).ok()?).ok()
    }

    /// Throws the command away where there is no place for it.
    pub fn try_send(&self, command: Command) {
        let sent = self.sender.try_send(command).is_ok();
        // Whether it was taken matters to nobody.
        let _ = self.sent(sent);
    }

    pub async fn send_async(&self, command: Command) -> Result<(), Unavailable> {
        let sent = self.sender.send_async(command).await.is_ok();
        self.sent(sent)
    }

    pub fn send(&self, command: Command) -> Result<(), Unavailable> {
        let sent = self.sender.send(command).is_ok();
        self.sent(sent)
    }

    fn sent(&self, sent: bool) -> Result<(), Unavailable> {
        if self.state() >= State::Stopped {
            self.discard();
        }
        // What was sent may just have been committed: whoever waits for its answer learns which.
        if sent { Ok(()) } else { Err(self.refusal()) }
    }

    /// Whether submissions are taken.
    pub fn check(&self) -> Result<(), Unavailable> {
        if self.state() == State::Running { Ok(()) } else { Err(self.refusal()) }
    }

    pub fn state(&self) -> State {
        match self.state.load(Ordering::SeqCst) {
            0 => State::Running,
            1 => State::Stopping,
            2 => State::Stopped,
            _ => State::Poisoned,
        }
    }

    /// Why nothing is taken any more. An answer that is lost while the writer runs is a panic's doing.
    pub fn refusal(&self) -> Unavailable {
        match self.state() {
            State::Stopping | State::Stopped => Unavailable::Stopping,
            State::Running | State::Poisoned => Unavailable::Poisoned,
        }
    }

    /// Moves on to a later state; an earlier one changes nothing.
    pub fn advance(&self, to: State) {
        self.state.fetch_max(to as u8, Ordering::SeqCst);
    }

    /// The writer is over: nobody waits for room or for an answer any more.
    pub fn end(&self, state: State) {
        self.advance(state);
        self.room.close();
        self.discard();
    }

    fn discard(&self) {
        while self.receiver.try_recv().is_ok() {}
    }

    /// Commands that wait.
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Bytes of submissions that wait or are being committed.
    pub fn bytes(&self) -> usize {
        (self.room_units - self.room.available_permits().min(self.room_units)) * ROOM_UNIT
    }
}
