//! A snapshot of the store as the log that results read.

use super::{Log, LogError};
use crate::event::{Field, Sequence, Timestamp};
use crate::store::{Extract, Fields, NewColumn, Snapshot, Terms, Visit};

/// A snapshot with the receipt time of its last event, found once.
pub struct StoredLog {
    snapshot: Snapshot,
    as_of: Option<Timestamp>,
    extract: Extract,
    keep: Box<dyn Fn(Vec<NewColumn>) + Send + Sync>,
}

impl StoredLog {
    /// `extract` reads a field of an event, where its column is not kept yet; `keep` takes columns that were worked out, so that
    /// the next report need not. It must not wait.
    pub fn new(
        snapshot: Snapshot,
        extract: Extract,
        keep: impl Fn(Vec<NewColumn>) + Send + Sync + 'static,
    ) -> Result<StoredLog, LogError> {
        let as_of = snapshot.as_of_time().map_err(|error| LogError(Box::new(error)))?;
        Ok(StoredLog { snapshot, as_of, extract, keep: Box::new(keep) })
    }
}

impl Log for StoredLog {
    fn next_sequence(&self) -> Sequence {
        self.snapshot.next_sequence()
    }

    fn as_of_time(&self) -> Option<Timestamp> {
        self.as_of
    }

    fn terms(&self) -> &Terms {
        self.snapshot.terms()
    }

    fn scan(&self, from: Sequence, fields: &[Field], each: &mut Visit<'_>) -> Result<(), LogError> {
        let fields = Fields { wanted: fields, extract: self.extract, keep: &mut |columns| (self.keep)(columns) };
        let scanned = self.snapshot.scan_columns_from(from, &mut |_| true, fields, each);
        scanned.map_err(|error| LogError(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, Place, Source};
    use crate::store::{Change, Options, Store, Submission};
    use std::borrow::Cow;
    use std::ops::ControlFlow;
    use std::sync::{Arc, Mutex};

    fn first_letter<'r>(
        _: Source,
        _: Kind,
        raw: &'r str,
        _: Option<&'r str>,
        _: Place,
        key: &str,
    ) -> Option<Cow<'r, str>> {
        raw.strip_prefix(key).and_then(|rest| rest.get(..1)).map(Cow::Borrowed)
    }

    fn anew<'r>(_: Source, _: Kind, _: &'r str, _: Option<&'r str>, _: Place, _: &str) -> Option<Cow<'r, str>> {
        Some("anew".into())
    }

    #[test]
    fn a_field_that_one_report_worked_out_is_there_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { quiet_tails: 1, ..Options::default() };
        let (store, mut appender) = Store::open(&directory.path().join("weir.redb"), options, [7; 32]).unwrap();
        let mut batch = store.new_batch();
        for number in 0..6 {
            batch.push(&Event {
                source: Source::Segment,
                kind: Kind::Track,
                name: format!("segment::{}", number % 2).into(),
                message_id: format!("m{number}").into(),
                time: Timestamp(number),
                received: Timestamp(number),
                environment: "production".into(),
                units: Vec::new(),
                value: None,
                subject: None,
                raw: if number == 3 { "{}".into() } else { format!("k{number}").into() },
                shared: None,
            });
        }
        appender.commit(vec![Change::Append(Box::new(Submission::empty(batch)))], Timestamp(9)).unwrap();
        let job = appender.next_job(true).unwrap();
        job.run::<crate::store::ReadError>(&store.snapshot().unwrap(), |prepared| {
            appender.commit(vec![prepared.into()], Timestamp(9)).unwrap();
            Ok(())
        })
        .unwrap();

        let field = |store: &Store| Field {
            name: store.terms().names.find("segment::1").unwrap(),
            place: Place::Metadata,
            key: "k".into(),
        };
        let given = Arc::new(Mutex::new(Vec::new()));
        let read = |extract: Extract| {
            let given = given.clone();
            let keep = move |columns| given.lock().unwrap().extend::<Vec<NewColumn>>(columns);
            let log = StoredLog::new(store.snapshot().unwrap(), extract, keep).unwrap();
            let mut texts = Vec::new();
            log.scan(Sequence(5), &[field(&store)], &mut |first, columns, found| {
                assert_eq!((first, columns.len(), found.len()), (Sequence(0), 6, 1));
                texts.extend(found[0].rows.iter().map(|&entry| found[0].text(entry).map(str::to_owned)));
                ControlFlow::Continue(())
            })
            .unwrap();
            texts
        };
        let expected = [Some("1".to_owned()), None, Some("5".to_owned())];
        assert_eq!(read(first_letter), expected);
        let columns = std::mem::take(&mut *given.lock().unwrap());
        assert_eq!(columns.iter().map(NewColumn::field).collect::<Vec<_>>(), [&field(&store)]);
        appender.commit(vec![Change::KeepColumns(columns)], Timestamp(9)).unwrap();
        assert_eq!(read(anew), expected);
        assert!(given.lock().unwrap().is_empty());
    }
}
