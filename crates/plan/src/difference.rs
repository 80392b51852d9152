//! From one state to another, in an order that leaves the kernel right at every step.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::{Member, RealServer, SetName, State, VirtualServer, VirtualServerConfig, VirtualServerKey};

/// One step in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Add an entry to a set.
    AddMember(Member),
    /// Create a virtual server.
    AddVirtualServer(VirtualServerKey, VirtualServerConfig),
    /// Change a virtual server in place; its real servers and connections stay.
    SetVirtualServer(VirtualServerKey, VirtualServerConfig),
    /// Add a real server to a virtual server. One that is still draining there is revived instead.
    AddRealServer(VirtualServerKey, RealServer),
    /// Change the weight (or the forwarding method) of a real server.
    SetRealServer(VirtualServerKey, RealServer),
    /// Take a real server out: no new connections from now on, and gone once the old ones are, or after the
    /// time that its Service allows, if it says so.
    RemoveRealServer(VirtualServerKey, RealServer, Option<Duration>),
    /// Bind an address to `kube-ipvs0`.
    BindAddress(IpAddr),
    /// Take an address from `kube-ipvs0`.
    UnbindAddress(IpAddr),
    /// Remove a virtual server with its real servers and their connections.
    RemoveVirtualServer(VirtualServerKey),
    /// Remove an entry from a set.
    RemoveMember(Member),
}

/// The order of operations, which leaves the kernel right at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Addresses that lose the policy Local are masqueraded before endpoints of other nodes serve them.
    Masquerade,
    /// Entries that let traffic through.
    Allow,
    /// Entries that refuse what no other set allows.
    Refuse,
    /// Virtual servers that are new or different.
    VirtualServers,
    /// Real servers that are new or different.
    RealServers,
    /// Entries that reset connections, now that there is an endpoint.
    NoMoreReset,
    /// Real servers that go.
    WithoutRealServers,
    /// Addresses that get the policy Local are no longer masqueraded, now that only this node serves them.
    KeepSource,
    /// Addresses to bind. What comes before this is there to serve them.
    Bind,
    /// Addresses to take off.
    Unbind,
    /// Virtual servers that go.
    WithoutVirtualServers,
    /// Entries that refused.
    NoMoreRefuse,
    /// Entries that let traffic through.
    NoMoreAllow,
}

/// The operations that lead from `before` to `after`.
///
/// What is added comes in the order sets, virtual servers, real servers, addresses, so that an address
/// answers only when it can be served. What is removed goes the other way round.
pub fn difference(before: &State, after: &State) -> Vec<Operation> {
    let mut operations = Vec::new();
    operations.extend(after.members.difference(&before.members).copied().map(Operation::AddMember));
    for (key, server) in &after.virtual_servers {
        match before.virtual_servers.get(key) {
            Some(previous) => compare_virtual_server(*key, previous, server, &mut operations),
            None => add_virtual_server(*key, server, &mut operations),
        }
    }
    operations.extend(after.addresses.difference(&before.addresses).copied().map(Operation::BindAddress));
    operations.extend(before.addresses.difference(&after.addresses).copied().map(Operation::UnbindAddress));
    let gone = before.virtual_servers.keys().filter(|key| !after.virtual_servers.contains_key(key));
    operations.extend(gone.copied().map(Operation::RemoveVirtualServer));
    operations.extend(before.members.difference(&after.members).copied().map(Operation::RemoveMember));
    operations.sort_by_key(Operation::phase);
    operations
}

fn add_virtual_server(key: VirtualServerKey, server: &VirtualServer, operations: &mut Vec<Operation>) {
    operations.push(Operation::AddVirtualServer(key, server.config));
    operations.extend(server.real_servers.iter().map(|real| Operation::AddRealServer(key, *real)));
}

fn compare_virtual_server(
    key: VirtualServerKey,
    before: &VirtualServer,
    after: &VirtualServer,
    operations: &mut Vec<Operation>,
) {
    if before.config != after.config {
        operations.push(Operation::SetVirtualServer(key, after.config));
    }
    for real in &after.real_servers {
        match find(&before.real_servers, real) {
            Some(previous) if previous == real => {}
            Some(_) => operations.push(Operation::SetRealServer(key, *real)),
            None => operations.push(Operation::AddRealServer(key, *real)),
        }
    }
    let gone = before.real_servers.iter().filter(|real| find(&after.real_servers, real).is_none());
    operations.extend(gone.map(|real| Operation::RemoveRealServer(key, *real, after.drain_timeout)));
}

