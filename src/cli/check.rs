//! `weir check`: opens a store and verifies that what it holds agrees with itself. Changes nothing.

use super::place::{self, Place};
use crate::store;
use anyhow::bail;
use indicatif::HumanCount;

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub place: Place,
}

pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let data = args.place.config()?.data;
    if let Some(server) = place::running(&data)? {
        bail!("a server ({}) has the store in {} open; stop it first", server.address(), data.display());
    }
    let findings = store::check(&data)?;
    for problem in &findings.problems {
        println!("{problem}");
    }
    if !findings.problems.is_empty() {
        bail!("{} problems in {}", findings.problems.len(), data.display());
    }
    println!("{} is sound: {} events", data.display(), HumanCount(findings.events));
    Ok(())
}
