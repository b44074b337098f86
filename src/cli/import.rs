//! `weir import FILE...`: sends exported events to a running server, keeping their times. Reads Segment and Statsig NDJSON,
//! plain or gzip, in one file if need be; goes on where an earlier run stopped. Never opens a store.

mod confirmed;
mod event_line;
mod lines;
mod state;

use super::client::{Address, Call, Key};
use super::deliver::{Courier, Delivered, Parcel, Patience, Undelivered};
use super::place::{self, Place};
use super::progress::{Of, Progress};
use super::say;
use anyhow::{Context, bail};
use confirmed::Confirmed;
use event_line::{Origin, Wire};
use hyper::Method;
use indicatif::HumanCount;
use lines::{Content, Lines};
use state::State;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Lines of one piece: what is sent, and confirmed, together. Pieces are cut the same way in every run, because the server
/// tells repeated Statsig events by their place in a body.
const PIECE_LINES: usize = 500;
/// A piece is closed before it holds more than this.
const PIECE_BYTES: usize = 1 << 20;
/// Connections that are used.
const CONNECTIONS: usize = 4;
/// Bad lines that are shown one by one; all are counted.
const BAD_LINES_SHOWN: u64 = 20;

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Files of one event a line, plain or gzip; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Server to send to [default: the one that runs on the data directory]
    #[arg(long, env = "WEIR_URL", value_name = "URL", requires = "key")]
    pub url: Option<Address>,
    /// Server key to send with
    #[arg(long, env = "WEIR_KEY", value_name = "KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Send files from their beginning, whatever FILE.weir-import says
    #[arg(long, env = "WEIR_RESTART")]
    pub restart: bool,
    /// Exit with 0 although lines were bad. Bad lines never stop an import: they are reported and left out
    #[arg(long, env = "WEIR_KEEP_GOING")]
    pub keep_going: bool,
    #[command(flatten)]
    pub place: Place,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Events that the server took in this run (it may have had some already).
    pub sent: u64,
    /// Lines that were no events or that the server rejected, earlier runs included.
    pub bad: u64,
    /// Lines that an earlier run had confirmed.
    pub resumed: u64,
}

struct Target {
    address: Address,
    key: Key,
    /// What the state file calls it; a data directory keeps its name when its server moves to another port.
    name: String,
}

/// Imports all files and says what became of each. `Ok(false)` if a line was bad and that matters.
pub fn run(args: &ImportArgs) -> anyhow::Result<bool> {
    if args.files.iter().filter(|file| is_stdin(file)).count() > 1 {
        bail!("standard input (-) can be read once only");
    }
    let target = target(args)?;
    let mut bad = 0;
    for file in &args.files {
        let imported = import(file, &target, args.restart, Patience::default())?;
        let mut line = format!("{}: {} events sent", file.display(), HumanCount(imported.sent));
        if imported.resumed > 0 {
            line += &format!(", {} lines were imported before", HumanCount(imported.resumed));
        }
        if imported.bad > 0 {
            line += &format!(", {} bad lines left out", HumanCount(imported.bad));
        }
        say(&format!("{line}\n"))?;
        bad += imported.bad;
    }
    Ok(bad == 0 || args.keep_going)
}

