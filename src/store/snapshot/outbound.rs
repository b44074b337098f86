//! What goes out, as the exporter reads it: cursors, dead letters, and events picked by their columns. Reads only.

use super::{ReadError, Snapshot, StoredEvent};
use crate::event::Sequence;
use crate::store::block::Frame;
use crate::store::columns::Columns;
use crate::store::cursor::{Cursor, CursorRow, Letter};
use crate::store::picked::RowTexts;
use crate::store::tables::{CURSORS, DEAD_LETTERS, DIGESTS};
use redb::ReadableTable;
use std::ops::{ControlFlow, RangeInclusive};

fn all(destination: &str) -> RangeInclusive<(&str, u64)> {
    (destination, 0)..=(destination, u64::MAX)
}

impl Snapshot {
    /// How far a destination has got; `None` where it has no cursor.
    pub fn cursor(&self, destination: &str) -> Result<Option<Cursor>, ReadError> {
        Ok(self.cursor_row(destination)?.map(|row| row.cursor))
    }

    /// All cursors with their destinations, by name.
    pub fn cursors(&self) -> Result<Vec<(String, Cursor)>, ReadError> {
        let mut cursors = Vec::new();
        for entry in self.transaction.open_table(CURSORS)?.iter()? {
            let (destination, row) = entry?;
            let row = CursorRow::decode(row.value(), destination.value())?;
            if !row.ended {
                cursors.push((destination.value().to_owned(), row.cursor));
            }
        }
        Ok(cursors)
    }

    fn cursor_row(&self, destination: &str) -> Result<Option<CursorRow>, ReadError> {
        let table = self.transaction.open_table(CURSORS)?;
        let Some(row) = table.get(destination)? else { return Ok(None) };
        Ok(Some(CursorRow::decode(row.value(), destination)?).filter(|row| !row.ended))
    }

    /// A destination's dead letters of events before a sequence (`None`: all), newest first, at most `limit`.
    pub fn dead_letters(
        &self,
        destination: &str,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Letter>, ReadError> {
        let table = self.transaction.open_table(DEAD_LETTERS)?;
        let newest_first = match before {
            None => table.range(all(destination))?,
            Some(before) => table.range((destination, 0)..(destination, before.0))?,
        };
        newest_first
            .rev()
            .take(limit)
            .map(|entry| {
                let (key, document) = entry?;
                Ok(Letter { sequence: Sequence(key.value().1), document: document.value().to_vec() })
            })
            .collect()
    }

    /// The events of all of a destination's dead letters, ascending.
    pub fn dead_letter_sequences(&self, destination: &str) -> Result<Vec<Sequence>, ReadError> {
        let table = self.transaction.open_table(DEAD_LETTERS)?;
        table.range(all(destination))?.map(|entry| Ok(Sequence(entry?.0.value().1))).collect()
    }

    pub fn dead_letter(&self, destination: &str, sequence: Sequence) -> Result<Option<Letter>, ReadError> {
        let table = self.transaction.open_table(DEAD_LETTERS)?;
        let document = table.get((destination, sequence.0))?.map(|document| document.value().to_vec());
        Ok(document.map(|document| Letter { sequence, document }))
    }

    /// How many dead letters a destination has now. Costs one look-up.
    pub fn dead_letter_count(&self, destination: &str) -> Result<u64, ReadError> {
        Ok(self.cursor_row(destination)?.map_or(0, |row| row.letters))
    }

    /// One event; `None` where the log does not reach.
    pub fn event(&self, sequence: Sequence) -> Result<Option<StoredEvent>, ReadError> {
        let mut found = None;
        let mut each = |event| {
            found = Some(event);
            ControlFlow::Continue(())
        };
        self.pick_events(sequence, Sequence(sequence.0.saturating_add(1)), &mut |_, _, _| true, &mut each)?;
        Ok(found)
    }

    /// Hands the events of `from..until` that `wanted` picks by their columns to `each`, in order of sequence. Inflates only
    /// frames with a picked row. `wanted` (the row's sequence, the columns that it stands in, its place there) is asked of each
    /// row once, after everything picked before it was taken, so that it may remember what it picked.
    ///
    /// Where `each` breaks, the event that it was given counts as not taken, and the answer is its sequence; otherwise the
    /// answer is `until`, or the log's end where that comes first.
    pub fn pick_events(
        &self,
        from: Sequence,
        until: Sequence,
        wanted: &mut dyn FnMut(Sequence, &Columns, usize) -> bool,
        each: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<Sequence, ReadError> {
        let (from, until) = (from.0, until.0.min(self.next));
        if from >= until {
            return Ok(Sequence(until));
        }
        let mut picking = Picking { snapshot: self, from, until, wanted, each };
        if from < self.sealed {
            let digests = self.transaction.open_table(DIGESTS)?;
            let holds = digests.range(..=from)?.next_back().transpose()?.map_or(0, |(first, _)| first.value());
            for entry in digests.range(holds..until)? {
                let first = entry?.0.value();
                let (columns, lengths) = self.block_columns(first)?;
                let frames = || self.block_frames(first);
                if let ControlFlow::Break(at) = picking.pick(first, &columns, &lengths, frames)? {
                    return Ok(at);
                }
            }
        }
        if until <= self.sealed {
            return Ok(Sequence(until));
        }
        let mut end = Sequence(until);
        let mut first = self.tail_that_holds(from.max(self.sealed))?;
        self.tails(first, until, &mut |tail| {
            let rows = tail.columns.len() as u64;
            let picked = picking.pick(first, &tail.columns, &tail.lengths, || Ok(tail.frames))?;
            first += rows;
            if let ControlFlow::Break(at) = picked {
                end = at;
            }
            Ok(picked.is_continue())
        })?;
        Ok(end)
    }
}

/// `pick_events` on its way through the log.
struct Picking<'a> {
    snapshot: &'a Snapshot,
    from: u64,
    until: u64,
    wanted: &'a mut dyn FnMut(Sequence, &Columns, usize) -> bool,
    each: &'a mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
}

impl Picking<'_> {
    /// Breaks with the sequence of the event that was not taken.
    fn pick(
        &mut self,
        first: u64,
        columns: &Columns,
        lengths: &[u32],
        frames: impl FnOnce() -> Result<Vec<Frame>, ReadError>,
    ) -> Result<ControlFlow<Sequence>, ReadError> {
        let high = columns.len().min(self.until.saturating_sub(first) as usize);
        let mut rows = self.from.saturating_sub(first) as usize..high;
        let mut next = || rows.find(|&row| (self.wanted)(Sequence(first + row as u64), columns, row));
        let Some(mut row) = next() else { return Ok(ControlFlow::Continue(())) };
        let frames = frames()?;
        let mut texts = RowTexts::new(&frames, lengths, first);
        loop {
            let sequence = first + row as u64;
            let event = self.snapshot.stored_event(sequence, columns, row, &texts.get(row)?)?;
            if (self.each)(event).is_break() {
                return Ok(ControlFlow::Break(Sequence(sequence)));
            }
            row = match next() {
                Some(row) => row,
                None => return Ok(ControlFlow::Continue(())),
            };
        }
    }
}
