//! What the Node object of its own node tells kube-ipvs.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::api_server::Scene;
use crate::support::kernel::Dump;
use crate::support::manifests::{Port, Service};
use crate::support::testbed::{KUBE_IPVS, PODS, eventually, shell};
use lab::traffic::Protocol;

/// No audit comes within these tests.
const WITHOUT_AUDITS: &str = "--ipvs-sync-period=1h";

/// The Node with the networks of its pods and its addresses.
fn node(networks: &[&str], addresses: &[String]) -> Value {
    let addresses: Vec<Value> =
        addresses.iter().map(|address| json!({ "type": "InternalIP", "address": address })).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": "node-1" },
        "spec": { "podCIDRs": networks },
        "status": { "addresses": addresses },
    })
}

#[test]
fn the_networks_of_its_pods_are_waited_for_and_followed() {
    let Some(scene) = Scene::build() else { return };
    let testbed = &scene.testbed;
    let web = Service::new("web", 1).slice(testbed.endpoints(&PODS));
    scene.apply(&web);
    scene.server.apply(node(&[], &[])).unwrap();
    let flags = ["--detect-local-mode=NodeCIDR", WITHOUT_AUDITS];
    let mut proxy = testbed.spawn(testbed.node(), KUBE_IPVS.as_ref(), &[], &flags);
    proxy.wait_for_log("first list received kind=EndpointSlice");
    scene.server.apply(node(&["10.244.1.0/24", "fd00:244:0:1::/64"], &[])).unwrap();
    proxy.wait_for_log("first sync done");
    let namespace = &testbed.node().namespace;
    let masquerades = |network: &str| {
        let rule = format!("-A KUBE-SERVICES ! -s {network} ");
        shell(namespace, "iptables-save -t nat; ip6tables-save -t nat").contains(&rule)
    };
    assert!(masquerades("10.244.1.0/24") && masquerades("fd00:244:0:1::/64"));
    scene.server.apply(node(&["10.244.9.0/24", "fd00:244:0:1::/64"], &[])).unwrap();
    eventually("the rules follow the new network", || masquerades("10.244.9.0/24"));
    assert!(!masquerades("10.244.1.0/24") && masquerades("fd00:244:0:1::/64"));
    assert_eq!(testbed.client("pod-1", &web).ask_many(4, 2).unwrap().answered(), 4);
    let (status, _) = proxy.stop(Signal::SIGTERM);
    assert!(status.success(), "{status}");
}

#[test]
fn node_ports_are_served_on_its_own_address_and_follow_it() {
    let Some(scene) = Scene::build() else { return };
    let testbed = &scene.testbed;
    let namespace = &testbed.node().namespace;
    namespace.ip(["addr add 172.18.0.98 dev eth0"]).unwrap();
    let [first, _] = testbed.node().addresses.both();
    let web = Service::new("web", 1).spec(json!({ "type": "NodePort" }));
    let web = web.ports([Port::of(Protocol::Tcp).node_port(30080)]).slice(testbed.endpoints(&PODS));
    scene.apply(&web);
    scene.server.apply(node(&[], &[first.to_string()])).unwrap();
    let _proxy = testbed.run(&["--nodeport-addresses=primary", WITHOUT_AUDITS]);
    let serves = |address: &str| {
        Dump::of_ipvs(namespace).virtual_servers.contains(&format!("-A -t {address}:30080 -s rr"))
    };
    assert!(serves(&first.to_string()) && !serves("172.18.0.98"));
    scene.server.apply(node(&[], &["172.18.0.98".to_owned()])).unwrap();
    eventually("node ports follow the node's address", || {
        serves("172.18.0.98") && !serves(&first.to_string())
    });
}
