//! From one state to another, in an order that leaves the kernel right at every step.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
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

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// An entry of a set.
    SetEntry,
    /// A virtual server.
    VirtualServer,
    /// A real server.
    RealServer,
    /// An address of `kube-ipvs0`.
    Address,
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
    /// Addresses that get the policy Local are no longer masqueraded, now that only this node serves them. Those that
    /// no endpoint leaves are not from the start: their entries come after those that let traffic through.
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

/// Where two states differ. It refers to them, and gives the operations one by one: there are more than a million
/// of them when a big cluster is first brought to a node.
#[derive(Clone, Debug, Default)]
pub struct Difference<'a> {
    added_members: Vec<&'a Member>,
    /// Those that may take effect only after endpoints have gone.
    switched_members: Vec<&'a Member>,
    removed_members: Vec<&'a Member>,
    virtual_servers: Vec<Changed<'a>>,
    /// Those of them that lose real servers.
    reduced: Vec<Changed<'a>>,
    removed_virtual_servers: Vec<&'a VirtualServerKey>,
    added_addresses: Vec<&'a IpAddr>,
    removed_addresses: Vec<&'a IpAddr>,
}

/// A virtual server that is new or different.
#[derive(Clone, Copy, Debug)]
struct Changed<'a> {
    key: &'a VirtualServerKey,
    before: Option<&'a VirtualServer>,
    after: &'a VirtualServer,
}

/// The operations that lead from `before` to `after`, in order: see [`Difference::operations`].
pub fn difference(before: &State, after: &State) -> Vec<Operation> {
    Difference::between(before, after).operations().collect()
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

/// Parts off the members that would keep the source of packets to endpoints of other nodes, which answered a client
/// past this node then: those of the virtual servers `left`, which real servers are about to leave.
fn switched<'a>(
    left: impl Iterator<Item = &'a VirtualServerKey>,
    added: impl Iterator<Item = &'a Member>,
) -> (Vec<&'a Member>, Vec<&'a Member>) {
    let servers: BTreeSet<&VirtualServerKey> = left.collect();
    let ports: BTreeSet<_> = servers.iter().map(|key| (key.protocol, key.port)).collect();
    added.partition(|member| {
        keeps_source(member)
            && (member.virtual_server().is_some_and(|key| servers.contains(&key))
                || member.node_port().is_some_and(|port| ports.contains(&port)))
    })
}

/// Whether the member refuses what no other set allows, and thus has to come last and to go first: one of the
/// bound addresses, or of the load-balancer addresses with source ranges.
fn refuses(member: &Member) -> bool {
    matches!(member.set.name, SetName::IpvsIps | SetName::LoadBalancerFirewall)
}

/// The real server of `server` in the place of `wanted`.
fn find<'a>(server: &'a VirtualServer, wanted: &RealServer) -> Option<&'a RealServer> {
    let sorted = &server.real_servers;
    let position = sorted.binary_search_by_key(&wanted.key(), RealServer::key).ok()?;
    sorted.get(position)
}

// === impl Difference ===

impl<'a> Difference<'a> {
    /// Compares two states, each element once.
    pub fn between(before: &'a State, after: &'a State) -> Self {
        let virtual_servers = after.virtual_servers.iter().filter_map(|(key, server)| {
            let before = before.virtual_servers.get(key).map(Arc::as_ref);
            let differs = before.is_none_or(|before| !has_equal_state(before, server));
            differs.then_some(Changed { key, before, after: server })
        });
        let virtual_servers: Vec<Changed<'_>> = virtual_servers.collect();
        let reduced: Vec<Changed<'_>> =
            virtual_servers.iter().filter(|changed| changed.gone().next().is_some()).copied().collect();
        let is_gone = |(key, _): &(&VirtualServerKey, _)| !after.virtual_servers.contains_key(key);
        let gone: Vec<_> = before.virtual_servers.iter().filter(is_gone).collect();
        let left = gone.iter().filter(|(_, server)| !server.real_servers.is_empty()).map(|(key, _)| *key);
        let left = left.chain(reduced.iter().map(|changed| changed.key));
        let (switched_members, added_members) = switched(left, after.members.difference(&before.members));
        Difference {
            added_members,
            switched_members,
            removed_members: before.members.difference(&after.members).collect(),
            reduced,
            virtual_servers,
            removed_virtual_servers: gone.iter().map(|(key, _)| *key).collect(),
            added_addresses: after.addresses.difference(&before.addresses).collect(),
            removed_addresses: before.addresses.difference(&after.addresses).collect(),
        }
    }

