//! EndpointSlices and the endpoints in them.

use lab::cluster::addresses::Addresses;
use lab::traffic::Protocol;
use serde_json::{Map, Value, json};

use super::Port;

/// Some endpoints of a Service: one EndpointSlice for each family.
#[derive(Clone)]
pub(crate) struct Slice {
    pub(crate) weight: Option<u32>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// Names and numbers of the ports that these endpoints listen on; without this, the Service's.
    pub(crate) ports: Option<Vec<(String, Protocol, u16)>>,
    pub(crate) labels: Map<String, Value>,
}

/// A pod as an EndpointSlice lists it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) pod: String,
    pub(crate) node: String,
    pub(crate) addresses: Addresses,
    pub(crate) zone: Option<&'static str>,
    pub(crate) condition: Condition,
    /// As in `{ "forNodes": [{ "name": "node-1" }] }`.
    pub(crate) hints: Option<Value>,
}

/// What an EndpointSlice says of a pod. A Service with `publishNotReadyAddresses` has all its pods called ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Ready,
    Unready,
    /// It is told to end and still passes its readiness probe.
    Terminating,
    #[allow(dead_code, reason = "only lab_conformance has such pods")]
    TerminatingUnready,
    /// Unready, in a Service that publishes such pods.
    #[allow(dead_code, reason = "only lab_conformance has such pods")]
    Published,
    /// Terminating and unready, in a Service that publishes such pods.
    #[allow(dead_code, reason = "only lab_conformance has such pods")]
    TerminatingPublished,
}

// === impl Slice ===

impl Slice {
    pub(crate) fn of(endpoints: Vec<Endpoint>) -> Slice {
        Slice { weight: None, endpoints, ports: None, labels: Map::new() }
    }

    /// The slice of one family.
    pub(super) fn manifest(
        &self,
        service: &str,
        ports: &[Port],
        number: usize,
        family: usize,
        address_type: &str,
    ) -> Value {
        let ports = self.ports.clone().unwrap_or_else(|| {
            ports.iter().map(|port| (port.name.clone(), port.protocol, port.target)).collect()
        });
        let port = |(name, protocol, number): (String, Protocol, u16)| json!({ "name": name, "protocol": protocol.to_string(), "port": number });
        let mut metadata = json!({
            "name": format!("{service}-{number}-{}", address_type.to_lowercase()),
            "namespace": "test",
            "labels": self.labels,
        });
        metadata["labels"]["kubernetes.io/service-name"] = json!(service);
        if let Some(weight) = self.weight {
            metadata["annotations"] = json!({ "kube-ipvs.io/weight": weight.to_string() });
        }
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": address_type,
            "ports": ports.into_iter().map(port).collect::<Vec<_>>(),
            "endpoints": self.endpoints.iter().map(|endpoint| endpoint.manifest(family)).collect::<Vec<_>>(),
        })
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn manifest(&self, family: usize) -> Value {
        let (ready, serving, terminating) = self.condition.flags();
        let mut endpoint = json!({
            "addresses": [self.addresses.both()[family]],
            "nodeName": self.node,
            "conditions": { "ready": ready, "serving": serving, "terminating": terminating },
        });
        if let Some(zone) = self.zone {
            endpoint["zone"] = json!(zone);
        }
        if let Some(hints) = &self.hints {
            endpoint["hints"] = hints.clone();
        }
        endpoint
    }
}

// === impl Condition ===

impl Condition {
    /// Ready, serving, terminating.
    fn flags(self) -> (bool, bool, bool) {
        match self {
            Condition::Ready => (true, true, false),
            Condition::Unready => (false, false, false),
            Condition::Terminating => (false, true, true),
            Condition::TerminatingUnready => (false, false, true),
            Condition::Published => (true, false, false),
            Condition::TerminatingPublished => (true, false, true),
        }
    }
}
