//! `[sig-network] [Feature:IPv6DualStack]` (test/e2e/network/dual_stack.go) and `[sig-network] EndpointSlice`
//! (test/e2e/network/endpointslice.go).

use std::net::SocketAddr;

use serde_json::json;

use crate::scene::{Scene, TCP};
use crate::support::manifests::{Port, Service, Slice};

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// A Service of these families, the primary one first: 0 is IPv4.
fn service(scene: &Scene, name: &str, number: u16, families: &[usize]) -> Service {
    let service = Service::new(name, number);
    let ips: Vec<_> = families.iter().map(|family| service.ips()[*family]).collect();
    let names: Vec<_> = families.iter().map(|family| FAMILIES[*family]).collect();
    let policy = if families.len() == 1 { "SingleStack" } else { "RequireDualStack" };
    let spec = json!({
        "type": "NodePort",
        "clusterIP": ips[0],
        "clusterIPs": ips,
        "ipFamilies": names,
        "ipFamilyPolicy": policy,
    });
    service
        .spec(spec)
        .ports([Port::of(TCP).node_port(30000 + number)])
        .slice(scene.endpoints(&["pod-1", "pod-2"]))
}

/// Upstream: "should create service with ipv4 cluster ip", "… ipv6 cluster ip", "… ipv4,v6 cluster ip", "… ipv6,v4
/// cluster ip", "should create a single stack service with cluster ip from primary service range".
#[test]
fn should_create_services_of_one_or_both_families() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let kinds: [(&str, u16, &[usize]); 4] =
        [("v4", 10, &[0]), ("v6", 11, &[1]), ("v4-v6", 12, &[0, 1]), ("v6-v4", 13, &[1, 0])];
    let services =
        kinds.map(|(name, number, families)| (service(&scene, name, number, families), number, families));
    services.iter().for_each(|(service, ..)| scene.apply(service));
    for (service, number, families) in &services {
        let [cluster_ips, node_ports] = [service.addresses(TCP), scene.port_of("node-2", 30000 + number)];
        for family in 0..FAMILIES.len() {
            // An address twice, where the scene takes one of each family.
            let [cluster_ip, node_port] = [cluster_ips, node_ports].map(|to| [to[family]; 2]);
            if families.contains(&family) {
                scene.served_by("pod-3", TCP, cluster_ip, &["pod-1", "pod-2"]);
                scene.served_by("host-1", TCP, node_port, &["pod-1", "pod-2"]);
            } else {
                scene.unserved("pod-3", TCP, cluster_ip);
                scene.refused("host-1", TCP, node_port);
            }
        }
    }
}

/// Upstream: "should support a Service with multiple ports specified in multiple EndpointSlices", "should support a
/// Service with multiple endpoint IPs specified in multiple EndpointSlices".
#[test]
fn should_support_a_service_with_multiple_ports_and_ips_in_multiple_endpoint_slices() {
    let Some(scene) = Scene::shared(1, &[TCP]) else { return };
    let ports = [("a", 8081), ("b", 8082)];
    let pods = ["pod-1", "pod-2"];
    let names = |port: u16| pods.map(|pod| format!("{pod}-{port}"));
    let _servers: Vec<_> = ports
        .into_iter()
        .flat_map(|(_, port)| pods.into_iter().zip(names(port)).map(move |(pod, name)| (pod, name, port)))
        .map(|(pod, name, port)| scene.serve(pod, &name, TCP, port))
        .collect();
    let slice = |pod, ports: &[(&str, u16)]| Slice::of(scene.endpoints(&[pod])).ports(ports);

    // Each port of each pod in a slice of its own.
    let service = Service::new("slices", 10).ports([Port::named("a", 80, 8081), Port::named("b", 81, 8082)]);
    let to = |number| -> [SocketAddr; 2] { service.at(number) };
    let several = pods.into_iter().flat_map(|pod| ports.map(|port| slice(pod, &[port])));
    scene.apply(&several.fold(service.clone(), Service::add));
    for (number, port) in [(80, 8081), (81, 8082)] {
        let names = names(port);
        scene.served_by("pod-3", TCP, to(number), &[&names[0], &names[1]]);
    }
    // Both ports of each pod in a slice, and one more slice that says of a pod again what another says.
    let several = pods.into_iter().map(|pod| slice(pod, &ports)).chain([slice("pod-1", &ports)]);
    scene.apply(&several.fold(service.clone(), Service::add));
    for (number, port) in [(80, 8081), (81, 8082)] {
        let names = names(port);
        scene.served_by("node-3", TCP, to(number), &[&names[0], &names[1]]);
    }
    // One port of one pod each.
    scene.apply(&service.clone().add(slice("pod-1", &ports[..1])).add(slice("pod-2", &ports[1..])));
    scene.served_by("pod-3", TCP, to(80), &["pod-1-8081"]);
    scene.served_by("pod-3", TCP, to(81), &["pod-2-8082"]);
}
