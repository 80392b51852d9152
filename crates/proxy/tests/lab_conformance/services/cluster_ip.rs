//! Cluster IPs, and what becomes of them when endpoints, ports and Services come and go.

use std::path::Path;

use lab::traffic::Protocol;
use lab::{Need, require};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::scene::{FLAGS, Scene, TCP, UDP};
use crate::support::manifests::{Port, Service, Slice};
use crate::support::testbed::{KUBE_IPVS, eventually};
use crate::support::trace;

#[test]
fn should_serve_a_basic_endpoint_from_pods() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("endpoint-test2", 10);
    let addresses = service.addresses(TCP);
    scene.apply(&service);
    scene.refused("pod-3", TCP, addresses);
    for pods in [&["pod-1"][..], &["pod-1", "pod-2"], &["pod-2"]] {
        scene.apply(&service.clone().slice(scene.endpoints(pods)));
        scene.served_by("pod-3", TCP, addresses, pods);
    }
    scene.apply(&service);
    scene.refused("pod-3", TCP, addresses);
}

#[test]
fn should_serve_multiport_endpoints_from_pods() {
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let _servers = [scene.serve("pod-1", "pod-1", TCP, 100), scene.serve("pod-2", "pod-2", TCP, 101)];
    let service = Service::new("multi-endpoint-test", 10)
        .ports([Port::named("portname1", 80, 100), Port::named("portname2", 81, 101)]);
    let first = Slice::of(scene.endpoints(&["pod-1"])).ports(&[("portname1", 100)]);
    let second = Slice::of(scene.endpoints(&["pod-2"])).ports(&[("portname2", 101)]);

    scene.apply(&service.clone().add(first.clone()));
    scene.served_by("pod-3", TCP, service.at(80), &["pod-1"]);
    scene.refused("pod-3", TCP, service.at(81));
    scene.apply(&service.clone().add(first).add(second.clone()));
    scene.served_by("pod-3", TCP, service.at(80), &["pod-1"]);
    scene.served_by("pod-3", TCP, service.at(81), &["pod-2"]);
    scene.apply(&service.clone().add(second));
    scene.refused("pod-3", TCP, service.at(80));
    scene.served_by("pod-3", TCP, service.at(81), &["pod-2"]);
    scene.apply(&service);
    scene.refused("pod-3", TCP, service.at(81));
}

#[test]
fn should_be_updated_after_adding_or_deleting_ports() {
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let _servers = [scene.serve("pod-1", "pod-1", TCP, 100), scene.serve("pod-1", "pod-1-new", TCP, 101)];
    let [first, second] = [Port::named("portname1", 80, 100), Port::named("portname2", 81, 101)];
    let service = Service::new("edit-port-test", 10).slice(scene.endpoints(&["pod-1"]));
    let one = service.clone().ports([first.clone()]);
    let two = service.ports([first, second]);

    scene.apply(&one);
    scene.served_by("pod-3", TCP, one.at(80), &["pod-1"]);
    scene.apply(&two);
    scene.served_by("pod-3", TCP, one.at(81), &["pod-1-new"]);
    scene.served_by("pod-3", TCP, one.at(80), &["pod-1"]);
    scene.apply(&one);
    scene.unserved("pod-3", TCP, one.at(81));
    scene.served_by("pod-3", TCP, one.at(80), &["pod-1"]);
}

#[test]
fn should_preserve_source_pod_ip_for_traffic_thru_service_cluster_ip() {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = Service::new("sourceip-test", 10).slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    // One client on the server's node, one on another.
    for client in ["pod-2", "pod-3"] {
        scene.served_from(client, TCP, service.addresses(TCP), "pod-1", scene.addresses(client));
    }
}

#[test]
fn should_allow_pods_to_hairpin_back_to_themselves_through_services() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("hairpin-test", 10).slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    scene.served_by("pod-1", TCP, service.addresses(TCP), &["pod-1"]);
}

#[test]
fn should_be_able_to_up_and_down_services() {
    const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = |name, number| Service::new(name, number).slice(scene.endpoints(&PODS));
    let [first, second, third] =
        [("up-down-1", 10), ("up-down-2", 20), ("up-down-3", 30)].map(|(name, number)| service(name, number));
    let is_up = |service: &Service| {
        for client in ["node-1", "pod-1"] {
            scene.served_by(client, TCP, service.addresses(TCP), &PODS);
        }
    };
    scene.apply(&first);
    scene.apply(&second);
    is_up(&first);
    is_up(&second);
    scene.delete(&first);
    scene.unserved("node-1", TCP, first.addresses(TCP));
    is_up(&second);
    scene.apply(&third);
    is_up(&second);
    is_up(&third);
}

