//! The engine: brings a kernel from what it holds to what is planned, and keeps it there.

mod audit;
mod conntrack;
mod remains;
mod rules;
mod sending;
mod takeover;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use model::Family;
use netlink::ipvs::Timeouts;
use plan::ownership;
use plan::rules::{Ruleset, ruleset};
use plan::{Difference, Operation, Options, State, VirtualServerKey};

use crate::Error;
use crate::drain::Drains;
use crate::kernel::{Kernel, Missing, Observed, Shortfall, timeouts_after};
use crate::leftovers::{self, Leftovers};
use crate::report::{Comparison, Differences, Foreign, Foundation, Repaired, Report};
use crate::sysctl::{Sysctl, Sysctls, dotted};

use self::audit::Audit;
pub use self::audit::Progress;
use self::rules::Rules;
use self::takeover::Takeover;

/// What the operator chose for the kernel itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kernel settings to keep.
    pub sysctls: Vec<Sysctl>,
    /// The IPVS connection timeouts; 0 leaves the kernel's.
    pub timeouts: Timeouts,
    /// How long a removed real server may keep its connections, where its Service says nothing; zero not at
    /// all.
    pub drain_limit: Duration,
}

/// Where a reconciliation has to lead.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What the kernel should hold.
    pub desired: &'a State,
    /// The part of it that goes first.
    pub urgent: &'a State,
    /// The options by which it was planned.
    pub options: &'a Options,
}

/// A kernel and what is remembered about it between changes.
#[derive(Debug)]
pub struct Dataplane<K> {
    kernel: K,
    sysctls: Sysctls,
    /// [`Settings::timeouts`] until they are set; who changes them later knows why.
    timeouts: Timeouts,
    drains: Drains,
    rules: Rules,
    takeover: Takeover,
    flows: Flows,
    /// Whether a step about IPVS failed since the reconciliation or audit under way began.
    ipvs_is_unsure: bool,
    prepared: Prepared,
    audit: Option<Audit>,
}

/// An observation that is older than this is not relied upon.
const LONGEST_RELIED_UPON: Duration = Duration::from_secs(30);

/// What was done before it was known what to serve.
#[derive(Debug, Default)]
struct Prepared {
    /// For the first reconciliation to tell, without errors.
    report: Report,
    /// What it goes on from; none if something failed.
    ground: Option<Ground>,
}

/// What stands before the first reconciliation.
#[derive(Debug)]
struct Ground {
    /// The rules.
    rules: Vec<Ruleset>,
    /// What the kernel held then.
    observed: Observed,
    at: Instant,
}

/// What is known of the UDP flows that conntrack remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flows {
    /// Some may be stale: at start, and after a failure. The next reconciliation or audit looks at all of them.
    Unknown,
    /// Stale ones were forgotten as they became so.
    Known,
    /// The kernel does not tell.
    Unavailable,
}

// === impl Dataplane ===

impl<K: Kernel> Dataplane<K> {
    /// An engine for `kernel`. Nothing is read or changed yet.
    pub fn new(kernel: K, settings: Settings) -> Self {
        Dataplane {
            kernel,
            sysctls: Sysctls::new(settings.sysctls),
            timeouts: settings.timeouts,
            drains: Drains::new(settings.drain_limit),
            rules: Rules::default(),
            takeover: Takeover::default(),
            flows: Flows::Unknown,
            ipvs_is_unsure: false,
            prepared: Prepared::default(),
            audit: None,
        }
    }

    /// Takes other settings, which the next audit applies. What was set and is not asked for any more stays.
    pub fn set_settings(&mut self, settings: Settings) {
        self.sysctls = Sysctls::new(settings.sysctls);
        self.timeouts = settings.timeouts;
        self.drains.set_limit(settings.drain_limit);
    }

    /// The kernel.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The kernel, to be prodded by tests.
    #[cfg(test)]
    pub(crate) fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Ends the engine and gives the kernel back, as it is.
    #[cfg(test)]
    pub(crate) fn into_kernel(self) -> K {
        self.kernel
    }

    /// How many real servers wait for their last connections.
    pub fn draining(&self) -> usize {
        self.drains.len()
    }

    /// How many of them have addresses of `family`.
    pub fn draining_of(&self, family: Family) -> usize {
        self.drains.of(family)
    }

