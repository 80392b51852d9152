//! The driver against a kernel with IPVS, in a network namespace of each test's own.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use dataplane::linux::cleanup::{Finding, clean_up};
use dataplane::linux::{Linux, Watch};
use dataplane::{Kernel as _, Missing, Sighting};
use lab::namespace::Namespace;
use lab::{Need, require};
use plan::Operation;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

fn bind(addresses: &[&str]) -> Vec<Operation> {
    addresses.iter().map(|address| Operation::BindAddress(ip(address))).collect()
}

fn unbind(addresses: &[&str]) -> Vec<Operation> {
    addresses.iter().map(|address| Operation::UnbindAddress(ip(address))).collect()
}

/// A namespace with the interface `kube-ipvs0`, and a kernel that binds so many addresses to it; none if this machine
/// cannot have them, which is counted.
#[track_caller]
fn build(test: &str, most_bound: usize) -> Option<(Namespace, Linux)> {
    if !require(Need::Ipvs) || !require(Need::Program("ip")) {
        return None;
    }
    let namespace = Namespace::create(format!("linux-{test}-{}", std::process::id())).unwrap();
    let mut linux = open(&namespace, most_bound);
    linux.create(&[Missing::Interface]).unwrap();
    Some((namespace, linux))
}

fn open(namespace: &Namespace, most_bound: usize) -> Linux {
    namespace.run(|| Linux::open().unwrap()).unwrap().binding_at_most(most_bound)
}

#[track_caller]
fn apply(linux: &mut Linux, operations: &[Operation]) {
    let applied = linux.apply(operations);
    assert!(applied.failures.is_empty() && applied.unknown.is_empty(), "{applied:?}");
}

fn observed(linux: &mut Linux) -> BTreeSet<IpAddr> {
    linux.observe(&[]).unwrap().state.addresses
}

/// How many IPv4 addresses are bound, and how many are routed.
fn forms(namespace: &Namespace) -> (usize, usize) {
    let count = |arguments: &[&str]| namespace.output("ip", arguments).unwrap().lines().count();
    let bound = count(&["-4", "-o", "address", "show", "dev", "kube-ipvs0"]);
    (bound, count(&["route", "show", "table", "local", "dev", "kube-ipvs0", "proto", "118"]))
}

#[test]
fn addresses_of_both_forms_are_observed_and_removed() {
    let Some((namespace, mut linux)) = build("forms", 2) else { return };
    let all = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4", "fd00::1", "fd00::2"];
    apply(&mut linux, &bind(&all));
    assert_eq!(forms(&namespace), (2, 2));
    assert_eq!(observed(&mut linux), ips(&all));

    // Whoever comes later finds the same, whatever it would have done, and nothing is refused that is so already.
    for most_bound in [0, 1000] {
        let mut later = open(&namespace, most_bound);
        assert_eq!(observed(&mut later), ips(&all));
        apply(&mut later, &bind(&all));
        assert_eq!(forms(&namespace), (2, 2));
    }
    let mut later = open(&namespace, 0);
    observed(&mut later);
    apply(&mut later, &unbind(&["10.96.0.1", "10.96.0.3", "fd00::1"]));
    assert_eq!(observed(&mut later), ips(&["10.96.0.2", "10.96.0.4", "fd00::2"]));
    apply(&mut later, &unbind(&all));
    assert_eq!(observed(&mut later), BTreeSet::new());
    assert_eq!(forms(&namespace), (0, 0));
}

#[test]
fn routes_stay_when_the_last_bound_address_goes() {
    let Some((namespace, mut linux)) = build("last", 1) else { return };
    apply(&mut linux, &bind(&["10.96.0.1", "10.96.0.2", "10.96.0.3"]));
    assert_eq!(forms(&namespace), (1, 2));
    apply(&mut linux, &unbind(&["10.96.0.1"]));
    assert_eq!(observed(&mut linux), ips(&["10.96.0.2", "10.96.0.3"]));
    assert_eq!(forms(&namespace), (1, 2));
    apply(&mut linux, &unbind(&["10.96.0.2", "10.96.0.3"]));
    assert_eq!(forms(&namespace), (0, 0));
}

