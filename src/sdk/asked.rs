//! What is asked: the bodies of `initialize`, `check_gate` and their like, read once. Speaks the wire and answers nothing.

use crate::evaluate::User;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// Gates that one call may ask for, as in Statsig's HTTP API.
pub const GATES_PER_CALL: usize = 100;
/// Bytes of a user, and likewise of `statsigMetadata`: what becomes an exposure must fit into an event.
pub const USER_BYTES: usize = 128 * 1024;

/// Why a body cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the body is not UTF-8 from byte {at} on; send JSON in UTF-8")]
    NotUtf8 { at: usize },
    #[error("the body is not what this path takes: {detail}")]
    Malformed { detail: String },
    #[error("`{field}` must be an object")]
    NotAnObject { field: &'static str },
    #[error("`{field}` is larger than {USER_BYTES} bytes; send a smaller one")]
    TooLarge { field: &'static str },
    #[error("say by `{field}` what is asked for")]
    NothingAsked { field: &'static str },
    #[error("more than {GATES_PER_CALL} gates are asked for; ask for fewer at a time")]
    TooManyGates,
    #[error("`hash` must be djb2, sha256 or none")]
    UnknownHash,
}

impl AskError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            AskError::NotUtf8 { .. } => "not_utf8",
            AskError::Malformed { .. } => "malformed_json",
            AskError::NotAnObject { .. } => "not_an_object",
            AskError::TooLarge { .. } => "user_too_large",
            AskError::NothingAsked { .. } => "nothing_asked",
            AskError::TooManyGates => "too_many_gates",
            AskError::UnknownHash => "unknown_hash",
        }
    }

    pub fn is_about_size(&self) -> bool {
        matches!(self, AskError::TooLarge { .. })
    }
}

/// A body, with the fields of every path; each path looks at its own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wire<'a> {
    #[serde(borrow)]
    pub user: Option<&'a RawValue>,
    #[serde(borrow)]
    pub statsig_metadata: Option<&'a RawValue>,
    pub gate_name: Option<String>,
    /// One more than may be asked for, where there are so many.
    #[serde(deserialize_with = "gate_names")]
    pub gate_names: Option<Vec<String>>,
    pub config_name: Option<String>,
    pub layer_name: Option<String>,
    pub hash: Option<String>,
    pub since_time: Option<f64>,
    #[serde(rename = "full_checksum")]
    pub full_checksum: Option<String>,
    /// A list of [`CustomExposure`].
    #[serde(borrow)]
    pub exposures: Option<&'a RawValue>,
}

fn gate_names<'a, D: Deserializer<'a>>(wire: D) -> Result<Option<Vec<String>>, D::Error> {
    let list: Option<&'a RawValue> = Deserialize::deserialize(wire)?;
    list.map(|list| first(list, GATES_PER_CALL + 1)).transpose().map_err(D::Error::custom)
}

/// The first elements of a list. The others are looked over and not kept, for a body can hold a million in a few megabytes.
pub(super) fn first<'a, T: Deserialize<'a>>(list: &'a RawValue, most: usize) -> serde_json::Result<Vec<T>> {
    serde_json::Deserializer::from_str(list.get()).deserialize_seq(First(most, PhantomData))
}

struct First<T>(usize, PhantomData<T>);

impl<'a, T: Deserialize<'a>> Visitor<'a> for First<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.0
            && let Some(element) = list.next_element()?
        {
            first.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// One exposure that a program reports by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CustomExposure<'a> {
    #[serde(borrow)]
    pub user: Option<&'a RawValue>,
    pub experiment_name: Option<String>,
    pub gate_name: Option<String>,
    #[serde(borrow)]
    pub passes: Option<&'a RawValue>,
    pub group: Option<String>,
    #[serde(rename = "ruleID")]
    pub rule_id: Option<String>,
    #[serde(borrow)]
    pub time: Option<&'a RawValue>,
}

/// A body and the user that it is about.
#[derive(Debug)]
pub struct Asked<'a> {
    pub(super) wire: Wire<'a>,
    /// Of the body as a whole; the stableID that a client SDK sends beside the user is his.
    pub user: User,
    /// The same as it came, without `privateAttributes`.
    pub(super) shown: Value,
    pub(super) stable_id: Option<String>,
    /// Whether exposures are wanted.
    pub(super) logs_exposures: bool,
}

impl<'a> Asked<'a> {
    /// Reads a body. An empty one asks about a user of whom nothing is known.
    pub fn read(body: &'a [u8]) -> Result<Asked<'a>, AskError> {
        let text = std::str::from_utf8(body).map_err(|error| AskError::NotUtf8 { at: error.valid_up_to() })?;
        let wire: Wire<'a> = match text.trim() {
            "" => Wire::default(),
            // A derived reader takes an array too, field by field.
            text if !text.starts_with('{') => return Err(AskError::NotAnObject { field: "the body" }),
            text => serde_json::from_str(text).map_err(malformed)?,
        };
        let mut shown = object(wire.user, "user")?;
        let metadata = object(wire.statsig_metadata, "statsigMetadata")?;
        let stable_id = metadata["stableID"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
        let mut user = User::from_json(&shown);
        if let Some(id) = &stable_id {
            user = user.or_id(crate::event::STABLE_ID, id);
        }
        if let Value::Object(fields) = &mut shown {
            fields.remove("privateAttributes");
        }
        let disabled = &metadata["exposureLoggingDisabled"];
        let logs_exposures = *disabled != true && *disabled != "true";
        Ok(Asked { wire, user, shown, stable_id, logs_exposures })
    }
}

impl Asked<'_> {
    /// What the caller has, in ms.
    pub fn since_time(&self) -> Option<f64> {
        self.wire.since_time
    }
}

fn object(raw: Option<&RawValue>, field: &'static str) -> Result<Value, AskError> {
    let Some(raw) = raw else { return Ok(Value::Object(Default::default())) };
    if raw.get().len() > USER_BYTES {
        return Err(AskError::TooLarge { field });
    }
    let value = serde_json::from_str(raw.get()).map_err(malformed)?;
    if matches!(value, Value::Object(_)) { Ok(value) } else { Err(AskError::NotAnObject { field }) }
}

pub(super) fn malformed(error: serde_json::Error) -> AskError {
    AskError::Malformed { detail: error.to_string() }
}
