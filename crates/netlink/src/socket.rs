//! The door to the kernel: a blocking netlink socket, behind a small trait so that tests can script replies.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use netlink_sys::SocketAddr;
use nix::sys::{
    socket::{setsockopt, sockopt},
    time::TimeVal,
};
use socket2::{SockFilter, SockRef};

use crate::{errno::Errno, error::Error};

/// How long to wait for the kernel. It works on a request before the send returns, so an answer is there at
/// once, unless it had to load a module or waits for another process's changes.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The kernel's dumps fill at most 32 KiB, and the longest message that it sends back whole is one of ours.
const DATAGRAM: usize = 128 * 1024;
/// Room for the replies that wait to be read.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// More datagrams than this cannot have been left over in [`RECEIVE_BUFFER`].
const MAX_LEFTOVERS: u32 = 1_000_000;

/// Carries messages to the kernel and back.
pub(crate) trait Transport: Send {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno>;

    /// Waits for one datagram, puts it in `buffer`, and returns its true length: more than the buffer has if
    /// the datagram was truncated. `EAGAIN` means that nothing came in time.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno>;

    /// Drops whatever is waiting, without blocking; this also brings a dump to its end that was left halfway.
    fn discard(&mut self);
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: netlink_sys::Socket,
}

// === impl Socket ===

impl Socket {
    pub(crate) fn open(what: &'static str, protocol: isize) -> Result<Self, Error> {
        let socket = Self::new(protocol).map_err(|errno| Error::Open { what, errno })?;
        socket.set_receive_timeout(ANSWER_TIMEOUT).map_err(|errno| Error::Open { what, errno })?;
        Ok(socket)
    }

    /// Lets the kernel check the header of dump requests, and filter by it (Linux 4.20 and newer).
    pub(crate) fn set_strict_check(&self) -> Result<(), Errno> {
        Ok(self.inner.set_netlink_get_strict_chk(true)?)
    }

    /// Lets the kernel drop messages before they reach the receive buffer.
    pub(crate) fn attach_filter(&self, filter: &[SockFilter]) -> Result<(), Errno> {
        Ok(SockRef::from(&self.inner).attach_filter(filter)?)
    }

    pub(crate) fn subscribe(&mut self, group: u32) -> Result<(), Errno> {
        Ok(self.inner.add_membership(group)?)
    }

    /// A time of zero waits for ever.
    pub(crate) fn set_receive_timeout(&self, timeout: Duration) -> Result<(), Errno> {
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let timeout = TimeVal::new(seconds, timeout.subsec_micros().into());
        Ok(setsockopt(&self.inner, sockopt::ReceiveTimeout, &timeout)?)
    }

    fn new(protocol: isize) -> Result<Self, Errno> {
        let mut inner = netlink_sys::Socket::new(protocol)?;
        inner.bind_auto()?;
        // Kernels before 4.12 cannot give their reasons in words, and those before 4.3 send requests back whole.
        let _ = inner.set_ext_ack(true);
        let _ = inner.set_cap_ack(true);
        // Going past the limit of net.core.rmem_max needs CAP_NET_ADMIN in the initial user namespace.
        if setsockopt(&inner, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&inner, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        Ok(Self { inner })
    }
}

impl Transport for Socket {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let sent = self.inner.send_to(bytes, &SocketAddr::new(0, 0), 0)?;
        if sent == bytes.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
    }

    /// Datagrams from other processes, which anyone may send to a netlink port, are passed over.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        loop {
            buffer.clear();
            buffer.reserve(DATAGRAM);
            let (length, sender) = self.inner.recv_from(buffer, nix::libc::MSG_TRUNC)?;
            if sender.port_number() == 0 {
                return Ok(length);
            }
        }
    }

    fn discard(&mut self) {
        let mut buffer = Vec::with_capacity(DATAGRAM);
        for _ in 0..MAX_LEFTOVERS {
            buffer.clear();
            match self.inner.recv_from(&mut buffer, nix::libc::MSG_DONTWAIT).map_err(Errno::from) {
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Socket, Transport};
    use crate::Errno;

    #[test]
    fn a_receive_ends_when_nothing_comes() {
        let mut socket = Socket::open("a test", netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        socket.set_receive_timeout(Duration::from_millis(1)).unwrap();
        assert_eq!(socket.receive(&mut Vec::new()), Err(Errno::EAGAIN));
        socket.discard();
    }
}
