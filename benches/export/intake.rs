//! What a destination costs those who send: nothing while it has nothing to get, and nothing while it is down.

use crate::load::{self, Traffic};
use crate::report::{DOWN, FULL, HALF, IDLE, Intake, NONE, UP};
use crate::sink::{Manner, Sink};
use crate::{Bench, console};
use std::time::Duration;

/// What a destination in trouble does, by its word in the report.
fn manner(subject: &str) -> Manner {
    match subject {
        "down" => Manner::Silent,
        "breaks" => Manner::Breaks,
        "slow" => Manner::Trickles,
        other => other.parse().map_or(Manner::Takes, Manner::Says),
    }
}

/// Before what is measured, so that no subject pays for the first growth of the file.
const WARM_UP: Duration = Duration::from_millis(500);

impl Bench {
    /// Rounds of all subjects, as fast as they answer; then as many at half of what goes without a destination. Each beside
    /// `NONE` of the same traffic. `all`: destinations in every kind of trouble, not only in the first.
    pub fn intake(&mut self, rounds: u32, duration: Duration, all: bool) -> anyhow::Result<()> {
        let sink = Sink::start()?;
        let troubles = if all { &DOWN[..] } else { &DOWN[..1] };
        let mut subjects = vec![(NONE, Traffic::Segment), (IDLE, Traffic::Segment), (NONE, Traffic::Statsig)];
        subjects.extend(troubles.iter().map(|subject| (*subject, Traffic::Statsig)));
        subjects.push((UP, Traffic::Statsig));
        for load in [FULL, HALF] {
            for round in 0..rounds {
                for (subject, traffic) in subjects.clone() {
                    let rate = match load {
                        FULL => None,
                        _ => self.findings.rate(NONE, traffic.word()).map(|rate| rate / 2.0),
                    };
                    sink.behave(manner(subject));
                    let to = (subject != NONE).then_some(&sink);
                    let intake = self.load(round, subject, traffic, load, rate, to, duration)?;
                    eprintln!(
                        "{load}, round {}, {} traffic, destination {subject}: {:.0} events/s, p99 {:.2} ms",
                        round + 1,
                        traffic.word(),
                        intake.events_per_second,
                        intake.p99_ms
                    );
                    self.findings.intakes.push(intake);
                }
                // Each subject is first, in the middle and last in turn.
                subjects.rotate_left(1);
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "what a row of the table is made of")]
    fn load(
        &self,
        round: u32,
        subject: &'static str,
        traffic: Traffic,
        load: &'static str,
        rate: Option<f64>,
        sink: Option<&Sink>,
        duration: Duration,
    ) -> anyhow::Result<Intake> {
        let data = self.data("export");
        crate::empty(&data)?;
        self.set_up(sink, subject == "tls")?;
        let mut server = self.start()?;
        let address = console::address(&server)?;
        // Enough that a destination that gets anything is at it.
        load::fill(address, crate::KEY, if subject == IDLE { 0 } else { 1000 })?;
        load::run(address, crate::KEY, traffic, rate, WARM_UP)?;
        let cpu = server.cpu()?;
        let figures = load::run(address, crate::KEY, traffic, rate, duration)?;
        let cpu = server.cpu()? - cpu;
        server.end();
        std::fs::remove_dir_all(&data)?;
        let ms = |quantile: f64| figures.latency.quantile(quantile).as_secs_f64() * 1e3;
        Ok(Intake {
            round,
            subject,
            traffic: traffic.word(),
            load,
            events_per_second: figures.events_per_second(),
            cpu_micros_an_event: cpu.as_secs_f64() * 1e6 / (figures.requests * load::BATCH) as f64,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
        })
    }
}
