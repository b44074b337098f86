//! The user that is evaluated, parsed once from a StatsigUser. Finds fields and units; compares nothing.

use crate::event::{Timestamp, USER_ID};
use hashbrown::HashMap;
use serde_json::{Map, Value};

/// Whole numbers below this that a time is compared with are seconds, others are milliseconds.
const FIRST_MILLISECONDS: i64 = 10_000_000_000;

/// Who is evaluated.
#[derive(Debug, Clone, Default)]
pub struct User {
    user_id: Field,
    email: Field,
    ip: Field,
    user_agent: Field,
    country: Field,
    locale: Field,
    app_version: Field,
    custom: HashMap<String, Field>,
    private: HashMap<String, Field>,
    /// By name, and by name in lower case.
    environment: Vec<(String, String, Field)>,
    /// By ID type, and by ID type in lower case.
    custom_ids: Vec<(String, String, Field)>,
}

impl User {
    /// Reads a StatsigUser. Takes whatever is there: unknown fields, and parts that are not of the right kind, are left
    /// out, because an SDK evaluates such a user too.
    pub fn from_json(user: &Value) -> User {
        let fields = |name: &str| user[name].as_object().into_iter().flat_map(Map::iter);
        let map = |name| fields(name).map(|(name, value)| (name.clone(), Field::new(value))).collect();
        let list =
            |name| fields(name).map(|(name, value)| (name.clone(), name.to_lowercase(), Field::new(value))).collect();
        User {
            user_id: Field::new(&user["userID"]),
            email: Field::new(&user["email"]),
            ip: Field::new(&user["ip"]),
            user_agent: Field::new(&user["userAgent"]),
            country: Field::new(&user["country"]),
            locale: Field::new(&user["locale"]),
            app_version: Field::new(&user["appVersion"]),
            custom: map("custom"),
            private: map("privateAttributes"),
            environment: list("statsigEnvironment"),
            custom_ids: list("customIDs"),
        }
    }

    /// Gives an ID to a user who has none of this type: client SDKs send their stableID beside the user. An empty one is
    /// none, as it is to the intake of events.
    pub fn or_id(mut self, id_type: &str, id: &str) -> User {
        let unit = UnitType::new(id_type);
        if self.unit_text(&unit).is_empty() {
            let id = Field::new(&Value::from(id));
            match unit.is_user {
                true => self.user_id = id,
                // First, to be found before one that is null or empty.
                false => self.custom_ids.insert(0, (unit.name, unit.lower, id)),
            }
        }
        self
    }

    /// The user's ID of this type: by its exact name, then without regard to case.
    pub(super) fn unit(&self, id_type: &UnitType) -> Option<&Field> {
        let id = match id_type.is_user {
            true => Some(&self.user_id),
            false => found(&self.custom_ids, &id_type.name, &id_type.lower),
        };
        id.filter(|id| !id.is_null())
    }

    /// The same as text; empty for a user without such an ID, who falls into a bucket all the same.
    pub(super) fn unit_text(&self, id_type: &UnitType) -> &str {
        self.unit(id_type).map_or("", Field::text)
    }

    /// A field by its name: one of Statsig's own, then `custom`, then `privateAttributes`. Statsig's own are found
    /// without regard to case and count only if they are not empty; the others by the name as it is, then in lower case.
    pub(super) fn field(&self, name: &FieldName) -> Option<&Field> {
        let own = name.own.map(|own| self.own(own)).filter(|field| !field.text().is_empty());
        own.or_else(|| listed(&self.custom, name)).or_else(|| listed(&self.private, name))
    }

    fn own(&self, own: Own) -> &Field {
        match own {
            Own::UserId => &self.user_id,
            Own::Email => &self.email,
            Own::Ip => &self.ip,
            Own::UserAgent => &self.user_agent,
            Own::Country => &self.country,
            Own::Locale => &self.locale,
            Own::AppVersion => &self.app_version,
        }
    }

    /// A field of `statsigEnvironment`: by its exact name, then without regard to case.
    pub(super) fn environment(&self, name: &FieldName) -> Option<&Field> {
        found(&self.environment, &name.exact, &name.lower)
    }
}

fn found<'l>(list: &'l [(String, String, Field)], exact: &str, lower: &str) -> Option<&'l Field> {
    let by_name = list.iter().find(|(name, ..)| name == exact);
    by_name.or_else(|| list.iter().find(|(_, name, _)| name == lower)).map(|(.., value)| value)
}

fn listed<'m>(map: &'m HashMap<String, Field>, name: &FieldName) -> Option<&'m Field> {
    map.get(&name.exact).or_else(|| map.get(&name.lower))
}

/// An ID type as specs name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitType {
    name: String,
    lower: String,
    is_user: bool,
}

impl UnitType {
    pub(super) fn new(name: &str) -> UnitType {
        let lower = name.to_lowercase();
        UnitType { name: name.to_string(), is_user: lower == USER_ID.to_lowercase(), lower }
    }

    /// The name as it was defined.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// The name of a user's field, looked at once.
#[derive(Debug, Clone)]
pub(super) struct FieldName {
    exact: String,
    lower: String,
    own: Option<Own>,
}

/// A field that every StatsigUser has.
#[derive(Debug, Clone, Copy)]
enum Own {
    UserId,
    Email,
    Ip,
    UserAgent,
    Country,
    Locale,
    AppVersion,
}

impl FieldName {
    pub(super) fn new(name: &str) -> FieldName {
        let lower = name.to_lowercase();
        let own = match &*lower {
            "userid" => Some(Own::UserId),
            "email" => Some(Own::Email),
            "ip" => Some(Own::Ip),
            "useragent" => Some(Own::UserAgent),
            "country" => Some(Own::Country),
            "locale" => Some(Own::Locale),
            "appversion" => Some(Own::AppVersion),
            _ => None,
        };
        FieldName { exact: name.to_string(), lower, own }
    }
}

/// A value of a user, in every form in which an operator may want it.
#[derive(Debug, Clone, Default)]
pub(super) struct Field {
    kind: Kind,
    text: String,
    /// In lower case, if that is different.
    lower: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Kind {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    Text,
    List(Vec<String>),
    Object,
}

/// Numbers in their shortest decimal form, lists as JSON; empty for null and objects.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null | Value::Object(_) => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) => value.to_string(),
    }
}

impl Field {
    pub(super) fn new(value: &Value) -> Field {
        let kind = match value {
            Value::Null => return Field::default(),
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(_) => Kind::Text,
            Value::Array(elements) => Kind::List(elements.iter().map(text_of).collect()),
            Value::Object(_) => Kind::Object,
        };
        let text = text_of(value);
        let lower = text.to_lowercase();
        let lower = (lower != text).then_some(lower);
        Field { kind, text, lower }
    }

    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// As [`text_of`] has it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn lower(&self) -> &str {
        self.lower.as_deref().unwrap_or(&self.text)
    }

    /// A number, or a text that is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self.kind {
            Kind::Number(number) => Some(number),
            Kind::Text => self.text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number, or a text that is one, of milliseconds or (if small) seconds; or a text in ISO 8601.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let whole = match self.kind {
            Kind::Number(number) => (number.fract() == 0.0).then_some(number as i64)?,
            Kind::Text => match self.text.parse() {
                Ok(whole) => whole,
                Err(_) => return Timestamp::parse_iso(&self.text),
            },
            _ => return None,
        };
        Some(Timestamp(if whole < FIRST_MILLISECONDS { whole.saturating_mul(1000) } else { whole }))
    }
}
