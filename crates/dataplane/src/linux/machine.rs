//! What this machine is and can serve.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use model::{Family, PerFamily};

use super::{programs, sysctl_path, usability};
use crate::Error;

/// What the kernel's settings depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The kernel's release, such as `6.1.0-28-amd64`; empty if it cannot be read.
    pub kernel_release: String,
    /// How many processors are online, however few of them this process may use.
    pub processors: u32,
}

/// What becomes of tables of iptables that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// They may be missing.
    Found,
    /// They are made, since a kernel may have a family but no `nat` for it (kubernetes#99031).
    Needed,
}

/// The tables that rules stand in.
const TABLES: [&str; 3] = ["*filter", "*nat", "*mangle"];

/// Where the kernel says which processors are online: `0-3,8`.
const PROCESSORS: &str = "/sys/devices/system/cpu/online";

// === impl Machine ===

impl Machine {
    /// Looks at the machine that this runs on.
    pub fn observe() -> Self {
        let online = fs::read_to_string(PROCESSORS).ok().and_then(|list| count(&list));
        // What this process may use is less in a container with a limit, and what kube-proxy took by mistake until
        // kubernetes#99225.
        let usable = || thread::available_parallelism().map_or(1, NonZero::get);
        Machine {
            kernel_release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            processors: online.unwrap_or_else(|| u32::try_from(usable()).unwrap_or(u32::MAX)),
        }
    }
}

/// How many there are in a list of ranges; none if it is no such list.
fn count(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0_u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let [first, last] = [first.parse::<u32>().ok()?, last.parse::<u32>().ok()?];
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// What `iptables-save` and `ip6tables-save` print, for the families that this node can serve: those whose addresses
/// the kernel and its IPVS have and whose rules can be read, and, if they are needed, all of whose tables can be had.
pub fn rules_by_family(tables: Tables) -> PerFamily<Result<String, Error>> {
    let v6 = || {
        if !has_ipv6() {
            return Err(Error::NoIpv6 { reason: "this kernel has none" });
        }
        if is_disabled("net/ipv6/conf/all/disable_ipv6") {
            return Err(Error::NoIpv6 { reason: "the sysctl net.ipv6.conf.all.disable_ipv6 is 1" });
        }
        let asked = usability::open_ipvs()?.has(netlink::ipvs::Family::Inet6);
        if !asked.map_err(Error::netlink("asking IPVS for IPv6"))? {
            return Err(Error::NoIpv6 { reason: "this kernel's IPVS has none (CONFIG_IP_VS_IPV6)" });
        }
        rules(Family::V6, tables)
    };
    // At the same time: this is a good part of what a start takes.
    thread::scope(|scope| {
        let v6 = scope.spawn(v6);
        let v4 = rules(Family::V4, tables);
        PerFamily { v4, v6: v6.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) }
    })
}

fn rules(family: Family, tables: Tables) -> Result<String, Error> {
    let saved = programs::save(family)?;
    let is_there = |table: &&str| saved.lines().any(|line| line == *table);
    if tables == Tables::Needed && !TABLES.iter().all(is_there) {
        let empty: String = TABLES.iter().map(|table| format!("{table}\nCOMMIT\n")).collect();
        programs::restore(family, &empty)?;
    }
    Ok(saved)
}

pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

fn is_disabled(sysctl: &str) -> bool {
    fs::read_to_string(sysctl_path(sysctl)).is_ok_and(|value| value.trim() == "1")
}

/// Whether packets of bridges pass iptables here (`br_netfilter` is loaded).
pub fn has_bridge_netfilter() -> bool {
    Path::new("/proc/sys/net/bridge").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_by_ranges() {
        for (list, expected) in [
            ("0\n", Some(1)),
            ("0-63\n", Some(64)),
            ("0-3,8,10-11", Some(7)),
            ("", None),
            ("all", None),
            ("3-0", None),
            ("0-4294967295", None),
        ] {
            assert_eq!(count(list), expected, "{list:?}");
        }
    }
}
