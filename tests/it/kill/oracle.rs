//! What a store owes: every event that was acknowledged once, nothing that was never sent, each as it was sent.

use super::parcel::{Item, Parcel};
use crate::running::{CONSOLE_KEY, Connection, Server};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

/// Keeps the books of what was sent and what became of it.
#[derive(Default)]
pub struct Oracle(Mutex<Books>);

#[derive(Default)]
struct Books {
    /// By source and message ID.
    sent: HashMap<(&'static str, String), Sent>,
    /// Events of each first sending, which are stored all or not at all.
    parcels: Vec<Vec<(&'static str, String)>>,
    acknowledged: u64,
    resent: u64,
}

struct Sent {
    raw: String,
    acknowledged: bool,
}

/// Figures of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub sent: u64,
    pub acknowledged: u64,
    /// Events in answers of success that had been acknowledged before.
    pub resent: u64,
}

/// An event as the console API lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub sequence: u64,
    pub source: String,
    pub message_id: String,
    pub raw: Box<RawValue>,
}

impl Oracle {
    /// Before anything of it is on its way.
    pub fn sending(&self, parcel: &Parcel) {
        let mut books = self.0.lock().expect("nobody panics with the books open");
        let ids: Vec<_> = parcel.items.iter().map(|item| (item.source, item.id.clone())).collect();
        for Item { source, id, raw, .. } in &parcel.items {
            let known = books.sent.insert((source, id.clone()), Sent { raw: raw.clone(), acknowledged: false });
            assert!(known.is_none(), "a message ID was given twice: {source} {id}");
        }
        books.parcels.push(ids);
    }

    pub fn acknowledged(&self, parcel: &Parcel) {
        let mut books = self.0.lock().expect("nobody panics with the books open");
        for Item { source, id, .. } in &parcel.items {
            let sent = books.sent.get_mut(&(*source, id.clone())).expect("it was sent");
            match std::mem::replace(&mut sent.acknowledged, true) {
                true => books.resent += 1,
                false => books.acknowledged += 1,
            }
        }
    }

    pub fn figures(&self) -> Figures {
        let books = self.0.lock().expect("nobody panics with the books open");
        Figures { sent: books.sent.len() as u64, acknowledged: books.acknowledged, resent: books.resent }
    }

    /// Reads the whole log and compares it with the books. Senders may go on meanwhile.
    pub fn compare(&self, server: &Server) {
        // What is acknowledged after this line may or may not be in the log that is read.
        let owed: HashSet<(&str, String)> = {
            let books = self.0.lock().expect("nobody panics with the books open");
            books.sent.iter().filter(|(_, sent)| sent.acknowledged).map(|(key, _)| key.clone()).collect()
        };
        let log = read_log(server);
        let wrong = self.faults(&owed, &log);
        let examples = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(wrong.is_empty(), "{} faults in a log of {}, among them:\n{examples}", wrong.len(), log.len());
    }

    /// What is wrong with a log that must hold what is owed.
    fn faults(&self, owed: &HashSet<(&str, String)>, log: &[Row]) -> Vec<String> {
        let books = self.0.lock().expect("nobody panics with the books open");
        let mut stored: HashSet<(&str, String)> = HashSet::new();
        let mut wrong = Vec::new();
        for row in log.iter().filter(|row| row.source != "console") {
            let found = books.sent.get_key_value(&(known(&row.source), row.message_id.clone()));
            let Some((key, sent)) = found else {
                wrong.push(format!("{} was never sent: {}", row.sequence, row.raw));
                continue;
            };
            if sent.raw != row.raw.get() {
                wrong.push(format!("{} was sent as {} and is {}", row.sequence, sent.raw, row.raw));
            }
            if !stored.insert(key.clone()) {
                wrong.push(format!("{} is stored twice: {key:?}", row.sequence));
            }
        }
        wrong.extend(owed.difference(&stored).map(|key| format!("acknowledged and not stored: {key:?}")));
        for parcel in &books.parcels {
            let there = parcel.iter().filter(|key| stored.contains(*key)).count();
            if there != 0 && there != parcel.len() {
                wrong
                    .push(format!("{there} of {} events that were sent together are stored: {parcel:?}", parcel.len()));
            }
        }
        wrong
    }
}

