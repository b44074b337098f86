//! What was measured, beside what was asked for: a table for people, a document for machines.

use crate::goal::{self, Goal, median, number};
use serde::Serialize;
use std::fmt::Write;

pub const WEIR: &str = "weir";
pub const BARE: &str = "bare client";

/// Destinations: there is none; enabled with nothing to get; takes all.
pub const NONE: &str = "none";
pub const IDLE: &str = "idle";
pub const UP: &str = "up";
/// Destinations in trouble: one that never replies; one that closes connections; one that sends a reply's body a byte a second;
/// one with which TLS cannot be spoken; and by the status that they always say.
pub const DOWN: [&str; 9] = ["down", "breaks", "slow", "tls", "500", "429", "400", "401", "413"];

/// Loads: as fast as answers come; at half of that.
pub const FULL: &str = "full load";
pub const HALF: &str = "half load";

/// A backlog that went out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    pub round: u32,
    pub subject: &'static str,
    pub events: u64,
    pub requests: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub events_per_second: f64,
    /// Of the sender, user and system.
    pub cpu_seconds_a_million: f64,
    /// From starting the process to being ready, with the backlog.
    pub ready_seconds: Option<f64>,
    pub rest_memory_bytes: Option<u64>,
    pub peak_memory_bytes: Option<u64>,
}

/// A load of senders.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Intake {
    pub round: u32,
    pub subject: &'static str,
    pub traffic: &'static str,
    pub load: &'static str,
    pub events_per_second: f64,
    pub cpu_micros_an_event: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// All that a run of the bench found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    pub version: u32,
    pub cores: usize,
    pub file_system: String,
    pub backlog: u64,
    pub is_full: bool,
    pub drains: Vec<Drain>,
    pub intakes: Vec<Intake>,
}

impl Findings {
    /// What was compared with `NONE` of the same traffic.
    fn compared(&self) -> Vec<(&'static str, &'static str)> {
        let all = DOWN.into_iter().chain([UP]).map(|subject| (subject, "statsig"));
        let was_measured = |it: &(&str, &str)| self.intakes.iter().any(|row| row.subject == it.0);
        [(IDLE, "segment")].into_iter().chain(all).filter(was_measured).collect()
    }

    fn drained(&self, subject: &str, value: impl Fn(&Drain) -> Option<f64>) -> Option<f64> {
        median(self.drains.iter().filter(|drain| drain.subject == subject).filter_map(value).collect())
    }

    fn taken(&self, (subject, traffic, load): (&str, &str, &str), value: impl Fn(&Intake) -> f64) -> Option<f64> {
        let rows = self.intakes.iter().filter(|row| (row.subject, row.traffic, row.load) == (subject, traffic, load));
        median(rows.map(value).collect())
    }

    /// Events a second at full load, the median over rounds.
    pub fn rate(&self, subject: &str, traffic: &str) -> Option<f64> {
        self.taken((subject, traffic, FULL), |row| row.events_per_second)
    }

    /// The median over rounds of something of a subject by the same without a destination in the same round: what disturbs a
    /// round disturbs both.
    fn ratio(&self, subject: &str, traffic: &str, load: &str, value: impl Fn(&Intake) -> f64) -> Option<f64> {
        let of = |subject: &str, round: u32| {
            let key = (subject, traffic, load, round);
            self.intakes.iter().find(|row| (row.subject, row.traffic, row.load, row.round) == key).map(&value)
        };
        let rounds = self.intakes.iter().map(|row| row.round).max()?;
        median((0..=rounds).filter_map(|round| Some(of(subject, round)? / of(NONE, round)?)).collect())
    }

    /// Weir's rate by the bare client's in the same round.
    fn by_bare(&self) -> Option<f64> {
        let rate = |subject: &str, round: u32| {
            let found = self.drains.iter().find(|drain| (drain.subject, drain.round) == (subject, round));
            found.map(|drain| drain.events_per_second)
        };
        let rounds = self.drains.iter().map(|drain| drain.round).max()?;
        median((0..=rounds).filter_map(|round| Some(rate(WEIR, round)? / rate(BARE, round)?)).collect())
    }

