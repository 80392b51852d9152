//! The sum of what all Services contribute.

mod shares;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Family, ObjectKey, PerFamily, Service};

use crate::{Member, Operation, ServicePlan, State, VirtualServer, VirtualServerKey, difference};

use self::shares::Shares;

/// The state that the kernel should have, with the owners of every element. Replacing what some Services
/// contribute costs what these Services hold.
#[derive(Debug, Default)]
pub struct Desired {
    contributions: HashMap<ObjectKey, Contribution>,
    state: State,
    claims: HashMap<VirtualServerKey, Vec<ObjectKey>>,
    /// How many virtual servers there are in each family.
    count: PerFamily<usize>,
    /// How many virtual servers several Services claim.
    contested: usize,
    members: Shares<Member>,
    addresses: Shares<IpAddr>,
}

/// What one Service contributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Its place among those that claim the same address and port: [`Service::seniority`].
    pub seniority: (i64, ObjectKey),
    /// What it asks for.
    pub plan: ServicePlan,
}

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

/// The elements that a batch of replacements touches, as they were before it.
#[derive(Default)]
struct Before {
    claims: BTreeMap<VirtualServerKey, Claim>,
    members: BTreeMap<Member, bool>,
    addresses: BTreeMap<IpAddr, bool>,
}

/// Who claimed a virtual server, and what stood there.
struct Claim {
    claimants: Vec<ObjectKey>,
    server: Option<Arc<VirtualServer>>,
}

// === impl Desired ===

impl Desired {
    /// The summed state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The plan of the Service `key`.
    pub fn plan(&self, key: &ObjectKey) -> Option<&ServicePlan> {
        self.contributions.get(key).map(|contribution| &contribution.plan)
    }

    /// The Services that have a plan, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &ObjectKey> {
        self.contributions.keys()
    }

    /// The Services that claim `server`, the served one first.
    pub fn claimants(&self, server: &VirtualServerKey) -> &[ObjectKey] {
        self.claims.get(server).map_or(&[], Vec::as_slice)
    }

    /// How many virtual servers of `family` there are.
    pub fn virtual_server_count(&self, family: Family) -> usize {
        *self.count.get(family)
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
        let mut before = Before::default();
        for (key, contribution) in replacements {
            if self.contributions.get(&key) != contribution.as_ref() {
                self.exchange(&key, contribution, &mut before);
            }
        }
        self.changes_since(before)
    }

    fn exchange(&mut self, key: &ObjectKey, contribution: Option<Contribution>, before: &mut Before) {
        let plans = [self.plan(key), contribution.as_ref().map(|contribution| &contribution.plan)];
        let servers = plans.into_iter().flatten().flat_map(|plan| plan.virtual_servers.keys().copied());
        let servers: BTreeSet<VirtualServerKey> = servers.collect();
        let rivals = servers.iter().flat_map(|server| self.claimants(server));
        let concerned: BTreeSet<ObjectKey> = rivals.chain([key]).cloned().collect();
        let members: Vec<(ObjectKey, BTreeSet<Member>)> =
            concerned.into_iter().map(|service| (service.clone(), self.members_of(&service))).collect();

        let old = match contribution {
            Some(contribution) => self.contributions.insert(key.clone(), contribution),
            None => self.contributions.remove(key),
        };
        for server in servers {
            before.claims.entry(server).or_insert_with(|| Claim {
                claimants: self.claimants(&server).to_vec(),
                server: self.state.virtual_servers.get(&server).cloned(),
            });
            self.renew_claim(key, server);
        }
        for (service, old) in members {
            let new = self.members_of(&service);
            self.members.exchange(&mut self.state.members, &old, &new, &mut before.members);
        }
        let nothing = BTreeSet::new();
        let [old, new] = [old.as_ref(), self.contributions.get(key)]
            .map(|contribution| contribution.map_or(&nothing, |contribution| &contribution.plan.addresses));
        self.addresses.exchange(&mut self.state.addresses, old, new, &mut before.addresses);
    }

    /// The entries of the Service `key` that count: not those about virtual servers that an older Service has,
    /// whose traffic they would drop or masquerade.
    fn members_of(&self, key: &ObjectKey) -> BTreeSet<Member> {
        let Some(plan) = self.plan(key) else { return BTreeSet::new() };
        let is_lost =
            |server: &VirtualServerKey| self.claimants(server).first().is_some_and(|winner| winner != key);
        let lost: BTreeSet<&VirtualServerKey> =
            plan.virtual_servers.keys().filter(|server| is_lost(server)).collect();
        if lost.is_empty() {
            return plan.members.clone();
        }
        let counts = |member: &&Member| member.virtual_server().is_none_or(|server| !lost.contains(&server));
        plan.members.iter().filter(counts).copied().collect()
    }

    /// Puts the Service `key` in or out of line for `server`, as its plan says, and serves who is first.
    fn renew_claim(&mut self, key: &ObjectKey, server: VirtualServerKey) {
        let mut claimants = self.claims.remove(&server).unwrap_or_default();
        self.contested -= usize::from(claimants.len() > 1);
        claimants.retain(|other| other != key);
        if self.planned(key, &server).is_some() {
            claimants.push(key.clone());
        }
        let seniority = |claimant: &ObjectKey| self.contributions.get(claimant).map(|c| &c.seniority);
        claimants.sort_by(|one, other| seniority(one).cmp(&seniority(other)));
        let planned = claimants.first().and_then(|first| self.planned(first, &server)).cloned();
        let count = self.count.get_mut(Family::of(&server.address));
        *count += usize::from(planned.is_some());
        let previous = match planned {
            Some(planned) => self.state.virtual_servers.insert(server, planned),
            None => self.state.virtual_servers.remove(&server),
        };
        *count -= usize::from(previous.is_some());
        self.contested += usize::from(claimants.len() > 1);
        if !claimants.is_empty() {
            self.claims.insert(server, claimants);
        }
    }

    fn planned(&self, key: &ObjectKey, server: &VirtualServerKey) -> Option<&Arc<VirtualServer>> {
        self.plan(key)?.virtual_servers.get(server)
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

// === impl Contribution ===

impl Contribution {
    /// What `service` contributes by `plan`.
    pub fn new(service: &Service, plan: ServicePlan) -> Self {
        Contribution { seniority: service.seniority(), plan }
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
