//! Names and IDs: well formed, and each used once where SDKs cannot tell two apart.

use super::Check;
use crate::catalog::id_type::BUILT_IN;
use crate::catalog::item::ItemKind;
use std::collections::{HashMap, HashSet};

/// The greatest length of a name or ID, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// SDKs ask for experiments and dynamic configs alike, and holdouts travel as gates: such kinds share their names.
pub const NAMESPACES: [&[ItemKind]; 5] = [
    &[ItemKind::Gate, ItemKind::Holdout],
    &[ItemKind::DynamicConfig, ItemKind::Experiment],
    &[ItemKind::Layer],
    &[ItemKind::Segment],
    &[ItemKind::Exploration],
];

pub(super) fn check(check: &mut Check) {
    id_types(check);
    let mut items: Vec<(ItemKind, &str, &str, &str)> = Vec::new();
    let all = check.contents;
    items.extend(all.gates.iter().map(|it| (ItemKind::Gate, &*it.place, &*it.value.id, &*it.value.name)));
    items.extend(all.holdouts.iter().map(|it| (ItemKind::Holdout, &*it.place, &*it.value.id, &*it.value.name)));
    items.extend(
        all.dynamic_configs.iter().map(|it| (ItemKind::DynamicConfig, &*it.place, &*it.value.id, &*it.value.name)),
    );
    items.extend(all.experiments.iter().map(|it| (ItemKind::Experiment, &*it.place, &*it.value.id, &*it.value.name)));
    items.extend(all.layers.iter().map(|it| (ItemKind::Layer, &*it.place, &*it.value.id, &*it.value.name)));
    items.extend(all.segments.iter().map(|it| (ItemKind::Segment, &*it.place, &*it.value.id, &*it.value.name)));
    items.extend(all.explorations.iter().map(|it| (ItemKind::Exploration, &*it.place, &*it.value.id, &*it.value.name)));
    for namespace in NAMESPACES {
        let mut taken: HashMap<&str, &str> = HashMap::new();
        for (_, place, id, name) in items.iter().filter(|item| namespace.contains(&item.0)) {
            for (field, text) in [("id", *id), ("name", *name)] {
                if field == "id" && id == name {
                    continue;
                }
                well_formed(check, &format!("{place}.{field}"), text);
                match taken.get(text) {
                    Some(first) if first != place => {
                        check.wrong(
                            format!("{place}.{field}"),
                            format!("\"{text}\" is already the name or ID of {first}; must be its own"),
                        );
                    }
                    _ => drop(taken.insert(text, place)),
                }
            }
        }
    }
    metrics(check);
    salts(check);
}

fn salts(check: &mut Check) {
    let all = check.contents;
    let gates = all.gates.iter().map(|it| (&it.place, &it.value.salt));
    let salts = gates
        .chain(all.dynamic_configs.iter().map(|it| (&it.place, &it.value.salt)))
        .chain(all.experiments.iter().map(|it| (&it.place, &it.value.salt)))
        .chain(all.layers.iter().map(|it| (&it.place, &it.value.salt)))
        .chain(all.holdouts.iter().map(|it| (&it.place, &it.value.salt)));
    for (place, salt) in salts {
        if let Some(salt) = salt {
            well_formed(check, &format!("{place}.salt"), salt);
        }
    }
}

fn id_types(check: &mut Check) {
    let mut taken: HashMap<String, &str> = HashMap::new();
    for it in &check.contents.id_types {
        let (place, name) = (format!("{}.name", it.place), &it.value.name);
        well_formed(check, &place, name);
        if let Some((built_in, _)) = BUILT_IN.iter().find(|(built_in, _)| built_in.eq_ignore_ascii_case(name)) {
            check.wrong(&place, format!("{built_in} is built in and always there; remove it from the list"));
        }
        // SDKs match ID types without regard to case.
        if let Some(first) = taken.insert(name.to_lowercase(), &it.place) {
            check.wrong(&place, format!("\"{name}\" is already the name of {first}; must be its own"));
        }
    }
}

fn metrics(check: &mut Check) {
    let mut taken: HashMap<String, &str> = HashMap::new();
    for it in &check.contents.metrics {
        let place = format!("{}.name", it.place);
        well_formed(check, &place, &it.value.name);
        if let Some(first) = taken.insert(it.value.id(), &it.place) {
            check.wrong(&place, format!("\"{}\" of the same type is already {first}; must be its own", it.value.name));
        }
    }
}

/// The names of rules or groups inside one item: well formed, unique, and none that the evaluation uses itself.
pub(super) fn inner<'a>(check: &mut Check, place: &str, noun: &str, inner: impl Iterator<Item = (&'a str, &'a str)>) {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    for (index, (id, name)) in inner.enumerate() {
        let place = format!("{place}[{index}]");
        well_formed(check, &format!("{place}.name"), name);
        let id_place = if id == name { format!("{place}.name") } else { format!("{place}.id") };
        if id != name {
            well_formed(check, &id_place, id);
        }
        if RESERVED_RULES.contains(&id) || id.ends_with("override") {
            check.wrong(
                &id_place,
                format!("\"{id}\" is an ID that the evaluation uses itself; the {noun} needs another"),
            );
        }
        // Who is held out gets a rule that is called like the holdout.
        if check.contents.holdouts.iter().any(|holdout| holdout.value.id == id) {
            check.wrong(&id_place, format!("\"{id}\" is the ID of a holdout; the {noun} needs another"));
        }
        if !ids.insert(id) {
            check.wrong(&id_place, format!("another {noun} here already has the ID \"{id}\"; must be its own"));
        } else if !names.insert(name) {
            check.wrong(
                format!("{place}.name"),
                format!("another {noun} here is already called \"{name}\"; must be its own"),
            );
        }
    }
}

/// Rule IDs in exposures that stand for no rule or group of a person's.
const RESERVED_RULES: [&str; 10] = [
    "default",
    "disabled",
    "prestart",
    "layerAssignment",
    "experimentAssignment",
    "targetingGate",
    "inlineTargetingRules",
    "launchedGroup",
    "abandoned",
    "disabledGroup",
];

fn well_formed(check: &mut Check, place: &str, text: &str) {
    if text.trim().is_empty() {
        check.wrong(place, "is empty");
    } else if text.trim() != text || text.chars().any(char::is_control) {
        check.wrong(place, "has a space at its beginning or end, or a control character; remove it");
    } else if text.chars().count() > MAX_NAME_CHARS {
        check.wrong(place, format!("is too long; may have at most {MAX_NAME_CHARS} characters"));
    } else if text.starts_with("segment:") && (place.starts_with("gates") || place.starts_with("holdouts")) {
        check.wrong(place, "begins with \"segment:\", which names segments; must be another");
    }
}
