//! Changes that are no rows: catalog documents, keys, ID lists, cursors, sealed blocks, merged runs and columns of fields.
//! Commits nothing itself.

use super::{Appender, Write};
use crate::event::{TermId, Timestamp};
use crate::store::change::{Change, CommitError, DocumentChange};
use crate::store::dedupe::Run;
use crate::store::digest::Digest;
use crate::store::field::{FIELDS_KEPT, NewColumn};
use crate::store::seal::{MergedRun, Sealed, worth_joining};
use crate::store::tables::*;
use redb::{ReadableTable, WriteTransaction};
use std::sync::atomic::Ordering;

impl Appender {
    pub(super) fn apply(
        &mut self,
        change: Change,
        transaction: &WriteTransaction,
        write: &mut Write,
        now: Timestamp,
    ) -> Result<u64, CommitError> {
        let mut unlisted = 0;
        match change {
            Change::Append(_) => unreachable!("appends are applied before"),
            Change::Documents(documents) => {
                if documents.iter().any(DocumentChange::is_of_catalog) {
                    date_catalog(transaction, now)?;
                }
                for document in documents {
                    unlisted += self.put_document(document, transaction, write, now)?;
                }
            }
            Change::Seal(sealed) => {
                self.job_running = sealed.more;
                self.swap_in(*sealed, transaction)?;
                self.dedupe.set_window(self.shared.window_ms.load(Ordering::Relaxed));
                for run in self.dedupe.expire(now) {
                    delete_run(transaction, run)?;
                }
            }
            Change::RunParts { run, from, parts } => {
                let mut table = transaction.open_table(RUN_KEYS)?;
                for (part, keys) in (from..).zip(&parts) {
                    table.insert((run, part), keys.as_slice())?;
                }
            }
            Change::Merge(merged) => {
                self.job_running = false;
                self.merging = None;
                let MergedRun { id, meta, filter, inputs, epoch_end } = *merged;
                for &input in &inputs {
                    delete_run(transaction, input)?;
                }
                let output = match (meta, filter) {
                    (Some(meta), Some(filter)) => {
                        let mut filters = transaction.open_table(RUN_FILTERS)?;
                        for (part, bytes) in filter.parts().enumerate() {
                            filters.insert((id, part as u32), bytes.as_slice())?;
                        }
                        transaction.open_table(RUNS)?.insert(id, meta.encode().as_slice())?;
                        Some(Run { id, meta, filter: Some(filter) })
                    }
                    _ => None,
                };
                self.dedupe.merged(&inputs, output, epoch_end);
            }
            Change::KeepColumns(columns) => {
                for column in columns {
                    self.keep_column(&column, transaction, write)?;
                }
            }
        }
        Ok(unlisted)
    }

    fn keep_column(
        &self,
        column: &NewColumn,
        transaction: &WriteTransaction,
        write: &mut Write,
    ) -> Result<(), CommitError> {
        // A digest that cannot be read is told by whoever reads it; it must not stop the one who writes.
        let digest = transaction.open_table(DIGESTS)?;
        let digest = digest.get(column.first)?.and_then(|it| Digest::decode(it.value(), column.first).ok());
        if digest.is_none_or(|digest| digest.rows != column.rows) {
            return Ok(());
        }
        let field = column.field.encode();
        let known = {
            let published = self.shared.terms.load();
            let fields = &write.terms.as_ref().unwrap_or(&published).fields;
            if fields.find(&field).is_none() && fields.len() >= FIELDS_KEPT {
                return Ok(());
            }
            fields.find(&field)
        };
        let TermId(set) = known.map_or_else(|| self.intern(&field, FIELDS, write, transaction), Ok)?;
        let set = u16::try_from(set).expect("far fewer fields are kept than there are sets");
        transaction.open_table(COLUMNS)?.insert((column.first, set), column.bytes.as_slice())?;
        Ok(())
    }

