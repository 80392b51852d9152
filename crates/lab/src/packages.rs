//! The programs the lab calls and the Debian packages that hold them.

use std::path::PathBuf;

use crate::{Error, process};

/// Where the lab runs: what is needed differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Namespaces on a kernel, whichever it is.
    Namespaces,
    /// A guest has to be booted first.
    Guest,
}

/// Needed to build namespaces and to look at what was programmed.
const NAMESPACES: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("ipset", "ipset"),
    ("iptables-restore", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("ipvsadm", "ipvsadm"),
    ("conntrack", "conntrack"),
    ("modprobe", "kmod"),
    ("nft", "nftables"),
    ("strace", "strace"),
    ("sysctl", "procps"),
    ("unshare", "util-linux"),
];

/// Needed in addition to fetch and boot a kernel.
const GUEST: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("depmod", "kmod"),
    ("setpriv", "util-linux"),
    ("xz", "xz-utils"),
    ("apt-get", "apt"),
    ("dpkg", "dpkg"),
];

/// The Debian packages to install before the lab can run in `place`, sorted; none if nothing is missing.
pub fn missing(place: Place) -> Vec<&'static str> {
    let guest: &[_] = if place == Place::Guest { &GUEST } else { &[] };
    let mut packages: Vec<_> = NAMESPACES
        .iter()
        .chain(guest)
        .filter(|(program, _)| process::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// The full path of a program.
pub(crate) fn program(name: &str) -> Result<PathBuf, Error> {
    process::find(name).ok_or_else(|| {
        let known = NAMESPACES.iter().chain(&GUEST).find(|(program, _)| *program == name);
        Error::MissingProgram {
            program: name.to_owned(),
            package: known.map_or(name, |(_, package)| package).to_owned(),
        }
    })
}
