//! The file: kube-proxy's `KubeProxyConfiguration` in version v1alpha1, with one section of our own.
//!
//! What stands here is what was written, or its default; whether it makes sense is checked where a
//! [`crate::Configuration`] is made of it. Fields and defaults are those of kube-proxy 1.36
//! (`k8s.io/kube-proxy/config/v1alpha1`).

mod sections;
mod values;

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::address;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::sections::{
    ClientConnection, Conntrack, DetectLocal, IpTables, Ipvs, KubeIpvs, LogOptions, LogStream, Logging,
    NfTables, Pattern, Winkernel,
};
pub(crate) use self::values::whole;
pub use self::values::{FlushFrequency, GoDuration, Size};

/// `apiVersion` of the file.
pub const API_VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";

/// `kind` of the file.
pub const KIND: &str = "KubeProxyConfiguration";

/// The section that kube-proxy does not know.
const OWN_SECTION: &str = "kubeIpvs";

/// The default of `detectLocalMode`.
pub(crate) const CLUSTER_CIDR: &str = "ClusterCIDR";

const HEALTHZ_PORT: u16 = 10256;
const METRICS_PORT: u16 = 10249;

/// What can be set by the file. Documentation of each field: [`crate::setting::GROUPS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is documented as a Setting")]
pub struct KubeProxyConfiguration {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "values::gates")]
    pub feature_gates: BTreeMap<String, bool>,
    pub client_connection: ClientConnection,
    pub logging: Logging,
    pub hostname_override: String,
    pub bind_address: String,
    pub healthz_bind_address: String,
    pub metrics_bind_address: String,
    pub bind_address_hard_fail: bool,
    pub enable_profiling: bool,
    pub show_hidden_metrics_for_version: String,
    pub mode: String,
    pub iptables: IpTables,
    pub ipvs: Ipvs,
    pub nftables: NfTables,
    pub winkernel: Winkernel,
    pub detect_local_mode: String,
    pub detect_local: DetectLocal,
    #[serde(rename = "clusterCIDR")]
    pub cluster_cidr: String,
    #[serde(serialize_with = "values::list_or_null", deserialize_with = "values::null_or_list")]
    pub node_port_addresses: Vec<String>,
    pub oom_score_adj: i32,
    pub conntrack: Conntrack,
    pub config_sync_period: GoDuration,
    pub port_range: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub windows_run_as_service: bool,
    pub kube_ipvs: KubeIpvs,
}

// === impl KubeProxyConfiguration ===

impl Default for KubeProxyConfiguration {
    /// The defaults, except of what [`KubeProxyConfiguration::complete`] fills in.
    fn default() -> Self {
        KubeProxyConfiguration {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            feature_gates: BTreeMap::new(),
            client_connection: ClientConnection::default(),
            logging: Logging::default(),
            hostname_override: String::new(),
            bind_address: String::new(),
            healthz_bind_address: String::new(),
            metrics_bind_address: String::new(),
            bind_address_hard_fail: false,
            enable_profiling: false,
            show_hidden_metrics_for_version: String::new(),
            mode: String::new(),
            iptables: IpTables::default(),
            ipvs: Ipvs::default(),
            nftables: NfTables::default(),
            winkernel: Winkernel::default(),
            detect_local_mode: String::new(),
            detect_local: DetectLocal::default(),
            cluster_cidr: String::new(),
            node_port_addresses: Vec::new(),
            oom_score_adj: -999,
            conntrack: Conntrack::default(),
            config_sync_period: GoDuration::from_secs(15 * 60),
            port_range: String::new(),
            windows_run_as_service: false,
            kube_ipvs: KubeIpvs::default(),
        }
    }
}

