//! Planning over time: the desired state follows the cluster, one Service at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Cluster, ObjectKey};

use crate::{
    Conflict, Contribution, Desired, Operation, Options, Scheduler, State, VirtualServerKey, plan_service,
};

const DNS_PORT: u16 = 53;

/// The desired state and the options by which it is planned.
#[derive(Debug)]
pub struct Planner {
    options: Options,
    desired: Desired,
}

/// What planning again led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The steps for the kernel, in order.
    pub operations: Vec<Operation>,
    /// Warnings of Services whose warnings changed; an empty list when a Service has none any more.
    pub warnings: Vec<(ObjectKey, Vec<String>)>,
    /// Addresses and ports that several Services claim since this update.
    pub conflicts: Vec<Conflict>,
    /// Addresses and ports that were contested before it.
    pub resolved: Vec<VirtualServerKey>,
}

// === impl Planner ===

impl Planner {
    /// A planner that has planned nothing yet.
    pub fn new(options: Options) -> Self {
        Planner { options, desired: Desired::default() }
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
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
        let mut update = Update::default();
        let mut contributions = Vec::with_capacity(keys.len());
        for key in keys {
            let contribution = cluster
                .service(key)
                .map(|service| Contribution::new(service, plan_service(service, cluster, &self.options)));
            let warnings = contribution.as_ref().map_or(&[][..], |contribution| &contribution.plan.warnings);
            if warnings != self.warnings(key) {
                update.warnings.push((key.clone(), warnings.to_vec()));
            }
            contributions.push((key.clone(), contribution));
        }
        let replaced = self.desired.replace(contributions);
        update.operations = replaced.operations;
        update.conflicts = replaced.conflicts;
        update.resolved = replaced.resolved;
        update
    }

    /// Plans every Service again, for a change of the node or of the options.
    pub fn rebuild(&mut self, cluster: &Cluster) -> Update {
        let known: Vec<ObjectKey> = self.desired.services().cloned().collect();
        let present = cluster.services().map(|service| &service.key);
        self.update_all(cluster, known.iter().chain(present))
    }

    /// Notes that the kernel lacks `scheduler` and plans every Service again, if that is news.
    pub fn without_scheduler(&mut self, cluster: &Cluster, scheduler: Scheduler) -> Update {
        if !self.options.unavailable.insert(scheduler) {
            return Update::default();
        }
        self.rebuild(cluster)
    }

    /// The part of the desired state that has to stand first: what the control plane and name resolution
    /// need, since everything else on a node waits for them.
    pub fn urgent(&self) -> State {
        let urgent = self.desired.services().filter(|key| self.is_urgent(key));
        let mut state = State::default();
        for plan in urgent.filter_map(|key| self.desired.plan(key)) {
            for key in plan.virtual_servers.keys() {
                let server = self.desired.state().virtual_servers.get(key);
                state.virtual_servers.extend(server.map(|server| (*key, Arc::clone(server))));
            }
            state.members.extend(plan.members.iter().copied());
            state.addresses.extend(plan.addresses.iter().copied());
        }
        state
    }

    /// The API server's own Service, and what serves DNS for the cluster, whatever its name.
    fn is_urgent(&self, key: &ObjectKey) -> bool {
        let serves_dns = || {
            let plan = self.desired.plan(key);
            plan.is_some_and(|plan| plan.virtual_servers.keys().any(|server| server.port == DNS_PORT))
        };
        match &*key.namespace {
            "default" => *key.name == *"kubernetes",
            "kube-system" => serves_dns(),
            _ => false,
        }
    }

    fn warnings(&self, key: &ObjectKey) -> &[String] {
        self.desired.plan(key).map_or(&[], |plan| &plan.warnings)
    }
}

#[cfg(test)]
mod tests;
