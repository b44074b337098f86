//! The real writer with its threads over a simulated disk, and what its callers see.

use super::disk::Disk;
use super::life::NOW;
use super::sample::event;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use weir::clock::ManualClock;
use weir::meters::Meters;
use weir::store::{OpenError, Options, Store, Submission};
use weir::writer::{Handle, Limits, Receipt, Unavailable, Writing, start};

/// How long a test waits for what must happen before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct House {
    pub disk: Disk,
    pub store: Store,
    pub handle: Handle,
    pub writing: Writing,
    pub meters: Arc<Meters>,
    /// Free bytes of the disk; `u64::MAX` for no end of them.
    pub free: Arc<AtomicU64>,
}

impl House {
    pub fn open(disk: &Disk, options: Options, limits: Limits) -> Result<House, OpenError> {
        let (store, appender) = Store::open_on(disk.clone(), options, [7; 32])?;
        let meters = Arc::new(Meters::default());
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let told = free.clone();
        let free_bytes = Box::new(move || Some(told.load(Ordering::SeqCst)));
        let clock = Arc::new(ManualClock::at(NOW));
        let (handle, writing) =
            start(store.clone(), appender, limits, clock, meters.clone(), free_bytes).expect("threads can be started");
        Ok(House { disk: disk.clone(), store, handle, writing, meters, free })
    }

    pub fn submission(&self, numbers: impl IntoIterator<Item = u64>) -> Submission {
        let mut batch = self.store.new_batch();
        numbers.into_iter().for_each(|number| batch.push(&event(number)));
        Submission::empty(batch)
    }

    /// Queues a submission and waits for its answer.
    pub fn submit(&self, submission: Submission) -> Result<Receipt, Unavailable> {
        wait(async { self.handle.enqueue(submission).await?.wait().await })
    }
}

/// Runs a future to its end, which must come in time.
pub fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("waited in vain") })
}

/// Runs what blocks, which must end in time.
pub fn ends<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::spawn(run);
    until(what, || thread.is_finished());
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
