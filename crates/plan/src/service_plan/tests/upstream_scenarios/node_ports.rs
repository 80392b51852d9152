//! `TestNodePortIPv4`, `TestNodePortIPv6` and `TestOnlyLocalNodePorts`.

use super::*;

const BOTH_SLICES: &str = "slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n2
                           slice svc1-6 svc1 p80:80/TCP 1002:ab8::2:10@n2";

#[test]
fn node_port_ipv4_two_endpoints() {
    check_v4(
        &format!("service svc1 10.20.30.41 type=NodePort p80:80/TCP node-port=3001\n{BOTH_SLICES}"),
        "host=100.101.102.103 host=2001:db8::1:1",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -A -t 100.101.102.103:3001 -s rr
            -a -t 100.101.102.103:3001 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-NODE-PORT-TCP 3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn node_port_ipv4_udp() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/UDP node-port=3001
         slice svc1-4 svc1 p80:80/UDP 10.180.0.1@n2",
        "host=100.101.102.103 node-ports=0.0.0.0/0",
        expect![[r#"
            -A -u 10.20.30.41:80 -s rr
            -a -u 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -A -u 100.101.102.103:3001 -s rr
            -a -u 100.101.102.103:3001 -r 10.180.0.1:80 -m -w 1
            add KUBE-CLUSTER-IP 10.20.30.41,udp:80
            add KUBE-NODE-PORT-UDP 3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn node_port_ipv4_no_endpoints() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/TCP node-port=3001",
        "host=100.101.102.103",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -A -t 100.101.102.103:3001 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-NODE-PORT-TCP 3001
            add KUBE-NO-ENDPOINT 10.20.30.41,tcp:80
            add KUBE-NO-ENDPOINT 100.101.102.103,tcp:3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn node_port_ipv4_sctp_several_node_addresses() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/SCTP node-port=3001",
        "host=100.101.102.103 host=100.101.102.104 host=100.101.102.105 \
         host=2001:db8::1:1 host=2001:db8::1:2 host=2001:db8::1:3",
        expect![[r#"
            -A --sctp-service 10.20.30.41:80 -s rr
            -A --sctp-service 100.101.102.103:3001 -s rr
            -A --sctp-service 100.101.102.104:3001 -s rr
            -A --sctp-service 100.101.102.105:3001 -s rr
            add KUBE-CLUSTER-IP 10.20.30.41,sctp:80
            add KUBE-NODE-PORT-SCTP-HASH 100.101.102.103,sctp:3001
            add KUBE-NODE-PORT-SCTP-HASH 100.101.102.104,sctp:3001
            add KUBE-NODE-PORT-SCTP-HASH 100.101.102.105,sctp:3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn node_port_ipv4_sctp_external_policy_local() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/SCTP node-port=3001 external=Local
         slice svc1-4 svc1 p80:80/SCTP 10.180.0.1@n1 10.180.1.1@n2",
        "host=100.101.102.103",
        expect![[r#"
            -A --sctp-service 10.20.30.41:80 -s rr
            -a --sctp-service 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -a --sctp-service 10.20.30.41:80 -r 10.180.1.1:80 -m -w 1
            -A --sctp-service 100.101.102.103:3001 -s rr
            -a --sctp-service 100.101.102.103:3001 -r 10.180.0.1:80 -m -w 1
            add KUBE-LOOP-BACK 10.180.0.1,sctp:80,10.180.0.1
            add KUBE-CLUSTER-IP 10.20.30.41,sctp:80
            add KUBE-NODE-PORT-SCTP-HASH 100.101.102.103,sctp:3001
            add KUBE-NODE-PORT-LOCAL-SCTP-HASH 100.101.102.103,sctp:3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}

#[test]
fn node_port_ipv6_two_endpoints() {
    check_family(
        Family::V6,
        &format!("service svc1 2020::1 type=NodePort p80:80/TCP node-port=3001\n{BOTH_SLICES}"),
        "host=100.101.102.103 host=2001:db8::1:1",
        expect![[r#"
            -A -t [2001:db8::1:1]:3001 -s rr
            -a -t [2001:db8::1:1]:3001 -r [1002:ab8::2:10]:80 -m -w 1
            -A -t [2020::1]:80 -s rr
            -a -t [2020::1]:80 -r [1002:ab8::2:10]:80 -m -w 1
            add KUBE-6-CLUSTER-IP 2020::1,tcp:80
            add KUBE-6-NODE-PORT-TCP 3001
            add KUBE-6-IPVS-IPS 2020::1
            bound: 2020::1
        "#]],
    );
}

#[test]
fn node_port_ipv6_udp_of_the_other_family() {
    check_family(
        Family::V6,
        "service svc1 10.20.30.41 type=NodePort p80:80/UDP node-port=3001
         slice svc1-4 svc1 p80:80/UDP 10.180.0.1@n2",
        "host=100.101.102.103",
        expect![[r#"
            bound:
        "#]],
    );
}

#[test]
fn node_port_ipv6_no_endpoints() {
    check_family(
        Family::V6,
        "service svc1 2020::1 type=NodePort p80:80/TCP node-port=3001",
        "host=100.101.102.103 host=2001:db8::1:1",
        expect![[r#"
            -A -t [2001:db8::1:1]:3001 -s rr
            -A -t [2020::1]:80 -s rr
            add KUBE-6-CLUSTER-IP 2020::1,tcp:80
            add KUBE-6-NODE-PORT-TCP 3001
            add KUBE-6-NO-ENDPOINT 2001:db8::1:1,tcp:3001
            add KUBE-6-NO-ENDPOINT 2020::1,tcp:80
            add KUBE-6-IPVS-IPS 2020::1
            bound: 2020::1
        "#]],
    );
}

#[test]
fn node_port_ipv6_sctp_several_node_addresses() {
    check_family(
        Family::V6,
        "service svc1 2020::1 type=NodePort p80:80/SCTP node-port=3001",
        "host=2001:db8::1:1 host=2001:db8::1:2",
        expect![[r#"
            -A --sctp-service [2001:db8::1:1]:3001 -s rr
            -A --sctp-service [2001:db8::1:2]:3001 -s rr
            -A --sctp-service [2020::1]:80 -s rr
            add KUBE-6-CLUSTER-IP 2020::1,sctp:80
            add KUBE-6-NODE-PORT-SCTP-HASH 2001:db8::1:1,sctp:3001
            add KUBE-6-NODE-PORT-SCTP-HASH 2001:db8::1:2,sctp:3001
            add KUBE-6-IPVS-IPS 2020::1
            bound: 2020::1
        "#]],
    );
}

#[test]
fn only_local_node_ports() {
    check_v4(
        "service svc1 10.20.30.41 type=NodePort p80:80/TCP node-port=3001 external=Local
         slice svc1-4 svc1 p80:80/TCP 10.180.0.1@n1 10.180.1.1@n2",
        "host=100.101.102.103 node-ports=100.101.102.0/24",
        expect![[r#"
            -A -t 10.20.30.41:80 -s rr
            -a -t 10.20.30.41:80 -r 10.180.0.1:80 -m -w 1
            -a -t 10.20.30.41:80 -r 10.180.1.1:80 -m -w 1
            -A -t 100.101.102.103:3001 -s rr
            -a -t 100.101.102.103:3001 -r 10.180.0.1:80 -m -w 1
            add KUBE-LOOP-BACK 10.180.0.1,tcp:80,10.180.0.1
            add KUBE-CLUSTER-IP 10.20.30.41,tcp:80
            add KUBE-NODE-PORT-TCP 3001
            add KUBE-NODE-PORT-LOCAL-TCP 3001
            add KUBE-IPVS-IPS 10.20.30.41
            bound: 10.20.30.41
        "#]],
    );
}
