//! `[sig-network] Networking`, "Granular Checks: Services" (test/e2e/network/networking.go), whose checks `[Feature:
//! IPv6DualStack]` repeats for the second family: here every check is made in both.

#[path = "networking/large.rs"]
mod large;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lab::cluster::addresses::CLUSTER_CIDR;
use lab::traffic::{self, Protocol};
use serde_json::json;

use crate::load::Load;
use crate::scene::{Scene, TCP, UDP};
use crate::support::manifests::{Condition, Port, Service};
use crate::support::testbed::shell;

use self::large::Echo;

const SCTP: Protocol = Protocol::Sctp;
const PODS: [&str; 3] = ["pod-1", "pod-3", "pod-5"];
const NODE_PORT: u16 = 30080;
const PORT: u16 = 80;

/// A Service of some protocols, all on one port and one node port.
fn node_port(name: &str, number: u16, protocols: &[Protocol]) -> Service {
    Service::new(name, number).spec(json!({ "type": "NodePort" })).ports(
        protocols.iter().map(|protocol| Port { number: PORT, ..Port::of(*protocol).node_port(NODE_PORT) }),
    )
}

/// A pod that is an endpoint, a pod that is none, a process of a node, and somebody outside ask the cluster IP and the
/// node ports. (Upstream: "should function for pod-Service", "… node-Service", "… endpoint-Service", each http, udp and
/// sctp; "should function for service endpoints using hostNetwork".)
#[test]
fn should_function_for_pod_service_node_service_and_endpoint_service() {
    let Some(scene) = Scene::shared(2, &[TCP, UDP, SCTP]) else { return };
    let service = node_port("node-port-service", 10, &[TCP, UDP, SCTP]).slice(scene.endpoints(&PODS));
    scene.apply(&service);
    functions(&scene, &service, &["pod-1", "pod-2", "node-1"], &[TCP, UDP, SCTP], &PODS);

    let nodes = ["node-1", "node-2", "node-3"];
    let _servers: Vec<_> = nodes
        .iter()
        .flat_map(|node| {
            [(TCP, 8080), (UDP, 5353)].map(|(protocol, port)| scene.serve(node, node, protocol, port))
        })
        .collect();
    let endpoints = nodes.map(|node| scene.host_network_endpoint(node, node));
    let service = node_port("node-port-service", 10, &[TCP, UDP]).slice(endpoints.into());
    scene.apply(&service);
    functions(&scene, &service, &["pod-1", "node-1", "node-2"], &[TCP, UDP], &nodes);
}

#[track_caller]
fn functions(scene: &Scene, service: &Service, clients: &[&str], protocols: &[Protocol], servers: &[&str]) {
    for protocol in protocols {
        for client in clients {
            scene.served_by(client, *protocol, service.at(PORT), servers);
        }
        for (client, node) in [("host-1", "node-2"), (clients[0], "node-1"), (clients[0], "node-3")] {
            scene.served_by(client, *protocol, scene.port_of(node, NODE_PORT), servers);
        }
    }
}

