//! A consistent view of the store at one moment. Hands out owned values only: no redb type leaves this room.

mod history;
mod outbound;
mod scan;

pub use history::StoredVersion;
pub use scan::Visit;

use super::Shared;
use super::batch::RejectedSample;
use super::block::{Damage, Frame, Tail, decode_block, decode_columns};
use super::columns::Columns;
use super::digest::Digest;
use super::fingerprint::Keys;
use super::picked::picked_rows;
use super::tables::*;
use super::terms::Terms;
use super::volumes::{Volumes, add_volumes};
use crate::event::{Kind, Sequence, Source, Subject, TermId, Timestamp};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A read that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the store could not be read: {0}")]
    Disk(#[source] Box<redb::Error>),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("could not compress a block: {0}")]
    Compress(#[source] std::io::Error),
    #[error("no event, block or document where one must be: {0}")]
    Missing(String),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for ReadError {
            fn from(error: redb::$error) -> Self {
                ReadError::Disk(Box::new(error.into()))
            }
        })*
    };
}
from_redb!(TransactionError, TableError, StorageError);

/// See the module. Cheap to take; holds on to the pages it sees until it is dropped.
pub struct Snapshot {
    transaction: ReadTransaction,
    terms: Arc<Terms>,
    keys: Keys,
    /// The end of the sealed log and of the whole log.
    sealed: u64,
    next: u64,
}

/// Consecutive tails; keeps what it reads from alive by itself.
pub(super) struct Tails(redb::Range<'static, u64, &'static [u8]>);

impl Iterator for Tails {
    type Item = Result<Tail, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        Some(entry.map_err(ReadError::from).and_then(|(first, bytes)| Ok(Tail::decode(bytes.value(), first.value())?)))
    }
}

/// One event as it lies in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    pub sequence: Sequence,
    pub time: Timestamp,
    pub received: Timestamp,
    pub kind: Kind,
    pub source: Source,
    pub name: String,
    pub environment: String,
    pub subject: Option<Subject>,
    pub value: Option<f64>,
    pub message_id: String,
    /// ID type and ID.
    pub units: Vec<(String, String)>,
    pub shared: Option<String>,
    pub raw: String,
}

/// Which events a reader wants; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub name: Option<String>,
    pub source: Option<Source>,
    /// An ID of any ID type.
    pub unit: Option<String>,
    /// Only events before this sequence.
    pub before: Option<Sequence>,
    /// Only events from this sequence on.
    pub from: Option<Sequence>,
}

/// A catalog item as stored: kind, ID, document.
pub type StoredItem = (String, String, Vec<u8>);

