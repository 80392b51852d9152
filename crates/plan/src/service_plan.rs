//! What one Service contributes to the kernel of this node.

mod health_check;
mod paths;
mod warning;

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Candidate, Cluster, Family, Protocol, Selection, Service, ServicePort, Vantage};

use crate::scheduling::Scheduling;
use crate::{
    Entry, Member, Options, RealServer, SetName, VirtualServer, VirtualServerConfig, VirtualServerKey,
};

pub use self::health_check::HealthCheck;
use self::paths::{Path, Surroundings};
pub use self::warning::{Reason, Warning};

/// The share of one Service in the kernel's state, and what it asked for in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePlan {
    /// Its virtual servers.
    pub virtual_servers: BTreeMap<VirtualServerKey, Arc<VirtualServer>>,
    /// Its set entries.
    pub members: BTreeSet<Member>,
    /// The addresses that it needs on `kube-ipvs0`.
    pub addresses: BTreeSet<IpAddr>,
    /// The port on which its health on this node can be asked for.
    pub health_check: Option<HealthCheck>,
    /// The policies Local that this node cannot keep, because it has no endpoint while others have.
    pub without_local_endpoint: BTreeSet<(Family, Policy)>,
    /// What could not be done as asked.
    pub warnings: Vec<Warning>,
}

/// The virtual servers of one port, of which those with the same endpoints are one in memory: node ports alone
/// make one path for each address of the machine.
struct Servers<'a> {
    service: &'a Service,
    scheduling: &'a Scheduling,
    made: Vec<(&'a [Candidate<'a>], Arc<VirtualServer>)>,
}

/// One of the two traffic policies of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// `internalTrafficPolicy`.
    Internal,
    /// `externalTrafficPolicy`.
    External,
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
    let warnings = std::mem::take(&mut scheduling.warnings);
    plan.warnings.extend(warnings.into_iter().map(|text| Warning::new(Reason::Scheduling, text)));
    let vantage =
        Vantage { node: cluster.node_name(), zone: cluster.node().and_then(|node| node.zone.as_deref()) };
    for (family, cluster_ip) in served {
        let around = Surroundings::of(service, family, cluster, options, &mut plan.warnings);
        for port in &service.ports {
            let slices = cluster.slices(&service.key);
            let selection = Selection::of(service, port, family, slices, vantage);
            plan.add_hairpin_entries(port, family, &selection);
            plan.note_missing_local_endpoints(service, port, family, &selection);
            let mut servers = Servers { service, scheduling: &scheduling, made: Vec::new() };
            for path in around.paths(service, port, cluster_ip, &selection) {
                let pair = Entry::IpPort(path.address, port.protocol, path.port);
                let refuses = path.endpoints.is_empty() && port.protocol == Protocol::Tcp;
                let server = servers.over(path.endpoints);
                if plan.add_path(path, port, server) && refuses {
                    plan.members.insert(Member::new(SetName::NoEndpoint, family, pair));
                }
            }
        }
        plan.add_health_check(service, family, cluster);
    }
    plan
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

    fn note_missing_local_endpoints(
        &mut self,
        service: &Service,
        port: &ServicePort,
        family: Family,
        selection: &Selection<'_>,
    ) {
        if !selection.local.is_empty() || !selection.any_usable {
            return;
        }
        if service.internal_policy_is_local() {
            self.without_local_endpoint.insert((family, Policy::Internal));
        }
        if service.external_policy_is_local() && service.externally_accessible(port, family) {
            self.without_local_endpoint.insert((family, Policy::External));
        }
    }

    /// Adds a path and says so, unless another one of this Service has its virtual server and leads elsewhere:
    /// then what would classify its traffic is left out as well.
    fn add_path(&mut self, path: Path<'_>, port: &ServicePort, server: Arc<VirtualServer>) -> bool {
        let key = VirtualServerKey { address: path.address, port: path.port, protocol: port.protocol };
        match self.virtual_servers.entry(key) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(server);
            }
            btree_map::Entry::Occupied(taken) if *taken.get() == server => {}
            btree_map::Entry::Occupied(_) => {
                let message = format!(
                    "port {:?}: {key} is already taken by another port or address of this Service, which \
                     keeps it",
                    port.name
                );
                self.warnings.push(Warning::new(Reason::PortTaken, message));
                return false;
            }
        }
        let family = Family::of(&path.address);
        let entries = path.entries.iter().map(|(set, entry)| Member::new(*set, family, *entry));
        self.members.extend(entries);
        if path.bound {
            self.members.insert(Member::new(SetName::IpvsIps, family, Entry::Ip(path.address)));
            self.addresses.insert(path.address);
        }
        true
    }
}

// === impl Servers ===

impl<'a> Servers<'a> {
    /// The virtual server over `endpoints`, which is one of the few lists that policies leave of a port.
    fn over(&mut self, endpoints: &'a [Candidate<'a>]) -> Arc<VirtualServer> {
        if let Some((_, server)) = self.made.iter().find(|(known, _)| std::ptr::eq(*known, endpoints)) {
            return Arc::clone(server);
        }
        let server = Arc::new(virtual_server(endpoints, self.service, self.scheduling));
        self.made.push((endpoints, Arc::clone(&server)));
        server
    }
}

fn virtual_server(endpoints: &[Candidate<'_>], service: &Service, scheduling: &Scheduling) -> VirtualServer {
    VirtualServer {
        config: VirtualServerConfig {
            scheduler: Some(scheduling.scheduler),
            scheduler_flags: scheduling.flags,
            persistence: service.affinity_seconds,
            unusual: false,
        },
        real_servers: endpoints.iter().map(|candidate| real_server(candidate, scheduling)).collect(),
        drain_timeout: service.drain_timeout,
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
