//! Whose addresses are whose: nodes' own, and those that Services claim from outside the cluster.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::{EndpointSlice, Node, ObjectKey, Service};

/// Who has an address that no Service may take from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressOwner {
    /// An API server: an endpoint of the Service `default/kubernetes`.
    ControlPlane,
    /// The node of this name.
    Node(Arc<str>),
}

/// The addresses of nodes other than the one that is served.
#[derive(Debug, Default)]
pub(super) struct NodeAddresses {
    by_node: HashMap<Arc<str>, BTreeSet<IpAddr>>,
    owners: BTreeMap<IpAddr, BTreeSet<Arc<str>>>,
}

/// Which Services claim an external or load-balancer address.
#[derive(Debug, Default)]
pub(super) struct OutsideAddresses {
    claimants: BTreeMap<IpAddr, BTreeSet<ObjectKey>>,
}

// === impl AddressOwner ===

impl fmt::Display for AddressOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressOwner::ControlPlane => f.write_str("the control plane"),
            AddressOwner::Node(name) => write!(f, "node {name}"),
        }
    }
}

// === impl NodeAddresses ===

impl NodeAddresses {
    /// A node that has `address`; of several the first by name.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&Arc<str>> {
        self.owners.get(&address)?.first()
    }

    /// Notes what addresses a node has now, and gives those that it got or lost.
    pub(super) fn set(&mut self, node: &Node) -> Vec<IpAddr> {
        self.exchange(&node.name, node.addresses().collect())
    }

    /// Notes that a node is gone, and gives the addresses that it had.
    pub(super) fn remove(&mut self, name: &Arc<str>) -> Vec<IpAddr> {
        self.exchange(name, BTreeSet::new())
    }

    fn exchange(&mut self, name: &Arc<str>, new: BTreeSet<IpAddr>) -> Vec<IpAddr> {
        let old = self.by_node.remove(name).unwrap_or_default();
        let changed: Vec<IpAddr> = old.symmetric_difference(&new).copied().collect();
        for address in old {
            remove_from(&mut self.owners, address, name);
        }
        for address in &new {
            self.owners.entry(*address).or_default().insert(Arc::clone(name));
        }
        if !new.is_empty() {
            self.by_node.insert(Arc::clone(name), new);
        }
        changed
    }
}

// === impl OutsideAddresses ===

impl OutsideAddresses {
    /// The Services that claim any of `addresses`.
    pub(super) fn claimants(&self, addresses: impl IntoIterator<Item = IpAddr>) -> BTreeSet<ObjectKey> {
        let claimants = addresses.into_iter().filter_map(|address| self.claimants.get(&address));
        claimants.flatten().cloned().collect()
    }

    pub(super) fn add(&mut self, service: &Service) {
        for address in service.outside_addresses() {
            self.claimants.entry(address).or_default().insert(service.key.clone());
        }
    }

    pub(super) fn remove(&mut self, service: &Service) {
        for address in service.outside_addresses() {
            remove_from(&mut self.claimants, address, &service.key);
        }
    }
}

fn remove_from<T: Ord>(sets: &mut BTreeMap<IpAddr, BTreeSet<T>>, address: IpAddr, element: &T) {
    if let Some(set) = sets.get_mut(&address) {
        set.remove(element);
        if set.is_empty() {
            sets.remove(&address);
        }
    }
}

/// The addresses that two versions of a slice do not share; all if their ports differ.
pub(super) fn moved(before: Option<&EndpointSlice>, after: Option<&EndpointSlice>) -> BTreeSet<IpAddr> {
    let ports_differ = before.map(|slice| &slice.ports) != after.map(|slice| &slice.ports);
    let [before, after] = [before, after].map(|slice| -> BTreeSet<IpAddr> {
        slice.into_iter().flat_map(|slice| &slice.endpoints).map(|endpoint| endpoint.address).collect()
    });
    if ports_differ {
        before.union(&after).copied().collect()
    } else {
        before.symmetric_difference(&after).copied().collect()
    }
}
