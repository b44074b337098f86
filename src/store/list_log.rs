//! ID lists on disk: each change of a list is one more line in an append-only table, and who is in a list stands beside it by
//! hash and ID. Writes within the appender's transaction; what readers see changes only after the commit (`lists`).
//!
//! A line costs one look-up and two insertions, whatever the list holds. The lines of a list that has ended are removed a few
//! with each commit.

use super::change::{CommitError, ListChange};
use super::fingerprint::Keys;
use super::lists::{Line, List, ListLimits, Step, key_of};
use super::tables::*;
use crate::evaluate::ListId;
use crate::event::{Source, Timestamp};
use hashbrown::{HashMap, HashSet};
use redb::{ReadableTable, WriteTransaction};

/// Rows of ended lists that one commit removes.
const REMOVED_A_COMMIT: usize = 2000;

/// A list's row in `LIST_FILES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileRow {
    /// Of the list, never used again.
    pub number: u64,
    /// The line at which its present file began.
    pub from: u64,
    pub created: Timestamp,
    /// The list is over. The row stays, so that a list of this name that begins later has a later time.
    pub ended: bool,
}

impl FileRow {
    fn stored(self) -> (u64, u64, i64, bool) {
        (self.number, self.from, self.created.0, self.ended)
    }

    pub fn of((number, from, created, ended): (u64, u64, i64, bool)) -> FileRow {
        FileRow { number, from, created: Timestamp(created), ended }
    }
}

/// Unlike any other file's, and nobody's to guess without the store's hash key.
pub(super) fn file_id(store_id: &str, keys: &Keys, row: FileRow) -> String {
    let name = format!("list file {store_id} {} {}", row.number, row.from);
    format!("{:032x}", keys.message(Source::Console, &name))
}

/// Where a list's log stands.
#[derive(Debug)]
pub(super) struct End {
    pub row: FileRow,
    /// The place of the next line.
    pub next: u64,
    pub members: u64,
    /// Lines of the present file.
    pub file_lines: u64,
}

/// The lists as the appender knows them.
#[derive(Debug)]
pub(super) struct ListLog {
    pub lists: HashMap<String, End>,
    pub limits: ListLimits,
    pub next_number: u64,
    pub members: u64,
    /// Numbers of lists that are over and still have rows.
    pub ended: Vec<u64>,
}

/// Puts an ID into a list, or takes it out of it.
pub(super) struct Membership<'a> {
    pub list: &'a str,
    pub id: &'a str,
    pub is_member: bool,
}

impl ListLog {
    pub fn members(&self) -> u64 {
        self.members
    }

    /// Begins, ends or changes a list. Answers how many IDs found no room.
    pub fn apply(
        &mut self,
        change: ListChange,
        store: (&str, &Keys),
        transaction: &WriteTransaction,
        now: Timestamp,
        steps: &mut Vec<Step>,
    ) -> Result<u64, CommitError> {
        match change {
            ListChange::Begin { list } => self.begin(list, store, transaction, now, steps).map(|()| 0),
            ListChange::End { list } => self.end(list, transaction, steps).map(|()| 0),
            ListChange::Members { list, add, remove } => {
                let gone = remove.iter().map(|id| Membership { list: &list, id, is_member: false });
                let new = add.iter().map(|id| Membership { list: &list, id, is_member: true });
                self.put(gone.chain(new), transaction, steps)
            }
        }
    }

    fn begin(
        &mut self,
        list: String,
        (store_id, keys): (&str, &Keys),
        transaction: &WriteTransaction,
        now: Timestamp,
        steps: &mut Vec<Step>,
    ) -> Result<(), CommitError> {
        if self.lists.contains_key(&list) {
            return Ok(());
        }
        let mut files = transaction.open_table(LIST_FILES)?;
        let earlier = files.get(list.as_str())?.map(|row| FileRow::of(row.value()).created.0);
        let created = Timestamp(earlier.map_or(now.0, |earlier| now.0.max(earlier + 1)));
        let row = FileRow { number: self.next_number, from: 0, created, ended: false };
        files.insert(list.as_str(), row.stored())?;
        self.next_number += 1;
        steps.push(Step::Begin(List::new(&list, file_id(store_id, keys, row), created)));
        self.lists.insert(list, End { row, next: 0, members: 0, file_lines: 0 });
        Ok(())
    }

    fn end(&mut self, list: String, transaction: &WriteTransaction, steps: &mut Vec<Step>) -> Result<(), CommitError> {
        let Some(end) = self.lists.remove(&list) else { return Ok(()) };
        let row = FileRow { ended: true, ..end.row };
        transaction.open_table(LIST_FILES)?.insert(list.as_str(), row.stored())?;
        self.members -= end.members;
        self.ended.push(end.row.number);
        steps.push(Step::End { list });
        Ok(())
    }

