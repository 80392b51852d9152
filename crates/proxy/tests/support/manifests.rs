//! The folder of manifests that kube-ipvs watches, and the Services in it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use lab::traffic::Protocol;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub(crate) use self::slice::{Condition, Endpoint, Slice};

mod slice;

/// A folder of manifests. It is removed when this is dropped.
pub(crate) struct Manifests {
    folder: TempDir,
}

/// A Service of both families with its EndpointSlices.
#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    number: u16,
    ports: Vec<Port>,
    annotations: Map<String, Value>,
    pub(crate) labels: Map<String, Value>,
    /// Fields of the spec beside those that a cluster IP needs.
    spec: Map<String, Value>,
    /// Addresses of a load balancer's ingress.
    pub(crate) ingress: Vec<Value>,
    pub(crate) slices: Vec<Slice>,
}

/// A port of a Service.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) number: u16,
    /// What the pods listen on, unless a slice says otherwise.
    pub(crate) target: u16,
    pub(crate) node_port: Option<u16>,
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

    /// Takes a Service and its slices away.
    pub(crate) fn delete(&self, service: &Service) {
        self.remove(&format!("{}.json", service.name));
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
            ports: vec![Port::of(Protocol::Tcp)],
            annotations: Map::new(),
            labels: Map::new(),
            spec: Map::new(),
            ingress: Vec::new(),
            slices: Vec::new(),
        }
    }

    /// The usual port of each protocol, and no others.
    pub(crate) fn protocols(self, protocols: &[Protocol]) -> Service {
        self.ports(protocols.iter().copied().map(Port::of))
    }

    /// These ports, and no others.
    pub(crate) fn ports(mut self, ports: impl IntoIterator<Item = Port>) -> Service {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Adds the annotation `kube-ipvs.io/<key>`.
    pub(crate) fn annotate(mut self, key: &str, value: &str) -> Service {
        self.annotations.insert(format!("kube-ipvs.io/{key}"), json!(value));
        self
    }

    /// Sets fields of the spec, as `{ "type": "NodePort", "externalTrafficPolicy": "Local" }`; null takes one away.
    pub(crate) fn spec(mut self, fields: Value) -> Service {
        let Value::Object(fields) = fields else { panic!("{fields} is no object") };
        self.spec.extend(fields);
        self
    }

    /// Clients keep their pod until they have been silent for some seconds.
    pub(crate) fn affinity(self, seconds: u32) -> Service {
        self.spec(json!({
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": seconds } },
        }))
    }

    /// Adds a slice whose ports are the Service's.
    pub(crate) fn slice(self, endpoints: Vec<Endpoint>) -> Service {
        self.add(Slice::of(endpoints))
    }

    pub(crate) fn weighted_slice(self, weight: u32, endpoints: Vec<Endpoint>) -> Service {
        self.add(Slice { weight: Some(weight), ..Slice::of(endpoints) })
    }

    pub(crate) fn add(mut self, slice: Slice) -> Service {
        self.slices.push(slice);
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

    /// Where clients find a port of its, IPv4 first.
    pub(crate) fn at(&self, port: u16) -> [SocketAddr; 2] {
        self.ips().map(|ip| SocketAddr::new(ip, port))
    }

    /// Where clients find it at its usual port, IPv4 first.
    pub(crate) fn addresses(&self, protocol: Protocol) -> [SocketAddr; 2] {
        self.at(ports(protocol).0)
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
                items.push(slice.manifest(&self.name, &self.ports, number, family, name));
            }
        }
        items
    }

    fn service(&self) -> Value {
        let mut spec = json!({
            "type": "ClusterIP",
            "clusterIP": self.ips()[0],
            "clusterIPs": self.ips(),
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": self.ports.iter().map(Port::manifest).collect::<Vec<_>>(),
        });
        for (field, value) in &self.spec {
            spec[field] = value.clone();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": self.name,
                "namespace": "test",
                "annotations": self.annotations,
                "labels": self.labels,
            },
            "spec": spec,
            "status": { "loadBalancer": { "ingress": self.ingress } },
        })
    }
}

// === impl Port ===

impl Port {
    /// The usual port of a protocol, named like it.
    pub(crate) fn of(protocol: Protocol) -> Port {
        let (number, target) = ports(protocol);
        let name = protocol.to_string().to_lowercase();
        Port { name, protocol, number, target, node_port: None }
    }

    pub(crate) fn node_port(mut self, number: u16) -> Port {
        self.node_port = Some(number);
        self
    }

    fn manifest(&self) -> Value {
        let mut port = json!({
            "name": self.name,
            "protocol": self.protocol.to_string(),
            "port": self.number,
            "targetPort": self.target,
        });
        if let Some(node_port) = self.node_port {
            port["nodePort"] = json!(node_port);
        }
        port
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
