//! `k8s.io.api.core.v1.Node`.

use bytes::Bytes;
use prost::Message;

use super::{Address, RawNode, Spec, Status, Taint};
use crate::decode::field::Field;
use crate::decode::metadata::protobuf::ObjectMeta;
use crate::decode::protobuf::{list, message, messages, present, text};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(message, optional, tag = "2")]
    spec: Option<NodeSpec>,
    #[prost(message, optional, tag = "3")]
    status: Option<NodeStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeSpec {
    #[prost(bytes = "bytes", tag = "1")]
    pod_cidr: Bytes,
    #[prost(message, repeated, tag = "5")]
    taints: Vec<NodeTaint>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pod_cidrs: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeTaint {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct NodeStatus {
    #[prost(message, repeated, tag = "5")]
    addresses: Vec<NodeAddress>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeAddress {
    #[prost(bytes = "bytes", tag = "1")]
    kind: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    address: Bytes,
}

// === impl RawNode ===

impl From<Node> for RawNode {
    fn from(node: Node) -> Self {
        RawNode { metadata: message(node.metadata), spec: message(node.spec), status: message(node.status) }
    }
}

impl From<NodeSpec> for Spec {
    fn from(spec: NodeSpec) -> Self {
        Spec {
            taints: list(spec.taints, |taint| Field::Present(Taint { key: text(taint.key) })),
            pod_cidr: text(spec.pod_cidr),
            pod_cidrs: list(spec.pod_cidrs, present),
        }
    }
}

impl From<NodeStatus> for Status {
    fn from(status: NodeStatus) -> Self {
        Status { addresses: messages(status.addresses) }
    }
}

impl From<NodeAddress> for Address {
    fn from(address: NodeAddress) -> Self {
        Address { kind: text(address.kind), address: text(address.address) }
    }
}
