//! The store: everything the sources have told, by Service.

mod addresses;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::{Change, EndpointSlice, Kind, Node, ObjectKey, Problem, Protocol, Service};

pub use self::addresses::AddressOwner;
use self::addresses::{NodeAddresses, OutsideAddresses, moved};

/// The objects that planning needs, collected from [`Change`]s. Looking up or changing one Service costs
/// what that Service holds, however many others there are.
#[derive(Debug, Default)]
pub struct Cluster {
    node_name: Arc<str>,
    /// Boxed, since a tree has room for more than it holds.
    services: BTreeMap<ObjectKey, Box<Service>>,
    /// By Service, ordered by their own names. Most Services have one or two.
    slices: HashMap<ObjectKey, Vec<EndpointSlice>>,
    /// The name of the Service to which a slice belongs, in the slice's namespace.
    slice_owners: HashMap<ObjectKey, Arc<str>>,
    node: Option<Node>,
    other_nodes: NodeAddresses,
    outside_addresses: OutsideAddresses,
    synced: [bool; Kind::ALL.len()],
}

/// What has to be done again after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the change told nothing new.
    Nothing,
    /// These Services have to be planned again: several when a slice moves from one Service to another, or
    /// when a node's address turns out to be claimed by Services.
    Services(Vec<ObjectKey>),
    /// The node changed, so that every Service has to be planned again.
    Everything,
    /// A kind has been told completely for the first time.
    Synced(Kind),
    /// A complaint to pass on.
    Problem(Problem),
}

// === impl Cluster ===

impl Cluster {
    /// An empty store for the node called `node_name`; of other nodes only the addresses are kept.
    pub fn new(node_name: impl Into<Arc<str>>) -> Self {
        Cluster { node_name: node_name.into(), ..Cluster::default() }
    }

    /// Takes in one change and says what depends on it.
    pub fn apply(&mut self, change: Change) -> Effect {
        match change {
            Change::ServiceApplied(service) => self.apply_service(service),
            Change::ServiceRemoved(key) => match self.services.remove(&key) {
                Some(service) => {
                    self.outside_addresses.remove(&service);
                    Effect::Services(vec![key])
                }
                None => Effect::Nothing,
            },
            Change::SliceApplied(slice) => self.apply_slice(slice),
            Change::SliceRemoved(key) => match self.remove_slice(&key) {
                Some((owner, slice)) => Effect::Services(self.touched(vec![owner], slice.as_ref(), None)),
                None => Effect::Nothing,
            },
            Change::NodeApplied(node) => self.apply_node(node),
            // The last known state of this node is kept: that its object was deleted says nothing about the
            // machine.
            Change::NodeRemoved(name) if name == self.node_name => Effect::Nothing,
            Change::NodeRemoved(name) => {
                let changed = self.other_nodes.remove(&name);
                self.claimed(changed)
            }
            Change::Synced(kind) => self.mark_synced(kind),
            Change::Problem(problem) => Effect::Problem(problem),
        }
    }

    /// The name of the node that is served.
    pub fn node_name(&self) -> &Arc<str> {
        &self.node_name
    }

    /// The node that is served, if it has been told of.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// The Service `key`.
    pub fn service(&self, key: &ObjectKey) -> Option<&Service> {
        self.services.get(key).map(Box::as_ref)
    }

