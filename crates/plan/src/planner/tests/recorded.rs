//! A cluster for which it was recorded what kube-proxy v1.30.5 makes of it, compared element by element as
//! far as cluster IPs are concerned.

use std::collections::BTreeSet;

use crate::Options;
use crate::testing::{HERE, cluster, planned, text};

const CLUSTER: &str = "service default/kubernetes 10.96.0.1 https:443/TCP
    service both 10.96.7.15 fd00:10:96::715 http:80/TCP node-port=30702
    service cart 10.96.7.12 http:8000/TCP node-port=30700
    service dns 10.96.0.10 dns:53/UDP dns-tcp:53/TCP affinity=600
    service edge 10.96.7.13 https:443/TCP node-port=30701
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
    let planned = text(&planned(&cluster, &Options::default()));
    let planned: BTreeSet<&str> = planned.lines().filter(|line| !line.starts_with("bound:")).collect();
    let recorded = recorded.iter().flat_map(|text| text.lines());
    let recorded: BTreeSet<&str> = recorded.filter(|line| is_of_cluster_ip(line)).collect();
    assert!(recorded.len() > 60, "the recording is cut off");
    assert_eq!(planned, recorded);
}

/// Whether a line of `ipvsadm -Sn` or `ipset save` comes from a cluster IP, and not from a node port, an
/// external IP or the address of a load balancer.
fn is_of_cluster_ip(line: &str) -> bool {
    let virtual_server = line.starts_with("-A ") || line.starts_with("-a ");
    let entry = ["LOOP-BACK ", "CLUSTER-IP ", "IPVS-IPS "].iter().any(|set| line.contains(set))
        && line.starts_with("add KUBE-");
    let cluster_ip = line.contains(" 10.96.") || line.contains("fd00:10:96::");
    (virtual_server && cluster_ip) || (entry && (cluster_ip || line.contains("LOOP-BACK ")))
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
