//! A state of the kernel: what is planned, what was observed, or a part of either.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::{Entry, Member, SetId, VirtualServer, VirtualServerKey};

/// Virtual servers, set entries and addresses on `kube-ipvs0`. Ordered, so that equal states print equally.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The IPVS table.
    pub virtual_servers: BTreeMap<VirtualServerKey, Arc<VirtualServer>>,
    /// The entries of the `KUBE-*` sets.
    pub members: BTreeSet<Member>,
    /// The addresses of `kube-ipvs0`.
    pub addresses: BTreeSet<IpAddr>,
}

// === impl State ===

impl State {
    /// Whether the state holds nothing.
    pub fn is_empty(&self) -> bool {
        self.virtual_servers.is_empty() && self.members.is_empty() && self.addresses.is_empty()
    }

    /// The entries of `set`, in order.
    pub fn entries(&self, set: SetId) -> impl Iterator<Item = &Entry> {
        let from = Member { set, entry: Entry::SMALLEST };
        let members = self.members.range(from..).take_while(move |member| member.set == set);
        members.map(|member| &member.entry)
    }

    /// How many real servers all virtual servers have together.
    pub fn real_server_count(&self) -> usize {
        self.virtual_servers.values().map(|server| server.real_servers.len()).sum()
    }
}
