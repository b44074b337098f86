//! What the exporter did and what a person orders it to do: cursors and dead letters, within the appender's transaction.
//! Commits nothing itself.

use super::Appender;
use crate::event::Sequence;
use crate::store::change::{CommitError, ExportChange};
use crate::store::cursor::{CursorRow, Letter};
use crate::store::tables::{CURSORS, DEAD_LETTERS};
use redb::{ReadableTable, Table, WriteTransaction};

impl Appender {
    /// `began`: the log's end before this transaction's events. What is there of events that came with a change, such as the
    /// one that tells of it, lies behind it and goes out.
    pub(super) fn put_export(
        &self,
        change: ExportChange,
        transaction: &WriteTransaction,
        began: u64,
    ) -> Result<(), CommitError> {
        match change {
            ExportChange::Begin { destination } => begin(&destination, transaction, began),
            ExportChange::End { destination } => end(&destination, transaction),
            ExportChange::Advance { destination, generation, to, forwarded, letters, settled } => {
                let mut table = transaction.open_table(DEAD_LETTERS)?;
                revise(&destination, transaction, |row| {
                    remove(&mut table, &destination, &settled, row)?;
                    put(&mut table, &destination, &letters, row)?;
                    self.drop_oldest(&mut table, &destination, row)?;
                    let cursor = &mut row.cursor;
                    if generation == cursor.generation {
                        cursor.position = to.min(Sequence(self.next)).max(cursor.position);
                    }
                    cursor.forwarded += forwarded;
                    Ok(())
                })
            }
            ExportChange::Move { destination, to } => revise(&destination, transaction, |row| {
                row.cursor.position = to.map_or(Sequence(began), |to| to.min(Sequence(self.next)));
                row.cursor.generation += 1;
                Ok(())
            }),
            ExportChange::Pause { destination, pause } => revise(&destination, transaction, |row| {
                row.cursor.pause = pause;
                Ok(())
            }),
            ExportChange::Discard { destination, letters } => {
                let mut table = transaction.open_table(DEAD_LETTERS)?;
                revise(&destination, transaction, |row| match letters {
                    Some(letters) => remove(&mut table, &destination, &letters, row),
                    None => {
                        row.letters = 0;
                        remove_all(&mut table, &destination)
                    }
                })
            }
        }
    }

    fn drop_oldest(&self, table: &mut Letters<'_>, destination: &str, row: &mut CursorRow) -> Result<(), CommitError> {
        while row.letters > self.options.dead_letters {
            let oldest = table.range((destination, 0)..=(destination, u64::MAX))?.next().transpose()?;
            let Some(oldest) = oldest.map(|(key, _)| key.value().1) else { break };
            table.remove((destination, oldest))?;
            row.letters = row.letters.saturating_sub(1);
            row.cursor.dropped += 1;
        }
        Ok(())
    }
}

type Letters<'t> = Table<'t, (&'static str, u64), &'static [u8]>;

fn begin(destination: &str, transaction: &WriteTransaction, began: u64) -> Result<(), CommitError> {
    let mut table = transaction.open_table(CURSORS)?;
    let generation = match table.get(destination)? {
        None => 0,
        Some(before) => match CursorRow::decode(before.value(), destination) {
            Ok(row) if row.ended => row.cursor.generation + 1,
            // Also one that cannot be read: whoever reads it tells, and its end removes it.
            _ => return Ok(()),
        },
    };
    table.insert(destination, CursorRow::new(began, generation).encode().as_slice())?;
    Ok(())
}

fn end(destination: &str, transaction: &WriteTransaction) -> Result<(), CommitError> {
    let mut table = transaction.open_table(CURSORS)?;
    let before = table.get(destination)?.map(|row| CursorRow::decode(row.value(), destination));
    match before {
        None => return Ok(()),
        Some(Ok(row)) => {
            let over = CursorRow { ended: true, ..CursorRow::new(0, row.cursor.generation) };
            table.insert(destination, over.encode().as_slice())?;
        }
        Some(Err(_)) => {
            table.remove(destination)?;
        }
    }
    remove_all(&mut transaction.open_table(DEAD_LETTERS)?, destination)
}

/// Changes the cursor of a destination that has one. A row that cannot be read is told by whoever reads it; it must not stop
/// the one who writes.
fn revise(
    destination: &str,
    transaction: &WriteTransaction,
    change: impl FnOnce(&mut CursorRow) -> Result<(), CommitError>,
) -> Result<(), CommitError> {
    let mut table = transaction.open_table(CURSORS)?;
    let row = table.get(destination)?.and_then(|row| CursorRow::decode(row.value(), destination).ok());
    let Some(mut row) = row.filter(|row| !row.ended) else { return Ok(()) };
    change(&mut row)?;
    table.insert(destination, row.encode().as_slice())?;
    Ok(())
}

fn put(table: &mut Letters<'_>, destination: &str, letters: &[Letter], row: &mut CursorRow) -> Result<(), CommitError> {
    for letter in letters {
        let is_new = table.insert((destination, letter.sequence.0), letter.document.as_slice())?.is_none();
        row.letters += u64::from(is_new);
        row.cursor.dead += u64::from(is_new);
    }
    Ok(())
}

fn remove(
    table: &mut Letters<'_>,
    destination: &str,
    letters: &[Sequence],
    row: &mut CursorRow,
) -> Result<(), CommitError> {
    for letter in letters {
        let was_there = table.remove((destination, letter.0))?.is_some();
        row.letters = row.letters.saturating_sub(u64::from(was_there));
    }
    Ok(())
}

fn remove_all(table: &mut Letters<'_>, destination: &str) -> Result<(), CommitError> {
    Ok(table.retain_in((destination, 0)..=(destination, u64::MAX), |_, _| false)?)
}
