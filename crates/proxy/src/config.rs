//! From the configuration to what the rooms below take.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use config::Configuration;
use config::configuration::{Conntrack, LocalMode, LocalTrafficPolicy, NodePortAddresses};
use dataplane::Settings;
use dataplane::sysctl::{self, Choices};
use model::{Family, PerFamily};
use plan::{LocalDetector, LocalPolicy, Options, Scheduler};

use crate::daemon::Periods;

/// Above this kube-proxy does not raise `nf_conntrack_max` by itself.
const LARGEST_CONNTRACK_MAX: u32 = 1_048_576;

/// What planning depends on, for a node that serves `families`.
///
/// # Errors
/// If there is no such scheduler.
pub(crate) fn planning_options(
    configuration: &Configuration,
    families: BTreeSet<Family>,
    bridge_netfilter: bool,
) -> anyhow::Result<Options> {
    Ok(Options {
        scheduler: scheduler(&configuration.scheduler)?,
        unavailable: BTreeSet::new(),
        families,
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
    })
}

/// What the kernel is to be set to, on a kernel of this release.
pub(crate) fn settings(configuration: &Configuration, kernel_release: &str) -> Settings {
    let conntrack = &configuration.conntrack;
    let choices = Choices {
        strict_arp: configuration.strict_arp,
        conntrack_max: conntrack_max(conntrack),
        tcp_established: seconds(conntrack.tcp_established_timeout),
        tcp_close_wait: seconds(conntrack.tcp_close_wait_timeout),
        tcp_be_liberal: conntrack.tcp_be_liberal,
        udp: seconds(conntrack.udp_timeout),
        udp_stream: seconds(conntrack.udp_stream_timeout),
    };
    Settings {
        sysctls: sysctl::sysctls(&choices, kernel_release),
        timeouts: configuration.ipvs_timeouts.map(|timeout| seconds(timeout).unwrap_or_default()),
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
        ..sources::kubernetes::Config::in_cluster(node_name)
    }
}

/// The family that counts first, as far as it is known before the Node is: that of `bindAddress`, else IPv4 if it is
/// served.
pub(crate) fn primary_family(configuration: &Configuration, families: &BTreeSet<Family>) -> Family {
    match configuration.bind_address {
        address if !address.is_unspecified() => Family::of(&address),
        _ => families.first().copied().unwrap_or(Family::V4),
    }
}

/// Sees to it that the node's own address is of a family that it serves.
///
/// # Errors
/// If `bindAddress` is of another family.
pub(crate) fn check_bind_address(
    configuration: &Configuration,
    families: &BTreeSet<Family>,
) -> anyhow::Result<()> {
    let address = configuration.bind_address;
    let family = Family::of(&address);
    if !address.is_unspecified() && !families.contains(&family) {
        bail!(
            "bindAddress (--bind-address) {address} makes {family} the node's first family, which cannot be served here \
             for the reason in the line before; put that right, or leave bindAddress out"
        );
    }
    Ok(())
}

/// The name of this node: what was given, else the host name; both in lower case without white space.
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
    let name = name.trim().to_lowercase();
    if name.is_empty() {
        bail!("the node's name is empty; give one with --hostname-override");
    }
    Ok(name)
}

/// The scheduler of Services that choose none.
///
/// # Errors
/// If there is none of that name.
pub(crate) fn scheduler(name: &str) -> anyhow::Result<Scheduler> {
    // kube-proxy takes an empty name for its default.
    if name.is_empty() {
        return Ok(Scheduler::default());
    }
    name.parse().map_err(|unknown: plan::scheduler::UnknownScheduler| {
        anyhow!("ipvs.scheduler (--ipvs-scheduler): {unknown}")
    })
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

fn conntrack_max(conntrack: &Conntrack) -> Option<u32> {
    if conntrack.max_per_core == 0 {
        return None;
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let processors = u32::try_from(processors).unwrap_or(u32::MAX);
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
