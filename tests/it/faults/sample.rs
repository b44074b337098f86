//! Events that follow from a number, so that what is stored can be compared with what was sent without keeping either.

use super::random::Random;
use std::borrow::Cow;
use weir::event::{Basis, Event, Field, Kind, Place, Source, Subject, TermId, Timestamp, Unit};
use weir::store::{StoredEvent, Terms};

pub const HOUR: i64 = 3_600_000;

pub fn event(number: u64) -> Event<'static> {
    let mut random = Random::new(number);
    let exposure = number.is_multiple_of(6);
    let mut noise = String::new();
    // Some events are long and hard to compress, some short, some repeat themselves.
    match random.below(8) {
        0 => (0..random.below(120)).for_each(|_| noise.push_str(&format!("{:x}", random.draw()))),
        1 => noise = "again ".repeat(random.below(300) as usize),
        _ => noise = format!("{:x}", random.draw()),
    }
    let mut units = Vec::new();
    if !number.is_multiple_of(5) {
        units.push(Unit { id_type: TermId(1), id: format!("user-{}", number % 9).into() });
    }
    if number.is_multiple_of(4) {
        units.push(Unit { id_type: TermId(2), id: format!("stable-{}", number % 13).into() });
    }
    Event {
        source: *random.pick(&[Source::Segment, Source::Segment, Source::Statsig]),
        kind: if exposure { Kind::ConfigExposure } else { Kind::Track },
        // New names keep coming, so that dictionaries grow in many commits.
        name: format!("segment::Event {}", if random.percent(10) { number } else { number % 5 }).into(),
        message_id: format!("m-{number}").into(),
        time: Timestamp(random.below(20 * HOUR as u64) as i64 - 5 * HOUR),
        received: Timestamp(HOUR + number as i64),
        environment: (*random.pick(&["production", "staging"])).into(),
        units,
        value: random.percent(40).then(|| random.below(10_000) as f64 / 8.0 - 300.0),
        subject: exposure.then(|| Subject {
            kind: Kind::ConfigExposure,
            name: "button".into(),
            rule: format!("group-{}", number % 3),
            value: String::new(),
            allocated: String::new(),
            basis: Basis::Rules,
        }),
        raw: format!(r#"{{"event":"Event {}","noise":"{noise}"}}"#, number % 5).into(),
        shared: random.percent(30).then(|| r#"{"context":{"library":{"name":"analytics.js"}}}"#.into()),
    }
}

/// What a reader must get for `event(number)` at a place of the log.
pub fn stored(number: u64, sequence: u64) -> StoredEvent {
    let sent = event(number);
    StoredEvent {
        sequence: weir::event::Sequence(sequence),
        time: sent.time,
        received: sent.received,
        kind: sent.kind,
        source: sent.source,
        name: sent.name.into_owned(),
        environment: sent.environment.into_owned(),
        subject: sent.subject,
        value: sent.value,
        message_id: sent.message_id.into_owned(),
        units: sent
            .units
            .iter()
            .map(|unit| {
                let id_type = if unit.id_type == TermId(1) { weir::event::USER_ID } else { weir::event::STABLE_ID };
                (id_type.to_owned(), unit.id.to_string())
            })
            .collect(),
        shared: sent.shared.map(|shared| shared.into_owned()),
        raw: sent.raw.into_owned(),
    }
}

/// The number of an event that was read.
pub fn number(event: &StoredEvent) -> u64 {
    event.message_id.strip_prefix("m-").and_then(|n| n.parse().ok()).expect("an event of ours")
}

/// One of a few lists, whether it is there or not.
pub fn list(random: &mut Random) -> String {
    format!("list-{}", random.below(3))
}

/// One of two destinations, whether it has a cursor or not.
pub fn destination(random: &mut Random) -> String {
    (*random.pick(&["segment", "webhook"])).to_owned()
}

/// Somebody who may be in a list.
pub fn id(random: &mut Random) -> String {
    format!("user-{}", random.below(12))
}

/// An event's effect on a list.
pub fn membership(random: &mut Random) -> (String, String, bool) {
    (list(random), id(random), random.percent(60))
}

/// Fields that some events of some names have, as far as the names are known.
pub fn fields(terms: &Terms) -> Vec<Field> {
    let named = |name: &str, place, key: &str| {
        let name = terms.names.find(name)?;
        Some(Field { name, place, key: key.to_owned() })
    };
    let fields = [
        named("segment::Event 0", Place::Metadata, "noise"),
        named("segment::Event 1", Place::Metadata, "noise"),
        named("segment::Event 1", Place::Metadata, "event"),
        named("segment::Event 2", Place::Sdk, "name"),
        named("segment::Event 3", Place::User, "nothing"),
    ];
    fields.into_iter().flatten().collect()
}

/// The text of a field of these events, whose own fields stand where no real ones do.
pub fn extract<'r>(
    source: Source,
    kind: Kind,
    raw: &'r str,
    shared: Option<&'r str>,
    place: Place,
    key: &str,
) -> Option<Cow<'r, str>> {
    if place != Place::Metadata {
        return weir::ingest::field(source, kind, raw, shared, place, key);
    }
    let value: serde_json::Value = serde_json::from_str(raw).expect("an event of ours");
    value[key].as_str().map(|text| Cow::Owned(text.to_owned()))
}

/// What a field of `event(number)` must be read as.
pub fn field(number: u64, field: &Field) -> Option<String> {
    let sent = event(number);
    extract(sent.source, sent.kind, &sent.raw, sent.shared.as_deref(), field.place, &field.key).map(Cow::into_owned)
}
