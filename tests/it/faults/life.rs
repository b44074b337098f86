//! One process's life over a disk, without threads: random commits and the worker's jobs, each step told to the oracle.

use super::disk::Disk;
use super::oracle::{Oracle, Outbox};
use super::random::Random;
use super::sample::{self, HOUR, event};
use std::ops::ControlFlow;
use weir::event::{Outcome, Sequence, Source, Timestamp};
use weir::store::{
    Appender, Applied, Change, Columns, CommitError, DedupeLimits, DocumentChange, ExportChange, FieldColumn, Fields,
    Job, Letter, ListChange, ListLimits, NewColumn, OpenError, Options, Pause, Prepared, QuickRepair, ReadError,
    RejectedSample, Store, Submission, Tally,
};

pub const NOW: Timestamp = Timestamp(HOUR);

/// So few that some are dropped.
const DEAD_LETTERS: usize = 3;

/// A life's end: the power went.
#[derive(Debug)]
pub struct PowerCut;

/// Small blocks and generations, so that a short life seals, joins and merges often.
pub fn options(random: &mut Random) -> Options {
    Options {
        cache_bytes: *random.pick(&[16 << 10, 64 << 10, 1 << 20]),
        block_bytes: *random.pick(&[1 << 10, 4 << 10, 16 << 10]),
        compression: 1,
        pack_from: *random.pick(&[1, 512, usize::MAX]),
        quiet_tails: 1 + random.below(4) as usize,
        rejected_samples: 5,
        dead_letters: DEAD_LETTERS as u64,
        dedupe: DedupeLimits {
            window_ms: 1000 * HOUR,
            keys: 1_000_000,
            epoch_keys: *random.pick(&[1, 8, 40]),
            fanout: 2 + random.below(2) as usize,
        },
        // Files that begin anew often.
        lists: ListLimits { lines_a_member: 2, spare_lines: 6, members: 20, ..ListLimits::default() },
        quick_repair: *random.pick(&[QuickRepair::Always, QuickRepair::Never]),
    }
}

pub struct Life {
    pub disk: Disk,
    pub store: Store,
    pub appender: Appender,
    /// Columns of fields that a reader worked out and that wait to be kept.
    late: Vec<NewColumn>,
    /// The generation of a cursor as an exporter may still take it for, though it was moved since.
    generation: u64,
}

impl Life {
    pub fn begin(disk: &Disk, options: Options) -> Result<Life, OpenError> {
        let (store, appender) = Store::open_on(disk.clone(), options, [7; 32])?;
        Ok(Life { disk: disk.clone(), store, appender, late: Vec::new(), generation: 0 })
    }

