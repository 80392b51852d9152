//! The fields of a Service that are read at all.

use bytestring::ByteString;
use serde::Deserialize;

use crate::decode::field::{Field, objects};
use crate::decode::metadata::Metadata;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawService {
    pub(super) metadata: Field<Metadata>,
    pub(super) spec: Field<Spec>,
    pub(super) status: Field<Status>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(rename = "type")]
    pub(super) kind: Field<ByteString>,
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Field<ByteString>,
    #[serde(rename = "clusterIPs")]
    pub(super) cluster_ips: Field<Vec<Field<ByteString>>>,
    pub(super) ip_families: Field<Vec<Field<ByteString>>>,
    pub(super) ports: Field<Vec<Field<RawPort>>>,
    #[serde(rename = "externalIPs")]
    pub(super) external_ips: Field<Vec<Field<ByteString>>>,
    pub(super) load_balancer_source_ranges: Field<Vec<Field<ByteString>>>,
    pub(super) external_traffic_policy: Field<ByteString>,
    pub(super) internal_traffic_policy: Field<ByteString>,
    pub(super) session_affinity: Field<ByteString>,
    pub(super) session_affinity_config: Field<AffinityConfig>,
    pub(super) health_check_node_port: Field<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPort {
    pub(super) name: Field<ByteString>,
    pub(super) protocol: Field<ByteString>,
    pub(super) port: Field<u16>,
    pub(super) node_port: Field<u16>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AffinityConfig {
    #[serde(rename = "clientIP")]
    pub(super) client_ip: Field<ClientIp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClientIp {
    pub(super) timeout_seconds: Field<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) load_balancer: Field<LoadBalancer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadBalancer {
    pub(super) ingress: Field<Vec<Field<Ingress>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Ingress {
    pub(super) ip: Field<ByteString>,
    pub(super) ip_mode: Field<ByteString>,
}

objects!(RawService, Spec, RawPort, AffinityConfig, ClientIp, Status, LoadBalancer, Ingress);
