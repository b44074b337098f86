//! What was changed: the versions of one item from its history, and all changes from the log. Reads only.

use super::events::{DEFAULT_ROWS, MAX_ROWS, Page, Pagination};
use super::item::{fields_of, of_version};
use super::{Admin, AdminError, Listed, config_change};
use crate::catalog::{Item, ItemKind};
use crate::event::{Sequence, Source};
use crate::store::EventFilter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One change of the catalog.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// Where it stands in the log; `before` takes it.
    pub sequence: u64,
    /// The change's own ID.
    pub id: String,
    /// When, in milliseconds since 1970, as a string.
    pub timestamp: String,
    /// What sort of item: `gate`, `experiment`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The item's ID.
    pub name: String,
    /// What became of it: `gate_created`, `gate_updated`, `gate_removed`.
    pub action_type: String,
    /// The same in words, with the fields that changed.
    pub change_log: String,
    /// Who did it.
    pub updated_by: String,
    /// The item's version from then on; 0 if it was removed.
    pub version: u64,
    /// Each top-level field that changed: `{"from": ..., "to": ...}`. Secrets are hidden, long values told by their size.
    pub changes: Map<String, Value>,
}

/// What a removal leaves in the history.
#[derive(Deserialize)]
struct Removal {
    author: String,
    time: crate::catalog::Instant,
}

/// The part of the event that is asked for here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    action: String,
    author: String,
    version: u64,
    description: String,
    changes: Map<String, Value>,
}

impl Admin {
    /// The versions of an item that is there, newest first.
    pub fn versions(&self, kind: ItemKind, id_or_name: &str, from: usize, limit: usize) -> Result<Listed, AdminError> {
        let state = self.state();
        let id = match state.catalog.find(kind, id_or_name) {
            Some(item) => &item.id,
            // What has gone back to its default has a history all the same.
            None if state.catalog.unset(kind, id_or_name).is_some() => id_or_name,
            None => return Err(AdminError::not_found(kind.as_str(), id_or_name)),
        };
        let versions = self.store().snapshot()?.versions(kind.as_str(), id)?;
        let page = versions.iter().rev().skip(from).take(limit);
        let items = page.map(|(version, document)| version_of(*version, document)).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: versions.len() })
    }

    /// All changes of the catalog, newest first.
    pub fn audit_logs(&self, limit: Option<usize>, before: Option<u64>) -> Result<Page<AuditRow>, AdminError> {
        let limit = limit.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&limit) {
            return Err(AdminError::refused("invalid_limit", format!("limit must be from 1 to {MAX_ROWS}")));
        }
        let filter = EventFilter {
            name: Some(config_change::NAME.to_owned()),
            source: Some(Source::Console),
            before: before.map(Sequence),
            ..EventFilter::default()
        };
        let events = self.store().snapshot()?.events(&filter, limit + 1)?;
        let next = if events.len() > limit { events.get(limit - 1).map(|event| event.sequence.0) } else { None };
        let rows = events.into_iter().take(limit).map(|event| {
            let told: Told =
                serde_json::from_str(&event.raw).map_err(|error| AdminError::broken("config change", &error))?;
            let Metadata { kind, name, action, author, version, description, changes } = told.metadata;
            Ok(AuditRow {
                sequence: event.sequence.0,
                id: event.message_id,
                timestamp: event.time.0.to_string(),
                action_type: format!("{kind}_{action}"),
                change_log: if description.is_empty() { format!("{kind} {name} {action}") } else { description },
                kind,
                name,
                updated_by: author,
                version,
                changes,
            })
        });
        let data = rows.collect::<Result<Vec<_>, AdminError>>()?;
        Ok(Page { message: "Audit logs listed.", data, pagination: Pagination { items_per_page: limit, next } })
    }
}

fn version_of(version: u64, document: &[u8]) -> Result<Value, AdminError> {
    let broken = |error: serde_json::Error| AdminError::broken("history", &error);
    let document: Value = serde_json::from_slice(document).map_err(broken)?;
    if document["removed"] == true {
        let Removal { author, time } = serde_json::from_value(document).map_err(broken)?;
        return Ok(json!({
            "version": version, "removed": true, "lastModifierName": author, "lastModifiedTime": time.0.0,
        }));
    }
    let item: Item = serde_json::from_value(document).map_err(broken)?;
    Ok(fields_of(item.kind, &item.id, &item.document, of_version(&item)))
}
