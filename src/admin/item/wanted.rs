//! What a request makes of an item: which one it means, what that says now and what it is to say. Pure: plans against a
//! catalog, changes nothing.

use super::action::{With, act, become_status, fixed, merge, mistake, object};
use super::{Deed, ItemChange};
use crate::admin::AdminError;
use crate::admin::config_change::called;
use crate::catalog::{Catalog, ItemKind, ItemRef, Mistake, read_json, shape_of, with_secrets};
use crate::event::{PRODUCTION, Timestamp};
use serde_json::{Map, Value, json};

/// What an item says that is no field of its document.
const READ_ONLY: [&str; 5] = ["version", "lastModifierName", "lastModifiedTime", "creatorName", "createdTime"];

/// The JSON of a request; null if there is none.
pub(super) fn body_of(text: &str) -> Result<Value, AdminError> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    read_json(text).map_err(|mistake| AdminError::invalid_item(vec![mistake]))
}

/// Which item a change is about, what it says now, and what it is to say.
pub(super) struct Wanted {
    pub item: ItemRef,
    pub before: Option<Value>,
    pub document: Option<Value>,
}

impl Wanted {
    pub fn of(
        catalog: &Catalog,
        change: &ItemChange,
        body: Value,
        now: Timestamp,
        fresh: &dyn Fn() -> String,
    ) -> Result<Wanted, AdminError> {
        let kind = change.kind;
        if change.deed == Deed::Create {
            let mut document = object(&body)?.clone();
            take_read_only(kind, &mut document)?;
            if kind == ItemKind::Experiment && document.get("status") == Some(&json!("active")) {
                document.entry("startTime").or_insert_with(|| now.to_string().into());
            }
            let (id, document) = shape_of(kind, "", &document.into()).map_err(AdminError::invalid_item)?;
            return Ok(Wanted { item: ItemRef { kind, id }, before: None, document: Some(document) });
        }
        let stored = catalog.find(kind, &change.item);
        let (id, before) = match stored {
            Some(item) => (item.id.clone(), item.document.clone()),
            None => {
                let id = if kind == ItemKind::IdType { catalog.id_type(&change.item) } else { None };
                let id = id.unwrap_or(&change.item).to_owned();
                let Some(unset) = catalog.unset(kind, &id) else {
                    return Err(AdminError::not_found(kind.as_str(), &change.item));
                };
                (id, unset)
            }
        };
        if kind == ItemKind::IdType && stored.is_none() {
            let message = format!("{id} is built in and always there; it cannot be changed");
            return Err(AdminError::conflict("built_in", message));
        }
        let item = ItemRef { kind, id };
        let version = stored.map_or(0, |item| item.version);
        same_version(&item, version, change.version)?;
        let document = match change.deed {
            Deed::Remove => return Ok(Wanted { item, before: Some(before), document: None }),
            Deed::Act(action) => {
                let current = before.as_object().cloned().unwrap_or_default();
                let with = With { kind, id: &item.id, rule: &change.rule, body: &body, now, fresh };
                Value::Object(act(action, current, &with)?)
            }
            _ if kind == ItemKind::Environments => environments_of(&item, version, &body)?,
            _ => {
                let mut fields = object(&body)?.clone();
                same_version(&item, version, take_read_only(kind, &mut fields)?)?;
                replaced(&item, &before, fields, change.deed, now, fresh)?
            }
        };
        let (id, document) = shape_of(kind, &item.id, &document).map_err(AdminError::invalid_item)?;
        if id != item.id {
            return Err(fixed(if before.get("id").is_some() { "id" } else { "name" }));
        }
        Ok(Wanted { item, before: Some(before), document: Some(document) })
    }
}

