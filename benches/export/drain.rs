//! A backlog goes out: how fast, beside a bare client that posts the same bodies to the same sink, and at what cost.

use crate::report::{BARE, Drain, WEIR};
use crate::sink::{self, Sink};
use crate::{Bench, console, load};
use anyhow::{Context, ensure};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A backlog that has not gone out by then does not.
const PATIENCE: Duration = Duration::from_secs(600);
/// Kept for the bare client; where the backlog has more it posts the same ones again.
const MOST_KEPT: usize = 192 << 20;

impl Bench {
    /// Makes a backlog once, and sends it in each round from the beginning.
    pub fn drain(&mut self, events: u64, rounds: u32) -> anyhow::Result<()> {
        let data = self.data("export");
        crate::empty(&data)?;
        let sink = Sink::start()?;
        self.set_up(Some(&sink), false)?;
        let server = self.start()?;
        console::act(&server, "pause", "")?;
        let begun = Instant::now();
        load::fill(console::address(&server)?, crate::KEY, events)?;
        eprintln!("{events} events logged in {:.1} s", begun.elapsed().as_secs_f64());
        server.quiet()?;
        server.stop()?;
        let mut kept: Vec<Bytes> = Vec::new();
        for round in 0..rounds {
            let mut subjects = [WEIR, BARE];
            // The first round keeps what the bare client posts; then each is first in turn.
            subjects.rotate_left(round as usize % 2);
            for subject in subjects {
                let drain = match subject {
                    WEIR => self.weir(round, events, &sink, &mut kept)?,
                    _ => bare(round, events, &sink, &kept)?,
                };
                eprintln!(
                    "round {}, {subject}: {:.0} events/s, {:.2} CPU s a million",
                    round + 1,
                    drain.events_per_second,
                    drain.cpu_seconds_a_million
                );
                self.findings.drains.push(drain);
            }
        }
        std::fs::remove_dir_all(&data)?;
        Ok(())
    }

    fn weir(&self, round: u32, events: u64, sink: &Sink, kept: &mut Vec<Bytes>) -> anyhow::Result<Drain> {
        let server = self.start()?;
        let ready_seconds = server.ready_after.as_secs_f64();
        let lag = console::number(&server, &["lag", "events"])?;
        ensure!(lag == events, "{lag} of {events} events are to be sent");
        let rest_memory_bytes = server.high_water()?;
        if kept.is_empty() {
            sink.keep();
        }
        let (before, requests, bytes, cpu) = (sink.events(), sink.requests(), sink.bytes(), server.cpu()?);
        let started = Instant::now();
        console::act(&server, "resume", "")?;
        let seconds = (sink.wait(before + events, PATIENCE)? - started).as_secs_f64();
        let cpu = server.cpu()? - cpu;
        let peak_memory_bytes = server.high_water()?;
        if kept.is_empty() {
            *kept = sink.taken();
            let mut size = 0;
            kept.retain(|body| {
                size += body.len();
                size <= MOST_KEPT
            });
        }
        ensure!(sink.events() == before + events, "more came than was to be sent");
        // The place is noted behind the last batch.
        let begun = Instant::now();
        while console::number(&server, &["lag", "events"])? > 0 {
            ensure!(begun.elapsed() < PATIENCE, "the last batch was not noted");
        }
        console::act(&server, "pause", "")?;
        console::act(&server, "replay", r#"{"fromSequence":0}"#)?;
        server.stop()?;
        Ok(Drain {
            round,
            subject: WEIR,
            events,
            requests: sink.requests() - requests,
            bytes: sink.bytes() - bytes,
            seconds,
            events_per_second: events as f64 / seconds,
            cpu_seconds_a_million: cpu.as_secs_f64() * 1e6 / events as f64,
            ready_seconds: Some(ready_seconds),
            rest_memory_bytes: Some(rest_memory_bytes),
            peak_memory_bytes: Some(peak_memory_bytes),
        })
    }
}

fn bare(round: u32, events: u64, sink: &Sink, kept: &[Bytes]) -> anyhow::Result<Drain> {
    let (requests, bytes) = (sink.requests(), sink.bytes());
    let sent = sink::replay(sink.address, kept, events).context("the bare client")?;
    Ok(Drain {
        round,
        subject: BARE,
        events: sent.events,
        requests: sink.requests() - requests,
        bytes: sink.bytes() - bytes,
        seconds: sent.seconds,
        events_per_second: sent.events as f64 / sent.seconds,
        cpu_seconds_a_million: sent.cpu.as_secs_f64() * 1e6 / sent.events as f64,
        ready_seconds: None,
        rest_memory_bytes: None,
        peak_memory_bytes: None,
    })
}
