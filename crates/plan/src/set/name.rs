//! Which sets there are.

use std::fmt;

/// One of the sets of each family: the seventeen that kube-proxy keeps, with the same names and types, and two
/// more.
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
    /// `KUBE-NO-LOCAL-ENDPOINT`, which kube-proxy does not have: addresses and ports with policy Local that
    /// fall back to endpoints of other nodes, because this node has none.
    NoLocalEndpoint,
    /// `KUBE-NO-ENDPOINT`, which kube-proxy does not have: addresses and TCP ports that no endpoint
    /// serves on this node.
    NoEndpoint,
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

// === impl SetName ===

impl SetName {
    /// Every set, in the order in which entries are added.
    pub const ALL: [SetName; 19] = [
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
        SetName::NoLocalEndpoint,
        SetName::NoEndpoint,
        SetName::IpvsIps,
    ];

    /// The name without the prefix that tells the families apart.
    pub(super) fn suffix(self) -> &'static str {
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
            SetName::NoLocalEndpoint => "NO-LOCAL-ENDPOINT",
            SetName::NoEndpoint => "NO-ENDPOINT",
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
            | SetName::NodePortLocalSctp
            | SetName::NoLocalEndpoint
            | SetName::NoEndpoint => SetType::HashIpPort,
            SetName::LoadBalancerSourceCidr => SetType::HashIpPortNet,
            SetName::NodePortTcp
            | SetName::NodePortLocalTcp
            | SetName::NodePortUdp
            | SetName::NodePortLocalUdp
            | SetName::HealthCheckNodePort => SetType::BitmapPort,
            SetName::IpvsIps => SetType::HashIp,
        }
    }

    /// `maxelem` with which the set is created if it is a hash: kube-proxy's for the sets that both have, which
    /// must not differ (kubernetes#129389); for ours more, since a node port has an entry for each address.
    pub fn max_elements(self) -> u32 {
        match self {
            SetName::NoLocalEndpoint | SetName::NoEndpoint => 1_048_576,
            _ => 65_536,
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
            SetName::NoLocalEndpoint => "Kubernetes policy Local without an endpoint on this node",
            SetName::NoEndpoint => "Kubernetes service without any endpoint",
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
