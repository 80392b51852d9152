//! Who answers, and which source address it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::cluster::addresses::{Addresses, CLUSTER_CIDR};
use lab::namespace::Namespace;
use lab::traffic::{Client, Failure, Protocol, Server};

use crate::support::manifests::Service;
use crate::support::testbed::{PODS, Testbed};

const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// The clients' addresses as each server saw them.
type Seen = BTreeMap<String, BTreeSet<IpAddr>>;

/// Asks until some servers have answered, or it makes no sense any more.
#[track_caller]
fn ask(namespace: &Namespace, protocol: Protocol, address: SocketAddr, servers: usize) -> Seen {
    const MOST: usize = 30;
    let client = Client::new(namespace, protocol, address);
    let mut seen = Seen::new();
    for _ in 0..MOST {
        let answer =
            client.ask().unwrap().unwrap_or_else(|failure| panic!("{protocol} {address}: {failure}"));
        seen.entry(answer.server).or_default().insert(answer.seen_source.ip());
        if seen.len() == servers {
            break;
        }
    }
    seen
}

/// Asks a Service with all pods behind it over all protocols of both families, and compares the source addresses with
/// what is expected of each server.
#[track_caller]
fn check(
    namespace: &Namespace,
    service: &Service,
    protocols: &[Protocol],
    source: impl Fn(&str) -> Addresses,
) {
    for protocol in protocols {
        for (family, address) in service.addresses(*protocol).into_iter().enumerate() {
            let expected: Seen =
                PODS.into_iter().map(|pod| (pod.to_owned(), [source(pod).both()[family]].into())).collect();
            let seen = ask(namespace, *protocol, address, PODS.len());
            assert_eq!(seen, expected, "{protocol} {address} from {}", namespace.name());
        }
    }
}

fn web(testbed: &Testbed, pods: &[&str]) -> Service {
    let service = Service::new("web", 10).protocols(&PROTOCOLS).slice(testbed.endpoints(pods));
    testbed.manifests.apply(&service);
    service
}

#[test]
fn with_a_cluster_cidr_pods_keep_their_address_and_others_are_masqueraded() {
    let Some(testbed) = Testbed::serving(&PROTOCOLS) else { return };
    let service = web(&testbed, &PODS);
    let _proxies = testbed.run_everywhere(&["--cluster-cidr", CLUSTER_CIDR]);
    for (client, node) in [("pod-1", 0), ("pod-3", 1)] {
        let (pod, node) = (testbed.pod(client), &testbed.cluster.nodes[node]);
        // A pod that reaches itself would drop an answer from its own address.
        let source = |server: &str| if server == client { node.addresses } else { pod.addresses };
        check(&pod.namespace, &service, &PROTOCOLS, source);
    }
    let (node, host) = (testbed.node(), &testbed.cluster.hosts[0]);
    check(&node.namespace, &service, &PROTOCOLS, |_| node.addresses);
    host.route_services_via(node).unwrap();
    check(&host.namespace, &service, &PROTOCOLS, |_| node.addresses);
}

#[test]
fn with_masquerade_all_everybody_is_masqueraded() {
    let Some(testbed) = Testbed::serving(&PROTOCOLS) else { return };
    let service = web(&testbed, &PODS);
    let _proxies = testbed.run_everywhere(&["--masquerade-all"]);
    for (client, node) in [("pod-1", 0), ("pod-3", 1)] {
        let node = &testbed.cluster.nodes[node];
        check(&testbed.pod(client).namespace, &service, &[Protocol::Tcp], |_| node.addresses);
    }
    let node = testbed.node();
    check(&node.namespace, &service, &[Protocol::Tcp], |_| node.addresses);
}

/// Packets of a node's own processes have the service's address as their source, since that is an address of the node:
/// no answer would come back to it.
#[test]
fn with_neither_only_packets_from_a_service_address_are_masqueraded() {
    let Some(testbed) = Testbed::serving(&PROTOCOLS) else { return };
    let service = web(&testbed, &PODS);
    let _proxies = testbed.run_everywhere(&[]);
    let (pod, node) = (testbed.pod("pod-1"), testbed.node());
    let source = |server: &str| if server == "pod-1" { node.addresses } else { pod.addresses };
    check(&pod.namespace, &service, &[Protocol::Tcp], source);
    check(&node.namespace, &service, &PROTOCOLS, |_| node.addresses);
}

#[test]
fn with_neither_hosts_outside_keep_their_address() {
    let Some(testbed) = Testbed::build() else { return };
    // Answers have to come back by the node that changed the address, so the pod has to be on it.
    let service = web(&testbed, &["pod-1"]);
    let _proxy = testbed.run(&[]);
    let host = &testbed.cluster.hosts[0];
    host.route_services_via(testbed.node()).unwrap();
    for (address, own) in service.addresses(Protocol::Tcp).into_iter().zip(host.addresses.both()) {
        let seen = ask(&host.namespace, Protocol::Tcp, address, 1);
        assert_eq!(seen, [("pod-1".to_owned(), [own].into())].into(), "{address}");
    }
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    let Some(testbed) = Testbed::serving(&PROTOCOLS) else { return };
    let service = web(&testbed, &["pod-2"]);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
    for protocol in PROTOCOLS {
        for (address, node) in service.addresses(protocol).into_iter().zip(testbed.node().addresses.both()) {
            let seen = ask(&testbed.pod("pod-2").namespace, protocol, address, 1);
            assert_eq!(seen, [("pod-2".to_owned(), [node].into())].into(), "{protocol} {address}");
        }
    }
}

#[test]
fn sockets_of_the_node_are_not_reached_through_a_service_address() {
    const PORT: u16 = 9999;
    let Some(testbed) = Testbed::build() else { return };
    let service = web(&testbed, &PODS);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
    let (node, pod) = (testbed.node(), testbed.pod("pod-1"));
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let _listener = Server::start(&node.namespace, "node", protocol, PORT).unwrap();
        for (service, node_address) in service.ips().into_iter().zip(node.addresses.both()) {
            let ask = |from: &Namespace, to: IpAddr| {
                let client = Client::new(from, protocol, SocketAddr::new(to, PORT));
                client.patience(Duration::from_secs(5)).ask().unwrap()
            };
            let reached = ask(&pod.namespace, node_address).map(|answer| answer.server);
            assert_eq!(reached, Ok("node".to_owned()), "{protocol} {node_address}");
            assert_eq!(
                ask(&pod.namespace, service),
                Err(Failure::Refused),
                "{protocol} {service} from a pod"
            );
            assert_eq!(
                ask(&node.namespace, service),
                Err(Failure::Refused),
                "{protocol} {service} from the node"
            );
        }
    }
    for address in service.addresses(Protocol::Tcp) {
        assert_eq!(ask(&pod.namespace, Protocol::Tcp, address, PODS.len()).len(), PODS.len());
    }
}

#[test]
fn a_service_without_endpoints_answers_nobody_and_the_others_work() {
    let Some(testbed) = Testbed::build() else { return };
    let empty = Service::new("empty", 20).slice(Vec::new());
    testbed.manifests.apply(&empty);
    let service = web(&testbed, &PODS);
    let _proxy = testbed.run(&["--cluster-cidr", CLUSTER_CIDR]);
    let client = testbed.client("pod-1", &empty).patience(Duration::from_millis(500));
    assert!(client.ask().unwrap().is_err());
    assert_eq!(ask(&testbed.pod("pod-1").namespace, Protocol::Tcp, service.address(), 4).len(), 4);
}
