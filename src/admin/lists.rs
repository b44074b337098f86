//! ID lists: which there are, who is in them, and changing them. A list is what a segment of type `id_list` is about: it begins
//! and ends with the segment, and takes over what changes in the segment's own `ids`; IDs that came otherwise stay. To change a
//! list is not to change the catalog: it makes no version and no event.

use super::{Admin, AdminError};
use crate::catalog::{Catalog, Segment, SegmentType};
use crate::ingest;
use crate::store::{DocumentChange, ListChange, ListLimits, Lists, Store};
use crate::writer::Handle;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

/// IDs that one call may add or remove, as in Statsig's Console API; more would hold up the writer.
pub const IDS_PER_CALL: usize = 100_000;

/// Where SDKs find a list's file, in the shape that they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdListFile {
    pub name: String,
    /// Bytes of the file; SDKs ask for what is behind those that they have.
    pub size: usize,
    pub url: String,
    #[serde(rename = "fileID")]
    pub file_id: String,
    /// In ms. SDKs take a file with another ID only if it is not older.
    pub creation_time: i64,
}

/// How an ID list is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListEdit {
    Add,
    Remove,
}

/// Who is in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedIds {
    pub name: String,
    pub count: u64,
    /// Not where the list was just changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
}

impl Admin {
    /// Every ID list by its name, with its file's address below `base` (`https://host`).
    pub fn id_lists(&self, base: &str) -> BTreeMap<String, IdListFile> {
        let lists = self.store().lists().all();
        let files = lists.iter().map(|list| IdListFile {
            name: list.id().to_owned(),
            size: list.size(),
            url: format!("{base}/v1/id_lists/{}", list.file_id()),
            file_id: list.file_id().to_owned(),
            creation_time: list.created().0,
        });
        files.map(|file| (file.name.clone(), file)).collect()
    }

    /// A page of the IDs in a list, in an order that stays while the list does.
    pub fn id_list(&self, segment: &str, first: usize, limit: usize) -> Result<ListedIds, AdminError> {
        let list = self.id_list_segment(segment)?;
        let ids = self.store().snapshot()?.list_members(&list.id, first, limit)?.unwrap_or_default();
        Ok(ListedIds { count: self.count(&list), name: list.name, ids: Some(ids) })
    }

    /// Adds IDs to a list or removes them: all of them, or none where there is no room for all.
    pub fn edit_id_list(&self, segment: &str, edit: ListEdit, text: &str) -> Result<ListedIds, AdminError> {
        let ids = read_ids(text, &self.inner.limits)?;
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.id_list_segment(segment)?;
        let change = match edit {
            ListEdit::Add => {
                check_room(self.store().lists(), [(list.id.as_str(), ids.as_slice())])?;
                ListChange::Members { list: list.id.clone(), add: ids, remove: Vec::new() }
            }
            ListEdit::Remove => ListChange::Members { list: list.id.clone(), add: Vec::new(), remove: ids },
        };
        self.writer().change(vec![DocumentChange::List(change)], None)?;
        Ok(ListedIds { count: self.count(&list), name: list.name, ids: None })
    }

    /// Refuses a change of the catalog whose segments have more IDs than there is room for.
    pub(super) fn check_list_room(&self, before: &Catalog, after: &Catalog) -> Result<(), AdminError> {
        let added = changes(before, after).into_iter().filter_map(|change| match change {
            DocumentChange::List(ListChange::Members { list, add, .. }) => Some((list, add)),
            _ => None,
        });
        let added: Vec<(String, Vec<String>)> = added.collect();
        check_room(self.store().lists(), added.iter().map(|(list, ids)| (list.as_str(), ids.as_slice())))
    }

    fn count(&self, list: &Named) -> u64 {
        self.store().lists().get(&list.id).map_or(0, |list| list.count())
    }

    fn id_list_segment(&self, name: &str) -> Result<Named, AdminError> {
        match self.state().catalog.segment(name) {
            None => Err(AdminError::not_found("segment", name)),
            Some(segment) if segment.kind != SegmentType::IdList => {
                let message = "this segment is made of rules and has no list of IDs; name one of type id_list";
                Err(AdminError::refused("not_an_id_list", message))
            }
            Some(segment) => Ok(Named { id: segment.id.clone(), name: segment.name.clone() }),
        }
    }
}

/// A segment without its IDs, which may be many.
struct Named {
    id: String,
    name: String,
}

/// Counts what would be new by what SDKs know of it; that two IDs share a hash is too rare to matter to a limit.
fn check_room<'a>(lists: &Lists, added: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Result<(), AdminError> {
    let ListLimits { members, members_in_all, .. } = *lists.limits();
    let refused = |code, message: String| AdminError { status: 413, code, message, mistakes: Vec::new() };
    let mut all = lists.count();
    for (id, ids) in added {
        let list = lists.get(id);
        let is_new = |id: &&String| list.as_ref().is_none_or(|list| !list.contains(id));
        let new = ids.iter().filter(is_new).collect::<HashSet<_>>().len() as u64;
        let had = list.as_ref().map_or(0, |list| list.count());
        if had + new > members {
            let message = format!("the list {id:?} has {had} IDs and would have {new} more; it can have {members}");
            return Err(refused("list_full", message));
        }
        all += new;
    }
    if all > members_in_all {
        let message = format!("all ID lists together would have {all} IDs; they can have {members_in_all}");
        return Err(refused("lists_full", message));
    }
    Ok(())
}

