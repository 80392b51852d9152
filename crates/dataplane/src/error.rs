//! What can go wrong between the plan and the kernel, beyond a refused element.

use std::io;
use std::path::PathBuf;

/// A failure of a whole call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no IPVS.
    #[error(
        "this kernel offers no IPVS ({source}): run 'modprobe ip_vs' (the proxy itself needs CAP_SYS_MODULE \
         and /lib/modules for that), or use a kernel that has CONFIG_IP_VS"
    )]
    NoIpvs {
        /// What the kernel said.
        source: netlink::Error,
    },
    /// A netlink call failed, so that what it was to find out or to do is unknown.
    #[error("{what}: {source}")]
    Netlink {
        /// What was being done.
        what: &'static str,
        /// What the kernel or the socket said.
        source: netlink::Error,
    },
    /// A set of one of our names is of another kind.
    #[error(
        "set {name} exists as {found}, but has to be {wanted}; remove it with 'ipset destroy {name}' if \
         nothing else uses it"
    )]
    SetMismatch {
        /// The set.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// A set could not be created.
    #[error("set {name} cannot be created: {refused}; is the kernel module for {set_type} available?")]
    SetCreation {
        /// The set.
        name: String,
        /// Its type.
        set_type: String,
        /// The kernel's reason.
        refused: netlink::Refused,
    },
    /// The kernel does not tell of tracked flows.
    #[error(
        "stale UDP flows cannot be found, because this kernel offers no ctnetlink ({source}): clients that keep \
         their source port may stay with endpoints that are gone; load the module nf_conntrack_netlink"
    )]
    NoConntrack {
        /// What the kernel said.
        source: netlink::Error,
    },
    /// Stale flows could not be deleted.
    #[error("a stale UDP flow cannot be deleted from conntrack: {refused}")]
    Flows {
        /// The kernel's reason.
        refused: netlink::Refused,
    },
    /// The name of our interface is taken.
    #[error("interface {name} exists and is of type {found}, not dummy; rename or delete it")]
    ForeignInterface {
        /// The interface.
        name: &'static str,
        /// Its kind.
        found: String,
    },
    /// A program could not be started.
    #[error("{program} cannot be run: {source}; install the iptables package")]
    Program {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed ({status}): {stderr}")]
    ProgramFailed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// A sysctl has the wrong value and cannot be set.
    #[error("sysctl {} cannot be set to {value}: {source}", path.display())]
    Sysctl {
        /// The file under `/proc/sys`.
        path: PathBuf,
        /// The value that is needed.
        value: String,
        /// Why.
        source: io::Error,
    },
}

// === impl Error ===

impl Error {
    /// Wraps a netlink error with what was being done.
    pub fn netlink(what: &'static str) -> impl Fn(netlink::Error) -> Error {
        move |source| Error::Netlink { what, source }
    }
}
