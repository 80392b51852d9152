//! Changes to links and addresses as they happen.

use std::{
    collections::VecDeque,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use crate::{
    attribute::Malformed,
    errno::Errno,
    error::Error,
    message::{Message, Messages},
    socket::{Socket, Transport},
};

use super::{InterfaceAddress, Link, LocalRoute, addresses, filter, links, local_routes};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

const WHAT: &str = "watching links and addresses";

/// A subscription to the changes of links and addresses in one network namespace.
///
/// Its descriptor is readable when there is something to read. Events tell what changed, the caller's own
/// changes included; a list may already be newer than an event.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A link was made or changed.
    LinkChanged(Link),
    /// A link was removed.
    LinkRemoved(Link),
    /// An address was added or changed. What changed may be nothing that [`InterfaceAddress`] has: every router
    /// advertisement that renews a lifetime repeats the address, and so does the end of duplicate address detection.
    AddressChanged(InterfaceAddress),
    /// An address was removed.
    AddressRemoved(InterfaceAddress),
    /// A local route was removed, of the protocol that [`Monitor::follow_local_routes`] was told. The kernel says
    /// nothing of those that go with their link, or with the link's last IPv4 address.
    LocalRouteRemoved(LocalRoute),
}

// === impl Monitor ===

impl Monitor {
    /// Subscribes in the calling thread's network namespace.
    ///
    /// # Errors
    /// If the socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        let mut socket = Socket::open(WHAT, netlink_sys::protocols::NETLINK_ROUTE)?;
        for group in [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] {
            socket.subscribe(group).map_err(|errno| Error::Open { what: WHAT, errno })?;
        }
        Ok(Self { socket, buffer: Vec::new(), events: VecDeque::new() })
    }

    /// Subscribes to the removal of local routes that one protocol made. The kernel lets no other route's change
    /// through, of which a router has many.
    ///
    /// # Errors
    /// If the kernel refuses the filter or the subscription.
    pub fn follow_local_routes(&mut self, protocol: u8) -> Result<(), Error> {
        let open = |errno| Error::Open { what: WHAT, errno };
        self.socket.attach_filter(&filter::removed_local_routes(protocol)).map_err(open)?;
        self.socket.subscribe(RTNLGRP_IPV4_ROUTE).map_err(open)
    }

    /// Waits for the next change; `None` when the time is over. A time of zero does not wait.
    ///
    /// # Errors
    /// [`Error::LostReplies`] if there were more changes than the receive buffer can hold: list again, and go
    /// on with this subscription.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        while self.events.is_empty() {
            let rest = deadline.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            // The kernel takes a timeout of zero for none.
            let rest = rest.max(Duration::from_micros(1));
            self.socket.set_receive_timeout(rest).map_err(|errno| Error::Receive { what: WHAT, errno })?;
            match self.socket.receive(&mut self.buffer) {
                Ok(length) if length > self.buffer.len() => {
                    return Err(Error::LostReplies { what: WHAT, reason: "an event was cut off" });
                }
                Ok(_) => self.collect()?,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::ENOBUFS) => {
                    return Err(Error::LostReplies { what: WHAT, reason: "the receive buffer was full" });
                }
                Err(errno) => return Err(Error::Receive { what: WHAT, errno }),
            }
        }
        Ok(self.events.pop_front())
    }

    fn collect(&mut self) -> Result<(), Error> {
        for message in Messages::new(&self.buffer) {
            let event = message.and_then(|message| parse(&message));
            self.events.extend(event.map_err(|malformed| malformed.during(WHAT))?);
        }
        Ok(())
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(super) fn parse(message: &Message<'_>) -> Result<Option<Event>, Malformed> {
    Ok(match message.kind {
        links::RTM_NEWLINK => Some(Event::LinkChanged(links::parse(message)?)),
        links::RTM_DELLINK => Some(Event::LinkRemoved(links::parse(message)?)),
        addresses::RTM_NEWADDR => addresses::parse(message)?.map(Event::AddressChanged),
        addresses::RTM_DELADDR => addresses::parse(message)?.map(Event::AddressRemoved),
        local_routes::RTM_DELROUTE => local_routes::parse(message)?.map(Event::LocalRouteRemoved),
        _ => None,
    })
}
