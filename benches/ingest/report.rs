//! What was measured, beside what was asked for: a table for people, a document for machines.

use crate::goal::{self, Goal, median, number};
use serde::Serialize;
use std::fmt::Write;

/// One server under one load in one round.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub round: u32,
    pub subject: &'static str,
    pub load: &'static str,
    pub events: u64,
    pub events_per_second: f64,
    /// User and system time of the server, until all was sealed and quiet.
    pub cpu_micros_per_event: f64,
    pub generator_cpu_micros_per_event: Option<f64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub bytes_received: u64,
    /// Lengths of all files of the server, once sealed; `null` for the sink.
    pub disk_bytes: Option<u64>,
    pub disk_allocated: Option<u64>,
    pub rest_memory_bytes: u64,
    pub peak_memory_bytes: u64,
    pub quiet_after_seconds: f64,
    pub sealed: bool,
    pub rejected: u64,
    pub unsent: u64,
    pub errors: std::collections::BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FsyncSample {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Crash {
    pub file_bytes: u64,
    pub open_seconds: f64,
}

/// All that a run of the bench found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    pub version: u32,
    pub cores: usize,
    pub file_system: String,
    pub seconds: f64,
    pub samples: Vec<Sample>,
    pub half_load: Vec<Sample>,
    pub fsync: Vec<FsyncSample>,
    pub crash: Option<Crash>,
    /// Rows that are missing, and why.
    pub skipped: Vec<String>,
}

/// The file of the goal for opening after a crash.
pub const CRASH_GOAL_BYTES: u64 = 2_000_000_000;
pub const SINK: &str = "sink";
pub const WEIR: &str = "weir";
pub const LOG: &str = "log";
pub const BATCH: &str = "batches of 100";
pub const SINGLE: &str = "single events";

