//! Where every event of a body ends: kept, filtered or rejected, each in exactly one count. Knows no wire.

use super::naming::{Refusal, longer_than};
use super::redact::{blank_private_attributes, blank_write_keys};
use super::{Intake, Rejected, Rules};
use crate::event::{Event, Outcome, Source, Timestamp};
use crate::store::{Batch, RejectedSample, Submission, Tally};
use hashbrown::HashMap;
use std::sync::Arc;

/// Rejected events of one body that are kept to look at; all are counted.
pub const SAMPLES_PER_BODY: usize = 20;
/// Different unknown ID types of one body that are told apart, and how much of their names is kept.
pub const UNKNOWN_ID_TYPES_PER_BODY: usize = 20;
const UNKNOWN_ID_TYPE_CHARS: usize = 100;

/// Why an event is not kept.
pub(super) enum Fate {
    /// Nothing is wrong with it, but it is not to be logged.
    Filtered(&'static str),
    /// It left from here and came back. The sender did nothing wrong and is not told.
    TurnedAway(Refusal),
    Refused(Refusal),
}

impl Fate {
    pub fn returned() -> Fate {
        Fate::TurnedAway(Refusal::new("returned", "this store exported the event and got it back"))
    }

    pub fn looped() -> Fate {
        Fate::TurnedAway(Refusal::new("loop", "the event arose at Statsig or here, was exported, and comes back"))
    }
}

impl From<Refusal> for Fate {
    fn from(refusal: Refusal) -> Fate {
        Fate::Refused(refusal)
    }
}

pub(super) struct Ledger<'r> {
    rules: &'r Rules,
    source: Source,
    received: Timestamp,
    batch: Batch,
    tallies: HashMap<Tally, u64>,
    samples: Vec<RejectedSample>,
    rejected: Vec<Rejected>,
    events: u64,
    pub unknown_id_types: UnknownIdTypes,
}

impl<'r> Ledger<'r> {
    pub fn new(rules: &'r Rules, source: Source, received: Timestamp, batch: Batch) -> Ledger<'r> {
        Ledger {
            rules,
            source,
            received,
            batch,
            tallies: HashMap::new(),
            samples: Vec::new(),
            rejected: Vec::new(),
            events: 0,
            unknown_id_types: UnknownIdTypes::default(),
        }
    }

    /// Makes room for events that take this many bytes together.
    pub fn reserve(&mut self, events: usize, bytes: usize) {
        self.batch.reserve(events, bytes);
    }

    /// A new entry of a dictionary that is full is refused: an endless supply of new names would fill the memory.
    pub fn check_room(&self, event: &Event<'_>) -> Result<(), Refusal> {
        let (terms, limits) = (self.batch.terms(), &self.rules.limits);
        if terms.names.len() >= limits.distinct_names && terms.names.find(&event.name).is_none() {
            return Err(Refusal::new(
                "too_many_names",
                format!("there are {} event names already; put what varies into a property", terms.names.len()),
            ));
        }
        if terms.environments.len() >= limits.distinct_environments
            && terms.environments.find(&event.environment).is_none()
        {
            return Err(Refusal::new(
                "too_many_environments",
                format!("there are {} environments already; use one of them", terms.environments.len()),
            ));
        }
        if let Some(subject) = &event.subject
            && terms.subjects.len() >= limits.distinct_names
            && terms.subjects.find(&subject.encode()).is_none()
        {
            return Err(Refusal::new(
                "too_many_subjects",
                format!("exposures of {} gates, configs and rules are known already", terms.subjects.len()),
            ));
        }
        Ok(())
    }

    pub fn keep(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.batch.push(event);
    }

    /// Lets the event kept last change an ID list.
    pub fn enlist(&mut self, list: &Arc<str>, id: &str, is_member: bool) {
        self.batch.enlist(list, id, is_member);
    }

    /// Counts an event that is not kept, under its stored name where that is possible, so that the cost of a filter can be
    /// shown.
    pub fn drop(&mut self, index: usize, fate: Fate, name: &str, text: &str) {
        match fate {
            Fate::Filtered(reason) => {
                self.events += 1;
                self.tally(Outcome::Filtered, reason, name);
            }
            Fate::TurnedAway(refusal) => self.reject(&refusal, name, text),
            Fate::Refused(refusal) => self.refuse(index, &refusal, name, text),
        }
    }

    /// Counts a bad event, keeps a sample of it and tells the sender. `name` is empty where it is not known or not fit.
    pub fn refuse(&mut self, index: usize, refusal: &Refusal, name: &str, text: &str) {
        self.reject(refusal, name, text);
        self.rejected.push(Rejected { index, code: refusal.code, message: refusal.message.to_string() });
    }

    fn reject(&mut self, refusal: &Refusal, name: &str, text: &str) {
        self.events += 1;
        self.tally(Outcome::Rejected, refusal.code, name);
        if self.samples.len() < SAMPLES_PER_BODY {
            self.samples.push(sample(refusal.code, &refusal.message, self.source, text, self.received, self.rules));
        }
    }

    /// An endless supply of new names would fill the table of counts: beyond a bound they are counted together.
    fn tally(&mut self, outcome: Outcome, reason: &'static str, name: &str) {
        let is_known = name.is_empty()
            || self.batch.terms().names.find(name).is_some()
            || self.rules.tallied_names.admit(name, self.rules.limits.tallied_names);
        let name = if is_known { name } else { "" };
        let tally = Tally { source: self.source, outcome, reason, name: name.to_owned() };
        *self.tallies.entry(tally).or_default() += 1;
    }

    pub fn finish(self, write_key: Option<String>) -> Intake {
        Intake {
            submission: Submission {
                batch: self.batch,
                tallies: self.tallies.into_iter().collect(),
                samples: self.samples,
            },
            rejected: self.rejected,
            received: self.events,
            write_key,
            unknown_id_types: self.unknown_id_types.0,
        }
    }
}

/// ID types that events named and the project does not have, with how often.
#[derive(Debug, Default)]
pub(super) struct UnknownIdTypes(Vec<(String, u64)>);

impl UnknownIdTypes {
    pub fn note(&mut self, name: &str) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| known == name) {
            *count += 1;
        } else if self.0.len() < UNKNOWN_ID_TYPES_PER_BODY && !longer_than(name, UNKNOWN_ID_TYPE_CHARS) {
            self.0.push((name.to_owned(), 1));
        }
    }
}

/// A body of which nothing is stored counts as one rejected event.
pub(super) fn reject_body(
    code: &'static str,
    message: &str,
    source: Source,
    body: &[u8],
    received: Timestamp,
    rules: &Rules,
    batch: Batch,
) -> Submission {
    let shown = &body[..body.len().min(RejectedSample::REJECTED_BODY_BYTES)];
    let text = String::from_utf8_lossy(shown);
    let tally = Tally { source, outcome: Outcome::Rejected, reason: code, name: String::new() };
    Submission {
        batch,
        tallies: vec![(tally, 1)],
        samples: vec![sample(code, message, source, &text, received, rules)],
    }
}

fn sample(code: &str, message: &str, source: Source, text: &str, received: Timestamp, rules: &Rules) -> RejectedSample {
    let cut = RejectedSample::new(received, source, code, message, text);
    RejectedSample { body: blank_private_attributes(&blank_write_keys(&cut.body, &rules.client_keys)), ..cut }
}
