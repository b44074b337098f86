//! How fast events come in: Weir beside a bare HTTP sink, which is what this machine's network stack can do at all, and beside
//! the same server with a plain log for a store, which is what durability costs at least. Rounds alternate the servers, so
//! that what disturbs one disturbs all; ratios are taken within a round.
//!
//! `cargo bench --bench ingest` takes about three minutes; `cargo bench --bench ingest -- --full` also opens a 2 GB file after
//! a crash. The numbers go to `target/bench/ingest.json` as well.

#[path = "../common/disk.rs"]
mod disk;
#[path = "../common/goal.rs"]
mod goal;
#[path = "../common/process.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod process;
mod report;
#[path = "../common/sink.rs"]
mod sink;

use anyhow::Context;
use clap::Parser;
use process::Server;
use report::{BATCH, CRASH_GOAL_BYTES, Crash, Findings, FsyncSample, LOG, SINGLE, SINK, Sample, WEIR};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use weir::cli::load::{self, Plan};
use weir::clock::SystemClock;

#[derive(Parser)]
struct Args {
    /// Rounds to take the median of
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// How long each server is loaded in a round
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Servers to measure
    #[arg(long, value_delimiter = ',', default_value = "sink,weir,log")]
    only: Vec<String>,
    /// Open a file of 2 GB after the crash
    #[arg(long)]
    full: bool,
    /// Size of the file at the crash, in megabytes [default: 256, or 2000 with --full; 0 for none]
    #[arg(long)]
    crash_size: Option<u64>,
    /// Where the servers keep their data; must be on a real disk [default: target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Cargo passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the bare sink
    #[arg(long, hide = true)]
    serve_sink: bool,
}

