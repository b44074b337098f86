//! Verifies a store's invariants by reading all of it: sums, order, dictionaries, and every view against a rebuild from rows.
//! Reads only.

use super::block::{Tail, rows, text_of};
use super::columns::Columns;
use super::cursor::CursorRow;
use super::digest::Digest;
use super::field::{FieldColumn, rows_named};
use super::snapshot::{ReadError, Snapshot};
use super::tables::{COLUMNS, CURSORS, DEAD_LETTERS, DIGESTS};
use super::volumes::{Volumes, add_volumes};
use crate::event::{Field, Source, TermId};
use hashbrown::HashSet;
use redb::ReadableTable;
use std::collections::BTreeMap;

/// What a check found. A store is sound when `problems` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    pub events: u64,
    pub blocks: u64,
    /// Events that are committed but not sealed yet.
    pub unsealed: u64,
    pub names: u64,
    /// Messages that stand twice: possible only further apart than the deduplication window reaches.
    pub twice: u64,
    /// IDs in ID lists.
    pub members: u64,
    /// Columns of fields that are kept beside the blocks.
    pub field_columns: u64,
    /// Destinations that have a cursor, and their dead letters.
    pub cursors: u64,
    pub dead_letters: u64,
    pub problems: Vec<String>,
}

impl Snapshot {
    /// Reads everything and compares it with what it must be.
    pub fn check(&self) -> Result<CheckReport, ReadError> {
        let mut report = CheckReport {
            names: self.terms().names.len() as u64,
            unsealed: self.next_sequence().0 - self.sealed().0,
            ..CheckReport::default()
        };
        let mut volumes = Rebuilt::default();
        let mut seen = HashSet::new();
        let mut at = 0;
        for (first, digest) in self.digests()? {
            if first.0 != at {
                report.problems.push(format!("events {at} to {} are in no block", first.0));
            }
            let read = self.block_columns(first.0).and_then(|(columns, lengths)| {
                let text = text_of(&self.block_frames(first.0)?, &lengths, first.0)?;
                Ok((columns, lengths, text))
            });
            match read {
                Ok((columns, lengths, text)) => {
                    if Digest::of(&columns, text.len()) != digest {
                        report.problems.push(format!("block {}: its digest differs from its columns", first.0));
                    }
                    self.check_rows(first.0, &columns, &lengths, &text, &mut volumes, &mut seen, &mut report);
                    self.check_fields(first.0, &columns, &mut report)?;
                }
                Err(error) => report.problems.push(error.to_string()),
            }
            at = first.0 + digest.rows;
            report.blocks += 1;
        }
        self.tails(at, self.next_sequence().0, &mut |tail| {
            let Tail { columns, lengths, fingerprints, frames } = tail;
            match text_of(&frames, &lengths, at) {
                Ok(text) => {
                    let found = self.check_rows(at, &columns, &lengths, &text, &mut volumes, &mut seen, &mut report);
                    if found != fingerprints {
                        report.problems.push(format!("tail {at}: its fingerprints differ from its rows"));
                    }
                }
                Err(damage) => report.problems.push(damage.to_string()),
            }
            at += columns.len() as u64;
            Ok(true)
        })?;
        if at != self.next_sequence().0 {
            report.problems.push(format!("the log ends at {at}, not at {}", self.next_sequence().0));
        }
        volumes.compare(&self.volumes()?, &mut report.problems);
        self.check_orphans(&mut report)?;
        self.check_lists(&mut report)?;
        self.check_cursors(&mut report)?;
        Ok(report)
    }

    /// Checks the kept fields of a block, as far as it can be told without knowing where in an event a text stands.
    fn check_fields(&self, first: u64, columns: &Columns, report: &mut CheckReport) -> Result<(), ReadError> {
        for entry in self.reading().open_table(COLUMNS)?.range((first, 1)..=(first, u16::MAX))? {
            let (key, bytes) = entry?;
            let set = key.value().1;
            report.field_columns += 1;
            let field = self.terms().fields.text(TermId(set.into())).and_then(Field::decode);
            let read = match field {
                Some(field) => FieldColumn::decode(bytes.value(), rows_named(columns, &field), first).map(drop),
                None => {
                    report.problems.push(format!("block {first}: set {set} of its columns is in no dictionary"));
                    continue;
                }
            };
            if let Err(damage) = read {
                report.problems.push(format!("{damage} (set {set})"));
            }
        }
        Ok(())
    }

    /// Columns that belong to no block, and fields that belong to no name.
    fn check_orphans(&self, report: &mut CheckReport) -> Result<(), ReadError> {
        let digests = self.reading().open_table(DIGESTS)?;
        for entry in self.reading().open_table(COLUMNS)?.iter()? {
            let (first, set) = entry?.0.value();
            if digests.get(first)?.is_none() {
                report.problems.push(format!("columns {first}, set {set}: there is no such block"));
            }
        }
        for (number, text) in self.terms().fields.iter() {
            if Field::decode(text).is_none_or(|field| self.terms().names.text(field.name).is_none()) {
                report.problems.push(format!("field {}: {text} is no field of a name", number.0));
            }
        }
        Ok(())
    }

