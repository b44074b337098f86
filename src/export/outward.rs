//! A stored event as it goes out, whatever the wire: exposures under the names that the facts of the integration give them,
//! hashes as names, private attributes gone. Writes no call.

use super::known::{About, Known, group_of};
use crate::event::{Kind, STABLE_ID, Timestamp, USER_ID};
use crate::ingest::{Glance, glance};
use crate::store::StoredEvent;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

const EXPERIMENT_EXPOSURE: &str = "statsig::experiment_exposure";

/// An event, renamed.
pub(super) struct Outward<'e> {
    event: &'e StoredEvent,
    pub name: &'e str,
    /// What an exposure is about.
    about: Option<About<'e>>,
    /// Each value as text.
    pub metadata: Fields<'e, Cow<'e, str>>,
    pub user: Fields<'e, &'e RawValue>,
    /// What the SDK that logged it says of itself.
    pub sdk: Fields<'e, &'e RawValue>,
    pub value: SentValue<'e>,
}

impl<'e> Outward<'e> {
    pub fn of(event: &'e StoredEvent, known: &'e Known) -> Outward<'e> {
        let Glance { metadata, user, sdk, text_value } = glance(&event.raw, event.shared.as_deref());
        let value = match event.value {
            Some(number) => SentValue::Number(number),
            None => text_value.map_or(SentValue::None, SentValue::Text),
        };
        let (metadata, user, sdk) = (Fields(metadata), Fields(user), Fields(sdk));
        let about = event.subject.as_ref().and_then(|subject| known.about(subject));
        let mut outward = Outward { event, name: &event.name, about, metadata, user, sdk, value };
        match event.kind {
            Kind::GateExposure | Kind::ConfigExposure | Kind::LayerExposure => outward.relabel(known),
            Kind::ConfigChange => outward.join_environments(),
            _ => {}
        }
        outward
    }

    /// Statsig's SDKs log experiments as configs, and layers under their own name.
    fn relabel(&mut self, known: &'e Known) {
        let (event, metadata) = (self.event, &mut self.metadata);
        if let Some(name) = metadata.get("allocatedExperiment").and_then(|given| known.names.name_of(given)) {
            metadata.put("allocatedExperiment", name);
        }
        if let (Some(about), Some(subject)) = (self.about, &event.subject) {
            if event.kind == Kind::LayerExposure {
                self.name = EXPERIMENT_EXPOSURE;
                metadata.put("layer", known.names.name_of(&subject.name).unwrap_or(&subject.name));
            }
            metadata.put(if about.is_gate { "gate" } else { "config" }, about.name);
            if let Some(experiment) = about.experiment {
                self.name = EXPERIMENT_EXPOSURE;
                if let Some(group) = group_of(experiment, &subject.rule) {
                    metadata.put("experimentGroupName", &*group.name);
                }
            }
        }
        if metadata.get("time").is_none() {
            metadata.put("time", event.time.0.to_string());
        }
    }

    /// A change names its environments in a list; the integrations have one text.
    fn join_environments(&mut self) {
        if let Some(list) = self.metadata.remove("environments")
            && let Ok(names) = serde_json::from_str::<Vec<String>>(&list)
        {
            self.metadata.put("environment", names.join(", "));
        }
    }

    pub fn change(&self) -> Change<'_> {
        let text = |name: &str| self.metadata.get(name);
        Change {
            author: text("author").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            description: text("description").unwrap_or_default(),
            environments: text("environment"),
        }
    }

    /// The unit of an ID type, whose name is read without regard to case.
    pub fn unit(&self, id_type: &str) -> Option<&'e str> {
        let units = &self.event.units;
        units.iter().find(|(known, _)| known.eq_ignore_ascii_case(id_type)).map(|(_, id)| id.as_str())
    }

    pub fn time(&self) -> Timestamp {
        self.event.time
    }

    pub fn is_config_change(&self) -> bool {
        self.event.kind == Kind::ConfigChange
    }

    /// Of an exposure: the ID type of the unit that met it.
    pub fn unit_type(&self) -> Option<&'e str> {
        if !self.event.kind.is_exposure() {
            return None;
        }
        let of_item = self.about.and_then(|about| about.id_type);
        let of_event = || [USER_ID, STABLE_ID].into_iter().find(|id_type| self.unit(id_type).is_some());
        of_item.or_else(of_event).or_else(|| self.event.units.first().map(|(id_type, _)| id_type.as_str()))
    }
}

/// An object's entries, in no order, each key once.
pub(super) struct Fields<'e, V>(Vec<(Cow<'e, str>, V)>);

impl<V> Fields<'_, V> {
    pub fn none() -> Self {
        Fields(Vec::new())
    }
}

impl<'e> Fields<'e, Cow<'e, str>> {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| &**text)
    }

    pub fn put(&mut self, name: &'static str, text: impl Into<Cow<'e, str>>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, before)) => *before = text.into(),
            None => self.0.push((name.into(), text.into())),
        }
    }

    fn remove(&mut self, name: &str) -> Option<Cow<'e, str>> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }
}

impl<V: Serialize> Serialize for Fields<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// An event's value: a number, or the text that some products put there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SentValue<'e> {
    None,
    Number(f64),
    Text(Cow<'e, str>),
}

/// Up to here a float holds every whole number.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Serialize for SentValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SentValue::None => serializer.serialize_unit(),
            // As JavaScript writes it: 5, not 5.0.
            SentValue::Number(number) if number.fract() == 0.0 && number.abs() < WHOLE => {
                serializer.serialize_i64(*number as i64)
            }
            SentValue::Number(number) => serializer.serialize_f64(*number),
            SentValue::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// A moment as text: ISO 8601 with milliseconds.
pub(super) struct Iso(pub Timestamp);

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What a change of configuration says.
pub(super) struct Change<'m> {
    pub author: &'m str,
    pub name: &'m str,
    pub description: &'m str,
    /// The environments that it concerns, where it does not concern all.
    pub environments: Option<&'m str>,
}
