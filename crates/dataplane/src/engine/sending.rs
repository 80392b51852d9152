//! Handing operations to the kernel, and what its refusals mean.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use netlink::Errno;
use plan::{Operation, VirtualServerKey};

use super::Dataplane;
use crate::drain::Drains;
use crate::kernel::{Applied, Failure, Kernel};
use crate::report::Report;

/// How many operations are handed to the kernel at once. More would only take more memory.
pub(super) const MOST_AT_ONCE: usize = 4096;

// === impl Dataplane ===

impl<K: Kernel> Dataplane<K> {
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
        report.errors.extend(unknown);
        broken.extend(failures.iter().filter_map(Failure::refused_virtual_server));
        for failure in failures {
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
            Operation::RemoveVirtualServer(key) => {
                self.drains.forget(&key);
                Some(operation)
            }
            other => Some(other),
        }
    }
}

/// The addresses behind which nothing can be served, because the virtual servers `broken` of `operations` were
/// refused.
pub(super) fn unserved(
    broken: &BTreeSet<VirtualServerKey>,
    operations: impl Iterator<Item = Operation>,
) -> BTreeSet<IpAddr> {
    let mut unserved: BTreeSet<IpAddr> = broken.iter().map(|key| key.address).collect();
    if !unserved.is_empty() {
        for key in operations.filter_map(|operation| operation.virtual_server().copied()) {
            if !broken.contains(&key) {
                unserved.remove(&key.address);
            }
        }
    }
    unserved
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
