//! The kinds of instruments: counter, gauge, histogram, and the grid of requests. Each is a few relaxed atomics and knows
//! how it is written in Prometheus text; none knows what it counts.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Writing into a `String` cannot fail; this keeps the renderers free of results that nobody can act on.
macro_rules! put {
    ($text:expr, $($arg:tt)*) => { let _ = writeln!($text, $($arg)*); };
}

pub(super) fn open_family(text: &mut String, family: &str, help: &str, kind: &str) {
    put!(text, "# HELP {family} {help}");
    put!(text, "# TYPE {family} {kind}");
}

fn sample(text: &mut String, family: &str, labels: &str, value: u64) {
    if labels.is_empty() {
        put!(text, "{family} {value}");
    } else {
        put!(text, "{family}{{{labels}}} {value}");
    }
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn render(&self, text: &mut String, family: &str, labels: &str) {
        sample(text, family, labels, self.get());
    }
}

/// Goes up and down. Whoever raises it lowers it by the same amount.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub fn raise(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn lower(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn render(&self, text: &mut String, family: &str, labels: &str) {
        sample(text, family, labels, self.get());
    }
}

/// Durations in fixed buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Not cumulative; the last is for what is beyond every bound.
    buckets: [AtomicU64; Histogram::BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Upper bounds in microseconds, each inclusive: 0.5 ms to 10 s.
    const BOUNDS_US: [u64; 14] = [
        500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000,
        10_000_000,
    ];

    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[Self::BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    pub(super) fn render(&self, text: &mut String, family: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(Self::BOUNDS_US) {
            below += bucket.load(Relaxed);
            put!(text, "{family}_bucket{{{labels}{comma}le=\"{}\"}} {below}", bound as f64 / 1e6);
        }
        below += self.buckets[Self::BOUNDS_US.len()].load(Relaxed);
        put!(text, "{family}_bucket{{{labels}{comma}le=\"+Inf\"}} {below}");
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        put!(text, "{family}_sum{braced} {}", self.sum_us.load(Relaxed) as f64 / 1e6);
        put!(text, "{family}_count{braced} {below}");
    }
}

/// A family of endpoints, as the requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Segment's tracking API and its settings document.
    Segment,
    /// Webhooks that bring events.
    Webhook,
    /// Statsig SDKs: events in, and what they download.
    Statsig,
    /// The console API.
    Console,
    /// Pages for people.
    Page,
    /// Health and metrics.
    Operations,
    /// Paths that do not exist.
    Unknown,
}

impl Family {
    const WORDS: [&str; 7] = ["segment", "webhook", "statsig", "console", "page", "operations", "unknown"];
}

/// Requests by family and class of status.
#[derive(Debug, Default)]
pub struct Requests([[AtomicU64; Requests::CLASSES]; Family::WORDS.len()]);

impl Requests {
    /// 1xx to 5xx.
    const CLASSES: usize = 5;

    /// Counts one answer. A status outside 100-599 counts as 5xx: such an answer is a mistake of ours.
    pub fn count(&self, family: Family, status: u16) {
        let class = match status / 100 {
            class @ 1..=5 => usize::from(class),
            _ => Self::CLASSES,
        };
        self.0[family as usize][class - 1].fetch_add(1, Relaxed);
    }

    /// Answers of one class (2 for 2xx) that a family gave.
    pub fn get(&self, family: Family, class: usize) -> u64 {
        self.0[family as usize][class - 1].load(Relaxed)
    }

    pub(super) fn render(&self, text: &mut String, family: &str, _labels: &str) {
        for (word, classes) in Family::WORDS.iter().zip(&self.0) {
            for (index, count) in classes.iter().enumerate() {
                let labels = format!("family=\"{word}\",class=\"{}xx\"", index + 1);
                sample(text, family, &labels, count.load(Relaxed));
            }
        }
    }
}
