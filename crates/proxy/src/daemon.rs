//! The loop: one owner of all state. Changes come in, operations go out, and time triggers the rest.

mod journal;
mod outlets;
mod pacer;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::bail;
use dataplane::{Dataplane, Kernel, Report, Sighting, Target};
use model::{Change, Cluster, Effect, ObjectKey};
use plan::{Operation, Planner, State, Update};
use sources::Changes;
use tokio::sync::mpsc::Receiver;
use tracing::info;

use crate::health_checks::ListenFailure;

use self::journal::Journal;
pub(crate) use self::outlets::Outlets;
pub(crate) use self::pacer::Periods;
use self::pacer::{Pacer, Scope, Work};

/// How many changes are taken in before the kernel gets its turn, so that a flood of them cannot starve it.
const MOST_AT_ONCE: usize = 4096;

/// Everything that the daemon knows.
pub(crate) struct Daemon<K> {
    cluster: Cluster,
    planner: Planner,
    dataplane: Dataplane<K>,
    pacer: Pacer,
    journal: Journal,
    outlets: Outlets,
    /// Services to plan again.
    touched: BTreeSet<ObjectKey>,
    /// Whether all have to be planned again.
    replan: bool,
    /// Whether the machine's addresses may have changed since they were read.
    look_at_host: bool,
}

/// What planning leaves to do.
#[derive(Default)]
struct Planned {
    operations: Vec<Operation>,
    /// Why something could not be planned.
    errors: Vec<dataplane::Error>,
}

// === impl Daemon ===

impl<K: Kernel> Daemon<K> {
    pub(crate) fn new(
        cluster: Cluster,
        planner: Planner,
        dataplane: Dataplane<K>,
        periods: Periods,
        outlets: Outlets,
    ) -> Self {
        Daemon {
            cluster,
            planner,
            dataplane,
            pacer: Pacer::new(periods),
            journal: Journal::default(),
            outlets,
            touched: BTreeSet::new(),
            replan: false,
            look_at_host: true,
        }
    }

