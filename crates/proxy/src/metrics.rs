//! What this proxy measures of itself, for Prometheus.
//!
//! Names that begin with `kubeproxy_` are kube-proxy's and mean the same; those that begin with `kubeipvs_` are
//! ours. To add one: a field in [`Metrics`], and its registration in [`Metrics::new`].

pub(crate) mod endpoint;

use std::hash::Hash;
use std::sync::Arc;

use model::{Family, PerFamily};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics. Clones share their values.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    /// `kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal"}`.
    pub(crate) no_local_endpoints_internal: PerFamily<Gauge>,
    /// `kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external"}`.
    pub(crate) no_local_endpoints_external: PerFamily<Gauge>,
    /// `kubeipvs_virtual_servers`.
    pub(crate) virtual_servers: PerFamily<Gauge>,
    /// `kubeipvs_draining_real_servers`.
    pub(crate) draining_real_servers: Gauge,
    /// `kubeipvs_conntrack_deleted_flows_total`.
    pub(crate) conntrack_deleted_flows: Counter,
    /// `kubeipvs_conflicts`.
    pub(crate) conflicts: Gauge,
    /// `kubeipvs_guarded_addresses`.
    pub(crate) guarded_addresses: Marks<GuardedAddress>,
}

/// A Service's address that is not served because it is a node's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct GuardedAddress {
    /// The Service's namespace.
    pub(crate) namespace: String,
    /// The Service's name.
    pub(crate) service: String,
    /// The address.
    pub(crate) address: String,
    /// Whose address it is.
    pub(crate) owner: String,
}

/// A gauge that is 1 for what there is, and absent for what there is not.
#[derive(Clone, Debug)]
pub(crate) struct Marks<L: Clone + Hash + Eq>(Labelled<L, Gauge>);

// === impl Metrics ===

impl Metrics {
    /// Everything is zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let no_local = per_policy_and_family(
            &mut registry,
            "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
            "Services with a traffic policy of Local and without an endpoint on this node",
        );
        let [no_local_endpoints_internal, no_local_endpoints_external] = no_local;
        let virtual_servers = per_family(
            &mut registry,
            "kubeipvs_virtual_servers",
            "IPVS virtual servers that there should be",
        );
        let draining_real_servers = gauge(
            &mut registry,
            "kubeipvs_draining_real_servers",
            "IPVS real servers that only keep the connections they have",
        );
        let conntrack_deleted_flows = Counter::default();
        registry.register(
            "kubeipvs_conntrack_deleted_flows",
            "Tracked UDP flows deleted because they led to where no endpoint is any more",
            conntrack_deleted_flows.clone(),
        );
        let conflicts = gauge(
            &mut registry,
            "kubeipvs_conflicts",
            "Combinations of address, port and protocol that several Services claim",
        );
        let guarded_addresses = Labelled::default();
        registry.register(
            "kubeipvs_guarded_addresses",
            "Addresses of Services that are not served because they are a node's own",
            guarded_addresses.clone(),
        );
        Metrics {
            registry: Arc::new(registry),
            no_local_endpoints_internal,
            no_local_endpoints_external,
            virtual_servers,
            draining_real_servers,
            conntrack_deleted_flows,
            conflicts,
            guarded_addresses: Marks(guarded_addresses),
        }
    }

    /// All values as OpenMetrics text.
    ///
    /// # Errors
    /// If a value cannot be written as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn gauge(registry: &mut Registry, name: &'static str, help: &'static str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

/// A gauge with the label `family`.
fn per_family(registry: &mut Registry, name: &'static str, help: &'static str) -> PerFamily<Gauge> {
    let gauges = Labelled::<[(&str, String); 1], Gauge>::default();
    registry.register(name, help, gauges.clone());
    let of = |family: Family| gauges.get_or_create_owned(&[("family", family.to_string())]);
    PerFamily { v4: of(Family::V4), v6: of(Family::V6) }
}

/// A gauge with kube-proxy's labels `traffic_policy` and `ip_family`: for the internal and the external policy.
fn per_policy_and_family(
    registry: &mut Registry,
    name: &'static str,
    help: &'static str,
) -> [PerFamily<Gauge>; 2] {
    let gauges = Labelled::<[(&str, String); 2], Gauge>::default();
    registry.register(name, help, gauges.clone());
    ["internal", "external"].map(|policy| {
        let of = |family: Family| {
            let policy = ("traffic_policy", policy.to_owned());
            gauges.get_or_create_owned(&[policy, ("ip_family", family.to_string())])
        };
        PerFamily { v4: of(Family::V4), v6: of(Family::V6) }
    })
}

// === impl Marks ===

impl<L: Clone + Hash + Eq> Marks<L> {
    /// It is there.
    pub(crate) fn set(&self, labels: &L) {
        self.0.get_or_create(labels).set(1);
    }

    /// It is not there any more.
    pub(crate) fn unset(&self, labels: &L) {
        self.0.remove(labels);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_is_set_is_shown() {
        let metrics = Metrics::new();
        let daemon = metrics.clone();
        daemon.no_local_endpoints_internal.v4.set(1);
        daemon.no_local_endpoints_external.v6.set(2);
        daemon.virtual_servers.get(Family::V6).set(3);
        daemon.draining_real_servers.set(4);
        daemon.conntrack_deleted_flows.inc_by(5);
        daemon.conflicts.set(6);
        let guarded = |service: &str| GuardedAddress {
            namespace: "shop".to_owned(),
            service: service.to_owned(),
            address: "10.0.0.9".to_owned(),
            owner: "Node \"n2\"".to_owned(),
        };
        daemon.guarded_addresses.set(&guarded("web"));
        daemon.guarded_addresses.set(&guarded("web"));
        daemon.guarded_addresses.set(&guarded("gone"));
        daemon.guarded_addresses.unset(&guarded("gone"));
        let text = metrics.text().unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        expect![[r##"
            # EOF
            # HELP kubeipvs_conflicts Combinations of address, port and protocol that several Services claim.
            # HELP kubeipvs_conntrack_deleted_flows Tracked UDP flows deleted because they led to where no endpoint is any more.
            # HELP kubeipvs_draining_real_servers IPVS real servers that only keep the connections they have.
            # HELP kubeipvs_guarded_addresses Addresses of Services that are not served because they are a node's own.
            # HELP kubeipvs_virtual_servers IPVS virtual servers that there should be.
            # HELP kubeproxy_sync_proxy_rules_no_local_endpoints_total Services with a traffic policy of Local and without an endpoint on this node.
            # TYPE kubeipvs_conflicts gauge
            # TYPE kubeipvs_conntrack_deleted_flows counter
            # TYPE kubeipvs_draining_real_servers gauge
            # TYPE kubeipvs_guarded_addresses gauge
            # TYPE kubeipvs_virtual_servers gauge
            # TYPE kubeproxy_sync_proxy_rules_no_local_endpoints_total gauge
            kubeipvs_conflicts 6
            kubeipvs_conntrack_deleted_flows_total 5
            kubeipvs_draining_real_servers 4
            kubeipvs_guarded_addresses{namespace="shop",service="web",address="10.0.0.9",owner="Node \"n2\""} 1
            kubeipvs_virtual_servers{family="IPv4"} 0
            kubeipvs_virtual_servers{family="IPv6"} 3
            kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external",ip_family="IPv4"} 0
            kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external",ip_family="IPv6"} 2
            kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal",ip_family="IPv4"} 1
            kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal",ip_family="IPv6"} 0"##]].assert_eq(&lines.join("\n"));
    }
}
