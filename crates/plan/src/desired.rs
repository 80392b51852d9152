//! The sum of what all Services contribute.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use model::ObjectKey;

use crate::{Member, Operation, ServicePlan, State, VirtualServerKey, difference};

/// The state that the kernel should have, with the owners of every element. Replacing the plan of one
/// Service costs what that Service holds.
#[derive(Debug, Default)]
pub struct Desired {
    contributions: HashMap<ObjectKey, Contribution>,
    state: State,
    claims: HashMap<VirtualServerKey, Vec<ObjectKey>>,
    members: Shares<Member>,
    addresses: Shares<IpAddr>,
}

#[derive(Debug)]
struct Contribution {
    created: i64,
    plan: ServicePlan,
}

/// How many owners an element has beyond the first. Most elements have one, and need no entry.
#[derive(Debug)]
struct Shares<T>(HashMap<T, u32>);

/// What replacing a Service's plan changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The steps for the kernel.
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

    /// Replaces what the Service `key` contributes; `None` when it is gone. `created` is its creation time.
    pub fn replace(&mut self, key: &ObjectKey, created: i64, plan: Option<ServicePlan>) -> Replaced {
        let old = self.contributions.remove(key);
        let old_plan = old.map(|contribution| contribution.plan).unwrap_or_default();
        let new_plan = plan.clone().unwrap_or_default();
        if let Some(plan) = plan {
            self.contributions
                .insert(key.clone(), Contribution { created, plan });
        }
        let touched: BTreeSet<VirtualServerKey> = old_plan
            .virtual_servers
            .keys()
            .chain(new_plan.virtual_servers.keys())
            .copied()
            .collect();
        let (mut before, mut after) = (State::default(), State::default());
        let mut replaced = Replaced::default();
        for server in touched {
            before.virtual_servers.extend(self.current(server));
            self.claim(key, server, &new_plan, &mut replaced);
            after.virtual_servers.extend(self.current(server));
        }
        let members = self
            .members
            .exchange(&mut self.state.members, &old_plan.members, &new_plan.members);
        (before.members, after.members) = members;
        let addresses = self.addresses.exchange(
            &mut self.state.addresses,
            &old_plan.addresses,
            &new_plan.addresses,
        );
        (before.addresses, after.addresses) = addresses;
        replaced.operations = difference(&before, &after);
        replaced
    }

    /// The Services that claim `server`, the served one first.
    pub fn claimants(&self, server: &VirtualServerKey) -> &[ObjectKey] {
        self.claims.get(server).map_or(&[], Vec::as_slice)
    }

    fn current(
        &self,
        key: VirtualServerKey,
    ) -> Option<(VirtualServerKey, std::sync::Arc<crate::VirtualServer>)> {
        self.state
            .virtual_servers
            .get(&key)
            .map(|server| (key, server.clone()))
    }

    /// Renews the claim of the Service `key` on `server` and puts the winner's plan into the state.
    fn claim(
        &mut self,
        key: &ObjectKey,
        server: VirtualServerKey,
        plan: &ServicePlan,
        replaced: &mut Replaced,
    ) {
        let previous = self.claims.remove(&server).unwrap_or_default();
        let mut claimants: Vec<ObjectKey> = previous.iter().filter(|other| *other != key).cloned().collect();
        if plan.virtual_servers.contains_key(&server) {
            claimants.push(key.clone());
        }
        claimants.sort_by_key(|claimant| (self.created(claimant), claimant.clone()));
        let winner = claimants
            .first()
            .and_then(|winner| self.contributions.get(winner));
        match winner.and_then(|contribution| contribution.plan.virtual_servers.get(&server)) {
            Some(planned) => self.state.virtual_servers.insert(server, planned.clone()),
            None => self.state.virtual_servers.remove(&server),
        };
        match claimants.as_slice() {
            [winner, losers @ ..] if !losers.is_empty() && claimants != previous => {
                replaced.conflicts.push(Conflict {
                    key: server,
                    winner: winner.clone(),
                    losers: losers.to_vec(),
                });
            }
            [_] | [] if previous.len() > 1 => replaced.resolved.push(server),
            _ => {}
        }
        if !claimants.is_empty() {
            self.claims.insert(server, claimants);
        }
    }

    fn created(&self, key: &ObjectKey) -> i64 {
        self.contributions
            .get(key)
            .map_or(i64::MAX, |contribution| contribution.created)
    }
}

// === impl Shares ===

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Shares(HashMap::new())
    }
}

impl<T: Copy + Ord + Hash> Shares<T> {
    /// Takes the elements `old` from `total` and puts `new` into it, and gives the touched elements as they
    /// stood in `total` before and after.
    fn exchange(
        &mut self,
        total: &mut BTreeSet<T>,
        old: &BTreeSet<T>,
        new: &BTreeSet<T>,
    ) -> (BTreeSet<T>, BTreeSet<T>) {
        let touched: BTreeSet<T> = old.symmetric_difference(new).copied().collect();
        let before = touched
            .iter()
            .filter(|element| total.contains(element))
            .copied()
            .collect();
        for element in new.difference(old) {
            if !total.insert(*element) {
                *self.0.entry(*element).or_default() += 1;
            }
        }
        for element in old.difference(new) {
            self.release(total, element);
        }
        let after = touched
            .into_iter()
            .filter(|element| total.contains(element))
            .collect();
        (before, after)
    }

    fn release(&mut self, total: &mut BTreeSet<T>, element: &T) {
        match self.0.get_mut(element) {
            Some(others) if *others > 1 => *others -= 1,
            Some(_) => {
                self.0.remove(element);
            }
            None => {
                total.remove(element);
            }
        }
    }
}

#[cfg(test)]
mod tests;