    /// Parts it in what has to be done for `urgent` to be served, and the rest. What is removed is the rest's, but for
    /// what resets connections.
    pub fn split(self, urgent: &State) -> [Self; 2] {
        let resets = |member: &Member| Operation::RemoveMember(*member).phase() == Phase::NoMoreReset;
        let is_served = |key: &VirtualServerKey| urgent.virtual_servers.contains_key(key);
        let lets_in =
            |member: &Member| resets(member) && member.virtual_server().is_some_and(|key| is_served(&key));
        let (added_members, other_added) =
            self.added_members.into_iter().partition(|member| urgent.members.contains(*member));
        let (removed_members, other_removed) =
            self.removed_members.into_iter().partition(|member| lets_in(member));
        let (virtual_servers, other_servers) =
            self.virtual_servers.into_iter().partition(|changed| is_served(changed.key));
        let (added_addresses, other_addresses) =
            self.added_addresses.into_iter().partition(|address| urgent.addresses.contains(*address));
        let first = Difference {
            added_members,
            removed_members,
            virtual_servers,
            added_addresses,
            ..Difference::default()
        };
        let rest = Difference {
            added_members: other_added,
            removed_members: other_removed,
            virtual_servers: other_servers,
            added_addresses: other_addresses,
            ..self
        };
        [first, rest]
    }

    /// The operations that lead from the one state to the other.
    ///
    /// What is added comes in the order sets, virtual servers, real servers, addresses, so that an address
    /// answers only when it can be served. What is removed goes the other way round.
    pub fn operations(&self) -> impl Iterator<Item = Operation> + Clone + '_ {
        let add = |phase| {
            let all = self.added_members.iter().map(|member| Operation::AddMember(**member));
            all.filter(move |operation| operation.phase() == phase)
        };
        let remove = |phase| {
            let all = self.removed_members.iter().map(|member| Operation::RemoveMember(**member));
            all.filter(move |operation| operation.phase() == phase)
        };
        // In the order of the phases, but for sources that are kept from the start.
        remove(Phase::Masquerade)
            .chain(add(Phase::Allow))
            .chain(add(Phase::KeepSource))
            .chain(add(Phase::Refuse))
            .chain(self.virtual_servers.iter().filter_map(Changed::itself))
            .chain(self.virtual_servers.iter().flat_map(Changed::present))
            .chain(remove(Phase::NoMoreReset))
            .chain(self.reduced.iter().flat_map(Changed::gone))
            .chain(self.switched_members.iter().map(|member| Operation::AddMember(**member)))
            .chain(self.added_addresses.iter().map(|address| Operation::BindAddress(**address)))
            .chain(self.removed_addresses.iter().map(|address| Operation::UnbindAddress(**address)))
            .chain(self.removed_virtual_servers.iter().map(|key| Operation::RemoveVirtualServer(**key)))
            .chain(remove(Phase::NoMoreRefuse))
            .chain(remove(Phase::NoMoreAllow))
    }
}

// === impl Changed ===

impl<'a> Changed<'a> {
    /// What happens to the virtual server itself.
    fn itself(&self) -> Option<Operation> {
        match self.before {
            None => Some(Operation::AddVirtualServer(*self.key, self.after.config)),
            Some(before) if before.config != self.after.config => {
                Some(Operation::SetVirtualServer(*self.key, self.after.config))
            }
            Some(_) => None,
        }
    }

    /// What happens to real servers that there should be.
    fn present(&self) -> impl Iterator<Item = Operation> + Clone + 'a {
        let Changed { key, before, after } = *self;
        after.real_servers.iter().filter_map(move |real| match before.and_then(|before| find(before, real)) {
            Some(previous) if previous == real => None,
            Some(_) => Some(Operation::SetRealServer(*key, *real)),
            None => Some(Operation::AddRealServer(*key, *real)),
        })
    }

    /// What happens to real servers that there should not be.
    fn gone(&self) -> impl Iterator<Item = Operation> + Clone + 'a {
        let Changed { key, before, after } = *self;
        let before = before.map_or(&[][..], |before| &before.real_servers);
        let gone = before.iter().filter(move |real| find(after, real).is_none());
        gone.map(move |real| Operation::RemoveRealServer(*key, *real, after.drain_timeout))
    }
}

/// Whether two virtual servers are the same to the kernel.
fn has_equal_state(before: &VirtualServer, after: &VirtualServer) -> bool {
    before.config == after.config && before.real_servers == after.real_servers
}

// === impl Operation ===

impl Operation {
    /// What it is about.
    pub fn element(&self) -> Element {
        match self {
            Operation::AddMember(_) | Operation::RemoveMember(_) => Element::SetEntry,
            Operation::AddVirtualServer(..)
            | Operation::SetVirtualServer(..)
            | Operation::RemoveVirtualServer(_) => Element::VirtualServer,
            Operation::AddRealServer(..) | Operation::SetRealServer(..) | Operation::RemoveRealServer(..) => {
                Element::RealServer
            }
            Operation::BindAddress(_) | Operation::UnbindAddress(_) => Element::Address,
        }
    }

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
