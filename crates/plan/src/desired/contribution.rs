//! What one Service contributes, as it is kept.

use std::net::IpAddr;
use std::sync::Arc;

use model::{Family, Protocol, Service};

use crate::{HealthCheck, Member, Policy, ServicePlan, VirtualServer, VirtualServerKey, Warning};

/// A [`ServicePlan`] in as little memory as it needs: there may be a hundred thousand, and they are read but not
/// changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contribution {
    /// Its place among those that claim the same address and port, who are ordered by this and then by their
    /// keys: [`Service::seniority`].
    pub seniority: i64,
    /// Its virtual servers, in the order of their keys.
    pub virtual_servers: Box<[(VirtualServerKey, Arc<VirtualServer>)]>,
    /// Its set entries, in order.
    pub members: Box<[Member]>,
    /// The addresses that it needs on `kube-ipvs0`, in order.
    pub addresses: Box<[IpAddr]>,
    /// The port on which its health on this node can be asked for.
    pub health_check: Option<HealthCheck>,
    /// The policies Local that this node cannot keep.
    pub without_local_endpoint: Box<[(Family, Policy)]>,
    /// What could not be done as asked.
    pub warnings: Box<[Warning]>,
}

// === impl Contribution ===

impl Contribution {
    /// What `service` contributes by `plan`.
    pub fn new(service: &Service, plan: ServicePlan) -> Self {
        Contribution {
            seniority: service.seniority(),
            virtual_servers: plan.virtual_servers.into_iter().collect(),
            members: plan.members.into_iter().collect(),
            addresses: plan.addresses.into_iter().collect(),
            health_check: plan.health_check,
            without_local_endpoint: plan.without_local_endpoint.into_iter().collect(),
            warnings: plan.warnings.into(),
        }
    }

    /// Its virtual server `key`.
    pub fn virtual_server(&self, key: &VirtualServerKey) -> Option<&Arc<VirtualServer>> {
        let place = self.virtual_servers.binary_search_by_key(key, |(key, _)| *key).ok()?;
        self.virtual_servers.get(place).map(|(_, server)| server)
    }

    /// Its virtual servers of `family` for a node port: those at addresses that are not bound for it.
    pub(super) fn node_port_servers(
        &self,
        family: Family,
        (protocol, port): (Protocol, u16),
    ) -> impl Iterator<Item = &VirtualServerKey> {
        let keys = self.virtual_servers.iter().map(|(key, _)| key);
        keys.filter(move |key| {
            (key.protocol, key.port) == (protocol, port)
                && Family::of(&key.address) == family
                && self.addresses.binary_search(&key.address).is_err()
        })
    }
}
