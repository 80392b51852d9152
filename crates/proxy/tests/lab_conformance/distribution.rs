//! `[sig-network] Traffic Distribution` and `[sig-network] Topology Hints` (test/e2e/network/traffic_distribution.go,
//! topology_hints.go). The hints are those that the EndpointSlice controller writes.

use serde_json::{Value, json};

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Endpoint, Service};

const ZONES: [(&str, &str); 3] = [("node-1", "zone-a"), ("node-2", "zone-a"), ("node-3", "zone-b")];
const PODS: [&str; 3] = ["pod-1", "pod-2", "pod-3"];

/// Three nodes in two zones.
#[track_caller]
fn build() -> Option<Scene> {
    let scene = Scene::shared(1, &[TCP])?;
    for (node, zone) in ZONES {
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": node, "labels": { "topology.kubernetes.io/zone": zone } },
            "status": { "addresses": scene.addresses(node).both().map(|ip| json!({ "type": "InternalIP", "address": ip })) },
        });
        scene.testbed.manifests.write(&format!("{node}.json"), &manifest.to_string());
    }
    Some(scene)
}

/// Endpoints with hints: the zone, and the node if there is one to be preferred.
fn hinted(scene: &Scene, pods: &[&str], hints: impl Fn(&Endpoint, &str) -> Value) -> Vec<Endpoint> {
    let mut endpoints = scene.endpoints(pods);
    for endpoint in &mut endpoints {
        let (_, zone) = ZONES.into_iter().find(|(node, _)| *node == endpoint.node).unwrap();
        endpoint.zone = Some(zone);
        endpoint.hints = Some(hints(endpoint, zone));
    }
    endpoints
}

fn zone_hint(_: &Endpoint, zone: &str) -> Value {
    json!({ "forZones": [{ "name": zone }] })
}

fn node_hint(endpoint: &Endpoint, zone: &str) -> Value {
    json!({ "forZones": [{ "name": zone }], "forNodes": [{ "name": endpoint.node }] })
}

/// Upstream: "should route traffic to an endpoint in the same zone when using PreferClose", "… PreferSameZone", and
/// "should distribute endpoints evenly" with hints.
#[test]
fn should_route_traffic_to_an_endpoint_in_the_same_zone_when_using_prefer_close() {
    let Some(scene) = build() else { return };
    let service = Service::new("prefer-close", 10).spec(json!({ "trafficDistribution": "PreferClose" }));
    let to = service.addresses(TCP);
    scene.apply(&service.clone().slice(hinted(&scene, &PODS, zone_hint)));
    for client in ["pod-1", "node-2"] {
        scene.served_by(client, TCP, to, &["pod-1", "pod-2"]);
    }
    for client in ["pod-3", "node-3"] {
        scene.served_by(client, TCP, to, &["pod-3"]);
    }
    // The zone has lost its only pod: no hint names it, and all serve it.
    scene.apply(&service.clone().slice(hinted(&scene, &["pod-1", "pod-2"], zone_hint)));
    scene.served_by("pod-3", TCP, to, &["pod-1", "pod-2"]);
    // Hints that are incomplete count for nothing.
    let mut endpoints = hinted(&scene, &PODS, zone_hint);
    endpoints[1].hints = None;
    scene.apply(&service.slice(endpoints));
    scene.served_by("pod-3", TCP, to, &PODS);
}

/// Upstream: "should route traffic to an endpoint on the same node or fall back to same zone when using
/// PreferSameNode", "should route traffic to an endpoint on the same node when using PreferSameNode and fall back when
/// the endpoint becomes unavailable".
#[test]
fn should_route_traffic_to_an_endpoint_on_the_same_node_or_fall_back_when_using_prefer_same_node() {
    let Some(scene) = build() else { return };
    let service =
        Service::new("prefer-same-node", 10).spec(json!({ "trafficDistribution": "PreferSameNode" }));
    let to = service.addresses(TCP);
    let all = service.clone().slice(hinted(&scene, &PODS, node_hint));
    scene.apply(&all);
    for (client, pod) in [("pod-1", "pod-1"), ("node-2", "pod-2"), ("pod-2", "pod-2"), ("pod-3", "pod-3")] {
        scene.served_by(client, TCP, to, &[pod]);
    }
    // Without a pod on the node, the zone serves; without one in the zone, everybody.
    scene.apply(&service.clone().slice(hinted(&scene, &["pod-1", "pod-3"], node_hint)));
    scene.served_by("pod-2", TCP, to, &["pod-1"]);
    scene.apply(&service.slice(hinted(&scene, &["pod-1", "pod-2"], node_hint)));
    scene.served_by("pod-3", TCP, to, &["pod-1", "pod-2"]);
    scene.apply(&all);
    for (client, pod) in [("pod-2", "pod-2"), ("pod-3", "pod-3")] {
        scene.served_by(client, TCP, to, &[pod]);
    }
}
