//! `[sig-network] Services` (test/e2e/network/service.go).

use lab::traffic::Protocol;

use crate::scene::Scene;
use crate::support::manifests::Service;

const TCP: Protocol = Protocol::Tcp;

#[test]
fn should_serve_a_basic_endpoint_from_pods() {
    let Some(scene) = Scene::build(1, &[TCP]) else { return };
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
