//! The node that is served.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// What is known of the node that the proxy runs on.
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
}

// === impl Node ===

impl Node {
    /// A node of which nothing but the name is known.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Node { name: name.into(), ..Node::default() }
    }
}
