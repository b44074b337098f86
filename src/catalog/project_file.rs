//! The project file: all of a catalog and its keys in one JSON document. Finds every mistake at once; applies nothing.

use super::check;
use super::contents::{Contents, Environments};
use super::document::read_json;
use super::experiment::Experiment;
use super::exploration::Exploration;
use super::gate::{DynamicConfig, Gate, Holdout};
use super::id_type::IdType;
use super::integration::{Integrations, PARTS};
use super::item::{ItemKind, ItemRef};
use super::key::KeyEntry;
use super::layer::Layer;
use super::metric::Metric;
use super::mistake::{Mistake, one_of};
use super::segment::Segment;
use super::settings::Settings;
use super::shape::read;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// A project file without mistakes.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    keys: Vec<KeyEntry>,
    documents: BTreeMap<ItemRef, Value>,
}

impl ProjectFile {
    /// Reads a project file, or lists every mistake in it with its place.
    pub fn parse(text: &str) -> Result<ProjectFile, Vec<Mistake>> {
        let root = match read_json(text).map_err(|mistake| vec![mistake])? {
            Value::Object(root) => root,
            _ => {
                return Err(vec![Mistake::new(
                    "(file)",
                    "must be a JSON object with sections such as \"experiments\"",
                )]);
            }
        };
        let mut mistakes = Vec::new();
        let mut contents = Contents::default();
        let mut documents = BTreeMap::new();
        let mut add = |kind: ItemKind, id: &str, document: &Value, place: &str, mistakes: &mut Vec<Mistake>| {
            if let Some((id, document)) = contents.add(kind, id, document, place, mistakes) {
                documents.insert(ItemRef { kind, id }, document);
            }
        };
        unknown_sections(&root, &mut mistakes);
        for kind in [ItemKind::Environments, ItemKind::Settings] {
            if let Some(document) = root.get(kind.section()) {
                add(kind, kind.section(), document, kind.section(), &mut mistakes);
            }
        }
        for (id, place, document) in integrations(&root, &mut mistakes) {
            add(ItemKind::Integration, &id, document, &place, &mut mistakes);
        }
        let single = [ItemKind::Environments, ItemKind::Settings, ItemKind::Integration];
        for kind in ItemKind::ALL.into_iter().filter(|kind| !single.contains(kind) && !kind.is_internal()) {
            for (place, document) in list(&root, kind.section(), &mut mistakes) {
                add(kind, "", document, &place, &mut mistakes);
            }
        }
        let keys = keys(&root, &contents.environments, &mut mistakes);
        check::all(&contents, &mut mistakes);
        if mistakes.is_empty() { Ok(ProjectFile { keys, documents }) } else { Err(mistakes) }
    }

    /// The keys that the file lists.
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// The items that the file lists, each with its document in the form in which it is stored.
    pub(super) fn documents(&self) -> &BTreeMap<ItemRef, Value> {
        &self.documents
    }

    /// The JSON schema of a project file. `data/project.schema.json` is this text.
    pub fn schema() -> String {
        let mut text = serde_json::to_string_pretty(&*SCHEMA).expect("a JSON value always serialises");
        text.push('\n');
        text
    }
}

fn unknown_sections(root: &Map<String, Value>, mistakes: &mut Vec<Mistake>) {
    let Some(known) = SCHEMA["properties"].as_object() else { return };
    for name in root.keys().filter(|name| !known.contains_key(*name)) {
        let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        mistakes.push(Mistake::new(name, format!("is no section here; known are {names}")));
    }
}

fn list<'a>(root: &'a Map<String, Value>, section: &str, mistakes: &mut Vec<Mistake>) -> Vec<(String, &'a Value)> {
    match root.get(section) {
        None => Vec::new(),
        Some(Value::Array(elements)) => {
            elements.iter().enumerate().map(|(index, element)| (format!("{section}[{index}]"), element)).collect()
        }
        Some(_) => {
            mistakes.push(Mistake::new(section, "must be a list"));
            Vec::new()
        }
    }
}

