//! Which of the observed elements are a Kubernetes proxy's, ours or a predecessor's.
//!
//! The `KUBE-*` sets say it themselves: entries go in before the virtual server and out after it, so an
//! address and port that stands in them was put there by a proxy. Everything else belongs to somebody else
//! (keepalived, kube-vip, an administrator) and is left alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Family, Protocol};

use crate::{Entry, Member, Options, SetName, State, VirtualServerKey};

/// The part of `observed` that may be changed, and what was found to be foreign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// What is ours, together with whatever stands where `desired` wants something.
    pub state: State,
    /// Virtual servers that are left alone.
    pub foreign_virtual_servers: Vec<VirtualServerKey>,
    /// Addresses on `kube-ipvs0` that are left alone.
    pub foreign_addresses: Vec<IpAddr>,
}

/// Takes from `observed` what is foreign. Elements that `desired` holds are never foreign: they are what
/// this proxy would have made. A family that is not served is not looked at.
pub fn claim(observed: State, desired: &State, options: &Options) -> Claimed {
    let owned_addresses = owned_addresses(&observed.members);
    let mut claimed = Claimed::default();
    for (key, server) in observed.virtual_servers {
        let wanted = desired.virtual_servers.contains_key(&key);
        if !options.serves(Family::of(&key.address)) {
            continue;
        } else if wanted || (is_owned(&key, &observed.members, options) && !is_excluded(&key, options)) {
            claimed.state.virtual_servers.insert(key, server);
        } else {
            claimed.foreign_virtual_servers.push(key);
        }
    }
    for address in observed.addresses {
        if !options.serves(Family::of(&address)) {
            continue;
        } else if desired.addresses.contains(&address) || owned_addresses.contains(&address) {
            claimed.state.addresses.insert(address);
        } else {
            claimed.foreign_addresses.push(address);
        }
    }
    claimed.state.members = observed.members;
    let is_served = |member: &Member| options.serves(member.set.family);
    claimed.state.members.retain(is_served);
    claimed
}

fn owned_addresses(members: &BTreeSet<Member>) -> BTreeSet<IpAddr> {
    members
        .iter()
        .filter(|member| member.set.name == SetName::IpvsIps)
        .filter_map(|member| match member.entry {
            Entry::Ip(address) => Some(address),
            _ => None,
        })
        .collect()
}

/// Whether a set names this address and port, or, for an address of this machine or of `kube-ipvs0`, this node port.
fn is_owned(key: &VirtualServerKey, members: &BTreeSet<Member>, options: &Options) -> bool {
    let family = Family::of(&key.address);
    let holds = |name, entry| members.contains(&Member::new(name, family, entry));
    let pair = Entry::IpPort(key.address, key.protocol, key.port);
    let by_pair = [
        SetName::ClusterIp,
        SetName::ExternalIp,
        SetName::ExternalIpLocal,
        SetName::LoadBalancer,
        SetName::NodePortSctp,
    ];
    // kube-proxy may have served node ports on addresses that it had bound.
    let has_node_ports =
        options.host_addresses.contains(&key.address) || holds(SetName::IpvsIps, Entry::Ip(key.address));
    let node_port = has_node_ports
        && match key.protocol {
            Protocol::Tcp => holds(SetName::NodePortTcp, Entry::Port(key.port)),
            Protocol::Udp => holds(SetName::NodePortUdp, Entry::Port(key.port)),
            Protocol::Sctp => false,
        };
    node_port || by_pair.into_iter().any(|name| holds(name, pair))
}

fn is_excluded(key: &VirtualServerKey, options: &Options) -> bool {
    options.exclude_cidrs.iter().any(|cidr| cidr.contains(&key.address))
}

#[cfg(test)]
mod tests;
