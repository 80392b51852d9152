//! What this proxy measures, for Prometheus. `docs/metrics.md` lists all of it.
//!
//! To add a metric: an entry in [`catalogue`], and a field in the group that fills it.

mod catalogue;
mod definition;
pub(crate) mod endpoint;
mod kernel;
mod process;
mod requests;
mod scrape;
mod sync;
mod traffic;

use model::{Family, PerFamily};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, Registry, Result};

pub(crate) use self::kernel::{GuardedAddress, KernelMetrics};
pub(crate) use self::requests::RequestMetrics;
pub(crate) use self::scrape::Scraper;
pub(crate) use self::sync::SyncMetrics;

/// The metrics. Clones share their values.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    /// How changes reach the kernel.
    pub(crate) sync: SyncMetrics,
    /// What the kernel should hold, and how it takes it.
    pub(crate) kernel: KernelMetrics,
    /// What is asked of the API server.
    pub(crate) requests: RequestMetrics,
    healthz: IntCounterVec,
    livez: IntCounterVec,
    /// Events that were dropped.
    dropped_events: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// Everything is zero.
    ///
    /// # Errors
    /// If two metrics have one name.
    pub(crate) fn new() -> Result<Self> {
        let registry = Registry::new();
        build_info(&registry)?;
        Ok(Metrics {
            sync: SyncMetrics::new(&registry)?,
            kernel: KernelMetrics::new(&registry)?,
            requests: RequestMetrics::new(&registry)?,
            healthz: catalogue::HEALTHZ.counter(&registry)?,
            livez: catalogue::LIVEZ.counter(&registry)?,
            dropped_events: catalogue::DROPPED_EVENTS.single_counter(&registry)?,
            registry,
        })
    }

    /// `/healthz` was answered.
    pub(crate) fn answered_healthz(&self, status: u16) {
        count(&self.healthz, &[&status.to_string()]);
    }

    /// `/livez` was answered.
    pub(crate) fn answered_livez(&self, status: u16) {
        count(&self.livez, &[&status.to_string()]);
    }

    /// Everything that is not read for each scrape.
    #[cfg(test)]
    pub(crate) fn text(&self) -> Result<String> {
        scrape::text(self.registry.gather())
    }

    /// So many Events were dropped since the start.
    pub(crate) fn set_dropped_events(&self, total: u64) {
        set_total(&self.dropped_events, total);
    }
}

/// The version of Kubernetes whose kube-proxy this is like.
const KUBERNETES: (&str, &str, &str) = ("1", "36", "2");

fn build_info(registry: &Registry) -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let (major, minor, patch) = KUBERNETES;
    let version = format!("v{major}.{minor}.{patch}+kube-ipvs.{ours}");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let platform = format!("{}/{architecture}", std::env::consts::OS);
    let values = [major, minor, &version, "unknown", "unknown", "unknown", "none", "rustc", &platform];
    catalogue::BUILD_INFO.gauge(registry)?.get_metric_with_label_values(&values)?.set(1.0);
    catalogue::OWN_BUILD_INFO.gauge(registry)?.get_metric_with_label_values(&[ours])?.set(1.0);
    Ok(())
}

/// Adds one.
fn count(counters: &IntCounterVec, labels: &[&str]) {
    add(counters, labels, 1);
}

fn add(counters: &IntCounterVec, labels: &[&str], count: u64) {
    // Fails only if the number of labels is wrong, which every test of a metric would show.
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc_by(count);
    }
}

/// Brings a counter to a total that is counted elsewhere.
fn set_total(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// The same for each family.
fn per_family<T>(make: impl Fn(Family) -> Result<T>) -> Result<PerFamily<T>> {
    Ok(PerFamily { v4: make(Family::V4)?, v6: make(Family::V6)? })
}

/// A number of things as the value of a metric, which is exact up to 2^53.
fn number(count: impl TryInto<u64>) -> f64 {
    let count = count.try_into().unwrap_or(u64::MAX);
    count as f64
}

/// A gauge with one label value for a family and one more.
fn of_family(gauges: &GaugeVec, family: Family, other: &str) -> Result<prometheus::Gauge> {
    gauges.get_metric_with_label_values(&[&family.to_string(), other])
}

#[cfg(test)]
mod tests;
