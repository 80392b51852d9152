//! A cluster of network namespaces: nodes on one network, pods behind them, hosts outside.
//!
//! ```text
//!   pod-1  pod-2  pod-3        pod-4  pod-5  pod-6         pods: a /32 and a /128 each, routed
//!      └──────┼──────┘            └──────┼──────┘
//!          node-1                     node-2      host-1   nodes know each other's pod networks,
//!             └──────────────┬───────────┴───────────┘     hosts outside do not
//!                         router
//! ```
//!
//! Pods hang on routed veth pairs, as with a host-gateway network plugin, so every packet between two pods passes their
//! nodes' netfilter and IPVS. (On a bridge they would answer each other directly.) Everything has an IPv4 and an IPv6
//! address; [`addresses`] has the plan.

pub mod addresses;

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;
use crate::namespace::{self, Namespace};
use addresses::{Addresses, pod_networks};

/// Every node's end of its pods' cables has this MAC address, so that pods need not ask for their gateway's.
const GATEWAY_MAC: &str = "ee:ee:ee:ee:ee:ee";

/// The gateway's addresses as pods see them; no interface has them.
const GATEWAY: [&str; 2] = ["169.254.1.1", "fe80::1"];

/// A lab cluster. Its namespaces are removed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    prefix: String,
    router: Namespace,
    /// The nodes, `node-1` first.
    pub nodes: Vec<Node>,
    /// The hosts outside, `host-1` first.
    pub hosts: Vec<Host>,
}

/// How big a cluster is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Number of nodes.
    pub nodes: u8,
    /// Number of pods on each node.
    pub pods_per_node: u8,
    /// Number of hosts outside.
    pub hosts: u8,
}

/// A node: a namespace that forwards, with its pods.
#[derive(Debug)]
pub struct Node {
    /// `node-1`, …
    pub name: String,
    /// The node's network.
    pub namespace: Namespace,
    /// The node's addresses.
    pub addresses: Addresses,
    /// Its pods.
    pub pods: Vec<Pod>,
    number: u8,
}

/// A pod.
#[derive(Debug)]
pub struct Pod {
    /// `pod-1`, …; numbered through the cluster in the order they were made.
    pub name: String,
    /// The pod's network.
    pub namespace: Namespace,
    /// The pod's addresses.
    pub addresses: Addresses,
}

/// A host on the nodes' network that is no node.
#[derive(Debug)]
pub struct Host {
    /// `host-1`, …
    pub name: String,
    /// The host's network.
    pub namespace: Namespace,
    /// The host's addresses.
    pub addresses: Addresses,
}

// === impl Cluster ===

