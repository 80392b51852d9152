//! `healthCheckNodePort`.

use super::*;
use crate::testing::options;

#[test]
fn the_port_stands_in_the_set_of_each_family_with_its_own_count() {
    check_with(
        "service web 10.96.0.20 fd00:96::20 type=LoadBalancer 443/TCP external=Local health-check=32000
         slice web-4 web 8443/TCP 10.244.1.5@n1 10.244.1.6@n1 10.244.2.7@n2
         slice web-6 web 8443/TCP fd00:244:2::7@n2",
        &options("detector"),
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -a -t 10.96.0.20:443 -r 10.244.1.5:8443 -m -w 1
            -a -t 10.96.0.20:443 -r 10.244.1.6:8443 -m -w 1
            -a -t 10.96.0.20:443 -r 10.244.2.7:8443 -m -w 1
            -A -t [fd00:96::20]:443 -s rr
            -a -t [fd00:96::20]:443 -r [fd00:244:2::7]:8443 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8443,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.6,tcp:8443,10.244.1.6
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-IPVS-IPS 10.96.0.20
            add KUBE-6-CLUSTER-IP fd00:96::20,tcp:443
            add KUBE-6-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-6-IPVS-IPS fd00:96::20
            bound: 10.96.0.20 fd00:96::20
            health check: 32000 IPv4:2 IPv6:0
        "#]],
    );
}

#[test]
fn a_family_without_cluster_ip_has_no_count() {
    check(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP external=Local health-check=32000
         slice web-4 web 8443/TCP 10.244.1.5@n1
         slice web-6 web 8443/TCP fd00:244:1::5@n1",
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            -a -t 10.96.0.20:443 -r 10.244.1.5:8443 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8443,10.244.1.5
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            health check: 32000 IPv4:1
        "#]],
    );
}

/// Pods count, not ports: several ports of one pod are one, and one that only ends is none.
#[test]
fn ready_addresses_of_this_node_are_counted() {
    check(
        "service web 10.96.0.20 type=LoadBalancer a:80/TCP b:81/TCP external=Local health-check=32000
         slice web-1 web a:8080/TCP b:8081/TCP 10.244.1.5@n1
         slice web-2 web a:8080/TCP 10.244.1.6@n1!terminating 10.244.1.7@n1!unready 10.244.1.8@n1!stopped
         slice web-3 web b:9090/TCP 10.244.1.5@n1 10.244.1.9@n1",
        expect![[r#"
            -A -t 10.96.0.20:80 -s rr
            -a -t 10.96.0.20:80 -r 10.244.1.5:8080 -m -w 1
            -A -t 10.96.0.20:81 -s rr
            -a -t 10.96.0.20:81 -r 10.244.1.5:8081 -m -w 1
            -a -t 10.96.0.20:81 -r 10.244.1.5:9090 -m -w 1
            -a -t 10.96.0.20:81 -r 10.244.1.9:9090 -m -w 1
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8080,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,tcp:8081,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.5,tcp:9090,10.244.1.5
            add KUBE-LOOP-BACK 10.244.1.6,tcp:8080,10.244.1.6
            add KUBE-LOOP-BACK 10.244.1.7,tcp:8080,10.244.1.7
            add KUBE-LOOP-BACK 10.244.1.8,tcp:8080,10.244.1.8
            add KUBE-LOOP-BACK 10.244.1.9,tcp:9090,10.244.1.9
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:80
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:81
            add KUBE-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            health check: 32000 IPv4:2
        "#]],
    );
}

#[test]
fn without_endpoints_there_are_none() {
    check(
        "service web 10.96.0.20 type=LoadBalancer 443/TCP external=Local health-check=32000",
        expect![[r#"
            -A -t 10.96.0.20:443 -s rr
            add KUBE-CLUSTER-IP 10.96.0.20,tcp:443
            add KUBE-HEALTH-CHECK-NODE-PORT 32000
            add KUBE-NO-ENDPOINT 10.96.0.20,tcp:443
            add KUBE-IPVS-IPS 10.96.0.20
            bound: 10.96.0.20
            health check: 32000 IPv4:0
        "#]],
    );
}
