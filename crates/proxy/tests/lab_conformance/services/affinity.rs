//! Session affinity.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use lab::traffic::{Client, Spread};
use lab::wait;
use serde_json::json;

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Port, Service};
use crate::support::testbed::{eventually, shell};

const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];
const CLIENT: &str = "pod-3";
const NODE_PORT: u16 = 30080;

/// How often one pod has to answer before it is believed (upstream's AffinityConfirmCount).
const CONFIRMED: usize = 15;

/// Kubernetes' default, in seconds.
const THREE_HOURS: u32 = 10800;

/// By which address the Service is asked.
#[derive(Clone, Copy)]
enum Address {
    ClusterIp,
    NodePort,
}

// === impl Address ===

impl Address {
    fn service(self, scene: &Scene) -> Service {
        let service = Service::new("affinity", 10).slice(scene.endpoints(&PODS));
        match self {
            Address::ClusterIp => service,
            Address::NodePort => {
                service.spec(json!({ "type": "NodePort" })).ports([Port::of(TCP).node_port(NODE_PORT)])
            }
        }
    }

    fn of(self, scene: &Scene, service: &Service) -> [SocketAddr; 2] {
        match self {
            Address::ClusterIp => service.addresses(TCP),
            Address::NodePort => scene.port_of("node-1", NODE_PORT),
        }
    }
}

/// Waits until one pod answers many times in a row, and says which.
#[track_caller]
fn sticks(client: Client<'_>) -> String {
    let mut last = Spread::default();
    let sticks = wait::until(Duration::from_secs(60), || {
        last = client.ask_many(CONFIRMED, 1).unwrap();
        last.failures.is_empty() && last.answers.len() == 1
    });
    assert!(sticks, "{last}");
    last.servers().concat()
}

/// The same at an address of each family.
#[track_caller]
fn sticks_at(scene: &Scene, to: [SocketAddr; 2]) {
    to.into_iter().for_each(|to| drop(sticks(scene.client(CLIENT, TCP, to))));
}

#[track_caller]
fn check(address: Address) {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = address.service(&scene).affinity(THREE_HOURS);
    scene.apply(&service);
    sticks_at(&scene, address.of(&scene, &service));
}

#[track_caller]
fn check_switch(address: Address) {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let without = address.service(&scene);
    let with = without.clone().affinity(THREE_HOURS);
    let to = address.of(&scene, &with);
    scene.apply(&with);
    sticks_at(&scene, to);
    scene.apply(&without);
    scene.served_by(CLIENT, TCP, to, &PODS);
    scene.apply(&with);
    sticks_at(&scene, to);
}

/// IPVS remembers a client for as long as it remembers a connection of it, however short the timeout, so these end at
/// once. (Upstream's test waits for minutes on IPVS.)
#[track_caller]
fn check_timeout(address: Address) {
    const SECONDS: u32 = 15;
    let Some(scene) = Scene::build(1, &[TCP]) else { return };
    let service = address.service(&scene).affinity(SECONDS);
    scene.apply(&service);
    let clients = address.of(&scene, &service).map(|to| scene.client(CLIENT, TCP, to).resetting());
    let before = clients.map(sticks);
    let nodes = &scene.testbed.cluster.nodes;
    eventually("IPVS has forgotten the client", || {
        thread::sleep(Duration::from_secs(1));
        nodes.iter().all(|node| !shell(&node.namespace, "ipvsadm -Lnc").contains("TCP"))
    });
    // Round robin goes on with the next pod.
    for (before, client) in before.into_iter().zip(clients) {
        assert_ne!(before, sticks(client), "{CLIENT} is still answered by the same pod");
    }
}

#[test]
fn should_have_session_affinity_work_for_service_with_type_cluster_ip() {
    check(Address::ClusterIp);
}

#[test]
fn should_have_session_affinity_work_for_node_port_service() {
    check(Address::NodePort);
}

#[test]
fn should_have_session_affinity_timeout_work_for_service_with_type_cluster_ip() {
    check_timeout(Address::ClusterIp);
}

#[test]
fn should_have_session_affinity_timeout_work_for_node_port_service() {
    check_timeout(Address::NodePort);
}

#[test]
fn should_be_able_to_switch_session_affinity_for_service_with_type_cluster_ip() {
    check_switch(Address::ClusterIp);
}

#[test]
fn should_be_able_to_switch_session_affinity_for_node_port_service() {
    check_switch(Address::NodePort);
}
