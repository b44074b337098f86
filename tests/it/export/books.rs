//! The books of a place that events are sent to: each request, what was taken of it, and what should not have been. Speaks no HTTP.

use serde_json::Value;
use std::collections::HashMap;
use std::time::Instant;

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: String,
    pub name: String,
    pub text: String,
}

impl Sent {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("it was read before")
    }

    /// Its place in the log it came from, which its ID tells.
    pub fn sequence(&self) -> u64 {
        let number = self.id.strip_prefix("weir-").and_then(|rest| rest.rsplit_once('-'));
        number.and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("no place in {}", self.id))
    }
}

/// A request as it is remembered.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub events: Vec<Sent>,
    /// Of the reply; `None` if there was no whole one.
    pub status: Option<u16>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub struct Books {
    /// Every request, in the order of arrival.
    pub received: Vec<Received>,
    /// Every event that was taken, each once, in the order of its first arrival.
    pub taken: Vec<Sent>,
    /// How often an event came that had been taken already.
    pub repeats: u64,
    /// What the sender should not have done.
    pub violations: Vec<String>,
    /// By ID: the text, and whether it was taken.
    known: HashMap<String, (String, bool)>,
}

impl Books {
    /// Enters a request whose events are taken or not.
    pub fn enter(&mut self, received: Received, takes: bool, violations: Vec<String>) {
        self.violations.extend(violations);
        for event in &received.events {
            let (text, taken) = self.known.entry(event.id.clone()).or_insert_with(|| (event.text.clone(), false));
            if *text != event.text {
                self.violations.push(format!("{} was {text} and is now {}", event.id, event.text));
            }
            match (takes, *taken) {
                (true, true) => self.repeats += 1,
                (true, false) => {
                    *taken = true;
                    self.taken.push(event.clone());
                }
                (false, _) => {}
            }
        }
        self.received.push(received);
    }

    /// Pairs of events that were taken in another order than they were logged in.
    pub fn disorder(&self) -> Vec<String> {
        let pairs = self.taken.windows(2).filter(|pair| pair[0].sequence() >= pair[1].sequence());
        pairs.map(|pair| format!("{} before {}", pair[0].id, pair[1].id)).collect()
    }

    /// Fails if the sender broke a rule or sent anything out of order.
    #[track_caller]
    pub fn assert_clean(&self) {
        let Books { violations, .. } = self;
        let shown = |faults: &[String]| faults.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        assert!(violations.is_empty(), "{} violations, among them:\n{}", violations.len(), shown(violations));
        let disorder = self.disorder();
        assert!(disorder.is_empty(), "{} out of order, among them:\n{}", disorder.len(), shown(&disorder));
    }

    /// The taken events' names.
    pub fn names(&self) -> Vec<&str> {
        self.taken.iter().map(|event| event.name.as_str()).collect()
    }
}

/// Books that find nothing prove nothing until they were seen to find each fault.
#[test]
fn the_books_see_what_is_out_of_order_and_what_changes() {
    let sent =
        |number: u32, text: &str| Sent { id: format!("weir-ab-{number}"), name: "e".into(), text: text.to_owned() };
    let enter = |books: &mut Books, events: &[Sent], takes: bool| {
        let received = Received {
            at: Instant::now(),
            path: "/".into(),
            headers: Vec::new(),
            events: events.to_vec(),
            status: Some(200),
        };
        books.enter(received, takes, Vec::new());
    };
    let mut books = Books::default();
    enter(&mut books, &[sent(1, "a"), sent(2, "b")], false);
    enter(&mut books, &[sent(1, "a"), sent(2, "b")], true);
    enter(&mut books, &[sent(1, "a"), sent(2, "b"), sent(7, "c")], true);
    books.assert_clean();
    assert_eq!((books.taken.len(), books.repeats), (3, 2));
    enter(&mut books, &[sent(5, "d")], true);
    assert_eq!(books.disorder(), ["weir-ab-7 before weir-ab-5"]);
    enter(&mut books, &[sent(5, "other")], false);
    assert_eq!(books.violations, ["weir-ab-5 was d and is now other"]);
}