/// `["a", "b"]`, `{"ids": ["a", "b"]}`, or an ID a line.
fn read_ids(text: &str, limits: &ingest::Limits) -> Result<Vec<String>, AdminError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(i64),
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        ids: Vec<Id>,
    }
    let wrong = |error: serde_json::Error| {
        let shape = r#"send {"ids": ["...", ...]}, a JSON array of strings, or an ID a line"#;
        AdminError::refused("invalid_ids", format!("{error}; {shape}"))
    };
    let read = match text.trim_start().as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Wrapped>(text).map_err(wrong)?.ids,
        Some(b'[') => serde_json::from_str(text).map_err(wrong)?,
        _ => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| Id::Text(line.into())).collect(),
    };
    if read.len() > IDS_PER_CALL {
        let message = format!("there are {} IDs, over {IDS_PER_CALL}; send them in several calls", read.len());
        return Err(AdminError { status: 413, code: "too_many_ids", message, mistakes: Vec::new() });
    }
    if read.is_empty() {
        return Err(AdminError::refused("invalid_ids", "there is no ID in it; send at least one"));
    }
    let ids = read.into_iter().map(|id| match id {
        Id::Text(id) => id,
        Id::Number(id) => id.to_string(),
    });
    ids.enumerate()
        .map(|(index, id)| {
            if id.is_empty() {
                return Err(AdminError::refused("invalid_ids", format!("ID {index} is empty; leave it out")));
            }
            if id.len() > limits.id_chars && id.chars().count() > limits.id_chars {
                let message = format!("ID {index} is over {} characters; shorten it", limits.id_chars);
                return Err(AdminError::refused("id_too_long", message));
            }
            Ok(id)
        })
        .collect()
}

/// What a change of the catalog does to ID lists. A segment whose ID type changes gets a new list: the IDs of the old one are
/// other units.
pub(super) fn changes(before: &Catalog, after: &Catalog) -> Vec<DocumentChange> {
    let mut changes = Vec::new();
    for old in before.segments().iter().filter(|segment| segment.kind == SegmentType::IdList) {
        if list_of(after, &old.id).is_none_or(|new| new.id_type != old.id_type) {
            changes.push(ListChange::End { list: old.id.clone() });
        }
    }
    for new in after.segments().iter().filter(|segment| segment.kind == SegmentType::IdList) {
        match list_of(before, &new.id).filter(|old| old.id_type == new.id_type) {
            Some(old) if old.ids == new.ids => {}
            Some(old) => changes.push(ListChange::Members {
                list: new.id.clone(),
                add: missing(&new.ids, &old.ids),
                remove: missing(&old.ids, &new.ids),
            }),
            None => {
                changes.push(ListChange::Begin { list: new.id.clone() });
                changes.push(ListChange::Members { list: new.id.clone(), add: new.ids.clone(), remove: Vec::new() });
            }
        }
    }
    changes.into_iter().map(DocumentChange::List).collect()
}

fn list_of<'c>(catalog: &'c Catalog, id: &str) -> Option<&'c Segment> {
    catalog.segment(id).filter(|segment| segment.id == id && segment.kind == SegmentType::IdList)
}

/// Those of `ids` that `others` lacks.
fn missing(ids: &[String], others: &[String]) -> Vec<String> {
    let others: HashSet<&str> = others.iter().map(String::as_str).collect();
    ids.iter().filter(|id| !others.contains(id.as_str())).cloned().collect()
}

/// Gives every segment its list in a store that was written before there were ID lists, and ends lists without a segment.
pub(super) fn complete(catalog: &Catalog, store: &Store, writer: &Handle) {
    let known = store.lists();
    let mut changes = Vec::new();
    for segment in catalog.segments().iter().filter(|segment| segment.kind == SegmentType::IdList) {
        if known.get(&segment.id).is_none() {
            changes.push(ListChange::Begin { list: segment.id.clone() });
            let (list, add) = (segment.id.clone(), segment.ids.clone());
            changes.push(ListChange::Members { list, add, remove: Vec::new() });
        }
    }
    for list in known.all() {
        if list_of(catalog, list.id()).is_none() {
            changes.push(ListChange::End { list: list.id().to_owned() });
        }
    }
    if changes.is_empty() {
        return;
    }
    let changes = changes.into_iter().map(DocumentChange::List).collect();
    if let Err(error) = writer.change(changes, None) {
        // The lists are empty until the next start; everything else works.
        tracing::error!(%error, "ID lists could not be brought in line with the segments");
    }
}

#[cfg(test)]
pub(super) mod tests;
