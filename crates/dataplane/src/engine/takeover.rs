//! When IPVS takes over from what kube-proxy in another mode has left.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Family;
use plan::{Operation, VirtualServerKey};

use super::Target;
use crate::report::Report;

/// How often everything is compared and sent before what the kernel still refuses is not waited for any more.
const MOST_ATTEMPTS: u32 = 3;

/// The attempts so far.
#[derive(Debug, Default)]
pub(super) struct Takeover {
    attempts: u32,
}

// === impl Takeover ===

impl Takeover {
    /// The families of which enough stands to do without the other mode, after a reconciliation or an audit that went
    /// so. Nobody keeps the other mode's rules up to date, so an element that is refused for good must not leave all
    /// Services to them; but they are better than a kernel that takes next to nothing.
    pub(super) fn due(&mut self, report: &Report, target: Target<'_>) -> BTreeSet<Family> {
        if !report.errors.is_empty() {
            return BTreeSet::new();
        }
        if !report.failures.is_empty() {
            self.attempts = self.attempts.saturating_add(1);
        }
        let is_due = |family: &Family| {
            let mut refused = refused(report).filter(|operation| family_of(operation) == Some(*family));
            refused.next().is_none()
                || (self.attempts >= MOST_ATTEMPTS && most_stands(report, target, *family))
        };
        target.options.families.iter().copied().filter(is_due).collect()
    }
}

/// Whether at least half of the virtual servers and of the addresses are there.
fn most_stands(report: &Report, target: Target<'_>, family: Family) -> bool {
    let is_of = |address: &IpAddr| Family::of(address) == family;
    let mut servers: BTreeSet<&VirtualServerKey> = BTreeSet::new();
    let mut addresses: BTreeSet<&IpAddr> = BTreeSet::new();
    for operation in refused(report) {
        match operation {
            Operation::AddVirtualServer(key, _) if is_of(&key.address) => drop(servers.insert(key)),
            Operation::BindAddress(address) if is_of(address) => drop(addresses.insert(address)),
            _ => {}
        }
    }
    let wanted_servers = target.desired.virtual_servers.keys().filter(|key| is_of(&key.address));
    let wanted_addresses = target.desired.addresses.iter().filter(|address| is_of(address));
    2 * servers.len() <= wanted_servers.count() && 2 * addresses.len() <= wanted_addresses.count()
}

/// What the kernel refused, and what was not sent because of that.
fn refused(report: &Report) -> impl Iterator<Item = &Operation> {
    report.failures.iter().map(|failure| &failure.operation).chain(&report.held_back)
}

/// Whose element it is about.
fn family_of(operation: &Operation) -> Option<Family> {
    match operation {
        Operation::AddMember(member) | Operation::RemoveMember(member) => Some(member.set.family),
        Operation::BindAddress(address) | Operation::UnbindAddress(address) => Some(Family::of(address)),
        operation => operation.virtual_server().map(|key| Family::of(&key.address)),
    }
}
