//! The demo's server: this very program started once more, so that the demo goes through the door that everybody uses.
//! Knows when it is ready and sees to it that it ends.

use crate::cli::client::Address;
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What the server prints when it is ready, followed by its address.
const READY: &str = "listening on ";
/// How long it may take to get there.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to end after it was asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// How long a server whose output has ended may take to be gone: a process closes its output a moment before.
const GONE_DEADLINE: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server. Dropping it ends it.
pub struct Server {
    child: Child,
    pub address: Address,
    said: Vec<String>,
    lines: mpsc::Receiver<String>,
}

impl Server {
    /// Starts `program` as `weir serve` and waits until it is ready. Settings in the environment are for another server and
    /// are not passed on.
    pub fn start(program: &Path, data: &Path, listen: &str, project: &Path) -> anyhow::Result<Server> {
        let mut command = Command::new(program);
        let ours = |(name, _): &(OsString, OsString)| name.to_string_lossy().starts_with("WEIR_");
        for (name, _) in std::env::vars_os().filter(ours) {
            command.env_remove(name);
        }
        command.args(["serve", "--log-level", "warn", "--listen", listen]);
        command.arg("--data").arg(data).arg("--project").arg(project);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let lines = follow(stdout)?;
        let mut said = Vec::new();
        match ready(&lines, &mut said) {
            Some(address) => Ok(Server { child, address: address.parse()?, said, lines }),
            None => {
                let ended = ends_within(&mut child, GONE_DEADLINE)?;
                // It is of no use any more, whether it has ended or hangs.
                let _ = child.kill();
                child.wait()?;
                match ended {
                    Some(status) => bail!("the server ended before it was ready ({status})"),
                    None => bail!("the server was not ready after {} s", READY_DEADLINE.as_secs()),
                }
            }
        }
    }

    /// What it has printed so far.
    pub fn said(&mut self) -> &[String] {
        self.said.extend(self.lines.try_iter());
        &self.said
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end, waits, and ends it if it does not.
    pub fn stop(mut self) -> std::io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> std::io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // The standard library can only kill; the shell's kill asks.
        let id = self.child.id().to_string();
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).stderr(Stdio::null()).status();
        if asked.is_ok_and(|status| status.success()) && ends_within(&mut self.child, STOP_DEADLINE)?.is_some() {
            return Ok(());
        }
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.end();
    }
}

/// How it ended, if it does within this time.
fn ends_within(child: &mut Child, time: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + time;
    loop {
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() >= deadline {
            return Ok(ended);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Reads on after the server is ready too, so that it never waits for a reader.
fn follow(stdout: impl Read + Send + 'static) -> std::io::Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel();
    std::thread::Builder::new().name("server output".to_owned()).spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more; the pipe is still to be emptied.
            let _ = sender.send(line);
        }
    })?;
    Ok(lines)
}

fn ready(lines: &mpsc::Receiver<String>, said: &mut Vec<String>) -> Option<String> {
    let deadline = Instant::now() + READY_DEADLINE;
    loop {
        let line = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        let address = line.strip_prefix(READY).map(|address| address.trim().to_owned());
        said.push(line);
        if address.is_some() {
            return address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(folder: &Path, name: &str, script: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn it_is_started_with_its_own_data_and_asked_to_stop_and_told_of_when_it_cannot_start() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let script = format!(
            "trap 'echo stopped >> {out}; exit 0' TERM\necho \"$@\" > {out}\necho 'console http://127.0.0.1:9/?t=1'\necho 'listening on http://127.0.0.1:9'\nwhile :; do sleep 0.05; done",
            out = out.display()
        );
        let works = program(folder.path(), "works", &script);
        let mut server = Server::start(&works, Path::new("d"), "127.0.0.1:0", Path::new("p.json")).unwrap();
        assert_eq!(server.address.to_string(), "http://127.0.0.1:9");
        assert_eq!(server.said()[0], "console http://127.0.0.1:9/?t=1");
        assert!(server.ended().unwrap().is_none());
        server.stop().unwrap();
        let told = std::fs::read_to_string(&out).unwrap();
        assert_eq!(told, "serve --log-level warn --listen 127.0.0.1:0 --data d --project p.json\nstopped\n");

        let fails = program(folder.path(), "fails", "echo nothing; exit 3");
        let error = Server::start(&fails, Path::new("d"), "127.0.0.1:0", Path::new("p")).err().unwrap().to_string();
        assert!(error.starts_with("the server ended before it was ready"), "{error}");
        assert!(Server::start(Path::new("/no/such/weir"), Path::new("d"), "x", Path::new("p")).is_err());
    }
}
