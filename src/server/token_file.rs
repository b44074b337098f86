//! The file by which commands on this machine find a running server and are let in. Only its owner can read it.

use crate::admin::Admin;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const TOKEN_FILE: &str = "weir.token";

/// Removes the file when it is dropped.
pub(super) struct TokenFile(PathBuf);

impl Drop for TokenFile {
    fn drop(&mut self) {
        // A file that stays behind does no harm: its token died with the process.
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) fn leave(data: &Path, address: SocketAddr, admin: &Admin) -> io::Result<TokenFile> {
    let path = data.join(TOKEN_FILE);
    // One that an earlier process left behind may have other permissions.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let reachable = reachable(address);
    let document =
        serde_json::json!({ "address": format!("http://{reachable}"), "token": admin.machine_token("command line") });
    file.write_all(document.to_string().as_bytes())?;
    Ok(TokenFile(path))
}

/// A server that listens on every address is reached on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, address.port())
}
