//! Where the daemon tells of what it does besides the kernel: health checks, metrics and Events.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Cluster, Family, ObjectKey, PerFamily};
use plan::{Options, Planner, Policy, Reason, Update, Warning, node_ports};
use sources::kubernetes::recorder::{Event, EventKind, Recorder, Reference};

use crate::health_checks::{HealthChecks, ListenFailure, ListenOn, ProxyHealth};
use crate::metrics::{GuardedAddress, Metrics};

/// The action of Events about what a Service asks for. Every node plans the same, so every node tells the same.
const PLAN: &str = "Plan";

/// Everything that hears of the daemon's work.
pub(crate) struct Outlets {
    /// Whether changes reach the kernel in time.
    pub(crate) health: Arc<ProxyHealth>,
    /// The health-check ports of Services.
    health_checks: HealthChecks,
    /// What is measured.
    metrics: Metrics,
    /// Who records Events; nobody without an API server.
    recorder: Option<Recorder>,
    /// The addresses of Services that are not served because they are a node's own.
    guarded: BTreeMap<ObjectKey, Vec<GuardedAddress>>,
}

/// Something that a Service asks for and does not get, which its owner should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) service: ObjectKey,
    /// One word for it.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

// === impl Outlets ===

impl Outlets {
    pub(crate) fn new(
        health: Arc<ProxyHealth>,
        health_checks: HealthChecks,
        metrics: Metrics,
        recorder: Option<Recorder>,
    ) -> Self {
        Outlets { health, health_checks, metrics, recorder, guarded: BTreeMap::new() }
    }

    /// Passes on what planning found out.
    pub(super) fn update(&mut self, update: &Update, complaints: Vec<Complaint>, cluster: &Cluster) {
        self.health_checks.apply(update.health_checks.iter().cloned());
        for (service, warnings) in &update.warnings {
            self.note_guarded(service, warnings);
        }
        for Complaint { service, reason, message } in complaints {
            self.record(&service, reason, PLAN, message, cluster);
        }
    }

    /// Records what kube-proxy records when a health-check port cannot be had.
    pub(super) fn not_listening(&self, failure: ListenFailure, cluster: &Cluster) {
        let note = format!("node port {}: {}", failure.port, failure.reason);
        self.record(&failure.service, "FailedToStartServiceHealthcheck", "Listen", note, cluster);
    }

    fn record(
        &self,
        service: &ObjectKey,
        reason: &'static str,
        action: &'static str,
        note: String,
        cluster: &Cluster,
    ) {
        if let Some(recorder) = &self.recorder {
            let uid = cluster.service(service).and_then(|service| service.uid.clone());
            let regarding = Reference::service(service, uid);
            let kind = EventKind::Warning;
            recorder.record(Event { regarding, kind, reason, action, shared: action == PLAN, note });
        }
    }

    /// Counts what there is now.
    pub(super) fn count(&self, planner: &Planner, draining: usize, forgotten_flows: usize) {
        let metrics = &self.metrics;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for family in Family::ALL {
            metrics
                .virtual_servers
                .get(family)
                .set(number(planner.desired().counts(family).virtual_servers()));
            let without = |policy| number(planner.without_local_endpoint(family, policy));
            metrics.no_local_endpoints_internal.get(family).set(without(Policy::Internal));
            metrics.no_local_endpoints_external.get(family).set(without(Policy::External));
        }
        metrics.conflicts.set(number(planner.desired().contested()));
        metrics.draining_real_servers.set(number(draining));
        metrics.conntrack_deleted_flows.inc_by(u64::try_from(forgotten_flows).unwrap_or(u64::MAX));
    }

    fn note_guarded(&mut self, service: &ObjectKey, warnings: &[Warning]) {
        for gone in self.guarded.remove(service).unwrap_or_default() {
            self.metrics.guarded_addresses.unset(&gone);
        }
        let guarded: Vec<GuardedAddress> =
            warnings.iter().filter_map(|warning| guarded_address(service, &warning.reason)).collect();
        for address in &guarded {
            self.metrics.guarded_addresses.set(address);
        }
        if !guarded.is_empty() {
            self.guarded.insert(service.clone(), guarded);
        }
    }

    /// Serves health checks where node ports are served.
    pub(super) fn listen(&self, cluster: &Cluster, options: &Options) {
        let [v4, v6] = Family::ALL.map(|family| listen_on(family, cluster, options));
        self.health_checks.listen_on(PerFamily { v4, v6 });
    }
}

fn guarded_address(service: &ObjectKey, reason: &Reason) -> Option<GuardedAddress> {
    match reason {
        Reason::NodeAddress(address, owner) => Some(GuardedAddress {
            namespace: service.namespace.to_string(),
            service: service.name.to_string(),
            address: address.to_string(),
            owner: owner.to_string(),
        }),
        Reason::Scheduling | Reason::PortTaken => None,
    }
}

fn listen_on(family: Family, cluster: &Cluster, options: &Options) -> ListenOn {
    let node = cluster.node();
    if !options.serves(family) {
        return ListenOn::Nothing;
    }
    if node_ports::on_all_addresses(family, options, node) {
        return ListenOn::Wildcard;
    }
    let mut addresses: BTreeSet<IpAddr> = node_ports::addresses(family, options, node).into_iter().collect();
    if node_ports::include_loopback(family, options, node) {
        addresses.insert(node_ports::loopback(family));
    }
    ListenOn::Addresses(addresses)
}