    /// The addresses of the machine on interfaces other than `kube-ipvs0`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn host_addresses(&mut self) -> Result<BTreeSet<IpAddr>, Error> {
        self.kernel.host_addresses()
    }

    /// Puts the settings right and nothing else.
    pub fn initialise(&mut self) -> Report {
        let mut report = Report::default();
        self.enforce_settings(&mut report);
        report
    }

    /// Does what can be done before it is known what to serve: settings, the interface, empty sets, and the rules,
    /// unless there are others in our chains, which may serve traffic until the first reconciliation. Observes what
    /// is there, which takes most of the time where a predecessor ran. What was done is told by the reconciliation,
    /// which begins anew if something failed. Gives what did.
    pub fn prepare(&mut self, options: &Options, now: Instant) -> Vec<Error> {
        let families: Vec<Family> = options.families.iter().copied().collect();
        let mut report = Report::default();
        self.build_foundations(&families, &mut report);
        let mut rules = Vec::new();
        for family in families.iter().copied() {
            let wanted = ruleset(family, options);
            match self.rules.write_where_none_are(&mut self.kernel, &wanted) {
                Ok(None) => continue,
                outcome => report.add_repairs(outcome.map(Option::unwrap_or_default)),
            }
            rules.push(wanted);
        }
        let mut errors = std::mem::take(&mut report.errors);
        let ground = match self.kernel.observe(&families) {
            Ok(observed) => errors.is_empty().then_some(Ground { rules, observed, at: now }),
            Err(error) => {
                errors.push(error);
                None
            }
        };
        self.prepared = Prepared { report, ground };
        errors
    }

    /// Observes everything at once and changes what differs, which is how a start begins. If all is as it should be,
    /// nothing is sent that changes anything.
    pub fn reconcile(&mut self, target: Target<'_>, now: Instant) -> Report {
        self.ipvs_is_unsure = false;
        let families: Vec<Family> = target.options.families.iter().copied().collect();
        let Prepared { mut report, ground } = std::mem::take(&mut self.prepared);
        let (standing, observed) =
            match ground.filter(|ground| now.duration_since(ground.at) <= LONGEST_RELIED_UPON) {
                Some(Ground { rules, observed, .. }) => (rules, Some(observed)),
                None => {
                    self.build_foundations(&families, &mut report);
                    (Vec::new(), None)
                }
            };
        let missing = families.iter().map(|family| ruleset(*family, target.options));
        let mut late = Vec::new();
        for wanted in missing.filter(|wanted| !standing.contains(wanted)) {
            if !self.rules.wait(wanted.family) {
                self.rules.enforce(&mut self.kernel, &wanted, false, &mut report);
            }
            if self.rules.wait(wanted.family) {
                late.push(wanted);
            }
        }
        let mut approach = Report::default();
        match observed.map_or_else(|| self.kernel.observe(&families), Ok) {
            Ok(observed) => self.approach(observed, target, now, &mut approach),
            Err(error) => {
                self.ipvs_is_unsure = true;
                approach.errors.push(error);
            }
        }
        approach.serves = self.takeover.due(&approach, target);
        report.absorb(approach);
        for wanted in late {
            if report.serves.contains(&wanted.family) {
                self.rules.enforce(&mut self.kernel, &wanted, true, &mut report);
            }
        }
        self.forget_unknown_flows(target.desired, &mut report);
        report
    }

    /// Removes what kube-proxy in another mode has left of `families`, which [`Report::serves`] says may go. Rules are
    /// read again only if there were any of its own.
    pub fn remove_leftovers(&mut self, families: &BTreeSet<Family>, options: &Options) -> Leftovers {
        let had_rules = |family: &Family| self.rules.other_mode(*family) != Some(false);
        let with_rules = families.iter().copied().filter(had_rules).collect();
        leftovers::remove(&mut self.kernel, &with_rules, families, options)
    }

    /// Carries out the operations of a change, which come in the order of their phases. They are gone through
    /// more than once, so as not to keep them.
    pub fn apply<I>(&mut self, operations: I, now: Instant) -> Report
    where
        I: IntoIterator<Item = Operation, IntoIter: Clone>,
    {
        self.apply_beside(std::iter::empty(), operations, now)
    }

    /// Removes the real servers that have drained since the last sweep.
    pub fn sweep(&mut self, now: Instant) -> Report {
        let mut report = Report::default();
        self.remove_drained(self.drains.virtual_servers(), now, &mut report);
        report
    }

    /// What a reconciliation would do, without doing it.
    ///
    /// # Errors
    /// If the kernel cannot be read.
    pub fn compare(&mut self, target: Target<'_>) -> Result<Comparison, Error> {
        let families: Vec<Family> = target.options.families.iter().copied().collect();
        let mut preparations: Vec<String> = Vec::new();
        for sysctl in self.sysctls.different(&mut self.kernel) {
            // A run gives up what it need not and cannot set.
            if !sysctl.needed && !self.kernel.may_set_sysctl(sysctl.name) {
                continue;
            }
            preparations.push(format!("set sysctl {} to {}", dotted(sysctl.name), sysctl.value));
        }
        let Shortfall { missing, misfits } = self.kernel.shortfall(&families)?;
        if let Some(misfit) = misfits.into_iter().next() {
            return Err(misfit);
        }
        preparations.extend(missing.iter().map(|element| format!("create {element}")));
        for family in families.iter().copied() {
            let findings = rules::findings(&mut self.kernel, family, target.options)?;
            preparations.extend(findings.into_iter().map(|finding| format!("write {finding}")));
        }
        let observed = self.kernel.observe(&families)?;
        let (state, foreign) = self.own(observed, target);
        let operations = Difference::between(&state, target.desired).operations().collect();
        Ok(Comparison { preparations, operations, foreign })
    }

    /// Settings, the interface and the sets.
    fn build_foundations(&mut self, families: &[Family], report: &mut Report) {
        self.enforce_settings(report);
        let created = self.kernel.shortfall(families).and_then(|Shortfall { missing, misfits }| {
            report.errors.extend(misfits);
            self.create(&missing)
        });
        report.add_repairs(created);
    }

    fn create(&mut self, missing: &[Missing]) -> Result<Vec<Repaired>, Error> {
        if !missing.is_empty() {
            self.kernel.create(missing)?;
        }
        let kind = |element: &Missing| match element {
            Missing::Interface => Foundation::Interface,
            Missing::Set(_) => Foundation::Set,
        };
        let created =
            missing.iter().map(|element| Repaired::new(kind(element), format!("{element} created")));
        Ok(created.collect())
    }

    fn enforce_settings(&mut self, report: &mut Report) {
        self.sysctls.enforce(&mut self.kernel, report);
        if let Err(error) = self.enforce_timeouts(report) {
            report.errors.push(error);
        }
    }

    fn enforce_timeouts(&mut self, report: &mut Report) -> Result<(), Error> {
        let wanted = self.timeouts;
        if wanted == Timeouts::default() {
            return Ok(());
        }
        let found = self.kernel.timeouts()?;
        let after = timeouts_after(wanted, found);
        if after != found {
            self.kernel.set_timeouts(wanted)?;
            let Timeouts { tcp, tcp_fin, udp } = after;
            let text =
                format!("IPVS timeouts set to {tcp} s (TCP), {tcp_fin} s (TCP after a FIN), {udp} s (UDP)");
            report.repaired.push(Repaired::new(Foundation::Timeouts, text));
        }
        self.timeouts = Timeouts::default();
        Ok(())
    }

    fn approach(&mut self, observed: Observed, target: Target<'_>, now: Instant, report: &mut Report) {
        let (state, foreign) = self.own(observed, target);
        report.foreign = Some(foreign);
        let difference = Difference::between(&state, target.desired);
        let differences = Differences::of(difference.operations());
        report.absorb(Report { differences, ..Report::default() });
        let stays = |key: &&VirtualServerKey| target.desired.virtual_servers.contains_key(key);
        for part in difference.split(target.urgent) {
            let served = state.virtual_servers.keys().filter(stays).map(|key| key.address);
            let done = self.apply_beside(served, part.operations(), now);
            report.absorb(done);
        }
    }

    /// The part of an observed state that is ours, without what is draining, and what else there is.
    fn own(&self, observed: Observed, target: Target<'_>) -> (State, Foreign) {
        let mut state = observed.state;
        self.drains.hide(&mut state);
        let claimed = ownership::claim(state, target.desired, target.options);
        let foreign = Foreign {
            virtual_servers: claimed.foreign_virtual_servers,
            firewall_marks: observed.firewall_marks,
            addresses: claimed.foreign_addresses,
        };
        (claimed.state, foreign)
    }

    /// Removes the real servers of `keys` that have drained, all in one go.
    fn remove_drained(&mut self, keys: BTreeSet<VirtualServerKey>, now: Instant, report: &mut Report) {
        let mut removals = Vec::new();
        for key in keys {
            match self.kernel.real_servers(&key) {
                Ok(loads) => {
                    let finished = self.drains.finished(&key, &loads, now);
                    removals.extend(finished.into_iter().map(|real| (key, real)));
                }
                Err(error) => {
                    self.ipvs_is_unsure = true;
                    report.errors.push(error);
                }
            }
        }
        for (key, real) in &removals {
            self.drains.end(key, real);
        }
        report.drained += removals.len();
        let removals: Vec<Operation> =
            removals.into_iter().map(|(key, real)| Operation::RemoveRealServer(key, real, None)).collect();
        self.send(&removals, &mut BTreeSet::new(), report);
    }
}

#[cfg(test)]
mod tests;
