//! `kube-ipvs plan` and `kube-ipvs diff` against the kernel, and both against what kube-proxy has left in one.

use std::collections::BTreeSet;

use lab::cluster::addresses::CLUSTER_CIDR;

use crate::support::kernel::Dump;
use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed};

/// Objects as `kubectl get services,endpointslices,nodes -A -o yaml` printed them.
const RECORDED: &str = include_str!("../data/recorded-cluster.yaml");

/// The kernel's state after kube-proxy v1.30.5 synced them, as `ipvsadm -Sn` and `ipset save` printed it.
const ON_NODE_A: [&str; 2] = [
    include_str!("../../../plan/src/planner/testdata/node-a.ipvsadm-Sn.txt"),
    include_str!("../../../plan/src/planner/testdata/node-a.ipset-save.txt"),
];
const ON_NODE_B: [&str; 2] = [
    include_str!("../../../plan/src/planner/testdata/node-b-masquerade-all.ipvsadm-Sn.txt"),
    include_str!("../../../plan/src/planner/testdata/node-b-masquerade-all.ipset-save.txt"),
];

#[test]
fn diff_says_what_is_missing_and_then_nothing() {
    let Some(testbed) = Testbed::build() else { return };
    let flags = ["--cluster-cidr", CLUSTER_CIDR];
    testbed.manifests.apply(&Service::new("web", 10).slice(testbed.endpoints(&PODS)));
    let (code, text) = testbed.command(testbed.node(), "diff", &flags);
    assert_eq!(code, Some(2), "{text}");
    for expected in [
        "+ create interface kube-ipvs0",
        "+ create set KUBE-CLUSTER-IP",
        "+ ipset add KUBE-CLUSTER-IP 10.96.0.10,tcp:80",
        "+ ipvsadm -A -t 10.96.0.10:80 -s rr",
        "+ ipvsadm -a -t [fd00:96::a]:80 -r [fd00:244:0:2::3]:8080 -m -w 1",
        "+ ip addr add 10.96.0.10/32 dev kube-ipvs0",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
    }
    assert_eq!(Dump::of(&testbed.node().namespace), Dump::default(), "diff only looks");

    let proxy = testbed.run(&flags);
    assert_eq!(testbed.command(testbed.node(), "diff", &flags), (Some(0), String::new()));

    drop(proxy);
    testbed.manifests.remove("web.json");
    let (code, text) = testbed.command(testbed.node(), "diff", &["--masquerade-all"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("- ipvsadm -D -t 10.96.0.10:80"), "{text}");
}

/// The addresses of the machine on which it was recorded.
const HOST: [&str; 4] = ["10.0.2.15", "192.0.2.77", "fd00:2::15", "fec0::5054:ff:fe12:3456"];

/// Runs the recorded cluster's node on a node of the lab, which gets the addresses of the recorded one as well.
fn check_recorded(recorded: &[&str], name: &str, flags: &[&str]) {
    let Some(mut testbed) = Testbed::build() else { return };
    testbed.manifests.write("cluster.yaml", RECORDED);
    name.clone_into(&mut testbed.cluster.nodes[0].name);
    let added = HOST.map(|address| format!("addr add {address} dev eth0"));
    testbed.node().namespace.ip(added.iter().map(String::as_str)).unwrap();
    let node_ports =
        HOST.map(|address| format!("{address}/{}", if address.contains(':') { 128 } else { 32 }));
    let node_ports = format!("--nodeport-addresses={}", node_ports.join(","));
    let flags = [flags, &[node_ports.as_str()]].concat();
    let _proxy = testbed.run(&flags);

    let kernel = Dump::of(&testbed.node().namespace);
    let host = format!("--host-address={}", HOST.join(","));
    let (code, planned) =
        testbed.command(testbed.node(), "plan", &[flags.as_slice(), &[host.as_str()]].concat());
    assert_eq!(code, Some(0), "{planned}");
    kernel.assert_equals(&Dump::planned(testbed.node(), &planned));

    let recorded = recorded.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty());
    let recorded: BTreeSet<&str> = recorded.filter(|line| !line.starts_with("create ")).collect();
    assert!(recorded.len() > 100, "the recording is cut off: {recorded:#?}");
    let programmed = kernel.virtual_servers.iter().chain(&kernel.sets).map(String::as_str);
    // kube-proxy does not have these.
    let ours = ["create ", "add KUBE-NO-ENDPOINT ", "add KUBE-6-NO-ENDPOINT "];
    let programmed: BTreeSet<&str> =
        programmed.filter(|line| !ours.iter().any(|start| line.starts_with(start))).collect();
    assert_eq!(programmed, recorded);
    // kube-proxy binds what it lists in KUBE-IPVS-IPS.
    let bound = kernel.addresses.iter().map(|address| address.split('/').next().unwrap());
    let listed = ["KUBE-IPVS-IPS", "KUBE-6-IPVS-IPS"].map(|set| kernel.entries(set)).concat();
    assert_eq!(bound.collect::<BTreeSet<_>>(), listed.into_iter().collect());
}

#[test]
fn the_recorded_cluster_on_node_a_is_as_planned_and_as_kube_proxy_made_it() {
    check_recorded(&ON_NODE_A, "node-a", &["--cluster-cidr", "10.244.0.0/16,fd00:244::/32"]);
}

#[test]
fn the_recorded_cluster_on_node_b_is_as_planned_and_as_kube_proxy_made_it() {
    check_recorded(&ON_NODE_B, "node-b", &["--masquerade-all"]);
}