fn target(args: &ImportArgs) -> anyhow::Result<Target> {
    if let (Some(address), Some(key)) = (&args.url, &args.key) {
        return Ok(Target { address: address.clone(), key: Key(key.clone()), name: address.to_string() });
    }
    let data = args.place.config()?.data;
    let Some((address, token)) = place::token(&data)? else {
        bail!("no server runs on {}; start `weir serve` there, or give --url and --key", data.display());
    };
    let name = std::fs::canonicalize(&data).unwrap_or(data).display().to_string();
    Ok(Target { address, key: args.key.clone().map_or(token, Key), name })
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn import(file: &Path, target: &Target, restart: bool, patience: Patience) -> anyhow::Result<Imported> {
    let shown = file.display();
    let cannot_read = || format!("cannot read {shown}");
    let (mut lines, total, state) = if is_stdin(file) {
        (Lines::open(io::stdin()).with_context(cannot_read)?, None, None)
    } else {
        let opened = File::open(file).with_context(cannot_read)?;
        let total = opened.metadata().with_context(cannot_read)?.len();
        let earlier = if restart { None } else { State::load(file, &target.name).with_context(cannot_read)? };
        let state = match earlier {
            Some(state) => state,
            None => State::fresh(file, &target.name).with_context(cannot_read)?,
        };
        (Lines::open(opened).with_context(cannot_read)?, Some(total), Some(state))
    };
    let mut confirmed = Confirmed::starting(file, state);
    let resumed = confirmed.lines();
    lines.skip(confirmed.end(), resumed).with_context(cannot_read)?;
    let run = Run {
        name: file.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned()),
        target,
        courier: Courier::start(&target.address, CONNECTIONS, patience)?,
        progress: Progress::start(&format!("importing {shown}"), Of::Bytes, total),
        sent: 0,
        shown: 0,
    };
    let outcome = run.all(&mut lines, &mut confirmed);
    // Also after a failure: what was confirmed need not be sent again.
    confirmed.save().with_context(|| format!("cannot write {}", state::place(file).display()))?;
    let sent = outcome.with_context(|| {
        format!("{shown} is imported up to line {}; run the same command again to go on", confirmed.lines())
    })?;
    Ok(Imported { sent, bad: confirmed.bad(), resumed })
}

/// What a parcel is remembered by: its piece, and the line of each of its events.
struct Sent {
    piece: u64,
    lines: Vec<u64>,
}

struct Run<'a> {
    name: String,
    target: &'a Target,
    courier: Courier<Sent>,
    progress: Progress,
    sent: u64,
    shown: u64,
}

impl Run<'_> {
    fn all(mut self, lines: &mut Lines, confirmed: &mut Confirmed) -> anyhow::Result<u64> {
        let mut failed = None;
        while failed.is_none() {
            let mut piece = Piece::default();
            let more = self.fill(&mut piece, lines)?;
            if piece.lines == 0 {
                break;
            }
            let (end, count, bad) = (piece.end, piece.lines, piece.bad);
            let calls = piece.calls(self.target, &self.name);
            let number = confirmed.begin(end, count, bad, calls.len());
            for (call, lines) in calls {
                // Why it was not taken comes with what arrived.
                if self.courier.send(Parcel { call, tag: Sent { piece: number, lines } }).is_err() {
                    break;
                }
            }
            while let Some(outcome) = self.courier.arrived() {
                failed = failed.or(self.take(outcome, confirmed)?);
            }
            self.progress.advance_to(lines.consumed());
            if !more {
                break;
            }
        }
        while let Some(outcome) = self.courier.last_ones() {
            failed = failed.or(self.take(outcome, confirmed)?);
        }
        if self.shown > BAD_LINES_SHOWN {
            self.progress.say(&format!("... and {} more bad lines", HumanCount(self.shown - BAD_LINES_SHOWN)));
        }
        match failed {
            Some(failure) => Err(failure.into()),
            None => Ok(self.sent),
        }
    }

    /// Reads until the piece is full; `false` at the end of the file.
    fn fill(&mut self, piece: &mut Piece, lines: &mut Lines) -> anyhow::Result<bool> {
        while (piece.lines as usize) < PIECE_LINES && piece.bytes < PIECE_BYTES {
            let Some(line) = lines.next().with_context(|| format!("cannot read {}", self.name))? else {
                return Ok(false);
            };
            (piece.end, piece.lines) = (line.end, piece.lines + 1);
            let text = match line.content {
                Content::Text(text) => text,
                Content::TooLong => {
                    piece.bad += 1;
                    self.bad_line(line.number, &format!("longer than {} bytes", lines::LINE_BYTES));
                    continue;
                }
            };
            if text.trim_ascii().is_empty() {
                continue;
            }
            match event_line::read(&text, &Origin { file: &self.name, line: line.number }) {
                Ok(event) => piece.add(event.wire, &event.json, line.number),
                Err(bad) => {
                    piece.bad += 1;
                    self.bad_line(line.number, &bad.to_string());
                }
            }
        }
        Ok(true)
    }

    fn take(
        &mut self,
        outcome: Result<Delivered<Sent>, Undelivered>,
        confirmed: &mut Confirmed,
    ) -> anyhow::Result<Option<Undelivered>> {
        let delivered = match outcome {
            Ok(delivered) => delivered,
            Err(failure) => return Ok(Some(failure)),
        };
        let rejected = rejected(&delivered.answer.body);
        for (index, reason) in &rejected {
            let line = delivered.tag.lines.get(*index).copied().unwrap_or_default();
            self.bad_line(line, &format!("rejected by the server: {reason}"));
        }
        self.sent += (delivered.tag.lines.len() - rejected.len().min(delivered.tag.lines.len())) as u64;
        confirmed.delivered(delivered.tag.piece, rejected.len() as u64).context("cannot keep how far the import is")?;
        Ok(None)
    }

    fn bad_line(&mut self, number: u64, reason: &str) {
        self.shown += 1;
        if self.shown <= BAD_LINES_SHOWN {
            self.progress.say(&format!("{}, line {number}: {reason}", self.name));
        }
    }
}

