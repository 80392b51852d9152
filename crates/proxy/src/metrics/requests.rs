//! What is asked of the API server, in the words of Kubernetes' own client.

use prometheus::{HistogramVec, IntCounterVec, Registry, Result};
use sources::kubernetes::requests::{Answered, Observer};

use super::{catalogue, count};

/// Counters; clones share them.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    total: IntCounterVec,
    duration: HistogramVec,
}

/// What stands for the HTTP status where there is no answer.
const NO_ANSWER: &str = "<error>";

// === impl RequestMetrics ===

impl RequestMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let total = catalogue::REQUESTS.counter(registry)?;
        Ok(RequestMetrics { total, duration: catalogue::REQUEST_DURATION.histogram(registry)? })
    }

    /// Hears of requests.
    pub(crate) fn observer(&self) -> Observer {
        let metrics = self.clone();
        Observer::new(move |answered| metrics.answered(answered))
    }

    pub(super) fn answered(&self, answered: &Answered<'_>) {
        let Answered { method, host, status, took } = *answered;
        let code = status.map_or_else(|| NO_ANSWER.to_owned(), |status| status.to_string());
        count(&self.total, &[&code, method, host]);
        let Some(took) = took else { return };
        if let Ok(duration) = self.duration.get_metric_with_label_values(&[method, host]) {
            duration.observe(took.as_secs_f64());
        }
    }
}
