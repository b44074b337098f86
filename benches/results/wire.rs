//! The shop's events as SDKs send them: Segment's batches and Statsig's logs. Sends nothing.

use crate::project::{EXPERIMENT, GROUPS};
use crate::shop::{Event, Record, Shop, What};
use std::io::Write;
use weir::cli::random::mix;
use weir::event::Timestamp;

/// Records that are told together.
pub const TOGETHER: usize = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    Segment,
    Statsig,
}

/// One request.
pub struct Body {
    pub sdk: Sdk,
    pub events: u64,
    pub json: Vec<u8>,
}

impl Body {
    fn new(sdk: Sdk, head: &str) -> Body {
        Body { sdk, events: 0, json: head.as_bytes().to_vec() }
    }

    fn add(&mut self, event: &str) {
        if self.events > 0 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(event.as_bytes());
        self.events += 1;
    }

    fn end(mut self, tail: &str) -> Option<Body> {
        self.json.extend_from_slice(tail.as_bytes());
        (self.events > 0).then_some(self)
    }
}

/// What some records are sent as: the events in one body, the exposures in another. `session` tells repeated exposures apart.
pub fn bodies(shop: &Shop, records: &[Record], session: u64) -> impl Iterator<Item = Body> {
    let mut events = Body::new(Sdk::Segment, r#"{"batch":["#);
    let mut exposures = Body::new(Sdk::Statsig, r#"{"events":["#);
    let mut text = Vec::new();
    for record in records {
        text.clear();
        let what = shop.what(record);
        // Writing to a Vec does not fail.
        let _ = match &what {
            What::Event(event) => track(&mut text, shop, record, event),
            What::Exposure(group) => exposure(&mut text, shop, record, *group),
        };
        let text = String::from_utf8_lossy(&text);
        match what {
            What::Event(_) => events.add(&text),
            What::Exposure(_) => exposures.add(&text),
        }
    }
    let sdk = format!(
        r#"],"statsigMetadata":{{"sdkType":"statsig-server-core-node","sdkVersion":"0.10.1","sessionID":"bench-{session}"}}}}"#
    );
    [events.end("]}"), exposures.end(&sdk)].into_iter().flatten()
}

/// A unit's ID, which looks like those that most systems give: a UUID. Programs that keep IDs as text notice the length.
pub fn user(unit: u32) -> String {
    uuid(u64::from(unit) | 1 << 40)
}

fn uuid(of: u64) -> String {
    let (high, low) = (mix(of), mix(of | 1 << 63));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

fn track(out: &mut Vec<u8>, shop: &Shop, record: &Record, event: &Event) -> std::io::Result<()> {
    let Event { number, name, .. } = event;
    let time = Timestamp(shop.scale.start + i64::from(record.time));
    let (user, anonymous) = (user(record.unit), uuid(u64::from(record.unit) | 1 << 41));
    write!(
        out,
        r#"{{"type":"track","event":"{name}","userId":"{user}","anonymousId":"{anonymous}","messageId":"ajs-next-{number:010}","timestamp":"{time}","properties":{{"sku":"sku-{}""#,
        number % 997
    )?;
    if let Some(category) = event.category {
        write!(out, r#","category":"{category}""#)?;
    }
    if let Some(value) = event.value {
        write!(out, r#","value":{value}"#)?;
    }
    if let Some(revenue) = event.revenue {
        write!(out, r#","revenue":"{revenue}""#)?;
    }
    write!(out, r#"}},"context":{{"locale":"en-CA","page":{{"path":"/products/{}"}}}}}}"#, number % 89)
}

fn exposure(out: &mut Vec<u8>, shop: &Shop, record: &Record, group: usize) -> std::io::Result<()> {
    let time = shop.scale.start + i64::from(record.time);
    let (user, country, rule) =
        (user(record.unit), ["CA", "DE", "US", "FR"][record.unit as usize % 4], GROUPS[group].0);
    write!(
        out,
        r#"{{"eventName":"statsig::config_exposure","user":{{"userID":"{user}","country":"{country}","statsigEnvironment":{{"tier":"production"}}}},"metadata":{{"config":"{EXPERIMENT}","ruleID":"{rule}","reason":"Network:Recognized"}},"secondaryExposures":[],"time":{time}}}"#
    )
}
