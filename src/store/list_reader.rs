//! Reads ID lists from disk: back into memory when the store opens, for those who ask who is in one, and for the check. Changes
//! nothing.

use super::block::Damage;
use super::check::CheckReport;
use super::fingerprint::Keys;
use super::list_log::{End, FileRow, ListLog, file_id};
use super::lists::{LINE_BYTES, Line, List, ListLimits, Lists, key_of};
use super::open::OpenError;
use super::snapshot::{ReadError, Snapshot};
use super::tables::*;
use crate::evaluate::ListId;
use hashbrown::{HashMap, HashSet};
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use std::collections::BTreeSet;

fn files(transaction: &ReadTransaction) -> Result<Vec<(String, FileRow)>, ReadError> {
    let mut found = Vec::new();
    for entry in transaction.open_table(LIST_FILES)?.iter()? {
        let (list, row) = entry?;
        found.push((list.value().to_owned(), FileRow::of(row.value())));
    }
    Ok(found)
}

/// Hands out the lines of a list in order: the ID and whether it is a member from there on. Answers how many there are.
fn replay(transaction: &ReadTransaction, number: u64, each: &mut dyn FnMut(u64, &str, bool)) -> Result<u64, ReadError> {
    let damage = |why: String| Damage { what: "ID list", first: number, why };
    let mut next = 0;
    for entry in transaction.open_table(LISTS)?.range((number, 0)..(number + 1, 0))? {
        let (key, line) = entry?;
        let (place, line) = (key.value().1, line.value());
        if place != next {
            return Err(damage(format!("lines {next} to {place} are missing")).into());
        }
        let is_member = match line.first() {
            Some(b'+') => true,
            Some(b'-') => false,
            _ => return Err(damage(format!("line {place} neither adds nor removes")).into()),
        };
        let id = std::str::from_utf8(&line[1..]).map_err(|_| damage(format!("line {place} is not UTF-8")))?;
        each(place, id, is_member);
        next += 1;
    }
    Ok(next)
}

/// Brings the lists back into memory.
pub(super) fn read(
    db: &Database,
    store_id: &str,
    keys: &Keys,
    limits: ListLimits,
) -> Result<(ListLog, Lists), OpenError> {
    let transaction = db.begin_read()?;
    let files = files(&transaction)?;
    let next_number = files.iter().map(|(_, row)| row.number + 1).max().unwrap_or(0);
    let mut log = ListLog { lists: HashMap::new(), limits, next_number, members: 0, ended: Vec::new() };
    let mut lists = Vec::new();
    let (all_lines, all_members) = (transaction.open_table(LISTS)?, transaction.open_table(LIST_MEMBERS)?);
    let live: HashSet<u64> = files.iter().filter(|(_, row)| !row.ended).map(|(_, row)| row.number).collect();
    for number in (0..next_number).filter(|number| !live.contains(number)) {
        let lines = all_lines.range((number, 0)..(number + 1, 0))?.next().is_some();
        if lines || all_members.range((number, 0, "")..(number + 1, 0, ""))?.next().is_some() {
            log.ended.push(number);
        }
    }
    for (id, row) in files.into_iter().filter(|(_, row)| !row.ended) {
        let mut list = List::new(&id, file_id(store_id, keys, row), row.created);
        let mut begins_anew = row.from > 0;
        let mut lines = Vec::new();
        let next = replay(&transaction, row.number, &mut |place, id, is_member| {
            if begins_anew && place == row.from {
                list.take(&lines, 0);
                list = list.begun_anew(list.file_id().to_owned(), row.created);
                lines.clear();
                begins_anew = false;
            }
            lines.push(Line { hash: ListId::of(id), is_member });
        })?;
        list.take(&lines, 0);
        if begins_anew {
            list = list.begun_anew(list.file_id().to_owned(), row.created);
        }
        // Not the sum of the lines: one is written again where two IDs share a hash.
        let members = count(&all_members, row.number)?;
        list.take(&[], members);
        log.members += members;
        let file_lines = (list.size() / LINE_BYTES) as u64;
        log.lists.insert(id, End { row, next, members, file_lines });
        lists.push(list);
    }
    Ok((log, Lists::new(lists, limits)))
}

fn count(members: &redb::ReadOnlyTable<(u64, u64, &str), ()>, number: u64) -> Result<u64, OpenError> {
    let mut count = 0;
    for entry in members.range((number, 0, "")..(number + 1, 0, ""))? {
        entry?;
        count += 1;
    }
    Ok(count)
}

impl Snapshot {
    /// IDs in a list, in the order of their hashes, from the `skip`th on; `None` for a list that is not there.
    pub fn list_members(&self, list: &str, skip: usize, limit: usize) -> Result<Option<Vec<String>>, ReadError> {
        let row = self.reading().open_table(LIST_FILES)?.get(list)?.map(|row| FileRow::of(row.value()));
        let Some(row) = row.filter(|row| !row.ended) else { return Ok(None) };
        let members = self.reading().open_table(LIST_MEMBERS)?;
        let range = members.range((row.number, 0, "")..(row.number + 1, 0, ""))?;
        range.skip(skip).take(limit).map(|entry| Ok(entry?.0.value().2.to_owned())).collect::<Result<_, _>>().map(Some)
    }

    /// Compares who is in each list with its lines.
    pub(super) fn check_lists(&self, report: &mut CheckReport) -> Result<(), ReadError> {
        let mut numbers = HashSet::new();
        for (list, row) in files(self.reading())? {
            if !numbers.insert(row.number) {
                report.problems.push(format!("ID list {list:?}: another list has its number"));
            }
            if row.ended {
                continue;
            }
            let mut expected = BTreeSet::new();
            let mut idle = Vec::new();
            let mut before = None;
            let replayed = replay(self.reading(), row.number, &mut |place, id, is_member| {
                let key = (key_of(ListId::of(id)), id.to_owned());
                // A member's line is written again only behind one that took out another ID of the same hash.
                let again = is_member && before == Some((key.0, false));
                before = Some((key.0, is_member));
                if !(if is_member { expected.insert(key) } else { expected.remove(&key) } || again) {
                    idle.push(format!("ID list {list:?}: line {place} about {id:?} changes nothing"));
                }
            });
            match replayed {
                Ok(lines) if lines < row.from => {
                    report.problems.push(format!("ID list {list:?}: its file begins after its last line"));
                }
                Ok(_) => {}
                Err(error) => {
                    report.problems.push(error.to_string());
                    continue;
                }
            }
            report.problems.append(&mut idle);
            let members = self.reading().open_table(LIST_MEMBERS)?;
            let mut stored = BTreeSet::new();
            for entry in members.range((row.number, 0, "")..(row.number + 1, 0, ""))? {
                let (key, _) = entry?;
                let (_, hash, id) = key.value();
                stored.insert((hash, id.to_owned()));
            }
            report.members += stored.len() as u64;
            if stored != expected {
                let (stored, expected) = (stored.len(), expected.len());
                report
                    .problems
                    .push(format!("ID list {list:?}: its {stored} members are not the {expected} of its lines"));
            }
        }
        Ok(())
    }
}
