//! What the daemon says in its log: one line for each event that matters, and not twice.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

use dataplane::Report;
use dataplane::leftovers::Leftovers;
use model::{Family, Kind, ObjectKey, PerFamily, Problem};
use plan::{Conflict, LocalDetector, Options, Scheduler, State, Update, VirtualServerKey, Warning};
use tracing::{debug, error, info, warn};

use super::milliseconds;
use super::outlets::Complaint;
use super::own_node::LIST;
use super::pacer::Scope;

/// How many elements of a list are named in the log; the rest is counted.
const MOST_NAMED: usize = 10;

/// The same of what kube-proxy in another mode had left, whose rules are long.
const MOST_LEFTOVERS_NAMED: usize = 3;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    warnings: BTreeMap<ObjectKey, Vec<Warning>>,
    failing: BTreeSet<String>,
    foreign: Option<usize>,
    /// What of the Node the first sync waits for.
    waits_for: Option<&'static str>,
    /// The first sync, until everything is done that it was to do.
    first: Option<FirstSync>,
    /// Why leftovers of another mode could not be removed.
    leftover_failures: BTreeSet<String>,
    /// Why changes of interfaces were missed.
    misses: BTreeSet<String>,
    /// What several Services claim, as it was told last.
    conflicts: BTreeMap<VirtualServerKey, Conflict>,
    /// The scheduler of Services that choose none, if the kernel lacks it.
    missing_scheduler: Option<Scheduler>,
}

/// What the first sync brought.
#[derive(Debug)]
struct FirstSync {
    began: Instant,
    changes: usize,
    prepared: usize,
    /// Whether it was said already that it is not complete.
    told: bool,
}

// === impl Journal ===

impl Journal {
    /// A complaint about input. Sources tell each once.
    pub(super) fn problem(problem: &Problem) {
        warn!(subject = problem.subject, reason = problem.reason, "input not usable as it is");
    }

    /// A source has told everything of a kind.
    pub(super) fn listed(kind: Kind) {
        info!(%kind, "first list received");
    }

    /// Which scheduler is the default, if this kernel turned out to lack it.
    pub(super) fn scheduler(&mut self, options: &Options) {
        if let Some(scheduler) = self.missing_scheduler(options) {
            warn!(
                %scheduler,
                "this kernel offers no IPVS scheduler of this name, so Services that choose none get rr, if it offers \
                 that; load the module ip_vs_{scheduler} and restart, or choose another one with --ipvs-scheduler"
            );
        }
    }

