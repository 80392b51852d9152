//! How changes reach the kernel, in kube-proxy's words. It syncs each family by itself; here both are one step, which
//! counts for each family that is served.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataplane::{ConntrackLook, Error};
use model::{Family, PerFamily};
use plan::Policy;
use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, Registry, Result};

use super::{catalogue, number, per_family};

/// Gauges, counters and histograms; clones share them.
#[derive(Clone)]
pub(crate) struct SyncMetrics {
    duration: PerFamily<Histogram>,
    last_queued: GaugeVec,
    last_sync: GaugeVec,
    services: Changes,
    slices: Changes,
    programming: PerFamily<Histogram>,
    without_local_endpoint: PerFamily<[Gauge; 2]>,
    failed_restores: PerFamily<IntCounter>,
    conntrack_duration: PerFamily<Histogram>,
    conntrack_deleted: PerFamily<IntCounter>,
}

/// Changes of one kind of object.
#[derive(Clone)]
struct Changes {
    pending: Gauge,
    total: IntCounter,
}

// === impl SyncMetrics ===

impl SyncMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let without_local_endpoint = catalogue::NO_LOCAL_ENDPOINTS.gauge(registry)?;
        let without = |policy: &str, family: Family| {
            without_local_endpoint.get_metric_with_label_values(&[policy, &family.to_string()])
        };
        Ok(SyncMetrics {
            duration: by_family(&catalogue::SYNC_DURATION.histogram(registry)?)?,
            last_queued: catalogue::LAST_QUEUED.gauge(registry)?,
            last_sync: catalogue::LAST_SYNC.gauge(registry)?,
            services: Changes {
                pending: catalogue::SERVICE_CHANGES_PENDING.single_gauge(registry)?,
                total: catalogue::SERVICE_CHANGES.single_counter(registry)?,
            },
            slices: Changes {
                pending: catalogue::ENDPOINT_CHANGES_PENDING.single_gauge(registry)?,
                total: catalogue::ENDPOINT_CHANGES.single_counter(registry)?,
            },
            programming: by_family(&catalogue::PROGRAMMING_DURATION.histogram(registry)?)?,
            without_local_endpoint: per_family(|family| {
                Ok([without("internal", family)?, without("external", family)?])
            })?,
            failed_restores: by_family(&catalogue::RESTORE_FAILURES.counter(registry)?)?,
            conntrack_duration: by_family(&catalogue::CONNTRACK_DURATION.histogram(registry)?)?,
            conntrack_deleted: by_family(&catalogue::CONNTRACK_DELETED.counter(registry)?)?,
        })
    }

    /// A Service was told of.
    pub(crate) fn service_told(&self) {
        self.services.total.inc();
    }

    /// An EndpointSlice was told of.
    pub(crate) fn slice_told(&self) {
        self.slices.total.inc();
    }

    /// The kernel may have to be changed for a Service.
    pub(crate) fn service_pending(&self) {
        self.services.pending.inc();
    }

    /// The kernel may have to be changed for an EndpointSlice.
    pub(crate) fn slice_pending(&self) {
        self.slices.pending.inc();
    }

    /// The kernel has to be changed.
    pub(crate) fn queued(&self, families: &BTreeSet<Family>) {
        stamp(&self.last_queued, families);
    }

    /// A sync ended, well or not.
    pub(crate) fn ended(&self, took: Duration, families: &BTreeSet<Family>) {
        for family in families {
            self.duration.get(*family).observe(took.as_secs_f64());
        }
    }

    /// The kernel has everything that was told.
    pub(crate) fn succeeded(&self, families: &BTreeSet<Family>) {
        stamp(&self.last_sync, families);
        self.services.pending.set(0.0);
        self.slices.pending.set(0.0);
    }

    /// A change reached the kernel so long after it happened.
    pub(crate) fn programmed(&self, family: Family, after: Duration) {
        self.programming.get(family).observe(after.as_secs_f64());
    }

    /// So many Services cannot keep a policy.
    pub(crate) fn set_without_local_endpoint(&self, family: Family, policy: Policy, count: usize) {
        let [internal, external] = self.without_local_endpoint.get(family);
        let gauge = match policy {
            Policy::Internal => internal,
            Policy::External => external,
        };
        gauge.set(number(count));
    }

    /// Stale flows were looked for.
    pub(crate) fn looked(&self, look: &ConntrackLook) {
        self.conntrack_duration.get(look.family).observe(look.took.as_secs_f64());
        self.conntrack_deleted.get(look.family).inc_by(u64::try_from(look.deleted).unwrap_or(u64::MAX));
    }

    /// A step failed; only the iptables programs are of interest here.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(family) = error.failed_restore() {
            self.failed_restores.get(family).inc();
        }
    }
}

/// The metric of each family, where the family is the only label.
fn by_family<B: MetricVecBuilder>(metrics: &MetricVec<B>) -> Result<PerFamily<B::M>> {
    per_family(|family| metrics.get_metric_with_label_values(&[&family.to_string()]))
}

fn stamp(gauges: &GaugeVec, families: &BTreeSet<Family>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for family in families {
        if let Ok(gauge) = gauges.get_metric_with_label_values(&[&family.to_string()]) {
            gauge.set(now.as_secs_f64());
        }
    }
}
