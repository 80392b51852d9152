//! Tracked flows over nfnetlink (subsystem `NFNL_SUBSYS_CTNETLINK`, `linux/netfilter/nfnetlink_conntrack.h`).
//!
//! The codec is our own, since of what a listing, a filter and an exact deletion need, `netlink-packet-netfilter` 0.4
//! knows the tuples only: neither `CTA_ID` nor `CTA_ZONE`, `CTA_TUPLE_ZONE` or `CTA_FILTER`.

mod attributes;
mod encode;
mod parse;

use std::net::IpAddr;

use crate::{
    connection::{Connection, Question},
    errno::Errno,
    error::{Error, Outcome, Traffic},
    netfilter,
};

use self::attributes as attr;

/// How often a listing is tried that the kernel marks as inconsistent; kube-proxy tries as often.
const MAX_LISTINGS: u32 = 5;

/// A handle on the tracked flows of one network namespace. Every call needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Conntrack {
    connection: Connection,
    /// Whether the kernel may be asked to filter; cleared when it refuses.
    filters: bool,
}

/// The address family of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 (`NFPROTO_IPV4`).
    Inet,
    /// IPv6 (`NFPROTO_IPV6`).
    Inet6,
}

/// Which flows to list: those that match all that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The family.
    pub family: Family,
    /// The IP protocol number of a protocol with ports: 6 TCP, 17 UDP, 132 SCTP. Of other protocols nothing is listed.
    pub protocol: u8,
    /// Where the first packet was sent to, before any translation; `None` for anywhere.
    pub original_destination: Option<IpAddr>,
    /// The port that the first packet was sent to, before any translation; `None` for any.
    pub original_destination_port: Option<u16>,
}

/// A tracked flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The IP protocol number.
    pub protocol: u8,
    /// The flow as the first packet had it, before any translation (`CTA_TUPLE_ORIG`).
    pub original: Tuple,
    /// The flow as answers have it when they arrive (`CTA_TUPLE_REPLY`). Its source is who really serves the flow; its
    /// destination is who that one believes to talk to.
    pub reply: Tuple,
    /// The kernel's number for the flow (`CTA_ID`), as `conntrack -o id` prints it. It depends on the original tuple
    /// and on where in memory the flow lies, so one that was made again under the same tuple often has the same.
    pub id: Option<u32>,
    /// The zone that answers are looked up in: `CTA_ZONE`, or `CTA_TUPLE_ZONE` of the reply tuple if the zone counts
    /// for answers only. `None` is the default zone, 0.
    pub zone: Option<u16>,
}

/// One direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The source address.
    pub source: IpAddr,
    /// The source port.
    pub source_port: u16,
    /// The destination address.
    pub destination: IpAddr,
    /// The destination port.
    pub destination_port: u16,
}

// === impl Conntrack ===

impl Conntrack {
    /// Opens a handle on the calling thread's network namespace.
    ///
    /// # Errors
    /// If the socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        Ok(Self::over(Connection::open("conntrack", netlink_sys::protocols::NETLINK_NETFILTER)?))
    }

    fn over(connection: Connection) -> Self {
        Self { connection, filters: true }
    }

    /// Lists the flows that match, sorted, each once (`IPCTNL_MSG_CT_GET`).
    ///
    /// From Linux 5.8 on, the kernel sends only those that match (`CTA_FILTER`), save that an IPv6 address is compared
    /// here. Older kernels send every flow of the family, with the same result.
    ///
    /// The list is no snapshot. A flow that begins or ends meanwhile may be in it or not, and when the kernel's table
    /// is resized meanwhile any flow may be missing; ctnetlink gives no sign of either. A listing that is marked as
    /// inconsistent nevertheless (`NLM_F_DUMP_INTR`) is tried again, and the fifth is returned as it is: who deletes
    /// what is stale can use a part.
    ///
    /// # Errors
    /// [`Error::Kernel`] with `EINVAL` if the kernel has no ctnetlink (the module `nf_conntrack_netlink`), `EPERM`
    /// without `CAP_NET_ADMIN`.
    pub fn flows(&mut self, filter: &Filter) -> Result<Vec<Flow>, Error> {
        if self.filters {
            match self.list(filter, true) {
                Err(Error::Kernel { errno: Errno::EINVAL | Errno::EOPNOTSUPP, .. }) => {}
                listed => return listed,
            }
        }
        let flows = self.list(filter, false)?;
        self.filters = false;
        Ok(flows)
    }

    /// Deletes flows, many in one send, and returns one outcome for each (`IPCTNL_MSG_CT_DELETE`). The outcome is
    /// `ENOENT` if the flow is gone.
    ///
    /// A flow is deleted only if its zone, its reply tuple and its `CTA_ID` are as listed, and with the latter its
    /// original tuple. So one that has ended and has been made again towards somebody else lives.
    ///
    /// # Errors
    /// If it is unknown what the kernel did; see [`Error`].
    pub fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        self.connection.apply("deleting flows", flows, encode::delete)
    }

    /// What was exchanged with the kernel so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic()
    }

    fn list(&mut self, filter: &Filter, in_kernel: bool) -> Result<Vec<Flow>, Error> {
        let question = Question {
            what: "listing flows",
            kind: attr::IPCTNL_MSG_CT_GET,
            flags: 0,
            body: &|encoder| encode::list(encoder, filter, in_kernel),
        };
        let mut flows = self.connection.dump_leniently(MAX_LISTINGS, &question, |message, found| {
            if message.kind == attr::IPCTNL_MSG_CT_NEW {
                found.extend(parse::flow(message)?.filter(|flow| filter.matches(flow)));
            }
            Ok(())
        })?;
        // The kernel begins a bucket of its table again if the flow is gone at which it stopped.
        flows.sort_unstable();
        flows.dedup();
        Ok(flows)
    }
}

// === impl Family ===

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }
}

impl From<Family> for u8 {
    fn from(family: Family) -> Self {
        match family {
            Family::Inet => netfilter::NFPROTO_IPV4,
            Family::Inet6 => netfilter::NFPROTO_IPV6,
        }
    }
}

// === impl Filter ===

impl Filter {
    /// All flows of a family and a protocol.
    #[must_use]
    pub fn new(family: Family, protocol: u8) -> Self {
        Self { family, protocol, original_destination: None, original_destination_port: None }
    }

    fn matches(&self, flow: &Flow) -> bool {
        let Tuple { destination, destination_port, .. } = flow.original;
        Family::of(destination) == self.family
            && flow.protocol == self.protocol
            && self.original_destination.is_none_or(|address| address == destination)
            && self.original_destination_port.is_none_or(|port| port == destination_port)
    }
}

#[cfg(test)]
pub(crate) use self::tests::parse_as_anything;

#[cfg(test)]
mod tests;
