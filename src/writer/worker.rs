//! The worker beside the writer: prepares sealed blocks and merged runs from a snapshot. Changes nothing itself.

use super::Command;
use super::queue::Queue;
use crate::store::{Job, ReadError, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Why a job ended early.
enum Ended {
    Read(ReadError),
    /// The writer is stopping or had no room; what was prepared is thrown away and prepared again later.
    NotTaken,
}

impl From<ReadError> for Ended {
    fn from(error: ReadError) -> Self {
        Ended::Read(error)
    }
}

pub(super) fn start(store: Store, jobs: flume::Receiver<Job>, queue: Queue) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("weir-sealer".into()).spawn(move || {
        step_back();
        for job in jobs {
            // A panic costs one job: the snapshot that it read is given back, and nothing else is shared.
            let ended = catch_unwind(AssertUnwindSafe(|| run(&store, job, &queue)));
            match ended {
                Ok(Ok(()) | Err(Ended::NotTaken)) => continue,
                Ok(Err(Ended::Read(error))) => tracing::error!(%error, "{FAILED}"),
                Err(_) => tracing::error!("a mistake of ours: {FAILED}"),
            }
            // A send fails only when the writer is gone, and then nobody needs to know.
            let _ = queue.send(Command::JobFailed);
        }
    })
}

const FAILED: &str = "events could not be sealed; they stay as they are and it is tried again later";

/// How far threads step back for those that somebody waits for. Further, and under full load sealing falls behind until intake
/// has to wait for it.
const NICENESS: i32 = 5;

/// Lets the calling thread give way: what it does can wait, answers cannot. Where the system does not allow it, it only costs
/// latency.
pub fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        let thread = std::thread::current();
        tracing::debug!(%error, thread = thread.name(), "a thread runs at the common priority");
    }
}

fn run(store: &Store, job: Job, queue: &Queue) -> Result<(), Ended> {
    let snapshot = store.snapshot()?;
    // While one piece is being committed the next is prepared.
    let mut before: Option<flume::Receiver<()>> = None;
    let taken =
        |piece: Option<flume::Receiver<()>>| piece.map_or(Ok(()), |piece| piece.recv().map_err(|_| Ended::NotTaken));
    job.run::<Ended>(&snapshot, |prepared| {
        taken(before.take())?;
        let (tell, told) = flume::bounded(1);
        queue.send(Command::Prepared { prepared, taken: tell }).map_err(|_| Ended::NotTaken)?;
        before = Some(told);
        Ok(())
    })?;
    taken(before)
}
