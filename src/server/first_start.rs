//! What a new house needs and says: its first keys, its address, the console link, a line that sends a first event. Writes to
//! standard output only; keys never reach the log.

use crate::admin::{Admin, AdminError, NewKey};
use crate::catalog::{KeyType, Role};
use std::io::Write;
use std::net::SocketAddr;

const AUTHOR: &str = "first start";

/// Makes a key of each type where there are none at all.
pub(super) fn make_keys(admin: &Admin) -> Result<Vec<NewKey>, AdminError> {
    if !admin.keys().is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        admin.make_key("server", KeyType::Server, None, AUTHOR)?,
        admin.make_key("browser", KeyType::Client, None, AUTHOR)?,
        admin.make_key("automation", KeyType::Console, Some(Role::Admin), AUTHOR)?,
    ])
}

/// Prints secrets that are shown this once.
pub(super) fn show_keys(keys: &[NewKey]) {
    for key in keys {
        if let Some(text) = &key.info.key {
            say(&format!("new key {}: {text}", key.info.description));
        }
    }
}

fn say(line: &str) {
    // Whoever started the server may have stopped reading; that is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The ready line first: programs wait for it.
pub(super) fn announce(address: SocketAddr, admin: &Admin, made: &[NewKey]) {
    say(&format!("listening on http://{address}"));
    show_keys(made);
    let link = admin.console_link("console link", Role::Admin);
    say(&format!("console: http://{address}{}  (works once, for 24 hours)", link.path));
    let keys = admin.keys();
    if let Some(key) = keys.iter().find(|key| key.kind == KeyType::Client).and_then(|key| key.key.as_deref()) {
        say("send an event:");
        say(&format!(
            "  curl -u {key}: -H 'Content-Type: application/json' -d '{{\"userId\":\"user-1\",\"event\":\"First Event\"}}' \
             http://{address}/v1/track"
        ));
    }
}
