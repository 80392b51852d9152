//! The command line. The names and defaults are kube-proxy's wherever it has the flag.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dataplane::linux::DEFAULT_MAX_BOUND_ADDRESSES;
use ipnet::IpNet;
use plan::{Options, Scheduler};
use sources::duration;

/// Keeps the IPVS table of this node equal to the Services of a Kubernetes cluster.
///
/// Without a subcommand it runs until it is told to stop, and then leaves the kernel as it is, so that
/// traffic goes on.
#[derive(Debug, Parser)]
#[command(name = "kube-ipvs", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print what would be in the kernel of a node, without touching any kernel.
    Plan(PlanFlags),
    /// Print what a run would add, change and remove in this kernel; exit code 2 if there is anything.
    Diff(PlanFlags),
}

/// How the daemon runs.
#[derive(Args, Debug)]
pub(crate) struct RunFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// The name of this node, instead of its host name.
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname_override: Option<String>,
    #[command(flatten)]
    pub(crate) planning: PlanningFlags,
    #[command(flatten)]
    pub(crate) kernel: KernelFlags,
    /// How often the whole kernel state is compared with the plan. From the default upwards it is the least time
    /// between two comparisons: one that takes long is repeated only after 300 times as long, so that it does not
    /// take more than a third of a percent of a processor, but at least every hour.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub(crate) ipvs_sync_period: Duration,
    /// The least time between two changes of the kernel; changes that come in between are joined.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) ipvs_min_sync_period: Duration,
    /// Where metrics are served: an address, with port 10249 unless another one follows; nowhere if empty.
    #[arg(long, value_name = "IP[:PORT]", default_value = "127.0.0.1:10249", value_parser = BindAddress::parse)]
    pub(crate) metrics_bind_address: BindAddress,
    /// How much is logged: 0 to 3 what an operator needs, 4 and 5 every change, 6 and more everything.
    #[arg(short, long, value_name = "LEVEL", default_value_t = 0)]
    pub(crate) v: u8,
    /// The form of log lines.
    #[arg(long, value_enum, default_value_t = LoggingFormat::Text)]
    pub(crate) logging_format: LoggingFormat,
}

/// Where Services, EndpointSlices and Nodes come from.
#[derive(Args, Debug)]
pub(crate) struct SourceFlags {
    /// A folder of manifests (*.yaml, *.yml, *.json), watched for changes, instead of an API server.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["kubeconfig", "master"])]
    pub(crate) manifests: Option<PathBuf>,
    /// Credentials and address of the API server. Without this and --master, those of the pod.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Read the addresses of all nodes, so that no Service takes one of them. Every status of every node is then
    /// sent to this node; the addresses of API servers are guarded in any case.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) guard_node_addresses: bool,
    /// The API server's address, instead of the one in the kubeconfig.
    #[arg(long, value_name = "URL")]
    pub(crate) master: Option<String>,
}

/// What is planned, and how.
#[derive(Args, Debug)]
pub(crate) struct PlanningFlags {
    /// The scheduler of Services that choose none by the annotation kube-ipvs.io/scheduler.
    #[arg(long, value_name = "NAME", default_value = "rr", value_parser = scheduler)]
    pub(crate) ipvs_scheduler: Scheduler,
    /// Networks whose virtual servers are never removed.
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    pub(crate) ipvs_exclude_cidrs: Vec<IpNet>,
    /// The networks of the pods, one for each family. What comes from elsewhere to a cluster IP is masqueraded.
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub(crate) cluster_cidr: Vec<IpNet>,
    /// Masquerade everything that is sent to a cluster IP.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) masquerade_all: bool,
    /// The bit of the packet mark that asks for masquerading.
    #[arg(long, value_name = "BIT", default_value_t = Options::DEFAULT_MASQUERADE_BIT,
          value_parser = clap::value_parser!(u8).range(0..=31))]
    pub(crate) iptables_masquerade_bit: u8,
    /// The addresses that serve node ports: networks, or the word primary for the node's own; without this, all
    /// addresses of the machine.
    #[arg(long, value_name = "CIDR,...|primary", value_delimiter = ',')]
    pub(crate) nodeport_addresses: Vec<String>,
    /// What externalTrafficPolicy Local means on a node without an endpoint: strict drops what comes from
    /// outside and serves pods and this node's processes from other nodes; kube-proxy serves all of them.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = LocalTrafficPolicy::Strict)]
    pub(crate) local_traffic_policy: LocalTrafficPolicy,
    /// An address of the node, if its Node object is not known or has none.
    #[arg(long, value_name = "IP,...", value_delimiter = ',')]
    pub(crate) node_address: Vec<IpAddr>,
}

