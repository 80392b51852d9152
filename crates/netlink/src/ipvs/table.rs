//! What the IPVS table holds, and how it is changed.

use std::net::IpAddr;

use super::attributes as attr;

/// Clients stay with their real server for [`VirtualServer::timeout`] (`IP_VS_SVC_F_PERSISTENT`).
pub const FLAG_PERSISTENT: u32 = 0x1;
/// Set by the kernel on every virtual server that it lists (`IP_VS_SVC_F_HASHED`).
pub const FLAG_HASHED: u32 = 0x2;
/// Every packet is scheduled on its own, for UDP (`IP_VS_SVC_F_ONEPACKET`).
pub const FLAG_ONE_PACKET: u32 = 0x4;
/// The scheduler's first flag: `sh-fallback`, `mh-fallback` (`IP_VS_SVC_F_SCHED1`).
pub const FLAG_SCHEDULER_1: u32 = 0x8;
/// The scheduler's second flag: `sh-port`, `mh-port` (`IP_VS_SVC_F_SCHED2`).
pub const FLAG_SCHEDULER_2: u32 = 0x10;
/// The scheduler's third flag (`IP_VS_SVC_F_SCHED3`).
pub const FLAG_SCHEDULER_3: u32 = 0x20;

/// The address family of a virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 (`AF_INET`).
    Inet,
    /// IPv6 (`AF_INET6`).
    Inet6,
}

/// What identifies a virtual server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VirtualServerId {
    /// Packets to an address and port.
    Address {
        /// The IP protocol number: 6 TCP, 17 UDP, 132 SCTP.
        protocol: u8,
        /// The virtual address.
        address: IpAddr,
        /// The virtual port; 0 is every port, which needs [`FLAG_PERSISTENT`].
        port: u16,
    },
    /// Packets that carry a firewall mark.
    FirewallMark {
        /// The family of the packets.
        family: Family,
        /// The mark.
        mark: u32,
    },
}

/// A virtual server to be made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VirtualServerConfig {
    /// Which virtual server.
    pub id: VirtualServerId,
    /// The scheduler's name, as in `ipvsadm -s`. The kernel loads its module if it can.
    pub scheduler: String,
    /// A sum of `FLAG_*`.
    pub flags: u32,
    /// How long a client stays with its real server, in seconds.
    pub timeout: u32,
    /// How many bits of a client's address count for persistence. IPv4: the mask as a number, `0xffff_ffff` for
    /// /32. IPv6: the prefix length from 1 to 128, checked by the kernel even without persistence.
    pub netmask: u32,
    /// The persistence engine's name, such as `sip`.
    pub persistence_engine: Option<String>,
}

/// A virtual server as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VirtualServer {
    /// Which virtual server.
    pub id: VirtualServerId,
    /// The scheduler's name; empty if none is bound.
    pub scheduler: String,
    /// A sum of `FLAG_*`, [`FLAG_HASHED`] included.
    pub flags: u32,
    /// How long a client stays with its real server, in seconds.
    pub timeout: u32,
    /// See [`VirtualServerConfig::netmask`].
    pub netmask: u32,
    /// The persistence engine's name.
    pub persistence_engine: Option<String>,
    /// Counters since the virtual server was made.
    pub stats: Stats,
}

/// A real server: a destination of a virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RealServer {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its share of new connections; 0 gives it none.
    pub weight: u32,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// At this number of connections it gets no new ones; 0 is no limit.
    pub upper_threshold: u32,
    /// Below this number of connections it gets new ones again; 0 is three quarters of the upper threshold.
    pub lower_threshold: u32,
}

