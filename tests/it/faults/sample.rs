//! Events that follow from a number, so that what is stored can be compared with what was sent without keeping either.

use super::random::Random;
use weir::event::{Basis, Event, Kind, Source, Subject, TermId, Timestamp, Unit};
use weir::store::StoredEvent;

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

/// Somebody who may be in a list.
pub fn id(random: &mut Random) -> String {
    format!("user-{}", random.below(12))
}

/// An event's effect on a list.
pub fn membership(random: &mut Random) -> (String, String, bool) {
    (list(random), id(random), random.percent(60))
}