    /// Runs until `stop` is done, and gives its reason. The kernel keeps its state.
    ///
    /// # Errors
    /// If the source ends.
    pub(crate) async fn run(
        mut self,
        mut changes: Changes,
        mut sightings: Receiver<Sighting>,
        mut failures: Receiver<ListenFailure>,
        stop: impl Future<Output = &'static str>,
    ) -> anyhow::Result<&'static str> {
        let mut stop = pin!(stop);
        loop {
            let wake = self.pacer.next(now());
            tokio::select! {
                biased;
                reason = &mut stop => return Ok(reason),
                change = changes.recv() => match change {
                    Some(change) => self.take_all(change, &mut changes),
                    None => bail!("the source of Services ended; see the lines before this one for the reason"),
                },
                Some(sighting) = sightings.recv() => self.notice(sighting, now()),
                Some(failure) = failures.recv() => self.outlets.not_listening(failure, &self.cluster),
                () = sleep_until(wake) => {}
            }
            self.work(now());
        }
    }

    /// Takes in a change and those that wait behind it.
    fn take_all(&mut self, first: Change, changes: &mut Changes) {
        self.take(first);
        for _ in 1..MOST_AT_ONCE {
            match changes.try_recv() {
                Ok(change) => self.take(change),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, change: Change) {
        match self.cluster.apply(change) {
            Effect::Nothing => return,
            Effect::Services(keys) => self.touched.extend(keys),
            Effect::Everything => self.replan = true,
            Effect::Synced(kind) => {
                info!(%kind, "first list received");
                if self.cluster.is_synced() {
                    self.pacer.start();
                }
                return;
            }
            Effect::Problem(problem) => return Journal::problem(&problem),
        }
        self.changed();
    }

    /// Looks at once when somebody took away what should be there; own changes are sighted as well.
    fn notice(&mut self, sighting: Sighting, now: Instant) {
        if matches!(sighting, Sighting::HostAddresses | Sighting::Missed) {
            self.look_at_host = true;
            self.changed();
        }
        let wanted = match sighting {
            Sighting::AddressGone(address) => self.planner.desired().state().addresses.contains(&address),
            Sighting::InterfaceGone | Sighting::Missed => true,
            Sighting::HostAddresses => false,
        };
        if wanted {
            self.pacer.drifted(now);
        }
    }

    /// Something has to be planned again.
    fn changed(&mut self) {
        self.pacer.changed();
        self.outlets.health.requested();
    }

    /// Does what is due.
    fn work(&mut self, now: Instant) {
        while let Some(work) = self.pacer.due(now) {
            self.outlets.health.began();
            match work {
                Work::FirstSync => self.first_sync(now),
                Work::Changes => self.apply_changes(now),
                Work::Audit => self.audit(now),
                Work::Sweep => {
                    let report = self.dataplane.sweep(now);
                    self.conclude(&report, Scope::Part, now);
                }
            }
        }
    }

    fn first_sync(&mut self, now: Instant) {
        let began = Instant::now();
        let unread = self.plan_again().errors;
        let mut report = self.reconcile(now);
        report.errors.extend(unread);
        self.journal.first_sync(self.planner.desired().state(), &report, began.elapsed());
        self.conclude(&report, Scope::Whole, now);
    }

    fn apply_changes(&mut self, now: Instant) {
        let planned = self.plan_again();
        let mut report = Report { errors: planned.errors, ..Report::default() };
        if !planned.operations.is_empty() {
            report.absorb(self.dataplane.apply(planned.operations, now));
            self.journal.changes(&report);
        }
        self.conclude(&report, Scope::Part, now);
    }

    fn audit(&mut self, now: Instant) {
        let planned = self.plan_again();
        let mut report = self.reconcile(now);
        report.errors.extend(planned.errors);
        self.journal.audit(&report);
        self.conclude(&report, Scope::Whole, now);
    }

    /// Plans what was touched, and what depends on the machine's addresses if they changed.
    fn plan_again(&mut self) -> Planned {
        let mut planned = Planned::default();
        if self.look_at_host {
            match self.dataplane.host_addresses() {
                Ok(addresses) => {
                    self.look_at_host = false;
                    let update = self.planner.set_host_addresses(&self.cluster, addresses);
                    self.tell(update, &mut planned);
                }
                Err(error) => planned.errors.push(error),
            }
        }
        let touched = std::mem::take(&mut self.touched);
        let update = if std::mem::take(&mut self.replan) {
            self.planner.rebuild(&self.cluster)
        } else {
            self.planner.update_all(&self.cluster, &touched)
        };
        self.tell(update, &mut planned);
        self.outlets.listen(&self.cluster, self.planner.options());
        planned
    }

    /// Says what planning found out, and keeps what is left to do.
    fn tell(&mut self, update: Update, planned: &mut Planned) {
        let complaints = self.journal.update(&update);
        self.outlets.update(&update, complaints, &self.cluster);
        planned.operations.extend(update.operations);
    }

    fn reconcile(&mut self, now: Instant) -> Report {
        let urgent = if self.pacer.has_synced() { State::default() } else { self.planner.urgent() };
        let target = Target {
            desired: self.planner.desired().state(),
            urgent: &urgent,
            options: self.planner.options(),
        };
        self.dataplane.reconcile(target, now)
    }

    /// Draws the consequences of what was done: fall-backs for schedulers that this kernel lacks, and when to
    /// look again.
    fn conclude(&mut self, report: &Report, scope: Scope, now: Instant) {
        for scheduler in report.missing_schedulers.iter().copied() {
            let update = self.planner.without_scheduler(&self.cluster, scheduler);
            self.tell(update, &mut Planned::default());
        }
        let draining = self.dataplane.draining();
        self.outlets.count(&self.planner, draining, report.forgotten_flows);
        if !report.missing_schedulers.is_empty() {
            self.pacer.audit_now();
        }
        match report.is_complete() {
            true => self.outlets.health.succeeded(),
            false => self.outlets.health.failed(),
        }
        self.pacer.done(scope, report.is_complete(), draining > 0, now);
        self.journal.outcome(report, scope);
    }
}

/// The time as timers see it, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

/// How long something took, as a field of a log line.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