fn known(source: &str) -> &'static str {
    let sources = ["segment", "rudderstack", "statsig", "webhook"];
    sources.into_iter().find(|known| *known == source).unwrap_or("unknown")
}

/// The whole log, oldest first. Its sequences must have no gap.
pub fn read_log(server: &Server) -> Vec<Row> {
    let mut log = read_down_to(server, 0);
    log.reverse();
    for (place, row) in log.iter().enumerate() {
        assert_eq!(row.sequence, place as u64, "the log has a gap or a sequence twice");
    }
    log
}

/// Events from a sequence on, newest first, page by page as a reader of the console API would.
pub fn read_down_to(server: &Server, oldest: u64) -> Vec<Row> {
    #[derive(Deserialize)]
    struct Page {
        data: Vec<Row>,
        pagination: Pagination,
    }
    #[derive(Deserialize)]
    struct Pagination {
        next: Option<u64>,
    }
    let mut connection: Connection = server.connect();
    let mut rows = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/console/v1/events?limit=1000{before}");
        let answer = connection.ask("GET", &path, &[("statsig-api-key", CONSOLE_KEY)], b"").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page: Page = serde_json::from_str(&answer.body).expect("a page of events");
        rows.extend(page.data.into_iter().filter(|row| row.sequence >= oldest));
        match page.pagination.next {
            Some(next) if next > oldest => before = format!("&before={next}"),
            _ => return rows,
        }
    }
}

/// An oracle that finds nothing proves nothing until it was seen to find each fault.
#[test]
fn the_oracle_sees_every_fault() {
    let oracle = Oracle::default();
    let item = |id: &str| Item::track(id.to_owned(), format!("{{\"messageId\": \"{id}\"}}"));
    let parcel = |ids: &[&str]| {
        let mut parcel = Parcel::default();
        parcel.items.extend(ids.iter().map(|id| item(id)));
        parcel
    };
    let taken = parcel(&["a", "b"]);
    oracle.sending(&taken);
    oracle.sending(&parcel(&["c", "d"]));
    oracle.acknowledged(&taken);
    oracle.acknowledged(&parcel(&["b"]));
    assert_eq!(oracle.figures(), Figures { sent: 4, acknowledged: 2, resent: 1 });
    let row = |id: &str, raw: String| Row {
        sequence: 0,
        source: "segment".to_owned(),
        message_id: id.to_owned(),
        raw: RawValue::from_string(raw).expect("JSON"),
    };
    let owed = HashSet::from([("segment", "a".to_owned()), ("segment", "b".to_owned())]);
    let found = |ids: &[&str]| {
        let log: Vec<Row> = ids.iter().map(|id| row(id, item(id).raw)).collect();
        oracle.faults(&owed, &log)
    };
    assert_eq!(found(&["a", "b"]), [""; 0]);
    assert_eq!(found(&["c", "a", "b", "d"]), [""; 0], "what got no answer may be there");
    for (ids, fault) in [
        (&["a"][..], "acknowledged and not stored: (\"segment\", \"b\")"),
        (&["a", "b", "a"], "0 is stored twice"),
        (&["a", "b", "x"], "0 was never sent"),
        (&["a", "b", "c"], "1 of 2 events that were sent together are stored"),
    ] {
        assert!(found(ids).iter().any(|told| told.starts_with(fault)), "{ids:?}: {:?}", found(ids));
    }
    let changed = [row("a", r#"{"messageId":"a"}"#.to_owned()), row("b", item("b").raw)];
    assert!(oracle.faults(&owed, &changed)[0].starts_with("0 was sent as"));
}
