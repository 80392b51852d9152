//! The loop: one owner of all state. Changes come in, operations go out, and time triggers the rest.

mod journal;
mod outlets;
mod own_node;
mod pacer;
mod steps;

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::bail;
use dataplane::{Dataplane, Kernel, Settings, Sighting};
use model::{Change, Cluster, Effect, Family, Kind, ObjectKey};
use plan::{Options, Planner};
use sources::Changes;
use tokio::sync::mpsc::Receiver;

use crate::inquiry::Inquiry;
use crate::node::Identity;

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
    /// Whether the kernel is known to differ from a changed configuration or Node, until an audit has put it right.
    reconfigured: bool,
    identity: Identity,
    /// The node's first address, if its family is not served, as was learnt before the first sync.
    unserved: Option<IpAddr>,
    /// When all lists that every plan needs were in.
    listed: Option<Instant>,
    /// How long the looks of the audit under way took together.
    looking: Duration,
    /// Whether a step failed since the whole state was last compared with success.
    fails: bool,
    /// The families of which nothing is left of kube-proxy in another mode, but what other software uses.
    without_leftovers: BTreeSet<Family>,
}

/// What can be changed while the daemon runs.
pub(crate) struct Reconfiguration {
    pub(crate) options: Options,
    pub(crate) settings: Settings,
    pub(crate) periods: Periods,
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
            reconfigured: false,
            identity: Identity::default(),
            unserved: None,
            listed: None,
            looking: Duration::ZERO,
            fails: false,
            without_leftovers: BTreeSet::new(),
        }
    }

    /// Sees this node as the configuration does.
    pub(crate) fn known_as(self, identity: Identity) -> Self {
        Daemon { identity, ..self }
    }

    /// Runs until `stop` is done, and gives its reason. The kernel keeps its state.
    ///
    /// # Errors
    /// If the source ends, or if the family of the node's first address is not served.
    pub(crate) async fn run(
        mut self,
        mut changes: Changes,
        mut sightings: Receiver<Sighting>,
        mut inquiries: Receiver<Inquiry>,
        mut reconfigurations: Receiver<Reconfiguration>,
        stop: impl Future<Output = &'static str>,
    ) -> anyhow::Result<&'static str> {
        let mut stop = pin!(stop);
        // While the lists are on their way.
        let mut failed = self.dataplane.prepare(self.planner.options(), now());
        match self.dataplane.host_addresses() {
            // To plan ahead with. The first sync reads them again.
            Ok(addresses) => self.touched.extend(self.planner.set_host_addresses(&self.cluster, addresses)),
            Err(error) => failed.push(error),
        }
        self.tell_failed(failed);
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
                Some(inquiry) = inquiries.recv() => self.outlets.answer(inquiry, &self.cluster, &self.planner),
                Some(reconfiguration) = reconfigurations.recv() => self.reconfigure(reconfiguration),
                () = sleep_until(wake) => {}
            }
            self.check_first_address()?;
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
        let news = self.outlets.hear(&change, &self.cluster);
        match self.cluster.apply(self.identity.complete(change)) {
            Effect::Nothing => return,
            Effect::Services(keys) if self.cluster.has_synced(Kind::Service) => self.touched.extend(keys),
            // Without their endpoints it is too early to plan them.
            Effect::Services(_) => {}
            Effect::Everything => self.follow_node(),
            Effect::Synced(kind) => {
                Journal::listed(kind);
                if kind == Kind::Node && self.outlets.health.awaits_node() {
                    Journal::no_node(self.cluster.node_name());
                }
                return self.start_if_listed();
            }
            Effect::Problem(problem) => return Journal::problem(&problem),
        }
        self.outlets.expect(news);
        self.changed();
    }

    /// Looks at once when somebody took away what should be there; own changes are sighted as well.
    fn notice(&mut self, sighting: Sighting, now: Instant) {
        let host_differs = match &sighting {
            // Told again, as router advertisements do, or of no use, as the link-local ones of pods' interfaces.
            Sighting::HostAddress { address, present } => {
                let options = self.planner.options();
                options.host_addresses.contains(address) != *present && options.uses_host_address(address)
            }
            Sighting::Missed(error) => {
                self.journal.missed(error);
                true
            }
            Sighting::InterfaceGone | Sighting::AddressGone(_) => false,
        };
        if host_differs {
            self.look_at_host = true;
            self.changed();
        }
        let wanted = match sighting {
            Sighting::AddressGone(address) => self.planner.desired().state().addresses.contains(&address),
            Sighting::InterfaceGone | Sighting::Missed(_) => true,
            Sighting::HostAddress { .. } => false,
        };
        if wanted {
            self.pacer.drifted(now);
        }
    }

    /// Plans everything again as one step, and puts the rest into force by an audit.
    fn reconfigure(&mut self, mut new: Reconfiguration) {
        if let Some(detector) = self.identity.local_detector(self.cluster.node()) {
            new.options.local_detector = detector;
        }
        self.outlets.health.set_limit(new.periods.audit * 2);
        self.pacer.set_periods(new.periods);
        self.dataplane.set_settings(new.settings);
        self.planner.set_choices(new.options);
        self.journal.scheduler(self.planner.options());
        self.reconfigured = true;
        // Other ones may count now, whose sightings were of no use.
        self.look_at_host = true;
        if self.pacer.has_synced() {
            self.replan = true;
            self.changed();
        } else {
            self.planner.forget();
        }
        self.pacer.audit_now();
    }

    /// Something has to be planned again.
    fn changed(&mut self) {
        self.pacer.changed();
        self.outlets.requested();
    }

    /// Does what is due; before that, what can be done before it is.
    fn work(&mut self, now: Instant) {
        if !self.pacer.has_synced() {
            self.planner.plan_ahead(&self.cluster, &std::mem::take(&mut self.touched));
        }
        while let Some(work) = self.pacer.due(now) {
            match work {
                Work::FirstSync => self.first_sync(now),
                Work::Changes => self.apply_changes(now),
                Work::Audit => self.begin_audit(now),
                Work::Look => {
                    self.look(now);
                    // What came in the meantime gets its turn.
                    return;
                }
                Work::Sweep => {
                    let report = self.dataplane.sweep(now);
                    self.conclude(&report, Scope::Part, now);
                }
            }
        }
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
