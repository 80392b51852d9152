//! What the loop does when it is due: the first sync, changes, and audits look by look.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dataplane::{Kernel, Progress, Report, Target};
use model::Family;
use plan::{Operation, Planner, State, Update};

use super::Daemon;
use super::pacer::Scope;

/// How soon an audit looks again whether the iptables programs have ended.
const WAIT_FOR_PROGRAMS: Duration = Duration::from_millis(20);

/// What planning leaves to do.
struct Planned {
    operations: Vec<Operation>,
    /// Why something could not be planned.
    errors: Vec<dataplane::Error>,
}

// === impl Daemon ===

impl<K: Kernel> Daemon<K> {
    pub(super) fn first_sync(&mut self, now: Instant) {
        self.outlets.began();
        let began = Instant::now();
        if let Err(error) = self.plan_at_first() {
            // Without the machine's addresses the plan would take every node port from the kernel.
            self.outlets.ended(false);
            self.pacer.postpone(now);
            return self.tell_failed(vec![error]);
        }
        let report = self.reconcile(now);
        self.journal.first_sync(&report, began);
        self.answer_for(&report, Scope::Whole);
        self.conclude(&report, Scope::Whole, now);
    }

    /// Tells of steps that failed before the first sync.
    pub(super) fn tell_failed(&mut self, errors: Vec<dataplane::Error>) {
        self.outlets.failed(&errors);
        self.journal.outcome(&Report { errors, ..Report::default() }, Scope::Part);
    }

    pub(super) fn apply_changes(&mut self, now: Instant) {
        self.outlets.began();
        let report = self.apply_planned(now);
        self.answer_for(&report, Scope::Part);
        self.conclude(&report, Scope::Part, now);
    }

    pub(super) fn begin_audit(&mut self, now: Instant) {
        self.dataplane.begin_audit(self.planner.options());
        self.pacer.look_again(now);
    }

    /// Takes one look of the audit under way.
    pub(super) fn look(&mut self, now: Instant) {
        let began = super::now();
        let progress = self.dataplane.audit(target(&self.planner, &State::default()), now);
        let ended = super::now();
        self.looking += ended - began;
        match progress {
            Progress::GoesOn => self.pacer.look_again(ended),
            Progress::Waits => self.pacer.look_again(ended + WAIT_FOR_PROGRAMS),
            Progress::Done(report) => {
                let scope = self.pacer.audited(std::mem::take(&mut self.looking), ended);
                self.end_audit(*report, scope, now);
            }
        }
    }

    /// Ends with what was planned in the meantime, so that everything is done that was asked for until now.
    fn end_audit(&mut self, mut report: Report, scope: Scope, now: Instant) {
        self.journal.audit(&report, self.reconfigured);
        self.outlets.audited(&report, self.reconfigured);
        self.reconfigured &= !report.errors.is_empty();
        self.outlets.began();
        report.absorb(self.apply_planned(now));
        self.answer_for(&report, scope);
        self.conclude(&report, scope, now);
    }

    fn apply_planned(&mut self, now: Instant) -> Report {
        let planned = self.plan_again();
        let operations = planned.operations;
        let mut report = Report { errors: planned.errors, ..Report::default() };
        if !operations.is_empty() {
            report.absorb(self.dataplane.apply(operations, now));
            self.journal.changes(&report);
        }
        report
    }

    /// Tells health checks how it went. An element that the kernel refuses is no reason to turn traffic away
    /// from a node; a step that fails is, until everything has been looked at.
    fn answer_for(&mut self, report: &Report, scope: Scope) {
        let failed = !report.errors.is_empty();
        self.fails = failed || (self.fails && scope == Scope::Part);
        self.outlets.ended(!self.fails);
    }

    /// Plans everything, without operations: what the kernel holds is not known before it is observed.
    fn plan_at_first(&mut self) -> Result<(), dataplane::Error> {
        let addresses = self.dataplane.host_addresses()?;
        self.look_at_host = false;
        let touched = std::mem::take(&mut self.touched);
        let update = self.planner.start(&self.cluster, &touched, addresses);
        self.tell(&update);
        self.outlets.listen(&self.cluster, self.planner.options());
        self.say_where_pods_are_not_known();
        Ok(())
    }

    /// Plans what was touched, and what depends on the machine's addresses if they changed, as one step.
    fn plan_again(&mut self) -> Planned {
        let mut errors = Vec::new();
        let replan = std::mem::take(&mut self.replan);
        // The addresses that serve health checks follow from this node, the choices and the machine's addresses.
        let mut listens_elsewhere = replan;
        if self.look_at_host {
            match self.dataplane.host_addresses() {
                Ok(addresses) => {
                    self.look_at_host = false;
                    listens_elsewhere = true;
                    self.touched.extend(self.planner.set_host_addresses(&self.cluster, addresses));
                }
                Err(error) => errors.push(error),
            }
        }
        let touched = std::mem::take(&mut self.touched);
        let update = if replan {
            self.planner.rebuild(&self.cluster)
        } else {
            self.planner.update_all(&self.cluster, &touched)
        };
        self.tell(&update);
        if listens_elsewhere {
            self.outlets.listen(&self.cluster, self.planner.options());
        }
        Planned { operations: update.operations, errors }
    }

    /// Says what planning found out.
    fn tell(&mut self, update: &Update) {
        let complaints = self.journal.update(update);
        self.outlets.update(update, complaints, &self.cluster);
    }

    fn reconcile(&mut self, now: Instant) -> Report {
        let urgent = self.planner.urgent();
        self.dataplane.reconcile(target(&self.planner, &urgent), now)
    }

    /// Draws the consequences of what was done: fall-backs for schedulers that this kernel lacks, and when to
    /// look again.
    pub(super) fn conclude(&mut self, report: &Report, scope: Scope, now: Instant) {
        for scheduler in report.missing_schedulers.iter().copied() {
            if let Some(update) = self.planner.without_scheduler(&self.cluster, scheduler) {
                self.tell(&update);
                self.pacer.audit_now();
            }
        }
        self.journal.scheduler(self.planner.options());
        let draining = self.dataplane.draining();
        self.outlets.count(&self.planner, &self.dataplane, report);
        self.pacer.done(scope, report.is_complete(), draining > 0, now);
        self.journal.outcome(report, scope);
        if scope == Scope::Whole {
            self.journal.progress(self.planner.desired().state(), report);
        }
        let due: BTreeSet<Family> = report.serves.difference(&self.without_leftovers).copied().collect();
        if !due.is_empty() && scope == Scope::Whole && report.errors.is_empty() {
            let leftovers = self.dataplane.remove_leftovers(&due, self.planner.options());
            if leftovers.errors.is_empty() {
                self.without_leftovers.extend(due);
            }
            self.outlets.failed(&leftovers.errors);
            self.journal.leftovers(&leftovers);
        }
    }
}

/// What the kernel is compared with.
fn target<'a>(planner: &'a Planner, urgent: &'a State) -> Target<'a> {
    Target { desired: planner.desired().state(), urgent, options: planner.options() }
}
