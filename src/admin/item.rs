//! One item of the catalog at a time: listed, read, and changed by the one command that makes, changes, removes and acts.
//! A change is planned against the catalog it replaces, checked with all of it, written in one transaction with the event
//! that tells of it, and in force when it returns.

mod action;
mod overrides;
mod wanted;

pub use action::Action;

use super::change::documents;
use super::config_change::{Became, called};
use super::{Admin, AdminError, State};
use crate::catalog::{Catalog, Edit, Item, ItemKind, ItemRef, Key, Mistake};
use crate::event::PRODUCTION;
use crate::store::Snapshot;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::PoisonError;
use wanted::{Wanted, body_of};

/// What is to be done with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Create,
    /// The fields of the body take the place of those that are there; null takes one away.
    Merge,
    /// The body takes the place of the whole document.
    Replace,
    /// What has a default goes back to it.
    Remove,
    Act(Action),
}

/// One change of one item, as it was asked for.
#[derive(Debug, Clone)]
pub struct ItemChange {
    pub kind: ItemKind,
    /// The item's ID or name; nobody knows it yet of what is to be made.
    pub item: String,
    pub deed: Deed,
    /// The ID of a rule, for actions on one rule.
    pub rule: String,
    /// JSON text; empty where an action needs none.
    pub body: String,
    /// The version that the change was thought out for; any if `None`.
    pub version: Option<u64>,
    pub author: String,
}

/// What an answer tells of an item beside its document. In a request it is ignored, but for `version`: a change that
/// names a version which is not the present one is refused.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemMetadata {
    /// 1 when it is made, one more with every change; 0 for what nobody has set yet.
    pub version: u64,
    /// Who changed it last: the description of a key, or who signed in.
    pub last_modifier_name: Option<String>,
    /// When, in milliseconds since 1970.
    pub last_modified_time: Option<i64>,
    /// Who made the first item of this ID.
    pub creator_name: Option<String>,
    /// When, in milliseconds since 1970.
    pub created_time: Option<i64>,
}

/// One page of a list, and how many there are in all.
#[derive(Debug)]
pub struct Listed {
    pub items: Vec<Value>,
    pub total: usize,
}

impl Admin {
    /// Items of a kind in the order of their IDs, from an index on.
    pub fn items(&self, kind: ItemKind, from: usize, limit: usize) -> Result<Listed, AdminError> {
        let state = self.state();
        let snapshot = self.store().snapshot()?;
        let ids = state.catalog.ids(kind);
        let page = ids.iter().skip(from).take(limit);
        let items = page.filter_map(|id| shown(&state, &snapshot, kind, id).transpose()).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: ids.len() })
    }

    /// One item by its ID or name, as it is now.
    pub fn item(&self, kind: ItemKind, id_or_name: &str) -> Result<Value, AdminError> {
        let state = self.state();
        let snapshot = self.store().snapshot()?;
        shown(&state, &snapshot, kind, id_or_name)?.ok_or_else(|| AdminError::not_found(kind.as_str(), id_or_name))
    }

    /// The rules of a gate, dynamic config or segment.
    pub fn rules(&self, kind: ItemKind, id_or_name: &str) -> Result<Vec<Value>, AdminError> {
        let item = self.item(kind, id_or_name)?;
        Ok(item["rules"].as_array().cloned().unwrap_or_default())
    }

    /// One of its rules.
    pub fn rule(&self, kind: ItemKind, id_or_name: &str, rule: &str) -> Result<Value, AdminError> {
        let rules = self.rules(kind, id_or_name)?;
        rules.into_iter().find(|it| it["id"] == rule).ok_or_else(|| AdminError::not_found("rule", rule))
    }

    /// The overrides of a gate or experiment.
    pub fn overrides(&self, kind: ItemKind, id_or_name: &str) -> Result<Value, AdminError> {
        Ok(overrides_of(kind, &self.item(kind, id_or_name)?))
    }

    /// Changes one item. Gives it as it is afterwards; what was removed as it was before.
    pub fn change_item(&self, change: &ItemChange) -> Result<Value, AdminError> {
        let body = body_of(&change.body)?;
        // A panic while it was held changed nothing: a change is one transaction.
        let _one_at_a_time = self.inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.change_alone(change, body)
    }

    /// The same for who holds off all other changes; `body` is what the request says.
    pub(super) fn change_alone(&self, change: &ItemChange, body: Value) -> Result<Value, AdminError> {
        let (state, now) = (self.state(), self.now());
        let snapshot = self.store().snapshot()?;
        let wanted = Wanted::of(&state.catalog, change, body, now, &|| format!("{:032x}", self.random_u128()))?;
        let Wanted { item, before, mut document } = wanted;
        let dry_run = item.kind == ItemKind::Metric && take_dry_run(&mut document);
        let shown_before = shown(&state, &snapshot, item.kind, &item.id)?;
        if before.as_ref() == document.as_ref() {
            let mut shown = shown_before.unwrap_or_default();
            if dry_run {
                shown[DRY_RUN] = true.into();
            }
            return Ok(shown);
        }
        let version = snapshot.last_version(item.kind.as_str(), &item.id)? + 1;
        let author = change.author.clone();
        let edit = Edit { item, document, version, author, time: now };
        let after = checked(&state.catalog, change, &edit)?;
        environments_of_keys(&state, &after)?;
        let Edit { item, document, .. } = edit;
        if dry_run {
            let mut shown = document.unwrap_or_default();
            shown["id"] = item.id.into();
            shown[DRY_RUN] = true.into();
            return Ok(shown);
        }
        let became = match (state.catalog.item(item.kind, &item.id), after.item(item.kind, &item.id)) {
            (_, None) => Became::Removed,
            (None, _) => Became::Created,
            _ => Became::Updated,
        };
        if became == Became::Removed && state.catalog.item(item.kind, &item.id).is_none() {
            return Ok(shown_before.unwrap_or_default());
        }
        self.check_list_room(&state.catalog, &after)?;
        let documents = documents(&state.catalog, &after, [&item], &change.author, now);
        let told = self.tell(&state.catalog, &after, [(&item, became)], &change.author, now);
        self.write(documents, told)?;
        tracing::info!(item = called(&item), became = became.word(), version, author = change.author, "item changed");
        if became == Became::Removed {
            return Ok(shown_before.unwrap_or_default());
        }
        Ok(shown(&self.state(), &self.store().snapshot()?, item.kind, &item.id)?.unwrap_or_default())
    }
}

