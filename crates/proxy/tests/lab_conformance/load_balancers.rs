//! `[sig-network] LoadBalancers` (test/e2e/network/loadbalancer.go). The load balancer is a route of the host outside.

use std::net::{IpAddr, SocketAddr};

use lab::traffic::Protocol;
use lab::wait;
use serde_json::json;

use crate::scene::{Scene, TCP, UDP, at};
use crate::support::manifests::{Port, Service};

const NODE_PORT: u16 = 30080;
const HEALTH_PORT: u16 = 32080;

/// A port that all protocols share, and another one.
const PORT: u16 = 80;
const OTHER_PORT: u16 = 81;

/// Addresses of a load balancer, both families.
fn virtual_ips(number: u8) -> [IpAddr; 2] {
    [format!("203.0.113.{number}"), format!("2001:db8::{number}")].map(|ip| ip.parse().unwrap())
}

/// A cluster whose load balancers send to a node. It has two pods on each node.
#[track_caller]
fn build(protocols: &[Protocol], balanced_to: &str) -> Option<Scene> {
    let scene = Scene::shared(2, protocols)?;
    scene.route_via(balanced_to, &[virtual_ips(10), virtual_ips(11)].concat());
    Some(scene)
}

/// The same port over TCP and UDP.
fn both_protocols(port: u16, node_port: Option<u16>) -> [Port; 2] {
    [TCP, UDP].map(|protocol| Port { number: port, node_port, ..Port::of(protocol) })
}

/// Upstream: "should be able to change the type and ports of a TCP service", "… of a UDP service".
#[test]
fn should_be_able_to_change_the_type_and_ports_of_a_tcp_and_of_a_udp_service() {
    const OTHER_NODE_PORT: u16 = 30081;
    let Some(scene) = build(&[TCP, UDP], "node-2") else { return };
    let pods = ["pod-1"];
    let plain =
        Service::new("mutability", 10).ports(both_protocols(PORT, None)).slice(scene.endpoints(&pods));
    let served = |to: [SocketAddr; 2], client: &str| {
        [TCP, UDP].into_iter().for_each(|protocol| scene.served_by(client, protocol, to, &pods));
    };
    let unserved = |to: [SocketAddr; 2], client: &str| {
        [TCP, UDP].into_iter().for_each(|protocol| scene.unserved(client, protocol, to));
    };
    let node_port = |port| scene.port_of("node-3", port);
    let balanced = |port| at(virtual_ips(10), port);

    scene.apply(&plain);
    served(plain.at(PORT), "pod-5");

    let with_node_port = plain.clone().spec(json!({ "type": "NodePort" }));
    scene.apply(&with_node_port.clone().ports(both_protocols(PORT, Some(NODE_PORT))));
    served(plain.at(PORT), "pod-5");
    served(node_port(NODE_PORT), "host-1");

    let with_balancer = with_node_port.load_balancer(&virtual_ips(10));
    scene.apply(&with_balancer.clone().ports(both_protocols(PORT, Some(NODE_PORT))));
    served(node_port(NODE_PORT), "host-1");
    served(balanced(PORT), "host-1");

    scene.apply(&with_balancer.clone().ports(both_protocols(PORT, Some(OTHER_NODE_PORT))));
    served(node_port(OTHER_NODE_PORT), "host-1");
    served(balanced(PORT), "host-1");
    unserved(node_port(NODE_PORT), "host-1");

    let moved = with_balancer.ports(both_protocols(OTHER_PORT, Some(OTHER_NODE_PORT)));
    scene.apply(&moved);
    served(plain.at(OTHER_PORT), "pod-5");
    served(balanced(OTHER_PORT), "host-1");
    served(node_port(OTHER_NODE_PORT), "host-1");
    unserved(balanced(PORT), "host-1");

    scene.apply(&moved.clone().without_slices());
    for to in [balanced(OTHER_PORT), node_port(OTHER_NODE_PORT)] {
        [TCP, UDP].into_iter().for_each(|protocol| scene.refused("host-1", protocol, to));
    }
    scene.apply(&moved);
    served(balanced(OTHER_PORT), "host-1");
    served(node_port(OTHER_NODE_PORT), "host-1");

    let plain = plain.ports(both_protocols(OTHER_PORT, None));
    scene.apply(&plain);
    served(plain.at(OTHER_PORT), "pod-5");
    unserved(node_port(OTHER_NODE_PORT), "host-1");
    unserved(balanced(OTHER_PORT), "host-1");
}

