//! One message of Segment's spec as it stands on the wire, as far as intake needs it. Speaks this wire and decides nothing.

use super::audience::{Signals, TraitsEntries};
use super::filter::Integrations;
use super::reader::{Entries, Read, Reader};
use super::rules::{Rules, SourceRules};
use super::scalar::Scalar;

/// The fields that matter; text that has no escapes is borrowed from the body.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub kind: Scalar<'a>,
    pub event: Scalar<'a>,
    pub name: Scalar<'a>,
    pub user_id: Scalar<'a>,
    pub anonymous_id: Scalar<'a>,
    pub group_id: Scalar<'a>,
    pub previous_id: Scalar<'a>,
    pub message_id: Scalar<'a>,
    pub timestamp: Scalar<'a>,
    pub original_timestamp: Scalar<'a>,
    pub sent_at: Scalar<'a>,
    pub write_key: Scalar<'a>,
    /// Some `writeKey` of the message may not be stored.
    pub has_secret: bool,
    pub integrations: Integrations,
    pub properties: Properties<'a>,
    /// Fields beside the above that are mapped to an ID type: place in `Wire::mapped`, value.
    pub mapped: Vec<(usize, Scalar<'a>)>,
    /// What it says about audiences. Only read where there are ID lists that an audience can fill.
    pub signals: Option<Box<Signals<'a>>>,
}

#[derive(Debug, Default)]
pub(super) struct Properties<'a> {
    pub name: Scalar<'a>,
    /// Place in `Rules::value_properties`, number: the most preferred one so far.
    pub value: Option<(usize, f64)>,
    /// `statsigCustomIDs`: ID type, ID, ID type, ID ...
    pub custom_ids: Vec<Scalar<'a>>,
    pub tier: Scalar<'a>,
}

/// What the project wants of a message; made once for a body.
pub(super) struct Wire<'r> {
    pub rules: &'r Rules,
    /// Fields without a place of their own in `Message` that Map Identifiers names.
    pub mapped: Vec<&'r str>,
}

impl<'r> Wire<'r> {
    pub fn new(rules: &'r Rules, source: &'r SourceRules) -> Wire<'r> {
        let fields = source.map_identifiers.iter().map(|(field, _)| field.as_str());
        Wire { rules, mapped: fields.filter(|field| !is_own_field(field)).collect() }
    }
}

/// Fields that Map Identifiers can name and that are read anyway.
fn is_own_field(field: &str) -> bool {
    matches!(field, "userId" | "anonymousId" | "groupId" | "previousId" | "messageId" | "event" | "name")
}

impl<'a> Message<'a> {
    /// A field that Map Identifiers names.
    pub fn field(&self, name: &str, wire: &Wire<'_>) -> Option<&Scalar<'a>> {
        match name {
            "userId" => Some(&self.user_id),
            "anonymousId" => Some(&self.anonymous_id),
            "groupId" => Some(&self.group_id),
            "previousId" => Some(&self.previous_id),
            "messageId" => Some(&self.message_id),
            "event" => Some(&self.event),
            "name" => Some(&self.name),
            _ => {
                let wanted = wire.mapped.iter().position(|&field| field == name)?;
                self.mapped.iter().rev().find(|(place, _)| *place == wanted).map(|(_, value)| value)
            }
        }
    }
}

/// A message being read.
pub(super) struct MessageEntries<'x, 'a> {
    pub wire: &'x Wire<'x>,
    pub message: Message<'a>,
}

pub(super) enum MessageKey {
    Kind,
    Event,
    Name,
    UserId,
    AnonymousId,
    GroupId,
    PreviousId,
    MessageId,
    Timestamp,
    OriginalTimestamp,
    SentAt,
    WriteKey,
    Integrations,
    Properties,
    Traits,
    Mapped(usize),
    Other,
}

impl<'a> Entries<'a> for MessageEntries<'_, 'a> {
    type Key = MessageKey;

    fn key(&self, name: &str) -> MessageKey {
        match name {
            "type" => MessageKey::Kind,
            "event" => MessageKey::Event,
            "name" => MessageKey::Name,
            "userId" => MessageKey::UserId,
            "anonymousId" => MessageKey::AnonymousId,
            "groupId" => MessageKey::GroupId,
            "previousId" => MessageKey::PreviousId,
            "messageId" => MessageKey::MessageId,
            "timestamp" => MessageKey::Timestamp,
            "originalTimestamp" => MessageKey::OriginalTimestamp,
            "sentAt" => MessageKey::SentAt,
            "writeKey" => MessageKey::WriteKey,
            "integrations" => MessageKey::Integrations,
            "properties" => MessageKey::Properties,
            "traits" if !self.wire.rules.audiences.is_empty() => MessageKey::Traits,
            _ => match self.wire.mapped.iter().position(|&field| field == name) {
                Some(place) => MessageKey::Mapped(place),
                None => MessageKey::Other,
            },
        }
    }

