//! Statsig's wire: what its SDKs log becomes custom events and exposures. Does not evaluate anything and does not know
//! which gates exist.

use super::filter::selected;
use super::framing::Cursor;
use super::item::{self, Item};
use super::ledger::{Fate, Ledger};
use super::naming::{Refusal, SDK_PREFIX, check_message_id, check_name, environment, longer_than};
use super::record::{Metadata, Record, Sdk, User};
use super::redact;
use super::rules::{Rules, SourceRules};
use super::scalar::Scalar;
use super::units::Units;
use super::{Arrival, BodyError, Intake, skew, utf8};
use crate::event::{Basis, Event, Kind, Source, Subject};
use crate::store::Batch;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::borrow::Cow;
use std::hash::Hasher;

/// What an SDK logs about itself: no event of the product.
const SDK_INTERNAL: [&str; 3] = ["statsig::diagnostics", "statsig::non_exposed_checks", "statsig::log_line"];

/// Takes the body of `/v1/log_event` or `/v1/rgstr`: `{"events": [...], "statsigMetadata": {...}, "user": {...}}`.
pub fn statsig_log_event(body: &[u8], arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    let envelope = read(utf8(body)?, rules)?;
    let user_text = match envelope.user_text {
        Some(text) if envelope.user.has_private_attributes => {
            Some(Cow::Owned(redact::replace(text, &["privateAttributes"], "null")?))
        }
        text => text.map(Cow::Borrowed),
    };
    let shared = item::shared_object(
        [("user", user_text.as_deref()), ("statsigMetadata", envelope.sdk_text)],
        "user and statsigMetadata",
        envelope.items.len(),
        &rules.limits,
    )?;
    let sdk_session = [&envelope.sdk.session_id, &envelope.sdk.stable_id].into_iter().filter_map(Scalar::text);
    let session: Vec<&str> = arrival.session.as_deref().into_iter().chain(sdk_session).collect();
    let normaliser = Normaliser {
        source: Source::Statsig,
        source_rules: None,
        rules,
        arrival,
        user: &envelope.user,
        sdk: &envelope.sdk,
        session: session.join("/"),
        user_text: user_text.as_deref().unwrap_or_default(),
        shared: shared.as_deref(),
    };
    Ok(normaliser.settle(&envelope.items, body.len(), batch))
}

/// A body that has been read.
#[derive(Default)]
struct Envelope<'a> {
    items: Vec<Item<'a, Record<'a>>>,
    user: User<'a>,
    user_text: Option<&'a str>,
    sdk: Sdk<'a>,
    sdk_text: Option<&'a str>,
}

fn read<'a>(text: &'a str, rules: &Rules) -> Result<Envelope<'a>, BodyError> {
    let limits = &rules.limits;
    let room = limits.json_depth;
    let mut cursor = Cursor::new(text);
    if cursor.peek() != Some(b'{') {
        return Err(cursor.not_an_object(""));
    }
    cursor.take(b'{')?;
    let mut envelope = Envelope::default();
    let (mut first, mut found) = (true, false);
    while let Some(key) = cursor.next_key(&mut first)? {
        match key.as_ref() {
            "events" if cursor.peek() == Some(b'[') => {
                found = true;
                envelope.items.clear();
                item::list(&mut cursor, limits, &mut envelope.items, Record::default)?;
            }
            "user" => {
                envelope.user = User::default();
                let into = &mut envelope.user;
                let (text, is_object) = item::shared(&mut cursor, limits, |reader| reader.object(into, room))?;
                envelope.user_text = is_object.then_some(text);
            }
            "statsigMetadata" => {
                envelope.sdk = Sdk::default();
                let into = &mut envelope.sdk;
                let (text, is_object) = item::shared(&mut cursor, limits, |reader| reader.object(into, room))?;
                envelope.sdk_text = is_object.then_some(text);
            }
            _ => {
                cursor.skip()?;
            }
        }
    }
    cursor.end()?;
    if found { Ok(envelope) } else { Err(BodyError::BatchMissing { field: "events" }) }
}

/// Turns records into events by the rules of one body.
pub(super) struct Normaliser<'n> {
    pub source: Source,
    /// Statsig's own SDKs pass no filter and get no prefix.
    pub source_rules: Option<&'n SourceRules>,
    pub rules: &'n Rules,
    pub arrival: &'n Arrival,
    /// Of events that carry none themselves.
    pub user: &'n User<'n>,
    pub sdk: &'n Sdk<'n>,
    /// By which a repeated body is known.
    pub session: String,
    /// `user` as it is stored; empty where the body says nothing of it.
    pub user_text: &'n str,
    pub shared: Option<&'n str>,
}