const CONNECTIONS: u32 = 64;
const KEY: &str = "secret-ingestbench000000000000";
/// A load that fills a file for the crash is cut into runs of this, between which its size is looked at.
const FILL: Duration = Duration::from_secs(1);
/// A disk too slow to fill the file by then gives a smaller one.
const MOST_FILLS: u32 = 300;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.serve_sink {
        return sink::serve(None);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target folder has no parent")?;
    let folder = args.folder.clone().unwrap_or_else(|| target.join("bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut bench = Bench {
        duration: Duration::try_from_secs_f64(args.seconds).context("--seconds")?,
        findings: Findings {
            version: 1,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            file_system: disk::file_system(&folder)?,
            seconds: args.seconds,
            ..Findings::default()
        },
        folder,
    };
    let project = format!(r#"{{"keys":[{{"description":"bench","type":"SERVER","key":"{KEY}"}}]}}"#);
    std::fs::write(bench.project(), project)?;
    let crash_size = args.crash_size.unwrap_or(if args.full { CRASH_GOAL_BYTES / 1_000_000 } else { 256 }) * 1_000_000;
    bench.run(args.rounds, &args.only, crash_size)?;
    print!("\n{}", bench.findings.table());
    let path = bench.folder.join("ingest.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&bench.findings)?)?;
    println!("\nall numbers: {}", path.display());
    Ok(())
}

struct Bench {
    duration: Duration,
    folder: PathBuf,
    findings: Findings,
}

impl Bench {
    fn run(&mut self, rounds: u32, only: &[String], crash_size: u64) -> anyhow::Result<()> {
        let mut subjects: Vec<&'static str> =
            [SINK, WEIR, LOG].into_iter().filter(|s| only.iter().any(|o| o == s)).collect();
        for round in 0..rounds {
            for load in [BATCH, SINGLE] {
                self.probe()?;
                for subject in subjects.clone() {
                    match self.measure(round, subject, load, None) {
                        Ok(sample) => self.findings.samples.push(sample),
                        Err(error) if subject == LOG => {
                            self.skip(format!("{LOG}: {error:#}"));
                            subjects.retain(|s| *s != LOG);
                        }
                        Err(error) => return Err(error.context(format!("{subject}, {load}, round {round}"))),
                    }
                }
                // Each server is first, in the middle and last in turn.
                if !subjects.is_empty() {
                    subjects.rotate_left(1);
                }
            }
        }
        if subjects.contains(&WEIR) {
            for load in [BATCH, SINGLE] {
                let rates = self.findings.samples.iter().filter(|s| s.subject == WEIR && s.load == load);
                let most = goal::median(rates.map(|s| s.events_per_second).collect()).context("no rounds")?;
                let sample = self.measure(rounds, WEIR, load, Some(most / 2.0))?;
                self.findings.half_load.push(sample);
                self.probe()?;
            }
            if crash_size > 0 {
                self.findings.crash = Some(self.crash(crash_size)?);
            }
        }
        Ok(())
    }

    fn probe(&mut self) -> anyhow::Result<()> {
        let disk::Fsync { p50, p99 } = disk::probe(&self.folder)?;
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        self.findings.fsync.push(FsyncSample { p50_ms: ms(p50), p99_ms: ms(p99) });
        Ok(())
    }

    fn skip(&mut self, reason: String) {
        eprintln!("skipped: {reason}");
        self.findings.skipped.push(reason);
    }

    fn project(&self) -> PathBuf {
        self.folder.join("project.json")
    }

    fn data(&self, subject: &str) -> PathBuf {
        self.folder.join(format!("data-{subject}"))
    }

    fn start(&self, subject: &str) -> anyhow::Result<Server> {
        let mut command;
        if subject == SINK {
            command = Command::new(std::env::current_exe()?);
            command.arg("--serve-sink");
        } else {
            command = Command::new(env!("CARGO_BIN_EXE_weir"));
            command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data(subject));
            command.arg("--project").arg(self.project());
            if subject == LOG {
                command.env("WEIR_STORE", "log");
            }
        }
        Server::start(&mut command, &self.folder.join(format!("{subject}.log")))
    }

    fn plan(&self, server: &Server, load: &str) -> Plan {
        Plan {
            connections: CONNECTIONS,
            batch: if load == BATCH { 100 } else { 1 },
            duration: Some(self.duration),
            ..Plan::new(&server.url, KEY)
        }
    }

    /// Loads one server, on an empty data directory, and waits until it is quiet.
    fn measure(
        &self,
        round: u32,
        subject: &'static str,
        load: &'static str,
        rate: Option<f64>,
    ) -> anyhow::Result<Sample> {
        let data = self.data(subject);
        empty(&data)?;
        let mut server = self.start(subject)?;
        let (cpu, rest_memory_bytes) = (server.cpu()?, server.high_water()?);
        let plan = Plan { seed: u64::from(round) + 1, rate, ..self.plan(&server, load) };
        let figures = load::run(&plan, &SystemClock)?.figures();
        let events = figures.events;
        anyhow::ensure!(events > 0, "nothing was stored: {}", figures.first_error.unwrap_or_default());
        let quiet = server.quiet()?;
        let cpu = server.cpu()? - cpu;
        let peak_memory_bytes = server.high_water()?;
        let usage = if subject == SINK { None } else { Some(disk::usage(&data)?) };
        server.end();
        if subject == LOG {
            let redb = std::fs::metadata(data.join("weir.redb")).map_or(0, |meta| meta.len());
            anyhow::ensure!(redb < figures.bytes / 20, "the server took no notice of WEIR_STORE=log");
        }
        std::fs::remove_dir_all(&data)?;
        let sample = Sample {
            round,
            subject,
            load,
            events,
            events_per_second: figures.events_per_second,
            cpu_micros_per_event: cpu.as_secs_f64() * 1e6 / events as f64,
            generator_cpu_micros_per_event: figures.generator_cpu_micros_per_event,
            p50_ms: figures.p50_ms,
            p99_ms: figures.p99_ms,
            p999_ms: figures.p999_ms,
            bytes_received: figures.bytes,
            disk_bytes: usage.map(|usage| usage.length),
            disk_allocated: usage.map(|usage| usage.allocated),
            rest_memory_bytes,
            peak_memory_bytes,
            quiet_after_seconds: quiet.after.as_secs_f64(),
            sealed: subject == SINK || (quiet.sealed && quiet.gauges),
            rejected: figures.rejected,
            unsent: figures.unsent,
            errors: figures.errors,
        };
        eprintln!(
            "{}, {load:<14} -> {subject:<4} {:>9.0} events/s {:>6.2} us p99 {:>6.2} ms",
            rate.map_or(format!("round {}", round + 1), |_| "half load".to_owned()),
            sample.events_per_second,
            sample.cpu_micros_per_event,
            sample.p99_ms
        );
        Ok(sample)
    }

    /// Fills a file, kills the server in the middle of a load, and times the next start.
    fn crash(&self, size: u64) -> anyhow::Result<Crash> {
        let data = self.data(WEIR);
        empty(&data)?;
        let mut server = self.start(WEIR)?;
        let plan = Plan { duration: Some(FILL), ..self.plan(&server, BATCH) };
        for _ in 0..MOST_FILLS {
            if disk::usage(&data)?.length >= size {
                break;
            }
            load::run(&plan, &SystemClock)?;
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(FILL / 2);
                server.end();
            });
            load::run(&plan, &SystemClock)
        })?;
        let file_bytes = disk::usage(&data)?.length;
        let server = self.start(WEIR)?;
        let open_seconds = server.ready_after.as_secs_f64();
        drop(server);
        std::fs::remove_dir_all(&data)?;
        eprintln!("open after a crash: {open_seconds:.3} s with {:.2} GB", file_bytes as f64 / 1e9);
        Ok(Crash { file_bytes, open_seconds })
    }
}

/// Makes sure that a folder is there and empty.
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