impl Snapshot {
    pub(super) fn take(shared: &Shared) -> Result<Snapshot, ReadError> {
        let transaction = shared.db.begin_read()?;
        // Taken after the transaction: what it can see was published before it was committed.
        let terms = shared.terms.load_full();
        let mut snapshot = Snapshot { transaction, terms, keys: shared.keys, sealed: 0, next: 0 };
        snapshot.sealed = match snapshot.transaction.open_table(DIGESTS)?.last()? {
            Some((first, digest)) => first.value() + Digest::decode(digest.value(), first.value())?.rows,
            None => 0,
        };
        snapshot.next = match snapshot.transaction.open_table(TAILS)?.last()? {
            Some((first, tail)) => first.value() + Tail::rows(tail.value(), first.value())?,
            None => snapshot.sealed,
        };
        Ok(snapshot)
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// For readers of other tables in this room.
    pub(super) fn reading(&self) -> &ReadTransaction {
        &self.transaction
    }

    pub(super) fn keys(&self) -> Keys {
        self.keys
    }

    /// The hash by which a unit stands in the columns.
    pub fn unit_hash(&self, id: &str) -> u64 {
        self.keys.unit(id)
    }

    /// The log's end: the sequence that the next event will get.
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.next)
    }

    /// The end of what is sealed.
    pub fn sealed(&self) -> Sequence {
        Sequence(self.sealed)
    }

    /// A sealed block's columns, and the length of each row's text.
    pub(super) fn block_columns(&self, first: u64) -> Result<(Columns, Vec<u32>), ReadError> {
        let table = self.transaction.open_table(COLUMNS)?;
        let value = table.get((first, 0))?.ok_or_else(|| ReadError::Missing(format!("columns {first}")))?;
        Ok(decode_columns(value.value(), first)?)
    }

    pub(super) fn block_frames(&self, first: u64) -> Result<Vec<Frame>, ReadError> {
        let table = self.transaction.open_table(BLOCKS)?;
        let value = table.get(first)?.ok_or_else(|| ReadError::Missing(format!("block {first}")))?;
        Ok(decode_block(value.value(), first)?)
    }

    pub(super) fn run_part(&self, run: u64, part: u32) -> Result<Vec<u8>, ReadError> {
        let table = self.transaction.open_table(RUN_KEYS)?;
        let value = table.get((run, part))?.ok_or_else(|| ReadError::Missing(format!("run {run} part {part}")))?;
        Ok(value.value().to_vec())
    }

    /// First sequence and digest of each sealed block, in order.
    pub fn digests(&self) -> Result<Vec<(Sequence, Digest)>, ReadError> {
        let mut found = Vec::new();
        for entry in self.transaction.open_table(DIGESTS)?.iter()? {
            let (first, digest) = entry?;
            found.push((Sequence(first.value()), Digest::decode(digest.value(), first.value())?));
        }
        Ok(found)
    }

    /// Hands out the unsealed rows of `from..to`, tail by tail, until `each` answers false.
    pub(super) fn tails(
        &self,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(Tail) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        for tail in self.tails_from(from, to)? {
            if !each(tail?)? {
                break;
            }
        }
        Ok(())
    }

    /// The tails of the unsealed rows of `from..to`, in order.
    pub(super) fn tails_from(&self, from: u64, to: u64) -> Result<Tails, ReadError> {
        let table = self.transaction.open_table(TAILS)?;
        if let Some(entry) = table.range(..from)?.next_back() {
            let (first, bytes) = entry?;
            let first = first.value();
            if first + Tail::rows(bytes.value(), first)? > from {
                let why = format!("it is sealed up to {from}, in the middle");
                return Err(Damage { what: "tail", first, why }.into());
            }
        }
        Ok(Tails(table.range(from..to)?))
    }

    /// When the newest event was received, by our clock.
    pub fn as_of_time(&self) -> Result<Option<Timestamp>, ReadError> {
        let newest = self.events(&EventFilter::default(), 1)?;
        Ok(newest.first().map(|event| event.received))
    }

    /// Events that a filter lets through, newest first, at most `limit`.
    pub fn events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        let Some(wanted) = Wanted::resolve(filter, self) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let tails = self.transaction.open_table(TAILS)?;
        for entry in tails.range(..wanted.before)?.rev() {
            if found.len() >= limit {
                return Ok(found);
            }
            let (first, bytes) = entry?;
            let first = first.value();
            if first + Tail::rows(bytes.value(), first)? <= self.sealed.max(wanted.from) {
                break;
            }
            let tail = Tail::decode(bytes.value(), first)?;
            let (columns, lengths) = (&tail.columns, &tail.lengths);
            self.pick(&wanted, first, self.sealed, columns, lengths, || Ok(tail.frames), limit, &mut found)?;
        }
        let digests = self.transaction.open_table(DIGESTS)?;
        for entry in digests.range(..wanted.before)?.rev() {
            if found.len() >= limit {
                break;
            }
            let (first, digest) = entry?;
            let first = first.value();
            let digest = Digest::decode(digest.value(), first)?;
            if first + digest.rows <= wanted.from {
                break;
            }
            if wanted.name.is_some_and(|name| digest.names.binary_search(&name).is_err()) {
                continue;
            }
            let (columns, lengths) = self.block_columns(first)?;
            self.pick(&wanted, first, 0, &columns, &lengths, || self.block_frames(first), limit, &mut found)?;
        }
        Ok(found)
    }

    #[allow(clippy::too_many_arguments)] // One place, two callers: what a tail and a block share.
    fn pick(
        &self,
        wanted: &Wanted<'_>,
        first: u64,
        floor: u64,
        columns: &Columns,
        lengths: &[u32],
        frames: impl FnOnce() -> Result<Vec<Frame>, ReadError>,
        limit: usize,
        found: &mut Vec<StoredEvent>,
    ) -> Result<(), ReadError> {
        let low = floor.max(wanted.from).saturating_sub(first) as usize;
        let high = columns.len().min(wanted.before.saturating_sub(first) as usize);
        let mut picked: Vec<usize> = (low..high).filter(|&row| wanted.columns_match(columns, row)).collect();
        // A unit's hash may collide, so its rows are checked again by text and must not be cut before.
        if wanted.unit.is_none() {
            picked.drain(..picked.len().saturating_sub(limit - found.len()));
        }
        if picked.is_empty() {
            return Ok(());
        }
        let frames = frames()?;
        let mut events = Vec::with_capacity(picked.len());
        picked_rows(
            &frames,
            lengths,
            first,
            |row| picked.binary_search(&row).is_ok(),
            |row, text| {
                if wanted.unit.is_none_or(|(unit, _)| text.units().any(|(_, id)| id == unit)) {
                    events.push(self.stored_event(first + row as u64, columns, row, &text)?);
                }
                Ok(())
            },
        )?;
        found.extend(events.into_iter().rev().take(limit - found.len()));
        Ok(())
    }

    fn stored_event(
        &self,
        sequence: u64,
        columns: &Columns,
        row: usize,
        text: &super::row::RowText<'_>,
    ) -> Result<StoredEvent, Damage> {
        let damage = |why: &str| Damage { what: "row", first: sequence, why: why.to_owned() };
        let subject = match columns.subject[row] {
            0 => None,
            id => self.terms.subjects.text(TermId(id)).and_then(Subject::decode),
        };
        Ok(StoredEvent {
            sequence: Sequence(sequence),
            time: Timestamp(columns.time[row]),
            received: Timestamp(columns.received[row]),
            kind: Kind::from_code(columns.kind[row]).ok_or_else(|| damage("unknown kind"))?,
            source: Source::from_code(columns.source[row]).ok_or_else(|| damage("unknown source"))?,
            name: self.terms.names.text(TermId(columns.name[row])).ok_or_else(|| damage("unknown name"))?.to_owned(),
            environment: self.terms.environments.text(TermId(columns.environment[row])).unwrap_or_default().to_owned(),
            subject,
            value: Some(columns.value[row]).filter(|value| !value.is_nan()),
            message_id: text.message_id.to_owned(),
            units: text
                .units()
                .map(|(id_type, id)| (self.terms.id_types.text(id_type).unwrap_or_default().to_owned(), id.to_owned()))
                .collect(),
            shared: text.shared.map(str::to_owned),
            raw: text.raw.to_owned(),
        })
    }

    /// Events per hour, source and name, of the whole log.
    pub fn volumes(&self) -> Result<Volumes, ReadError> {
        self.volumes_from(i64::MIN)
    }

    /// The same of an hour and those after it.
    pub fn volumes_from(&self, hour: i64) -> Result<Volumes, ReadError> {
        let mut volumes = Volumes::new();
        for entry in self.transaction.open_table(VOLUMES)?.range((hour, 0, 0)..)? {
            let (key, value) = entry?;
            volumes.insert(key.value(), value.value());
        }
        self.tails(self.sealed, self.next, &mut |tail| {
            add_volumes(&mut volumes, &tail.columns);
            Ok(true)
        })?;
        Ok(volumes.split_off(&(hour, 0, 0)))
    }

    /// Events that were not stored, of all time: (source, outcome, reason) -> count.
    pub fn totals(&self) -> Result<BTreeMap<(u8, u8, String), u64>, ReadError> {
        let mut totals = BTreeMap::new();
        for entry in self.transaction.open_table(TOTALS)?.iter()? {
            let (key, count) = entry?;
            let (source, outcome, reason) = key.value();
            totals.insert((source, outcome, reason.to_owned()), count.value());
        }
        Ok(totals)
    }

    /// Events that were not stored, from an hour on, by hour: ((hour, source, outcome, reason, name), count).
    pub fn tallies_from(&self, hour: i64) -> Result<Vec<(HourlyTally, u64)>, ReadError> {
        let mut tallies = Vec::new();
        for entry in self.transaction.open_table(TALLIES)?.range((hour, 0, 0, "", "")..)? {
            let (key, count) = entry?;
            let (hour, source, outcome, reason, name) = key.value();
            tallies
                .push((HourlyTally { hour, source, outcome, reason: reason.into(), name: name.into() }, count.value()));
        }
        Ok(tallies)
    }

    /// The newest refused events, newest first.
    pub fn rejected(&self, limit: usize) -> Result<Vec<RejectedSample>, ReadError> {
        let table = self.transaction.open_table(SAMPLES)?;
        table
            .iter()?
            .rev()
            .take(limit)
            .map(|entry| {
                let (number, json) = entry?;
                serde_json::from_slice(json.value()).map_err(|error| {
                    Damage { what: "refused event", first: number.value(), why: error.to_string() }.into()
                })
            })
            .collect()
    }

    pub fn items(&self) -> Result<Vec<StoredItem>, ReadError> {
        let table = self.transaction.open_table(ITEMS)?;
        let mut items = Vec::new();
        for entry in table.iter()? {
            let (key, document) = entry?;
            let (kind, id) = key.value();
            items.push((kind.to_owned(), id.to_owned(), document.value().to_vec()));
        }
        Ok(items)
    }

    /// When the catalog was changed last; later with each change, also of two in one millisecond. None if it never was.
    pub fn catalog_time(&self) -> Result<Option<Timestamp>, ReadError> {
        let meta = self.transaction.open_table(META)?;
        let time = meta.get(CATALOG_TIME)?.and_then(|time| time.value().try_into().ok());
        Ok(time.map(|time| Timestamp(i64::from_le_bytes(time))))
    }

    /// Key documents by key ID.
    pub fn key_documents(&self) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let table = self.transaction.open_table(KEYS)?;
        let mut keys = Vec::new();
        for entry in table.iter()? {
            let (id, document) = entry?;
            keys.push((id.value().to_owned(), document.value().to_vec()));
        }
        Ok(keys)
    }
}

