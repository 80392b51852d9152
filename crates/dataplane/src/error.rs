//! What can go wrong between the plan and the kernel, beyond a refused element.

mod advice;

use std::io;
use std::path::PathBuf;

use model::Family;

use crate::sysctl::dotted;

/// A failure of a whole call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not do what it is for.
    #[error(
        "this process lacks {missing}: run it as root, or give it that; in Kubernetes by \
         securityContext.capabilities.add: [NET_ADMIN, NET_RAW] with runAsUser: 0"
    )]
    Capabilities {
        /// What is missing, and what it is for.
        missing: String,
    },
    /// The kernel has no IPVS.
    #[error(
        "this kernel offers no IPVS, and its module cannot be loaded from here ({tried}): run 'modprobe ip_vs' on the \
         node, or give the process CAP_SYS_MODULE, /lib/modules and the program modprobe; if there is no such module, \
         install the package with the kernel's modules, or use a kernel that has CONFIG_IP_VS"
    )]
    NoIpvs {
        /// How loading it went.
        tried: ModuleError,
    },
    /// The kernel has no ipset.
    #[error(
        "this kernel offers no ipset, and its module cannot be loaded from here ({tried}): run 'modprobe ip_set' on \
         the node, or use a kernel that has CONFIG_IP_SET and its hash and bitmap types"
    )]
    NoIpset {
        /// How loading it went.
        tried: ModuleError,
    },
    /// The kernel has no dummy interfaces: asked for one, it answers EOPNOTSUPP.
    #[error(
        "the interface {name} cannot be created, since this kernel offers no interfaces of type dummy: run 'modprobe \
         dummy' on the node, or use a kernel that has CONFIG_DUMMY"
    )]
    NoDummy {
        /// The interface.
        name: &'static str,
    },
    /// The kernel lacks the scheduler of Services that choose none.
    #[error(
        "this kernel offers no IPVS scheduler {scheduler}, and its module cannot be loaded from here ({tried}): run \
         'modprobe {module}' on the node, or choose another one with --ipvs-scheduler (ipvs.scheduler in a \
         configuration file)"
    )]
    NoScheduler {
        /// The scheduler.
        scheduler: &'static str,
        /// The module.
        module: String,
        /// How loading it went.
        tried: ModuleError,
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
    #[error(
        "set {name} cannot be created: {refused}; if the kernel does not know sets of type {set_type}, load the module \
         ip_set_{} on the node", set_type.replace(':', "_").replace(',', "")
    )]
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
    /// A table of nftables could not be deleted.
    #[error("the {family} table {name} of nftables cannot be deleted: {refused}; see 'nft list tables'")]
    Table {
        /// Its family.
        family: Family,
        /// Its name.
        name: &'static str,
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
    /// There is no IPv6.
    #[error("no IPv6 here: {reason}")]
    NoIpv6 {
        /// Why.
        reason: &'static str,
    },
    /// A program could not be started.
    #[error(
        "{program} cannot be run: {source}; install the package iptables (1.8 or newer) on this node or in this image, \
         in a folder of PATH"
    )]
    Program {
        /// The program.
        program: &'static str,
        /// The family whose rules it was to write; none if it was to read some.
        restoring: Option<Family>,
        /// Why.
        source: io::Error,
    },
    /// A thread could not be started.
    #[error(
        "no thread can be started for {what}: {source}; raise the limit of this process's tasks or of its memory"
    )]
    Thread {
        /// What it was for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed ({status}): {stderr}{}", advice::on_program(stderr))]
    ProgramFailed {
        /// The program.
        program: &'static str,
        /// The family whose rules it was to write; none if it was to read some.
        restoring: Option<Family>,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// A sysctl has the wrong value and cannot be set.
    #[error(
        "sysctl {} cannot be set to {value}: {source}{}",
        dotted(&path.to_string_lossy()),
        advice::on_sysctl(path, source)
    )]
    Sysctl {
        /// The file under `/proc/sys`.
        path: PathBuf,
        /// The value that is needed.
        value: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a kernel module is not there.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The program could not be started.
    #[error("modprobe cannot be run: {0}")]
    NotRun(io::Error),
    /// It failed.
    #[error("{said}")]
    Failed {
        /// The last line of what it said.
        said: String,
    },
    /// It loaded the module, and what was missing still is.
    #[error("modprobe loaded it, in vain")]
    InVain,
}

/// What a failed call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// IPVS is not there, or may not be used.
    Ipvs,
    /// Netlink itself: what the kernel did is unknown.
    Netlink,
    /// A set.
    Set,
    /// Connection tracking.
    Conntrack,
    /// The interface `kube-ipvs0`.
    Interface,
    /// The iptables programs, or another mode's tables of nftables.
    Iptables,
    /// A kernel setting.
    Sysctl,
    /// A thread of this process.
    Thread,
}

// === impl Error ===

impl Error {
    /// What it is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Capabilities { .. } | Error::NoIpvs { .. } | Error::NoScheduler { .. } => ErrorKind::Ipvs,
            Error::Netlink { .. } => ErrorKind::Netlink,
            Error::NoIpset { .. } | Error::SetMismatch { .. } | Error::SetCreation { .. } => ErrorKind::Set,
            Error::NoConntrack { .. } | Error::Flows { .. } => ErrorKind::Conntrack,
            Error::NoDummy { .. } | Error::NoIpv6 { .. } | Error::ForeignInterface { .. } => {
                ErrorKind::Interface
            }
            Error::Program { .. } | Error::ProgramFailed { .. } | Error::Table { .. } => ErrorKind::Iptables,
            Error::Sysctl { .. } => ErrorKind::Sysctl,
            Error::Thread { .. } => ErrorKind::Thread,
        }
    }

    /// The family whose rules could not be written, if that is what failed.
    pub fn failed_restore(&self) -> Option<Family> {
        match self {
            Error::Program { restoring, .. } | Error::ProgramFailed { restoring, .. } => *restoring,
            _ => None,
        }
    }

    /// Wraps a netlink error with what was being done.
    pub fn netlink(what: &'static str) -> impl Fn(netlink::Error) -> Error {
        move |source| Error::Netlink { what, source }
    }
}
