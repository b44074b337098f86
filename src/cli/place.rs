//! Which server or store a command is about: the data directory, and the token file that a running server leaves in it.
//! Starts and opens nothing.

use super::client::{Address, Client, Key};
use crate::config::{Config, ConfigError, Settings};
use crate::server::STORE_FILE;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// The file that a running server leaves in its data directory, readable by its owner only.
const TOKEN_FILE: &str = "weir.token";

/// Where a command finds its server.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// Directory of weir.redb and weir.token [default: data]
    #[arg(long, env = "WEIR_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration file (JSON) that may name that directory
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(serde::Deserialize)]
struct Token {
    address: String,
    token: String,
}

impl Place {
    pub fn config(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), Settings { data: self.data.clone(), ..Settings::default() })
    }
}

/// The file of the store that is in this data directory.
pub fn store_file(data: &Path) -> anyhow::Result<PathBuf> {
    let file = data.join(STORE_FILE);
    if !file.exists() {
        bail!("there is no store in {} ({STORE_FILE}); name its directory with --data", data.display());
    }
    Ok(file)
}

/// What the token file says, or `None` where no server has left one.
pub fn token(data: &Path) -> anyhow::Result<Option<(Address, Key)>> {
    let path = data.join(TOKEN_FILE);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let token: Token = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what a server leaves there; start the server again", path.display()))?;
    Ok(Some((token.address.parse()?, Key(token.token))))
}

/// The server that runs on this data directory, or `None`. A token file that a crashed server left behind counts as none.
pub fn running(data: &Path) -> anyhow::Result<Option<Client>> {
    let Some((address, key)) = token(data)? else { return Ok(None) };
    let client = Client::new(address, key).context("cannot start the client")?;
    match client.request(hyper::Method::GET, "/health/live", "") {
        Ok(answer) if answer.status.is_success() => Ok(Some(client)),
        Ok(answer) => bail!("{} answers, but not as a Weir server does ({})", client.address(), answer.status),
        Err(super::client::Unreachable::Connect { problem, .. })
            if problem.kind() == std::io::ErrorKind::ConnectionRefused =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_server::{FakeServer, Reply};

    fn leave(data: &Path, address: &Address) {
        std::fs::write(data.join(TOKEN_FILE), format!(r#"{{"address":"{address}","token":"console-1"}}"#)).unwrap();
    }

    #[test]
    fn a_running_server_is_found_and_a_dead_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(running(folder.path()).unwrap().is_none(), "nobody left a token");
        let server = FakeServer::start(|_| Reply::json(200, "{}"));
        leave(folder.path(), &server.address());
        let client = running(folder.path()).unwrap().unwrap();
        assert_eq!(client.address(), &server.address());
        server.stop();
        assert!(running(folder.path()).unwrap().is_none(), "its token outlived it");
        std::fs::write(folder.path().join(TOKEN_FILE), "{").unwrap();
        assert!(running(folder.path()).is_err());
    }
}
