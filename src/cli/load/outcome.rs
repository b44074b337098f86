//! What a run came to: counts, rates and latencies, for people and for machines.

use super::histogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The counts of one thread, or of all.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests answered 200.
    pub requests: u64,
    /// Events in them, less the rejected ones.
    pub events: u64,
    /// Events that a 200 listed as rejected.
    pub rejected: u64,
    /// Body bytes of the requests answered 200, before compression.
    pub bytes: u64,
    /// The same requests as sent: compressed if asked for, with their heads.
    pub wire_bytes: u64,
    /// Requests that did not end in a 200, by status or by what went wrong with the connection.
    pub errors: BTreeMap<String, u64>,
    pub first_error: Option<String>,
    pub retries: u64,
    /// Time from when a request was due to its 200.
    pub latency: Histogram,
    /// CPU time of the generator's own threads, where the system tells.
    pub cpu: Option<Duration>,
}

impl Tally {
    pub fn error(&mut self, name: String, detail: impl FnOnce() -> String) {
        if self.first_error.is_none() {
            self.first_error = Some(format!("{name}: {}", detail()));
        }
        *self.errors.entry(name).or_default() += 1;
    }

    pub fn merge(&mut self, other: Tally) {
        self.requests += other.requests;
        self.events += other.events;
        self.rejected += other.rejected;
        self.bytes += other.bytes;
        self.wire_bytes += other.wire_bytes;
        self.retries += other.retries;
        for (name, count) in other.errors {
            *self.errors.entry(name).or_default() += count;
        }
        self.first_error = self.first_error.take().or(other.first_error);
        self.latency.merge(&other.latency);
        self.cpu = self.cpu.zip(other.cpu).map(|(a, b)| a + b);
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub tally: Tally,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Requests that were due but found no free connection before the end (with a rate only): the rate was not reached.
    pub unsent: u64,
}

/// The outcome in plain numbers; what `weir load --json` prints.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub seconds: f64,
    pub requests: u64,
    pub events: u64,
    pub rejected: u64,
    pub bytes: u64,
    pub wire_bytes: u64,
    pub events_per_second: f64,
    pub requests_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    pub errors: BTreeMap<String, u64>,
    pub first_error: Option<String>,
    pub retries: u64,
    pub unsent: u64,
    /// CPU microseconds of the generator for each event; `null` where the system does not tell.
    pub generator_cpu_micros_per_event: Option<f64>,
}

impl Outcome {
    pub fn figures(&self) -> Figures {
        let Tally { requests, events, rejected, bytes, wire_bytes, errors, first_error, retries, latency, cpu } =
            &self.tally;
        let seconds = self.elapsed.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        Figures {
            seconds,
            requests: *requests,
            events: *events,
            rejected: *rejected,
            bytes: *bytes,
            wire_bytes: *wire_bytes,
            events_per_second: rate(*events),
            requests_per_second: rate(*requests),
            p50_ms: ms(latency.quantile(0.5)),
            p99_ms: ms(latency.quantile(0.99)),
            p999_ms: ms(latency.quantile(0.999)),
            max_ms: ms(latency.max()),
            errors: errors.clone(),
            first_error: first_error.clone(),
            retries: *retries,
            unsent: self.unsent,
            generator_cpu_micros_per_event: cpu
                .filter(|_| *events > 0)
                .map(|cpu| cpu.as_secs_f64() * 1e6 / *events as f64),
        }
    }
}

/// The lines that a person reads.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events       {:>12}   {:>12.0} a second", self.events, self.events_per_second)?;
        writeln!(f, "requests     {:>12}   {:>12.0} a second", self.requests, self.requests_per_second)?;
        writeln!(f, "bodies       {:>9.1} MB   {:>12.1} MB a second", mb(self.bytes), mb(self.bytes) / self.seconds)?;
        write!(f, "latency      p50 {:.2} ms   p99 {:.2} ms", self.p50_ms, self.p99_ms)?;
        writeln!(f, "   p99.9 {:.2} ms   max {:.2} ms   (to the durable answer)", self.p999_ms, self.max_ms)?;
        if let Some(cpu) = self.generator_cpu_micros_per_event {
            writeln!(f, "generator    {cpu:.2} us of CPU an event")?;
        }
        if self.rejected > 0 {
            writeln!(f, "rejected     {:>12} events, listed in the answers", self.rejected)?;
        }
        if self.retries > 0 {
            writeln!(f, "retries      {:>12}", self.retries)?;
        }
        if self.unsent > 0 {
            writeln!(f, "unsent       {:>12} requests were due but no connection was free", self.unsent)?;
        }
        if self.errors.is_empty() {
            return write!(f, "errors       {:>12}", 0);
        }
        for (name, count) in &self.errors {
            writeln!(f, "error        {count:>12}   {name}")?;
        }
        write!(f, "the first    {}", self.first_error.as_deref().unwrap_or_default())
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
