//! The store's changing side: turns what the writer drained into one transaction. Owned by the writing thread alone.
//! Starts no thread and knows no channel.

mod changes;
mod cursors;
mod jobs;
mod rows;

pub(super) use changes::delete_run;
use rows::put_tallies;

use super::batch::Batch;
use super::block::{Damage, Packer, TailBuilder};
use super::change::{Applied, Change, CommitError};
use super::columns::Tally;
use super::dedupe::Dedupe;
use super::list_log::ListLog;
use super::lists::Step;
use super::run::{Filter, RunMeta};
use super::terms::Terms;
use super::{Options, QuickRepair, Shared};
use crate::event::{Sequence, Timestamp};
use redb::ReadTransaction;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// See the module.
pub struct Appender {
    shared: Arc<Shared>,
    options: Options,
    dedupe: Dedupe,
    lists: ListLog,
    next: u64,
    /// Behind the last event that arose here.
    own_end: u64,
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
            own_end: found.next,
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
        let mut write =
            Write { began: self.next, terms: None, tallies: BTreeMap::new(), reader: None, lists: Vec::new() };
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
        self.shared.own_end.store(self.own_end, Ordering::Release);
        self.shared.next.store(self.next, Ordering::Release);
        for answer in &mut answers {
            answer.next = self.next;
        }
        Ok(answers)
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

struct Write {
    /// The log's end before the transaction.
    began: u64,
    /// The dictionaries with what this transaction adds, once it adds something.
    terms: Option<Terms>,
    tallies: BTreeMap<Tally, u64>,
    /// Opened when a filter first says "maybe".
    reader: Option<ReadTransaction>,
    /// What is done to ID lists, shown to readers after the commit.
    lists: Vec<Step>,
}

pub(super) fn filter_of(meta: &RunMeta, parts: &[Vec<u8>], run: u64) -> Result<Filter, Damage> {
    Filter::from_parts(meta.keys, parts.iter().map(Vec::as_slice)).ok_or_else(|| Damage {
        what: "filter",
        first: run,
        why: "another length than its run".into(),
    })
}
