//! What the kernel should hold, and how it takes it.

use dataplane::{Error, ErrorKind, Failure, Foreign, Foundation, Report, SentMessages};
use model::{Family, PerFamily};
use plan::{Counts, Element, Operation};
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, Registry, Result};

use super::{add, catalogue, count, number, of_family, per_family, set_total};

/// Gauges and counters; clones share them.
#[derive(Clone)]
pub(crate) struct KernelMetrics {
    virtual_servers: PerFamily<[Gauge; 2]>,
    real_servers: PerFamily<[Gauge; 3]>,
    repairs: IntCounterVec,
    foreign_servers: Gauge,
    foreign_addresses: Gauge,
    failed_operations: IntCounterVec,
    failed_steps: IntCounterVec,
    messages: [IntCounter; 4],
    conflicts: Gauge,
    guarded_addresses: GaugeVec,
}

/// A Service's address that is not served because it is a node's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GuardedAddress {
    /// The Service's namespace.
    pub(crate) namespace: String,
    /// The Service's name.
    pub(crate) service: String,
    /// The address.
    pub(crate) address: String,
    /// Whose address it is.
    pub(crate) owner: String,
}

const FOUNDATIONS: [Foundation; 5] =
    [Foundation::Sysctl, Foundation::Timeouts, Foundation::Interface, Foundation::Set, Foundation::Rules];

const ELEMENTS: [Element; 4] =
    [Element::SetEntry, Element::VirtualServer, Element::RealServer, Element::Address];

const OPERATIONS: [&str; 10] = [
    "add_set_entry",
    "add_virtual_server",
    "set_virtual_server",
    "add_real_server",
    "set_real_server",
    "remove_real_server",
    "bind_address",
    "unbind_address",
    "remove_virtual_server",
    "remove_set_entry",
];

const ERRORS: [ErrorKind; 8] = [
    ErrorKind::Ipvs,
    ErrorKind::Netlink,
    ErrorKind::Set,
    ErrorKind::Conntrack,
    ErrorKind::Interface,
    ErrorKind::Iptables,
    ErrorKind::Sysctl,
    ErrorKind::Thread,
];

// === impl KernelMetrics ===

