//! One event as Statsig's SDKs log it, and as Statsig's generic webhook takes it: two spellings of the same fields.
//! Speaks these wires and decides nothing.

use super::message::Tier;
use super::reader::{Entries, Read, Reader};
use super::scalar::Scalar;
use crate::event::TermId;

#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// `eventName`, in the webhook `event`.
    pub name: Scalar<'a>,
    pub value: Scalar<'a>,
    /// `time`, in the webhook `timestamp`.
    pub time: Scalar<'a>,
    pub message_id: Scalar<'a>,
    pub user: User<'a>,
    pub sdk: Sdk<'a>,
    pub metadata: Metadata<'a>,
    /// What may not be stored stands somewhere in the text, be it under a key that a later one replaced.
    pub has_private_attributes: bool,
    pub has_write_key: bool,
    /// The rows of Map Identifiers; only webhooks have any.
    pub map_identifiers: &'a [(String, TermId)],
    /// Fields beside the above that a row names: place among the rows, value.
    mapped: Vec<(usize, Scalar<'a>)>,
}

impl<'a> Record<'a> {
    /// One whose top-level fields may name units.
    pub fn mapping(map_identifiers: &'a [(String, TermId)]) -> Record<'a> {
        Record { map_identifiers, ..Record::default() }
    }

    /// A top-level field that Map Identifiers names.
    pub fn field(&self, name: &str) -> Option<&Scalar<'a>> {
        match name {
            "event" | "eventName" => Some(&self.name),
            "value" => Some(&self.value),
            "time" | "timestamp" => Some(&self.time),
            "messageId" => Some(&self.message_id),
            _ => {
                let wanted = self.row(name)?;
                self.mapped.iter().rev().find(|(row, _)| *row == wanted).map(|(_, value)| value)
            }
        }
    }

    /// The first row that names a field.
    fn row(&self, name: &str) -> Option<usize> {
        self.map_identifiers.iter().position(|(field, _)| field == name)
    }
}

/// A `StatsigUser`.
#[derive(Debug, Default)]
pub(super) struct User<'a> {
    pub is_given: bool,
    pub user_id: Scalar<'a>,
    /// In the order of the text; of two with the same name the last counts.
    pub custom_ids: Vec<(String, Scalar<'a>)>,
    pub tier: Scalar<'a>,
    /// There are attributes that may be used to evaluate and must not be stored.
    pub has_private_attributes: bool,
}

/// `statsigMetadata`.
#[derive(Debug, Default)]
pub(super) struct Sdk<'a> {
    pub stable_id: Scalar<'a>,
    pub session_id: Scalar<'a>,
}

/// The parts of an exposure's metadata that say what was met and what the unit got.
#[derive(Debug, Default)]
pub(super) struct Metadata<'a> {
    pub gate: Scalar<'a>,
    pub gate_value: Scalar<'a>,
    pub config: Scalar<'a>,
    pub rule_id: Scalar<'a>,
    pub allocated_experiment: Scalar<'a>,
    pub is_explicit_parameter: Scalar<'a>,
    pub reason: Scalar<'a>,
}

pub(super) enum RecordKey {
    Name,
    Value,
    Time,
    MessageId,
    User,
    Sdk,
    Metadata,
    WriteKey,
    Mapped(usize),
    Other,
}

impl<'a> Entries<'a> for Record<'a> {
    type Key = RecordKey;

    fn key(&self, name: &str) -> RecordKey {
        match name {
            "eventName" | "event" => RecordKey::Name,
            "value" => RecordKey::Value,
            "time" | "timestamp" => RecordKey::Time,
            "messageId" => RecordKey::MessageId,
            "user" => RecordKey::User,
            "statsigMetadata" => RecordKey::Sdk,
            "metadata" => RecordKey::Metadata,
            "writeKey" => RecordKey::WriteKey,
            _ => self.row(name).map_or(RecordKey::Other, RecordKey::Mapped),
        }
    }

    fn entry(&mut self, key: RecordKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        let slot = match key {
            RecordKey::Name => &mut self.name,
            RecordKey::Value => &mut self.value,
            RecordKey::Time => &mut self.time,
            RecordKey::MessageId => &mut self.message_id,
            RecordKey::User => {
                self.user = User::default();
                self.user.is_given = reader.object(&mut self.user, room)?;
                self.has_private_attributes |= self.user.has_private_attributes;
                return Ok(());
            }
            RecordKey::Sdk => {
                self.sdk = Sdk::default();
                reader.object(&mut self.sdk, room)?;
                return Ok(());
            }
            RecordKey::Metadata => {
                self.metadata = Metadata::default();
                reader.object(&mut self.metadata, room)?;
                return Ok(());
            }
            RecordKey::WriteKey => {
                self.has_write_key = true;
                return reader.skip(room);
            }
            RecordKey::Mapped(row) => {
                self.mapped.push((row, reader.scalar(room)?));
                return Ok(());
            }
            RecordKey::Other => return reader.skip(room),
        };
        *slot = reader.scalar(room)?;
        Ok(())
    }
}

