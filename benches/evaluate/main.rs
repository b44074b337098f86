//! How fast users are evaluated: in process on one core, and over loopback beside a bare hyper handler that sends the same bytes,
//! which is what this machine's network stack can do at all. Rounds alternate the two; ratios are taken within a round.
//!
//! `cargo bench --bench evaluate` takes about two minutes. The numbers go to `target/bench/evaluate.json` as well.

mod client;
#[path = "../common/disk.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod disk;
#[path = "../common/goal.rs"]
mod goal;
mod in_process;
#[path = "../common/process.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod process;
mod project;
mod report;
#[path = "../common/sink.rs"]
mod sink;

use anyhow::Context;
use clap::Parser;
use process::Server;
use report::{BARE, CHECK, Findings, INITIALIZE, LOADS, LOGGED, Sample, V1, V2, WEIR};
use serde_json::json;
use std::net::SocketAddr;
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
    /// Loads to measure, by the beginning of their names [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Do not measure evaluations in process
    #[arg(long)]
    no_in_process: bool,
    /// The program to measure [default: the one that was built]
    #[arg(long)]
    weir: Option<PathBuf>,
    /// Where the servers keep their data; must be on a real disk [default: target/bench]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Cargo passes this to every bench
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the bare handler, with the answer in this file
    #[arg(long, hide = true)]
    serve_sink: Option<PathBuf>,
}

const CONNECTIONS: usize = 64;
/// Requests that differ in their user.
const USERS: usize = 1000;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(recorded) = &args.serve_sink {
        return sink::serve(Some(recorded));
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target folder has no parent")?;
    let folder = args.folder.clone().unwrap_or_else(|| target.join("bench"));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut findings = Findings {
        version: 1,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        file_system: disk::file_system(&folder)?,
        seconds: args.seconds,
        connections: CONNECTIONS,
        ..Findings::default()
    };
    if !args.no_in_process {
        findings.evaluations = in_process::measure(&folder)?;
    }
    let program = args.weir.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_weir")));
    let weir = start_weir(program, &folder)?;
    let wanted = |load: &str| args.only.is_empty() || args.only.iter().any(|only| load.starts_with(only.as_str()));
    let mut loads = Vec::new();
    for (index, name) in LOADS.into_iter().enumerate().filter(|(_, load)| wanted(load)) {
        loads.push(Load::new(name, index, &weir, &folder)?);
    }
    let duration = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    for round in 0..args.rounds {
        for load in &loads {
            let mut subjects = [(BARE, &load.bare), (WEIR, &weir)];
            // Each is first in turn.
            subjects.rotate_left(round as usize % 2);
            for (subject, server) in subjects {
                let sample = load.measure(round, subject, server, duration);
                findings.samples.push(sample.with_context(|| format!("{subject}, {}, round {round}", load.name))?);
            }
            if load.name == LOGGED {
                weir.quiet()?;
            }
        }
    }
    print!("\n{}", findings.table());
    let path = folder.join("evaluate.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&findings)?)?;
    println!("\nall numbers: {}", path.display());
    Ok(())
}

fn start_weir(program: &Path, folder: &Path) -> anyhow::Result<Server> {
    let (data, project) = (folder.join("data-evaluate"), folder.join("evaluate-project.json"));
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    std::fs::create_dir_all(&data)?;
    std::fs::write(&project, project::project().to_string())?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).arg("--project").arg(project);
    Server::start(&mut command, &folder.join("evaluate-weir.log"))
}

/// Requests of one kind, and a bare handler that has their answer.
struct Load {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    bare: Server,
}

impl Load {
    fn new(name: &'static str, index: usize, weir: &Server, folder: &Path) -> anyhow::Result<Load> {
        let requests: Vec<Vec<u8>> = match name {
            V1 => vec![download("v1", weir)],
            V2 => vec![download("v2", weir)],
            _ => (0..USERS).map(|n| question(name, n, weir)).collect(),
        };
        let recorded = folder.join(format!("evaluate-answer-{index}"));
        std::fs::write(&recorded, client::once(address(weir)?, &requests[0])?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve-sink").arg(&recorded);
        let bare = Server::start(&mut command, &folder.join("evaluate-bare.log"))?;
        Ok(Load { name, requests, bare })
    }

    fn measure(
        &self,
        round: u32,
        subject: &'static str,
        server: &Server,
        duration: Duration,
    ) -> anyhow::Result<Sample> {
        let cpu = server.cpu()?;
        let load = client::run(address(server)?, &self.requests, CONNECTIONS, duration)?;
        anyhow::ensure!(load.requests > 0, "nothing was answered");
        let cpu = server.cpu()? - cpu;
        let requests = load.requests as f64;
        let ms = |quantile| load.latency.quantile(quantile).as_secs_f64() * 1e3;
        let sample = Sample {
            round,
            subject,
            load: self.name,
            requests_per_second: requests / load.seconds,
            answer_bytes: load.bytes as f64 / requests,
            cpu_micros_per_request: cpu.as_secs_f64() * 1e6 / requests,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
        };
        let Sample { load, requests_per_second: rate, cpu_micros_per_request: cpu, p99_ms, .. } = &sample;
        eprintln!("round {}, {load:<18} -> {subject:<4} {rate:>9.0} /s {cpu:>6.2} us p99 {p99_ms:>6.2} ms", round + 1);
        Ok(sample)
    }
}

fn address(server: &Server) -> anyhow::Result<SocketAddr> {
    Ok(server.url.strip_prefix("http://").context("not an http address")?.parse()?)
}

/// As an SDK asks for the specs that it does not have.
fn download(version: &str, weir: &Server) -> Vec<u8> {
    let host = weir.url.trim_start_matches("http://");
    let key = project::SERVER_KEY;
    format!(
        "GET /{version}/download_config_specs/{key}.json?sinceTime=0 HTTP/1.1\r\nhost: {host}\r\n\
         statsig-api-key: {key}\r\naccept-encoding: gzip\r\n\r\n"
    )
    .into_bytes()
}

fn question(load: &str, n: usize, weir: &Server) -> Vec<u8> {
    let (path, fields) = match load {
        INITIALIZE => ("initialize", json!({"hash": "djb2"})),
        _ => ("check_gate", json!({"gateName": "half"})),
    };
    let mut body = fields;
    body["user"] = project::user(n);
    body["statsigMetadata"] = json!({"sdkType": "bench", "exposureLoggingDisabled": load == CHECK});
    let (host, key, body) = (weir.url.trim_start_matches("http://"), project::SERVER_KEY, body.to_string());
    format!(
        "POST /v1/{path} HTTP/1.1\r\nhost: {host}\r\nstatsig-api-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
