//! All items of a catalog as types, each with the place it was read from. Reads documents one by one; `check` then
//! looks at them together.

use super::experiment::Experiment;
use super::exploration::Exploration;
use super::gate::{DynamicConfig, Gate, Holdout};
use super::id_type::IdType;
use super::integration::Integrations;
use super::item::ItemKind;
use super::layer::Layer;
use super::metric::Metric;
use super::mistake::Mistake;
use super::rule::Rule;
use super::segment::Segment;
use super::settings::{DEFAULT_ENVIRONMENTS, Settings};
use super::shape::read;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Something, and where it was read.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub place: String,
    pub value: T,
}

/// The environments of a project. `production` is always among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environments(pub Vec<String>);

impl Default for Environments {
    fn default() -> Environments {
        Environments(DEFAULT_ENVIRONMENTS.map(str::to_string).to_vec())
    }
}

/// The items of a catalog.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub id_types: Vec<Placed<IdType>>,
    pub environments: Environments,
    pub settings: Settings,
    pub integrations: Integrations,
    pub segments: Vec<Placed<Segment>>,
    pub gates: Vec<Placed<Gate>>,
    pub dynamic_configs: Vec<Placed<DynamicConfig>>,
    pub layers: Vec<Placed<Layer>>,
    pub holdouts: Vec<Placed<Holdout>>,
    pub experiments: Vec<Placed<Experiment>>,
    pub metrics: Vec<Placed<Metric>>,
    pub explorations: Vec<Placed<Exploration>>,
    /// Items whose shape is wrong. They are there, so what refers to them is not wrong too.
    pub unread: BTreeSet<(ItemKind, String)>,
}

/// A kind of item of which there are many.
pub(super) trait Entry: Serialize + DeserializeOwned + JsonSchema {
    const KIND: ItemKind;
    /// Fills in what has a default that depends on other fields.
    fn settle(&mut self);
    fn id(&self) -> String;
    fn list(contents: &mut Contents) -> &mut Vec<Placed<Self>>;
}

macro_rules! entries {
    ($($type:ty, $kind:ident, $list:ident, $id:expr, |$value:ident| $settle:block;)*) => {
        $(impl Entry for $type {
            const KIND: ItemKind = ItemKind::$kind;

            fn settle(&mut self) {
                let $value = self;
                $settle
            }

            fn id(&self) -> String {
                let id: fn(&$type) -> String = $id;
                id(self)
            }

            fn list(contents: &mut Contents) -> &mut Vec<Placed<Self>> {
                &mut contents.$list
            }
        })*
    };
}

entries! {
    IdType, IdType, id_types, |it| it.name.clone(), |_it| {};
    Segment, Segment, segments, |it| it.id.clone(), |it| {
        default_id(&mut it.id, &it.name);
        settle_rules(&mut it.rules);
    };
    Gate, Gate, gates, |it| it.id.clone(), |it| {
        default_id(&mut it.id, &it.name);
        settle_rules(&mut it.rules);
    };
    DynamicConfig, DynamicConfig, dynamic_configs, |it| it.id.clone(), |it| {
        default_id(&mut it.id, &it.name);
        settle_rules(&mut it.rules);
    };
    Layer, Layer, layers, |it| it.id.clone(), |it| { default_id(&mut it.id, &it.name); };
    Holdout, Holdout, holdouts, |it| it.id.clone(), |it| { default_id(&mut it.id, &it.name); };
    Experiment, Experiment, experiments, |it| it.id.clone(), |it| {
        default_id(&mut it.id, &it.name);
        it.groups.iter_mut().for_each(|group| default_id(&mut group.id, &group.name));
    };
    Metric, Metric, metrics, |it| it.id(), |_it| {};
    Exploration, Exploration, explorations, |it| it.id.clone(), |it| { default_id(&mut it.id, &it.name); };
}

fn default_id(id: &mut String, name: &str) {
    if id.is_empty() {
        *id = name.to_string();
    }
}

fn settle_rules(rules: &mut [Rule]) {
    rules.iter_mut().for_each(|rule| default_id(&mut rule.id, &rule.name));
}

impl Contents {
    /// Reads one item and keeps it. Gives its ID and its document in the form in which it is stored, or `None` if its
    /// shape is wrong. `id` is needed for integrations only; other items say it themselves.
    pub fn add(
        &mut self,
        kind: ItemKind,
        id: &str,
        document: &Value,
        place: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<(String, Value)> {
        match kind {
            ItemKind::IdType => self.add_entry::<IdType>(document, place, mistakes),
            ItemKind::Segment => self.add_entry::<Segment>(document, place, mistakes),
            ItemKind::Gate => self.add_entry::<Gate>(document, place, mistakes),
            ItemKind::DynamicConfig => self.add_entry::<DynamicConfig>(document, place, mistakes),
            ItemKind::Layer => self.add_entry::<Layer>(document, place, mistakes),
            ItemKind::Holdout => self.add_entry::<Holdout>(document, place, mistakes),
            ItemKind::Experiment => self.add_entry::<Experiment>(document, place, mistakes),
            ItemKind::Metric => self.add_entry::<Metric>(document, place, mistakes),
            ItemKind::Exploration => self.add_entry::<Exploration>(document, place, mistakes),
            ItemKind::Environments => {
                let read = set(&mut self.environments, document, place, mistakes);
                if read.is_none() {
                    self.unread.insert((ItemKind::Environments, String::new()));
                }
                read
            }
            // Read by what settles it, together with the experiments.
            ItemKind::Allocation => Some((id.to_string(), document.clone())),
            ItemKind::Settings => set(&mut self.settings, document, place, mistakes),
            ItemKind::Integration => {
                let all = &mut self.integrations;
                match id {
                    "segment.incoming" => set(&mut all.segment.incoming, document, place, mistakes),
                    "segment.outgoing" => set(&mut all.segment.outgoing, document, place, mistakes),
                    "rudderstack.incoming" => set(&mut all.rudderstack.incoming, document, place, mistakes),
                    "webhook.incoming" => set(&mut all.webhook.incoming, document, place, mistakes),
                    "webhook.outgoing" => set(&mut all.webhook.outgoing, document, place, mistakes),
                    _ => {
                        mistakes.push(Mistake::new(place, "is no integration that Weir has"));
                        None
                    }
                }
            }
        }
        .map(|(own, document)| (if own.is_empty() { id.to_string() } else { own }, document))
    }

    fn add_entry<T: Entry>(
        &mut self,
        document: &Value,
        place: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<(String, Value)> {
        let Some(mut value) = read::<T>(document, place, mistakes) else {
            let named = ["id", "name"].into_iter().filter_map(|field| document[field].as_str());
            self.unread.extend(named.map(|name| (T::KIND, name.to_string())));
            return None;
        };
        value.settle();
        let stored = (value.id(), stored_form(&value));
        T::list(self).push(Placed { place: place.to_string(), value });
        Some(stored)
    }
}

fn set<T>(slot: &mut T, document: &Value, place: &str, mistakes: &mut Vec<Mistake>) -> Option<(String, Value)>
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    let value = read::<T>(document, place, mistakes)?;
    let stored = stored_form(&value);
    *slot = value;
    Some((String::new(), stored))
}

/// Defaults spelled out, so that writing a default into the project file is no change.
pub(super) fn stored_form(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("the catalog's types have text keys and finite numbers only")
}