    fn entry(&mut self, key: MessageKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        let message = &mut self.message;
        let slot = match key {
            MessageKey::Kind => &mut message.kind,
            MessageKey::Event => &mut message.event,
            MessageKey::Name => &mut message.name,
            MessageKey::UserId => &mut message.user_id,
            MessageKey::AnonymousId => &mut message.anonymous_id,
            MessageKey::GroupId => &mut message.group_id,
            MessageKey::PreviousId => &mut message.previous_id,
            MessageKey::MessageId => &mut message.message_id,
            MessageKey::Timestamp => &mut message.timestamp,
            MessageKey::OriginalTimestamp => &mut message.original_timestamp,
            MessageKey::SentAt => &mut message.sent_at,
            MessageKey::WriteKey => {
                message.write_key = reader.scalar(room)?;
                message.has_secret |= match &message.write_key {
                    Scalar::Absent => false,
                    Scalar::Text(key) => !self.wire.rules.client_keys.contains(key.as_ref()),
                    _ => true,
                };
                return Ok(());
            }
            MessageKey::Integrations => {
                message.integrations = Integrations::default();
                reader.object(&mut message.integrations, room)?;
                return Ok(());
            }
            MessageKey::Properties => {
                message.properties = Properties::default();
                let values = &self.wire.rules.value_properties;
                let mut properties = PropertiesEntries {
                    values,
                    properties: &mut message.properties,
                    has_audiences: !self.wire.rules.audiences.is_empty(),
                    signals: &mut message.signals,
                };
                reader.object(&mut properties, room)?;
                return Ok(());
            }
            MessageKey::Traits => {
                let traits = &mut message.signals.get_or_insert_default().traits;
                traits.clear();
                let mut into = TraitsEntries { audiences: &self.wire.rules.audiences, traits };
                reader.object(&mut into, room)?;
                return Ok(());
            }
            MessageKey::Mapped(place) => {
                message.mapped.push((place, reader.scalar(room)?));
                return Ok(());
            }
            MessageKey::Other => return reader.skip(room),
        };
        *slot = reader.scalar(room)?;
        Ok(())
    }
}

struct PropertiesEntries<'x, 'a> {
    values: &'x [String],
    properties: &'x mut Properties<'a>,
    has_audiences: bool,
    signals: &'x mut Option<Box<Signals<'a>>>,
}

enum PropertiesKey {
    Name,
    CustomIds,
    Environment,
    AudienceKey,
    Value(usize),
    Other,
}

impl<'a> Entries<'a> for PropertiesEntries<'_, 'a> {
    type Key = PropertiesKey;

    fn key(&self, name: &str) -> PropertiesKey {
        if let Some(place) = self.values.iter().position(|value| value == name) {
            return PropertiesKey::Value(place);
        }
        match name {
            "name" => PropertiesKey::Name,
            "statsigCustomIDs" => PropertiesKey::CustomIds,
            "statsigEnvironment" => PropertiesKey::Environment,
            "audience_key" if self.has_audiences => PropertiesKey::AudienceKey,
            _ => PropertiesKey::Other,
        }
    }

    fn entry(&mut self, key: PropertiesKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        let properties = &mut *self.properties;
        match key {
            PropertiesKey::Name => properties.name = reader.scalar(room)?,
            PropertiesKey::CustomIds => reader.list(&mut properties.custom_ids, room)?,
            PropertiesKey::Environment => {
                properties.tier = Scalar::Absent;
                reader.object(&mut Tier(&mut properties.tier), room)?;
            }
            PropertiesKey::AudienceKey => {
                self.signals.get_or_insert_default().audience_key = reader.scalar(room)?;
            }
            PropertiesKey::Value(place) => {
                if let Some(number) = reader.scalar(room)?.number()
                    && properties.value.is_none_or(|(best, _)| place <= best)
                {
                    properties.value = Some((place, number));
                }
            }
            PropertiesKey::Other => reader.skip(room)?,
        }
        Ok(())
    }
}

/// `{"tier": "staging"}`, as `statsigEnvironment` has it.
pub(super) struct Tier<'x, 'a>(pub &'x mut Scalar<'a>);

impl<'a> Entries<'a> for Tier<'_, 'a> {
    type Key = bool;

    fn key(&self, name: &str) -> bool {
        name == "tier"
    }

    fn entry(&mut self, is_tier: bool, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        if is_tier {
            *self.0 = reader.scalar(room)?;
            Ok(())
        } else {
            reader.skip(room)
        }
    }
}
