//! For tests of this room: a store that is filled through the real intake, and a catalog to send from. Compiled into tests
//! only.

use super::setup::Setup;
use crate::catalog::{ApplyOptions, Catalog, ProjectFile};
use crate::event::{Event, Kind, PRODUCTION, Sequence, Source, Timestamp};
use crate::ingest::{self, Arrival, BodyError, HashedNames, IdTypes, Intake, Rules};
use crate::store::{
    Appender, Batch, Change, Columns, DocumentChange, EventFilter, Options, Store, StoredEvent, Submission, Terms,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;
use tempfile::TempDir;

pub(super) const STORE_ID: &str = "00c0ffee00c0ffee";
/// 2026-11-23T12:58:20.000Z
pub(super) const NOW: Timestamp = Timestamp(1_795_438_700_000);
const EXAMPLE: &str = include_str!("../../data/project.example.json");

/// The example project with both destinations switched on, after some edits.
pub(super) fn catalog(edit: impl FnOnce(&mut Value)) -> Arc<Catalog> {
    let mut project: Value = serde_json::from_str(EXAMPLE).unwrap();
    for destination in ["segment", "webhook"] {
        project["integrations"][destination]["outgoing"]["isEnabled"] = json!(true);
    }
    edit(&mut project);
    let file = ProjectFile::parse(&project.to_string()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let new = Catalog::default();
    let plan = new.plan(&file, ApplyOptions { force: false, prune: false });
    Arc::new(new.after(&plan, "somebody", NOW).unwrap())
}

fn names(catalog: &Catalog) -> Arc<HashedNames> {
    let gates = catalog.gates().iter().map(|it| it.name.as_str());
    let layers = catalog.layers().iter().map(|it| it.name.as_str());
    let experiments = catalog.experiments().iter().map(|it| it.name.as_str());
    Arc::new(HashedNames::new(gates.chain(layers).chain(experiments)))
}

pub(super) fn setup(edit: impl FnOnce(&mut Value)) -> Setup {
    let catalog = catalog(edit);
    let names = names(&catalog);
    Setup::new(catalog, names, STORE_ID)
}

/// A change of a project file.
pub(super) type Edit = fn(&mut Value);

/// The settings of a destination in a project file.
pub(super) fn outgoing<'p>(project: &'p mut Value, destination: &str) -> &'p mut Value {
    &mut project["integrations"][destination]["outgoing"]
}

/// A log.
pub(super) struct Log {
    _directory: TempDir,
    pub store: Store,
    appender: Appender,
    bodies: u128,
}

impl Log {
    pub fn new() -> Log {
        let directory = tempfile::tempdir().unwrap();
        let (store, mut appender) =
            Store::open(&directory.path().join("weir.redb"), Options::default(), [7; 32]).unwrap();
        let id_types = ["companyID", "segmentAnonymousId"].map(|name| DocumentChange::AddIdType { name: name.into() });
        appender.commit(vec![Change::Documents(id_types.into())], NOW).unwrap();
        Log { _directory: directory, store, appender, bodies: 0 }
    }

    fn take(
        &mut self,
        read: impl FnOnce(&[u8], &Arrival, &Rules, Batch) -> Result<Intake, BodyError>,
        body: &Value,
    ) -> &mut Log {
        let terms = self.store.terms();
        let rules =
            Rules::new(self.store.id(), IdTypes::new(terms.id_types.iter().map(|(id, name)| (name.to_owned(), id))));
        self.bodies += 1;
        let arrival = Arrival::new(NOW, self.bodies);
        let intake = read(body.to_string().as_bytes(), &arrival, &rules, self.store.new_batch()).unwrap();
        assert_eq!(intake.rejected, []);
        self.append(intake.submission)
    }

    fn append(&mut self, submission: Submission) -> &mut Log {
        self.appender.commit(vec![Change::Append(Box::new(submission))], NOW).unwrap();
        self
    }

    /// A body of `/v1/log_event`.
    pub fn statsig(&mut self, body: &Value) -> &mut Log {
        self.take(ingest::statsig_log_event, body)
    }

    /// Events of Statsig's SDKs of which the body says nothing.
    pub fn events(&mut self, events: &[Value]) -> &mut Log {
        self.statsig(&json!({ "events": events }))
    }

    /// A body of the generic webhook.
    pub fn webhook(&mut self, body: &Value) -> &mut Log {
        self.take(ingest::webhook_event, body)
    }

    /// A body of Segment's `/v1/batch`.
    pub fn segment(&mut self, body: &Value) -> &mut Log {
        let many = |body: &[u8], arrival: &Arrival, rules: &Rules, batch| {
            ingest::segment(body, ingest::Call::Many, arrival, rules, batch)
        };
        self.take(many, body)
    }

    pub fn rudderstack(&mut self, body: &Value) -> &mut Log {
        self.take(ingest::webhook_rudderstack, body)
    }

    /// A change of configuration, as the console writes it.
    pub fn change(&mut self, author: &str, metadata: &Value) -> &mut Log {
        let mut batch = self.store.new_batch();
        self.bodies += 1;
        let raw = json!({
            "eventName": "statsig::config_change", "time": NOW.0, "user": {"name": author}, "metadata": metadata,
        });
        batch.push(&Event {
            source: Source::Console,
            kind: Kind::ConfigChange,
            name: "statsig::config_change".into(),
            message_id: format!("change-{}", self.bodies).into(),
            time: NOW,
            received: NOW,
            environment: PRODUCTION.into(),
            units: Vec::new(),
            value: None,
            subject: None,
            raw: raw.to_string().into(),
            shared: None,
        });
        self.append(Submission::empty(batch))
    }

    /// All that was stored, in order.
    pub fn stored(&self) -> Vec<StoredEvent> {
        let mut events = self.store.snapshot().unwrap().events(&EventFilter::default(), usize::MAX).unwrap();
        events.reverse();
        events
    }

    /// Hands all columns to `each` in order.
    pub fn scan(&self, mut each: impl FnMut(Sequence, &Columns, &Terms)) {
        let snapshot = self.store.snapshot().unwrap();
        let mut hand = |first: Sequence, columns: &Columns| {
            each(first, columns, snapshot.terms());
            ControlFlow::Continue(())
        };
        snapshot.scan_columns(&mut |_| true, &mut hand).unwrap();
    }
}

/// An exposure as an SDK logs it.
pub(super) fn exposure(kind: &str, user: &Value, metadata: &Value) -> Value {
    json!({"eventName": format!("statsig::{kind}_exposure"), "user": user, "metadata": metadata, "time": NOW.0})
}