#[test]
fn should_work_after_the_service_has_been_recreated() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = |number| Service::new("recreated", number).slice(scene.endpoints(&["pod-1", "pod-2"]));
    let (old, new) = (service(10), service(20));
    scene.apply(&old);
    scene.served_by("pod-3", TCP, old.addresses(TCP), &["pod-1", "pod-2"]);
    scene.delete(&old);
    scene.unserved("pod-3", TCP, old.addresses(TCP));
    scene.apply(&new);
    scene.served_by("pod-3", TCP, new.addresses(TCP), &["pod-1", "pod-2"]);
    scene.unserved("pod-3", TCP, old.addresses(TCP));
}

#[test]
fn should_serve_endpoints_on_same_port_and_different_protocols() {
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let _servers = [TCP, UDP].map(|protocol| scene.serve("pod-1", "pod-1", protocol, 8080));
    let [tcp, udp] = [TCP, UDP].map(|protocol| Port { number: 80, target: 8080, ..Port::of(protocol) });
    let service = Service::new("multiprotocol-test", 10).slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service.clone().ports([tcp.clone(), udp.clone()]));
    scene.served_by("pod-3", TCP, service.at(80), &["pod-1"]);
    scene.served_by("pod-3", UDP, service.at(80), &["pod-1"]);
    scene.apply(&service.clone().ports([tcp]));
    scene.unserved("pod-3", UDP, service.at(80));
    scene.served_by("pod-3", TCP, service.at(80), &["pod-1"]);
    scene.apply(&service.clone().ports([udp]));
    scene.unserved("pod-3", TCP, service.at(80));
    scene.served_by("pod-3", UDP, service.at(80), &["pod-1"]);
}

#[test]
fn should_serve_endpoints_on_same_port_and_different_protocols_for_internal_traffic_on_type_load_balancer() {
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let _servers = [TCP, UDP].map(|protocol| scene.serve("pod-1", "pod-1", protocol, 8080));
    let port =
        |protocol, node_port| Port { number: 80, target: 8080, ..Port::of(protocol) }.node_port(node_port);
    // The load balancer is still being made.
    let service = Service::new("multiprotocol-lb-test", 10)
        .spec(json!({ "type": "LoadBalancer" }))
        .ports([port(TCP, 30080), port(UDP, 30081)])
        .slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.at(80), &["pod-1"]);
    scene.served_by("pod-3", UDP, service.at(80), &["pod-1"]);
}

/// A kernel loads the module `sctp` when a program opens such a socket, for instance to hold a node port. Once
/// loaded it stays, and the lab has loaded it, so what is looked at is that nobody opens one.
#[test]
fn should_allow_creating_a_basic_sctp_service_with_pod_and_endpoints() {
    if !require(Need::Program("strace")) {
        return;
    }
    let Some(mut scene) = Scene::build(1, &[]) else { return };
    let file = scene.testbed.file("trace");
    let output = file.to_string_lossy();
    // With -D the process that is started is kube-ipvs itself.
    let strace = ["-f", "-D", "-e", "trace=socket", "-o", &output, KUBE_IPVS];
    scene.proxies.remove(0).stop(Signal::SIGTERM);
    let node = scene.testbed.node();
    let mut proxy = scene.testbed.spawn(node, Path::new("strace"), &strace, &FLAGS);
    proxy.wait_for_log("first sync done");
    let service = Service::new("sctp-endpoint-test", 10)
        .spec(json!({ "type": "NodePort" }))
        .ports([Port::of(Protocol::Sctp).node_port(30080)])
        .slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    for node in &scene.testbed.cluster.nodes {
        let real_server = format!("-r {}:38412", scene.addresses("pod-1").v4);
        eventually("the Service is there", || node.ipvs().unwrap().contains(&real_server));
    }
    let process = proxy.id();
    proxy.stop(Signal::SIGTERM);
    let sockets = trace::of_ended(process, &file);
    assert!(sockets.contains("NETLINK_GENERIC"), "the trace shows too little:\n{sockets}");
    assert!(!sockets.contains("SCTP"), "{sockets}");
}
