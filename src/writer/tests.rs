//! What becomes of a job whose pieces and whose failure reach the writer together, and of what is recorded while sealing is
//! behind.

use super::*;
use crate::clock::ManualClock;
use crate::event::{Event, Kind, Source, Timestamp};
use crate::store::{ExportChange, Options, ReadError};
use futures_util::FutureExt;
use std::ops::Range;
use tempfile::TempDir;

struct House {
    _directory: TempDir,
    store: Store,
    writer: Writer,
}

impl House {
    fn new(options: Options) -> House {
        let directory = tempfile::tempdir().unwrap();
        let (store, appender) = Store::open(&directory.path().join("weir.redb"), options, [7; 32]).unwrap();
        let writer = Writer {
            appender,
            limits: Limits::default(),
            clock: Arc::new(ManualClock::at(Timestamp(0))),
            meters: Arc::default(),
            free_bytes: Box::new(|| None),
            announce: watch::channel(Sequence(0)).0,
            jobs: flume::bounded(1).0,
            held: VecDeque::new(),
            retry_after: None,
        };
        House { _directory: directory, store, writer }
    }

    fn append(&mut self, numbers: Range<u64>) {
        let mut batch = self.store.new_batch();
        for number in numbers {
            batch.push(&Event {
                source: Source::Segment,
                kind: Kind::Track,
                name: "segment::A".into(),
                message_id: format!("m-{number}").into(),
                time: Timestamp(0),
                received: Timestamp(0),
                environment: "production".into(),
                units: Vec::new(),
                value: None,
                subject: None,
                raw: format!("{{\"noise\":{}}}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
                shared: None,
            });
        }
        let submission = Submission::empty(batch);
        self.writer.appender.commit(vec![Change::Append(Box::new(submission))], Timestamp(0)).unwrap();
    }

    /// A job that fails behind its first piece, before the writer has taken that.
    fn fail_behind_a_piece(&mut self, job: Job) {
        let mut commands = Vec::new();
        let ended = job.run(&self.store.snapshot().unwrap(), |prepared| {
            let (taken, _) = flume::bounded(1);
            commands.push(Command::Prepared { prepared, taken });
            Err(ReadError::Missing("the next piece".into()))
        });
        assert!(ended.is_err());
        commands.push(Command::JobFailed);
        assert!(self.writer.commit(commands).unwrap(), "the piece is committed");
    }
}

#[test]
fn a_job_that_fails_behind_a_piece_of_the_same_commit_can_be_done_again() {
    let options = Options { block_bytes: 1 << 10, ..Options::default() };
    let mut house = House::new(options);
    (0..20).for_each(|round| house.append(round * 20..round * 20 + 20));
    let job = house.writer.appender.next_job(true).expect("tails that fill several blocks");
    house.fail_behind_a_piece(job);
    assert!(house.store.snapshot().unwrap().sealed().0 > 0, "what was prepared counts");
    assert!(house.writer.retry_after.is_some(), "it is left alone for a while");
    let job = house.writer.appender.next_job(true).expect("the rest can be sealed");
    house.fail_behind_a_piece(job);
}

#[test]
fn what_is_recorded_of_the_export_does_not_wait_for_sealing_as_events_do() {
    let mut house = House::new(Options { block_bytes: 1 << 10, ..Options::default() });
    (0..20).for_each(|round| house.append(round * 20..round * 20 + 20));
    let _running = house.writer.appender.next_job(true).expect("tails that fill several blocks");
    house.writer.limits.unsealed_bytes = 1;
    assert!(house.writer.is_behind());
    let queue = Queue::new(&Limits::default());
    let submission = Submission::empty(house.store.new_batch());
    let (reply, mut appended) = oneshot::channel();
    let _room = queue.room(1).now_or_never().expect("an empty queue").unwrap();
    queue.send(Command::Append { submission, reply, _room }).unwrap();
    let begin = DocumentChange::Export(ExportChange::Begin { destination: "segment".into() });
    let (reply, mut recorded) = oneshot::channel();
    queue.send(Command::Documents { documents: vec![begin], note: None, reply }).unwrap();

    let first = house.writer.next(queue.commands(), Duration::ZERO).expect("something waits");
    let (gathered, _) = house.writer.gather(first, queue.commands());
    house.writer.commit(gathered).unwrap();
    assert_eq!(recorded.try_recv().unwrap().map(|receipt| receipt.next.0), Ok(400));
    let cursor = house.store.snapshot().unwrap().cursor("segment").unwrap();
    assert_eq!(cursor.map(|cursor| cursor.position.0), Some(400));
    assert!(appended.try_recv().is_err(), "the events wait");
    assert_eq!(house.writer.held.len(), 1);
}
