//! Links, addresses and local routes over rtnetlink, with the message types of `netlink-packet-route`.

mod addresses;
mod filter;
mod links;
mod local_routes;
mod monitor;

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::NetlinkSerializable;
use netlink_packet_route::RouteNetlinkMessage;

use crate::{
    attribute::Encoder,
    connection::Connection,
    errno::Errno,
    error::{Error, Outcome, Traffic},
    message::{APPEND, Batch, CREATE, EXCL},
    socket::Socket,
};

pub use self::monitor::{Event, Monitor};

/// A handle on the links and addresses of one network namespace.
#[derive(Debug)]
pub struct Route {
    connection: Connection,
    /// Whether the kernel filters dumps (Linux 4.20 and newer).
    strict: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Its number, by which addresses refer to it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is, such as `dummy` or `veth` (`IFLA_INFO_KIND`); hardware and the loopback have none.
    pub kind: Option<String>,
    /// Whether it is administratively up (`IFF_UP`).
    pub up: bool,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    /// The number of the interface.
    pub link: u32,
    /// The address on this host (`IFA_LOCAL`, else `IFA_ADDRESS`).
    pub address: IpAddr,
    /// The prefix length.
    pub prefix: u8,
    /// Where the address is valid.
    pub scope: Scope,
}

/// Where an address is valid (`rtnetlink(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everywhere (`RT_SCOPE_UNIVERSE`, "global").
    Universe,
    /// Within the site (`RT_SCOPE_SITE`).
    Site,
    /// On the link (`RT_SCOPE_LINK`).
    Link,
    /// On this host (`RT_SCOPE_HOST`).
    Host,
    /// Nowhere (`RT_SCOPE_NOWHERE`).
    Nowhere,
    /// Any other.
    Other(u8),
}

/// A route of the table `local` that makes one IPv4 address local, as an address of a link would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalRoute {
    /// The number of the link that it leads to, which need not be up.
    pub link: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// Who made it (`rtm_protocol`); the kernel's own routes for addresses of links have 2.
    pub protocol: u8,
}

/// A change to what is local by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressRequest {
    /// Adds an address as `ip addr add` does; `EEXIST` if the interface has it.
    Add {
        /// The number of the interface.
        link: u32,
        /// The address.
        address: IpAddr,
        /// The prefix length.
        prefix: u8,
    },
    /// Deletes an address; `EADDRNOTAVAIL` if the interface does not have it.
    Delete {
        /// The number of the interface.
        link: u32,
        /// The address.
        address: IpAddr,
        /// The prefix length.
        prefix: u8,
    },
    /// Adds a route as `ip route append local` does, with scope `host`: beside others to the same address; `EEXIST`
    /// if there is this very one.
    AddRoute(LocalRoute),
    /// Deletes a route; `ESRCH` if there is no such route.
    DeleteRoute(LocalRoute),
}

// === impl Route ===

impl Route {
    /// Opens a handle on the calling thread's network namespace.
    ///
    /// # Errors
    /// If the socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        let socket = Socket::open("links and addresses", netlink_sys::protocols::NETLINK_ROUTE)?;
        let strict = socket.set_strict_check().is_ok();
        Ok(Self { connection: Connection::over(Box::new(socket)), strict })
    }

    /// Lists the links.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn links(&mut self) -> Result<Vec<Link>, Error> {
        links::list(&mut self.connection)
    }

    /// Finds a link by its name.
    ///
    /// # Errors
    /// If the kernel refuses for another reason than that there is no such link.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        links::find(&mut self.connection, name)
    }

    /// Makes a link of kind `dummy`, which is down.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `EEXIST` if a link has that name, `EOPNOTSUPP` if the kernel has no dummy links.
    pub fn create_dummy(&mut self, name: &str) -> Result<(), Error> {
        links::create_dummy(&mut self.connection, name)
    }

    /// Deletes a link.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `ENODEV` if there is no such link, `EOPNOTSUPP` if it cannot be deleted.
    pub fn delete_link(&mut self, index: u32) -> Result<(), Error> {
        links::delete(&mut self.connection, index)
    }

    /// Lists the addresses of all links, both families; IPv6 addresses that are tentative or deprecated, too.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, Error> {
        addresses::list(&mut self.connection, None)
    }

    /// Lists the addresses of one link, both families; none if there is no such link. The kernel looks at that
    /// link only, if it can.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn addresses_of(&mut self, link: u32) -> Result<Vec<InterfaceAddress>, Error> {
        let filter = self.strict.then_some(link);
        let listed = match addresses::list(&mut self.connection, filter) {
            Err(Error::Kernel { errno: Errno::ENODEV, .. }) => return Ok(Vec::new()),
            listed => listed?,
        };
        Ok(listed.into_iter().filter(|address| address.link == link).collect())
    }

    /// Lists the local routes to single IPv4 addresses by one link that one protocol has made; none if there is no
    /// such link. The kernel sends no others, if it can filter.
    ///
    /// # Errors
    /// If the kernel refuses, or the list is incomplete.
    pub fn local_routes(&mut self, link: u32, protocol: u8) -> Result<Vec<LocalRoute>, Error> {
        let filter = self.strict.then_some((link, protocol));
        let listed = match local_routes::list(&mut self.connection, filter) {
            // There is no such link, or no table `local` yet: it is made with its first route.
            Err(Error::Kernel { errno: Errno::ENODEV | Errno::ENOENT, .. }) => return Ok(Vec::new()),
            listed => listed?,
        };
        Ok(listed.into_iter().filter(|route| route.link == link && route.protocol == protocol).collect())
    }

    /// Makes changes, in order, and returns one outcome for each.
    ///
    /// # Errors
    /// If it is unknown what the kernel did; see [`Error`].
    pub fn apply(&mut self, requests: &[AddressRequest]) -> Result<Vec<Outcome>, Error> {
        self.connection.apply("changing addresses", requests, encode)
    }

    /// What was exchanged with the kernel so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic()
    }
}

fn encode(batch: &mut Batch<usize>, index: usize, request: &AddressRequest) -> Result<(), Errno> {
    let (flags, message) = match *request {
        AddressRequest::Add { link, address, prefix } => {
            (CREATE | EXCL, RouteNetlinkMessage::NewAddress(addresses::body(link, address, prefix)))
        }
        AddressRequest::Delete { link, address, prefix } => {
            (0, RouteNetlinkMessage::DelAddress(addresses::body(link, address, prefix)))
        }
        AddressRequest::AddRoute(route) => {
            (CREATE | APPEND, RouteNetlinkMessage::NewRoute(local_routes::body(&route)))
        }
        AddressRequest::DeleteRoute(route) => (0, RouteNetlinkMessage::DelRoute(local_routes::body(&route))),
    };
    push(batch, index, flags, &message)
}

/// Appends a message of `netlink-packet-route` to a batch.
fn push<T>(batch: &mut Batch<T>, tag: T, flags: u16, message: &RouteNetlinkMessage) -> Result<(), Errno> {
    batch.push(tag, message.message_type(), flags, |encoder| {
        emit(encoder, message);
    })
}

/// Serializes over zeros, since not every serializer writes its padding.
fn emit(encoder: &mut Encoder<'_>, message: &RouteNetlinkMessage) {
    message.serialize(encoder.zeros(message.buffer_len()));
}

#[cfg(test)]
pub(crate) use self::tests::parse_as_anything;

#[cfg(test)]
mod tests;
