//! The oracle: what is owed after every acknowledgement, and what may be there besides because its commit got no answer.

use super::sample;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use weir::evaluate::{IdLists, ListId};
use weir::event::{Outcome, Sequence, Source};
use weir::store::{CheckReport, Columns, Cursor, EventFilter, FieldColumn, Fields, Letter, Snapshot, Store, Volumes};

/// What a store holds, as far as its users can tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Numbers of events, by sequence.
    pub log: Vec<u64>,
    /// (Source, outcome, reason) -> events that were not stored.
    pub totals: BTreeMap<(u8, u8, String), u64>,
    /// Kind and ID -> document.
    pub items: BTreeMap<(String, String), Vec<u8>>,
    /// Members of each ID list.
    pub lists: BTreeMap<String, BTreeSet<String>>,
    /// What each destination that has a cursor has got and what it would not take.
    pub outboxes: BTreeMap<String, Outbox>,
}

/// A cursor without its generation, which a destination that was switched off and on leaves behind, and its dead letters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbox {
    pub position: u64,
    pub forwarded: u64,
    pub dead: u64,
    pub dropped: u64,
    pub is_paused: bool,
    pub letters: BTreeMap<u64, Vec<u8>>,
}

impl Outbox {
    pub fn at(position: u64) -> Outbox {
        Outbox { position, ..Outbox::default() }
    }

    /// Puts letters in and takes others out before, so that at most so many are there.
    pub fn post(&mut self, letters: &[Letter], settled: &[Sequence], kept: usize) {
        self.letters.retain(|&sequence, _| !settled.contains(&Sequence(sequence)));
        for letter in letters {
            self.dead += u64::from(self.letters.insert(letter.sequence.0, letter.document.clone()).is_none());
        }
        while self.letters.len() > kept {
            self.letters.pop_first();
            self.dropped += 1;
        }
    }

    fn read(snapshot: &Snapshot, destination: &str, cursor: &Cursor) -> Outbox {
        let letters = snapshot.dead_letters(destination, None, usize::MAX).expect("dead letters can be read");
        Outbox {
            position: cursor.position.0,
            forwarded: cursor.forwarded,
            dead: cursor.dead,
            dropped: cursor.dropped,
            is_paused: cursor.pause.is_some(),
            letters: letters.into_iter().map(|letter| (letter.sequence.0, letter.document)).collect(),
        }
    }
}

impl Contents {
    pub fn tally(&mut self, source: Source, outcome: Outcome, reason: &str, count: u64) {
        *self.totals.entry((source.code(), outcome.code(), reason.to_owned())).or_default() += count;
    }

    /// Puts IDs into a list or takes them out; a list that is not there takes nobody.
    pub fn list(&mut self, list: &str, ids: &[String], is_member: bool) {
        let Some(members) = self.lists.get_mut(list) else { return };
        for id in ids {
            if is_member {
                members.insert(id.clone());
            } else {
                members.remove(id);
            }
        }
    }

    /// Reads a whole store and compares each event with what was sent under its number.
    pub fn read(store: &Store, snapshot: &Snapshot) -> Contents {
        let mut log = Vec::new();
        let mut events = snapshot.events(&EventFilter::default(), usize::MAX).expect("the log can be read");
        events.reverse();
        for (sequence, event) in events.into_iter().enumerate() {
            let number = sample::number(&event);
            assert_eq!(event, sample::stored(number, sequence as u64), "the event differs from what was sent");
            log.push(number);
        }
        let lists = store.lists().all().into_iter().map(|list| {
            let ids = snapshot.list_members(list.id(), 0, usize::MAX).expect("lists can be read");
            (list.id().to_owned(), ids.expect("the list is there").into_iter().collect())
        });
        let lists = lists.collect();
        let items = snapshot.items().expect("items can be read");
        let cursors = snapshot.cursors().expect("cursors can be read").into_iter();
        let outbox = |(destination, cursor): (String, Cursor)| {
            let outbox = Outbox::read(snapshot, &destination, &cursor);
            (destination, outbox)
        };
        Contents {
            log,
            totals: snapshot.totals().expect("totals can be read"),
            items: items.into_iter().map(|(kind, id, document)| ((kind, id), document)).collect(),
            lists,
            outboxes: cursors.map(outbox).collect(),
        }
    }

