//! What one Service contributes to the kernel of this node.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Candidate, Cluster, Family, Selection, Service, ServicePort, Vantage};

use crate::scheduling::Scheduling;
use crate::{
    Entry, Member, Options, RealServer, SetName, VirtualServer, VirtualServerConfig, VirtualServerKey,
};

/// The share of one Service in the kernel's state, and what it asked for in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePlan {
    /// Its virtual servers.
    pub virtual_servers: BTreeMap<VirtualServerKey, Arc<VirtualServer>>,
    /// Its set entries.
    pub members: BTreeSet<Member>,
    /// The addresses that it needs on `kube-ipvs0`.
    pub addresses: BTreeSet<IpAddr>,
    /// What could not be done as asked, each a sentence that says what is done instead.
    pub warnings: Vec<String>,
}

/// A way by which traffic reaches a Service port: one address, with the policy and the sets that go with it.
struct Path<'a> {
    address: IpAddr,
    port: u16,
    /// The endpoints that the policy of this path leaves.
    endpoints: &'a [Candidate<'a>],
    /// The set that classifies traffic to it.
    set: SetName,
    /// Whether the address has to be bound to `kube-ipvs0`.
    bound: bool,
}

/// Plans `service`, whose endpoints and node are taken from `cluster`. A Service without an address of a
/// served family contributes nothing.
pub fn plan_service(service: &Service, cluster: &Cluster, options: &Options) -> ServicePlan {
    let mut plan = ServicePlan::default();
    let served: Vec<(Family, IpAddr)> = options
        .families
        .iter()
        .filter_map(|family| Some((*family, service.proxied_cluster_ip(*family)?)))
        .collect();
    if served.is_empty() {
        return plan;
    }
    let mut scheduling = Scheduling::of(&service.scheduling, cluster.slices(&service.key), options);
    plan.warnings.append(&mut scheduling.warnings);
    let vantage =
        Vantage { node: cluster.node_name(), zone: cluster.node().and_then(|node| node.zone.as_deref()) };
    for (family, cluster_ip) in served {
        for port in &service.ports {
            let slices = cluster.slices(&service.key);
            let selection = Selection::of(service, port, family, slices, vantage);
            plan.add_hairpin_entries(port, family, &selection);
            for path in paths(service, port, cluster_ip, &selection) {
                plan.add_path(&path, service, port, &scheduling);
            }
        }
    }
    plan
}

/// The ways to a Service port in the family of its cluster IP.
fn paths<'a>(
    service: &Service,
    port: &ServicePort,
    cluster_ip: IpAddr,
    selection: &'a Selection<'a>,
) -> Vec<Path<'a>> {
    // If the Service is also reachable from outside and this node has no endpoint, kube-proxy's IPVS mode
    // breaks the policy and uses every endpoint. Its other modes drop such traffic, and so does this one.
    let endpoints = if service.internal_policy_is_local() { &selection.local } else { &selection.cluster };
    vec![Path { address: cluster_ip, port: port.port, endpoints, set: SetName::ClusterIp, bound: true }]
}

// === impl ServicePlan ===

impl ServicePlan {
    /// Endpoints of this node may reach themselves through the Service; whatever their condition, as
    /// connections outlive it.
    fn add_hairpin_entries(&mut self, port: &ServicePort, family: Family, selection: &Selection<'_>) {
        for candidate in &selection.on_this_node {
            let entry = Entry::IpPortIp(candidate.address, port.protocol, candidate.port, candidate.address);
            self.members.insert(Member::new(SetName::LoopBack, family, entry));
        }
    }

    fn add_path(&mut self, path: &Path<'_>, service: &Service, port: &ServicePort, scheduling: &Scheduling) {
        let family = Family::of(&path.address);
        let entry = Entry::IpPort(path.address, port.protocol, path.port);
        self.members.insert(Member::new(path.set, family, entry));
        if path.bound {
            self.members.insert(Member::new(SetName::IpvsIps, family, Entry::Ip(path.address)));
            self.addresses.insert(path.address);
        }
        let key = VirtualServerKey { address: path.address, port: path.port, protocol: port.protocol };
        match self.virtual_servers.entry(key) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(Arc::new(virtual_server(path, service, scheduling)));
            }
            btree_map::Entry::Occupied(_) => self.warnings.push(format!(
                "port {:?}: {key} is already taken by another port of this Service, which keeps it",
                port.name
            )),
        }
    }
}

fn virtual_server(path: &Path<'_>, service: &Service, scheduling: &Scheduling) -> VirtualServer {
    VirtualServer {
        config: VirtualServerConfig {
            scheduler: Some(scheduling.scheduler),
            scheduler_flags: scheduling.flags,
            persistence: service.affinity_seconds,
            unusual: false,
        },
        real_servers: path.endpoints.iter().map(|candidate| real_server(candidate, scheduling)).collect(),
    }
}

fn real_server(candidate: &Candidate<'_>, scheduling: &Scheduling) -> RealServer {
    RealServer {
        address: candidate.address,
        port: candidate.port,
        weight: scheduling.weight_of(candidate),
        masqueraded: true,
    }
}

#[cfg(test)]
mod tests;