/// (Upstream: "should function for multiple endpoint-Services with same selector", "should update endpoints: http",
/// "should update endpoints: udp", "should update nodePort: http", "should update nodePort: udp", "should support basic
/// nodePort: udp functionality".)
#[test]
fn should_update_endpoints_and_node_ports_of_services_with_the_same_selector() {
    const OTHER_NODE_PORT: u16 = 30090;
    let Some(scene) = Scene::shared(2, &[TCP, UDP]) else { return };
    let protocols = [TCP, UDP];
    let one = node_port("one", 10, &protocols).slice(scene.endpoints(&PODS));
    let other = Service::new("other", 11)
        .spec(json!({ "type": "NodePort" }))
        .ports(
            protocols.map(|protocol| Port { number: PORT, ..Port::of(protocol).node_port(OTHER_NODE_PORT) }),
        )
        .slice(scene.endpoints(&PODS));
    scene.apply(&one);
    scene.apply(&other);
    let is_served = |service: &Service, port, pods: &[&str]| {
        for protocol in protocols {
            scene.served_by("pod-5", protocol, service.at(PORT), pods);
            scene.served_by("node-1", protocol, scene.port_of("node-2", port), pods);
        }
    };
    is_served(&one, NODE_PORT, &PODS);
    is_served(&other, OTHER_NODE_PORT, &PODS);
    // A pod goes.
    let (one, other) = (one.without("pod-3"), other.without("pod-3"));
    scene.apply(&one);
    scene.apply(&other);
    is_served(&one, NODE_PORT, &["pod-1", "pod-5"]);
    // A Service loses its node port: nobody answers there, and all else goes on.
    let one = one.spec(json!({ "type": "ClusterIP" })).ports(both(PORT));
    scene.apply(&one);
    for protocol in protocols {
        scene.refused("host-1", protocol, scene.port_of("node-2", NODE_PORT));
        scene.served_by("pod-5", protocol, one.at(PORT), &["pod-1", "pod-5"]);
    }
    // A Service goes.
    scene.delete(&one);
    protocols.into_iter().for_each(|protocol| scene.unserved("pod-5", protocol, one.at(PORT)));
    is_served(&other, OTHER_NODE_PORT, &["pod-1", "pod-5"]);
}

fn both(number: u16) -> [Port; 2] {
    [TCP, UDP].map(|protocol| Port { number, ..Port::of(protocol) })
}

/// (Upstream: "should function for client IP based session affinity: http", "… udp"; "should be able to handle large
/// requests: http", "… udp"; "should check kube-proxy urls"; Conntrack: none.)
#[test]
fn should_handle_large_requests_and_client_ip_based_session_affinity() {
    const ECHO_PORT: u16 = 7000;
    let Some(scene) = Scene::shared(2, &[TCP, UDP]) else { return };
    let sticky = node_port("sticky", 10, &[TCP, UDP]).affinity(10800).slice(scene.endpoints(&PODS));
    let echo_ports =
        [TCP, UDP].map(|protocol| Port { target: ECHO_PORT, number: PORT, ..Port::of(protocol) });
    let echo = Service::new("echo", 11).ports(echo_ports).slice(scene.endpoints(&["pod-3"]));
    scene.apply(&sticky);
    scene.apply(&echo);
    for (protocol, to) in [TCP, UDP].into_iter().flat_map(|protocol| sticky.at(PORT).map(|to| (protocol, to)))
    {
        scene.answer("pod-5", protocol, to);
        let spread = scene.client("pod-5", protocol, to).ask_many(15, 1).unwrap();
        assert!(spread.failures.is_empty() && spread.answers.len() == 1, "{protocol} {to}: {spread}");
    }
    let echoes = Echo::start(scene.namespace("pod-3"), ECHO_PORT);
    for (client, to) in ["pod-5", "pod-1"].into_iter().flat_map(|client| echo.at(PORT).map(|to| (client, to)))
    {
        // The second is more than a packet holds.
        for size in [10, 2000, 6000] {
            echoes.check(scene.namespace(client), to, size);
        }
    }
    let url = |address: &str, path: &str| {
        traffic::get(scene.namespace("node-1"), address.parse().unwrap(), path).unwrap().unwrap()
    };
    let health = url("127.0.0.1:10256", "/healthz");
    assert_eq!(health.status, 200, "{}", health.body);
    assert!(health.body.contains("\"lastUpdated\":"), "{}", health.body);
    assert_eq!(url("127.0.0.1:10249", "/proxyMode").body, "ipvs");
}