    /// Volumes counted anew from what was sent. Values are multiples of 1/8, so that sums are exact in any order.
    pub fn volumes(&self, snapshot: &Snapshot) -> Volumes {
        let mut volumes = Volumes::new();
        for &number in &self.log {
            let event = sample::event(number);
            let name = snapshot.terms().names.find(&event.name).expect("a stored event's name has a number");
            let volume = volumes.entry((event.time.hour(), event.source.code(), name.0)).or_default();
            volume.0 += 1;
            volume.1 += event.value.unwrap_or(0.0);
        }
        volumes
    }
}

/// Compares the fields of all events with what was sent, whether they are kept or worked out.
pub fn compare_fields(snapshot: &Snapshot, log: &[u64]) {
    let asked = sample::fields(snapshot.terms());
    let fields = Fields { wanted: &asked, extract: sample::extract, keep: &mut |_| {} };
    let mut next = 0;
    let each = &mut |first: Sequence, columns: &Columns, found: &[FieldColumn]| {
        assert_eq!(first.0, next);
        let sent = &log[next as usize..next as usize + columns.len()];
        for (field, column) in asked.iter().zip(found) {
            let named = sent.iter().zip(&columns.name).filter(|(_, name)| **name == field.name.0);
            let expected: Vec<_> = named.map(|(&number, _)| sample::field(number, field)).collect();
            let told: Vec<_> = column.rows.iter().map(|&entry| column.text(entry).map(str::to_owned)).collect();
            assert_eq!(told, expected, "{field:?}");
        }
        next += columns.len() as u64;
        ControlFlow::Continue(())
    };
    snapshot.scan_columns_from(Sequence(0), &mut |_| true, fields, each).expect("fields can be read");
    assert_eq!(next, log.len() as u64);
}

/// What an SDK that reads a file from its beginning takes for the members.
fn read_as_sdks_do(file: &str) -> BTreeSet<&str> {
    let mut members = BTreeSet::new();
    for line in file.split_terminator('\n') {
        match line.split_at_checked(1) {
            Some(("+", hash)) => members.insert(hash),
            Some(("-", hash)) => members.remove(hash),
            _ => panic!("a line that neither adds nor removes: {line:?}"),
        };
    }
    members
}

#[derive(Debug, Default)]
pub struct Oracle {
    pub owed: Contents,
    pub known: HashSet<u64>,
    /// What the store holds if the commit that was under way got through.
    pub perhaps: Option<Contents>,
    /// The ID lists' files as an SDK read them last, by their IDs: they may grow and go, but not become others.
    pub files: BTreeMap<String, String>,
}

impl Oracle {
    /// The commit under way is acknowledged.
    pub fn acknowledge(&mut self) {
        self.owed = self.perhaps.take().expect("a commit is under way");
        self.known = self.owed.log.iter().copied().collect();
    }

    /// Reads the ID lists' files on, as an SDK does.
    pub fn read_files(&mut self, store: &Store) {
        let mut read = BTreeMap::new();
        for list in store.lists().all() {
            let file: Vec<u8> = list.bytes(0..list.size()).concat();
            let file = String::from_utf8(file).expect("a file is text");
            let known = self.files.get(list.file_id()).map_or("", String::as_str);
            assert!(file.starts_with(known), "what an SDK has read of a list stands otherwise now");
            let owed = &self.owed.lists[list.id()];
            let members = read_as_sdks_do(&file);
            let expected: BTreeSet<ListId> = owed.iter().map(|id| ListId::of(id)).collect();
            assert!(expected.iter().map(ListId::as_str).eq(members), "{owed:?}");
            assert!(expected.iter().all(|unit| store.lists().contains(list.id(), unit.as_str())), "{owed:?}");
            read.insert(list.file_id().to_owned(), file);
        }
        self.files = read;
    }

    /// Compares a reopened store with what is owed, and takes over which of the two it turned out to be.
    pub fn verify(&mut self, store: &Store) -> CheckReport {
        let snapshot = &store.snapshot().expect("a snapshot");
        let found = Contents::read(store, snapshot);
        if self.perhaps.as_ref() == Some(&found) {
            self.acknowledge();
        }
        self.perhaps = None;
        assert_eq!(found, self.owed, "the store holds neither what was acknowledged nor that and the last commit");
        self.read_files(store);
        assert_eq!(snapshot.next_sequence().0, self.owed.log.len() as u64);
        assert_eq!(snapshot.volumes().expect("volumes can be read"), self.owed.volumes(snapshot));
        compare_fields(snapshot, &self.owed.log);
        let report = snapshot.check().expect("a check can read everything");
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!((report.events, report.twice), (self.owed.log.len() as u64, 0));
        report
    }
}
