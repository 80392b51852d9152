//! Traffic to node ports, with `externalTrafficPolicy` and health-check node ports.

use lab::cluster::addresses::CLUSTER_CIDR;
use serde_json::json;

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Condition, Port, Service};
use crate::support::testbed::shell;

const NODE_PORT: u16 = 30080;
const HEALTH_PORT: u16 = 32080;

/// A Service whose only endpoint is `pod-1`.
fn node_port(scene: &Scene, name: &str, policy: &str) -> Service {
    Service::new(name, 10)
        .spec(json!({ "type": "NodePort", "externalTrafficPolicy": policy }))
        .ports([Port::of(TCP).node_port(NODE_PORT)])
        .slice(scene.endpoints(&["pod-1"]))
}

/// The same behind a load balancer, which has not been made yet.
fn load_balancer(scene: &Scene, name: &str, policy: &str) -> Service {
    let service = node_port(scene, name, policy).spec(json!({ "type": "LoadBalancer" }));
    match policy {
        "Local" => service.spec(json!({ "healthCheckNodePort": HEALTH_PORT })),
        _ => service,
    }
}

#[test]
fn should_preserve_the_client_ip_with_external_traffic_policy_local_for_node_port() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    scene.apply(&node_port(&scene, "nodeport-local", "Local"));
    for client in ["host-1", "node-2", "pod-3"] {
        let to = scene.port_of("node-1", NODE_PORT);
        scene.served_from(client, TCP, to, "pod-1", scene.addresses(client));
    }
}

#[test]
fn should_fail_health_check_node_port_if_there_are_only_terminating_endpoints() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = load_balancer(&scene, "hc-terminating", "Local");
    let (health, traffic) = (scene.port_of("node-1", HEALTH_PORT), scene.port_of("node-1", NODE_PORT));
    scene.apply(&service);
    scene.health("pod-3", health, Some(200));
    scene.served_by("pod-3", TCP, traffic, &["pod-1"]);
    scene.apply(&service.clone().with("pod-1", Condition::Terminating));
    scene.health("pod-3", health, Some(503));
    scene.served_by("pod-3", TCP, traffic, &["pod-1"]);
}

#[test]
fn should_fallback_to_terminating_endpoints_when_there_are_no_ready_endpoints_with_external_traffic_policy_cluster()
 {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = node_port(&scene, "terminating", "Cluster");
    scene.apply(&service.with("pod-1", Condition::Terminating));
    for client in ["pod-2", "pod-3"] {
        for node in ["node-1", "node-2"] {
            scene.served_by(client, TCP, scene.port_of(node, NODE_PORT), &["pod-1"]);
        }
    }
}

/// Upstream's client is a pod, and for another node it comes from outside, since network plugins masquerade what pods
/// send to addresses that are no pods'. The lab's network does not, and a client that shows a pod's address is served
/// (kubernetes#93456), so the test sets up what plugins do.
#[test]
fn should_fallback_to_local_terminating_endpoints_when_there_are_no_ready_endpoints_with_external_traffic_policy_local()
 {
    let Some(scene) = Scene::build(2, &[TCP]) else { return };
    let service = node_port(&scene, "terminating", "Local");
    scene.apply(&service.with("pod-1", Condition::Terminating));
    for node in &scene.testbed.cluster.nodes {
        for (program, pods) in ["iptables", "ip6tables"].into_iter().zip(CLUSTER_CIDR.split(',')) {
            let rule = format!("-t nat -A POSTROUTING -s {pods} ! -d {pods} -j MASQUERADE");
            shell(&node.namespace, &format!("{program} {rule}"));
        }
    }
    let [near, far] = ["node-1", "node-2"].map(|node| scene.port_of(node, NODE_PORT));
    for client in ["pod-2", "pod-3", "host-1"] {
        scene.served_by(client, TCP, near, &["pod-1"]);
    }
    for client in ["pod-2", "node-3", "host-1"] {
        scene.silent(client, TCP, far);
    }
}

/// The endpoint is on `node-1` and the client is a process of `node-2`.
#[test]
fn should_support_node_port_and_health_check_node_port_when_external_traffic_policy_changes() {
    const CLIENT: &str = "node-2";
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let local = load_balancer(&scene, "policy-changes", "Local");
    let cluster = load_balancer(&scene, "policy-changes", "Cluster");
    let [health, traffic] = [HEALTH_PORT, NODE_PORT]
        .map(|port| ["node-1", "node-2", "node-3"].map(|node| scene.port_of(node, port)));
    let is_local = || {
        scene.health(CLIENT, health[0], Some(200));
        scene.served_from(CLIENT, TCP, traffic[0], "pod-1", scene.addresses(CLIENT));
        // What a node sends to itself is not traffic from outside.
        scene.health(CLIENT, health[1], Some(503));
        scene.served_by(CLIENT, TCP, traffic[1], &["pod-1"]);
        scene.health(CLIENT, health[2], Some(503));
        scene.silent(CLIENT, TCP, traffic[2]);
    };
    scene.apply(&local);
    is_local();
    scene.apply(&cluster);
    for (health, traffic) in health.into_iter().zip(traffic) {
        scene.health(CLIENT, health, None);
        scene.served_by(CLIENT, TCP, traffic, &["pod-1"]);
    }
    scene.apply(&local);
    // Health is told first.
    scene.keeps_its_source(CLIENT, TCP, traffic[0]);
    is_local();
}
