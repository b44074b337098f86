//! Scanning the log by its columns, with the fields that a reader wants beside them. Reads only: columns that it had to work
//! out are handed to whoever may have them kept.

use super::{ReadError, Snapshot};
use crate::event::{Field, Sequence};
use crate::store::block::{Packer, Tail};
use crate::store::columns::Columns;
use crate::store::digest::Digest;
use crate::store::field::{Extract, FIELDS_KEPT, FieldColumn, Fields, NewColumn, rows_named, work_out};
use crate::store::tables::{COLUMNS, DIGESTS, TAILS};
use std::ops::ControlFlow;

/// New columns are handed over when they come to so many bytes: a scan's memory does not grow with the log.
const KEEP_BYTES: usize = 1 << 20;
/// zstd's level for columns that are worked out while somebody waits for a report.
const COMPRESSION: i32 = 1;

/// Takes consecutive rows, block by block and tail by tail: the first row's sequence, the columns, and a column for each field
/// that was asked for.
pub type Visit<'a> = dyn FnMut(Sequence, &Columns, &[FieldColumn]) -> ControlFlow<()> + 'a;

impl Snapshot {
    /// Hands the columns of all events to `each` in order of sequence, skipping sealed blocks that `wanted` denies.
    pub fn scan_columns(
        &self,
        wanted: &mut dyn FnMut(&Digest) -> bool,
        each: &mut dyn FnMut(Sequence, &Columns) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let none = Fields { wanted: &[], extract: |_, _, _, _, _, _| None, keep: &mut |_| {} };
        self.scan_columns_from(Sequence(0), wanted, none, &mut |first, columns, _| each(first, columns))
    }

    /// The same from a sequence on, with a column for each field that is wanted, in that order. What lies wholly before `from` is
    /// skipped; the block or tail that holds it is handed out whole. Of a sealed block a field's column is read where it is kept,
    /// else worked out from the rows and handed to `Fields::keep`; of a tail it is worked out each time.
    pub fn scan_columns_from(
        &self,
        from: Sequence,
        wanted: &mut dyn FnMut(&Digest) -> bool,
        fields: Fields<'_>,
        each: &mut Visit<'_>,
    ) -> Result<(), ReadError> {
        let Fields { wanted: asked, extract, keep } = fields;
        let reader = FieldReader::new(self, asked, extract);
        let mut fresh = Fresh { keep, columns: Vec::new(), bytes: 0, packer: None };
        let digests = self.transaction.open_table(DIGESTS)?;
        let before = digests.range(..=from.0)?.next_back().transpose()?;
        for entry in digests.range(before.map_or(0, |(first, _)| first.value())..)? {
            let (first, digest) = entry?;
            let first = first.value();
            let digest = Digest::decode(digest.value(), first)?;
            if first + digest.rows <= from.0 || !wanted(&digest) {
                continue;
            }
            let (columns, lengths) = self.block_columns(first)?;
            let found = reader.of_block(first, &digest, &columns, &lengths, &mut fresh)?;
            if each(Sequence(first), &columns, &found).is_break() {
                fresh.hand_over();
                return Ok(());
            }
        }
        fresh.hand_over();
        if from.0 >= self.next {
            return Ok(());
        }
        let mut at = self.tail_that_holds(from.0.max(self.sealed))?;
        self.tails(at, self.next, &mut |tail| {
            let first = at;
            at += tail.columns.len() as u64;
            let found = reader.of_tail(first, &tail)?;
            Ok(each(Sequence(first), &tail.columns, &found).is_continue())
        })
    }

    /// The first sequence of the tail that holds one.
    pub(super) fn tail_that_holds(&self, sequence: u64) -> Result<u64, ReadError> {
        let table = self.transaction.open_table(TAILS)?;
        let last = table.range(self.sealed..=sequence)?.next_back().transpose()?;
        Ok(last.map_or(sequence, |(first, _)| first.value()))
    }
}

/// Finds or works out the fields of one block or tail after the other.
struct FieldReader<'a> {
    snapshot: &'a Snapshot,
    asked: &'a [Field],
    /// Under which set each field's columns are kept, if they are.
    sets: Vec<Option<u16>>,
    /// Whether a field that is not kept yet may be.
    has_room: bool,
    extract: Extract,
}

impl<'a> FieldReader<'a> {
    fn new(snapshot: &'a Snapshot, asked: &'a [Field], extract: Extract) -> FieldReader<'a> {
        let known = &snapshot.terms.fields;
        let set = |field: &Field| known.find(&field.encode()).and_then(|number| u16::try_from(number.0).ok());
        let sets = asked.iter().map(set).collect();
        FieldReader { snapshot, asked, sets, has_room: known.len() < FIELDS_KEPT, extract }
    }

    fn of_block(
        &self,
        first: u64,
        digest: &Digest,
        columns: &Columns,
        lengths: &[u32],
        fresh: &mut Fresh<'_>,
    ) -> Result<Vec<FieldColumn>, ReadError> {
        let mut found = vec![FieldColumn::default(); self.asked.len()];
        let mut missing = Vec::new();
        for (at, field) in self.asked.iter().enumerate() {
            if digest.names.binary_search(&field.name.0).is_err() {
                continue;
            }
            match self.kept(first, at, columns)? {
                Some(kept) => found[at] = kept,
                None => missing.push(at),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let frames = self.snapshot.block_frames(first)?;
        let fields: Vec<&Field> = missing.iter().map(|&at| &self.asked[at]).collect();
        let worked_out = work_out(&fields, self.extract, columns, lengths, &frames, first)?;
        for (at, column) in missing.into_iter().zip(worked_out) {
            if self.has_room || self.sets[at].is_some() {
                fresh.add(first, columns.len() as u64, &self.asked[at], &column)?;
            }
            found[at] = column;
        }
        Ok(found)
    }

    fn kept(&self, first: u64, at: usize, columns: &Columns) -> Result<Option<FieldColumn>, ReadError> {
        let Some(set) = self.sets[at] else { return Ok(None) };
        let table = self.snapshot.transaction.open_table(COLUMNS)?;
        let Some(kept) = table.get((first, set))? else { return Ok(None) };
        Ok(Some(FieldColumn::decode(kept.value(), rows_named(columns, &self.asked[at]), first)?))
    }

    fn of_tail(&self, first: u64, tail: &Tail) -> Result<Vec<FieldColumn>, ReadError> {
        if self.asked.is_empty() {
            return Ok(Vec::new());
        }
        let fields: Vec<&Field> = self.asked.iter().collect();
        Ok(work_out(&fields, self.extract, &tail.columns, &tail.lengths, &tail.frames, first)?)
    }
}

/// New columns on their way to whoever has them kept.
struct Fresh<'a> {
    keep: &'a mut dyn FnMut(Vec<NewColumn>),
    columns: Vec<NewColumn>,
    bytes: usize,
    /// Made when the first column is worked out: its tables take a megabyte.
    packer: Option<Packer>,
}

impl Fresh<'_> {
    fn add(&mut self, first: u64, rows: u64, field: &Field, column: &FieldColumn) -> Result<(), ReadError> {
        let packer = match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(Packer::new(COMPRESSION).map_err(ReadError::Compress)?),
        };
        let bytes = column.encode(packer).map_err(ReadError::Compress)?;
        let column = NewColumn { first, rows, field: field.clone(), bytes };
        self.bytes += column.bytes();
        self.columns.push(column);
        if self.bytes >= KEEP_BYTES {
            self.hand_over();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        self.bytes = 0;
        let columns = std::mem::take(&mut self.columns);
        if !columns.is_empty() {
            (self.keep)(columns);
        }
    }
}
