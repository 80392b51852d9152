//! The health-check servers of Services with `healthCheckNodePort`: a load balancer asks there whether this
//! node has endpoints of the Service.
//!
//! The daemon says which Services there are and where to listen; a task keeps the listeners equal to that. Each
//! address and port has a listener of its own, which lives as long as its Service keeps the port. The answers
//! are those of kube-proxy 1.36. Two things differ: an address that cannot be listened on does not close the
//! others of its Service, and it is tried again every five seconds instead of after the next sync; it is
//! reported once when that begins, not with each attempt.

mod answer;
mod listeners;
mod proxy_health;
pub(crate) mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Family, ObjectKey, PerFamily};
use plan::HealthCheck;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(crate) use self::proxy_health::ProxyHealth;

use self::listeners::Listeners;

/// The addresses of one family at which health checks are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListenOn {
    /// Every address of the family, with one listener.
    Wildcard,
    /// These.
    Addresses(BTreeSet<IpAddr>),
    /// None.
    #[default]
    Nothing,
}

/// A health check that begins to be unreachable, at some of its addresses at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenFailure {
    /// Whose it is.
    pub(crate) service: ObjectKey,
    /// Its port.
    pub(crate) port: u16,
    /// What is wrong with each address that failed now, and what to do.
    pub(crate) reason: String,
}

/// The servers. Dropping this closes all of them.
#[derive(Debug)]
pub(crate) struct HealthChecks {
    shared: Arc<Shared>,
    _running: JoinSet<()>,
}

/// What the daemon, the task and the servers share.
#[derive(Debug)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Notify,
    health: Arc<ProxyHealth>,
}

/// What there should be.
#[derive(Debug, Default)]
struct Wanted {
    checks: BTreeMap<ObjectKey, HealthCheck>,
    listen_on: PerFamily<ListenOn>,
    /// Services whose listeners may have to change.
    touched: BTreeSet<ObjectKey>,
}

// === impl ListenOn ===

impl ListenOn {
    fn addresses(&self, family: Family) -> Vec<IpAddr> {
        match (self, family) {
            (ListenOn::Nothing, _) => Vec::new(),
            (ListenOn::Wildcard, Family::V4) => vec![Ipv4Addr::UNSPECIFIED.into()],
            (ListenOn::Wildcard, Family::V6) => vec![Ipv6Addr::UNSPECIFIED.into()],
            (ListenOn::Addresses(addresses), _) => {
                addresses.iter().copied().filter(|address| Family::of(address) == family).collect()
            }
        }
    }
}

// === impl HealthChecks ===

impl HealthChecks {
    /// Starts with no Service, listening nowhere. `on_failure` is called on the runtime, must not block, and
    /// hears of a Service when some of its addresses begin to fail.
    pub(crate) fn start(
        runtime: &Handle,
        health: Arc<ProxyHealth>,
        on_failure: impl Fn(ListenFailure) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { wanted: Mutex::default(), changed: Notify::new(), health });
        let mut running = JoinSet::new();
        running.spawn_on(Listeners::new(Arc::clone(&shared), Box::new(on_failure)).run(), runtime);
        HealthChecks { shared, _running: running }
    }

    /// Sets or removes health checks. Answers change at once, listeners soon after; those of a Service that
    /// keeps its port and families are not touched.
    pub(crate) fn apply(&self, changes: impl IntoIterator<Item = (ObjectKey, Option<HealthCheck>)>) {
        let mut wanted = self.shared.wanted();
        for (service, check) in changes {
            wanted.set(service, check);
        }
        self.changed(&wanted);
    }

    /// Says where to listen. Listeners at addresses that stay are not touched.
    pub(crate) fn listen_on(&self, listen_on: PerFamily<ListenOn>) {
        let mut wanted = self.shared.wanted();
        if wanted.listen_on != listen_on {
            wanted.listen_on = listen_on;
            wanted.touched = wanted.checks.keys().cloned().collect();
        }
        self.changed(&wanted);
    }

    fn changed(&self, wanted: &Wanted) {
        if !wanted.touched.is_empty() {
            self.shared.changed.notify_one();
        }
    }
}

// === impl Shared ===

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Services whose listeners may have to change since the last call, each with the addresses that it
    /// should have now.
    fn take_touched(&self) -> BTreeMap<ObjectKey, BTreeSet<SocketAddr>> {
        let mut wanted = self.wanted();
        let touched = std::mem::take(&mut wanted.touched);
        touched.into_iter().map(|service| wanted.addresses_of(service)).collect()
    }

    /// The local endpoints of a Service in a family; none if it is gone.
    fn local_endpoints(&self, service: &ObjectKey, family: Family) -> usize {
        let wanted = self.wanted();
        let check = wanted.checks.get(service);
        check.and_then(|check| *check.local_endpoints.get(family)).unwrap_or_default()
    }
}

// === impl Wanted ===

impl Wanted {
    fn set(&mut self, service: ObjectKey, check: Option<HealthCheck>) {
        let before = match &check {
            Some(check) => self.checks.insert(service.clone(), *check),
            None => self.checks.remove(&service),
        };
        let same = match (&before, &check) {
            (Some(before), Some(check)) => same_listeners(before, check),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.touched.insert(service);
        }
    }

    fn addresses_of(&self, service: ObjectKey) -> (ObjectKey, BTreeSet<SocketAddr>) {
        let mut sockets = BTreeSet::new();
        if let Some(check) = self.checks.get(&service) {
            let served = |family: &Family| check.local_endpoints.get(*family).is_some();
            for family in Family::ALL.into_iter().filter(served) {
                let addresses = self.listen_on.get(family).addresses(family);
                sockets.extend(addresses.into_iter().map(|address| SocketAddr::new(address, check.port)));
            }
        }
        (service, sockets)
    }
}

/// Whether both need the same listeners.
fn same_listeners(one: &HealthCheck, other: &HealthCheck) -> bool {
    let served = |check: &HealthCheck, family| check.local_endpoints.get(family).is_some();
    one.port == other.port
        && Family::ALL.into_iter().all(|family| served(one, family) == served(other, family))
}

#[cfg(test)]
mod tests;
