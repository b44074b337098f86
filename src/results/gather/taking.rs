//! Taking in a block's rows: whose each is, and what of it is kept. Settles nothing.

use super::reading::{Reading, StrataReader, by_text};
use super::{Gathered, Wanted};
use crate::event::Timestamp;
use crate::results::entries::Entry;
use crate::results::roster::NOBODY;
use crate::results::strata::NO_TEXT;
use crate::results::units::SeenExposure;
use crate::store::{Columns, FieldColumn};
use std::ops::Range;

/// So many rows of a block are taken together: what is known of their units fits into the processor's nearest caches, and is
/// still there when it is used next.
const ROWS_AT_ONCE: usize = 1024;

impl Gathered {
    pub(super) fn take(
        &mut self,
        read: &Reading,
        columns: &Columns,
        texts: &[FieldColumn],
        skipped: usize,
        wanted: Wanted,
    ) {
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        numbers.resize(skipped, NOBODY);
        let mut strata = StrataReader::new(read, columns, texts);
        let mut begin = skipped;
        while begin < columns.len() {
            let rows = begin..columns.len().min(begin + ROWS_AT_ONCE);
            begin = rows.end;
            self.look_up(read, columns, rows.clone(), wanted, &mut numbers);
            if wanted != Wanted::EventsOfTheExposed {
                self.take_exposures(read, &mut strata, rows.clone(), &numbers);
            }
            if wanted != Wanted::Exposures {
                self.take_events(read, columns, rows, wanted, &mut numbers);
            }
        }
        if wanted != Wanted::Exposures {
            self.take_filtered(read, columns, texts, &numbers);
        }
        self.numbers = numbers;
    }

    /// Appends the numbers of rows: that of the unit where the row counts and has one.
    fn look_up(
        &mut self,
        read: &Reading,
        columns: &Columns,
        rows: Range<usize>,
        wanted: Wanted,
        numbers: &mut Vec<u32>,
    ) {
        let units = read.id_type.and_then(|id_type| columns.units_of(id_type)).unwrap_or(&[]);
        self.hashes.clear();
        self.hashes.extend(rows.map(|row| {
            let counts = match wanted {
                Wanted::All => read.is_event(columns, row) || read.is_relevant(columns.subject[row]),
                Wanted::Exposures => read.is_relevant(columns.subject[row]),
                Wanted::EventsOfTheExposed => read.is_event(columns, row),
            };
            if counts { units.get(row).copied().unwrap_or(0) } else { 0 }
        }));
        self.roster.numbers(&self.hashes, wanted != Wanted::EventsOfTheExposed, numbers);
    }

    fn take_exposures(&mut self, read: &Reading, strata: &mut StrataReader<'_>, rows: Range<usize>, numbers: &[u32]) {
        let columns = strata.columns;
        let relevant = || rows.clone().filter(|row| read.is_relevant(columns.subject[*row]));
        self.exposures.iter().for_each(|exposures| exposures.fetch(relevant().map(|row| numbers[row])));
        for row in relevant() {
            let mut exposure = SeenExposure {
                subject: columns.subject[row],
                time: Timestamp(columns.time[row]),
                unit: numbers[row],
                in_environment: read.is_in_environment(columns.environment[row]),
                text: None,
                passes: true,
            };
            if exposure.in_environment {
                self.census.take_exposure(columns, row, exposure.unit != NOBODY);
            }
            if let Some((text, filtered)) = strata.texts(row) {
                exposure.text = text.map(|text| self.strata.get_or_insert_default().code(text));
                let mut filters = self.order.texts.iter().zip(filtered);
                exposure.passes = filters.all(|(filter, text)| filter.passes(text));
            }
            self.expose(exposure, read);
        }
    }

    /// No event is an exposure: what is left in `numbers` are the events of units.
    fn take_events(
        &mut self,
        read: &Reading,
        columns: &Columns,
        rows: Range<usize>,
        wanted: Wanted,
        numbers: &mut [u32],
    ) {
        let begin = rows.start;
        for row in rows {
            if !read.is_event(columns, row) {
                numbers[row] = NOBODY;
                continue;
            }
            let has_unit = self.hashes[row - begin] != 0;
            if read.may_count(columns.time[row]) {
                self.census.take_event(columns, row, has_unit);
                // Which names have most volume does not depend on who is left out to save memory.
                if let Some(plain) = self.plain.get_mut(columns.name[row] as usize) {
                    plain.volume += u64::from(has_unit);
                }
            }
            if has_unit && wanted == Wanted::EventsOfTheExposed && !self.is_exposed(numbers[row]) {
                numbers[row] = NOBODY;
            }
            if numbers[row] != NOBODY {
                self.take_event(read, columns, row, numbers[row]);
            }
        }
    }

    pub(super) fn expose(&mut self, exposure: SeenExposure, read: &Reading) {
        if exposure.time >= read.until && read.end.is_none_or(|end| exposure.time < end) {
            self.ahead.push(exposure);
            return;
        }
        self.latest = self.latest.max(exposure.time);
        let in_period = read.start.is_none_or(|start| start <= exposure.time) && exposure.time < read.until;
        let mut counted = false;
        for exposures in &mut self.exposures {
            let before = (self.reading > 1).then(|| exposures.standing(exposure.unit));
            counted |= exposures.take(&exposure, in_period);
            if before.is_some_and(|before| exposures.standing(exposure.unit) != before) {
                self.changed.push((self.reading, exposure.unit));
            }
        }
        if let (true, Some(strata)) = (counted, &mut self.strata) {
            strata.meet(exposure.unit, exposure.time, exposure.text);
        }
        if let (true, Some(passing)) = (counted, &mut self.passing) {
            passing.meet(exposure.unit, exposure.time, exposure.passes);
        }
    }

    fn is_exposed(&self, unit: u32) -> bool {
        self.exposures.iter().any(|exposures| exposures.has_met(unit))
    }

    fn take_event(&mut self, read: &Reading, columns: &Columns, row: usize, unit: u32) {
        let time = columns.time[row];
        if read.may_count(time) {
            self.roster.count(unit);
            self.census.note(unit, time, columns.received[row]);
        }
        if time < read.until.0 {
            self.latest = self.latest.max(Timestamp(time));
        } else if read.end.is_none_or(|end| time < end.0) {
            self.beyond.push((time, unit));
        }
        let entry = Entry { unit, mark: self.reading, time, value: columns.value[row] };
        match self.plain.get_mut(columns.name[row] as usize) {
            Some(plain) if plain.wanted => plain.entries.push(entry),
            _ => {}
        }
        if self.order.any {
            self.any.push(Entry { value: f64::NAN, ..entry });
        }
    }

    /// `numbers`: by row the unit's number, `NOBODY` where the row is no event that counts.
    fn take_filtered(&mut self, read: &Reading, columns: &Columns, texts: &[FieldColumn], numbers: &[u32]) {
        for (filtered, look) in self.filtered.iter_mut().zip(&read.looks) {
            let Some(look) = look else { continue };
            let labels = look
                .label
                .map(|field| by_text(&texts[field], |text| text.map_or(NO_TEXT, |text| self.labels.code(text))));
            look.each(&filtered.source, columns, texts, |row, nth, value| {
                if numbers[row] != NOBODY {
                    let label = match (&labels, look.label) {
                        (Some(labels), Some(field)) => labels[texts[field].rows[nth] as usize],
                        _ => self.reading,
                    };
                    filtered.entries.push(Entry { unit: numbers[row], mark: label, time: columns.time[row], value });
                }
            });
        }
    }
}
