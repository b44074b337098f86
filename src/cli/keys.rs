//! `weir keys`: lists, makes and revokes keys, and prints the link that signs in to the console. A new key's text is printed
//! once and kept nowhere.

use super::door::{Door, KeyRow, NewKey, console_link};
use super::place::Place;
use super::say;
use std::fmt::Write;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct KeysArgs {
    #[command(subcommand)]
    pub action: Option<KeysAction>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, clap::Subcommand)]
pub enum KeysAction {
    /// List all keys; secret ones are not shown
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Make a key and print it
    Create {
        /// What it is for
        #[arg(long, env = "WEIR_DESCRIPTION", value_name = "TEXT")]
        description: String,
        /// Server (secret), client (public: writes events and evaluates) or console
        #[arg(long = "type", env = "WEIR_TYPE", value_name = "TYPE")]
        kind: KeyKind,
        /// What a console key may do
        #[arg(long, env = "WEIR_ROLE", value_name = "ROLE")]
        role: Option<KeyRole>,
        #[command(flatten)]
        place: Place,
    },
    /// Print a link to the running server's console; it works once, for 24 hours
    Link {
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a key by its ID, as listed
    Revoke {
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyKind {
    Server,
    Client,
    Console,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyRole {
    Viewer,
    Editor,
    Admin,
}

pub fn run(args: &KeysArgs) -> anyhow::Result<()> {
    match &args.action {
        None => list(&args.place),
        Some(KeysAction::List { place }) => list(place),
        Some(KeysAction::Create { description, kind, role, place }) => {
            let new = new_key(description, *kind, *role);
            let made = Door::open_or_make(&place.config()?)?.create_key(&new)?;
            say(&format!("{}\n", made.key.unwrap_or(made.id)))?;
            Ok(())
        }
        Some(KeysAction::Link { place }) => {
            say(&format!("{}\n", console_link(&place.config()?)?))?;
            Ok(())
        }
        Some(KeysAction::Revoke { id, place }) => {
            Door::open(&place.config()?)?.revoke_key(id)?;
            say(&format!("revoked {id}\n"))?;
            Ok(())
        }
    }
}

fn list(place: &Place) -> anyhow::Result<()> {
    say(&table(&Door::open(&place.config()?)?.keys()?))?;
    Ok(())
}

/// In the words of the console API.
fn new_key(description: &str, kind: KeyKind, role: Option<KeyRole>) -> NewKey {
    let kind = match kind {
        KeyKind::Server => "SERVER",
        KeyKind::Client => "CLIENT",
        KeyKind::Console => "CONSOLE",
    };
    let role = role.map(|role| match role {
        KeyRole::Viewer => "viewer",
        KeyRole::Editor => "editor",
        KeyRole::Admin => "admin",
    });
    NewKey { description: description.to_owned(), kind: kind.to_owned(), role: role.map(str::to_owned) }
}

fn table(keys: &[KeyRow]) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let head = ["ID", "TYPE", "ROLE", "DESCRIPTION", "KEY"].map(str::to_owned);
    let rows: Vec<[String; 5]> =
        std::iter::once(head)
            .chain(keys.iter().map(|key| {
                [key.id.clone(), key.kind.clone(), shown(&key.role), key.description.clone(), shown(&key.key)]
            }))
            .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(text, "{}", cells.join("  ").trim_end()).expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_table() {
        let key = |id: &str, kind: &str, key: Option<&str>| KeyRow {
            id: id.into(),
            description: "the shop".into(),
            kind: kind.into(),
            role: None,
            key: key.map(str::to_owned),
        };
        let expected = "ID      TYPE    ROLE  DESCRIPTION  KEY\n\
                        key-1   SERVER  -     the shop     -\n\
                        key-22  CLIENT  -     the shop     client-1\n";
        assert_eq!(table(&[key("key-1", "SERVER", None), key("key-22", "CLIENT", Some("client-1"))]), expected);
    }
}
