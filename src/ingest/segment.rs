//! Segment's wire: a single call or a batch becomes events. RudderStack speaks the same with another name.
//! Does not decide what a path or a key may do.

use super::filter::{Integrations, selected};
use super::framing::Cursor;
use super::item::{self, Item};
use super::ledger::{Fate, Ledger};
use super::message::{Message, MessageEntries, Wire};
use super::naming::{Refusal, SDK_PREFIX, check_message_id, check_name, environment};
use super::redact;
use super::rules::{Rules, SourceRules};
use super::scalar::Scalar;
use super::units::{Units, id};
use super::{Arrival, BodyError, Call, Intake, audience, skew, utf8};
use crate::event::{Event, Kind, Source, Timestamp};
use crate::store::Batch;
use std::borrow::Cow;

/// Takes what a path of Segment's API was sent.
pub fn segment(body: &[u8], call: Call, arrival: &Arrival, rules: &Rules, batch: Batch) -> Result<Intake, BodyError> {
    let shape = match call {
        Call::One(kind) => Shape::One(kind),
        Call::Many => Shape::Batch,
    };
    take(Source::Segment, &rules.segment, shape, body, arrival, rules, batch)
}

/// How a body holds its events.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// The body is one event of this kind.
    One(Kind),
    /// The body is an object with the events under `batch`.
    Batch,
    /// The body is one event or an array of events, each with its `type`.
    Webhook,
}

const KINDS: &str = "track, page, screen, group, identify or alias";

/// Takes a body of Segment's family.
pub(super) fn take(
    source: Source,
    source_rules: &SourceRules,
    shape: Shape,
    body: &[u8],
    arrival: &Arrival,
    rules: &Rules,
    batch: Batch,
) -> Result<Intake, BodyError> {
    if !source_rules.enabled {
        return Err(BodyError::IntegrationDisabled { source_name: source });
    }
    let wire = Wire::new(rules, source_rules);
    let envelope = read(utf8(body)?, shape, &wire)?;
    let shared = item::shared_object(
        [("context", envelope.context), ("integrations", envelope.integrations_text)],
        "context and integrations",
        envelope.items.len(),
        &rules.limits,
    )?;
    let mut ledger = Ledger::new(rules, source, arrival.received, batch);
    ledger.reserve(envelope.items.len(), body.len());
    let normaliser = Normaliser {
        source,
        source_rules,
        shape,
        arrival,
        wire: &wire,
        envelope: &envelope,
        shared: shared.as_deref(),
    };
    let mut name = String::new();
    for (index, item) in envelope.items.iter().enumerate() {
        normaliser.settle(index, item, &mut name, &mut ledger);
    }
    let write_key = envelope.write_key.text().map(str::to_owned);
    let write_key = write_key.or_else(|| {
        let mut messages = envelope.items.iter().filter_map(|item| item.read.as_ref().ok());
        messages.find_map(|entries| entries.message.write_key.text().map(str::to_owned))
    });
    Ok(ledger.finish(write_key))
}

/// A body that has been read.
#[derive(Default)]
struct Envelope<'x, 'a> {
    items: Vec<Item<'a, MessageEntries<'x, 'a>>>,
    sent_at: Scalar<'a>,
    write_key: Scalar<'a>,
    integrations: Integrations,
    integrations_text: Option<&'a str>,
    context: Option<&'a str>,
}

fn read<'x, 'a>(text: &'a str, shape: Shape, wire: &'x Wire<'x>) -> Result<Envelope<'x, 'a>, BodyError> {
    let limits = &wire.rules.limits;
    let entries = || MessageEntries { wire, message: Message::default() };
    let mut cursor = Cursor::new(text);
    let mut envelope = Envelope::default();
    match (shape, cursor.peek()) {
        (Shape::Webhook, Some(b'[')) => item::list(&mut cursor, limits, &mut envelope.items, entries)?,
        (Shape::Webhook | Shape::One(_), Some(b'{')) => {
            envelope.items.push(item::next(&mut cursor, limits, entries())?)
        }
        (Shape::Batch, Some(b'{')) => read_batch(&mut cursor, &mut envelope, wire)?,
        (Shape::Webhook, _) => return Err(cursor.not_an_object(" or an array of objects")),
        _ => return Err(cursor.not_an_object("")),
    }
    cursor.end()?;
    Ok(envelope)
}

