//! From flags to what the rooms below take: checked once, trusted afterwards.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context as _, bail};
use dataplane::Settings;
use dataplane::sysctl::{self, Choices};
use ipnet::IpNet;
use model::{Family, Node, PerFamily};
use plan::{LocalDetector, LocalPolicy, NodePortAddresses, Options};

use crate::flags::{KernelFlags, LocalTrafficPolicy, PlanningFlags};

/// Above this kube-proxy does not raise `nf_conntrack_max` by itself.
const LARGEST_CONNTRACK_MAX: u32 = 1_048_576;

/// What planning depends on, for a node that serves `families`.
///
/// # Errors
/// If flags contradict each other.
pub(crate) fn planning_options(
    flags: &PlanningFlags,
    families: BTreeSet<Family>,
    bridge_netfilter: bool,
) -> anyhow::Result<Options> {
    Ok(Options {
        scheduler: flags.ipvs_scheduler,
        unavailable: BTreeSet::new(),
        families,
        masquerade_all: flags.masquerade_all,
        masquerade_mark: 1 << flags.iptables_masquerade_bit,
        local_detector: local_detector(&flags.cluster_cidr)?,
        exclude_cidrs: flags.ipvs_exclude_cidrs.clone(),
        node_port_addresses: node_port_addresses(&flags.nodeport_addresses)?,
        local_policy: match flags.local_traffic_policy {
            LocalTrafficPolicy::Strict => LocalPolicy::Strict,
            LocalTrafficPolicy::KubeProxy => LocalPolicy::KubeProxy,
        },
        host_addresses: BTreeSet::new(),
        bridge_netfilter,
    })
}

/// What the kernel is to be set to, on a kernel of this release.
pub(crate) fn settings(flags: &KernelFlags, kernel_release: &str) -> Settings {
    let choices = Choices {
        strict_arp: flags.ipvs_strict_arp,
        conntrack_max: conntrack_max(flags),
        tcp_established: seconds(flags.conntrack_tcp_timeout_established),
        tcp_close_wait: seconds(flags.conntrack_tcp_timeout_close_wait),
        tcp_be_liberal: flags.conntrack_tcp_be_liberal,
        udp: seconds(flags.conntrack_udp_timeout),
        udp_stream: seconds(flags.conntrack_udp_timeout_stream),
    };
    let timeouts = [flags.ipvs_tcp_timeout, flags.ipvs_tcpfin_timeout, flags.ipvs_udp_timeout];
    Settings {
        sysctls: sysctl::sysctls(&choices, kernel_release),
        timeouts: timeouts.map(|timeout| seconds(timeout).unwrap_or_default()),
        drain_limit: flags.drain_timeout,
    }
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

/// A node as the flags describe it, for as long as no Node object does.
pub(crate) fn node_from_flags(name: &str, flags: &PlanningFlags) -> Node {
    Node { internal_addresses: flags.node_address.clone(), ..Node::named(name) }
}

fn node_port_addresses(words: &[String]) -> anyhow::Result<NodePortAddresses> {
    let words: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => Ok(NodePortAddresses::All),
        ["primary"] => Ok(NodePortAddresses::Primary),
        words => {
            words.iter().map(|word| network(word)).collect::<Result<_, _>>().map(NodePortAddresses::Networks)
        }
    }
}

fn network(text: &str) -> anyhow::Result<IpNet> {
    if text == "primary" {
        bail!("--nodeport-addresses takes either networks or the word primary, not both");
    }
    let network: IpNet = text
        .parse()
        .with_context(|| format!("--nodeport-addresses: {text:?} is no network such as 10.0.0.0/8"))?;
    Ok(network.trunc())
}

fn local_detector(cidrs: &[IpNet]) -> anyhow::Result<PerFamily<Option<LocalDetector>>> {
    let mut detector: PerFamily<Option<LocalDetector>> = PerFamily::default();
    for cidr in cidrs {
        let slot = detector.get_mut(Family::of(&cidr.addr()));
        if slot.is_some() {
            bail!("--cluster-cidr has two networks of one family; it takes one, or one for each family");
        }
        *slot = Some(LocalDetector::Cidr(cidr.trunc()));
    }
    Ok(detector)
}

fn conntrack_max(flags: &KernelFlags) -> Option<u32> {
    if flags.conntrack_max_per_core == 0 {
        return None;
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let processors = u32::try_from(processors).unwrap_or(u32::MAX);
    let scaled = flags.conntrack_max_per_core.saturating_mul(processors);
    // kube-proxy 1.36 lets the bound win even over a larger minimum.
    Some(if scaled > LARGEST_CONNTRACK_MAX { LARGEST_CONNTRACK_MAX } else { scaled.max(flags.conntrack_min) })
}

/// Whole seconds; none for zero, which leaves the kernel's value.
fn seconds(duration: Duration) -> Option<u32> {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    (seconds > 0).then_some(seconds)
}

#[cfg(test)]
mod tests;
