//! The task that keeps the listeners equal to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use model::{Family, ObjectKey};
use tokio::runtime::Handle;
use tracing::{debug, info, warn};

use super::{ListenFailure, Shared, answer};
use crate::http::{RETRY, Server};

/// Called with each failure that begins.
pub(super) type OnFailure = Box<dyn Fn(ListenFailure) + Send>;

/// The listeners there are.
pub(super) struct Listeners {
    shared: Arc<Shared>,
    on_failure: OnFailure,
    open: BTreeMap<SocketAddr, Listener>,
    /// The addresses that each Service should have.
    wanted: BTreeMap<ObjectKey, BTreeSet<SocketAddr>>,
    /// Those of them that it does not have, with the reason.
    failing: BTreeMap<ObjectKey, BTreeMap<SocketAddr, String>>,
}

struct Listener {
    owner: ObjectKey,
    server: Server,
}

// === impl Listeners ===

impl Listeners {
    pub(super) fn new(shared: Arc<Shared>, on_failure: OnFailure) -> Self {
        Listeners {
            shared,
            on_failure,
            open: BTreeMap::new(),
            wanted: BTreeMap::new(),
            failing: BTreeMap::new(),
        }
    }

    /// Runs until it is dropped, and the listeners with it.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.shared.changed.notified() => {}
                () = tokio::time::sleep(RETRY), if !self.failing.is_empty() => {}
            }
            let touched = self.shared.take_touched();
            self.settle(touched).await;
        }
    }

    /// Closes first and opens then, so that a port can pass from one Service to another. Those that have been
    /// waiting come before those that are new.
    async fn settle(&mut self, touched: BTreeMap<ObjectKey, BTreeSet<SocketAddr>>) {
        let mut to_open: Vec<ObjectKey> = self.failing.keys().cloned().collect();
        for (service, addresses) in touched {
            let before = self.wanted.remove(&service).unwrap_or_default();
            for address in before.difference(&addresses) {
                self.close(&service, address).await;
            }
            if !addresses.is_empty() {
                self.wanted.insert(service.clone(), addresses);
            }
            if !to_open.contains(&service) {
                to_open.push(service);
            }
        }
        for service in to_open {
            self.open_missing(service);
        }
    }

    async fn close(&mut self, service: &ObjectKey, address: &SocketAddr) {
        if self.open.get(address).is_none_or(|listener| listener.owner != *service) {
            return;
        }
        if let Some(listener) = self.open.remove(address) {
            listener.server.close().await;
            debug!(%service, %address, "health check closed");
        }
    }

    /// Opens what the Service should have and has not.
    fn open_missing(&mut self, service: ObjectKey) {
        let mut failing = BTreeMap::new();
        let wanted = self.wanted.get(&service).cloned().unwrap_or_default();
        for address in wanted {
            if let Err(reason) = self.open(&service, address) {
                failing.insert(address, reason);
            }
        }
        self.tell(&service, &failing);
        match failing.is_empty() {
            true => self.failing.remove(&service),
            false => self.failing.insert(service, failing),
        };
    }

    fn open(&mut self, service: &ObjectKey, address: SocketAddr) -> Result<(), String> {
        match self.open.get(&address) {
            Some(listener) if listener.owner == *service => return Ok(()),
            Some(listener) => {
                return Err(format!(
                    "cannot listen on {address}: it is the health check of the Service {}; \
                     give one of them another healthCheckNodePort",
                    listener.owner
                ));
            }
            None => {}
        }
        let (shared, owner) = (Arc::clone(&self.shared), service.clone());
        let family = Family::of(&address.ip());
        let handler = move |_request| {
            let local_endpoints = shared.local_endpoints(&owner, family);
            let answer = answer::answer(&owner, local_endpoints, shared.health.is_healthy());
            std::future::ready(answer)
        };
        let server =
            Server::start(&Handle::current(), address, handler).map_err(|error| error.to_string())?;
        debug!(%service, %address, "health check opened");
        self.open.insert(address, Listener { owner: service.clone(), server });
        Ok(())
    }

    /// Says what begins to fail, and when nothing fails any more.
    fn tell(&self, service: &ObjectKey, failing: &BTreeMap<SocketAddr, String>) {
        let known = self.failing.get(service);
        let is_new = |address: &SocketAddr| known.is_none_or(|known| !known.contains_key(address));
        let fresh = || failing.iter().filter(|(address, _)| is_new(address));
        if let Some((address, _)) = fresh().next() {
            let reasons: Vec<&str> = fresh().map(|(_, reason)| reason.as_str()).collect();
            let (port, reason) = (address.port(), reasons.join("; "));
            warn!(%service, port, reason, "health check not served; tried again every 5 s");
            (self.on_failure)(ListenFailure { service: service.clone(), port, reason });
        }
        if failing.is_empty() && known.is_some() && self.wanted.contains_key(service) {
            info!(%service, "health check served at every address now");
        }
    }
}
