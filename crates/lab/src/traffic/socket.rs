//! Sockets of the three protocols, alike as far as they can be.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Protocol;

/// A socket of the calling thread's network namespace.
pub(super) fn open(protocol: Protocol, domain: Domain) -> io::Result<Socket> {
    let (kind, protocol) = match protocol {
        Protocol::Tcp => (Type::STREAM, socket2::Protocol::TCP),
        Protocol::Udp => (Type::DGRAM, socket2::Protocol::UDP),
        Protocol::Sctp => (Type::STREAM, socket2::Protocol::SCTP),
    };
    Socket::new(domain, kind, Some(protocol))
}

/// A socket that serves an address. `[::]` serves both families.
pub(super) fn serve(protocol: Protocol, address: SocketAddr, patience: Duration) -> io::Result<Socket> {
    let socket = open(protocol, Domain::for_address(address))?;
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    if protocol != Protocol::Udp {
        socket.listen(1024)?;
    }
    // Accepting and receiving give up after this, so that a server sees that it is to stop.
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

/// A socket that is connected to a server, and patient for as long as said.
pub(super) fn connect(
    protocol: Protocol,
    address: SocketAddr,
    source: Option<SocketAddr>,
    patience: Duration,
) -> io::Result<Socket> {
    let socket = open(protocol, Domain::for_address(address))?;
    if let Some(source) = source {
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
    }
    socket.connect_timeout(&address.into(), patience)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    Ok(socket)
}

/// Whether a call gave up because its time was over.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The address as its own family writes it: `::ffff:10.0.0.1` is 10.0.0.1.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
