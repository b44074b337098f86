//! A server under measurement: a child process, so that its CPU time and memory can be told apart from the generator's. Reads
//! `/proc`, so it needs Linux.

use anyhow::{Context, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// `/proc/PID/stat` counts in this many ticks a second (USER_HZ, the same on every Linux that Rust supports).
const TICKS: u64 = 100;
/// A server that is not ready by then has failed to start.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// What is not sealed by then is reported as unsealed.
const SEAL_PATIENCE: Duration = Duration::from_secs(60);
/// A server that has not stopped by then does not stop.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);
/// So many polls in a row without work make a server quiet: longer than it waits before it settles small tails.
const QUIET_POLLS: u32 = 16;

/// The gauge that says how much text is left to seal.
const TAIL_GAUGE: &str = "weir_tail_bytes";
/// Less than this may stay unsealed: it fills no quarter of a block.
const LITTLE: f64 = 4e6;

pub struct Server {
    child: Child,
    pub url: String,
    /// From starting the process to its `listening on` line.
    pub ready_after: Duration,
}

/// How the wait for quiet ended.
pub struct Quiet {
    pub after: Duration,
    /// False if the server says that some is still unsealed, or did not become quiet in time.
    pub sealed: bool,
    /// False if the server has no such gauges: then only its CPU time told that it is quiet.
    pub gauges: bool,
}

impl Server {
    /// Starts the process and waits for its address; its log goes to `log`, whose end is part of the error.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Server> {
        let file = std::fs::File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let (sender, lines) = mpsc::channel();
        // Reads to the end, so that a server that prints more never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send((Instant::now(), line));
            }
        });
        let mut server = Server { child, url: String::new(), ready_after: Duration::ZERO };
        loop {
            let left = START_PATIENCE.saturating_sub(started.elapsed());
            let Ok((at, line)) = lines.recv_timeout(left) else {
                server.end();
                let text = std::fs::read_to_string(log).unwrap_or_default();
                let last = text.lines().last().unwrap_or("it said nothing").to_owned();
                bail!("it did not print `listening on`: {last}");
            };
            if let Some(url) = line.strip_prefix("listening on ") {
                server.url = url.trim().to_owned();
                server.ready_after = at - started;
                return Ok(server);
            }
        }
    }

    /// CPU time of all its threads, user and system, those that ended included.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks; fields 14 and 15 are counted from behind it.
        let fields: Vec<&str> = text.rsplit_once(')').context("no stat line")?.1.split_whitespace().collect();
        let ticks = |at: usize| -> anyhow::Result<u64> { Ok(fields.get(at).context("a short stat line")?.parse()?) };
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / TICKS))
    }

    /// The most memory it ever had resident, in bytes.
    pub fn high_water(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM line")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
    }

    /// Waits until all is sealed and the server does nothing more.
    pub fn quiet(&self) -> anyhow::Result<Quiet> {
        let started = Instant::now();
        let (mut before, mut polls, mut gauges) = (self.cpu()?, 0, false);
        loop {
            std::thread::sleep(POLL);
            let unsealed = match self.metrics() {
                Ok(text) => {
                    let tail = gauge(&text, TAIL_GAUGE);
                    gauges = tail.is_some();
                    tail.unwrap_or(0.0) > LITTLE
                }
                Err(_) => false,
            };
            let now = self.cpu()?;
            // One tick may be the answer to the poll.
            let idle = now - before <= Duration::from_millis(1000 / TICKS);
            before = now;
            polls = if idle { polls + 1 } else { 0 };
            let late = started.elapsed() > SEAL_PATIENCE;
            if (polls >= QUIET_POLLS && !unsealed) || late {
                return Ok(Quiet { after: started.elapsed(), sealed: !unsealed && !late, gauges });
            }
        }
    }

    fn metrics(&self) -> anyhow::Result<String> {
        let host = self.url.strip_prefix("http://").context("not an http address")?;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        ensure!(text.starts_with("HTTP/1.1 200"), "no metrics");
        Ok(text)
    }

    /// Asks it to end (SIGTERM) and waits until it has, so that the next start has nothing to recover.
    pub fn stop(mut self) -> anyhow::Result<()> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)?;
        let started = Instant::now();
        while started.elapsed() < STOP_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server stopped with {status}");
                return Ok(());
            }
            std::thread::sleep(POLL / 10);
        }
        bail!("the server did not stop within {} s", STOP_PATIENCE.as_secs());
    }

    /// Ends it at once, as a crash would (SIGKILL).
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sum over all labels of a metric in Prometheus text; `None` if it is not there.
fn gauge(text: &str, name: &str) -> Option<f64> {
    let values: Vec<f64> = text
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}
