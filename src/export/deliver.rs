//! One batch on its way through attempts: what of it goes next, and what an answer makes of it. A batch that is refused is split
//! in halves, down to the event that is refused by itself. Pure: sends nothing and waits for nothing.

use super::batch::{Batch, Purpose};
use super::client::Reply;
use super::dead_letter::DeadLetter;
use super::verdict::Verdict;
use crate::event::{Sequence, Timestamp};
use std::ops::Range;
use std::time::Duration;

/// After so many refused events, none delivered between them, the destination is paused: its address or key is probably
/// wrong, and everything would end as dead letters.
pub const REFUSED_IN_A_ROW: u32 = 100;

/// A batch, and what of it is still to be settled.
#[derive(Debug)]
pub(super) struct Delivery {
    batch: Batch,
    /// Parts that are not settled; the last one is next.
    parts: Vec<Range<usize>>,
    /// Letters of the batch that were not passed on yet.
    letters: Vec<DeadLetter>,
    /// Failed attempts for the part that is next.
    failed: u32,
    is_first: bool,
}

/// What has become certain: to be written down.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Progress {
    /// What lies before it is settled. Of dead letters that were sent again: nothing.
    pub to: Option<Sequence>,
    pub forwarded: u64,
    pub letters: Vec<DeadLetter>,
    /// Dead letters that are none any more.
    pub settled: Vec<Sequence>,
}

/// What an answer leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Passed(Progress),
    /// The same events in smaller parts.
    Split,
    /// The same part again, after so long if the destination said so.
    Again {
        failed: u32,
        after: Option<Duration>,
    },
    /// Nothing more until somebody does something.
    Unauthorized,
}

impl Delivery {
    pub fn new(mut batch: Batch) -> Delivery {
        let events = batch.items.len();
        let parts = (events > 0).then_some(0..events).into_iter().collect();
        let letters = std::mem::take(&mut batch.letters);
        Delivery { batch, parts, letters, failed: 0, is_first: true }
    }

    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Letters of events that cannot be sent, and are not passed yet.
    pub fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// What is to be sent next; `None` when all is settled.
    pub fn next(&self) -> Option<Range<usize>> {
        self.parts.last().cloned()
    }

    /// The number of the next attempt for that part; 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.failed + 1
    }

    /// When the oldest event that is not settled was received.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.next().map(|part| self.batch.items[part.start].received)
    }

    /// Whether no attempt was made yet, which it is not any more from now on.
    pub fn is_first(&mut self) -> bool {
        std::mem::take(&mut self.is_first)
    }

    /// What no reply means.
    pub fn failed(&mut self) -> Step {
        self.failed += 1;
        Step::Again { failed: self.failed, after: None }
    }

    /// What the answer to the part that is next means.
    pub fn answered(&mut self, verdict: Verdict, reply: &Reply, now: Timestamp) -> Step {
        match verdict {
            Verdict::Again { after } => {
                self.failed += 1;
                return Step::Again { failed: self.failed, after };
            }
            Verdict::Unauthorized => return Step::Unauthorized,
            Verdict::Delivered | Verdict::Refused => self.failed = 0,
        }
        let Some(part) = self.parts.pop() else { return Step::Passed(Progress::default()) };
        let mut progress = Progress::default();
        if verdict == Verdict::Delivered {
            progress.forwarded = part.len() as u64;
            if self.batch.purpose == Purpose::Retry {
                progress.settled = self.batch.items[part].iter().map(|item| item.sequence).collect();
            }
        } else if part.len() > 1 {
            let middle = part.start + part.len() / 2;
            self.parts.extend([middle..part.end, part.start..middle]);
            return Step::Split;
        } else {
            let item = &self.batch.items[part.start];
            let letter = DeadLetter::refused(item.sequence, &item.name, now, reply.status, &reply.body, item.tried + 1);
            progress.letters.push(letter);
        }
        self.pass(&mut progress);
        Step::Passed(progress)
    }

    /// What is certain once nothing is left to be sent: the batch's end, and letters of events behind the last that was sent.
    pub fn rest(&mut self) -> Progress {
        let mut progress = Progress::default();
        self.pass(&mut progress);
        progress.settled.append(&mut self.batch.gone);
        progress
    }

    fn pass(&mut self, progress: &mut Progress) {
        let to = self.next().map_or(self.batch.to, |part| self.batch.items[part.start].sequence);
        let passed = match self.batch.purpose {
            Purpose::Batch => {
                progress.to = Some(to);
                self.letters.partition_point(|letter| letter.sequence < to.0)
            }
            _ => self.letters.len(),
        };
        progress.letters.extend(self.letters.drain(..passed));
    }
}
