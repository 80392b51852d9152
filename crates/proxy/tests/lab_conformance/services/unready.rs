//! Pods that are not ready, that are ending, or that are not there.

use serde_json::json;

use crate::scene::{Place, Scene, TCP};
use crate::support::manifests::{Condition, Port, Service};

const NODE_PORT: u16 = 30080;

/// `pod-1` is the only endpoint; a client on its node, one on another.
const CLIENTS: [&Place; 2] = ["pod-2", "pod-3"];

fn service(scene: &Scene, name: &str) -> Service {
    Service::new(name, 10)
        .spec(json!({ "type": "NodePort" }))
        .ports([Port::of(TCP).node_port(NODE_PORT)])
        .slice(scene.endpoints(&["pod-1"]))
}

#[test]
fn should_create_endpoints_for_unready_pods() {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = Service::new("tolerate-unready", 10).slice(scene.endpoints(&["pod-1"]));
    let addresses = service.addresses(TCP);
    let published = |publishes: bool| service.clone().spec(json!({ "publishNotReadyAddresses": publishes }));
    scene.apply(&published(true).with("pod-1", Condition::Published));
    scene.served_by("pod-3", TCP, addresses, &["pod-1"]);
    scene.apply(&published(false).with("pod-1", Condition::TerminatingUnready));
    scene.unserved("pod-3", TCP, addresses);
    scene.apply(&published(true).with("pod-1", Condition::TerminatingPublished));
    scene.served_by("pod-3", TCP, addresses, &["pod-1"]);
}

#[test]
fn should_be_able_to_connect_to_terminating_and_unready_endpoints_if_publish_not_ready_addresses_is_true() {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = service(&scene, "pub-not-ready").spec(json!({ "publishNotReadyAddresses": true }));
    scene.apply(&service.clone().with("pod-1", Condition::TerminatingPublished));
    for client in CLIENTS {
        scene.served_by(client, TCP, service.addresses(TCP), &["pod-1"]);
        for node in ["node-1", "node-2"] {
            scene.served_by(client, TCP, scene.port_of(node, NODE_PORT), &["pod-1"]);
        }
    }
}

#[test]
fn should_not_be_able_to_connect_to_terminating_and_unready_endpoints_if_publish_not_ready_addresses_is_false()
 {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = service(&scene, "pub-not-ready");
    // Served while it is ready, so that silence means something afterwards.
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.addresses(TCP), &["pod-1"]);
    scene.apply(&service.clone().with("pod-1", Condition::TerminatingUnready));
    for client in CLIENTS {
        scene.refused(client, TCP, service.addresses(TCP));
        for node in ["node-1", "node-2"] {
            scene.refused(client, TCP, scene.port_of(node, NODE_PORT));
        }
    }
}

#[test]
fn should_be_rejected_when_no_endpoints_exist() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("no-pods", 10);
    scene.apply(&service);
    for client in ["pod-1", "pod-2", "node-1"] {
        scene.refused(client, TCP, service.addresses(TCP));
    }
}

/// An evicted pod has failed, so no slice lists it, whatever the Service publishes.
#[test]
fn should_be_rejected_for_evicted_pods_no_endpoints_exist() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("evicted-pods", 10)
        .spec(json!({ "publishNotReadyAddresses": true }))
        .slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    scene.served_by("pod-2", TCP, service.addresses(TCP), &["pod-1"]);
    scene.apply(&service.clone().without("pod-1"));
    scene.refused("pod-2", TCP, service.addresses(TCP));
}
