//! `k8s.io.api.core.v1.Service`.

use bytes::Bytes;
use prost::Message;

use super::raw::{self, RawPort, RawService};
use crate::decode::metadata::protobuf::ObjectMeta;
use crate::decode::protobuf::{list, message, messages, number, optional, positive, present, text};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Service {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(message, optional, tag = "2")]
    spec: Option<Spec>,
    #[prost(message, optional, tag = "3")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Spec {
    #[prost(message, repeated, tag = "1")]
    ports: Vec<Port>,
    #[prost(bytes = "bytes", tag = "3")]
    cluster_ip: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    kind: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    external_ips: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "7")]
    session_affinity: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "9")]
    load_balancer_source_ranges: Vec<Bytes>,
    #[prost(bytes = "bytes", tag = "11")]
    external_traffic_policy: Bytes,
    #[prost(int32, tag = "12")]
    health_check_node_port: i32,
    #[prost(message, optional, tag = "14")]
    session_affinity_config: Option<AffinityConfig>,
    #[prost(bytes = "bytes", repeated, tag = "18")]
    cluster_ips: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "19")]
    ip_families: Vec<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "22")]
    internal_traffic_policy: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Port {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    protocol: Bytes,
    #[prost(int32, tag = "3")]
    port: i32,
    #[prost(int32, tag = "5")]
    node_port: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct AffinityConfig {
    #[prost(message, optional, tag = "1")]
    client_ip: Option<ClientIp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ClientIp {
    #[prost(int32, optional, tag = "1")]
    timeout_seconds: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, optional, tag = "1")]
    load_balancer: Option<LoadBalancer>,
}

#[derive(Clone, PartialEq, Message)]
struct LoadBalancer {
    #[prost(message, repeated, tag = "1")]
    ingress: Vec<Ingress>,
}

#[derive(Clone, PartialEq, Message)]
struct Ingress {
    #[prost(bytes = "bytes", tag = "1")]
    ip: Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    ip_mode: Option<Bytes>,
}

// === impl RawService ===

impl From<Service> for RawService {
    fn from(service: Service) -> Self {
        RawService {
            metadata: message(service.metadata),
            spec: message(service.spec),
            status: message(service.status),
        }
    }
}

impl From<Spec> for raw::Spec {
    fn from(spec: Spec) -> Self {
        raw::Spec {
            kind: text(spec.kind),
            cluster_ip: text(spec.cluster_ip),
            cluster_ips: list(spec.cluster_ips, present),
            ip_families: list(spec.ip_families, present),
            ports: messages(spec.ports),
            external_ips: list(spec.external_ips, present),
            load_balancer_source_ranges: list(spec.load_balancer_source_ranges, present),
            external_traffic_policy: text(spec.external_traffic_policy),
            internal_traffic_policy: optional(spec.internal_traffic_policy, present),
            session_affinity: text(spec.session_affinity),
            session_affinity_config: message(spec.session_affinity_config),
            health_check_node_port: positive(spec.health_check_node_port),
        }
    }
}

impl From<Port> for RawPort {
    fn from(port: Port) -> Self {
        RawPort {
            name: text(port.name),
            protocol: text(port.protocol),
            port: positive(port.port),
            node_port: positive(port.node_port),
        }
    }
}

impl From<AffinityConfig> for raw::AffinityConfig {
    fn from(config: AffinityConfig) -> Self {
        raw::AffinityConfig { client_ip: message(config.client_ip) }
    }
}

impl From<ClientIp> for raw::ClientIp {
    fn from(config: ClientIp) -> Self {
        raw::ClientIp { timeout_seconds: optional(config.timeout_seconds, number) }
    }
}

impl From<Status> for raw::Status {
    fn from(status: Status) -> Self {
        raw::Status { load_balancer: message(status.load_balancer) }
    }
}

impl From<LoadBalancer> for raw::LoadBalancer {
    fn from(load_balancer: LoadBalancer) -> Self {
        raw::LoadBalancer { ingress: messages(load_balancer.ingress) }
    }
}

impl From<Ingress> for raw::Ingress {
    fn from(ingress: Ingress) -> Self {
        raw::Ingress { ip: text(ingress.ip), ip_mode: optional(ingress.ip_mode, present) }
    }
}