impl Normaliser<'_> {
    /// Brings every record of a body to its count.
    pub fn settle(&self, items: &[Item<'_, Record<'_>>], body_bytes: usize, batch: Batch) -> Intake {
        let mut ledger = Ledger::new(self.rules, self.source, self.arrival.received, batch);
        ledger.reserve(items.len(), body_bytes);
        let mut name = String::new();
        for (index, item) in items.iter().enumerate() {
            let record = match &item.read {
                Ok(record) => record,
                Err(refusal) => {
                    // What was read before the mistake does not tell what stands in the text.
                    ledger.refuse(index, refusal, "", &presentable(true, true, item.text).unwrap_or_default());
                    continue;
                }
            };
            let raw = match presentable(record.has_private_attributes, record.has_write_key, item.text) {
                Ok(raw) => raw,
                Err(refusal) => {
                    ledger.refuse(index, &refusal, "", "");
                    continue;
                }
            };
            name.clear();
            if let Err(refusal) = self.entitle(record, &mut name) {
                ledger.refuse(index, &refusal, "", &raw);
                continue;
            }
            match self.normalise(index, record, &name, &raw, &mut ledger) {
                Ok(event) => ledger.keep(&event),
                Err(fate) => ledger.drop(index, fate, &name, &raw),
            }
        }
        ledger.finish(None)
    }

    /// Writes the name under which a record is stored.
    fn entitle(&self, record: &Record<'_>, name: &mut String) -> Result<(), Refusal> {
        let given = match record.name.text() {
            Some(given) if !given.is_empty() => given,
            _ => return Err(Refusal::new("missing_event_name", "an event needs its name as a string")),
        };
        check_name(given, &self.rules.limits)?;
        if let Some(rules) = self.source_rules {
            name.push_str(&rules.prefix);
        }
        name.push_str(given);
        Ok(())
    }

    fn normalise<'m>(
        &'m self,
        index: usize,
        record: &'m Record<'_>,
        name: &'m str,
        raw: &'m str,
        ledger: &mut Ledger<'_>,
    ) -> Result<Event<'m>, Fate> {
        let message_id = check_message_id(&record.message_id, &self.rules.limits)?;
        if message_id.is_some_and(|id| self.rules.exported_here(id)) {
            return Err(Fate::returned());
        }
        if let Some(rules) = self.source_rules {
            let bare = &name[rules.prefix.len()..];
            if bare.starts_with(SDK_PREFIX) {
                return Err(Fate::looped());
            }
            if !selected(rules, bare) {
                return Err(Fate::Filtered("event_filter"));
            }
        } else if SDK_INTERNAL.contains(&name) {
            return Err(Fate::Filtered("sdk_internal"));
        }
        let user = if record.user.is_given { &record.user } else { self.user };
        let environment = environment(&user.tier, &self.rules.limits)?;
        let mut units = Units::new(self.rules);
        units.claim(self.rules.id_types.user_id, "userID", &user.user_id)?;
        for (id_type, value) in user.custom_ids.iter().rev() {
            units.claim_named(id_type, value, &mut ledger.unknown_id_types)?;
        }
        for sdk in [&record.sdk, self.sdk] {
            units.claim(self.rules.id_types.stable_id, "stableID", &sdk.stable_id)?;
        }
        for (field, id_type) in record.map_identifiers {
            if let Some(value) = record.field(field) {
                units.claim(*id_type, field, value)?;
            }
        }
        let (kind, subject) = match self.source_rules {
            None => exposure(name, &record.metadata, self.rules)?,
            Some(_) => (Kind::Custom, None),
        };
        let sent = self.arrival.client_time;
        let event = Event {
            source: self.source,
            kind,
            name: Cow::Borrowed(name),
            message_id: match message_id {
                Some(id) => Cow::Borrowed(id),
                None => Cow::Owned(self.message_id(index, record, raw)),
            },
            time: skew::corrected(record.time.instant(), sent, self.arrival.received),
            received: self.arrival.received,
            environment: Cow::Borrowed(environment),
            units: units.into_vec(),
            value: record.value.number(),
            subject,
            raw: Cow::Borrowed(raw),
            shared: self.shared.map(Cow::Borrowed),
        };
        ledger.check_room(&event)?;
        Ok(event)
    }

    /// An SDK gives its events no ID and repeats a body that it got no answer for: session, user, content and place make
    /// the repetition known. What carries no time of its own cannot be told from another like it, and counts.
    fn message_id(&self, index: usize, record: &Record<'_>, raw: &str) -> String {
        if self.source != Source::Statsig || record.time.instant().is_none() {
            return self.arrival.made_message_id(index);
        }
        // A fixed key: the same body has the same IDs after a restart. The store's own fingerprints are keyed.
        let mut hasher = SipHasher13::new();
        hasher.write_usize(self.session.len());
        hasher.write(self.session.as_bytes());
        hasher.write_usize(self.user_text.len());
        hasher.write(self.user_text.as_bytes());
        hasher.write_usize(index);
        hasher.write(raw.as_bytes());
        format!("statsig-{:032x}", hasher.finish128().as_u128())
    }
}