impl KubeProxyConfiguration {
    /// Gives every field its default that the file has with the value for "not set", as kube-proxy does: an empty
    /// text, or zero where zero means nothing.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let defaults = KubeProxyConfiguration::default();
        self.complete_flags();
        let v4 = address::parse_ip(&self.bind_address).is_some_and(|address| address.is_ipv4());
        let (everywhere, here) = if v4 { ("0.0.0.0", "127.0.0.1") } else { ("[::]", "[::1]") };
        self.healthz_bind_address = with_port(if_empty(&self.healthz_bind_address, everywhere), HEALTHZ_PORT);
        self.metrics_bind_address = with_port(if_empty(&self.metrics_bind_address, here), METRICS_PORT);
        let connection = &mut self.client_connection;
        fill(&mut connection.content_type, &defaults.client_connection.content_type);
        if connection.qps == 0.0 {
            connection.qps = defaults.client_connection.qps;
        }
        if connection.burst == 0 {
            connection.burst = defaults.client_connection.burst;
        }
        fill(&mut self.logging.format, &defaults.logging.format);
        if self.logging.flush_frequency.0.is_zero() {
            self.logging.flush_frequency = defaults.logging.flush_frequency;
        }
        for (period, default) in [
            (&mut self.ipvs.sync_period, defaults.ipvs.sync_period),
            (&mut self.iptables.sync_period, defaults.iptables.sync_period),
            (&mut self.iptables.min_sync_period, defaults.iptables.min_sync_period),
            (&mut self.nftables.sync_period, defaults.nftables.sync_period),
            (&mut self.nftables.min_sync_period, defaults.nftables.min_sync_period),
            (&mut self.config_sync_period, defaults.config_sync_period),
        ] {
            if period.is_zero() {
                *period = default;
            }
        }
        self
    }

    /// What kube-proxy makes of flags that are given an empty value.
    pub(crate) fn complete_flags(&mut self) {
        fill(&mut self.bind_address, "0.0.0.0");
        fill(&mut self.detect_local_mode, CLUSTER_CIDR);
    }

    /// Adds the port of the deprecated flags, or takes the address away if that is 0.
    pub(crate) fn use_deprecated_ports(&mut self, healthz: Option<i64>, metrics: Option<i64>) {
        let addresses = [
            (&mut self.healthz_bind_address, healthz, HEALTHZ_PORT),
            (&mut self.metrics_bind_address, metrics, METRICS_PORT),
        ];
        for (address, given, default) in addresses {
            *address = match given {
                Some(0) => String::new(),
                Some(port) => with_port(address, port),
                None => with_port(address, default),
            };
        }
    }

    /// As JSON. What kube-proxy leaves out of a file when it is empty or false is left out here too.
    pub fn to_json(&self) -> Value {
        // Plain data with text keys; nothing in it can fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Leaves the periods of other modes out, as kube-proxy 1.36 does once it knows its mode.
    pub(crate) fn forget_other_modes(&mut self) {
        for period in [
            &mut self.iptables.sync_period,
            &mut self.iptables.min_sync_period,
            &mut self.nftables.sync_period,
            &mut self.nftables.min_sync_period,
        ] {
            *period = GoDuration::default();
        }
    }

    /// As kube-proxy writes a file: sorted, and of our own section only what differs from the defaults.
    pub fn to_yaml(&self) -> String {
        let mut json = self.to_json();
        let defaults = serde_json::to_value(KubeIpvs::default()).unwrap_or_default();
        if let Some(fields) = json.as_object_mut()
            && let Some(own) = fields.get_mut(OWN_SECTION).and_then(Value::as_object_mut)
        {
            own.retain(|name, value| defaults.get(name) != Some(value));
            if own.is_empty() {
                fields.remove(OWN_SECTION);
            }
        }
        serde_saphyr::to_string(&json).unwrap_or_default()
    }
}

fn fill(text: &mut String, default: &str) {
    if text.is_empty() {
        default.clone_into(text);
    }
}

fn if_empty<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// Adds a port to a bare address; anything else is left for the check.
fn with_port(address: &str, port: impl std::fmt::Display) -> String {
    match address::parse_ip(address.trim_matches(['[', ']'])) {
        Some(IpAddr::V4(v4)) => format!("{v4}:{port}"),
        Some(IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
