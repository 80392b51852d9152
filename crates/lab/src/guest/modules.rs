//! Which kernel modules the guest loads, and in which order.

use std::collections::{BTreeMap, BTreeSet};

/// What is needed to reach this machine's files and to talk to it.
pub(super) const BOOT: [&str; 6] =
    ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay", "virtio_net"];

/// What the lab's programs use, loaded once this machine's root is mounted.
pub(super) const LAB: &[&str] = &[
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_lc",
    "ip_vs_wlc",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_dh",
    "ip_vs_sh",
    "ip_vs_mh",
    "ip_vs_sed",
    "ip_vs_nq",
    "ip_vs_fo",
    "ip_vs_ovf",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "dummy",
    "veth",
    "bridge",
    "xt_set",
    "xt_comment",
    "xt_mark",
    "xt_MASQUERADE",
    "xt_addrtype",
    "xt_conntrack",
    "xt_ipvs",
    "xt_nat",
    "xt_tcpudp",
    "xt_LOG",
    "ip_set_hash_ip",
    "ip_set_hash_net",
    "ip_set_hash_ipport",
    "ip_set_hash_ipportip",
    "ip_set_hash_ipportnet",
    "ip_set_bitmap_port",
    "iptable_nat",
    "iptable_filter",
    "iptable_mangle",
    "ip6table_nat",
    "ip6table_filter",
    "ip6table_mangle",
    "nft_compat",
    "nft_chain_nat",
    "nft_ct",
    "nft_masq",
    "sctp",
    "inet_diag",
    "tcp_diag",
];

/// The files to insert, in order, so that each of `wanted` is loaded: what a module needs comes before it.
///
/// `dependencies` is the text of `modules.dep`. A name without a file is built into the kernel or not known to it;
/// the boot shows which, so it is left out here.
pub(super) fn load_order(dependencies: &str, wanted: &[&str]) -> Vec<String> {
    let needs: BTreeMap<&str, Vec<&str>> = dependencies
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| (file, needs.split_whitespace().collect()))
        .collect();
    let by_name: BTreeMap<String, &str> = needs.keys().map(|file| (name(file), *file)).collect();

    let mut order = Vec::new();
    let mut placed = BTreeSet::new();
    for file in wanted.iter().filter_map(|module| by_name.get(*module)) {
        // depmod lists everything a module needs, indirectly too, the deepest last.
        for file in needs.get(file).into_iter().flatten().rev().chain([file]) {
            if placed.insert(*file) {
                order.push((*file).to_owned());
            }
        }
    }
    order
}

/// The module's name: the file's without folder and endings, and with the kernel's underscores.
fn name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/fscache/fscache.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet.ko:
kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko kernel/drivers/virtio/virtio.ko
kernel/fs/fscache/fscache.ko: kernel/fs/netfs/netfs.ko
kernel/fs/netfs/netfs.ko:
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio.ko
";

    #[test]
    fn every_module_comes_after_what_it_needs_and_once() {
        assert_eq!(
            load_order(DEPENDENCIES, &["9pnet_virtio", "9p", "virtio_pci", "built_in"]),
            [
                "kernel/drivers/virtio/virtio.ko",
                "kernel/net/9p/9pnet.ko",
                "kernel/net/9p/9pnet_virtio.ko",
                "kernel/fs/netfs/netfs.ko",
                "kernel/fs/fscache/fscache.ko",
                "kernel/fs/9p/9p.ko",
                "kernel/drivers/virtio/virtio-pci.ko.xz",
            ]
        );
    }
}