    fn goals(&self) -> Vec<Goal> {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let goal = |what: String, value, floor, direction, unit| Goal {
            what,
            value,
            floor,
            direction,
            unit,
            comparable: true,
        };
        let mut goals = Vec::new();
        if !self.drains.is_empty() {
            let what = format!("ready with a backlog of {} (goal: 1000000)", self.backlog);
            let value = self.drained(WEIR, |drain| drain.ready_seconds);
            goals.push(Goal { comparable: self.is_full, ..goal(what, value, 5.0, 0.5, "s") });
            let peaks = self.drains.iter().filter_map(|drain| drain.peak_memory_bytes).map(mib);
            let what = "memory while it drains, highest of all rounds".to_owned();
            goals.push(Goal { comparable: self.is_full, ..goal(what, peaks.reduce(f64::max), 256.0, 128.0, "MiB") });
        }
        for (subject, traffic) in self.compared().into_iter().filter(|(subject, _)| *subject != UP) {
            let rate = self.ratio(subject, traffic, FULL, |row| row.events_per_second);
            goals.push(goal(format!("intake, destination {subject}: events/s by none's"), rate, 0.9, 1.0, ""));
            let p99 = self.ratio(subject, traffic, HALF, |row| row.p99_ms);
            goals.push(goal(format!("intake, destination {subject}: p99 at half load by none's"), p99, 1.1, 1.0, ""));
        }
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
        writeln!(out, "{} cores shared with sink and load, {}, medians over rounds\n", self.cores, self.file_system)?;
        if !self.drains.is_empty() {
            writeln!(
                out,
                "{:<14}{:>10}{:>10}{:>9}{:>10}{:>12}{:>9}{:>10}{:>10}",
                "a backlog by",
                "events",
                "events/s",
                "by bare",
                "MB/s",
                "CPU s/mio.",
                "ready s",
                "rest MiB",
                "peak MiB"
            )?;
            for subject in [WEIR, BARE] {
                let get = |value: fn(&Drain) -> Option<f64>| number(self.drained(subject, value));
                let mib = |bytes: Option<u64>| Some(bytes? as f64 / f64::from(1 << 20));
                writeln!(
                    out,
                    "{subject:<14}{:>10}{:>10}{:>9}{:>10}{:>12}{:>9}{:>10}{:>10}",
                    get(|drain| Some(drain.events as f64)),
                    get(|drain| Some(drain.events_per_second)),
                    number(if subject == WEIR { self.by_bare() } else { Some(1.0) }),
                    get(|drain| Some(drain.bytes as f64 / 1e6 / drain.seconds)),
                    get(|drain| Some(drain.cpu_seconds_a_million)),
                    get(|drain| drain.ready_seconds),
                    number(self.drained(subject, |drain| mib(drain.rest_memory_bytes))),
                    number(self.drained(subject, |drain| mib(drain.peak_memory_bytes))),
                )?;
            }
            writeln!(out)?;
        }
        if !self.intakes.is_empty() {
            writeln!(
                out,
                "{:<12}{:<10}{:<13}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
                "load", "traffic", "destination", "events/s", "by none", "CPU us", "p50 ms", "p99 ms", "by none"
            )?;
            for load in [FULL, HALF] {
                for (subject, traffic) in [(NONE, "segment"), (NONE, "statsig")].iter().chain(&self.compared()) {
                    let get = |value: fn(&Intake) -> f64| number(self.taken((subject, traffic, load), value));
                    let ratio = |value: fn(&Intake) -> f64| number(self.ratio(subject, traffic, load, value));
                    writeln!(
                        out,
                        "{load:<12}{traffic:<10}{subject:<13}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
                        get(|row| row.events_per_second),
                        ratio(|row| row.events_per_second),
                        get(|row| row.cpu_micros_an_event),
                        get(|row| row.p50_ms),
                        get(|row| row.p99_ms),
                        ratio(|row| row.p99_ms),
                    )?;
                }
            }
        }
        goal::write(out, &self.goals())
    }
}
