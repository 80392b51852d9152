//! Planning over time: the desired state follows the cluster, one Service at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Cluster, Family, ObjectKey, Service};

use crate::{
    Conflict, Contribution, Desired, HealthCheck, Member, Operation, Options, Policy, Replaced, Scheduler,
    State, Step, VirtualServerKey, Warning, node_ports, plan_service,
};

const DNS_PORT: u16 = 53;

/// The desired state and the options by which it is planned.
#[derive(Debug)]
pub struct Planner {
    options: Options,
    desired: Desired,
    /// How many Services have no local endpoint where a policy asks for one.
    without_local_endpoint: BTreeMap<(Family, Policy), usize>,
}

/// What planning again led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The steps for the kernel, in order.
    pub operations: Vec<Operation>,
    /// Warnings of Services whose warnings changed; an empty list when a Service has none any more.
    pub warnings: Vec<(ObjectKey, Vec<Warning>)>,
    /// Health checks that are new, different or gone.
    pub health_checks: Vec<(ObjectKey, Option<HealthCheck>)>,
    /// Addresses and ports that several Services claim since this update.
    pub conflicts: Vec<Conflict>,
    /// Addresses and ports that were contested before it.
    pub resolved: Vec<VirtualServerKey>,
}

// === impl Planner ===

impl Planner {
    /// A planner that has planned nothing yet.
    pub fn new(options: Options) -> Self {
        Planner { options, desired: Desired::default(), without_local_endpoint: BTreeMap::new() }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes other choices of the operator. What is known of the machine and what is planned stay as they are, so that
    /// [`Planner::rebuild`] or [`Planner::forget`] has to follow.
    pub fn set_choices(&mut self, choices: Options) {
        let known = std::mem::take(&mut self.options);
        let Options { unavailable, families, host_addresses, bridge_netfilter, .. } = known;
        self.options = Options { unavailable, families, host_addresses, bridge_netfilter, ..choices };
    }

    /// What the kernel should hold.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Plans some Services again, as one step for the kernel.
    pub fn update_all<'a>(
        &mut self,
        cluster: &Cluster,
        keys: impl IntoIterator<Item = &'a ObjectKey>,
    ) -> Update {
        let keys: BTreeSet<&ObjectKey> = keys.into_iter().collect();
        self.plan(cluster, keys, Step::default())
    }

    /// Plans every Service again, for a change of the node or of the options.
    pub fn rebuild(&mut self, cluster: &Cluster) -> Update {
        let gone = self.gone(cluster);
        let present = cluster.services().map(|service| &service.key);
        self.plan(cluster, gone.iter().chain(present), Step::default())
    }

