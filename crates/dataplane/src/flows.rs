//! Which UDP flows conntrack has to forget.
//!
//! A flow is translated by what conntrack noted at its first packet. UDP has no end that conntrack would see,
//! so a client that goes on sending from one port stays with an endpoint that is gone, or past the virtual
//! server if there was none when it began. TCP and SCTP find out by themselves.

use std::collections::{BTreeMap, BTreeSet};

use model::Protocol;
use plan::{Operation, RealServerKey, State, VirtualServerKey};

/// Of the flows to a virtual server, those that are stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Those that lead to one of these real servers.
    To(BTreeSet<RealServerKey>),
    /// Those that lead anywhere else than to one of these; all if there is none.
    NotTo(BTreeSet<RealServerKey>),
}

// === impl Stale ===

impl Stale {
    /// Whether a flow that leads to `place` is stale.
    pub fn matches(&self, place: &RealServerKey) -> bool {
        match self {
            Stale::To(places) => places.contains(place),
            Stale::NotTo(places) => !places.contains(place),
        }
    }
}

/// What is stale after these operations: flows to removed real servers, everything to a removed virtual
/// server, and what passed by a virtual server before it was there.
pub fn after(operations: impl IntoIterator<Item = Operation>) -> BTreeMap<VirtualServerKey, Stale> {
    let mut stale: BTreeMap<VirtualServerKey, Stale> = BTreeMap::new();
    let of_udp =
        |operation: &Operation| operation.virtual_server().is_some_and(|key| key.protocol == Protocol::Udp);
    for operation in operations.into_iter().filter(of_udp) {
        match &operation {
            Operation::AddVirtualServer(key, _) | Operation::RemoveVirtualServer(key) => {
                stale.insert(*key, Stale::NotTo(BTreeSet::new()));
            }
            Operation::AddRealServer(key, real) => {
                if let Some(Stale::NotTo(kept)) = stale.get_mut(key) {
                    kept.insert(real.key());
                }
            }
            Operation::RemoveRealServer(key, real, _) => {
                let gone = stale.entry(*key).or_insert_with(|| Stale::To(BTreeSet::new()));
                if let Stale::To(places) = gone {
                    places.insert(real.key());
                }
            }
            _ => {}
        }
    }
    stale
}

/// What is stale if nothing is known of the past: whatever does not lead where `desired` says.
pub fn of_state(desired: &State) -> BTreeMap<VirtualServerKey, Stale> {
    let udp = desired.virtual_servers.iter().filter(|(key, _)| key.protocol == Protocol::Udp);
    udp.map(|(key, server)| {
        (*key, Stale::NotTo(server.real_servers.iter().map(plan::RealServer::key).collect()))
    })
    .collect()
}

#[cfg(test)]
mod tests;
