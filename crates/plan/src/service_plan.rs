//! What one Service contributes to the kernel of this node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Candidate, Cluster, Family, ObjectKey, Selection, Service, ServicePort, Vantage};

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

/// Plans the Service `key` of `cluster`; nothing if there is no such Service.
pub fn plan_service(cluster: &Cluster, key: &ObjectKey, options: &Options) -> ServicePlan {
    let mut plan = ServicePlan::default();
    let Some(service) = cluster.service(key) else {
        return plan;
    };
    let mut scheduling = Scheduling::of(&service.scheduling, cluster.slices(key), options);
    plan.warnings.append(&mut scheduling.warnings);
    let vantage = Vantage {
        node: cluster.node_name(),
        zone: cluster.node().and_then(|node| node.zone.as_deref()),
    };
    for family in options.families.iter().copied() {
        let Some(cluster_ip) = service.proxied_cluster_ip(family) else {
            continue;
        };
        if cluster_ip.is_unspecified() || cluster_ip.is_multicast() {
            plan.warnings.push(format!(
                "cluster IP {cluster_ip} is no address of a single host; it is not served"
            ));
            continue;
        }
        for port in &service.ports {
            let selection = Selection::of(service, port, family, cluster.slices(key), vantage);
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
    let endpoints = if service.internal_policy_is_local() {
        &selection.local
    } else {
        &selection.cluster
    };
    vec![Path {
        address: cluster_ip,
        port: port.port,
        endpoints,
        set: SetName::ClusterIp,
        bound: true,
    }]
}

// === impl ServicePlan ===

impl ServicePlan {
    /// Endpoints of this node may reach themselves through the Service; whatever their condition, as
    /// connections outlive it.
    fn add_hairpin_entries(&mut self, port: &ServicePort, family: Family, selection: &Selection<'_>) {
        for candidate in &selection.on_this_node {
            let entry = Entry::IpPortIp(
                candidate.address,
                port.protocol,
                candidate.port,
                candidate.address,
            );
            self.members.insert(Member::new(SetName::LoopBack, family, entry));
        }
    }

    fn add_path(&mut self, path: &Path<'_>, service: &Service, port: &ServicePort, scheduling: &Scheduling) {
        let family = Family::of(&path.address);
        let entry = Entry::IpPort(path.address, port.protocol, path.port);
        self.members.insert(Member::new(path.set, family, entry));
        if path.bound {
            self.members
                .insert(Member::new(SetName::IpvsIps, family, Entry::Ip(path.address)));
            self.addresses.insert(path.address);
        }
        let key = VirtualServerKey {
            address: path.address,
            port: path.port,
            protocol: port.protocol,
        };
        let config = VirtualServerConfig {
            scheduler: Some(scheduling.scheduler),
            scheduler_flags: scheduling.flags,
            persistence: service.affinity_seconds,
            unusual: false,
        };
        let real_servers = path
            .endpoints
            .iter()
            .map(|candidate| real_server(candidate, scheduling))
            .collect();
        let server = Arc::new(VirtualServer { config, real_servers });
        if self.virtual_servers.insert(key, server).is_some() {
            self.warnings.push(format!(
                "port {:?}: {key} is asked for by another port as well",
                port.name
            ));
        }
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
