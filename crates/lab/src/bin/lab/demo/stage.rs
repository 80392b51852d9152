//! What the steps act on: the cluster, the servers in its pods, and kube-ipvs on its nodes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use lab::Error;
use lab::cluster::{Cluster, Pod, Size};
use lab::namespace::Namespace;
use lab::traffic::{Client, Protocol, Server};

use super::manifests::Manifests;
use crate::proxies::Proxies;

/// Where pods serve what; `examples/` says the same.
const PORTS: [(Protocol, u16); 3] = [(Protocol::Tcp, 8080), (Protocol::Udp, 5353), (Protocol::Sctp, 38412)];

pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) manifests: Manifests,
    proxies: Option<Proxies>,
    servers: Vec<Server>,
    kube_ipvs: PathBuf,
    logs: PathBuf,
}

/// One of the Services in `examples/`.
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// The last digits of both its addresses.
    pub(super) number: u16,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

pub(super) const FRONTEND: Service = Service { number: 10, protocol: Protocol::Tcp, port: 80 };
pub(super) const CHECKOUT: Service = Service { number: 20, ..FRONTEND };
pub(super) const SEARCH: Service = Service { number: 30, ..FRONTEND };
pub(super) const SESSIONS: Service = Service { number: 40, ..FRONTEND };
pub(super) const CACHE: Service = Service { number: 50, ..FRONTEND };
pub(super) const DNS: Service = Service { number: 2, protocol: Protocol::Udp, port: 53 };
pub(super) const SIGNALLING: Service = Service { number: 60, protocol: Protocol::Sctp, port: 38412 };

// === impl Stage ===

impl Stage {
    /// Builds the cluster and starts the servers in its pods; kube-ipvs is started later.
    pub(super) fn build(kube_ipvs: &Path, examples: &Path, logs: &Path) -> Result<Stage, Error> {
        let manifests = Manifests::copy_of(examples)?;
        let cluster = Cluster::build(Size { nodes: 2, pods_per_node: 3, hosts: 1 })?;
        let mut servers = Vec::new();
        for pod in cluster.pods() {
            servers.extend(serve(pod)?);
        }
        Ok(Stage {
            cluster,
            manifests,
            proxies: None,
            servers,
            kube_ipvs: kube_ipvs.to_owned(),
            logs: logs.to_owned(),
        })
    }

    /// Starts kube-ipvs on every node.
    pub(super) fn start_proxies(&mut self) -> Result<(), Error> {
        let proxies = Proxies::start(&self.cluster, &self.kube_ipvs, self.manifests.path(), &self.logs)?;
        self.proxies = Some(proxies);
        Ok(())
    }

    /// Whether kube-ipvs still runs on every node, once started.
    pub(super) fn proxies_run(&mut self) -> bool {
        self.proxies.as_mut().is_none_or(Proxies::all_run)
    }

    /// Prints the end of what each kube-ipvs has said so far.
    pub(super) fn show_logs(&self) {
        if let Some(proxies) = &self.proxies {
            proxies.show_logs(&self.logs);
        }
    }

    /// A pod with its servers, added to a node.
    pub(super) fn add_pod(&mut self, node: usize) -> Result<(String, [IpAddr; 2]), Error> {
        let pod = self.cluster.add_pod(node)?;
        self.servers.extend(serve(pod)?);
        Ok((pod.name.clone(), pod.addresses.both()))
    }

    /// A pod of the cluster; the demo knows which there are.
    pub(super) fn pod(&self, name: &str) -> Result<&Pod, Error> {
        self.cluster.pod(name).ok_or_else(|| Error::missing(name))
    }
}

fn serve(pod: &Pod) -> Result<Vec<Server>, Error> {
    PORTS
        .into_iter()
        .map(|(protocol, port)| Server::start(&pod.namespace, &pod.name, protocol, port))
        .collect()
}

// === impl Service ===

impl Service {
    pub(super) fn v4(self) -> SocketAddr {
        let last = u8::try_from(self.number).unwrap_or(u8::MAX);
        SocketAddr::new(Ipv4Addr::new(10, 96, 0, last).into(), self.port)
    }

    pub(super) fn v6(self) -> SocketAddr {
        let digits = self.number / 10 * 0x10 + self.number % 10;
        SocketAddr::new(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, digits).into(), self.port)
    }

    /// Somebody in a namespace who talks to the Service's IPv4 address.
    pub(super) fn client(self, namespace: &Namespace) -> Client<'_> {
        Client::new(namespace, self.protocol, self.v4())
    }

    /// Somebody in a namespace who talks to the Service's IPv6 address.
    pub(super) fn client_v6(self, namespace: &Namespace) -> Client<'_> {
        Client::new(namespace, self.protocol, self.v6())
    }
}
