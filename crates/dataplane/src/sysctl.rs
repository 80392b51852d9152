//! The kernel settings that service traffic depends on, as kube-proxy sets them.

use std::collections::BTreeSet;

use crate::{Foundation, Kernel, Repaired, Report};

/// A setting and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// The path below `/proc/sys`.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Whether service traffic fails without it. The others make a node behave better, and may be read-only
    /// in a container or a network namespace.
    pub needed: bool,
    /// Whether a greater value does as well.
    pub least: bool,
}

/// What the operator chose about connection tracking and ARP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// `--ipvs-strict-arp`: do not answer ARP for addresses of `kube-ipvs0`.
    pub strict_arp: bool,
    /// `net.netfilter.nf_conntrack_max`; absent: leave it.
    pub conntrack_max: Option<u32>,
    /// `--conntrack-tcp-timeout-established` in seconds; absent: leave it.
    pub tcp_established: Option<u32>,
    /// `--conntrack-tcp-timeout-close-wait` in seconds; absent: leave it.
    pub tcp_close_wait: Option<u32>,
    /// `--conntrack-tcp-be-liberal`.
    pub tcp_be_liberal: bool,
    /// `--conntrack-udp-timeout` in seconds; absent: leave it.
    pub udp: Option<u32>,
    /// `--conntrack-udp-timeout-stream` in seconds; absent: leave it.
    pub udp_stream: Option<u32>,
}

/// How many tracked connections may share a bucket of the hash table.
const CONNECTIONS_PER_BUCKET: u32 = 4;

// === impl Sysctl ===

impl Sysctl {
    /// Whether the kernel has the value already. One that cannot be read counts as different.
    pub fn is_set(&self, kernel: &mut impl Kernel) -> bool {
        match kernel.sysctl(self.name) {
            Some(found) if self.least => {
                let [found, least] = [&found, &self.value].map(|value| value.parse::<u64>().ok());
                found.is_some() && found >= least
            }
            Some(found) => found == self.value,
            None => false,
        }
    }
}

/// The name of a setting as sysctl(8) and its files have it. Nothing in ours has a dot of its own.
pub(crate) fn dotted(path: &str) -> String {
    path.trim_start_matches("/proc/sys/").replace('/', ".")
}

/// The settings for `choices` on a kernel of this release (`/proc/sys/kernel/osrelease`).
pub fn sysctls(choices: &Choices, kernel_release: &str) -> Vec<Sysctl> {
    let needed = |name, value: u32| Sysctl { name, value: value.to_string(), needed: true, least: false };
    let mut sysctls = vec![
        needed("net/ipv4/vs/conntrack", 1),
        needed("net/ipv4/vs/expire_nodest_conn", 1),
        needed("net/ipv4/vs/expire_quiescent_template", 1),
        needed("net/ipv4/ip_forward", 1),
    ];
    if wants_no_connection_reuse(kernel_release) {
        sysctls.push(needed("net/ipv4/vs/conn_reuse_mode", 0));
    }
    if choices.strict_arp {
        sysctls.push(needed("net/ipv4/conf/all/arp_ignore", 1));
        sysctls.push(needed("net/ipv4/conf/all/arp_announce", 2));
    }
    let wished = [
        ("net/netfilter/nf_conntrack_max", choices.conntrack_max),
        ("net/netfilter/nf_conntrack_tcp_timeout_established", choices.tcp_established),
        ("net/netfilter/nf_conntrack_tcp_timeout_close_wait", choices.tcp_close_wait),
        ("net/netfilter/nf_conntrack_tcp_be_liberal", choices.tcp_be_liberal.then_some(1)),
        ("net/netfilter/nf_conntrack_udp_timeout", choices.udp),
        ("net/netfilter/nf_conntrack_udp_timeout_stream", choices.udp_stream),
    ];
    for (name, value) in wished {
        let wish = |value: u32| Sysctl { name, value: value.to_string(), needed: false, least: false };
        sysctls.extend(value.map(wish));
    }
    // The hash table of connections grows with their number, as kube-proxy lets it by a file in /sys.
    sysctls.extend(choices.conntrack_max.map(|max| Sysctl {
        name: "net/netfilter/nf_conntrack_buckets",
        value: (max / CONNECTIONS_PER_BUCKET).to_string(),
        needed: false,
        least: true,
    }));
    sysctls
}

/// Keeps the settings that service traffic needs, and sets the others once, as kube-proxy does: whoever changes one of
/// those later, because a table is full for instance, knows why.
#[derive(Debug)]
pub(crate) struct Sysctls {
    wanted: Vec<Sysctl>,
    /// Names of those that have had their turn and are left alone since.
    settled: BTreeSet<&'static str>,
}

// === impl Sysctls ===

impl Sysctls {
    pub(crate) fn new(wanted: Vec<Sysctl>) -> Self {
        Sysctls { wanted, settled: BTreeSet::new() }
    }

    /// Those that have another value, without the ones that are left alone.
    pub(crate) fn different(&self, kernel: &mut impl Kernel) -> Vec<Sysctl> {
        let kept = self.wanted.iter().filter(|sysctl| !self.settled.contains(sysctl.name));
        kept.filter(|sysctl| !sysctl.is_set(kernel)).cloned().collect()
    }

    /// Sets what differs. One that fails does not stop the others.
    pub(crate) fn enforce(&mut self, kernel: &mut impl Kernel, report: &mut Report) {
        for sysctl in self.different(kernel) {
            match kernel.set_sysctl(sysctl.name, &sysctl.value) {
                Ok(()) => {
                    let text = format!("sysctl {} set to {}", dotted(sysctl.name), sysctl.value);
                    report.repaired.push(Repaired::new(Foundation::Sysctl, text));
                }
                Err(error) if sysctl.needed => report.errors.push(error),
                Err(error) => report.limitations.push(error),
            }
        }
        let wished = self.wanted.iter().filter(|sysctl| !sysctl.needed);
        self.settled.extend(wished.map(|sysctl| sysctl.name));
    }
}

/// From 4.1 on a reused port could delay a connection by a second unless reuse detection is off; 5.9 mended
/// that, and there the setting does harm when real servers drain (kubernetes#81775, #93297).
fn wants_no_connection_reuse(kernel_release: &str) -> bool {
    let mut numbers = kernel_release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => ((4, 1)..(5, 9)).contains(&(major, minor)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_reuse_is_left_alone_from_5_9_on() {
        for (release, expected) in [
            ("4.0.9", false),
            ("4.1.0", true),
            ("5.8.18-generic", true),
            ("5.9.0", false),
            ("6.1.0-28-amd64", false),
            ("unreadable", false),
        ] {
            assert_eq!(wants_no_connection_reuse(release), expected, "{release}");
        }
    }
}
