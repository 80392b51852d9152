//! What was to go and may still be there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::{Entry, Member, Operation, VirtualServerKey};

use crate::report::Report;

/// Addresses and virtual servers that may be left over from a step. The set entries that tell whose they are
/// (`plan::ownership`) have to stay until they are gone, or nobody would try again.
#[derive(Debug, Default)]
pub(super) struct Remains {
    addresses: BTreeSet<IpAddr>,
    virtual_servers: BTreeSet<VirtualServerKey>,
}

// === impl Remains ===

impl Remains {
    /// What is left after `operations`, of which `report` tells: what the kernel refused to remove, and everything if
    /// it is not known what the kernel did.
    pub(super) fn after(report: &Report, operations: impl Iterator<Item = Operation>) -> Self {
        let mut remains = Remains::default();
        report.failures.iter().for_each(|failure| remains.note(&failure.operation));
        if !report.errors.is_empty() {
            operations.for_each(|operation| remains.note(&operation));
        }
        remains
    }

    /// Notes what `operation` was to remove.
    fn note(&mut self, operation: &Operation) {
        match operation {
            Operation::UnbindAddress(address) => {
                self.addresses.insert(*address);
            }
            Operation::RemoveVirtualServer(key) => {
                self.virtual_servers.insert(*key);
                // A node port is told by its address as well.
                self.addresses.insert(key.address);
            }
            _ => {}
        }
    }

    /// Whether `member` tells whose one of them is.
    pub(super) fn are_told_by(&self, member: &Member) -> bool {
        match (member.virtual_server(), member.entry) {
            (Some(key), _) => self.virtual_servers.contains(&key),
            (None, Entry::Ip(address)) => self.addresses.contains(&address),
            (None, Entry::Port(port)) => self.virtual_servers.iter().any(|key| key.port == port),
            (None, _) => false,
        }
    }
}