/// Whether the member makes traffic go on without masquerading.
fn keeps_source(member: &Member) -> bool {
    matches!(
        member.set.name,
        SetName::LoadBalancerLocal
            | SetName::NodePortLocalTcp
            | SetName::NodePortLocalUdp
            | SetName::NodePortLocalSctp
    )
}

/// Whether the member refuses what no other set allows, and thus has to come last and to go first: one of the
/// bound addresses, or of the load-balancer addresses with source ranges.
fn refuses(member: &Member) -> bool {
    matches!(member.set.name, SetName::IpvsIps | SetName::LoadBalancerFirewall)
}

fn find<'a>(sorted: &'a [RealServer], wanted: &RealServer) -> Option<&'a RealServer> {
    let position = sorted.binary_search_by_key(&wanted.key(), RealServer::key).ok()?;
    sorted.get(position)
}

// === impl Operation ===

impl Operation {
    /// Where the operation stands in the order of sending.
    pub fn phase(&self) -> Phase {
        match self {
            Operation::RemoveMember(member) if keeps_source(member) => Phase::Masquerade,
            Operation::RemoveMember(member) if member.set.name == SetName::NoEndpoint => Phase::NoMoreReset,
            Operation::AddMember(member) if keeps_source(member) => Phase::KeepSource,
            Operation::AddMember(member) if refuses(member) => Phase::Refuse,
            Operation::AddMember(_) => Phase::Allow,
            Operation::AddVirtualServer(..) | Operation::SetVirtualServer(..) => Phase::VirtualServers,
            Operation::AddRealServer(..) | Operation::SetRealServer(..) => Phase::RealServers,
            Operation::RemoveRealServer(..) => Phase::WithoutRealServers,
            Operation::BindAddress(_) => Phase::Bind,
            Operation::UnbindAddress(_) => Phase::Unbind,
            Operation::RemoveVirtualServer(_) => Phase::WithoutVirtualServers,
            Operation::RemoveMember(member) if refuses(member) => Phase::NoMoreRefuse,
            Operation::RemoveMember(_) => Phase::NoMoreAllow,
        }
    }

    /// Whether the operation takes something away.
    pub fn removes(&self) -> bool {
        matches!(
            self,
            Operation::RemoveRealServer(..)
                | Operation::UnbindAddress(_)
                | Operation::RemoveVirtualServer(_)
                | Operation::RemoveMember(_)
        )
    }

    /// The virtual server that the operation concerns.
    pub fn virtual_server(&self) -> Option<&VirtualServerKey> {
        match self {
            Operation::AddVirtualServer(key, _)
            | Operation::SetVirtualServer(key, _)
            | Operation::AddRealServer(key, _)
            | Operation::SetRealServer(key, _)
            | Operation::RemoveRealServer(key, ..)
            | Operation::RemoveVirtualServer(key) => Some(key),
            Operation::AddMember(_)
            | Operation::RemoveMember(_)
            | Operation::BindAddress(_)
            | Operation::UnbindAddress(_) => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::AddMember(member) => write!(f, "add set entry {member}"),
            Operation::RemoveMember(member) => write!(f, "remove set entry {member}"),
            Operation::AddVirtualServer(key, _) => write!(f, "add virtual server {key}"),
            Operation::SetVirtualServer(key, _) => write!(f, "change virtual server {key}"),
            Operation::RemoveVirtualServer(key) => write!(f, "remove virtual server {key}"),
            Operation::AddRealServer(key, real) => write!(f, "add real server {real} to {key}"),
            Operation::SetRealServer(key, real) => {
                write!(f, "set weight {} of real server {real} of {key}", real.weight)
            }
            Operation::RemoveRealServer(key, real, _) => write!(f, "remove real server {real} from {key}"),
            Operation::BindAddress(address) => write!(f, "bind {address} to {}", crate::INTERFACE),
            Operation::UnbindAddress(address) => write!(f, "unbind {address} from {}", crate::INTERFACE),
        }
    }
}

#[cfg(test)]
mod tests;
