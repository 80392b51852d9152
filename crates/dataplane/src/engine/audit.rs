//! Audits: everything is compared with the plan, in looks so short that changes need not wait for the end.
//!
//! Each look compares one part with the plan as it is at that moment, so what changes between two looks misleads
//! nobody. Settings, interface and sets come first, then what stands in them; where that differs, all of it is read
//! again at once, since the order of repairs crosses the parts. Then come the real servers, some virtual servers at a
//! time. The iptables programs run beside all this on a thread of their own.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use model::{Family, PerFamily};
use plan::rules::ruleset;
use plan::{Difference, Member, Options, SetId, State, VirtualServer, VirtualServerKey, ownership};

use super::{Dataplane, Target};
use crate::Error;
use crate::kernel::{Failure, Kernel, Observed, VirtualServers, in_order, observe_with};
use crate::report::{Differences, Foreign, Report};

/// Of how many virtual servers the real servers are read in one look; each is a question of its own to the kernel.
const MOST_VIRTUAL_SERVERS: usize = 64;

/// What a call of [`Dataplane::audit`] leaves to do.
#[derive(Debug)]
pub enum Progress {
    /// There is more to look at.
    GoesOn,
    /// Only the iptables programs have not ended.
    Waits,
    /// Everything was compared, and what differed was put right as far as the report says.
    Done(Box<Report>),
}

/// An audit under way.
#[derive(Debug, Default)]
pub(super) struct Audit {
    looks: VecDeque<Look>,
    rules: PerFamily<Option<Reading>>,
    /// The addresses that are not ours; none before they were looked at.
    foreign_addresses: Option<Vec<IpAddr>>,
    report: Report,
}

/// The rules as they are being read.
type Reading = JoinHandle<Result<String, Error>>;

/// One part of the kernel's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Settings, the interface and the sets.
    Foundations,
    SetEntries(SetId),
    Addresses,
    VirtualServers,
    /// The real servers behind the virtual servers after this one.
    RealServers(Bound<VirtualServerKey>),
}

// === impl Audit ===

impl Audit {
    /// Whether the iptables programs still run.
    fn is_reading(&self) -> bool {
        let unfinished = |reading: &Reading| !reading.is_finished();
        Family::ALL.into_iter().any(|family| self.rules.get(family).as_ref().is_some_and(unfinished))
    }
}

// === impl Look ===

impl Look {
    /// Whether the look is about the real servers' surroundings.
    fn is_structure(&self) -> bool {
        !matches!(self, Look::RealServers(_))
    }

    /// Whether IPVS may be other than planned when the look fails.
    fn is_about_ipvs(&self) -> bool {
        matches!(self, Look::VirtualServers | Look::RealServers(_))
    }

    /// All looks but those at real servers.
    fn structure(families: &[Family]) -> impl Iterator<Item = Look> {
        let sets = families.iter().copied().flat_map(SetId::all).map(Look::SetEntries);
        [Look::Foundations].into_iter().chain(sets).chain([Look::Addresses, Look::VirtualServers])
    }
}

// === impl Dataplane ===

impl<K: Kernel> Dataplane<K> {
    /// Begins an audit. One that is under way begins again, but for the rules and the real servers that it has looked
    /// at.
    pub fn begin_audit(&mut self, options: &Options) {
        let families: Vec<Family> = options.families.iter().copied().collect();
        let structure = Look::structure(&families);
        if let Some(audit) = &mut self.audit {
            audit.looks.retain(|look| !look.is_structure());
            audit.looks = structure.chain(audit.looks.drain(..)).collect();
            return;
        }
        self.ipvs_is_unsure = false;
        let mut audit = Audit { looks: structure.collect(), ..Audit::default() };
        audit.looks.push_back(Look::RealServers(Bound::Unbounded));
        for family in families {
            let reader = self.kernel.rules_reader(family);
            match thread::Builder::new().name(format!("rules {family}")).spawn(reader) {
                Ok(reading) => *audit.rules.get_mut(family) = Some(reading),
                Err(source) => audit.report.errors.push(Error::Thread { what: "reading rules", source }),
            }
        }
        self.audit = Some(audit);
    }

    /// Takes the next look of the audit under way, and puts right what differs.
    pub fn audit(&mut self, target: Target<'_>, now: Instant) -> Progress {
        let Some(mut audit) = self.audit.take() else {
            return Progress::Done(Box::default());
        };
        let progress = match audit.looks.pop_front() {
            Some(look) => {
                if let Err(error) = self.look(look, &mut audit, target, now) {
                    self.ipvs_is_unsure |= look.is_about_ipvs();
                    audit.report.errors.push(error);
                }
                Progress::GoesOn
            }
            None if audit.is_reading() => Progress::Waits,
            None => return Progress::Done(Box::new(self.end_audit(audit, target))),
        };
        self.audit = Some(audit);
        progress
    }

    fn look(&mut self, look: Look, audit: &mut Audit, target: Target<'_>, now: Instant) -> Result<(), Error> {
        let differs = match look {
            Look::Foundations => {
                let families: Vec<Family> = target.options.families.iter().copied().collect();
                self.build_foundations(&families, &mut audit.report);
                false
            }
            Look::SetEntries(set) => self.set_differs(set, target.desired)?,
            Look::Addresses => self.addresses_differ(target, audit)?,
            Look::VirtualServers => self.virtual_servers_differ(target, audit)?,
            Look::RealServers(after) => return self.look_at_real_servers(after, audit, target, now),
        };
        if differs {
            audit.looks.retain(|look| !look.is_structure());
            let observed = self.observe_structure(target).inspect_err(|_| self.ipvs_is_unsure = true)?;
            self.approach(observed, target, now, &mut audit.report);
        }
        Ok(())
    }

