//! One attempt: the request, what its answer means, and what is noted of it. Moves no place.

use super::{Orders, Runner, blocking, stopped};
use crate::event::Timestamp;
use crate::export::board::{Attempt, Doing, LastError, NextAttempt, Outcome};
use crate::export::client::{Client, Failure, Reply};
use crate::export::dead_letter::excerpt;
use crate::export::deliver::{Delivery, Step};
use crate::export::verdict::Verdict;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a request that is under way may take to finish when the server stops. What it carries is sent again.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

impl Runner {
    async fn client(&mut self) -> Arc<Client> {
        if let Some(client) = &self.client {
            return client.clone();
        }
        let (trust, timeout) = (self.inner.limits.trust.clone(), self.inner.limits.timeout);
        let client = Arc::new(blocking(move || Client::new(trust, timeout)).await);
        self.client = Some(client.clone());
        client
    }

    /// One attempt; `None` when the server stopped before its end.
    pub(super) async fn attempt(&mut self, delivery: &mut Delivery, part: Range<usize>) -> Option<Step> {
        let client = self.client().await;
        let (attempt, is_first) = (delivery.attempt(), delivery.is_first());
        let batch = delivery.batch();
        let (time, began) = (self.inner.clock.now(), Instant::now());
        let call = batch.destination.call(&batch.encoded(part.clone()), time);
        let sequence = |at: usize| batch.items.get(at).map(|item| item.sequence.0);
        let mut noted = Attempt {
            first_sequence: sequence(part.start),
            last_sequence: sequence(part.end - 1),
            events: part.len() as u64,
            filtered: if is_first { std::mem::take(&mut self.filtered) } else { 0 },
            bytes: call.body.len() as u64,
            attempt,
            ..Attempt::begun(batch.purpose, time)
        };
        let result = tokio::select! {
            result = client.post(&call, attempt) => result,
            () = cut_off(self.stop.clone()) => return None,
        };
        let now = self.inner.clock.now();
        noted.duration_ms = millis(began.elapsed());
        let (step, error) = match &result {
            Err(failure) => (delivery.failed(), Some(of_failure(failure, now))),
            Ok(reply) => {
                noted.status = Some(reply.status.as_u16());
                let verdict = Verdict::of(reply.status, &reply.headers, now);
                noted.outcome = outcome(verdict);
                let error = (verdict != Verdict::Delivered).then(|| of_reply(reply, now));
                (delivery.answered(verdict, reply, now), error)
            }
        };
        if let Step::Passed(progress) = &step {
            noted.forwarded = progress.forwarded;
            noted.failed = u64::from(noted.outcome == Outcome::Refused);
        }
        noted.error = error.as_ref().map(|error| error.message.clone());
        self.instruments().count(noted.outcome);
        self.desk.board.note(noted, error);
        Some(step)
    }

    /// Waits before the next attempt, as long as the orders stay. `false` when they changed.
    pub(super) async fn wait(&mut self, failed: u32, after: Option<Duration>) -> bool {
        let wait = after.unwrap_or_else(|| self.pace.wait(failed, self.inner.random_u32()));
        let until = Instant::now() + wait;
        let at = self.inner.clock.now().0.saturating_add_unsigned(millis(wait));
        self.desk.board.shown().doing = Doing::Waiting(NextAttempt { attempt: failed + 1, at });
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                () = stopped(&mut self.stop) => return false,
                _ = self.bell.changed() => {
                    self.bell.mark_changed();
                    if self.obey().await != Orders::GoOn {
                        return false;
                    }
                }
            }
        }
    }

    /// Events that cannot be sent are an attempt that nobody saw.
    pub(super) fn tell_unsendable(&mut self, delivery: &Delivery) {
        let (letters, now) = (delivery.letters(), self.inner.clock.now());
        let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return };
        let message = format!("{} of {}: {}", first.code, first.event, first.message);
        let attempt = Attempt {
            first_sequence: Some(first.sequence),
            last_sequence: Some(last.sequence),
            failed: letters.len() as u64,
            outcome: Outcome::Unsendable,
            error: Some(message.clone()),
            ..Attempt::begun(delivery.batch().purpose, now)
        };
        let error = LastError { time: now.0, code: first.code.clone(), message, status: None };
        self.desk.board.note(attempt, Some(error));
    }
}

/// Resolves when a request that is under way has had its time after the server was told to stop.
async fn cut_off(mut stop: watch::Receiver<bool>) {
    stopped(&mut stop).await;
    sleep(FINISH_WITHIN).await;
}

pub(in crate::export) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(in crate::export) fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Delivered => Outcome::Delivered,
        Verdict::Again { .. } => Outcome::Again,
        Verdict::Refused => Outcome::Refused,
        Verdict::Unauthorized => Outcome::Unauthorized,
    }
}

pub(in crate::export) fn of_failure(failure: &Failure, now: Timestamp) -> LastError {
    LastError { time: now.0, code: failure.code.to_owned(), message: failure.message.clone(), status: None }
}

pub(in crate::export) fn of_reply(reply: &Reply, now: Timestamp) -> LastError {
    let status = reply.status.as_u16();
    let message = match excerpt(&reply.body) {
        Some(said) => format!("the destination answered {status}: {said}"),
        None => format!("the destination answered {status}"),
    };
    LastError { time: now.0, code: "http_status".to_owned(), message, status: Some(status) }
}