/// `batch` usually comes before what is said about all of its events, so nothing is decided while reading.
fn read_batch<'x, 'a>(
    cursor: &mut Cursor<'a>,
    envelope: &mut Envelope<'x, 'a>,
    wire: &'x Wire<'x>,
) -> Result<(), BodyError> {
    let limits = &wire.rules.limits;
    let room = limits.json_depth;
    let mut found = false;
    let mut first = true;
    cursor.take(b'{')?;
    while let Some(key) = cursor.next_key(&mut first)? {
        match key.as_ref() {
            "batch" if cursor.peek() == Some(b'[') => {
                found = true;
                envelope.items.clear();
                let entries = || MessageEntries { wire, message: Message::default() };
                item::list(cursor, limits, &mut envelope.items, entries)?;
            }
            "sentAt" => envelope.sent_at = item::shared(cursor, limits, |reader| reader.scalar(room))?.1,
            "writeKey" => envelope.write_key = item::shared(cursor, limits, |reader| reader.scalar(room))?.1,
            "context" => {
                let is_object = cursor.peek() == Some(b'{');
                let (text, _) = item::shared(cursor, limits, |reader| reader.scalar(room))?;
                envelope.context = is_object.then_some(text);
            }
            "integrations" => {
                envelope.integrations = Integrations::default();
                let into = &mut envelope.integrations;
                let (text, is_object) = item::shared(cursor, limits, |reader| reader.object(into, room))?;
                envelope.integrations_text = is_object.then_some(text);
            }
            _ => {
                cursor.skip()?;
            }
        }
    }
    if found { Ok(()) } else { Err(BodyError::BatchMissing { field: "batch" }) }
}

/// Turns messages into events by the rules of one body.
struct Normaliser<'n> {
    source: Source,
    source_rules: &'n SourceRules,
    shape: Shape,
    arrival: &'n Arrival,
    wire: &'n Wire<'n>,
    envelope: &'n Envelope<'n, 'n>,
    shared: Option<&'n str>,
}