pub(super) enum UserKey {
    UserId,
    CustomIds,
    Environment,
    PrivateAttributes,
    Other,
}

impl<'a> Entries<'a> for User<'a> {
    type Key = UserKey;

    fn key(&self, name: &str) -> UserKey {
        match name {
            "userID" => UserKey::UserId,
            "customIDs" => UserKey::CustomIds,
            "statsigEnvironment" => UserKey::Environment,
            "privateAttributes" => UserKey::PrivateAttributes,
            _ => UserKey::Other,
        }
    }

    fn entry(&mut self, key: UserKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        match key {
            UserKey::UserId => self.user_id = reader.scalar(room)?,
            UserKey::CustomIds => {
                self.custom_ids.clear();
                reader.object(&mut CustomIds(&mut self.custom_ids), room)?;
            }
            UserKey::Environment => {
                self.tier = Scalar::Absent;
                reader.object(&mut Tier(&mut self.tier), room)?;
            }
            UserKey::PrivateAttributes => self.has_private_attributes |= reader.scalar(room)? != Scalar::Absent,
            UserKey::Other => reader.skip(room)?,
        }
        Ok(())
    }
}

/// `{"companyID": "c1", ...}`
struct CustomIds<'x, 'a>(&'x mut Vec<(String, Scalar<'a>)>);

impl<'a> Entries<'a> for CustomIds<'_, 'a> {
    type Key = String;

    fn key(&self, name: &str) -> String {
        name.to_owned()
    }

    fn entry(&mut self, name: String, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        self.0.push((name, reader.scalar(room)?));
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub(super) enum SdkKey {
    StableId,
    SessionId,
    Other,
}

impl<'a> Entries<'a> for Sdk<'a> {
    type Key = SdkKey;

    fn key(&self, name: &str) -> SdkKey {
        match name {
            "stableID" => SdkKey::StableId,
            "sessionID" => SdkKey::SessionId,
            _ => SdkKey::Other,
        }
    }

    fn entry(&mut self, key: SdkKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        match key {
            SdkKey::StableId => self.stable_id = reader.scalar(room)?,
            SdkKey::SessionId => self.session_id = reader.scalar(room)?,
            SdkKey::Other => reader.skip(room)?,
        }
        Ok(())
    }
}

pub(super) enum MetadataKey {
    Gate,
    GateValue,
    Config,
    RuleId,
    AllocatedExperiment,
    IsExplicitParameter,
    Reason,
    Other,
}

impl<'a> Entries<'a> for Metadata<'a> {
    type Key = MetadataKey;

    fn key(&self, name: &str) -> MetadataKey {
        match name {
            "gate" => MetadataKey::Gate,
            "gateValue" => MetadataKey::GateValue,
            "config" => MetadataKey::Config,
            "ruleID" => MetadataKey::RuleId,
            "allocatedExperiment" => MetadataKey::AllocatedExperiment,
            "isExplicitParameter" => MetadataKey::IsExplicitParameter,
            "reason" => MetadataKey::Reason,
            _ => MetadataKey::Other,
        }
    }

    fn entry(&mut self, key: MetadataKey, reader: &mut Reader<'a>, room: u32) -> Read<()> {
        let slot = match key {
            MetadataKey::Gate => &mut self.gate,
            MetadataKey::GateValue => &mut self.gate_value,
            MetadataKey::Config => &mut self.config,
            MetadataKey::RuleId => &mut self.rule_id,
            MetadataKey::AllocatedExperiment => &mut self.allocated_experiment,
            MetadataKey::IsExplicitParameter => &mut self.is_explicit_parameter,
            MetadataKey::Reason => &mut self.reason,
            MetadataKey::Other => return reader.skip(room),
        };
        *slot = reader.scalar(room)?;
        Ok(())
    }
}
