//! `k8s.io.api.discovery.v1.EndpointSlice`.

use bytes::Bytes;
use prost::Message;

use super::{Conditions, Hint, Hints, RawEndpoint, RawPort, RawSlice};
use crate::decode::field::Field;
use crate::decode::metadata::protobuf::ObjectMeta;
use crate::decode::protobuf::{list, message, messages, number, optional, present, text};

#[derive(Clone, PartialEq, Message)]
pub(super) struct EndpointSlice {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(message, repeated, tag = "2")]
    endpoints: Vec<Endpoint>,
    #[prost(message, repeated, tag = "3")]
    ports: Vec<EndpointPort>,
    #[prost(bytes = "bytes", tag = "4")]
    address_type: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Endpoint {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    addresses: Vec<Bytes>,
    #[prost(message, optional, tag = "2")]
    conditions: Option<EndpointConditions>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    node_name: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    zone: Option<Bytes>,
    #[prost(message, optional, tag = "8")]
    hints: Option<EndpointHints>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct EndpointConditions {
    #[prost(bool, optional, tag = "1")]
    ready: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    serving: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    terminating: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct EndpointHints {
    #[prost(message, repeated, tag = "1")]
    for_zones: Vec<For>,
    #[prost(message, repeated, tag = "2")]
    for_nodes: Vec<For>,
}

/// `ForZone` and `ForNode`.
#[derive(Clone, PartialEq, Message)]
struct For {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct EndpointPort {
    #[prost(bytes = "bytes", optional, tag = "1")]
    name: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    protocol: Option<Bytes>,
    #[prost(int32, optional, tag = "3")]
    port: Option<i32>,
}

// === impl RawSlice ===

impl From<EndpointSlice> for RawSlice {
    fn from(slice: EndpointSlice) -> Self {
        RawSlice {
            metadata: message(slice.metadata),
            address_type: text(slice.address_type),
            ports: messages(slice.ports),
            endpoints: messages(slice.endpoints),
        }
    }
}

impl From<Endpoint> for RawEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        RawEndpoint {
            addresses: list(endpoint.addresses, present),
            conditions: message(endpoint.conditions),
            node_name: optional(endpoint.node_name, present),
            zone: optional(endpoint.zone, present),
            hints: message(endpoint.hints),
        }
    }
}

impl From<EndpointConditions> for Conditions {
    fn from(conditions: EndpointConditions) -> Self {
        Conditions {
            ready: optional(conditions.ready, Field::Present),
            serving: optional(conditions.serving, Field::Present),
            terminating: optional(conditions.terminating, Field::Present),
        }
    }
}

impl From<EndpointHints> for Hints {
    fn from(hints: EndpointHints) -> Self {
        let read = |hints| list(hints, |hint: For| Field::Present(Hint { name: text(hint.name) }));
        Hints { for_zones: read(hints.for_zones), for_nodes: read(hints.for_nodes) }
    }
}

impl From<EndpointPort> for RawPort {
    fn from(port: EndpointPort) -> Self {
        RawPort {
            name: optional(port.name, present),
            protocol: optional(port.protocol, present),
            port: optional(port.port, number),
        }
    }
}
