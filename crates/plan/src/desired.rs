//! The sum of what all Services contribute.

mod contribution;
mod counts;
mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use model::{Family, ObjectKey, PerFamily};
use smallvec::SmallVec;

use crate::{Member, Operation, State, VirtualServer, VirtualServerKey, difference};

pub use self::contribution::Contribution;
pub use self::counts::Counts;
use self::shares::Shares;

/// The state that the kernel should have, with the owners of every element. Replacing what some Services
/// contribute costs what these Services hold.
#[derive(Debug, Default)]
pub struct Desired {
    /// Boxed, since a table has room for more than it holds.
    contributions: HashMap<ObjectKey, Box<Contribution>>,
    state: State,
    claims: HashMap<VirtualServerKey, Claimants>,
    counts: PerFamily<Counts>,
    /// How many virtual servers several Services claim.
    contested: usize,
    members: Shares<Member>,
    addresses: Shares<IpAddr>,
}

/// The Services that claim a virtual server, the served one first. Nearly always there is one.
type Claimants = SmallVec<[ObjectKey; 1]>;

/// What replacing contributions changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The steps for the kernel, in order.
    pub operations: Vec<Operation>,
    /// Virtual servers that several Services claim now, and whose claimants changed.
    pub conflicts: Vec<Conflict>,
    /// Virtual servers that were contested and are not any more.
    pub resolved: Vec<VirtualServerKey>,
}

/// Several Services claim one address, port and protocol. The oldest gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What they claim.
    pub key: VirtualServerKey,
    /// Who is served.
    pub winner: ObjectKey,
    /// Who is not, in the order in which they would follow.
    pub losers: Vec<ObjectKey>,
}

/// Replacements that are one step for the kernel.
#[derive(Debug)]
pub struct Step {
    /// What the replacements touch; absent if it does not matter what was there before.
    before: Option<Before>,
}

/// Elements as they were before a step.
#[derive(Debug, Default)]
struct Before {
    claims: BTreeMap<VirtualServerKey, Claim>,
    members: BTreeMap<Member, bool>,
    addresses: BTreeMap<IpAddr, bool>,
}

/// Who claimed a virtual server, and what stood there.
#[derive(Debug)]
struct Claim {
    claimants: Claimants,
    server: Option<Arc<VirtualServer>>,
}

// === impl Desired ===

impl Desired {
    /// The summed state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What the Service `key` contributes.
    pub fn contribution(&self, key: &ObjectKey) -> Option<&Contribution> {
        self.contributions.get(key).map(Box::as_ref)
    }

