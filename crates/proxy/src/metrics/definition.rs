//! What a metric is: the one place from which both the metric itself and its documentation are made.

use prometheus::core::Collector;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, Result,
};

/// A metric with its labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram(Buckets),
}

/// The upper bounds of a histogram, in seconds; the same as kube-proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buckets {
    /// Of work on the kernel.
    Sync,
    /// From the change of a pod to the kernel.
    Programming,
    /// Of requests to the API server.
    Request,
}

// === impl Definition ===

impl Definition {
    /// A counter of things.
    ///
    /// # Errors
    /// If another metric has the name.
    pub(super) fn counter(&self, registry: &Registry) -> Result<IntCounterVec> {
        register(registry, IntCounterVec::new(Opts::new(self.name, self.help), self.labels)?)
    }

    /// A gauge.
    ///
    /// # Errors
    /// If another metric has the name.
    pub(super) fn gauge(&self, registry: &Registry) -> Result<GaugeVec> {
        register(registry, GaugeVec::new(Opts::new(self.name, self.help), self.labels)?)
    }

    /// The one counter of a metric without labels.
    ///
    /// # Errors
    /// If another metric has the name.
    pub(super) fn single_counter(&self, registry: &Registry) -> Result<IntCounter> {
        self.counter(registry)?.get_metric_with_label_values::<&str>(&[])
    }

    /// The one gauge of a metric without labels.
    ///
    /// # Errors
    /// If another metric has the name.
    pub(super) fn single_gauge(&self, registry: &Registry) -> Result<Gauge> {
        self.gauge(registry)?.get_metric_with_label_values::<&str>(&[])
    }

    /// A histogram.
    ///
    /// # Errors
    /// If another metric has the name.
    pub(super) fn histogram(&self, registry: &Registry) -> Result<HistogramVec> {
        let Kind::Histogram(buckets) = self.kind else {
            return Err(prometheus::Error::Msg(format!("{} is no histogram", self.name)));
        };
        let options = HistogramOpts::new(self.name, self.help).buckets(buckets.bounds());
        register(registry, HistogramVec::new(options, self.labels)?)
    }

    /// A family of samples that are read for each scrape; each has a value for every label.
    pub(super) fn family<const N: usize>(
        &self,
        samples: impl IntoIterator<Item = ([String; N], f64)>,
    ) -> MetricFamily {
        let kind = if self.kind == Kind::Counter { MetricType::COUNTER } else { MetricType::GAUGE };
        let metrics = samples.into_iter().map(|(values, value)| self.sample(kind, values, value));
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics.collect());
        family
    }

    fn sample<const N: usize>(&self, kind: MetricType, values: [String; N], value: f64) -> Metric {
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value);
            pair
        });
        let mut pairs: Vec<LabelPair> = pairs.collect();
        pairs.sort_unstable();
        let mut metric = Metric::from_label(pairs);
        if kind == MetricType::COUNTER {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

// === impl Buckets ===

impl Buckets {
    pub(super) fn bounds(self) -> Vec<f64> {
        match self {
            Buckets::Sync => (0..15).map(|power| 0.001 * f64::from(1 << power)).collect(),
            Buckets::Programming => {
                let steps = |range: std::ops::RangeInclusive<u16>, step| range.step_by(step).map(f64::from);
                let fine = [0.25, 0.5].into_iter().chain(steps(1..=59, 1));
                fine.chain(steps(60..=115, 5)).chain(steps(120..=300, 30)).collect()
            }
            Buckets::Request => vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0],
        }
    }
}
