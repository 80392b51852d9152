//! Traffic from inside the cluster to cluster IPs, with `internalTrafficPolicy`.

use serde_json::json;

use crate::scene::{Place, Scene, TCP};
use crate::support::manifests::{Condition, Service};

/// Upstream asks this often.
const TIMES: usize = 5;

fn local(name: &str) -> Service {
    Service::new(name, 10).spec(json!({ "internalTrafficPolicy": "Local" }))
}

/// Clients on the server's node are served every time, and others never.
#[track_caller]
fn check(scene: &Scene, service: &Service, server: &str, near: &[&Place], far: &[&Place]) {
    scene.apply(service);
    for client in near {
        for _ in 0..TIMES {
            scene.served_by(client, TCP, service.addresses(TCP), &[server]);
        }
    }
    for client in far {
        for _ in 0..TIMES {
            scene.unserved(client, TCP, service.addresses(TCP));
        }
    }
}

#[test]
fn should_respect_internal_traffic_policy_local_pod_to_pod() {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = local("local-pods").slice(scene.endpoints(&["pod-1"]));
    check(&scene, &service, "pod-1", &["pod-2"], &["pod-3"]);
}

#[test]
fn should_respect_internal_traffic_policy_local_pod_host_network_true_to_pod() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let service = local("local-hosts").slice(scene.endpoints(&["pod-1"]));
    check(&scene, &service, "pod-1", &["node-1"], &["node-2"]);
}

#[test]
fn should_respect_internal_traffic_policy_local_pod_and_node_to_pod_host_network_true() {
    let Some(scene) = Scene::shared(1, &[]) else { return };
    let _server = scene.serve("node-1", "on-node-1", TCP, 8080);
    let service = local("local-host-network").slice(vec![scene.host_network_endpoint("on-node-1", "node-1")]);
    check(&scene, &service, "on-node-1", &["pod-1", "node-1"], &["pod-2", "node-2"]);
}

#[test]
fn should_fallback_to_terminating_endpoints_when_there_are_no_ready_endpoints_with_internal_traffic_policy_cluster()
 {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = Service::new("terminating", 10).slice(scene.endpoints(&["pod-1"]));
    let service = service.with("pod-1", Condition::Terminating);
    check(&scene, &service, "pod-1", &["pod-2", "pod-3"], &[]);
}

#[test]
fn should_fallback_to_local_terminating_endpoints_when_there_are_no_ready_endpoints_with_internal_traffic_policy_local()
 {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let service = local("terminating").slice(scene.endpoints(&["pod-1"]));
    let service = service.with("pod-1", Condition::Terminating);
    check(&scene, &service, "pod-1", &["pod-2"], &["pod-3"]);
}
