//! `healthCheckNodePort`: the port on which a load balancer asks whether this node has endpoints.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Cluster, Family, PerFamily, Service};

use super::ServicePlan;
use crate::{Entry, Member, SetName};

/// A health-check port, and what its answer depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// The port, on every address that serves node ports.
    pub port: u16,
    /// How many distinct endpoint addresses of this node are ready, by family; absent in a family in which
    /// the Service is not served. Endpoints that serve while they terminate do not count, so that a load
    /// balancer turns away from a node before its last endpoint is gone (KEP-1669).
    pub local_endpoints: PerFamily<Option<usize>>,
}

// === impl ServicePlan ===

impl ServicePlan {
    /// Adds what a health-check port needs in `family`, if the Service has one.
    pub(super) fn add_health_check(&mut self, service: &Service, family: Family, cluster: &Cluster) {
        let Some(port) = service.health_check_node_port else { return };
        let entry = Entry::Port(port);
        self.members.insert(Member::new(SetName::HealthCheckNodePort, family, entry));
        let check = self.health_check.get_or_insert(HealthCheck { port, ..HealthCheck::default() });
        *check.local_endpoints.get_mut(family) = Some(ready_here(service, family, cluster));
    }
}

fn ready_here(service: &Service, family: Family, cluster: &Cluster) -> usize {
    let slices = cluster.slices(&service.key);
    let slices = slices.filter(|slice| slice.family == family && !slice.ports.is_empty());
    let ready: BTreeSet<IpAddr> = slices
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| endpoint.ready && endpoint.topology.node.as_ref() == Some(cluster.node_name()))
        .map(|endpoint| endpoint.address)
        .collect();
    ready.len()
}
