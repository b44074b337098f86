//! From a place in the log to a batch: columns tell what goes, and only those rows are read and encoded. Blocks; moves no
//! cursor and sends nothing.

use super::batch::{Batch, Purpose};
use super::choice::{Choice, Chosen};
use super::dead_letter::DeadLetter;
use super::destination::{Destination, DestinationId};
use super::firsts::Firsts;
use super::setup::Setup;
use crate::clock::Clock;
use crate::event::{Kind, Sequence, Timestamp};
use crate::store::{Columns, ReadError, Snapshot, Store, Terms};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows that are examined at once, so that pauses and stops are obeyed in between.
pub const SCAN_ROWS: u64 = 1_000_000;

/// Rows that are examined to find the oldest that is to be sent.
const LOOK_ROWS: u64 = 16_384;

/// Reads the log for one destination, by its settings as they are now.
pub(super) struct Reader {
    id: DestinationId,
    store: Store,
    clock: Arc<dyn Clock>,
    /// How many first exposures are remembered.
    firsts_kept: usize,
    /// `None` while the destination is disabled. Held only to be read: whoever must not block asks for it.
    destination: Mutex<Option<Arc<dyn Destination>>>,
    /// The same, and what reading goes by. Held while the log is read.
    reading: Mutex<Option<Reading>>,
}

struct Reading {
    setup: Arc<Setup>,
    choice: Choice,
    firsts_kept: usize,
    /// Filled from the log's beginning when it is first needed.
    firsts: Option<Firsts>,
}

