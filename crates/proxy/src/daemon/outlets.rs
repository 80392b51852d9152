//! Where the daemon tells of what it does besides the kernel: health checks and Events.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::{Cluster, Family, ObjectKey, PerFamily};
use plan::{Options, Update, node_ports};
use sources::kubernetes::recorder::{Event, EventKind, Recorder, Reference};

use crate::health_checks::{HealthChecks, ListenOn, ProxyHealth};

/// Everything that hears of the daemon's work.
pub(crate) struct Outlets {
    /// Whether changes reach the kernel in time.
    pub(crate) health: Arc<ProxyHealth>,
    /// The health-check ports of Services.
    pub(crate) health_checks: HealthChecks,
    /// Who records Events; nobody without an API server.
    pub(crate) recorder: Option<Recorder>,
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
    /// Passes on what planning found out.
    pub(super) fn update(&self, update: &Update, complaints: Vec<Complaint>, cluster: &Cluster) {
        self.health_checks.apply(update.health_checks.iter().cloned());
        let Some(recorder) = &self.recorder else { return };
        for Complaint { service, reason, message } in complaints {
            let uid = cluster.service(&service).and_then(|service| service.uid.clone());
            recorder.record(Event {
                regarding: Reference::service(&service, uid),
                kind: EventKind::Warning,
                reason,
                action: "Plan",
                note: message,
            });
        }
    }

    /// Serves health checks where node ports are served.
    pub(super) fn listen(&self, cluster: &Cluster, options: &Options) {
        let [v4, v6] = Family::ALL.map(|family| listen_on(family, cluster, options));
        self.health_checks.listen_on(PerFamily { v4, v6 });
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
