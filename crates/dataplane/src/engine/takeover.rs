//! When IPVS takes over from what kube-proxy in another mode has left.

use plan::{Element, State};

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
    /// Whether enough stands to do without the other mode, after a reconciliation or an audit that went so. Nobody keeps
    /// the other mode's rules up to date, so an element that is refused for good must not leave all Services to them;
    /// but they are better than a kernel that takes next to nothing.
    pub(super) fn is_due(&mut self, report: &Report, desired: &State) -> bool {
        if report.is_complete() {
            return true;
        }
        if !report.errors.is_empty() {
            return false;
        }
        self.attempts = self.attempts.saturating_add(1);
        let refused = report.refused.of(Element::VirtualServer);
        self.attempts >= MOST_ATTEMPTS && 2 * refused <= desired.virtual_servers.len()
    }
}
