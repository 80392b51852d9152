//! Where the daemon tells of what it does besides the kernel: health checks, metrics and Events.

mod triggers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use dataplane::{Dataplane, Error, Kernel, Report};
use model::{Change, Cluster, Family, ObjectKey, PerFamily};
use plan::{Options, Planner, Policy, Reason, Update, Warning, node_ports};
use sources::kubernetes::recorder::{Event, EventKind, Recorder, Reference};

use crate::health_checks::{HealthChecks, ListenFailure, ListenOn, ProxyHealth};
use crate::inquiry::{Inquiry, Owners};
use crate::metrics::{GuardedAddress, Metrics};

use self::triggers::{Trigger, Triggers};

/// The action of Events about what a Service asks for. Every node plans the same, so every node tells the same.
const PLAN: &str = "Plan";

/// Everything that hears of the daemon's work.
pub(crate) struct Outlets {
    /// Whether changes reach the kernel in time.
    pub(super) health: Arc<ProxyHealth>,
    /// The health-check ports of Services.
    health_checks: HealthChecks,
    /// What is measured.
    metrics: Metrics,
    /// Who records Events; nobody without an API server.
    recorder: Option<Recorder>,
    /// The addresses of Services that are not served because they are a node's own.
    guarded: BTreeMap<ObjectKey, Vec<GuardedAddress>>,
    /// When what waits for the kernel happened.
    triggers: Triggers,
    /// When the sync under way began.
    began: Option<Instant>,
}

/// What a change was about, when the change itself has been taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Service,
    /// An EndpointSlice, with the time of the event that it tells of.
    Slice(Option<Trigger>),
    Other,
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
        // The first sync is asked for by the start itself, as kube-proxy sees it.
        metrics.sync.queued(health.families());
        Outlets {
            health,
            health_checks,
            metrics,
            recorder,
            guarded: BTreeMap::new(),
            triggers: Triggers::new(),
            began: None,
        }
    }

    /// Hears of a change before it is taken in. Gives what is to be measured if it has to be planned with.
    pub(super) fn hear(&self, change: &Change, cluster: &Cluster) -> News {
        let sync = &self.metrics.sync;
        match change {
            Change::ServiceApplied(_) | Change::ServiceRemoved(_) => {
                sync.service_told();
                News::Service
            }
            Change::SliceApplied(slice) => {
                sync.slice_told();
                News::Slice(Trigger::of(slice))
            }
            Change::SliceRemoved(_) => {
                sync.slice_told();
                News::Slice(None)
            }
            Change::NodeApplied(node) => {
                if node.name == *cluster.node_name() {
                    self.health.set_node(node);
                }
                News::Other
            }
            Change::NodeRemoved(_) | Change::Synced(_) | Change::Problem(_) => News::Other,
        }
    }

    /// Something has to be planned again because of this.
    pub(super) fn expect(&mut self, news: News) {
        match news {
            News::Service => self.metrics.sync.service_pending(),
            News::Slice(trigger) => {
                self.metrics.sync.slice_pending();
                self.triggers.add(trigger);
            }
            News::Other => {}
        }
    }

    /// The kernel has to be changed.
    pub(super) fn requested(&self) {
        self.health.requested();
        self.metrics.sync.queued(self.health.families());
    }

    /// It is being changed.
    pub(super) fn began(&mut self) {
        self.health.began();
        self.began = Some(Instant::now());
    }

    /// It has been changed, as far as that was possible, or everything still waits.
    pub(super) fn ended(&mut self, well: bool) {
        let (metrics, families) = (&self.metrics.sync, self.health.families());
        if let Some(began) = self.began.take() {
            metrics.ended(began.elapsed(), families);
        }
        if !well {
            return self.health.failed();
        }
        self.health.succeeded();
        metrics.succeeded(families);
        for (family, after) in self.triggers.reached() {
            metrics.programmed(family, after);
        }
    }

    /// The whole state was compared with the plan. What everything else stands in may be `reconfigured`, which is no
    /// repair.
    pub(super) fn audited(&self, report: &Report, reconfigured: bool) {
        self.metrics.kernel.put_right(report);
        if !reconfigured {
            self.metrics.kernel.repaired(report);
        }
    }

    /// Steps failed as a whole.
    pub(super) fn failed(&self, errors: &[Error]) {
        for error in errors {
            self.metrics.kernel.step_failed(error);
            self.metrics.sync.failed(error);
        }
    }

    /// Does what somebody wants.
    pub(super) fn answer(&self, inquiry: Inquiry, cluster: &Cluster, planner: &Planner) {
        match inquiry {
            Inquiry::NotListening(failure) => self.not_listening(failure, cluster),
            Inquiry::Owners(Owners { of, answer }) => {
                let owner = |server| planner.desired().claimants(server).first().cloned();
                // Who asked may have lost patience.
                let _ = answer.send(of.iter().map(owner).collect());
            }
        }
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
    fn not_listening(&self, failure: ListenFailure, cluster: &Cluster) {
        let (node, ListenFailure { port, reason, .. }) = (cluster.node_name(), &failure);
        let note = format!("node {node}, health-check node port {port}: {reason}");
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

    /// Counts what there is now, and what became of the last step.
    pub(super) fn count<K: Kernel>(&self, planner: &Planner, dataplane: &Dataplane<K>, report: &Report) {
        let Metrics { kernel, sync, .. } = &self.metrics;
        for family in Family::ALL {
            kernel.set_counts(family, planner.desired().counts(family), dataplane.draining_of(family));
            for policy in [Policy::Internal, Policy::External] {
                let without = planner.without_local_endpoint(family, policy);
                sync.set_without_local_endpoint(family, policy, without);
            }
        }
        kernel.set_conflicts(planner.desired().contested());
        kernel.refused(&report.failures);
        self.failed(&report.errors);
        report.looks.iter().for_each(|look| sync.looked(look));
        report.foreign.iter().for_each(|foreign| kernel.set_foreign(foreign));
        kernel.set_sent(dataplane.kernel().sent_messages());
    }

    fn note_guarded(&mut self, service: &ObjectKey, warnings: &[Warning]) {
        for gone in self.guarded.remove(service).unwrap_or_default() {
            self.metrics.kernel.not_guarded(&gone);
        }
        let guarded: Vec<GuardedAddress> =
            warnings.iter().filter_map(|warning| guarded_address(service, &warning.reason)).collect();
        for address in &guarded {
            self.metrics.kernel.guarded(address);
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
