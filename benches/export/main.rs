//! How fast events go out, and what that costs those who send: a backlog drained to a sink, beside a bare hyper client that posts
//! the same bodies to it; intake without a destination, with one that has nothing to get, with one that is down. Rounds
//! alternate what is measured, so that what disturbs one disturbs all; ratios are taken within a round.
//!
//! `cargo bench --bench export` takes about three minutes with a backlog of 200,000 events; `cargo bench --bench export --
//! --full` drains 1,000,000. The numbers go to `target/bench/export.json` as well.

mod bodies;
mod console;
#[path = "../common/disk.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod disk;
mod drain;
#[path = "../common/goal.rs"]
mod goal;
mod intake;
mod load;
#[path = "../common/process.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod process;
mod report;
mod sink;

use anyhow::Context;
use clap::Parser;
use process::Server;
use report::Findings;
use serde_json::json;
use sink::Sink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Parser)]
struct Args {
    /// Rounds to take the median of
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each server is loaded in a round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Drain a backlog of a million, and send beside destinations in every kind of trouble
    #[arg(long)]
    full: bool,
    /// Events of the backlog [default: 200000, or 1000000 with --full]
    #[arg(long)]
    events: Option<u64>,
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "drain,intake")]
    only: Vec<String>,
    /// The program to measure [default: the one that was built]
    #[arg(long)]
    weir: Option<PathBuf>,
    /// Where the servers keep their data; must be on a real disk [default: target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Cargo passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

const KEY: &str = "secret-exportbench000000000000";
const FULL_BACKLOG: u64 = 1_000_000;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target folder has no parent")?;
    let folder = args.folder.clone().unwrap_or_else(|| target.join("bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let backlog = args.events.unwrap_or(if args.full { FULL_BACKLOG } else { 200_000 });
    let mut bench = Bench {
        program: args.weir.unwrap_or_else(|| env!("CARGO_BIN_EXE_weir").into()),
        findings: Findings {
            version: 1,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            file_system: disk::file_system(&folder)?,
            backlog,
            is_full: backlog >= FULL_BACKLOG,
            ..Findings::default()
        },
        folder,
    };
    let wanted = |what: &str| args.only.iter().any(|only| only == what);
    if wanted("drain") {
        bench.drain(backlog, args.rounds)?;
    }
    if wanted("intake") {
        bench.intake(args.rounds, Duration::try_from_secs_f64(args.seconds).context("--seconds")?, args.full)?;
    }
    print!("\n{}", bench.findings.table());
    let path = bench.folder.join("export.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&bench.findings)?)?;
    println!("\nall numbers: {}", path.display());
    Ok(())
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
    findings: Findings,
}

impl Bench {
    fn data(&self, what: &str) -> PathBuf {
        self.folder.join(format!("data-{what}"))
    }

    fn project(&self) -> PathBuf {
        self.folder.join("export-project.json")
    }

    /// Writes the project file: with a destination at a sink, which speaks no TLS, or without.
    fn set_up(&self, sink: Option<&Sink>, secure: bool) -> anyhow::Result<()> {
        let mut project = json!({"keys": [
            {"description": "bench", "type": "SERVER", "key": KEY},
            {"description": "bench's console", "type": "CONSOLE", "key": console::KEY, "role": "admin"},
        ]});
        if let Some(sink) = sink {
            let scheme = if secure { "https" } else { "http" };
            // Changes of the set-up would be events besides those that are counted.
            project["integrations"] = json!({"segment": {"outgoing": {"isEnabled": true, "configChanges": false,
                "writeKey": "write-key-of-a-source", "baseUrl": format!("{scheme}://{}", sink.address)}}});
        }
        Ok(std::fs::write(self.project(), project.to_string())?)
    }

    fn start(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data("export"));
        command.arg("--project").arg(self.project());
        Server::start(&mut command, &self.folder.join("export-weir.log"))
    }
}

/// Makes sure that a folder is there and empty.
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
