//! Ports that pods name, each in its own way.

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Port, Service, Slice};

/// A pod that serves something else on its main container's port; what a Service of its is about is a sidecar's.
#[track_caller]
fn check_sidecar(port: &str) {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let _sidecar = scene.serve("pod-1", "sidecar", TCP, 9090);
    let service = Service::new("sidecar-ports", 10)
        .ports([Port::named(port, 80, 9090)])
        .slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    scene.served_by("pod-3", TCP, service.at(80), &["sidecar"]);
}

/// An EndpointSlice has a number, whether or not the Service names the port.
#[test]
fn should_connect_to_the_ports_exposed_by_restartable_init_containers() {
    check_sidecar("");
}

#[test]
fn should_connect_to_the_named_ports_exposed_by_restartable_init_containers() {
    check_sidecar("http");
}

#[test]
fn should_connect_to_endpoints_with_different_named_target_ports() {
    const NAMES: [&str; 4] = ["old-1", "old-2", "new-1", "new-2"];
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let places = ["pod-1", "pod-2", "pod-1", "pod-2"].into_iter().zip(NAMES).zip(8080..);
    let _servers: Vec<_> = places.map(|((pod, name), port)| scene.serve(pod, name, TCP, port)).collect();
    let slice = |pod, port| Slice::of(scene.endpoints(&[pod])).ports(&[("http", port)]);
    let service = Service::new("named-ports", 10).ports([Port::named("http", 80, 8080)]);
    for (ports, servers) in [([8080, 8081], &NAMES[..2]), ([8082, 8083], &NAMES[2..])] {
        let [first, second] = ports;
        scene.apply(&service.clone().add(slice("pod-1", first)).add(slice("pod-2", second)));
        scene.served_by("pod-3", TCP, service.at(80), servers);
    }
}
