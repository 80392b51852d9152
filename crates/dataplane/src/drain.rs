//! Real servers that get no new connections and wait for their old ones to end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{Family, PerFamily, Protocol};
use plan::{RealServer, RealServerKey, State, VirtualServerKey};

use crate::RealServerLoad;

/// The real servers that are draining.
#[derive(Debug)]
pub(crate) struct Drains {
    /// By virtual server; none without any that drain.
    draining: BTreeMap<VirtualServerKey, BTreeMap<RealServerKey, Draining>>,
    /// How many there are in each family.
    count: PerFamily<usize>,
    /// The limit where a Service says nothing.
    limit: Duration,
}

/// Since when a real server drains, and for how long it may: after that it goes, with whatever connections it
/// has left.
#[derive(Clone, Copy, Debug)]
struct Draining {
    since: Instant,
    limit: Duration,
}

// === impl Drains ===

impl Drains {
    /// Nothing drains yet.
    pub(crate) fn new(limit: Duration) -> Self {
        Drains { draining: BTreeMap::new(), count: PerFamily::default(), limit }
    }

    /// Gives those that begin to drain from now on another limit, where their Services say nothing.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Whether real servers of this protocol are worth draining. UDP has no connections that end, so that a
    /// constant sender would keep its dead endpoint for ever (kubernetes#71514).
    pub(crate) fn applies_to(protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp | Protocol::Sctp => true,
            Protocol::Udp => false,
        }
    }

    /// Begins to drain a real server, for as long as its Service allows; one that is draining already goes on.
    /// Says whether there is any time for it.
    pub(crate) fn begin(
        &mut self,
        key: VirtualServerKey,
        real: &RealServer,
        timeout: Option<Duration>,
        now: Instant,
    ) -> bool {
        let limit = timeout.unwrap_or(self.limit);
        if limit.is_zero() {
            return false;
        }
        if let Entry::Vacant(place) = self.draining.entry(key).or_default().entry(real.key()) {
            place.insert(Draining { since: now, limit });
            *self.count.get_mut(Family::of(&key.address)) += 1;
        }
        true
    }

    /// Ends draining, because the real server is wanted again or is gone. Says whether it was draining.
    pub(crate) fn end(&mut self, key: &VirtualServerKey, real: &RealServer) -> bool {
        let Some(places) = self.draining.get_mut(key) else { return false };
        let was_draining = places.remove(&real.key()).is_some();
        *self.count.get_mut(Family::of(&key.address)) -= usize::from(was_draining);
        if places.is_empty() {
            self.draining.remove(key);
        }
        was_draining
    }

    /// Ends draining of everything behind a virtual server that is gone.
    pub(crate) fn forget(&mut self, key: &VirtualServerKey) {
        let ended = self.draining.remove(key).map_or(0, |places| places.len());
        *self.count.get_mut(Family::of(&key.address)) -= ended;
    }

    /// How many real servers are draining.
    pub(crate) fn len(&self) -> usize {
        self.count.v4 + self.count.v6
    }

    /// How many real servers of virtual servers of `family` are draining.
    pub(crate) fn of(&self, family: Family) -> usize {
        *self.count.get(family)
    }

    /// The virtual servers behind which something is draining.
    pub(crate) fn virtual_servers(&self) -> BTreeSet<VirtualServerKey> {
        self.draining.keys().copied().collect()
    }

    /// Of the real servers of `key`, those that have drained or have taken too long. What is draining but no
    /// longer there is forgotten.
    pub(crate) fn finished(
        &mut self,
        key: &VirtualServerKey,
        loads: &[RealServerLoad],
        now: Instant,
    ) -> Vec<RealServer> {
        let Some(places) = self.draining.get_mut(key) else { return Vec::new() };
        let present: BTreeSet<RealServerKey> = loads.iter().map(|load| load.server.key()).collect();
        let before = places.len();
        places.retain(|place, _| present.contains(place));
        *self.count.get_mut(Family::of(&key.address)) -= before - places.len();
        let is_finished = |load: &&RealServerLoad| match places.get(&load.server.key()) {
            Some(draining) => {
                load.connections == 0 || now.saturating_duration_since(draining.since) >= draining.limit
            }
            None => false,
        };
        let finished = loads.iter().filter(is_finished).map(|load| load.server).collect();
        if places.is_empty() {
            self.draining.remove(key);
        }
        finished
    }

    /// Takes what is draining out of an observed state, so that it does not look like something to remove.
    /// A draining real server that got a weight from somebody else stays in.
    pub(crate) fn hide(&self, state: &mut State) {
        for (key, places) in &self.draining {
            let Some(server) = state.virtual_servers.get_mut(key) else {
                continue;
            };
            let draining = |real: &RealServer| real.weight == 0 && places.contains_key(&real.key());
            let kept: Vec<RealServer> =
                server.real_servers.iter().filter(|real| !draining(real)).copied().collect();
            std::sync::Arc::make_mut(server).real_servers = kept;
        }
    }
}
