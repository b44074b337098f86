//! When requests are due. Without a rate each connection sends as soon as its answer is here (closed loop); with one, requests
//! are due on a fixed schedule whether or not the server keeps up (open loop).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How finely the schedule is kept: requests due within this of each other may leave together.
const GRAIN: Duration = Duration::from_micros(100);
/// So that a schedule that is far behind does not overflow the semaphore; far more than any server answers in time.
const MOST_DUE: u64 = 1 << 24;

/// Hands out turns to send, in order, and says when it is over.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    deadline: Option<Instant>,
    budget: Budget,
    schedule: Option<Schedule>,
}

/// How many more events may be sent.
#[derive(Debug)]
struct Budget {
    left: AtomicU64,
    batch: u64,
}

#[derive(Debug)]
struct Schedule {
    interval: Duration,
    due: Semaphore,
    taken: AtomicU64,
}

/// A turn to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it ought to leave: latency counts from here, so that waiting for a slow server is not left out of it.
    pub due: Instant,
    pub events: usize,
}

impl Pace {
    /// `interval` is the time between two requests, of all connections together; `None` is the closed loop.
    pub fn new(
        start: Instant,
        duration: Option<Duration>,
        events: Option<u64>,
        batch: u32,
        interval: Option<Duration>,
    ) -> Pace {
        Pace {
            start,
            deadline: duration.and_then(|duration| start.checked_add(duration)),
            budget: Budget { left: AtomicU64::new(events.unwrap_or(u64::MAX)), batch: u64::from(batch) },
            schedule: interval.map(|interval| Schedule { interval, due: Semaphore::new(0), taken: AtomicU64::new(0) }),
        }
    }

    /// Waits for the next turn; `None` when the time or the events are used up.
    pub async fn turn(&self) -> Option<Turn> {
        let due = match &self.schedule {
            None => Instant::now(),
            Some(schedule) => {
                // An error means that `keep` has ended.
                schedule.due.acquire().await.ok()?.forget();
                let number = schedule.taken.fetch_add(1, Ordering::Relaxed);
                self.start + mul(schedule.interval, number)
            }
        };
        if self.deadline.is_some_and(|deadline| due >= deadline) {
            return None;
        }
        let events = self.take()?;
        Some(Turn { due, events })
    }

    pub fn is_over(&self) -> bool {
        self.budget.left.load(Ordering::Relaxed) == 0
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ends it for all connections.
    pub fn stop(&self) {
        self.budget.left.store(0, Ordering::Relaxed);
        if let Some(schedule) = &self.schedule {
            schedule.due.close();
        }
    }

    fn take(&self) -> Option<usize> {
        let Budget { left, batch } = &self.budget;
        let next = |left: u64| (left > 0).then(|| left.saturating_sub(*batch));
        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(before) => usize::try_from(before.min(*batch)).ok(),
            Err(_) => {
                self.stop();
                None
            }
        }
    }

    /// Releases turns as they fall due until it is over; runs on a thread of its own, because a runtime's timer is no finer
    /// than a millisecond. Returns how many requests were due but found no free connection before the end.
    pub fn keep(&self) -> u64 {
        let Some(schedule) = &self.schedule else { return 0 };
        let mut released = 0;
        while !schedule.due.is_closed() {
            let now = Instant::now();
            let end = self.deadline.map_or(now, |deadline| deadline.min(now));
            let elapsed = end.saturating_duration_since(self.start);
            let due = (elapsed.as_nanos() / schedule.interval.as_nanos().max(1)) as u64 + 1;
            let behind = MOST_DUE.saturating_sub(schedule.due.available_permits() as u64);
            let fresh = (due - released).min(behind);
            schedule.due.add_permits(fresh as usize);
            released += fresh;
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            let next = self.start + mul(schedule.interval, due);
            let wait = next.saturating_duration_since(now).max(GRAIN);
            std::thread::sleep(self.deadline.map_or(wait, |deadline| wait.min(deadline - now)));
        }
        let unsent = schedule.due.available_permits() as u64;
        let spent = self.budget.left.load(Ordering::Relaxed) == 0;
        schedule.due.close();
        if spent { 0 } else { unsent }
    }
}

fn mul(interval: Duration, number: u64) -> Duration {
    Duration::from_nanos(u64::try_from(interval.as_nanos().saturating_mul(u128::from(number))).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn the_events_are_shared_out_to_the_last_one() {
        let pace = Pace::new(Instant::now(), None, Some(250), 100, None);
        let sizes: Vec<usize> =
            block_on(async { [pace.turn().await, pace.turn().await, pace.turn().await, pace.turn().await] })
                .into_iter()
                .flatten()
                .map(|turn| turn.events)
                .collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert!(pace.is_over());
    }

    #[test]
    fn no_turn_comes_after_the_end() {
        let pace = Pace::new(Instant::now(), Some(Duration::ZERO), None, 1, None);
        assert_eq!(block_on(pace.turn()), None);
    }

    #[test]
    fn turns_keep_to_the_schedule_even_when_taken_late() {
        let interval = Duration::from_millis(2);
        let start = Instant::now();
        let pace = Pace::new(start, None, Some(5), 1, Some(interval));
        let dues = std::thread::scope(|scope| {
            scope.spawn(|| pace.keep());
            block_on(async {
                let mut dues = Vec::new();
                while let Some(turn) = pace.turn().await {
                    assert!(Instant::now() >= turn.due, "sent before it was due");
                    dues.push(turn.due - start);
                }
                dues
            })
        });
        assert_eq!(dues, (0..5).map(|n| interval * n).collect::<Vec<_>>());
    }

    #[test]
    fn requests_that_nobody_could_send_are_counted() {
        let pace = Pace::new(Instant::now(), Some(Duration::from_millis(10)), None, 1, Some(Duration::from_millis(1)));
        let unsent = pace.keep();
        assert!((10..=11).contains(&unsent), "{unsent}");
        assert_eq!(block_on(pace.turn()), None);
    }
}
