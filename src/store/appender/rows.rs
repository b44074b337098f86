//! Rows on their way into tails: duplicates told apart, texts given their numbers, frames kept whole. Commits nothing itself.

use super::{Appender, Write};
use crate::event::{Outcome, Source, TermId, Timestamp};
use crate::store::Shared;
use crate::store::batch::{Batch, BatchRow, NewTerms, RejectedSample, Submission, Term};
use crate::store::block::{Damage, Frame};
use crate::store::change::{Applied, CommitError};
use crate::store::columns::{Numbers, Tally};
use crate::store::list_log::Membership;
use crate::store::tables::*;
use crate::store::terms::Terms;
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::BTreeMap;
use std::io::Write as _;

impl Appender {
    /// Stores what was gathered and begins the next tail.
    pub(super) fn put_tail(&mut self, transaction: &WriteTransaction) -> Result<(), CommitError> {
        let (rows, text) = (self.builder.rows() as u64, self.builder.text_bytes() as u64);
        if rows == 0 {
            return Ok(());
        }
        let pack_from = if self.plain_log.is_some() { usize::MAX } else { self.options.frame_bytes() / 4 };
        if let Some(last) = self.builder.columns().source.iter().rposition(|&source| arises_here(source)) {
            self.own_end = self.next + last as u64 + 1;
        }
        self.builder.finish(&mut self.packer, pack_from, &mut self.buffer).map_err(CommitError::Compress)?;
        self.next += rows;
        if let Some(log) = &mut self.plain_log {
            return log.write_all(&self.buffer).map_err(CommitError::PlainLog);
        }
        transaction.open_table(TAILS)?.insert(self.next - rows, self.buffer.as_slice())?;
        self.tails.push_back((self.next - rows, rows, text));
        self.unsealed += text;
        Ok(())
    }

    pub(super) fn append(
        &mut self,
        submission: Submission,
        write: &mut Write,
        transaction: &WriteTransaction,
    ) -> Result<Applied, CommitError> {
        let Submission { batch, tallies, samples } = submission;
        let names = self.resolve(&batch.new_names, NAMES, write, transaction)?;
        let environments = self.resolve(&batch.new_environments, ENVIRONMENTS, write, transaction)?;
        let subjects = self.resolve(&batch.new_subjects, SUBJECTS, write, transaction)?;
        let number = |term: Term, new: &[TermId]| match term {
            Term::Known(id) => id,
            Term::New(index) => new[index as usize],
        };
        let mut applied = Applied::default();
        let Batch { rows, units, text, frames, memberships, .. } = batch;
        let mut is_new = Vec::with_capacity(rows.len());
        for row in &rows {
            let (shared, reader) = (&self.shared, &mut write.reader);
            let new = self.dedupe.insert(row.fingerprint, |run, part| read_run_part(shared, reader, run, part))?;
            is_new.push(new);
            if new {
                applied.stored += 1;
                continue;
            }
            applied.duplicates += 1;
            let tally = Tally {
                source: row.numbers.source,
                outcome: Outcome::Duplicate,
                reason: "message_id",
                name: String::new(),
            };
            *write.tallies.entry(tally).or_default() += 1;
        }
        let numbers = |row: &BatchRow| Numbers {
            name: number(row.name, &names),
            environment: number(row.environment, &environments),
            subject: number(row.subject, &subjects),
            ..row.numbers
        };
        let units_of = |row: &BatchRow| units[row.units.start as usize..row.units.end as usize].iter().copied();
        let mut from = 0;
        for (frame, count) in frames {
            let (rows, is_new) = (&rows[from..from + count], &is_new[from..from + count]);
            from += count;
            // A body that is sent again brings nothing, and need not be inflated to see it.
            if !is_new.contains(&true) {
                continue;
            }
            // A frame goes in as it is, unless some of its rows are stored already.
            let inflated = if is_new.contains(&false) { Some(frame.text(self.next)?.into_owned()) } else { None };
            let Some(text) = inflated else {
                self.make_room_for(&frame, count, transaction)?;
                for row in rows {
                    self.builder.push_numbers(numbers(row), units_of(row), row.fingerprint, row.text.len());
                }
                self.builder.push_frame(frame);
                continue;
            };
            let start = rows.first().map_or(0, |row| row.text.start);
            for (row, _) in rows.iter().zip(is_new).filter(|(_, is_new)| **is_new) {
                let text = &text[row.text.start - start..row.text.end - start];
                self.make_room(text.len(), transaction)?;
                self.builder.push(numbers(row), units_of(row), row.fingerprint, text);
            }
        }
        for (row, _) in rows[from..].iter().zip(&is_new[from..]).filter(|(_, is_new)| **is_new) {
            let text = &text[row.text.clone()];
            self.make_room(text.len(), transaction)?;
            self.builder.push(numbers(row), units_of(row), row.fingerprint, text);
        }
        // Those of a row that is not stored are passed over.
        let listed: Vec<_> = memberships.iter().filter(|it| is_new[it.row as usize]).collect();
        for (tally, count) in tallies {
            *write.tallies.entry(tally).or_default() += count;
        }
        self.put_samples(&samples, transaction)?;
        if !listed.is_empty() {
            let of = listed.iter().map(|it| Membership { list: &it.list, id: &it.id, is_member: it.is_member });
            applied.unlisted = self.lists.put(of, transaction, &mut write.lists)?;
        }
        Ok(applied)
    }