    /// Answers how many IDs found no room in their list.
    fn put_document(
        &mut self,
        document: DocumentChange,
        transaction: &WriteTransaction,
        write: &mut Write,
        now: Timestamp,
    ) -> Result<u64, CommitError> {
        match document {
            DocumentChange::PutItem { kind, id, version, document } => {
                let key = (kind.as_str(), id.as_str());
                transaction.open_table(ITEMS)?.insert(key, document.as_slice())?;
                transaction.open_table(HISTORY)?.insert((key.0, key.1, version), document.as_slice())?;
            }
            DocumentChange::RemoveItem { kind, id, version, document } => {
                let key = (kind.as_str(), id.as_str());
                transaction.open_table(ITEMS)?.remove(key)?;
                transaction.open_table(HISTORY)?.insert((key.0, key.1, version), document.as_slice())?;
            }
            DocumentChange::PutKey { id, document } => {
                transaction.open_table(KEYS)?.insert(id.as_str(), document.as_slice())?;
            }
            DocumentChange::RemoveKey { id } => {
                transaction.open_table(KEYS)?.remove(id.as_str())?;
            }
            DocumentChange::AddIdType { name } => {
                self.intern(&name, ID_TYPES, write, transaction)?;
            }
            DocumentChange::List(change) => {
                let store = (self.shared.id.as_str(), &self.shared.keys);
                return self.lists.apply(change, store, transaction, now, &mut write.lists);
            }
            DocumentChange::Export(change) => self.put_export(change, transaction, write.began)?,
        }
        Ok(0)
    }

    fn swap_in(&mut self, sealed: Sealed, transaction: &WriteTransaction) -> Result<(), CommitError> {
        let Sealed { first, end, replaces, text, columns, digest, volumes, run, ratio, more: _ } = sealed;
        assert!(self.sealed >= first && end > self.sealed, "a sealed block continues the sealed log");
        transaction.open_table(BLOCKS)?.insert(first, text.as_slice())?;
        let mut table = transaction.open_table(COLUMNS)?;
        table.insert((first, 0), columns.as_slice())?;
        // What was kept of the block's fields tells of fewer rows than it has now.
        if replaces.is_some() {
            table.retain_in((first, 1)..=(first, u16::MAX), |_, _| false)?;
        }
        drop(table);
        transaction.open_table(DIGESTS)?.insert(first, digest.encode().as_slice())?;
        assert!(replaces.is_none_or(|replaced| replaced == first), "a block is replaced under its own sequence");
        let mut table = transaction.open_table(VOLUMES)?;
        for ((hour, source, name), (count, sum)) in volumes {
            let key = (hour, source, name);
            let (had, had_sum) = table.get(key)?.map_or((0, 0.0), |value| value.value());
            table.insert(key, (had + count, had_sum + sum))?;
        }
        drop(table);
        let id = self.next_run;
        self.next_run += 1;
        let mut parts = transaction.open_table(RUN_KEYS)?;
        for (part, keys) in run.parts.iter().enumerate() {
            parts.insert((id, part as u32), keys.as_slice())?;
        }
        drop(parts);
        transaction.open_table(RUNS)?.insert(id, run.meta.encode().as_slice())?;
        self.dedupe.add_run(Run { id, meta: run.meta, filter: None });
        self.sealed = end;
        let mut tails = transaction.open_table(TAILS)?;
        while let Some(&(tail, rows, _)) = self.tails.front()
            && tail + rows <= end
        {
            tails.remove(tail)?;
            if let Some((_, _, bytes)) = self.tails.pop_front() {
                self.unsealed -= bytes;
            }
        }
        self.ratio = ratio;
        let join = worth_joining(text.len(), digest.text_bytes, self.options.block_bytes);
        self.last_block = join.then_some((first, digest.text_bytes));
        Ok(())
    }
}

pub(in crate::store) fn delete_run(transaction: &WriteTransaction, run: u64) -> Result<(), CommitError> {
    transaction.open_table(RUNS)?.remove(run)?;
    transaction.open_table(RUN_KEYS)?.retain_in((run, 0)..=(run, u32::MAX), |_, _| false)?;
    transaction.open_table(RUN_FILTERS)?.retain_in((run, 0)..=(run, u32::MAX), |_, _| false)?;
    Ok(())
}

/// Two changes in one millisecond, or after the clock was set back, still differ: SDKs know a catalog by its time.
fn date_catalog(transaction: &WriteTransaction, now: Timestamp) -> Result<(), CommitError> {
    let mut meta = transaction.open_table(META)?;
    let before = meta.get(CATALOG_TIME)?.and_then(|time| time.value().try_into().ok()).map(i64::from_le_bytes);
    let time = before.map_or(now.0, |before| now.0.max(before + 1));
    meta.insert(CATALOG_TIME, time.to_le_bytes().as_slice())?;
    Ok(())
}
