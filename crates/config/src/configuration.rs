//! A configuration that has been checked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use model::PerFamily;

use crate::KubeProxyConfiguration;

/// What the operator asked for, as [`crate::load()`] has checked it. Whether it fits the families of the node,
/// [`crate::families::check`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// The same as a file: what `--write-config-to` writes and `/configz` shows.
    pub document: KubeProxyConfiguration,
    /// `hostnameOverride`: the name of the node in lower case and without white space, if one is given.
    pub hostname_override: Option<String>,
    /// Where the API server is.
    pub api_server: ApiServer,
    /// `bindAddress`: the node's own address; unspecified if it is not to be overridden.
    pub bind_address: IpAddr,
    /// `healthzBindAddress`; none to serve no health checks.
    pub healthz_address: Option<SocketAddr>,
    /// `metricsBindAddress`; none to serve no metrics.
    pub metrics_address: Option<SocketAddr>,
    /// `bindAddressHardFail`: end if one of the two cannot be had.
    pub bind_address_hard_fail: bool,
    /// `ipvs.syncPeriod`: between two comparisons of the whole kernel state; more than 0, at most a year.
    pub sync_period: Duration,
    /// `ipvs.minSyncPeriod`: the least between two changes of the kernel; at most the former.
    pub min_sync_period: Duration,
    /// `ipvs.scheduler`: a name that [`crate::load()`] was told to accept; empty for the default.
    pub scheduler: String,
    /// `ipvs.excludeCIDRs`
    pub exclude_cidrs: Vec<IpNet>,
    /// The feature gate `AllowServiceExternalIPs`
    pub serve_external_ips: bool,
    /// `iptables.masqueradeAll`
    pub masquerade_all: bool,
    /// `iptables.masqueradeBit`, 0 to 31
    pub masquerade_bit: u8,
    /// `detectLocalMode` with what it needs
    pub local_mode: LocalMode,
    /// `nodePortAddresses`
    pub node_port_addresses: NodePortAddresses,
    /// `ipvs.strictARP`
    pub strict_arp: bool,
    /// `ipvs.tcpTimeout`, `tcpFinTimeout` and `udpTimeout`; zero leaves the kernel's.
    pub ipvs_timeouts: [Duration; 3],
    /// `conntrack`
    pub conntrack: Conntrack,
    /// `oomScoreAdj`, -1000 to 1000
    pub oom_score_adj: i32,
    /// `logging.verbosity`
    pub verbosity: u32,
    /// `logging.format`
    pub log_format: LogFormat,
    /// `kubeIpvs`
    pub own: Own,
}

/// Where the API server is, and in which form it is asked. Without kubeconfig and URL it is that of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiServer {
    /// `clientConnection.kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--master`
    pub master: Option<String>,
    /// The content types of answers, in order: `clientConnection.acceptContentTypes`, else
    /// `clientConnection.contentType`.
    pub content_types: String,
}

/// How traffic of this node's pods is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalMode {
    /// By its source address in one of these networks.
    ClusterCidr(PerFamily<Option<IpNet>>),
    /// By its source address in one of the Node's `podCIDRs`.
    NodeCidr,
    /// By the interface that it enters by.
    BridgeInterface(String),
    /// By the beginning of the name of the interface that it enters by.
    InterfaceNamePrefix(String),
}

/// Which addresses of the machine serve node ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodePortAddresses {
    /// All.
    All,
    /// The node's own.
    Primary,
    /// Those in these networks.
    Networks(Vec<IpNet>),
}

/// `conntrack`: how the kernel tracks connections. A time of zero leaves the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conntrack {
    /// `maxPerCore`; 0 leaves the kernel's limit.
    pub max_per_core: u32,
    /// `min`
    pub min: u32,
    /// `tcpEstablishedTimeout`
    pub tcp_established_timeout: Duration,
    /// `tcpCloseWaitTimeout`
    pub tcp_close_wait_timeout: Duration,
    /// `tcpBeLiberal`
    pub tcp_be_liberal: bool,
    /// `udpTimeout`
    pub udp_timeout: Duration,
    /// `udpStreamTimeout`
    pub udp_stream_timeout: Duration,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `kubeIpvs`: what kube-proxy does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// `drainTimeout`
    pub drain_timeout: Duration,
    /// `localTrafficPolicy`
    pub local_traffic_policy: LocalTrafficPolicy,
    /// `guardNodeAddresses`
    pub guard_node_addresses: bool,
    /// `nodeAddresses`
    pub node_addresses: Vec<IpAddr>,
    /// `maxBoundAddresses`
    pub max_bound_addresses: usize,
    /// `maxServiceMetrics`; 0 for no metrics of single Services.
    pub max_service_metrics: usize,
}

/// What policy Local means on a node without an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTrafficPolicy {
    /// Nothing from outside is served.
    Strict,
    /// Everything is, as kube-proxy does in IPVS mode.
    KubeProxy,
}