impl Reader {
    pub fn new(id: DestinationId, store: Store, clock: Arc<dyn Clock>, firsts_kept: usize) -> Reader {
        Reader { id, store, clock, firsts_kept, destination: Mutex::new(None), reading: Mutex::new(None) }
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading>> {
        // A panic in the middle leaves nothing half done that the next reading could not stand.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_destination(&self) -> MutexGuard<'_, Option<Arc<dyn Destination>>> {
        self.destination.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exposures that go out although they may not be the first.
    pub fn firsts_unknown(&self) -> u64 {
        self.reading().as_ref().and_then(|reading| reading.firsts.as_ref()).map_or(0, Firsts::beyond)
    }

    /// Goes by another setup from now on.
    pub fn set_up(&self, setup: Arc<Setup>) {
        let mut reading = self.reading();
        let before = reading.take();
        *self.lock_destination() = setup.destination(self.id);
        let Some(choice) = setup.choice(self.id) else { return };
        let mut firsts = before.and_then(|before| before.firsts).filter(|_| choice.first_exposures_only());
        if let Some(firsts) = &mut firsts {
            firsts.set_up(&setup, &self.store.terms());
        }
        *reading = Some(Reading { setup, choice, firsts_kept: self.firsts_kept, firsts });
    }

    pub fn destination(&self) -> Option<Arc<dyn Destination>> {
        self.lock_destination().clone()
    }

    /// Goes on filling a batch from where it ends, over at most `SCAN_ROWS` rows.
    pub fn gather(&self, mut batch: Batch) -> Result<Batch, ReadError> {
        let mut reading = self.reading();
        let Some(reading) = reading.as_mut() else { return Ok(batch) };
        let snapshot = self.store.snapshot()?;
        let (from, now) = (batch.to, self.clock.now());
        reading.catch_up(&snapshot, from)?;
        let until = Sequence(from.0.saturating_add(SCAN_ROWS));
        let mut filtered = 0;
        let mut wanted = |sequence, columns: &Columns, row| {
            let chosen = reading.wants(sequence, columns, row, snapshot.terms());
            filtered += u64::from(chosen == Chosen::Filtered);
            chosen == Chosen::Goes
        };
        let mut each = |event| match batch.push(&event, 0, now) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        let to = snapshot.pick_events(from, until, &mut wanted, &mut each)?;
        batch.to = to.max(from);
        batch.filtered += filtered;
        Ok(batch)
    }

    /// A batch of dead letters that a person ordered to be sent again: as many of these, in ascending order, as fit. `None`
    /// while the destination is disabled.
    pub fn gather_letters(&self, ordered: &[u64]) -> Result<Option<Batch>, ReadError> {
        let Some(destination) = self.destination() else { return Ok(None) };
        let (&[first, ..], &[.., last]) = (ordered, ordered) else { return Ok(None) };
        let mut batch = Batch::new(destination, Purpose::Retry, Sequence(first));
        let snapshot = self.store.snapshot()?;
        let mut tried = HashMap::new();
        for &sequence in ordered {
            match snapshot.dead_letter(self.id.as_str(), Sequence(sequence))? {
                // One that cannot be read any more is worth another try all the same.
                Some(letter) => {
                    tried.insert(sequence, DeadLetter::read(&letter).map_or(0, |it| it.attempts));
                }
                None => batch.gone.push(Sequence(sequence)),
            }
        }
        let now = self.clock.now();
        let left = RefCell::new(tried);
        snapshot.pick_events(
            Sequence(first),
            Sequence(last.saturating_add(1)),
            &mut |sequence, _, _| left.borrow().contains_key(&sequence.0),
            &mut |event| {
                let tried = left.borrow().get(&event.sequence.0).copied().unwrap_or_default();
                if !batch.push(&event, tried, now) {
                    return ControlFlow::Break(());
                }
                left.borrow_mut().remove(&event.sequence.0);
                ControlFlow::Continue(())
            },
        )?;
        if !batch.is_full {
            // Letters of events that the log does not have.
            batch.gone.extend(left.into_inner().into_keys().map(Sequence));
        }
        Ok(Some(batch))
    }

    /// How many events from a place on are to be sent, and where the log ends.
    pub fn count(&self, from: Sequence) -> Result<(u64, Sequence), ReadError> {
        let mut reading = self.reading();
        let snapshot = self.store.snapshot()?;
        let Some(reading) = reading.as_mut() else { return Ok((0, snapshot.next_sequence())) };
        reading.catch_up(&snapshot, from)?;
        let mut count = 0;
        let mut wanted = |sequence, columns: &Columns, row| {
            count += u64::from(reading.wants(sequence, columns, row, snapshot.terms()) == Chosen::Goes);
            false
        };
        let end = snapshot.pick_events(from, Sequence(u64::MAX), &mut wanted, &mut |_| ControlFlow::Continue(()))?;
        Ok((count, end))
    }

    /// When the first event from a place on that is to be sent was received.
    pub fn oldest(&self, mut from: Sequence) -> Result<Option<Timestamp>, ReadError> {
        let mut reading = self.reading();
        let Some(reading) = reading.as_mut() else { return Ok(None) };
        let snapshot = self.store.snapshot()?;
        reading.catch_up(&snapshot, from)?;
        let mut oldest = None;
        while oldest.is_none() && from < snapshot.next_sequence() {
            let mut wanted = |sequence, columns: &Columns, row: usize| {
                if oldest.is_none() && reading.wants(sequence, columns, row, snapshot.terms()) == Chosen::Goes {
                    oldest = Some(Timestamp(columns.received[row]));
                }
                false
            };
            let until = Sequence(from.0.saturating_add(LOOK_ROWS));
            from = snapshot.pick_events(from, until, &mut wanted, &mut |_| ControlFlow::Continue(()))?;
        }
        Ok(oldest)
    }
}

impl Reading {
    /// Has the first exposures known up to a place, where only those are sent.
    fn catch_up(&mut self, snapshot: &Snapshot, to: Sequence) -> Result<(), ReadError> {
        if !self.choice.first_exposures_only() {
            return Ok(());
        }
        let firsts = self.firsts.get_or_insert_with(|| Firsts::new(&self.setup, self.firsts_kept));
        if firsts.end() >= to {
            return Ok(());
        }
        let begin = firsts.end();
        let mut scan = |sequence, columns: &Columns, row| {
            see(firsts, sequence, columns, row, snapshot.terms());
            false
        };
        snapshot.pick_events(begin, to, &mut scan, &mut |_| ControlFlow::Continue(()))?;
        Ok(())
    }

    fn wants(&mut self, sequence: Sequence, columns: &Columns, row: usize, terms: &Terms) -> Chosen {
        let chosen = self.choice.wants(columns, row, terms);
        let Some(firsts) = &mut self.firsts else { return chosen };
        see(firsts, sequence, columns, row, terms);
        let is_exposure = Kind::from_code(columns.kind[row]).is_some_and(Kind::is_exposure);
        if chosen == Chosen::Goes && is_exposure && !firsts.is_first(sequence, columns, row) {
            return Chosen::Filtered;
        }
        chosen
    }
}

/// Takes the rows that stand together with this one, unless they are taken already.
fn see(firsts: &mut Firsts, sequence: Sequence, columns: &Columns, row: usize, terms: &Terms) {
    if firsts.end() <= sequence {
        firsts.scan(Sequence(sequence.0 - row as u64), columns, terms);
    }
}
