//! What somebody else breaks is put right by the next audit.

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::{Need, require, wait};
use std::time::Duration;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed, eventually, shell};

const FLAGS: [&str; 4] = ["--cluster-cidr", CLUSTER_CIDR, "--ipvs-sync-period", "2s"];

/// Somebody's work, each with what it breaks.
const DAMAGE: [(&str, &str); 14] = [
    ("a virtual server is deleted", "ipvsadm -D -t 10.96.0.10:80"),
    ("a virtual server gets another scheduler", "ipvsadm -E -t 10.96.0.10:80 -s lc"),
    ("a real server is deleted", "ipvsadm -d -t [fd00:96::a]:80 -r [fd00:244:0:2::2]:8080"),
    ("a real server gets another weight", "ipvsadm -e -t 10.96.0.10:80 -r 10.244.1.2:8080 -m -w 9"),
    ("the whole table is cleared", "ipvsadm -C"),
    ("an address is removed", "ip addr del 10.96.0.10/32 dev kube-ipvs0"),
    ("the interface is deleted", "ip link del kube-ipvs0"),
    ("a set entry is deleted", "ipset del KUBE-CLUSTER-IP 10.96.0.10,tcp:80"),
    ("a set is flushed", "ipset flush KUBE-6-LOOP-BACK"),
    ("a rule is deleted", "iptables -t nat -D KUBE-MARK-MASQ 1"),
    ("a chain is flushed", "ip6tables -t nat -F KUBE-SERVICES"),
    ("a table is flushed", "iptables -t filter -F"),
    ("a jump is deleted", "iptables -t nat -D POSTROUTING 1"),
    ("a setting is changed", "sysctl -qw net.ipv4.vs.conntrack=0"),
];

fn services(testbed: &Testbed) {
    for (name, number) in [("web", 10), ("api", 20)] {
        testbed.manifests.apply(&Service::new(name, number).slice(testbed.endpoints(&PODS)));
    }
}

fn dump(testbed: &Testbed) -> (Dump, String) {
    let namespace = &testbed.node().namespace;
    (Dump::of(namespace), shell(namespace, "sysctl net.ipv4.vs.conntrack"))
}

#[test]
fn damage_is_repaired_and_named() {
    if !require(Need::Program("sysctl")) {
        return;
    }
    let Some(testbed) = Testbed::build() else { return };
    services(&testbed);
    let proxy = testbed.run(&FLAGS);
    let whole = dump(&testbed);
    for (what, command) in DAMAGE {
        let named = proxy.log().matches("put right").count();
        shell(&testbed.node().namespace, command);
        let mut found = dump(&testbed);
        let is_repaired = wait::until(Duration::from_secs(60), || {
            found = dump(&testbed);
            found == whole
        });
        assert!(is_repaired, "{what} ({command}) and stays so; missing: {:#?}", whole.0.without(&found.0));
        eventually("the repair is named", || proxy.log().matches("put right").count() > named);
    }
}

#[test]
fn what_somebody_adds_beside_stays_when_the_rest_is_repaired() {
    let Some(testbed) = Testbed::build() else { return };
    services(&testbed);
    let _proxy = testbed.run(&FLAGS);
    let whole = dump(&testbed).0;
    shell(
        &testbed.node().namespace,
        "ipvsadm -A -t 192.0.2.200:80 -s rr
         ipvsadm -a -t 192.0.2.200:80 -r 198.51.100.1:80 -m
         ip addr add 192.0.2.201/32 dev kube-ipvs0
         iptables -I INPUT -s 203.0.113.9 -j DROP
         ipvsadm -D -t 10.96.0.10:80
         ip addr del 10.96.0.20/32 dev kube-ipvs0
         iptables -F KUBE-FORWARD",
    );
    eventually("the damage is repaired", || whole.without(&dump(&testbed).0).is_empty());
    let more = dump(&testbed).0.without(&whole);
    let expected =
        ["-A -t 192.0.2.200:80 -s rr", "-a -t 192.0.2.200:80 -r 198.51.100.1:80 -m -w 1", "192.0.2.201/32"];
    assert_eq!(more, expected);
    assert!(shell(&testbed.node().namespace, "iptables-save").contains("-A INPUT -s 203.0.113.9/32 -j DROP"));
}

#[test]
fn what_is_taken_from_the_interface_is_back_without_an_audit() {
    let Some(testbed) = Testbed::build() else { return };
    services(&testbed);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR, "--ipvs-sync-period", "1h"]);
    let whole = dump(&testbed).0;
    for command in [
        "ip addr del 10.96.0.10/32 dev kube-ipvs0",
        "ip addr del fd00:96::a/128 dev kube-ipvs0",
        "ip addr flush dev kube-ipvs0",
        "ip link del kube-ipvs0",
    ] {
        shell(&testbed.node().namespace, command);
        eventually("it is back", || dump(&testbed).0 == whole);
    }
}