impl Admin {
    /// What would be if an item were made, whether or not there is one of its name: the catalog, and the item with its
    /// document in the form in which it would be stored.
    pub(super) fn tried(&self, kind: ItemKind, body: &str) -> Result<(Catalog, ItemRef, Value), AdminError> {
        let (state, now, body) = (self.state(), self.now(), body.to_owned());
        let (item, rule, author) = (String::new(), String::new(), String::new());
        let change = ItemChange { kind, item, deed: Deed::Create, rule, body, version: None, author };
        let wanted = Wanted::of(&state.catalog, &change, body_of(&change.body)?, now, &String::new)?;
        let Wanted { item, mut document, .. } = wanted;
        take_dry_run(&mut document);
        let edit = Edit { item, document, version: 1, author: String::new(), time: now };
        let after = state.catalog.edited(&edit).map_err(AdminError::invalid_item)?;
        Ok((after, edit.item, edit.document.unwrap_or_default()))
    }
}

/// A field of metrics: whether a call only checks.
pub const DRY_RUN: &str = "dryRun";

/// It is about the call, not about the metric.
fn take_dry_run(document: &mut Option<Value>) -> bool {
    let fields = document.as_mut().and_then(Value::as_object_mut);
    fields.and_then(|fields| fields.remove(DRY_RUN)) == Some(Value::Bool(true))
}

/// The catalog after an edit, or why it cannot be made.
fn checked(catalog: &Catalog, change: &ItemChange, edit: &Edit) -> Result<Catalog, AdminError> {
    let item = &edit.item;
    if let Some(document) = &edit.document {
        let own = |other: &ItemRef| change.deed != Deed::Create && other == item;
        let names = ["id", "name"].into_iter().filter_map(|field| document[field].as_str());
        for name in names.chain([item.id.as_str()]) {
            if let Some(other) = catalog.holder(item.kind, name).filter(|other| !own(other)) {
                let message = format!("{name:?} is the name or ID of {} already; choose another", called(&other));
                return Err(AdminError::conflict("name_in_use", message));
            }
        }
    }
    // Who asks for a gate that is archived would get false from then on without a word.
    // One that is archived and on is a mistake by itself.
    let archived =
        |document: Option<&Value>| document.is_some_and(|it| it["isArchived"] == true && it["isEnabled"] == false);
    let before = catalog.item(item.kind, &item.id).map(|item| &item.document);
    let archives_gate = item.kind == ItemKind::Gate && archived(edit.document.as_ref()) && !archived(before);
    let puts_away = edit.document.is_none() || archives_gate;
    if puts_away && item.kind != ItemKind::Integration {
        let gone = Edit { document: None, ..edit.clone() };
        let mut mistakes = catalog.edited(&gone).err().unwrap_or_default();
        // Who names an `event_user` that is gone would get that of an event of its name without a word.
        if let Some(metric) = catalog.metrics().iter().find(|it| item.kind == ItemKind::Metric && it.id() == item.id) {
            let uses = catalog.uses_of_metric(&metric.name, metric.kind);
            let new = uses.into_iter().filter(|place| !mistakes.iter().any(|mistake| mistake.place == *place));
            let new: Vec<Mistake> = new.map(|place| Mistake { place, message: String::new() }).collect();
            mistakes.extend(new);
        }
        if !mistakes.is_empty() {
            return Err(in_use(item, mistakes));
        }
    }
    catalog.edited(edit).map_err(|mistakes| match item.kind {
        ItemKind::Environments => of_environments(mistakes),
        _ => AdminError::invalid_item(mistakes),
    })
}

