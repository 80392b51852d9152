//! The store: everything the sources have told, by Service.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::{Change, EndpointSlice, Kind, Node, ObjectKey, Problem, Service};

/// The objects that planning needs, collected from [`Change`]s. Looking up or changing one Service costs
/// what that Service holds, however many others there are.
#[derive(Debug, Default)]
pub struct Cluster {
    node_name: Arc<str>,
    services: BTreeMap<ObjectKey, Service>,
    slices: HashMap<ObjectKey, BTreeMap<Arc<str>, EndpointSlice>>,
    slice_owners: HashMap<ObjectKey, ObjectKey>,
    node: Option<Node>,
    synced: [bool; Kind::ALL.len()],
}

/// What has to be done again after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the change told nothing new.
    Nothing,
    /// These Services have to be planned again. Two only when a slice moves from one Service to another.
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
    /// An empty store for the node called `node_name`; what is told of other nodes is ignored.
    pub fn new(node_name: impl Into<Arc<str>>) -> Self {
        Cluster { node_name: node_name.into(), ..Cluster::default() }
    }

    /// Takes in one change and says what depends on it.
    pub fn apply(&mut self, change: Change) -> Effect {
        match change {
            Change::ServiceApplied(service) => self.apply_service(service),
            Change::ServiceRemoved(key) => match self.services.remove(&key) {
                Some(_) => Effect::Services(vec![key]),
                None => Effect::Nothing,
            },
            Change::SliceApplied(slice) => self.apply_slice(slice),
            Change::SliceRemoved(key) => match self.remove_slice(&key) {
                Some(owner) => Effect::Services(vec![owner]),
                None => Effect::Nothing,
            },
            Change::NodeApplied(node) => self.apply_node(node),
            // The last known node is kept: a Node object that was deleted says nothing about the machine.
            Change::NodeRemoved(_) => Effect::Nothing,
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
        self.services.get(key)
    }

    /// Every Service, ordered by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The EndpointSlices of the Service `key`, ordered by their own names.
    pub fn slices(&self, key: &ObjectKey) -> impl Iterator<Item = &EndpointSlice> {
        self.slices.get(key).into_iter().flat_map(BTreeMap::values)
    }

    /// Whether every Service and EndpointSlice has been told of once, which is what planning waits for
    /// before it may remove anything. The Node is not waited for: a node can be served before it is known.
    pub fn is_synced(&self) -> bool {
        self.has_synced(Kind::Service) && self.has_synced(Kind::EndpointSlice)
    }

    /// Whether `kind` has been told completely once.
    pub fn has_synced(&self, kind: Kind) -> bool {
        Kind::ALL.iter().zip(self.synced).any(|(k, synced)| *k == kind && synced)
    }

    fn apply_service(&mut self, service: Service) -> Effect {
        if self.services.get(&service.key) == Some(&service) {
            return Effect::Nothing;
        }
        let key = service.key.clone();
        self.services.insert(key.clone(), service);
        Effect::Services(vec![key])
    }

    fn apply_slice(&mut self, slice: EndpointSlice) -> Effect {
        let owner = slice.service_key();
        let name = slice.key.name.clone();
        if self.slices.get(&owner).and_then(|slices| slices.get(&name)) == Some(&slice) {
            return Effect::Nothing;
        }
        let mut touched = vec![owner.clone()];
        if self.slice_owners.get(&slice.key).is_some_and(|previous| *previous != owner) {
            touched.extend(self.remove_slice(&slice.key));
        }
        self.slice_owners.insert(slice.key.clone(), owner.clone());
        self.slices.entry(owner).or_default().insert(name, slice);
        Effect::Services(touched)
    }

    fn remove_slice(&mut self, key: &ObjectKey) -> Option<ObjectKey> {
        let owner = self.slice_owners.remove(key)?;
        if let Some(slices) = self.slices.get_mut(&owner) {
            slices.remove(&key.name);
            if slices.is_empty() {
                self.slices.remove(&owner);
            }
        }
        Some(owner)
    }

    fn apply_node(&mut self, node: Node) -> Effect {
        if node.name != self.node_name || self.node.as_ref() == Some(&node) {
            return Effect::Nothing;
        }
        self.node = Some(node);
        Effect::Everything
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

#[cfg(test)]
mod tests;