    /// Lives for so many steps, or until the power goes.
    pub fn live(&mut self, steps: u64, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        for _ in 0..steps {
            match random.below(14) {
                12..=13 => self.export(oracle, random)?,
                11 => self.keep(oracle, random)?,
                10 => self.relist(oracle, random)?,
                0..=5 => self.append(oracle, random)?,
                6 => self.change(oracle, random)?,
                7..=8 => self.work(oracle, random)?,
                _ => self.settle()?,
            }
        }
        Ok(())
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<Vec<Applied>, PowerCut> {
        let result = self.appender.commit(changes, NOW);
        self.survive(result)
    }

    /// Only a power cut may fail a commit.
    fn survive<T>(&self, result: Result<T, CommitError>) -> Result<T, PowerCut> {
        result.map_err(|error| {
            assert!(self.disk.is_off(), "a commit failed on a sound disk: {error}");
            PowerCut
        })
    }

    pub fn settle(&mut self) -> Result<(), PowerCut> {
        let result = self.appender.settle();
        self.survive(result)
    }

    pub fn append(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        self.append_with(Vec::new(), oracle, random)
    }

    /// One commit of several submissions, some with events that are known already, and of other changes.
    fn append_with(&mut self, others: Vec<Change>, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        let mut perhaps = oracle.owed.clone();
        let mut known = oracle.known.clone();
        let mut changes = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..1 + random.below(3) {
            let mut submission = Submission::empty(self.store.new_batch());
            let mut answer = (0, 0);
            for _ in 0..random.below(9) {
                let number = if random.percent(25) && !perhaps.log.is_empty() {
                    *random.pick(&perhaps.log)
                } else {
                    random.below(1 << 40)
                };
                let sent = event(number);
                submission.batch.push(&sent);
                let enlisted = random.percent(30).then(|| sample::membership(random));
                if let Some((list, id, is_member)) = &enlisted {
                    submission.batch.enlist(&list.as_str().into(), id, *is_member);
                }
                if known.insert(number) {
                    perhaps.log.push(number);
                    answer.0 += 1;
                    if let Some((list, id, is_member)) = &enlisted {
                        perhaps.list(list, std::slice::from_ref(id), *is_member);
                    }
                } else {
                    perhaps.tally(sent.source, Outcome::Duplicate, "message_id", 1);
                    answer.1 += 1;
                }
            }
            if random.percent(30) {
                refuse(&mut submission);
                perhaps.tally(Source::Segment, Outcome::Rejected, "too_deep", 2);
            }
            changes.push(Change::Append(Box::new(self.store.pack(submission))));
            expected.push(answer);
        }
        changes.extend(others);
        oracle.perhaps = Some(perhaps);
        let answers = self.commit(changes)?;
        let answered: Vec<_> = answers.iter().take(expected.len()).map(|a| (a.stored, a.duplicates)).collect();
        assert_eq!(answered, expected, "stored and duplicate");
        oracle.acknowledge();
        assert_eq!(answers[0].next, oracle.owed.log.len() as u64);
        Ok(())
    }

    /// Begins, ends or changes an ID list.
    fn relist(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        let mut perhaps = oracle.owed.clone();
        let mut changes = Vec::new();
        for _ in 0..1 + random.below(3) {
            let list = sample::list(random);
            changes.push(match random.below(8) {
                0 => {
                    perhaps.lists.remove(&list);
                    ListChange::End { list }
                }
                1..=3 => {
                    perhaps.lists.entry(list.clone()).or_default();
                    ListChange::Begin { list }
                }
                _ => {
                    let mut ids = || (0..random.below(5)).map(|_| sample::id(random)).collect::<Vec<_>>();
                    let (add, remove) = (ids(), ids());
                    perhaps.list(&list, &remove, false);
                    perhaps.list(&list, &add, true);
                    ListChange::Members { list, add, remove }
                }
            });
        }
        oracle.perhaps = Some(perhaps);
        self.commit(vec![Change::Documents(changes.into_iter().map(DocumentChange::List).collect())])?;
        oracle.acknowledge();
        oracle.read_files(&self.store);
        Ok(())
    }

    /// A reader's columns are kept at once, or later, when the log may have gone on without them, and with other changes.
    fn keep(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        if random.percent(70) {
            let (asked, late) = (sample::fields(&self.store.terms()), &mut self.late);
            let fields =
                Fields { wanted: &asked, extract: sample::extract, keep: &mut |mut columns| late.append(&mut columns) };
            let from = Sequence(random.below(oracle.owed.log.len() as u64 + 1));
            let each = &mut |_: Sequence, _: &Columns, _: &[FieldColumn]| ControlFlow::Continue(());
            let scanned = self.store.snapshot().and_then(|it| it.scan_columns_from(from, &mut |_| true, fields, each));
            if let Err(error) = scanned {
                assert!(self.disk.is_off(), "a sound disk could not be read: {error}");
                return Err(PowerCut);
            }
        }
        if random.percent(30) {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.late);
        self.append_with(vec![Change::KeepColumns(columns)], oracle, random)
    }

    /// What an exporter did, or what a person orders it to do.
    fn export(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        let destination = sample::destination(random);
        let cursor = match self.store.snapshot().and_then(|it| it.cursor(&destination)) {
            Ok(cursor) => cursor,
            Err(error) => {
                assert!(self.disk.is_off(), "a sound disk could not be read: {error}");
                return Err(PowerCut);
            }
        };
        let mut perhaps = oracle.owed.clone();
        let end = perhaps.log.len() as u64;
        let outboxes = &mut perhaps.outboxes;
        let change = match random.below(16) {
            0 => {
                outboxes.remove(&destination);
                ExportChange::End { destination }
            }
            1..=4 => {
                outboxes.entry(destination.clone()).or_insert_with(|| Outbox::at(end));
                ExportChange::Begin { destination }
            }
            5..=6 => {
                let to = random.percent(70).then(|| Sequence(random.below(end + 2)));
                if let Some(outbox) = outboxes.get_mut(&destination) {
                    outbox.position = to.map_or(end, |to| to.0.min(end));
                }
                ExportChange::Move { destination, to }
            }
            7 => {
                let pause = random.percent(50).then(|| Pause { code: "c".into(), message: "m".into(), since: NOW });
                if let Some(outbox) = outboxes.get_mut(&destination) {
                    outbox.is_paused = pause.is_some();
                }
                ExportChange::Pause { destination, pause }
            }
            8 => {
                let letters = random.percent(50).then(|| vec![Sequence(random.below(end + 1))]);
                if let Some(outbox) = outboxes.get_mut(&destination) {
                    outbox.letters.retain(|&it, _| letters.as_ref().is_some_and(|gone| !gone.contains(&Sequence(it))));
                }
                ExportChange::Discard { destination, letters }
            }
            _ => {
                let mut some = |most: u64| -> Vec<Sequence> {
                    (0..random.below(most).min(end)).map(|_| Sequence(random.below(end))).collect()
                };
                let (dead, settled) = (some(4), some(3));
                let document = format!(r#"{{"attempts":{}}}"#, random.below(9)).into_bytes();
                let letter = |sequence| Letter { sequence, document: document.clone() };
                let letters: Vec<Letter> = dead.into_iter().map(letter).collect();
                let present = cursor.map(|cursor| cursor.generation);
                let generation = present.filter(|_| random.percent(80)).unwrap_or(self.generation);
                let (to, forwarded) = (Sequence(random.below(end + 2)), random.below(3));
                if let Some(outbox) = outboxes.get_mut(&destination) {
                    if present == Some(generation) {
                        outbox.position = outbox.position.max(to.0.min(end));
                    }
                    outbox.forwarded += forwarded;
                    outbox.post(&letters, &settled, DEAD_LETTERS);
                }
                self.generation = generation;
                ExportChange::Advance { destination, generation, to, forwarded, letters, settled }
            }
        };
        oracle.perhaps = Some(perhaps);
        self.commit(vec![Change::Documents(vec![DocumentChange::Export(change)])])?;
        oracle.acknowledge();
        Ok(())
    }

    fn change(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        let mut perhaps = oracle.owed.clone();
        let id = format!("gate-{}", random.below(4));
        let document = format!(r#"{{"version":{}}}"#, random.draw()).into_bytes();
        let key = ("gate".to_owned(), id.clone());
        let change = if random.percent(20) {
            perhaps.items.remove(&key);
            DocumentChange::RemoveItem { kind: "gate".into(), id, version: random.draw(), document }
        } else {
            perhaps.items.insert(key, document.clone());
            DocumentChange::PutItem { kind: "gate".into(), id, version: random.draw(), document }
        };
        let note = random.below(1 << 40);
        perhaps.log.push(note);
        let mut submission = Submission::empty(self.store.new_batch());
        submission.batch.push(&event(note));
        oracle.perhaps = Some(perhaps);
        self.commit(vec![Change::Documents(vec![change]), Change::Append(Box::new(submission))])?;
        oracle.acknowledge();
        Ok(())
    }

    /// A job as the worker does it: events go on arriving meanwhile, and now and then it comes to nothing half-way.
    pub fn work(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        let Some(job) = self.appender.next_job(random.percent(70)) else { return Ok(()) };
        assert_eq!(self.appender.next_job(true), None, "one job at a time");
        self.run(job, true, oracle, random)
    }

    /// Does all work that is due, while nothing else happens.
    pub fn finish(&mut self, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        for _ in 0..1000 {
            let Some(job) = self.appender.next_job(true) else { return Ok(()) };
            self.run(job, false, oracle, random)?;
        }
        panic!("there is always more work");
    }

    fn run(&mut self, job: Job, busy: bool, oracle: &mut Oracle, random: &mut Random) -> Result<(), PowerCut> {
        match self.deliver(job, busy, oracle, random) {
            Ok(()) => Ok(()),
            Err(Ended::Given) => {
                self.appender.job_failed();
                Ok(())
            }
            Err(Ended::PowerCut) => Err(PowerCut),
            Err(Ended::Read(error)) => {
                assert!(self.disk.is_off(), "a job failed on a sound disk: {error}");
                Err(PowerCut)
            }
        }
    }

    fn deliver(&mut self, job: Job, busy: bool, oracle: &mut Oracle, random: &mut Random) -> Result<(), Ended> {
        if busy && random.percent(30) {
            self.append(oracle, random)?;
        }
        let snapshot = self.store.snapshot()?;
        if busy && random.percent(30) {
            self.append(oracle, random)?;
        }
        job.run(&snapshot, |prepared: Prepared| {
            if busy && random.percent(10) {
                return Err(Ended::Given);
            }
            if busy && random.percent(50) {
                self.append_with(vec![prepared.into()], oracle, random)?;
            } else {
                oracle.perhaps = Some(oracle.owed.clone());
                self.commit(vec![prepared.into()])?;
                oracle.acknowledge();
            }
            Ok(())
        })
    }

    /// Sends everything that is owed again: all of it must be recognised.
    pub fn repeat_all(&mut self, oracle: &mut Oracle) -> Result<(), PowerCut> {
        let mut perhaps = oracle.owed.clone();
        let mut batch = self.store.new_batch();
        for &number in &oracle.owed.log {
            let sent = event(number);
            batch.push(&sent);
            perhaps.tally(sent.source, Outcome::Duplicate, "message_id", 1);
        }
        oracle.perhaps = Some(perhaps);
        let answers = self.commit(vec![Change::Append(Box::new(Submission::empty(batch)))])?;
        assert_eq!((answers[0].stored, answers[0].duplicates), (0, oracle.owed.log.len() as u64));
        oracle.acknowledge();
        Ok(())
    }
}

fn refuse(submission: &mut Submission) {
    let tally =
        Tally { source: Source::Segment, outcome: Outcome::Rejected, reason: "too_deep", name: "segment::Deep".into() };
    submission.tallies.push((tally, 2));
    for number in 0..2 {
        let body = format!(r#"{{"number":{number}}}"#);
        submission.samples.push(RejectedSample::new(NOW, Source::Segment, "too_deep", "why", &body));
    }
}

enum Ended {
    /// The worker gave up, as when there was no room.
    Given,
    PowerCut,
    Read(ReadError),
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Ended {
        Ended::Read(error)
    }
}

impl From<PowerCut> for Ended {
    fn from(_: PowerCut) -> Ended {
        Ended::PowerCut
    }
}
