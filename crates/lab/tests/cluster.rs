//! The cluster of namespaces by itself: who reaches whom, and who is seen. No IPVS is needed for that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lab::cluster::{Cluster, Node, Pod, Size};
use lab::traffic::{Client, Download, Failure, Protocol, Server};
use lab::{Error, Need, require};

const PORT: u16 = 8080;

/// Long enough where nothing is going to come.
const SHORT: Duration = Duration::from_millis(300);

fn cluster() -> Result<Cluster, Error> {
    Cluster::build(Size { nodes: 2, pods_per_node: 2, hosts: 1 })
}

fn at(address: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(address.into(), PORT)
}

#[test]
fn pods_reach_each_other_across_nodes_with_their_own_addresses() {
    if !require(Need::Root) {
        return;
    }
    let cluster = cluster().unwrap();
    let [client, server] = [cluster.pod("pod-1").unwrap(), cluster.pod("pod-4").unwrap()];
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let _server = Server::start(&server.namespace, "pod-4", protocol, PORT).unwrap();
        for (address, own) in server.addresses.both().into_iter().zip(client.addresses.both()) {
            let answer = Client::new(&client.namespace, protocol, at(address)).ask().unwrap().unwrap();
            assert_eq!(
                (answer.server.as_str(), answer.seen_source.ip()),
                ("pod-4", own),
                "{protocol} {address}"
            );
        }
    }
}

#[test]
fn nodes_reach_their_pods_and_hosts_reach_nodes_but_not_pods() {
    if !require(Need::Root) {
        return;
    }
    let cluster = cluster().unwrap();
    let (node, host): (&Node, _) = (&cluster.nodes[0], &cluster.hosts[0]);
    let pod: &Pod = &node.pods[0];
    let _pod = Server::start(&pod.namespace, "pod", Protocol::Tcp, PORT).unwrap();
    let _node = Server::start(&node.namespace, "node", Protocol::Tcp, PORT).unwrap();
    for (node_address, pod_address) in node.addresses.both().into_iter().zip(pod.addresses.both()) {
        let client = |from, to| Client::new(from, Protocol::Tcp, at(to));
        assert_eq!(client(&node.namespace, pod_address).ask().unwrap().unwrap().server, "pod");
        assert_eq!(client(&host.namespace, node_address).ask().unwrap().unwrap().server, "node");
        assert_eq!(
            client(&host.namespace, pod_address).patience(SHORT).ask().unwrap(),
            Err(Failure::Timeout)
        );
    }
}

#[test]
fn failures_are_told_apart() {
    if !require(Need::Root) {
        return;
    }
    let cluster = cluster().unwrap();
    let [client, server] = [cluster.pod("pod-1").unwrap(), cluster.pod("pod-2").unwrap()];
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for address in server.addresses.both() {
            let client = Client::new(&client.namespace, protocol, at(address));
            assert_eq!(client.ask().unwrap(), Err(Failure::Refused), "{protocol} {address}");
        }
        let nowhere = Client::new(&client.namespace, protocol, at(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(nowhere.patience(SHORT).ask().unwrap(), Err(Failure::Timeout), "{protocol}");
    }
    server.namespace.ip(["route add unreachable 10.244.9.0/24", "link set eth0 down"]).unwrap();
    assert_eq!(
        Client::new(&server.namespace, Protocol::Tcp, "10.244.9.1:80".parse().unwrap()).ask().unwrap(),
        Err(Failure::Unreachable)
    );
}

#[test]
fn a_download_goes_on_until_its_server_stops() {
    if !require(Need::Root) {
        return;
    }
    let cluster = cluster().unwrap();
    let [client, server] = [cluster.pod("pod-1").unwrap(), cluster.pod("pod-3").unwrap()];
    let running = Server::start(&server.namespace, "pod-3", Protocol::Tcp, PORT).unwrap();
    let client = Client::new(&client.namespace, Protocol::Tcp, at(server.addresses.v4));

    let short = Download::start(client, 3, Duration::from_millis(1)).unwrap().unwrap();
    assert_eq!(short.answer.server, "pod-3");
    assert_eq!(short.finish(), Ok(()));

    let long = Download::start(client, 1_000_000, Duration::from_millis(1)).unwrap().unwrap();
    assert!(lab::wait::until(Duration::from_secs(60), || long.received() > 2));
    assert!(long.is_running());
    drop(running);
    assert!(matches!(long.finish(), Err(Failure::NoAnswer | Failure::Reset)));
}

#[test]
fn many_requests_at_once_are_all_counted() {
    if !require(Need::Root) {
        return;
    }
    let mut cluster = cluster().unwrap();
    let server = cluster.add_pod(1).unwrap();
    assert_eq!(server.name, "pod-5");
    let _server = Server::start(&server.namespace, "pod-5", Protocol::Tcp, PORT).unwrap();
    let address = at(server.addresses.v6);
    let client = Client::new(&cluster.hosts[0].namespace, Protocol::Tcp, address);
    cluster.hosts[0]
        .namespace
        .ip([format!("route add {} via {}", address.ip(), cluster.nodes[1].addresses.v6).as_str()])
        .unwrap();
    let spread = client.ask_many(50, 8).unwrap();
    assert_eq!(spread.to_string(), "pod-5 50");
}
