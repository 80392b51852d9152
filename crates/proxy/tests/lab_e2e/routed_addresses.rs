//! Service addresses that are local by routes instead of being bound to `kube-ipvs0`.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use lab::cluster::addresses::{Addresses, CLUSTER_CIDR};
use lab::namespace::Namespace;
use lab::traffic::{Client, Protocol};
use lab::{Need, require};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::manifests::{Port, Service};
use crate::support::testbed::{KUBE_IPVS, PODS, Testbed, eventually, shell};
use crate::support::trace;

/// No audit comes within a test.
const FLAGS: [&str; 3] = ["--cluster-cidr", CLUSTER_CIDR, "--ipvs-sync-period=1h"];
const ALL_ROUTED: &str = "--max-bound-addresses=0";
const ONE_BOUND: &str = "--max-bound-addresses=1";
const NODE_PORT: u16 = 30080;

fn flags(more: &'static str) -> Vec<&'static str> {
    FLAGS.into_iter().chain([more]).collect()
}

fn apply(testbed: &Testbed, services: &[(&str, u16)]) -> Vec<Service> {
    let service = |(name, number): &(&str, u16)| Service::new(name, *number).slice(testbed.endpoints(&PODS));
    let services: Vec<Service> = services.iter().map(service).collect();
    services.iter().for_each(|service| testbed.manifests.apply(service));
    services
}

/// The IPv4 addresses that are bound to the interface, and those that are routed.
fn forms(testbed: &Testbed) -> [BTreeSet<String>; 2] {
    let node = &testbed.node().namespace;
    let addresses = shell(node, "ip -4 -o addr show dev kube-ipvs0");
    let bound = addresses.lines().filter_map(|line| line.split_whitespace().nth(3)?.strip_suffix("/32"));
    let routes = shell(node, "ip route show table local dev kube-ipvs0 proto 118");
    let routed = routes.lines().filter_map(|line| line.strip_prefix("local ")?.split(' ').next());
    [bound.map(str::to_owned).collect(), routed.map(str::to_owned).collect()]
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|&address| address.to_owned()).collect()
}

/// Asks until all pods have answered: the source addresses that they saw.
#[track_caller]
fn sources(namespace: &Namespace, to: SocketAddr) -> BTreeSet<IpAddr> {
    let client = Client::new(namespace, Protocol::Tcp, to);
    let (mut servers, mut sources) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..30 {
        let answer = client.ask().unwrap().unwrap_or_else(|failure| panic!("{to}: {failure}"));
        sources.insert(answer.seen_source.ip());
        servers.insert(answer.server);
        if servers.len() == PODS.len() {
            return sources;
        }
    }
    panic!("{to}: only {servers:?} answered")
}

#[test]
fn everybody_is_served_as_with_bound_addresses() {
    let Some(testbed) = Testbed::build() else { return };
    let web = Service::new("web", 10).spec(json!({"type": "NodePort"}));
    let web = web.ports([Port::of(Protocol::Tcp).node_port(NODE_PORT)]).slice(testbed.endpoints(&PODS));
    testbed.manifests.apply(&web);
    let (node, host) = (testbed.node(), &testbed.cluster.hosts[0]);
    // A pod of another node goes through its own kernel, a pod of this one through this.
    let pod = testbed.pod("pod-1");
    host.route_services_via(node).unwrap();
    for (most, expected) in [("--max-bound-addresses=1000", ["10.96.0.10"].as_slice()), (ALL_ROUTED, &[])] {
        let proxy = testbed.run(&flags(most));
        assert_eq!(forms(&testbed)[0], set(expected), "{most}");
        for (family, address) in web.addresses(Protocol::Tcp).into_iter().enumerate() {
            let own = |addresses: Addresses| addresses.both()[family];
            // The pod that asks itself is seen as the node.
            let seen_by_pods = [own(pod.addresses), own(node.addresses)].into();
            assert_eq!(sources(&pod.namespace, address), seen_by_pods, "{most}: pod to {address}");
            let masqueraded = BTreeSet::from([own(node.addresses)]);
            assert_eq!(sources(&node.namespace, address), masqueraded, "{most}: node to {address}");
            assert_eq!(sources(&host.namespace, address), masqueraded, "{most}: outside to {address}");
            let node_port = SocketAddr::new(own(node.addresses), NODE_PORT);
            for namespace in [&node.namespace, &host.namespace] {
                assert_eq!(sources(namespace, node_port), masqueraded, "{most}: {}", namespace.name());
            }
        }
        // The source before IPVS and masquerading, which rules may ask for.
        let route = shell(&node.namespace, "ip route get 10.96.0.10");
        assert!(route.contains("src 10.96.0.10 "), "{most}: {route}");
        proxy.stop(Signal::SIGKILL);
        shell(&node.namespace, "ip link del kube-ipvs0");
    }
}

