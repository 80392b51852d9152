//! What depends on this node's own object: when the first sync may begin, and how pods are told from everything else.

use std::time::Duration;

use anyhow::bail;
use dataplane::Kernel;
use model::{Family, Kind};
use plan::Options;

use super::{Daemon, Journal, now};

/// What is waited for until Nodes are listed.
pub(super) const LIST: &str = "list";

/// How long the list of Nodes is waited for: as long as kube-proxy waits for its own Node.
const LONGEST_WAIT_FOR_NODES: Duration = Duration::from_secs(30);

impl<K: Kernel> Daemon<K> {
    /// Lets the first sync begin when everything is there that the plan depends on, and if something does not come,
    /// after a while.
    pub(super) fn start_if_listed(&mut self) {
        if self.pacer.has_synced() || !self.cluster.is_synced() {
            return;
        }
        let listed = *self.listed.get_or_insert_with(now);
        let nodes = !self.cluster.has_synced(Kind::Node);
        let nodes = nodes.then_some((LIST, LONGEST_WAIT_FOR_NODES));
        let wait = self
            .identity
            .waits_for(self.cluster.node())
            .into_iter()
            .chain(nodes)
            .max_by_key(|(_, time)| *time);
        if let Some((what, longest)) = wait {
            self.journal.waits(self.cluster.node_name(), what, longest);
        }
        self.pacer.start(wait.map(|(_, longest)| listed + longest));
    }

    /// This node's object changed: everything is planned again, with another local detector if that follows from it.
    pub(super) fn follow_node(&mut self) {
        if let Some(detector) = self.identity.local_detector(self.cluster.node())
            && detector != self.planner.options().local_detector
        {
            self.journal.local_detector(&detector);
            let options = Options { local_detector: detector, ..self.planner.options().clone() };
            self.planner.set_choices(options);
            if self.pacer.has_synced() {
                self.say_where_pods_are_not_known();
                // Rules are written by audits.
                self.reconfigured = true;
                self.pacer.audit_now();
            }
        }
        if self.pacer.has_synced() {
            self.replan = true;
        } else {
            let first = self.cluster.node().and_then(|node| node.addresses().next());
            self.unserved = first.filter(|address| !self.planner.options().serves(Family::of(address)));
            self.planner.forget();
            self.start_if_listed();
        }
    }

    /// The families in which pods should be told by the Node's `podCIDRs`, which has none.
    pub(super) fn without_pod_cidrs(&self) -> Vec<Family> {
        let Options { families, local_detector, .. } = self.planner.options();
        let lack = families.iter().copied().filter(|family| local_detector.get(*family).is_none());
        match self.identity.local_detector(self.cluster.node()) {
            Some(_) => lack.collect(),
            None => Vec::new(),
        }
    }

    pub(super) fn say_where_pods_are_not_known(&self) {
        self.without_pod_cidrs().into_iter().for_each(Journal::no_pod_cidrs);
    }

    /// Before the first sync the family of the node's first address has to be served, as for kube-proxy.
    pub(super) fn check_first_address(&self) -> anyhow::Result<()> {
        if let Some(address) = self.unserved {
            bail!(
                "the node's first address {address} is of a family that is not served here, for the reason in the \
                 lines before; put that right, or name an address of the other family with --bind-address"
            );
        }
        Ok(())
    }
}
