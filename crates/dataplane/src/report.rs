//! What the engine did, for logs and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use model::Family;
use plan::{Element, Operation, Scheduler, VirtualServerKey};

use crate::{Error, Failure};

/// The outcome of a change, a reconciliation, an audit or a sweep.
#[derive(Debug, Default)]
pub struct Report {
    /// How many operations were sent.
    pub sent: usize,
    /// What was found wrong with interface, sets, rules or sysctls, and put right.
    pub repaired: Vec<Repaired>,
    /// How many of those sent the kernel refused, those included that need another one of them.
    pub refused: Tally,
    /// What was not sent because of what had failed before: addresses to bind whose virtual servers were refused, and
    /// entries to remove that tell whose an address or a virtual server is that may still be there.
    pub held_back: Vec<Operation>,
    /// Elements that the kernel refused, without those that need another one of them. The next audit tries them again.
    pub failures: Vec<Failure>,
    /// Failures of whole steps.
    pub errors: Vec<Error>,
    /// The families of which so much stands that what kube-proxy in another mode has left may go; only a reconciliation
    /// or an audit tells.
    pub serves: BTreeSet<Family>,
    /// What this node does not let us do and service traffic does not need; it is not tried again.
    pub limitations: Vec<Error>,
    /// Schedulers that the kernel turned out to lack.
    pub missing_schedulers: Vec<Scheduler>,
    /// Real servers that began to drain.
    pub draining: usize,
    /// Real servers that were removed after they had drained.
    pub drained: usize,
    /// Each look through conntrack that could be finished.
    pub looks: Vec<ConntrackLook>,
    /// What else is in the kernel and was left alone; only a reconciliation or an audit looks.
    pub foreign: Option<Foreign>,
    /// What a reconciliation or an audit found to differ from the plan, before it sent anything.
    pub differences: Differences,
}

/// Something beneath the state that was wrong and was put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// What it was.
    pub foundation: Foundation,
    /// What was done, for people.
    pub text: String,
}

/// What everything else stands in or depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foundation {
    /// A kernel setting.
    Sysctl,
    /// The connection timeouts of IPVS.
    Timeouts,
    /// The interface `kube-ipvs0`.
    Interface,
    /// A set.
    Set,
    /// The iptables rules of a family.
    Rules,
}

/// What a look through conntrack for stale flows took and brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConntrackLook {
    /// The family of the flows.
    pub family: Family,
    /// How long it took.
    pub took: Duration,
    /// How many stale flows were deleted.
    pub deleted: usize,
}

/// How many operations there were about each kind of element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Element, usize>);

/// Operations that led from what was found to the plan. They can be more than memory should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// How many there were.
    pub by_element: Tally,
    /// The first of them, at most [`Differences::MOST_KEPT`].
    pub first: Vec<Operation>,
}

/// What a reconciliation would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What it would create, write or set before it touches the state.
    pub preparations: Vec<String>,
    /// What it would change in the state.
    pub operations: Vec<Operation>,
    /// What it would leave alone.
    pub foreign: Foreign,
}

/// What is not ours, and is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Virtual servers of somebody else.
    pub virtual_servers: Vec<VirtualServerKey>,
    /// Virtual servers by firewall mark.
    pub firewall_marks: usize,
    /// Addresses on `kube-ipvs0`.
    pub addresses: Vec<IpAddr>,
}

// === impl Report ===

impl Report {
    /// Whether everything that was to be done is done.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty() && self.errors.is_empty()
    }

    /// How many UDP flows conntrack was made to forget, because they led nowhere.
    pub fn forgotten_flows(&self) -> usize {
        self.looks.iter().map(|look| look.deleted).sum()
    }

    /// How many of the differences were put right, as far as the kernel told.
    pub fn put_right(&self) -> Tally {
        let mut undone = self.refused.clone();
        self.held_back.iter().for_each(|operation| undone.add(operation.element(), 1));
        self.differences.by_element.without(&undone)
    }

    /// Whether nothing is known to have kept `operation` from being carried out.
    pub fn is_done(&self, operation: &Operation) -> bool {
        let cause = |failure: &Failure| {
            failure.operation == *operation
                || failure
                    .refused_virtual_server()
                    .is_some_and(|key| operation.virtual_server() == Some(&key))
        };
        !self.held_back.contains(operation) && !self.failures.iter().any(cause)
    }

    /// Adds what a step put right, or why it failed.
    pub(crate) fn add_repairs(&mut self, outcome: Result<Vec<Repaired>, Error>) {
        match outcome {
            Ok(repaired) => self.repaired.extend(repaired),
            Err(error) => self.errors.push(error),
        }
    }

    /// Adds what a further step did.
    pub fn absorb(&mut self, other: Report) {
        self.sent += other.sent;
        self.refused.absorb(&other.refused);
        self.held_back.extend(other.held_back);
        self.repaired.extend(other.repaired);
        self.failures.extend(other.failures);
        self.errors.extend(other.errors);
        self.serves.extend(other.serves);
        self.limitations.extend(other.limitations);
        self.missing_schedulers.extend(other.missing_schedulers);
        self.draining += other.draining;
        self.drained += other.drained;
        self.looks.extend(other.looks);
        self.foreign = other.foreign.or(self.foreign.take());
        self.differences.by_element.absorb(&other.differences.by_element);
        let room = Differences::MOST_KEPT.saturating_sub(self.differences.first.len());
        self.differences.first.extend(other.differences.first.into_iter().take(room));
    }
}

// === impl Repaired ===

impl Repaired {
    /// A repair that `text` describes.
    pub fn new(foundation: Foundation, text: impl Into<String>) -> Self {
        Repaired { foundation, text: text.into() }
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === impl Tally ===

impl Tally {
    /// All of them.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// How many there were about `element`.
    pub fn of(&self, element: Element) -> usize {
        self.0.get(&element).copied().unwrap_or_default()
    }

    /// How many there were about each kind of element of which there was any.
    pub fn iter(&self) -> impl Iterator<Item = (Element, usize)> {
        self.0.iter().map(|(element, count)| (*element, *count))
    }

    /// Counts `count` more.
    pub fn add(&mut self, element: Element, count: usize) {
        *self.0.entry(element).or_default() += count;
    }

    fn absorb(&mut self, other: &Tally) {
        other.iter().for_each(|(element, count)| self.add(element, count));
    }

    /// What is left of each kind when `other` is taken away.
    fn without(&self, other: &Tally) -> Tally {
        Tally(
            self.iter().map(|(element, count)| (element, count.saturating_sub(other.of(element)))).collect(),
        )
    }
}

// === impl Differences ===

impl Differences {
    /// How many operations are kept as examples.
    pub const MOST_KEPT: usize = 100;

    /// How many there were.
    pub fn count(&self) -> usize {
        self.by_element.total()
    }

    /// Counts operations and keeps the first.
    pub fn of(operations: impl Iterator<Item = Operation>) -> Self {
        let mut differences = Differences::default();
        for operation in operations {
            differences.by_element.add(operation.element(), 1);
            if differences.first.len() < Differences::MOST_KEPT {
                differences.first.push(operation);
            }
        }
        differences
    }
}

// === impl Comparison ===

impl Comparison {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.preparations.is_empty() && self.operations.is_empty()
    }
}

// === impl Foreign ===

impl Foreign {
    /// How many foreign elements there are.
    pub fn count(&self) -> usize {
        self.virtual_servers.len() + self.firewall_marks + self.addresses.len()
    }
}
