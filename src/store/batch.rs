//! Events on their way to the writer, already in the form that a tail block stores: one text buffer, fixed-size numbers
//! beside it. Built on the thread that parsed them, so that the writer only appends. Touches no file.

use super::block::{Frame, Packer};
use super::columns::{Numbers, Tally};
use super::fingerprint::Keys;
use super::row::RowText;
use super::terms::{Dictionary, Terms};
use crate::event::{Event, Source, TermId, Timestamp};
use hashbrown::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Text that may not have a number yet: a number of the snapshot that the batch was built against, or an index into the
/// batch's own list of new texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Known(TermId),
    New(u32),
}

#[derive(Debug, Clone)]
pub(super) struct BatchRow {
    pub fingerprint: u128,
    pub numbers: Numbers,
    pub name: Term,
    pub environment: Term,
    pub subject: Term,
    pub units: Range<u32>,
    pub text: Range<usize>,
}

/// New texts of one dictionary, each once.
#[derive(Debug, Default)]
pub(super) struct NewTerms {
    pub texts: Vec<String>,
    by_text: HashMap<String, u32>,
}

impl NewTerms {
    fn resolve(&mut self, dictionary: &Dictionary, text: &str) -> Term {
        if let Some(id) = dictionary.find(text) {
            return Term::Known(id);
        }
        if let Some(&index) = self.by_text.get(text) {
            return Term::New(index);
        }
        let index = u32::try_from(self.texts.len()).expect("a body is far smaller than 2^32 texts");
        self.texts.push(text.to_owned());
        self.by_text.insert(text.to_owned(), index);
        Term::New(index)
    }
}

/// An event's effect on an ID list, should the event be stored.
#[derive(Debug)]
pub(super) struct RowMembership {
    pub row: u32,
    pub list: Arc<str>,
    pub id: String,
    pub is_member: bool,
}

/// Events of one request, ready to be appended.
pub struct Batch {
    keys: Keys,
    terms: Arc<Terms>,
    pub(super) rows: Vec<BatchRow>,
    pub(super) units: Vec<(TermId, u64)>,
    /// Empty once it is packed.
    pub(super) text: Vec<u8>,
    /// The text of consecutive rows, compressed, with how many rows each frame holds.
    pub(super) frames: Vec<(Frame, usize)>,
    pub(super) new_names: NewTerms,
    pub(super) new_environments: NewTerms,
    pub(super) new_subjects: NewTerms,
    /// In the order of their rows.
    pub(super) memberships: Vec<RowMembership>,
}

impl Batch {
    pub(super) fn new(keys: Keys, terms: Arc<Terms>) -> Batch {
        Batch {
            keys,
            terms,
            rows: Vec::new(),
            units: Vec::new(),
            text: Vec::new(),
            frames: Vec::new(),
            new_names: NewTerms::default(),
            new_environments: NewTerms::default(),
            new_subjects: NewTerms::default(),
            memberships: Vec::new(),
        }
    }

    /// Makes room for a body of this many bytes.
    pub fn reserve(&mut self, rows: usize, bytes: usize) {
        self.rows.reserve(rows);
        self.text.reserve(bytes + rows * 96);
    }

    /// The dictionaries that this batch was built against.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How much the batch weighs in memory, nearly.
    pub fn bytes(&self) -> usize {
        let text = self.text.len() + self.frames.iter().map(|(frame, _)| frame.bytes.len()).sum::<usize>();
        text + self.rows.len() * size_of::<BatchRow>()
            + self.units.len() * size_of::<(TermId, u64)>()
            + self.memberships.iter().map(|it| size_of::<RowMembership>() + it.id.len()).sum::<usize>()
    }

    /// Compresses the text as frames of at most `frame_bytes`, unless a single row is longer. Nothing is pushed afterwards.
    pub(super) fn pack(&mut self, packer: &mut Packer, frame_bytes: usize) -> std::io::Result<()> {
        let mut frames = Vec::new();
        let mut from = 0;
        while from < self.rows.len() {
            let start = self.rows[from].text.start;
            let fits = self.rows[from + 1..].iter().take_while(|row| row.text.end - start <= frame_bytes).count();
            let to = from + 1 + fits;
            let frame = packer.pack(&self.text[start..self.rows[to - 1].text.end])?;
            frames.push((frame, to - from));
            from = to;
        }
        self.frames = frames;
        self.text = Vec::new();
        Ok(())
    }

    /// Lets the last event put a unit into an ID list, or take it out, if the event is stored: a duplicate changes nothing.
    pub fn enlist(&mut self, list: &Arc<str>, id: &str, is_member: bool) {
        let row = self.rows.len().saturating_sub(1) as u32;
        self.memberships.push(RowMembership { row, list: list.clone(), id: id.to_owned(), is_member });
    }

    /// Appends one event.
    pub fn push(&mut self, event: &Event<'_>) {
        let first_unit = self.units.len() as u32;
        for unit in &event.units {
            self.units.push((unit.id_type, self.keys.unit(&unit.id)));
        }
        let start = self.text.len();
        RowText::encode(event, &mut self.text);
        let subject = match &event.subject {
            Some(subject) => self.new_subjects.resolve(&self.terms.subjects, &subject.encode()),
            None => Term::Known(TermId::NONE),
        };
        self.rows.push(BatchRow {
            fingerprint: self.keys.message(event.source, &event.message_id),
            numbers: Numbers {
                time: event.time,
                received: event.received,
                kind: event.kind,
                source: event.source,
                // Filled in by the writer, which alone gives out numbers.
                name: TermId::NONE,
                environment: TermId::NONE,
                subject: TermId::NONE,
                value: event.value,
            },
            name: self.new_names.resolve(&self.terms.names, &event.name),
            environment: self.new_environments.resolve(&self.terms.environments, &event.environment),
            subject,
            units: first_unit..self.units.len() as u32,
            text: start..self.text.len(),
        });
    }
}

/// One refused event, kept so that a person can look at it. The list is bounded; the tallies count all of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct RejectedSample {
    pub received: i64,
    pub source: String,
    pub code: String,
    pub message: String,
    /// The event or body as it came, cut to `REJECTED_BODY_BYTES`, without a secret key in it.
    pub body: String,
}

impl RejectedSample {
    pub const REJECTED_BODY_BYTES: usize = 4096;

    pub fn new(received: Timestamp, source: Source, code: &str, message: &str, body: &str) -> RejectedSample {
        let mut end = body.len().min(Self::REJECTED_BODY_BYTES);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        RejectedSample {
            received: received.0,
            source: source.as_str().to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            body: body[..end].to_owned(),
        }
    }
}

/// What one request brings to the writer: committed together or not at all.
pub struct Submission {
    pub batch: Batch,
    /// Events of the same request that are not stored, with how many of each.
    pub tallies: Vec<(Tally, u64)>,
    pub samples: Vec<RejectedSample>,
}

impl Submission {
    /// How much it weighs in the writer's queue: refused events wait there too.
    pub fn bytes(&self) -> usize {
        let samples = self.samples.iter().map(|sample| sample.body.len() + sample.message.len());
        let tallies = self.tallies.iter().map(|(tally, _)| tally.name.len());
        self.batch.bytes()
            + samples.chain(tallies).sum::<usize>()
            + self.samples.len() * size_of::<RejectedSample>()
            + self.tallies.len() * size_of::<(Tally, u64)>()
    }

    /// Events only.
    pub fn empty(batch: Batch) -> Submission {
        Submission { batch, tallies: Vec::new(), samples: Vec::new() }
    }
}
