//! Who this node is: what the configuration says of it goes before its Node object, and what follows from that object.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::Configuration;
use config::configuration::{LocalMode, NodePortAddresses};
use model::{Change, Family, Node, PerFamily};
use plan::LocalDetector;

/// How long the addresses of the Node are waited for before the first sync, if it depends on them; as kube-proxy.
const PATIENCE_FOR_ADDRESSES: Duration = Duration::from_secs(30);

/// The same for its `podCIDRs`. Then kube-proxy ends; here the node is served without a local detector until they come.
const PATIENCE_FOR_POD_CIDRS: Duration = Duration::from_secs(5 * 60);

/// What the configuration says of this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    name: Arc<str>,
    /// `bindAddress`, unless it is unspecified: the node's own address in its family, and that family goes first.
    bind_address: Option<IpAddr>,
    /// The addresses of a Node that has none.
    addresses: Vec<IpAddr>,
    /// Whether pods are told by the Node's `podCIDRs` (`detectLocalMode: NodeCIDR`).
    follows_pod_cidrs: bool,
    /// Whether the Node's address decides which addresses serve node ports (`nodePortAddresses: [primary]`).
    needs_address: bool,
}

// === impl Identity ===

impl Identity {
    pub(crate) fn new(name: &str, configuration: &Configuration) -> Self {
        let bind_address = configuration.bind_address;
        Identity {
            name: name.into(),
            bind_address: (!bind_address.is_unspecified()).then_some(bind_address),
            addresses: configuration.own.node_addresses.clone(),
            follows_pod_cidrs: configuration.local_mode == LocalMode::NodeCidr,
            needs_address: configuration.node_port_addresses == NodePortAddresses::Primary,
        }
    }

    /// The node as far as the configuration knows it.
    pub(crate) fn node(&self) -> Node {
        self.complete_node(Node::named(Arc::clone(&self.name)))
    }

    /// A change with this node as it counts.
    pub(crate) fn complete(&self, change: Change) -> Change {
        match change {
            Change::NodeApplied(node) if node.name == self.name => {
                Change::NodeApplied(self.complete_node(node))
            }
            other => other,
        }
    }

    /// How this node's pods are told from everything else, if that follows from the Node: by the first of its
    /// `podCIDRs` in each family.
    pub(crate) fn local_detector(&self, node: Option<&Node>) -> Option<PerFamily<Option<LocalDetector>>> {
        let first = |family: Family| {
            let mut networks = node.into_iter().flat_map(|node| &node.pod_cidrs);
            let network = networks.find(|network| Family::of(&network.addr()) == family);
            network.map(|network| LocalDetector::Cidr(network.trunc()))
        };
        self.follows_pod_cidrs.then(|| PerFamily { v4: first(Family::V4), v6: first(Family::V6) })
    }

    /// What the Node has to tell before the first sync and has not, and how long to wait for it.
    pub(crate) fn waits_for(&self, node: Option<&Node>) -> Option<(&'static str, Duration)> {
        if self.follows_pod_cidrs && node.is_none_or(|node| node.pod_cidrs.is_empty()) {
            Some(("podCIDRs", PATIENCE_FOR_POD_CIDRS))
        } else if self.needs_address && node.is_none_or(|node| node.addresses().next().is_none()) {
            Some(("addresses", PATIENCE_FOR_ADDRESSES))
        } else {
            None
        }
    }

    fn complete_node(&self, mut node: Node) -> Node {
        if node.addresses().next().is_none() {
            node.internal_addresses.clone_from(&self.addresses);
        }
        if let Some(address) = self.bind_address {
            node.internal_addresses.retain(|other| *other != address);
            node.internal_addresses.insert(0, address);
        }
        node
    }
}

/// `node-a` as a command line describes it.
#[cfg(test)]
pub(crate) fn identity(arguments: &[&str]) -> Identity {
    let program = ["kube-ipvs", "--proxy-mode=ipvs"];
    let words = program.into_iter().chain(arguments.iter().copied()).map(Into::into);
    let flags = crate::flags::Cli::read(words).unwrap().run.configuration;
    Identity::new("node-a", &flags.load(&mut Vec::new()).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, addresses: &[&str], pod_cidrs: &[&str]) -> Node {
        Node {
            internal_addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            pod_cidrs: pod_cidrs.iter().map(|network| network.parse().unwrap()).collect(),
            ..Node::named(name)
        }
    }

    #[track_caller]
    fn check_addresses(arguments: &[&str], told: Node, expected: &[&str]) {
        let completed = identity(arguments).complete(Change::NodeApplied(told));
        let Change::NodeApplied(node) = completed else { panic!("{completed:?}") };
        let found: Vec<String> = node.addresses().map(|address| address.to_string()).collect();
        assert_eq!(found, expected, "{arguments:?}");
    }

    #[test]
    fn a_bind_address_is_the_nodes_own_and_goes_first() {
        let both = || node("node-a", &["192.0.2.1", "2001:db8::1"], &[]);
        check_addresses(&[], both(), &["192.0.2.1", "2001:db8::1"]);
        check_addresses(&["--bind-address=0.0.0.0"], both(), &["192.0.2.1", "2001:db8::1"]);
        check_addresses(
            &["--bind-address=2001:db8::9"],
            both(),
            &["2001:db8::9", "192.0.2.1", "2001:db8::1"],
        );
        check_addresses(&["--bind-address=2001:db8::1"], both(), &["2001:db8::1", "192.0.2.1"]);
        check_addresses(&["--bind-address=192.0.2.9"], node("node-b", &["192.0.2.2"], &[]), &["192.0.2.2"]);
    }

    #[test]
    fn configured_addresses_count_for_a_node_without_any() {
        let flag = ["--node-address=192.0.2.7"];
        check_addresses(&flag, node("node-a", &[], &[]), &["192.0.2.7"]);
        check_addresses(&flag, node("node-a", &["192.0.2.1"], &[]), &["192.0.2.1"]);
    }

    #[test]
    fn pods_are_told_by_the_first_network_of_each_family() {
        let told = node("node-a", &[], &["10.244.1.0/24", "10.244.9.0/24", "fd00:244:0:1::/64"]);
        assert_eq!(identity(&[]).local_detector(Some(&told)), None);
        let follows = identity(&["--detect-local-mode=NodeCIDR"]);
        let cidr = |text: &str| Some(LocalDetector::Cidr(text.parse().unwrap()));
        let expected = PerFamily { v4: cidr("10.244.1.0/24"), v6: cidr("fd00:244:0:1::/64") };
        assert_eq!(follows.local_detector(Some(&told)), Some(expected));
        assert_eq!(follows.local_detector(None), Some(PerFamily::default()));
    }

    #[test]
    fn what_decides_the_plan_is_waited_for() {
        let bare = node("node-a", &[], &[]);
        let full = node("node-a", &["192.0.2.1"], &["10.244.1.0/24"]);
        for (arguments, expected) in [
            (vec![], None),
            (vec!["--detect-local-mode=NodeCIDR"], Some("podCIDRs")),
            (vec!["--nodeport-addresses=primary"], Some("addresses")),
            (vec!["--nodeport-addresses=primary", "--bind-address=192.0.2.1"], None),
        ] {
            let identity = identity(&arguments);
            let bare =
                Some(&identity.complete_node(bare.clone())).and_then(|node| identity.waits_for(Some(node)));
            assert_eq!(bare.map(|(what, _)| what), expected, "{arguments:?}");
            assert_eq!(identity.waits_for(Some(&full)), None, "{arguments:?}");
        }
    }
}
