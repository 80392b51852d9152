//! From the configuration to what the rooms below take.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use config::Configuration;
use config::configuration::{Conntrack, LocalMode, LocalTrafficPolicy, NodePortAddresses};
use dataplane::linux::Machine;
use dataplane::sysctl::{self, Choices};
use dataplane::{Settings, Timeouts};
use model::{Family, PerFamily};
use plan::{LocalDetector, LocalPolicy, Options, Scheduler};
use sources::kubernetes::Encoding;

use crate::daemon::Periods;

/// Above this kube-proxy does not raise `nf_conntrack_max` by itself.
const LARGEST_CONNTRACK_MAX: u32 = 1_048_576;

/// What planning depends on, for a node that serves `families`.
pub(crate) fn planning_options(
    configuration: &Configuration,
    families: BTreeSet<Family>,
    bridge_netfilter: bool,
) -> Options {
    Options {
        scheduler: scheduler(configuration),
        unavailable: BTreeSet::new(),
        families,
        external_ips: configuration.serve_external_ips,
        masquerade_all: configuration.masquerade_all,
        masquerade_mark: 1 << configuration.masquerade_bit,
        local_detector: local_detector(&configuration.local_mode),
        exclude_cidrs: configuration.exclude_cidrs.clone(),
        node_port_addresses: match &configuration.node_port_addresses {
            NodePortAddresses::All => plan::NodePortAddresses::All,
            NodePortAddresses::Primary => plan::NodePortAddresses::Primary,
            NodePortAddresses::Networks(networks) => plan::NodePortAddresses::Networks(networks.clone()),
        },
        local_policy: match configuration.own.local_traffic_policy {
            LocalTrafficPolicy::Strict => LocalPolicy::Strict,
            LocalTrafficPolicy::KubeProxy => LocalPolicy::KubeProxy,
        },
        host_addresses: BTreeSet::new(),
        bridge_netfilter,
    }
}

/// What the kernel of this machine is to be set to.
pub(crate) fn settings(configuration: &Configuration, machine: &Machine) -> Settings {
    let conntrack = &configuration.conntrack;
    let choices = Choices {
        strict_arp: configuration.strict_arp,
        conntrack_max: conntrack_max(conntrack, machine.processors),
        tcp_established: seconds(conntrack.tcp_established_timeout),
        tcp_close_wait: seconds(conntrack.tcp_close_wait_timeout),
        tcp_be_liberal: conntrack.tcp_be_liberal,
        udp: seconds(conntrack.udp_timeout),
        udp_stream: seconds(conntrack.udp_stream_timeout),
    };
    let [tcp, tcp_fin, udp] = configuration.ipvs_timeouts.map(|timeout| seconds(timeout).unwrap_or_default());
    Settings {
        sysctls: sysctl::sysctls(&choices, &machine.kernel_release),
        timeouts: Timeouts { tcp, tcp_fin, udp },
        drain_limit: configuration.own.drain_timeout,
    }
}

/// How often things are done.
pub(crate) fn periods(configuration: &Configuration) -> Periods {
    Periods { audit: configuration.sync_period, changes: configuration.min_sync_period }
}

/// The API server, as the node `node_name` asks it.
pub(crate) fn api_server(configuration: &Configuration, node_name: &str) -> sources::kubernetes::Config {
    let server = &configuration.api_server;
    sources::kubernetes::Config {
        kubeconfig: server.kubeconfig.clone(),
        master: server.master.clone(),
        all_nodes: configuration.own.guard_node_addresses,
        encoding: Encoding::named(&server.content_types),
        ..sources::kubernetes::Config::in_cluster(node_name)
    }
}

/// The name of this node: what was given, else the host name; both as Kubernetes has them.
///
/// # Errors
/// If the name given is blank, or the host name cannot be read.
pub(crate) fn node_name(given: Option<&str>) -> anyhow::Result<String> {
    let name = match given {
        Some(given) => given.to_owned(),
        None => nix::unistd::gethostname()
            .context("the host name cannot be read; name this node with --hostname-override")?
            .to_string_lossy()
            .into_owned(),
    };
    ::config::node_name(&name).context("the node's name is empty; give one with --hostname-override")
}

/// The scheduler of Services that choose none.
pub(crate) fn scheduler(configuration: &Configuration) -> Scheduler {
    // The name is empty, or one that was accepted when the configuration was loaded.
    configuration.scheduler.parse().unwrap_or_default()
}

/// Accepts the names of schedulers that there are.
///
/// # Errors
/// If there is none of that name: which there are.
pub(crate) fn check_scheduler(name: &str) -> Result<(), String> {
    name.parse::<Scheduler>().map(drop).map_err(|unknown| unknown.to_string())
}

fn local_detector(mode: &LocalMode) -> PerFamily<Option<LocalDetector>> {
    let both = |detector: LocalDetector| PerFamily { v4: Some(detector.clone()), v6: Some(detector) };
    match mode {
        LocalMode::ClusterCidr(networks) => {
            let detector = |family| networks.get(family).map(LocalDetector::Cidr);
            PerFamily { v4: detector(Family::V4), v6: detector(Family::V6) }
        }
        // It follows from the Node.
        LocalMode::NodeCidr => PerFamily::default(),
        LocalMode::BridgeInterface(name) => both(LocalDetector::Interface(name.clone())),
        LocalMode::InterfaceNamePrefix(prefix) => both(LocalDetector::InterfacePrefix(prefix.clone())),
    }
}

fn conntrack_max(conntrack: &Conntrack, processors: u32) -> Option<u32> {
    if conntrack.max_per_core == 0 {
        return None;
    }
    let scaled = conntrack.max_per_core.saturating_mul(processors);
    // kube-proxy 1.36 lets the bound win even over a larger minimum.
    Some(if scaled > LARGEST_CONNTRACK_MAX { LARGEST_CONNTRACK_MAX } else { scaled.max(conntrack.min) })
}

/// Whole seconds; none for zero, which leaves the kernel's value.
fn seconds(duration: Duration) -> Option<u32> {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    (seconds > 0).then_some(seconds)
}

#[cfg(test)]
mod tests;