/// How packets reach a real server (`IP_VS_CONN_F_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// The destination address is rewritten (`IP_VS_CONN_F_MASQ`, `ipvsadm -m`).
    Masquerade,
    /// The real server is this host (`IP_VS_CONN_F_LOCALNODE`).
    Local,
    /// In a tunnel (`IP_VS_CONN_F_TUNNEL`, `ipvsadm -i`).
    Tunnel,
    /// To the real server's link-layer address (`IP_VS_CONN_F_DROUTE`, `ipvsadm -g`).
    DirectRoute,
    /// Past IPVS (`IP_VS_CONN_F_BYPASS`).
    Bypass,
    /// A method that this crate does not know.
    Other(u32),
}

/// A real server as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RealServerStatus {
    /// The real server.
    pub server: RealServer,
    /// Connections in an established state.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Persistence templates: clients that stay with it.
    pub persistent_connections: u32,
    /// Counters since the real server was added.
    pub stats: Stats,
}

/// Counters of a virtual or real server: 64 bits wide, or 32 on kernels before 4.1.
///
/// The kernel brings what it lists up to date every two seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

/// Connection timeouts of the namespace, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// Established TCP connections.
    pub tcp: u32,
    /// TCP connections after a FIN.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

/// The kernel's IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Info {
    /// Major, minor and patch version.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table.
    pub connection_table_size: u32,
}

/// A change to the IPVS table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// `IPVS_CMD_NEW_SERVICE`.
    AddVirtualServer(VirtualServerConfig),
    /// `IPVS_CMD_SET_SERVICE`: replaces scheduler, flags, timeout, netmask and persistence engine.
    SetVirtualServer(VirtualServerConfig),
    /// `IPVS_CMD_DEL_SERVICE`, with its real servers.
    DeleteVirtualServer(VirtualServerId),
    /// `IPVS_CMD_NEW_DEST`.
    AddRealServer {
        /// The virtual server.
        service: VirtualServerId,
        /// The real server.
        server: RealServer,
    },
    /// `IPVS_CMD_SET_DEST`: replaces weight, forwarding and thresholds.
    SetRealServer {
        /// The virtual server.
        service: VirtualServerId,
        /// The real server.
        server: RealServer,
    },
    /// `IPVS_CMD_DEL_DEST`.
    DeleteRealServer {
        /// The virtual server.
        service: VirtualServerId,
        /// The real server's address.
        address: IpAddr,
        /// The real server's port.
        port: u16,
    },
}

// === impl Family ===

impl Family {
    /// The family that `address` belongs to.
    #[must_use]
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::Inet } else { Self::Inet6 }
    }

    pub(super) fn from_number(number: u16) -> Option<Self> {
        match number {
            attr::AF_INET => Some(Self::Inet),
            attr::AF_INET6 => Some(Self::Inet6),
            _ => None,
        }
    }

    pub(super) fn number(self) -> u16 {
        match self {
            Self::Inet => attr::AF_INET,
            Self::Inet6 => attr::AF_INET6,
        }
    }
}

// === impl VirtualServerId ===

impl VirtualServerId {
    /// Its address family.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address),
            Self::FirewallMark { family, .. } => *family,
        }
    }
}

// === impl VirtualServer ===

impl VirtualServer {
    /// The part that can be set, without [`FLAG_HASHED`].
    #[must_use]
    pub fn config(&self) -> VirtualServerConfig {
        VirtualServerConfig {
            id: self.id,
            scheduler: self.scheduler.clone(),
            flags: self.flags & !FLAG_HASHED,
            timeout: self.timeout,
            netmask: self.netmask,
            persistence_engine: self.persistence_engine.clone(),
        }
    }
}

// === impl Forwarding ===

impl From<u32> for Forwarding {
    fn from(method: u32) -> Self {
        match method {
            0 => Self::Masquerade,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::DirectRoute,
            4 => Self::Bypass,
            other => Self::Other(other),
        }
    }
}

impl From<Forwarding> for u32 {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Masquerade => 0,
            Forwarding::Local => 1,
            Forwarding::Tunnel => 2,
            Forwarding::DirectRoute => 3,
            Forwarding::Bypass => 4,
            Forwarding::Other(other) => other,
        }
    }
}
