//! Starting where something is missing, and the part of a start that takes more privileges.

use std::path::Path;

use lab::{Need, require};

use crate::support::testbed::{KUBE_IPVS, Testbed, shell};

/// Whether a start by `program` with these words before ours says `expected`.
#[track_caller]
fn check(program: &str, before: &[&str], expected: &str) {
    let Some(testbed) = Testbed::build() else { return };
    if !require(Need::Program("setpriv")) {
        return;
    }
    let mut proxy = testbed.spawn(testbed.node(), Path::new(program), before, &[]);
    proxy.wait_for_log(expected);
    assert!(!proxy.log().contains("first sync done"), "{}", proxy.log());
}

#[test]
fn a_capability_that_is_missing_is_named() {
    let raw_is_missing = ["--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin", KUBE_IPVS];
    check("setpriv", &raw_is_missing, "this process lacks CAP_NET_RAW");
}

#[test]
fn a_program_that_is_missing_is_named() {
    check("env", &["PATH=/var/empty", KUBE_IPVS], "iptables-save cannot be run");
}

#[test]
fn after_the_initialisation_two_capabilities_are_enough() {
    let Some(testbed) = Testbed::build() else { return };
    if !require(Need::Program("setpriv")) {
        return;
    }
    shell(&testbed.node().namespace, "sysctl -qw net.ipv4.vs.conntrack=0");
    let mut initialisation = testbed.spawn(testbed.node(), Path::new(KUBE_IPVS), &[], &["--init-only"]);
    initialisation.wait_for_log("the node is initialised");
    assert_eq!(shell(&testbed.node().namespace, "sysctl -n net.ipv4.vs.conntrack").trim(), "1");
    let two = "-all,+net_admin,+net_raw";
    let before = [&format!("--bounding-set={two}"), &format!("--inh-caps={two}"), KUBE_IPVS];
    let mut proxy = testbed.spawn(testbed.node(), Path::new("setpriv"), &before, &[]);
    proxy.wait_for_log("first sync done");
    assert!(!proxy.log().contains("step failed"), "{}", proxy.log());
}
