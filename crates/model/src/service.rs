//! A Service, reduced to the fields that a service proxy uses.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::{Family, ObjectKey, PerFamily};

/// A Service as its API object asks for it. Every field is already parsed; what could not be parsed was
/// reported by the source as a [`Problem`](crate::Problem) and left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`, by which Events refer to the object.
    pub uid: Option<Arc<str>>,
    /// `metadata.creationTimestamp` in seconds since 1970; decides which of two Services owns an address
    /// and port that both ask for. An object without one counts as the youngest.
    pub created: Option<i64>,
    /// `spec.type`.
    pub kind: ServiceKind,
    /// The cluster IP of each family; none for a headless Service.
    pub cluster_ips: PerFamily<Option<IpAddr>>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.externalIPs` of both families.
    pub external_ips: Vec<IpAddr>,
    /// Addresses of `status.loadBalancer.ingress` that the proxy has to serve (`ipMode` absent or `VIP`).
    pub load_balancer_ips: Vec<IpAddr>,
    /// `spec.loadBalancerSourceRanges` of both families.
    pub source_ranges: Vec<IpNet>,
    /// `spec.externalTrafficPolicy`.
    pub external_policy: TrafficPolicy,
    /// `spec.internalTrafficPolicy`.
    pub internal_policy: TrafficPolicy,
    /// Seconds of `sessionAffinity: ClientIP`; absent without affinity.
    pub affinity_seconds: Option<u32>,
    /// `spec.healthCheckNodePort`, where the API gives it a meaning.
    pub health_check_node_port: Option<u16>,
    /// The annotations that choose the balancing algorithm, as text.
    pub scheduling: SchedulingHints,
    /// Annotation `kube-ipvs.io/drain-timeout`: how long a removed endpoint may keep its connections.
    pub drain_timeout: Option<Duration>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// `name`; empty for the only port of a Service.
    pub name: Arc<str>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The port at the Service's addresses.
    pub port: u16,
    /// The port at the nodes' addresses, if one is allocated.
    pub node_port: Option<u16>,
}

/// The value of `spec.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// Reachable inside the cluster.
    ClusterIp,
    /// Also reachable on a port of every node.
    NodePort,
    /// Also reachable through a load balancer's address.
    LoadBalancer,
    /// A DNS alias: nothing for a proxy to do.
    ExternalName,
}

/// The value of `spec.internalTrafficPolicy` and `spec.externalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrafficPolicy {
    /// Any endpoint of the cluster.
    #[default]
    Cluster,
    /// Endpoints of the same node only.
    Local,
}

/// A transport protocol that Services know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, protocol number 6.
    Tcp,
    /// UDP, protocol number 17.
    Udp,
    /// SCTP, protocol number 132.
    Sctp,
}

/// Annotations of a Service that choose its balancing algorithm, kept as text: what they mean, and what to
/// do when they mean nothing, is decided where the Service is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchedulingHints {
    /// Annotation `kube-ipvs.io/scheduler`.
    pub scheduler: Option<Arc<str>>,
    /// Annotation `kube-ipvs.io/scheduler-flags`.
    pub flags: Option<Arc<str>>,
    /// Annotation `kube-ipvs.io/weights`.
    pub weights: Option<Arc<str>>,
}

// === impl Service ===

impl Service {
    /// The cluster IP of `family` if this Service is to be proxied in that family: ExternalName and headless
    /// Services never are.
    pub fn proxied_cluster_ip(&self, family: Family) -> Option<IpAddr> {
        match self.kind {
            ServiceKind::ExternalName => None,
            _ => *self.cluster_ips.get(family),
        }
    }

    /// Whether `port` can be reached from outside the cluster in `family`: through a node port, a load
    /// balancer's address or an external IP.
    pub fn externally_accessible(&self, port: &ServicePort, family: Family) -> bool {
        port.node_port.is_some() || self.outside_addresses().any(|ip| Family::of(&ip) == family)
    }

    /// The addresses by which it is reached from outside the cluster, apart from the nodes' own: external IPs
    /// and those of load balancers.
    pub fn outside_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.external_ips.iter().chain(&self.load_balancer_ips).copied()
    }

    /// Whether the external traffic policy counts as Local. It does only for Services that have an outside:
    /// types NodePort and LoadBalancer, and type ClusterIP with external IPs.
    pub fn external_policy_is_local(&self) -> bool {
        let has_outside = match self.kind {
            ServiceKind::NodePort | ServiceKind::LoadBalancer => true,
            ServiceKind::ClusterIp => !self.external_ips.is_empty(),
            ServiceKind::ExternalName => false,
        };
        has_outside && self.external_policy == TrafficPolicy::Local
    }

    /// Whether the internal traffic policy is Local.
    pub fn internal_policy_is_local(&self) -> bool {
        self.internal_policy == TrafficPolicy::Local
    }

    /// A number that sorts Services by their right to an address and port that several ask for: the older
    /// first. Those with equal numbers are sorted by namespace and name.
    pub fn seniority(&self) -> i64 {
        self.created.unwrap_or(i64::MAX)
    }
}

// === impl Protocol ===

impl Protocol {
    /// The number that IP headers carry (IANA protocol numbers).
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }

    /// The protocol with this IANA number, if Services know it.
    pub fn from_number(number: u8) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|p| p.number() == number)
    }

    /// The lower-case name that `ipset` and `iptables` print.
    pub fn lower_case(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}
