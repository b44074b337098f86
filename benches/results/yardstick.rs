//! The yardstick beside Weir: sets up its Python, has it answer the same question, and compares the numbers, so that the ratio is one
//! of equal work. Where its packages cannot be installed the bench goes on without it.

use crate::making;
use crate::project::{self, Line, Sql};
use crate::shop::Shop;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results/yardstick.py");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results/requirements.txt");
/// Both sides add up exact decimals in doubles; one of them in an order of its own.
const TOLERANCE: f64 = 1e-9;

/// A Python with the packages, and the tables in a DuckDB file.
pub struct Yardstick {
    python: PathBuf,
    folder: PathBuf,
}

#[derive(Serialize)]
struct Question<'a> {
    start: i64,
    /// Inclusive.
    end: i64,
    metrics: Vec<&'a Sql>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
    /// Python and the imports of its packages.
    pub start_cpu_seconds: f64,
    pub peak_bytes: u64,
    /// In the order of `project::GROUPS`.
    units: Vec<u64>,
    metrics: Vec<MetricAnswer>,
}

#[derive(Debug, Deserialize)]
struct MetricAnswer {
    groups: Vec<GroupAnswer>,
}

#[derive(Debug, Deserialize)]
struct GroupAnswer {
    units: u64,
    sum: f64,
    denominator: f64,
}

impl Yardstick {
    /// Makes the virtual environment in `target` and the DuckDB file in `folder`, unless they are there.
    pub fn ready(shop: &Shop, target: &Path, folder: &Path) -> anyhow::Result<Yardstick> {
        let python = environment(&target.join("bench/yardstick"))?;
        std::fs::create_dir_all(folder)?;
        let yardstick = Yardstick { python, folder: folder.to_owned() };
        if !folder.join("yardstick.duckdb").exists() {
            making::tables(shop, folder)?;
            run(Command::new(&yardstick.python).arg(SCRIPT).arg("ingest").arg(folder))?;
            for table in ["exposures.csv", "events.csv"] {
                std::fs::remove_file(folder.join(table))?;
            }
        }
        Ok(yardstick)
    }

    /// Has it answer what the report answered, for those of the first `metrics` lines of the scorecard that SQL says simply.
    pub fn ask(&self, report: &Value, metrics: usize) -> anyhow::Result<Answer> {
        let scorecard = project::scorecard();
        let metrics = scorecard.iter().take(metrics).filter_map(|line| line.sql.as_ref()).collect();
        let bound =
            |name: &str| report["window"][name].as_i64().with_context(|| format!("the report's window has no {name}"));
        let (start, end) = (bound("start")?, bound("end")?);
        let question = serde_json::to_vec(&Question { start, end, metrics })?;
        let mut command = Command::new(&self.python);
        let mut child = command
            .arg(SCRIPT)
            .arg("ask")
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.python.display()))?;
        child.stdin.take().context("the yardstick has no standard input")?.write_all(&question)?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("the yardstick failed: {}", last_line(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// How report and yardstick agree.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Agreement {
    /// Metrics in both.
    pub compared: usize,
    /// Metrics of the yardstick that the report does not have.
    pub absent: Vec<String>,
    /// What differs; empty if they agree.
    pub different: Vec<String>,
}

/// Compares units, sums and means.
pub fn compare(report: &Value, answer: &Answer, metrics: usize) -> Agreement {
    let mut agreement = Agreement::default();
    let mut check = |what: String, ours: Option<f64>, theirs: f64| {
        let same = ours.is_some_and(|ours| (ours - theirs).abs() <= TOLERANCE * theirs.abs());
        if !same {
            agreement.different.push(format!("{what}: {ours:?} in the report, {theirs} in the yardstick"));
        }
    };
    for ((_, name), units) in project::GROUPS.iter().zip(&answer.units) {
        check(format!("units of {name}"), group(report, name)["units"].as_f64(), *units as f64);
    }
    let scorecard = project::scorecard();
    let asked = scorecard.iter().take(metrics).filter(|line| line.sql.is_some());
    let (mut compared, mut absent) = (0, Vec::new());
    for (line, theirs) in asked.zip(&answer.metrics) {
        let Some(ours) = find(report, line) else {
            absent.push(format!("{} ({})", line.name, line.kind));
            continue;
        };
        compared += 1;
        let is_ratio = matches!(line.kind, "ratio" | "mean");
        for ((_, name), theirs) in project::GROUPS.iter().zip(&theirs.groups) {
            let what = |quantity: &str| format!("{} ({}), {quantity} of {name}", line.name, line.kind);
            let ours = group(ours, name);
            check(what("units"), ours["units"].as_f64(), theirs.units as f64);
            check(what("mean"), ours["mean"].as_f64(), theirs.sum / theirs.denominator);
            // A ratio's report need not tell the sum of its numerator.
            if !is_ratio {
                check(what("sum"), ours["sum"].as_f64(), theirs.sum);
            }
        }
    }
    (agreement.compared, agreement.absent) = (compared, absent);
    agreement
}

/// A line of the scorecard in a report.
pub fn find<'a>(report: &'a Value, line: &Line) -> Option<&'a Value> {
    let metrics = report["metrics"].as_array()?;
    metrics.iter().find(|metric| metric["name"] == line.name && metric["type"] == line.kind)
}

/// The group of this name in a report or a metric of it; null if it is not there.
fn group<'a>(of: &'a Value, name: &str) -> &'a Value {
    let groups = of["groups"].as_array().map_or(&[][..], Vec::as_slice);
    groups.iter().find(|group| group["name"] == name).unwrap_or(&Value::Null)
}

/// A virtual environment with the pinned packages; an older one whose pins differ is brought up to date.
fn environment(folder: &Path) -> anyhow::Result<PathBuf> {
    let (python, installed) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let wanted = std::fs::read_to_string(REQUIREMENTS)?;
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    eprintln!("installing the yardstick's packages");
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]))?;
    std::fs::write(installed, wanted)?;
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", last_line(&output.stderr));
    }
    Ok(())
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().lines().last().unwrap_or("it said nothing").to_owned()
}
