//! `weir apply PROJECT.json`: makes the catalog what a project file says. Checks nothing itself; every mistake comes back with
//! its place.

use super::door::{Applied, Applying, Door};
use super::place::Place;
use super::say;
use anyhow::Context;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// Project file (JSON)
    pub project: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long, env = "WEIR_DRY_RUN")]
    pub dry_run: bool,
    /// Overwrite what was changed elsewhere since the last apply
    #[arg(long, env = "WEIR_FORCE")]
    pub force: bool,
    /// Remove what the file does not name
    #[arg(long, env = "WEIR_PRUNE")]
    pub prune: bool,
    #[command(flatten)]
    pub place: Place,
}

pub fn run(args: &ApplyArgs) -> anyhow::Result<()> {
    let project = std::fs::read_to_string(&args.project)
        .with_context(|| format!("cannot read the project file {}", args.project.display()))?;
    let how = Applying { dry_run: args.dry_run, force: args.force, prune: args.prune };
    let applied = Door::open_or_make(&args.place.config()?)?.apply(&project, how)?;
    say(&told(&applied, args.dry_run))?;
    Ok(())
}

fn told(applied: &Applied, dry_run: bool) -> String {
    let mut text = String::new();
    let lists = [("created", &applied.created), ("updated", &applied.updated), ("removed", &applied.removed)];
    for (what, items) in lists {
        for item in items {
            let what = if dry_run { format!("would be {what}:") } else { what.to_owned() };
            writeln!(text, "{what} {item}").expect("writing to a String cannot fail");
        }
    }
    for item in &applied.kept {
        writeln!(text, "kept {}: {}", item.item, item.why).expect("writing to a String cannot fail");
    }
    for key in &applied.new_keys {
        let key_text = key.key.as_deref().unwrap_or("-");
        writeln!(text, "key {}: {key_text} (shown this once)", key.description)
            .expect("writing to a String cannot fail");
    }
    let changed: usize = lists.iter().map(|(_, items)| items.len()).sum();
    let verb = if dry_run { "would change" } else { "changed" };
    writeln!(text, "{changed} {verb}, {} unchanged, {} kept", applied.unchanged, applied.kept.len())
        .expect("writing to a String cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::door::{Kept, KeyRow};

    #[test]
    fn what_changed_is_told_item_by_item() {
        let applied = Applied {
            created: vec!["gate a".into()],
            updated: vec!["experiment b".into()],
            removed: vec![],
            unchanged: 4,
            kept: vec![Kept { item: "metric c".into(), why: "it was changed elsewhere".into() }],
            new_keys: vec![KeyRow {
                id: "key-1".into(),
                description: "shop".into(),
                kind: "SERVER".into(),
                role: None,
                key: Some("secret-1".into()),
            }],
        };
        let expected = "created gate a\nupdated experiment b\n\
            kept metric c: it was changed elsewhere\n\
            key shop: secret-1 (shown this once)\n\
            2 changed, 4 unchanged, 1 kept\n";
        assert_eq!(told(&applied, false), expected);
        assert_eq!(told(&Applied::default(), true), "0 would change, 0 unchanged, 0 kept\n");
    }
}
