//! A stored event as it goes out, whatever the wire: exposures under the names that the facts of the integration give them,
//! hashes as names, private attributes gone. Writes no call.

use super::known::{About, Known, group_of};
use crate::event::{Kind, STABLE_ID, Timestamp, USER_ID};
use crate::ingest::{statsig_metadata, text_value, view};
use crate::store::StoredEvent;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

const EXPERIMENT_EXPOSURE: &str = "statsig::experiment_exposure";

/// An event, renamed.
pub(super) struct Outward<'e> {
    event: &'e StoredEvent,
    pub name: &'e str,
    /// What an exposure is about.
    about: Option<About<'e>>,
    pub metadata: Map<String, Value>,
    pub user: Map<String, Value>,
}

impl<'e> Outward<'e> {
    pub fn of(event: &'e StoredEvent, known: &'e Known) -> Outward<'e> {
        let mut seen = view(event.source, event.kind, &event.raw, event.shared.as_deref());
        seen.reveal(event.kind, &known.names);
        let about = event.subject.as_ref().and_then(|subject| known.about(subject));
        let mut outward = Outward { event, name: event.name.as_str(), about, metadata: seen.metadata, user: seen.user };
        match event.kind {
            Kind::GateExposure | Kind::ConfigExposure | Kind::LayerExposure => outward.relabel(),
            Kind::ConfigChange => outward.join_environments(),
            _ => {}
        }
        outward
    }

    /// Statsig's SDKs log experiments as configs, and layers under their own name.
    fn relabel(&mut self) {
        let event = self.event;
        let mut put = |field: &str, text: &str| self.metadata.insert(field.to_owned(), text.into());
        if let (Some(about), Some(subject)) = (self.about, &event.subject) {
            if event.kind == Kind::LayerExposure {
                self.name = EXPERIMENT_EXPOSURE;
                put("layer", &subject.name);
            }
            put(if about.is_gate { "gate" } else { "config" }, about.name);
            if let Some(experiment) = about.experiment {
                self.name = EXPERIMENT_EXPOSURE;
                if let Some(group) = group_of(experiment, &subject.rule) {
                    put("experimentGroupName", &group.name);
                }
            }
        }
        self.metadata.entry("time").or_insert_with(|| event.time.0.to_string().into());
    }

    /// A change names its environments in a list; the integrations have one text.
    fn join_environments(&mut self) {
        if let Some(Value::String(list)) = self.metadata.remove("environments")
            && let Ok(names) = serde_json::from_str::<Vec<String>>(&list)
        {
            self.metadata.insert("environment".to_owned(), names.join(", ").into());
        }
    }

    pub fn change(&self) -> Change<'_> {
        let text = |name: &str| self.metadata.get(name).and_then(Value::as_str);
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

    pub fn value(&self) -> SentValue<'e> {
        match self.event.value {
            Some(number) => SentValue::Number(number),
            None => text_value(&self.event.raw).map_or(SentValue::None, SentValue::Text),
        }
    }

    /// What the SDK that logged it says of itself.
    pub fn sdk(&self) -> Map<String, Value> {
        statsig_metadata(&self.event.raw, self.event.shared.as_deref())
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