    /// Begins the next tail where so much more text would make this one too large.
    fn make_room(&mut self, text_bytes: usize, transaction: &WriteTransaction) -> Result<(), CommitError> {
        if self.builder.rows() > 0 && self.builder.text_bytes() + text_bytes > self.options.frame_bytes() {
            self.put_tail(transaction)?;
        }
        Ok(())
    }

    /// The same for a frame of so many rows: as many as stay just below a power of two, because redb allocates in those.
    fn make_room_for(&mut self, frame: &Frame, rows: usize, transaction: &WriteTransaction) -> Result<(), CommitError> {
        if self.builder.rows() > 0 && self.builder.stored_bytes(rows) + frame.bytes.len() > TAIL_BYTES {
            self.put_tail(transaction)?;
        }
        self.make_room(frame.text_bytes, transaction)
    }

    /// Gives new texts their numbers. Two requests may bring the same new text; it gets one number.
    fn resolve(
        &self,
        new: &NewTerms,
        dictionary: u8,
        write: &mut Write,
        transaction: &WriteTransaction,
    ) -> Result<Vec<TermId>, CommitError> {
        new.texts.iter().map(|text| self.intern(text, dictionary, write, transaction)).collect()
    }

    pub(super) fn intern(
        &self,
        text: &str,
        dictionary: u8,
        write: &mut Write,
        transaction: &WriteTransaction,
    ) -> Result<TermId, CommitError> {
        let terms = write.terms.get_or_insert_with(|| Terms::clone(&self.shared.terms.load()));
        let known = match dictionary {
            NAMES => &mut terms.names,
            SUBJECTS => &mut terms.subjects,
            ENVIRONMENTS => &mut terms.environments,
            FIELDS => &mut terms.fields,
            _ => &mut terms.id_types,
        };
        let before = known.len();
        let id = known.intern(text);
        if known.len() > before {
            transaction.open_table(TERMS)?.insert((dictionary, id.0), text)?;
        }
        Ok(id)
    }

    fn put_samples(&mut self, samples: &[RejectedSample], transaction: &WriteTransaction) -> Result<(), CommitError> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut table = transaction.open_table(SAMPLES)?;
        for sample in samples {
            let json = serde_json::to_vec(sample).expect("a sample always serialises");
            table.insert(self.next_sample, json.as_slice())?;
            self.next_sample += 1;
        }
        while self.next_sample - self.oldest_sample > self.options.rejected_samples {
            table.remove(self.oldest_sample)?;
            self.oldest_sample += 1;
        }
        Ok(())
    }
}

fn arises_here(source: u8) -> bool {
    Source::from_code(source).is_some_and(Source::arises_here)
}

/// What a tail of several frames stays below, with redb's own bytes in the page.
const TAIL_BYTES: usize = (64 << 10) - 256;

fn read_run_part(
    shared: &Shared,
    reader: &mut Option<ReadTransaction>,
    run: u64,
    part: u32,
) -> Result<Vec<u8>, CommitError> {
    let reader = match reader {
        Some(reader) => reader,
        None => reader.insert(shared.db.begin_read()?),
    };
    let found = reader.open_table(RUN_KEYS)?.get((run, part))?.map(|value| value.value().to_vec());
    Ok(found.ok_or_else(|| Damage { what: "run", first: run, why: format!("part {part} is missing") })?)
}

pub(super) fn put_tallies(
    transaction: &WriteTransaction,
    tallies: &BTreeMap<Tally, u64>,
    now: Timestamp,
) -> Result<(), CommitError> {
    if tallies.is_empty() {
        return Ok(());
    }
    let mut hourly = transaction.open_table(TALLIES)?;
    let mut totals = transaction.open_table(TOTALS)?;
    for (tally, count) in tallies {
        let (source, outcome) = (Source::code(tally.source), Outcome::code(tally.outcome));
        let key = (now.hour(), source, outcome, tally.reason, tally.name.as_str());
        let had = hourly.get(key)?.map_or(0, |value| value.value());
        hourly.insert(key, had + count)?;
        let key = (source, outcome, tally.reason);
        let had = totals.get(key)?.map_or(0, |value| value.value());
        totals.insert(key, had + count)?;
    }
    Ok(())
}
