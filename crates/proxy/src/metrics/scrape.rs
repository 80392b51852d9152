//! All metrics as text, with what is read only when somebody asks.
//!
//! The kernel's counters are read, and the text is written, on threads for blocking work, the former by handles of
//! their own, so the loop and the sources are not held up. Which Service has which virtual server is known to the
//! loop alone; it is asked for a few hundred at a time, between which it does everything else.

use std::sync::Arc;
use std::time::Duration;

use dataplane::{Error, Meter, Traffic};
use model::ObjectKey;
use plan::VirtualServerKey;
use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;
use sources::kubernetes::recorder::Recorder;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tracing::debug;

use super::traffic::{self, Totals};
use super::{Metrics, catalogue, number, process};
use crate::health_checks::ProxyHealth;
use crate::inquiry::{Inquiry, Owners};

/// How many virtual servers the loop is asked about at once, which takes it well under a millisecond.
const MOST_ASKED: usize = 256;

/// How long the loop may take to answer. It is busy for longer only while it brings a large cluster to the kernel for
/// the first time.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Opens the kernel for reading.
pub(crate) type OpenMeter = fn() -> Result<Box<dyn Meter>, Error>;

/// What makes the text.
pub(crate) struct Scraper {
    metrics: Metrics,
    health: Arc<ProxyHealth>,
    recorder: Option<Recorder>,
    open: OpenMeter,
    inquiries: mpsc::Sender<Inquiry>,
    /// How many Services' traffic is shown at most.
    most_services: usize,
    state: Arc<Mutex<State>>,
}

/// What is kept from one scrape to the next.
#[derive(Default)]
struct State {
    meter: Option<Box<dyn Meter>>,
    totals: Totals,
}

/// What the kernel counts.
#[derive(Default)]
struct Reading {
    set_sizes: Vec<(plan::SetId, u32)>,
    traffic: Vec<(VirtualServerKey, Traffic)>,
}

// === impl Scraper ===

impl Scraper {
    pub(crate) fn new(
        metrics: Metrics,
        health: Arc<ProxyHealth>,
        recorder: Option<Recorder>,
        open: OpenMeter,
        inquiries: mpsc::Sender<Inquiry>,
        most_services: usize,
    ) -> Self {
        Scraper { metrics, health, recorder, open, inquiries, most_services, state: Arc::default() }
    }

    /// All values in Prometheus' text format. What the kernel does not tell is left out.
    ///
    /// # Errors
    /// If a value cannot be written as text.
    pub(super) async fn text(&self) -> prometheus::Result<String> {
        if let Some(recorder) = &self.recorder {
            self.metrics.set_dropped_events(recorder.dropped());
        }
        let mut families = self.read_kernel().await;
        let synced = if self.health.is_synced() { 1.0 } else { 0.0 };
        families.push(catalogue::SYNCED.family([([], synced)]));
        let age = self.health.oldest_pending().unwrap_or_default();
        families.push(catalogue::OLDEST_CHANGE.family([([], age.as_secs_f64())]));
        let metrics = self.metrics.clone();
        let write = move || {
            families.extend(metrics.registry.gather());
            families.extend(process::families());
            text(families)
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|error| Err(prometheus::Error::Msg(error.to_string())))
    }

    async fn read_kernel(&self) -> Vec<MetricFamily> {
        let state = Arc::clone(&self.state).lock_owned().await;
        let with_traffic = self.most_services > 0;
        let read = self.with_meter(state, move |meter, _| {
            let traffic = if with_traffic { meter.traffic()? } else { Vec::new() };
            Ok(Reading { set_sizes: meter.set_sizes()?, traffic })
        });
        let Some((state, Reading { set_sizes, traffic })) = read.await else { return Vec::new() };
        let size = |(set, entries): (plan::SetId, u32)| {
            ([set.family.to_string(), set.to_string()], f64::from(entries))
        };
        let mut families = vec![catalogue::SET_ENTRIES.family(set_sizes.into_iter().map(size))];
        if let (true, Some(owners)) = (with_traffic, self.owners(&traffic).await) {
            let most = self.most_services;
            let show = self.with_meter(state, move |meter, totals| {
                Ok(show_traffic(meter, totals, traffic, owners, most))
            });
            families.extend(show.await.into_iter().flat_map(|(_, shown)| shown));
        }
        families
    }

    /// To which Services virtual servers belong; none if the loop does not answer in time.
    async fn owners(&self, counted: &[(VirtualServerKey, Traffic)]) -> Option<Vec<Option<ObjectKey>>> {
        let mut owners = Vec::with_capacity(counted.len());
        for some in counted.chunks(MOST_ASKED) {
            let of = some.iter().map(|(server, _)| *server).collect();
            let (answer, answered) = oneshot::channel();
            let asked = async {
                self.inquiries.send(Inquiry::Owners(Owners { of, answer })).await.ok()?;
                answered.await.ok()
            };
            owners.extend(tokio::time::timeout(LONGEST_WAIT, asked).await.ok()??);
        }
        Some(owners)
    }

    /// What `read` gives, on a thread that may block. After a failure the kernel is opened anew.
    async fn with_meter<T: Send + 'static>(
        &self,
        mut state: OwnedMutexGuard<State>,
        read: impl FnOnce(&mut dyn Meter, &mut Totals) -> Result<T, Error> + Send + 'static,
    ) -> Option<(OwnedMutexGuard<State>, T)> {
        let open = self.open;
        let task = tokio::task::spawn_blocking(move || {
            let mut meter = state.meter.take().map_or_else(open, Ok)?;
            let read = read(&mut *meter, &mut state.totals)?;
            state.meter = Some(meter);
            Ok::<_, Error>((state, read))
        });
        match task.await {
            Ok(Ok(read)) => Some(read),
            Ok(Err(error)) => {
                debug!(%error, "the kernel's counters cannot be read");
                None
            }
            Err(error) => {
                debug!(%error, "the kernel's counters were not read");
                None
            }
        }
    }
}

/// The traffic of Services, of which the `most` with the most packets are shown.
fn show_traffic(
    meter: &mut dyn Meter,
    totals: &mut Totals,
    counted: Vec<(VirtualServerKey, Traffic)>,
    owners: Vec<Option<ObjectKey>>,
    most: usize,
) -> Vec<MetricFamily> {
    let left_out = totals.take(traffic::by_service(counted, owners), most);
    let mut families = totals.families();
    families.push(catalogue::SERVICES_LEFT_OUT.family([([], number(left_out))]));
    match active_connections(meter, totals) {
        Ok(active) => families.push(catalogue::SERVICE_ACTIVE.family(active)),
        Err(error) => debug!(%error, "open connections cannot be counted"),
    }
    families
}

fn active_connections(meter: &mut dyn Meter, totals: &Totals) -> Result<Vec<([String; 2], f64)>, Error> {
    let mut active = Vec::new();
    for (service, servers) in totals.used_servers() {
        let mut connections = 0;
        for server in servers {
            connections += meter.active_connections(&server)?;
        }
        active.push((traffic::labels(&service), number(connections)));
    }
    Ok(active)
}

/// Families in the order of their names, as text.
pub(super) fn text(mut families: Vec<MetricFamily>) -> prometheus::Result<String> {
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|one, other| one.name().cmp(other.name()));
    TextEncoder::new().encode_to_string(&families)
}