/// A tally as it is stored, by the hour in which it was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourlyTally {
    pub hour: i64,
    pub source: u8,
    pub outcome: u8,
    pub reason: String,
    pub name: String,
}

/// An `EventFilter` in the numbers of the columns.
struct Wanted<'a> {
    name: Option<u32>,
    source: Option<u8>,
    unit: Option<(&'a str, u64)>,
    before: u64,
    from: u64,
}

impl<'a> Wanted<'a> {
    /// `None` when nothing can match.
    fn resolve(filter: &'a EventFilter, snapshot: &Snapshot) -> Option<Wanted<'a>> {
        let name = match &filter.name {
            Some(name) => Some(snapshot.terms.names.find(name)?.0),
            None => None,
        };
        Some(Wanted {
            name,
            source: filter.source.map(Source::code),
            unit: filter.unit.as_deref().map(|unit| (unit, snapshot.keys.unit(unit))),
            before: filter.before.map_or(snapshot.next, |before| before.0.min(snapshot.next)),
            from: filter.from.map_or(0, |from| from.0),
        })
    }

    fn columns_match(&self, columns: &Columns, row: usize) -> bool {
        self.name.is_none_or(|name| columns.name[row] == name)
            && self.source.is_none_or(|source| columns.source[row] == source)
            && self.unit.is_none_or(|(_, hash)| columns.units.iter().any(|units| units.hash[row] == hash))
    }
}