    /// The Services that contribute, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &ObjectKey> {
        self.contributions.keys()
    }

    /// The Services that claim `server`, the served one first.
    pub fn claimants(&self, server: &VirtualServerKey) -> &[ObjectKey] {
        self.claims.get(server).map_or(&[], SmallVec::as_slice)
    }

    /// How much of `family` there is.
    pub fn counts(&self, family: Family) -> Counts {
        *self.counts.get(family)
    }

    /// How many virtual servers several Services claim.
    pub fn contested(&self) -> usize {
        self.contested
    }

    /// Replaces what some Services contribute; `None` for one that is gone. What passes from one of them to
    /// another is changed in place.
    pub fn replace(
        &mut self,
        replacements: impl IntoIterator<Item = (ObjectKey, Option<Contribution>)>,
    ) -> Replaced {
        let mut step = Step::default();
        for (key, contribution) in replacements {
            self.exchange(&key, contribution, &mut step);
        }
        self.end(step)
    }

    /// Replaces what one Service contributes, as a part of `step`.
    pub fn exchange(&mut self, key: &ObjectKey, contribution: Option<Contribution>, step: &mut Step) {
        if self.contribution(key) == contribution.as_ref() {
            return;
        }
        let both = [self.contribution(key), contribution.as_ref()];
        let servers =
            both.into_iter().flatten().flat_map(|one| one.virtual_servers.iter().map(|(key, _)| *key));
        let servers: BTreeSet<VirtualServerKey> = servers.collect();
        let rivals = servers.iter().flat_map(|server| self.claimants(server));
        let concerned: BTreeSet<ObjectKey> = rivals.chain([key]).cloned().collect();
        let members: Vec<(ObjectKey, Vec<Member>)> =
            concerned.into_iter().map(|service| (service.clone(), self.members_of(&service))).collect();

        let old = match contribution {
            Some(contribution) => self.contributions.insert(key.clone(), Box::new(contribution)),
            None => self.contributions.remove(key),
        };
        for server in servers {
            if let Some(before) = &mut step.before {
                before.claims.entry(server).or_insert_with(|| Claim {
                    claimants: self.claims.get(&server).cloned().unwrap_or_default(),
                    server: self.state.virtual_servers.get(&server).cloned(),
                });
            }
            self.renew_claim(key, server);
        }
        let mut before = step.before.as_mut().map(|before| (&mut before.members, &mut before.addresses));
        for (service, old) in members {
            let new = self.members_of(&service);
            let before = before.as_mut().map(|(members, _)| &mut **members);
            self.members.exchange(&mut self.state.members, &old, &new, before);
        }
        let [old, new] = [old.as_ref(), self.contributions.get(key)]
            .map(|contribution| contribution.map_or(&[][..], |contribution| &contribution.addresses));
        let before = before.map(|(_, addresses)| addresses);
        self.addresses.exchange(&mut self.state.addresses, old, new, before);
    }

    /// Says what a step changed. One that is [`Step::from_nowhere`] gives no operations, and counts whatever is
    /// contested now as new.
    pub fn end(&self, step: Step) -> Replaced {
        match step.before {
            Some(before) => self.changes_since(before),
            None => Replaced { conflicts: self.conflicts(), ..Replaced::default() },
        }
    }

    /// The entries of the Service `key` that count: not those about virtual servers that an older Service has,
    /// whose traffic they would drop or masquerade, nor those about a node port that it has on no address. In order.
    fn members_of(&self, key: &ObjectKey) -> Vec<Member> {
        let Some(contribution) = self.contribution(key) else { return Vec::new() };
        let is_lost =
            |server: &VirtualServerKey| self.claimants(server).first().is_some_and(|winner| winner != key);
        let servers = contribution.virtual_servers.iter().map(|(server, _)| server);
        let lost: BTreeSet<&VirtualServerKey> = servers.filter(|server| is_lost(server)).collect();
        if lost.is_empty() {
            return contribution.members.to_vec();
        }
        let counts = |member: &&Member| match member.node_port() {
            Some(port) => {
                contribution.node_port_servers(member.set.family, port).any(|key| !lost.contains(key))
            }
            None => member.virtual_server().is_none_or(|server| !lost.contains(&server)),
        };
        contribution.members.iter().filter(counts).copied().collect()
    }

    /// Puts the Service `key` in or out of line for `server`, as its plan says, and serves who is first.
    fn renew_claim(&mut self, key: &ObjectKey, server: VirtualServerKey) {
        let mut claimants = self.claims.remove(&server).unwrap_or_default();
        self.contested -= usize::from(claimants.len() > 1);
        claimants.retain(|other| other != key);
        if self.planned(key, &server).is_some() {
            claimants.push(key.clone());
        }
        let seniority = |claimant: &ObjectKey| self.contribution(claimant).map(|c| c.seniority);
        claimants.sort_by(|one, other| (seniority(one), one).cmp(&(seniority(other), other)));
        let planned = claimants.first().and_then(|first| self.planned(first, &server)).cloned();
        let counts = self.counts.get_mut(Family::of(&server.address));
        if let Some(planned) = &planned {
            counts.add(planned);
        }
        let previous = match planned {
            Some(planned) => self.state.virtual_servers.insert(server, planned),
            None => self.state.virtual_servers.remove(&server),
        };
        if let Some(previous) = &previous {
            counts.remove(previous);
        }
        self.contested += usize::from(claimants.len() > 1);
        if !claimants.is_empty() {
            self.claims.insert(server, claimants);
        }
    }

    fn planned(&self, key: &ObjectKey, server: &VirtualServerKey) -> Option<&Arc<VirtualServer>> {
        self.contribution(key)?.virtual_server(server)
    }

    /// Every virtual server that several Services claim, in order.
    fn conflicts(&self) -> Vec<Conflict> {
        let mut replaced = Replaced::default();
        let contested: BTreeMap<_, _> =
            self.claims.iter().filter(|(_, claimants)| claimants.len() > 1).collect();
        for (key, claimants) in contested {
            replaced.compare_claims(*key, &[], claimants);
        }
        replaced.conflicts
    }

    fn changes_since(&self, before: Before) -> Replaced {
        let mut replaced = Replaced::default();
        let (mut old, mut new) = (State::default(), State::default());
        for (key, claim) in before.claims {
            replaced.compare_claims(key, &claim.claimants, self.claimants(&key));
            let server = self.state.virtual_servers.get(&key);
            new.virtual_servers.extend(server.map(|server| (key, Arc::clone(server))));
            old.virtual_servers.extend(claim.server.map(|server| (key, server)));
        }
        (old.members, new.members) = then_and_now(before.members, &self.state.members);
        (old.addresses, new.addresses) = then_and_now(before.addresses, &self.state.addresses);
        replaced.operations = difference(&old, &new);
        replaced
    }
}

/// Which of the touched elements were there before, and which are there now.
fn then_and_now<T: Copy + Ord>(
    touched: BTreeMap<T, bool>,
    total: &BTreeSet<T>,
) -> (BTreeSet<T>, BTreeSet<T>) {
    let now = touched.keys().filter(|element| total.contains(element)).copied().collect();
    let then = touched.into_iter().filter_map(|(element, present)| present.then_some(element));
    (then.collect(), now)
}

// === impl Step ===

impl Step {
    /// A step from an unknown state: what leads from there is found by observing.
    pub fn from_nowhere() -> Self {
        Step { before: None }
    }
}

/// A step from the present state.
impl Default for Step {
    fn default() -> Self {
        Step { before: Some(Before::default()) }
    }
}

// === impl Replaced ===

impl Replaced {
    fn compare_claims(&mut self, key: VirtualServerKey, before: &[ObjectKey], now: &[ObjectKey]) {
        let contested = now.len() > 1;
        if let [winner, losers @ ..] = now
            && contested
            && before != now
        {
            self.conflicts.push(Conflict { key, winner: winner.clone(), losers: losers.to_vec() });
        } else if before.len() > 1 && !contested {
            self.resolved.push(key);
        }
    }
}

#[cfg(test)]
mod tests;
