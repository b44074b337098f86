//! The roof: what a person types. Parses the command line, runs one command, turns its outcome into an exit code. Every
//! command is one file below; none of them knows another.

mod apply;
mod check;
mod client;
mod deliver;
mod demo;
mod door;
#[cfg(test)]
mod fake_server;
mod import;
mod keys;
pub mod load;
mod place;
mod progress;
pub mod random;
mod results;
mod serve;

use crate::config::ConfigError;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// Takes Segment's events, joins them to gates and experiments, tells what works. Without a command: serve.
#[derive(Debug, Parser)]
#[command(name = "weir", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Every option can also be given as the environment variable in brackets.\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what `weir` alone does)
    Serve(Box<serve::ServeArgs>),
    /// Simulate a shop, send its events to a server of its own, and show the results
    Demo(demo::DemoArgs),
    /// Send exported events to a running server, keeping their times
    Import(import::ImportArgs),
    /// Show the results of an experiment or a gate
    Results(Box<results::ResultsArgs>),
    /// Make the catalog what a project file says
    Apply(apply::ApplyArgs),
    /// Verify that a store agrees with itself
    Check(check::CheckArgs),
    /// List, make and revoke keys
    Keys(keys::KeysArgs),
    /// Send generated events to a server and measure how fast they are stored
    Load(load::Args),
}

impl Cli {
    /// `Ok(false)`: done as far as possible, and said what was not.
    fn run(self) -> anyhow::Result<bool> {
        match self.command.unwrap_or(Command::Serve(Box::new(self.serve))) {
            Command::Serve(args) => serve::run(&args)?,
            Command::Demo(args) => demo::run(&args)?,
            Command::Import(args) => return import::run(&args),
            Command::Results(args) => results::run(&args)?,
            Command::Apply(args) => apply::run(&args)?,
            Command::Check(args) => return check::run(&args),
            Command::Keys(args) => keys::run(&args)?,
            Command::Load(args) => load::command(&args, &mut std::io::stdout().lock())?,
        }
        Ok(true)
    }
}

/// Puts text on standard output.
fn say(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

/// The whole program: reads the arguments, runs, says what went wrong on standard error.
pub fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILURE),
        // Whoever reads the output has seen enough (`weir results NAME | head`).
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("weir: {}", told(&error));
            ExitCode::from(if error.is::<ConfigError>() { USAGE } else { FAILURE })
        }
    }
}

/// An error with its causes; an error that quotes its cause already is not followed by it again.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_cause_is_told_once() {
        use anyhow::Context;
        #[derive(Debug, thiserror::Error)]
        #[error("the store could not be opened: {0}")]
        struct Quoting(#[source] std::io::Error);
        let disk = || std::io::Error::other("the disk is gone");
        let error = anyhow::Error::from(Quoting(disk())).context("cannot open data/weir.redb");
        assert_eq!(told(&error), "cannot open data/weir.redb: the store could not be opened: the disk is gone");
        let error = Err::<(), _>(disk()).context("cannot read it").unwrap_err();
        assert_eq!(told(&error), "cannot read it: the disk is gone");
    }

    #[test]
    fn the_command_line_is_well_formed_and_every_flag_has_its_variable() {
        let mut root = Cli::command();
        root.build();
        let mut waiting = vec![&root];
        while let Some(command) = waiting.pop() {
            waiting.extend(command.get_subcommands());
            for flag in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let long = flag.get_long().unwrap();
                if ["help", "version"].contains(&long) {
                    continue;
                }
                // Neither the demo nor the load generator must fall for the settings of a real server.
                let prefix = match command.get_name() {
                    "demo" => "WEIR_DEMO",
                    "load" => "WEIR_LOAD",
                    _ => "WEIR",
                };
                let variable = format!("{prefix}_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(variable.as_str()), "--{long}");
                assert!(flag.get_help().is_some(), "--{long} of {} says nothing", command.get_name());
            }
        }
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_line_is_parsed_before_anything_is_done() {
        for (line, fits) in [
            ("weir", true),
            ("weir --listen 127.0.0.1:0", true),
            ("weir serve --listen 127.0.0.1:0 --project p.json", true),
            ("weir --listen 127.0.0.1:0 serve", false),
            ("weir --listen 8750", false),
            ("weir demo --visitors 100 --days 7 --seed 3 --once", true),
            ("weir demo --visitors 0", false),
            ("weir demo --days 366", false),
            ("weir import", false),
            ("weir import a.ndjson - --keep-going", true),
            ("weir import a --url http://127.0.0.1:1 --key k", true),
            ("weir import a --url http://127.0.0.1:1", false),
            ("weir import a --url 127.0.0.1:1 --key k", false),
            ("weir results checkout --json --level 0.9 --rule r", true),
            ("weir results", false),
            ("weir apply p.json --dry-run --force --prune", true),
            ("weir keys", true),
            ("weir keys --data d", true),
            ("weir keys create --type server --description d", true),
            ("weir keys create --type secret --description d", false),
            ("weir keys revoke key-1 --data d", true),
            ("weir keys link --data d", true),
            ("weir check --data d", true),
            ("weir load --key k --batch 100 --duration 1s", true),
            ("weir unknown", false),
            ("weir --unknown", false),
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), fits, "{line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
    }
}
