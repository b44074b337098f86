//! Shows how far a long command is, on standard error: a bar on a terminal, a plain line now and then elsewhere. Never
//! writes to standard output, which belongs to the command's answer.

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a plain line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Events,
    Bytes,
}

impl Of {
    fn show(self, n: u64) -> String {
        match self {
            Of::Events => format!("{} events", HumanCount(n)),
            Of::Bytes => HumanBytes(n).to_string(),
        }
    }
}

/// One command's way from nothing to its total.
pub struct Progress {
    doing: String,
    of: Of,
    total: Option<u64>,
    at: u64,
    bar: Option<ProgressBar>,
    next_line: Instant,
}

impl Progress {
    /// `total` is `None` where nobody knows it, as for standard input.
    pub fn start(doing: &str, of: Of, total: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| bar(doing, of, total));
        Progress { doing: doing.to_owned(), of, total, at: 0, bar, next_line: Instant::now() + LINE_EVERY }
    }

    pub fn advance_to(&mut self, at: u64) {
        self.at = at;
        if let Some(bar) = &self.bar {
            bar.set_position(at);
        } else if Instant::now() >= self.next_line {
            self.next_line = Instant::now() + LINE_EVERY;
            self.say(&self.line());
        }
    }

    pub fn advance(&mut self, by: u64) {
        self.advance_to(self.at + by);
    }

    /// Writes a line without tearing the bar.
    pub fn say(&self, line: &str) {
        let write = || {
            // Nobody may be reading standard error; that is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn line(&self) -> String {
        let at = self.of.show(self.at);
        match self.total {
            Some(total) => format!("{}: {at} of {}", self.doing, self.of.show(total)),
            None => format!("{}: {at}", self.doing),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(doing: &str, of: Of, total: Option<u64>) -> ProgressBar {
    let counts = match of {
        Of::Events => "{human_pos} of {human_len} events",
        Of::Bytes => "{bytes} of {total_bytes}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => format!("{{msg}} [{{bar:30}}] {counts}, {{eta}} left"),
        None => "{msg} {spinner} {human_pos}".to_owned(),
    };
    let style = ProgressStyle::with_template(&template).expect("the templates above are well formed");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(doing.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_line_says_how_far_it_is() {
        let mut progress = Progress::start("importing a.ndjson", Of::Bytes, Some(4 << 20));
        progress.advance_to(1 << 20);
        assert_eq!(progress.line(), "importing a.ndjson: 1.00 MiB of 4.00 MiB");
        let mut progress = Progress::start("sending", Of::Events, None);
        progress.advance(1_200);
        progress.advance(34);
        assert_eq!(progress.line(), "sending: 1,234 events");
    }
}
