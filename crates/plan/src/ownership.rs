//! Which of the observed elements are a Kubernetes proxy's, ours or a predecessor's.
//!
//! The `KUBE-*` sets say it themselves: entries go in before the virtual server and out after it, so an
//! address and port that stands in them was put there by a proxy. Everything else belongs to somebody else
//! (keepalived, kube-vip, an administrator) and is left alone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Family, Protocol};

use crate::{Entry, Member, Options, SetId, SetName, State, VirtualServerKey};

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
///
/// Nearly always everything is ours, so what is foreign is taken out instead of the rest being put together.
pub fn claim(mut observed: State, desired: &State, options: &Options) -> Claimed {
    let members = &observed.members;
    let is_foreign_server = |key: &VirtualServerKey| {
        !desired.virtual_servers.contains_key(key) && is_foreign_server(key, members, options)
    };
    let is_foreign_address =
        |address: &IpAddr| !desired.addresses.contains(address) && is_foreign_address(address, members);
    let is_served = |address: &IpAddr| options.serves(Family::of(address));
    let out = |key: &VirtualServerKey| !is_served(&key.address) || is_foreign_server(key);
    let servers = observed.virtual_servers.extract_if(.., |key, _| out(key));
    let foreign_virtual_servers = servers.map(|(key, _)| key).filter(|key| is_served(&key.address)).collect();
    let addresses =
        observed.addresses.extract_if(.., |address| !is_served(address) || is_foreign_address(address));
    let foreign_addresses = addresses.filter(is_served).collect();
    if !Family::ALL.into_iter().all(|family| options.serves(family)) {
        observed.members.retain(|member| options.serves(member.set.family));
    }
    Claimed { state: observed, foreign_virtual_servers, foreign_addresses }
}

/// Whether a virtual server that is not wanted is to be left alone, with these entries in the sets.
pub fn is_foreign_server(key: &VirtualServerKey, members: &BTreeSet<Member>, options: &Options) -> bool {
    !is_owned(key, members, options) || is_excluded(key, options)
}

/// Whether an address of `kube-ipvs0` that is not wanted is to be left alone, with these entries in the sets.
pub fn is_foreign_address(address: &IpAddr, members: &BTreeSet<Member>) -> bool {
    !members.contains(&bound(address))
}

/// The entry that stands for an address of `kube-ipvs0`.
fn bound(address: &IpAddr) -> Member {
    Member::new(SetName::IpvsIps, Family::of(address), Entry::Ip(*address))
}

/// [`claim`] where everything of a proxy's has to go, and a part of it may be gone: `sets` are those that exist. What
/// nothing names any more because its set was destroyed is known by `kube-ipvs0`, which nobody but a proxy has.
pub fn claim_remains(mut observed: State, sets: &BTreeSet<SetId>, options: &Options) -> Claimed {
    let lost = |name, address: &IpAddr| !sets.contains(&SetId::new(name, Family::of(address)));
    let unnamed = observed.addresses.iter().filter(|address| lost(SetName::IpvsIps, address)).map(bound);
    let unnamed: Vec<Member> = unnamed.collect();
    observed.members.extend(unnamed);
    let is_bound = |address: &IpAddr| {
        observed.addresses.contains(address) && !is_foreign_address(address, &observed.members)
    };
    let orphans = observed.virtual_servers.keys();
    let orphans = orphans.filter(|key| lost(SetName::ClusterIp, &key.address) && is_bound(&key.address));
    let named: Vec<Member> = orphans
        .map(|key| {
            let pair = Entry::IpPort(key.address, key.protocol, key.port);
            Member::new(SetName::ClusterIp, Family::of(&key.address), pair)
        })
        .collect();
    observed.members.extend(named);
    claim(observed, &State::default(), options)
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
