//! The store's changing side: turns what the writer drained into one transaction. Owned by the writing thread alone.
//! Starts no thread and knows no channel.

use super::batch::{Batch, BatchRow, NewTerms, RejectedSample, Submission, Term};
use super::block::{Damage, Frame, Packer, TailBuilder};
use super::change::{Applied, Change, CommitError, DocumentChange};
use super::columns::{Numbers, Tally};
use super::dedupe::{Dedupe, Run};
use super::list_log::{ListLog, Membership};
use super::lists::Step;
use super::run::{Filter, RunMeta};
use super::seal::{Job, MergedRun, Sealed, Work, text_limit, worth_joining};
use super::tables::*;
use super::terms::Terms;
use super::{Options, QuickRepair, Shared};
use crate::event::{Outcome, Sequence, Source, TermId, Timestamp};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// See the module.
pub struct Appender {
    shared: Arc<Shared>,
    options: Options,
    dedupe: Dedupe,
    lists: ListLog,
    next: u64,
    /// Text bytes of each tail that is not wholly sealed: (first, rows, bytes).
    tails: VecDeque<(u64, u64, u64)>,
    /// The sum of their bytes.
    unsealed: u64,
    /// Kept from tail to tail, so that their memory is not asked for anew each time.
    builder: TailBuilder,
    buffer: Vec<u8>,
    packer: Packer,
    plain_log: Option<File>,
    /// The end of the sealed log.
    sealed: u64,
    /// First sequence and text bytes of the last sealed block, if it is far from full.
    last_block: Option<(u64, u64)>,
    next_run: u64,
    next_sample: u64,
    oldest_sample: u64,
    job_running: bool,
    /// The run that a merge is writing.
    merging: Option<u64>,
    /// Runs whose merge came to nothing; the next commit removes what there is of them.
    abandoned: Vec<u64>,
    /// Compressed bytes per byte of text, as last seen.
    ratio: f64,
}

/// What `open` found in the file, from which an appender starts.
pub(super) struct Found {
    pub dedupe: Dedupe,
    pub lists: ListLog,
    pub next: u64,
    pub tails: VecDeque<(u64, u64, u64)>,
    pub sealed: u64,
    pub last_block: Option<(u64, u64)>,
    pub next_run: u64,
    pub next_sample: u64,
    pub oldest_sample: u64,
}

impl Appender {
    pub(super) fn new(shared: Arc<Shared>, options: Options, found: Found, packer: Packer) -> Appender {
        let mut appender = Appender {
            shared,
            options,
            dedupe: found.dedupe,
            lists: found.lists,
            next: found.next,
            unsealed: found.tails.iter().map(|(_, _, bytes)| bytes).sum(),
            tails: found.tails,
            builder: TailBuilder::default(),
            buffer: Vec::new(),
            packer,
            plain_log: None,
            sealed: found.sealed,
            last_block: found.last_block,
            next_run: found.next_run,
            next_sample: found.next_sample,
            oldest_sample: found.oldest_sample,
            job_running: false,
            merging: None,
            abandoned: Vec::new(),
            ratio: 0.3,
        };
        appender.dedupe.rotate(appender.next);
        appender
    }

    pub fn next(&self) -> Sequence {
        Sequence(self.next)
    }

    pub fn new_batch(&self) -> Batch {
        Batch::new(self.shared.keys, self.shared.terms.load_full())
    }

    /// An empty commit that makes the next opening fast, whatever ends the process. For quiet moments.
    pub fn settle(&mut self) -> Result<(), CommitError> {
        let mut transaction = self.shared.db.begin_write()?;
        transaction.set_quick_repair(true);
        Ok(transaction.commit()?)
    }

    /// Text bytes that are committed but not sealed yet.
    pub fn unsealed_bytes(&self) -> u64 {
        self.unsealed
    }

    /// IDs in all ID lists.
    pub fn list_members(&self) -> u64 {
        self.lists.members()
    }

    pub fn dedupe_keys(&self) -> u64 {
        self.dedupe.keys()
    }

    pub fn dedupe_window_ms(&self, now: Timestamp) -> i64 {
        self.dedupe.window_ms(now)
    }