/// The parts of the integrations that the file has: ID, place, document.
fn integrations<'a>(root: &'a Map<String, Value>, mistakes: &mut Vec<Mistake>) -> Vec<(String, String, &'a Value)> {
    let mut parts = Vec::new();
    let section = ItemKind::Integration.section();
    let Some(all) = root.get(section) else { return parts };
    let mut inside = |value: &'a Value, place: &str| match value.as_object() {
        Some(fields) => fields.iter().collect::<Vec<_>>(),
        None => {
            mistakes.push(Mistake::new(place, "must be an object"));
            Vec::new()
        }
    };
    let mut unknown = Vec::new();
    for (source, directions) in inside(all, section) {
        let place = format!("{section}.{source}");
        if !PARTS.iter().any(|part| part[0] == source) {
            let known = one_of(["segment", "rudderstack", "webhook"]);
            unknown.push(Mistake::new(place, format!("is no integration that Weir has; must be {known}")));
            continue;
        }
        for (direction, document) in inside(directions, &place) {
            let place = format!("{place}.{direction}");
            if PARTS.contains(&[source, direction]) {
                parts.push((format!("{source}.{direction}"), place, document));
            } else {
                let known = one_of(PARTS.iter().filter(|part| part[0] == source).map(|part| part[1]));
                unknown.push(Mistake::new(place, format!("is no direction of this integration; must be {known}")));
            }
        }
    }
    mistakes.append(&mut unknown);
    parts
}

fn keys(root: &Map<String, Value>, environments: &Environments, mistakes: &mut Vec<Mistake>) -> Vec<KeyEntry> {
    let mut keys = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (place, document) in list(root, "keys", mistakes) {
        let Some(entry) = read::<KeyEntry>(document, &place, mistakes) else { continue };
        entry.check(&place, &environments.0, mistakes);
        // Two keys that nothing tells apart would be one key, or a new one with each apply.
        let (field, told_by) = match &entry.key {
            Some(text) => ("key", text.clone()),
            None => ("description", format!("{:?} {}", entry.kind, entry.description)),
        };
        if let Some(first) = seen.insert(told_by, place.clone()) {
            mistakes.push(Mistake::new(
                format!("{place}.{field}"),
                format!("is the same as that of {first}; must be its own"),
            ));
        }
        keys.push(entry);
    }
    keys
}

/// The JSON schema of a project file, made from the types and their descriptions.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let sections: [(&str, &str, Value); 13] = [
        (
            "keys",
            "Keys of servers, browsers and programs. Applying a file never removes a key.",
            generator.subschema_for::<Vec<KeyEntry>>().into(),
        ),
        (
            "unitIdTypes",
            "Custom ID types. userID and stableID are built in.",
            generator.subschema_for::<Vec<IdType>>().into(),
        ),
        (
            "environments",
            "The environments; production must be one. Left out: production, staging, development.",
            generator.subschema_for::<Environments>().into(),
        ),
        ("settings", "Settings of the whole project.", generator.subschema_for::<Settings>().into()),
        ("integrations", "Segment and its siblings.", generator.subschema_for::<Integrations>().into()),
        ("segments", "Named sets of units that gates can ask for.", generator.subschema_for::<Vec<Segment>>().into()),
        ("gates", "Feature gates.", generator.subschema_for::<Vec<Gate>>().into()),
        ("dynamicConfigs", "JSON values chosen by rules.", generator.subschema_for::<Vec<DynamicConfig>>().into()),
        ("layers", "What makes experiments exclude each other.", generator.subschema_for::<Vec<Layer>>().into()),
        (
            "holdouts",
            "Units kept away from gates, experiments and layers.",
            generator.subschema_for::<Vec<Holdout>>().into(),
        ),
        ("experiments", "Experiments.", generator.subschema_for::<Vec<Experiment>>().into()),
        ("metrics", "Metrics beyond those that every event name has.", generator.subschema_for::<Vec<Metric>>().into()),
        (
            "explorations",
            "Saved questions about experiments and gates.",
            generator.subschema_for::<Vec<Exploration>>().into(),
        ),
    ];
    let mut properties = Map::new();
    properties
        .insert("$schema".to_string(), json!({"type": "string", "description": "Where this schema is, for editors."}));
    for (name, description, mut schema) in sections {
        schema["description"] = description.into();
        properties.insert(name.to_string(), schema);
    }
    let mut definitions = Value::Object(generator.take_definitions(true));
    drop_empty_defaults(&mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Weir project file",
        "description": "All that is set in a Weir project. Apply it with `weir apply` or `weir serve --project`.",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
});

/// `default: null` and the like only say that a field can be left out, which `required` says already.
fn drop_empty_defaults(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "default" || !is_empty(value));
            fields.values_mut().for_each(drop_empty_defaults);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_empty_defaults),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
