//! Which addresses are the machine's own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink::route::InterfaceAddress;

/// The addresses of every interface but the one with the index `ours`, without loopback addresses. It does not
/// matter whether an interface is up.
pub(super) fn host_addresses(
    listed: impl IntoIterator<Item = InterfaceAddress>,
    ours: Option<u32>,
) -> BTreeSet<IpAddr> {
    let others = listed.into_iter().filter(|found| Some(found.link) != ours);
    others.map(|found| found.address).filter(|address| !address.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use model::Family;
    use netlink::route::Scope;
    use plan::{Options, node_ports};

    use super::*;

    /// The addresses that serve node ports among those of interfaces, each as `eth0 1.2.3.4 …`.
    fn check(family: Family, interfaces: &[&str], expected: &[&str]) {
        let mut listed = Vec::new();
        let mut ours = None;
        for (link, interface) in (1..).zip(interfaces) {
            let mut words = interface.split(' ');
            if words.next() == Some(plan::INTERFACE) {
                ours = Some(link);
            }
            listed.extend(words.map(|address| {
                let address: IpAddr = address.parse().unwrap();
                let prefix = Family::of(&address).full_prefix();
                InterfaceAddress { link, address, prefix, scope: Scope::Universe }
            }));
        }
        let options = Options { host_addresses: host_addresses(listed, ours), ..Options::default() };
        let found: Vec<String> =
            node_ports::addresses(family, &options, None).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, expected, "{interfaces:?}");
    }

    /// The cases of upstream's TestGetNodeIPs, in their order.
    #[test]
    fn get_node_ips() {
        const LO: &str = "lo 127.0.0.1 ::1";
        let v4 = |interfaces: &[&str], expected: &[&str]| check(Family::V4, interfaces, expected);
        v4(&["eth0 1.2.3.4", LO], &["1.2.3.4"]);
        v4(&[LO], &[]);
        v4(&[], &[]);
        v4(
            &["encap0 10.20.30.40 fe80::200:ff:fe01:1", LO, "docker0 172.17.0.1"],
            &["10.20.30.40", "172.17.0.1"],
        );
        v4(&["encap9 10.20.30.40", LO, "encap7 10.20.30.31 2000::1"], &["10.20.30.31", "10.20.30.40"]);
        v4(&["kube-ipvs0 2000::1 1.2.3.4", LO, "encap7 10.20.30.31"], &["10.20.30.31"]);
        v4(&["kube-ipvs0 1.2.3.4", LO], &[]);
        v4(&["kube-ipvs0 1.2.3.4"], &[]);
        v4(&["kube-ipvs0 1.2.3.4", "eth5 3.4.5.6", LO], &["3.4.5.6"]);
        v4(&["ipvs0 1.2.3.4", LO, "encap7 10.20.30.31"], &["1.2.3.4", "10.20.30.31"]);
        let v6 = |interfaces: &[&str], expected: &[&str]| check(Family::V6, interfaces, expected);
        v6(&["ipvs0 1000::", LO, "encap7 1000::1 fe80::200:ff:fe01:1"], &["1000::", "1000::1"]);
        // Upstream takes the difference of two sets, so that an address on both is left out; here it is on the
        // other interface and serves.
        v6(&["ipvs0 1000::", LO, "encap7 1000::1", "kube-ipvs0 1000::"], &["1000::", "1000::1"]);
    }
}
