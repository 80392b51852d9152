//! Labels that say that a Service or a slice is somebody else's.

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Service, Slice};

const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];

/// Two Services: one is labelled from the beginning, the other now and then.
#[track_caller]
fn check(labelled: impl Fn(&Scene, &str, u16) -> Service) {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let disabled = labelled(&scene, "disabled", 10);
    let toggled = Service::new("toggled", 20).slice(scene.endpoints(&PODS));
    let addresses = toggled.addresses(TCP);
    let disabled_is_down = || scene.unserved("node-1", TCP, disabled.addresses(TCP));
    scene.apply(&disabled);
    scene.apply(&toggled);
    scene.served_by("node-1", TCP, addresses, &PODS);
    scene.served_by("pod-1", TCP, addresses, &PODS);
    disabled_is_down();
    scene.apply(&labelled(&scene, "toggled", 20));
    scene.unserved("node-1", TCP, addresses);
    scene.unserved("pod-1", TCP, addresses);
    scene.apply(&toggled);
    scene.served_by("node-1", TCP, addresses, &PODS);
    scene.served_by("pod-1", TCP, addresses, &PODS);
    disabled_is_down();
}

#[test]
fn should_implement_service_kubernetes_io_service_proxy_name() {
    check(|scene, name, number| {
        let service = Service::new(name, number).label("service.kubernetes.io/service-proxy-name", "foo");
        service.slice(scene.endpoints(&PODS))
    });
}

/// The label of the Service is its slices' as well, which is where it counts.
#[test]
fn should_implement_service_kubernetes_io_headless() {
    const HEADLESS: &str = "service.kubernetes.io/headless";
    check(|scene, name, number| {
        let slice = Slice::of(scene.endpoints(&PODS)).label(HEADLESS, "");
        Service::new(name, number).label(HEADLESS, "").add(slice)
    });
}