    /// What planning found out. Gives what the owners of Services should hear and have not heard yet.
    pub(super) fn update(&mut self, update: &Update) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (service, warnings) in &update.warnings {
            let known = self.warnings.remove(service).unwrap_or_default();
            for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
                let Warning { reason, message } = warning;
                warn!(%service, reason = reason.as_str(), warning = message, "Service not served as asked");
                let (service, message) = (service.clone(), message.clone());
                complaints.push(Complaint { service, reason: reason.as_str(), message });
            }
            if !warnings.is_empty() {
                self.warnings.insert(service.clone(), warnings.clone());
            }
        }
        for conflict in &update.conflicts {
            let known = self.conflicts.insert(conflict.key, conflict.clone());
            let known = known.filter(|known| known.winner == conflict.winner);
            let is_new =
                |loser: &&ObjectKey| !known.as_ref().is_some_and(|known| known.losers.contains(loser));
            let losers: Vec<&ObjectKey> = conflict.losers.iter().filter(is_new).collect();
            if losers.is_empty() {
                continue;
            }
            let others: Vec<String> = losers.iter().map(ToString::to_string).collect();
            warn!(
                address = %conflict.key,
                service = %conflict.winner,
                others = others.join(" "),
                "several Services claim one address and port; the oldest gets it"
            );
            complaints.extend(losers.into_iter().map(|loser| lost(conflict, loser)));
        }
        for key in &update.resolved {
            self.conflicts.remove(key);
            info!(address = %key, "address and port are claimed by one Service only again");
        }
        complaints
    }

    /// The first sync, which was begun at this time.
    pub(super) fn first_sync(&mut self, report: &Report, began: Instant) {
        for step in &report.repaired {
            debug!(step = step.text, "prepared");
        }
        let (changes, prepared) = (report.sent, report.repaired.len());
        self.first = Some(FirstSync { began, changes, prepared, told: false });
        self.foreign(report);
    }

    /// How the first sync stands after the whole state was looked at. Steps that fail keep the node from being ready;
    /// elements that the kernel refuses do not.
    pub(super) fn progress(&mut self, state: &State, report: &Report) {
        let Some(first) = &mut self.first else { return };
        let failures = report.errors.len() + report.failures.len();
        let reasons = report.errors.iter().map(ToString::to_string);
        let mut reasons = reasons.chain(report.failures.iter().map(ToString::to_string));
        if let Some(reason) = reasons.next() {
            if !std::mem::replace(&mut first.told, true) {
                match report.errors.is_empty() {
                    true => warn!(
                        failures,
                        first = reason,
                        "first sync incomplete, ready without what was refused"
                    ),
                    false => warn!(failures, first = reason, "first sync incomplete, not ready"),
                }
            }
            return;
        }
        info!(
            virtual_servers = state.virtual_servers.len(),
            real_servers = state.real_server_count(),
            addresses = state.addresses.len(),
            set_entries = state.members.len(),
            changes = first.changes,
            prepared = first.prepared,
            took_ms = milliseconds(first.began.elapsed()),
            "first sync done"
        );
        self.first = None;
    }

    /// Changes that were applied.
    pub(super) fn changes(&self, report: &Report) {
        debug!(
            sent = report.sent,
            draining = report.draining,
            drained = report.drained,
            forgotten_flows = report.forgotten_flows(),
            "changes applied"
        );
    }

    /// A comparison of the whole state. Quiet when nothing differed. What everything else stands in may be
    /// `reconfigured`, so that it was known to differ.
    pub(super) fn audit(&mut self, report: &Report, reconfigured: bool) {
        let repairs: Vec<&str> = report.repaired.iter().map(|repair| repair.text.as_str()).collect();
        if !repairs.is_empty() {
            let (count, examples) = (repairs.len(), first_of(&repairs));
            match reconfigured {
                true => info!(count, examples, "put right for the changed configuration or Node"),
                false => warn!(count, examples, "kernel differed from the plan; put right"),
            }
        }
        let count = report.put_right().total();
        if count > 0 {
            let repaired = report.differences.first.iter().filter(|operation| report.is_done(operation));
            let examples = first_of(&repaired.take(MOST_NAMED).map(ToString::to_string).collect::<Vec<_>>());
            warn!(count, examples, "kernel state differed from the plan; put right");
        }
        self.foreign(report);
    }

    /// What failed, when it begins to fail and when it does not any more.
    pub(super) fn outcome(&mut self, report: &Report, scope: Scope) {
        for limitation in &report.limitations {
            warn!(%limitation, "left as it is");
        }
        let mut failing = BTreeSet::new();
        for text in report.errors.iter().map(ToString::to_string) {
            if !self.failing.contains(&text) {
                error!(error = text, "step failed; it is tried again");
            }
            failing.insert(text);
        }
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        let fresh: Vec<&String> = failures.iter().filter(|text| !self.failing.contains(*text)).collect();
        for failure in fresh.iter().take(MOST_NAMED) {
            error!(error = failure.as_str(), "the kernel refused an element; it is tried again");
        }
        if fresh.len() > MOST_NAMED {
            error!(more = fresh.len() - MOST_NAMED, "the kernel refused further elements");
        }
        failing.extend(failures);
        if scope == Scope::Part {
            self.failing.append(&mut failing);
            return;
        }
        if failing.is_empty() && !self.failing.is_empty() {
            info!("everything that had failed is done");
        }
        self.failing = failing;
    }

    /// The first sync waits for something that the Node has not told. That the list of Nodes is the last to come is
    /// nothing unusual, and why one does not come at all is told where it is asked for.
    pub(super) fn waits(&mut self, node: &str, what: &'static str, longest: Duration) {
        const MESSAGE: &str = "waiting for the Node before anything is changed";
        match self.waits_for.replace(what) {
            Some(known) if known == what => {}
            _ if what == LIST => debug!(node, "for" = what, longest = ?longest, "{MESSAGE}"),
            _ => warn!(node, "for" = what, longest = ?longest, "{MESSAGE}"),
        }
    }

    /// The list of Nodes is in, and this one is not in it.
    pub(super) fn no_node(node: &str) {
        warn!(
            node,
            "no Node of this name in the cluster, so no endpoint counts as local: set hostnameOverride (--hostname-override) to the name that kubectl get nodes shows"
        );
    }

    /// How pods are told from everything else follows from the Node.
    pub(super) fn local_detector(&self, detector: &PerFamily<Option<LocalDetector>>) {
        let networks = Family::ALL.into_iter().filter_map(|family| match detector.get(family) {
            Some(LocalDetector::Cidr(network)) => Some(network.to_string()),
            _ => None,
        });
        let networks = networks.collect::<Vec<_>>().join(",");
        info!(networks, "pods of this node are known by the Node's podCIDRs");
    }

    /// Changes of interfaces that could not be noticed, so that everything is looked at.
    pub(super) fn missed(&mut self, error: &impl Display) {
        let text = error.to_string();
        if self.misses.insert(text.clone()) {
            warn!(
                error = text,
                "changes of interfaces were missed; an audit looks at all of them, now and whenever that happens again"
            );
        }
    }

    /// The Node does not tell them in this family, though it was asked for.
    pub(super) fn no_pod_cidrs(family: Family) {
        warn!(
            %family,
            "the Node has no podCIDRs of this family, so pods cannot be told from the outside: what comes from \
             outside to a cluster IP is not masqueraded for that, and externalTrafficPolicy Local is not kept"
        );
    }

    /// What kube-proxy in another mode had left.
    pub(super) fn leftovers(&mut self, leftovers: &Leftovers) {
        let Leftovers { removed, kept, errors } = leftovers;
        if !removed.is_empty() {
            let examples = removed.iter().take(MOST_LEFTOVERS_NAMED).cloned().collect::<Vec<_>>().join("; ");
            info!(count = removed.len(), examples, "removed what kube-proxy in another mode had left");
        }
        for leftover in removed {
            debug!(leftover, "removed");
        }
        for kept in kept {
            warn!(kept, "left by kube-proxy in another mode; not removed");
        }
        for text in errors.iter().map(ToString::to_string) {
            if self.leftover_failures.insert(text.clone()) {
                error!(
                    error = text,
                    "what kube-proxy in another mode left cannot be removed; it is tried again"
                );
            }
        }
    }

    /// The default scheduler, if the kernel lacks it and that is news.
    fn missing_scheduler(&mut self, options: &Options) -> Option<Scheduler> {
        let missing = options.unavailable.get(&options.scheduler).copied();
        let known = std::mem::replace(&mut self.missing_scheduler, missing);
        missing.filter(|_| missing != known)
    }

    fn foreign(&mut self, report: &Report) {
        let Some(foreign) = &report.foreign else { return };
        let count = foreign.count();
        if count != self.foreign.unwrap_or_default() {
            info!(
                virtual_servers = foreign.virtual_servers.len(),
                firewall_marks = foreign.firewall_marks,
                addresses = foreign.addresses.len(),
                "elements that are not a Kubernetes proxy's are left alone"
            );
        }
        self.foreign = Some(count);
    }
}

/// The first elements of a list, as one field.
fn first_of<T: Borrow<str>>(list: &[T]) -> String {
    list.get(..MOST_NAMED).unwrap_or(list).join("; ")
}

/// What the owner of a Service hears that another one was faster.
fn lost(conflict: &Conflict, loser: &ObjectKey) -> Complaint {
    let Conflict { key, winner, .. } = conflict;
    Complaint {
        service: loser.clone(),
        reason: "AddressConflict",
        message: format!(
            "{key} is not served for this Service, because the older Service {winner} claims it too"
        ),
    }
}

#[cfg(test)]
mod tests;