impl Findings {
    /// The median over rounds of something of one server under one load.
    fn median_of(&self, subject: &str, load: &str, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.samples.iter().filter(|s| s.subject == subject && s.load == load).filter_map(value).collect())
    }

    /// The median over rounds of one server's rate by another's in the same round: what disturbs a round disturbs both.
    fn ratio(&self, load: &str, above: &str, below: &str) -> Option<f64> {
        let rate = |round: u32, subject: &str| {
            let found = self.samples.iter().find(|s| (s.round, s.subject, s.load) == (round, subject, load));
            found.map(|s| s.events_per_second)
        };
        let rounds = self.samples.iter().map(|s| s.round).max()?;
        median((0..=rounds).filter_map(|r| Some(rate(r, above)? / rate(r, below)?)).collect())
    }

    fn fsync(&self, value: impl Fn(&FsyncSample) -> f64) -> Option<f64> {
        median(self.fsync.iter().map(value).collect())
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for (load, cpu_floor, cpu_direction) in [(BATCH, 4.0, 2.5), (SINGLE, 40.0, 25.0)] {
            goals.push(Goal {
                what: format!("{load}: events/s by the bare sink's"),
                value: self.ratio(load, WEIR, SINK),
                floor: 0.18,
                direction: 0.30,
                unit: "",
                comparable: true,
            });
            goals.push(Goal {
                what: format!("{load}: CPU an event, sealing included"),
                value: self.median_of(WEIR, load, |s| Some(s.cpu_micros_per_event)),
                floor: cpu_floor,
                direction: cpu_direction,
                unit: "us",
                comparable: true,
            });
            goals.push(Goal {
                what: format!("{load}: events/s by the plain fdatasync log's"),
                value: self.ratio(load, WEIR, LOG),
                floor: 0.7,
                direction: 1.0,
                unit: "",
                comparable: true,
            });
        }
        let half = self.half_load.iter().find(|s| s.load == BATCH).map(|s| s.p99_ms);
        goals.push(Goal {
            what: "p99 of batches at half load by the disk's fsync p99".to_owned(),
            value: half.zip(self.fsync(|f| f.p99_ms)).map(|(p99, fsync)| p99 / fsync),
            floor: 10.0,
            direction: 4.0,
            unit: "x",
            comparable: true,
        });
        goals.push(Goal {
            what: "bytes on disk per byte received, sealed".to_owned(),
            value: self.median_of(WEIR, BATCH, |s| Some(s.disk_bytes? as f64 / s.bytes_received as f64)),
            floor: 0.5,
            direction: 0.25,
            unit: "",
            comparable: true,
        });
        let size = self.crash.map_or(0.0, |crash| crash.file_bytes as f64 / 1e9);
        goals.push(Goal {
            what: format!("open after a crash, {size:.2} GB file (goal: 2 GB)"),
            value: self.crash.map(|crash| crash.open_seconds),
            floor: 1.5,
            direction: 0.05,
            unit: "s",
            comparable: self.crash.is_none_or(|crash| crash.file_bytes >= CRASH_GOAL_BYTES),
        });
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        goals.push(Goal {
            what: "memory at rest".to_owned(),
            value: self.median_of(WEIR, BATCH, |s| Some(mib(s.rest_memory_bytes))),
            floor: 30.0,
            direction: 30.0,
            unit: "MiB",
            comparable: true,
        });
        let peaks = self.samples.iter().filter(|s| s.subject == WEIR).map(|s| mib(s.peak_memory_bytes));
        goals.push(Goal {
            what: "memory under full load, highest of all rounds".to_owned(),
            value: peaks.reduce(f64::max),
            floor: 256.0,
            direction: 256.0,
            unit: "MiB",
            comparable: true,
        });
        goals
    }

    /// The tables that are printed.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} cores shared with the generator, {}, medians over rounds\n", self.cores, self.file_system)?;
        writeln!(
            out,
            "{:<16}{:<6}{:>10}{:>8}{:>9}{:>8}{:>9}{:>9}{:>9}{:>10}{:>8}{:>10}",
            "load",
            "to",
            "events/s",
            "by sink",
            "CPU us",
            "gen us",
            "p50 ms",
            "p99 ms",
            "p99.9",
            "disk B/ev",
            "disk/in",
            "peak MiB"
        )?;
        for load in [BATCH, SINGLE] {
            for subject in [SINK, WEIR, LOG] {
                let get = |value: fn(&Sample) -> Option<f64>| self.median_of(subject, load, value);
                let Some(rate) = get(|s| Some(s.events_per_second)) else { continue };
                writeln!(
                    out,
                    "{load:<16}{subject:<6}{rate:>10.0}{:>8}{:>9}{:>8}{:>9}{:>9}{:>9}{:>10}{:>8}{:>10}",
                    number(self.ratio(load, subject, SINK)),
                    number(get(|s| Some(s.cpu_micros_per_event))),
                    number(get(|s| s.generator_cpu_micros_per_event)),
                    number(get(|s| Some(s.p50_ms))),
                    number(get(|s| Some(s.p99_ms))),
                    number(get(|s| Some(s.p999_ms))),
                    number(get(|s| Some(s.disk_bytes? as f64 / s.events as f64))),
                    number(get(|s| Some(s.disk_bytes? as f64 / s.bytes_received as f64))),
                    number(get(|s| Some(s.peak_memory_bytes as f64 / f64::from(1 << 20)))),
                )?;
            }
        }
        writeln!(out)?;
        for sample in &self.half_load {
            let Sample { load, events_per_second, p50_ms, p99_ms, unsent, .. } = sample;
            write!(out, "half load, {load}: {events_per_second:.0} events/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms")?;
            writeln!(out, "{}", if *unsent > 0 { format!(", {unsent} requests unsent") } else { String::new() })?;
        }
        let (p50, p99) = (number(self.fsync(|f| f.p50_ms)), number(self.fsync(|f| f.p99_ms)));
        writeln!(out, "the disk's own write of 64 KB and fdatasync: p50 {p50} ms, p99 {p99} ms")?;
        for sample in self.samples.iter().chain(&self.half_load) {
            let Sample { round, subject, load, errors, rejected, sealed, .. } = sample;
            if !errors.is_empty() || *rejected > 0 {
                writeln!(out, "note: {subject}, {load}, round {round}: {rejected} events rejected, errors {errors:?}")?;
            }
            if !sealed {
                writeln!(out, "note: {subject}, {load}, round {round}: not all was sealed when the clock stopped")?;
            }
        }
        for reason in &self.skipped {
            writeln!(out, "skipped: {reason}")?;
        }
        goal::write(out, &self.goals())
    }
}