impl Normaliser<'_> {
    /// Brings one message to its count. `name` is a buffer that is used again for each.
    fn settle(
        &self,
        index: usize,
        item: &Item<'_, MessageEntries<'_, '_>>,
        name: &mut String,
        ledger: &mut Ledger<'_>,
    ) {
        name.clear();
        let message = match &item.read {
            Ok(entries) => &entries.message,
            Err(refusal) => {
                // What was read before the mistake does not tell what stands in the text.
                let shown = redact::replace(item.text, &["writeKey"], "\"\"").unwrap_or_default();
                return ledger.refuse(index, refusal, "", &shown);
            }
        };
        let mut raw = Cow::Borrowed(item.text);
        if message.has_secret {
            match redact::replace(item.text, &["writeKey"], "\"\"") {
                Ok(blanked) => raw = Cow::Owned(blanked),
                Err(_) => return ledger.refuse(index, &redact::refusal(), "", ""),
            }
        }
        let kind = match self.entitle(message, name) {
            Ok(kind) => kind,
            Err(refusal) => return ledger.refuse(index, &refusal, "", &raw),
        };
        match self.normalise(index, message, kind, name, &raw, ledger) {
            Ok(event) => {
                ledger.keep(&event);
                if let Some(signals) = &message.signals {
                    audience::enlist(signals, message, &event, &self.wire.rules.audiences, ledger);
                }
            }
            Err(fate) => ledger.drop(index, fate, name, &raw),
        }
    }

    /// Writes the name under which a message is stored, and tells its kind.
    fn entitle(&self, message: &Message<'_>, name: &mut String) -> Result<Kind, Refusal> {
        let kind = match self.shape {
            Shape::One(kind) => kind,
            Shape::Batch | Shape::Webhook => kind(&message.kind)?,
        };
        let (word, given) = match kind {
            Kind::Page | Kind::Screen => {
                let own = [&message.name, &message.properties.name].into_iter().filter_map(Scalar::text);
                (kind.as_str(), own.into_iter().find(|name| !name.is_empty()))
            }
            Kind::Group | Kind::Identify | Kind::Alias => (kind.as_str(), None),
            _ => match message.event.text() {
                Some(event) if !event.is_empty() => ("", Some(event)),
                _ => {
                    return Err(Refusal::new(
                        "missing_event_name",
                        "a track call needs its name as a string in `event`",
                    ));
                }
            },
        };
        if let Some(given) = given {
            check_name(given, &self.wire.rules.limits)?;
        }
        name.push_str(&self.source_rules.prefix);
        name.push_str(word);
        if let Some(given) = given {
            if !word.is_empty() {
                name.push(':');
            }
            name.push_str(given);
        }
        Ok(kind)
    }

    fn normalise<'m>(
        &'m self,
        index: usize,
        message: &'m Message<'_>,
        kind: Kind,
        name: &'m str,
        raw: &'m str,
        ledger: &mut Ledger<'_>,
    ) -> Result<Event<'m>, Fate> {
        let rules = self.wire.rules;
        let bare = &name[self.source_rules.prefix.len()..];
        let message_id = check_message_id(&message.message_id, &rules.limits)?;
        if message_id.is_some_and(|id| rules.exported_here(id)) {
            return Err(Fate::returned());
        }
        if bare.starts_with(SDK_PREFIX) {
            return Err(Fate::looped());
        }
        if !message.integrations.over(self.envelope.integrations).allow() {
            return Err(Fate::Filtered("integrations_off"));
        }
        if !selected(self.source_rules, bare) {
            return Err(Fate::Filtered("event_filter"));
        }
        let mut units = Units::new(rules);
        self.gather(message, kind, &mut units, ledger)?;
        let environment = environment(&message.properties.tier, &rules.limits)?;
        let event = Event {
            source: self.source,
            kind,
            name: Cow::Borrowed(name),
            message_id: match message_id {
                Some(id) => Cow::Borrowed(id),
                None => Cow::Owned(self.arrival.made_message_id(index)),
            },
            time: self.time(message),
            received: self.arrival.received,
            environment: Cow::Borrowed(environment),
            units: units.into_vec(),
            value: message.properties.value.map(|(_, number)| number),
            subject: None,
            raw: Cow::Borrowed(raw),
            shared: self.shared.map(Cow::Borrowed),
        };
        ledger.check_room(&event)?;
        Ok(event)
    }

    /// `statsigCustomIDs` goes before `userId`, and both before Map Identifiers.
    fn gather<'m>(
        &'m self,
        message: &'m Message<'_>,
        kind: Kind,
        units: &mut Units<'m, '_>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), Refusal> {
        let rules = self.wire.rules;
        let mut identified = false;
        for pair in message.properties.custom_ids.chunks_exact(2) {
            match pair[0].text() {
                Some(id_type) => identified |= units.claim_named(id_type, &pair[1], &mut ledger.unknown_id_types)?,
                None => {
                    return Err(Refusal::new(
                        "invalid_id",
                        "`statsigCustomIDs` must alternate names of ID types and IDs: [\"companyID\", \"c1\", ...]",
                    ));
                }
            }
        }
        identified |= units.claim(rules.id_types.user_id, "userId", &message.user_id)?;
        for (field, id_type) in &self.source_rules.map_identifiers {
            if let Some(value) = message.field(field, self.wire) {
                identified |= units.claim(*id_type, field, value)?;
            }
        }
        if !identified && id("anonymousId", &message.anonymous_id, rules)?.is_none() {
            return Err(Refusal::new("missing_id", "send a `userId` or an `anonymousId` that is not empty"));
        }
        if kind == Kind::Group && id("groupId", &message.group_id, rules)?.is_none() {
            return Err(Refusal::new("missing_group_id", "a group call needs a `groupId`"));
        }
        if kind == Kind::Alias && id("previousId", &message.previous_id, rules)?.is_none() {
            return Err(Refusal::new("missing_previous_id", "an alias call needs a `previousId`"));
        }
        Ok(())
    }

    fn time(&self, message: &Message<'_>) -> Timestamp {
        let given = message.timestamp.instant().or_else(|| message.original_timestamp.instant());
        let sent = match &message.sent_at {
            Scalar::Absent => self.envelope.sent_at.instant(),
            own => own.instant(),
        };
        skew::corrected(given, sent, self.arrival.received)
    }
}

fn kind(found: &Scalar<'_>) -> Result<Kind, Refusal> {
    match found.text() {
        Some("track") => Ok(Kind::Track),
        Some("page") => Ok(Kind::Page),
        Some("screen") => Ok(Kind::Screen),
        Some("group") => Ok(Kind::Group),
        Some("identify") => Ok(Kind::Identify),
        Some("alias") => Ok(Kind::Alias),
        _ => Err(Refusal::new("unknown_type", format!("`type` must be one of {KINDS}"))),
    }
}
