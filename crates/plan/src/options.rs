//! What the operator chose, as far as planning depends on it.

use std::collections::BTreeSet;

use ipnet::IpNet;
use model::{Family, PerFamily};

use crate::Scheduler;

/// The choices that decide what is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `--ipvs-scheduler`: for Services that choose none.
    pub scheduler: Scheduler,
    /// Schedulers that turned out to be missing in this kernel; Services that ask for them get the default.
    pub unavailable: BTreeSet<Scheduler>,
    /// The families that are served.
    pub families: BTreeSet<Family>,
    /// `--masquerade-all`: masquerade everything that is sent to a cluster IP.
    pub masquerade_all: bool,
    /// The mark that asks for masquerading: 1 shifted left by `--iptables-masquerade-bit`.
    pub masquerade_mark: u32,
    /// How a pod of this node is told from everything else; absent if it cannot be told.
    pub local_detector: PerFamily<Option<LocalDetector>>,
    /// `--ipvs-exclude-cidrs`: virtual servers in these networks are never removed.
    pub exclude_cidrs: Vec<IpNet>,
    /// Whether rules may ask by which bridge port a packet came in. Without `br_netfilter` no packet has
    /// one, and the match would load that module and with it change how bridges work.
    pub bridge_netfilter: bool,
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
}

/// kube-proxy's defaults: `rr`, both families, masquerade bit 14, no way to tell pods apart.
impl Default for Options {
    fn default() -> Self {
        Options {
            scheduler: Scheduler::Rr,
            unavailable: BTreeSet::new(),
            families: Family::ALL.into_iter().collect(),
            masquerade_all: false,
            masquerade_mark: 1 << Options::DEFAULT_MASQUERADE_BIT,
            local_detector: PerFamily::default(),
            exclude_cidrs: Vec::new(),
            bridge_netfilter: true,
        }
    }
}
