//! Whether this process can do here what it is for, found out before it begins. What is missing is loaded where that
//! is possible; otherwise the error says what it is and how to get it.

use std::fs;
use std::path::Path;

use netlink::ipset::Ipset;
use netlink::ipvs::{Ipvs, Request, VirtualServerConfig, VirtualServerId};
use netlink::{Errno, Outcome};
use plan::Scheduler;

use crate::error::{Error, ModuleError};

use super::programs;

/// The capabilities without which nothing works: their bits, names, and what they are for.
const CAPABILITIES: [(u32, &str, &str); 2] = [
    (12, "CAP_NET_ADMIN", "IPVS, sets, addresses and rules"),
    (13, "CAP_NET_RAW", "rules that ask sets, for which iptables opens a raw socket"),
];

/// The virtual server with which kube-proxy tries a scheduler, too: at an address for documentation (RFC 5737).
const TRIAL: VirtualServerId = VirtualServerId::Address {
    protocol: 6,
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 0)),
    port: 20_000,
};

/// Checks what only a start can put right: capabilities, IPVS, ipset, and the scheduler of Services that choose none.
///
/// # Errors
/// [`Error::Capabilities`], [`Error::NoIpvs`], [`Error::NoIpset`] or [`Error::NoScheduler`]; or if the kernel cannot be
/// asked.
pub fn check(scheduler: Scheduler) -> Result<(), Error> {
    check_privileges()?;
    let mut ipvs = open_ipvs()?;
    open_ipset()?;
    check_scheduler(&mut ipvs, scheduler)
}

/// Checks that this process may change what a proxy changes.
///
/// # Errors
/// [`Error::Capabilities`].
pub fn check_privileges() -> Result<(), Error> {
    check_capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

/// Loads the module that settings of conntrack depend on. Others are loaded where they turn out to be missing.
pub fn load_conntrack() {
    if !is_loaded("nf_conntrack") {
        // What it is needed for fails with the reason, if it cannot be had in another way either.
        let _ = programs::load_module("nf_conntrack");
    }
}

/// IPVS of the calling thread's network namespace.
pub(super) fn open_ipvs() -> Result<Ipvs, Error> {
    open_or_load("opening IPVS", Ipvs::open, "ip_vs", |tried| Error::NoIpvs { tried })
}

/// The sets of the calling thread's network namespace.
pub(super) fn open_ipset() -> Result<Ipset, Error> {
    open_or_load("opening ipset", Ipset::open, "ip_set", |tried| Error::NoIpset { tried })
}

/// Whether the kernel has not what was to be opened: IPVS answers with no family, ipset with EINVAL.
pub(super) fn is_missing(error: &netlink::Error) -> bool {
    use netlink::Error::{FamilyMissing, Kernel};
    matches!(error, FamilyMissing { .. } | Kernel { errno: Errno::EINVAL, .. })
}

/// Opens a part of the kernel, for which its module is loaded if need be. What was said to that in vain is in the
/// error.
fn open_or_load<T>(
    what: &'static str,
    open: impl Fn() -> Result<T, netlink::Error>,
    module: &str,
    missing: impl FnOnce(ModuleError) -> Error,
) -> Result<T, Error> {
    let opened = open();
    if !opened.as_ref().is_err_and(is_missing) {
        return opened.map_err(Error::netlink(what));
    }
    let tried = programs::load_module(module);
    match open() {
        Err(error) if is_missing(&error) => Err(missing(tried.err().unwrap_or(ModuleError::InVain))),
        opened => opened.map_err(Error::netlink(what)),
    }
}

/// Makes a virtual server with the scheduler and deletes it, unless its module is loaded or a virtual server has it.
fn check_scheduler(ipvs: &mut Ipvs, scheduler: Scheduler) -> Result<(), Error> {
    let module = format!("ip_vs_{}", scheduler.name());
    if is_loaded(&module) {
        return Ok(());
    }
    let servers = ipvs.virtual_servers().map_err(Error::netlink("listing virtual servers"))?;
    if servers.iter().any(|server| server.scheduler == scheduler.name()) {
        return Ok(());
    }
    if !lacks_scheduler(&try_scheduler(ipvs, scheduler)?) {
        return Ok(());
    }
    let tried = programs::load_module(&module);
    match lacks_scheduler(&try_scheduler(ipvs, scheduler)?) {
        true => {
            let tried = tried.err().unwrap_or(ModuleError::InVain);
            Err(Error::NoScheduler { scheduler: scheduler.name(), module, tried })
        }
        false => Ok(()),
    }
}

fn try_scheduler(ipvs: &mut Ipvs, scheduler: Scheduler) -> Result<Outcome, Error> {
    let trial = VirtualServerConfig {
        id: TRIAL,
        scheduler: scheduler.name().to_owned(),
        flags: 0,
        timeout: 0,
        netmask: u32::MAX,
        persistence_engine: None,
    };
    let requests = [Request::AddVirtualServer(trial), Request::DeleteVirtualServer(TRIAL)];
    let outcomes = ipvs.apply(&requests).map_err(Error::netlink("trying the scheduler"))?;
    Ok(outcomes.into_iter().next().unwrap_or(Ok(())))
}

/// IPVS answers ENOENT when it has no scheduler of the name and cannot load its module.
fn lacks_scheduler(outcome: &Outcome) -> bool {
    outcome.as_ref().is_err_and(|refused| refused.errno == Errno::ENOENT)
}

/// Finds the capabilities that are missing in `/proc/self/status`. One that does not tell passes.
fn check_capabilities(status: &str) -> Result<(), Error> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    let lacks = |bit: u32| effective.is_some_and(|effective| effective & (1 << bit) == 0);
    let missing = CAPABILITIES.into_iter().filter(|(bit, ..)| lacks(*bit));
    let missing: Vec<String> = missing.map(|(_, name, purpose)| format!("{name} ({purpose})")).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::Capabilities { missing: missing.join(" and ") }),
    }
}

/// Whether a module is loaded, or built in and shown.
fn is_loaded(module: &str) -> bool {
    Path::new("/sys/module").join(module).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, expected: &str) {
        let found = check_capabilities(status).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{status:?}: {found}");
    }

    #[test]
    fn missing_capabilities_are_named() {
        check("CapEff:\t000001ffffffffff\n", "");
        check("CapEff:\t0000000000003000\n", "");
        check("CapEff:\t0000000000001000\n", "lacks CAP_NET_RAW (rules");
        check(
            "CapEff:\t0000000000000000\n",
            "lacks CAP_NET_ADMIN (IPVS, sets, addresses and rules) and CAP_NET_RAW",
        );
        check("", "");
    }
}
