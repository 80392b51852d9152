//! Nodes.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::Family;

/// What is known of a node; the one that the proxy runs on, unless something else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its name; endpoints with this `nodeName` are local.
    pub name: Arc<str>,
    /// Label `topology.kubernetes.io/zone`.
    pub zone: Option<Arc<str>>,
    /// `status.addresses` of type InternalIP, in their order.
    pub internal_addresses: Vec<IpAddr>,
    /// `status.addresses` of type ExternalIP, in their order.
    pub external_addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// Whether it is about to go: `metadata.deletionTimestamp` is set, or the cluster autoscaler has marked it with
    /// the taint `ToBeDeletedByClusterAutoscaler`. Load balancers should send it nothing new.
    pub leaving: bool,
}

// === impl Node ===

impl Node {
    /// A node of which nothing but the name is known.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Node { name: name.into(), ..Node::default() }
    }

    /// Its addresses, internal ones first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.internal_addresses.iter().chain(&self.external_addresses).copied()
    }

    /// The address of `family` that stands for the node: the first internal one, else the first external one.
    pub fn primary_address(&self, family: Family) -> Option<IpAddr> {
        self.addresses().find(|address| Family::of(address) == family)
    }
}
