//! Listing, making and revoking keys. A secret's text leaves this room once, when it is made.

use super::{Admin, AdminError, read_object};
use crate::catalog::{Key, KeyType, Role};
use crate::store::DocumentChange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;

/// A key as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    pub id: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: KeyType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    pub created: String,
    /// Only of a client key, which is public by nature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A key that was just made, with its text.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewKey {
    #[serde(flatten)]
    pub info: KeyInfo,
}

impl NewKey {
    pub(super) fn of(key: &Key, text: String) -> NewKey {
        NewKey { info: KeyInfo { key: Some(text), ..KeyInfo::of(key) } }
    }
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewKey({})", self.info.id)
    }
}

impl KeyInfo {
    fn of(key: &Key) -> KeyInfo {
        KeyInfo {
            id: key.id.clone(),
            description: key.description.clone(),
            kind: key.kind,
            role: key.role,
            created: key.created.to_string(),
            key: key.client_text.clone(),
        }
    }
}

/// What is asked for when a key is made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    description: String,
    #[serde(rename = "type")]
    kind: KeyType,
    #[serde(default)]
    role: Option<Role>,
}

pub(super) fn put(key: &Key) -> DocumentChange {
    DocumentChange::PutKey { id: key.id.clone(), document: serde_json::to_vec(key).expect("a key always serialises") }
}

impl Admin {
    pub fn keys(&self) -> Vec<KeyInfo> {
        let mut keys: Vec<KeyInfo> = self.state().keys.keys().iter().map(KeyInfo::of).collect();
        keys.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        keys
    }

    /// Makes a key from `{"description", "type", "role"}`.
    pub fn create_key(&self, wanted: &str, author: &str) -> Result<NewKey, AdminError> {
        let wanted: Wanted = read_object(wanted).map_err(|error| {
            let shape = r#"{"description": "...", "type": "SERVER" | "CLIENT" | "CONSOLE", "role": "viewer" | "editor" | "admin"}"#;
            AdminError::refused("invalid_key", format!("{error}; send {shape}"))
        })?;
        if wanted.description.trim().is_empty() {
            return Err(AdminError::refused("invalid_key", "description is empty; say what the key is for"));
        }
        if wanted.role.is_some() && wanted.kind != KeyType::Console {
            return Err(AdminError::refused("invalid_key", "only a key of type CONSOLE has a role; leave it out"));
        }
        self.make_key(&wanted.description, wanted.kind, wanted.role, author)
    }

    /// Makes a key.
    pub fn make_key(
        &self,
        description: &str,
        kind: KeyType,
        role: Option<Role>,
        author: &str,
    ) -> Result<NewKey, AdminError> {
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let role = (kind == KeyType::Console).then(|| role.unwrap_or_default());
        let (key, text) = Key::generate(description, kind, role, self.now(), &mut |buffer| (self.inner.random)(buffer));
        self.write(vec![put(&key)], self.store().new_batch())?;
        tracing::info!(key = key.id, author, "key made");
        Ok(NewKey::of(&key, text))
    }

    pub fn revoke_key(&self, id: &str, author: &str) -> Result<KeyInfo, AdminError> {
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state();
        let Some(key) = state.keys.keys().iter().find(|key| key.id == id) else {
            return Err(AdminError::not_found("key", id));
        };
        self.write(vec![DocumentChange::RemoveKey { id: id.to_owned() }], self.store().new_batch())?;
        tracing::info!(key = id, author, "key revoked");
        Ok(KeyInfo::of(key))
    }
}
