//! Changing the catalog by a project file: checked whole, planned, written in one transaction together with the events that
//! tell of it, and in force when it returns.

use super::config_change::{Became, called};
use super::state::State;
use super::{Admin, AdminError};
use crate::catalog::{self, Catalog, Change, Item, ItemRef, Mistake, ProjectFile};
use crate::event::Timestamp;
use crate::store::{Batch, DocumentChange, Submission};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, PoisonError};

/// How a project file is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only tell what would change.
    pub dry_run: bool,
    /// Set back what was changed elsewhere.
    pub force: bool,
    /// Remove what the file no longer has.
    pub prune: bool,
    pub author: String,
}

/// What applying a project file came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    pub created: Vec<String>,
    pub updated: Vec<String>,
    pub removed: Vec<String>,
    pub unchanged: usize,
    /// What stands otherwise than in the file, and why it was left.
    pub kept: Vec<KeptItem>,
    /// Keys that the file asked for without giving their text. Shown this once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_keys: Vec<super::NewKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptItem {
    pub item: String,
    pub why: String,
}

impl Admin {
    /// Applies a project file. Idempotent; changes nothing if there is any mistake.
    pub fn apply(&self, text: &str, options: &ApplyOptions) -> Result<Applied, AdminError> {
        let file = ProjectFile::parse(text).map_err(invalid)?;
        // A panic while it was held changed nothing: a change is one transaction.
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let how = catalog::ApplyOptions { force: options.force, prune: options.prune };
        let mut plan = state.catalog.plan(&file, how);
        let snapshot = self.store().snapshot()?;
        for Change { item, .. } in &plan.create {
            plan.past.insert(item.clone(), snapshot.last_version(item.kind.as_str(), &item.id)?);
        }
        let now = self.now();
        let after = state.catalog.after(&plan, &options.author, now).map_err(invalid)?;
        let keys = state.keys.plan(file.keys());
        let mut applied = Applied {
            created: plan.create.iter().map(|change| called(&change.item)).collect(),
            updated: plan.update.iter().map(|change| called(&change.item)).collect(),
            removed: plan.remove.iter().map(called).collect(),
            unchanged: plan.unchanged.len() + keys.unchanged,
            kept: plan
                .kept
                .iter()
                .map(|kept| KeptItem { item: called(&kept.item), why: kept.why.to_string() })
                .collect(),
            new_keys: Vec::new(),
        };
        applied.created.extend(keys.create.iter().map(|key| format!("key {}", key.description)));
        applied.updated.extend(keys.update.iter().map(|key| format!("key {}", key.description)));
        self.check_list_room(&state.catalog, &after)?;
        if options.dry_run || (plan.is_empty() && keys.create.is_empty() && keys.update.is_empty()) {
            return Ok(applied);
        }
        let set = plan.create.iter().chain(&plan.update).chain(&plan.adopt).map(|change| &change.item);
        let items = set.chain(&plan.remove);
        let mut documents = documents(&state.catalog, &after, items, &options.author, now);
        let created = plan.create.iter().map(|change| (&change.item, Became::Created));
        let updated = plan.update.iter().map(|change| (&change.item, Became::Updated));
        let removed = plan.remove.iter().map(|item| (item, Became::Removed));
        let told = created.chain(updated).chain(removed);
        for key in keys.update {
            documents.push(super::keys::put(&key));
        }
        for entry in keys.create {
            let (key, text) = entry.into_key(now, &mut |buffer| (self.inner.random)(buffer));
            documents.push(super::keys::put(&key));
            if let Some(text) = text {
                applied.new_keys.push(super::NewKey::of(&key, text));
            }
        }
        let told = self.tell(&state.catalog, &after, told, &options.author, now);
        self.write(documents, told)?;
        Ok(applied)
    }

    /// Writes documents and lets them take effect.
    pub(super) fn write(&self, documents: Vec<DocumentChange>, batch: Batch) -> Result<(), AdminError> {
        self.writer().change(documents, Some(Submission::empty(batch)))?;
        let state = State::load(self.store(), &self.inner.limits, Some(&self.state()))
            .map_err(|error| AdminError::broken("stored catalog", &error))?;
        self.inner.state.store(Arc::new(state));
        self.inner.exports.set_up(self.state().setup(self.store()));
        Ok(())
    }
}

/// How a change from one catalog to the next is written: each of the items as it is then, or as removed.
pub(super) fn documents<'a>(
    before: &Catalog,
    after: &Catalog,
    items: impl IntoIterator<Item = &'a ItemRef>,
    author: &str,
    now: Timestamp,
) -> Vec<DocumentChange> {
    let mut documents: Vec<DocumentChange> =
        after.id_types().iter().map(|it| DocumentChange::AddIdType { name: it.name.clone() }).collect();
    for it in items {
        documents.push(match after.item(it.kind, &it.id) {
            Some(item) => put(item),
            None => remove(it, before, author, now),
        });
    }
    let (settled, unsettled) = after.settled_since(before);
    documents.extend(settled.into_iter().map(put));
    for item in unsettled {
        documents.push(remove(&ItemRef { kind: item.kind, id: item.id.clone() }, before, author, now));
    }
    documents.extend(super::lists::changes(before, after));
    documents.extend(super::destinations::changes(before, after));
    documents
}

fn put(item: &Item) -> DocumentChange {
    DocumentChange::PutItem {
        kind: item.kind.as_str().to_owned(),
        id: item.id.clone(),
        version: item.version,
        document: serde_json::to_vec(item).expect("an item always serialises"),
    }
}

fn remove(gone: &ItemRef, before: &Catalog, author: &str, now: Timestamp) -> DocumentChange {
    let document = serde_json::json!({ "removed": true, "author": author, "time": now.to_string() });
    DocumentChange::RemoveItem {
        kind: gone.kind.as_str().to_owned(),
        id: gone.id.clone(),
        version: before.item(gone.kind, &gone.id).map_or(0, |item| item.version) + 1,
        document: document.to_string().into_bytes(),
    }
}

fn invalid(mistakes: Vec<Mistake>) -> AdminError {
    let message = match mistakes.len() {
        1 => "the project file has a mistake; nothing was changed".to_owned(),
        many => format!("the project file has {many} mistakes; nothing was changed"),
    };
    AdminError { status: 400, code: "invalid_project", message, mistakes }
}
