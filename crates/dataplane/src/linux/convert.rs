//! Between the words of the plan and those of netlink.

use model::{Family, Protocol};
use netlink::ipset;
use netlink::ipvs::{self, FLAG_HASHED, FLAG_PERSISTENT, Forwarding, VirtualServerId};
use plan::{Entry, Operation, RealServer, SCHEDULER_FLAG_BITS, VirtualServerConfig, VirtualServerKey};

use crate::kernel::RealServerLoad;
use crate::meter::Traffic;

/// Every bit of the client's address counts for persistence.
fn full_netmask(family: Family) -> u32 {
    match family {
        Family::V4 => u32::MAX,
        Family::V6 => 128,
    }
}

pub(super) fn id(key: &VirtualServerKey) -> VirtualServerId {
    VirtualServerId::Address { protocol: key.protocol.number(), address: key.address, port: key.port }
}

/// None for what no Service can be: firewall marks and other protocols.
pub(super) fn key(id: &VirtualServerId) -> Option<VirtualServerKey> {
    match id {
        VirtualServerId::Address { protocol, address, port } => Some(VirtualServerKey {
            address: *address,
            port: *port,
            protocol: Protocol::from_number(*protocol)?,
        }),
        VirtualServerId::FirewallMark { .. } => None,
    }
}

pub(super) fn observed_config(server: &ipvs::VirtualServer) -> VirtualServerConfig {
    let family = match server.id.family() {
        ipvs::Family::Inet => Family::V4,
        ipvs::Family::Inet6 => Family::V6,
    };
    let persistent = server.flags & FLAG_PERSISTENT != 0;
    let known = FLAG_PERSISTENT | FLAG_HASHED | SCHEDULER_FLAG_BITS;
    VirtualServerConfig {
        scheduler: server.scheduler.parse().ok(),
        scheduler_flags: server.flags & SCHEDULER_FLAG_BITS,
        persistence: persistent.then_some(server.timeout),
        unusual: server.flags & !known != 0
            || server.persistence_engine.is_some()
            || (persistent && server.netmask != full_netmask(family)),
    }
}

pub(super) fn load(status: &ipvs::RealServerStatus) -> RealServerLoad {
    let server = RealServer {
        address: status.server.address,
        port: status.server.port,
        weight: status.server.weight,
        masqueraded: status.server.forwarding == Forwarding::Masquerade,
    };
    let connections = u64::from(status.active_connections) + u64::from(status.inactive_connections);
    RealServerLoad { server, connections }
}

pub(super) fn traffic(stats: &ipvs::Stats) -> Traffic {
    let ipvs::Stats { connections, packets_in, packets_out, bytes_in, bytes_out } = *stats;
    Traffic { connections, packets_in, packets_out, bytes_in, bytes_out }
}

pub(super) fn ipvs_request(operation: &Operation) -> Option<ipvs::Request> {
    Some(match operation {
        Operation::AddVirtualServer(key, config) => {
            ipvs::Request::AddVirtualServer(wanted_config(key, config))
        }
        Operation::SetVirtualServer(key, config) => {
            ipvs::Request::SetVirtualServer(wanted_config(key, config))
        }
        Operation::RemoveVirtualServer(key) => ipvs::Request::DeleteVirtualServer(id(key)),
        Operation::AddRealServer(key, real) => {
            ipvs::Request::AddRealServer { service: id(key), server: wanted_server(real) }
        }
        Operation::SetRealServer(key, real) => {
            ipvs::Request::SetRealServer { service: id(key), server: wanted_server(real) }
        }
        Operation::RemoveRealServer(key, real, _) => {
            ipvs::Request::DeleteRealServer { service: id(key), address: real.address, port: real.port }
        }
        Operation::AddMember(_)
        | Operation::RemoveMember(_)
        | Operation::BindAddress(_)
        | Operation::UnbindAddress(_) => return None,
    })
}

fn wanted_config(key: &VirtualServerKey, config: &VirtualServerConfig) -> ipvs::VirtualServerConfig {
    let persistent = if config.persistence.is_some() { FLAG_PERSISTENT } else { 0 };
    ipvs::VirtualServerConfig {
        id: id(key),
        scheduler: config.scheduler.unwrap_or_default().name().to_owned(),
        flags: persistent | config.scheduler_flags,
        timeout: config.persistence.unwrap_or_default(),
        netmask: full_netmask(Family::of(&key.address)),
        persistence_engine: None,
    }
}

fn wanted_server(real: &RealServer) -> ipvs::RealServer {
    ipvs::RealServer {
        address: real.address,
        port: real.port,
        weight: real.weight,
        forwarding: Forwarding::Masquerade,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

pub(super) fn set_request(operation: &Operation) -> Option<ipset::Request> {
    match operation {
        Operation::AddMember(member) => {
            Some(ipset::Request::Add { set: member.set.to_string(), entry: wanted_entry(&member.entry) })
        }
        Operation::RemoveMember(member) => {
            Some(ipset::Request::Delete { set: member.set.to_string(), entry: wanted_entry(&member.entry) })
        }
        _ => None,
    }
}

fn wanted_entry(entry: &Entry) -> ipset::Entry {
    match *entry {
        Entry::Ip(address) => ipset::Entry::Ip(address),
        Entry::IpPort(address, protocol, port) => {
            ipset::Entry::IpPort { address, protocol: protocol.number(), port }
        }
        Entry::IpPortIp(address, protocol, port, address2) => {
            ipset::Entry::IpPortIp { address, protocol: protocol.number(), port, address2 }
        }
        Entry::IpPortNet(address, protocol, port, net) => ipset::Entry::IpPortNet {
            address,
            protocol: protocol.number(),
            port,
            net: net.network(),
            prefix: net.prefix_len(),
        },
        Entry::Port(port) => ipset::Entry::Port(port),
    }
}

/// None for what the plan never puts into a set, such as another protocol.
pub(super) fn observed_entry(entry: &ipset::Entry) -> Option<Entry> {
    Some(match *entry {
        ipset::Entry::Ip(address) => Entry::Ip(address),
        ipset::Entry::IpPort { address, protocol, port } => {
            Entry::IpPort(address, Protocol::from_number(protocol)?, port)
        }
        ipset::Entry::IpPortIp { address, protocol, port, address2 } => {
            Entry::IpPortIp(address, Protocol::from_number(protocol)?, port, address2)
        }
        ipset::Entry::IpPortNet { address, protocol, port, net, prefix } => {
            let net = ipnet::IpNet::new(net, prefix).ok()?;
            Entry::IpPortNet(address, Protocol::from_number(protocol)?, port, net)
        }
        ipset::Entry::Port(port) => Entry::Port(port),
    })
}
