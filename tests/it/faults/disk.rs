//! A disk in memory that loses what was not synced, tears what it was writing, fails when told to, and can be held up.
//! Knows redb's backend and nothing of what is stored.

use super::random::Random;
use redb::StorageBackend;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a disk is asked to do that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Write,
    SetLen,
    Sync,
}

/// The `nth` call of a kind (from 0) fails, once. A failed sync loses what it should have kept, as Linux does.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub call: Call,
    pub nth: u64,
    pub kind: ErrorKind,
}

#[derive(Debug)]
enum Unsynced {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Debug, Default)]
struct State {
    durable: Vec<u8>,
    /// What a reader sees: the durable bytes with everything unsynced.
    current: Vec<u8>,
    unsynced: Vec<Unsynced>,
    counts: [u64; 3],
    /// Calls that are left until the power goes.
    power: Option<u64>,
    fault: Option<Fault>,
    /// Changes that were accepted after the fault.
    changes_after_fault: u64,
    faulted: bool,
    held: bool,
    /// Syncs that get through all the same.
    passes: u64,
    waiting: bool,
}

/// Clones share one disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<(Mutex<State>, Condvar)>);

impl Disk {
    pub fn holding(image: Vec<u8>) -> Disk {
        let disk = Disk::default();
        *disk.state() = State { durable: image.clone(), current: image, ..State::default() };
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes with the call after so many more.
    pub fn cut_after(&self, calls: u64) {
        self.state().power = Some(calls);
    }

    pub fn is_off(&self) -> bool {
        self.state().power == Some(0)
    }

    /// Counting from now on, one call fails.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.counts = [0; 3];
        state.fault = Some(fault);
    }

    pub fn faulted(&self) -> bool {
        self.state().faulted
    }

    pub fn changes_after_fault(&self) -> u64 {
        self.state().changes_after_fault
    }

    /// Makes every sync wait until `release`.
    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn release(&self) {
        self.state().held = false;
        self.0.1.notify_all();
    }

    /// Lets one sync through.
    pub fn pass(&self) {
        let mut state = self.state();
        state.passes += 1;
        state.waiting = false;
        drop(state);
        self.0.1.notify_all();
    }

    /// Whether a sync waits.
    pub fn is_waiting(&self) -> bool {
        self.state().waiting
    }

    /// Everything that was written, as after a crash of the process alone.
    pub fn all_written(&self) -> Vec<u8> {
        self.state().current.clone()
    }

    /// What may be left after a power cut: everything synced, and of the rest some writes in some order, some of them torn.
    pub fn after_cut(&self, random: &mut Random) -> Vec<u8> {
        let state = self.state();
        let mut image = state.durable.clone();
        let mut lengths = vec![image.len()];
        let mut writes = Vec::new();
        for unsynced in &state.unsynced {
            match unsynced {
                Unsynced::SetLen(len) => lengths.push(*len),
                Unsynced::Write { offset, bytes } => writes.push((*offset, bytes.as_slice())),
            }
        }
        // Metadata is journalled: the length is one that the file has had, whatever became of the data.
        let length = *random.pick(&lengths);
        if random.percent(50) {
            random.shuffle(&mut writes);
        }
        let kept = *random.pick(&[0, 10, 50, 90, 100]);
        for (offset, bytes) in writes {
            if random.percent(kept) {
                put(&mut image, offset, bytes);
            } else if random.percent(50) {
                let sector = 512 << random.below(4);
                let mut at = offset;
                while at < offset + bytes.len() {
                    let end = ((at / sector + 1) * sector).min(offset + bytes.len());
                    if random.percent(50) {
                        put(&mut image, at, &bytes[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
        }
        image.resize(length, 0);
        image
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

impl State {
    /// Whether a call may go on, must fail with its work half done, or must fail without a trace.
    fn admit(&mut self, call: Call) -> Result<(), Error> {
        let nth = self.counts[call as usize];
        self.counts[call as usize] += 1;
        if let Some(fault) = self.fault
            && fault.call == call
            && fault.nth == nth
        {
            self.faulted = true;
            return Err(fault.kind.into());
        }
        if self.faulted {
            self.changes_after_fault += 1;
        }
        if let Some(left) = &mut self.power {
            *left = left.saturating_sub(1);
        }
        Ok(())
    }

    fn powered(&self) -> Result<(), Error> {
        if self.power == Some(0) { Err(Error::other("the power is off")) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        let state = self.state();
        state.powered()?;
        Ok(state.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        state.powered()?;
        let offset = offset as usize;
        let bytes = state.current.get(offset..offset + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.powered()?;
        state.admit(Call::SetLen)?;
        state.current.resize(len as usize, 0);
        state.unsynced.push(Unsynced::SetLen(len as usize));
        state.powered()
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.powered()?;
        while state.held && state.passes == 0 {
            state.waiting = true;
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting = false;
        state.passes = state.passes.saturating_sub(1);
        if let Err(error) = state.admit(Call::Sync) {
            // The kernel marks the pages clean, reports the error once, and never writes them.
            state.unsynced.clear();
            return Err(error);
        }
        // Without power what should become durable is as uncertain as before.
        state.powered()?;
        state.durable = state.current.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        state.powered()?;
        state.admit(Call::Write)?;
        put(&mut state.current, offset as usize, data);
        state.unsynced.push(Unsynced::Write { offset: offset as usize, bytes: data.to_vec() });
        state.powered()
    }
}