    /// Every Service, ordered by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(Box::as_ref)
    }

    /// The EndpointSlices of the Service `key`, ordered by their own names.
    pub fn slices(&self, key: &ObjectKey) -> impl Iterator<Item = &EndpointSlice> {
        self.slices.get(key).into_iter().flatten()
    }

    /// Who has `address` on a machine, as far as the API tells: nobody whose traffic a Service may capture.
    /// Addresses of the node that is served are not looked at, except as one of the control plane.
    pub fn address_owner(&self, address: IpAddr) -> Option<AddressOwner> {
        let api_server = api_server();
        let mut api_servers = self.slices(&api_server).flat_map(|slice| &slice.endpoints);
        if api_servers.any(|endpoint| endpoint.address == address) {
            return Some(AddressOwner::ControlPlane);
        }
        self.other_nodes.owner(address).cloned().map(AddressOwner::Node)
    }

    /// Whether an API server listens on `address` and `port`.
    pub fn is_api_server(&self, address: IpAddr, port: u16) -> bool {
        let api_server = api_server();
        self.slices(&api_server).any(|slice| {
            slice.ports.iter().any(|known| known.port == port && known.protocol == Protocol::Tcp)
                && slice.endpoints.iter().any(|endpoint| endpoint.address == address)
        })
    }

    /// Whether every Service and EndpointSlice has been told of once, which is what planning waits for
    /// before it may remove anything. Nodes are not among it: one can be served before it is known.
    pub fn is_synced(&self) -> bool {
        self.has_synced(Kind::Service) && self.has_synced(Kind::EndpointSlice)
    }

    /// Whether `kind` has been told completely once.
    pub fn has_synced(&self, kind: Kind) -> bool {
        Kind::ALL.iter().zip(self.synced).any(|(k, synced)| *k == kind && synced)
    }

    fn apply_service(&mut self, service: Service) -> Effect {
        if self.service(&service.key) == Some(&service) {
            return Effect::Nothing;
        }
        let key = service.key.clone();
        if let Some(previous) = self.services.get(&key) {
            self.outside_addresses.remove(previous);
        }
        self.outside_addresses.add(&service);
        self.services.insert(key.clone(), Box::new(service));
        Effect::Services(vec![key])
    }

    fn apply_slice(&mut self, slice: EndpointSlice) -> Effect {
        let slice = EndpointSlice { triggered: None, ..slice };
        let owner = slice.service_key();
        if self.slices(&owner).any(|known| *known == slice) {
            return Effect::Nothing;
        }
        let (previous_owner, previous) = self.remove_slice(&slice.key).unzip();
        let mut owners = vec![owner.clone()];
        owners.extend(previous_owner.filter(|previous| *previous != owner));
        let touched = self.touched(owners, previous.flatten().as_ref(), Some(&slice));
        self.slice_owners.insert(slice.key.clone(), slice.service.clone());
        let slices = self.slices.entry(owner).or_default();
        if let Err(place) = position(slices, &slice.key.name) {
            slices.reserve_exact(1);
            slices.insert(place, slice);
        }
        Effect::Services(touched)
    }

    fn remove_slice(&mut self, key: &ObjectKey) -> Option<(ObjectKey, Option<EndpointSlice>)> {
        let name = self.slice_owners.remove(key)?;
        let owner = ObjectKey { namespace: key.namespace.clone(), name };
        let mut removed = None;
        if let Some(slices) = self.slices.get_mut(&owner) {
            removed = position(slices, &key.name).ok().map(|place| slices.remove(place));
            if slices.is_empty() {
                self.slices.remove(&owner);
            }
        }
        Some((owner, removed))
    }

    /// What depends on a slice of `owners`. The API server's own say which addresses are the control plane's.
    fn touched(
        &self,
        mut owners: Vec<ObjectKey>,
        before: Option<&EndpointSlice>,
        after: Option<&EndpointSlice>,
    ) -> Vec<ObjectKey> {
        if owners.contains(&api_server()) {
            let [before, after] =
                [before, after].map(|slice| slice.filter(|s| s.service_key() == api_server()));
            owners.extend(self.outside_addresses.claimants(moved(before, after)));
        }
        owners
    }

    /// The Services that claim an address which changed hands.
    fn claimed(&self, addresses: Vec<IpAddr>) -> Effect {
        let claimants = self.outside_addresses.claimants(addresses);
        if claimants.is_empty() { Effect::Nothing } else { Effect::Services(claimants.into_iter().collect()) }
    }

    fn apply_node(&mut self, node: Node) -> Effect {
        if node.name != self.node_name {
            let changed = self.other_nodes.set(&node);
            return self.claimed(changed);
        }
        let known = self.node.replace(node);
        // That it leaves changes nothing of what is planned.
        let same = known
            .zip(self.node.as_ref())
            .is_some_and(|(known, node)| Node { leaving: node.leaving, ..known } == *node);
        if same { Effect::Nothing } else { Effect::Everything }
    }

    fn mark_synced(&mut self, kind: Kind) -> Effect {
        for (candidate, synced) in Kind::ALL.iter().zip(&mut self.synced) {
            if *candidate == kind && !*synced {
                *synced = true;
                return Effect::Synced(kind);
            }
        }
        Effect::Nothing
    }
}

/// Where the slice called `name` is, or belongs.
fn position(slices: &[EndpointSlice], name: &str) -> Result<usize, usize> {
    slices.binary_search_by(|slice| (*slice.key.name).cmp(name))
}

/// The Service of the API servers, whose endpoints are the control plane's addresses.
fn api_server() -> ObjectKey {
    ObjectKey::new("default", "kubernetes")
}

#[cfg(test)]
mod tests;
