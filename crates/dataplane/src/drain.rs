//! Real servers that get no new connections and wait for their old ones to end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use model::Protocol;
use plan::{RealServer, State, VirtualServerKey};

use crate::RealServerLoad;

/// The identity of a real server in the whole table.
type Key = (VirtualServerKey, (IpAddr, u16));

/// The real servers that are draining.
#[derive(Debug)]
pub struct Drains {
    draining: BTreeMap<Key, Draining>,
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
    pub fn new(limit: Duration) -> Self {
        Drains { draining: BTreeMap::new(), limit }
    }

    /// Whether real servers of this protocol are worth draining. UDP has no connections that end, so that a
    /// constant sender would keep its dead endpoint for ever (kubernetes#71514).
    pub fn applies_to(protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp | Protocol::Sctp => true,
            Protocol::Udp => false,
        }
    }

    /// Begins to drain a real server, for as long as its Service allows; one that is draining already goes on.
    /// Says whether there is any time for it.
    pub fn begin(
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
        self.draining.entry((key, real.key())).or_insert(Draining { since: now, limit });
        true
    }

    /// Ends draining, because the real server is wanted again or is gone. Says whether it was draining.
    pub fn end(&mut self, key: &VirtualServerKey, real: &RealServer) -> bool {
        self.draining.remove(&(*key, real.key())).is_some()
    }

    /// Ends draining of everything behind a virtual server that is gone.
    pub fn forget(&mut self, key: &VirtualServerKey) {
        self.draining.retain(|(server, _), _| server != key);
    }

    /// How many real servers are draining.
    pub fn len(&self) -> usize {
        self.draining.len()
    }

    /// Whether nothing is draining.
    pub fn is_empty(&self) -> bool {
        self.draining.is_empty()
    }

    /// The virtual servers behind which something is draining.
    pub fn virtual_servers(&self) -> BTreeSet<VirtualServerKey> {
        self.draining.keys().map(|(key, _)| *key).collect()
    }

    /// Of the real servers of `key`, those that have drained or have taken too long. What is draining but no
    /// longer there is forgotten.
    pub fn finished(
        &mut self,
        key: &VirtualServerKey,
        loads: &[RealServerLoad],
        now: Instant,
    ) -> Vec<RealServer> {
        let present: BTreeSet<_> = loads.iter().map(|load| load.server.key()).collect();
        self.draining.retain(|(server, real), _| server != key || present.contains(real));
        let is_finished = |load: &&RealServerLoad| match self.draining.get(&(*key, load.server.key())) {
            Some(draining) => {
                load.connections == 0 || now.saturating_duration_since(draining.since) >= draining.limit
            }
            None => false,
        };
        loads.iter().filter(is_finished).map(|load| load.server).collect()
    }

    /// Takes what is draining out of an observed state, so that it does not look like something to remove.
    /// A draining real server that got a weight from somebody else stays in.
    pub fn hide(&self, state: &mut State) {
        for key in self.virtual_servers() {
            let Some(server) = state.virtual_servers.get_mut(&key) else {
                continue;
            };
            let draining =
                |real: &RealServer| real.weight == 0 && self.draining.contains_key(&(key, real.key()));
            let kept: Vec<RealServer> =
                server.real_servers.iter().filter(|real| !draining(real)).copied().collect();
            std::sync::Arc::make_mut(server).real_servers = kept;
        }
    }
}
