//! What was measured, beside what was asked for: a table for people, a document for machines.

use crate::goal::{self, Goal, median, number};
use crate::shop::Scale;
use crate::yardstick::Agreement;
use serde::Serialize;
use std::fmt::Write;

/// One way of asking, in each round.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed {
    pub what: String,
    /// User and system time of the server: since its start where it was started for this, else from question to answer. The
    /// kernel tells it in steps of 10 ms.
    pub cpu_seconds: Vec<f64>,
    pub wall_seconds: Vec<f64>,
    /// The most memory the server ever had resident by then.
    pub peak_bytes: Option<u64>,
    /// The code with which the question was refused.
    pub refused: Option<String>,
}

impl Timed {
    pub fn of(what: impl Into<String>) -> Timed {
        Timed { what: what.into(), ..Timed::default() }
    }
}

/// The yardstick's answer beside Weir's report over the same scorecard.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beside {
    pub metrics: usize,
    /// Lines of Weir's scorecard, and how many of them its report has.
    pub scorecard: usize,
    pub computed: usize,
    pub cpu_seconds: Vec<f64>,
    pub wall_seconds: Vec<f64>,
    pub start_cpu_seconds: f64,
    pub peak_bytes: u64,
    pub weir_cpu_seconds: f64,
    pub weir_wall_seconds: f64,
    pub agreement: Agreement,
}

/// All that a run of the bench found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    pub version: u32,
    pub cores: usize,
    pub file_system: String,
    pub scale: Scale,
    /// False if the goals ask for more.
    pub is_full: bool,
    pub made_seconds: Option<f64>,
    /// On disk; the file is longer, because it grows in steps.
    pub store_bytes: u64,
    /// Lines of the scorecard, those that the report has, and those that it has not.
    pub scorecard: usize,
    pub missing: Vec<String>,
    pub report_bytes: usize,
    pub timed: Vec<Timed>,
    pub beside: Vec<Beside>,
    /// Where a report that was brought up to date differs from one from scratch.
    pub different: Vec<String>,
    pub skipped: Vec<String>,
}

pub const FIRST: &str = "cold, no column of a field stored yet";
pub const COLD: &str = "cold";
pub const AGAIN: &str = "asked again, nothing changed";
pub const REFRESH: &str = "after 10,000 events, at once";
pub const REFRESH_SEALED: &str = "after 10,000 events, sealed";

const COLD_CPU_SECONDS: f64 = 2.0;
const REFRESH_MS: f64 = 100.0;
const PEAK_MIB: f64 = 1024.0;

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Short of 10 ms the kernel's steps say more than the median does.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

impl Findings {
    fn find(&self, what: &str) -> Option<&Timed> {
        self.timed.iter().find(|timed| timed.what == what)
    }

    fn goals(&self) -> Vec<Goal> {
        let goal = |what: &str, value: Option<f64>, bound: f64, unit: &'static str| Goal {
            what: what.to_owned(),
            value,
            floor: bound,
            direction: bound,
            unit,
            comparable: self.is_full,
        };
        let cold = self.find(COLD);
        let refresh = self.find(REFRESH).and_then(|it| median(it.wall_seconds.clone()));
        let sealed = self.find(REFRESH_SEALED).and_then(|it| mean(&it.cpu_seconds));
        let peak = self.timed.iter().filter_map(|it| it.peak_bytes).max();
        vec![
            goal("CPU of a cold report", cold.and_then(|it| median(it.cpu_seconds.clone())), COLD_CPU_SECONDS, "s"),
            goal("wall of a report after 10,000 new events", refresh.map(|it| it * 1e3), REFRESH_MS, "ms"),
            goal("CPU of a report after 10,000 new events", sealed.map(|it| it * 1e3), REFRESH_MS, "ms"),
            goal("memory, highest of all", peak.map(mib), PEAK_MIB, "MiB"),
        ]
    }

    /// The tables that are printed.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Findings { cores, file_system, scale, store_bytes, scorecard, missing, report_bytes, .. } = self;
        writeln!(
            out,
            "{cores} cores, {file_system}; {} units, {} events, store of {:.2} GB{}",
            scale.units,
            scale.events,
            *store_bytes as f64 / 1e9,
            self.made_seconds.map_or(String::new(), |seconds| format!(", made in {seconds:.0} s"))
        )?;
        writeln!(
            out,
            "{} of the scorecard's {scorecard} metrics are in the report ({} KB)",
            scorecard - missing.len(),
            report_bytes / 1000
        )?;
        if !missing.is_empty() {
            writeln!(out, "not in the report: {}", missing.join(", "))?;
        }
        writeln!(out, "\n{:<44}{:>10}{:>10}{:>10}{:>8}", "report", "CPU ms", "wall ms", "peak MiB", "rounds")?;
        let ms = |value: Option<f64>| number(value.map(|seconds| seconds * 1e3));
        for Timed { what, cpu_seconds, wall_seconds, peak_bytes, refused } in &self.timed {
            if let Some(code) = refused {
                writeln!(out, "{what:<44}{code:>38}")?;
                continue;
            }
            writeln!(
                out,
                "{what:<44}{:>10}{:>10}{:>10}{:>8}",
                ms(mean(cpu_seconds)),
                ms(median(wall_seconds.clone())),
                number(peak_bytes.map(mib)),
                wall_seconds.len()
            )?;
        }
        writeln!(
            out,
            "CPU is the mean of the rounds, wall the median, the peak that of the process until then; a cold report counts from the process's start"
        )?;
        match self.different.as_slice() {
            [] => writeln!(out, "the report brought up to date and one from scratch say the same, to 1e-12")?,
            different => {
                writeln!(out, "DIFFERENT: a report that was brought up to date and one from scratch, at")?;
                different.iter().try_for_each(|place| writeln!(out, "  {place}"))?;
            }
        }
        for beside in &self.beside {
            self.write_beside(out, beside)?;
        }
        for reason in &self.skipped {
            writeln!(out, "skipped: {reason}")?;
        }
        goal::write(out, &self.goals())
    }

    fn write_beside(&self, out: &mut String, beside: &Beside) -> std::fmt::Result {
        let Beside { metrics, scorecard, computed, agreement, .. } = beside;
        let (cpu, wall) = (median(beside.cpu_seconds.clone()), median(beside.wall_seconds.clone()));
        writeln!(
            out,
            "\nDuckDB and gbstats, {metrics} metrics: {} s of CPU, {} s, {} MiB (and {} s of CPU to start Python)",
            number(cpu),
            number(wall),
            number(Some(mib(beside.peak_bytes))),
            number(Some(beside.start_cpu_seconds))
        )?;
        // A tiny report takes less than the kernel's step.
        let by = |theirs: Option<f64>, ours: f64| number(theirs.filter(|_| ours > 0.0).map(|theirs| theirs / ours));
        writeln!(
            out,
            "Weir, cold, {computed} of {scorecard} metrics: {} s of CPU, {} s; theirs by ours: CPU {}, wall {}",
            number(Some(beside.weir_cpu_seconds)),
            number(Some(beside.weir_wall_seconds)),
            by(cpu, beside.weir_cpu_seconds),
            by(wall, beside.weir_wall_seconds)
        )?;
        match agreement.different.as_slice() {
            [] => writeln!(out, "units, sums and means agree to 1e-9 in {} metrics", agreement.compared)?,
            different => {
                writeln!(out, "DIFFERENT, so that the ratio is not of equal work:")?;
                different.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            }
        }
        if !agreement.absent.is_empty() {
            writeln!(out, "not compared, because not in Weir's report: {}", agreement.absent.join(", "))?;
        }
        Ok(())
    }
}