impl Cluster {
    /// Builds a cluster whose namespaces have names that no other cluster on this machine has.
    ///
    /// # Errors
    /// If this is not root, or `ip` is missing or fails.
    pub fn build(size: Size) -> Result<Cluster, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        const PREFIX: &str = "lab";
        namespace::remove_stale(PREFIX);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Cluster::build_as(&format!("{PREFIX}{}-{count}-", process::id()), size)
    }

    /// Builds a cluster whose namespaces are called `<prefix>node-1` and so on.
    ///
    /// # Errors
    /// As for [`Cluster::build`], and if a name is taken.
    pub fn build_as(prefix: &str, size: Size) -> Result<Cluster, Error> {
        let router = router(prefix)?;
        let mut cluster = Cluster { prefix: prefix.to_owned(), router, nodes: Vec::new(), hosts: Vec::new() };
        for number in 1..=size.nodes {
            cluster.add_node(number, size.nodes)?;
        }
        for number in 1..=size.hosts {
            cluster.add_host(number)?;
        }
        for node in 0..usize::from(size.nodes) {
            for _ in 0..size.pods_per_node {
                cluster.add_pod(node)?;
            }
        }
        Ok(cluster)
    }

    /// All pods, in the order of their names.
    pub fn pods(&self) -> Vec<&Pod> {
        let mut pods: Vec<_> = self.nodes.iter().flat_map(|node| &node.pods).collect();
        pods.sort_by_key(|pod| (pod.name.len(), &pod.name));
        pods
    }

    /// The network and the addresses of a node, a pod or a host by its name, such as `node-1`.
    pub fn find(&self, name: &str) -> Option<(&Namespace, Addresses)> {
        let nodes = self.nodes.iter().map(|node| (&node.name, &node.namespace, node.addresses));
        let hosts = self.hosts.iter().map(|host| (&host.name, &host.namespace, host.addresses));
        let pods = self.nodes.iter().flat_map(|node| &node.pods);
        let pods = pods.map(|pod| (&pod.name, &pod.namespace, pod.addresses));
        let mut all = nodes.chain(hosts).chain(pods);
        all.find(|(own, ..)| *own == name).map(|(_, namespace, addresses)| (namespace, addresses))
    }

    /// A pod by its name.
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.nodes.iter().flat_map(|node| &node.pods).find(|pod| pod.name == name)
    }

    /// Adds a pod to the node at an index of [`Cluster::nodes`].
    ///
    /// # Errors
    /// If there is no such node, or the namespace cannot be made.
    pub fn add_pod(&mut self, node: usize) -> Result<&Pod, Error> {
        let number = 1 + self.nodes.iter().map(|node| node.pods.len()).sum::<usize>();
        let name = format!("pod-{number}");
        let namespace = Namespace::create_quiet(&format!("{}{name}", self.prefix))?;
        let node = self.nodes.get_mut(node).ok_or_else(no_such_node)?;
        let place = u8::try_from(node.pods.len() + 1).unwrap_or(u8::MAX);
        let addresses = Addresses::pod(node.number, place);
        node.connect(&name, &namespace, addresses)?;
        node.pods.push(Pod { name, namespace, addresses });
        node.pods.last().ok_or_else(no_such_node)
    }

    fn add_node(&mut self, number: u8, of: u8) -> Result<(), Error> {
        let name = format!("node-{number}");
        let namespace = Namespace::create_quiet(&format!("{}{name}", self.prefix))?;
        let addresses = Addresses::node(number);
        self.plug_in(&name, &namespace, addresses)?;
        for setting in ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"] {
            namespace.sysctl(setting, "1")?;
        }
        let others = (1..=of).filter(|other| *other != number);
        let routes: Vec<String> = others
            .flat_map(|other| {
                let via = Addresses::node(other).both();
                pod_networks(other)
                    .into_iter()
                    .zip(via)
                    .map(|(network, via)| format!("route add {network} via {via}"))
            })
            .collect();
        namespace.ip(routes.iter().map(String::as_str))?;
        self.nodes.push(Node { name, namespace, addresses, pods: Vec::new(), number });
        Ok(())
    }

    fn add_host(&mut self, number: u8) -> Result<(), Error> {
        let name = format!("host-{number}");
        let namespace = Namespace::create_quiet(&format!("{}{name}", self.prefix))?;
        let addresses = Addresses::host(number);
        self.plug_in(&name, &namespace, addresses)?;
        self.hosts.push(Host { name, namespace, addresses });
        Ok(())
    }

    /// Connects a namespace to the router with an `eth0`.
    fn plug_in(&self, name: &str, namespace: &Namespace, addresses: Addresses) -> Result<(), Error> {
        self.router.ip([
            format!("link add {name} type veth peer name eth0 netns {}", namespace.name()).as_str(),
            format!("link set {name} master br0 up").as_str(),
        ])?;
        let router = Addresses::router();
        namespace.ip([
            "link set lo up",
            "link set eth0 up",
            format!("addr add {}/16 dev eth0", addresses.v4).as_str(),
            format!("addr add {}/64 dev eth0 nodad", addresses.v6).as_str(),
            format!("route add 0.0.0.0/0 via {}", router.v4).as_str(),
            format!("route add ::/0 via {}", router.v6).as_str(),
        ])
    }
}

