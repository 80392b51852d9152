//! The ipsets that feed the constant rules: their names, types and entries.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{Family, Protocol};

/// One of the seventeen sets that kube-proxy keeps in each family, with the same names and types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetName {
    /// `KUBE-LOOP-BACK`: endpoints of this node, for hairpin masquerading.
    LoopBack,
    /// `KUBE-CLUSTER-IP`: cluster IPs with their ports.
    ClusterIp,
    /// `KUBE-EXTERNAL-IP`: external IPs with policy Cluster.
    ExternalIp,
    /// `KUBE-EXTERNAL-IP-LOCAL`: external IPs with policy Local.
    ExternalIpLocal,
    /// `KUBE-LOAD-BALANCER`: load-balancer addresses.
    LoadBalancer,
    /// `KUBE-LOAD-BALANCER-FW`: those with source ranges.
    LoadBalancerFirewall,
    /// `KUBE-LOAD-BALANCER-LOCAL`: those with policy Local.
    LoadBalancerLocal,
    /// `KUBE-LOAD-BALANCER-SOURCE-IP`: those that the node itself may use.
    LoadBalancerSourceIp,
    /// `KUBE-LOAD-BALANCER-SOURCE-CIDR`: those with the ranges that may use them.
    LoadBalancerSourceCidr,
    /// `KUBE-NODE-PORT-TCP`: node ports for TCP.
    NodePortTcp,
    /// `KUBE-NODE-PORT-LOCAL-TCP`: those with policy Local.
    NodePortLocalTcp,
    /// `KUBE-NODE-PORT-UDP`: node ports for UDP.
    NodePortUdp,
    /// `KUBE-NODE-PORT-LOCAL-UDP`: those with policy Local.
    NodePortLocalUdp,
    /// `KUBE-NODE-PORT-SCTP-HASH`: node addresses and ports for SCTP, which bitmaps cannot hold.
    NodePortSctp,
    /// `KUBE-NODE-PORT-LOCAL-SCTP-HASH`: those with policy Local.
    NodePortLocalSctp,
    /// `KUBE-HEALTH-CHECK-NODE-PORT`: ports of the per-Service health checks.
    HealthCheckNodePort,
    /// `KUBE-IPVS-IPS`: every address bound to `kube-ipvs0`. Last, because an address in this set refuses
    /// what the sets before it do not allow.
    IpvsIps,
}

/// What a set holds, in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetType {
    /// `hash:ip`
    HashIp,
    /// `hash:ip,port`
    HashIpPort,
    /// `hash:ip,port,ip`
    HashIpPortIp,
    /// `hash:ip,port,net`
    HashIpPortNet,
    /// `bitmap:port` over all ports
    BitmapPort,
}

/// A set of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId {
    /// Which set.
    pub name: SetName,
    /// For which family.
    pub family: Family,
}

/// An entry of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Of a `hash:ip` set.
    Ip(IpAddr),
    /// Of a `hash:ip,port` set.
    IpPort(IpAddr, Protocol, u16),
    /// Of a `hash:ip,port,ip` set.
    IpPortIp(IpAddr, Protocol, u16, IpAddr),
    /// Of a `hash:ip,port,net` set.
    IpPortNet(IpAddr, Protocol, u16, IpNet),
    /// Of a `bitmap:port` set.
    Port(u16),
}

/// An entry and the set that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The set.
    pub set: SetId,
    /// The entry.
    pub entry: Entry,
}

/// The longest set name that the kernel takes: `IPSET_MAXNAMELEN` less its terminating zero.
const LONGEST_NAME: usize = 31;

/// `hashsize` with which hash sets are created, as kube-proxy does.
pub const HASH_SIZE: u32 = 1024;
/// `maxelem` with which hash sets are created, as kube-proxy does.
pub const MAX_ELEMENTS: u32 = 65536;

// === impl SetName ===

impl SetName {
    /// Every set, in the order in which entries are added.
    pub const ALL: [SetName; 17] = [
        SetName::LoopBack,
        SetName::ClusterIp,
        SetName::ExternalIp,
        SetName::ExternalIpLocal,
        SetName::LoadBalancer,
        SetName::LoadBalancerFirewall,
        SetName::LoadBalancerLocal,
        SetName::LoadBalancerSourceIp,
        SetName::LoadBalancerSourceCidr,
        SetName::NodePortTcp,
        SetName::NodePortLocalTcp,
        SetName::NodePortUdp,
        SetName::NodePortLocalUdp,
        SetName::NodePortSctp,
        SetName::NodePortLocalSctp,
        SetName::HealthCheckNodePort,
        SetName::IpvsIps,
    ];

