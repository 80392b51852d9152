//! Handing operations to the kernel, and what its refusals mean.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use netlink::Errno;
use plan::{Operation, Phase, VirtualServerKey};

use super::Dataplane;
use super::remains::Remains;
use crate::drain::Drains;
use crate::flows;
use crate::kernel::{Applied, Failure, Kernel};
use crate::report::Report;

/// How many operations are handed to the kernel at once. More would only take more memory.
pub(super) const MOST_AT_ONCE: usize = 4096;

// === impl Dataplane ===

impl<K: Kernel> Dataplane<K> {
    /// Carries out operations on top of what serves the addresses `served` already. What depends on an operation that
    /// failed is held back: an address that nothing serves, and the entries that tell whose an address or a virtual
    /// server is that may still be there.
    pub(super) fn apply_beside<I>(
        &mut self,
        served: impl Iterator<Item = IpAddr>,
        operations: I,
        now: Instant,
    ) -> Report
    where
        I: IntoIterator<Item = Operation, IntoIter: Clone>,
    {
        let operations = operations.into_iter();
        let stale = flows::after(operations.clone());
        let mut report = Report::default();
        let mut left: BTreeSet<VirtualServerKey> = BTreeSet::new();

        let serve = operations.clone().filter(|operation| operation.phase() < Phase::Bind);
        let broken = self.carry_out(serve.clone(), now, &mut left, &mut report);
        let unserved = unserved(&broken, serve, served);

        let mut held_back = Vec::new();
        let switches =
            |operation: &Operation| (Phase::Bind..Phase::NoMoreRefuse).contains(&operation.phase());
        let switch = operations.clone().filter(switches);
        let has_to_wait = |operation: &Operation| match operation {
            Operation::BindAddress(address) => unserved.contains(address),
            _ => false,
        };
        let mut switched = Report::default();
        self.carry_out(hold_back(switch.clone(), has_to_wait, &mut held_back), now, &mut left, &mut switched);
        let remains = Remains::after(&switched, switch);
        report.absorb(switched);

        let clear = operations.filter(|operation| operation.phase() >= Phase::NoMoreRefuse);
        let has_to_stay = |operation: &Operation| match operation {
            Operation::RemoveMember(member) => remains.are_told_by(member),
            _ => false,
        };
        self.carry_out(hold_back(clear, has_to_stay, &mut held_back), now, &mut left, &mut report);

        report.held_back = held_back;
        self.remove_drained(left, now, &mut report);
        self.forget_flows(stale, &mut report);
        report
    }

    /// Sends operations as far as they do not turn into draining, a bounded number at a time. Gives the virtual
    /// servers that were refused.
    pub(super) fn carry_out(
        &mut self,
        operations: impl Iterator<Item = Operation>,
        now: Instant,
        left: &mut BTreeSet<VirtualServerKey>,
        report: &mut Report,
    ) -> BTreeSet<VirtualServerKey> {
        let mut broken = BTreeSet::new();
        let mut waiting = Vec::new();
        for operation in operations {
            waiting.extend(self.with_draining(operation, now, left, report));
            if waiting.len() >= MOST_AT_ONCE {
                self.send(&waiting, &mut broken, report);
                waiting.clear();
            }
        }
        self.send(&waiting, &mut broken, report);
        broken
    }

    /// Sends operations and notes what the kernel refused, among it virtual servers in `broken`.
    pub(super) fn send(
        &mut self,
        operations: &[Operation],
        broken: &mut BTreeSet<VirtualServerKey>,
        report: &mut Report,
    ) {
        if operations.is_empty() {
            return;
        }
        report.sent += operations.len();
        let Applied { failures, unknown } = self.kernel.apply(operations);
        self.ipvs_is_unsure |= !unknown.is_empty();
        report.errors.extend(unknown);
        broken.extend(failures.iter().filter_map(Failure::refused_virtual_server));
        for failure in failures {
            if self.is_so_already(&failure) {
                continue;
            }
            report.refused.add(failure.operation.element(), 1);
            let key = failure.operation.virtual_server();
            let follows =
                failure.refused_virtual_server().is_none() && key.is_some_and(|key| broken.contains(key));
            if !follows {
                report.missing_schedulers.extend(missing_scheduler(&failure));
                report.failures.push(failure);
            }
        }
    }

    /// Whether an operation was refused because what it takes away, or what is to drain, is gone.
    fn is_so_already(&mut self, failure: &Failure) -> bool {
        let is_gone = [Errno::ENOENT, Errno::ESRCH].contains(&failure.errno);
        match &failure.operation {
            Operation::RemoveVirtualServer(_) | Operation::RemoveRealServer(..) => is_gone,
            Operation::SetRealServer(key, real) => is_gone && real.weight == 0 && self.drains.end(key, real),
            _ => false,
        }
    }

    /// Turns the removal of a real server into draining, and the return of a draining one into a change of
    /// its weight, which its connections survive.
    fn with_draining(
        &mut self,
        operation: Operation,
        now: Instant,
        left: &mut BTreeSet<VirtualServerKey>,
        report: &mut Report,
    ) -> Option<Operation> {
        match operation {
            Operation::RemoveRealServer(key, mut real, timeout)
                if Drains::applies_to(key.protocol) && self.drains.begin(key, &real, timeout, now) =>
            {
                left.insert(key);
                report.draining += 1;
                let silent = real.weight == 0;
                real.weight = 0;
                (!silent).then_some(Operation::SetRealServer(key, real))
            }
            Operation::AddRealServer(key, real) if self.drains.end(&key, &real) => {
                Some(Operation::SetRealServer(key, real))
            }
            // One that has to be added has lost what drained.
            Operation::AddVirtualServer(key, _) | Operation::RemoveVirtualServer(key) => {
                self.drains.forget(&key);
                Some(operation)
            }
            other => Some(other),
        }
    }
}

/// The addresses behind which nothing can be served, because the virtual servers `broken` of `operations` were
/// refused, and nothing of `served` stands there.
fn unserved(
    broken: &BTreeSet<VirtualServerKey>,
    operations: impl Iterator<Item = Operation>,
    served: impl Iterator<Item = IpAddr>,
) -> BTreeSet<IpAddr> {
    let mut unserved: BTreeSet<IpAddr> = broken.iter().map(|key| key.address).collect();
    if !unserved.is_empty() {
        for key in operations.filter_map(|operation| operation.virtual_server().copied()) {
            if !broken.contains(&key) {
                unserved.remove(&key.address);
            }
        }
        for address in served {
            unserved.remove(&address);
        }
    }
    unserved
}

/// Moves the operations of which `is_early` is true to `held_back` as they come by.
fn hold_back(
    operations: impl Iterator<Item = Operation>,
    is_early: impl Fn(&Operation) -> bool,
    held_back: &mut Vec<Operation>,
) -> impl Iterator<Item = Operation> {
    operations.filter_map(move |operation| {
        if is_early(&operation) {
            held_back.push(operation);
            return None;
        }
        Some(operation)
    })
}

/// IPVS answers ENOENT when it has no scheduler of the name and cannot load its module.
fn missing_scheduler(failure: &Failure) -> Option<plan::Scheduler> {
    match failure.operation {
        Operation::AddVirtualServer(_, config) | Operation::SetVirtualServer(_, config)
            if failure.errno == Errno::ENOENT =>
        {
            config.scheduler
        }
        _ => None,
    }
}