/// The rules are deleted, as by a firewall that is started again. (Upstream: "should recreate its iptables rules if
/// they are deleted".) And what is not for a Service keeps its source: "[sig-network] NoSNAT Should be able to send
/// traffic between Pods without SNAT". And `[sig-network] KubeProxy`: "should set TCP CLOSE_WAIT timeout".
#[test]
fn should_recreate_its_iptables_rules_if_they_are_deleted() {
    const DELETE: &str = "for program in iptables ip6tables; do for table in nat filter mangle; do
                              $program -t $table -F; $program -t $table -X; done; done";
    let Some(mut scene) = Scene::build(2, &[TCP]) else { return };
    scene.proxies.clear();
    let flags = ["--cluster-cidr", CLUSTER_CIDR, "--conntrack-max-per-core", "0", "--ipvs-sync-period", "3s"];
    scene.proxies = scene.testbed.run_everywhere(&flags);
    let service = node_port("node-port", 10, &[TCP]).slice(scene.endpoints(&["pod-1"]));
    scene.apply(&service);
    let to = scene.port_of("node-2", NODE_PORT);
    scene.served_from("host-1", TCP, to, "pod-1", scene.addresses("node-2"));
    shell(scene.namespace("node-2"), DELETE);
    scene.served_from("host-1", TCP, to, "pod-1", scene.addresses("node-2"));

    for client in ["pod-3", "node-3"] {
        for pod in ["pod-1", "pod-5"] {
            scene.served_from(client, TCP, scene.port_of(pod, 8080), pod, scene.addresses(client));
        }
    }
    let setting = "sysctl -n net.netfilter.nf_conntrack_tcp_timeout_close_wait";
    assert_eq!(shell(scene.namespace("node-1"), setting).trim(), "3600");
}

/// (Upstream: "[sig-network] Connectivity Pod Lifecycle should be able to have zero downtime on a Blue Green deployment
/// using Services and Readiness Gates", "should be able to connect from a Pod to a terminating Pod", "should be able to
/// connect to other Pod from a terminating Pod"; "[sig-network] Service CIDRs should create Services and serve on
/// different Service CIDRs".)
#[test]
fn should_be_able_to_have_zero_downtime_on_a_blue_green_deployment() {
    let Some(scene) = Scene::shared(2, &[TCP]) else { return };
    let scene = Arc::new(scene);
    // These networks are in no configuration.
    let ips: [IpAddr; 2] = ["10.196.196.10", "fd00:196::10"].map(|ip| ip.parse().unwrap());
    let service = node_port("blue-green", 10, &[TCP]).spec(json!({ "clusterIP": ips[0], "clusterIPs": ips }));
    let (blue, green) = ("pod-1", "pod-3");
    let service = service.slice(scene.endpoints(&[blue, green])).with(green, Condition::Unready);
    let to = ips.map(|ip| SocketAddr::new(ip, PORT));
    scene.apply(&service);
    scene.served_by("pod-5", TCP, to, &[blue]);
    scene.served_by("host-1", TCP, scene.port_of("node-3", NODE_PORT), &[blue]);
    let load = Load::start(&scene, &[("pod-5", to), ("host-1", scene.port_of("node-3", NODE_PORT))]);
    load.turn_over();
    // The switch: green becomes ready, blue's gate closes.
    scene.apply(&service.clone().with(green, Condition::Ready));
    scene.apply(&service.clone().with(green, Condition::Ready).with(blue, Condition::Unready));
    scene.served_by("pod-5", TCP, to, &[green]);
    load.turn_over();
    load.forget();
    load.turn_over();
    assert_eq!(load.recent_servers(), [green], "{load}");
    assert_eq!(load.figures().1, 0, "{load}");
    drop(load);

    // Terminating pods go on talking in both directions.
    scene.apply(&service.clone().with(blue, Condition::Terminating).with(green, Condition::Terminating));
    scene.served_by("pod-5", TCP, to, &[blue, green]);
    scene.served_by("pod-5", TCP, scene.port_of(blue, 8080), &[blue]);
    scene.served_by(blue, TCP, scene.port_of("pod-5", 8080), &["pod-5"]);
    // An empty slice says that nobody serves.
    scene.apply(&service.without_slices());
    scene.refused("pod-5", TCP, to);
}