/// What a success answer says about single events: their places in the body, and why.
fn rejected(body: &[u8]) -> Vec<(usize, String)> {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(default)]
        rejected: Vec<Rejected>,
    }
    #[derive(serde::Deserialize)]
    struct Rejected {
        index: usize,
        code: String,
        message: String,
    }
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let told = answer.map(|answer| answer.rejected).unwrap_or_default();
    told.into_iter().map(|event| (event.index, format!("{} ({})", event.message, event.code))).collect()
}

#[derive(Default)]
struct Piece {
    segment: Body,
    statsig: Body,
    lines: u64,
    bytes: usize,
    bad: u64,
    end: u64,
}

#[derive(Default)]
struct Body {
    events: String,
    lines: Vec<u64>,
}

impl Piece {
    fn add(&mut self, wire: Wire, json: &str, line: u64) {
        let body = match wire {
            Wire::Segment => &mut self.segment,
            Wire::Statsig => &mut self.statsig,
        };
        if !body.events.is_empty() {
            body.events.push(',');
        }
        body.events.push_str(json);
        body.lines.push(line);
        self.bytes += json.len();
    }

    /// At most one call a wire. No `sentAt` and no client time: the server takes the events' times as they are. The session
    /// names file and place, so that a repeated piece is known again and an equal line elsewhere is not taken for it.
    fn calls(self, target: &Target, file: &str) -> Vec<(Call, Vec<u64>)> {
        let session =
            serde_json::to_string(&format!("import {file} to {}", self.end)).expect("a string always serialises");
        let metadata = format!(r#""statsigMetadata":{{"sdkType":"weir-import","sessionID":{session}}}"#);
        let call = |path: &str, body: String| Call {
            method: Method::POST,
            path: path.to_owned(),
            key: target.key.clone(),
            body: body.into(),
        };
        let mut calls = Vec::new();
        if !self.segment.lines.is_empty() {
            let body = format!(r#"{{"batch":[{}]}}"#, self.segment.events);
            calls.push((call("/v1/batch", body), self.segment.lines));
        }
        if !self.statsig.lines.is_empty() {
            let body = format!(r#"{{"events":[{}],{metadata}}}"#, self.statsig.events);
            calls.push((call("/v1/log_event", body), self.statsig.lines));
        }
        calls
    }
}

#[cfg(test)]
mod tests;
