//! The event that tells of a change of the catalog: who, what, and which fields from what to what. Never holds a secret.

use super::Admin;
use crate::catalog::{Catalog, ItemKind, ItemRef};
use crate::event::{Event, Kind, PRODUCTION, Source, Timestamp};
use crate::store::Batch;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The name of the event.
pub(super) const NAME: &str = "statsig::config_change";
/// A field's value that takes more bytes of JSON is told by its size only; the item's versions have it.
const VALUE_BYTES: usize = 1000;
/// The same for all values of one change together.
const CHANGE_BYTES: usize = 16 << 10;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Created,
    Updated,
    Removed,
}

impl Became {
    pub(super) fn word(self) -> &'static str {
        match self {
            Became::Created => "created",
            Became::Updated => "updated",
            Became::Removed => "removed",
        }
    }
}

impl Admin {
    /// The events that tell of a change from one catalog to the next.
    pub(super) fn tell<'a>(
        &self,
        before: &Catalog,
        after: &Catalog,
        items: impl IntoIterator<Item = (&'a ItemRef, Became)>,
        author: &str,
        now: Timestamp,
    ) -> Batch {
        let mut batch = self.store().new_batch();
        let change = self.random_u128();
        for (index, (item, became)) in items.into_iter().enumerate() {
            let raw = json!({
                "eventName": NAME,
                "time": now.0,
                "user": { "name": author },
                "metadata": metadata(before, after, item, became, author),
            });
            batch.push(&Event {
                source: Source::Console,
                kind: Kind::ConfigChange,
                name: NAME.into(),
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

/// What people and answers call an item: `gate new_checkout`, `settings`.
pub(super) fn called(item: &ItemRef) -> String {
    if item.id == item.kind.as_str() { item.id.clone() } else { format!("{} {}", item.kind, item.id) }
}

fn metadata(before: &Catalog, after: &Catalog, item: &ItemRef, became: Became, author: &str) -> Value {
    let new = after.item(item.kind, &item.id);
    let mut metadata = json!({
        "type": item.kind.as_str(),
        "name": item.id,
        "action": became.word(),
        "author": author,
        "version": new.map_or(0, |item| item.version),
    });
    let mut description = format!("{} {}", called(item), became.word());
    if let (Some(old), Some(new)) = (document(before, item), document(after, item)) {
        let changes = changes(item.kind, &old, &new);
        let fields: Vec<&str> = changes.keys().map(String::as_str).collect();
        if !fields.is_empty() {
            description = format!("{description}: {}", fields.join(", "));
        }
        if let Some(environments) = environments(&old, &new, &fields) {
            metadata["environments"] = json!(environments);
        }
        metadata["changes"] = Value::Object(changes);
    }
    metadata["description"] = description.into();
    metadata
}

/// What an item says, also where nobody has set it and its default holds.
fn document(catalog: &Catalog, item: &ItemRef) -> Option<Value> {
    match catalog.item(item.kind, &item.id) {
        Some(item) => Some(item.document.clone()),
        None => catalog.unset(item.kind, &item.id),
    }
}

/// The top-level fields that differ, each with what it was and what it is; null for one that is not there.
fn changes(kind: ItemKind, old: &Value, new: &Value) -> Map<String, Value> {
    let shown = |document: &Value| fields_of(kind, &kind.shown(document));
    let (whole_old, whole_new) = (fields_of(kind, old), fields_of(kind, new));
    let (shown_old, shown_new) = (shown(old), shown(new));
    let names: BTreeSet<&String> = whole_old.keys().chain(whole_new.keys()).collect();
    let mut room = CHANGE_BYTES;
    let mut changes = Map::new();
    for name in names {
        // Compared with its secrets, told without them.
        if whole_old.get(name) != whole_new.get(name) {
            let mut told = |fields: &Map<String, Value>| tell(fields.get(name).unwrap_or(&Value::Null), &mut room);
            let (from, to) = (told(&shown_old), told(&shown_new));
            changes.insert(name.clone(), json!({ "from": from, "to": to }));
        }
    }
    changes
}

/// A document's fields; the list of environments is one field.
fn fields_of(kind: ItemKind, document: &Value) -> Map<String, Value> {
    match document {
        Value::Object(fields) => fields.clone(),
        other => Map::from_iter([(kind.section().to_owned(), other.clone())]),
    }
}

fn tell(value: &Value, room: &mut usize) -> Value {
    let bytes = value.to_string().len();
    if bytes > VALUE_BYTES.min(*room) {
        return format!("({bytes} bytes; the item's versions have it)").into();
    }
    *room -= bytes;
    value.clone()
}

/// The environments that a change of rules concerns, if nothing but rules changed and each of them names its environments.
fn environments(old: &Value, new: &Value, fields: &[&str]) -> Option<BTreeSet<String>> {
    if fields != ["rules"] {
        return None;
    }
    let empty = Vec::new();
    let rules = |document: &Value| document["rules"].as_array().unwrap_or(&empty).clone();
    let (old, new) = (rules(old), rules(new));
    let changed = (old.iter().filter(|rule| !new.contains(rule))).chain(new.iter().filter(|rule| !old.contains(rule)));
    let mut environments = BTreeSet::new();
    for rule in changed {
        environments.extend(rule["environments"].as_array()?.iter().filter_map(|name| Some(name.as_str()?.to_owned())));
    }
    (!environments.is_empty()).then_some(environments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_gate(old: &Value, new: &Value) -> Map<String, Value> {
        changes(ItemKind::Gate, old, new)
    }

    #[test]
    fn a_change_tells_each_field_that_differs_and_no_other() {
        let old = json!({"isEnabled": true, "description": "a", "tags": ["t"]});
        let new = json!({"isEnabled": false, "tags": ["t"], "idType": "userID"});
        let told = json!({
            "description": {"from": "a", "to": null},
            "idType": {"from": null, "to": "userID"},
            "isEnabled": {"from": true, "to": false},
        });
        assert_eq!(Value::Object(of_gate(&old, &new)), told);
    }

    #[test]
    fn a_secret_that_changed_is_told_without_its_text() {
        let old = json!({"writeKey": "first", "exposures": true});
        let new = json!({"writeKey": "second", "exposures": true});
        assert_eq!(
            changes(ItemKind::Integration, &old, &new)["writeKey"],
            json!({"from": "(hidden)", "to": "(hidden)"})
        );
    }

    #[test]
    fn a_long_value_is_told_by_its_size_and_many_values_have_a_bound_together() {
        let text = |chars: usize| "x".repeat(chars - 2);
        for (chars, whole) in [(VALUE_BYTES, true), (VALUE_BYTES + 1, false)] {
            let told = &of_gate(&json!({"description": text(chars)}), &json!({}))["description"]["from"];
            assert_eq!(told == &json!(text(chars)), whole, "{told}");
            assert!(told.as_str().unwrap().contains(if whole { "xxx" } else { "1001 bytes" }));
        }
        let many: Map<String, Value> = (0..100).map(|n| (format!("f{n}"), text(VALUE_BYTES).into())).collect();
        let told = of_gate(&Value::Object(many), &json!({}));
        assert_eq!(told.len(), 100, "every field is named");
        assert!(Value::Object(told).to_string().len() < 2 * CHANGE_BYTES);
    }

    #[test]
    fn environments_are_named_when_only_their_rules_changed() {
        let rules = |list: Value| json!({ "rules": list });
        let rule =
            |pass: u32, environments: Value| json!({"id": "r", "passPercentage": pass, "environments": environments});
        let everywhere = json!({"id": "all", "passPercentage": 1});
        let old = rules(json!([rule(5, json!(["staging"])), everywhere]));
        let new = rules(json!([rule(6, json!(["staging", "development"])), everywhere]));
        let named = BTreeSet::from(["development".to_owned(), "staging".to_owned()]);
        assert_eq!(environments(&old, &new, &["rules"]), Some(named));
        assert_eq!(environments(&old, &new, &["isEnabled", "rules"]), None);
        assert_eq!(environments(&old, &rules(json!([])), &["rules"]), None, "one of them applies everywhere");
    }
}
