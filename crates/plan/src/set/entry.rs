//! What sets hold.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use model::{Family, Protocol};

use super::{SetId, SetName};
use crate::VirtualServerKey;

/// An entry of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Of a `hash:ip` set.
    Ip(IpAddr),
    /// Of a `hash:ip,port` set.
    IpPort(IpAddr, Protocol, u16),
    /// Of a `hash:ip,port,ip` set.
    IpPortIp(IpAddr, Protocol, u16, IpAddr),
    /// Of a `hash:ip,port,net` set. The kernel clears the host bits of the net, so a planned one has none.
    IpPortNet(IpAddr, Protocol, u16, IpNet),
    /// Of a `bitmap:port` set.
    Port(u16),
}

/// An entry and the set that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The set.
    pub set: SetId,
    /// The entry.
    pub entry: Entry,
}

// === impl Entry ===

impl Entry {
    /// No entry is ordered before it.
    pub(crate) const SMALLEST: Entry = Entry::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

/// As `ipset save` prints it: a net of a single address goes without its prefix length.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket =
            |ip: &IpAddr, protocol: &Protocol, port: &u16| format!("{ip},{}:{port}", protocol.lower_case());
        match self {
            Entry::Ip(ip) => write!(f, "{ip}"),
            Entry::IpPort(ip, protocol, port) => write!(f, "{}", socket(ip, protocol, port)),
            Entry::IpPortIp(ip, protocol, port, second) => {
                write!(f, "{},{second}", socket(ip, protocol, port))
            }
            Entry::IpPortNet(ip, protocol, port, net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{},{}", socket(ip, protocol, port), net.addr())
            }
            Entry::IpPortNet(ip, protocol, port, net) => write!(f, "{},{net}", socket(ip, protocol, port)),
            Entry::Port(port) => write!(f, "{port}"),
        }
    }
}

// === impl Member ===

impl Member {
    /// The entry `entry` of the set `name` of `family`.
    pub fn new(name: SetName, family: Family, entry: Entry) -> Self {
        Member { set: SetId::new(name, family), entry }
    }

    /// The virtual server whose traffic the entry classifies, if it is a single one: an entry of
    /// `KUBE-LOOP-BACK` names an endpoint, one that is a port holds for many addresses; see [`Member::node_port`].
    pub fn virtual_server(&self) -> Option<VirtualServerKey> {
        match self.entry {
            _ if self.set.name == SetName::LoopBack => None,
            Entry::IpPort(address, protocol, port)
            | Entry::IpPortIp(address, protocol, port, _)
            | Entry::IpPortNet(address, protocol, port, _) => {
                Some(VirtualServerKey { address, port, protocol })
            }
            Entry::Ip(_) | Entry::Port(_) => None,
        }
    }

    /// The node port whose traffic the entry classifies, on whatever address that serves node ports.
    pub fn node_port(&self) -> Option<(Protocol, u16)> {
        let Entry::Port(port) = self.entry else { return None };
        match self.set.name {
            SetName::NodePortTcp | SetName::NodePortLocalTcp => Some((Protocol::Tcp, port)),
            SetName::NodePortUdp | SetName::NodePortLocalUdp => Some((Protocol::Udp, port)),
            _ => None,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.set, self.entry)
    }
}