// === impl Node ===

impl Node {
    /// Lays the cable between this node and a pod.
    fn connect(&self, name: &str, pod: &Namespace, addresses: Addresses) -> Result<(), Error> {
        let veth =
            format!("link add {name} address {GATEWAY_MAC} type veth peer name eth0 netns {}", pod.name());
        self.namespace.ip([
            veth.as_str(),
            format!("link set {name} up").as_str(),
            format!("route add {} dev {name}", addresses.v4).as_str(),
            format!("route add {} dev {name}", addresses.v6).as_str(),
        ])?;
        let [v4, v6] = GATEWAY;
        pod.ip([
            "link set lo up",
            "link set eth0 up",
            format!("addr add {}/32 dev eth0", addresses.v4).as_str(),
            format!("addr add {}/128 dev eth0 nodad", addresses.v6).as_str(),
            format!("neigh add {v4} lladdr {GATEWAY_MAC} dev eth0 nud permanent").as_str(),
            format!("neigh add {v6} lladdr {GATEWAY_MAC} dev eth0 nud permanent").as_str(),
            format!("route add {v4} dev eth0").as_str(),
            format!("route add 0.0.0.0/0 via {v4} dev eth0").as_str(),
            format!("route add ::/0 via {v6} dev eth0").as_str(),
        ])
    }

    /// The virtual servers and real servers, as `ipvsadm -Sn` prints them.
    ///
    /// # Errors
    /// If `ipvsadm` fails.
    pub fn ipvs(&self) -> Result<String, Error> {
        self.namespace.output("ipvsadm", &["-Sn"])
    }

    /// The sets and their entries, as `ipset save` prints them.
    ///
    /// # Errors
    /// If `ipset` fails.
    pub fn ipsets(&self) -> Result<String, Error> {
        self.namespace.output("ipset", &["save"])
    }

    /// The addresses of an interface, as `ip -brief addr show` prints them; empty if there is no such interface.
    ///
    /// # Errors
    /// If `ip` fails for another reason.
    pub fn interface_addresses(&self, interface: &str) -> Result<String, Error> {
        match self.namespace.output("ip", &["-brief", "addr", "show", "dev", interface]) {
            Err(Error::Program { output, .. }) if output.contains("does not exist") => Ok(String::new()),
            answer => answer,
        }
    }
}

// === impl Host ===

impl Host {
    /// Sends what is for service addresses to a node, as a router in front of a cluster may.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn route_services_via(&self, node: &Node) -> Result<(), Error> {
        self.route_via(&addresses::SERVICE_CIDRS, node)
    }

    /// Sends what is for some networks or addresses of either family to a node, such as a load balancer's address.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn route_via(&self, networks: &[impl AsRef<str>], node: &Node) -> Result<(), Error> {
        let [v4, v6] = node.addresses.both();
        let route = |network: &str| {
            let via = if network.contains(':') { v6 } else { v4 };
            format!("route replace {network} via {via}")
        };
        let routes: Vec<String> = networks.iter().map(|network| route(network.as_ref())).collect();
        self.namespace.ip(routes.iter().map(String::as_str))
    }
}

fn router(prefix: &str) -> Result<Namespace, Error> {
    let namespace = Namespace::create_quiet(&format!("{prefix}router"))?;
    let addresses = Addresses::router();
    namespace.ip([
        "link set lo up",
        "link add br0 type bridge mcast_snooping 0",
        format!("addr add {}/16 dev br0", addresses.v4).as_str(),
        format!("addr add {}/64 dev br0 nodad", addresses.v6).as_str(),
        "link set br0 up",
    ])?;
    Ok(namespace)
}

fn no_such_node() -> Error {
    Error::missing("the node for a pod")
}