fn in_use(item: &ItemRef, mut mistakes: Vec<Mistake>) -> AdminError {
    for mistake in &mut mistakes {
        // That it would be unknown is true, and no help.
        mistake.message = format!("needs {}, which would be gone; change this first", named(item));
    }
    let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.place.as_str()).collect();
    let message = format!("{} is in use by {}; change that first", called(item), places.join(", "));
    AdminError { mistakes, ..AdminError::conflict("in_use", message) }
}

fn named(item: &ItemRef) -> String {
    if item.kind == ItemKind::Environments { "an environment".to_owned() } else { called(item) }
}

/// Keys are no items of the catalog, and may name its environments all the same.
fn environments_of_keys(state: &State, after: &Catalog) -> Result<(), AdminError> {
    let gone = |name: &String| state.catalog.environments().contains(name) && !after.environments().contains(name);
    let keys = state.keys.keys().iter().filter(|key| key.environments.iter().any(gone));
    let place = |key: &Key| Mistake { place: format!("keys[{:?}].environments", key.id), message: String::new() };
    let mistakes: Vec<Mistake> = keys.map(place).collect();
    let item = ItemRef { kind: ItemKind::Environments, id: ItemKind::Environments.as_str().to_owned() };
    if mistakes.is_empty() { Ok(()) } else { Err(in_use(&item, mistakes)) }
}

/// The list itself may be wrong, or something may still name an environment that the list no longer has.
fn of_environments(mut mistakes: Vec<Mistake>) -> AdminError {
    let is_own = |mistake: &Mistake| mistake.place.starts_with(['[', '(']);
    if !mistakes.iter().any(is_own) {
        let item = ItemRef { kind: ItemKind::Environments, id: ItemKind::Environments.as_str().to_owned() };
        return in_use(&item, mistakes);
    }
    for mistake in mistakes.iter_mut().filter(|mistake| is_own(mistake)) {
        let index = mistake.place.strip_prefix('[').map(|index| format!("[{index}")).unwrap_or_default();
        mistake.place = format!("environments{index}");
    }
    AdminError::invalid_item(mistakes)
}

/// An item as answers show it: its document without secrets, and what is known of it.
fn shown(state: &State, snapshot: &Snapshot, kind: ItemKind, name: &str) -> Result<Option<Value>, AdminError> {
    let catalog = &state.catalog;
    let Some(item) = catalog.find(kind, name) else {
        let id = if kind == ItemKind::IdType { catalog.id_type(name).unwrap_or(name) } else { name };
        let unset = catalog.unset(kind, id);
        return Ok(unset.map(|document| fields_of(kind, id, &document, ItemMetadata::default())));
    };
    let first = snapshot.first_version(kind.as_str(), &item.id)?;
    let first = first.map(|(_, document)| serde_json::from_slice::<Item>(&document)).transpose();
    let first = first.map_err(|error| AdminError::broken("history", &error))?;
    let mut metadata = of_version(item);
    metadata.creator_name = first.as_ref().map(|first| first.author.clone());
    metadata.created_time = first.map(|first| first.time.0);
    Ok(Some(fields_of(kind, &item.id, &item.document, metadata)))
}

/// What one version tells of itself.
pub(super) fn of_version(item: &Item) -> ItemMetadata {
    ItemMetadata {
        version: item.version,
        last_modifier_name: Some(item.author.clone()),
        last_modified_time: Some(item.time.0),
        ..ItemMetadata::default()
    }
}

/// A document without its secrets, and its metadata beside it.
pub(super) fn fields_of(kind: ItemKind, id: &str, document: &Value, metadata: ItemMetadata) -> Value {
    let mut fields = match kind.shown(document) {
        Value::Object(fields) => fields,
        // The only other document is the list of environments.
        names => {
            let names = names.as_array().cloned().unwrap_or_default();
            let environment = |name: &Value| json!({"name": name, "isProduction": name == PRODUCTION});
            Map::from_iter([("environments".to_owned(), names.iter().map(environment).collect())])
        }
    };
    match kind {
        ItemKind::Gate => drop(fields.insert("status".into(), action::gate_status(&fields).into())),
        ItemKind::IdType | ItemKind::Metric | ItemKind::Integration => {
            fields.insert("id".into(), id.into());
        }
        _ => {}
    }
    if let Ok(Value::Object(metadata)) = serde_json::to_value(metadata) {
        fields.extend(metadata);
    }
    Value::Object(fields)
}

/// The overrides in an item's document, their main lists always there.
pub fn overrides_of(kind: ItemKind, item: &Value) -> Value {
    let always: &[&str] = match kind {
        ItemKind::Gate => &["passingUserIDs", "failingUserIDs", "environmentOverrides"],
        _ => &["overrides", "userIDOverrides"],
    };
    let mut overrides = item["overrides"].as_object().cloned().unwrap_or_default();
    for name in always {
        overrides.entry(*name).or_insert_with(|| json!([]));
    }
    Value::Object(overrides)
}