    /// Applies all changes in one transaction and returns when it is on disk, with an answer for each in order.
    /// After an error the appender must not be used again.
    pub fn commit(&mut self, changes: Vec<Change>, now: Timestamp) -> Result<Vec<Applied>, CommitError> {
        let mut transaction = self.shared.db.begin_write()?;
        transaction.set_quick_repair(self.options.quick_repair == QuickRepair::Always);
        for run in self.abandoned.drain(..) {
            delete_run(&transaction, run)?;
        }
        let mut write = Write { terms: None, tallies: BTreeMap::new(), reader: None, lists: Vec::new() };
        let mut answers = Vec::with_capacity(changes.len());
        let mut rest = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            match change {
                Change::Append(submission) => answers.push(self.append(*submission, &mut write, &transaction)?),
                other => {
                    answers.push(Applied::default());
                    rest.push((index, other));
                }
            }
        }
        self.put_tail(&transaction)?;
        let in_redb = write.terms.is_some() || !write.tallies.is_empty() || !rest.is_empty() || !write.lists.is_empty();
        put_tallies(&transaction, &write.tallies, now)?;
        for (index, change) in rest {
            answers[index].unlisted = self.apply(change, &transaction, &mut write, now)?;
        }
        let store = (self.shared.id.as_str(), &self.shared.keys);
        self.lists.tidy(store, &transaction, now, &mut write.lists)?;
        drop(write.reader);
        // Before the commit: from that moment on a reader sees rows with these numbers. Nothing uses them if it fails.
        if let Some(terms) = write.terms {
            self.shared.terms.store(Arc::new(terms));
        }
        match &self.plain_log {
            Some(log) if !in_redb => log.sync_data().map_err(CommitError::PlainLog)?,
            _ => transaction.commit()?,
        }
        // After it: what an SDK has read of a list must never be taken back.
        self.shared.lists.publish(write.lists);
        self.dedupe.rotate(self.next);
        self.shared.next.store(self.next, Ordering::Release);
        for answer in &mut answers {
            answer.next = self.next;
        }
        Ok(answers)
    }

    /// Stores what was gathered and begins the next tail.
    fn put_tail(&mut self, transaction: &WriteTransaction) -> Result<(), CommitError> {
        let (rows, text) = (self.builder.rows() as u64, self.builder.text_bytes() as u64);
        if rows == 0 {
            return Ok(());
        }
        let pack_from = if self.plain_log.is_some() { usize::MAX } else { self.options.frame_bytes() / 4 };
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

    fn append(
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

    fn intern(
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

    fn apply(
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
        }
        Ok(unlisted)
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
        }
        Ok(0)
    }

    fn swap_in(&mut self, sealed: Sealed, transaction: &WriteTransaction) -> Result<(), CommitError> {
        let Sealed { first, end, replaces, text, columns, digest, volumes, run, ratio, more: _ } = sealed;
        assert!(self.sealed >= first && end > self.sealed, "a sealed block continues the sealed log");
        transaction.open_table(BLOCKS)?.insert(first, text.as_slice())?;
        transaction.open_table(COLUMNS)?.insert((first, 0), columns.as_slice())?;
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

    /// What a worker should prepare next, if anything; at most one job runs at a time. `quiet`: nothing has arrived for a while.
    pub fn next_job(&mut self, quiet: bool) -> Option<Job> {
        if self.job_running {
            return None;
        }
        let job = self.merge_job().or_else(|| self.seal_job(quiet))?;
        self.job_running = true;
        Some(job)
    }

    fn merge_job(&mut self) -> Option<Job> {
        let (level, inputs) = self.dedupe.merge_due(self.sealed)?;
        let epoch_end = if level == 1 { self.dedupe.oldest_epoch_end() } else { None };
        let metas: Vec<(u64, RunMeta)> =
            inputs.iter().filter_map(|&id| self.dedupe.run(id).map(|run| (id, run.meta.clone()))).collect();
        let output = self.next_run;
        self.next_run += 1;
        self.merging = Some(output);
        Some(Job(Work::Merge { output, level, inputs: metas, epoch_end }))
    }

    fn seal_job(&self, quiet: bool) -> Option<Job> {
        if self.tails.is_empty() {
            return None;
        }
        let block_bytes = self.options.block_bytes;
        let text = self.unsealed_bytes() + self.last_block.map_or(0, |(_, bytes)| bytes);
        let full = text as f64 * self.ratio >= block_bytes as f64 || text >= text_limit(block_bytes) as u64;
        let worthwhile = text as f64 * self.ratio >= block_bytes as f64 / 4.0;
        let settle = quiet && (self.tails.len() >= self.options.quiet_tails || worthwhile);
        if !full && !settle {
            return None;
        }
        let full_blocks = text as f64 * self.ratio / block_bytes as f64;
        Some(Job(Work::Seal {
            from: self.sealed,
            to: self.next,
            blocks: (full_blocks as usize).clamp(1, BLOCKS_A_JOB),
            join: self.last_block.map(|(first, _)| first),
            options: self.options,
            ratio: self.ratio,
        }))
    }

    /// From now on events go to a plain file, synced at each commit, and nowhere else: nothing reads it back. Only for
    /// measuring what the store costs beside the least that durability can cost.
    pub fn measure_against(&mut self, plain_log: File) {
        self.plain_log = Some(plain_log);
        self.shared.packing.store(false, Ordering::Relaxed);
    }

    /// Whether a worker prepares something.
    pub fn job_is_running(&self) -> bool {
        self.job_running
    }

    /// The job came to nothing (its worker failed): it may be tried again.
    pub fn job_failed(&mut self) {
        self.job_running = false;
        self.abandoned.extend(self.merging.take());
    }
}

/// What a tail of several frames stays below, with redb's own bytes in the page.
const TAIL_BYTES: usize = (64 << 10) - 256;
/// A job reads one snapshot, which keeps what it sees from being written over: it must not take too long.
const BLOCKS_A_JOB: usize = 16;

struct Write {
    /// The dictionaries with what this transaction adds, once it adds something.
    terms: Option<Terms>,
    tallies: BTreeMap<Tally, u64>,
    /// Opened when a filter first says "maybe".
    reader: Option<ReadTransaction>,
    /// What is done to ID lists, shown to readers after the commit.
    lists: Vec<Step>,
}

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

fn put_tallies(
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

pub(super) fn delete_run(transaction: &WriteTransaction, run: u64) -> Result<(), CommitError> {
    transaction.open_table(RUNS)?.remove(run)?;
    transaction.open_table(RUN_KEYS)?.retain_in((run, 0)..=(run, u32::MAX), |_, _| false)?;
    transaction.open_table(RUN_FILTERS)?.retain_in((run, 0)..=(run, u32::MAX), |_, _| false)?;
    Ok(())
}

/// Filters are rebuilt from their parts; see `open`.
pub(super) fn filter_of(meta: &RunMeta, parts: &[Vec<u8>], run: u64) -> Result<Filter, Damage> {
    Filter::from_parts(meta.keys, parts.iter().map(Vec::as_slice)).ok_or_else(|| Damage {
        what: "filter",
        first: run,
        why: "another length than its run".into(),
    })
}