impl KernelMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let virtual_servers = catalogue::VIRTUAL_SERVERS.gauge(registry)?;
        let real_servers = catalogue::REAL_SERVERS.gauge(registry)?;
        let messages = catalogue::MESSAGES.counter(registry)?;
        let sent = |subsystem| messages.get_metric_with_label_values(&[subsystem]);
        let metrics = KernelMetrics {
            virtual_servers: per_family(|family| {
                let of = |state| of_family(&virtual_servers, family, state);
                Ok([of("with_endpoints")?, of("without_endpoints")?])
            })?,
            real_servers: per_family(|family| {
                let of = |state| of_family(&real_servers, family, state);
                Ok([of("active")?, of("zero_weight")?, of("draining")?])
            })?,
            repairs: catalogue::REPAIRS.counter(registry)?,
            foreign_servers: catalogue::FOREIGN_SERVERS.single_gauge(registry)?,
            foreign_addresses: catalogue::FOREIGN_ADDRESSES.single_gauge(registry)?,
            failed_operations: catalogue::FAILED_OPERATIONS.counter(registry)?,
            failed_steps: catalogue::FAILED_STEPS.counter(registry)?,
            messages: [sent("ipvs")?, sent("ipset")?, sent("route")?, sent("conntrack")?],
            conflicts: catalogue::CONFLICTS.single_gauge(registry)?,
            guarded_addresses: catalogue::GUARDED_ADDRESSES.gauge(registry)?,
        };
        metrics.show_zeros();
        Ok(metrics)
    }

    /// What has not happened yet is shown as 0, so that the first time can be noticed.
    fn show_zeros(&self) {
        let repairs = FOUNDATIONS.into_iter().map(foundation).chain(ELEMENTS.into_iter().map(element));
        repairs.for_each(|kind| add(&self.repairs, &[kind], 0));
        OPERATIONS.into_iter().for_each(|operation| add(&self.failed_operations, &[operation], 0));
        ERRORS.into_iter().for_each(|kind| add(&self.failed_steps, &[error(kind)], 0));
    }

    /// What is planned for a family, and what drains there.
    pub(crate) fn set_counts(&self, family: Family, counts: Counts, draining: usize) {
        let [with_endpoints, without_endpoints] = self.virtual_servers.get(family);
        with_endpoints.set(number(counts.with_real_servers));
        without_endpoints.set(number(counts.without_real_servers));
        let [active, zero_weight, drain] = self.real_servers.get(family);
        active.set(number(counts.active));
        zero_weight.set(number(counts.zero_weight));
        drain.set(number(draining));
    }

    /// How many virtual servers are contested.
    pub(crate) fn set_conflicts(&self, contested: usize) {
        self.conflicts.set(number(contested));
    }

    /// What an audit put right beneath the state.
    pub(crate) fn repaired(&self, report: &Report) {
        for repaired in &report.repaired {
            count(&self.repairs, &[foundation(repaired.foundation)]);
        }
    }

    /// What an audit put right of the state.
    pub(crate) fn put_right(&self, report: &Report) {
        for (kind, count) in report.put_right().iter() {
            add(&self.repairs, &[element(kind)], u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// What of others an audit found.
    pub(crate) fn set_foreign(&self, foreign: &Foreign) {
        self.foreign_servers.set(number(foreign.virtual_servers.len() + foreign.firewall_marks));
        self.foreign_addresses.set(number(foreign.addresses.len()));
    }

    /// What the kernel refused.
    pub(crate) fn refused(&self, failures: &[Failure]) {
        for failure in failures {
            count(&self.failed_operations, &[operation(&failure.operation)]);
        }
    }

    /// A step failed as a whole.
    pub(crate) fn step_failed(&self, failed: &Error) {
        count(&self.failed_steps, &[error(failed.kind())]);
    }

    /// So many messages were sent since the start.
    pub(crate) fn set_sent(&self, sent: SentMessages) {
        let SentMessages { ipvs, ipset, route, conntrack } = sent;
        for (counter, total) in self.messages.iter().zip([ipvs, ipset, route, conntrack]) {
            set_total(counter, total);
        }
    }

    /// An address is not served.
    pub(crate) fn guarded(&self, address: &GuardedAddress) {
        if let Ok(gauge) = self.guarded_addresses.get_metric_with_label_values(&address.labels()) {
            gauge.set(1.0);
        }
    }

    /// It is served, or nobody asks for it any more.
    pub(crate) fn not_guarded(&self, address: &GuardedAddress) {
        // Fails if it is gone already.
        let _ = self.guarded_addresses.remove_label_values(&address.labels());
    }
}

fn foundation(foundation: Foundation) -> &'static str {
    match foundation {
        Foundation::Sysctl => "sysctl",
        Foundation::Timeouts => "timeouts",
        Foundation::Interface => "interface",
        Foundation::Set => "set",
        Foundation::Rules => "rules",
    }
}

fn element(element: Element) -> &'static str {
    match element {
        Element::SetEntry => "set_entry",
        Element::VirtualServer => "virtual_server",
        Element::RealServer => "real_server",
        Element::Address => "address",
    }
}

fn operation(operation: &Operation) -> &'static str {
    match operation {
        Operation::AddMember(_) => "add_set_entry",
        Operation::AddVirtualServer(..) => "add_virtual_server",
        Operation::SetVirtualServer(..) => "set_virtual_server",
        Operation::AddRealServer(..) => "add_real_server",
        Operation::SetRealServer(..) => "set_real_server",
        Operation::RemoveRealServer(..) => "remove_real_server",
        Operation::BindAddress(_) => "bind_address",
        Operation::UnbindAddress(_) => "unbind_address",
        Operation::RemoveVirtualServer(_) => "remove_virtual_server",
        Operation::RemoveMember(_) => "remove_set_entry",
    }
}

fn error(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Ipvs => "ipvs",
        ErrorKind::Netlink => "netlink",
        ErrorKind::Set => "set",
        ErrorKind::Conntrack => "conntrack",
        ErrorKind::Interface => "interface",
        ErrorKind::Iptables => "iptables",
        ErrorKind::Sysctl => "sysctl",
        ErrorKind::Thread => "thread",
    }
}

// === impl GuardedAddress ===

impl GuardedAddress {
    fn labels(&self) -> [&str; 4] {
        [&self.namespace, &self.service, &self.address, &self.owner]
    }
}
