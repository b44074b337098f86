//! How fast a report is: the server over a store of a shop's events, asked over HTTP, as people use it; and beside it the same question
//! to an ingested DuckDB file and gbstats, whose numbers must agree.
//!
//! `cargo bench --bench results` takes about a minute; `-- --full` makes the store that the goals speak of (1,000,000 units,
//! 10,000,000 events) and takes some minutes; `-- --smoke` only sees that all of it works. `--keep DIR` keeps the store for
//! the next run. The numbers go to `target/bench/results.json` as well.

mod ask;
mod difference;
#[path = "../common/disk.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod disk;
#[path = "../common/goal.rs"]
mod goal;
mod making;
#[path = "../common/process.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod process;
mod project;
mod report;
mod shop;
mod wire;
mod yardstick;

use anyhow::{Context, bail, ensure};
use ask::Answer;
use clap::Parser;
use process::Server;
use report::{AGAIN, Beside, COLD, FIRST, Findings, REFRESH, REFRESH_SEALED, Timed};
use serde_json::Value;
use shop::{Scale, Shop};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use weir::clock::{Clock, SystemClock};
use wire::Sdk;
use yardstick::Yardstick;

#[derive(Parser)]
struct Args {
    /// 1,000,000 units and 10,000,000 events, as the goals say
    #[arg(long)]
    full: bool,
    /// A tiny shop, once: only to see that it works and that the yardstick agrees
    #[arg(long)]
    smoke: bool,
    /// Units that meet the experiment [default: 100000]
    #[arg(long)]
    units: Option<u32>,
    /// Events in the log, exposures among them [default: ten a unit]
    #[arg(long)]
    events: Option<u32>,
    /// Rounds to take the median of [default: 3, or 1 with --smoke]
    #[arg(long)]
    rounds: Option<usize>,
    /// Keep the store and the yardstick's file here, and use those that are here already; must be on a real disk
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Leave the yardstick out
    #[arg(long)]
    no_yardstick: bool,
    /// The program to measure [default: the one that was built]
    #[arg(long)]
    weir: Option<PathBuf>,
    /// Cargo passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

const FULL_UNITS: u32 = 1_000_000;
const FULL_EVENTS: u32 = 10_000_000;
/// What comes between two reports.
const REFRESH_EVENTS: u32 = 10_000;
/// The form of the shop's log; another one is made anew.
const SHOP_VERSION: u32 = 2;
/// Asked one at a time; what the server does not know yet it says.
const OPTIONS: [&str; 11] = [
    "crossovers=first",
    "join=date",
    "winsorize=0.999",
    "cuped=true",
    "winsorize=0.999&cuped=true",
    "sequential=true",
    "view=daily",
    "view=cumulative",
    "view=days_since_exposure",
    "breakdown=user.country",
    "breakdown=event.category",
];
/// Codes that say that an option is not there, rather than that something is wrong.
const NOT_THERE: [&str; 2] = ["not_supported_yet", "unknown_option"];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target folder has no parent")?;
    let units = args.units.unwrap_or(match (args.full, args.smoke) {
        (true, _) => FULL_UNITS,
        (_, true) => 2_000,
        _ => 100_000,
    });
    let events = args.events.unwrap_or(units.saturating_mul(10));
    let folder = args.keep.clone().unwrap_or_else(|| target.join("bench/results"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file_system = disk::file_system(&folder)?;
    let program = args.weir.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_weir")));
    let scale = Scale::until(units, events, SystemClock.now().0);
    let (shop, made_seconds) = stored(scale, &folder, &program)?;
    let scale = shop.scale;
    let mut bench = Bench {
        rounds: args.rounds.unwrap_or(if args.smoke { 1 } else { 3 }),
        program,
        findings: Findings {
            version: 1,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            file_system,
            scale,
            is_full: scale.units >= FULL_UNITS && scale.events >= FULL_EVENTS,
            made_seconds,
            store_bytes: disk::usage(&folder.join("made"))?.allocated,
            scorecard: project::scorecard().len(),
            missing: Vec::new(),
            report_bytes: 0,
            timed: Vec::new(),
            beside: Vec::new(),
            different: Vec::new(),
            skipped: Vec::new(),
        },
        shop,
        folder,
    };
    let reports = bench.measure()?;
    if !args.no_yardstick {
        match Yardstick::ready(&bench.shop, target, &bench.folder.join("tables")) {
            Ok(yardstick) => bench.beside(&yardstick, &reports)?,
            Err(error) => bench.findings.skipped.push(format!("the yardstick: {error:#}")),
        }
    }
    if args.keep.is_none() {
        std::fs::remove_dir_all(&bench.folder)?;
    }
    print!("\n{}", bench.findings.table());
    let path = target.join("bench/results.json");
    std::fs::create_dir_all(target.join("bench"))?;
    std::fs::write(&path, serde_json::to_vec_pretty(&bench.findings)?)?;
    println!("\nall numbers: {}", path.display());
    if bench.findings.beside.iter().any(|beside| !beside.agreement.different.is_empty()) {
        bail!("report and yardstick differ");
    }
    ensure!(bench.findings.different.is_empty(), "a report that was brought up to date differs from one from scratch");
    Ok(())
}

/// The shop whose store is in `folder/made`: one that was kept, or one that is made now; then also the seconds that it took.
fn stored(wanted: Scale, folder: &Path, program: &Path) -> anyhow::Result<(Shop, Option<f64>)> {
    let (made, label) = (folder.join("made"), folder.join("shop.json"));
    let kept: Option<(u32, Scale)> = std::fs::read(&label).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some((SHOP_VERSION, scale)) = kept
        && (scale.units, scale.events) == (wanted.units, wanted.events)
    {
        return Ok((Shop::new(scale), None));
    }
    // Only what this bench makes: the folder may be somebody's.
    for of_before in [&made, &folder.join("work"), &folder.join("tables")] {
        if of_before.exists() {
            std::fs::remove_dir_all(of_before)?;
        }
    }
    std::fs::create_dir_all(&made)?;
    eprintln!("making a store of {} units and {} events", wanted.units, wanted.events);
    let started = Instant::now();
    let shop = Shop::new(wanted);
    making::store(&shop, &made)?;
    // Once in use, so that all is sealed and the project is there.
    let server = start(program, &made, folder, &wanted, project::scorecard().len())?;
    ensure!(server.quiet()?.sealed, "the store was not sealed in time");
    server.stop()?;
    std::fs::write(label, serde_json::to_vec(&(SHOP_VERSION, wanted))?)?;
    Ok((shop, Some(started.elapsed().as_secs_f64())))
}

fn start(program: &Path, data: &Path, folder: &Path, scale: &Scale, metrics: usize) -> anyhow::Result<Server> {
    let project = folder.join("project.json");
    std::fs::write(&project, project::project(scale, metrics).to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg("--project").arg(project);
    Server::start(&mut command, &folder.join("weir.log"))
}

/// A report over the first lines of the scorecard, and what it took.
struct Reported {
    metrics: usize,
    report: Value,
    cpu_seconds: f64,
    wall_seconds: f64,
}

struct Bench {
    shop: Shop,
    rounds: usize,
    program: PathBuf,
    folder: PathBuf,
    findings: Findings,
}

impl Bench {
    /// Measures all of Weir; gives back the cold reports that the yardstick is put beside.
    fn measure(&mut self) -> anyhow::Result<[Reported; 2]> {
        // A copy, so that each run begins with the same store.
        let work = self.folder.join("work");
        if work.exists() {
            std::fs::remove_dir_all(&work)?;
        }
        copy(&self.folder.join("made"), &work)?;
        let all = project::scorecard().len();

        self.cold(FIRST, 1, all)?;
        let cold = self.cold(COLD, self.rounds, all)?;
        let missing = project::scorecard().into_iter().filter(|line| yardstick::find(&cold.report, line).is_none());
        self.findings.missing = missing.map(|line| format!("{} ({})", line.name, line.kind)).collect();

        let server = self.start(all)?;
        self.findings.report_bytes = successful(results(&server, "")?)?.body.len();
        self.repeat(&server)?;
        self.options(&server)?;
        let goes = 2 * self.rounds as u32 - 1;
        self.refresh(&server, REFRESH, 0..goes)?;
        self.refresh(&server, REFRESH_SEALED, goes..2 * goes)?;
        self.scratch(server, all)?;

        std::fs::remove_dir_all(&work)?;
        copy(&self.folder.join("made"), &work)?;
        self.cold(&format!("{FIRST}, {} metrics", project::FEW), 1, project::FEW)?;
        let few = self.cold(&format!("{COLD}, {} metrics", project::FEW), self.rounds, project::FEW)?;
        std::fs::remove_dir_all(&work)?;
        Ok([few, cold])
    }

    fn start(&self, metrics: usize) -> anyhow::Result<Server> {
        start(&self.program, &self.folder.join("work"), &self.folder, &self.shop.scale, metrics)
    }

    /// The first report of a fresh process, from its start to the answer.
    fn cold(&mut self, what: &str, rounds: usize, metrics: usize) -> anyhow::Result<Reported> {
        let mut timed = Timed::of(what);
        let mut last = None;
        for _ in 0..rounds {
            let server = self.start(metrics)?;
            let answer = successful(results(&server, "")?)?;
            timed.cpu_seconds.push(server.cpu()?.as_secs_f64());
            timed.wall_seconds.push((server.ready_after + answer.took).as_secs_f64());
            timed.peak_bytes = timed.peak_bytes.max(Some(server.high_water()?));
            last = Some(serde_json::from_slice(&answer.body)?);
            if what.starts_with(FIRST) {
                // What it stores for the next time is stored by then.
                server.quiet()?;
            }
            server.stop()?;
        }
        told(&timed);
        let report = last.context("no rounds")?;
        let median = |values: &[f64]| goal::median(values.to_vec()).unwrap_or_default();
        let (cpu_seconds, wall_seconds) = (median(&timed.cpu_seconds), median(&timed.wall_seconds));
        self.findings.timed.push(timed);
        Ok(Reported { metrics, report, cpu_seconds, wall_seconds })
    }

    fn repeat(&mut self, server: &Server) -> anyhow::Result<()> {
        let mut timed = Timed::of(AGAIN);
        for _ in 0..self.rounds {
            measured(server, "", &mut timed)?;
        }
        self.done(timed);
        Ok(())
    }

    /// Each option's first report of a process that has given one without.
    fn options(&mut self, server: &Server) -> anyhow::Result<()> {
        for options in OPTIONS {
            let mut timed = Timed::of(options);
            measured(server, &format!("?{options}"), &mut timed)?;
            self.done(timed);
        }
        Ok(())
    }

    /// A report after each go of new events: at once, or when the server has sealed them.
    fn refresh(&mut self, server: &Server, what: &str, goes: Range<u32>) -> anyhow::Result<()> {
        let mut timed = Timed::of(what);
        for round in goes {
            let now = SystemClock.now().0 - self.shop.scale.start;
            let now = u32::try_from(now).context("the kept store is too old for new events; remove it")?;
            let records = self.shop.later(round, REFRESH_EVENTS, now);
            for (number, records) in (0u64..).zip(records.chunks(wire::TOGETHER)) {
                for body in wire::bodies(&self.shop, records, (u64::from(round) << 32) + number) {
                    let path = if body.sdk == Sdk::Segment { "/v1/batch" } else { "/v1/log_event" };
                    let answer = ask::post(&server.url, path, project::SERVER_KEY, &body.json)?;
                    ensure!(answer.is_success() && !answer.text().contains("rejected"), "{path}: {}", answer.text());
                }
            }
            if what == REFRESH_SEALED {
                server.quiet()?;
            }
            measured(server, "", &mut timed)?;
        }
        self.done(timed);
        Ok(())
    }

    /// What was brought up to date step by step must be what a fresh process makes of the same log.
    fn scratch(&mut self, server: Server, metrics: usize) -> anyhow::Result<()> {
        let report = |server: &Server| -> anyhow::Result<Value> {
            Ok(serde_json::from_slice(&successful(results(server, "")?)?.body)?)
        };
        let refreshed = report(&server)?;
        server.stop()?;
        let server = self.start(metrics)?;
        let fresh = report(&server)?;
        server.stop()?;
        for part in ["asOf", "groups", "crossovers", "notCounted", "srm", "metrics"] {
            if let Some(place) = difference::first(&refreshed[part], &fresh[part]) {
                self.findings.different.push(format!("{part}{place}"));
            }
        }
        Ok(())
    }

    fn done(&mut self, timed: Timed) {
        told(&timed);
        self.findings.timed.push(timed);
    }

    fn beside(&mut self, yardstick: &Yardstick, reports: &[Reported]) -> anyhow::Result<()> {
        for Reported { metrics, report, cpu_seconds, wall_seconds } in reports {
            let mut answers = Vec::new();
            for _ in 0..self.rounds {
                answers.push(yardstick.ask(report, *metrics)?);
            }
            let last = answers.last().context("no rounds")?;
            let scorecard = project::scorecard();
            let lines = &scorecard[..*metrics];
            self.findings.beside.push(Beside {
                metrics: lines.iter().filter(|line| line.sql.is_some()).count(),
                scorecard: *metrics,
                computed: lines.iter().filter(|line| yardstick::find(report, line).is_some()).count(),
                cpu_seconds: answers.iter().map(|answer| answer.cpu_seconds).collect(),
                wall_seconds: answers.iter().map(|answer| answer.wall_seconds).collect(),
                start_cpu_seconds: last.start_cpu_seconds,
                peak_bytes: last.peak_bytes,
                weir_cpu_seconds: *cpu_seconds,
                weir_wall_seconds: *wall_seconds,
                agreement: yardstick::compare(report, last, *metrics),
            });
        }
        Ok(())
    }
}

fn results(server: &Server, query: &str) -> anyhow::Result<Answer> {
    let path = format!("/console/v1/experiments/{}/results{query}", project::EXPERIMENT);
    ask::get(&server.url, &path, project::CONSOLE_KEY)
}

fn successful(answer: Answer) -> anyhow::Result<Answer> {
    ensure!(answer.is_success(), "no report ({}): {}", answer.status, answer.text());
    Ok(answer)
}

/// Asks a running server once, and counts what it took.
fn measured(server: &Server, query: &str, timed: &mut Timed) -> anyhow::Result<()> {
    let cpu = server.cpu()?;
    let answer = results(server, query)?;
    if !answer.is_success() {
        let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = error["code"].as_str().filter(|code| NOT_THERE.contains(code));
        timed.refused = Some(code.with_context(|| format!("{query}: {}", answer.text()))?.to_owned());
        return Ok(());
    }
    timed.cpu_seconds.push((server.cpu()? - cpu).as_secs_f64());
    timed.wall_seconds.push(answer.took.as_secs_f64());
    timed.peak_bytes = Some(server.high_water()?);
    Ok(())
}

fn told(timed: &Timed) {
    let Timed { what, cpu_seconds, wall_seconds, refused, .. } = timed;
    match refused {
        Some(code) => eprintln!("{what}: {code}"),
        None => eprintln!("{what}: CPU {cpu_seconds:.2?} s, wall {wall_seconds:.3?} s"),
    }
}

/// Copies the files of a data directory.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
