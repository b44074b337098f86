//! One change to one item, asked for outside a project file: what it says now, whether the new document fits, and the
//! catalog that comes of it. Writes nothing; knows no author's right to do it.

use super::Catalog;
use super::check::NAMESPACES;
use super::contents::{Contents, Environments, stored_form};
use super::item::{Item, ItemKind, ItemRef};
use super::mistake::Mistake;
use super::project_file::SCHEMA;
use crate::event::Timestamp;
use serde_json::Value;

/// An item and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    pub item: ItemRef,
    /// The document it will have; `None` removes it.
    pub document: Option<Value>,
    /// The version it will have.
    pub version: u64,
    pub author: String,
    pub time: Timestamp,
}

/// Where a mistake is that concerns a document as a whole.
const WHOLE: &str = "(body)";

impl Catalog {
    /// One item as it is stored, by its ID or name. An item that nobody has set is not stored.
    pub fn find(&self, kind: ItemKind, id_or_name: &str) -> Option<&Item> {
        let id = match kind {
            ItemKind::IdType => self.id_type(id_or_name)?,
            ItemKind::Segment => &self.segment(id_or_name)?.id,
            ItemKind::Gate => &self.gate(id_or_name)?.id,
            ItemKind::DynamicConfig => &self.dynamic_config(id_or_name)?.id,
            ItemKind::Layer => &self.layer(id_or_name)?.id,
            ItemKind::Holdout => &self.holdout(id_or_name)?.id,
            ItemKind::Experiment => &self.experiment(id_or_name)?.id,
            ItemKind::Exploration => &self.exploration(id_or_name)?.id,
            ItemKind::Environments
            | ItemKind::Settings
            | ItemKind::Integration
            | ItemKind::Metric
            | ItemKind::Allocation => id_or_name,
        };
        self.item(kind, id)
    }

    /// What is true of an item that nobody has set: a built-in ID type, the settings, environments and integrations of
    /// a new project.
    pub fn unset(&self, kind: ItemKind, id: &str) -> Option<Value> {
        let all = &self.integrations;
        match (kind, id) {
            (ItemKind::IdType, name) => self.id_types.iter().find(|it| it.name == name).map(stored_form),
            (ItemKind::Environments, _) => Some(stored_form(&Environments(self.environments.clone()))),
            (ItemKind::Settings, _) => Some(stored_form(&self.settings)),
            (ItemKind::Integration, "segment.incoming") => Some(stored_form(&all.segment.incoming)),
            (ItemKind::Integration, "segment.outgoing") => Some(stored_form(&all.segment.outgoing)),
            (ItemKind::Integration, "rudderstack.incoming") => Some(stored_form(&all.rudderstack.incoming)),
            (ItemKind::Integration, "webhook.incoming") => Some(stored_form(&all.webhook.incoming)),
            (ItemKind::Integration, "webhook.outgoing") => Some(stored_form(&all.webhook.outgoing)),
            _ => None,
        }
    }

    /// The IDs of all items of a kind, in order, those that nobody has set among them.
    pub fn ids(&self, kind: ItemKind) -> Vec<String> {
        match kind {
            ItemKind::IdType => self.id_types.iter().map(|it| it.name.clone()).collect(),
            ItemKind::Environments | ItemKind::Settings => vec![kind.section().to_string()],
            ItemKind::Integration => super::integration::PARTS.iter().map(|part| part.join(".")).collect(),
            _ => self.items.keys().filter(|item| item.kind == kind).map(|item| item.id.clone()).collect(),
        }
    }

    /// The item that has this ID or name already, among those that SDKs cannot tell apart from one of this kind.
    pub fn holder(&self, kind: ItemKind, name: &str) -> Option<ItemRef> {
        if kind == ItemKind::IdType {
            // A built-in one is not stored, and its name is taken all the same.
            return self.id_type(name).map(|name| ItemRef { kind, id: name.to_string() });
        }
        let own = [kind];
        let kinds = NAMESPACES.into_iter().find(|kinds| kinds.contains(&kind)).unwrap_or(&own);
        let found = kinds.iter().find_map(|kind| self.find(*kind, name))?;
        Some(ItemRef { kind: found.kind, id: found.id.clone() })
    }

    /// The catalog after an edit, or every mistake that the document has by itself and together with the rest. Places
    /// are paths into the document; a mistake that shows in another item says which.
    pub fn edited(&self, edit: &Edit) -> Result<Catalog, Vec<Mistake>> {
        let ItemRef { kind, id } = edit.item.clone();
        let mut items = self.items.clone();
        let mut mistakes = Vec::new();
        let before = items.remove(&edit.item);
        if let Some(document) = &edit.document {
            let place = kind.place(&id);
            let mut alone = Contents::default();
            let Some((_, document)) = alone.add(kind, &id, document, &place, &mut mistakes) else {
                return Err(local(mistakes, &place));
            };
            let applied = before.and_then(|item| item.applied);
            let (version, author, time) = (edit.version, edit.author.clone(), edit.time);
            items.insert(edit.item.clone(), Item { kind, id: id.clone(), document, version, author, time, applied });
        }
        match self.changed_to(items, std::slice::from_ref(&edit.item)) {
            Ok(catalog) if mistakes.is_empty() => Ok(catalog),
            Ok(_) => Err(local(mistakes, &kind.place(&id))),
            Err(more) => {
                mistakes.extend(more);
                Err(local(mistakes, &kind.place(&id)))
            }
        }
    }
}

/// The stored form of a document, with its ID, or what is wrong with its shape. Says nothing about what it means.
pub fn shape_of(kind: ItemKind, id: &str, document: &Value) -> Result<(String, Value), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let read = Contents::default().add(kind, id, document, WHOLE, &mut mistakes);
    match read {
        Some(read) if mistakes.is_empty() => Ok(read),
        _ => Err(local(mistakes, WHOLE)),
    }
}

/// The definitions of the project file's JSON schema, by the names of the types.
pub fn definitions() -> &'static Value {
    &SCHEMA["$defs"]
}

/// Mistakes inside the item with their place in its document.
fn local(mut mistakes: Vec<Mistake>, item: &str) -> Vec<Mistake> {
    for mistake in &mut mistakes {
        if let Some(inside) = mistake.place.strip_prefix(item)
            && (inside.is_empty() || inside.starts_with(['.', '[']))
        {
            let inside = inside.strip_prefix('.').unwrap_or(inside);
            mistake.place = if inside.is_empty() { WHOLE.to_string() } else { inside.to_string() };
        }
    }
    mistakes
}
