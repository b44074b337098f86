//! Takes the address: one listening socket for each thread, all on one port. Makes sure first that nobody else has it.

use super::limits::BACKLOG;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("another program listens on {0}; stop it, or choose another address with --listen")]
    InUse(SocketAddr),
    #[error("this user may not listen on {0}; choose a port from 1024 upwards with --listen")]
    Denied(SocketAddr),
    #[error("{0} is not an address of this machine; choose another one with --listen")]
    NoSuchAddress(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Failed { address: SocketAddr, source: io::Error },
}

impl BindError {
    pub(super) fn from_io(address: SocketAddr, source: io::Error) -> BindError {
        match source.kind() {
            ErrorKind::AddrInUse => BindError::InUse(address),
            ErrorKind::PermissionDenied => BindError::Denied(address),
            ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
            _ => BindError::Failed { address, source },
        }
    }
}

/// As many listening sockets as asked for (at least one). With port 0 the system chooses one for all of them.
///
/// The first binds without sharing, which fails if anybody listens there, even somebody willing to share: two servers must
/// not divide one port between them without noticing. It shares only from then on.
pub(super) fn listeners(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    bind_all(address, count.max(1)).map_err(|error| BindError::from_io(address, error))
}

fn bind_all(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind(address, false)?;
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    if count > 1 {
        first.set_reuse_port(true)?;
    }
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(bind(address, true)?);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

fn bind(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that a restart need not wait for the connections of the run before to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
