//! What applying a project file would change, worked out before anything is changed. Does not change anything itself.

use super::Catalog;
use super::digest::Digest;
use super::item::{Item, ItemRef};
use super::mistake::Mistake;
use super::project_file::ProjectFile;
use crate::event::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// How a project file is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyOptions {
    /// Whether what was changed elsewhere since the last apply gives way to the file.
    pub force: bool,
    /// Whether what is not in the file is removed.
    pub prune: bool,
}

/// An item and the document that it will have.
#[derive(Clone, PartialEq, Serialize)]
pub struct Change {
    #[serde(flatten)]
    pub item: ItemRef,
    /// May hold secrets, so it is left out wherever a plan is shown.
    #[serde(skip)]
    pub document: Value,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.item.kind, self.item.id)
    }
}

/// An item that stays as it is although the file says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    #[serde(flatten)]
    pub item: ItemRef,
    pub why: WhyKept,
}

/// Why an item stays as it is although the file says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyKept {
    /// It was changed elsewhere since a file last set it.
    ChangedElsewhere,
    /// It was made elsewhere, and the file has one of the same ID that differs.
    MadeElsewhere,
    /// It is not in the file, and nothing is removed unless asked for.
    NotInFile,
    /// It is not in the file, but was made or changed elsewhere since a file last set it.
    NotInFileChangedElsewhere,
}

impl fmt::Display for WhyKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyKept::ChangedElsewhere => "was changed elsewhere since the last apply; --force sets it back to the file",
            WhyKept::MadeElsewhere => "was made elsewhere and differs from the file; --force sets it to the file",
            WhyKept::NotInFile => "is not in the file; --prune removes it",
            WhyKept::NotInFileChangedElsewhere => {
                "is not in the file, but was made or changed elsewhere; --prune with --force removes it"
            }
        })
    }
}

impl Serialize for WhyKept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What applying a project file changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Plan {
    pub create: Vec<Change>,
    pub update: Vec<Change>,
    /// Items that are as the file says, but that no file has set yet in this form. Applying only notes that this one
    /// has.
    #[serde(skip)]
    pub adopt: Vec<Change>,
    pub remove: Vec<ItemRef>,
    pub unchanged: Vec<ItemRef>,
    pub kept: Vec<Kept>,
    /// The last version of an item of the same ID that was there before and removed: versions go on from it, so that
    /// no history is written over. Filled in by whoever knows the history.
    #[serde(skip)]
    pub past: BTreeMap<ItemRef, u64>,
}

impl Plan {
    /// Whether applying it changes nothing at all.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.adopt.is_empty() && self.remove.is_empty()
    }
}

impl Catalog {
    /// What applying this file would change.
    pub fn plan(&self, file: &ProjectFile, options: ApplyOptions) -> Plan {
        let mut plan = Plan::default();
        for (item_ref, document) in file.documents() {
            let change = || Change { item: item_ref.clone(), document: document.clone() };
            let Some(item) = self.items.get(item_ref) else {
                plan.create.push(change());
                continue;
            };
            let (there, wanted) = (Digest::of_document(&item.document), Digest::of_document(document));
            if there == wanted {
                plan.unchanged.push(item_ref.clone());
                if item.applied != Some(wanted) {
                    plan.adopt.push(change());
                }
            } else if options.force || item.applied == Some(there) {
                plan.update.push(change());
            } else {
                let why = if item.applied.is_some() { WhyKept::ChangedElsewhere } else { WhyKept::MadeElsewhere };
                plan.kept.push(Kept { item: item_ref.clone(), why });
            }
        }
        let not_in_file = |item_ref: &ItemRef| !item_ref.kind.is_internal() && !file.documents().contains_key(item_ref);
        for (item_ref, item) in self.items.iter().filter(|(item_ref, _)| not_in_file(item_ref)) {
            let as_applied = item.applied == Some(Digest::of_document(&item.document));
            if options.prune && (as_applied || options.force) {
                plan.remove.push(item_ref.clone());
            } else {
                let why = if as_applied { WhyKept::NotInFile } else { WhyKept::NotInFileChangedElsewhere };
                plan.kept.push(Kept { item: item_ref.clone(), why });
            }
        }
        plan
    }

    /// The catalog after a plan of its own, or the mistakes that what was kept and what is new make together. To be
    /// asked before the plan is written.
    pub fn after(&self, plan: &Plan, author: &str, time: Timestamp) -> Result<Catalog, Vec<Mistake>> {
        let mut items = self.items.clone();
        plan.remove.iter().for_each(|item_ref| drop(items.remove(item_ref)));
        for change in plan.create.iter().chain(&plan.update) {
            let past = plan.past.get(&change.item).copied().unwrap_or_default();
            let version = items.get(&change.item).map_or(past, |item| item.version) + 1;
            let ItemRef { kind, id } = change.item.clone();
            let applied = Some(Digest::of_document(&change.document));
            let (document, author) = (change.document.clone(), author.to_string());
            items.insert(change.item.clone(), Item { kind, id, document, version, author, time, applied });
        }
        for change in &plan.adopt {
            if let Some(item) = items.get_mut(&change.item) {
                item.applied = Some(Digest::of_document(&change.document));
            }
        }
        let changed: Vec<ItemRef> = plan.create.iter().chain(&plan.update).map(|change| change.item.clone()).collect();
        self.changed_to(items, &changed)
    }

    /// The internal items that have to be written with a change from the stored catalog to this one, and those that have
    /// to be removed. What the stored one already had to settle when it was loaded is written too, once.
    pub fn settled_since<'a>(&'a self, before: &'a Catalog) -> (Vec<&'a Item>, Vec<&'a Item>) {
        let settled = self.settled.union(&before.settled);
        let put = settled.filter_map(|item_ref| self.items.get(item_ref)).collect();
        let gone = |item_ref: &ItemRef| item_ref.kind.is_internal() && !self.items.contains_key(item_ref);
        let gone = before.items.iter().filter(|(item_ref, _)| gone(item_ref)).map(|(_, item)| item).collect();
        (put, gone)
    }
}
