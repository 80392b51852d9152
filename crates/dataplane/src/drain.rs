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
    /// When each began.
    began: BTreeMap<Key, Instant>,
    /// After this time a real server goes, with whatever connections it has left.
    limit: Duration,
}

// === impl Drains ===

impl Drains {
    /// Nothing drains yet.
    pub fn new(limit: Duration) -> Self {
        Drains { began: BTreeMap::new(), limit }
    }

    /// Whether real servers of this protocol are worth draining. UDP has no connections that end, so that a
    /// constant sender would keep its dead endpoint for ever (kubernetes#71514).
    pub fn applies_to(protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp | Protocol::Sctp => true,
            Protocol::Udp => false,
        }
    }

    /// Begins to drain a real server, unless it is draining already.
    pub fn begin(&mut self, key: VirtualServerKey, real: &RealServer, now: Instant) {
        self.began.entry((key, real.key())).or_insert(now);
    }

    /// Ends draining, because the real server is wanted again or is gone. Says whether it was draining.
    pub fn end(&mut self, key: &VirtualServerKey, real: &RealServer) -> bool {
        self.began.remove(&(*key, real.key())).is_some()
    }

    /// Ends draining of everything behind a virtual server that is gone.
    pub fn forget(&mut self, key: &VirtualServerKey) {
        self.began.retain(|(server, _), _| server != key);
    }

    /// How many real servers are draining.
    pub fn len(&self) -> usize {
        self.began.len()
    }

    /// Whether nothing is draining.
    pub fn is_empty(&self) -> bool {
        self.began.is_empty()
    }

    /// The virtual servers behind which something is draining.
    pub fn virtual_servers(&self) -> BTreeSet<VirtualServerKey> {
        self.began.keys().map(|(key, _)| *key).collect()
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
        self.began.retain(|(server, real), _| server != key || present.contains(real));
        let is_finished = |load: &&RealServerLoad| match self.began.get(&(*key, load.server.key())) {
            Some(began) => load.connections == 0 || now.saturating_duration_since(*began) >= self.limit,
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
                |real: &RealServer| real.weight == 0 && self.began.contains_key(&(key, real.key()));
            let kept: Vec<RealServer> =
                server.real_servers.iter().filter(|real| !draining(real)).copied().collect();
            std::sync::Arc::make_mut(server).real_servers = kept;
        }
    }
}