/// A record's text without what may not be stored; refused where that cannot be taken out.
fn presentable(private_attributes: bool, write_key: bool, text: &str) -> Result<Cow<'_, str>, Refusal> {
    let mut shown = Cow::Borrowed(text);
    for (found, path, instead) in
        [(private_attributes, &["user", "privateAttributes"][..], "null"), (write_key, &["writeKey"], "\"\"")]
    {
        if found {
            shown = Cow::Owned(redact::replace(&shown, path, instead).map_err(|_| redact::refusal())?);
        }
    }
    Ok(shown)
}

/// What an SDK's event is: an exposure with its subject, or an event of the product.
fn exposure(name: &str, metadata: &Metadata<'_>, rules: &Rules) -> Result<(Kind, Option<Subject>), Refusal> {
    let (kind, field, about) = match name {
        "statsig::gate_exposure" => (Kind::GateExposure, "gate", &metadata.gate),
        "statsig::config_exposure" => (Kind::ConfigExposure, "config", &metadata.config),
        "statsig::layer_exposure" => (Kind::LayerExposure, "config", &metadata.config),
        _ => return Ok((Kind::Custom, None)),
    };
    let (value, allocated) = match kind {
        Kind::GateExposure => (word(&metadata.gate_value), String::new()),
        Kind::LayerExposure => (String::new(), allocated(metadata, rules)),
        _ => (String::new(), String::new()),
    };
    if kind == Kind::GateExposure && value != "true" && value != "false" {
        return Err(Refusal::new("invalid_exposure", "`metadata.gateValue` of a gate exposure must be true or false"));
    }
    let subject = Subject {
        kind,
        name: word(about),
        rule: word(&metadata.rule_id),
        value,
        allocated,
        basis: basis(&metadata.reason),
    };
    if subject.name.is_empty() {
        return Err(Refusal::new(
            "invalid_exposure",
            format!("an exposure must say what it is of in `metadata.{field}`"),
        ));
    }
    let limit = rules.limits.name_chars;
    if [&subject.name, &subject.rule, &subject.allocated].iter().any(|text| longer_than(text, limit)) {
        return Err(Refusal::new(
            "name_too_long",
            format!("an exposure's names must be at most {limit} characters long"),
        ));
    }
    Ok((kind, Some(subject)))
}

/// The experiment that a layer's parameter was read from, by its name; empty for a parameter that it does not set.
fn allocated(metadata: &Metadata<'_>, rules: &Rules) -> String {
    if word(&metadata.is_explicit_parameter) == "false" {
        return String::new();
    }
    let given = word(&metadata.allocated_experiment);
    rules.names.name_of(&given).map_or(given, str::to_owned)
}

/// What an answer rests on by its `reason`: `Network` in older SDKs, `Network:Recognized` in newer ones.
fn basis(reason: &Scalar<'_>) -> Basis {
    let mut bases = reason.text().unwrap_or_default().split(':').map(|part| match part {
        "LocalOverride" => Basis::LocalOverride,
        "Uninitialized" | "Loading" | "NoValues" | "Error" | "Unsupported" => Basis::NoValues,
        "InvalidBootstrap" | "BootstrapStableIDMismatch" => Basis::OtherUser,
        "Unrecognized" => Basis::Unrecognized,
        _ => Basis::Rules,
    });
    // The source stands before what became of it, so the first doubt is the more telling one.
    bases.find(|basis| *basis != Basis::Rules).unwrap_or(Basis::Rules)
}

/// A value of an exposure's metadata; SDKs differ in whether they quote it.
fn word(value: &Scalar<'_>) -> String {
    match value {
        Scalar::Flag(flag) => flag.to_string(),
        value => value.id().ok().flatten().map(Cow::into_owned).unwrap_or_default(),
    }
}
