//! What IPVS holds: virtual servers and their real servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::Protocol;

use crate::Scheduler;

/// The identity of a virtual server in IPVS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualServerKey {
    /// The service address.
    pub address: IpAddr,
    /// The service port.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

/// A virtual server and the real servers that it balances over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// How it balances.
    pub config: VirtualServerConfig,
    /// Its real servers, ordered by address and port, each of which appears once.
    pub real_servers: Vec<RealServer>,
    /// How long real servers that are taken out may keep their connections; none for the proxy's own limit.
    /// Not a part of the kernel's state, so a difference in it alone leads to no operation.
    pub drain_timeout: Option<Duration>,
}

/// The attributes of a virtual server that can be changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualServerConfig {
    /// The scheduler; absent for one that this program has no name for, which only a kernel can report.
    pub scheduler: Option<Scheduler>,
    /// The scheduler's flags: the bits `IP_VS_SVC_F_SCHED1` (0x08) to `IP_VS_SVC_F_SCHED3` (0x20).
    pub scheduler_flags: u32,
    /// The persistence timeout in seconds; absent without persistence.
    pub persistence: Option<u32>,
    /// Anything else that is set and that this proxy never asks for, such as a coarser persistence mask or
    /// one-packet scheduling. Always false in what is planned.
    pub unusual: bool,
}

/// A real server, which IPVS calls a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServer {
    /// The endpoint's address.
    pub address: IpAddr,
    /// The endpoint's port.
    pub port: u16,
    /// Its share of new connections; 0 gets none while old ones live on.
    pub weight: u32,
    /// Whether packets are forwarded by masquerading, the only method planned here.
    pub masqueraded: bool,
}

/// The identity of a real server within its virtual server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerKey {
    /// The endpoint's address.
    pub address: IpAddr,
    /// The endpoint's port.
    pub port: u16,
}

// === impl VirtualServerKey ===

impl fmt::Display for VirtualServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", SocketAddr::new(self.address, self.port), self.protocol)
    }
}

// === impl RealServer ===

impl RealServer {
    /// Its identity.
    pub fn key(&self) -> RealServerKey {
        RealServerKey { address: self.address, port: self.port }
    }
}

impl fmt::Display for RealServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SocketAddr::new(self.address, self.port))
    }
}
