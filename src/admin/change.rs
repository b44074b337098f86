//! Changing the catalog by a project file: checked whole, planned, written in one transaction together with the events that
//! tell of it, and in force when it returns.

use super::state::State;
use super::{Admin, AdminError};
use crate::catalog::{self, Catalog, Item, ItemRef, Mistake, Plan, ProjectFile};
use crate::event::{Event, Kind, PRODUCTION, Source, Timestamp};
use crate::store::{Batch, DocumentChange, Submission};
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptItem {
    pub item: String,
    pub why: String,
}

fn called(item: &ItemRef) -> String {
    format!("{} {}", item.kind, item.id)
}

impl Admin {
    /// Applies a project file. Idempotent; changes nothing if there is any mistake.
    pub fn apply(&self, text: &str, options: &ApplyOptions) -> Result<Applied, AdminError> {
        let file = ProjectFile::parse(text).map_err(invalid)?;
        // A panic while it was held changed nothing: a change is one transaction.
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let how = catalog::ApplyOptions { force: options.force, prune: options.prune };
        let plan = state.catalog.plan(&file, how);
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
        let mut documents = documents(&state.catalog, &plan, &after, &options.author, now);
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
        let batch = self.tell(&plan, &after, &options.author, now);
        self.write(documents, batch)?;
        Ok(applied)
    }

    /// Writes documents and lets them take effect.
    pub(super) fn write(&self, documents: Vec<DocumentChange>, batch: Batch) -> Result<(), AdminError> {
        self.writer().change(documents, Some(Submission::empty(batch)))?;
        let state = State::load(self.store(), &self.inner.limits, Some(&self.state()))
            .map_err(|error| AdminError::broken("stored catalog", &error))?;
        self.inner.state.store(Arc::new(state));
        Ok(())
    }

    /// The events that tell of a change.
    fn tell(&self, plan: &Plan, after: &Catalog, author: &str, now: Timestamp) -> Batch {
        let mut batch = self.store().new_batch();
        let changed = |item: &ItemRef| after.item(item.kind, &item.id).map_or(0, |item| item.version);
        let rows = (plan.create.iter().map(|change| (&change.item, "created", changed(&change.item))))
            .chain(plan.update.iter().map(|change| (&change.item, "updated", changed(&change.item))))
            .chain(plan.remove.iter().map(|item| (item, "removed", 0)));
        let change = self.random_u128();
        for (index, (item, action, version)) in rows.enumerate() {
            // Only names and versions: a document may hold secrets, and the history has it.
            let raw = serde_json::json!({
                "eventName": "statsig::config_change",
                "time": now.0,
                "user": { "name": author },
                "metadata": {
                    "type": item.kind.as_str(),
                    "name": item.id,
                    "action": action,
                    "author": author,
                    "version": version,
                },
            });
            batch.push(&Event {
                source: Source::Console,
                kind: Kind::ConfigChange,
                name: "statsig::config_change".into(),
                message_id: format!("change-{change:032x}-{index}").into(),
                time: now,
                received: now,
                environment: PRODUCTION.into(),
                units: Vec::new(),
                value: None,
                subject: None,
                raw: raw.to_string().into(),
                shared: None,
            });
        }
        batch
    }
}

fn documents(before: &Catalog, plan: &Plan, after: &Catalog, author: &str, now: Timestamp) -> Vec<DocumentChange> {
    let mut documents: Vec<DocumentChange> =
        after.id_types().iter().map(|it| DocumentChange::AddIdType { name: it.name.clone() }).collect();
    for change in plan.create.iter().chain(&plan.update).chain(&plan.adopt) {
        documents.extend(after.item(change.item.kind, &change.item.id).map(put));
    }
    documents.extend(plan.remove.iter().map(|gone| remove(gone, before, author, now)));
    let (settled, unsettled) = after.settled_since(before);
    documents.extend(settled.into_iter().map(put));
    for item in unsettled {
        documents.push(remove(&ItemRef { kind: item.kind, id: item.id.clone() }, before, author, now));
    }
    documents.extend(super::lists::changes(before, after));
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