    fn set_differs(&mut self, set: SetId, desired: &State) -> Result<bool, Error> {
        let entries = self.kernel.set_entries(set)?;
        let is_wanted = |entry| desired.members.contains(&Member { set, entry });
        let count = entries.len();
        Ok(count != desired.entries(set).count() || !entries.into_iter().all(is_wanted))
    }

    fn addresses_differ(&mut self, target: Target<'_>, audit: &mut Audit) -> Result<bool, Error> {
        let desired = target.desired;
        let mut found = self.kernel.addresses()?;
        found.retain(|address| target.options.serves(Family::of(address)));
        let (wanted, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| desired.addresses.contains(address));
        let ours = others.iter().any(|address| !ownership::is_foreign_address(address, &desired.members));
        audit.foreign_addresses = Some(others);
        Ok(ours || wanted.len() != desired.addresses.len())
    }

    fn virtual_servers_differ(&mut self, target: Target<'_>, audit: &mut Audit) -> Result<bool, Error> {
        let desired = target.desired;
        let VirtualServers { mut configs, firewall_marks } = self.kernel.virtual_servers()?;
        configs.retain(|(key, _)| target.options.serves(Family::of(&key.address)));
        let (wanted, others): (Vec<_>, Vec<_>) =
            configs.into_iter().partition(|(key, _)| desired.virtual_servers.contains_key(key));
        let is_equal = |(key, config): &(VirtualServerKey, _)| {
            desired.virtual_servers.get(key).is_some_and(|server| server.config == *config)
        };
        let equal = wanted.len() == desired.virtual_servers.len() && wanted.iter().all(is_equal);
        let is_foreign = |key| ownership::is_foreign_server(key, &desired.members, target.options);
        let ours = others.iter().any(|(key, _)| !is_foreign(key));
        if let Some(addresses) = audit.foreign_addresses.take() {
            let virtual_servers = others.into_iter().map(|(key, _)| key).collect();
            audit.report.foreign = Some(Foreign { virtual_servers, firewall_marks, addresses });
        }
        Ok(ours || !equal)
    }

    /// What a reconciliation observes, with the real servers as they should be: they are looked at afterwards.
    fn observe_structure(&mut self, target: Target<'_>) -> Result<Observed, Error> {
        let families: Vec<Family> = target.options.families.iter().copied().collect();
        let desired = &target.desired.virtual_servers;
        observe_with(&mut self.kernel, &families, |_, key, config| {
            Ok(match desired.get(key) {
                Some(wanted) if wanted.config == config => Arc::clone(wanted),
                wanted => {
                    let real_servers = wanted.map_or_else(Vec::new, |wanted| wanted.real_servers.clone());
                    Arc::new(VirtualServer { config, real_servers, drain_timeout: None })
                }
            })
        })
    }

    fn look_at_real_servers(
        &mut self,
        after: Bound<VirtualServerKey>,
        audit: &mut Audit,
        target: Target<'_>,
        now: Instant,
    ) -> Result<(), Error> {
        let mut found = State::default();
        let mut wanted = State::default();
        let mut last = None;
        let refused: BTreeSet<VirtualServerKey> =
            audit.report.failures.iter().filter_map(Failure::missing_virtual_server).collect();
        let servers = target.desired.virtual_servers.range((after, Bound::Unbounded));
        for (key, server) in servers.take(MOST_VIRTUAL_SERVERS) {
            last = Some(*key);
            // Its real servers wait for it.
            if refused.contains(key) {
                continue;
            }
            let real_servers = in_order(self.kernel.real_servers(key)?);
            if real_servers != server.real_servers {
                let config = server.config;
                let seen = VirtualServer { config, real_servers, drain_timeout: None };
                found.virtual_servers.insert(*key, Arc::new(seen));
                wanted.virtual_servers.insert(*key, Arc::clone(server));
            }
        }
        if let Some(last) = last {
            audit.looks.push_front(Look::RealServers(Bound::Excluded(last)));
        }
        if !found.is_empty() {
            self.drains.hide(&mut found);
            let difference = Difference::between(&found, &wanted);
            let mut report = self.apply(difference.operations(), now);
            report.differences = Differences::of(difference.operations());
            audit.report.absorb(report);
        }
        Ok(())
    }

    fn end_audit(&mut self, audit: Audit, target: Target<'_>) -> Report {
        let Audit { mut report, mut rules, .. } = audit;
        report.serves = self.takeover.due(&report, target);
        for family in target.options.families.iter().copied() {
            let Some(reading) = rules.get_mut(family).take() else { continue };
            let saved = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let wanted = ruleset(family, target.options);
            let serves = report.serves.contains(&family);
            let mended = saved.and_then(|saved| self.rules.mend(&mut self.kernel, &wanted, &saved, serves));
            report.add_repairs(mended);
        }
        self.forget_unknown_flows(target.desired, &mut report);
        report
    }
}

#[cfg(test)]
mod tests;
