//! What to do about failures whose reasons are known.

use std::io;
use std::path::Path;

/// What programs say, in part, and what helps.
const PROGRAMS: [(&str, &str); 8] = [
    ("Can't open socket to ipset", "give the process CAP_NET_RAW"),
    ("must be root", "run as root, or give the process CAP_NET_ADMIN and CAP_NET_RAW"),
    (
        "can't open lock file",
        "the file has to be writable: in a container mount the node's /run/xtables.lock there",
    ),
    (
        "xtables lock",
        "another program is changing rules; if this stays, find it with 'fuser -v /run/xtables.lock'",
    ),
    (
        "modprobe: ",
        "run that modprobe on the node, or 'kube-ipvs --init-only' once with CAP_SYS_MODULE and /lib/modules",
    ),
    (
        "Extension set is not supported",
        "load the kernel module xt_set on the node, or use a kernel that has CONFIG_NETFILTER_XT_SET",
    ),
    ("match `set'", "install iptables with its extension libxt_set, and load the kernel module xt_set"),
    (
        "RULE_APPEND failed (No such file or directory)",
        "the kernel lacks a module for this rule: load xt_set, xt_comment, xt_addrtype, xt_conntrack, xt_mark and \
         xt_MASQUERADE, or use a kernel that has them",
    ),
];

/// What helps against what a program has said; empty if nothing is known.
pub(super) fn on_program(stderr: &str) -> String {
    let known = PROGRAMS.iter().find(|(said, _)| stderr.contains(said));
    known.map(|(_, advice)| format!("; {advice}")).unwrap_or_default()
}

/// What helps if a sysctl cannot be set.
pub(super) fn on_sysctl(path: &Path, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "; /proc/sys is read-only here, as in a container that is not privileged: set it on the node with \
             sysctl(8), or let 'kube-ipvs --init-only' do it, which runs when the pod is deleted and comes again, or the \
             systemd unit is restarted"
        }
        io::ErrorKind::PermissionDenied if path.starts_with("/proc/sys/net/netfilter") => {
            "; it can be set by root in the machine's first network namespace only"
        }
        io::ErrorKind::PermissionDenied => "; it takes root, or CAP_NET_ADMIN",
        io::ErrorKind::NotFound if path.starts_with("/proc/sys/net/ipv4/vs") => {
            "; this kernel's ip_vs does not have it: it takes a kernel with CONFIG_IP_VS_NFCT"
        }
        io::ErrorKind::NotFound => "; load the kernel module that has it, nf_conntrack for net.netfilter",
        _ => "",
    }
}
