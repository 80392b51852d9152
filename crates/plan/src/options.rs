//! What planning depends on besides the cluster: the operator's choices, and facts about the machine.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{Family, PerFamily};

use crate::Scheduler;

/// The choices and facts that decide what is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--ipvs-scheduler`: for Services that choose none.
    pub scheduler: Scheduler,
    /// Schedulers that turned out to be missing in this kernel; Services that ask for them get the default.
    pub unavailable: BTreeSet<Scheduler>,
    /// The families that are served.
    pub families: BTreeSet<Family>,
    /// The feature gate `AllowServiceExternalIPs`: whether external IPs of Services are served.
    pub external_ips: bool,
    /// `--masquerade-all`: masquerade everything that is sent to a cluster IP.
    pub masquerade_all: bool,
    /// The mark that asks for masquerading: 1 shifted left by `--iptables-masquerade-bit`.
    pub masquerade_mark: u32,
    /// How a pod of this node is told from everything else; absent if it cannot be told.
    pub local_detector: PerFamily<Option<LocalDetector>>,
    /// `--ipvs-exclude-cidrs`: what is observed in these networks and not planned is nobody's, so it stays. What is
    /// planned there is removed when it is planned no more.
    pub exclude_cidrs: Vec<IpNet>,
    /// `--nodeport-addresses`: which of this machine's addresses serve node ports.
    pub node_port_addresses: NodePortAddresses,
    /// What becomes of traffic with policy Local on a node without an endpoint.
    pub local_policy: LocalPolicy,
    /// The addresses of this machine on interfaces other than `kube-ipvs0`, without loopback addresses.
    pub host_addresses: BTreeSet<IpAddr>,
    /// Whether rules may ask by which bridge port a packet came in. Without `br_netfilter` no packet has
    /// one, and the match would load that module and with it change how bridges work.
    pub bridge_netfilter: bool,
}

/// Which addresses of the machine serve node ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodePortAddresses {
    /// Every address, except link-local ones of IPv6.
    #[default]
    All,
    /// The address that stands for the node in each family, if the node is known to have one; else all.
    Primary,
    /// Those in these networks. In a family of which no network is named, all.
    Networks(Vec<IpNet>),
}

/// What becomes of traffic to an address with `externalTrafficPolicy: Local` on a node without an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalPolicy {
    /// From outside of the cluster it is dropped; pods and this node's own processes get an endpoint of
    /// another node. Where pods cannot be told from the outside, as [`LocalPolicy::KubeProxy`].
    #[default]
    Strict,
    /// As kube-proxy does in IPVS mode: it is sent to an endpoint of another node, with its source address.
    /// Cluster IPs of Services that can be reached from outside fall back in the same way.
    KubeProxy,
}

/// How traffic of this node's pods is recognised (`detectLocalMode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalDetector {
    /// Its source address lies in this network (modes ClusterCIDR and NodeCIDR).
    Cidr(IpNet),
    /// It enters by this interface (mode BridgeInterface).
    Interface(String),
    /// It enters by an interface whose name starts so (mode InterfaceNamePrefix).
    InterfacePrefix(String),
}

// === impl Options ===

impl Options {
    /// The mark bit that kube-proxy uses unless told otherwise.
    pub const DEFAULT_MASQUERADE_BIT: u8 = 14;

    /// Whether `family` is served.
    pub fn serves(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// The scheduler of Services that choose none: `rr` where the kernel lacks the operator's choice.
    pub fn default_scheduler(&self) -> Scheduler {
        if self.unavailable.contains(&self.scheduler) { Scheduler::Rr } else { self.scheduler }
    }

    /// Whether it matters that the machine has `address`: link-local ones of IPv6 only if node ports are asked
    /// for there.
    pub fn uses_host_address(&self, address: &IpAddr) -> bool {
        match (address, &self.node_port_addresses) {
            (IpAddr::V6(v6), NodePortAddresses::Networks(networks)) if v6.is_unicast_link_local() => {
                networks.iter().any(|network| network.contains(address))
            }
            (IpAddr::V6(v6), _) => !v6.is_unicast_link_local(),
            (IpAddr::V4(_), _) => true,
        }
    }

    /// Whether policy Local is kept in `family`: wanted, and possible, since pods can be told from the outside.
    pub fn keeps_local_policy(&self, family: Family) -> bool {
        self.local_policy == LocalPolicy::Strict && self.local_detector.get(family).is_some()
    }
}

/// kube-proxy's defaults: `rr`, both families, masquerade bit 14, no way to tell pods apart.
impl Default for Options {
    fn default() -> Self {
        Options {
            scheduler: Scheduler::Rr,
            unavailable: BTreeSet::new(),
            families: Family::ALL.into_iter().collect(),
            external_ips: true,
            masquerade_all: false,
            masquerade_mark: 1 << Options::DEFAULT_MASQUERADE_BIT,
            local_detector: PerFamily::default(),
            exclude_cidrs: Vec::new(),
            node_port_addresses: NodePortAddresses::All,
            local_policy: LocalPolicy::Strict,
            host_addresses: BTreeSet::new(),
            bridge_netfilter: true,
        }
    }
}