#[test]
fn routes_are_no_addresses_of_the_machine_and_those_of_others_are_nothing() {
    let Some((namespace, mut linux)) = build("others", 0) else { return };
    namespace.ip(["route append local 10.96.9.9/32 dev kube-ipvs0 table local proto static"]).unwrap();
    apply(&mut linux, &bind(&["10.96.0.1"]));
    assert_eq!(observed(&mut linux), ips(&["10.96.0.1"]));
    assert_eq!(linux.host_addresses().unwrap(), BTreeSet::new());
    // An address that another interface has is no obstacle.
    namespace.ip(["address add 192.0.2.1/24 dev lo"]).unwrap();
    apply(&mut linux, &bind(&["192.0.2.1"]));
    assert_eq!(observed(&mut linux), ips(&["10.96.0.1", "192.0.2.1"]));
    apply(&mut linux, &unbind(&["192.0.2.1"]));
    assert_eq!(linux.host_addresses().unwrap(), ips(&["192.0.2.1"]));
}

#[test]
fn without_the_interface_each_address_is_refused() {
    let Some((namespace, mut linux)) = build("missing", 1) else { return };
    namespace.ip(["link del kube-ipvs0"]).unwrap();
    assert_eq!(observed(&mut linux), BTreeSet::new());
    let operations = bind(&["10.96.0.1", "10.96.0.2", "fd00::1"]);
    let applied = linux.apply(&operations);
    let refused: Vec<Operation> = applied.failures.into_iter().map(|failure| failure.operation).collect();
    assert_eq!(refused, operations);
}

#[test]
fn the_watch_sees_routes_go_with_and_without_the_kernels_word() {
    let Some((namespace, mut linux)) = build("watch", 0) else { return };
    apply(&mut linux, &bind(&["10.96.0.1", "10.96.0.2"]));
    let mut watch = namespace.run(|| Watch::open().unwrap()).unwrap();
    namespace
        .ip([
            "route append local 10.96.9.9/32 dev kube-ipvs0 table local proto static",
            "route del local 10.96.9.9/32 dev kube-ipvs0 table local proto static",
            "route del local 10.96.0.1/32 dev kube-ipvs0 table local proto 118",
        ])
        .unwrap();
    assert_eq!(watch.wait(), Sighting::AddressGone(ip("10.96.0.1")));
    namespace
        .ip([
            "address add 192.0.2.1/32 dev kube-ipvs0",
            "address add 192.0.2.2/32 dev kube-ipvs0",
            "address del 192.0.2.1/32 dev kube-ipvs0",
            "address del 192.0.2.2/32 dev kube-ipvs0",
        ])
        .unwrap();
    assert_eq!(watch.wait(), Sighting::AddressGone(ip("192.0.2.1")));
    assert_eq!(watch.wait(), Sighting::InterfaceGone);
    assert_eq!(forms(&namespace), (0, 0));
}

/// An interface of another kind that has the name is nobody's obstacle: it stays, and the rest goes.
#[test]
fn a_clean_up_goes_on_beside_a_foreign_interface() {
    let needs = [Need::Root, Need::Program("ip"), Need::Program("ipset")];
    if !needs.into_iter().all(require) {
        return;
    }
    let namespace = Namespace::create(format!("linux-foreign-{}", std::process::id())).unwrap();
    namespace.ip(["link add kube-ipvs0 type veth peer name other"]).unwrap();
    namespace.output("ipset", &["create", "KUBE-CLUSTER-IP", "hash:ip,port"]).unwrap();
    let mut findings = Vec::new();
    namespace.run(|| clean_up(&[], true, &mut |finding| findings.push(finding))).unwrap();
    let is_left = |finding: &Finding| matches!(finding, Finding::Left(what) if what.contains("kube-ipvs0"));
    assert_eq!(findings.iter().filter(|finding| is_left(finding)).count(), 1, "{findings:?}");
    assert!(findings.contains(&Finding::Removed("set KUBE-CLUSTER-IP".to_owned())), "{findings:?}");
    assert_eq!(namespace.output("ipset", &["list", "-name"]).unwrap(), "");
    namespace.ip(["link show kube-ipvs0"]).unwrap();
}