#[test]
fn a_restart_sends_nothing_whatever_form_each_address_has() {
    if !require(Need::Program("strace")) {
        return;
    }
    let Some(testbed) = Testbed::build() else { return };
    apply(&testbed, &[("a", 10), ("b", 20), ("c", 30)]);
    testbed.run(&flags(ONE_BOUND)).stop(Signal::SIGKILL);
    let before = forms(&testbed);
    assert_eq!(before, [set(&["10.96.0.10"]), set(&["10.96.0.20", "10.96.0.30"])]);
    for most in [ONE_BOUND, ALL_ROUTED, "--max-bound-addresses=1000"] {
        let file = testbed.file("trace");
        let output = file.to_string_lossy();
        // With -D the process that is started is kube-ipvs itself.
        let strace = [&trace::OPTIONS[..], &["-D", "-o", &output, KUBE_IPVS]].concat();
        let mut proxy = testbed.spawn(testbed.node(), Path::new("strace"), &strace, &flags(most));
        proxy.wait_for_log("first sync done");
        let process = proxy.id();
        proxy.stop(Signal::SIGTERM);
        let trace = trace::of_ended(process, &file);
        assert!(trace::messages(&trace).iter().any(|kind| kind == "RTM_GETROUTE"), "{trace}");
        assert_eq!(trace::changes(&trace), Vec::<String>::new(), "{most}");
        assert_eq!(forms(&testbed), before, "{most}");
    }
}

#[test]
fn a_route_that_somebody_deletes_is_back_without_an_audit() {
    let Some(testbed) = Testbed::build() else { return };
    let services = apply(&testbed, &[("a", 10), ("b", 20)]);
    let _proxy = testbed.run(&flags(ALL_ROUTED));
    let whole = forms(&testbed);
    assert_eq!(whole, [set(&[]), set(&["10.96.0.10", "10.96.0.20"])]);
    let client = testbed.client("pod-1", &services[0]);
    for command in [
        "ip route del local 10.96.0.10 dev kube-ipvs0 table local proto 118",
        "ip route flush table local proto 118",
        // The kernel drops routes with the last address, and does not say so.
        "ip addr add 192.0.2.1/32 dev kube-ipvs0; ip addr del 192.0.2.1/32 dev kube-ipvs0",
        "ip link del kube-ipvs0",
    ] {
        shell(&testbed.node().namespace, command);
        eventually("the routes are back", || {
            shell(&testbed.node().namespace, "ip link").contains("kube-ipvs0") && forms(&testbed) == whole
        });
        eventually("the Service answers", || client.ask().unwrap().is_ok());
    }
}

#[test]
fn the_address_of_a_service_that_goes_goes_whatever_its_form() {
    let Some(testbed) = Testbed::build() else { return };
    let services = apply(&testbed, &[("bound", 10), ("stays", 20), ("routed", 30)]);
    let _proxy = testbed.run(&flags(ONE_BOUND));
    assert_eq!(forms(&testbed), [set(&["10.96.0.10"]), set(&["10.96.0.20", "10.96.0.30"])]);
    let node = &testbed.node().namespace;
    shell(
        node,
        "ip route append local 192.0.2.7/32 dev kube-ipvs0 table local proto static
         ip route append local 10.96.0.30/32 dev lo table local proto static",
    );
    let client = testbed.client("pod-1", &services[1]);

    testbed.manifests.delete(&services[2]);
    eventually("its route is gone", || forms(&testbed) == [set(&["10.96.0.10"]), set(&["10.96.0.20"])]);
    testbed.manifests.delete(&services[0]);
    // Without a bound address the kernel would drop the routes.
    eventually("its address is gone", || forms(&testbed) == [set(&["10.96.0.20"]), set(&["10.96.0.20"])]);
    client.ask().unwrap().unwrap();
    let others = shell(node, "ip route show table local proto static");
    assert!(others.contains("192.0.2.7") && others.contains("10.96.0.30"), "{others}");
    testbed.manifests.delete(&services[1]);
    eventually("both forms are gone", || forms(&testbed) == [set(&[]), set(&[])]);
}