/// The document of a merge or a replacement.
fn replaced(
    item: &ItemRef,
    before: &Value,
    mut fields: Map<String, Value>,
    deed: Deed,
    now: Timestamp,
    fresh: &dyn Fn() -> String,
) -> Result<Value, AdminError> {
    if item.kind == ItemKind::Integration {
        with_secrets(&mut fields, before);
    }
    let old = before.as_object().cloned().unwrap_or_default();
    let mut document = if deed == Deed::Merge { old.clone() } else { Map::new() };
    merge(&mut document, &fields);
    if let Some(id) = old.get("id") {
        document.entry("id").or_insert_with(|| id.clone());
    }
    if item.kind == ItemKind::Experiment {
        for field in NOTED.iter().filter(|_| deed == Deed::Replace) {
            if let Some(noted) = old.get(*field) {
                document.entry(*field).or_insert_with(|| noted.clone());
            }
        }
        // A change of status is the same thing however it is asked for.
        let wanted = document.insert("status".into(), old["status"].clone());
        let wanted = wanted.unwrap_or_else(|| "setup".into());
        match wanted.as_str() {
            Some(to) if wanted != old["status"] && STATUSES.contains(&to) => {
                let with = With { kind: item.kind, id: &item.id, rule: "", body: &Value::Null, now, fresh };
                become_status(&mut document, to, &with)?;
            }
            _ => drop(document.insert("status".into(), wanted)),
        }
    }
    Ok(Value::Object(document))
}

/// What actions have noted of an experiment. Whoever sets it up as a whole and leaves these out does not mean to divide the
/// units anew or to forget when it began.
const NOTED: [&str; 6] = ["status", "startTime", "endTime", "salt", "launchedGroupID", "decisionReason"];

/// The words of an experiment's status; any other is a mistake in the document's shape.
const STATUSES: [&str; 7] =
    ["setup", "active", "assignment_stopped", "experiment_stopped", "decision_made", "abandoned", "archived"];

fn same_version(item: &ItemRef, present: u64, wanted: Option<u64>) -> Result<(), AdminError> {
    match wanted {
        Some(wanted) if wanted != present => {
            let message = format!("{} is at version {present}, not {wanted}; read it again and repeat", called(item));
            Err(AdminError::conflict("version_conflict", message))
        }
        _ => Ok(()),
    }
}

/// Takes out what an answer has beside the document, so that it can be sent back as it was read. Gives the version.
fn take_read_only(kind: ItemKind, fields: &mut Map<String, Value>) -> Result<Option<u64>, AdminError> {
    let version = fields.get("version").cloned();
    READ_ONLY.iter().for_each(|name| drop(fields.remove(*name)));
    match kind {
        ItemKind::Gate => drop(fields.remove("status")),
        ItemKind::IdType | ItemKind::Metric | ItemKind::Integration => drop(fields.remove("id")),
        _ => {}
    }
    match version {
        None | Some(Value::Null) => Ok(None),
        Some(version) => version
            .as_u64()
            .map(Some)
            .ok_or_else(|| AdminError::invalid_item(vec![mistake("version", "must be a whole number, or left out")])),
    }
}

/// The list of names from Statsig's `{"environments": [{"name": ...}]}`.
fn environments_of(item: &ItemRef, present: u64, body: &Value) -> Result<Value, AdminError> {
    let mut fields = object(body)?.clone();
    same_version(item, present, take_read_only(item.kind, &mut fields)?)?;
    let mut mistakes: Vec<Mistake> = fields
        .keys()
        .filter(|name| *name != "environments")
        .map(|name| mistake(name, "is no field here; known are environments"))
        .collect();
    let mut names = Vec::new();
    match fields.get("environments").and_then(Value::as_array) {
        None => mistakes.push(mistake("environments", "must be a list of {\"name\": ...}")),
        Some(list) => {
            for (index, one) in list.iter().enumerate() {
                let place = format!("environments[{index}]");
                let name = one.as_str().or_else(|| one["name"].as_str());
                let known = |field: &String| field == "name" || field == "isProduction";
                match name {
                    Some(name) if one["isProduction"].as_bool().is_none_or(|is| is == (name == PRODUCTION)) => {
                        names.push(name);
                    }
                    Some(_) => mistakes.push(mistake(&place, "only production is the production environment")),
                    None => mistakes.push(mistake(&place, "must have a name")),
                }
                if let Some(unknown) = one.as_object().and_then(|fields| fields.keys().find(|name| !known(name))) {
                    let message = "is no field here; known are name, isProduction";
                    mistakes.push(mistake(&format!("{place}.{unknown}"), message));
                }
            }
        }
    }
    if mistakes.is_empty() { Ok(json!(names)) } else { Err(AdminError::invalid_item(mistakes)) }
}
