//! What a producer sends: a body for one of the routes, and the events that are in it, exactly as they should be stored.

use super::dice::Dice;
use crate::running::gzip;

/// One event as it is sent. Source and message ID are what deduplication goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub source: &'static str,
    pub id: String,
    pub raw: String,
    /// The call of Segment's family that it is.
    kind: &'static str,
}

impl Item {
    /// A track call with a text of its own.
    pub fn track(id: String, raw: String) -> Item {
        Item { source: "segment", id, raw, kind: "track" }
    }
}

/// One request with events.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    pub path: String,
    headers: String,
    body: Vec<u8>,
    pub items: Vec<Item>,
    /// A bad event travels with them; it is refused alone.
    pub has_bad: bool,
}

const KINDS: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];
/// Text that is easily damaged on its way.
const NOTES: [&str; 6] = ["", "Zoë 🦊", "a\\u0062c", "\\ud83e\\udd8a", "\\\"quoted\\\" \\\\ \\/ \\n", "çà  et là"];
const NUMBERS: [&str; 6] = ["0", "19.990", "-1.5E+3", "9007199254740993", "1e-7", "12345678901234567890"];

/// An event of a source, as its senders write it, with a message ID that nobody else has.
pub fn item(source: &'static str, id: String, dice: &mut Dice) -> Item {
    let kind = dice.pick(&KINDS);
    let (user, note, number) = (dice.below(500), dice.pick(&NOTES), dice.pick(&NUMBERS));
    let filling: String = (0..dice.below(24)).map(|_| format!("{:016x}", dice.next())).collect();
    let details = format!(r#"{{"note": "{note}","revenue" :{number},"filling":"{filling}","list":[1, {{}},null]}}"#);
    let at = 1_795_438_699_000 + dice.below(40_000_000);
    let name = format!("Event {}", dice.below(12));
    let raw = match source {
        "segment" | "rudderstack" => format!(
            r#"{{"type":"{kind}","messageId":"{id}","userId":"u{user}","anonymousId":"a{user}","groupId":"g","previousId":"p","event":"{name}","name":"{name}","timestamp":"2026-11-23T12:58:19.353Z","properties":{details},"traits":{{"plan":"pro"}},"context":{{"ip":"10.0.0.1"}}}}"#
        ),
        "webhook" => format!(
            r#"{{"user":{{"userID":"u{user}"}},"messageId":"{id}","event":"{name}","value":{number},"metadata":{details},"timestamp":{at}}}"#
        ),
        _ if dice.once_in(3) => format!(
            r#"{{"eventName":"statsig::gate_exposure","messageId":"{id}","user":{{"userID":"u{user}"}},"value":null,"metadata":{{"gate":"g{}","gateValue":"true","ruleID":"r","filling":"{filling}"}},"time":{at}}}"#,
            dice.below(5)
        ),
        _ => format!(
            r#"{{"eventName":"{name}","messageId":"{id}","user":{{"userID":"u{user}"}},"value":{number},"metadata":{details},"time":{at}}}"#
        ),
    };
    Item { source, id, raw, kind }
}

/// Puts events of one source into a request on one of the routes that take them; one event may also travel without a list.
pub fn pack(items: Vec<Item>, key: &str, dice: &mut Dice) -> Parcel {
    let list = items.iter().map(|item| item.raw.as_str()).collect::<Vec<_>>().join(", ");
    let alone = items.len() == 1 && !dice.once_in(4);
    let short = dice.once_in(2);
    let mut has_bad = false;
    let (path, body) = match items[0].source {
        "segment" if alone => {
            let kind = items[0].kind;
            (format!("/v1/{}", if short { &kind[..1] } else { kind }), list)
        }
        "segment" if dice.once_in(4) => ("/v1/webhooks/segment_webhook".to_owned(), format!("[{list}]")),
        "segment" => {
            let path = dice.pick(&["/v1/batch", "/v1/b", "/v1/import", "/v1/import/"]);
            has_bad = dice.once_in(4);
            let bad = if has_bad { r#"{"type":"track","messageId":"bad","userId":"u"},"# } else { "" };
            (path.to_owned(), format!(r#"{{"batch":[{bad}{list}],"sentAt":"2026-11-23T12:58:19.353Z"}}"#))
        }
        "statsig" => {
            let path = if short { "/v1/rgstr" } else { "/v1/log_event" };
            (path.to_owned(), format!(r#"{{"events":[{list}],"statsigMetadata":{{"sdkType":"test"}}}}"#))
        }
        source => {
            let name = if source == "webhook" { "event_webhook" } else { "rudderstack" };
            (format!("/v1/webhooks/{name}"), if alone { list } else { format!("[{list}]") })
        }
    };
    let (mut headers, mut body) = (format!("statsig-api-key: {key}\r\n"), body.into_bytes());
    if dice.once_in(3) {
        body = gzip(&body);
        headers.push_str("content-encoding: gzip\r\n");
    }
    Parcel { path, headers, body, items, has_bad }
}

impl Parcel {
    /// The request in one piece.
    pub fn request(&self) -> Vec<u8> {
        let Parcel { path, headers, body, .. } = self;
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: weir\r\n{headers}content-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    }
}

/// A parcel of new events: one of them, or a batch of one source.
pub fn fresh(label: &str, counter: &mut u64, key: &str, dice: &mut Dice) -> Parcel {
    let source = dice.pick(&["segment", "segment", "segment", "statsig", "rudderstack", "webhook"]);
    let count = match dice.below(16) {
        0..=7 => 1,
        8..=14 => 2 + dice.below(30),
        // So many that their text is compressed before it is queued.
        _ => 80 + dice.below(80),
    };
    let items = (0..count).map(|_| {
        *counter += 1;
        item(source, format!("{label}-{counter}"), dice)
    });
    let items = items.collect();
    pack(items, key, dice)
}
