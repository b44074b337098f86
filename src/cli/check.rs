//! `weir check`: opens a store and verifies that what it holds agrees with itself. Changes nothing.

use super::place::{self, Place};
use super::say;
use crate::store::{CheckReport, Options, Store};
use anyhow::{Context, bail};
use indicatif::HumanCount;
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Print what was found as JSON
    #[arg(long, env = "WEIR_JSON")]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

/// `Ok(false)` if the store is not sound.
pub fn run(args: &CheckArgs) -> anyhow::Result<bool> {
    let data = args.place.config()?.data;
    if let Some(server) = place::running(&data)? {
        bail!("a server ({}) has the store in {} open; stop it first", server.address(), data.display());
    }
    let file = place::store_file(&data)?;
    // The seed is for a new store, and this one is there.
    let (store, _appender) =
        Store::open(&file, Options::default(), [0; 32]).with_context(|| format!("cannot open {}", file.display()))?;
    let report = store.snapshot()?.check().with_context(|| format!("cannot read {}", file.display()))?;
    if args.json {
        say(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    } else {
        say(&told(&report))?;
    }
    Ok(report.problems.is_empty())
}

fn told(report: &CheckReport) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        writeln!(text, "problem: {problem}").expect("writing to a String cannot fail");
    }
    let verdict = match report.problems.len() {
        0 => "sound".to_owned(),
        1 => "1 problem".to_owned(),
        problems => format!("{} problems", HumanCount(problems as u64)),
    };
    let CheckReport { events, blocks, unsealed, names, twice, .. } = report;
    let count = |n: &u64| HumanCount(*n).to_string();
    writeln!(
        text,
        "{verdict}: {} events ({} not sealed yet) in {} blocks, {} names, {} messages stored twice",
        count(events),
        count(unsealed),
        count(blocks),
        count(names),
        count(twice)
    )
    .expect("writing to a String cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_sound_or_its_problems_are_told() {
        let sound = CheckReport { events: 1_234, blocks: 2, unsealed: 34, names: 5, ..CheckReport::default() };
        let line = "1,234 events (34 not sealed yet) in 2 blocks, 5 names, 0 messages stored twice\n";
        assert_eq!(told(&sound), format!("sound: {line}"));
        let broken = CheckReport { problems: vec!["events 3 to 5 are in no block".into()], ..sound };
        assert_eq!(told(&broken), format!("problem: events 3 to 5 are in no block\n1 problem: {line}"));
    }

    #[test]
    fn a_new_store_is_sound_and_none_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let args = |data: &std::path::Path| CheckArgs {
            json: false,
            place: Place { data: Some(data.to_owned()), config: None },
        };
        let error = run(&args(folder.path())).unwrap_err().to_string();
        assert!(error.starts_with("there is no store in ") && !folder.path().join("weir.redb").exists(), "{error}");
        drop(Store::open(&folder.path().join("weir.redb"), Options::default(), [7; 32]).unwrap());
        assert!(run(&args(folder.path())).unwrap());
        std::fs::write(folder.path().join("weir.redb"), "something else").unwrap();
        let error = format!("{:#}", run(&args(folder.path())).unwrap_err());
        assert!(error.starts_with("cannot open ") && error.ends_with("the file is not a Weir store"), "{error}");
    }
}
