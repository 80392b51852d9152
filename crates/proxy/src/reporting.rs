//! What tells others of the proxy: its two servers, the health checks of Services, metrics and Events.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::config::Configuration;
use anyhow::bail;
use dataplane::Meter;
use dataplane::linux::LinuxMeter;
use model::Family;
use sources::kubernetes::recorder::{Event, EventKind, Recorder, Reference};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;

use crate::config;
use crate::daemon::Outlets;
use crate::health_checks::{HealthChecks, ProxyHealth, server};
use crate::http::{Handler, PersistentServer};
use crate::inquiry::Inquiry;
use crate::metrics::endpoint::Pages;
use crate::metrics::{Metrics, Scraper};

/// The action of Events about the start, in kube-proxy's word.
const START: &str = "StartKubeProxy";

/// How long the API server may take to hear why the process ends.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);

/// How many inquiries may wait for the loop. Health-check ports beyond that are named in the log alone.
const INQUIRIES_WAITING: usize = 256;

/// Everything that tells others, for as long as it is kept.
pub(crate) struct Reporting {
    /// What the loop tells.
    pub(crate) outlets: Outlets,
    /// What others want of the loop.
    pub(crate) inquiries: Receiver<Inquiry>,
    /// The servers, which end with this.
    pub(crate) servers: [Option<PersistentServer>; 2],
}

/// Who records Events about a node, if anybody does.
pub(crate) struct NodeEvents {
    pub(crate) recorder: Option<Recorder>,
    pub(crate) node: String,
}

// === impl Reporting ===

impl Reporting {
    /// Starts what the configuration asks for, on a node that serves `families`. Events are for API servers only.
    ///
    /// # Errors
    /// If the configuration makes it impossible to ask the API server; if an address cannot be listened on, and the
    /// configuration says that this is a reason to end, which an Event tells then.
    pub(crate) async fn start(
        in_force: watch::Receiver<Configuration>,
        node: &str,
        families: BTreeSet<Family>,
        metrics: Metrics,
        asks_api_server: bool,
    ) -> anyhow::Result<Self> {
        let configuration = &in_force.borrow().clone();
        let recorder = match asks_api_server {
            true => {
                let server = config::api_server(configuration, node);
                let observer = Some(metrics.requests.observer());
                Some(Recorder::start(sources::kubernetes::Config { observer, ..server }).await?)
            }
            false => None,
        };
        let health = ProxyHealth::new(configuration.sync_period * 2, families, asks_api_server);
        let health = Arc::new(health);
        let (sender, inquiries) = mpsc::channel(INQUIRIES_WAITING);
        let scraper = Scraper::new(
            metrics.clone(),
            Arc::clone(&health),
            recorder.clone(),
            open_meter,
            sender.clone(),
            configuration.own.max_service_metrics,
        );
        let pages = Pages::new(scraper, Arc::new(move || in_force.borrow().document.to_json()));
        let events = NodeEvents { recorder: recorder.clone(), node: node.to_owned() };
        let servers = start_servers(configuration, &health, &metrics, pages, &events).await?;
        events.starting();
        let tell = move |failure| {
            // With so many at once the log has to do: it names them all.
            let _ = sender.try_send(Inquiry::NotListening(failure));
        };
        let health_checks = HealthChecks::start(&Handle::current(), Arc::clone(&health), tell);
        let outlets = Outlets::new(health, health_checks, metrics, recorder);
        Ok(Reporting { outlets, inquiries, servers })
    }
}

fn open_meter() -> Result<Box<dyn Meter>, dataplane::Error> {
    LinuxMeter::open().map(|meter| Box::new(meter) as Box<dyn Meter>)
}

async fn start_servers(
    configuration: &Configuration,
    health: &Arc<ProxyHealth>,
    metrics: &Metrics,
    pages: Pages,
    events: &NodeEvents,
) -> anyhow::Result<[Option<PersistentServer>; 2]> {
    let hard = configuration.bind_address_hard_fail;
    let handler = server::handler(Arc::clone(health), metrics.clone());
    let health = Socket { name: "health", reason: "FailedToStartProxierHealthcheck", hard };
    let metrics = Socket { name: "metrics", reason: "FailedToStartMetricServer", hard };
    Ok([
        health.listen(configuration.healthz_address, handler, events).await?,
        metrics.listen(configuration.metrics_address, pages.handler(), events).await?,
    ])
}

/// How to listen.
struct Socket {
    name: &'static str,
    /// The reason of the Event if it fails.
    reason: &'static str,
    /// Whether a failure is final.
    hard: bool,
}

// === impl Socket ===

impl Socket {
    async fn listen(
        self,
        address: Option<SocketAddr>,
        handler: impl Handler,
        events: &NodeEvents,
    ) -> anyhow::Result<Option<PersistentServer>> {
        let Some(address) = address else { return Ok(None) };
        let runtime = Handle::current();
        if !self.hard {
            return Ok(Some(PersistentServer::start(&runtime, self.name, address, handler)));
        }
        match PersistentServer::start_now(&runtime, address, handler) {
            Ok(server) => Ok(Some(server)),
            Err(error) => {
                events.record(EventKind::Warning, self.reason, error.to_string());
                events.flush().await;
                let name = self.name;
                bail!(
                    "the {name} server cannot start, which bindAddressHardFail makes a reason to end: {error}"
                )
            }
        }
    }
}

// === impl NodeEvents ===

impl NodeEvents {
    /// Says that the proxy runs, as kube-proxy does.
    pub(crate) fn starting(&self) {
        self.record(EventKind::Normal, "Starting", String::new());
    }

    fn record(&self, kind: EventKind, reason: &'static str, note: String) {
        if let Some(recorder) = &self.recorder {
            let regarding = Reference::node(self.node.as_str());
            recorder.record(Event { regarding, kind, reason, action: START, shared: false, note });
        }
    }

    /// Waits until what was recorded is sent, or cannot be sent soon.
    async fn flush(&self) {
        if let Some(recorder) = &self.recorder {
            let _ = tokio::time::timeout(LONGEST_FAREWELL, recorder.flush()).await;
        }
    }
}

#[cfg(test)]
mod tests;
