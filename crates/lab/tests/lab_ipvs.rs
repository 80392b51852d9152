//! What the kernel of the lab can do: every IPVS scheduler, and balancing for the three protocols and both families.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::cluster::{Cluster, Size};
use lab::namespace::Namespace;
use lab::traffic::{Client, Protocol, Server};
use lab::{Need, require};

const SCHEDULERS: [&str; 13] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"];

#[test]
fn every_scheduler_is_there() {
    if !require(Need::Ipvs) {
        return;
    }
    let namespace = Namespace::create(format!("lab-schedulers-{}", std::process::id())).unwrap();
    for (port, scheduler) in (1..).zip(SCHEDULERS) {
        let address = format!("10.96.0.1:{port}");
        namespace.output("ipvsadm", &["-A", "-t", &address, "-s", scheduler]).unwrap();
    }
    let mut missing = Vec::new();
    // The kernel may leave some out of its list while another test changes virtual servers in another namespace.
    let all_are_there = lab::wait::until(Duration::from_secs(60), || {
        let saved = namespace.output("ipvsadm", &["-Sn"]).unwrap();
        let is_saved = |name: &str| saved.lines().any(|line| line.ends_with(&format!("-s {name}")));
        missing = SCHEDULERS.into_iter().filter(|name| !is_saved(name)).collect();
        missing.is_empty()
    });
    assert!(all_are_there, "{missing:?}");
}

#[test]
fn connections_are_balanced_over_pods_on_both_nodes() {
    if !require(Need::Ipvs) {
        return;
    }
    let cluster = Cluster::build(Size { nodes: 2, pods_per_node: 2, hosts: 0 }).unwrap();
    let node = &cluster.nodes[0].namespace;
    node.ip([
        "link add dummy0 type dummy",
        "addr add 10.96.0.1/32 dev dummy0",
        "addr add fd00:96::1/128 dev dummy0",
    ])
    .unwrap();
    let service: [IpAddr; 2] = ["10.96.0.1".parse().unwrap(), "fd00:96::1".parse().unwrap()];
    for (protocol, option) in
        [(Protocol::Tcp, "-t"), (Protocol::Udp, "-u"), (Protocol::Sctp, "--sctp-service")]
    {
        let _servers: Vec<_> = cluster
            .pods()
            .into_iter()
            .map(|pod| Server::start(&pod.namespace, &pod.name, protocol, 8080).unwrap())
            .collect();
        for (family, address) in service.into_iter().enumerate() {
            let address = SocketAddr::new(address, 80);
            node.output("ipvsadm", &["-A", option, &address.to_string(), "-s", "rr"]).unwrap();
            for pod in cluster.pods() {
                let real = SocketAddr::new(pod.addresses.both()[family], 8080).to_string();
                node.output("ipvsadm", &["-a", option, &address.to_string(), "-r", &real, "-m"]).unwrap();
            }
            let client = Client::new(&cluster.nodes[0].pods[0].namespace, protocol, address);
            // The client's own pod cannot answer without masquerading: it would see its own address.
            let own = SocketAddr::new(cluster.nodes[0].pods[0].addresses.both()[family], 8080).to_string();
            node.output("ipvsadm", &["-d", option, &address.to_string(), "-r", &own]).unwrap();
            assert_eq!(
                client.ask_many(9, 1).unwrap().to_string(),
                "pod-2 3, pod-3 3, pod-4 3",
                "{protocol} {address}"
            );
        }
    }
}
