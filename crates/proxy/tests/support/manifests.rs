//! The folder of manifests that kube-ipvs watches, and the Services in it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use lab::cluster::addresses::Addresses;
use lab::traffic::Protocol;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of manifests. It is removed when this is dropped.
pub(crate) struct Manifests {
    folder: TempDir,
}

/// A Service of both families with its EndpointSlices.
#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    number: u16,
    protocols: Vec<Protocol>,
    annotations: Vec<(String, String)>,
    affinity: Option<u32>,
    slices: Vec<Slice>,
}

/// Some endpoints of a Service: one EndpointSlice for each family.
#[derive(Clone)]
struct Slice {
    weight: Option<u32>,
    endpoints: Vec<Endpoint>,
}

/// A pod as an EndpointSlice lists it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) pod: String,
    pub(crate) node: String,
    pub(crate) addresses: Addresses,
    pub(crate) zone: Option<&'static str>,
    pub(crate) condition: Condition,
}

/// What an EndpointSlice says of a pod.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Ready,
    Unready,
    Terminating,
}

// === impl Manifests ===

impl Manifests {
    pub(crate) fn create() -> Manifests {
        Manifests { folder: TempDir::with_prefix("kube-ipvs-manifests-").unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a Service and its slices into a file of the Service's name.
    pub(crate) fn apply(&self, service: &Service) {
        self.write(&format!("{}.json", service.name), &service.manifest());
    }

    /// Puts a file in place in one step, as a program that is careful does.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let unfinished = self.folder.path().join(format!(".{file}.new"));
        fs::write(&unfinished, text).unwrap();
        fs::rename(&unfinished, self.folder.path().join(file)).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.folder.path().join(file)).unwrap();
    }
}

// === impl Service ===

impl Service {
    /// A Service for TCP. Its number is in its addresses, such as 10.96.0.10 and fd00:96::a.
    pub(crate) fn new(name: &str, number: u16) -> Service {
        Service {
            name: name.to_owned(),
            number,
            protocols: vec![Protocol::Tcp],
            annotations: Vec::new(),
            affinity: None,
            slices: Vec::new(),
        }
    }

    pub(crate) fn protocols(mut self, protocols: &[Protocol]) -> Service {
        self.protocols = protocols.to_vec();
        self
    }

    /// Adds the annotation `kube-ipvs.io/<key>`.
    pub(crate) fn annotate(mut self, key: &str, value: &str) -> Service {
        self.annotations.push((format!("kube-ipvs.io/{key}"), value.to_owned()));
        self
    }

    /// Clients keep their pod until they have been silent for some seconds.
    pub(crate) fn affinity(mut self, seconds: u32) -> Service {
        self.affinity = Some(seconds);
        self
    }

    pub(crate) fn slice(mut self, endpoints: Vec<Endpoint>) -> Service {
        self.slices.push(Slice { weight: None, endpoints });
        self
    }

    pub(crate) fn weighted_slice(mut self, weight: u32, endpoints: Vec<Endpoint>) -> Service {
        self.slices.push(Slice { weight: Some(weight), endpoints });
        self
    }

    /// The same with another condition of one pod.
    pub(crate) fn with(mut self, pod: &str, condition: Condition) -> Service {
        let endpoints = self.slices.iter_mut().flat_map(|slice| &mut slice.endpoints);
        endpoints.filter(|endpoint| endpoint.pod == pod).for_each(|endpoint| endpoint.condition = condition);
        self
    }

    /// The same without one pod.
    pub(crate) fn without(mut self, pod: &str) -> Service {
        self.slices.iter_mut().for_each(|slice| slice.endpoints.retain(|endpoint| endpoint.pod != pod));
        self
    }

    pub(crate) fn ips(&self) -> [IpAddr; 2] {
        let [high, low] = self.number.to_be_bytes();
        [
            Ipv4Addr::new(10, 96, high, low).into(),
            Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, self.number).into(),
        ]
    }

    /// Where clients find it, IPv4 first.
    pub(crate) fn addresses(&self, protocol: Protocol) -> [SocketAddr; 2] {
        let (port, _) = ports(protocol);
        self.ips().map(|ip| SocketAddr::new(ip, port))
    }

    /// Where clients find it over TCP and IPv4.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses(Protocol::Tcp)[0]
    }

    /// The Service and its slices as a List.
    pub(crate) fn manifest(&self) -> String {
        format!("{:#}\n", json!({ "apiVersion": "v1", "kind": "List", "items": self.objects() }))
    }

    /// The Service and its slices.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let mut items = vec![self.service()];
        for (number, slice) in self.slices.iter().enumerate() {
            for (family, name) in ["IPv4", "IPv6"].into_iter().enumerate() {
                items.push(self.endpoint_slice(slice, number, family, name));
            }
        }
        items
    }

    fn service(&self) -> Value {
        let ports: Vec<_> = self.ports(|(port, target)| json!({ "port": port, "targetPort": target }));
        let annotations: serde_json::Map<_, _> =
            self.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let mut spec = json!({
            "type": "ClusterIP",
            "clusterIP": self.ips()[0],
            "clusterIPs": self.ips(),
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": ports,
        });
        if let Some(seconds) = self.affinity {
            spec["sessionAffinity"] = json!("ClientIP");
            spec["sessionAffinityConfig"] = json!({ "clientIP": { "timeoutSeconds": seconds } });
        }
        let metadata = json!({ "name": self.name, "namespace": "test", "annotations": annotations });
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec })
    }

    fn endpoint_slice(&self, slice: &Slice, number: usize, family: usize, address_type: &str) -> Value {
        let endpoints: Vec<_> = slice.endpoints.iter().map(|endpoint| endpoint.manifest(family)).collect();
        let ports: Vec<_> = self.ports(|(_, target)| json!({ "port": target }));
        let mut metadata = json!({
            "name": format!("{}-{number}-{}", self.name, address_type.to_lowercase()),
            "namespace": "test",
            "labels": { "kubernetes.io/service-name": self.name },
        });
        if let Some(weight) = slice.weight {
            metadata["annotations"] = json!({ "kube-ipvs.io/weight": weight.to_string() });
        }
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": address_type,
            "ports": ports,
            "endpoints": endpoints,
        })
    }

    /// A port for each protocol, with the protocol and its name filled in.
    fn ports(&self, numbers: impl Fn((u16, u16)) -> Value) -> Vec<Value> {
        let port = |protocol: &Protocol| {
            let mut port = numbers(ports(*protocol));
            port["protocol"] = json!(protocol.to_string());
            port["name"] = json!(protocol.to_string().to_lowercase());
            port
        };
        self.protocols.iter().map(port).collect()
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn manifest(&self, family: usize) -> Value {
        let (ready, serving, terminating) = match self.condition {
            Condition::Ready => (true, true, false),
            Condition::Unready => (false, false, false),
            Condition::Terminating => (false, true, true),
        };
        let mut endpoint = json!({
            "addresses": [self.addresses.both()[family]],
            "nodeName": self.node,
            "conditions": { "ready": ready, "serving": serving, "terminating": terminating },
        });
        if let Some(zone) = self.zone {
            endpoint["zone"] = json!(zone);
        }
        endpoint
    }
}

/// The port of every Service and that of every pod.
pub(crate) fn ports(protocol: Protocol) -> (u16, u16) {
    match protocol {
        Protocol::Tcp => (80, 8080),
        Protocol::Udp => (53, 5353),
        Protocol::Sctp => (36412, 38412),
    }
}
