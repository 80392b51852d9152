//! Node ports of every protocol, policy and choice of addresses.

use super::*;
use crate::testing::options;

#[test]
fn every_protocol_has_its_sets() {
    check_with(
        "service web 10.96.0.20 fd00:96::20 type=NodePort t:80/TCP node-port=30080 u:80/UDP node-port=30080 \
         s:80/SCTP node-port=30081
         slice web-1 web t:8080/TCP u:8080/UDP s:8080/SCTP 10.244.2.7@n2",
        &options("host=172.18.0.2 host=192.168.7.1 host=fd00:18::2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -u 10.96.0.20:80 -s rr
            -a -u 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 10.96.0.20:80 -s rr
            -a --sctp-service 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            -A -u 172.18.0.2:30080 -s rr
            -a -u 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 172.18.0.2:30081 -s rr
            -a --sctp-service 172.18.0.2:30081 -r 10.244.2.7:8080 -m -w 1
            -A -t 192.168.7.1:30080 -s rr
            -a -t 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            -A -u 192.168.7.1:30080 -s rr
            -a -u 192.168.7.1:30080 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 192.168.7.1:30081 -s rr
            -a --sctp-service 192.168.7.1:30081 -r 10.244.2.7:8080 -m -w 1
            -A -t [fd00:18::2]:30080 -s rr
            -A -u [fd00:18::2]:30080 -s rr
            -A --sctp-service [fd00:18::2]:30081 -s rr
            -A -t [fd00:96::20]:80 -s rr
            -A -u [fd00:96::20]:80 -s rr
            -A --sctp-service [fd00:96::20]:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:80
            add KUBE-CLUSTER-IP 10.96.0.20,sctp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NODE-PORT-UDP 30080
            add KUBE-NODE-PORT-SCTP-HASH 172.18.0.2,sctp:30081
            add KUBE-NODE-PORT-SCTP-HASH 192.168.7.1,sctp:30081
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-CLUSTER-IP fd00:96::20,udp:80
            add KUBE-6-CLUSTER-IP fd00:96::20,sctp:80
            add KUBE-6-NODE-PORT-TCP 30080
            add KUBE-6-NODE-PORT-UDP 30080
            add KUBE-6-NODE-PORT-SCTP-HASH fd00:18::2,sctp:30081
            add KUBE-6-NO-ENDPOINT fd00:18::2,tcp:30080
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
        "#]],
    );
}

#[test]
fn policy_local_has_its_sets() {
    check_with(
        "service web 10.96.0.20 type=NodePort t:80/TCP node-port=30080 u:80/UDP node-port=30080 \
         s:80/SCTP node-port=30081 external=Local
         slice web-1 web t:8080/TCP u:8080/UDP s:8080/SCTP 10.244.1.5@n1 10.244.2.7@n2",
        &options("host=172.18.0.2 host=192.168.7.1"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -u 10.96.0.20:80 -s rr
            -a -u 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a -u 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A --sctp-service 10.96.0.20:80 -s rr
            -a --sctp-service 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -a --sctp-service 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.1.5:8080 -m -w 1
            -A -u 172.18.0.2:30080 -s rr
            -a -u 172.18.0.2:30080 -r 10.244.1.5:8080 -m -w 1
            -A --sctp-service 172.18.0.2:30081 -s rr
            -a --sctp-service 172.18.0.2:30081 -r 10.244.1.5:8080 -m -w 1
            -A -t 192.168.7.1:30080 -s rr
            -a -t 192.168.7.1:30080 -r 10.244.1.5:8080 -m -w 1
            -A -u 192.168.7.1:30080 -s rr
            -a -u 192.168.7.1:30080 -r 10.244.1.5:8080 -m -w 1
            -A --sctp-service 192.168.7.1:30081 -s rr
            -a --sctp-service 192.168.7.1:30081 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,udp:8080,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,sctp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,udp:80
            add KUBE-CLUSTER-IP 10.96.0.20,sctp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NODE-PORT-LOCAL-TCP 30080
            add KUBE-NODE-PORT-UDP 30080
            add KUBE-NODE-PORT-LOCAL-UDP 30080
            add KUBE-NODE-PORT-SCTP-HASH 172.18.0.2,sctp:30081
            add KUBE-NODE-PORT-SCTP-HASH 192.168.7.1,sctp:30081
            add KUBE-NODE-PORT-LOCAL-SCTP-HASH 172.18.0.2,sctp:30081
            add KUBE-NODE-PORT-LOCAL-SCTP-HASH 192.168.7.1,sctp:30081
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
        "#]],
    );
}

/// kube-proxy skips the rest of the port here as well, and with it the entry for the health check.
#[test]
fn without_a_node_address_there_is_everything_but_the_node_port() {
    check_with(
        "service web 10.96.0.20 type=LoadBalancer 80/TCP node-port=30080 lb-ip=203.0.113.9 external=Local \
         health-check=32000
         slice web-1 web 8080/TCP 10.244.1.5@n1",
        &options("host=172.18.0.2 node-ports=10.0.0.0/8"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -t 203.0.113.9:80 -s rr
            -a -t 203.0.113.9:80 -r 10.244.1.5:8080 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-LOAD-BALANCER-LOCAL 203.0.113.9,tcp:80
            add KUBE-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 203.0.113.9
            health check: 32000 IPv4:1
        "#]],
    );
}

#[test]
fn networks_choose_the_addresses_of_their_family() {
    check_with(
        "service web 10.96.0.20 fd00:96::20 type=NodePort 80/TCP node-port=30080",
        &options("host=172.18.0.2 host=192.168.7.1 host=fd00:18::2 host=fe80::1 node-ports=172.18.0.0/16"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 172.18.0.2:30080 -s rr
            -A -t [fd00:18::2]:30080 -s rr
            -A -t [fd00:96::20]:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-NODE-PORT-TCP 30080
            add KUBE-6-NO-ENDPOINT fd00:18::2,tcp:30080
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
        "#]],
    );
}

#[test]
fn the_primary_address_is_that_of_the_node_object() {
    check_with(
        "node n1 172.18.0.2 fd00:18::2
         service web 10.96.0.20 fd00:96::20 type=NodePort 80/TCP node-port=30080",
        &options("host=172.18.0.2 host=192.168.7.1 host=fd00:18::2 host=fd00:19::2 node-ports=primary"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 172.18.0.2:30080 -s rr
            -A -t [fd00:18::2]:30080 -s rr
            -A -t [fd00:96::20]:80 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:80
            add KUBE-6-NODE-PORT-TCP 30080
            add KUBE-6-NO-ENDPOINT fd00:18::2,tcp:30080
            add KUBE-6-NO-ENDPOINT fd00:96::20,tcp:80
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
        "#]],
    );
}

/// `allocateLoadBalancerNodePorts: false` leaves a load balancer without.
#[test]
fn only_some_ports_may_have_node_ports() {
    check_with(
        "service web 10.96.0.20 type=LoadBalancer http:80/TCP node-port=30080 https:443/TCP lb-ip=203.0.113.9",
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -A -t 10.96.0.20:443 -s rr
            -A -t 172.18.0.2:30080 -s rr
            -A -t 203.0.113.9:80 -s rr
            -A -t 203.0.113.9:443 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:443
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:443
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:80
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 203.0.113.9
        "#]],
    );
}

#[test]
fn affinity_and_the_scheduler_hold_for_every_address() {
    check_with(
        "service web 10.96.0.20 type=LoadBalancer 80/TCP node-port=30080 lb-ip=203.0.113.9 \
         external-ip=192.0.2.1 affinity=600 scheduler=sh",
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s sh -p 600
            -A -t 172.18.0.2:30080 -s sh -p 600
            -A -t 192.0.2.1:80 -s sh -p 600
            -A -t 203.0.113.9:80 -s sh -p 600
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-EXTERNAL-IP 192.0.2.1,tcp:80
            add KUBE-LOAD-BALANCER 203.0.113.9,tcp:80
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:80
            add KUBE-NO-ENDPOINT 172.18.0.2,tcp:30080
            add KUBE-NO-ENDPOINT 192.0.2.1,tcp:80
            add KUBE-NO-ENDPOINT 203.0.113.9,tcp:80
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-IPVS-IPS 192.0.2.1
            add KUBE-IPVS-IPS 203.0.113.9
            bound: 10.96.0.20 192.0.2.1 203.0.113.9
        "#]],
    );
}

#[test]
fn of_two_ports_with_one_node_port_the_first_gets_it() {
    check_with(
        "service web 10.96.0.20 type=NodePort a:80/TCP node-port=30080 b:81/TCP node-port=30080
         slice web-1 web a:8080/TCP 10.244.2.7@n2",
        &options("host=172.18.0.2"),
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.2.7:8080 -m -w 1
            -A -t 10.96.0.20:81 -s rr
            -A -t 172.18.0.2:30080 -s rr
            -a -t 172.18.0.2:30080 -r 10.244.2.7:8080 -m -w 1
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:81
            add KUBE-NODE-PORT-TCP 30080
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:81
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            warning: port "b": 172.18.0.2:30080/TCP is already taken by another port or address of this Service, which keeps it
        "#]],
    );
}
