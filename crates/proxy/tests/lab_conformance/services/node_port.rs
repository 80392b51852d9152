//! Node ports, external IPs, and Services that change their type.

use serde_json::json;

use crate::scene::{Place, Scene, TCP, UDP, at};
use crate::support::manifests::{Port, Service};

const NODES: [&Place; 3] = ["node-1", "node-2", "node-3"];

const NODE_PORT: u16 = 30080;

const PODS: [&str; 2] = ["pod-1", "pod-2"];

fn node_port(service: Service) -> Service {
    service.spec(json!({ "type": "NodePort" })).ports([Port::of(TCP).node_port(NODE_PORT)])
}

fn external_name(service: Service) -> Service {
    let none = json!(null);
    service.spec(json!({
        "type": "ExternalName",
        "externalName": "example.com",
        "clusterIP": none,
        "clusterIPs": none,
        "ipFamilies": none,
    }))
}

/// The node port is served on every node.
#[track_caller]
fn served_on_every_node(scene: &Scene, client: &Place) {
    for node in NODES {
        scene.served_by(client, TCP, scene.port_of(node, NODE_PORT), &PODS);
    }
}

#[test]
fn should_be_able_to_create_a_functioning_node_port_service() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = node_port(Service::new("nodeport-test", 10)).slice(scene.endpoints(&PODS));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
    served_on_every_node(&scene, "pod-3");
    served_on_every_node(&scene, "host-1");
}

#[test]
fn should_be_able_to_connect_via_external_ip_not_assigned_to_a_node() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let external = ["203.0.113.250", "2001:db8::250"].map(|address| address.parse().unwrap());
    let service = Service::new("externalip-test", 10)
        .spec(json!({ "externalIPs": external }))
        .slice(scene.endpoints(&PODS));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
    scene.served_by("pod-3", TCP, at(external, 80), &PODS);
    scene.route_via("node-2", &external);
    scene.served_by("host-1", TCP, at(external, 80), &PODS);
}

#[test]
fn should_be_able_to_update_service_type_to_node_port_listening_on_same_port_number_but_different_protocols()
{
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let serve = |protocol| PODS.map(|pod| scene.serve(pod, pod, protocol, 8080));
    let _servers = [TCP, UDP].map(serve);
    let service = Service::new("nodeport-update-service", 10).slice(scene.endpoints(&PODS));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.at(80), &PODS);
    let port =
        |protocol, node_port| Port { number: 80, target: 8080, ..Port::of(protocol) }.node_port(node_port);
    let service = service.spec(json!({ "type": "NodePort" }));
    scene.apply(&service.clone().ports([port(TCP, NODE_PORT)]));
    scene.served_by("pod-3", TCP, service.at(80), &PODS);
    served_on_every_node(&scene, "pod-3");
    scene.apply(&service.clone().ports([port(TCP, NODE_PORT), port(UDP, 30081)]));
    scene.served_by("pod-3", TCP, service.at(80), &PODS);
    scene.served_by("pod-3", UDP, service.at(80), &PODS);
    served_on_every_node(&scene, "pod-3");
    for node in NODES {
        scene.served_by("pod-3", UDP, scene.port_of(node, 30081), &PODS);
    }
}

#[test]
fn should_be_able_to_change_the_type_from_external_name_to_cluster_ip() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("externalname-service", 10);
    scene.apply(&external_name(service.clone()));
    scene.unserved("pod-3", TCP, service.addresses(TCP));
    scene.apply(&service.clone().slice(scene.endpoints(&PODS)));
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
}

#[test]
fn should_be_able_to_change_the_type_from_external_name_to_node_port() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("externalname-service", 10);
    scene.apply(&external_name(service.clone()));
    scene.unserved("pod-3", TCP, service.addresses(TCP));
    scene.apply(&node_port(service.clone()).slice(scene.endpoints(&PODS)));
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
    served_on_every_node(&scene, "pod-3");
}

#[test]
fn should_be_able_to_change_the_type_from_cluster_ip_to_external_name() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("clusterip-service", 10).slice(scene.endpoints(&PODS));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
    scene.apply(&external_name(service.clone()));
    scene.unserved("pod-3", TCP, service.addresses(TCP));
    assert_no_address_is_bound(&scene, &service);
}

#[test]
fn should_be_able_to_change_the_type_from_node_port_to_external_name() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = Service::new("nodeport-service", 10).slice(scene.endpoints(&PODS));
    scene.apply(&node_port(service.clone()));
    scene.served_by("pod-3", TCP, service.addresses(TCP), &PODS);
    served_on_every_node(&scene, "pod-3");
    scene.apply(&external_name(service.clone()));
    scene.unserved("pod-3", TCP, service.addresses(TCP));
    for node in NODES {
        scene.refused("pod-3", TCP, scene.port_of(node, NODE_PORT));
    }
    assert_no_address_is_bound(&scene, &service);
}

#[track_caller]
fn assert_no_address_is_bound(scene: &Scene, service: &Service) {
    for node in &scene.testbed.cluster.nodes {
        let bound = node.interface_addresses("kube-ipvs0").unwrap();
        for ip in service.ips() {
            assert!(!bound.contains(&format!(" {ip}/")), "{ip} on {}: {bound}", node.name);
        }
    }
}

#[test]
fn should_release_node_ports_on_delete() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = node_port(Service::new("nodeport-reuse", 10)).slice(scene.endpoints(&PODS));
    scene.apply(&service);
    served_on_every_node(&scene, "pod-3");
    scene.delete(&service);
    for node in NODES {
        scene.refused("pod-3", TCP, scene.port_of(node, NODE_PORT));
        // Whoever wants the port can have it.
        let server = scene.serve(node, node, TCP, NODE_PORT);
        scene.served_by("host-1", TCP, scene.port_of(node, NODE_PORT), &[node]);
        drop(server);
    }
    scene.apply(&service);
    served_on_every_node(&scene, "pod-3");
}