#[test]
fn should_only_allow_access_from_service_loadbalancer_source_ranges() {
    let Some(scene) = build(&[TCP], "node-2") else { return };
    let to = at(virtual_ips(10), PORT);
    let open = Service::new("ranges", 10).load_balancer(&virtual_ips(10)).slice(scene.endpoints(&["pod-1"]));
    let ranges = |ranges: Vec<String>| open.clone().spec(json!({ "loadBalancerSourceRanges": ranges }));
    let only = |place: &str| ranges(single(scene.addresses(place).both()));
    let is_served = |client| scene.served_by(client, TCP, to, &["pod-1"]);
    let is_dropped = |client| scene.silent(client, TCP, to);
    let clients = ["pod-3", "pod-5", "host-1"];

    scene.apply(&open);
    clients.into_iter().for_each(is_served);
    for allowed in ["pod-3", "pod-5", "host-1"] {
        scene.apply(&only(allowed));
        is_served(allowed);
        clients.into_iter().filter(|client| *client != allowed).for_each(is_dropped);
    }
    // Only those who may ask are told that there is no endpoint.
    scene.apply(&only("pod-3").without_slices());
    scene.refused("pod-3", TCP, to);
    ["pod-5", "host-1"].into_iter().for_each(is_dropped);
    scene.apply(&ranges(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]));
    clients.into_iter().for_each(is_served);
    scene.apply(&ranges(single(virtual_ips(99))));
    clients.into_iter().for_each(is_dropped);
    // The ranges are about the load balancer, and about nothing else.
    scene.served_by("pod-3", TCP, open.addresses(TCP), &["pod-1"]);
    scene.apply(&open);
    clients.into_iter().for_each(is_served);
}

/// Ranges of one address each.
fn single(ips: [IpAddr; 2]) -> Vec<String> {
    ips.map(|ip| format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })).into()
}

/// Upstream: "should have session affinity work for LoadBalancer service with Local traffic policy", "… with Cluster
/// traffic policy", "should be able to switch session affinity for LoadBalancer service with Local traffic policy", "…
/// with Cluster traffic policy". The two Services have their pods on the node that the load balancer sends to.
#[test]
fn should_have_session_affinity_work_and_be_switched_for_load_balancer_service() {
    const PODS: [&str; 2] = ["pod-1", "pod-2"];
    let Some(scene) = build(&[TCP], "node-1") else { return };
    let service = |name, number: u8, policy| {
        Service::new(name, number.into())
            .load_balancer(&virtual_ips(number))
            .spec(json!({ "externalTrafficPolicy": policy }))
            .slice(scene.endpoints(&PODS))
    };
    let services =
        [(10, service("affinity-cluster", 10, "Cluster")), (11, service("affinity-local", 11, "Local"))];
    for has_affinity in [true, false, true] {
        for (number, without) in &services {
            let to = at(virtual_ips(*number), PORT);
            let with = without.clone().affinity(10800);
            scene.apply(if has_affinity { &with } else { without });
            if has_affinity {
                to.into_iter().for_each(|to| sticks(&scene, to));
            } else {
                scene.served_by("host-1", TCP, to, &PODS);
            }
        }
    }
}

/// Waits until one pod answers many times in a row.
#[track_caller]
fn sticks(scene: &Scene, to: SocketAddr) {
    const CONFIRMED: usize = 15;
    let mut last = String::new();
    let sticks = wait::until(std::time::Duration::from_secs(60), || {
        let spread = scene.client("host-1", TCP, to).ask_many(CONFIRMED, 1).unwrap();
        last = spread.to_string();
        spread.failures.is_empty() && spread.answers.len() == 1
    });
    assert!(sticks, "{to}: {last}");
}

/// Upstream: "should work for type=LoadBalancer", "should only target nodes with endpoints", "should target all nodes
/// with endpoints", "should work from pods", each with `externalTrafficPolicy: Local`; and "should be able to create
/// LoadBalancer Service without NodePort and change it".
#[test]
fn should_work_for_load_balancers_with_external_traffic_policy_local() {
    let Some(scene) = build(&[TCP], "node-1") else { return };
    let to = at(virtual_ips(10), PORT);
    let service = Service::new("external-local", 10).load_balancer(&virtual_ips(10)).spec(json!({
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": HEALTH_PORT,
        "allocateLoadBalancerNodePorts": false,
    }));
    let health = |node, status| scene.health("host-1", scene.port_of(node, HEALTH_PORT), Some(status));
    let source = |client| scene.addresses(client);

    // No node port: the load balancer's addresses are enough.
    scene.apply(&service.clone().slice(scene.endpoints(&["pod-1"])));
    scene.served_from("host-1", TCP, to, "pod-1", source("host-1"));
    for (node, status) in [("node-1", 200), ("node-2", 503), ("node-3", 503)] {
        health(node, status);
    }
    // Pods everywhere reach it, with their own address.
    for client in ["pod-2", "pod-5"] {
        scene.served_from(client, TCP, to, "pod-1", source(client));
    }
    // A node without endpoints drops what a load balancer should not have sent there.
    scene.route_via("node-2", &virtual_ips(10));
    scene.silent("host-1", TCP, to);

    // All nodes with endpoints, one after the other and then all.
    let service = service.ports([Port::of(TCP).node_port(NODE_PORT)]);
    for (node, pod) in [("node-2", "pod-3"), ("node-3", "pod-5")] {
        scene.apply(&service.clone().slice(scene.endpoints(&[pod])));
        scene.route_via(node, &virtual_ips(10));
        scene.served_from("host-1", TCP, to, pod, source("host-1"));
        scene.served_from("host-1", TCP, scene.port_of(node, NODE_PORT), pod, source("host-1"));
        health(node, 200);
        health("node-1", 503);
    }
    scene.apply(&service.slice(scene.endpoints(&["pod-1", "pod-3", "pod-5"])));
    for (node, pod) in [("node-1", "pod-1"), ("node-2", "pod-3"), ("node-3", "pod-5")] {
        health(node, 200);
        scene.route_via(node, &virtual_ips(10));
        scene.served_by("host-1", TCP, to, &[pod]);
    }
}