    /// Plans some Services before [`Planner::start`], which then has less to do, and says nothing of it yet: more
    /// may come that belongs to them.
    pub fn plan_ahead<'a>(&mut self, cluster: &Cluster, keys: impl IntoIterator<Item = &'a ObjectKey>) {
        let keys: BTreeSet<&ObjectKey> = keys.into_iter().collect();
        self.plan(cluster, keys, Step::from_nowhere());
    }

    /// Forgets what was planned ahead, since something changed that everything depends on.
    pub fn forget(&mut self) {
        self.desired = Desired::default();
        self.without_local_endpoint.clear();
    }

    /// Plans what has not been planned ahead, while it is unknown what the kernel holds. The update tells of
    /// everything but has no operations, since they are found by observing. `touched` are the Services that have
    /// changed since they were planned ahead, `host_addresses` those of [`Planner::set_host_addresses`].
    pub fn start(
        &mut self,
        cluster: &Cluster,
        touched: &BTreeSet<ObjectKey>,
        host_addresses: BTreeSet<IpAddr>,
    ) -> Update {
        if self.options.host_addresses != host_addresses {
            self.options.host_addresses = host_addresses;
            self.forget();
        }
        let gone = self.gone(cluster);
        let present = cluster.services().map(|service| &service.key);
        let unplanned: Vec<&ObjectKey> =
            present.filter(|key| self.desired.contribution(key).is_none()).collect();
        self.plan_ahead(cluster, touched.iter().chain(&gone).chain(unplanned));
        self.everything()
    }

    /// Notes that the kernel lacks `scheduler` and plans every Service again, if that is news.
    pub fn without_scheduler(&mut self, cluster: &Cluster, scheduler: Scheduler) -> Option<Update> {
        self.options.unavailable.insert(scheduler).then(|| self.rebuild(cluster))
    }

    /// Notes which addresses the machine has on interfaces other than `kube-ipvs0`. Gives the Services that depend on
    /// what changed. They have to be planned again, in one step with whatever else does, since an address may pass from
    /// one of them to another one.
    #[must_use]
    pub fn set_host_addresses(
        &mut self,
        cluster: &Cluster,
        addresses: BTreeSet<IpAddr>,
    ) -> BTreeSet<ObjectKey> {
        if self.options.host_addresses == addresses {
            return BTreeSet::new();
        }
        let node_ports = |options: &Options| {
            Family::ALL.map(|family| node_ports::addresses(family, options, cluster.node()))
        };
        let served = node_ports(&self.options);
        let previous = std::mem::replace(&mut self.options.host_addresses, addresses);
        // Interfaces of pods come and go with link-local addresses, which serve no node ports.
        let node_ports_move = node_ports(&self.options) != served;
        let moved: BTreeSet<IpAddr> =
            previous.symmetric_difference(&self.options.host_addresses).copied().collect();
        let depends = |service: &&Service| {
            node_ports_move && service.ports.iter().any(|port| port.node_port.is_some())
                || service.outside_addresses().any(|address| moved.contains(&address))
        };
        cluster.services().filter(depends).map(|service| service.key.clone()).collect()
    }

    /// How many Services have usable endpoints, but none on this node, although `policy` asks for one.
    pub fn without_local_endpoint(&self, family: Family, policy: Policy) -> usize {
        self.without_local_endpoint.get(&(family, policy)).copied().unwrap_or_default()
    }

    /// The part of the desired state that has to stand first: what the control plane and name resolution
    /// need, since everything else on a node waits for them.
    pub fn urgent(&self) -> State {
        let urgent = self.desired.services().filter(|key| self.is_urgent(key));
        let mut state = State::default();
        for contribution in urgent.filter_map(|key| self.desired.contribution(key)) {
            for (key, _) in &contribution.virtual_servers {
                let server = self.desired.state().virtual_servers.get(key);
                state.virtual_servers.extend(server.map(|server| (*key, Arc::clone(server))));
            }
            let counts = |member: &&Member| self.desired.state().members.contains(member);
            state.members.extend(contribution.members.iter().filter(counts));
            state.addresses.extend(&contribution.addresses);
        }
        state
    }

    /// The API server's own Service, and what serves DNS for the cluster, whatever its name.
    fn is_urgent(&self, key: &ObjectKey) -> bool {
        let serves_dns = || {
            let contribution = self.desired.contribution(key);
            contribution.is_some_and(|one| one.virtual_servers.iter().any(|(key, _)| key.port == DNS_PORT))
        };
        match &*key.namespace {
            "default" => *key.name == *"kubernetes",
            "kube-system" => serves_dns(),
            _ => false,
        }
    }

    /// The planned Services that the cluster does not have any more.
    fn gone(&self, cluster: &Cluster) -> BTreeSet<ObjectKey> {
        self.desired.services().filter(|key| cluster.service(key).is_none()).cloned().collect()
    }

    /// What there is to tell of all that is planned.
    fn everything(&self) -> Update {
        let mut update =
            Update { conflicts: self.desired.end(Step::from_nowhere()).conflicts, ..Update::default() };
        let keys: BTreeSet<&ObjectKey> = self.desired.services().collect();
        for (key, contribution) in
            keys.into_iter().filter_map(|key| Some((key, self.desired.contribution(key)?)))
        {
            if !contribution.warnings.is_empty() {
                update.warnings.push((key.clone(), contribution.warnings.to_vec()));
            }
            if contribution.health_check.is_some() {
                update.health_checks.push((key.clone(), contribution.health_check));
            }
        }
        update
    }

    /// Plans Services again, each once, and ends the step.
    fn plan<'a>(
        &mut self,
        cluster: &Cluster,
        keys: impl IntoIterator<Item = &'a ObjectKey>,
        mut step: Step,
    ) -> Update {
        let mut update = Update::default();
        for key in keys {
            let contribution = cluster
                .service(key)
                .map(|service| Contribution::new(service, plan_service(service, cluster, &self.options)));
            self.compare(key, contribution.as_ref(), &mut update);
            self.desired.exchange(key, contribution, &mut step);
        }
        let Replaced { operations, conflicts, resolved } = self.desired.end(step);
        Update { operations, conflicts, resolved, ..update }
    }

    /// Notes what replacing the contribution of one Service changes outside of the kernel.
    fn compare(&mut self, key: &ObjectKey, new: Option<&Contribution>, update: &mut Update) {
        let nothing = Contribution::default();
        let old = self.desired.contribution(key).unwrap_or(&nothing);
        let new = new.unwrap_or(&nothing);
        if old.warnings != new.warnings {
            update.warnings.push((key.clone(), new.warnings.to_vec()));
        }
        if old.health_check != new.health_check {
            update.health_checks.push((key.clone(), new.health_check));
        }
        for policy in &old.without_local_endpoint {
            self.without_local_endpoint.entry(*policy).and_modify(|count| *count = count.saturating_sub(1));
        }
        for policy in &new.without_local_endpoint {
            *self.without_local_endpoint.entry(*policy).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests;