    /// The name without the prefix that tells the families apart.
    fn suffix(self) -> &'static str {
        match self {
            SetName::LoopBack => "LOOP-BACK",
            SetName::ClusterIp => "CLUSTER-IP",
            SetName::ExternalIp => "EXTERNAL-IP",
            SetName::ExternalIpLocal => "EXTERNAL-IP-LOCAL",
            SetName::LoadBalancer => "LOAD-BALANCER",
            SetName::LoadBalancerFirewall => "LOAD-BALANCER-FW",
            SetName::LoadBalancerLocal => "LOAD-BALANCER-LOCAL",
            SetName::LoadBalancerSourceIp => "LOAD-BALANCER-SOURCE-IP",
            SetName::LoadBalancerSourceCidr => "LOAD-BALANCER-SOURCE-CIDR",
            SetName::NodePortTcp => "NODE-PORT-TCP",
            SetName::NodePortLocalTcp => "NODE-PORT-LOCAL-TCP",
            SetName::NodePortUdp => "NODE-PORT-UDP",
            SetName::NodePortLocalUdp => "NODE-PORT-LOCAL-UDP",
            SetName::NodePortSctp => "NODE-PORT-SCTP-HASH",
            SetName::NodePortLocalSctp => "NODE-PORT-LOCAL-SCTP-HASH",
            SetName::HealthCheckNodePort => "HEALTH-CHECK-NODE-PORT",
            SetName::IpvsIps => "IPVS-IPS",
        }
    }

    /// What the set holds.
    pub fn set_type(self) -> SetType {
        match self {
            SetName::LoopBack | SetName::LoadBalancerSourceIp => SetType::HashIpPortIp,
            SetName::ClusterIp
            | SetName::ExternalIp
            | SetName::ExternalIpLocal
            | SetName::LoadBalancer
            | SetName::LoadBalancerFirewall
            | SetName::LoadBalancerLocal
            | SetName::NodePortSctp
            | SetName::NodePortLocalSctp => SetType::HashIpPort,
            SetName::LoadBalancerSourceCidr => SetType::HashIpPortNet,
            SetName::NodePortTcp
            | SetName::NodePortLocalTcp
            | SetName::NodePortUdp
            | SetName::NodePortLocalUdp
            | SetName::HealthCheckNodePort => SetType::BitmapPort,
            SetName::IpvsIps => SetType::HashIp,
        }
    }

    /// The comment that kube-proxy gives to the rules that match this set.
    pub fn comment(self) -> &'static str {
        match self {
            SetName::LoopBack => "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
            SetName::ClusterIp => "Kubernetes service cluster ip + port for masquerade purpose",
            SetName::ExternalIp => "Kubernetes service external ip + port for masquerade and filter purpose",
            SetName::ExternalIpLocal => {
                "Kubernetes service external ip + port with externalTrafficPolicy=local"
            }
            SetName::LoadBalancer => "Kubernetes service lb portal",
            SetName::LoadBalancerFirewall => {
                "Kubernetes service load balancer ip + port for load balancer with sourceRange"
            }
            SetName::LoadBalancerLocal => {
                "Kubernetes service load balancer ip + port with externalTrafficPolicy=local"
            }
            SetName::LoadBalancerSourceIp => {
                "Kubernetes service load balancer ip + port + source IP for packet filter purpose"
            }
            SetName::LoadBalancerSourceCidr => {
                "Kubernetes service load balancer ip + port + source cidr for packet filter purpose"
            }
            SetName::NodePortTcp => "Kubernetes nodeport TCP port for masquerade purpose",
            SetName::NodePortLocalTcp => "Kubernetes nodeport TCP port with externalTrafficPolicy=local",
            SetName::NodePortUdp => "Kubernetes nodeport UDP port for masquerade purpose",
            SetName::NodePortLocalUdp => "Kubernetes nodeport UDP port with externalTrafficPolicy=local",
            SetName::NodePortSctp => {
                "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'"
            }
            SetName::NodePortLocalSctp => {
                "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'"
            }
            SetName::HealthCheckNodePort => "Kubernetes health check node port",
            SetName::IpvsIps => "Kubernetes service addresses bound to kube-ipvs0",
        }
    }
}

// === impl SetType ===

impl fmt::Display for SetType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetType::HashIp => "hash:ip",
            SetType::HashIpPort => "hash:ip,port",
            SetType::HashIpPortIp => "hash:ip,port,ip",
            SetType::HashIpPortNet => "hash:ip,port,net",
            SetType::BitmapPort => "bitmap:port",
        })
    }
}

// === impl SetId ===

impl SetId {
    /// The set `name` of `family`.
    pub fn new(name: SetName, family: Family) -> Self {
        SetId { name, family }
    }

    /// Every set of `family`.
    pub fn all(family: Family) -> impl Iterator<Item = SetId> {
        SetName::ALL.into_iter().map(move |name| SetId { name, family })
    }

    /// The set that the kernel knows by `name`.
    pub fn by_name(name: &str) -> Option<SetId> {
        Family::ALL
            .into_iter()
            .flat_map(SetId::all)
            .find(|id| id.to_string() == name)
    }
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.family {
            Family::V4 => "KUBE-",
            Family::V6 => "KUBE-6-",
        };
        let suffix: String = self
            .name
            .suffix()
            .chars()
            .take(LONGEST_NAME - prefix.len())
            .collect();
        write!(f, "{prefix}{suffix}")
    }
}

// === impl Entry ===

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Ip(ip) => write!(f, "{ip}"),
            Entry::IpPort(ip, protocol, port) => write!(f, "{ip},{}:{port}", protocol.lower_case()),
            Entry::IpPortIp(ip, protocol, port, second) => {
                write!(f, "{ip},{}:{port},{second}", protocol.lower_case())
            }
            // ipset prints a net of a single address without its prefix length.
            Entry::IpPortNet(ip, protocol, port, net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{ip},{}:{port},{}", protocol.lower_case(), net.addr())
            }
            Entry::IpPortNet(ip, protocol, port, net) => {
                write!(f, "{ip},{}:{port},{net}", protocol.lower_case())
            }
            Entry::Port(port) => write!(f, "{port}"),
        }
    }
}

// === impl Member ===

impl Member {
    /// The entry `entry` of the set `name` of `family`.
    pub fn new(name: SetName, family: Family, entry: Entry) -> Self {
        Member {
            set: SetId::new(name, family),
            entry,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.set, self.entry)
    }
}
