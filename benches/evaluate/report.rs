//! What was measured, beside what was asked for: tables for people, a document for machines.

use crate::goal::{self, Goal, median, number};
use serde::Serialize;
use std::fmt::Write;

/// An evaluation in process: ns a call in each round.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed {
    pub what: &'static str,
    pub nanos: Vec<f64>,
}

impl Timed {
    pub fn median(&self) -> Option<f64> {
        median(self.nanos.clone())
    }
}

/// One server under one load in one round.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    pub round: u32,
    pub subject: &'static str,
    pub load: &'static str,
    pub requests_per_second: f64,
    /// Head and body of an answer.
    pub answer_bytes: f64,
    /// User and system time of the server.
    pub cpu_micros_per_request: f64,
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
    pub seconds: f64,
    pub connections: usize,
    pub evaluations: Vec<Timed>,
    pub samples: Vec<Sample>,
}

pub const BARE: &str = "bare";
pub const WEIR: &str = "weir";
pub const CHECK: &str = "check_gate";
pub const LOGGED: &str = "check_gate, logged";
pub const INITIALIZE: &str = "initialize";
pub const V1: &str = "specs v1, gzip";
pub const V2: &str = "specs v2, gzip";
/// The one that writes is the last, so that its sealing disturbs no other.
pub const LOADS: [&str; 5] = [CHECK, INITIALIZE, V1, V2, LOGGED];

/// A gate takes less than this on one core, in ns.
const GATE_NANOS: f64 = 1000.0;
/// Downloads reach this part of the bare handler's.
const DOWNLOAD_RATIO: f64 = 0.8;

impl Findings {
    fn median_of(&self, subject: &str, load: &str, value: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(self.samples.iter().filter(|s| s.subject == subject && s.load == load).map(value).collect())
    }

    /// The median over rounds of Weir's rate by the bare handler's in the same round: what disturbs a round disturbs both.
    fn ratio(&self, load: &str) -> Option<f64> {
        let rate = |round: u32, subject: &str| {
            let found = self.samples.iter().find(|s| (s.round, s.subject, s.load) == (round, subject, load));
            found.map(|s| s.requests_per_second)
        };
        let rounds = self.samples.iter().map(|s| s.round).max()?;
        median((0..=rounds).filter_map(|round| Some(rate(round, WEIR)? / rate(round, BARE)?)).collect())
    }

    fn goals(&self) -> Vec<Goal> {
        let goal =
            |what, value, bound, unit| Goal { what, value, floor: bound, direction: bound, unit, comparable: true };
        let gates = self.evaluations.iter().filter(|it| it.what.starts_with("gate"));
        let downloads = [V1, V2].map(|load| {
            let what = format!("{load}: downloads/s by the bare handler's");
            // More is better; the direction says so by lying above the floor.
            Goal { direction: 1.0, ..goal(what, self.ratio(load), DOWNLOAD_RATIO, "") }
        });
        gates.map(|it| goal(it.what.to_owned(), it.median(), GATE_NANOS, "ns")).chain(downloads).collect()
    }

    /// The tables that are printed.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Findings { cores, file_system, connections, seconds, .. } = self;
        writeln!(
            out,
            "{cores} cores shared with the clients, {file_system}, {connections} connections, medians over rounds of {seconds} s\n"
        )?;
        writeln!(out, "{:<40}{:>12}", "evaluation, on one core", "ns")?;
        for timed in &self.evaluations {
            writeln!(out, "{:<40}{:>12}", timed.what, number(timed.median()))?;
        }
        let columns = ["requests/s", "by bare", "CPU us", "p50 ms", "p99 ms", "bytes"];
        write!(out, "\n{:<20}{:<6}", "load", "to")?;
        columns.iter().try_for_each(|column| write!(out, "{column:>11}"))?;
        writeln!(out)?;
        for load in LOADS {
            for subject in [BARE, WEIR] {
                let get = |value: fn(&Sample) -> f64| self.median_of(subject, load, value);
                let Some(rate) = get(|s| s.requests_per_second) else { continue };
                let cells = [
                    format!("{rate:.0}"),
                    if subject == WEIR { number(self.ratio(load)) } else { String::new() },
                    number(get(|s| s.cpu_micros_per_request)),
                    number(get(|s| s.p50_ms)),
                    number(get(|s| s.p99_ms)),
                    number(get(|s| s.answer_bytes)),
                ];
                write!(out, "{load:<20}{subject:<6}")?;
                cells.iter().try_for_each(|cell| write!(out, "{cell:>11}"))?;
                writeln!(out)?;
            }
        }
        goal::write(out, &self.goals())
    }
}
