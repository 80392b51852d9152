//! A cluster for which it was recorded what kube-proxy v1.30.5 makes of it, compared element by element.

use std::collections::BTreeSet;

use crate::Options;
use crate::testing::{HERE, cluster, planned, text};

/// The addresses of the machine on which it was recorded, one of which its network gave it by itself.
const HOST: [&str; 4] = ["10.0.2.15", "fd00:2::15", "fec0::5054:ff:fe12:3456", "192.0.2.77"];

const CLUSTER: &str = "service default/kubernetes 10.96.0.1 https:443/TCP
    service both 10.96.7.15 fd00:10:96::715 type=NodePort http:80/TCP node-port=30702
    service cart 10.96.7.12 type=NodePort http:8000/TCP node-port=30700
    service dns 10.96.0.10 dns:53/UDP dns-tcp:53/TCP affinity=600
    service edge 10.96.7.13 type=LoadBalancer https:443/TCP node-port=30701 lb-ip=203.0.113.50 \
     external=Local health-check=32701 range=198.51.100.0/24
    service leaving 10.96.7.17 http:80/TCP
    service legacy 10.96.7.14 t:7000/TCP s:7000/SCTP external-ip=198.51.100.70
    service near 10.96.7.16 http:80/TCP internal=Local
    service nobody 10.96.7.18 http:80/TCP
    service web 10.96.7.10 http:80/TCP metrics:9090/TCP
    slice both-x1 both http:8080/TCP 10.244.1.15@node-a 10.244.2.15@node-b
    slice both-x2 both http:8080/TCP fd00:244:1::15@node-a fd00:244:2::15@node-b
    slice cart-x1 cart http:8000/TCP 10.244.1.12@node-a 10.244.3.12@node-c
    slice dns-x1 dns dns:53/UDP dns-tcp:53/TCP 10.244.2.53@node-b 10.244.3.53@node-c
    slice edge-x1 edge https:8443/TCP 10.244.1.13@node-a 10.244.2.13@node-b
    slice leaving-x1 leaving http:8080/TCP 10.244.1.17@node-a!terminating 10.244.2.17@node-b!terminating
    slice legacy-x1 legacy t:7000/TCP s:7001/SCTP 10.244.1.14@node-a 10.244.2.14@node-b
    slice near-x1 near http:8080/TCP 10.244.1.16@node-a 10.244.2.16@node-b
    slice web-x1 web http:8080/TCP metrics:9090/TCP 10.244.1.10@node-a 10.244.2.10@node-b 10.244.2.11@node-b!unready";

fn check(node: &str, recorded: &[&str]) {
    let cluster = cluster(&CLUSTER.replace(&format!("@{node}"), &format!("@{HERE}")));
    let host_addresses = HOST.iter().map(|address| address.parse().unwrap()).collect();
    let planned = text(&planned(&cluster, &Options { host_addresses, ..Options::default() }));
    // The last two are no sets of kube-proxy.
    let ours = ["bound:", "add KUBE-NO-ENDPOINT ", "add KUBE-6-NO-ENDPOINT "];
    let planned: BTreeSet<&str> =
        planned.lines().filter(|line| !ours.iter().any(|start| line.starts_with(start))).collect();
    let recorded = recorded.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty());
    let recorded: BTreeSet<&str> = recorded.filter(|line| !line.starts_with("create ")).collect();
    assert!(recorded.len() > 100, "the recording is cut off");
    let missing: Vec<_> = recorded.difference(&planned).collect();
    let surplus: Vec<_> = planned.difference(&recorded).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}, surplus: {surplus:#?}");
}

#[test]
fn what_kube_proxy_made_on_node_a() {
    check(
        "node-a",
        &[
            include_str!("../testdata/node-a.ipvsadm-Sn.txt"),
            include_str!("../testdata/node-a.ipset-save.txt"),
        ],
    );
}

#[test]
fn what_kube_proxy_made_on_node_b() {
    check(
        "node-b",
        &[
            include_str!("../testdata/node-b-masquerade-all.ipvsadm-Sn.txt"),
            include_str!("../testdata/node-b-masquerade-all.ipset-save.txt"),
        ],
    );
}