/// Settings of the kernel itself.
#[derive(Args, Debug)]
pub(crate) struct KernelFlags {
    /// How long a removed endpoint may keep its connections, unless its Service says otherwise by the annotation
    /// kube-ipvs.io/drain-timeout; 0s closes them at once.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub(crate) drain_timeout: Duration,
    /// How many IPv4 service addresses are bound to kube-ipvs0, where the kernel takes the longer for each the more
    /// there are; the others become local by routes. 0 routes all of them.
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_MAX_BOUND_ADDRESSES)]
    pub(crate) max_bound_addresses: usize,
    /// Do not answer ARP requests for service addresses.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) ipvs_strict_arp: bool,
    /// How long IPVS remembers an idle TCP connection; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) ipvs_tcp_timeout: Duration,
    /// How long IPVS remembers a TCP connection after a FIN; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) ipvs_tcpfin_timeout: Duration,
    /// How long IPVS remembers an idle UDP flow; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) ipvs_udp_timeout: Duration,
    /// Connections to track per processor; 0 leaves the kernel's limit and ignores --conntrack-min.
    #[arg(long, value_name = "NUMBER", default_value_t = 32768)]
    pub(crate) conntrack_max_per_core: u32,
    /// The least number of connections to track.
    #[arg(long, value_name = "NUMBER", default_value_t = 131_072)]
    pub(crate) conntrack_min: u32,
    /// How long an idle TCP connection is tracked; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) conntrack_tcp_timeout_established: Duration,
    /// How long a TCP connection in CLOSE_WAIT is tracked; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(crate) conntrack_tcp_timeout_close_wait: Duration,
    /// Let TCP packets outside of the window pass.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) conntrack_tcp_be_liberal: bool,
    /// How long an unanswered UDP flow is tracked; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) conntrack_udp_timeout: Duration,
    /// How long an answered UDP flow is tracked; 0s leaves the kernel's value.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) conntrack_udp_timeout_stream: Duration,
}

/// What `plan` and `diff` are about.
#[derive(Args, Debug)]
pub(crate) struct PlanFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// The node whose kernel is meant.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    #[command(flatten)]
    pub(crate) planning: PlanningFlags,
    /// The addresses of the node's interfaces. Without this, diff asks the kernel, and plan takes those of the
    /// Node object.
    #[arg(long, value_name = "IP,...", value_delimiter = ',')]
    pub(crate) host_address: Vec<IpAddr>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// An address to listen on, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindAddress(pub(crate) Option<SocketAddr>);

/// What policy Local means on a node without an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LocalTrafficPolicy {
    /// Nothing from outside.
    Strict,
    /// Everything, as kube-proxy does in IPVS mode.
    KubeProxy,
}

/// A form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoggingFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// As ipvsadm, ipset, ip and iptables-save print it.
    Text,
    /// One JSON object.
    Json,
}

// === impl BindAddress ===

impl BindAddress {
    /// The port of kube-proxy's metrics.
    const METRICS_PORT: u16 = 10249;

    fn parse(text: &str) -> Result<BindAddress, String> {
        if text.is_empty() {
            return Ok(BindAddress(None));
        }
        let bare = || text.parse().map(|ip: IpAddr| SocketAddr::new(ip, BindAddress::METRICS_PORT));
        let address = text.parse().or_else(|_| bare());
        address
            .map(|address| BindAddress(Some(address)))
            .map_err(|_| format!("{text:?} is no address such as 127.0.0.1 or [::1]:10249"))
    }
}

fn scheduler(name: &str) -> Result<Scheduler, String> {
    // kube-proxy takes an empty name for its default.
    if name.is_empty() {
        return Ok(Scheduler::default());
    }
    name.parse().map_err(|unknown: plan::scheduler::UnknownScheduler| unknown.to_string())
}

#[cfg(test)]
mod tests;
