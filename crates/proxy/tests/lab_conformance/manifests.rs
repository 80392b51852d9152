//! What only these tests say of Services and their EndpointSlices.

use std::fs;
use std::net::IpAddr;

use lab::traffic::Protocol;
use serde_json::{Value, json};

use crate::support::manifests::{Manifests, Port, Service, Slice};

// === impl Manifests ===

impl Manifests {
    /// Takes everything away.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(self.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

// === impl Service ===

impl Service {
    pub(crate) fn label(mut self, key: &str, value: &str) -> Service {
        self.labels.insert(key.to_owned(), json!(value));
        self
    }

    /// A load balancer has given the Service these addresses, and delivers what is for them as it is (`ipMode: VIP`).
    pub(crate) fn load_balancer(self, addresses: &[IpAddr]) -> Service {
        let ingress = addresses.iter().map(|ip| json!({ "ip": ip, "ipMode": "VIP" })).collect();
        self.spec(json!({ "type": "LoadBalancer" })).ingress(ingress)
    }

    /// What the status says of the load balancer.
    pub(crate) fn ingress(mut self, ingress: Vec<Value>) -> Service {
        self.ingress = ingress;
        self
    }

    /// The same without any endpoint.
    pub(crate) fn without_slices(mut self) -> Service {
        self.slices.clear();
        self
    }
}

// === impl Port ===

impl Port {
    /// A port for TCP.
    pub(crate) fn named(name: &str, number: u16, target: u16) -> Port {
        Port { name: name.to_owned(), number, target, ..Port::of(Protocol::Tcp) }
    }
}

// === impl Slice ===

impl Slice {
    /// These pods listen on ports of their own: TCP ports, by the names of the Service's ports.
    pub(crate) fn ports(mut self, ports: &[(&str, u16)]) -> Slice {
        let port = |(name, number): &(&str, u16)| ((*name).to_owned(), Protocol::Tcp, *number);
        self.ports = Some(ports.iter().map(port).collect());
        self
    }

    pub(crate) fn label(mut self, key: &str, value: &str) -> Slice {
        self.labels.insert(key.to_owned(), json!(value));
        self
    }
}
