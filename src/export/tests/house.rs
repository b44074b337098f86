//! A store, its writer and an exporter, set up by a project file.

use super::sink::until;
use crate::catalog::{ApplyOptions, Catalog, ProjectFile};
use crate::clock::ManualClock;
use crate::event::{Event, Kind, Sequence, Source, Subject, Timestamp, Unit};
use crate::export::{DestinationId, DestinationStatus, Exports, Limits, Random, Setup};
use crate::ingest::HashedNames;
use crate::meters::Meters;
use crate::store::{Cursor, DocumentChange, ExportChange, Options, Store, Submission};
use crate::writer::{self, Handle, Writing};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const NOW: Timestamp = Timestamp(1_795_438_700_000);
pub const SEGMENT: DestinationId = DestinationId::Segment;

pub struct House {
    pub exports: Exports,
    pub store: Store,
    pub handle: Handle,
    pub meters: Arc<Meters>,
    pub clock: ManualClock,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    writing: Option<Writing>,
    folder: Arc<TempDir>,
}

/// One event to be appended.
pub struct Row {
    pub source: Source,
    pub kind: Kind,
    pub name: &'static str,
    pub user: Option<&'static str>,
    pub subject: Option<Subject>,
}

pub const CUSTOM: Row =
    Row { source: Source::Statsig, kind: Kind::Custom, name: "bought", user: Some("u"), subject: None };

/// Segment's outgoing settings towards a base URL, with more of them.
pub fn segment(base_url: &str, more: Value) -> Value {
    let mut outgoing = json!({"isEnabled": true, "writeKey": "key", "baseUrl": base_url});
    let more = more.as_object().expect("settings").clone();
    outgoing.as_object_mut().expect("settings").extend(more);
    json!({"integrations": {"segment": {"outgoing": outgoing}}})
}

fn system_random() -> Random {
    Arc::new(|buffer: &mut [u8]| getrandom::fill(buffer).expect("randomness"))
}

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(20), backoff: Duration::from_millis(10), ..Limits::default() }
}

impl House {
    pub fn new() -> House {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        House::open(folder, limits(), system_random())
    }

    pub fn with(limits_of: impl FnOnce(Limits) -> Limits) -> House {
        House::open(Arc::new(tempfile::tempdir().expect("a folder")), limits_of(limits()), system_random())
    }

    pub fn with_random(random: Random) -> House {
        House::open(Arc::new(tempfile::tempdir().expect("a folder")), limits(), random)
    }

    fn open(folder: Arc<TempDir>, limits: Limits, random: Random) -> House {
        let path: &Path = folder.path();
        let (store, appender) = Store::open(&path.join("weir.redb"), Options::default(), [7; 32]).expect("a store");
        let (clock, meters) = (ManualClock::at(NOW), Arc::new(Meters::default()));
        let shared = Arc::new(clock.clone());
        let bounds = writer::Limits::default();
        let (handle, writing) =
            writer::start(store.clone(), appender, bounds, shared.clone(), meters.clone(), Box::new(|| None))
                .expect("a writer");
        handle.change(vec![DocumentChange::AddIdType { name: "userID".into() }], None).expect("an ID type");
        let exports = Exports::new(store.clone(), handle.clone(), shared, meters.clone(), random, limits);
        House { exports, store, handle, meters, clock, running: None, writing: Some(writing), folder }
    }

    /// Begins and ends cursors as the admin does.
    pub fn set_up(&self, project: &Value) {
        let file = ProjectFile::parse(&project.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let before = Catalog::default();
        let plan = before.plan(&file, ApplyOptions { force: true, prune: true });
        let catalog = before.after(&plan, "someone", NOW).expect("a valid project");
        let setup = Setup::new(Arc::new(catalog), Arc::new(HashedNames::default()), self.store.id());
        for id in DestinationId::ALL {
            let destination = id.as_str().to_owned();
            let change = match setup.destination(id) {
                Some(_) => ExportChange::Begin { destination },
                None => ExportChange::End { destination },
            };
            self.handle.change(vec![DocumentChange::Export(change)], None).expect("it is written");
        }
        self.exports.set_up(Arc::new(setup));
    }

    pub fn append(&self, rows: impl IntoIterator<Item = Row>) {
        let mut batch = self.store.new_batch();
        let user = self.store.terms().id_types.find("userID").expect("it was added");
        let from = self.store.next_sequence().0;
        for (at, row) in rows.into_iter().enumerate() {
            let units = row.user.map(|id| Unit { id_type: user, id: id.into() });
            batch.push(&Event {
                source: row.source,
                kind: row.kind,
                name: row.name.into(),
                message_id: format!("m-{from}-{at}").into(),
                time: NOW,
                received: NOW,
                environment: "production".into(),
                units: units.into_iter().collect(),
                value: None,
                subject: row.subject,
                raw: json!({"eventName": row.name, "time": NOW.0, "metadata": {"n": "1"}}).to_string().into(),
                shared: row.user.map(|id| json!({"user": {"userID": id}}).to_string().into()),
            });
        }
        self.handle.change(Vec::new(), Some(Submission::empty(batch))).expect("it is stored");
    }

    pub fn append_custom(&self, count: usize) {
        self.append((0..count).map(|_| CUSTOM));
    }

    pub fn run(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let exports = self.exports.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(exports.run(async {
                let _ = stopped.await;
            }));
            runtime.shutdown_timeout(Duration::ZERO);
        });
        self.running = Some((stop, thread));
    }

    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().expect("it ends in good order");
        }
    }

    /// Stops and opens the same store again.
    pub fn reopened(mut self) -> House {
        self.stop();
        let folder = self.folder.clone();
        self.writing.take().expect("it runs").stop().expect("a clean end");
        drop(self);
        House::open(folder, limits(), system_random())
    }

    pub fn status(&self) -> DestinationStatus {
        self.exports.status(SEGMENT).expect("a readable store")
    }

    pub fn cursor(&self) -> Cursor {
        self.store.snapshot().and_then(|it| it.cursor("segment")).expect("a readable store").expect("a cursor")
    }

    /// Waits until the cursor on disk is at the log's end.
    pub fn until_all_is_written(&self) {
        until("all is written", || self.cursor().position == self.store.next_sequence());
    }

    pub fn letters(&self) -> Vec<u64> {
        let letters = self.exports.dead_letters(SEGMENT, None, usize::MAX).expect("a readable store");
        letters.iter().rev().map(|letter| letter.sequence).collect()
    }

    pub fn end(&self) -> Sequence {
        self.store.next_sequence()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
        if let Some(writing) = self.writing.take() {
            let _ = writing.stop();
        }
    }
}