    /// Cursors and dead letters: that they lie in the log, that each letter has a cursor and can be read, and that they are as many
    /// as its cursor says.
    fn check_cursors(&self, report: &mut CheckReport) -> Result<(), ReadError> {
        let end = self.next_sequence();
        let mut letters: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.reading().open_table(DEAD_LETTERS)?.iter()? {
            let (key, document) = entry?;
            let (destination, sequence) = key.value();
            *letters.entry(destination.to_owned()).or_default() += 1;
            report.dead_letters += 1;
            if sequence >= end.0 {
                report.problems.push(format!("dead letter {sequence} of {destination}: there is no such event"));
            }
            if serde_json::from_slice::<serde::de::IgnoredAny>(document.value()).is_err() {
                report.problems.push(format!("dead letter {sequence} of {destination}: it is not JSON"));
            }
        }
        for entry in self.reading().open_table(CURSORS)?.iter()? {
            let (destination, row) = entry?;
            let destination = destination.value();
            let found = letters.remove(destination).unwrap_or(0);
            let row = match CursorRow::decode(row.value(), destination) {
                Ok(row) => row,
                Err(damage) => {
                    report.problems.push(damage.to_string());
                    continue;
                }
            };
            report.cursors += u64::from(!row.ended);
            if row.cursor.position > end {
                let at = row.cursor.position.0;
                report.problems.push(format!("cursor of {destination}: it is at {at}, and the log ends at {}", end.0));
            }
            if row.letters != found {
                let told = row.letters;
                report.problems.push(format!("cursor of {destination}: {told} dead letters, and {found} are there"));
            }
        }
        for destination in letters.keys() {
            report.problems.push(format!("dead letters of {destination}: it has no cursor"));
        }
        Ok(())
    }

    /// Checks consecutive rows and answers their fingerprints.
    #[allow(clippy::too_many_arguments)] // One place, two callers: what a tail and a block share.
    fn check_rows(
        &self,
        first: u64,
        columns: &Columns,
        lengths: &[u32],
        text: &[u8],
        volumes: &mut Rebuilt,
        seen: &mut HashSet<u128>,
        report: &mut CheckReport,
    ) -> Vec<u128> {
        report.events += columns.len() as u64;
        volumes.add(columns);
        let terms = self.terms();
        let mut fingerprints = Vec::with_capacity(columns.len());
        for (row, row_text) in rows(text, lengths, first).enumerate() {
            let sequence = first + row as u64;
            let row_text = match row_text {
                Ok(row_text) => row_text,
                Err(damage) => {
                    report.problems.push(damage.to_string());
                    continue;
                }
            };
            match Source::from_code(columns.source[row]) {
                Some(source) => {
                    let fingerprint = self.keys().message(source, row_text.message_id);
                    report.twice += u64::from(!seen.insert(fingerprint));
                    fingerprints.push(fingerprint);
                }
                None => report.problems.push(format!("event {sequence}: its source is unknown")),
            }
            if terms.names.text(TermId(columns.name[row])).is_none() {
                report.problems.push(format!("event {sequence}: its name is in no dictionary"));
            }
            if columns.subject[row] != 0 && terms.subjects.text(TermId(columns.subject[row])).is_none() {
                report.problems.push(format!("event {sequence}: its subject is in no dictionary"));
            }
            if serde_json::from_str::<&serde_json::value::RawValue>(row_text.raw).is_err() {
                report.problems.push(format!("event {sequence}: it is not JSON"));
            }
            for column in &columns.units {
                let expected = row_text
                    .units()
                    .find(|(id_type, _)| id_type.0 == column.id_type)
                    .map_or(0, |(_, id)| self.keys().unit(id));
                if column.hash[row] != expected {
                    report.problems.push(format!("event {sequence}: a unit's hash differs from its row"));
                }
            }
        }
        fingerprints
    }
}

/// Volumes counted again from the rows.
#[derive(Default)]
struct Rebuilt {
    volumes: Volumes,
    /// The same with each value's absolute in its place: what a sum's last digits are measured by.
    magnitudes: Volumes,
}

impl Rebuilt {
    fn add(&mut self, columns: &Columns) {
        add_volumes(&mut self.volumes, columns);
        let mut absolute = columns.clone();
        absolute.value.iter_mut().for_each(|value| *value = value.abs());
        add_volumes(&mut self.magnitudes, &absolute);
    }

    /// Counts must be equal; sums were added in another order, so they may differ in the last digits of what was added.
    fn compare(&self, stored: &Volumes, problems: &mut Vec<String>) {
        for (key, (count, sum)) in &self.volumes {
            let magnitude = self.magnitudes.get(key).map_or(0.0, |(_, magnitude)| *magnitude);
            // Beyond the largest number the order decides between infinity and nothing at all.
            let near = |other: f64| magnitude.is_infinite() || (sum - other).abs() <= 1e-9 * magnitude;
            match stored.get(key) {
                Some((stored_count, stored_sum)) if stored_count == count && near(*stored_sum) => {}
                other => problems.push(format!("volume {key:?}: {other:?} is stored, the rows say {:?}", (count, sum))),
            }
        }
        for key in stored.keys().filter(|key| !self.volumes.contains_key(*key)) {
            problems.push(format!("volume {key:?} has no rows"));
        }
    }
}