    /// Puts IDs into lists and takes them out, in order. A member is not put in twice; who is none is not taken out; a list
    /// that is not there is passed over. Answers how many found no room.
    pub fn put<'a>(
        &mut self,
        memberships: impl IntoIterator<Item = Membership<'a>>,
        transaction: &WriteTransaction,
        steps: &mut Vec<Step>,
    ) -> Result<u64, CommitError> {
        let mut refused = 0;
        let mut members = transaction.open_table(LIST_MEMBERS)?;
        let mut lines = transaction.open_table(LISTS)?;
        let mut row = Vec::new();
        for Membership { list, id, is_member } in memberships {
            let Some(end) = self.lists.get_mut(list) else { continue };
            let number = end.row.number;
            let hash = ListId::of(id);
            let key = (number, key_of(hash), id);
            if members.get(key)?.is_some() == is_member {
                continue;
            }
            let mut append = |id: &str, is_member: bool| -> Result<Line, CommitError> {
                row.clear();
                row.push(if is_member { b'+' } else { b'-' });
                row.extend_from_slice(id.as_bytes());
                lines.insert((number, end.next), row.as_slice())?;
                end.next += 1;
                end.file_lines += 1;
                Ok(Line { hash, is_member })
            };
            let mut new = vec![];
            if is_member {
                if end.members >= self.limits.members || self.members >= self.limits.members_in_all {
                    refused += 1;
                    continue;
                }
                members.insert(key, ())?;
                new.push(append(id, true)?);
                end.members += 1;
                self.members += 1;
            } else {
                members.remove(key)?;
                new.push(append(id, false)?);
                end.members -= 1;
                self.members -= 1;
                // Another ID of the same hash would leave with it where only hashes are known.
                let alike = members.range((number, key_of(hash), "")..)?.next().transpose()?;
                if let Some((key, _)) = alike {
                    let (list, alike, id) = key.value();
                    if (list, alike) == (number, key_of(hash)) {
                        new.push(append(id, true)?);
                    }
                }
            }
            match steps.last_mut() {
                Some(Step::Lines { list: last, lines, count }) if last == list => {
                    lines.append(&mut new);
                    *count = end.members;
                }
                _ => steps.push(Step::Lines { list: list.to_owned(), lines: new, count: end.members }),
            }
        }
        Ok(refused)
    }

    /// Begins the files anew that have grown too long, and removes some of what is left of ended lists.
    pub fn tidy(
        &mut self,
        (store_id, keys): (&str, &Keys),
        transaction: &WriteTransaction,
        now: Timestamp,
        steps: &mut Vec<Step>,
    ) -> Result<(), CommitError> {
        let touched: HashSet<String> = steps
            .iter()
            .filter_map(|step| if let Step::Lines { list, .. } = step { Some(list.clone()) } else { None })
            .collect();
        for list in touched {
            let Some(end) = self.lists.get_mut(&list) else { continue };
            if end.file_lines <= self.limits.lines_a_member * end.members + self.limits.spare_lines {
                continue;
            }
            let created = Timestamp(now.0.max(end.row.created.0 + 1));
            end.row = FileRow { from: end.next, created, ..end.row };
            end.file_lines = end.members;
            transaction.open_table(LIST_FILES)?.insert(list.as_str(), end.row.stored())?;
            steps.push(Step::BeginAnew { list, file_id: file_id(store_id, keys, end.row), created });
        }
        if let Some(&number) = self.ended.last()
            && remove_some(number, transaction)?
        {
            self.ended.pop();
        }
        Ok(())
    }
}

/// Removes some rows of a list; `true` when none are left.
fn remove_some(number: u64, transaction: &WriteTransaction) -> Result<bool, CommitError> {
    let mut lines = transaction.open_table(LISTS)?;
    let mut members = transaction.open_table(LIST_MEMBERS)?;
    let mut places = Vec::new();
    for entry in lines.range((number, 0)..(number + 1, 0))?.take(REMOVED_A_COMMIT) {
        places.push(entry?.0.value().1);
    }
    let mut ids = Vec::new();
    for entry in members.range((number, 0, "")..(number + 1, 0, ""))?.take(REMOVED_A_COMMIT - places.len()) {
        let (key, _) = entry?;
        let (_, hash, id) = key.value();
        ids.push((hash, id.to_owned()));
    }
    for &place in &places {
        lines.remove((number, place))?;
    }
    for (hash, id) in &ids {
        members.remove((number, *hash, id.as_str()))?;
    }
    Ok(places.len() + ids.len() < REMOVED_A_COMMIT)
}
